"""One partition per session of the New York Stock Exchange: every asset's key is the session's date.

Belongs here: the partitions definition and the keys. Does not belong here: which session "now" is (``cycle.py``).

Keys always come from our own calendar. Dagster's view of the window differs in one way: ``end_offset=1`` makes today's key exist
before the day is over, and on a Saturday that is already Monday's, so its last key says nothing about today.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, time

import dagster as dg

from catalyst_assets.trading.calendar import NEW_YORK, NotASession, TradingCalendar

FIRST_SESSION = date(2024, 12, 2)
"""The first partition; older days have no bars or articles worth a decision."""
HOLIDAYS_UNTIL = date(2035, 12, 31)
"""Holidays are excluded up to this day; a later one would appear as a partition that is refused when asked for."""
WEEKENDS = "0 0 * * 6,0"


class NoSuchPartition(ValueError):
    """The day has no partition: not a session, or before the first one."""


def session_partitions(first: date = FIRST_SESSION) -> dg.DailyPartitionsDefinition:
    """Daily partitions in New York time that are exactly the sessions from ``first`` on, today's included."""
    holidays: list[str | datetime] = [
        datetime.combine(day, time.min) for day in TradingCalendar().holidays(first, HOLIDAYS_UNTIL)
    ]
    return dg.DailyPartitionsDefinition(
        start_date=first.isoformat(), timezone=NEW_YORK, end_offset=1, exclusions=[WEEKENDS, *holidays]
    )


SESSIONS = session_partitions()


def partition_key(session: date) -> str:
    """The partition of a session. Raises :class:`NoSuchPartition` for any other day."""
    if not TradingCalendar().is_session(session):
        raise NoSuchPartition(f"{session} is not a session of the New York Stock Exchange")
    if session < FIRST_SESSION:
        raise NoSuchPartition(f"{session} is before the first partition, {FIRST_SESSION}")
    return session.isoformat()


def sessions_of(keys: Sequence[str]) -> list[date]:
    """The sessions of partition keys, oldest first. Raises :class:`NoSuchPartition` for a key that is no session."""
    calendar = TradingCalendar()
    days = sorted({date.fromisoformat(key) for key in keys})
    for day in days:
        if not calendar.is_session(day):
            raise NoSuchPartition(f"{day} is not a session of the New York Stock Exchange")
    return days


__all__ = [
    "FIRST_SESSION",
    "SESSIONS",
    "NoSuchPartition",
    "NotASession",
    "partition_key",
    "session_partitions",
    "sessions_of",
]
