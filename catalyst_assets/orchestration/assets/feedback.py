"""The feedback loop: what became of each article, and what that says about sources and patterns.

Belongs here: gathering a finished session and saving what it taught. Does not belong here: labels and posteriors
(``trading/outcomes.py``). What a session taught counts from the next one on.
"""

# Dagster reads these annotations as objects, so this module does not postpone them.
import dagster as dg

from catalyst_assets.orchestration import checks
from catalyst_assets.orchestration.cycle import CycleContext
from catalyst_assets.orchestration.resources import (
    BarsResource,
    CycleResource,
    DatabaseResource,
    MarketDataResource,
    SettingsResource,
)
from catalyst_assets.orchestration.stage import Outcome, run_stage, stage_asset

GROUP = "feedback"


@stage_asset(
    GROUP,
    kinds={"python", "postgres"},
    deps=["news_features", "market_bars"],
    description="For every article, traded or not: the abnormal move 15, 60 and 240 minutes later, and whether it went as predicted.",
)
def article_outcomes(
    context: dg.AssetExecutionContext,
    cycles: CycleResource,
    database: DatabaseResource,
    market_data: MarketDataResource,
    bars: BarsResource,
    settings: SettingsResource,
) -> dg.MaterializeResult:
    from catalyst_assets.orchestration.learning import label
    from catalyst_assets.storage.outcomes import OutcomeRepository

    def body(cycle: CycleContext) -> Outcome:
        outcomes, wanted = label(cycle, database.get(), market_data, bars, settings.get().history_sessions)
        OutcomeRepository(database.get(), cycle.calendar).save_article_outcomes(
            outcomes, scenario=cycle.scenario, session=cycle.session
        )
        judged = outcomes[outcomes["accurate"].notna()] if len(outcomes) else outcomes
        shown = (
            outcomes.assign(size=outcomes["abnormal_return"].abs()).sort_values("size", ascending=False)
            if len(outcomes)
            else outcomes
        )
        columns = [
            "symbol",
            "source",
            "catalyst_type",
            "horizon_minutes",
            "predicted_direction",
            "abnormal_return",
            "noise",
            "accurate",
        ]
        return Outcome(
            counts={
                "outcomes": len(outcomes),
                "accurate": int(judged["accurate"].astype(bool).sum()) if len(judged) else 0,
                "judged": len(judged),
            },
            table=shown[columns] if len(shown) else None,
            findings={"outcomes_complete": checks.outcomes_complete(wanted, outcomes)},
        )

    return run_stage(context, cycles, body, afterwards=True)


@stage_asset(
    GROUP,
    kinds={"python", "postgres"},
    deps=["article_outcomes"],
    description="Reliability of each source, and of each source on each type of catalyst, as a Beta posterior with its interval.",
)
def source_metrics(
    context: dg.AssetExecutionContext, cycles: CycleResource, database: DatabaseResource
) -> dg.MaterializeResult:
    from catalyst_assets.storage.outcomes import OutcomeRepository
    from catalyst_assets.trading import outcomes as rules

    def body(cycle: CycleContext) -> Outcome:
        repository = OutcomeRepository(database.get(), cycle.calendar)
        before = repository.source_metrics(cycle.scenario, cycle.session)
        learned = rules.source_posteriors(
            repository.article_outcomes(cycle.scenario, cycle.session), before, cycle.config
        )
        repository.save_source_metrics(learned, scenario=cycle.scenario, session=cycle.session)
        whole = learned[learned["catalyst_type"] == "*"].sort_values("observations", ascending=False)
        return Outcome(
            counts={"sources": len(whole)},
            table=whole[["source", "source_tier", "accuracy", "low", "high", "observations"]],
            findings={"source_posteriors_sane": checks.posteriors_sane(learned, "accuracy")},
        )

    return run_stage(context, cycles, body, afterwards=True)


@stage_asset(
    GROUP,
    kinds={"python", "postgres"},
    deps=["trade_records", "pattern_analysis", "article_outcomes"],
    description="How often each pattern kept its promise beside each type of catalyst, and the labels of the closed trades.",
)
def pattern_metrics(
    context: dg.AssetExecutionContext,
    cycles: CycleResource,
    database: DatabaseResource,
    market_data: MarketDataResource,
    bars: BarsResource,
    settings: SettingsResource,
) -> dg.MaterializeResult:
    from catalyst_assets.orchestration.learning import label_trades, learn_patterns
    from catalyst_assets.storage.outcomes import OutcomeRepository

    def body(cycle: CycleContext) -> Outcome:
        labelled = label_trades(cycle, database.get(), market_data, bars, settings.get().history_sessions)
        learned = learn_patterns(cycle, database.get(), market_data, bars, settings.get().history_sessions)
        OutcomeRepository(database.get(), cycle.calendar).save_pattern_metrics(
            learned, scenario=cycle.scenario, session=cycle.session
        )
        whole = learned[learned["catalyst_type"] == "*"].sort_values("observations", ascending=False)
        return Outcome(
            counts={"patterns_known": len(whole), "labelled_trades": labelled},
            table=whole[["pattern", "success", "low", "high", "observations"]],
            findings={"pattern_posteriors_sane": checks.posteriors_sane(learned, "success")},
        )

    return run_stage(context, cycles, body, afterwards=True)
