"""Alpaca's positions over the exchange: look, close one, close all.

Belongs here: ``/v2/positions``. Does not belong here: orders in general (``alpaca_orders``).
"""

from __future__ import annotations

from decimal import ROUND_DOWN, Decimal
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from catalyst_assets.simulator.routes.alpaca_orders import cancel_everything
from catalyst_assets.simulator.routes.alpaca_requests import NOT_FOUND, decimal, flag
from catalyst_assets.simulator.routes.wire import Json, asset_id, order_json, position_json
from catalyst_assets.simulator.state import Simulation
from catalyst_assets.simulator.venue.admission import malformed
from catalyst_assets.simulator.venue.ledger import Position
from catalyst_assets.simulator.venue.orders import SHARE_STEP, ExchangeRefusal, NewOrder, Order


class PositionRoutes:
    """Handlers of ``/v2/positions``."""

    def __init__(self, state: Simulation) -> None:
        self.state = state
        self.exchange = state.exchange

    def handlers(self) -> list[tuple[str, str, Any]]:
        """Path, method and handler of each operation."""
        return [
            ("/v2/positions", "GET", self.positions),
            ("/v2/positions", "DELETE", self.close_all),
            ("/v2/positions/{symbol}", "GET", self.position),
            ("/v2/positions/{symbol}", "DELETE", self.close),
        ]

    def _json(self, position: Position) -> dict[str, Any]:
        view = self.state.view
        close = view.previous_close(position.symbol, view.session_for(self.exchange.now).session)
        return position_json(
            position,
            self.exchange.available(position.symbol),
            self.exchange.price(position.symbol),
            None if close is None else Decimal(str(round(close, 4))),
            str(view.instruments[position.symbol]["exchange"]),
            signed=self.exchange.config.habits.short_qty_negative,
        )

    def _held(self, symbol_or_id: str) -> Position:
        held = self.exchange.position(symbol_or_id)
        if held is not None:
            return held
        for position in self.exchange.positions():
            if symbol_or_id == asset_id(position.symbol):
                return position
        raise ExchangeRefusal(NOT_FOUND, 404, "position does not exist")

    async def positions(self, _: Request) -> Response:
        return Json([self._json(position) for position in self.exchange.positions()])

    async def position(self, request: Request) -> Response:
        return Json(self._json(self._held(request.path_params["symbol"])))

    async def close(self, request: Request) -> Response:
        query = request.query_params
        shares, percentage = query.get("qty"), query.get("percentage")
        if shares and percentage:
            raise malformed("only one of qty or percentage is accepted")  # wording guessed
        part = decimal(percentage, "percentage") if percentage else Decimal(100)
        if not 0 < part <= 100:
            raise malformed(f"invalid percentage: {percentage}")
        asked = decimal(shares, "qty") if shares else None
        if asked is not None and asked <= 0:
            raise malformed(f"invalid qty: {shares}")
        position = self._held(request.path_params["symbol"])
        qty = abs(position.qty) * part / 100 if asked is None else asked
        return Json(order_json(self._close(position, qty)))

    def _close(self, position: Position, qty: Decimal) -> Order:
        # A percentage of whole shares may leave parts of a share; where those do not trade, it is rounded down to whole ones.
        whole = qty.quantize(SHARE_STEP, rounding=ROUND_DOWN)
        if not self.exchange.trades_in_parts(position.symbol):
            whole = qty.quantize(Decimal(1), rounding=ROUND_DOWN)
        side = "sell" if position.qty > 0 else "buy"
        return self.exchange.submit(NewOrder(position.symbol, side, "market", "day", whole))

    async def close_all(self, request: Request) -> Response:
        if flag(request, "cancel_orders"):
            cancel_everything(self.state)
        answers: list[dict[str, Any]] = []
        for position in self.exchange.positions():
            try:
                body = order_json(self._close(position, abs(position.qty)))
                answers.append({"symbol": position.symbol, "status": 200, "body": body})
            except ExchangeRefusal as error:
                answers.append({"symbol": position.symbol, "status": error.http_status, "body": error.body()})
        return Json(answers, 207)
