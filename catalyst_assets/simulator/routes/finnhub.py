"""Finnhub over the tape's articles: ``/finnhub/api/v1``.

Belongs here: Finnhub's routes, authentication and error bodies. Does not belong here: which article it serves when (the tape).
"""

from __future__ import annotations

from datetime import UTC, date
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from catalyst_assets.simulator.routes.limits import Standing
from catalyst_assets.simulator.routes.wire import Json
from catalyst_assets.simulator.state import Simulation, Texts, visible_articles
from catalyst_assets.simulator.tape import WireArticle
from catalyst_assets.simulator.worlds.pricepath import micros


class FinnhubRoutes:
    """``/finnhub/api/v1``. Paths with a doubled slash are accepted (the official client makes them)."""

    PREFIX = "/finnhub/api/v1"
    LATEST = 100
    PREMIUM = ("/stock/candle", "/news-sentiment", "/press-releases", "/stock/social-sentiment")

    def __init__(self, state: Simulation) -> None:
        self.state = state

    def routes(self) -> list[Route]:
        """All routes."""

        def route(path: str, handler: Any) -> Route:
            guarded = self.state.route(
                "finnhub", handler, limited=self._limited, refuse=self._refuse, headers="X-Ratelimit"
            )
            return Route(self.PREFIX + path, guarded, methods=["GET"])

        return [
            route("/company-news", self.company_news),
            route("/news", self.general_news),
            route("/quote", self.quote),
            route("/stock/market-status", self.market_status),
            route("/stock/market-holiday", self.market_holiday),
            *(route(path, self.premium) for path in self.PREMIUM),
        ]

    @staticmethod
    def _limited(_: Standing) -> Response:
        return Json({"error": "API limit reached. Please try again later. Remaining Limit: 0"}, 429)

    def _refuse(self, request: Request) -> Response | None:
        token = request.query_params.get("token") or request.headers.get("X-Finnhub-Token") or ""
        if not token:
            return Json({"error": "API limit reached. Please sign up for a free account."}, 429)
        return None if token == self.state.key else Json({"error": "Invalid API key"}, 401)

    async def premium(self, _: Request) -> Response:
        return Json({"error": "You don't have access to this resource."}, 403)

    def _item(self, article: WireArticle, texts: Texts, category: str, related: str) -> dict[str, Any]:
        return {
            "category": category,
            "datetime": int(article.published_at.timestamp()),
            "headline": texts[0],
            "id": article.article_id,
            "image": "",
            "related": related,
            "source": article.outlet,
            "summary": texts[1],
            "url": article.url,
        }

    async def company_news(self, request: Request) -> Response:
        query = request.query_params
        try:
            first, last = date.fromisoformat(query.get("from", "")), date.fromisoformat(query.get("to", ""))
        except ValueError:
            return Json({"error": "Wrong API parameters: from and to are required as YYYY-MM-DD."}, 422)
        symbol = query.get("symbol", "")
        found = [
            self._item(article, texts, "company", symbol)
            for article, texts in visible_articles(self.state, "finnhub", self.state.exchange.now)
            if symbol in article.symbols and first <= article.published_at.astimezone(UTC).date() <= last
        ]
        found.sort(key=lambda item: (-item["datetime"], -item["id"]))
        return Json(found)

    async def general_news(self, request: Request) -> Response:
        least = int(request.query_params.get("minId") or 0)
        if request.query_params.get("category", "general") != "general":
            return Json([])
        found = [
            self._item(article, texts, "top news", "")
            for article, texts in visible_articles(self.state, "finnhub", self.state.exchange.now)
            if article.article_id > least
        ]
        found.sort(key=lambda item: (-item["datetime"], -item["id"]))
        return Json(found[: self.LATEST])

    async def quote(self, request: Request) -> Response:
        view, now = self.state.view, self.state.exchange.now
        symbol = request.query_params.get("symbol", "")
        hours = view.session_for(now)
        price, previous = view.last_price(symbol, now), view.previous_close(symbol, hours.session)
        if price is None or previous is None:
            return Json({"c": 0, "d": None, "dp": None, "h": 0, "l": 0, "o": 0, "pc": 0, "t": 0})
        today = view.session_totals(symbol, hours, micros(now), regular=True)
        return Json(
            {
                "c": round(price, 4),
                "d": round(price - previous, 4),
                "dp": round((price / previous - 1) * 100, 4),
                "h": round(today.high if today else price, 4),
                "l": round(today.low if today else price, 4),
                "o": round(today.open if today else price, 4),
                "pc": round(previous, 4),
                "t": int(now.timestamp()),
            }
        )

    async def market_status(self, _: Request) -> Response:
        view, now = self.state.view, self.state.exchange.now
        hours = view.trading_session(now)
        session = None
        if hours:
            session = "pre-market" if now < hours.open else "regular" if now < hours.close else "post-market"
        return Json(
            {
                "exchange": "US",
                "holiday": None,
                "isOpen": session == "regular",
                "session": session,
                "t": int(now.timestamp()),
                "timezone": "America/New_York",
            }
        )

    async def market_holiday(self, _: Request) -> Response:
        year = self.state.exchange.now.year
        days = self.state.view.calendar.holidays(date(year, 1, 1), date(year, 12, 31))
        rows = [{"eventName": "Holiday", "atDate": day.isoformat(), "tradingHour": ""} for day in days]
        return Json({"data": rows, "exchange": "US", "timezone": "America/New_York"})
