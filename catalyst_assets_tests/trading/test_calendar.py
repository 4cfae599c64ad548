"""The calendar on ordinary days and on the days that break clocks: DST changes, half-days, holidays, weekends."""

from __future__ import annotations

from datetime import UTC, date, datetime

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalyst_assets.trading.calendar import NEW_YORK, MarketState, NotASession, TradingCalendar
from catalyst_assets.trading.config import CycleConfig

CALENDAR = TradingCalendar()
CYCLE = CycleConfig()


def new_york(text: str) -> pd.Timestamp:
    return pd.Timestamp(text, tz=NEW_YORK).tz_convert("UTC").as_unit("us")


@pytest.mark.parametrize(
    ("session", "open_utc", "close_utc", "post_utc", "half"),
    [
        ("2025-05-15", "13:30", "20:00", "2025-05-16 00:00", False),
        ("2025-07-03", "13:30", "17:00", "2025-07-03 21:00", True),
        ("2025-11-28", "14:30", "18:00", "2025-11-28 22:00", True),
        ("2025-12-24", "14:30", "18:00", "2025-12-24 22:00", True),
        ("2025-03-07", "14:30", "21:00", "2025-03-08 01:00", False),
        ("2025-03-10", "13:30", "20:00", "2025-03-11 00:00", False),
        ("2025-10-31", "13:30", "20:00", "2025-11-01 00:00", False),
        ("2025-11-03", "14:30", "21:00", "2025-11-04 01:00", False),
    ],
)
def test_hours_follow_daylight_saving_and_early_closes(
    session: str, open_utc: str, close_utc: str, post_utc: str, half: bool
) -> None:
    hours = CALENDAR.hours(session)
    assert hours.open == pd.Timestamp(f"{session} {open_utc}", tz="UTC")
    assert hours.close == pd.Timestamp(f"{session} {close_utc}", tz="UTC")
    assert hours.post_close == pd.Timestamp(post_utc, tz="UTC")
    assert hours.pre_open == new_york(f"{session} 04:00")
    assert hours.is_half_day is half


@pytest.mark.parametrize("day", ["2025-06-19", "2025-07-04", "2025-07-05", "2025-07-06", "2025-12-25", "2025-01-09"])
def test_holidays_and_weekends_are_no_sessions(day: str) -> None:
    assert not CALENDAR.is_session(day)
    with pytest.raises(NotASession, match=day):
        CALENDAR.hours(day)
    with pytest.raises(NotASession):
        CALENDAR.decision_times(day, CYCLE)


def test_sessions_holidays_previous_and_next_agree() -> None:
    assert CALENDAR.sessions("2025-07-01", "2025-07-07") == [date(2025, 7, d) for d in (1, 2, 3, 7)]
    assert CALENDAR.holidays("2025-06-16", "2025-07-07") == [date(2025, 6, 19), date(2025, 7, 4)]
    assert CALENDAR.next("2025-07-03") == date(2025, 7, 7)
    assert CALENDAR.next("2025-07-05") == date(2025, 7, 7)
    assert CALENDAR.previous("2025-07-07") == date(2025, 7, 3)
    assert CALENDAR.previous("2025-07-06") == date(2025, 7, 3)


@pytest.mark.parametrize(
    ("at", "state", "session"),
    [
        ("2025-05-15 03:59:59", MarketState.CLOSED, "2025-05-15"),
        ("2025-05-15 04:00", MarketState.PRE, "2025-05-15"),
        ("2025-05-15 09:29:59.999999", MarketState.PRE, "2025-05-15"),
        ("2025-05-15 09:30", MarketState.REGULAR, "2025-05-15"),
        ("2025-05-15 15:59:59.999999", MarketState.REGULAR, "2025-05-15"),
        ("2025-05-15 16:00", MarketState.AFTER, "2025-05-15"),
        ("2025-05-15 19:59:59", MarketState.AFTER, "2025-05-15"),
        ("2025-05-15 20:00", MarketState.CLOSED, "2025-05-16"),
        ("2025-07-03 13:00", MarketState.AFTER, "2025-07-03"),
        ("2025-07-03 17:00", MarketState.CLOSED, "2025-07-07"),
        ("2025-07-04 11:00", MarketState.CLOSED, "2025-07-07"),
        ("2025-07-05 11:00", MarketState.CLOSED, "2025-07-07"),
        ("2025-03-10 04:00", MarketState.PRE, "2025-03-10"),
        ("2025-11-03 04:00", MarketState.PRE, "2025-11-03"),
    ],
)
def test_state_and_session_of_an_instant(at: str, state: MarketState, session: str) -> None:
    instant = new_york(at)
    assert CALENDAR.state(instant) is state
    assert CALENDAR.session_for(instant) == date.fromisoformat(session)
    assert CALENDAR.session_for(instant.to_pydatetime().astimezone(UTC)) == date.fromisoformat(session)


@pytest.mark.parametrize(
    ("session", "counts", "last_regular"),
    [
        ("2025-05-15", (66, 78, 4), "15:55"),
        ("2025-07-03", (66, 42, 4), "12:55"),
        ("2025-03-10", (66, 78, 4), "15:55"),
        ("2025-11-03", (66, 78, 4), "15:55"),
    ],
)
def test_decision_times_of_a_session(session: str, counts: tuple[int, int, int], last_regular: str) -> None:
    times = CALENDAR.decision_times(session, CYCLE)
    hours, states = CALENDAR.hours(session), CALENDAR.states(times)
    assert str(times.dtype) == "datetime64[us, UTC]"
    assert tuple((states == name).sum() for name in ("pre", "regular", "after")) == counts
    assert times[0] == hours.pre_open and hours.open in times and hours.close in times
    assert hours.post_close not in times, "the end of after-hours belongs to the next session"
    assert times[states == "regular"][-1] == new_york(f"{session} {last_regular}")
    assert set(CALENDAR.session_dates(times)) == {np.datetime64(session)}


@given(pre=st.integers(1, 45), market=st.integers(1, 45), after=st.integers(1, 120))
@settings(max_examples=25, deadline=None)
def test_decision_times_are_increasing_and_restart_at_open_and_close(pre: int, market: int, after: int) -> None:
    cycle = CycleConfig(premarket_minutes=pre, market_minutes=market, afterhours_minutes=after)
    for session in ("2025-05-15", "2025-11-28"):
        times, hours = CALENDAR.decision_times(session, cycle), CALENDAR.hours(session)
        assert times.is_monotonic_increasing and times.is_unique
        assert {hours.pre_open, hours.open, hours.close} <= set(times)
        assert times[-1] < hours.post_close


@given(st.datetimes(min_value=datetime(2001, 1, 1), max_value=datetime(2039, 12, 1), timezones=st.just(UTC)))  # noqa: DTZ001
@settings(max_examples=50, deadline=None)
def test_an_instant_lies_in_exactly_the_interval_its_state_names(instant: datetime) -> None:
    session = CALENDAR.session_for(instant)
    hours = CALENDAR.hours(session)
    before = CALENDAR.hours(CALENDAR.previous(session))
    assert before.post_close <= instant < hours.post_close
    expected = (
        "closed"
        if instant < hours.pre_open
        else "pre"
        if instant < hours.open
        else "regular"
        if instant < hours.close
        else "after"
    )
    assert CALENDAR.state(instant) == expected
    assert list(CALENDAR.states(pd.Series([pd.Timestamp(instant)]))) == [expected]


def test_an_instant_without_time_zone_is_refused() -> None:
    naive = datetime(2025, 5, 15, 10)  # noqa: DTZ001
    with pytest.raises(ValueError, match="time zone"):
        CALENDAR.state(naive)
    with pytest.raises(ValueError, match="NaT"):
        CALENDAR.states(pd.DatetimeIndex([pd.NaT], tz="UTC"))
    with pytest.raises(ValueError, match="not a session"):
        CALENDAR.hours(datetime(2025, 5, 15, 10, tzinfo=UTC))


def test_outside_the_calendar_is_refused() -> None:
    with pytest.raises(NotASession):
        CALENDAR.state(datetime(2041, 5, 1, tzinfo=UTC))
    with pytest.raises(NotASession):
        CALENDAR.state(datetime(1990, 5, 1, tzinfo=UTC))


def test_states_of_a_series_keep_its_index() -> None:
    at = pd.Series([new_york("2025-05-15 10:00"), new_york("2025-05-15 05:00")], index=[7, 3])
    assert CALENDAR.states(at).to_dict() == {7: "regular", 3: "pre"}
