"""The candidates' bars and indicators, read and computed once for the stages that need them.

Belongs here: which bars, and not computing again what a cycle five minutes ago computed on the same bar. Does not belong here: the
mathematics.
"""

from __future__ import annotations

import hashlib

import pandas as pd

from catalyst_assets.orchestration import frames, known_indicators
from catalyst_assets.orchestration.cycle import CycleContext
from catalyst_assets.orchestration.recording import recorded_store
from catalyst_assets.orchestration.resources import BarsResource, MarketDataResource
from catalyst_assets.storage.bars import BarStore
from catalyst_assets.storage.cache import Cache
from catalyst_assets.storage.database import Database
from catalyst_assets.storage.scan import ScanRepository
from catalyst_assets.trading import indicators
from catalyst_assets.trading.bars import visible

CODE_VERSION = "1"
"""Part of every cache key: raised whenever the meaning of a cached value changes."""


def store_of(cycle: CycleContext, market_data: MarketDataResource, bars: BarsResource) -> BarStore:
    """The bar store this cycle decides on: the live feed's, or the recording's."""
    return bars.get(market_data.get().feed) if cycle.is_live else recorded_store(cycle, bars)


def stored_candidates(cycle: CycleContext, database: Database) -> pd.DataFrame:
    """The candidates of the cycle's decision times."""
    stored = ScanRepository(database, cycle.calendar).trading_candidates(cycle.scenario, cycle.session)
    return stored[stored["decision_time"].isin(cycle.decision_times)].reset_index(drop=True)


def chart_bars(
    cycle: CycleContext, database: Database, market_data: MarketDataResource, bars: BarsResource, history_sessions: int
) -> tuple[BarStore, dict[str, pd.DataFrame]]:
    """The candidates' bars on every timeframe."""
    store = store_of(cycle, market_data, bars)
    symbols = sorted(set(stored_candidates(cycle, database)["symbol"]))
    return store, frames.bars(cycle, store, symbols, history_sessions)


def pairs_of(rows: pd.DataFrame, candidates: pd.DataFrame) -> pd.DataFrame:
    """The rows at whose decision time their symbol is a candidate (others were only computed along)."""
    keys = candidates[["decision_time", "symbol"]]
    return rows.merge(keys, on=["decision_time", "symbol"], how="inner").reset_index(drop=True)


def computed_indicators(cycle: CycleContext, bars: dict[str, pd.DataFrame], feed: str, cache: Cache) -> pd.DataFrame:
    """Indicators of the symbols of ``bars`` at the cycle's decision times, on the configured timeframes.

    A live cycle asks the cache first, one timeframe of all candidates at once: an hour bar changes once an hour, the cycle comes every
    five minutes (symbol by symbol the cache costs more than the 9 ms it saves). The key names the symbols, the feed and the bars up to
    the last complete one, so changed bars are another question.
    """
    if not cycle.is_live:
        return indicators.compute(bars, cycle.decision_times, cycle.config, feed=feed, calendar=cycle.calendar)
    parts = []
    for timeframe in cycle.config.indicator.timeframes:
        frame = bars.get(timeframe)
        if frame is None or frame.empty:
            continue
        depends = _depends(cycle, timeframe, frame, feed)
        known = cache.get_frame("indicators", **depends)
        if known is None:
            known = known_indicators.compute(cycle, {timeframe: frame}, timeframes=(timeframe,), feed=feed)
            cache.put_frame("indicators", known, **depends)
        parts.append(known.assign(decision_time=cycle.decision_time))
    if not parts:
        return indicators.compute({}, cycle.decision_times, cycle.config, feed=feed, calendar=cycle.calendar)
    return pd.concat(parts, ignore_index=True)


def _depends(cycle: CycleContext, timeframe: str, frame: pd.DataFrame, feed: str) -> dict[str, object]:
    """Everything the indicators depend on; the complete bars enter as a digest of every one of them."""
    seen = visible(frame, timeframe, cycle.decision_time, calendar=cycle.calendar)
    content = pd.util.hash_pandas_object(seen, index=False).to_numpy().tobytes()
    settings = cycle.config.indicator.model_dump_json().encode()
    return {
        "symbol": sorted(set(seen["symbol"])),
        "timeframe": timeframe,
        "bars": hashlib.sha256(content + settings).hexdigest()[:24],
        "feed": feed,
        "session": cycle.session,
        "version": CODE_VERSION,
    }
