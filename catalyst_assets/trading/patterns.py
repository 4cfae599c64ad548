"""Thirteen candlestick patterns on every timeframe, and how they stand to the catalyst.

Belongs here: finding patterns (TA-Lib's definitions, unchanged) and judging them. Summing them up for a symbol is in
``pattern_analysis.py`` (:func:`summarise`, offered here too). Does not belong here: the learning of pattern success
(``outcomes.py``) and the confidence of a signal (``signals.py``).

A pattern ends at a bar and exists from the moment that bar is complete. Patterns run over all bars that traded, pre-market and
after-hours included. All of it is causal: TA-Lib is run once over the whole frame and each hit is shown to the decision times at
which it was complete and not too old.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd
import talib
from numpy.typing import NDArray

from catalyst_assets.ports import TIMEFRAMES
from catalyst_assets.trading import bars as bar_rules
from catalyst_assets.trading.bars import Floats, Ints, instants, utc
from catalyst_assets.trading.calendar import TradingCalendar
from catalyst_assets.trading.config import TradingConfig
from catalyst_assets.trading.pattern_analysis import ANALYSIS_COLUMNS, extremes, summarise

__all__ = [
    "ALIGNED_COLUMNS",
    "ANALYSIS_COLUMNS",
    "DETECTION_COLUMNS",
    "PATTERNS",
    "Pattern",
    "align",
    "detect",
    "summarise",
]

# ------------------------------------------------------------------------------------------------------------ rule table


@dataclass(frozen=True, slots=True)
class Pattern:
    """One candlestick pattern.

    ``directional``: its direction is the sign TA-Lib gives, else 0 (indecision). ``bars``: candles it is made of.
    ``strength``: which measure says how pronounced it is, see :func:`_strengths`.
    """

    name: str
    function: str
    directional: bool
    base_confidence: float
    bars: int
    strength: str


PATTERNS: Final = (
    Pattern("hammer", "CDLHAMMER", True, 65.0, 1, "shadow"),
    Pattern("hanging_man", "CDLHANGINGMAN", True, 60.0, 1, "shadow"),
    Pattern("inverted_hammer", "CDLINVERTEDHAMMER", True, 60.0, 1, "shadow"),
    Pattern("shooting_star", "CDLSHOOTINGSTAR", True, 65.0, 1, "shadow"),
    Pattern("engulfing", "CDLENGULFING", True, 70.0, 2, "body"),
    Pattern("harami", "CDLHARAMI", True, 57.0, 2, "inside"),
    Pattern("doji", "CDLDOJI", False, 55.0, 1, "shadow"),
    Pattern("morning_star", "CDLMORNINGSTAR", True, 75.0, 3, "body"),
    Pattern("evening_star", "CDLEVENINGSTAR", True, 75.0, 3, "body"),
    Pattern("piercing_line", "CDLPIERCING", True, 67.0, 2, "body"),
    Pattern("dark_cloud_cover", "CDLDARKCLOUDCOVER", True, 67.0, 2, "body"),
    Pattern("three_white_soldiers", "CDL3WHITESOLDIERS", True, 75.0, 3, "run"),
    Pattern("three_black_crows", "CDL3BLACKCROWS", True, 75.0, 3, "run"),
)
"""The thirteen: three-candle patterns are trusted most, single candles and indecision least."""

DETECTION_COLUMNS: Final = (
    "decision_time",
    "symbol",
    "timeframe",
    "pattern",
    "bar_ts",
    "direction",
    "base_confidence",
    "strength",
    "volume_confirmed",
    "trend_confirmed",
    "support",
    "resistance",
)
"""Columns of the frame :func:`detect` returns."""
ALIGNED_COLUMNS: Final = (*DETECTION_COLUMNS, "catalyst_type", "alignment", "confidence")
"""Columns of the table ``pattern_detections`` (scenario and session apart)."""
VOLUME_BARS: Final = 20
"""Earlier bars of the same kind of hours whose mean volume a pattern's bar is compared with."""
# ------------------------------------------------------------------------------------------------------------- detection


def detect(
    bars: Mapping[str, pd.DataFrame],
    decision_times: pd.DatetimeIndex,
    config: TradingConfig,
    *,
    calendar: TradingCalendar | None = None,
) -> pd.DataFrame:
    """Every pattern that is complete at a decision time and at most ``max_age_bars`` bars old at it.

    ``bars`` maps timeframe names to bar frames. Age is time since completion: intraday at most ``max_age_bars`` lengths of
    the timeframe (so yesterday's last patterns are gone this morning), daily at most that many sessions. Returns
    :data:`DETECTION_COLUMNS`, sorted by decision time, symbol, timeframe, bar and pattern:

    * ``strength`` 0..1, in units of ATR 14 of the timeframe (before there is one, of the mean range so far);
    * ``volume_confirmed``: volume at least ``volume_confirmation`` × the mean of 20 earlier bars in the same kind of
      hours, False when unknown;
    * ``trend_confirmed``: the bar before the pattern closed below (bullish) or above (bearish) its short SMA, so there is
      a trend to reverse; False when unknown and for patterns without direction;
    * ``support``, ``resistance``: lowest low and highest high of the last ``support_bars`` bars up to the pattern's, USD.

    Raises ``ValueError`` for unsorted bars.
    """
    calendar = calendar or TradingCalendar()
    at = instants(decision_times)
    if (np.diff(at) < 0).any():
        raise ValueError("decision times must be sorted")
    parts = [
        _one_timeframe(bars[timeframe], timeframe, at, config, calendar)
        for timeframe in TIMEFRAMES
        if timeframe in config.pattern.timeframes and timeframe in bars and not bars[timeframe].empty
    ]
    merged = {name: np.concatenate([part[name] for part in parts]) if parts else np.empty(0) for name in _RAW}
    order = np.lexsort(
        (
            merged["pattern"],
            merged["bar_ts"],
            merged["timeframe"],
            merged["symbol"].astype(str),
            merged["decision_time"],
        )
    )
    merged = {name: values[order] for name, values in merged.items()}
    names, lengths = np.array([p.name for p in PATTERNS], dtype=object), np.array(list(TIMEFRAMES), dtype=object)
    which = merged["pattern"].astype(np.int64)
    frame = {
        "decision_time": utc(merged["decision_time"].astype(np.int64)),
        "symbol": pd.Series(merged["symbol"], dtype="str"),
        "timeframe": pd.Series(lengths[merged["timeframe"].astype(np.int64)], dtype="str"),
        "pattern": pd.Series(names[which], dtype="str"),
        "bar_ts": utc(merged["bar_ts"].astype(np.int64)),
        "direction": merged["direction"].astype(np.int64),
        "base_confidence": np.array([p.base_confidence for p in PATTERNS])[which],
        "strength": merged["strength"].astype(np.float64),
        "volume_confirmed": merged["volume_confirmed"].astype(bool),
        "trend_confirmed": merged["trend_confirmed"].astype(bool),
        "support": merged["support"].astype(np.float64),
        "resistance": merged["resistance"].astype(np.float64),
    }
    return pd.DataFrame(frame, columns=list(DETECTION_COLUMNS))


def still_shown(
    detections: pd.DataFrame, decision_time: pd.Timestamp, config: TradingConfig, calendar: TradingCalendar
) -> pd.DataFrame:
    """Of detections made at an earlier instant, with no bar completed since, those :func:`detect` shows at
    ``decision_time``: the others have become too old."""
    at, ts = instants(pd.DatetimeIndex([decision_time])), instants(detections["bar_ts"])
    young = np.zeros(len(detections), dtype=bool)
    for timeframe in detections["timeframe"].unique():
        rows = np.flatnonzero(detections["timeframe"] == timeframe)
        young[rows] = _last_seen(ts[rows], str(timeframe), at, config, calendar) > 0
    return detections[young].assign(decision_time=utc(np.repeat(at, int(young.sum())))).reset_index(drop=True)


def _last_seen(ts: Ints, timeframe: str, at: Ints, config: TradingConfig, calendar: TradingCalendar) -> Ints:
    """How many of the sorted instants ``at`` a pattern that ends at each bar is not too old for."""
    if timeframe == "1day":
        sessions = calendar.locate(utc(at)).ordinal
        return np.searchsorted(sessions, calendar.locate(utc(ts)).ordinal + config.pattern.max_age_bars, side="right")
    age = config.pattern.max_age_bars * bar_rules.length_micros(timeframe)
    return np.searchsorted(at, bar_rules.completes(ts, timeframe, calendar) + age, side="right")


_RAW: Final = tuple(name for name in DETECTION_COLUMNS if name != "base_confidence")


def _one_timeframe(
    bars: pd.DataFrame, timeframe: str, at: Ints, config: TradingConfig, calendar: TradingCalendar
) -> dict[str, Any]:
    """Detections on one timeframe as raw arrays; pattern and timeframe as positions in their tables."""
    frame = bar_rules.traded(bars)
    rows = bar_rules.blocks(frame)
    located = calendar.locate(utc(rows.ts))
    columns = tuple(frame[name].to_numpy(dtype=np.float64) for name in ("open", "high", "low", "close"))
    signs, atr = np.zeros((len(PATTERNS), len(frame)), dtype=np.int64), np.full(len(frame), np.nan)
    average, support, resistance = np.full(len(frame), np.nan), np.full(len(frame), np.nan), np.full(len(frame), np.nan)
    for start, stop in zip(rows.starts, rows.stops, strict=True):
        part = slice(start, stop)
        prices = tuple(column[part] for column in columns)
        for n, rule in enumerate(PATTERNS):
            signs[n, part] = np.sign(getattr(talib, rule.function)(*prices))
        atr[part] = _scale(prices, config.indicator.atr)
        average[part] = talib.SMA(prices[3], config.indicator.sma_short)
        support[part], resistance[part] = extremes(prices[1], prices[2], config.pattern.support_bars)
    pattern, bar = np.nonzero(signs)
    # The decision times that see a hit: from the completion of its bar to the end of its age.
    done = bar_rules.completes(rows.ts, timeframe, calendar)[bar]
    first = np.searchsorted(at, done, side="left")
    last = _last_seen(rows.ts[bar], timeframe, at, config, calendar)
    seen = np.maximum(last - first, 0)
    keep = seen > 0
    pattern, bar, first, seen = pattern[keep], bar[keep], first[keep], seen[keep]
    sign = signs[pattern, bar]
    direction = np.where(np.array([p.directional for p in PATTERNS])[pattern], sign, 0)
    volume = frame["volume"].to_numpy(dtype=np.float64)
    kind = rows.codes * 2 + (located.state == 2)
    usual = bar_rules.grouped_mean(kind, volume, VOLUME_BARS, VOLUME_BARS // 2)[bar]
    before = bar - np.array([p.bars for p in PATTERNS])[pattern]
    inside = before >= rows.starts[rows.codes[bar]]
    before = np.maximum(before, 0)
    hit: dict[str, Any] = {
        "symbol": np.array(rows.symbols, dtype=object)[rows.codes[bar]],
        "timeframe": np.full(len(bar), list(TIMEFRAMES).index(timeframe)),
        "pattern": pattern,
        "bar_ts": rows.ts[bar],
        "direction": direction,
        "strength": _strengths(columns, atr, pattern, bar),
        # Comparisons with NaN are False: what is unknown does not confirm.
        "volume_confirmed": (volume[bar] >= config.pattern.volume_confirmation * usual) & (usual > 0),
        "trend_confirmed": inside & (direction * (columns[3][before] - average[before]) < 0),
        "support": support[bar],
        "resistance": resistance[bar],
    }
    repeated = np.repeat(np.arange(len(bar)), seen)
    offset = np.arange(len(repeated)) - np.repeat(np.cumsum(seen) - seen, seen)
    return {"decision_time": at[first[repeated] + offset]} | {name: values[repeated] for name, values in hit.items()}


def _scale(prices: tuple[Floats, ...], window: int) -> Floats:
    """ATR where there is history enough, else the mean range of the bars so far."""
    _, high, low, close = prices
    atr = talib.ATR(high, low, close, timeperiod=window)
    mean = np.cumsum(high - low) / np.arange(1, len(high) + 1)
    return np.where(np.isfinite(atr), atr, mean)


def _strengths(columns: tuple[Floats, ...], atr: Floats, pattern: Ints, bar: Ints) -> Floats:
    """How pronounced each hit is, 0..1 by the measure of its pattern.

    ``body``: body of the last candle over ATR. ``shadow``: range without body over ATR. ``inside``: how little of the previous
    body the last one fills. ``run``: way from the open of the first candle to the last close over 2 ATR.
    """
    o, high, low, close = columns
    body = np.abs(close - o)
    before, first = np.maximum(bar - 1, 0), np.maximum(bar - 2, 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        measures = {
            "body": body[bar] / atr[bar],
            "shadow": (high[bar] - low[bar] - body[bar]) / atr[bar],
            "inside": 1 - body[bar] / body[before],
            "run": np.abs(close[bar] - o[first]) / (2 * atr[bar]),
        }
    names = list(measures)
    which: Ints = np.array([names.index(p.strength) for p in PATTERNS])[pattern]
    value = np.stack([measures[name] for name in names])[which, np.arange(len(bar))]
    # A candle in a market without any range is as weak as can be.
    return np.clip(np.nan_to_num(value, nan=0.0, posinf=1.0), 0, 1)


# ------------------------------------------------------------------------------------------------------------- alignment


def align(
    detections: pd.DataFrame, candidates: pd.DataFrame, learned: pd.DataFrame | None, config: TradingConfig
) -> pd.DataFrame:
    """Each detection beside the catalyst of its symbol: ``catalyst_type``, ``alignment`` and ``confidence`` added.

    ``candidates`` has ``decision_time, symbol, direction, catalyst_type``. The multiplier of the base confidence is ``aligned``,
    ``against`` or ``neutral`` (no direction on either side, |catalyst direction| below ``signal.min_direction``, or no
    candidate). ``learned`` has ``pattern, catalyst_type, success, observations`` (``*`` for every type; ``None`` or empty:
    nothing learned); with n observations the multiplier becomes ``(n · 2 · success + k · prior) / (n + k)``, k =
    ``pattern.shrinkage``: a success of one half is neutral. Confidence is clipped to 100. Returns :data:`ALIGNED_COLUMNS` in
    the order given. Raises ``ValueError`` when a candidate occurs twice at one decision time.
    """
    settings = config.pattern
    position = bar_rules.row_of(candidates, detections)
    found = position >= 0
    types: NDArray[Any] = np.full(len(detections), None, dtype=object)
    catalyst = np.zeros(len(detections))
    if found.any():
        types[found] = candidates["catalyst_type"].to_numpy(dtype=object)[position[found]]
        catalyst[found] = candidates["direction"].to_numpy(dtype=np.float64)[position[found]]
    side = np.where(np.abs(catalyst) >= config.signal.min_direction, np.sign(catalyst), 0.0)
    agreement = side * detections["direction"].to_numpy(dtype=np.float64)
    alignment = np.select([agreement > 0, agreement < 0], ["aligned", "against"], "neutral")
    prior = np.select([agreement > 0, agreement < 0], [settings.aligned, settings.against], settings.neutral)
    success, observations = _learned(detections["pattern"].tolist(), types.tolist(), learned)
    multiplier = (observations * 2 * success + settings.shrinkage * prior) / (observations + settings.shrinkage)
    confidence = np.clip(detections["base_confidence"].to_numpy(dtype=np.float64) * multiplier, 0, 100)
    answer = detections.assign(
        catalyst_type=pd.Series(types, index=detections.index, dtype=object),
        alignment=pd.Series(alignment, index=detections.index, dtype="str"),
        confidence=confidence,
    )
    return answer[list(ALIGNED_COLUMNS)]


def _learned(patterns: list[str], types: list[str | None], learned: pd.DataFrame | None) -> tuple[Floats, Floats]:
    """Learned success and its observations for each detection: of its catalyst type, else of all types, else (0.5, 0)."""
    if learned is None or learned.empty:
        return np.full(len(patterns), 0.5), np.zeros(len(patterns))
    table = {
        (row.pattern, row.catalyst_type): (float(row.success), float(row.observations))
        for row in learned[["pattern", "catalyst_type", "success", "observations"]].itertuples(index=False)
    }
    nothing = (0.5, 0.0)
    pairs = [
        table.get((pattern, kind)) or table.get((pattern, "*")) or nothing
        for pattern, kind in zip(patterns, types, strict=True)
    ]
    values = np.array(pairs, dtype=np.float64).reshape(-1, 2)
    return values[:, 0], values[:, 1]
