"""What can be wrong with a simulated vendor, and for how long.

Belongs here: the fault set per vendor and what it does to a request. Does not belong here: rate limits of a healthy vendor
(``limits``) and market events such as halts (the tape).
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.types import Receive, Scope, Send

VENDORS = ("alpaca", "finnhub", "alphavantage", "newsapi", "yahoo")
MODES = ("ok", "slow", "limited", "dead", "html", "lost")
"""``slow`` answers after ``latency_s``; ``limited`` as if the rate limit were used up; ``dead`` drops the connection (after
``latency_s``); ``html`` answers 502 with a web page; ``lost`` does what was asked and then answers 504 (an order may stand)."""

Handler = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Fault:
    """One vendor's present behaviour. ``times``: requests it still applies to; ``None`` = until changed."""

    mode: str = "ok"
    latency_s: float = 0.0
    times: int | None = None


class Faults:
    """Faults by vendor. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_vendor = dict.fromkeys(VENDORS, Fault())

    def set(self, vendor: str, fault: Fault) -> None:
        """Set a vendor's behaviour. Raises ``ValueError`` naming what is allowed."""
        if vendor not in VENDORS:
            raise ValueError(f"unknown vendor {vendor!r}; known: {', '.join(VENDORS)}")
        if fault.mode not in MODES:
            raise ValueError(f"unknown mode {fault.mode!r}; known: {', '.join(MODES)}")
        if not 0 <= fault.latency_s <= 600:
            raise ValueError("latency_s must be between 0 and 600")
        if fault.times is not None and fault.times < 1:
            raise ValueError("times must be at least 1")
        with self._lock:
            self._by_vendor[vendor] = fault

    def take(self, vendor: str) -> Fault:
        """The fault that applies to one request now; counts it down."""
        with self._lock:
            fault = self._by_vendor[vendor]
            if fault.times is not None:
                left = fault.times - 1
                self._by_vendor[vendor] = replace(fault, times=left) if left else Fault()
            return fault

    def all(self) -> dict[str, Fault]:
        """Every vendor's present fault."""
        with self._lock:
            return dict(self._by_vendor)


class DroppedConnection(Response):
    """No answer at all: the connection is cut. Without a transport to cut (in-process test clients) it is an empty 503."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        transport = getattr(getattr(receive, "__self__", None), "transport", None)
        if transport is None:
            await Response(status_code=503)(scope, receive, send)
            return
        transport.abort()


async def answer_with(fault: Fault, request: Request, handler: Handler, limited: Callable[[], Response]) -> Response:
    """The answer of a vendor in this state: the handler's own, or the fault's. ``limited`` builds the vendor's 429."""
    if fault.latency_s:
        await asyncio.sleep(fault.latency_s)
    if fault.mode == "dead":
        return DroppedConnection()
    if fault.mode == "html":
        return HTMLResponse("<html><body><h1>502 Bad Gateway</h1></body></html>", status_code=502)
    if fault.mode == "limited":
        return limited()
    response = await handler(request)
    if fault.mode == "lost":
        return Response(
            '{"code":50410000,"message":"request timed out"}', status_code=504, media_type="application/json"
        )
    return response
