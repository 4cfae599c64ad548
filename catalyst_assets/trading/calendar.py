"""Sessions, half-days, market states and decision times of the New York Stock Exchange.

Belongs here: every question of the kind "which session, which state, when does it open". The answers come from
exchange_calendars' XNYS calendar, never from wall-clock arithmetic, so daylight saving and early closes are right by
construction. Does not belong here: what "now" is (an argument everywhere) and anything about prices.

Instants are UTC with microsecond resolution (``pd.Timestamp`` or ``datetime64[us, UTC]``); a session is its New York
``datetime.date``. All intervals are half open: the market is ``regular`` at the open and no longer at the close.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from functools import cache
from itertools import pairwise
from typing import Final, TypeAlias

import exchange_calendars
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from catalyst_assets.trading.config import CycleConfig

NEW_YORK: Final = "America/New_York"
FIRST_DAY: Final = "2000-01-01"
LAST_DAY: Final = "2040-12-31"
PRE_OPEN: Final = timedelta(hours=4)
"""Pre-market begins at 04:00 New York time."""
AFTER_HOURS: Final = timedelta(hours=4)
"""After-hours last four hours: 16:00-20:00, on half-days 13:00-17:00 (NYSE and Nasdaq practice)."""
REGULAR_CLOSE: Final = timedelta(hours=16)

Instants: TypeAlias = pd.DatetimeIndex | pd.Series | Sequence[datetime]


class MarketState(StrEnum):
    """What the market is doing at an instant."""

    CLOSED = "closed"
    PRE = "pre"
    REGULAR = "regular"
    AFTER = "after"


_STATES: Final = np.array([state.value for state in MarketState], dtype=object)


class NotASession(ValueError):
    """The day is a weekend, a holiday or outside the calendar."""


@dataclass(frozen=True, slots=True)
class SessionHours:
    """The hours of one session, all UTC."""

    session: date
    pre_open: pd.Timestamp
    open: pd.Timestamp
    close: pd.Timestamp
    post_close: pd.Timestamp

    @property
    def is_half_day(self) -> bool:
        """True when the close is earlier than 16:00 New York time."""
        local = self.close.tz_convert(NEW_YORK)
        return timedelta(hours=local.hour, minutes=local.minute) < REGULAR_CLOSE


@dataclass(frozen=True, slots=True, eq=False)
class _Table:
    """Every session once, as parallel arrays: days as ``datetime64[D]``, instants as int64 microseconds since the epoch."""

    days: NDArray[np.datetime64]
    pre_open: NDArray[np.int64]
    open: NDArray[np.int64]
    close: NDArray[np.int64]
    post_close: NDArray[np.int64]


@cache
def _table() -> _Table:
    schedule = exchange_calendars.get_calendar("XNYS", start=FIRST_DAY, end=LAST_DAY).schedule
    days = pd.DatetimeIndex(schedule.index)
    pre_open = (days + pd.Timedelta(PRE_OPEN)).tz_localize(NEW_YORK)
    close = pd.DatetimeIndex(schedule["close"])
    return _Table(
        days=days.to_numpy().astype("datetime64[D]"),
        pre_open=_micros(pre_open),
        open=_micros(pd.DatetimeIndex(schedule["open"])),
        close=_micros(close),
        post_close=_micros(close + pd.Timedelta(AFTER_HOURS)),
    )


def _micros(instants: Instants) -> NDArray[np.int64]:
    """UTC microseconds since the epoch. Raises ``ValueError`` for instants without a time zone or unknown ones (NaT)."""
    index = pd.DatetimeIndex(instants)
    if index.tz is None:
        if len(index) == 0:
            return np.empty(0, dtype=np.int64)
        raise ValueError("instants must carry a time zone")
    if index.hasnans:
        raise ValueError("an unknown instant (NaT) has no place in the calendar")
    return index.tz_convert("UTC").as_unit("us").asi8


def _index(micros: NDArray[np.int64]) -> pd.DatetimeIndex:
    return pd.DatetimeIndex(micros.astype("datetime64[us]")).tz_localize("UTC")


def _stamp(micros: np.int64) -> pd.Timestamp:
    return pd.Timestamp(int(micros), unit="us", tz="UTC").as_unit("us")


def _day(day: date | str) -> date:
    """A session's date; an instant is refused (its session depends on the time zone: ask :meth:`session_for`)."""
    if isinstance(day, str):
        return date.fromisoformat(day)
    if isinstance(day, datetime):
        if day.tzinfo is not None or day.time() != datetime.min.time():
            raise ValueError(f"{day!r} is an instant, not a session; use session_for")
        return day.date()
    return day


@dataclass(frozen=True, slots=True, eq=False)
class Located:
    """Where instants lie, as arrays of one value per instant."""

    ordinal: NDArray[np.int64]
    """Position of the instant's session (as :meth:`TradingCalendar.session_for`) among all sessions: equal = same session."""
    state: NDArray[np.int8]
    """0 closed, 1 pre, 2 regular, 3 after (the order of :class:`MarketState`)."""
    open: NDArray[np.int64]
    """The open of that session, microseconds since the epoch."""
    close: NDArray[np.int64]
    """The close of that session, microseconds since the epoch."""


class TradingCalendar:
    """XNYS from 2000 to 2040. Cheap to construct: the sessions are computed once per process and shared."""

    __slots__ = ("_sessions",)

    def __init__(self) -> None:
        self._sessions = _table()

    # ------------------------------------------------------------------------------------------------------- sessions

    def is_session(self, day: date | str) -> bool:
        """True when the exchange trades on that day, half-days included."""
        wanted = np.datetime64(_day(day), "D")
        position = int(np.searchsorted(self._sessions.days, wanted))
        return position < len(self._sessions.days) and bool(self._sessions.days[position] == wanted)

    def hours(self, session: date | str) -> SessionHours:
        """The hours of a session. Raises :class:`NotASession` for any other day."""
        return self._hours_at(self._ordinal(session))

    def sessions(self, start: date | str, end: date | str) -> list[date]:
        """Every session in ``[start, end]``, in order."""
        days = self._sessions.days
        first = int(np.searchsorted(days, np.datetime64(_day(start), "D"), side="left"))
        last = int(np.searchsorted(days, np.datetime64(_day(end), "D"), side="right"))
        return [day.item() for day in days[first:last]]

    def previous(self, session: date | str) -> date:
        """The last session before the day (which need not be a session itself)."""
        position = int(np.searchsorted(self._sessions.days, np.datetime64(_day(session), "D"), side="left")) - 1
        return self._day_at(position)

    def next(self, session: date | str) -> date:
        """The first session after the day (which need not be a session itself)."""
        return self._day_at(int(np.searchsorted(self._sessions.days, np.datetime64(_day(session), "D"), side="right")))

    def holidays(self, start: date | str, end: date | str) -> list[date]:
        """Weekdays in ``[start, end]`` on which the exchange does not trade."""
        trading = set(self.sessions(start, end))
        weekdays = pd.bdate_range(_day(start), _day(end))
        return [day.date() for day in weekdays if day.date() not in trading]

    # ------------------------------------------------------------------------------------------------------- instants

    def session_for(self, instant: datetime) -> date:
        """The session an instant belongs to: the first whose after-hours end is later than it.

        An article of Friday 20:30 New York belongs to Monday; one of 16:30 to the day itself. Raises ``ValueError`` for
        an instant without a time zone and :class:`NotASession` past the end of the calendar.
        """
        return self._day_at(int(self.locate([instant]).ordinal[0]))

    def session_dates(self, instants: Instants) -> NDArray[np.datetime64]:
        """:meth:`session_for` of many instants, as ``datetime64[D]``."""
        return self._sessions.days[self.locate(instants).ordinal]

    def state(self, instant: datetime) -> MarketState:
        """The market's state at an instant."""
        return MarketState(_STATES[self.locate([instant]).state[0]])

    def states(self, index: Instants) -> pd.Series:
        """The market's state at many instants, as strings (``closed``, ``pre``, ``regular``, ``after``).

        The result is indexed by the instants when ``index`` is a DatetimeIndex, and like ``index`` when it is a Series.
        """
        values = _STATES[self.locate(index).state]
        labels = index.index if isinstance(index, pd.Series) else pd.DatetimeIndex(index)
        return pd.Series(values, index=labels, dtype="str", name="market_state")

    def locate(self, instants: Instants) -> Located:
        """Session, state, open and close of many instants at once (two binary searches, no Python loop)."""
        at = _micros(instants)
        table = self._sessions
        ordinal = np.searchsorted(table.post_close, at, side="right")
        if len(at) and (ordinal.max() >= len(table.days) or at.min() < table.pre_open[0] - 86_400_000_000):
            raise NotASession(f"the calendar covers {FIRST_DAY} to {LAST_DAY}")
        opens, closes = table.open[ordinal], table.close[ordinal]
        begun = at >= table.pre_open[ordinal]
        state = begun.astype(np.int8) + (begun & (at >= opens)) + (begun & (at >= closes))
        return Located(ordinal=ordinal.astype(np.int64), state=state.astype(np.int8), open=opens, close=closes)

    # ------------------------------------------------------------------------------------------------- decision times

    def decision_times(self, session: date | str, cycle: CycleConfig) -> pd.DatetimeIndex:
        """When full cycles run in a session, UTC, in order.

        Pre-market from 04:00 every ``premarket_minutes``; regular hours from the open every ``market_minutes``, the close
        itself excluded (the last one before it is kept); after-hours from the close every ``afterhours_minutes``, the end
        of after-hours excluded (that instant belongs to the next session). Raises :class:`NotASession`.
        """
        table, position = self._sessions, self._ordinal(session)
        bounds = pairwise(
            int(column[position]) for column in (table.pre_open, table.open, table.close, table.post_close)
        )
        steps = (cycle.premarket_minutes, cycle.market_minutes, cycle.afterhours_minutes)
        parts = [
            np.arange(start, end, step * 60_000_000, dtype=np.int64)
            for (start, end), step in zip(bounds, steps, strict=True)
        ]
        return _index(np.concatenate(parts))

    # ------------------------------------------------------------------------------------------------------- internal

    def _ordinal(self, session: date | str) -> int:
        day = _day(session)
        if not self.is_session(day):
            raise NotASession(f"{day} is not a session of the New York Stock Exchange")
        return int(np.searchsorted(self._sessions.days, np.datetime64(day, "D")))

    def _day_at(self, position: int) -> date:
        if not 0 <= position < len(self._sessions.days):
            raise NotASession(f"the calendar covers {FIRST_DAY} to {LAST_DAY}")
        day: date = self._sessions.days[position].item()
        return day

    def _hours_at(self, position: int) -> SessionHours:
        table = self._sessions
        return SessionHours(
            session=self._day_at(position),
            pre_open=_stamp(table.pre_open[position]),
            open=_stamp(table.open[position]),
            close=_stamp(table.close[position]),
            post_close=_stamp(table.post_close[position]),
        )
