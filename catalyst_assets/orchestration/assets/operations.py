"""The cycle itself: that it ran, for when, how long each stage took and what it counted.

Belongs here: the last stage of every cycle. Does not belong here: cycles that never started (``sensors.py`` files those).
"""

# Dagster reads these annotations as objects, so this module does not postpone them.
import dagster as dg
import pandas as pd

from catalyst_assets.orchestration import checks
from catalyst_assets.orchestration.cycle import CycleContext
from catalyst_assets.orchestration.resources import CacheResource, ClockResource, CycleResource, DatabaseResource
from catalyst_assets.orchestration.stage import Outcome, run_stage, stage_asset

GROUP = "operations"


@stage_asset(
    GROUP,
    kinds={"postgres"},
    deps=["positions", "news_collection_stats"],
    description="Every cycle: decision time, mode, what started it, counts, milliseconds by stage and the cache's hits.",
)
def trading_cycles(
    context: dg.AssetExecutionContext,
    cycles: CycleResource,
    database: DatabaseResource,
    clock: ClockResource,
    cache: CacheResource,
) -> dg.MaterializeResult:
    from catalyst_assets.reporting.day import cache_line
    from catalyst_assets.storage.operations import OperationsRepository

    def body(cycle: CycleContext) -> Outcome:
        now = clock.get().now() if cycle.is_live else cycle.decision_time.to_pydatetime()
        timings = {stage: round(ms, 1) for stage, ms in cycle.timings_ms.items()}
        cached = cache.get().counts_since(cycle.memo.get("cache_before", {})) if cycle.is_live else {}
        operations = OperationsRepository(database.get(), cycle.calendar)
        operations.record_health("dagster.cycle", "ok", checked_at=cycle.wall_now(), latency_ms=sum(timings.values()))
        operations.save_cycle(
            scenario=cycle.scenario,
            session=cycle.session,
            decision_time=cycle.decision_time.to_pydatetime(),
            mode=cycle.state.value,
            status="finished",
            started_at=cycle.wall_started_at,
            finished_at=cycle.wall_now(),
            trigger=cycle.trigger,
            run_id=context.run_id,
            counts={**cycle.counts, "cache": cached},
            timings_ms=timings,
        )
        stages = pd.DataFrame({"stage": list(timings), "ms": list(timings.values())}).sort_values("ms", ascending=False)
        limit = cycle.config.cycle.late_after_seconds
        return Outcome(
            counts={"milliseconds_of_stages": round(sum(timings.values()), 1)},
            table=stages,
            findings={"cycle_in_time": checks.cycle_in_time(cycle.decision_time, now, limit, live=cycle.is_live)},
            more={"cache": cache_line(cached)},
        )

    return run_stage(context, cycles, body)
