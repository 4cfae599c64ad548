"""What Alpaca answers an account that has no options, and a tape that has no corporate actions.

Belongs here: the operations that exist so that a client finds nothing instead of a 404 page. Does not belong here: anything that
would trade options; crypto wallets, locates and tokenization are not served at all.
"""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from catalyst_assets.simulator.routes.alpaca_requests import NOT_FOUND, choice, parse_day
from catalyst_assets.simulator.routes.wire import Json
from catalyst_assets.simulator.venue.admission import forbidden, malformed
from catalyst_assets.simulator.venue.orders import ExchangeRefusal

ACTION_TYPES = ("dividend", "merger", "spinoff", "split")


class AbsentRoutes:
    """Handlers of options and corporate actions: empty lists, and refusals for a single one."""

    def handlers(self) -> list[tuple[str, str, Any]]:
        """Path, method and handler of each operation."""
        return [
            ("/v2/options/contracts", "GET", self.contracts),
            ("/v2/options/contracts/{symbol}", "GET", self.contract),
            ("/v2/positions/{symbol}/exercise", "POST", self.exercise),
            ("/v2/positions/{symbol}/do-not-exercise", "POST", self.exercise),
            ("/v2/corporate_actions/announcements", "GET", self.announcements),
            ("/v2/corporate_actions/announcements/{announcement_id}", "GET", self.announcement),
        ]

    async def contracts(self, request: Request) -> Response:
        choice(request, "type", ("call", "put"), "")
        choice(request, "style", ("american", "european"), "")
        return Json({"option_contracts": [], "next_page_token": None})

    async def contract(self, request: Request) -> Response:
        raise ExchangeRefusal(NOT_FOUND, 404, f"option contract not found for {request.path_params['symbol']}")

    async def exercise(self, request: Request) -> Response:
        raise forbidden("no available position for contract", symbol=request.path_params["symbol"])  # wording guessed

    async def announcements(self, request: Request) -> Response:
        query = request.query_params
        kinds = [kind for kind in query.get("ca_types", "").lower().split(",") if kind]
        if not kinds or not set(kinds) <= set(ACTION_TYPES):
            raise malformed(f"invalid ca_types: {query.get('ca_types', '')}")  # wording guessed
        for name in ("since", "until"):
            if not query.get(name):
                raise malformed(f"{name} is required")  # wording guessed
            parse_day(query[name], name)
        return Json([])

    async def announcement(self, request: Request) -> Response:
        raise ExchangeRefusal(NOT_FOUND, 404, "announcement not found")
