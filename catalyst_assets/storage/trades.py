"""Trades, orders, fills, events, risk decisions and account snapshots: how they get in and out of the database.

Belongs here: SQL over the tables of the order step and the writer's lock. Does not belong here: what a state means or
when it changes (``execution/``). All changes of a step are one transaction (:meth:`TradeRepository.commit`), so the
journal never shows half a step. Rows of scenario ``live`` are never deleted.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from datetime import date, datetime
from typing import Any

import pandas as pd
from sqlalchemy import Connection, Table, delete, or_, select, text
from sqlalchemy.dialects.postgresql import Insert, insert

from catalyst_assets.storage.database import Database
from catalyst_assets.storage.frames import plain
from catalyst_assets.storage.tables import TABLES
from catalyst_assets.storage.trade_rows import (
    LIVE_STATUSES,
    FillRow,
    JournalOrder,
    SnapshotRow,
    TradeChanges,
    TradeRecord,
)

LIVE = "live"
LOCK_POLL_SECONDS = 0.05
_JSON_COLUMNS = frozenset({"checks", "limits", "refusal", "data"})
_REPLAY_TABLES = (
    "trade_events", "order_fills", "order_journal", "risk_decisions", "account_snapshots", "trade_records",
)  # fmt: skip
"""Tables a replay's rows are removed from, children before parents."""


class LiveRowsAreKept(Exception):
    """Somebody asked to delete rows of the live scenario. Real trade rows are never overwritten by a replay."""


class AccountBusy(Exception):
    """Another process is placing or watching orders on this account; nothing was done."""


@dataclass(frozen=True, slots=True)
class StoredTrades:
    """What the database knows of one scenario's session and of everything still live."""

    trades: list[TradeRecord]
    orders: list[JournalOrder]
    fills: list[FillRow]


def _columns(row_class: type) -> tuple[str, ...]:
    return tuple(field.name for field in fields(row_class))


_TRADE_COLUMNS, _ORDER_COLUMNS, _FILL_COLUMNS = _columns(TradeRecord), _columns(JournalOrder), _columns(FillRow)


def _upsert(table: Table, columns: Sequence[str], key: str) -> Insert:
    statement = insert(table)
    changed = {name: statement.excluded[name] for name in columns if name != key}
    return statement.on_conflict_do_update(index_elements=[key], set_=changed)


_LABELS = ("catalyst_played_out", "pattern_completed")
"""Columns the feedback loop fills after the exit (:meth:`TradeRepository.save_outcome`): the desk never writes over them."""
_UPSERT_TRADE = _upsert(TABLES["trade_records"], [name for name in _TRADE_COLUMNS if name not in _LABELS], "trade_id")
_UPSERT_ORDER = _upsert(TABLES["order_journal"], _ORDER_COLUMNS, "client_order_id")


class TradeRepository:
    """Rows of ``trade_records, order_journal, order_fills, trade_events, risk_decisions, account_snapshots``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # -------------------------------------------------------------------------------------------------------------
    # state

    def load(self, scenario: str, session: date) -> StoredTrades:
        """The trades of ``session`` and every trade still live in ``scenario``, with their orders and fills, oldest
        first."""
        trades, orders, fills = (TABLES[name] for name in ("trade_records", "order_journal", "order_fills"))
        wanted = (trades.c.scenario == scenario) & or_(trades.c.session == session, trades.c.status.in_(LIVE_STATUSES))
        ids = select(trades.c.trade_id).where(wanted)
        with self._database.begin() as connection:
            found = connection.execute(
                select(*(trades.c[name] for name in _TRADE_COLUMNS))
                .where(wanted)
                .order_by(trades.c.created_at, trades.c.trade_id)
            ).all()
            if not found:
                return StoredTrades([], [], [])
            order_rows = connection.execute(
                select(*(orders.c[name] for name in _ORDER_COLUMNS))
                .where(orders.c.trade_id.in_(ids))
                .order_by(orders.c.planned_at, orders.c.client_order_id)
            ).all()
            fill_rows = connection.execute(
                select(*(fills.c[name] for name in _FILL_COLUMNS))
                .where(fills.c.trade_id.in_(ids))
                .order_by(fills.c.filled_at, fills.c.activity_id)
            ).all()
        return StoredTrades(
            [TradeRecord(**dict(row._mapping)) for row in found],
            [JournalOrder(**dict(row._mapping)) for row in order_rows],
            [FillRow(**dict(row._mapping)) for row in fill_rows],
        )

    def commit(self, changes: TradeChanges) -> None:
        """Write a step's changes in one transaction: trades and orders inserted or updated, the rest inserted once.

        Any failure undoes all of it and is raised: an order whose journal row could not be written must not be sent.
        """
        if not changes:
            return
        with self._database.begin() as connection:
            if changes.decisions:
                rows = [_values(row) for row in changes.decisions]
                connection.execute(insert(TABLES["risk_decisions"]).on_conflict_do_nothing(), rows)
            if changes.trades:
                connection.execute(_UPSERT_TRADE, [_values(row) for row in changes.trades])
            for order in changes.orders:  # a leg's parent must exist before the leg: keep the order they were made in
                connection.execute(_UPSERT_ORDER, _values(order))
            if changes.fills:
                rows = [_values(row) for row in changes.fills]
                connection.execute(insert(TABLES["order_fills"]).on_conflict_do_nothing(), rows)
            if changes.events:
                connection.execute(insert(TABLES["trade_events"]), [_values(row) for row in changes.events])
            if changes.snapshots:
                rows = [_values(row) for row in changes.snapshots]
                connection.execute(insert(TABLES["account_snapshots"]).on_conflict_do_nothing(), rows)
        if any(trade.scenario == LIVE for trade in changes.trades):
            self._database.cache.invalidate("positions", scenario=LIVE)

    def add_snapshots(self, rows: Sequence[SnapshotRow]) -> None:
        """Store account snapshots; one that exists for the same scenario and instant is left alone."""
        self.commit(TradeChanges(snapshots=list(rows)))

    @contextmanager
    def account_lock(self, scenario: str, account_id: str, *, wait_seconds: float = 15.0) -> Iterator[None]:
        """One writer per account: a PostgreSQL advisory lock, freed by the server when this process dies.

        Raises :class:`AccountBusy` when another writer keeps it longer than ``wait_seconds``.
        """
        digest = hashlib.sha256(f"{scenario}|{account_id}".encode()).digest()
        key = int.from_bytes(digest[:8], "big", signed=True)
        with self._database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            deadline = time.monotonic() + wait_seconds
            while not connection.execute(text("select pg_try_advisory_lock(:key)"), {"key": key}).scalar():
                if time.monotonic() >= deadline:
                    raise AccountBusy(
                        f"another process has been working on account {account_id} ({scenario}) for {wait_seconds:.0f} s"
                    )
                time.sleep(LOCK_POLL_SECONDS)
            try:
                yield
            finally:
                _unlock(connection, key)

    def clear_replay(self, scenario: str, session: date) -> int:
        """Delete a replay's trading rows of one session in one transaction; their number.

        Raises :class:`LiveRowsAreKept` for scenario ``live``.
        """
        if scenario == LIVE:
            raise LiveRowsAreKept("rows of the live scenario are never deleted")
        with self._database.begin() as connection:
            return sum(
                connection.execute(
                    delete(TABLES[name]).where(TABLES[name].c.scenario == scenario, TABLES[name].c.session == session)
                ).rowcount
                for name in _REPLAY_TABLES
            )

    # -------------------------------------------------------------------------------------------------------------
    # frames

    def trade_records(self, scenario: str, session: date | None = None) -> pd.DataFrame:
        """Trades, oldest first, columns as the table."""
        return self._frame("trade_records", scenario, session, "created_at, trade_id")

    def order_journal(self, scenario: str, session: date | None = None) -> pd.DataFrame:
        """Orders, in the order they were planned."""
        return self._frame("order_journal", scenario, session, "planned_at, client_order_id")

    def order_fills(self, scenario: str, session: date | None = None) -> pd.DataFrame:
        """Executions, oldest first."""
        return self._frame("order_fills", scenario, session, "filled_at, activity_id")

    def trade_events(self, scenario: str, session: date | None = None) -> pd.DataFrame:
        """Everything that happened to trades and orders, in the order it was recorded."""
        return self._frame("trade_events", scenario, session, "id")

    def risk_decisions(
        self, scenario: str, session: date | None = None, decided_from: datetime | None = None
    ) -> pd.DataFrame:
        """Answers of the risk step, oldest first; those from ``decided_from`` on when given."""
        return self._frame("risk_decisions", scenario, session, "id", {"decided_at >= :decided_from": decided_from})

    def account_snapshots(self, scenario: str, session: date | None = None) -> pd.DataFrame:
        """The equity curve, oldest first."""
        return self._frame("account_snapshots", scenario, session, '"at"')

    def positions(self, scenario: str) -> pd.DataFrame:
        """Open positions (the view ``positions``) of a scenario, by symbol.

        For showing: live ones come from the cache until the next change of a trade. Decisions start from :meth:`load` and the
        broker.
        """

        def read() -> pd.DataFrame:
            return self._frame("positions", scenario, None, "symbol")

        return self._database.cache.remembered("positions", read, scenario=scenario) if scenario == LIVE else read()

    def save_outcome(self, trade_id: str, *, catalyst_played_out: bool | None, pattern_completed: bool | None) -> None:
        """Store the labels of a closed trade (``trading.outcomes.trade_outcome``). Raises ``KeyError`` for an unknown
        trade."""
        trades = TABLES["trade_records"]
        with self._database.begin() as connection:
            changed = connection.execute(
                trades.update()
                .where(trades.c.trade_id == trade_id)
                .values(catalyst_played_out=catalyst_played_out, pattern_completed=pattern_completed)
            ).rowcount
        if not changed:
            raise KeyError(trade_id)

    def _frame(
        self,
        table: str,
        scenario: str,
        session: date | None,
        order_by: str,
        conditions: Mapping[str, Any] | None = None,
    ) -> pd.DataFrame:
        where, params = ["scenario = :scenario"], {"scenario": scenario, "session": session}
        if session is not None:
            where.append("session = :session")
        for condition, value in (conditions or {}).items():
            if value is not None:
                where.append(condition)
                params[condition.rpartition(":")[2]] = value
        return self._database.read(f"select * from {table} where {' and '.join(where)} order by {order_by}", params)


def _unlock(connection: Connection, key: int) -> None:
    if not connection.invalidated and not connection.closed:
        connection.execute(text("select pg_advisory_unlock(:key)"), {"key": key})


def _values(row: Any) -> dict[str, Any]:
    """A row object as statement parameters; JSON columns with JSON types only."""
    return {
        field.name: plain(getattr(row, field.name)) if field.name in _JSON_COLUMNS else getattr(row, field.name)
        for field in fields(row)
    }
