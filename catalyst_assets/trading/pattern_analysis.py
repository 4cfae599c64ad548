"""What the candlestick patterns of a symbol add up to: score, direction, support and resistance, gap and volume as context.

Belongs here: the frame of the table ``pattern_analysis``. Does not belong here: finding patterns and their confidence
(``patterns.py``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import numpy as np
import pandas as pd

from catalyst_assets.ports import TIMEFRAMES
from catalyst_assets.trading import bars as bar_rules
from catalyst_assets.trading.bars import Floats, Ints, instants, utc
from catalyst_assets.trading.calendar import TradingCalendar
from catalyst_assets.trading.config import TradingConfig

ANALYSIS_COLUMNS: Final = (
    "decision_time",
    "symbol",
    "score",
    "direction",
    "best_pattern",
    "best_timeframe",
    "detections",
    "support",
    "resistance",
    "gap_pct",
    "volume_surge",
    "details",
)
"""Columns of the table ``pattern_analysis`` (scenario and session apart)."""

CONTEXT_TIMEFRAMES: Final = ("5min", "15min", "60min", "1min", "1day")
"""Support, resistance and volume surge of a symbol are read on the first of these that it has."""

_REGULAR: Final = 2
"""Code of regular hours in ``calendar.Located.state``."""
TOP_DETECTIONS: Final = 6
"""Detections written out in ``details``, heaviest first."""


def summarise(
    aligned: pd.DataFrame,
    bars: Mapping[str, pd.DataFrame],
    decision_times: pd.DatetimeIndex,
    config: TradingConfig,
    *,
    pairs: pd.DataFrame | None = None,
    calendar: TradingCalendar | None = None,
) -> pd.DataFrame:
    """The pattern analysis of each symbol with bars at each decision time (or of each row of ``pairs``: decision_time, symbol).

    ``aligned`` are the detections :func:`patterns.align` returned. The weight of one is ``confidence × timeframe weight ×
    (floor + (1 − floor) × quality)``, floor = ``pattern.quality_floor``, quality the mean of strength, volume and trend
    confirmation. ``score`` = the best weight of those not against the catalyst (at least ``signal.no_pattern_score``, so a faint
    pattern counts no less than none) − ``opposing_penalty`` × the best weight of those against it, within 0..100. No detection
    at all: NaN. ``direction`` is the mean direction by weight (0 without any); ``best_pattern`` the heaviest that is not against.

    ``support`` and ``resistance`` are those of the last ``support_bars`` bars of the first of :data:`CONTEXT_TIMEFRAMES` given;
    ``volume_surge``: its relative volume reaches ``pattern.volume_surge`` (False when unknown). ``gap_pct``: the regular open over
    the previous close in percent, before the first regular bar is complete the last price of the session over it; NaN when
    either is unknown. ``details``: the detections that made the score, their weights, relative volume, gap. A symbol whose last
    bar is more than ``indicator.max_age_sessions`` sessions old has no row unless ``pairs`` asks for it. Returns
    :data:`ANALYSIS_COLUMNS`.
    """
    calendar = calendar or TradingCalendar()
    context = _context(bars, decision_times, config, calendar)
    if pairs is None:
        pairs = context[["decision_time", "symbol"]]
    position = bar_rules.row_of(context, pairs)
    groups: dict[tuple[int, str], list[_Weighed]] = {}
    for key, one in zip(_keys(aligned), _weigh(aligned, config), strict=True):
        groups.setdefault(key, []).append(one)
    rows = [_summary(groups.get(key, []), config) for key in _keys(pairs)]
    known, safe = position >= 0, np.maximum(position, 0)
    answer = pd.DataFrame(
        rows, columns=["score", "direction", "best_pattern", "best_timeframe", "detections", "details"]
    )
    answer.insert(0, "decision_time", utc(instants(pairs["decision_time"])))
    answer.insert(1, "symbol", pd.Series(pairs["symbol"].tolist(), dtype="str"))
    for name in ("support", "resistance", "gap_pct", "relative_volume"):
        values = context[name].to_numpy(dtype=np.float64)
        answer[name] = np.where(known, values[safe], np.nan) if len(values) else np.nan
    surge = answer["relative_volume"] >= config.pattern.volume_surge
    gap = answer["gap_pct"].abs() >= config.pattern.gap_pct
    for details, ratio, is_gap in zip(answer["details"], answer["relative_volume"], gap, strict=True):
        details |= {"relative_volume": _number(ratio), "gap": bool(is_gap)}
    answer["volume_surge"] = surge.astype(bool)
    answer["score"] = answer["score"].astype("float64")
    answer["detections"] = answer["detections"].astype("int64")
    return answer[list(ANALYSIS_COLUMNS)]


class _Weighed(NamedTuple):
    weight: float
    direction: int
    pattern: str
    timeframe: str
    alignment: str
    confidence: float
    quality: float


def _weigh(aligned: pd.DataFrame, config: TradingConfig) -> list[_Weighed]:
    settings = config.pattern
    flags = [aligned[name].to_numpy(dtype=np.float64) for name in ("strength", "volume_confirmed", "trend_confirmed")]
    quality = np.mean(flags, axis=0)
    confidence = aligned["confidence"].to_numpy(dtype=np.float64)
    timeframes = aligned["timeframe"].tolist()
    share = np.array([settings.timeframe_weights.get(name, 0.0) for name in timeframes])
    weight = confidence * share * (settings.quality_floor + (1 - settings.quality_floor) * quality)
    columns = (
        weight.tolist(),
        aligned["direction"].tolist(),
        aligned["pattern"].tolist(),
        timeframes,
        aligned["alignment"].tolist(),
        confidence.tolist(),
        quality.tolist(),
    )
    return [_Weighed(*values) for values in zip(*columns, strict=True)]


def _summary(
    found: list[_Weighed], config: TradingConfig
) -> tuple[float, float, str | None, str | None, int, dict[str, Any]]:
    """Score, direction, best pattern, its timeframe, number of detections and details of one symbol at one time."""
    if not found:
        return float("nan"), 0.0, None, None, 0, {"top": []}
    ranked = sorted(found, key=lambda one: (-one.weight, one.timeframe, one.pattern))
    best = next((one for one in ranked if one.alignment != "against"), None)
    opposing = next((one for one in ranked if one.alignment == "against"), None)
    support = max(best.weight if best else 0.0, config.signal.no_pattern_score)
    penalty = config.pattern.opposing_penalty * opposing.weight if opposing else 0.0
    total = sum(one.weight for one in found)
    direction = sum(one.direction * one.weight for one in found) / total if total else 0.0
    details = {
        "top": [
            {
                "pattern": one.pattern,
                "timeframe": one.timeframe,
                "direction": one.direction,
                "alignment": one.alignment,
                "confidence": round(one.confidence, 2),
                "quality": round(one.quality, 3),
                "weight": round(one.weight, 2),
            }
            for one in ranked[:TOP_DETECTIONS]
        ],
        "support": round(support, 2),
        "opposing_penalty": round(penalty, 2),
    }
    return (
        min(100.0, max(0.0, support - penalty)),
        min(1.0, max(-1.0, direction)),
        best.pattern if best else None,
        best.timeframe if best else None,
        len(found),
        details,
    )


# --------------------------------------------------------------------------------------------------------------- context


def _context(
    bars: Mapping[str, pd.DataFrame], decision_times: pd.DatetimeIndex, config: TradingConfig, calendar: TradingCalendar
) -> pd.DataFrame:
    """Support, resistance, relative volume and gap per decision time and symbol; NaN where unknown."""
    timeframe = next((name for name in CONTEXT_TIMEFRAMES if name in bars and not bars[name].empty), None)
    if timeframe is None:
        names = ("support", "resistance", "relative_volume", "gap_pct")
        frame = pd.DataFrame({name: pd.Series(dtype="float64") for name in ("decision_time", "symbol", *names)})
        return frame.astype({"decision_time": "datetime64[us, UTC]", "symbol": "str"})
    frame = bar_rules.traded(bars[timeframe])
    rows = bar_rules.blocks(frame)
    symbols, position = bar_rules.last_complete(frame, timeframe, decision_times, calendar=calendar, rows=rows)
    ordinal, now = calendar.locate(utc(rows.ts)).ordinal, calendar.locate(decision_times).ordinal
    fresh = now[None, :] - ordinal[np.maximum(position, 0)] <= config.indicator.max_age_sessions
    known = (position >= 0) & fresh
    picked = position[known]
    high, low = (frame[name].to_numpy(dtype=np.float64) for name in ("high", "low"))
    support, resistance = np.full(len(frame), np.nan), np.full(len(frame), np.nan)
    for start, stop in zip(rows.starts, rows.stops, strict=True):
        support[start:stop], resistance[start:stop] = extremes(
            high[start:stop], low[start:stop], config.pattern.support_bars
        )
    ratio = bar_rules.relative_volume(
        frame, timeframe, config.scan.relative_volume_sessions, calendar=calendar, rows=rows
    )
    which = np.broadcast_to(np.arange(len(symbols))[:, None], position.shape)[known]
    return pd.DataFrame(
        {
            "decision_time": utc(np.broadcast_to(instants(decision_times), position.shape)[known]),
            "symbol": pd.Series(np.array(symbols, dtype=object)[which], dtype="str"),
            "support": support[picked],
            "resistance": resistance[picked],
            # The volume of an earlier session's last bar says nothing about now.
            "relative_volume": np.where(
                (now[None, :] - ordinal[np.maximum(position, 0)])[known] == 0, ratio[picked], np.nan
            ),
            "gap_pct": _gaps(bars, symbols, decision_times, calendar)[known],
        }
    )


def extremes(high: Floats, low: Floats, window: int) -> tuple[Floats, Floats]:
    """Lowest low and highest high of up to ``window`` bars up to and with each one: support and resistance, USD."""
    return (
        pd.Series(low).rolling(window, min_periods=1).min().to_numpy(),
        pd.Series(high).rolling(window, min_periods=1).max().to_numpy(),
    )


def _gaps(
    bars: Mapping[str, pd.DataFrame], symbols: list[str], decision_times: pd.DatetimeIndex, calendar: TradingCalendar
) -> Floats:
    """Gap in percent per symbol (rows) and decision time (columns); NaN where unknown.

    The price of the session comes from the shortest timeframe that has it, and so does the previous close: bars of the day are
    preferred to the vendor's daily ones, which may be adjusted for splits and dividends where the others are not.
    """
    price = np.full((len(symbols), len(decision_times)), np.nan)
    previous = price.copy()
    for timeframe in TIMEFRAMES:
        if timeframe not in bars or bars[timeframe].empty:
            continue
        now_price, before = _session_prices(bars[timeframe], timeframe, symbols, decision_times, calendar)
        price = np.where(np.isnan(price), now_price, price)
        previous = np.where(np.isnan(previous), before, previous)
        if np.isfinite(price + previous).all():
            break
    return 100 * (price / previous - 1)


def _session_prices(
    bars: pd.DataFrame,
    timeframe: str,
    symbols: list[str],
    decision_times: pd.DatetimeIndex,
    calendar: TradingCalendar,
) -> tuple[Floats, Floats]:
    """The regular open (before it is known, the last price of the session) and the regular close of the session before."""
    frame = bar_rules.traded(bars)
    rows = bar_rules.blocks(frame)
    located, at = calendar.locate(utc(rows.ts)), instants(decision_times)
    now = calendar.locate(decision_times).ordinal
    is_regular = (located.state == _REGULAR) | (timeframe == "1day")
    done = bar_rules.completes(rows.ts, timeframe, calendar)
    opens, closes = (frame[name].to_numpy(dtype=np.float64) for name in ("open", "close"))
    names, last = bar_rules.last_complete(frame, timeframe, decision_times, calendar=calendar, rows=rows)
    price = np.full((len(symbols), len(at)), np.nan)
    previous = price.copy()
    for n, symbol in enumerate(symbols):
        if symbol not in names:
            continue
        code = names.index(symbol)
        latest = np.maximum(last[code], 0)
        if timeframe != "1day":
            today = (last[code] >= 0) & (located.ordinal[latest] == now)
            price[n] = np.where(today, closes[latest], np.nan)
        regular = rows.starts[code] + np.flatnonzero(is_regular[rows.starts[code] : rows.stops[code]])
        if not len(regular):
            continue
        opening = np.searchsorted(located.ordinal[regular], now, side="left")
        first: Ints = regular[np.minimum(opening, len(regular) - 1)]
        opened = (located.ordinal[first] == now) & (done[first] <= at)
        price[n] = np.where(opened, opens[first], price[n])
        before: Ints = regular[np.maximum(opening - 1, 0)]
        is_previous = (opening > 0) & (located.ordinal[before] == now - 1)
        previous[n] = np.where(is_previous, closes[before], np.nan)
    return price, previous


def _keys(frame: pd.DataFrame) -> list[tuple[int, str]]:
    return list(zip(instants(frame["decision_time"]).tolist(), frame["symbol"].tolist(), strict=True))


def _number(value: float) -> float | None:
    """For JSON: NaN is not a number there."""
    return round(float(value), 4) if np.isfinite(value) else None
