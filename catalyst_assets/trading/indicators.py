"""Technical indicators on every timeframe, and the technical score blended from them.

Belongs here: the columns of ``technical_indicators`` and the score 0..100 that says how far they support a direction. Does not belong
here: candlesticks (``patterns.py``) and what is done with the score (``scanner.py``, ``signals.py``).

RSI, MACD, SMA, EMA, Bollinger, stochastic and OBV come from the library ``ta`` (never with its ``fillna``: insufficient history is
NaN, unknown); ATR and ADX from TA-Lib, whose loops are compiled. Intraday indicators run over all bars that traded, pre-market and
after-hours included, and across sessions; VWAP and OBV begin again at each session's first bar (04:00). Everything is causal: computed
once over the whole frame, then the last COMPLETE bar is picked for each decision time, so later bars cannot change an answer.
Exponential averages depend on where history begins, so live and replay must be given the same number of sessions.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd
import talib
from numpy.typing import NDArray
from ta.momentum import RSIIndicator, StochasticOscillator
from ta.trend import MACD, EMAIndicator, SMAIndicator
from ta.volatility import BollingerBands
from ta.volume import OnBalanceVolumeIndicator

from catalyst_assets.ports import TIMEFRAMES
from catalyst_assets.trading import bars as bar_rules
from catalyst_assets.trading.bars import Floats, Ints, instants, utc
from catalyst_assets.trading.calendar import TradingCalendar
from catalyst_assets.trading.config import IndicatorConfig, TradingConfig

VALUES: Final = (
    "rsi",
    "macd",
    "macd_signal",
    "macd_histogram",
    "sma_short",
    "sma_long",
    "ema",
    "atr",
    "bollinger_upper",
    "bollinger_middle",
    "bollinger_lower",
    "adx",
    "stochastic_k",
    "stochastic_d",
    "obv",
    "vwap",
    "relative_volume",
)
"""The indicators, in the order of the table ``technical_indicators``; float64, NaN where unknown."""
COLUMNS: Final = ("decision_time", "symbol", "timeframe", "bar_ts", "feed", "close", *VALUES)
"""Columns of the frame :func:`compute` returns."""

_SESSION_KEY: Final = 1_000_000
"""More sessions than the calendar has: symbol × this + session is one number per symbol and session."""


def compute(
    bars: Mapping[str, pd.DataFrame],
    decision_times: pd.DatetimeIndex,
    config: TradingConfig,
    *,
    timeframes: Iterable[str] | None = None,
    feed: str = "unspecified",
    calendar: TradingCalendar | None = None,
) -> pd.DataFrame:
    """Indicators of the last complete bar per symbol and timeframe at each decision time.

    ``bars`` maps timeframe names to bar frames (as from ``bars.by_timeframe``); a timeframe that is absent is left out.
    ``timeframes`` narrows ``config.indicator.timeframes``. A symbol whose last bar is more than ``max_age_sessions``
    sessions old gets no row. Returns :data:`COLUMNS`, sorted by decision time, symbol and length of the timeframe; prices
    in USD, OBV in shares, the rest pure numbers. Raises ``ValueError`` for unsorted bars and unknown timeframes.
    """
    settings = config.indicator
    calendar = calendar or TradingCalendar()
    wanted = settings.timeframes if timeframes is None else tuple(timeframes)
    parts = [
        _one_timeframe(bars[timeframe], timeframe, decision_times, config, calendar)
        for timeframe in TIMEFRAMES
        if timeframe in wanted and timeframe in bars and not bars[timeframe].empty
    ]
    if unknown := set(wanted) - set(TIMEFRAMES):
        raise ValueError(f"unknown timeframes: {', '.join(sorted(unknown))}")
    if not parts:
        return _empty()
    column = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    # Parts are in order of length, and the sort is stable.
    order = np.lexsort((column["symbol"].astype("U"), column["decision_time"]))
    column = {name: values[order] for name, values in column.items()}
    texts = {name: pd.Series(column[name], dtype="str") for name in ("symbol", "timeframe")}
    times = {name: utc(column[name]) for name in ("decision_time", "bar_ts")}
    feeds = {"feed": pd.Series([feed] * len(order), dtype="str")}
    return pd.DataFrame(column | texts | times | feeds, columns=list(COLUMNS))


def _empty() -> pd.DataFrame:
    times, texts = ("decision_time", "bar_ts"), ("symbol", "timeframe", "feed")
    types = {
        name: "datetime64[us, UTC]" if name in times else "str" if name in texts else "float64" for name in COLUMNS
    }
    return pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in types.items()})


def _one_timeframe(
    bars: pd.DataFrame,
    timeframe: str,
    decision_times: pd.DatetimeIndex,
    config: TradingConfig,
    calendar: TradingCalendar,
) -> dict[str, NDArray[Any]]:
    """The columns of the answer for one timeframe; times in microseconds."""
    frame = bar_rules.traded(bars)
    rows = bar_rules.blocks(frame)
    ordinal = calendar.locate(utc(rows.ts)).ordinal
    symbols, position = bar_rules.last_complete(frame, timeframe, decision_times, calendar=calendar, rows=rows)
    now = calendar.locate(decision_times).ordinal
    age = now[None, :] - ordinal[np.maximum(position, 0)]
    chosen = (position >= 0) & (age <= config.indicator.max_age_sessions)
    picked = position[chosen]
    values = _series(frame, rows, ordinal, timeframe, config.indicator)
    values["relative_volume"] = bar_rules.relative_volume(
        frame, timeframe, config.scan.relative_volume_sessions, calendar=calendar, rows=rows
    )
    which = np.broadcast_to(np.arange(len(symbols))[:, None], position.shape)[chosen]
    columns: dict[str, NDArray[Any]] = {
        "decision_time": np.broadcast_to(instants(decision_times), position.shape)[chosen],
        "symbol": np.array(symbols, dtype=object)[which],
        "timeframe": np.full(len(picked), timeframe, dtype=object),
        "bar_ts": rows.ts[picked],
        "close": frame["close"].to_numpy(dtype=np.float64)[picked],
    }
    return columns | {name: values[name][picked] for name in VALUES}


def _series(
    frame: pd.DataFrame, rows: bar_rules.Blocks, ordinal: Ints, timeframe: str, config: IndicatorConfig
) -> dict[str, Floats]:
    """Every indicator at every bar, as arrays parallel to the frame (relative volume apart)."""
    column = {name: frame[name].to_numpy(dtype=np.float64) for name in ("high", "low", "close", "volume", "vwap")}
    values = {name: np.full(len(frame), np.nan) for name in VALUES}
    for start, stop in zip(rows.starts, rows.stops, strict=True):
        part = slice(start, stop)
        for name, series in _of_symbol({key: array[part] for key, array in column.items()}, config).items():
            values[name][part] = series
    if timeframe == "1day":
        values["vwap"] = column["vwap"]
        return values
    group = rows.codes * _SESSION_KEY + ordinal
    # ``ta`` accumulates OBV over everything; the steps are summed again within each session.
    steps = np.diff(values["obv"], prepend=0.0)
    steps[rows.starts] = values["obv"][rows.starts]
    values["obv"] = bar_rules.session_sum(steps, group)
    # Typical price where the feed gives no average price of the bar.
    typical = (column["high"] + column["low"] + column["close"]) / 3
    price = np.where(np.isfinite(column["vwap"]), column["vwap"], typical)
    volume = bar_rules.session_sum(column["volume"], group)
    with np.errstate(invalid="ignore", divide="ignore"):
        values["vwap"] = np.where(volume > 0, bar_rules.session_sum(price * column["volume"], group) / volume, np.nan)
    return values


def _of_symbol(column: Mapping[str, Floats], config: IndicatorConfig) -> dict[str, Floats]:
    """The indicators of one symbol's bars in order."""
    high, low, close, volume = (pd.Series(column[name]) for name in ("high", "low", "close", "volume"))
    macd = MACD(close, config.macd_slow, config.macd_fast, config.macd_signal)
    bands = BollingerBands(close, config.bollinger, config.bollinger_width)
    stochastic = StochasticOscillator(high, low, close, config.stochastic, config.stochastic_smooth)
    arrays = (column["high"], column["low"], column["close"])
    series: dict[str, pd.Series] = {
        "rsi": RSIIndicator(close, config.rsi).rsi(),
        "macd": macd.macd(),
        "macd_signal": macd.macd_signal(),
        "macd_histogram": macd.macd_diff(),
        "sma_short": SMAIndicator(close, config.sma_short).sma_indicator(),
        "sma_long": SMAIndicator(close, config.sma_long).sma_indicator(),
        "ema": EMAIndicator(close, config.ema).ema_indicator(),
        "bollinger_upper": bands.bollinger_hband(),
        "bollinger_middle": bands.bollinger_mavg(),
        "bollinger_lower": bands.bollinger_lband(),
        "stochastic_k": stochastic.stoch(),
        "stochastic_d": stochastic.stoch_signal(),
        "obv": OnBalanceVolumeIndicator(close, volume).on_balance_volume(),
    }
    values = {name: one.to_numpy(dtype=np.float64) for name, one in series.items()}
    values["atr"] = talib.ATR(*arrays, timeperiod=config.atr)
    values["adx"] = talib.ADX(*arrays, timeperiod=config.adx)
    return values


# ------------------------------------------------------------------------------------------------------ technical score


@dataclass(frozen=True, slots=True)
class Feature:
    """One reading in −1..1 (bearish..bullish): ``(value − minus) / (scale × unit)``, clipped.

    ``minus`` is a column or a number, ``unit`` a column or empty (1).
    """

    part: str
    name: str
    value: str
    minus: str | float
    scale: float
    unit: str = ""


FEATURES: Final = (
    Feature("trend", "close over short average", "close", "sma_short", 2.0, "atr"),
    Feature("trend", "close over long average", "close", "sma_long", 4.0, "atr"),
    Feature("trend", "close over exponential average", "close", "ema", 1.0, "atr"),
    Feature("trend", "close over session VWAP", "close", "vwap", 2.0, "atr"),
    Feature("trend", "MACD", "macd", 0.0, 1.0, "atr"),
    Feature("momentum", "RSI", "rsi", 50.0, 25.0),
    Feature("momentum", "stochastic", "stochastic_k", 50.0, 50.0),
    Feature("momentum", "stochastic turning", "stochastic_k", "stochastic_d", 25.0),
    Feature("momentum", "MACD histogram", "macd_histogram", 0.0, 0.25, "atr"),
    Feature("volatility", "place in the Bollinger band", "close", "bollinger_middle", 1.0, "half_band"),
)
"""Scales put a strong but ordinary reading at ±1: two ATR from the 20-bar average, RSI 25 or 75, the edge of the band."""

ADX_QUIET: Final = 15.0
ADX_TRENDING: Final = 40.0
"""ADX at which a regime counts as fully without (15) and fully with (40) a trend (Wilder: below 20 none, above 40 strong)."""
BAND_OPEN: Final = 4.0
"""Half-width of the Bollinger band, in ATR, at which volatility counts as fully expanded."""


def technical_score(
    indicators: pd.DataFrame, directions: pd.DataFrame, config: TradingConfig | None = None
) -> pd.DataFrame:
    """How far the indicators support the catalyst's direction, 0..100 (50: neither way).

    ``directions`` has ``decision_time, symbol, direction`` (only the sign counts); the answer has one row for each of its
    rows, in its order: ``decision_time, symbol, technical_score, parts``. Per timeframe three parts in −1..1: trend and
    momentum are means of their :data:`FEATURES`; volatility is the place in the Bollinger band, weighted by how much of a
    trend the regime has (ADX, width of the band). The score is ``50 + 50 × side × blend``, mirrored for shorts. Features,
    parts and timeframes that are unknown are left out of the blend and the remaining weights scaled up; nothing known, or
    an unknown direction, gives NaN.
    """
    settings = (config or TradingConfig()).indicator
    side = np.sign(directions["direction"].to_numpy(dtype=np.float64))
    total, weight = np.zeros(len(directions)), np.zeros(len(directions))
    explained: list[dict[str, Any]] = [{} for _ in range(len(directions))]
    index = bar_rules.lookup(indicators, "timeframe")
    every = _parts(indicators)
    asked = list(zip(instants(directions["decision_time"]).tolist(), directions["symbol"].tolist(), strict=True))
    for timeframe, timeframe_weight in settings.timeframe_weights.items():
        position = np.array([index.get((*key, timeframe), -1) for key in asked], dtype=np.int64)
        found = position >= 0
        if timeframe_weight == 0 or not found.any():
            continue
        parts = {name: np.where(found, values[position], np.nan) for name, values in every.items()}
        blend = _weighted(parts, settings.part_weights)
        known = np.isfinite(blend)
        total += np.where(known, blend * timeframe_weight, 0.0)
        weight += np.where(known, timeframe_weight, 0.0)
        score = 50 + 50 * side * blend
        for row in np.flatnonzero(known & np.isfinite(side)).tolist():
            readings = {name: round(float(v[row]), 4) for name, v in parts.items() if np.isfinite(v[row])}
            explained[row][timeframe] = readings | {"score": round(float(score[row]), 2), "weight": timeframe_weight}
    with np.errstate(invalid="ignore", divide="ignore"):
        value = np.where(weight > 0, 50 + 50 * side * total / weight, np.nan)
    return pd.DataFrame(
        {
            "decision_time": directions["decision_time"].reset_index(drop=True),
            "symbol": directions["symbol"].reset_index(drop=True),
            "technical_score": np.clip(value, 0, 100),
            "parts": pd.Series(explained, dtype=object),
        }
    )


def _parts(rows: pd.DataFrame) -> dict[str, Floats]:
    """Trend, momentum and volatility of each row, −1..1, NaN where unknown."""
    column = {name: rows[name].to_numpy(dtype=np.float64) for name in ("close", *VALUES)}
    column["half_band"] = column["bollinger_upper"] - column["bollinger_middle"]
    readings: dict[str, list[Floats]] = {}
    with np.errstate(invalid="ignore", divide="ignore"):
        for feature in FEATURES:
            minus = column[feature.minus] if isinstance(feature.minus, str) else feature.minus
            unit = feature.scale * (column[feature.unit] if feature.unit else 1.0)
            value = np.where(unit > 0, (column[feature.value] - minus) / unit, np.nan)
            readings.setdefault(feature.part, []).append(np.clip(value, -1, 1))
        parts = {name: _mean(np.array(values)) for name, values in readings.items()}
        trending = np.clip((column["adx"] - ADX_QUIET) / (ADX_TRENDING - ADX_QUIET), 0, 1)
        expanded = np.clip(column["half_band"] / (BAND_OPEN * column["atr"]), 0, 1)
    parts["volatility"] = parts["volatility"] * _mean(np.array([trending, expanded]))
    return parts


def _mean(values: Floats) -> Floats:
    """Mean over the first axis of what is known; NaN where nothing is."""
    known = np.isfinite(values)
    count = known.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean: Floats = np.where(count > 0, np.where(known, values, 0.0).sum(axis=0) / count, np.nan)
    return mean


def _weighted(values: Mapping[str, Floats], weights: Mapping[str, float]) -> Floats:
    """Weighted mean of what is known; NaN where nothing is."""
    stacked = np.array([values[name] for name in weights])
    scale = np.array(list(weights.values()))[:, None] * np.isfinite(stacked)
    with np.errstate(invalid="ignore", divide="ignore"):
        total = scale.sum(axis=0)
        mean: Floats = np.where(total > 0, (np.nan_to_num(stacked) * scale).sum(axis=0) / total, np.nan)
    return mean
