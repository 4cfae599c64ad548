"""The frame of a run: which scenario, which session, which decision times, and with which numbers.

Belongs here: turning a run's tags and partition into :class:`CycleContext`. Does not belong here: whether a tick is due (``due.py``).

A run says what it is in its tags: ``catalyst/decision_time`` (ISO, UTC), ``catalyst/scenario``, ``catalyst/trigger``. Without them the
partition decides: today's session (by the clock, which may be the simulator's) is ``live`` at the present minute; an older session is
a replay named ``replay:<session>`` of all its decision times at once, and can only reach the in-process exchange. A live cycle
that comes too late is refused: its prices are gone.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from time import perf_counter
from typing import Any

import pandas as pd

from catalyst_assets.orchestration.due import clock_time
from catalyst_assets.orchestration.partitions import NoSuchPartition, sessions_of
from catalyst_assets.trading.calendar import MarketState, SessionHours, TradingCalendar
from catalyst_assets.trading.config import TradingConfig

LIVE = "live"
DECISION_TIME_TAG = "catalyst/decision_time"
SCENARIO_TAG = "catalyst/scenario"
TRIGGER_TAG = "catalyst/trigger"
KIND_TAG = "catalyst/kind"
"""What kind of work a run is: cycle, watch, close, night, backfill. ``dagster.yaml`` limits them by this tag."""
AHEAD_TOLERANCE = timedelta(seconds=5)
"""A decision time this little ahead of the clock is clock jitter between two processes, not the future."""


class CycleRefused(Exception):
    """The run must not decide anything; the message says why (too late, unknown session, live orders for an old day)."""


@dataclass(frozen=True, slots=True)
class CycleContext:
    """What every stage of a run knows. ``decision_times`` is UTC and sorted; a live cycle has exactly one."""

    scenario: str
    session: date
    decision_times: pd.DatetimeIndex
    trigger: str
    run_id: str
    started_at: datetime
    """When the run began, by the clock that rules (wall or simulated)."""
    wall_started_at: datetime
    """When the run began, by the machine's clock: durations are real time even in a fast simulated market."""
    hours: SessionHours
    calendar: TradingCalendar
    config: TradingConfig
    memo: dict[str, Any] = field(default_factory=dict)
    """Frames the stages of this run share, so that each is read once; see ``frames.py``."""
    timings_ms: dict[str, float] = field(default_factory=dict)
    counts: dict[str, Any] = field(default_factory=dict)

    @property
    def is_live(self) -> bool:
        """True when this run may reach a broker."""
        return self.scenario == LIVE

    @property
    def decision_time(self) -> pd.Timestamp:
        """The (last) decision time."""
        return self.decision_times[-1]

    @staticmethod
    def wall_now() -> datetime:
        """The machine's clock."""
        return datetime.now(UTC)

    @property
    def state(self) -> MarketState:
        return self.calendar.state(self.decision_time)

    @property
    def lookback_start(self) -> pd.Timestamp:
        """From when articles are read: ``lookback_days`` before the first decision time."""
        return self.decision_times[0] - pd.Timedelta(days=self.config.cycle.lookback_days)

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Add the wall time of the body to ``timings_ms``."""
        begun = perf_counter()
        try:
            yield
        finally:
            self.timings_ms[stage] = self.timings_ms.get(stage, 0.0) + (perf_counter() - begun) * 1000


def contexts(
    *,
    run_id: str,
    tags: Mapping[str, str],
    partition_keys: Sequence[str],
    now: datetime,
    calendar: TradingCalendar,
    config: TradingConfig,
    afterwards: bool = False,
) -> list[CycleContext]:
    """The frames of a run, one per session of its partitions, oldest first. Raises :class:`CycleRefused`.

    ``afterwards`` is for stages that only look back (outcomes, reliability): they may look at a live session that is over.
    """
    today = calendar.session_for(now)
    try:
        sessions = sessions_of(partition_keys) if partition_keys else [today]
    except NoSuchPartition as error:
        raise CycleRefused(str(error)) from error
    return [_context(run_id, tags, session, today, now, calendar, config, afterwards) for session in sessions]


def _context(
    run_id: str,
    tags: Mapping[str, str],
    session: date,
    today: date,
    now: datetime,
    calendar: TradingCalendar,
    config: TradingConfig,
    afterwards: bool,
) -> CycleContext:
    scenario = tags.get(SCENARIO_TAG) or (LIVE if session == today else f"replay:{session}")
    if session > today:
        raise CycleRefused(f"{session} lies ahead; the present session is {today}")
    if scenario == LIVE and not afterwards:
        times = pd.DatetimeIndex([_live_time(tags.get(DECISION_TIME_TAG), session, today, now, calendar, config)])
    else:
        times = calendar.decision_times(session, config.cycle)
        asked = tags.get(DECISION_TIME_TAG)
        if asked and not afterwards:
            times = pd.DatetimeIndex([_instant(asked)])
        times = times[times <= pd.Timestamp(now)]
        if not len(times):
            raise CycleRefused(f"{session} has no decision time that is past")
    return CycleContext(
        scenario=scenario,
        session=session,
        decision_times=times.as_unit("us"),
        trigger=tags.get(TRIGGER_TAG, "manual"),
        run_id=run_id,
        started_at=now,
        wall_started_at=datetime.now(UTC),
        hours=calendar.hours(session),
        calendar=calendar,
        config=config,
    )


def _live_time(
    asked: str | None, session: date, today: date, now: datetime, calendar: TradingCalendar, config: TradingConfig
) -> pd.Timestamp:
    if session != today:
        raise CycleRefused(f"{session} is over (the present session is {today}): only a replay may decide on it")
    if asked is None:
        return pd.Timestamp(now).floor("min")
    at = _instant(asked)
    if calendar.session_for(at) != session:
        raise CycleRefused(f"{asked} does not belong to session {session}")
    age = now - at
    limit = timedelta(seconds=config.cycle.late_after_seconds)
    if age > limit:
        raise CycleRefused(
            f"the cycle of {clock_time(at)} New York is {age.total_seconds():.0f} s old, more than {limit.total_seconds():.0f} s"
        )
    if age < -AHEAD_TOLERANCE:
        raise CycleRefused(
            f"the cycle of {clock_time(at)} New York lies {-age.total_seconds():.0f} s ahead of the clock"
        )
    return at


def _instant(text: str) -> pd.Timestamp:
    at = pd.Timestamp(text)
    if at.tzinfo is None:
        raise CycleRefused(f"{DECISION_TIME_TAG} is {text!r}: it needs a time zone, as 2026-11-23T14:30:00+00:00")
    return at.tz_convert("UTC").as_unit("us")


class RunMemory:
    """The frames of the last runs of this process: every stage of a run gets the same object."""

    def __init__(self, kept: int = 4) -> None:
        self._kept = kept
        self._runs: OrderedDict[str, list[CycleContext]] = OrderedDict()
        self._lock = threading.RLock()

    def get(self, run_id: str) -> list[CycleContext] | None:
        return self._runs.get(run_id)

    def keep(self, run_id: str, made: list[CycleContext]) -> list[CycleContext]:
        with self._lock:
            self._runs[run_id] = made
            while len(self._runs) > self._kept:
                self._runs.popitem(last=False)
        return made


RUNS = RunMemory()
