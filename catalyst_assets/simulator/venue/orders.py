"""Orders as the simulated broker keeps them, the requests that make them, and the refusals.

Belongs here: the values and the questions an order answers about itself. Does not belong here: whether a request is allowed
(``admission``), what it fills at (``matching``), who moves it from state to state (``exchange``).

Quantities are shares as ``Decimal`` (up to nine decimals where the asset is fractionable), prices ``Decimal`` USD, times aware
UTC. Statuses are Alpaca's own words.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Any

from catalyst_assets.simulator.venue.habits import Habits

OPEN_STATUSES = frozenset(
    {"accepted", "pending_new", "new", "partially_filled", "held", "pending_cancel", "done_for_day"}
)
"""Statuses of an order that can still fill."""

TICK, SUB_DOLLAR_TICK = Decimal("0.01"), Decimal("0.0001")
"""Minimum price increments from one dollar up, and below (SEC Rule 612)."""

SHARE_STEP = Decimal("0.000000001")
"""Smallest part of a share that can be held."""

ENTRY, TAKE_PROFIT, STOP_LOSS = "entry", "take_profit", "stop_loss"
"""Roles of the orders of a group; a simple order is an ``entry``."""


class ExchangeRefusal(Exception):
    """The exchange says no. Carries what Alpaca's body would: ``code`` (``None`` where Alpaca sends none), ``http_status``,
    ``message`` and ``extra`` fields (strings)."""

    def __init__(
        self, code: int | None, http_status: int, message: str, extra: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.http_status = http_status
        self.message = message
        self.extra = dict(extra or {})

    def body(self) -> dict[str, Any]:
        """The JSON body of the refusal."""
        body: dict[str, Any] = {} if self.code is None else {"code": self.code}
        return {**body, "message": self.message, **self.extra}


@dataclass(frozen=True, slots=True)
class ExchangeConfig:
    """How the simulated venue and account behave. Fractions are 0…1, money USD."""

    participation: float = 0.10
    """Largest part of a bar's volume that the account's fills may take, all its orders together."""
    touch_share: float = 0.25
    """Part of that cap a resting limit may get when the price only touches it (others stand before it in the queue)."""
    impact: float = 1.0
    """Slippage of a marketable fill in half-spreads when it takes the whole cap; linear below."""
    latency: timedelta = timedelta(milliseconds=150)
    """Time from submission until the order meets the market."""
    cancel_delay: timedelta = timedelta(0)
    """How long a cancel stays ``pending_cancel``; zero cancels at once."""
    fees: bool = True
    multiplier: Decimal = Decimal(4)
    """Buying power per USD of equity: 4 (intraday margin), 2 (Regulation T) or 1 (cash)."""
    margin_minimum: Decimal = Decimal(2000)
    """Equity below which the account has no margin (multiplier 1)."""
    shorting: bool = True
    maintenance: Decimal = Decimal("0.30")
    """Maintenance margin, fraction of the position's value."""
    short_price_buffer: Decimal = Decimal("1.03")
    """A short sale is charged against buying power at max(limit, ask × this)."""
    habits: Habits = field(default_factory=Habits)
    """What the broker does where its documents are silent."""


@dataclass(frozen=True, slots=True)
class NewOrder:
    """A request as it came in, before any check. ``qty`` may be fractional or missing; admission decides."""

    symbol: str
    side: str
    type: str
    time_in_force: str
    qty: Decimal | None = None
    notional: Decimal | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    client_order_id: str | None = None
    order_class: str = "simple"
    take_profit_limit: Decimal | None = None
    stop_loss_stop: Decimal | None = None
    stop_loss_limit: Decimal | None = None
    extended_hours: bool = False
    position_intent: str | None = None
    trail_price: Decimal | None = None
    trail_percent: Decimal | None = None


@dataclass(slots=True, kw_only=True)
class Order:
    """One order. ``legs`` are filled on the parent only; ``parent_id`` on the legs only."""

    order_id: str
    client_order_id: str
    symbol: str
    side: str
    type: str
    time_in_force: str
    order_class: str
    role: str
    qty: Decimal
    """Shares wanted, filled ones included. For a ``notional`` order: what the money buys at the last price it met."""
    limit_price: Decimal | None
    stop_price: Decimal | None
    extended_hours: bool
    position_intent: str
    status: str
    created_at: datetime
    submitted_at: datetime
    updated_at: datetime
    sequence: int
    armed: bool = False
    """True when the engine works the order: a ``held`` stop beside a resting take-profit is armed, a waiting leg is not."""
    active_from: datetime | None = None
    """From when the order can meet the market."""
    target_from: datetime | None = None
    """For a take-profit: from when it may fill (not inside the bar in which its resting entry filled)."""
    triggered: bool = False
    notional: Decimal | None = None
    """USD to spend or raise instead of a number of shares."""
    trail_price: Decimal | None = None
    trail_percent: Decimal | None = None
    hwm: Decimal | None = None
    """Best price a trailing stop has seen: highest for a sale, lowest for a purchase."""
    ahead: Decimal | None = None
    """Displayed shares that stand before a resting limit at its price; ``None`` when queues are not followed."""
    filled_qty: Decimal = Decimal(0)
    filled_notional: Decimal = Decimal(0)
    filled_at: datetime | None = None
    expires_at: datetime | None = None
    expired_at: datetime | None = None
    canceled_at: datetime | None = None
    failed_at: datetime | None = None
    replaced_at: datetime | None = None
    replaced_by: str | None = None
    replaces: str | None = None
    cancel_due: datetime | None = None
    parent_id: str | None = None
    legs: list[Order] = field(default_factory=list)

    @property
    def is_open(self) -> bool:
        """True while it can still fill."""
        return self.status in OPEN_STATUSES

    @property
    def remaining(self) -> Decimal:
        """Shares not yet filled."""
        return self.qty - self.filled_qty

    @property
    def is_buy(self) -> bool:
        """True for a buy."""
        return self.side == "buy"

    @property
    def opens(self) -> bool:
        """True when it builds a position (long or short) rather than closing one."""
        return self.position_intent.endswith("_to_open")

    @property
    def filled_avg_price(self) -> Decimal | None:
        """Average fill price, exact quotient; ``None`` before the first fill."""
        return self.filled_notional / self.filled_qty if self.filled_qty else None

    @property
    def works_as(self) -> str:
        """``limit``, ``market`` or ``stop``: how it meets the market now (a triggered stop is a market order, …)."""
        if self.type in ("stop", "trailing_stop"):
            return "market" if self.triggered else "stop"
        if self.type == "stop_limit":
            return "limit" if self.triggered else "stop"
        return self.type

    @property
    def in_auction(self) -> str | None:
        """``opg`` or ``cls`` for an order that only trades in that auction."""
        return self.time_in_force if self.time_in_force in ("opg", "cls") else None

    def trail_from(self, price: Decimal) -> None:
        """Follow ``price`` when it is better than every one before: move the high-water mark, and the stop behind it."""
        if self.hwm is not None and (price >= self.hwm if self.is_buy else price <= self.hwm):
            return
        self.hwm = price
        distance = self.trail_price
        if distance is None:
            distance = price * (self.trail_percent or Decimal(0)) / 100
        stop = price + distance if self.is_buy else price - distance
        tick = TICK if stop >= 1 else SUB_DOLLAR_TICK
        self.stop_price = max(stop.quantize(tick, rounding=ROUND_CEILING if self.is_buy else ROUND_FLOOR), tick)

    def snapshot(self) -> Order:
        """A copy that later events do not change."""
        duplicate = object.__new__(Order)
        for name in _ORDER_SLOTS:
            setattr(duplicate, name, getattr(self, name))
        if not self.legs:
            duplicate.legs = []
            return duplicate
        duplicate.legs = [leg.snapshot() for leg in self.legs]
        return duplicate


_ORDER_SLOTS: tuple[str, ...] = tuple(part.name for part in fields(Order))
