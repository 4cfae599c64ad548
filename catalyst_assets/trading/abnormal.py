"""Moves against the market: the return of a symbol after an instant, less the universe's, and how much of it is
noise.

Belongs here: prices around instants, abnormal returns, their noise. Does not belong here: what they mean for a source
or a pattern (``outcomes.py``).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from catalyst_assets.ports import TIMEFRAMES
from catalyst_assets.trading.calendar import TradingCalendar
from catalyst_assets.trading.market_clock import MarketClock, instants, micros

MIN_RETURNS: Final = 30
"""Past returns from which a symbol's own volatility is estimated; with fewer the universe's is taken."""
MIN_GAPS: Final = 5
"""Past nights from which its overnight volatility is estimated; with fewer :data:`NIGHT_MINUTES` is taken."""
NIGHT_MINUTES: Final = 120.0
"""Minutes of regular trading whose variance one night has: about a quarter of the close-to-close variance of US
stocks."""

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class _Series:
    """The bars of one symbol: starts and ends in microseconds, USD, and sums of squares for past-only volatility."""

    start: Ints
    end: Ints
    open: Floats
    close: Floats
    squares: Floats
    """Cumulative squared log return per minute of regular bars, before each bar."""
    counted: Floats
    nights: Floats
    """Cumulative squared overnight log return, before each bar."""
    nights_counted: Floats


class PriceHistory:
    """Bars prepared for questions about abnormal moves. ``bars``: :data:`ports.BAR_COLUMNS` of one intraday
    timeframe; the symbols in them are the universe."""

    def __init__(self, bars: pd.DataFrame, calendar: TradingCalendar, *, timeframe: str = "1min") -> None:
        self._calendar = calendar
        length = TIMEFRAMES[timeframe]
        minutes = length.total_seconds() / 60.0
        ordered = bars.sort_values(["symbol", "ts"], kind="stable")
        start = micros(ordered["ts"])
        located = calendar.locate(ordered["ts"]) if len(ordered) else None
        self._series: dict[str, _Series] = {}
        if located is None:
            return
        names = ordered["symbol"].to_numpy(dtype=str)
        edges = np.flatnonzero(np.concatenate(([True], names[1:] != names[:-1], [True])))
        for low, high in pairwise(edges.tolist()):
            rows = slice(low, high)
            self._series[str(names[low])] = _series(
                start[rows],
                start[rows] + int(length.total_seconds() * 1_000_000),
                ordered["open"].to_numpy(dtype=float)[rows],
                ordered["close"].to_numpy(dtype=float)[rows],
                located.state[rows] == 2,
                located.ordinal[rows],
                minutes,
            )

    @property
    def symbols(self) -> list[str]:
        return list(self._series)

    def moves(
        self, symbols: pd.Series, since: Ints, horizons: Ints, until: int, start_prices: Floats | None = None
    ) -> pd.DataFrame:
        """The move of each symbol from each instant over each horizon (minutes), one row per request that can be
        answered by ``until``.

        Columns: ``request`` (position), ``horizon_minutes``, ``start_at``, ``end_at``, ``raw_return``,
        ``abnormal_return``, ``noise``; returns are simple, noise is the standard deviation of the abnormal move
        expected of nothing.

        *Start*: the open of the first bar that begins at or after the instant, in any market state: never a price
        from before it, and while the market is shut the first trade after. (``start_prices`` replaces it where the
        price is known, as for a fill.) *End*: the last close by the time ``horizon`` minutes of REGULAR trading have
        passed since the instant; so the hour after an evening article ends at 10:30 and holds both the gap and the
        first hour. *Universe*: the mean return of the other symbols from their last close by the start to their last
        close by the end.
        """
        rows: list[pd.DataFrame] = []
        if len(since) == 0 or not self._series:
            return pd.DataFrame({name: pd.Series(dtype=object) for name in _MOVE_COLUMNS})
        span = instants(np.array([since.min(), since.max()]))
        clock = MarketClock(self._calendar, span[0], span[1])
        shown = clock.read(since)
        starts = self._starts(symbols, since)
        for horizon in horizons:
            ends = clock.when(shown + horizon / 60.0)
            rows.append(self._over(symbols, since, starts, ends, int(horizon), until, start_prices))
        return pd.concat(rows, ignore_index=True)

    def _starts(self, symbols: pd.Series, since: Ints) -> Ints:
        """Position of the first bar at or after each instant in its symbol's series; −1 when there is none."""
        found = np.full(len(since), -1, dtype=np.int64)
        for symbol, rows in symbols.groupby(symbols.to_numpy(dtype=str)).indices.items():
            series = self._series.get(str(symbol))
            if series is None:
                continue
            position = np.searchsorted(series.start, since[rows], side="left")
            found[rows] = np.where(position < len(series.start), position, -1)
        return found

    def _over(
        self,
        symbols: pd.Series,
        since: Ints,
        starts: Ints,
        ends: Ints,
        horizon: int,
        until: int,
        start_prices: Floats | None,
    ) -> pd.DataFrame:
        count = len(since)
        raw, noise = np.full(count, np.nan), np.full(count, np.nan)
        start_at, end_at = np.zeros(count, dtype=np.int64), ends
        nights = self._nights(since, ends)
        for symbol, rows in symbols.groupby(symbols.to_numpy(dtype=str)).indices.items():
            series = self._series.get(str(symbol))
            if series is None:
                continue
            rows = rows[(starts[rows] >= 0) & (ends[rows] <= until)]
            first = starts[rows]
            last = np.searchsorted(series.end, ends[rows], side="right") - 1
            good = last >= first  # at least one whole bar between start and end
            rows, first, last = rows[good], first[good], last[good]
            base = series.open[first] if start_prices is None else start_prices[rows]
            raw[rows] = series.close[last] / base - 1.0
            start_at[rows] = series.start[first] if start_prices is None else since[rows]
            noise[rows] = self._noise(series, first, horizon, nights[rows])
        kept = np.flatnonzero(np.isfinite(raw) & np.isfinite(noise) & (noise > 0))
        market = self._universe(symbols.to_numpy(dtype=str)[kept], start_at[kept], end_at[kept])
        return pd.DataFrame(
            {
                "request": kept,
                "horizon_minutes": horizon,
                "start_at": instants(start_at[kept]),
                "end_at": instants(end_at[kept]),
                "raw_return": raw[kept],
                "abnormal_return": raw[kept] - market,
                "noise": noise[kept],
            }
        )

    def _nights(self, since: Ints, ends: Ints) -> Floats:
        """Opens that lie strictly inside each interval: each adds one night's variance."""
        located = self._calendar.locate(instants(np.concatenate((since, ends))))
        begun = np.concatenate((since, ends)) >= located.open
        passed = located.ordinal + begun
        return (passed[len(since) :] - passed[: len(since)]).astype(float)

    def _noise(self, series: _Series, first: Ints, horizon: int, nights: Floats) -> Floats:
        own = np.where(
            series.counted[first] >= MIN_RETURNS, series.squares[first] / np.maximum(series.counted[first], 1), np.nan
        )
        per_minute = np.where(np.isfinite(own), own, self._pooled(series.start[first]))
        gaps = np.where(
            series.nights_counted[first] >= MIN_GAPS,
            series.nights[first] / np.maximum(series.nights_counted[first], 1),
            per_minute * NIGHT_MINUTES,
        )
        return np.sqrt(per_minute * horizon + gaps * nights)

    def _pooled(self, at: Ints) -> Floats:
        """Variance per minute over the whole universe before each instant; NaN when nothing is known."""
        squares, counted = np.zeros(len(at)), np.zeros(len(at))
        for series in self._series.values():
            position = np.minimum(np.searchsorted(series.start, at, side="left"), len(series.start) - 1)
            squares += series.squares[position]
            counted += series.counted[position]
        return np.where(counted >= MIN_RETURNS, squares / np.maximum(counted, 1), np.nan)

    def _universe(self, names: NDArray[np.str_], start: Ints, end: Ints) -> Floats:
        """Mean return of the other symbols over each interval; 0 where no other symbol has prices."""
        total, count = np.zeros(len(start)), np.zeros(len(start))
        for symbol, series in self._series.items():
            first = np.searchsorted(series.end, start, side="right") - 1
            last = np.searchsorted(series.end, end, side="right") - 1
            good = (first >= 0) & (last >= 0) & (names != symbol)
            value = series.close[np.maximum(last, 0)] / series.close[np.maximum(first, 0)] - 1.0
            total += np.where(good, value, 0.0)
            count += good
        return np.where(count > 0, total / np.maximum(count, 1), 0.0)


_MOVE_COLUMNS: Final = ("request", "horizon_minutes", "start_at", "end_at", "raw_return", "abnormal_return", "noise")


def _series(
    start: Ints, end: Ints, opens: Floats, close: Floats, regular: NDArray[np.bool_], session: Ints, minutes: float
) -> _Series:
    """Cumulative sums up to, and not including, each bar; returns only between neighbouring regular bars of one
    session."""
    log = np.log(np.maximum(close, 1e-12))
    change = np.diff(log, prepend=log[0])
    inside = np.concatenate(([False], regular[1:] & regular[:-1] & (session[1:] == session[:-1])))
    gap_minutes = np.diff(start, prepend=start[0]) / 60_000_000
    squares = np.where(inside, change**2 / np.maximum(gap_minutes, minutes), 0.0)
    night = np.zeros(len(start))
    night_seen = np.zeros(len(start))
    rows = np.flatnonzero(regular)
    if len(rows) > 1:
        turn = np.flatnonzero(session[rows[1:]] != session[rows[:-1]])
        opening, closing = rows[turn + 1], rows[turn]
        night[opening] = (np.log(opens[opening]) - log[closing]) ** 2
        night_seen[opening] = 1.0

    def before(values: Floats) -> Floats:
        return np.concatenate(([0.0], np.cumsum(values)[:-1]))

    return _Series(
        start, end, opens, close, before(squares), before(inside.astype(float)), before(night), before(night_seen)
    )
