"""Prices as an exchange takes them: whole ticks, and the entry, stop and targets of a signal on that grid.

Belongs here: rounding to the tick and the geometry of one trade. Does not belong here: whether to trade (``signals.py``) and
how much (``risk.py``). Everything is ``Decimal`` inside: a price that is off by 1e-12 is a refused order.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Decimal
from typing import Final

from catalyst_assets.trading.config import SignalConfig

TICK: Final = Decimal("0.01")
SUB_DOLLAR_TICK: Final = Decimal("0.0001")
"""Minimum price increments of US stocks: a cent from one dollar up, a hundredth of a cent below (SEC Rule 612)."""
_NOISE: Final = Decimal("0.0000001")
"""Float noise is removed at this precision before rounding up or down, so 10.300000000000001 is 10.30 and not 10.31."""


def exact(price: float | Decimal) -> Decimal:
    """A float price as the decimal it was meant to be, to 1e-7 USD. Raises ``ValueError`` when it is not finite."""
    value = price if isinstance(price, Decimal) else Decimal(repr(float(price)))
    if not value.is_finite():
        raise ValueError(f"{price!r} is not a price")
    return value.quantize(_NOISE, rounding=ROUND_HALF_EVEN)


def tick(price: Decimal) -> Decimal:
    """The price increment at a price."""
    return TICK if price >= 1 else SUB_DOLLAR_TICK


def round_up(price: float | Decimal) -> Decimal:
    """The lowest price on the grid that is not below ``price``."""
    return _rounded(exact(price), ROUND_CEILING)


def round_down(price: float | Decimal) -> Decimal:
    """The highest price on the grid that is not above ``price``."""
    return _rounded(exact(price), ROUND_FLOOR)


def _rounded(price: Decimal, rounding: str) -> Decimal:
    return price.quantize(tick(price), rounding=rounding)


class NoGeometry(ValueError):
    """No entry, stop and targets exist within the rules; the message says which rule forbids it."""


@dataclass(frozen=True, slots=True)
class TradePlan:
    """Entry, stop and targets in USD, each on the tick grid, and what they follow from."""

    entry: Decimal
    stop: Decimal
    target1: Decimal
    target2: Decimal
    rule: str
    """What set the stop: ``percent``, ``atr`` or ``spread``."""

    @property
    def risk(self) -> Decimal:
        """Risk per share, USD, positive."""
        return abs(self.entry - self.stop)

    @property
    def reward_risk(self) -> Decimal:
        """(target 1 − entry) / (entry − stop)."""
        return abs(self.target1 - self.entry) / self.risk


def plan(side: int, bid: float, ask: float, atr: float, config: SignalConfig) -> TradePlan:
    """Entry, stop and targets for a long (``side`` 1) or a short (−1) from a two-sided quote and the ATR of 5 minutes, USD.

    Entry: the ask for a buy, the bid for a sale, to the tick that is worse for us. Stop: the tighter of ``stop_pct`` and
    ``stop_atr`` × ATR from the entry, but at least ``stop_min_spreads`` spreads away; rounded toward the entry (risk no larger
    than the rule) unless that would break the distance in spreads, then away from it. Targets: ``target1_r`` and ``target2_r``
    × the rounded risk, rounded away from the entry, so reward to risk holds after rounding. Raises :class:`NoGeometry` when
    the spread is so wide, or the price so low, that no stop satisfies both rules.
    """
    low, high = exact(bid), exact(ask)
    spread = high - low
    entry = round_up(high) if side > 0 else round_down(low)
    widest = entry * exact(config.stop_pct) / 100
    volatility = exact(atr) * exact(config.stop_atr)
    least = max(spread * exact(config.stop_min_spreads), tick(entry))
    distance, rule = (volatility, "atr") if volatility < widest else (widest, "percent")
    if least > distance:
        distance, rule = least, "spread"
    if least > widest:
        raise NoGeometry(f"a stop {least:f} away (spread {spread:f}) exceeds {config.stop_pct:g} % of the price")
    toward, away = (round_up, round_down) if side > 0 else (round_down, round_up)
    stop = toward(entry - side * distance)
    if abs(entry - stop) < least:
        stop = away(entry - side * least)
    risk = abs(entry - stop)
    if risk > widest or stop <= 0:
        raise NoGeometry(f"no tick lies between {least:f} and {widest:f} from the entry {entry:f}")
    target1 = away_from(entry, side, risk * exact(config.target1_r))
    target2 = away_from(entry, side, risk * exact(config.target2_r))
    if target1 <= 0 or target2 <= 0:
        raise NoGeometry(f"a target of {config.target2_r:g} R lies below zero")
    return TradePlan(entry, stop, target1, target2, rule)


def away_from(entry: Decimal, side: int, distance: Decimal) -> Decimal:
    """The first price on the grid at least ``distance`` from the entry in the direction of the trade."""
    return round_up(entry + distance) if side > 0 else round_down(entry - distance)
