"""The candidates' charts: indicators and candlestick patterns on every timeframe.

Belongs here: which symbols and bars, saving. Does not belong here: the mathematics (``trading/indicators.py``, ``trading/patterns.py``).
"""

# Dagster reads these annotations as objects, so this module does not postpone them.
import dagster as dg
import pandas as pd

from catalyst_assets.orchestration import checks
from catalyst_assets.orchestration.cycle import CycleContext
from catalyst_assets.orchestration.resources import (
    BarsResource,
    CacheResource,
    CycleResource,
    DatabaseResource,
    MarketDataResource,
    SettingsResource,
)
from catalyst_assets.orchestration.stage import Outcome, run_stage, stage_asset

GROUP = "analysis"


@stage_asset(
    GROUP,
    kinds={"python", "postgres"},
    deps=["trading_candidates", "market_bars"],
    description="RSI, MACD, averages, ATR, Bollinger, ADX, stochastic, OBV, VWAP and relative volume of each candidate, per timeframe.",
)
def technical_indicators(
    context: dg.AssetExecutionContext,
    cycles: CycleResource,
    database: DatabaseResource,
    market_data: MarketDataResource,
    bars: BarsResource,
    settings: SettingsResource,
    cache: CacheResource,
) -> dg.MaterializeResult:
    from catalyst_assets.orchestration.charts import chart_bars, computed_indicators
    from catalyst_assets.storage.analysis import AnalysisRepository

    def body(cycle: CycleContext) -> Outcome:
        store, frames = chart_bars(cycle, database.get(), market_data, bars, settings.get().history_sessions)
        computed = computed_indicators(cycle, frames, store.namespace, cache.get())
        AnalysisRepository(database.get(), cycle.calendar).save_technical_indicators(
            computed, scenario=cycle.scenario, decision_times=cycle.decision_times
        )
        last = computed[computed["decision_time"] == cycle.decision_time]
        return Outcome(
            counts={"indicators": len(computed)},
            table=last[
                [
                    "symbol",
                    "timeframe",
                    "bar_ts",
                    "close",
                    "rsi",
                    "macd_histogram",
                    "adx",
                    "atr",
                    "vwap",
                    "relative_volume",
                ]
            ],
            findings={"indicators_use_complete_bars": checks.uses_complete_bars(computed)},
        )

    return run_stage(context, cycles, body)


@stage_asset(
    GROUP,
    kinds={"python", "talib", "postgres"},
    deps=["trading_candidates", "market_bars"],
    description="Thirteen candlestick patterns on five timeframes, beside each candidate's catalyst: aligned, against or neutral.",
)
def pattern_analysis(
    context: dg.AssetExecutionContext,
    cycles: CycleResource,
    database: DatabaseResource,
    market_data: MarketDataResource,
    bars: BarsResource,
    settings: SettingsResource,
    cache: CacheResource,
) -> dg.MaterializeResult:
    from catalyst_assets.orchestration.charts import chart_bars, detected_patterns, pairs_of, stored_candidates
    from catalyst_assets.orchestration.scanning import learning_scenario
    from catalyst_assets.storage.analysis import AnalysisRepository
    from catalyst_assets.storage.outcomes import OutcomeRepository
    from catalyst_assets.trading import patterns

    def body(cycle: CycleContext) -> Outcome:
        store, frames = chart_bars(cycle, database.get(), market_data, bars, settings.get().history_sessions)
        candidates = stored_candidates(cycle, database.get())
        learned = OutcomeRepository(database.get(), cycle.calendar).pattern_metrics(
            learning_scenario(cycle), cycle.session
        )
        found = detected_patterns(cycle, frames, store.namespace, cache.get())
        aligned = patterns.align(found, candidates, learned, cycle.config)
        aligned = pairs_of(aligned, candidates)
        pairs = candidates[["decision_time", "symbol"]]
        analysis = patterns.summarise(
            aligned, frames, cycle.decision_times, cycle.config, pairs=pairs, calendar=cycle.calendar
        )
        repository = AnalysisRepository(database.get(), cycle.calendar)
        repository.save_pattern_detections(aligned, scenario=cycle.scenario, decision_times=cycle.decision_times)
        repository.save_pattern_analysis(analysis, scenario=cycle.scenario, decision_times=cycle.decision_times)
        shown = analysis.sort_values(["decision_time", "score"], ascending=[False, False], na_position="last")
        rows = pd.DataFrame(aligned)[["decision_time", "timeframe", "bar_ts"]]
        return Outcome(
            counts={"patterns": len(aligned)},
            table=shown[
                [
                    "symbol",
                    "score",
                    "direction",
                    "best_pattern",
                    "best_timeframe",
                    "detections",
                    "support",
                    "resistance",
                ]
            ],
            findings={"patterns_use_complete_bars": checks.uses_complete_bars(rows)},
        )

    return run_stage(context, cycles, body)
