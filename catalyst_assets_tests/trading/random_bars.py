"""Seeded bar frames for the tests of bars, indicators, patterns and signals: plausible, never recorded prices."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import numpy as np
import pandas as pd

from catalyst_assets.ports import BAR_COLUMNS
from catalyst_assets.trading.bars import utc
from catalyst_assets.trading.calendar import TradingCalendar


def from_ohlc(symbol: str, ts: pd.DatetimeIndex, ohlc: np.ndarray, volume: np.ndarray) -> pd.DataFrame:
    """One symbol's bars from an array of shape (n, 4): open, high, low, close."""
    frame = pd.DataFrame(ohlc, columns=["open", "high", "low", "close"])
    frame.insert(0, "symbol", pd.Series([symbol] * len(ts), dtype="str"))
    frame.insert(1, "ts", ts)
    frame["volume"] = volume
    frame["vwap"] = ohlc.mean(axis=1)
    frame["trade_count"] = np.ceil(volume / 100)
    return frame[list(BAR_COLUMNS)]


def walk(rng: np.random.Generator, ts: pd.DatetimeIndex, symbol: str = "AAA", price: float = 50.0) -> pd.DataFrame:
    """A random walk on the cent grid, so that dojis, equal prices and gaps really occur."""
    n = len(ts)
    close = price * np.exp(np.cumsum(rng.normal(0, 0.002, n)))
    opens = np.concatenate(([price], close[:-1])) * np.exp(rng.normal(0, 0.0004, n))
    opens = np.where(rng.random(n) < 0.1, close, opens)
    spread = np.abs(rng.normal(0, 0.0015, (2, n))) * price
    high, low = np.maximum(opens, close) + spread[0], np.minimum(opens, close) - spread[1]
    ohlc = np.round(np.stack([opens, high, low, close], axis=1), 2)
    ohlc[:, 1], ohlc[:, 2] = ohlc.max(axis=1), ohlc.min(axis=1)
    return from_ohlc(symbol, ts, ohlc, rng.integers(1, 5000, n).astype(np.float64))


def minutes(session: date | str, step: int = 1, *, extended: bool = True) -> pd.DatetimeIndex:
    """Every bar start of a session, ``step`` minutes apart."""
    hours = TradingCalendar().hours(session)
    start, end = (hours.pre_open, hours.post_close) if extended else (hours.open, hours.close)
    length = step * 60_000_000
    return utc(np.arange(start.as_unit("us").asm8.astype(np.int64), end.as_unit("us").asm8.astype(np.int64), length))


def sessions(
    days: Sequence[date | str], *, symbols: Sequence[str] = ("AAA", "BBB"), step: int = 5, seed: int = 7
) -> pd.DataFrame:
    """Bars of some symbols on some sessions, extended hours included, sorted by symbol and ts."""
    rng = np.random.default_rng(seed)
    ts = minutes(days[0], step)
    for day in days[1:]:
        ts = ts.append(minutes(day, step))
    frames = [walk(rng, ts, symbol, 40.0 + 30 * n) for n, symbol in enumerate(symbols)]
    return pd.concat(frames, ignore_index=True)
