"""Bars on every timeframe, and which of them are visible at an instant.

Belongs here: building longer bars from shorter ones, the rule that a bar is visible only when it is complete, and the
selection of the last complete bar. Does not belong here: where bars come from and anything computed from their prices
except volume relative to its own past.

Frames have the columns of ``ports.BAR_COLUMNS``, sorted by ``symbol, ts``, one row per symbol and ts; ``ts`` is the START of a
bar. A frame that is not sorted is refused with ``ValueError`` rather than silently answered wrongly.

Labels. 5- and 15-minute bars lie on the epoch grid, as vendors label them. So do 60-minute bars outside regular hours; inside,
they are counted from the open (09:30, 10:30, ...), because the epoch hour 09:00-10:00 would mix pre-market trades with the opening
auction. The pre-market bar of 09:00 and the last regular bar (15:30) hold half an hour of trades; they still count as complete only
a full hour after their label, which is late, never early. A daily bar holds regular hours only, is labelled by New York
midnight and is visible from that session's close.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from catalyst_assets.ports import BAR_COLUMNS, TIMEFRAMES
from catalyst_assets.trading.calendar import NEW_YORK, TradingCalendar

_REGULAR: Final = 2
"""Code of regular hours in ``calendar.Located.state``."""
MIN_BASELINE_SESSIONS: Final = 3
"""Earlier sessions with a bar at the same time of day that make a volume baseline; with fewer the last bars are used."""
BASELINE_BARS: Final = 20
"""Bars of the same market state in the substitute volume baseline."""

_FIXED: Final = 10_000
"""Parts of a share in which volumes are summed."""

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Blocks:
    """A sorted bar frame seen as one contiguous block of rows per symbol."""

    symbols: list[str]
    starts: Ints
    stops: Ints
    codes: Ints
    """Per row, the position of its symbol in ``symbols``."""
    ts: Ints
    """Per row, the start of the bar in microseconds since the epoch."""


def length_micros(timeframe: str) -> int:
    """The length of a timeframe in microseconds. Raises ``ValueError`` for a name that is not in ``ports.TIMEFRAMES``."""
    try:
        return int(TIMEFRAMES[timeframe].total_seconds()) * 1_000_000
    except KeyError:
        raise ValueError(f"{timeframe!r} is not a timeframe; known: {', '.join(TIMEFRAMES)}") from None


def instants(values: Any) -> Ints:
    """Microseconds since the epoch of time-zone aware instants (a Series, an index or a list)."""
    if isinstance(values, (pd.Series, pd.DatetimeIndex)) and isinstance(values.dtype, pd.DatetimeTZDtype):
        return values.to_numpy(dtype="datetime64[us]").view(np.int64)
    index = pd.DatetimeIndex(values)
    if index.tz is None and len(index):
        raise ValueError("instants must carry a time zone")
    return (index.tz_convert("UTC") if index.tz is not None else index).as_unit("us").asi8


def utc(micros: Ints) -> pd.DatetimeIndex:
    """The inverse of :func:`instants`: ``datetime64[us, UTC]``."""
    return pd.DatetimeIndex(micros.astype("datetime64[us]")).tz_localize("UTC")


def blocks(frame: pd.DataFrame) -> Blocks:
    """Rows of each symbol in a bar frame. Raises ``ValueError`` when the frame is not sorted by symbol and ts or repeats one."""
    codes, uniques = pd.factorize(frame["symbol"])
    codes = codes.astype(np.int64)
    ts = instants(frame["ts"])
    starts = np.flatnonzero(np.diff(codes, prepend=-1) != 0)
    inside = np.ones(len(ts), dtype=bool)
    inside[starts] = False
    if len(starts) != len(uniques) or not (np.diff(ts, prepend=0)[inside] > 0).all():
        raise ValueError("bars must be sorted by symbol and ts, with one row per symbol and ts")
    return Blocks([str(s) for s in uniques], starts, np.append(starts[1:], len(ts)).astype(np.int64), codes, ts)


def empty() -> pd.DataFrame:
    """A bar frame without rows."""
    frame = pd.DataFrame({name: pd.Series(dtype="float64") for name in BAR_COLUMNS})
    return frame.astype({"symbol": "str", "ts": "datetime64[us, UTC]"})


# ---------------------------------------------------------------------------------------------------------- longer bars


def resample(bars: pd.DataFrame, base: str, timeframe: str, *, calendar: TradingCalendar | None = None) -> pd.DataFrame:
    """Bars of ``timeframe`` made of bars of ``base``; sessions and market states never meet in one bar.

    Volume and trade count are sums, vwap is weighted by volume (NaN when part of the volume has none). A shorter timeframe is
    never invented: it raises ``ValueError``, as does one that is not a multiple of the base. ``1day`` is :func:`daily_from`.
    """
    base_length, length = length_micros(base), length_micros(timeframe)
    if timeframe == base:
        return bars
    if length < base_length or length % base_length:
        raise ValueError(f"{timeframe} bars cannot be made of {base} bars")
    calendar = calendar or TradingCalendar()
    if timeframe == "1day":
        return daily_from(bars, calendar)
    if bars.empty:
        return empty()
    rows = blocks(bars)
    located = calendar.locate(utc(rows.ts))
    anchor = np.where(located.state == _REGULAR, located.open, 0)
    label = anchor + (rows.ts - anchor) // length * length
    return _aggregate(bars, rows.codes, label)


def daily_from(bars: pd.DataFrame, calendar: TradingCalendar) -> pd.DataFrame:
    """Daily bars from the regular hours of intraday bars, labelled by New York midnight (UTC).

    Extended-hours trades are left out, as in the official daily bar. A session that is still trading gives a bar of what
    happened so far, which no selection shows before the close.
    """
    if bars.empty:
        return empty()
    rows = blocks(bars)
    located = calendar.locate(utc(rows.ts))
    regular = located.state == _REGULAR
    if not regular.any():
        return empty()
    days = calendar.session_dates(utc(rows.ts[regular]))
    unique, inverse = np.unique(days, return_inverse=True)
    midnight = pd.DatetimeIndex(unique.astype("datetime64[us]")).tz_localize(NEW_YORK).tz_convert("UTC").asi8
    return _aggregate(bars.loc[regular], rows.codes[regular], midnight[inverse])


def by_timeframe(
    bars: pd.DataFrame,
    base: str,
    daily: pd.DataFrame | None = None,
    *,
    timeframes: Iterable[str] = tuple(TIMEFRAMES),
    calendar: TradingCalendar | None = None,
) -> dict[str, pd.DataFrame]:
    """Every wanted timeframe that ``base`` can give, in order of length: the argument of indicators and patterns.

    Timeframes shorter than the base are absent. Daily bars come from ``daily`` when given (the vendor's, with more history),
    else from the intraday bars.
    """
    calendar = calendar or TradingCalendar()
    wanted = set(timeframes)
    made: dict[str, pd.DataFrame] = {}
    for timeframe in TIMEFRAMES:
        if timeframe not in wanted or length_micros(timeframe) < length_micros(base):
            continue
        if timeframe == "1day" and daily is not None and not daily.empty:
            made[timeframe] = daily
        else:
            made[timeframe] = resample(bars, base, timeframe, calendar=calendar)
    return made


def _aggregate(bars: pd.DataFrame, codes: Ints, label: Ints) -> pd.DataFrame:
    """One bar per run of equal (symbol, label) in sorted rows."""
    starts = np.flatnonzero((np.diff(codes, prepend=-1) != 0) | (np.diff(label, prepend=label[0] - 1) != 0))
    last = np.append(starts[1:], len(codes)) - 1
    column = {name: bars[name].to_numpy(dtype=np.float64) for name in BAR_COLUMNS[2:]}
    volume = np.add.reduceat(column["volume"], starts)
    # A bar without volume says nothing about the average price; one with volume but no vwap makes the average unknown.
    value = np.where(column["volume"] > 0, column["vwap"] * column["volume"], 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        vwap = np.where(volume > 0, np.add.reduceat(value, starts) / volume, np.nan)
    return pd.DataFrame(
        {
            "symbol": bars["symbol"].iloc[starts].reset_index(drop=True),
            "ts": utc(label[starts]),
            "open": column["open"][starts],
            "high": np.maximum.reduceat(column["high"], starts),
            "low": np.minimum.reduceat(column["low"], starts),
            "close": column["close"][last],
            "volume": volume,
            "vwap": vwap,
            "trade_count": np.add.reduceat(column["trade_count"], starts),
        }
    )


# ------------------------------------------------------------------------------------------------------------ visibility


def completes(ts: Ints, timeframe: str, calendar: TradingCalendar | None = None) -> Ints:
    """When bars that start at ``ts`` are complete, microseconds since the epoch: start + length, a daily bar at its close."""
    if timeframe != "1day":
        return ts + length_micros(timeframe)
    return (calendar or TradingCalendar()).locate(utc(ts)).close


def visible(
    bars: pd.DataFrame, timeframe: str, decision_time: pd.Timestamp, *, calendar: TradingCalendar | None = None
) -> pd.DataFrame:
    """The bars that are complete at ``decision_time``."""
    at = instants([decision_time])[0]
    return bars.loc[completes(instants(bars["ts"]), timeframe, calendar) <= at]


def last_complete(
    frame: pd.DataFrame,
    timeframe: str,
    decision_times: pd.DatetimeIndex,
    *,
    calendar: TradingCalendar | None = None,
    rows: Blocks | None = None,
) -> tuple[list[str], Ints]:
    """The row of the last complete bar of each symbol (rows of the answer) at each decision time (columns), −1 for none.

    ``rows`` are the frame's :func:`blocks` where the caller has them already.
    """
    rows = rows or blocks(frame)
    done, at = completes(rows.ts, timeframe, calendar), instants(decision_times)
    position = np.full((len(rows.symbols), len(at)), -1, dtype=np.int64)
    for n, (start, stop) in enumerate(zip(rows.starts, rows.stops, strict=True)):
        inside = np.searchsorted(done[start:stop], at, side="right")
        position[n] = np.where(inside > 0, start + inside - 1, -1)
    return rows.symbols, position


def as_of(
    frame: pd.DataFrame, timeframe: str, decision_times: pd.DatetimeIndex, *, calendar: TradingCalendar | None = None
) -> pd.DataFrame:
    """The last complete bar per symbol at each decision time: ``decision_time`` and the columns of ``frame``.

    Any columns computed causally on the whole frame may ride along. No complete bar, no row. Sorted by symbol and decision
    time; the caller judges the age of a bar by its ``ts``.
    """
    _, position = last_complete(frame, timeframe, decision_times, calendar=calendar)
    known = position >= 0
    chosen = frame.iloc[position[known]].reset_index(drop=True)
    at = np.broadcast_to(instants(decision_times), position.shape)[known]
    chosen.insert(0, "decision_time", utc(at))
    return chosen


def traded(bars: pd.DataFrame) -> pd.DataFrame:
    """Without placeholder bars: those with no volume, no range and the close of the bar before them.

    A bar without volume whose price moved is kept: some feeds give extended-hours prices with volume 0. Bars with an unknown
    price are left out too.
    """
    o, h, low, c = (bars[name].to_numpy(dtype=np.float64) for name in ("open", "high", "low", "close"))
    volume = bars["volume"].to_numpy(dtype=np.float64)
    codes = pd.factorize(bars["symbol"])[0]
    first = np.diff(codes, prepend=-1) != 0
    moved = first | (c != np.roll(c, 1))
    keep = ((volume > 0) | (h > low) | moved) & np.isfinite(o + h + low + c)
    return bars if keep.all() else bars.loc[keep].reset_index(drop=True)


# ---------------------------------------------------------------------------------------------------------------- volume


def relative_volume(
    bars: pd.DataFrame,
    timeframe: str,
    sessions: int,
    *,
    calendar: TradingCalendar | None = None,
    rows: Blocks | None = None,
) -> Floats:
    """Volume of each bar over what is usual for it on the same feed; 1 is usual, NaN unknown. Causal.

    Usual is the mean volume at the same time of day (minutes from the open) over up to ``sessions`` earlier sessions. Where
    fewer than :data:`MIN_BASELINE_SESSIONS` of those have such a bar, it is the mean of up to :data:`BASELINE_BARS` (at
    least 5) earlier bars of the symbol in the same kind of hours (regular or extended), so the opening is not measured
    against the pre-market. Daily bars: the mean of up to ``sessions`` earlier ones. A baseline of zero gives NaN.
    """
    rows = rows or blocks(bars)
    volume = bars["volume"].to_numpy(dtype=np.float64)
    if timeframe == "1day":
        usual = grouped_mean(rows.codes, volume, sessions, MIN_BASELINE_SESSIONS)
    else:
        located = (calendar or TradingCalendar()).locate(utc(rows.ts))
        # Distinct keys: symbol × slot of the day; slots are minutes from the open, shifted to be positive.
        slot = (rows.ts - located.open) // 60_000_000 + 1_000_000
        usual = grouped_mean(rows.codes * 10_000_000 + slot, volume, sessions, MIN_BASELINE_SESSIONS)
        regular = (located.state == _REGULAR).astype(np.int64)
        recent = grouped_mean(rows.codes * 2 + regular, volume, BASELINE_BARS, 5)
        usual = np.where(np.isnan(usual), recent, usual)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(usual > 0, volume / usual, np.nan)


def grouped_mean(key: Ints, values: Floats, window: int, least: int) -> Floats:
    """Mean of up to ``window`` known values BEFORE each row among rows of equal ``key`` (rows in time order).

    NaN with fewer than ``least`` known ones. Sums are kept in 1/10,000 shares as integers: exact, so the answer for a row cannot
    change in the last digit with what else is in the frame.
    """
    order = np.argsort(key, kind="stable")
    ordered = key[order]
    known = np.isfinite(values[order])
    fixed = np.rint(np.where(known, values[order], 0.0) * _FIXED).astype(np.int64)
    starts = np.flatnonzero(np.diff(ordered, prepend=ordered[0] - 1 if len(key) else 0) != 0)
    upto = np.arange(len(key))
    start = np.maximum(np.repeat(starts, np.diff(np.append(starts, len(key)))), upto - window)
    total, seen = (np.concatenate(([0], np.cumsum(part))) for part in (fixed, known.astype(np.int64)))
    count = seen[upto] - seen[start]
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(count >= max(least, 1), (total[upto] - total[start]) / (count * _FIXED), np.nan)
    answer = np.empty(len(key))
    answer[order] = mean
    return answer


def session_sum(values: Floats, group: Ints) -> Floats:
    """Running sum that starts again at each new value of ``group`` (rows of a group are contiguous)."""
    answer = np.empty(len(values))
    bounds = np.append(np.flatnonzero(np.diff(group, prepend=group[0] - 1 if len(group) else 0) != 0), len(values))
    for start, stop in pairwise(bounds):
        np.cumsum(values[start:stop], out=answer[start:stop])
    return answer


# -------------------------------------------------------------------------------------------------------------- matching


def lookup(frame: pd.DataFrame, *more: str) -> dict[tuple[Any, ...], int]:
    """The row of each (decision time in microseconds, symbol, values of the columns ``more``).

    Raises ``ValueError`` when a key occurs twice. On the few rows of one cycle twenty times faster than a merge.
    """
    if frame.empty:
        return {}
    columns = [instants(frame["decision_time"]).tolist(), *(frame[name].tolist() for name in ("symbol", *more))]
    index = {key: row for row, key in enumerate(zip(*columns, strict=True))}
    if len(index) != len(frame):
        keys = Counter(zip(*columns, strict=True))
        raise ValueError(f"two rows for {keys.most_common(1)[0][0][1]} at one decision time")
    return index


def row_of(frame: pd.DataFrame, pairs: pd.DataFrame) -> Ints:
    """The row of ``frame`` with the (decision_time, symbol) of each row of ``pairs``, −1 when there is none.

    Raises ``ValueError`` when ``frame`` holds a pair twice.
    """
    index = lookup(frame)
    if not index or pairs.empty:
        return np.full(len(pairs), -1, dtype=np.int64)
    keys = zip(instants(pairs["decision_time"]).tolist(), pairs["symbol"].tolist(), strict=True)
    return np.array([index.get(key, -1) for key in keys], dtype=np.int64)
