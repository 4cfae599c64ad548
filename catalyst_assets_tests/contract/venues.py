"""The same market twice: in this process, and behind the real clients over HTTP.

Belongs here: setting both up so that one test body runs on either. Does not belong here: assertions.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from catalyst_assets.ports import Broker, Clock, MarketData
from catalyst_assets.settings import Settings
from catalyst_assets.simulator.clock import SimulatedClock
from catalyst_assets.simulator.faults import VENDORS, Fault
from catalyst_assets.simulator.server import RunningServer, build_app, start_in_thread
from catalyst_assets.simulator.tape import Halt, WireArticle
from catalyst_assets.simulator.venue.broker import InProcessBroker, TapeMarketData
from catalyst_assets.vendors.connect import Vendors, connect
from catalyst_assets_tests.simulator.handmade import HandTape, exchange, ny, tape

KINDS = ("in_process", "over_http")
UNLIMITED = dict.fromkeys(VENDORS, ())
PATIENCE_SECONDS = 1.0


@dataclass
class Venue:
    """A market at ``ny(10)`` on Friday, moved by ``to``."""

    broker: Broker
    data: MarketData
    clock: Clock
    _advance: object

    def to(self, at: datetime) -> None:
        """Let the market run until ``at``."""
        self._advance(at)  # type: ignore[operator]


def made(minutes: object = None, *, halts: Sequence[Halt] = (), articles: Sequence[WireArticle] = ()) -> HandTape:
    """The tape both kinds stand on."""
    return tape(minutes, halts=halts, articles=articles)  # type: ignore[arg-type]


@contextmanager
def simulator(source: HandTape, *, at: datetime | None = None) -> Iterator[RunningServer]:
    """The simulator's HTTP server on ``source``, without rate limits."""
    running = start_in_thread(build_app(source, start=at or ny(10), seed=7, limits=UNLIMITED))
    try:
        yield running
    finally:
        running.stop()


def vendors(url: str, clock: Clock, home: Path, **settings: object) -> Vendors:
    """Everything connected to the simulator at ``url``, impatiently."""
    values = {"read_timeout_seconds": PATIENCE_SECONDS, "connect_timeout_seconds": PATIENCE_SECONDS, **settings}
    return connect(Settings(_env_file=None, market="simulator", simulator_url=url, home=home, **values), clock=clock)  # type: ignore[call-arg, arg-type]


@contextmanager
def venue(kind: str, source: HandTape, home: Path) -> Iterator[Venue]:
    """One of :data:`KINDS` on ``source``."""
    if kind == "in_process":
        engine = exchange(source)
        clock = SimulatedClock(ny(10))

        def advance(at: datetime) -> None:
            clock.set(at)
            engine.advance(at)

        yield Venue(InProcessBroker(engine), TapeMarketData(source, clock, engine.view), clock, advance)
        return
    with simulator(source) as running:
        state = running.simulation
        connected = vendors(running.base_url, state.clock, home)
        yield Venue(connected.broker, connected.market_data, state.clock, state.clock.set)


def fault(running: RunningServer, vendor: str, mode: str, *, latency: float = 0.0, times: int | None = None) -> None:
    """Make ``vendor`` misbehave."""
    running.simulation.faults.set(vendor, Fault(mode, latency, times))
