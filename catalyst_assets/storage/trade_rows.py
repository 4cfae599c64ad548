"""The rows of the order step as plain objects: one class per table, one field per column.

Belongs here: names, types and defaults of a row. Does not belong here: SQL (``trades.py``) and what the rows mean
(``execution/``). Money is ``Decimal`` USD, times are aware UTC ``datetime``, quantities whole shares.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any

LIVE_STATUSES = ("planned", "entering", "open", "exiting")
"""Statuses of a trade that may still change by itself."""


@dataclass(slots=True)
class TradeRecord:
    """A row of ``trade_records``."""

    trade_id: str
    scenario: str
    session: date
    signal_id: str | None
    account_id: str
    symbol: str
    direction: str
    status: str
    planned_qty: int
    entry_plan: Decimal
    stop_plan: Decimal
    risk_per_share: Decimal
    created_at: datetime
    updated_at: datetime
    target1: Decimal | None = None
    target2: Decimal | None = None
    stop_now: Decimal | None = None
    filled_qty: int = 0
    exited_qty: int = 0
    entry_price: Decimal | None = None
    entry_time: datetime | None = None
    exit_price: Decimal | None = None
    exit_time: datetime | None = None
    exit_reason: str | None = None
    high_water: Decimal | None = None
    low_water: Decimal | None = None
    fees: Decimal = Decimal(0)
    pnl: Decimal | None = None
    r_multiple: float | None = None
    mae_r: float | None = None
    mfe_r: float | None = None
    catalyst_type: str | None = None
    narrative_id: str | None = None
    top_news_id: str | None = None
    pattern: str | None = None
    catalyst_played_out: bool | None = None
    pattern_completed: bool | None = None

    @property
    def sign(self) -> int:
        """+1 for a long, −1 for a short."""
        return 1 if self.direction == "long" else -1

    @property
    def held(self) -> int:
        """Shares filled and not yet exited, unsigned."""
        return self.filled_qty - self.exited_qty

    @property
    def is_live(self) -> bool:
        return self.status in LIVE_STATUSES

    @property
    def entry_side(self) -> str:
        return "buy" if self.direction == "long" else "sell"

    @property
    def exit_side(self) -> str:
        return "sell" if self.direction == "long" else "buy"


@dataclass(slots=True)
class JournalOrder:
    """A row of ``order_journal``. ``leg`` is ``a`` or ``b`` for entries, ``a.target``/``a.stop`` for their exit legs,
    ``p1.target``/``p1.stop`` for protection made afterwards, ``x`` for exits of the whole position."""

    client_order_id: str
    scenario: str
    session: date
    account_id: str
    trade_id: str | None
    signal_id: str | None
    decision_time: datetime
    symbol: str
    purpose: str
    leg: str
    side: str
    qty: int
    order_type: str
    order_class: str
    time_in_force: str
    state: str
    why: str
    planned_at: datetime
    updated_at: datetime
    attempt: int = 1
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    take_profit: Decimal | None = None
    stop_loss: Decimal | None = None
    parent_client_order_id: str | None = None
    broker_order_id: str | None = None
    filled_qty: int = 0
    filled_avg_price: Decimal | None = None
    limits: dict[str, Any] = field(default_factory=dict)
    refusal: dict[str, Any] | None = None
    sent_at: datetime | None = None
    answered_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class FillRow:
    """A row of ``order_fills``."""

    activity_id: str
    scenario: str
    session: date
    trade_id: str | None
    client_order_id: str | None
    broker_order_id: str
    symbol: str
    side: str
    qty: Decimal
    price: Decimal
    filled_at: datetime


@dataclass(frozen=True, slots=True)
class EventRow:
    """A row of ``trade_events`` (its id is the database's)."""

    scenario: str
    session: date
    trade_id: str | None
    client_order_id: str | None
    at: datetime
    kind: str
    message: str
    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class DecisionRow:
    """A row of ``risk_decisions`` (its id is the database's)."""

    scenario: str
    session: date
    signal_id: str
    decided_at: datetime
    allowed: bool
    rule: str | None
    message: str
    qty: int
    checks: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class SnapshotRow:
    """A row of ``account_snapshots``."""

    scenario: str
    session: date
    at: datetime
    account_id: str
    equity: Decimal
    cash: Decimal
    buying_power: Decimal
    open_positions: int
    day_pnl: Decimal


@dataclass(slots=True)
class TradeChanges:
    """What one step wants written, all of it in one transaction."""

    trades: list[TradeRecord] = field(default_factory=list)
    orders: list[JournalOrder] = field(default_factory=list)
    fills: list[FillRow] = field(default_factory=list)
    events: list[EventRow] = field(default_factory=list)
    decisions: list[DecisionRow] = field(default_factory=list)
    snapshots: list[SnapshotRow] = field(default_factory=list)

    def __bool__(self) -> bool:
        return any((self.trades, self.orders, self.fills, self.events, self.decisions, self.snapshots))
