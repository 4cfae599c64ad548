"""Which decision times the demo runs."""

from __future__ import annotations

from datetime import date, timedelta

from catalyst_assets.orchestration.demo import chosen_times
from catalyst_assets.trading.calendar import TradingCalendar
from catalyst_assets.trading.config import CycleConfig

CALENDAR = TradingCalendar()


def test_the_demo_runs_the_last_premarket_cycle_and_every_one_from_the_open_on() -> None:
    hours = CALENDAR.hours(date(2026, 11, 20))
    times = chosen_times(CALENDAR, hours, CycleConfig())
    every = list(CALENDAR.decision_times(hours.session, CycleConfig()))
    assert [at for at in times if at >= hours.open] == [at for at in every if at >= hours.open]
    assert hours.open - timedelta(minutes=5) in times
    assert set(times) <= set(every) and times == sorted(times)


def test_on_a_half_day_nothing_is_decided_as_regular_after_the_early_close() -> None:
    hours = CALENDAR.hours(date(2025, 11, 28))
    times = chosen_times(CALENDAR, hours, CycleConfig())
    assert hours.is_half_day and max(times) < hours.post_close
    assert [at for at in times if at >= hours.close] == [
        at for at in CALENDAR.decision_times(hours.session, CycleConfig()) if at >= hours.close
    ]
