"""Signals: every candidate's confidence, entry, stop and targets, or the reason for no trade.

Belongs here: gathering and saving. Does not belong here: scoring (``trading/signals.py``).
"""

# Dagster reads these annotations as objects, so this module does not postpone them.
import dagster as dg

from catalyst_assets.orchestration import checks
from catalyst_assets.orchestration.cycle import CycleContext
from catalyst_assets.orchestration.resources import BarsResource, CycleResource, DatabaseResource, MarketDataResource
from catalyst_assets.orchestration.stage import Outcome, run_stage, stage_asset

GROUP = "signals"
SHOWN = [
    "decision_time",
    "symbol",
    "direction",
    "status",
    "reject_reason",
    "confidence",
    "entry",
    "stop",
    "target1",
    "reward_risk",
]


@stage_asset(
    GROUP,
    kinds={"python", "postgres"},
    deps=["technical_indicators", "pattern_analysis", "trading_candidates"],
    description="One signal per candidate: components, confidence, size, entry, stop, two targets, and why it may not be traded.",
)
def trading_signals(
    context: dg.AssetExecutionContext,
    cycles: CycleResource,
    database: DatabaseResource,
    market_data: MarketDataResource,
    bars: BarsResource,
) -> dg.MaterializeResult:
    from catalyst_assets.orchestration.charts import store_of, stored_candidates
    from catalyst_assets.orchestration.scanning import market_now
    from catalyst_assets.storage.analysis import AnalysisRepository
    from catalyst_assets.storage.signals import SignalRepository
    from catalyst_assets.trading import signals as rules

    def body(cycle: CycleContext) -> Outcome:
        one = cycle.decision_time.to_pydatetime() if len(cycle.decision_times) == 1 else None
        stored = AnalysisRepository(database.get(), cycle.calendar)
        candidates = stored_candidates(cycle, database.get())
        store = store_of(cycle, market_data, bars)
        quotes, _ = market_now(cycle, database.get(), market_data, store, candidates["symbol"].tolist())
        signals = rules.build(
            candidates,
            stored.technical_indicators(cycle.scenario, cycle.session, one),
            stored.pattern_analysis(cycle.scenario, cycle.session, one),
            stored.pattern_detections(cycle.scenario, cycle.session, one),
            quotes,
            cycle.calendar.states(cycle.decision_times),
            cycle.config,
            scenario=cycle.scenario,
        )
        SignalRepository(database.get(), cycle.calendar).save_trading_signals(
            signals, scenario=cycle.scenario, decision_times=cycle.decision_times
        )
        weights = cycle.config.signal
        return Outcome(
            counts={"signals": len(signals)}
            | {name: int((signals["status"] == name).sum()) for name in ("actionable", "prepared")},
            table=signals.sort_values(["decision_time", "confidence"], ascending=[False, False])[SHOWN],
            findings={
                "stop_and_targets_on_their_side": checks.stop_and_targets_on_their_side(signals),
                "reward_pays_for_risk": checks.reward_pays_for_risk(signals, weights.min_reward_risk),
                "signals_rest_on_fresh_quotes": checks.signals_rest_on_fresh_quotes(
                    signals, quotes, cycle.config.risk.max_quote_age_seconds
                ),
                "signals_are_explained": checks.signals_are_explained(
                    signals,
                    {
                        "catalyst_component": weights.catalyst_weight,
                        "pattern_component": weights.pattern_weight,
                        "technical_component": weights.technical_weight,
                        "volume_component": weights.volume_weight,
                    },
                ),
            },
        )

    return run_stage(context, cycles, body)
