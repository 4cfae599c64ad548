"""What the market shows at an instant: price, change, relative volume, dollar volume, spread, halt.

Belongs here: facts about price and volume as of decision times. Does not belong here: which of them a symbol must
meet (``scanner.py``).

Volume of one feed only: bars and baseline must come from the same feed, the caller sees to it. Unknown is NaN, never
0.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from catalyst_assets.ports import TIMEFRAMES
from catalyst_assets.trading.calendar import TradingCalendar
from catalyst_assets.trading.config import TradingConfig
from catalyst_assets.trading.market_clock import micros

SNAPSHOT_COLUMNS: Final = (
    "decision_time", "symbol", "market_state", "segment", "price", "previous_close", "change_pct", "relative_volume",
    "dollar_volume", "spread_bps",
    "quote_age_s", "bid", "ask", "halted",
)  # fmt: skip
BASELINE_COLUMNS: Final = ("symbol", "segment", "minutes", "mean_volume", "sessions")
SEGMENTS: Final = ("pre", "regular", "after")
_MINUTE: Final = 60_000_000


_WIDTH: Final = 512
"""Slots of minutes in a volume curve: more than the longest segment (390) has."""

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class _Placed:
    """Bars in trading hours as arrays, sorted by symbol and time, with their place in the trading day."""

    code: Ints
    """Position of the symbol in the list asked for."""
    session: Ints
    """Days since 1970."""
    segment: Ints
    """0 pre, 1 regular, 2 after."""
    end: Ints
    """Microseconds since the epoch."""
    minutes: Ints
    """From the segment's begin to the bar's end."""
    close: Floats
    volume: Floats
    worth: Floats
    """Volume × (vwap, else typical price), USD."""


def _place(bars: pd.DataFrame, wanted: list[str], calendar: TradingCalendar, timeframe: str) -> _Placed:
    length = int(TIMEFRAMES[timeframe].total_seconds() * 1_000_000)
    # Looking up each symbol once and not once per bar: a hundred symbols have half a million bars.
    known, names = pd.factorize(bars["symbol"])
    code = pd.Index(wanted, dtype="str").get_indexer(names.astype("str")).astype(np.int64)[known]
    start = micros(bars["ts"])
    located = calendar.locate(bars["ts"] if len(bars) else [])
    rows = np.flatnonzero((located.state > 0) & (code >= 0))
    later, same = np.diff(start[rows]), np.diff(code[rows])
    if np.any((same < 0) | ((same == 0) & (later < 0))):
        rows = rows[np.lexsort((start[rows], code[rows]))]
    segment = located.state[rows].astype(np.int64) - 1
    opens, closes, ordinal = located.open[rows], located.close[rows], located.ordinal[rows]
    _, example, position = np.unique(ordinal, return_index=True, return_inverse=True)
    days = calendar.session_dates(bars["ts"].iloc[rows[example]]) if len(rows) else np.empty(0, dtype="datetime64[D]")
    dawn = np.array([calendar.hours(day.item()).pre_open.value // 1000 for day in days], dtype=np.int64)
    begins = np.where(segment == 1, opens, np.where(segment == 2, closes, dawn[position] if len(rows) else 0))
    end = start[rows] + length
    close, volume = bars["close"].to_numpy(dtype=float), bars["volume"].to_numpy(dtype=float)
    return _Placed(
        code=code[rows],
        session=days.astype(np.int64)[position] if len(rows) else np.empty(0, dtype=np.int64),
        segment=segment,
        end=end,
        minutes=(end - begins) // _MINUTE,
        close=close[rows],
        volume=volume[rows],
        worth=(volume * _typical(bars))[rows],
    )


def _typical(bars: pd.DataFrame) -> Floats:
    middle = (bars["high"] + bars["low"] + bars["close"]).to_numpy(dtype=float) / 3.0
    if "vwap" not in bars:
        return middle
    vwap = bars["vwap"].to_numpy(dtype=float)
    return np.where(np.isfinite(vwap), vwap, middle)


@dataclass(frozen=True, slots=True, eq=False)
class _Curves:
    """Mean cumulative volume by symbol, segment and minute; NaN where the segment never traded, and the sessions behind it."""

    mean: Floats
    sessions: Ints
    traded: NDArray[np.bool_]
    """Minutes at which any bar of the baseline ended."""


def _curves(placed: _Placed, count: int, day: int, config: TradingConfig) -> _Curves:
    past = placed.session < day
    code, session = placed.code[past], placed.session[past]
    # The last sessions in which a symbol has any bar: from their first one on its bars count.
    pairs = np.unique(code * 100_000 + session)
    owner = pairs // 100_000
    last = np.searchsorted(owner, np.arange(count), side="right")
    first = np.maximum(
        np.searchsorted(owner, np.arange(count), side="left"), last - config.scan.relative_volume_sessions
    )
    sessions = last - first
    since = np.where(sessions > 0, pairs[np.minimum(first, max(len(pairs) - 1, 0))] % 100_000 if len(pairs) else 0, 0)
    kept = session >= since[code]
    slot = (code[kept] * 3 + placed.segment[past][kept]) * _WIDTH + placed.minutes[past][kept]
    size = count * 3 * _WIDTH
    volume = np.bincount(slot, weights=placed.volume[past][kept], minlength=size).reshape(count, 3, _WIDTH)
    # The mean of cumulative volumes is the cumulative sum of mean volumes, absent bars being 0.
    total = np.cumsum(volume, axis=2)
    mean = total / np.maximum(sessions, 1)[:, None, None]
    return _Curves(
        mean=np.where(total[:, :, -1:] > 0, mean, np.nan),
        sessions=sessions,
        traded=np.bincount(slot, minlength=size).reshape(count, 3, _WIDTH) > 0,
    )


def volume_baseline(
    bars: pd.DataFrame, session: date, calendar: TradingCalendar, config: TradingConfig, *, timeframe: str = "1min"
) -> pd.DataFrame:
    """Mean cumulative volume of the sessions before ``session``, columns :data:`BASELINE_COLUMNS`.

    One row per symbol, segment and bar end: ``minutes`` since the segment began and the mean over the last
    ``scan.relative_volume_sessions`` sessions in which the symbol has any bar at all of the volume traded in that segment
    until then. A session without trades in a segment counts as 0 there; a segment in which no session ever traded has no
    rows (the feed does not report it: unknown).
    """
    wanted = sorted(bars["symbol"].unique())
    day = int(np.datetime64(session, "D").astype(np.int64))
    curves = _curves(_place(bars, wanted, calendar, timeframe), len(wanted), day, config)
    code, segment, minutes = np.nonzero(curves.traded & np.isfinite(curves.mean))
    return pd.DataFrame(
        {
            "symbol": np.asarray(wanted, dtype=object)[code],
            "segment": np.asarray(SEGMENTS, dtype=object)[segment],
            "minutes": minutes,
            "mean_volume": curves.mean[code, segment, minutes],
            "sessions": curves.sessions[code],
        },
        columns=list(BASELINE_COLUMNS),
    )


def _from_frame(baseline: pd.DataFrame, wanted: list[str]) -> Floats:
    """A given baseline as :class:`_Curves` has it; between its rows the last value holds."""
    mean = np.full((len(wanted), 3, _WIDTH), np.nan)
    if baseline.empty:
        return mean
    code = pd.Index(wanted, dtype="str").get_indexer(baseline["symbol"].astype("str"))
    segment = pd.Index(SEGMENTS).get_indexer(baseline["segment"])
    rows = np.flatnonzero((code >= 0) & (segment >= 0))
    mean[code[rows], segment[rows], baseline["minutes"].to_numpy(dtype=np.int64)[rows]] = baseline[
        "mean_volume"
    ].to_numpy(dtype=float)[rows]
    # Cumulative volumes never fall, so the largest so far is the last one.
    return np.fmax.accumulate(mean, axis=2)


def market_snapshot(
    bars: pd.DataFrame,
    daily: pd.DataFrame | None,
    quotes: pd.DataFrame | None,
    halted: Collection[str] | pd.DataFrame,
    decision_times: pd.DatetimeIndex,
    calendar: TradingCalendar,
    config: TradingConfig,
    *,
    timeframe: str = "1min",
    baseline: pd.DataFrame | None = None,
    symbols: Collection[str] | None = None,
) -> pd.DataFrame:
    """One row per decision time and symbol, columns :data:`SNAPSHOT_COLUMNS`, sorted; only what was complete at the
    instant is used.

    ``bars`` (:data:`ports.BAR_COLUMNS`, one intraday ``timeframe``, one feed) hold the session and, unless
    ``baseline`` is given (:func:`volume_baseline`), earlier sessions. ``daily`` are daily bars; without one for the
    previous session the last regular close in ``bars`` is taken. ``quotes``: ``decision_time, symbol, ts, bid, ask``;
    ``halted``: symbols, or a frame ``decision_time, symbol``. ``symbols``: all of them, also those without any bar.

    * ``price``: the last close of this session held inside the quote; the quote's middle when nothing traded yet;
      else the last close of an earlier session. USD.
    * ``change_pct``: percent against the previous session's close.
    * ``segment``: ``pre``, ``regular`` or ``after``, the part of the day whose volume counts. At 09:30:00 it is still
      ``pre``: nothing regular is complete.
    * ``relative_volume``: volume since the segment (pre-market, regular, after-hours) began, over the mean of the
      earlier sessions' volume until the same minute of the same segment. NaN when there is no baseline, the baseline
      is 0, or the symbol has no bar in this segment.
    * ``dollar_volume``: Σ volume × (vwap, else typical price), USD: in pre-market since 04:00, afterwards since the
      open.
    * ``spread_bps`` of the middle, ``quote_age_s``: NaN without a two-sided quote.
    """
    times = pd.DatetimeIndex(decision_times).tz_convert("UTC").as_unit("us")
    wanted = sorted(set(bars["symbol"].unique()) if symbols is None else set(symbols))
    if len(times) == 0 or not wanted:
        return pd.DataFrame({name: pd.Series(dtype=object) for name in SNAPSHOT_COLUMNS})
    placed = _place(bars, wanted, calendar, timeframe)
    at = micros(times)
    days = calendar.session_dates(times).astype("datetime64[D]").astype(np.int64)
    # The segment that led up to the instant: at the open it is pre-market, at the close the regular session.
    before = calendar.locate(times - pd.Timedelta(microseconds=1))
    segment = np.maximum(before.state.astype(np.int64) - 1, 0)
    shape = (len(times), len(wanted))
    price, last_session = np.full(shape, np.nan), np.full(shape, -1, dtype=np.int64)
    relative, dollars, earlier_close = np.full(shape, np.nan), np.full(shape, np.nan), np.full(shape, np.nan)
    means = {
        int(day): _curves(placed, len(wanted), int(day), config).mean
        if baseline is None
        else _from_frame(baseline, wanted)
        for day in np.unique(days)
    }
    edges = np.searchsorted(placed.code, np.arange(len(wanted) + 1))
    begins = _segment_begins(days, segment, calendar)
    minutes = np.clip((at - begins["segment"]) // _MINUTE, 0, _WIDTH - 1)
    for column in range(len(wanted)):
        low, high = int(edges[column]), int(edges[column + 1])
        if low == high:
            continue
        ends = placed.end[low:high]
        seen = np.searchsorted(ends, at, side="right")  # bars complete at each instant
        some = seen > 0
        last = low + np.maximum(seen, 1) - 1
        price[some, column] = placed.close[last][some]
        last_session[some, column] = placed.session[last][some]
        since = np.searchsorted(ends, begins["segment"], side="right")
        mean = np.array(
            [means[int(day)][column, part, minute] for day, part, minute in zip(days, segment, minutes, strict=True)]
        )
        known = (seen > since) & (mean > 0)
        relative[known, column] = _between(placed.volume[low:high], since, seen)[known] / mean[known]
        since = np.searchsorted(ends, begins["dollars"], side="right")
        spent = _between(placed.worth[low:high], since, seen)
        dollars[:, column] = np.where((seen > since) & (spent > 0), spent, np.nan)
        earlier_close[:, column] = _earlier_regular_close(placed, low, high, days)
    result = pd.DataFrame(
        {
            "decision_time": np.repeat(times, len(wanted)),
            "symbol": np.tile(np.asarray(wanted, dtype=object), len(times)),
            "market_state": np.repeat(calendar.states(times).to_numpy(), len(wanted)),
            "segment": np.repeat(np.asarray(SEGMENTS, dtype=object)[segment], len(wanted)),
            "price": price.ravel(),
            "relative_volume": relative.ravel(),
            "dollar_volume": dollars.ravel(),
        }
    )
    result["previous_close"] = _previous_close(daily, wanted, days, calendar, earlier_close).ravel()
    _with_quotes(result, quotes, (last_session == days[:, None]).ravel())
    result["change_pct"] = (result["price"] / result["previous_close"] - 1.0) * 100.0
    result["halted"] = _halted(result, halted)
    return result[list(SNAPSHOT_COLUMNS)]


def _between(values: Floats, since: Ints, until: Ints) -> Floats:
    """Sums of ``values[since:until]``, 0 where nothing lies between."""
    sums = np.concatenate(([0.0], np.cumsum(values)))
    return sums[until] - sums[np.minimum(since, until)]


def _segment_begins(
    days: NDArray[np.int64], segment: NDArray[np.int64], calendar: TradingCalendar
) -> dict[str, NDArray[np.int64]]:
    """When the segment, and the count of dollars, began for each decision time (microseconds)."""
    table = {}
    for day in np.unique(days):
        hours = calendar.hours(np.datetime64(int(day), "D").item())
        table[int(day)] = tuple(int(instant.value // 1000) for instant in (hours.pre_open, hours.open, hours.close))
    starts = np.array([table[int(day)][part] for day, part in zip(days, segment, strict=True)], dtype=np.int64)
    dollars = np.array([table[int(day)][min(part, 1)] for day, part in zip(days, segment, strict=True)], dtype=np.int64)
    return {"segment": starts, "dollars": dollars}


def _earlier_regular_close(placed: _Placed, low: int, high: int, days: Ints) -> Floats:
    """The last regular close of a session before each decision time's, from the intraday bars of one symbol."""
    regular = low + np.flatnonzero(placed.segment[low:high] == 1)
    if len(regular) == 0:
        return np.full(len(days), np.nan)
    position = np.searchsorted(placed.session[regular], days, side="left")
    return np.where(position > 0, placed.close[regular[np.maximum(position, 1) - 1]], np.nan)


def _previous_close(
    daily: pd.DataFrame | None,
    wanted: list[str],
    days: NDArray[np.int64],
    calendar: TradingCalendar,
    fallback: NDArray[np.float64],
) -> NDArray[np.float64]:
    """The daily close of exactly the session before; an older one would mistake two days' move for one."""
    answer = fallback.copy()
    if daily is None or daily.empty:
        return answer
    local = (
        pd.DatetimeIndex(daily["ts"])
        .tz_convert("America/New_York")
        .tz_localize(None)
        .to_numpy()
        .astype("datetime64[D]")
    )
    closes = pd.Series(
        daily["close"].to_numpy(dtype=float),
        index=pd.MultiIndex.from_arrays([daily["symbol"].to_numpy(dtype=str), local.astype(np.int64)]),
    )
    closes = closes[~closes.index.duplicated(keep="last")]
    for day in np.unique(days):
        previous = np.datetime64(calendar.previous(np.datetime64(int(day), "D").item()), "D").astype(np.int64)
        values = closes.reindex(pd.MultiIndex.from_product([wanted, [previous]])).to_numpy()
        rows = np.flatnonzero(days == day)
        answer[rows] = np.where(np.isfinite(values)[None, :], values[None, :], answer[rows])
    return answer


def _with_quotes(result: pd.DataFrame, quotes: pd.DataFrame | None, traded_today: NDArray[np.bool_]) -> None:
    """Add bid, ask, spread_bps, quote_age_s; hold the price inside the quote. A crossed, one-sided or future quote is
    no quote."""
    bid = ask = age = np.full(len(result), np.nan)
    if quotes is not None and not quotes.empty:
        good = quotes[
            (quotes["bid"] > 0) & (quotes["ask"] >= quotes["bid"]) & (quotes["ts"] <= quotes["decision_time"])
        ]
        good = good.drop_duplicates(["decision_time", "symbol"], keep="last")[
            ["decision_time", "symbol", "ts", "bid", "ask"]
        ]
        joined = result[["decision_time", "symbol"]].merge(good, on=["decision_time", "symbol"], how="left")
        bid, ask = joined["bid"].to_numpy(dtype=float), joined["ask"].to_numpy(dtype=float)
        age = (joined["decision_time"] - joined["ts"]).dt.total_seconds().to_numpy(dtype=float)
    middle = (bid + ask) / 2.0
    price = result["price"].to_numpy(dtype=float)
    inside = np.where(np.isfinite(middle), np.clip(price, bid, ask), price)
    result["price"] = np.where(traded_today | ~np.isfinite(middle), inside, middle)
    result["bid"], result["ask"], result["quote_age_s"] = bid, ask, age
    result["spread_bps"] = (ask - bid) / middle * 1e4


def _halted(result: pd.DataFrame, halted: Collection[str] | pd.DataFrame) -> NDArray[np.bool_]:
    if isinstance(halted, pd.DataFrame):
        if halted.empty:
            return np.zeros(len(result), dtype=bool)
        keys = pd.MultiIndex.from_frame(halted[["decision_time", "symbol"]])
        return pd.MultiIndex.from_frame(result[["decision_time", "symbol"]]).isin(keys)
    return result["symbol"].isin(list(halted)).to_numpy()
