"""Alpaca's orders over the exchange: submit, list, look up, replace, cancel.

Belongs here: parameters, bodies and status codes of ``/v2/orders``. Does not belong here: what an order may do (``venue``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from catalyst_assets.simulator.routes.alpaca_requests import (
    BOOLEAN,
    NUMBER,
    OBJECT,
    TEXT,
    Reader,
    choice,
    flag,
    json_body,
    parse_instant,
    read_fields,
    whole_number,
)
from catalyst_assets.simulator.routes.wire import Json, order_json
from catalyst_assets.simulator.state import Simulation
from catalyst_assets.simulator.venue.admission import malformed, unprocessable
from catalyst_assets.simulator.venue.orders import ExchangeRefusal, NewOrder, Order
from catalyst_assets.simulator.venue.selection import OrderQuery

MAX_ORDERS = 500
_CLASSES = "us_equity us_option crypto crypto_perp treasury corporate global_equity us_index us_equity_chain ipo all"
ASSET_CLASSES = frozenset(_CLASSES.split())

ORDER_FIELDS: Mapping[str, Reader] = {
    "symbol": TEXT,
    "qty": NUMBER,
    "notional": NUMBER,
    "side": TEXT,
    "type": TEXT,
    "time_in_force": TEXT,
    "limit_price": NUMBER,
    "stop_price": NUMBER,
    "trail_price": NUMBER,
    "trail_percent": NUMBER,
    "extended_hours": BOOLEAN,
    "client_order_id": TEXT,
    "order_class": TEXT,
    "take_profit": OBJECT,
    "stop_loss": OBJECT,
    "position_intent": TEXT,
    "advanced_instructions": OBJECT,
}
REPLACE_FIELDS: Mapping[str, Reader] = {
    "qty": NUMBER,
    "limit_price": NUMBER,
    "stop_price": NUMBER,
    "trail": NUMBER,
    "time_in_force": TEXT,
    "client_order_id": TEXT,
    "notional": NUMBER,
    "advanced_instructions": OBJECT,
}
EXIT_FIELDS: Mapping[str, Reader] = {"limit_price": NUMBER, "stop_price": NUMBER}
TRAILS = ("trail_price", "trail_percent")


def new_order(body: Mapping[str, Any]) -> NewOrder:
    """The request in a body. Raises a 422 refusal."""
    given = read_fields(body, ORDER_FIELDS)
    for name in ("time_in_force", "symbol"):
        if not given.get(name):
            raise malformed(f"{name} is required")
    take_profit = read_fields(given.get("take_profit", {}), EXIT_FIELDS, "take_profit.")
    stop_loss = read_fields(given.get("stop_loss", {}), EXIT_FIELDS, "stop_loss.")
    if "stop_price" not in stop_loss and any(given.get("stop_loss", {}).get(name) for name in TRAILS):
        # A trail beside a stop_price is dropped without a word; alone it is refused (both observed at Alpaca).
        raise malformed("stop_loss does not support trailing stops")  # wording guessed
    return NewOrder(
        symbol=given["symbol"],
        side=given.get("side", ""),
        type=given.get("type", ""),
        time_in_force=given["time_in_force"],
        qty=given.get("qty"),
        notional=given.get("notional"),
        limit_price=given.get("limit_price"),
        stop_price=given.get("stop_price"),
        client_order_id=given.get("client_order_id") or None,
        order_class=given.get("order_class") or "simple",
        take_profit_limit=take_profit.get("limit_price"),
        stop_loss_stop=stop_loss.get("stop_price"),
        stop_loss_limit=stop_loss.get("limit_price"),
        extended_hours=given.get("extended_hours", False),
        position_intent=given.get("position_intent"),
        trail_price=given.get("trail_price"),
        trail_percent=given.get("trail_percent"),
    )


def cancel_everything(state: Simulation) -> list[dict[str, Any]]:
    """Ask for a cancel of every open order; one row each, as the 207 answers hold them."""
    answers: list[dict[str, Any]] = []
    exchange = state.exchange
    for root in exchange.open_orders():
        for member in (root, *root.legs):
            try:
                exchange.cancel(member.order_id)
            except ExchangeRefusal as error:
                if member.is_open and exchange.order(member.order_id).is_open:
                    answers.append({"id": member.order_id, "status": error.http_status, "body": error.body()})
                    continue
            if member.is_open:
                answers.append({"id": member.order_id, "status": 200})
    return answers


class OrderRoutes:
    """Handlers of ``/v2/orders``."""

    def __init__(self, state: Simulation) -> None:
        self.state = state
        self.exchange = state.exchange

    def handlers(self) -> list[tuple[str, str, Any]]:
        """Path, method and handler of each operation."""
        return [
            ("/v2/orders:by_client_order_id", "GET", self.order_by_client_id),
            ("/v2/orders", "POST", self.submit),
            ("/v2/orders", "GET", self.orders),
            ("/v2/orders", "DELETE", self.cancel_all),
            ("/v2/orders/{order_id}", "GET", self.order),
            ("/v2/orders/{order_id}", "PATCH", self.replace),
            ("/v2/orders/{order_id}", "DELETE", self.cancel),
        ]

    async def submit(self, request: Request) -> Response:
        return Json(order_json(self.exchange.submit(new_order(await json_body(request)))))

    async def orders(self, request: Request) -> Response:
        query = request.query_params
        nested = flag(request, "nested")
        classes = {name for name in query.get("asset_class", "us_equity").split(",") if name}
        if not classes <= ASSET_CLASSES:
            raise malformed(f"invalid asset_class: {query['asset_class']}")
        by_id = query.get("before_order_id") or query.get("after_order_id")
        if by_id and (query.get("after") or query.get("until")):
            raise malformed("before_order_id and after_order_id cannot be used with after or until")  # wording guessed
        wanted = OrderQuery(
            status=choice(request, "status", ("open", "closed", "all"), "open"),
            symbols=frozenset(name for name in query.get("symbols", "").split(",") if name),
            side=query.get("side") and choice(request, "side", ("buy", "sell"), "buy"),
            after=parse_instant(query["after"], "after") if query.get("after") else None,
            until=parse_instant(query["until"], "until") if query.get("until") else None,
            before_order_id=query.get("before_order_id"),
            after_order_id=query.get("after_order_id"),
            ascending=choice(request, "direction", ("asc", "desc"), "desc") == "asc",
            nested=nested,
            limit=whole_number(request, "limit", 50, MAX_ORDERS),
        )
        found = self.exchange.find(wanted) if classes & {"us_equity", "all"} else []
        return Json([order_json(order, nested=nested) for order in found])

    async def order(self, request: Request) -> Response:
        flag(request, "nested")
        return Json(order_json(self.exchange.order(request.path_params["order_id"])))

    async def order_by_client_id(self, request: Request) -> Response:
        return Json(order_json(self.exchange.order_by_client_id(request.query_params.get("client_order_id", ""))))

    async def replace(self, request: Request) -> Response:
        given = read_fields(await json_body(request), REPLACE_FIELDS)
        given.pop("advanced_instructions", None)
        if given.pop("notional", None) is not None:
            raise unprocessable("notional cannot be replaced")  # wording guessed
        order: Order = self.exchange.replace(request.path_params["order_id"], **given)
        return Json(order_json(order))

    async def cancel(self, request: Request) -> Response:
        self.exchange.cancel(request.path_params["order_id"])
        return Response(status_code=204)

    async def cancel_all(self, _: Request) -> Response:
        return Json(cancel_everything(self.state), 207)
