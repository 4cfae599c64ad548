"""Alpaca's trading interface over the exchange: ``/alpaca/trading/v2``.

Belongs here: Alpaca's routes, parameters, status codes and bodies. Does not belong here: what an order may do (``admission``,
``exchange``) and how values are written (``wire``).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from catalyst_assets.simulator.routes.limits import Standing
from catalyst_assets.simulator.routes.wire import (
    NEW_YORK,
    Json,
    account_json,
    activity_json,
    asset_id,
    asset_json,
    eastern,
    order_json,
    position_json,
)
from catalyst_assets.simulator.state import Simulation
from catalyst_assets.simulator.venue.admission import malformed, unprocessable
from catalyst_assets.simulator.venue.broker import broker_clock
from catalyst_assets.simulator.venue.ledger import Activity, Position
from catalyst_assets.simulator.venue.orders import ExchangeRefusal, NewOrder, Order

PREFIX = "/alpaca/trading/v2"
NOT_FOUND = 40410000
MAX_ORDERS, MAX_ACTIVITIES = 500, 100


def rate_limited(_: Standing) -> Response:
    """Alpaca's 429."""
    return Json({"code": 42910000, "message": "rate limit exceeded"}, 429)


def credentials_checker(state: Simulation, message: str) -> Any:
    """A function that answers 401 when the two key headers are missing or wrong."""

    def refuse(request: Request) -> Response | None:
        given = (request.headers.get("APCA-API-KEY-ID"), request.headers.get("APCA-API-SECRET-KEY"))
        return None if given == (state.key, state.secret) else Json({"message": message}, 401)

    return refuse


def parse_instant(text: str, name: str) -> datetime:
    """An RFC 3339 instant or a date (midnight New York), as UTC. A naive instant is UTC. Raises a 422 refusal."""
    try:
        if len(text) == 10:
            day = date.fromisoformat(text)
            return datetime(day.year, day.month, day.day, tzinfo=NEW_YORK).astimezone(UTC)
        parsed = datetime.fromisoformat(text.replace(" ", "+"))
    except ValueError as error:
        raise malformed(f"invalid {name}: {text}") from error
    return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)


def is_true(value: str | None) -> bool:
    """Query booleans arrive as ``True`` or ``true``."""
    return (value or "").lower() == "true"


def whole_number(request: Request, name: str, default: int, highest: int) -> int:
    """A positive integer query parameter, capped. Raises a 422 refusal."""
    text = request.query_params.get(name)
    if text is None:
        return default
    if not text.isdigit() or int(text) < 1:
        raise malformed(f"invalid {name}: {text}")
    return min(int(text), highest)


class TradingRoutes:
    """Handlers of the trading interface."""

    def __init__(self, state: Simulation) -> None:
        self.state = state
        self.exchange = state.exchange

    def routes(self) -> list[Route]:
        """All routes, guarded by authentication, faults and the rate limit."""
        refuse = credentials_checker(self.state, "unauthorized.")

        def route(path: str, method: str, handler: Any) -> Route:
            guarded = self.state.route("alpaca", handler, limited=rate_limited, refuse=refuse, headers="X-RateLimit")
            return Route(PREFIX + path, guarded, methods=[method])

        return [
            route("/account", "GET", self.account),
            route("/account/configurations", "GET", self.configurations),
            route("/account/activities", "GET", self.activities),
            route("/account/activities/{kind}", "GET", self.activities),
            route("/orders:by_client_order_id", "GET", self.order_by_client_id),
            route("/orders", "POST", self.submit),
            route("/orders", "GET", self.orders),
            route("/orders", "DELETE", self.cancel_all),
            route("/orders/{order_id}", "GET", self.order),
            route("/orders/{order_id}", "PATCH", self.replace),
            route("/orders/{order_id}", "DELETE", self.cancel),
            route("/positions", "GET", self.positions),
            route("/positions", "DELETE", self.close_all),
            route("/positions/{symbol}", "GET", self.position),
            route("/positions/{symbol}", "DELETE", self.close),
            route("/clock", "GET", self.clock),
            route("/calendar", "GET", self.calendar),
            route("/assets", "GET", self.assets),
            route("/assets/{symbol}", "GET", self.asset),
        ]

    # -------------------------------------------------------------------------------------------------------- account

    async def account(self, _: Request) -> Response:
        view, now = self.state.view, self.exchange.now
        asof = view.calendar.previous(view.session_for(now).session)
        return Json(account_json(self.exchange.account_id, self.exchange.account(), self.exchange.created_at, asof))

    async def configurations(self, _: Request) -> Response:
        return Json(
            {
                "trade_confirm_email": "all",
                "suspend_trade": False,
                "no_shorting": not self.exchange.config.shorting,
                "fractional_trading": False,
                "max_margin_multiplier": str(self.exchange.config.multiplier),
                "max_options_trading_level": 3,
                "ptp_no_exception_entry": False,
                "disable_overnight_trading": True,
            }
        )

    async def activities(self, request: Request) -> Response:
        query = request.query_params
        kinds = request.path_params.get("kind") or query.get("activity_types") or ""
        wanted = {kind for kind in kinds.upper().split(",") if kind}
        found = [a for a in self.exchange.activities() if not wanted or a.kind in wanted]
        if query.get("after"):
            after = parse_instant(query["after"], "after")
            found = [a for a in found if a.at > after]
        if query.get("until"):
            until = parse_instant(query["until"], "until")
            found = [a for a in found if a.at < until]
        if query.get("date"):
            found = [a for a in found if a.at.astimezone(NEW_YORK).date().isoformat() == query["date"][:10]]
        if query.get("order_id"):
            found = [a for a in found if a.order_id == query["order_id"]]
        if query.get("direction", "desc") != "asc":
            found.reverse()
        found = _after_token(found, query.get("page_token"))
        size = whole_number(request, "page_size", MAX_ACTIVITIES, MAX_ACTIVITIES)
        return Json([activity_json(a, self.exchange.account_id) for a in found[:size]])

    # --------------------------------------------------------------------------------------------------------- orders

    async def submit(self, request: Request) -> Response:
        body = await _body(request)
        return Json(order_json(self.exchange.submit(_new_order(body))))

    async def orders(self, request: Request) -> Response:
        query = request.query_params
        nested = is_true(query.get("nested"))
        status = query.get("status", "open")
        roots = self.exchange.orders()
        found = roots if nested else [member for root in roots for member in (root, *root.legs)]

        def alive(order: Order) -> bool:
            return order.is_open or (nested and any(leg.is_open for leg in order.legs))

        if status == "open":
            found = [order for order in found if alive(order)]
        elif status == "closed":
            found = [order for order in found if not alive(order)]
        elif status != "all":
            raise malformed(f"invalid status: {status}")
        if query.get("symbols"):
            symbols = set(query["symbols"].split(","))
            found = [order for order in found if order.symbol in symbols]
        if query.get("side"):
            found = [order for order in found if order.side == query["side"]]
        if query.get("after"):
            after = parse_instant(query["after"], "after")
            found = [order for order in found if order.submitted_at > after]
        if query.get("until"):
            until = parse_instant(query["until"], "until")
            found = [order for order in found if order.submitted_at < until]
        if query.get("direction", "desc") != "asc":
            found.reverse()
        limit = whole_number(request, "limit", 50, MAX_ORDERS)
        return Json([order_json(order, nested=nested) for order in found[:limit]])

    async def order(self, request: Request) -> Response:
        order = self.exchange.order(request.path_params["order_id"])
        return Json(order_json(order, nested=is_true(request.query_params.get("nested")) or bool(order.legs)))

    async def order_by_client_id(self, request: Request) -> Response:
        return Json(order_json(self.exchange.order_by_client_id(request.query_params.get("client_order_id", ""))))

    async def replace(self, request: Request) -> Response:
        body = await _body(request)
        qty = _number(body, "qty")
        if qty is not None and qty % 1 != 0:
            raise unprocessable("fractional quantities cannot be changed")
        order = self.exchange.replace(
            request.path_params["order_id"],
            qty=None if qty is None else int(qty),
            limit_price=_number(body, "limit_price"),
            stop_price=_number(body, "stop_price"),
            time_in_force=body.get("time_in_force"),
            client_order_id=body.get("client_order_id"),
        )
        return Json(order_json(order))

    async def cancel(self, request: Request) -> Response:
        self.exchange.cancel(request.path_params["order_id"])
        return Response(status_code=204)

    async def cancel_all(self, _: Request) -> Response:
        return Json(self._cancel_all(), 207)

    def _cancel_all(self) -> list[dict[str, Any]]:
        answers: list[dict[str, Any]] = []
        for root in self.exchange.open_orders():
            for member in (root, *root.legs):
                try:
                    self.exchange.cancel(member.order_id)
                except ExchangeRefusal as error:
                    if member.is_open and self.exchange.order(member.order_id).is_open:
                        answers.append({"id": member.order_id, "status": error.http_status, "body": error.body()})
                        continue
                if member.is_open:
                    answers.append({"id": member.order_id, "status": 200})
        return answers

    # ------------------------------------------------------------------------------------------------------ positions

    def _position_json(self, position: Position) -> dict[str, Any]:
        view = self.state.view
        close = view.previous_close(position.symbol, view.session_for(self.exchange.now).session)
        return position_json(
            position,
            self.exchange.available(position.symbol),
            self.exchange.price(position.symbol),
            None if close is None else Decimal(str(round(close, 4))),
            str(view.instruments[position.symbol]["exchange"]),
        )

    def _held(self, symbol_or_id: str) -> Position:
        for position in self.exchange.positions():
            if symbol_or_id in (position.symbol, asset_id(position.symbol)):
                return position
        raise ExchangeRefusal(NOT_FOUND, 404, "position does not exist")

    async def positions(self, _: Request) -> Response:
        return Json([self._position_json(position) for position in self.exchange.positions()])

    async def position(self, request: Request) -> Response:
        return Json(self._position_json(self._held(request.path_params["symbol"])))

    async def close(self, request: Request) -> Response:
        position = self._held(request.path_params["symbol"])
        query = request.query_params
        if query.get("percentage"):
            qty = int(abs(position.qty) * _decimal(query["percentage"], "percentage") / 100)
        else:
            qty = int(_decimal(query.get("qty") or str(abs(position.qty)), "qty"))
        return Json(order_json(self._close(position, qty)))

    def _close(self, position: Position, qty: int) -> Order:
        side = "sell" if position.qty > 0 else "buy"
        return self.exchange.submit(NewOrder(position.symbol, side, "market", "day", Decimal(qty)))

    async def close_all(self, request: Request) -> Response:
        if is_true(request.query_params.get("cancel_orders")):
            self._cancel_all()
        answers: list[dict[str, Any]] = []
        for position in self.exchange.positions():
            try:
                body = order_json(self._close(position, abs(position.qty)))
                answers.append({"symbol": position.symbol, "status": 200, "body": body})
            except ExchangeRefusal as error:
                answers.append({"symbol": position.symbol, "status": error.http_status, "body": error.body()})
        return Json(answers, 207)

    # ------------------------------------------------------------------------------------- clock, calendar and assets

    async def clock(self, _: Request) -> Response:
        clock = broker_clock(self.state.view, self.exchange.now)
        return Json(
            {
                "timestamp": eastern(clock.now),
                "is_open": clock.is_open,
                "next_open": eastern(clock.next_open),
                "next_close": eastern(clock.next_close),
            }
        )

    async def calendar(self, request: Request) -> Response:
        view, query = self.state.view, request.query_params
        start = parse_instant(query.get("start", "2000-01-03")[:10], "start").astimezone(NEW_YORK).date()
        end = parse_instant(query.get("end", "2029-12-31")[:10], "end").astimezone(NEW_YORK).date()
        rows = []
        for day in view.calendar.sessions(start, end):
            hours = view.hours(day)
            local = [edge.astimezone(NEW_YORK) for edge in hours[1:]]
            rows.append(
                {
                    "date": day.isoformat(),
                    "open": f"{local[1]:%H:%M}",
                    "close": f"{local[2]:%H:%M}",
                    "session_open": f"{local[0]:%H%M}",
                    "session_close": f"{local[3]:%H%M}",
                    "settlement_date": view.calendar.next(day).isoformat(),
                }
            )
        return Json(rows)

    async def assets(self, request: Request) -> Response:
        query = request.query_params
        rows = [
            asset_json(row)
            for row in self.state.view.instruments.values()
            if query.get("status", row["status"]) == row["status"]
            and query.get("asset_class", "us_equity") == "us_equity"
            and query.get("exchange", row["exchange"]) == row["exchange"]
        ]
        return Json(rows)

    async def asset(self, request: Request) -> Response:
        wanted = request.path_params["symbol"]
        for symbol, row in self.state.view.instruments.items():
            if wanted in (symbol, asset_id(symbol)):
                return Json(asset_json(row))
        raise ExchangeRefusal(NOT_FOUND, 404, f"asset not found for {wanted}")


def _after_token(found: list[Activity], token: str | None) -> list[Activity]:
    if not token:
        return found
    for position, activity in enumerate(found):
        if activity.activity_id == token:
            return found[position + 1 :]
    return []


async def _body(request: Request) -> Mapping[str, Any]:
    """The JSON body; numbers as they were written, so a float's noise is seen. Raises a 422 refusal."""
    raw = await request.body()
    try:
        body = json.loads(raw or b"{}", parse_float=Decimal)
    except ValueError as error:
        raise malformed("request body format is invalid") from error
    if not isinstance(body, dict):
        raise malformed("request body format is invalid")
    return body


def _decimal(value: Any, name: str) -> Decimal:
    try:
        return Decimal(str(value))
    except InvalidOperation as error:
        raise malformed(f"invalid {name}: {value}") from error


def _number(body: Mapping[str, Any], name: str) -> Decimal | None:
    value = body.get(name)
    return None if value is None or value == "" else _decimal(value, name)


def _nested(body: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = body.get(name) or {}
    if not isinstance(value, dict):
        raise malformed(f"invalid {name}")
    return value


def _new_order(body: Mapping[str, Any]) -> NewOrder:
    kind = str(body.get("type") or "")
    if kind == "trailing_stop":
        raise malformed('invalid order type "trailing_stop"')  # not simulated
    if not body.get("time_in_force"):
        raise malformed("time_in_force is required")
    if not body.get("symbol"):
        raise malformed("symbol is required")
    take_profit, stop_loss = _nested(body, "take_profit"), _nested(body, "stop_loss")
    return NewOrder(
        symbol=str(body["symbol"]),
        side=str(body.get("side") or ""),
        type=kind,
        time_in_force=str(body["time_in_force"]),
        qty=_number(body, "qty"),
        notional=_number(body, "notional"),
        limit_price=_number(body, "limit_price"),
        stop_price=_number(body, "stop_price"),
        client_order_id=body.get("client_order_id") or None,
        order_class=str(body.get("order_class") or "simple"),
        take_profit_limit=_number(take_profit, "limit_price"),
        stop_loss_stop=_number(stop_loss, "stop_price"),
        stop_loss_limit=_number(stop_loss, "limit_price"),
        extended_hours=bool(body.get("extended_hours", False)),
        position_intent=body.get("position_intent") or None,
    )
