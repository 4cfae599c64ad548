"""Speed of patterns, indicators and signals.

Belongs here: the pure part of a decision. Does not belong here: reading and saving. Bars are made from a seed; building the longer
timeframes is not part of the measured time, as the pipeline keeps them.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.figures import Figure, Tell, figure, silent, timed
from catalyst_assets.trading import bars as bar_rules
from catalyst_assets.trading import indicators, patterns, signals
from catalyst_assets.trading.calendar import NEW_YORK, TradingCalendar
from catalyst_assets.trading.config import TradingConfig

SESSION = "2025-05-15"
CALENDAR = TradingCalendar()
CONFIG = TradingConfig()
RUNS = 15


def _walk(symbol: str, ts: pd.DatetimeIndex, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    close = 80 * np.exp(np.cumsum(rng.normal(0, 0.001, len(ts))))
    opens = np.concatenate(([80.0], close[:-1]))
    reach = np.abs(rng.normal(0, 0.001, (2, len(ts)))) * close
    volume = rng.integers(100, 9000, len(ts)).astype(np.float64)
    return pd.DataFrame(
        {
            "symbol": pd.Series([symbol] * len(ts), dtype="str"),
            "ts": ts,
            "open": opens,
            "high": np.maximum(opens, close) + reach[0],
            "low": np.minimum(opens, close) - reach[1],
            "close": close,
            "volume": volume,
            "vwap": (opens + close) / 2,
            "trade_count": np.ceil(volume / 100),
        }
    )


def _starts(sessions: int, minutes: int) -> pd.DatetimeIndex:
    """Bar starts from 04:00 to 20:00 of the last ``sessions`` sessions up to :data:`SESSION`."""
    days = CALENDAR.sessions("2025-01-02", SESSION)[-sessions:]
    parts = []
    for day in days:
        hours = CALENDAR.hours(day)
        start, stop = bar_rules.instants([hours.pre_open, hours.post_close])
        parts.append(np.arange(start, stop, minutes * 60_000_000))
    return bar_rules.utc(np.concatenate(parts))


def _daily(symbol: str, seed: int) -> pd.DataFrame:
    days = CALENDAR.sessions("2025-02-01", "2025-05-14")
    midnight = pd.DatetimeIndex([pd.Timestamp(day, tz=NEW_YORK) for day in days]).tz_convert("UTC").as_unit("us")
    return _walk(symbol, midnight, seed)


def symbol_day(symbol: str = "AAA", seed: int = 1) -> dict[str, pd.DataFrame]:
    """Five timeframes of one symbol: 960 minutes of one session, and seventy daily bars."""
    return bar_rules.by_timeframe(_walk(symbol, _starts(1, 1), seed), "1min", _daily(symbol, seed))


def _joined(parts: list[dict[str, pd.DataFrame]]) -> dict[str, pd.DataFrame]:
    return {name: pd.concat([part[name] for part in parts], ignore_index=True) for name in parts[0]}


def run(_: Path | None = None, tell: Tell = silent) -> list[Figure]:
    """The figures of patterns, indicators and signals."""
    tell("making bars")
    day = symbol_day()
    times = CALENDAR.decision_times(SESSION, CONFIG.cycle)
    one = times[100:101]
    names = [f"S{n:02d}" for n in range(50)]
    wide = pd.concat([_walk(name, _starts(10, 5), n) for n, name in enumerate(names)], ignore_index=True)
    five = _joined([symbol_day(name, n) for n, name in enumerate(names[:5])])
    inputs = _signal_inputs(five, one)
    aligned = patterns.align(patterns.detect(day, one, CONFIG), inputs["candidates"], None, CONFIG)
    all_day = f"all {len(times)} decisions of the day"

    def measured(what: str, target: float, work: Callable[[], Any], *, extra: bool = False) -> Figure:
        tell(what)
        return figure(what, target, timed(work, RUNS)[0], extra=extra)

    return [
        measured(
            "patterns: 13 x 5 timeframes, one symbol-day of minutes", 0.020, lambda: patterns.detect(day, one, CONFIG)
        ),
        measured("indicators: all, 5 timeframes, one symbol-day", 0.060, lambda: indicators.compute(day, one, CONFIG)),
        measured("signals for 5 candidates", 0.020, lambda: signals.build(**inputs, config=CONFIG, scenario="bench")),
        measured(f"patterns: {all_day}", 0.020, lambda: patterns.detect(day, times, CONFIG), extra=True),
        measured(
            "pattern summary: one symbol", 0.020, lambda: patterns.summarise(aligned, day, one, CONFIG), extra=True
        ),
        measured(f"indicators: {all_day}", 0.060, lambda: indicators.compute(day, times, CONFIG), extra=True),
        measured(
            "indicators for the scan: 50 symbols, 5min of 10 sessions",
            0.400,
            lambda: indicators.compute({"5min": wide}, one, CONFIG, timeframes=("5min",)),
            extra=True,
        ),
    ]


def _signal_inputs(bars: dict[str, pd.DataFrame], at: pd.DatetimeIndex) -> dict[str, Any]:
    symbols = bars["5min"]["symbol"].unique().tolist()
    count = len(symbols)
    candidates = pd.DataFrame(
        {
            "decision_time": at.repeat(count),
            "symbol": pd.Series(symbols, dtype="str"),
            "rank": range(1, count + 1),
            "combined_score": 70.0,
            "catalyst_score": 80.0,
            "technical_score": 60.0,
            "direction": np.linspace(-0.9, 0.9, count),
            "catalyst_type": "earnings",
            "narrative_id": "story",
            "top_news_id": "news",
            "headline": "Bench headline",
            "price": 80.0,
            "change_pct": 2.0,
            "relative_volume": 3.0,
            "spread_bps": 2.0,
            "reasons": [{"news_ids": ["news"]}] * count,
        }
    )
    found = indicators.compute(bars, at, CONFIG)
    aligned = patterns.align(patterns.detect(bars, at, CONFIG), candidates, None, CONFIG)
    price = found[found["timeframe"] == "5min"].set_index("symbol")["close"].loc[symbols].to_numpy()
    quotes = pd.DataFrame({"decision_time": at.repeat(count), "symbol": symbols, "ts": at.repeat(count)})
    return {
        "candidates": candidates,
        "indicators": found,
        "analysis": patterns.summarise(aligned, bars, at, CONFIG),
        "detections": aligned,
        "quotes": quotes.assign(bid=price - 0.01, ask=price + 0.01, bid_size=1.0, ask_size=1.0),
        "states": CALENDAR.states(at),
    }
