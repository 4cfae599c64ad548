"""Is a piece of work due at this tick, and if not, why not: the decision behind every schedule, as a function of its arguments.

Belongs here: holidays, half-days, late ticks, overlaps. Does not belong here: Dagster (``schedules.py``, ``sensors.py`` ask), reading
clocks or tables. Instants are UTC; sessions and hours come from the calendar, so daylight saving needs no rule of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

import pandas as pd

from catalyst_assets.trading.calendar import NEW_YORK, MarketState, TradingCalendar
from catalyst_assets.trading.config import CycleConfig, PositionConfig

SIMULATED_CLOCK = "the market is simulated: its clock starts the work (sensor simulated_clock), not the wall clock"


@dataclass(frozen=True, slots=True)
class Due:
    """The answer: ``at`` is the decision time when due, else ``None`` and ``reason`` says why in a sentence."""

    at: pd.Timestamp | None
    session: date | None
    mode: str
    reason: str = ""

    def __bool__(self) -> bool:
        return self.at is not None


def clock_time(instant: datetime) -> str:
    """An instant as New York clock time, for sentences."""
    return f"{pd.Timestamp(instant).tz_convert(NEW_YORK):%H:%M}"


def _minute(instant: datetime) -> pd.Timestamp:
    return pd.Timestamp(instant).tz_convert("UTC").floor("min").as_unit("us")


def _day_of(instant: datetime) -> date:
    return pd.Timestamp(instant).tz_convert(NEW_YORK).date()


def _no_session(day: date, mode: str) -> Due:
    weekend = day.weekday() >= 5
    return Due(
        None,
        None,
        mode,
        f"{day:%a %d %b %Y} is no session: {'weekend' if weekend else 'the exchange is closed that day'}",
    )


def _late(tick: datetime, now: datetime, limit_seconds: float) -> str:
    """Why a tick is too late, or an empty string. A tick from the future (clock set back) counts as late too."""
    age = (now - tick).total_seconds()
    if age > limit_seconds:
        return f"the tick of {clock_time(tick)} is {age:.0f} s old, more than {limit_seconds:.0f} s: a late decision is no decision"
    if age < -limit_seconds:
        return f"the tick of {clock_time(tick)} lies {-age:.0f} s ahead of the clock"
    return ""


def cycle_due(
    tick: datetime,
    now: datetime,
    calendar: TradingCalendar,
    cycle: CycleConfig,
    *,
    mode: MarketState | None = None,
    running: str | None = None,
    simulated: bool = False,
) -> Due:
    """Whether the full cycle of ``tick`` should run at ``now``.

    ``mode`` is the mode the asking schedule stands for (``None``: any); ``running`` names a cycle run that has not ended;
    ``simulated`` says the wall clock has no say.
    """
    wanted = mode.value if mode else ""
    if simulated:
        return Due(None, None, wanted, SIMULATED_CLOCK)
    at, day = _minute(tick), _day_of(tick)
    if not calendar.is_session(day):
        return _no_session(day, wanted)
    state = calendar.state(at)
    if mode is not None and state is not mode:
        hours = calendar.hours(day)
        early = f" (half-day, closed at {clock_time(hours.close)})" if hours.is_half_day else ""
        return Due(None, day, wanted, f"at {clock_time(at)} the market is {state.value}, not {mode.value}{early}")
    if at not in calendar.decision_times(day, cycle):
        return Due(None, day, state.value, f"no cycle is due at {clock_time(at)} in the {state.value} market")
    if late := _late(at, now, cycle.late_after_seconds):
        return Due(None, day, state.value, late)
    if running:
        return Due(None, day, state.value, f"the cycle before still runs (run {running})")
    return Due(at, day, state.value)


def latest_due(
    now: datetime,
    done_until: datetime | None,
    calendar: TradingCalendar,
    cycle: CycleConfig,
    *,
    running: str | None = None,
) -> Due:
    """For a clock that jumps (the simulator's): the newest decision time not after ``now`` and later than ``done_until``.

    Earlier ones that were missed are left out: only the newest can still be acted on, and only when it is not late.
    """
    session = calendar.session_for(now)
    hours = calendar.hours(session)
    if now < hours.pre_open:
        return Due(None, session, "closed", f"before pre-market of {session} ({clock_time(hours.pre_open)} New York)")
    times = calendar.decision_times(session, cycle)
    past = times[times <= pd.Timestamp(now)]
    at = past[-1]
    if done_until is not None and at <= pd.Timestamp(done_until):
        following = times[times > at]
        when = f"the next is at {clock_time(following[0])}" if len(following) else "none follows in this session"
        return Due(None, session, calendar.state(now).value, f"the cycle of {clock_time(at)} has run; {when}")
    if late := _late(at, now, cycle.late_after_seconds):
        return Due(None, session, calendar.state(at).value, late)
    if running:
        return Due(None, session, calendar.state(at).value, f"the cycle before still runs (run {running})")
    return Due(at, session, calendar.state(at).value)


def watch_due(
    tick: datetime,
    now: datetime,
    calendar: TradingCalendar,
    cycle: CycleConfig,
    *,
    running: str | None = None,
    simulated: bool = False,
) -> Due:
    """Whether positions are watched at ``tick``: every minute of regular hours and the five after the close."""
    if simulated:
        return Due(None, None, "watch", SIMULATED_CLOCK)
    at, day = _minute(tick), _day_of(tick)
    if not calendar.is_session(day):
        return _no_session(day, "watch")
    hours = calendar.hours(day)
    if not hours.open <= at < hours.close + timedelta(minutes=5):
        early = " (half-day)" if hours.is_half_day else ""
        return Due(
            None,
            day,
            "watch",
            f"{clock_time(at)} is outside regular hours {clock_time(hours.open)}–{clock_time(hours.close)}{early}",
        )
    if late := _late(at, now, cycle.late_after_seconds):
        return Due(None, day, "watch", late)
    if running:
        return Due(None, day, "watch", f"the watch before still runs (run {running})")
    return Due(at, day, "watch")


def close_due(
    tick: datetime,
    now: datetime,
    calendar: TradingCalendar,
    cycle: CycleConfig,
    position: PositionConfig,
    *,
    simulated: bool = False,
) -> Due:
    """Whether the close work is due: flattening ``flat_before_close_minutes`` before the close, settling two minutes after it."""
    if simulated:
        return Due(None, None, "close", SIMULATED_CLOCK)
    at, day = _minute(tick), _day_of(tick)
    if not calendar.is_session(day):
        return _no_session(day, "close")
    close = calendar.hours(day).close
    flat, settled = close - timedelta(minutes=position.flat_before_close_minutes), close + timedelta(minutes=2)
    if not (flat <= at < close or at == settled):
        return Due(
            None,
            day,
            "close",
            f"{clock_time(at)} is not close work's time: flat from {clock_time(flat)}, settled at {clock_time(settled)}",
        )
    if late := _late(at, now, cycle.late_after_seconds):
        return Due(None, day, "close", late)
    return Due(at, day, "close")


def night_due(tick: datetime, calendar: TradingCalendar, *, simulated: bool = False) -> Due:
    """Whether the night work of the day of ``tick`` is due: on sessions, once after-hours are over. Being late does no harm."""
    if simulated:
        return Due(None, None, "night", SIMULATED_CLOCK)
    at, day = _minute(tick), _day_of(tick)
    if not calendar.is_session(day):
        return _no_session(day, "night")
    if at < calendar.hours(day).post_close:
        return Due(None, day, "night", f"after-hours last until {clock_time(calendar.hours(day).post_close)}")
    return Due(at, day, "night")
