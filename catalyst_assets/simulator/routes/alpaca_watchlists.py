"""Alpaca's watchlists: named lists of assets, by id and by name.

Belongs here: ``/v2/watchlists``. Does not belong here: assets themselves (``alpaca_assets``). Wordings of refusals are guessed:
none of them has been observed.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from catalyst_assets.simulator.routes.alpaca_assets import AssetRoutes
from catalyst_assets.simulator.routes.alpaca_requests import NOT_FOUND, TEXT, TEXTS, Reader, json_body, read_fields
from catalyst_assets.simulator.routes.wire import Json, stamp
from catalyst_assets.simulator.state import Simulation
from catalyst_assets.simulator.venue.admission import malformed, unprocessable
from catalyst_assets.simulator.venue.orders import ExchangeRefusal

FIELDS: Mapping[str, Reader] = {"name": TEXT, "symbols": TEXTS}
MAX_NAME = 64
_NAMESPACE = uuid.UUID("c7a1c9c2-52b7-5a0e-a0ce-5f6f0d2a8b11")


@dataclass(slots=True)
class Watchlist:
    """A named list of symbols in the customer's order."""

    watchlist_id: str
    name: str
    symbols: list[str]
    created_at: datetime
    updated_at: datetime


class WatchlistRoutes:
    """Handlers of ``/v2/watchlists``; the lists live as long as the server."""

    def __init__(self, state: Simulation, assets: AssetRoutes) -> None:
        self.state = state
        self.assets = assets
        self._lists: dict[str, Watchlist] = {}
        self._made = 0

    def handlers(self) -> list[tuple[str, str, Any]]:
        """Path, method and handler of each operation."""
        by_id, by_name = "/v2/watchlists/{watchlist_id}", "/v2/watchlists:by_name"
        return [
            ("/v2/watchlists", "GET", self.all),
            ("/v2/watchlists", "POST", self.create),
            *((path, "GET", self.one) for path in (by_id, by_name)),
            *((path, "PUT", self.update) for path in (by_id, by_name)),
            *((path, "POST", self.add) for path in (by_id, by_name)),
            *((path, "DELETE", self.delete) for path in (by_id, by_name)),
            (by_id + "/{symbol:path}", "DELETE", self.remove),
        ]

    def _summary(self, made: Watchlist) -> dict[str, Any]:
        return {
            "id": made.watchlist_id,
            "account_id": self.state.exchange.account_id,
            "created_at": stamp(made.created_at),
            "updated_at": stamp(made.updated_at),
            "name": made.name,
        }

    def _whole(self, made: Watchlist) -> Response:
        return Json({**self._summary(made), "assets": [self.assets.asset_body(symbol) for symbol in made.symbols]})

    def _chosen(self, request: Request) -> Watchlist:
        wanted = request.path_params.get("watchlist_id")
        name = request.query_params.get("name")
        for made in self._lists.values():
            if made.watchlist_id == wanted or (wanted is None and made.name == name):
                return made
        raise ExchangeRefusal(NOT_FOUND, 404, "watchlist not found")

    def _name(self, name: str, other_than: Watchlist | None = None) -> str:
        if not name.strip() or len(name) > MAX_NAME:
            raise malformed(f"watchlist name must have 1 to {MAX_NAME} characters")
        if any(made.name == name and made is not other_than for made in self._lists.values()):
            raise malformed("watchlist name must be unique")
        return name

    def _symbol(self, symbol_or_id: str) -> str:
        symbol = self.assets.find(symbol_or_id)
        if symbol is None:
            raise unprocessable(f'asset "{symbol_or_id}" not found')
        return symbol

    def _symbols(self, given: list[str]) -> list[str]:
        return list(dict.fromkeys(self._symbol(symbol) for symbol in given))

    async def all(self, _: Request) -> Response:
        return Json([self._summary(made) for made in self._lists.values()])

    async def create(self, request: Request) -> Response:
        given = read_fields(await json_body(request), FIELDS)
        name, symbols = self._name(given.get("name", "")), self._symbols(given.get("symbols", []))
        self._made += 1
        now = self.state.exchange.now
        watchlist_id = str(uuid.uuid5(_NAMESPACE, f"{self.state.exchange.seed}:{self._made}"))
        made = self._lists[watchlist_id] = Watchlist(watchlist_id, name, symbols, now, now)
        return self._whole(made)

    async def one(self, request: Request) -> Response:
        return self._whole(self._chosen(request))

    async def update(self, request: Request) -> Response:
        given = read_fields(await json_body(request), FIELDS)
        if not given:
            raise malformed("name or symbols is required")
        made = self._chosen(request)
        name = self._name(given["name"], made) if "name" in given else made.name
        made.symbols = self._symbols(given["symbols"]) if "symbols" in given else made.symbols
        made.name, made.updated_at = name, self.state.exchange.now
        return self._whole(made)

    async def add(self, request: Request) -> Response:
        given = read_fields(await json_body(request), {"symbol": TEXT})
        if not given.get("symbol"):
            raise malformed("symbol is required")
        made, symbol = self._chosen(request), self._symbol(given["symbol"])
        if symbol not in made.symbols:
            made.symbols.append(symbol)
            made.updated_at = self.state.exchange.now
        return self._whole(made)

    async def remove(self, request: Request) -> Response:
        made, symbol = self._chosen(request), self._symbol(request.path_params["symbol"])
        if symbol in made.symbols:
            made.symbols.remove(symbol)
            made.updated_at = self.state.exchange.now
        return self._whole(made)

    async def delete(self, request: Request) -> Response:
        del self._lists[self._chosen(request).watchlist_id]
        return Response(status_code=204)
