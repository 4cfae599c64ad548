"""Schedules skip with a reason, sensors ask once; on a real database, with a clock that stands where it is put."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import dagster as dg
import pandas as pd
import pytest

from catalyst_assets.definitions import build_definitions
from catalyst_assets.orchestration import schedules, sensors
from catalyst_assets.orchestration.cycle import DECISION_TIME_TAG, KIND_TAG, SCENARIO_TAG
from catalyst_assets.orchestration.due import SIMULATED_CLOCK
from catalyst_assets.ports import FixedClock, RawArticle
from catalyst_assets.settings import Settings
from catalyst_assets.storage.cache import Cache
from catalyst_assets.storage.database import Database
from catalyst_assets.storage.news import NewsRepository
from catalyst_assets.storage.operations import OperationsRepository
from catalyst_assets.trading import articles as article_rules
from catalyst_assets.trading import narratives
from catalyst_assets.trading.calendar import TradingCalendar
from catalyst_assets.trading.config import TradingConfig

NY = ZoneInfo("America/New_York")
CALENDAR, CONFIG = TradingCalendar(), TradingConfig()
REPOSITORY = build_definitions().get_repository_def()


class Hands:
    """Stands for a resource: hands out the given object."""

    def __init__(self, thing: Any) -> None:
        self.thing = thing

    def get(self) -> Any:
        return self.thing


def settings(market: str) -> Settings:
    keys = {"alpaca_api_key": "k", "alpaca_secret_key": "s"} if market == "vendors" else {}
    return Settings(market=market, **keys)  # type: ignore[arg-type]


def new_york(day: str, clock: str) -> datetime:
    return datetime.fromisoformat(f"{day}T{clock}:00").replace(tzinfo=NY)


def tick(
    schedule: dg.ScheduleDefinition, at: datetime, database: Database, *, market: str = "vendors", late: float = 1.0
) -> dg.RunRequest | str:
    """What a schedule does at a tick: its run request, or the skip reason."""
    wanted = {
        "settings": Hands(settings(market)),
        "database": Hands(database),
        "clock": Hands(FixedClock(at.astimezone(UTC) + timedelta(seconds=late))),
    }
    resources = {name: thing for name, thing in wanted.items() if name in schedule.required_resource_keys}
    with (
        dg.instance_for_test() as instance,
        dg.build_schedule_context(
            instance=instance, scheduled_execution_time=at, resources=resources, repository_def=REPOSITORY
        ) as context,
    ):
        data = schedule.evaluate_tick(context)
    return data.run_requests[0] if data.run_requests else str(data.skip_message)


@pytest.mark.parametrize(
    ("schedule", "day", "clock", "kind"),
    [
        (schedules.premarket_cycles, "2025-11-20", "04:00", "cycle"),
        (schedules.market_cycles, "2025-11-20", "09:30", "cycle"),
        (schedules.market_cycles, "2025-03-10", "09:30", "cycle"),
        (schedules.market_cycles, "2025-11-28", "12:55", "cycle"),
        (schedules.afterhours_cycles, "2025-11-28", "13:00", "cycle"),
        (schedules.position_watch, "2025-11-20", "10:01", "watch"),
        (schedules.close_of_session, "2025-11-28", "12:56", "close"),
        (schedules.night_outcomes, "2025-11-20", "20:30", "night"),
    ],
)
def test_a_schedule_asks_for_its_run(
    schedule: dg.ScheduleDefinition, day: str, clock: str, kind: str, database: Database
) -> None:
    asked = tick(schedule, new_york(day, clock), database)
    assert isinstance(asked, dg.RunRequest), asked
    assert asked.tags[KIND_TAG] == kind
    assert asked.tags[SCENARIO_TAG] == "live"
    assert asked.run_key
    if kind in ("cycle", "close", "night"):
        assert asked.partition_key == day
    if kind != "night":
        assert pd.Timestamp(asked.tags[DECISION_TIME_TAG]) == new_york(day, clock)


@pytest.mark.parametrize(
    ("schedule", "day", "clock", "late", "words"),
    [
        (schedules.market_cycles, "2025-11-27", "10:00", 1, "closed that day"),
        (schedules.market_cycles, "2025-11-28", "13:05", 1, "half-day"),
        (schedules.market_cycles, "2025-11-20", "10:00", 300, "300 s old"),
        (schedules.premarket_cycles, "2025-11-20", "09:30", 1, "not pre"),
        (schedules.position_watch, "2025-11-27", "10:00", 1, "closed that day"),
        (schedules.close_of_session, "2025-11-20", "15:52", 1, "not close work's time"),
        (schedules.night_outcomes, "2025-11-27", "20:30", 1, "closed that day"),
    ],
)
def test_a_schedule_skips_with_the_reason(
    schedule: dg.ScheduleDefinition, day: str, clock: str, late: float, words: str, database: Database
) -> None:
    answer = tick(schedule, new_york(day, clock), database, late=late)
    assert isinstance(answer, str)
    assert words in answer


@pytest.mark.parametrize("schedule", [item for item in schedules.SCHEDULES if item is not schedules.night_prune])
def test_a_simulated_market_silences_every_schedule(schedule: dg.ScheduleDefinition, database: Database) -> None:
    assert tick(schedule, new_york("2025-11-20", "10:00"), database, market="simulator") == SIMULATED_CLOCK


def test_a_schedule_does_not_overlap_a_run_that_has_not_ended(database: Database) -> None:
    at = new_york("2025-11-20", "10:00")
    with dg.instance_for_test() as instance:
        instance.add_run(
            dg.DagsterRun(job_name="market_cycle", tags={KIND_TAG: "cycle"}, status=dg.DagsterRunStatus.STARTED)
        )
        resources = {
            "settings": Hands(settings("vendors")), "database": Hands(database), "clock": Hands(FixedClock(at.astimezone(UTC))),
        }  # fmt: skip
        with dg.build_schedule_context(
            instance=instance, scheduled_execution_time=at, resources=resources, repository_def=REPOSITORY
        ) as context:
            data = schedules.market_cycles.evaluate_tick(context)
    assert not data.run_requests
    assert "still runs" in str(data.skip_message)


# --------------------------------------------------------------------------------------------------------- simulated clock


def work(
    clock: str, cursor: dict[str, str] | None = None, **running: str | None
) -> tuple[list[dg.RunRequest], dict[str, str]]:
    asked = sensors.simulated_work(
        new_york("2025-11-20", clock).astimezone(UTC), cursor or {}, CONFIG,
        cycle_running=running.get("cycle"), watch_running=running.get("watch"),
    )  # fmt: skip
    assert asked.cursor is not None
    return list(asked.run_requests or []), json.loads(asked.cursor)


def test_the_simulated_clock_starts_the_newest_cycle_once() -> None:
    first, cursor = work("10:01")
    assert [request.job_name for request in first] == ["market_cycle"]
    assert first[0].tags[DECISION_TIME_TAG] == new_york("2025-11-20", "10:00").astimezone(UTC).isoformat()
    again, _ = work("10:01", cursor)
    assert "market_cycle" not in [request.job_name for request in again]


def test_between_two_cycles_positions_are_watched_each_minute() -> None:
    _, cursor = work("10:00")
    asked, cursor = work("10:01", cursor)
    assert [request.job_name for request in asked] == ["watch_positions"]
    again, _ = work("10:01", cursor)
    assert again == []


def test_a_late_cycle_is_left_out() -> None:
    asked, _ = work("10:04", {"watch": new_york("2025-11-20", "10:04").isoformat()})
    assert asked == []


def test_a_cycle_waits_for_the_one_before() -> None:
    asked, cursor = work("10:00", None, cycle="1a2b3c4d")
    assert asked == []
    assert "cycle" not in cursor


def test_night_work_follows_the_session_once() -> None:
    cursor = {"cycle": new_york("2025-11-20", "19:00").astimezone(UTC).isoformat()}
    asked, cursor = work("20:01", cursor)
    assert [(request.job_name, request.partition_key) for request in asked] == [("night_work", "2025-11-20")]
    again, _ = work("20:02", cursor)
    assert again == []


def test_a_real_market_needs_no_simulated_clock(database: Database) -> None:
    answer = sensor(sensors.simulated_clock, database, new_york("2025-11-20", "10:00"), "vendors")
    assert "schedules follow the wall clock" in str(answer.skip_message)


# ----------------------------------------------------------------------------------------------------------- breaking news


def sensor(
    which: dg.SensorDefinition, database: Database, now: datetime, market: str, cursor: str | None = None
) -> Any:
    resources = {
        "settings": Hands(settings(market)), "database": Hands(database), "clock": Hands(FixedClock(now.astimezone(UTC))),
    }  # fmt: skip
    with dg.instance_for_test() as instance:
        needed = {name: thing for name, thing in resources.items() if name in which.required_resource_keys}
        with dg.build_sensor_context(
            instance=instance, cursor=cursor, resources=needed, repository_def=REPOSITORY
        ) as context:
            return which.evaluate_tick(context)


@pytest.fixture
def tell(database: Database) -> Callable[[str, str, datetime], None]:
    """Store an article, seen at an instant, with its features."""

    def store(source: str, headline: str, seen: datetime) -> None:
        seen = seen.astimezone(UTC)
        article = RawArticle(
            "alpaca",
            f"{source}{seen}",
            headline,
            "",
            source,
            None,
            seen - timedelta(seconds=30),
            None,
            ("ACME",),
            None,
            {},
            {},
        )
        repository = NewsRepository(database)
        repository.store(
            [article], first_seen_at=seen, delays={"alpaca": timedelta(0)}, live_sources=["alpaca"], collected_live=True
        )
        fresh = repository.without_features(seen)
        repository.save_features(
            article_rules.derive_features(fresh, CALENDAR, CONFIG, {"ACME": "Acme Therapeutics Inc."})
        )

    return store


HEADLINE = "FDA approves Acme Therapeutics drug for rare disease"


def test_stories_from_the_cache_are_those_told_and_other_articles_are_another_question(
    database: Database, tell: Callable[[str, str, datetime], None], redis_url: str
) -> None:
    now = new_york("2025-11-20", "10:02")
    for minutes, outlet in ((3, "Reuters"), (2, "Bloomberg"), (1, "Some Blog")):
        tell(outlet, HEADLINE, now - timedelta(minutes=minutes))
    stored = NewsRepository(database).articles(now - timedelta(days=1), now)
    mentions = article_rules.mentions(stored, CONFIG)
    cache, expected = Cache(redis_url), narratives.assign(mentions, CONFIG)
    for _ in range(2):
        pd.testing.assert_frame_equal(sensors.stories(cache, mentions, CONFIG), expected, check_dtype=False)
    assert cache.counts()["sentiment"] == {"hits": 1, "misses": 1, "errors": 0}
    stricter = CONFIG.model_copy(update={"catalyst": CONFIG.catalyst.model_copy(update={"novelty_floor": 0.9})})
    changes = [
        (mentions.iloc[:2], CONFIG),
        (mentions.assign(headline="Acme Therapeutics recalls its drug"), CONFIG),
        (mentions.assign(direction=-mentions["direction"]), CONFIG),
        (mentions, stricter),
    ]
    for changed, config in changes:
        found = sensors.stories(cache, changed, config)
        pd.testing.assert_frame_equal(found, narratives.assign(changed, config), check_dtype=False)
    assert cache.counts()["sentiment"] == {"hits": 1, "misses": 1 + len(changes), "errors": 0}


def test_a_waiting_sensor_reads_the_same_articles_from_the_cache(
    database: Database, tell: Callable[[str, str, datetime], None], redis_url: str
) -> None:
    now = new_york("2025-11-20", "10:02")
    tell("Reuters", HEADLINE, now - timedelta(minutes=1))
    plain = sensors.breaking_articles(database, CONFIG, now - timedelta(minutes=10), now)
    database.cache = Cache(redis_url)
    for _ in range(2):
        found = sensors.breaking_articles(database, CONFIG, now - timedelta(minutes=10), now)
        pd.testing.assert_frame_equal(found, plain)
    assert database.cache.counts()["sentiment"]["hits"] == 1


def test_breaking_news_of_a_good_source_starts_a_cycle_at_once(
    database: Database, tell: Callable[[str, str, datetime], None]
) -> None:
    now = new_york("2025-11-20", "10:02")
    tell("Reuters", HEADLINE, now - timedelta(minutes=1))
    answer = sensor(sensors.breaking_news, database, now, "simulator")
    assert len(answer.run_requests) == 1, answer.skip_message
    (asked,) = answer.run_requests
    assert asked.partition_key == "2025-11-20"
    assert pd.Timestamp(asked.tags[DECISION_TIME_TAG]) == now
    assert "ACME" in asked.tags["catalyst/trigger"]
    again = sensor(sensors.breaking_news, database, now + timedelta(seconds=30), "simulator", answer.cursor)
    assert not again.run_requests


@pytest.mark.parametrize(
    ("source", "clock", "why"),
    [
        ("Some Blog", "10:02", "a low tier is not breaking"),
        ("Reuters", "17:30", "after hours nothing is traded at once"),
    ],
)
def test_other_news_waits_for_its_cycle(
    source: str, clock: str, why: str, database: Database, tell: Callable[[str, str, datetime], None]
) -> None:
    now = new_york("2025-11-20", clock)
    tell(source, HEADLINE, now - timedelta(minutes=1))
    assert not sensor(sensors.breaking_news, database, now, "simulator").run_requests, why


def test_news_a_cycle_has_seen_is_no_longer_breaking(
    database: Database, tell: Callable[[str, str, datetime], None]
) -> None:
    now = new_york("2025-11-20", "10:02")
    tell("Reuters", HEADLINE, now - timedelta(minutes=3))
    decided = (now - timedelta(minutes=2)).astimezone(UTC)
    OperationsRepository(database).save_cycle(
        scenario="live",
        session=now.date(),
        decision_time=decided,
        mode="regular",
        status="finished",
        started_at=decided,
    )
    assert not sensor(sensors.breaking_news, database, now, "simulator").run_requests


# ------------------------------------------------------------------------------------------------------------- failed runs


def test_a_failed_cycle_is_filed_where_people_look_without_secrets(database: Database) -> None:
    at = new_york("2025-11-20", "10:00").astimezone(UTC)
    tags = {KIND_TAG: "cycle", DECISION_TIME_TAG: at.isoformat(), SCENARIO_TAG: "live"}
    sensors.file_failure(
        database,
        ("hunter2hunter2",),
        "market_cycle",
        "run-1",
        tags,
        "run failed",
        ["news_raw: key hunter2hunter2 refused"],
    )
    operations = OperationsRepository(database)
    log = operations.workflow_log(datetime.now(UTC) - timedelta(minutes=1))
    assert log["component"].tolist() == ["dagster.cycle"]
    assert "hunter2" not in json.dumps(log["context"].iloc[0]) and "****" in json.dumps(log["context"].iloc[0])
    health = operations.service_health().set_index("service")
    assert health.loc["dagster.cycle", "state"] == "down"
    cycle = operations.last_cycle("live")
    assert cycle is not None and cycle["status"] == "failed" and "****" in cycle["message"]
