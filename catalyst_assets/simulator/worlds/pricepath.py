"""Prices as functions: ticks, quotes around a mid, the one path a price takes inside a bar, and instants as integers.

Belongs here: pure arithmetic shared by everything in the simulator. Does not belong here: any state.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


def micros(at: datetime) -> int:
    """Microseconds since the epoch of an aware ``datetime``. Raises ``ValueError`` when it has no zone."""
    if at.tzinfo is None:
        raise ValueError(f"{at!r} has no time zone")
    return (at - EPOCH) // MICROSECOND


def instant(us: int) -> datetime:
    """The aware UTC ``datetime`` of ``us`` microseconds since the epoch."""
    return EPOCH + timedelta(microseconds=int(us))


def tick_of(price: float) -> float:
    """Minimum price increment in USD: a cent from one dollar up, a hundredth of a cent below (SEC Rule 612)."""
    return 0.01 if price >= 1 else 0.0001


def quote_prices(mid: Floats, half_spread: Floats) -> tuple[Floats, Floats]:
    """``(bid, ask)`` on the tick around ``mid``; the spread is ``2 × half_spread`` in whole ticks, at least one."""
    tick = np.where(mid >= 1, 0.01, 0.0001)
    ticks = np.maximum(1.0, np.round(2 * half_spread / tick))
    bid = np.maximum(np.floor((mid - ticks * tick / 2) / tick + 0.5), 1.0)
    return np.round(bid * tick, 4), np.round((bid + ticks) * tick, 4)


class Path(NamedTuple):
    """The way the price goes through (a part of) one bar: start, extremes and end of the part, USD."""

    start: float
    high: float
    low: float
    end: float


def price_path(open_: float, high: float, low: float, close: float, start: float = 0.0, end: float = 1.0) -> Path:
    """The part ``[start, end]`` (fractions of the bar's length) of the bar's path.

    The path is piecewise linear through open, first extreme at 1/3, second at 2/3, close. A rising bar (close ≥ open) visits its
    low first, a falling one its high: the extreme against the move comes first, as is usual in bar simulation.
    """
    corners = (open_, low, high, close) if close >= open_ else (open_, high, low, close)

    def at(fraction: float) -> float:
        scaled = min(max(fraction, 0.0), 1.0) * 3
        leg = min(int(scaled), 2)
        return corners[leg] + (corners[leg + 1] - corners[leg]) * (scaled - leg)

    inside = [corners[k] for k in (1, 2) if start < k / 3 < end]
    first, last = at(start), at(end)
    points = (first, last, *inside)
    return Path(first, max(points), min(points), last)
