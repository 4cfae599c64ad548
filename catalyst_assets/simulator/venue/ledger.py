"""Cash, positions and account activities of one simulated account, to the cent.

Belongs here: what a fill and a fee do to the account, and valuing it. Does not belong here: why something filled.

Invariant kept by construction and tested: ``cash = starting cash + Σ sales − Σ purchases − Σ fees``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from catalyst_assets.simulator.venue.fees import rate_on, sale_fees
from catalyst_assets.simulator.venue.orders import Order

Marks = Callable[[str], Decimal | None]
"""Gives the current price of a symbol, ``None`` when there is none."""


@dataclass(slots=True)
class Position:
    """Shares held: ``qty`` signed shares, ``avg_entry_price`` USD per share (of the open part)."""

    symbol: str
    qty: Decimal
    avg_entry_price: Decimal
    opened_at: datetime
    opened_in: date | None = None
    """Session of the first fill."""

    @property
    def cost_basis(self) -> Decimal:
        """Signed cost of the position, USD."""
        return self.avg_entry_price * self.qty


@dataclass(frozen=True, slots=True)
class Activity:
    """One account activity. FILL rows carry the execution, FEE rows ``net_amount`` (negative when it costs)."""

    activity_id: str
    kind: str
    """``FILL`` or ``FEE``."""
    at: datetime
    order_id: str
    symbol: str
    side: str = ""
    qty: Decimal = Decimal(0)
    price: Decimal = Decimal(0)
    cum_qty: Decimal = Decimal(0)
    leaves_qty: Decimal = Decimal(0)
    order_status: str = ""
    net_amount: Decimal = Decimal(0)
    description: str = ""
    opens: bool = False
    """FILL: the order builds a position (a sale then is a short sale)."""


@dataclass(frozen=True, slots=True)
class AccountState:
    """The account at an instant, USD. ``initial_margin`` is Regulation T (half the gross value)."""

    cash: Decimal
    equity: Decimal
    last_equity: Decimal
    long_market_value: Decimal
    short_market_value: Decimal
    initial_margin: Decimal
    maintenance_margin: Decimal
    multiplier: Decimal
    buying_power: Decimal
    regt_buying_power: Decimal
    non_marginable_buying_power: Decimal
    fees_paid: Decimal


class Ledger:
    """The books of one account."""

    def __init__(self, starting_cash: Decimal, new_id: Callable[[datetime], str], *, fees: bool) -> None:
        self.starting_cash = starting_cash
        self.cash = starting_cash
        self.last_equity = starting_cash
        self.fees_paid = Decimal(0)
        self.realized = Decimal(0)
        self.positions: dict[str, Position] = {}
        self.activities: list[Activity] = []
        self.day_trades: list[date] = []
        """Session of every position that was opened and closed within it, oldest first."""
        self._charged: dict[tuple[str, str], Decimal] = {}
        self._new_id = new_id
        self._fees = fees

    def book_fill(self, order: Order, qty: Decimal, price: Decimal, at: datetime, session: date) -> Activity:
        """Book one execution that is already counted in ``order``: cash, position, FILL and (for sales) FEE activities."""
        signed = qty if order.is_buy else -qty
        self.cash -= price * signed
        self._move_position(order.symbol, signed, price, at, session)
        fill = Activity(
            self._new_id(at),
            "FILL",
            at,
            order.order_id,
            order.symbol,
            order.side,
            qty,
            price,
            order.filled_qty,
            order.remaining,
            order.status,
            opens=order.opens,
        )
        self.activities.append(fill)
        if self._fees and not order.is_buy:
            self._charge(order, at, session)
        return fill

    def _move_position(self, symbol: str, signed: Decimal, price: Decimal, at: datetime, session: date) -> None:
        position = self.positions.get(symbol)
        if position is None:
            self.positions[symbol] = Position(symbol, signed, price, at, session)
            return
        before, after = position.qty, position.qty + signed
        if before * signed > 0:
            position.avg_entry_price = (position.cost_basis + price * signed) / after
        else:
            closed = min(abs(signed), abs(before))
            direction = 1 if before > 0 else -1
            if after == 0 and position.opened_in == session:
                self.day_trades.append(session)
            self.realized += (price - position.avg_entry_price) * closed * direction
            if before * after < 0:
                position.avg_entry_price, position.opened_at, position.opened_in = price, at, session
        position.qty = after
        if after == 0:
            del self.positions[symbol]

    def _charge(self, order: Order, at: datetime, session: date) -> None:
        """Charge what the order's sales cost so far beyond what was already charged: rounding up happens once per order."""
        sec, taf = sale_fees(order.filled_notional, order.filled_qty, rate_on(session))
        for name, total in (("REG", sec), ("TAF", taf)):
            already = self._charged.get((order.order_id, name), Decimal(0))
            due = total - already
            if due <= 0:
                continue
            self._charged[(order.order_id, name)] = total
            self.cash -= due
            self.fees_paid += due
            self.activities.append(
                Activity(
                    self._new_id(at),
                    "FEE",
                    at,
                    order.order_id,
                    order.symbol,
                    net_amount=-due,
                    qty=order.filled_qty,
                    description=f"{name} fee for proceed of {order.filled_qty:f} shares on {session}, "
                    f"order {order.order_id}",
                )
            )

    def values(self, marks: Marks) -> tuple[Decimal, Decimal]:
        """``(long, short)`` market value, USD; short is negative. A position without a price is valued at cost."""
        long = short = Decimal(0)
        for position in self.positions.values():
            price = marks(position.symbol)
            value = (position.avg_entry_price if price is None else price) * position.qty
            if value >= 0:
                long += value
            else:
                short += value
        return long, short

    def equity(self, marks: Marks) -> Decimal:
        """Cash plus the value of all positions, USD."""
        long, short = self.values(marks)
        return self.cash + long + short
