"""Partition keys are exactly the sessions of our calendar."""

from __future__ import annotations

from datetime import date, datetime
from zoneinfo import ZoneInfo

import pytest

from catalyst_assets.orchestration.partitions import (
    FIRST_SESSION,
    SESSIONS,
    NoSuchPartition,
    partition_key,
    sessions_of,
)
from catalyst_assets.trading.calendar import TradingCalendar

CALENDAR = TradingCalendar()
NY = ZoneInfo("America/New_York")


@pytest.mark.parametrize(
    "now",
    [
        datetime(2026, 11, 20, 3, 0, tzinfo=NY), datetime(2026, 11, 20, 15, 0, tzinfo=NY), datetime(2026, 11, 27, 20, 30, tzinfo=NY),
        datetime(2027, 3, 15, 9, 0, tzinfo=NY), datetime(2029, 7, 3, 12, 0, tzinfo=NY),
    ],
)  # fmt: skip
def test_keys_are_the_sessions_of_the_calendar_todays_included(now: datetime) -> None:
    keys = SESSIONS.get_partition_keys(current_time=now)
    assert keys == [day.isoformat() for day in CALENDAR.sessions(FIRST_SESSION, now.date())]


def test_todays_key_exists_before_the_day_is_over() -> None:
    assert SESSIONS.get_partition_keys(current_time=datetime(2026, 11, 20, 4, 0, tzinfo=NY))[-1] == "2026-11-20"


@pytest.mark.parametrize("day", [date(2026, 11, 26), date(2026, 11, 21), date(2024, 11, 29)])
def test_a_day_without_a_partition_is_refused(day: date) -> None:
    with pytest.raises(NoSuchPartition):
        partition_key(day)


def test_keys_become_sessions_in_order() -> None:
    assert sessions_of(["2026-11-20", "2026-11-18"]) == [date(2026, 11, 18), date(2026, 11, 20)]
    with pytest.raises(NoSuchPartition, match="2026-11-26"):
        sessions_of(["2026-11-26"])
