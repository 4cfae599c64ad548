"""What all streams share: who is connected, how far the market has come, and waking whoever waits for it.

Belongs here: the pump that moves the market while its clock runs, wake-ups across threads, connection limits, fault filters. Does not
belong here: protocols and events.

Streams follow the exchange, not the clock: they tell what happened up to the instant the exchange stands at. Moving it (a request, a
step of the clock, the pump) wakes them. With a clock that stands still nothing moves by itself.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import datetime

import structlog

from catalyst_assets.simulator.streams.connection import Connection, Patience
from catalyst_assets.simulator.streams.frames import FrameFilter

log = structlog.get_logger(__name__)

FAILED_SECONDS = 1.0
"""Real seconds until a market that could not be moved is tried again."""
PUMP_SECONDS = 0.02
"""Real seconds between two steps of a running market."""


class StreamHub:
    """The streams of one simulator. ``tick`` moves the exchange to the clock's now; ``speed`` is the clock's."""

    def __init__(self, tick: Callable[[], datetime], speed: Callable[[], float]) -> None:
        self._tick = tick
        self._speed = speed
        self.patience = Patience()
        self.filters: dict[str, FrameFilter] = {}
        """Faults by endpoint (``trading``, ``iex``, ``sip``, ``news``); may be changed at any time."""
        self.usual: FrameFilter | None = None
        """That of every other endpoint."""
        self._connected: dict[str, list[Connection]] = {}
        self._waiting: set[asyncio.Event] = set()
        self._loop: asyncio.AbstractEventLoop | None = None

    # ------------------------------------------------------------------------------------------------------ wake-ups

    def moved(self) -> None:
        """The market has moved or an order has changed: wake every stream. From any thread."""
        loop = self._loop
        if loop is None or loop.is_closed():
            return
        try:
            inside = asyncio.get_running_loop() is loop
        except RuntimeError:
            inside = False
        if inside:
            self._wake()
        else:
            loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        for event in self._waiting:
            event.set()

    @contextlib.contextmanager
    def listening(self) -> Iterator[asyncio.Event]:
        """An event that is set whenever something moved; whoever waits clears it."""
        event = asyncio.Event()
        self._waiting.add(event)
        try:
            yield event
        finally:
            self._waiting.discard(event)

    async def pump(self) -> None:
        """Move the market while its clock runs, until cancelled."""
        while True:
            await asyncio.sleep(PUMP_SECONDS)
            if self._speed() > 0:
                try:
                    self._tick()
                except Exception:
                    log.exception("pump_failed")  # a request's tick meets the same failure and answers it
                    await asyncio.sleep(FAILED_SECONDS)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """The pump, for as long as the server runs; connections still open at the end are dropped."""
        self._loop = asyncio.get_running_loop()
        pump = asyncio.create_task(self.pump(), name="pump")
        try:
            yield
        finally:
            self._loop = None
            pump.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await pump

    # ---------------------------------------------------------------------------------------------------- connections

    def filter_of(self, endpoint: str) -> FrameFilter | None:
        """The fault of an endpoint."""
        return self.filters.get(endpoint, self.usual)

    def connected(self, endpoint: str) -> list[Connection]:
        """Authenticated connections of an endpoint."""
        known = self._connected.setdefault(endpoint, [])
        known[:] = [connection for connection in known if connection.open]
        return known

    def enter(self, connection: Connection, most: int) -> bool:
        """Count an authenticated connection; false when the endpoint already has ``most``."""
        known = self.connected(connection.peer.endpoint)
        if len(known) >= most:
            return False
        known.append(connection)
        return True

    def leave(self, connection: Connection) -> None:
        """Forget a connection."""
        known = self._connected.get(connection.peer.endpoint, [])
        if connection in known:
            known.remove(connection)
