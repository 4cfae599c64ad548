"""The trading desk: the one door to the broker.

Belongs here: the six calls the rest of the program makes, each under the account's lock and starting from the stored rows and the
broker's answers. Does not belong here: any rule or any SQL.

Every call may be repeated after a failure at any point: start-up is ``synchronise`` and then the same calls as always.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

import pandas as pd

from catalyst_assets.execution.book import Book
from catalyst_assets.execution.guards import AccountGuard, check_pairing
from catalyst_assets.execution.leaving import cancel_entries, leave
from catalyst_assets.execution.order_step import PlaceResult, place
from catalyst_assets.execution.protection import end_late_entries, held_now, protect
from catalyst_assets.execution.reconcile import Difference, Reconciliation, executions, flat, money, orders, shares
from catalyst_assets.execution.station import Station
from catalyst_assets.execution.switches import KillSwitch
from catalyst_assets.execution.synchronise import SyncResult, first_order_at, synchronise
from catalyst_assets.execution.watch import WatchResult, manage_positions
from catalyst_assets.ports import Account, Broker, Clock, MarketData
from catalyst_assets.storage.trade_rows import SnapshotRow
from catalyst_assets.storage.trades import TradeRepository
from catalyst_assets.trading.calendar import TradingCalendar
from catalyst_assets.trading.config import TradingConfig


@dataclass(frozen=True, slots=True)
class FlattenResult:
    """What a flatten reached: trades told to leave, and shares other than ours it found and left alone."""

    leaving: tuple[str, ...]
    foreign: tuple[str, ...]


class TradingDesk:
    """Places, watches and closes trades of one scenario on one account.

    ``kill_switch`` gives the reason for stopping all entries, ``flat_ordered`` the one for closing everything (``None``: none); ``pause``
    waits seconds between two looks at the broker.
    Raises :class:`~.guards.TradingForbidden` on construction when scenario and broker do not belong together. Every method raises
    ``BrokerUnavailable`` when the broker cannot be read, ``AccountBusy`` when another process works on the account, and
    ``TradingForbidden`` for real money without its switches.
    """

    def __init__(
        self,
        broker: Broker,
        trades: TradeRepository,
        market_data: MarketData,
        clock: Clock,
        calendar: TradingCalendar,
        config: TradingConfig,
        *,
        scenario: str,
        guard: AccountGuard | None = None,
        kill_switch: KillSwitch | None = None,
        flat_ordered: KillSwitch | None = None,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        check_pairing(broker, scenario)
        self._trades = trades
        self._station = Station(
            broker=broker,
            market_data=market_data,
            clock=clock,
            calendar=calendar,
            config=config,
            scenario=scenario,
            pause=pause,
            guard=guard or AccountGuard(),
        )
        if kill_switch is not None:
            self._station.kill_switch = kill_switch
        if flat_ordered is not None:
            self._station.flat_ordered = flat_ordered
        self._account_id: str | None = None
        self._locked = False
        self._mutex = threading.RLock()
        self._kept: Book | None = None
        self._keeping = False

    # --------------------------------------------------------------------------------------------------------------- steps

    def place(self, signals: pd.DataFrame, decision_time: datetime) -> PlaceResult:
        """Decide on the signals of ``decision_time`` and send the entries of those allowed (columns of ``trading_signals``).

        Idempotent: a signal that has its trade is not traded again, an interrupted run is taken up.
        """
        with self._writer():
            book = self._book()
            synced = synchronise(self._station, book, fees=False)
            result = place(self._station, book, signals, decision_time, synced, self._station.account())
            if result.placed or result.resumed:
                synchronise(self._station, book)
                protect(self._station, book)
            return result

    def synchronise(self, *, force: bool = True) -> SyncResult:
        """Bring journal, fills and trades to what the broker says. ``force`` reads the broker even when no trade is live."""
        with self._writer():
            return synchronise(self._station, self._book(), force=force)

    def protect(self) -> list[str]:
        """Give every uncovered share a stop; ids of the trades that needed it."""
        with self._writer():
            book = self._book()
            if not book.live_trades():
                return []
            synchronise(self._station, book)
            end_late_entries(self._station, book, self._station.now())
            needed = protect(self._station, book)
            if needed:
                synchronise(self._station, book)
            return needed

    def watch(self, now: datetime | None = None, mentions: pd.DataFrame | None = None) -> WatchResult:
        """One minute's watch: synchronise, end late entries, apply the position rules, protect, synchronise.

        ``now`` defaults to the clock; ``mentions`` are the articles that may contradict a position (mention columns). While the switch
        says so, everything is closed instead.
        """
        with self._writer():
            book = self._book()
            if not book.live_trades():
                return WatchResult()
            station = self._station
            if (ordered := station.flat_ordered()) is not None:
                self._leave_all(book, ordered, "flatten")
                return WatchResult(live=len(book.live_trades()))
            now = now or station.now()
            synced = synchronise(station, book)
            ended = end_late_entries(station, book, now)
            actions = manage_positions(station, book, station.account(), mentions, now) if book.live_trades() else ()
            protected = protect(station, book)
            if ended or actions or protected or any(trade.status == "exiting" for trade in book.live_trades()):
                synced = synchronise(station, book)
            book.commit()
            return WatchResult(
                actions=actions,
                protected=tuple(protected),
                ended_entries=tuple(ended),
                disagreements=synced.disagreements,
                live=len(book.live_trades()),
            )

    def flatten(self, reason: str, *, code: str = "flatten") -> FlattenResult:
        """Cancel every entry and leave every position of this scenario; positions that are not ours are reported, not touched.

        ``reason`` is stored in words, ``code`` as the exit reason. Call again until nothing is live.
        """
        with self._writer():
            book = self._book()
            leaving = self._leave_all(book, reason, code)
            ours = {trade.symbol for trade in book.trades.values()}
            foreign = tuple(p.symbol for p in self._station.broker.positions() if p.symbol not in ours)
            return FlattenResult(tuple(leaving), foreign)

    def _leave_all(self, book: Book, reason: str, code: str) -> list[str]:
        """Cancel entries without shares and leave every held trade; the trades that leave."""
        station = self._station
        synchronise(station, book)
        leaving: list[str] = []
        for trade in book.live_trades():
            if held_now(book, trade) > 0:
                leave(station, book, trade, code, reason)
                leaving.append(trade.trade_id)
            else:
                cancel_entries(station, book, trade, reason)
        synchronise(station, book)
        return leaving

    def reconcile(self) -> Reconciliation:
        """Make our books and the broker agree as far as they can be made to, protect what is unprotected, and compare everything else.

        What start-up and recovery do; safe at any time, and a second run finds nothing to do.
        """
        with self._writer():
            station, book = self._station, self._book()
            synced = synchronise(station, book, force=True)
            resumed = protect(station, book)
            if resumed:
                synced = synchronise(station, book, force=True)
            since = first_order_at(station, book)
            account, open_orders, positions, fills, fees = station.together(
                station.account,
                station.broker.open_orders,
                station.broker.positions,
                lambda: station.broker.fills(since),
                lambda: station.broker.fees(since),
            )
            alone = all(book.by_broker_id(fill.order_id) is not None for fill in fills)
            found = [
                *(Difference("order", "", "", "", said) for said in synced.disagreements),
                *shares(book, positions, open_orders),
                *orders(book, open_orders),
                *executions(book, fills),
                *money(book, fees, alone=alone),
            ]
            counts = {
                "trades": len(book.trades),
                "positions": len(positions),
                "working orders": sum(1 for order in open_orders for _ in flat(order)),
                "executions": len(fills),
            }
            return Reconciliation(station.now(), book.session, account.account_id, tuple(found), tuple(resumed), counts)

    def record_account(self) -> SnapshotRow:
        """Store the account's equity, cash and result of the day (equity − equity at the previous close, USD)."""
        account = self._station.account()
        self._account_id = account.account_id
        now = self._station.now()
        row = SnapshotRow(
            scenario=self._station.scenario,
            session=self._station.calendar.session_for(now),
            at=now,
            account_id=account.account_id,
            equity=account.equity,
            cash=account.cash,
            buying_power=account.buying_power,
            open_positions=len(self._station.broker.positions()),
            day_pnl=account.equity - account.last_equity,
        )
        self._trades.add_snapshots([row])
        return row

    # ------------------------------------------------------------------------------------------------------------- details

    def account(self) -> Account:
        """The broker's account, fresh and allowed by the guard."""
        return self._station.account()

    def _book(self) -> Book:
        """The stored rows; within :meth:`exclusive`, where nobody else writes, the same ones from step to step."""
        session = self._station.calendar.session_for(self._station.now())
        if self._kept is not None and self._kept.session == session:
            return self._kept
        book = Book(self._trades, self._station.scenario, session)
        self._kept = book if self._keeping else None
        return book

    @contextmanager
    def _writer(self) -> Iterator[None]:
        """The account's lock, once per desk: calls within :meth:`exclusive` share it, other threads wait for it."""
        with self._mutex:
            if self._locked:
                try:
                    yield
                except BaseException:
                    self._kept = None  # half a step in memory is worth nothing: read the rows again
                    raise
                return
            if self._account_id is None:
                self._account_id = self._station.account().account_id
            wait = self._station.patience.lock_wait_seconds
            with self._trades.account_lock(self._station.scenario, self._account_id, wait_seconds=wait):
                self._locked = True
                try:
                    yield
                finally:
                    self._locked = False

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Hold the account's lock over several steps (a replayed session, a cycle's synchronise-place-watch)."""
        with self._writer():
            self._keeping = True
            try:
                yield
            finally:
                self._keeping, self._kept = False, None
