"""One step's view of our own records: trades, orders and fills in memory, and what of them must be written.

Belongs here: look-ups, the one place an order or trade changes state (each change an event), and the commit. Does not belong here:
why anything changes. A book lives for one step, or for the steps under one hold of the account's lock; the database is the memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from typing import Any

from catalyst_assets.execution.journal import check_transition, is_alive
from catalyst_assets.storage.trade_rows import (
    DecisionRow,
    EventRow,
    FillRow,
    JournalOrder,
    SnapshotRow,
    TradeChanges,
    TradeRecord,
)
from catalyst_assets.storage.trades import TradeRepository


class Book:
    """The trades of a session and everything still live in one scenario."""

    def __init__(self, repository: TradeRepository, scenario: str, session: date) -> None:
        self._repository = repository
        self.scenario = scenario
        self.session = session
        stored = repository.load(scenario, session)
        self.trades: dict[str, TradeRecord] = {trade.trade_id: trade for trade in stored.trades}
        self.orders: dict[str, JournalOrder] = {order.client_order_id: order for order in stored.orders}
        self.fills: dict[str, FillRow] = {fill.activity_id: fill for fill in stored.fills}
        self._by_broker_id = {
            order.broker_order_id: order for order in stored.orders if order.broker_order_id is not None
        }
        self._of_trade: dict[str, list[JournalOrder]] = {trade_id: [] for trade_id in self.trades}
        for order in stored.orders:
            if order.trade_id is not None:
                self._of_trade[order.trade_id].append(order)
        self._changed_trades: dict[str, TradeRecord] = {}
        self._changed_orders: dict[str, JournalOrder] = {}
        self._changes = TradeChanges()

    # ----------------------------------------------------------------------------------------------------------- look-ups

    def live_trades(self) -> list[TradeRecord]:
        """Trades that may still change, oldest first."""
        return [trade for trade in self.trades.values() if trade.is_live]

    def orders_of(self, trade: TradeRecord) -> list[JournalOrder]:
        """Every order of a trade, in the order they were planned."""
        return list(self._of_trade.get(trade.trade_id, ()))

    def alive_orders(self, trade: TradeRecord) -> list[JournalOrder]:
        """Orders of a trade that may still fill."""
        return [order for order in self.orders_of(trade) if is_alive(order)]

    def by_broker_id(self, order_id: str) -> JournalOrder | None:
        return self._by_broker_id.get(order_id)

    def next_attempt(self, trade: TradeRecord, purpose: str, leg: str) -> int:
        """The number of the next order for that purpose and leg, from 1."""
        return 1 + sum(1 for order in self.orders_of(trade) if order.purpose == purpose and order.leg == leg)

    def fills_of(self, order: JournalOrder) -> Iterator[FillRow]:
        return (fill for fill in self.fills.values() if fill.client_order_id == order.client_order_id)

    # ------------------------------------------------------------------------------------------------------------- changes

    def add_trade(self, trade: TradeRecord) -> None:
        self.trades[trade.trade_id] = trade
        self._of_trade.setdefault(trade.trade_id, [])
        self._changed_trades[trade.trade_id] = trade
        self.event(
            trade, None, trade.created_at, trade.status, f"{trade.direction} {trade.planned_qty} {trade.symbol} planned"
        )

    def add_order(self, order: JournalOrder, message: str = "") -> None:
        self.orders[order.client_order_id] = order
        if order.trade_id is not None:
            self._of_trade.setdefault(order.trade_id, []).append(order)
        if order.broker_order_id is not None:
            self._by_broker_id[order.broker_order_id] = order
        self._changed_orders[order.client_order_id] = order
        trade = self.trades.get(order.trade_id or "")
        self.event(trade, order, order.updated_at, f"order_{order.state}", message or order.why)

    def touch_trade(self, trade: TradeRecord, now: datetime) -> None:
        trade.updated_at = now
        self._changed_trades[trade.trade_id] = trade

    def touch_order(self, order: JournalOrder, now: datetime) -> None:
        order.updated_at = now
        self._changed_orders[order.client_order_id] = order

    def know_broker_id(self, order: JournalOrder, broker_order_id: str, now: datetime) -> None:
        if order.broker_order_id != broker_order_id:
            order.broker_order_id = broker_order_id
            self._by_broker_id[broker_order_id] = order
            self.touch_order(order, now)

    def move_order(self, order: JournalOrder, state: str, now: datetime, message: str = "", **data: Any) -> None:
        """Change an order's state. Raises :class:`~catalyst_assets.execution.journal.IllegalTransition`."""
        if order.state == state:
            return
        check_transition(order.client_order_id, order.state, state)
        before, order.state = order.state, state
        self.touch_order(order, now)
        trade = self.trades.get(order.trade_id or "")
        self.event(trade, order, now, f"order_{state}", message, before=before, **data)

    def move_trade(self, trade: TradeRecord, status: str, now: datetime, message: str = "", **data: Any) -> None:
        """Change a trade's status."""
        if trade.status == status:
            return
        before, trade.status = trade.status, status
        self.touch_trade(trade, now)
        self.event(trade, None, now, status, message, before=before, **data)

    def add_fill(self, fill: FillRow) -> None:
        self.fills[fill.activity_id] = fill
        self._changes.fills.append(fill)

    def event(
        self,
        trade: TradeRecord | None,
        order: JournalOrder | None,
        at: datetime,
        kind: str,
        message: str = "",
        **data: Any,
    ) -> None:
        """Record that something happened."""
        self._changes.events.append(
            EventRow(
                scenario=self.scenario,
                session=trade.session if trade is not None else self.session,
                trade_id=trade.trade_id if trade is not None else None,
                client_order_id=order.client_order_id if order is not None else None,
                at=at,
                kind=kind,
                message=message,
                data=data,
            )
        )

    def add_decisions(self, decisions: list[DecisionRow]) -> None:
        self._changes.decisions.extend(decisions)

    def add_snapshot(self, snapshot: SnapshotRow) -> None:
        self._changes.snapshots.append(snapshot)

    def commit(self) -> None:
        """Write everything that changed since the last commit, in one transaction."""
        self._changes.trades = list(self._changed_trades.values())
        self._changes.orders = list(self._changed_orders.values())
        self._repository.commit(self._changes)
        self._changes = TradeChanges()
        self._changed_trades, self._changed_orders = {}, {}
