"""The record of every fault that struck, so that a test can compare what was done with what the system noticed.

Belongs here: keeping entries within bounded memory. Does not belong here: deciding what strikes (``armed``).
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from catalyst_assets.simulator.faults.request import Asked

LOG_ENTRIES = 10_000
"""Entries kept; the oldest go first, and how many went is told."""


@dataclass(frozen=True, slots=True)
class Injection:
    """One fault that struck."""

    id: int
    """From 1, never used again, also after the log was cleared."""
    rule: str
    fault: str
    vendor: str
    route: str
    """Method and path, or ``stream`` and its channel."""
    simulated_at: datetime
    real_at: datetime
    did: str
    """What was done, in words."""
    request: int
    """Position of the request among all of this simulator; 0 for a frame of a stream."""
    request_id: str | None
    client_order_id: str | None

    def as_json(self) -> dict[str, Any]:
        """The entry with ISO instants."""
        row = {name: getattr(self, name) for name in self.__slots__}
        return {**row, "simulated_at": self.simulated_at.isoformat(), "real_at": self.real_at.isoformat()}


class FaultLog:
    """The last :data:`LOG_ENTRIES` injections. Thread-safe."""

    def __init__(self, entries: int = LOG_ENTRIES) -> None:
        self._lock = threading.Lock()
        self._entries: deque[Injection] = deque(maxlen=entries)
        self._written = 0
        self._forgotten = 0

    def write(self, rule: str, fault: str, asked: Asked, simulated_at: datetime, did: str) -> Injection:
        """Record one injection."""
        with self._lock:
            self._written += 1
            if len(self._entries) == self._entries.maxlen:
                self._forgotten += 1
            entry = Injection(
                self._written,
                rule,
                fault,
                asked.vendor,
                asked.route,
                simulated_at,
                datetime.now(UTC),
                did,
                asked.number,
                asked.request_id,
                asked.client_order_id,
            )
            self._entries.append(entry)
            return entry

    def entries(self, after: int = 0, limit: int = LOG_ENTRIES) -> list[Injection]:
        """Entries with an id above ``after``, oldest first, at most ``limit``."""
        with self._lock:
            return [entry for entry in self._entries if entry.id > after][:limit]

    @property
    def forgotten(self) -> int:
        """Entries that had to go because the memory is bounded."""
        with self._lock:
            return self._forgotten

    def clear(self) -> None:
        """Forget every entry; ids go on."""
        with self._lock:
            self._entries.clear()
            self._forgotten = 0
