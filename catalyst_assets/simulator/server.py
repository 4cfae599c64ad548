"""The simulator as one HTTP server: every vendor below its prefix, and the controls below ``/simulator``.

Belongs here: putting the routes together, and running the server (in this process, or in a thread for tests). Does not belong
here: any vendor's format, the controls. The truth behind an invented world is reachable only where a caller hands it over for
tests (``truth``); the system never does.
"""

from __future__ import annotations

import socket
import threading
import time
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.types import ASGIApp, Receive, Scope, Send

from catalyst_assets.simulator.clock import SimulatedClock
from catalyst_assets.simulator.exchange import Exchange
from catalyst_assets.simulator.faults.scenario import Scenario, read_scenario
from catalyst_assets.simulator.instants import read_instant
from catalyst_assets.simulator.routes.alpaca_data import DataRoutes
from catalyst_assets.simulator.routes.alpaca_news import NewsRoutes
from catalyst_assets.simulator.routes.alpaca_trading import TradingRoutes
from catalyst_assets.simulator.routes.alpha_vantage import AlphaVantageRoutes
from catalyst_assets.simulator.routes.controls import ControlRoutes
from catalyst_assets.simulator.routes.finnhub import FinnhubRoutes
from catalyst_assets.simulator.routes.limits import Limit
from catalyst_assets.simulator.routes.newsapi import NewsApiRoutes
from catalyst_assets.simulator.routes.yahoo import YahooRoutes
from catalyst_assets.simulator.state import PLANS, Plan, Simulation
from catalyst_assets.simulator.streams.data_stream import DataStreams
from catalyst_assets.simulator.streams.faulty import FaultFilter
from catalyst_assets.simulator.streams.trade_stream import TradeStreams
from catalyst_assets.simulator.tape import MarketTape
from catalyst_assets.simulator.world import DEFAULT_SESSION, World
from catalyst_assets.simulator.worlds.truth import WorldTruth
from catalyst_assets.trading.calendar import TradingCalendar

DEFAULT_HOST, DEFAULT_PORT = "127.0.0.1", 8900
START_TIMEOUT_S = 10.0
GRACE_S = 1
"""Seconds open connections (streams, a dripping body, a silent socket) may take to end when the server stops."""


class SingleSlashes:
    """Folds doubled slashes in paths: the official Finnhub client sends ``/api/v1//company-news``."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and "//" in scope["path"]:
            path = scope["path"]
            while "//" in path:
                path = path.replace("//", "/")
            scope = {**scope, "path": path}
        await self.app(scope, receive, send)


def create_app(
    tape: MarketTape,
    exchange: Exchange,
    clock: SimulatedClock,
    *,
    key: str = "sim-key",
    secret: str = "sim-secret",
    plan: Plan | None = None,
    limits: dict[str, tuple[Limit, ...]] | None = None,
    scenario: Scenario | None = None,
    truth: WorldTruth | None = None,
) -> Starlette:
    """The application. ``limits`` replaces the rate limits of the vendors it names (an empty tuple removes them); the
    faults of ``scenario`` are armed; ``truth`` is served to tests, the system gives none.

    The shared :class:`~catalyst_assets.simulator.state.Simulation` is on ``app.state.simulation``.
    """
    state = Simulation(tape, exchange, clock, key, secret, plan or Plan(), truth=truth)
    state.limiter.limits.update(limits or {})
    state.streams.usual = FaultFilter(state.faults, lambda: exchange.now)
    if scenario is not None:
        scenario.play(state.faults)
    app = Starlette(
        routes=[
            *ControlRoutes(state).routes(),
            *TradingRoutes(state).routes(),
            *DataRoutes(state).routes(),
            *NewsRoutes(state).routes(),
            *FinnhubRoutes(state).routes(),
            *AlphaVantageRoutes(state).routes(),
            *NewsApiRoutes(state).routes(),
            *YahooRoutes(state).routes(),
            *DataStreams(state).routes(),
            *TradeStreams(state).routes(),
        ],
        lifespan=lambda _: state.streams.running(),
    )
    app.router.redirect_slashes = False  # alpaca-py never follows redirects
    app.add_middleware(SingleSlashes)
    app.state.simulation = state
    return app


def build_app(tape: MarketTape, *, start: datetime, speed: float = 0.0, seed: int = 0, **options: Any) -> Starlette:
    """An application with its own exchange and clock, both standing at ``start``; ``options`` as :func:`create_app`."""
    exchange = Exchange(tape, start=start, seed=seed)
    return create_app(tape, exchange, SimulatedClock(start, speed), **options)


def _config(app: Starlette, host: str, port: int) -> uvicorn.Config:
    # Access logs would hold the keys that Finnhub and Alpha Vantage put in the query string.
    # The Date header is the market's, not this machine's: the routes write it.
    return uvicorn.Config(
        app,
        host=host,
        port=port,
        log_level="warning",
        access_log=False,
        lifespan="on",
        ws="websockets-sansio",
        date_header=False,
        timeout_graceful_shutdown=GRACE_S,
    )


def serve_tape(
    tape: MarketTape,
    *,
    start: datetime,
    speed: float = 0.0,
    seed: int = 0,
    host: str = DEFAULT_HOST,
    port: int = DEFAULT_PORT,
    **options: Any,
) -> None:
    """Serve until interrupted (Ctrl-C or SIGTERM end it cleanly). Raises ``OSError`` when the port is taken."""
    serve_app(build_app(tape, start=start, speed=speed, seed=seed, **options), host=host, port=port)


def serve_app(app: Starlette, *, host: str = DEFAULT_HOST, port: int = DEFAULT_PORT) -> None:
    """Serve an application until interrupted. Raises ``OSError`` when the port is taken."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        uvicorn.Server(_config(app, host, port)).run(sockets=[listener])


def opening_instant(tape: MarketTape, start: str | None) -> datetime:
    """Where the clock begins, as UTC: ``HH:MM`` is New York time of the tape's main session, anything longer an ISO instant
    with its offset; the beginning of the main session's pre-market when not given. Raises ``ValueError`` for anything else."""
    session = tape.sessions[-1]
    if start is None:
        return TradingCalendar().hours(session).pre_open.to_pydatetime().astimezone(UTC)
    return read_instant(start, session)


def serve(
    *,
    seed: int = 7,
    session: date | None = None,
    start: str | None = None,
    speed: float = 1.0,
    symbols: int = 80,
    plan: str = "free",
    host: str = DEFAULT_HOST,
    port: int = DEFAULT_PORT,
    scenario: str | None = None,
    with_truth: bool = False,
) -> None:
    """Invent the world of ``seed`` and serve it until interrupted; what ``catalyst simulate`` runs.

    ``start`` as :func:`opening_instant`; ``plan`` one of :data:`~catalyst_assets.simulator.state.PLANS`; ``scenario`` a file of
    faults or the name of a shipped one. Only the world's tape reaches the server, its truth only ``with_truth``, for tests.
    Picklable arguments: it can be the target of a child process. Raises ``ValueError`` (a day that is not a session, a bad
    ``start`` or scenario, an unknown ``plan``) and ``OSError`` (the port is taken).
    """
    if plan not in PLANS:
        raise ValueError(f"unknown plan {plan!r}; known: {', '.join(PLANS)}")
    main = session or DEFAULT_SESSION
    played = None if scenario is None else read_scenario(scenario, lambda text: read_instant(text, main))
    world = World.generate(seed, session, symbols=symbols)
    tape, truth = world.tape(), world.truth if with_truth else None
    options = {"plan": PLANS[plan], "scenario": played, "truth": truth}
    serve_tape(tape, start=opening_instant(tape, start), speed=speed, seed=seed, host=host, port=port, **options)


@dataclass(slots=True)
class RunningServer:
    """A server in a thread of this process."""

    base_url: str
    app: Starlette
    _server: uvicorn.Server
    _thread: threading.Thread
    _listener: socket.socket

    @property
    def simulation(self) -> Simulation:
        """The state behind the routes."""
        state = self.app.state.simulation
        assert isinstance(state, Simulation)
        return state

    def stop(self) -> None:
        """End the server and wait for it."""
        self._server.should_exit = True
        self._thread.join(timeout=START_TIMEOUT_S)
        self._listener.close()


def start_in_thread(app: Starlette, host: str = DEFAULT_HOST, port: int = 0) -> RunningServer:
    """Serve ``app`` from a thread; port 0 takes a free one. Raises ``RuntimeError`` when it does not come up."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host, port))
    server = uvicorn.Server(_config(app, host, port))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="simulator", daemon=True)
    thread.start()
    deadline = time.monotonic() + START_TIMEOUT_S
    while not server.started:
        if time.monotonic() > deadline or not thread.is_alive():
            listener.close()
            raise RuntimeError("the simulator did not start")
        time.sleep(0.01)
    return RunningServer(f"http://{host}:{listener.getsockname()[1]}", app, server, thread, listener)
