"""When things run on the wall clock: cycles of the three modes, the watch, the close, the night. New York time.

Belongs here: cron lines and turning an answer of ``due.py`` into a run request or a skip reason. Does not belong here: the rules. A
simulated market has its own clock: then every schedule skips and the sensor ``simulated_clock`` starts the work.

Cron lines are on the grid of five minutes; the configured intervals (``cycle.market_minutes`` …) are multiples of it.
"""

# Dagster reads these annotations as objects, so this module does not postpone them.
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import dagster as dg

from catalyst_assets.orchestration import due
from catalyst_assets.orchestration.cycle import DECISION_TIME_TAG, KIND_TAG, SCENARIO_TAG, TRIGGER_TAG
from catalyst_assets.orchestration.jobs import close_session, market_cycle, night_work, prune, watch_positions
from catalyst_assets.orchestration.resources import ClockResource, DatabaseResource, SettingsResource
from catalyst_assets.trading.calendar import NEW_YORK, MarketState, TradingCalendar

if TYPE_CHECKING:
    from catalyst_assets.trading.config import TradingConfig

UNFINISHED = [
    dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED,
]  # fmt: skip
RUNNING = dg.DefaultScheduleStatus.RUNNING


def running_run(instance: dg.DagsterInstance, kind: str) -> str | None:
    """The first eight letters of a run of that kind that has not ended."""
    records = instance.get_run_records(dg.RunsFilter(tags={KIND_TAG: kind}, statuses=UNFINISHED), limit=1)
    return records[0].dagster_run.run_id[:8] if records else None


def trading_config(database: DatabaseResource) -> "TradingConfig":
    """The numbers as configured now."""
    from catalyst_assets.storage.configuration import ConfigurationRepository

    return ConfigurationRepository(database.get()).load()


def request(answer: due.Due, kind: str, trigger: str, *, partitioned: bool = True) -> dg.RunRequest | dg.SkipReason:
    """A run for the decision time of ``answer``, or the reason why not. One run per decision time and kind, ever."""
    if answer.at is None or answer.session is None:
        return dg.SkipReason(answer.reason)
    at = answer.at.isoformat()
    return dg.RunRequest(
        run_key=f"{kind}:{at}",
        partition_key=answer.session.isoformat() if partitioned else None,
        tags={DECISION_TIME_TAG: at, SCENARIO_TAG: "live", TRIGGER_TAG: trigger, KIND_TAG: kind},
    )


def _tick(context: dg.ScheduleEvaluationContext) -> datetime:
    return context.scheduled_execution_time.astimezone(UTC)


def _cycle_schedule(name: str, mode: MarketState, crons: list[str], description: str) -> dg.ScheduleDefinition:
    @dg.schedule(
        name=name,
        job=market_cycle,
        cron_schedule=crons,
        execution_timezone=NEW_YORK,
        default_status=RUNNING,
        description=description,
    )
    def schedule(
        context: dg.ScheduleEvaluationContext,
        settings: SettingsResource,
        database: DatabaseResource,
        clock: ClockResource,
    ) -> dg.RunRequest | dg.SkipReason:
        if settings.get().uses_simulator:
            return dg.SkipReason(due.SIMULATED_CLOCK)
        answer = due.cycle_due(
            _tick(context),
            clock.get().now(),
            TradingCalendar(),
            trading_config(database).cycle,
            mode=mode,
            running=running_run(context.instance, "cycle"),
        )
        return request(answer, "cycle", f"schedule {name}")

    return schedule


premarket_cycles = _cycle_schedule(
    "premarket_cycles",
    MarketState.PRE,
    ["*/5 4-8 * * 1-5", "0-25/5 9 * * 1-5"],
    "Pre-market, 04:00–09:30: every five minutes.",
)
market_cycles = _cycle_schedule(
    "market_cycles",
    MarketState.REGULAR,
    ["30-55/5 9 * * 1-5", "*/5 10-15 * * 1-5"],
    "Regular hours: every five minutes to the close.",
)
afterhours_cycles = _cycle_schedule(
    "afterhours_cycles", MarketState.AFTER, ["0 13-19 * * 1-5"], "After-hours: once an hour, no new entries."
)


@dg.schedule(
    job=watch_positions,
    cron_schedule="* 9-16 * * 1-5",
    execution_timezone=NEW_YORK,
    default_status=RUNNING,
    description="Positions are watched every minute of regular hours.",
)
def position_watch(
    context: dg.ScheduleEvaluationContext, settings: SettingsResource, database: DatabaseResource, clock: ClockResource
) -> dg.RunRequest | dg.SkipReason:
    if settings.get().uses_simulator:
        return dg.SkipReason(due.SIMULATED_CLOCK)
    answer = due.watch_due(
        _tick(context),
        clock.get().now(),
        TradingCalendar(),
        trading_config(database).cycle,
        running=running_run(context.instance, "watch"),
    )
    return request(answer, "watch", "schedule position_watch", partitioned=False)


@dg.schedule(
    job=close_session,
    cron_schedule=["50-59 12,15 * * 1-5", "2 13,16 * * 1-5"],
    execution_timezone=NEW_YORK,
    default_status=RUNNING,
    description="Flat before the close (13:00 on half-days), settled two minutes after it.",
)
def close_of_session(
    context: dg.ScheduleEvaluationContext, settings: SettingsResource, database: DatabaseResource, clock: ClockResource
) -> dg.RunRequest | dg.SkipReason:
    if settings.get().uses_simulator:
        return dg.SkipReason(due.SIMULATED_CLOCK)
    config = trading_config(database)
    answer = due.close_due(_tick(context), clock.get().now(), TradingCalendar(), config.cycle, config.position)
    return request(answer, "close", "schedule close_of_session")


@dg.schedule(
    job=night_work,
    cron_schedule="30 20 * * 1-5",
    execution_timezone=NEW_YORK,
    default_status=RUNNING,
    description="The evening's lessons: outcomes of articles, reliability of sources and patterns.",
)
def night_outcomes(context: dg.ScheduleEvaluationContext, settings: SettingsResource) -> dg.RunRequest | dg.SkipReason:
    if settings.get().uses_simulator:
        return dg.SkipReason(due.SIMULATED_CLOCK)
    answer = due.night_due(_tick(context), TradingCalendar())
    if answer.session is None or answer.at is None:
        return dg.SkipReason(answer.reason)
    return night_request(answer.session.isoformat(), "schedule night_outcomes")


def night_request(key: str, trigger: str) -> dg.RunRequest:
    """The night work of a live session, once."""
    tags: Mapping[str, str] = {SCENARIO_TAG: "live", TRIGGER_TAG: trigger, KIND_TAG: "night"}
    return dg.RunRequest(run_key=f"night:{key}", partition_key=key, tags=tags)


night_prune = dg.ScheduleDefinition(
    name="night_prune", job=prune, cron_schedule="30 2 * * *", execution_timezone=NEW_YORK, default_status=RUNNING,
    description="Old cycle runs leave Dagster's log.",
)  # fmt: skip

SCHEDULES = (
    premarket_cycles,
    market_cycles,
    afterhours_cycles,
    position_watch,
    close_of_session,
    night_outcomes,
    night_prune,
)
