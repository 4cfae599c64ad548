"""The simulator as one HTTP server: every vendor below its prefix, and the controls below ``/simulator``.

Belongs here: putting the routes together, the control routes, and running the server (in this process, or in a thread for
tests). Does not belong here: any vendor's format. The truth behind an invented world is not reachable from here.
"""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from datetime import time as time_of_day
from typing import Any

import psutil
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from catalyst_assets.simulator.clock import SimulatedClock
from catalyst_assets.simulator.exchange import Exchange
from catalyst_assets.simulator.faults import Fault
from catalyst_assets.simulator.routes.alpaca_data import DataRoutes
from catalyst_assets.simulator.routes.alpaca_news import NewsRoutes
from catalyst_assets.simulator.routes.alpaca_trading import TradingRoutes
from catalyst_assets.simulator.routes.alpha_vantage import AlphaVantageRoutes
from catalyst_assets.simulator.routes.finnhub import FinnhubRoutes
from catalyst_assets.simulator.routes.limits import Limit
from catalyst_assets.simulator.routes.newsapi import NewsApiRoutes
from catalyst_assets.simulator.routes.wire import NEW_YORK, Json, money
from catalyst_assets.simulator.routes.yahoo import YahooRoutes
from catalyst_assets.simulator.state import Plan, Simulation
from catalyst_assets.simulator.tape import MarketTape
from catalyst_assets.simulator.world import World
from catalyst_assets.trading.calendar import TradingCalendar

DEFAULT_HOST, DEFAULT_PORT = "127.0.0.1", 8900
START_TIMEOUT_S = 10.0


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


class ControlRoutes:
    """``/simulator``: clock, faults, ledger, health. No authentication: bind the server to the local machine."""

    def __init__(self, state: Simulation) -> None:
        self.state = state

    def routes(self) -> list[Route]:
        """All routes."""

        def route(path: str, handler: Callable[[Request], Awaitable[Response]], method: str) -> Route:
            return Route(f"/simulator{path}", handler, methods=[method])

        return [
            route("/clock", self.clock, "GET"),
            route("/clock", self.set_clock, "POST"),
            route("/faults", self.faults, "GET"),
            route("/faults", self.set_fault, "POST"),
            route("/ledger", self.ledger, "GET"),
            route("/health", self.health, "GET"),
        ]

    def _clock(self) -> dict[str, Any]:
        now, view = self.state.tick(), self.state.view
        hours = view.session_for(now)
        speed = self.state.clock.speed
        return {
            "now": now.isoformat(),
            "speed": speed,
            "paused": speed == 0,
            "session": hours.session.isoformat(),
            "market_state": view.calendar.state(now).value,
            "hours": {
                name: edge.isoformat()
                for name, edge in zip(("pre_open", "open", "close", "post_close"), hours[1:], strict=True)
            },
            "tape_sessions": [session.isoformat() for session in self.state.tape.sessions],
        }

    async def clock(self, _: Request) -> Response:
        return Json(self._clock())

    async def set_clock(self, request: Request) -> Response:
        """``now`` (aware ISO instant) or ``advance_s``, and ``speed`` or ``paused``; all optional."""
        try:
            body = json.loads(await request.body() or b"{}")
            unknown = set(body) - {"now", "advance_s", "speed", "paused"}
            if unknown:
                raise ValueError(f"unknown keys: {', '.join(sorted(unknown))}")
            if body.get("now") is not None:
                self.state.clock.set(datetime.fromisoformat(body["now"]))
            if body.get("advance_s") is not None:
                self.state.clock.advance(timedelta(seconds=float(body["advance_s"])))
            if body.get("paused"):
                self.state.clock.set_speed(0)
            elif body.get("speed") is not None:
                self.state.clock.set_speed(float(body["speed"]))
        except (ValueError, TypeError, OverflowError) as error:
            return Json({"message": str(error)}, 400)
        return Json(self._clock())

    async def faults(self, _: Request) -> Response:
        return Json({vendor: asdict(fault) for vendor, fault in self.state.faults.all().items()})

    async def set_fault(self, request: Request) -> Response:
        """``vendor``, ``mode`` and optionally ``latency_s`` and ``times``."""
        try:
            body = json.loads(await request.body() or b"{}")
            times = body.get("times")
            fault = Fault(
                str(body.get("mode", "ok")),
                float(body.get("latency_s") or 0),
                None if times is None else int(times),
            )
            self.state.faults.set(str(body.get("vendor", "")), fault)
        except (ValueError, TypeError, AttributeError) as error:
            return Json({"message": str(error)}, 400)
        return await self.faults(request)

    async def ledger(self, _: Request) -> Response:
        now, exchange = self.state.tick(), self.state.exchange
        account, activities = exchange.account(), exchange.activities()
        return Json(
            {
                "now": now.isoformat(),
                "cash": money(account.cash),
                "equity": money(account.equity),
                "last_equity": money(account.last_equity),
                "buying_power": money(account.buying_power),
                "fees": money(account.fees_paid),
                "realized": money(exchange.realized, 4),
                "positions": {p.symbol: int(p.qty) if p.qty % 1 == 0 else float(p.qty) for p in exchange.positions()},
                "orders": len(exchange.orders()),
                "open_orders": len(exchange.open_orders()),
                "fills": sum(a.kind == "FILL" for a in activities),
            }
        )

    async def health(self, _: Request) -> Response:
        memory = psutil.Process().memory_info().rss
        return Json({"status": "ok", "now": self.state.clock.now().isoformat(), "rss_mb": round(memory / 2**20, 1)})


def create_app(
    tape: MarketTape,
    exchange: Exchange,
    clock: SimulatedClock,
    *,
    key: str = "sim-key",
    secret: str = "sim-secret",
    plan: Plan | None = None,
    limits: dict[str, tuple[Limit, ...]] | None = None,
) -> Starlette:
    """The application. ``limits`` replaces the rate limits of the vendors it names (an empty tuple removes them).

    The shared :class:`~catalyst_assets.simulator.state.Simulation` is on ``app.state.simulation``.
    """
    state = Simulation(tape, exchange, clock, key, secret, plan or Plan())
    state.limiter.limits.update(limits or {})
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
        ]
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
    return uvicorn.Config(app, host=host, port=port, log_level="warning", access_log=False, lifespan="off", ws="none")


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
    if len(start) <= 5:
        return datetime.combine(session, time_of_day.fromisoformat(start), tzinfo=NEW_YORK).astimezone(UTC)
    moment = datetime.fromisoformat(start)
    if moment.tzinfo is None:
        raise ValueError(f"start {start!r} has no offset from UTC")
    return moment.astimezone(UTC)


def serve(
    *,
    seed: int = 7,
    session: date | None = None,
    start: str | None = None,
    speed: float = 1.0,
    symbols: int = 80,
    host: str = DEFAULT_HOST,
    port: int = DEFAULT_PORT,
) -> None:
    """Invent the world of ``seed`` and serve it until interrupted; what ``catalyst simulate`` runs.

    ``start`` as :func:`opening_instant`. Only the world's tape reaches the server, never its truth. Picklable arguments: it can
    be the target of a child process. Raises ``ValueError`` (a day that is not a session, a bad ``start``) and ``OSError`` (the
    port is taken).
    """
    tape = World.generate(seed, session, symbols=symbols).tape()
    serve_tape(tape, start=opening_instant(tape, start), speed=speed, seed=seed, host=host, port=port)


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
