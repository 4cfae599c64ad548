"""The candidates' bars and indicators, read and computed once for the stages that need them.

Belongs here: which bars, and not computing again what a cycle five minutes ago computed on the same bar. Does not belong here: the
mathematics.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd

from catalyst_assets.orchestration import frames
from catalyst_assets.orchestration.cycle import CycleContext
from catalyst_assets.orchestration.recording import recorded_store
from catalyst_assets.orchestration.resources import BarsResource, MarketDataResource
from catalyst_assets.ports import TIMEFRAMES
from catalyst_assets.storage import cache_keys
from catalyst_assets.storage.bars import BarStore
from catalyst_assets.storage.cache import Cache
from catalyst_assets.storage.cache_values import packed, unpacked
from catalyst_assets.storage.database import Database
from catalyst_assets.storage.scan import ScanRepository
from catalyst_assets.trading import indicators, patterns
from catalyst_assets.trading.bars import completes, instants, utc

Bars = Mapping[str, pd.DataFrame]
"""Bar frames by timeframe."""
Questions = Mapping[tuple[str, str], dict[str, Any]]
"""What the result of each (symbol, timeframe) depends on."""


def store_of(cycle: CycleContext, market_data: MarketDataResource, bars: BarsResource) -> BarStore:
    """The bar store this cycle decides on: the live feed's, or the recording's."""
    return bars.get(market_data.get().feed) if cycle.is_live else recorded_store(cycle, bars)


def stored_candidates(cycle: CycleContext, database: Database) -> pd.DataFrame:
    """The candidates of the cycle's decision times."""
    one = cycle.decision_time.to_pydatetime() if len(cycle.decision_times) == 1 else None
    stored = ScanRepository(database, cycle.calendar).trading_candidates(cycle.scenario, cycle.session, one)
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


# ------------------------------------------------------------------------------------------------- computed once per bar


def computed_indicators(
    cycle: CycleContext, bars: Bars, feed: str, cache: Cache, timeframes: Sequence[str] | None = None
) -> pd.DataFrame:
    """``indicators.compute`` of ``bars`` at the cycle's decision times, on the configured timeframes or those given.

    A live cycle computes what no cycle (or earlier stage) has computed on the same bars: the scan leaves those of its
    symbols to the candidates' charts, and an hour bar changes once an hour while the cycle comes every five minutes.
    """

    def compute(part: Bars) -> pd.DataFrame:
        return indicators.compute(
            part, cycle.decision_times, cycle.config, timeframes=timeframes, feed=feed, calendar=cycle.calendar
        )

    if not cycle.is_live or not cache.enabled:
        return compute(bars)
    wanted = cycle.config.indicator.timeframes if timeframes is None else timeframes
    questions = _questions(cycle, {name: bars[name] for name in TIMEFRAMES if name in wanted and name in bars}, feed)
    return _answers("indicators", cycle, questions, bars, cache, compute)


def detected_patterns(cycle: CycleContext, bars: Bars, feed: str, cache: Cache) -> pd.DataFrame:
    """``patterns.detect`` of ``bars`` at the cycle's decision times: what stands in the bars, without any catalyst.

    A live cycle detects only what has not been detected on the same bars.
    """

    def detect(part: Bars) -> pd.DataFrame:
        return patterns.detect(part, cycle.decision_times, cycle.config, calendar=cycle.calendar)

    if not cycle.is_live or not cache.enabled:
        return detect(bars)
    # Bars no longer than the cycle are other bars at every cycle: asking for them would only cost.
    slow = pd.Timedelta(minutes=cycle.config.cycle.market_minutes)
    chosen = {
        name: bars[name]
        for name, length in TIMEFRAMES.items()
        if name in cycle.config.pattern.timeframes and name in bars and length > slow
    }
    questions = _questions(cycle, chosen, feed)
    kept = _answers("patterns", cycle, questions, chosen, cache, lambda part: _as_of_last_bar(cycle, part, questions))
    kept = patterns.still_shown(kept, cycle.decision_time, cycle.config, cycle.calendar)
    found = pd.concat([kept, detect({name: bars[name] for name in bars if name not in chosen})], ignore_index=True)
    places = found["timeframe"].map({name: place for place, name in enumerate(TIMEFRAMES)})
    order = found.assign(place=places).sort_values(["symbol", "place"], kind="stable").index
    return found.loc[order].reset_index(drop=True)


def _as_of_last_bar(cycle: CycleContext, bars: Bars, questions: Questions) -> pd.DataFrame:
    """Detections as shown when each symbol's last complete bar was completed. A pattern leaves by its age as well as by
    new bars, so only this does not depend on when it is asked."""
    done = pd.DataFrame(
        {
            "symbol": symbol,
            "timeframe": timeframe,
            "decision_time": utc(completes(instants([question["last_bar"]]), timeframe, cycle.calendar))[0],
        }
        for (symbol, timeframe), question in questions.items()
        if timeframe in bars
    )
    times = pd.DatetimeIndex(done["decision_time"].unique() if len(done) else [cycle.decision_time]).sort_values()
    found = patterns.detect(bars, times.as_unit("us"), cycle.config, calendar=cycle.calendar)
    return found.merge(done, on=["symbol", "timeframe", "decision_time"]) if len(done) else found


def _questions(cycle: CycleContext, bars: Bars, feed: str) -> Questions:
    """Everything a result on the complete bars depends on, by symbol and timeframe, in that order."""
    always = {
        "feed": feed,
        "session": cycle.session,
        "config": cache_keys.inputs_of(cycle.config),
        "version": cache_keys.code_version(),
    }
    found = {
        (seen.symbol, timeframe): {
            "symbol": seen.symbol, "timeframe": timeframe, "last_bar": seen.last, "bars": seen.digest, **always,
        }
        for timeframe, frame in bars.items()
        for seen in cache_keys.complete_bars(frame, timeframe, cycle.decision_time, cycle.calendar)
    }  # fmt: skip
    places = list(TIMEFRAMES)
    return dict(sorted(found.items(), key=lambda item: (item[0][0], places.index(item[0][1]))))


def _answers(
    kind: str,
    cycle: CycleContext,
    questions: Questions,
    bars: Bars,
    cache: Cache,
    compute: Callable[[Bars], pd.DataFrame],
) -> pd.DataFrame:
    """What ``compute(bars)`` gives: known answers from the cache, the others computed, together, and kept."""
    answers = dict(zip(questions, cache.get_many(kind, list(questions.values())), strict=True))
    unknown = [pair for pair, answer in answers.items() if answer is None]
    missing = {
        timeframe: bars[timeframe][
            bars[timeframe]["symbol"].isin([symbol for symbol, at in unknown if at == timeframe])
        ]
        for timeframe in dict.fromkeys(timeframe for _, timeframe in unknown)
    }
    made = compute({timeframe: frame.reset_index(drop=True) for timeframe, frame in missing.items()})
    timeless = made.drop(columns="decision_time")
    rows = timeless.groupby(["symbol", "timeframe"], sort=False).indices
    answers |= dict(zip(unknown, packed(timeless, [rows.get(pair, ()) for pair in unknown]), strict=True))
    cache.put_many(kind, [(questions[pair], answers[pair]) for pair in unknown])
    joined = unpacked([answer for answer in answers.values() if answer is not None], timeless.iloc[:0])
    at = pd.DatetimeIndex([cycle.decision_time] * len(joined)).as_unit("us")
    return joined.assign(decision_time=at)[list(made.columns)]
