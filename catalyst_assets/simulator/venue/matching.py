"""What an order fills at, and how much of it: pure functions of an order, a piece of a bar and the volume left.

Belongs here: prices and quantities of executions. Does not belong here: when orders are matched, in which sequence, and what a
fill does to the group and the account (``exchange``, ``ledger``).

Conservative on purpose. A marketable order crosses the spread and pays slippage that grows linearly to ``impact`` half-spreads
when it takes the whole volume cap. A resting limit fills at its limit, never better, after a trade through it (a mere touch
gets only ``touch_share`` of the cap); only when the market opens beyond it does it get the market's price. A stop triggers on a
touch, then pays spread and slippage from the worse of stop and opening price. A trailing stop follows the path's corners in their
order, so a high only lifts it for what comes later.

Prices of bars are floats, as the tape has them; what an order executes at is a ``Decimal`` on the tick.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal

from catalyst_assets.simulator.market import Bar
from catalyst_assets.simulator.venue.orders import SHARE_STEP, ExchangeConfig, Order
from catalyst_assets.simulator.worlds.pricepath import Path, tick_of

_EPSILON = 1e-7
WHOLE_CAP = 1_000_000_000
"""Stands for "any size" where the venue ignores volume (shares)."""


@dataclass(frozen=True, slots=True)
class Execution:
    """``qty`` shares (0: only the trigger happened) at ``price`` USD."""

    qty: Decimal
    price: Decimal
    triggered: bool = False


@dataclass(frozen=True, slots=True)
class Budget:
    """Shares the account may still take from a bar, and the bar's whole cap."""

    left: Decimal
    cap: int


_NOTHING = Decimal(0)


def volume_cap(bar: Bar, config: ExchangeConfig) -> int:
    """Shares all fills of the account together may take from ``bar``."""
    if config.habits.ignores_size:
        return WHOLE_CAP
    return int(bar.volume * config.participation + _EPSILON)


def to_tick(price: float, *, up: bool) -> Decimal:
    """``price`` on its tick, rounded up or down, never below one tick."""
    cents = price >= 1
    scaled = price / tick_of(price)
    whole = math.ceil(scaled - _EPSILON) if up else math.floor(scaled + _EPSILON)
    return Decimal(max(whole, 1)).scaleb(-2 if cents else -4)


def far_side(mid: float, half_spread: float, *, buy: bool) -> float:
    """The price a marketable order meets: ask for a buy, bid for a sale. The scalar form of ``pricepath.quote_prices``."""
    tick = 0.01 if mid >= 1 else 0.0001
    ticks = max(1.0, float(round(2 * half_spread / tick)))
    bid = max(math.floor((mid - ticks * tick / 2) / tick + 0.5), 1.0)
    return round((bid + ticks if buy else bid) * tick * 10_000) / 10_000


def wanted(order: Order, price: Decimal) -> Decimal:
    """Shares the order still wants at ``price``: for a notional order what its remaining money is worth, nine decimals, rounded
    down (the order's quantity is set to that)."""
    if order.notional is not None:
        left = (order.notional - order.filled_notional) / price
        order.qty = order.filled_qty + max(left.quantize(SHARE_STEP, rounding=ROUND_DOWN), _NOTHING)
    return order.remaining


def _slipped(
    base: float, half_spread: float, qty: Decimal, budget: Budget, config: ExchangeConfig, *, buy: bool
) -> Decimal:
    slip = 0.0
    if budget.cap and not config.habits.ignores_size:
        slip = config.impact * half_spread * float(qty) / budget.cap
    return to_tick(base + slip if buy else base - slip, up=buy)


def _bounded(price: Decimal, limit: Decimal | None, *, buy: bool) -> Decimal:
    if limit is None:
        return price
    return min(price, limit) if buy else max(price, limit)


def _reaches(price: float, limit: Decimal, *, buy: bool) -> bool:
    return price <= float(limit) + _EPSILON if buy else price >= float(limit) - _EPSILON


def execute_at_market(order: Order, mid: float, bar: Bar, budget: Budget, config: ExchangeConfig) -> Execution | None:
    """An order that crosses the spread at ``mid``: market orders, and limits that reach the far side; else ``None``. A FOK order
    that cannot fill whole gets nothing."""
    if budget.left <= 0:
        return None
    base = far_side(mid, bar.half_spread, buy=order.is_buy)
    limit = order.limit_price if order.works_as == "limit" else None
    if limit is not None and not _reaches(base, limit, buy=order.is_buy):
        return None
    left = wanted(order, _slipped(base, bar.half_spread, _NOTHING, budget, config, buy=order.is_buy))
    qty = min(left, budget.left)
    if qty <= 0 or (order.time_in_force == "fok" and qty < left):
        return None
    price = _bounded(_slipped(base, bar.half_spread, qty, budget, config, buy=order.is_buy), limit, buy=order.is_buy)
    return Execution(min(qty, wanted(order, price)), price)


def execute_in_auction(order: Order, price: float, budget: Budget) -> Execution | None:
    """An opening or closing auction: one price without spread; a limit order takes part when that price is inside its limit."""
    if order.limit_price is not None and not _reaches(price, order.limit_price, buy=order.is_buy):
        return None
    crossed = to_tick(price, up=order.is_buy)
    qty = min(wanted(order, crossed), budget.left)
    return Execution(qty, crossed) if qty > 0 else None


def out_of_reach(order: Order, high: float, low: float) -> bool:
    """True when a range of prices cannot concern a resting limit order: sorts out most of a book in two comparisons."""
    if order.limit_price is None or order.works_as != "limit":
        return False
    limit = float(order.limit_price)
    return low > limit + _EPSILON if order.is_buy else high < limit - _EPSILON


def execute_in_bar(order: Order, path: Path, bar: Bar, budget: Budget, config: ExchangeConfig) -> Execution | None:
    """What happens to a resting order while the price goes along ``path`` (a part of ``bar``); ``None`` when nothing does."""
    works_as = order.works_as
    if works_as == "stop":
        return _stop(order, path, bar, budget, config)
    crossing = execute_at_market(order, path.start, bar, budget, config)
    if crossing is not None or works_as == "market" or order.limit_price is None:
        return crossing
    buy, limit = order.is_buy, float(order.limit_price)
    extreme = path.low if buy else path.high
    through = extreme < limit - _EPSILON if buy else extreme > limit + _EPSILON
    touched = through or _reaches(extreme, order.limit_price, buy=buy)
    if not touched:
        return None
    available = budget.left if through else min(budget.left, Decimal(_at_a_touch(order, bar, budget, config)))
    qty = min(wanted(order, order.limit_price), available)
    return Execution(qty, order.limit_price) if qty > 0 else None


def _at_a_touch(order: Order, bar: Bar, budget: Budget, config: ExchangeConfig) -> int:
    """Shares a limit may get when the price only touches it. In queue position, what trades there (``touch_share`` of the bar)
    first serves the shares that were displayed before the order."""
    if order.ahead is None:
        return int(budget.cap * config.touch_share)
    traded = Decimal(int(bar.volume * config.touch_share))
    served = min(order.ahead, traded)
    order.ahead -= served
    return int(traded - served)


def stop_is_hit(order: Order, path: Path) -> bool:
    """True when the path touches the order's stop price."""
    if order.stop_price is None:
        return False
    stop = float(order.stop_price)
    return path.high >= stop - _EPSILON if order.is_buy else path.low <= stop + _EPSILON


def trail_along(order: Order, path: Path) -> Path | None:
    """Let a trailing stop follow ``path`` up to where it is hit; the rest of the path from there, or ``None`` when it is not."""
    rising = path.end >= path.start
    corners = (path.start, path.low, path.high, path.end) if rising else (path.start, path.high, path.low, path.end)
    for index, corner in enumerate(corners):
        at = Path(corner, corner, corner, corner)
        if stop_is_hit(order, at):
            # Reached on the way the stop itself was traded; at the start the market may have opened beyond it.
            first = corner if index == 0 or order.stop_price is None else float(order.stop_price)
            rest = (first, *corners[index:])
            return Path(first, max(rest), min(rest), path.end)
        order.trail_from(Decimal(str(round(corner, 2 if corner >= 1 else 4))))
    return None


def _stop(order: Order, path: Path, bar: Bar, budget: Budget, config: ExchangeConfig) -> Execution | None:
    if order.type == "trailing_stop":
        rest = trail_along(order, path)
        if rest is None:
            return None
        path = rest
    if not stop_is_hit(order, path) or order.stop_price is None:
        return None
    buy, stop = order.is_buy, float(order.stop_price)
    worse = max(stop, path.start) if buy else min(stop, path.start)
    base = worse + bar.half_spread if buy else worse - bar.half_spread
    qty = min(order.remaining, budget.left)
    limit = order.limit_price if order.type == "stop_limit" else None
    if qty <= 0 or (limit is not None and not _reaches(base, limit, buy=buy)):
        return Execution(_NOTHING, order.stop_price, triggered=True)
    price = _slipped(base, bar.half_spread, qty, budget, config, buy=buy)
    price = _bounded(price, limit, buy=buy)
    return Execution(min(qty, wanted(order, price)), price, triggered=True)
