"""The frames of :mod:`catalyst_assets.ports` made from vendor rows, and the bars that cannot be true.

Belongs here: columns, types and the tests every vendor's bars must pass. Does not belong here: a vendor's field names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd

from catalyst_assets.ports import ACTIVE_COLUMNS, BAR_COLUMNS, QUOTE_COLUMNS, TIMEFRAMES
from catalyst_assets.trading.calendar import NEW_YORK, TradingCalendar

PRICES = ["open", "high", "low", "close"]
HALF_HOUR, MICROSECOND = timedelta(minutes=30), timedelta(microseconds=1)
_FLOATS = [*PRICES, "volume", "vwap", "trade_count"]


def bar_frame(columns: Mapping[str, Sequence[Any]]) -> tuple[pd.DataFrame, list[str]]:
    """Vendor columns (``ts`` as ISO texts or UTC timestamps) as :data:`ports.BAR_COLUMNS`, and the reasons of bars left out.

    A bar without a time, with a missing or non-positive price, without a volume, or whose high and low do not contain open
    and close is refused. Sorted; one row per symbol and ts (the last one sent counts)."""
    frame = pd.DataFrame({name: pd.Series(list(columns[name]), dtype="object") for name in BAR_COLUMNS})
    frame["ts"] = pd.to_datetime(frame["ts"], utc=True, format="ISO8601", errors="coerce").astype("datetime64[us, UTC]")
    frame["symbol"] = frame["symbol"].astype("str")
    for name in _FLOATS:
        frame[name] = pd.to_numeric(frame[name], errors="coerce").astype("float64")
    prices = frame[PRICES]
    no_time = frame["ts"].isna()
    no_price = ~(np.isfinite(prices).all(axis=1) & (prices > 0).all(axis=1))
    no_volume = ~(np.isfinite(frame["volume"]) & (frame["volume"] >= 0))
    impossible = (frame["high"] < prices.max(axis=1)) | (frame["low"] > prices.min(axis=1))
    reasons = np.select(
        [no_time, no_price, no_volume, impossible], ["no time", "no price", "no volume", "impossible prices"], ""
    )
    bad = reasons != ""
    refused = [
        f"{symbol} {ts}: {why}"
        for symbol, ts, why in zip(frame["symbol"][bad], frame["ts"][bad], reasons[bad], strict=True)
    ]
    kept = frame[~bad].drop_duplicates(["symbol", "ts"], keep="last").sort_values(["symbol", "ts"], ignore_index=True)
    return kept, refused


def no_bars() -> pd.DataFrame:
    """An empty bar frame with the right types."""
    return bar_frame({name: [] for name in BAR_COLUMNS})[0]


def quote_frame(rows: Sequence[tuple[Any, ...]]) -> pd.DataFrame:
    """Rows in the order of :data:`ports.QUOTE_COLUMNS` as that frame; a row without a readable time is left out."""
    frame = pd.DataFrame(rows, columns=list(QUOTE_COLUMNS))
    frame["ts"] = pd.to_datetime(frame["ts"], utc=True, format="ISO8601", errors="coerce").astype("datetime64[us, UTC]")
    types = {"symbol": "str", "bid": "float64", "ask": "float64", "bid_size": "float64", "ask_size": "float64"}
    return frame[frame["ts"].notna()].astype(types).sort_values("symbol", ignore_index=True)


def active_frame(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Rows in order of rank as :data:`ports.ACTIVE_COLUMNS`, each symbol once; what a list does not give is NaN."""
    frame = pd.DataFrame(list(rows), columns=[name for name in ACTIVE_COLUMNS if name != "rank"])
    frame = frame.drop_duplicates("symbol", ignore_index=True)
    frame.insert(1, "rank", range(1, len(frame) + 1))
    types = {"symbol": "str", "origin": "str", "price": "float64", "volume": "float64", "change_pct": "float64"}
    return frame.astype(types)[list(ACTIVE_COLUMNS)]


def on_the_grid(bars: pd.DataFrame, timeframe: str) -> tuple[pd.DataFrame, list[str]]:
    """``bars`` that start where bars of ``timeframe`` do, and the reasons of the others: a vendor whose clock is off, or a bar
    made up from the last trade, would otherwise pass for a complete one. Hours may start at the half hour (Yahoo's do)."""
    if timeframe == "1day":
        local = bars["ts"].dt.tz_convert(NEW_YORK)
        off = local != local.dt.normalize()
    else:
        step = min(TIMEFRAMES[timeframe], HALF_HOUR) // MICROSECOND
        off = bars["ts"].astype("int64") % step != 0
    refused = [f"{symbol} {ts}: off the grid" for symbol, ts in zip(bars["symbol"][off], bars["ts"][off], strict=True)]
    return bars[~off], refused


def finished(bars: pd.DataFrame, timeframe: str, now: datetime, calendar: TradingCalendar) -> pd.DataFrame:
    """``bars`` without those still being made at ``now``: ``ts + length > now``, for daily bars before the session's close."""
    if bars.empty:
        return bars
    moment = pd.Timestamp(now)
    if timeframe != "1day":
        return bars[bars["ts"] + TIMEFRAMES[timeframe] <= moment]
    today = moment.tz_convert(NEW_YORK).date()
    days = bars["ts"].dt.tz_convert(NEW_YORK).dt.date
    closed = not calendar.is_session(today) or moment >= calendar.hours(today).close
    return bars[(days <= today) if closed else (days < today)]
