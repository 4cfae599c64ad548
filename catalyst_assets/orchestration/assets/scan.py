"""The scan: catalyst scores, market validation, 50 → 20 → 5.

Belongs here: gathering what the scan needs and keeping every symbol's verdict. Does not belong here: the verdicts (``trading/scanner.py``).
"""

# Dagster reads these annotations as objects, so this module does not postpone them.
import dagster as dg

from catalyst_assets.orchestration import checks
from catalyst_assets.orchestration.cycle import CycleContext
from catalyst_assets.orchestration.plots import funnel_plot
from catalyst_assets.orchestration.resources import (
    BarsResource,
    CycleResource,
    DatabaseResource,
    MarketDataResource,
    SettingsResource,
)
from catalyst_assets.orchestration.stage import Outcome, run_stage, stage_asset

GROUP = "scan"
LEARNED_BEFORE = dg.AssetDep(
    "source_metrics",
    partition_mapping=dg.TimeWindowPartitionMapping(
        start_offset=-1, end_offset=-1, allow_nonexistent_upstream_partitions=True
    ),
)
"""Reliability counts from the next session on, never within the one that taught it."""
SHOWN = [
    "rank",
    "symbol",
    "stage",
    "cut_reason",
    "catalyst_score",
    "technical_score",
    "combined_score",
    "change_pct",
    "relative_volume",
]


@stage_asset(
    GROUP,
    kinds={"python", "postgres"},
    deps=["narrative_clusters", "active_universe", "market_bars", LEARNED_BEFORE],
    description="Every symbol of the universe with its scores, how far it came in the scan and what cut it.",
)
def scan_evaluations(
    context: dg.AssetExecutionContext,
    cycles: CycleResource,
    database: DatabaseResource,
    market_data: MarketDataResource,
    bars: BarsResource,
    settings: SettingsResource,
) -> dg.MaterializeResult:
    from catalyst_assets.orchestration.scanning import scan
    from catalyst_assets.storage.scan import ScanRepository

    def body(cycle: CycleContext) -> Outcome:
        evaluations, candidates = scan(cycle, database.get(), market_data, bars, settings.get().history_sessions)
        cycle.memo["candidates"] = candidates
        ScanRepository(database.get(), cycle.calendar).save_scan_evaluations(
            evaluations, scenario=cycle.scenario, decision_times=cycle.decision_times
        )
        limits = cycle.config.scan
        finding = checks.funnel_narrows(
            evaluations, {"catalyst": limits.with_catalyst, "validated": limits.validated, "selected": limits.selected}
        )
        last = evaluations[evaluations["decision_time"] == cycle.decision_time]
        shown = last.sort_values(["combined_score", "catalyst_score"], ascending=False, na_position="last")
        return Outcome(
            counts={key: value for key, value in finding.numbers.items() if key != "universe"}
            | {"evaluated": len(evaluations)},
            table=shown[SHOWN],
            findings={"funnel_narrows": finding, "scores_in_range": checks.scores_in_range(evaluations)},
            more={"funnel": funnel_plot(finding.numbers)} if finding.numbers else {},
        )

    return run_stage(context, cycles, body)


@stage_asset(
    GROUP,
    kinds={"postgres"},
    deps=["scan_evaluations"],
    description="The few symbols that go on, with the story behind each.",
)
def trading_candidates(
    context: dg.AssetExecutionContext,
    cycles: CycleResource,
    database: DatabaseResource,
    market_data: MarketDataResource,
    bars: BarsResource,
    settings: SettingsResource,
) -> dg.MaterializeResult:
    from catalyst_assets.orchestration.scanning import available_at, scan
    from catalyst_assets.storage.scan import ScanRepository

    def body(cycle: CycleContext) -> Outcome:
        if "candidates" not in cycle.memo:  # this asset alone was asked for
            cycle.memo["candidates"] = scan(cycle, database.get(), market_data, bars, settings.get().history_sessions)[
                1
            ]
        candidates = cycle.memo["candidates"]
        ScanRepository(database.get(), cycle.calendar).save_trading_candidates(
            candidates, scenario=cycle.scenario, decision_times=cycle.decision_times
        )
        columns = [
            "decision_time",
            "rank",
            "symbol",
            "combined_score",
            "direction",
            "catalyst_type",
            "headline",
            "change_pct",
        ]
        available = available_at(database.get(), candidates["top_news_id"].unique().tolist())
        return Outcome(
            counts={"candidates": len(candidates)},
            table=candidates.sort_values(["decision_time", "rank"], ascending=[False, True])[columns],
            findings={"candidates_have_past_news": checks.candidates_have_past_news(candidates, available)},
        )

    return run_stage(context, cycles, body)
