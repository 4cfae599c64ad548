"""What starts work from outside events: breaking news, the simulated market's clock, a run that failed.

Belongs here: reading a cursor and asking for runs. Does not belong here: decisions. A sensor never trades; a run key makes each run
happen once however often the sensor asks.
"""

# Dagster reads these annotations as objects, so this module does not postpone them.
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import dagster as dg
import pandas as pd

from catalyst_assets.orchestration import due
from catalyst_assets.orchestration.connections import ClockUnavailable, fresh
from catalyst_assets.orchestration.cycle import DECISION_TIME_TAG, KIND_TAG, SCENARIO_TAG, TRIGGER_TAG
from catalyst_assets.orchestration.failures import failure_line
from catalyst_assets.orchestration.jobs import market_cycle, night_work, watch_positions
from catalyst_assets.orchestration.resources import ClockResource, DatabaseResource, SettingsResource
from catalyst_assets.orchestration.schedules import UNFINISHED, night_request, request, running_run, trading_config
from catalyst_assets.trading.calendar import MarketState, TradingCalendar

if TYPE_CHECKING:
    from catalyst_assets.storage.cache import Cache
    from catalyst_assets.storage.database import Database
    from catalyst_assets.trading.config import TradingConfig

RUNNING = dg.DefaultSensorStatus.RUNNING
BREAKING_WINDOW = timedelta(minutes=10)
"""An article older than this is no longer breaking: a cycle has seen it or the chance has gone."""
WATCH_EVERY = timedelta(minutes=1)


# --------------------------------------------------------------------------------------------------------------- breaking news


def breaking_articles(database: "Database", config: "TradingConfig", after: datetime, now: datetime) -> pd.DataFrame:
    """Breaking tier 1–2 articles that became available in ``(after, now]`` on symbols whose score reaches ``news.breaking_score``, which
    no cycle has decided on: columns ``news_id, headline, symbols, available_at, score``."""
    from catalyst_assets.storage.news import NewsRepository
    from catalyst_assets.trading import articles as rules
    from catalyst_assets.trading import scanner

    new = database.read(
        """
        select f.news_id from news_features f join news_raw r using (news_id)
        where r.available_at > :after and r.available_at <= :now and r.live_source and f.source_tier <= :tier and f.is_breaking
          and not exists (select from trading_cycles c where c.scenario = 'live' and c.status in ('running', 'finished')
                          and c.decision_time >= r.available_at)
        """,
        {"after": after, "now": now, "tier": config.news.breaking_tier},
    )
    if new.empty:
        return new.assign(headline="", symbols="", available_at=pd.NaT, score=0.0)
    calendar = TradingCalendar()
    start = now - timedelta(days=config.cycle.lookback_days)
    stored = NewsRepository(database, calendar).articles(start, now)
    mentions = rules.mentions(stored, config)
    fresh = mentions[mentions["news_id"].isin(new["news_id"])]
    about = mentions[mentions["symbol"].isin(fresh["symbol"])]
    told = about.merge(stories(database.cache, about, config), on=["news_id", "symbol"], how="inner")
    at = pd.DatetimeIndex([pd.Timestamp(now)]).as_unit("us")
    scores, _ = scanner.catalyst_scores(told, at, calendar, None, config)
    by_symbol = dict(zip(scores["symbol"], scores["catalyst_score"].astype("float64"), strict=True))
    fresh = fresh.assign(score=fresh["symbol"].map(by_symbol).fillna(0.0))
    high = fresh[fresh["score"] >= config.news.breaking_score]
    return high.groupby("news_id", as_index=False).agg(
        headline=("headline", "first"),
        symbols=("symbol", ", ".join),
        available_at=("available_at", "first"),
        score=("score", "max"),
    )


def stories(cache: "Cache", mentions: pd.DataFrame, config: "TradingConfig") -> pd.DataFrame:
    """``narratives.assign`` of exactly these mentions: what they tell, how new it is, which only repeat.

    The sensor comes back every 20 s, and while it has to wait it looks at the same articles again.
    """
    from catalyst_assets.storage import cache_keys
    from catalyst_assets.storage.cache_values import packed, unpacked
    from catalyst_assets.trading import narratives

    empty = narratives.assign(mentions.iloc[:0], config).astype(
        {"news_id": "str", "symbol": "str", "narrative_id": "str", "similarity": "float64", "novelty": "float64", "is_echo": "bool"}
    )  # fmt: skip
    depends = {
        "symbol": sorted(set(mentions["symbol"])),
        "articles": cache_keys.rows_of(mentions),
        "config": cache_keys.inputs_of(config),
        "version": cache_keys.code_version(),
    }
    known = cache.get("sentiment", **depends)
    if known is None:
        members = narratives.assign(mentions, config)
        known = packed(members, [range(len(members))])[0]
        cache.put("sentiment", known, **depends)
    return unpacked([known], empty)


@dg.sensor(
    job=market_cycle,
    minimum_interval_seconds=20,
    default_status=RUNNING,
    description="A tier 1–2 article with a high score starts a cycle at once instead of waiting for the next five minutes.",
)
def breaking_news(
    context: dg.SensorEvaluationContext, settings: SettingsResource, database: DatabaseResource, clock: ClockResource
) -> dg.SensorResult | dg.SkipReason:
    try:
        now = fresh(clock.get()).now()
    except ClockUnavailable as error:
        return dg.SkipReason(str(error))
    calendar = TradingCalendar()
    state = calendar.state(now)
    if state not in (MarketState.PRE, MarketState.REGULAR):
        return dg.SkipReason(f"the market is {state.value}: nothing is traded at once")
    if running := running_run(context.instance, "cycle"):
        return dg.SkipReason(f"a cycle is under way (run {running})")
    config = trading_config(database)
    after = max(
        datetime.fromisoformat(context.cursor) if context.cursor else now - BREAKING_WINDOW, now - BREAKING_WINDOW
    )
    found = breaking_articles(database.get(), config, after, now)
    if found.empty:
        return dg.SensorResult(skip_reason="no breaking article above the score", cursor=now.isoformat())
    best = found.sort_values("score", ascending=False).iloc[0]
    at = pd.Timestamp(now).floor("min")
    last = database.get().scalar("select max(decision_time) from trading_cycles where scenario = 'live'")
    if last is not None and pd.Timestamp(last) >= at:
        return dg.SkipReason(f"the cycle of {due.clock_time(at)} has run; asking again in the next minute")
    return dg.SensorResult(
        run_requests=[
            dg.RunRequest(
                run_key=f"breaking:{best['news_id']}",
                partition_key=calendar.session_for(now).isoformat(),
                tags={
                    DECISION_TIME_TAG: at.isoformat(), SCENARIO_TAG: "live", KIND_TAG: "cycle",
                    TRIGGER_TAG: f"breaking {best['symbols']}"[:100],
                },
            )
        ],
        cursor=now.isoformat(),
    )  # fmt: skip


# ------------------------------------------------------------------------------------------------------------- simulated clock


@dg.sensor(
    jobs=[market_cycle, watch_positions, night_work],
    minimum_interval_seconds=5,
    default_status=RUNNING,
    description="In a simulated market its own clock starts the cycles, the watch and the evening's work; late ones are left out.",
)
def simulated_clock(
    context: dg.SensorEvaluationContext, settings: SettingsResource, database: DatabaseResource, clock: ClockResource
) -> dg.SensorResult | dg.SkipReason:
    if not settings.get().uses_simulator:
        return dg.SkipReason("the market is real: the schedules follow the wall clock")
    try:
        now = fresh(clock.get()).now()
    except ClockUnavailable as error:
        return dg.SkipReason(str(error))
    cursor: dict[str, str] = json.loads(context.cursor) if context.cursor else {}
    return simulated_work(
        now,
        cursor,
        trading_config(database),
        cycle_running=running_run(context.instance, "cycle"),
        watch_running=running_run(context.instance, "watch"),
    )


def simulated_work(
    now: datetime,
    cursor: dict[str, str],
    config: "TradingConfig",
    *,
    cycle_running: str | None,
    watch_running: str | None,
) -> dg.SensorResult:
    """What is due at ``now`` of the simulated clock. ``cursor``: ``cycle`` and ``watch`` times and ``night`` session already asked for."""
    calendar = TradingCalendar()
    done = datetime.fromisoformat(cursor["cycle"]) if "cycle" in cursor else None
    answer = due.latest_due(now, done, calendar, config.cycle, running=cycle_running)
    asked: list[dg.RunRequest] = []
    reasons = [answer.reason] if answer.reason else []
    updated = dict(cursor)
    if answer.at is not None:
        made = request(answer, "cycle", "simulated clock")
        if isinstance(made, dg.RunRequest):
            asked.append(_for(made, "market_cycle"))
            updated["cycle"] = answer.at.isoformat()
    elif "watch" not in cursor or now - datetime.fromisoformat(cursor["watch"]) >= WATCH_EVERY:
        seen = due.watch_due(now, now, calendar, config.cycle, running=watch_running or cycle_running)
        if seen.at is not None:
            made = request(seen, "watch", "simulated clock", partitioned=False)
            if isinstance(made, dg.RunRequest):
                asked.append(_for(made, "watch_positions"))
                updated["watch"] = seen.at.isoformat()
    session = calendar.session_for(now)
    over = session if now >= calendar.hours(session).close + timedelta(hours=4) else calendar.previous(session)
    begun = "cycle" in cursor and calendar.session_for(datetime.fromisoformat(cursor["cycle"])) == over
    if begun and cursor.get("night") != over.isoformat() and now >= calendar.hours(over).post_close:
        asked.append(_for(night_request(over.isoformat(), "simulated clock"), "night_work"))
        updated["night"] = over.isoformat()
    if not asked:
        return dg.SensorResult(skip_reason="; ".join(reasons) or "nothing is due", cursor=json.dumps(updated))
    return dg.SensorResult(run_requests=asked, cursor=json.dumps(updated))


def _for(made: dg.RunRequest, job: str) -> dg.RunRequest:
    return dg.RunRequest(run_key=made.run_key, partition_key=made.partition_key, tags=made.tags, job_name=job)


# ----------------------------------------------------------------------------------------------------------------- failed runs


@dg.run_failure_sensor(
    default_status=RUNNING,
    minimum_interval_seconds=10,
    description="A failed run is filed in workflow_log and service_health, a failed cycle also in trading_cycles.",
)
def run_failed(context: dg.RunFailureSensorContext, settings: SettingsResource, database: DatabaseResource) -> None:
    run = context.dagster_run
    message = context.failure_event.message or "the run failed"
    steps = [failure_line(event) for event in context.get_step_failure_events()]
    file_failure(
        database.get(),
        settings.get().secrets(),
        run.job_name,
        run.run_id,
        run.tags,
        message,
        steps,
    )


def file_failure(
    database: "Database",
    secrets: tuple[str, ...],
    job: str,
    run_id: str,
    tags: Any,
    message: str,
    steps: list[str],
) -> None:
    """Write what failed, secrets taken out, where people and the doctor look."""
    from catalyst_assets.storage.operations import OperationsRepository

    def redacted(text: str) -> str:
        for secret in secrets:
            text = text.replace(secret, "****")
        return text[:2000]

    now = datetime.now(UTC)
    operations = OperationsRepository(database)
    kind = tags.get(KIND_TAG, job)
    about = {key: value for key, value in tags.items() if key.startswith("catalyst/")}
    context = {"job": job, "run_id": run_id, "steps": [redacted(step) for step in steps], "tags": about}
    operations.log("error", f"dagster.{kind}", redacted("; ".join([message, *steps])), context, at=now)
    operations.record_health(
        f"dagster.{kind}", "down", checked_at=now, message=redacted(steps[0] if steps else message)[:300]
    )
    at = tags.get(DECISION_TIME_TAG)
    if kind == "cycle" and at:
        calendar = TradingCalendar()
        decided = pd.Timestamp(at).to_pydatetime()
        operations.save_cycle(
            scenario=tags.get(SCENARIO_TAG, "live"), session=calendar.session_for(decided), decision_time=decided,
            mode=calendar.state(decided).value, status="failed", started_at=now, finished_at=now,
            trigger=tags.get(TRIGGER_TAG, ""), run_id=run_id, message=redacted(steps[0] if steps else message)[:500],
        )  # fmt: skip


SENSORS = (breaking_news, simulated_clock, run_failed)
__all__ = [
    "SENSORS",
    "UNFINISHED",
    "breaking_articles",
    "breaking_news",
    "file_failure",
    "run_failed",
    "simulated_clock",
    "simulated_work",
    "stories",
]
