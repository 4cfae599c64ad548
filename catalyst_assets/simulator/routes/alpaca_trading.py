"""Alpaca's trading interface over the exchange: ``/alpaca/trading/v2`` and ``/v3``, put together from its subjects.

Belongs here: the list of all its routes and what guards them. Does not belong here: any handler (``alpaca_orders``,
``alpaca_positions``, ``alpaca_account``, ``alpaca_assets``, ``alpaca_watchlists``, ``alpaca_absent``).
"""

from __future__ import annotations

from typing import Any

from starlette.routing import Route

from catalyst_assets.simulator.routes.alpaca_absent import AbsentRoutes
from catalyst_assets.simulator.routes.alpaca_account import AccountRoutes
from catalyst_assets.simulator.routes.alpaca_assets import AssetRoutes
from catalyst_assets.simulator.routes.alpaca_orders import OrderRoutes
from catalyst_assets.simulator.routes.alpaca_positions import PositionRoutes
from catalyst_assets.simulator.routes.alpaca_requests import credentials_checker, is_true, parse_instant, rate_limited
from catalyst_assets.simulator.routes.alpaca_watchlists import WatchlistRoutes
from catalyst_assets.simulator.state import Simulation

__all__ = ["PREFIX", "TradingRoutes", "credentials_checker", "is_true", "parse_instant", "rate_limited"]

PREFIX = "/alpaca/trading"


class TradingRoutes:
    """Every operation of the trading interface that is served."""

    def __init__(self, state: Simulation) -> None:
        self.state = state
        assets = AssetRoutes(state)
        self.subjects = (
            AccountRoutes(state),
            OrderRoutes(state),
            AbsentRoutes(),
            PositionRoutes(state),
            assets,
            WatchlistRoutes(state, assets),
        )

    def handlers(self) -> list[tuple[str, str, Any]]:
        """Path below the prefix, method and handler of each operation."""
        return [operation for subject in self.subjects for operation in subject.handlers()]

    def routes(self) -> list[Route]:
        """All routes, guarded by authentication, faults and the rate limit."""
        refuse = credentials_checker(self.state, "unauthorized.")

        def route(path: str, method: str, handler: Any) -> Route:
            guarded = self.state.route("alpaca", handler, limited=rate_limited, refuse=refuse, headers="X-RateLimit")
            return Route(PREFIX + path, guarded, methods=[method])

        return [route(*operation) for operation in self.handlers()]
