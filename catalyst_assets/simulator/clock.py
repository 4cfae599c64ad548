"""The simulated market's clock: stands, runs, or runs fast.

Belongs here: where "now" is in simulated time. Does not belong here: what happens because time passes (``exchange``).
"""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta


class SimulatedClock:
    """Simulated now = the instant last set + ``speed`` × the real time since. ``speed`` 0 stands still (the default).

    Thread-safe and monotonic: it never goes back, whatever is asked. ``start`` must be an aware ``datetime``.
    """

    def __init__(self, start: datetime, speed: float = 0.0) -> None:
        self._lock = threading.Lock()
        self._base = _utc(start)
        self._speed = _speed(speed)
        self._since = time.monotonic()

    def now(self) -> datetime:
        """Now in simulated time, aware UTC."""
        with self._lock:
            return self._read()

    def _read(self) -> datetime:
        if self._speed == 0:
            return self._base
        return self._base + timedelta(seconds=(time.monotonic() - self._since) * self._speed)

    @property
    def speed(self) -> float:
        """Simulated seconds per real second; 0 when paused."""
        with self._lock:
            return self._speed

    def set(self, to: datetime) -> datetime:
        """Jump forward to ``to``. Raises ``ValueError`` when that is in the past."""
        target = _utc(to)
        with self._lock:
            current = self._read()
            if target < current:
                raise ValueError(
                    f"the clock stands at {current.isoformat()} and does not go back to {target.isoformat()}"
                )
            self._base, self._since = target, time.monotonic()
            return target

    def advance(self, by: timedelta) -> datetime:
        """Jump forward by ``by``. Raises ``ValueError`` when it is negative."""
        if by < timedelta(0):
            raise ValueError("a clock only moves forward")
        with self._lock:
            self._base, self._since = self._read() + by, time.monotonic()
            return self._base

    def set_speed(self, speed: float) -> None:
        """Run at ``speed`` simulated seconds per real second from now on; 0 pauses. Raises ``ValueError`` when negative."""
        wanted = _speed(speed)
        with self._lock:
            self._base, self._since = self._read(), time.monotonic()
            self._speed = wanted


def _utc(at: datetime) -> datetime:
    if at.tzinfo is None:
        raise ValueError(f"{at!r} has no time zone")
    return at.astimezone(UTC)


def _speed(speed: float) -> float:
    if not 0 <= speed < float("inf"):
        raise ValueError(f"speed must be a finite number of at least 0, not {speed!r}")
    return float(speed)
