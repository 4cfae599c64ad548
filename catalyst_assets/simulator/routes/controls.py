"""The simulator's own controls below ``/simulator``: clock, faults, their log, scenarios, ledger, truth, habits, health.

Belongs here: the handlers. Does not belong here: their description (``control_document``), any vendor's interface. There is no
authentication: bind the server to the local machine.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

import psutil
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from catalyst_assets.simulator.faults.log import LOG_ENTRIES
from catalyst_assets.simulator.faults.rules import COUNT, LATENCY, MODES, Fault, parse_rule
from catalyst_assets.simulator.faults.scenario import parse_scenario, read_scenario, shipped_scenarios
from catalyst_assets.simulator.faults.table import VENDORS, Parameter
from catalyst_assets.simulator.instants import read_instant
from catalyst_assets.simulator.routes.control_document import OPERATIONS, PREFIX, openapi_document
from catalyst_assets.simulator.routes.control_habits import changed, told
from catalyst_assets.simulator.routes.control_ledger import full_ledger, shares
from catalyst_assets.simulator.routes.control_page import readable_page
from catalyst_assets.simulator.routes.wire import Json, money
from catalyst_assets.simulator.state import Simulation

MOST_SPEED = 1_000_000
MOST_ADVANCE = timedelta(days=30)
"""The clock goes at most so far beyond the tape's last session: there is nothing to see there."""

_CLOCK: Mapping[str, Parameter] = {
    parameter.name: parameter
    for parameter in (
        Parameter("now", "instant", None, "jump to"),
        Parameter("advance_s", "number", None, "step by", 0, MOST_ADVANCE.total_seconds() * 13),
        Parameter("speed", "number", None, "simulated seconds per second", 0, MOST_SPEED),
        Parameter("paused", "boolean", None, "stand still, or go on"),
    )
}


class ControlRoutes:
    """Handlers of the controls; :data:`control_document.OPERATIONS` says where each is found."""

    def __init__(self, state: Simulation) -> None:
        self.state = state
        self._last_speed = state.clock.speed or 1.0

    def routes(self) -> list[Route]:
        """All routes. ``OPERATIONS`` names the handlers, so nothing can be served that is not described."""
        return [
            Route(PREFIX + operation.path, self._guarded(getattr(self, operation.handler)), methods=[operation.method])
            for operation in OPERATIONS
        ]

    @staticmethod
    def _guarded(handler: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
        """The handler with what it raises for a bad request as one sentence and a 400."""

        async def endpoint(request: Request) -> Response:
            try:
                return await handler(request)
            except ValueError as error:
                return Json({"message": str(error)}, 400)

        return endpoint

    def _instant(self, text: str) -> datetime:
        return read_instant(text, self.state.tape.sessions[-1])

    # ----------------------------------------------------------------------------------------------------------- clock

    async def clock(self, _: Request) -> Response:
        return Json(self._clock())

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

    async def set_clock(self, request: Request) -> Response:
        """Everything is checked before anything is changed."""
        body = await _object(request)
        _known_keys(body, tuple(_CLOCK))
        given = {name: _CLOCK[name].check(value) for name, value in body.items() if value is not None}
        target = None if "now" not in given else self._instant(given["now"])
        if target is not None and "advance_s" in given:
            raise ValueError("give now or advance_s, not both")
        if given.get("paused") and given.get("speed"):
            raise ValueError("give speed or paused, not both")
        step = timedelta(seconds=given.get("advance_s", 0.0))
        self._not_beyond_the_tape((target or self.state.clock.now()) + step)
        if target is not None:
            self.state.clock.set(target)
        if step:
            self.state.clock.advance(step)
        self._set_speed(given)
        return Json(self._clock())

    def _not_beyond_the_tape(self, to: datetime) -> None:
        end = self.state.view.hours(self.state.tape.sessions[-1]).post_close + MOST_ADVANCE
        if to > end:
            raise ValueError(f"the clock goes no further than {end.isoformat()}: the tape has ended by then")

    def _set_speed(self, given: Mapping[str, Any]) -> None:
        clock = self.state.clock
        if clock.speed:
            self._last_speed = clock.speed
        if given.get("paused"):
            clock.set_speed(0)
        elif "speed" in given:
            clock.set_speed(given["speed"])
        elif given.get("paused") is False and clock.speed == 0:
            clock.set_speed(self._last_speed)

    # ---------------------------------------------------------------------------------------------------------- faults

    async def faults(self, _: Request) -> Response:
        return Json(self._faults())

    def _faults(self) -> dict[str, Any]:
        faults = self.state.faults
        return {
            "vendors": {vendor: asdict(fault) for vendor, fault in faults.all().items()},
            "faults": [
                {**armed.rule.as_json(), "seen": armed.seen, "struck": armed.struck, "spent": armed.spent}
                for armed in faults.armed()
            ],
            "seed": faults.seed,
        }

    async def arm_fault(self, request: Request) -> Response:
        """A rule (key ``fault``), or the old form (``vendor``, ``mode``, ``latency_s``, ``times``)."""
        body = await _object(request)
        if "fault" in body:
            self.state.faults.arm(parse_rule(body, self._instant))
            return Json(self._faults())
        _known_keys(body, ("vendor", "mode", "latency_s", "times"))
        latency, times = body.get("latency_s"), body.get("times")
        mode = body.get("mode", "ok")
        if mode not in MODES:
            raise ValueError(f"unknown mode {mode!r:.60}; known: {', '.join(MODES)}; or give fault")
        vendor = body.get("vendor")
        if vendor not in VENDORS:
            raise ValueError(f"unknown vendor {vendor!r:.60}; known: {', '.join(VENDORS)}")
        fault = Fault(
            mode, 0.0 if latency is None else LATENCY.check(latency), None if times is None else COUNT.check(times)
        )
        self.state.faults.set(vendor, fault)
        return Json(self._faults())

    async def clear_faults(self, _: Request) -> Response:
        self.state.faults.clear()
        return Json(self._faults())

    async def clear_fault(self, request: Request) -> Response:
        identity = request.path_params["id"]
        if not self.state.faults.disarm(identity):
            return Json({"message": f"there is no fault {identity!r:.90}"}, 404)
        return Json(self._faults())

    async def fault_log(self, request: Request) -> Response:
        after = _whole(request, "after", 0, 0, 2**53)
        limit = _whole(request, "limit", LOG_ENTRIES, 1, LOG_ENTRIES)
        log = self.state.faults.log
        return Json({"entries": [entry.as_json() for entry in log.entries(after, limit)], "forgotten": log.forgotten})

    async def clear_fault_log(self, _: Request) -> Response:
        self.state.faults.log.clear()
        return Json({"entries": [], "forgotten": 0})

    # ------------------------------------------------------------------------------------------------------- scenarios

    async def scenarios(self, _: Request) -> Response:
        listed = (read_scenario(name, self._instant) for name in shipped_scenarios())
        return Json({"scenarios": [{"name": item.name, "description": item.description} for item in listed]})

    async def play_scenario(self, request: Request) -> Response:
        """A whole scenario, or ``{"name": …}`` alone for one that comes with the program."""
        body = await _object(request)
        if set(body) == {"name"}:
            if body["name"] not in shipped_scenarios():
                raise ValueError(f"unknown scenario {body['name']!r:.60}; known: {', '.join(shipped_scenarios())}")
            scenario = read_scenario(body["name"], self._instant)
        else:
            scenario = parse_scenario(body, self._instant)
        scenario.play(self.state.faults)
        return Json({"name": scenario.name, "description": scenario.description, **self._faults()})

    # ------------------------------------------------------------------------------------------------ ledger and truth

    async def ledger(self, request: Request) -> Response:
        full = request.query_params.get("full", "false")
        if full not in ("true", "false"):
            raise ValueError(f"full must be true or false, not {full!r:.60}")
        now, exchange = self.state.tick(), self.state.exchange
        account, activities = exchange.account(), exchange.activities()
        summary = {
            "now": now.isoformat(),
            "cash": money(account.cash),
            "equity": money(account.equity),
            "last_equity": money(account.last_equity),
            "buying_power": money(account.buying_power),
            "fees": money(account.fees_paid),
            "realized": money(exchange.realized, 4),
            "positions": {p.symbol: shares(p.qty) for p in exchange.positions()},
            "orders": len(exchange.orders()),
            "open_orders": len(exchange.open_orders()),
            "fills": sum(a.kind == "FILL" for a in activities),
        }
        return Json(summary | ({"rows": full_ledger(exchange)} if full == "true" else {}))

    async def truth(self, _: Request) -> Response:
        truth = self.state.truth
        if truth is None:
            reason = (
                "the truth is not served: the server was started without --with-truth, as the system always starts it"
            )
            return Json({"message": reason}, 404)
        return Json(
            {
                "stories": json.loads(truth.stories.to_json(orient="records", date_format="iso")),
                "outlets": json.loads(truth.outlets.to_json(orient="records")),
                "article_story": {str(article): story for article, story in truth.article_story.items()},
                "denials": sorted(truth.denials),
            }
        )

    async def habits(self, _: Request) -> Response:
        return Json(told(self.state.exchange.config.habits))

    async def set_habits(self, request: Request) -> Response:
        body = await _object(request)
        with self.state.exchange.lock:
            self.state.exchange.adopt(changed(self.state.exchange.config.habits, body))
        return Json(told(self.state.exchange.config.habits))

    # ----------------------------------------------------------------------------------------- health and description

    async def health(self, _: Request) -> Response:
        memory = psutil.Process().memory_info().rss
        return Json(
            {
                "status": "ok",
                "now": self.state.clock.now().isoformat(),
                "rss_mb": round(memory / 2**20, 1),
                "armed_faults": len(self.state.faults.armed()),
            }
        )

    async def openapi(self, _: Request) -> Response:
        return Json(openapi_document())

    async def page(self, _: Request) -> Response:
        return HTMLResponse(readable_page())


async def _object(request: Request) -> dict[str, Any]:
    """The JSON object of a body; an empty body is an empty object. Raises ``ValueError``."""
    try:
        body = json.loads(await request.body() or b"{}")
    except (ValueError, RecursionError):
        raise ValueError("the body is not JSON") from None
    if not isinstance(body, dict):
        raise ValueError("the body must be a JSON object")
    return body


def _known_keys(body: Mapping[str, Any], known: tuple[str, ...]) -> None:
    unknown = sorted(str(key) for key in body if key not in known)
    if unknown:
        raise ValueError(f"unknown keys: {', '.join(unknown):.200}; known: {', '.join(known)}")


def _whole(request: Request, name: str, default: int, low: int, high: int) -> int:
    text = request.query_params.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= 16 and low <= int(text) <= high):
        raise ValueError(f"{name} must be a whole number from {low} to {high}, not {text!r:.40}")
    return int(text)
