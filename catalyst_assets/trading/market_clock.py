"""Time as the market spends it: hours that run at a pace of their own in each market state.

Belongs here: turning instants into market hours and back. Does not belong here: sessions and states themselves
(``calendar.py``), or which pace a rule uses (``catalyst_score.py`` for the age of news, ``outcomes.py`` for
horizons).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from catalyst_assets.trading.calendar import TradingCalendar

Instants: TypeAlias = pd.DatetimeIndex | pd.Series | Sequence[datetime]

_HOUR_US = 3_600_000_000.0


def micros(instants: Instants) -> NDArray[np.int64]:
    """Microseconds since the epoch. Raises ``ValueError`` for instants without a time zone or unknown ones."""
    index = pd.DatetimeIndex(instants)
    if len(index) == 0:
        return np.empty(0, dtype=np.int64)
    if index.tz is None:
        raise ValueError("instants must carry a time zone")
    if index.hasnans:
        raise ValueError("an unknown instant (NaT) has no age")
    return index.tz_convert("UTC").as_unit("us").asi8


def instants(values: NDArray[np.int64]) -> pd.DatetimeIndex:
    """Microseconds since the epoch as UTC instants."""
    return pd.DatetimeIndex(values.astype("datetime64[us]")).tz_localize("UTC")


class MarketClock:
    """Hours that pass at ``regular``, ``extended`` (pre-market and after-hours) or ``closed`` pace, over the sessions
    around ``[start, end]``.

    Pace 1 is ordinary time, 0 stands still. Piecewise linear between the calendar's opens and closes, so half-days
    and holidays are right.
    """

    def __init__(
        self,
        calendar: TradingCalendar,
        start: datetime | date,
        end: datetime | date,
        *,
        regular: float = 1.0,
        extended: float = 0.0,
        closed: float = 0.0,
    ) -> None:
        first = pd.Timestamp(start).date() - pd.Timedelta(days=8)
        last = pd.Timestamp(end).date() + pd.Timedelta(days=15)
        hours = [calendar.hours(session) for session in calendar.sessions(first, last)]
        knots: list[int] = []
        paces: list[float] = []
        for session in hours:
            for instant, pace in (
                (session.pre_open, extended),
                (session.open, regular),
                (session.close, extended),
                (session.post_close, closed),
            ):
                knots.append(int(instant.value // 1000))
                paces.append(pace)
        self._knots = np.array(knots, dtype=np.float64)
        steps = np.diff(self._knots) * np.array(paces[:-1]) / _HOUR_US
        self._hours = np.concatenate(([0.0], np.cumsum(steps)))

    def read(self, at: NDArray[np.int64]) -> NDArray[np.float64]:
        """Market hours at instants (microseconds), counted from an arbitrary zero. Raises ``ValueError`` outside the
        clock's range."""
        if len(at) and (at.min() < self._knots[0] or at.max() > self._knots[-1]):
            raise ValueError("the clock was not made for these instants")
        return np.interp(at.astype(np.float64), self._knots, self._hours)

    def when(self, hours: NDArray[np.float64]) -> NDArray[np.int64]:
        """The earliest instants (microseconds) at which the clock shows ``hours``: a horizon that ends at a close
        ends there, not at the next open."""
        right = np.clip(np.searchsorted(self._hours, hours, side="left"), 1, len(self._hours) - 1)
        span = self._hours[right] - self._hours[right - 1]
        part = np.where(span > 0, (hours - self._hours[right - 1]) / np.where(span > 0, span, 1.0), 1.0)
        length = self._knots[right] - self._knots[right - 1]
        return np.rint(self._knots[right - 1] + np.clip(part, 0.0, 1.0) * length).astype(np.int64)
