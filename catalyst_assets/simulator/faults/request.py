"""A request as the faults see it: vendor, route, the symbols and ids it names.

Belongs here: reading those from a request. Does not belong here: whether a fault strikes (``armed``).
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

Handler = Callable[[Request], Awaitable[Response]]

_SYMBOL_PARAMETERS = ("symbols", "symbol", "tickers")


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked of ``vendor``. ``route`` is method and path in the simulator (``POST /alpaca/trading/v2/orders``)."""

    vendor: str
    route: str
    symbols: frozenset[str] = frozenset()
    query: Mapping[str, str] = field(default_factory=dict)
    number: int = 0
    """Position among the requests this simulator got, from 1."""
    request_id: str | None = None
    """The client's ``X-Request-ID``, when it sends one."""
    client_order_id: str | None = None


async def read_request(
    request: Request, vendor: str, number: int, order_named: Callable[[str], tuple[str, str] | None]
) -> Asked:
    """The request as faults see it. The body stays readable for the handler. ``order_named`` gives the symbol and client_order_id
    of an order spoken of by its id."""
    query = dict(request.query_params)
    body: Any = None
    if request.method in ("POST", "PATCH", "PUT"):
        try:
            body = json.loads(await request.body() or b"null")
        except ValueError:
            body = None
    fields = body if isinstance(body, dict) else {}
    named = [text for name in _SYMBOL_PARAMETERS for text in query.get(name, "").split(",")]
    named += [request.path_params.get("symbol"), fields.get("symbol")]  # type: ignore[list-item]
    identity = fields.get("client_order_id") or query.get("client_order_id")
    if "order_id" in request.path_params and (known := order_named(request.path_params["order_id"])):
        named.append(known[0])
        identity = known[1]  # of a change: that of the order it changes
    return Asked(
        vendor,
        f"{request.method} {request.url.path}",
        frozenset(str(name) for name in named if name),
        query,
        number,
        request.headers.get("X-Request-ID"),
        str(identity) if identity else None,
    )
