"""What a run is: scenario, session and decision times from its tags, its partition and the clock."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta

import pytest

from catalyst_assets.orchestration.cycle import (
    DECISION_TIME_TAG,
    SCENARIO_TAG,
    TRIGGER_TAG,
    CycleContext,
    CycleRefused,
    RunMemory,
    contexts,
)
from catalyst_assets.trading.calendar import TradingCalendar
from catalyst_assets.trading.config import TradingConfig

CALENDAR, CONFIG = TradingCalendar(), TradingConfig()
NOW = datetime(2026, 11, 20, 15, 2, 20, tzinfo=UTC)  # 10:02:20 New York, a Friday


def made(
    keys: list[str], tags: Mapping[str, str] | None = None, *, now: datetime = NOW, afterwards: bool = False
) -> list[CycleContext]:
    return contexts(
        run_id="r",
        tags=tags or {},
        partition_keys=keys,
        now=now,
        calendar=CALENDAR,
        config=CONFIG,
        afterwards=afterwards,
    )


def test_todays_partition_is_live_at_the_present_minute() -> None:
    (cycle,) = made(["2026-11-20"])
    assert cycle.is_live
    assert cycle.decision_time == datetime(2026, 11, 20, 15, 2, tzinfo=UTC)
    assert len(cycle.decision_times) == 1
    assert cycle.trigger == "manual"


def test_without_a_partition_it_is_todays() -> None:
    assert made([])[0].session == date(2026, 11, 20)


def test_a_past_partition_is_a_replay_of_all_its_decision_times() -> None:
    (cycle,) = made(["2026-11-19"])
    assert cycle.scenario == "replay:2026-11-19"
    assert not cycle.is_live
    assert list(cycle.decision_times) == list(CALENDAR.decision_times(date(2026, 11, 19), CONFIG.cycle))


def test_a_range_is_one_frame_per_session_oldest_first() -> None:
    assert [cycle.session.day for cycle in made(["2026-11-19", "2026-11-17", "2026-11-18"])] == [17, 18, 19]


def test_tags_say_when_why_and_as_what() -> None:
    tags = {DECISION_TIME_TAG: "2026-11-20T10:00:00-05:00", SCENARIO_TAG: "live", TRIGGER_TAG: "schedule market_cycles"}
    (cycle,) = made(["2026-11-20"], tags, now=datetime(2026, 11, 20, 15, 1, tzinfo=UTC))
    assert cycle.decision_time == datetime(2026, 11, 20, 15, 0, tzinfo=UTC)
    assert cycle.trigger == "schedule market_cycles"


@pytest.mark.parametrize(
    ("keys", "tags", "words"),
    [
        (["2026-11-20"], {DECISION_TIME_TAG: "2026-11-20T15:00:00+00:00"}, "140 s old, more than 120 s"),
        (["2026-11-20"], {DECISION_TIME_TAG: "2026-11-20T15:05:00+00:00"}, "ahead of the clock"),
        (["2026-11-20"], {DECISION_TIME_TAG: "2026-11-20T15:00:00"}, "needs a time zone"),
        (["2026-11-20"], {DECISION_TIME_TAG: "2026-11-19T15:00:00+00:00"}, "does not belong to session"),
        (["2026-11-19"], {SCENARIO_TAG: "live"}, "only a replay may decide on it"),
        (["2026-11-23"], {}, "lies ahead"),
        (["2026-11-26"], {}, "not a session"),
    ],
)
def test_a_run_that_must_not_decide_is_refused_with_the_reason(
    keys: list[str], tags: dict[str, str], words: str
) -> None:
    with pytest.raises(CycleRefused, match=words):
        made(keys, tags)


def test_looking_back_on_a_live_session_that_is_over_is_allowed_and_deciding_on_it_is_not() -> None:
    evening = datetime(2026, 11, 21, 1, 30, tzinfo=UTC)  # Friday 20:30 New York: the present session is Monday's
    (cycle,) = made(["2026-11-20"], {SCENARIO_TAG: "live"}, now=evening, afterwards=True)
    assert cycle.is_live and cycle.session == date(2026, 11, 20)
    with pytest.raises(CycleRefused):
        made(["2026-11-20"], {SCENARIO_TAG: "live"}, now=evening)


def test_a_replay_never_sees_beyond_now() -> None:
    (cycle,) = made(["2026-11-20"], {SCENARIO_TAG: "replay:try"})
    assert cycle.decision_times[-1] <= NOW


def test_articles_are_read_back_for_the_whole_novelty_window() -> None:
    (cycle,) = made(["2026-11-20"])
    assert cycle.decision_time - cycle.lookback_start == timedelta(days=CONFIG.cycle.lookback_days)


def test_the_stages_of_a_run_share_one_frame_and_old_runs_are_forgotten() -> None:
    memory = RunMemory(kept=2)
    for run in ("a", "b", "c"):
        memory.keep(run, made(["2026-11-20"]))
    assert memory.get("a") is None
    assert memory.get("c") is memory.get("c")
