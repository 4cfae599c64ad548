"""One request through the faults that strike it: delays, answers instead of the vendor's, spoiled bodies, broken deliveries.

Belongs here: the order of these, and the HTTP of it. Does not belong here: which rule strikes (``armed``), what a body then says
(``spoiling``, ``markets``), websockets (``streams``).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from email.utils import format_datetime, parsedate_to_datetime
from typing import Any

from starlette.responses import HTMLResponse, Response
from starlette.types import Receive, Scope, Send

from catalyst_assets.simulator.faults.armed import Armed, Faults
from catalyst_assets.simulator.faults.markets import BODY_FAULTS, Market
from catalyst_assets.simulator.faults.request import Asked
from catalyst_assets.simulator.faults.rules import Rule
from catalyst_assets.simulator.faults.table import Phase

TIMED_OUT = '{"code":50410000,"message":"request timed out"}'
_PAGES: Mapping[str, tuple[int, str]] = {
    "server_error": (500, "500 Internal Server Error"),
    "bad_gateway": (502, "502 Bad Gateway"),
    "unavailable": (503, "503 Service Temporarily Unavailable"),
    "maintenance_page": (200, "We are down for maintenance"),
}


def _transport(receive: Receive) -> Any:
    """uvicorn's transport behind an ASGI ``receive``; None in-process."""
    return getattr(getattr(receive, "__self__", None), "transport", None)


async def _gone(receive: Receive) -> None:
    """Until the connection is over, as the server sees it."""
    while (await receive())["type"] != "http.disconnect":
        pass


class DroppedConnection(Response):
    """No answer at all: the connection is cut. Without a transport to cut (in-process test clients) it is an empty 503."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        transport = _transport(receive)
        if transport is None:
            await Response(status_code=503)(scope, receive, send)
            return
        transport.abort()
        await _gone(receive)


class SilentSocket(Response):
    """Nothing is said until the client goes away, or the connection is cut after ``hold_s`` seconds."""

    def __init__(self, hold_s: float) -> None:
        super().__init__()
        self.hold_s = hold_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await asyncio.wait_for(_gone(receive), self.hold_s)
        except TimeoutError:
            await DroppedConnection()(scope, receive, send)


class SlowBody(Response):
    """The head at once, the body in pieces of ``piece`` bytes, ``pause_s`` seconds apart, until the client goes away."""

    def __init__(self, whole: Response, piece: int, pause_s: float) -> None:
        super().__init__(whole.body, whole.status_code, dict(whole.headers))
        self.piece, self.pause_s = piece, pause_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        body, transport = bytes(self.body), _transport(receive)
        for at in range(0, len(body), self.piece):
            if transport is not None and transport.is_closing():
                return
            await send({"type": "http.response.body", "body": body[at : at + self.piece], "more_body": True})
            await asyncio.sleep(self.pause_s)
        await send({"type": "http.response.body", "body": b""})


class CutBody(Response):
    """The head promises the whole body, ``share`` of it arrives, then the connection is cut."""

    def __init__(self, whole: Response, share: float) -> None:
        super().__init__(whole.body, whole.status_code, dict(whole.headers))
        self.share = share

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        part = bytes(self.body)[: int(len(self.body) * self.share)]
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": part, "more_body": True})
        transport = _transport(receive)
        if transport is not None:
            transport.abort()
            await _gone(receive)


async def answer_with(
    faults: Faults,
    asked: Asked,
    market: Market,
    handler: Callable[[], Awaitable[Response]],
    limited: Callable[[], Response],
) -> Response:
    """The vendor's answer to ``asked``: the handler's own, or what the faults make of it. ``limited`` builds the vendor's 429.

    All delays are waited for; of the faults that answer instead of the vendor, and of those that lose the answer, the first
    strikes and the others are not counted. Every strike is recorded.
    """
    for armed in faults.due(Phase.DELAY, asked, market.now):
        faults.record(armed, asked, market.now, f"waited {armed.rule['delay_s']:g} s")
        await asyncio.sleep(armed.rule["delay_s"])
    instead = next(faults.due(Phase.BEFORE, asked, market.now), None)
    if instead is not None:
        response, did = _instead(instead.rule, limited)
        faults.record(instead, asked, market.now, did)
        await _silence(instead.rule)
        return response
    response = await handler()
    lost = next(faults.due(Phase.AFTER, asked, market.now), None)
    if lost is not None:
        faults.record(lost, asked, market.now, f"done, answered {response.status_code}, and the answer was lost")
        await _silence(lost.rule)
        return DroppedConnection() if lost.rule.fault == "dropped_after" else _timed_out()
    _spoil(faults, asked, market, response)
    for armed in faults.due(Phase.DELIVERY, asked, market.now):
        response, did = _deliver(armed.rule, response)
        faults.record(armed, asked, market.now, did)
    return response


async def _silence(rule: Rule) -> None:
    seconds = 0.0 if rule.fault == "silent_socket" else rule["delay_s"]
    if seconds:
        await asyncio.sleep(seconds)


def _timed_out() -> Response:
    return Response(TIMED_OUT, status_code=504, media_type="application/json")


def _instead(rule: Rule, limited: Callable[[], Response]) -> tuple[Response, str]:
    """The answer of a fault that strikes before anything is done, and its words."""
    if rule.fault == "dropped":
        return DroppedConnection(), "connection cut"
    if rule.fault == "silent_socket":
        return SilentSocket(rule["hold_s"]), f"not a word for {rule['hold_s']:g} s"
    if rule.fault == "rate_limited":
        response = limited()
        if rule["retry_after_s"]:
            response.headers["Retry-After"] = str(rule["retry_after_s"])
        return response, f"answered {response.status_code}, limit used up"
    if rule.fault == "timeout_before":
        return _timed_out(), "answered 504, not done"
    status, words = _PAGES[rule.fault]
    page = f"<html><head><title>{words}</title></head><body><h1>{words}</h1></body></html>"
    return HTMLResponse(page, status_code=status), f"answered {status} with a web page, not done"


def _spoil(faults: Faults, asked: Asked, market: Market, response: Response) -> None:
    """Let every fault of the body change the answer's JSON. One that finds nothing to change is not counted."""
    for armed in faults.candidates(Phase.BODY, asked, market.now):
        body = _json(response)
        did = [] if body is None else BODY_FAULTS[armed.rule.fault](body, armed, asked, market)
        if not did or not faults.strikes(armed):
            continue
        response.body = json.dumps(body, separators=(",", ":")).encode()
        response.headers["Content-Length"] = str(len(response.body))
        if armed.rule.fault == "clock_skew":
            _skew_date(response, armed)
        faults.record(armed, asked, market.now, "; ".join(did)[:500])


def _json(response: Response) -> Any:
    good = response.status_code < 300 and "json" in response.headers.get("Content-Type", "")
    return json.loads(bytes(response.body)) if good and response.body else None


def _skew_date(response: Response, armed: Armed) -> None:
    date = response.headers.get("Date")
    if date:
        moved = parsedate_to_datetime(date) + timedelta(seconds=armed.rule["seconds"])
        response.headers["Date"] = format_datetime(moved, usegmt=True)


def _deliver(rule: Rule, response: Response) -> tuple[Response, str]:
    """The answer of a fault of the delivery, and its words."""
    whole = len(response.body)
    if rule.fault == "slow_body":
        return SlowBody(
            response, rule["piece"], rule["pause_s"]
        ), f"{whole} bytes, {rule['piece']} every {rule['pause_s']:g} s"
    if rule.fault == "cut_body":
        return CutBody(response, rule["share"]), f"cut after {int(whole * rule['share'])} of {whole} bytes"
    if rule.fault == "truncated_json":
        response.body = bytes(response.body)[: int(whole * rule["share"])]
        response.headers["Content-Length"] = str(len(response.body))
        return response, f"text ends after {len(response.body)} of {whole} bytes"
    response.headers["Content-Type"] = rule["content_type"]
    return response, f"declared as {rule['content_type']}"
