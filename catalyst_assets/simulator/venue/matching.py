"""What an order fills at, and how much of it: pure functions of an order, a piece of a bar and the volume left.

Belongs here: prices and quantities of executions. Does not belong here: when orders are matched, in which sequence, and what a
fill does to the group and the account (``exchange``, ``ledger``).

Conservative on purpose. A marketable order crosses the spread and pays slippage that grows linearly to ``impact`` half-spreads
when it takes the whole volume cap. A resting limit fills at its limit, never better, after a trade through it (a mere touch
gets only ``touch_share`` of the cap); only when the market opens beyond it does it get the market's price. A stop triggers on a
touch, then pays spread and slippage from the worse of stop and opening price.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from catalyst_assets.simulator.market import Bar
from catalyst_assets.simulator.venue.orders import ExchangeConfig, Order
from catalyst_assets.simulator.worlds.pricepath import Path, quote_prices, tick_of

_EPSILON = 1e-7


@dataclass(frozen=True, slots=True)
class Execution:
    """``qty`` shares (0: only the trigger happened) at ``price`` USD."""

    qty: int
    price: Decimal
    triggered: bool = False


@dataclass(frozen=True, slots=True)
class Budget:
    """Shares the account may still take from a bar, and the bar's whole cap."""

    left: int
    cap: int


def volume_cap(bar: Bar, config: ExchangeConfig) -> int:
    """Shares all fills of the account together may take from ``bar``."""
    return int(bar.volume * config.participation + _EPSILON)


def to_tick(price: float, *, up: bool) -> Decimal:
    """``price`` on its tick, rounded up or down, never below one tick."""
    tick = tick_of(price)
    scaled = price / tick
    whole = math.ceil(scaled - _EPSILON) if up else math.floor(scaled + _EPSILON)
    return Decimal(max(whole, 1)) * Decimal(str(tick))


def far_side(mid: float, half_spread: float, *, buy: bool) -> float:
    """The price a marketable order meets: ask for a buy, bid for a sale."""
    bid, ask = quote_prices(np.float64(mid), np.float64(half_spread))  # type: ignore[arg-type]
    return float(ask if buy else bid)


def _slipped(
    base: float, half_spread: float, qty: int, budget: Budget, config: ExchangeConfig, *, buy: bool
) -> Decimal:
    slip = config.impact * half_spread * qty / budget.cap if budget.cap else 0.0
    return to_tick(base + slip if buy else base - slip, up=buy)


def _bounded(price: Decimal, limit: Decimal | None, *, buy: bool) -> Decimal:
    if limit is None:
        return price
    return min(price, limit) if buy else max(price, limit)


def _reaches(price: float, limit: Decimal, *, buy: bool) -> bool:
    return price <= float(limit) + _EPSILON if buy else price >= float(limit) - _EPSILON


def execute_at_market(order: Order, mid: float, bar: Bar, budget: Budget, config: ExchangeConfig) -> Execution | None:
    """An order that crosses the spread at ``mid``: market orders, and limits that reach the far side; else ``None``."""
    qty = min(order.remaining, budget.left)
    if qty <= 0:
        return None
    base = far_side(mid, bar.half_spread, buy=order.is_buy)
    limit = order.limit_price if order.works_as == "limit" else None
    if limit is not None and not _reaches(base, limit, buy=order.is_buy):
        return None
    price = _slipped(base, bar.half_spread, qty, budget, config, buy=order.is_buy)
    return Execution(qty, _bounded(price, limit, buy=order.is_buy))


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
    available = budget.left if through else min(budget.left, int(budget.cap * config.touch_share))
    qty = min(order.remaining, available)
    return Execution(qty, order.limit_price) if qty > 0 else None


def stop_is_hit(order: Order, path: Path) -> bool:
    """True when the path touches the order's stop price."""
    if order.stop_price is None:
        return False
    stop = float(order.stop_price)
    return path.high >= stop - _EPSILON if order.is_buy else path.low <= stop + _EPSILON


def _stop(order: Order, path: Path, bar: Bar, budget: Budget, config: ExchangeConfig) -> Execution | None:
    if not stop_is_hit(order, path) or order.stop_price is None:
        return None
    buy, stop = order.is_buy, float(order.stop_price)
    worse = max(stop, path.start) if buy else min(stop, path.start)
    base = worse + bar.half_spread if buy else worse - bar.half_spread
    qty = min(order.remaining, budget.left)
    limit = order.limit_price if order.type == "stop_limit" else None
    if qty <= 0 or (limit is not None and not _reaches(base, limit, buy=buy)):
        return Execution(0, order.stop_price, triggered=True)
    price = _slipped(base, bar.half_spread, qty, budget, config, buy=buy)
    return Execution(qty, _bounded(price, limit, buy=buy), triggered=True)
