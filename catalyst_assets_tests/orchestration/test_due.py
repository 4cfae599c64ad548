"""When work is due and why not: daylight saving, half-days, holidays, late ticks, overlaps."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalyst_assets.orchestration import due
from catalyst_assets.trading.calendar import MarketState, TradingCalendar
from catalyst_assets.trading.config import CycleConfig, PositionConfig

CALENDAR, CYCLE, POSITION = TradingCalendar(), CycleConfig(), PositionConfig()
NY = ZoneInfo("America/New_York")
ORDINARY, HALF_DAY, HOLIDAY, SATURDAY = date(2026, 11, 20), date(2026, 11, 27), date(2026, 11, 26), date(2026, 11, 21)
BEFORE_SPRING, AFTER_SPRING = date(2026, 3, 6), date(2026, 3, 9)
BEFORE_AUTUMN, AFTER_AUTUMN = date(2026, 10, 30), date(2026, 11, 2)


def at(day: date, clock: str) -> datetime:
    hour, minute = map(int, clock.split(":"))
    return datetime(day.year, day.month, day.day, hour, minute, tzinfo=NY)


def cycle(day: date, clock: str, *, after: float = 1.0, mode: MarketState | None = None, **more: object) -> due.Due:
    tick = at(day, clock)
    return due.cycle_due(tick, tick + timedelta(seconds=after), CALENDAR, CYCLE, mode=mode, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("day", "clock", "mode"),
    [
        (ORDINARY, "04:00", MarketState.PRE),
        (ORDINARY, "09:25", MarketState.PRE),
        (ORDINARY, "09:30", MarketState.REGULAR),
        (ORDINARY, "15:55", MarketState.REGULAR),
        (ORDINARY, "16:00", MarketState.AFTER),
        (ORDINARY, "19:00", MarketState.AFTER),
        (HALF_DAY, "12:55", MarketState.REGULAR),
        (HALF_DAY, "13:00", MarketState.AFTER),
    ],
)
def test_a_cycle_is_due_in_its_mode(day: date, clock: str, mode: MarketState) -> None:
    answer = cycle(day, clock, mode=mode)
    assert answer, answer.reason
    assert answer.session == day
    assert answer.at == at(day, clock)


@pytest.mark.parametrize(
    ("day", "clock", "mode", "words"),
    [
        (HOLIDAY, "10:00", MarketState.REGULAR, "closed that day"),
        (SATURDAY, "10:00", MarketState.REGULAR, "weekend"),
        (ORDINARY, "09:30", MarketState.PRE, "the market is regular, not pre"),
        (ORDINARY, "13:00", MarketState.AFTER, "the market is regular, not after"),
        (HALF_DAY, "13:05", MarketState.REGULAR, "half-day, closed at 13:00"),
        (HALF_DAY, "17:00", MarketState.AFTER, "half-day"),
        (ORDINARY, "16:05", None, "no cycle is due at 16:05"),
        (ORDINARY, "09:32", None, "no cycle is due at 09:32"),
    ],
)
def test_a_tick_is_skipped_with_the_reason(day: date, clock: str, mode: MarketState | None, words: str) -> None:
    answer = cycle(day, clock, mode=mode)
    assert not answer
    assert words in answer.reason


def test_a_late_tick_is_skipped_and_says_how_late() -> None:
    assert cycle(ORDINARY, "10:00", after=119)
    late = cycle(ORDINARY, "10:00", after=121)
    assert not late
    assert "121 s old" in late.reason


def test_a_tick_ahead_of_the_clock_is_no_decision() -> None:
    assert "ahead of the clock" in cycle(ORDINARY, "10:00", after=-600).reason


def test_a_cycle_never_overlaps_the_one_before() -> None:
    answer = cycle(ORDINARY, "10:00", running="1a2b3c4d")
    assert not answer
    assert "1a2b3c4d" in answer.reason


def test_a_simulated_market_silences_the_wall_clock() -> None:
    assert cycle(ORDINARY, "10:00", simulated=True).reason == due.SIMULATED_CLOCK


@pytest.mark.parametrize("day", [BEFORE_SPRING, AFTER_SPRING, BEFORE_AUTUMN, AFTER_AUTUMN])
def test_the_open_is_half_past_nine_in_new_york_on_both_sides_of_a_clock_change(day: date) -> None:
    assert cycle(day, "09:30", mode=MarketState.REGULAR)
    assert not cycle(day, "09:25", mode=MarketState.REGULAR)


def test_the_clock_change_moves_the_open_by_an_hour_of_utc() -> None:
    before, after = cycle(BEFORE_SPRING, "09:30").at, cycle(AFTER_SPRING, "09:30").at
    assert before is not None and after is not None
    assert (before.hour, after.hour) == (14, 13)


@pytest.mark.parametrize(
    ("day", "clock", "expected"),
    [
        (ORDINARY, "09:29", False), (ORDINARY, "09:30", True), (ORDINARY, "15:59", True), (ORDINARY, "16:04", True),
        (ORDINARY, "16:05", False), (HALF_DAY, "13:04", True), (HALF_DAY, "13:05", False), (HOLIDAY, "10:00", False),
    ],
)  # fmt: skip
def test_positions_are_watched_in_regular_hours_and_just_after(day: date, clock: str, expected: bool) -> None:
    tick = at(day, clock)
    assert bool(due.watch_due(tick, tick, CALENDAR, CYCLE)) is expected


@pytest.mark.parametrize(
    ("day", "clock", "expected"),
    [
        (ORDINARY, "15:54", False), (ORDINARY, "15:55", True), (ORDINARY, "15:59", True), (ORDINARY, "16:00", False),
        (ORDINARY, "16:02", True), (ORDINARY, "12:55", False), (HALF_DAY, "12:55", True), (HALF_DAY, "13:02", True),
        (HALF_DAY, "15:55", False), (HOLIDAY, "12:55", False),
    ],
)  # fmt: skip
def test_close_work_follows_the_real_close(day: date, clock: str, expected: bool) -> None:
    tick = at(day, clock)
    assert bool(due.close_due(tick, tick, CALENDAR, CYCLE, POSITION)) is expected


@pytest.mark.parametrize(
    ("day", "clock", "expected"), [(ORDINARY, "20:30", True), (ORDINARY, "19:59", False), (HOLIDAY, "20:30", False)]
)
def test_night_work_waits_for_the_end_of_after_hours(day: date, clock: str, expected: bool) -> None:
    assert bool(due.night_due(at(day, clock), CALENDAR)) is expected


# -------------------------------------------------------------------------------------------------------- a clock that jumps


def test_a_jumping_clock_runs_only_the_newest_cycle_and_only_in_time() -> None:
    answer = due.latest_due(at(ORDINARY, "10:01"), at(ORDINARY, "09:30"), CALENDAR, CYCLE)
    assert answer.at == at(ORDINARY, "10:00"), "the cycles of 09:35 to 09:55 are gone"
    late = due.latest_due(at(ORDINARY, "10:03"), at(ORDINARY, "09:55"), CALENDAR, CYCLE)
    assert not late and "old" in late.reason


def test_a_jumping_clock_runs_no_cycle_twice() -> None:
    answer = due.latest_due(at(ORDINARY, "10:01"), at(ORDINARY, "10:00"), CALENDAR, CYCLE)
    assert not answer
    assert "the next is at 10:05" in answer.reason


def test_a_jumping_clock_says_when_nothing_begins_yet() -> None:
    assert "before pre-market" in due.latest_due(at(ORDINARY, "03:00"), None, CALENDAR, CYCLE).reason


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 24 * 60 - 1), st.dates(date(2025, 1, 1), date(2027, 12, 31)))
def test_a_due_cycle_is_always_a_decision_time_of_its_own_session(minute: int, day: date) -> None:
    tick = datetime(day.year, day.month, day.day, minute // 60, minute % 60, tzinfo=NY)
    answer = due.cycle_due(tick, tick, CALENDAR, CYCLE)
    if answer:
        assert answer.session is not None and answer.at is not None
        assert answer.at in CALENDAR.decision_times(answer.session, CYCLE)
        assert CALENDAR.session_for(answer.at) == answer.session
    else:
        assert answer.reason
