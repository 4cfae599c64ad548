"""Alpaca's news and screener over the tape: ``/alpaca/data/v1beta1``.

Belongs here: these routes, their paging and bodies. Does not belong here: bars and quotes (``alpaca_data_routes``), and which
article is served when (the tape).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import numpy as np
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from catalyst_assets.simulator.routes.alpaca_data import (
    bad,
    data_route,
    page_token,
    query_instant,
    query_limit,
    read_token,
)
from catalyst_assets.simulator.routes.alpaca_trading import is_true
from catalyst_assets.simulator.routes.wire import Json, stamp
from catalyst_assets.simulator.state import Simulation
from catalyst_assets.simulator.tape import WireArticle
from catalyst_assets.simulator.worlds.pricepath import micros

PREFIX = "/alpaca/data/v1beta1"
MAX_NEWS, DEFAULT_NEWS = 50, 10


class NewsRoutes:
    """Handlers of news and screener."""

    def __init__(self, state: Simulation) -> None:
        self.state = state

    @property
    def now(self) -> datetime:
        """The simulated now."""
        return self.state.exchange.now

    def routes(self) -> list[Route]:
        """All routes, guarded by authentication, faults and the rate limit."""
        route = data_route(self.state, PREFIX)

        return [
            route("/news", self.news),
            route("/screener/stocks/most-actives", self.most_actives),
            route("/screener/stocks/movers", self.movers),
        ]

    # ----------------------------------------------------------------------------------------------------------- news

    async def news(self, request: Request) -> Response:
        query, now = request.query_params, self.now
        start, end = query_instant(request, "start"), query_instant(request, "end")
        limit = query_limit(request, DEFAULT_NEWS, MAX_NEWS)
        symbols = {s for s in query.get("symbols", "").split(",") if s}
        descending = query.get("sort", "desc").lower() != "asc"
        token = read_token(query.get("page_token"))
        rows: list[tuple[int, int, WireArticle]] = []
        for visible, article in self.state.wire("alpaca"):
            if visible > now:
                break
            if symbols and not symbols.intersection(article.symbols):
                continue
            updated = article.version_at(now)[2]
            if (start and updated < start) or (end and updated > end):
                continue
            if is_true(query.get("exclude_contentless")) and not article.body:
                continue
            rows.append((micros(updated), article.article_id, article))
        rows.sort(key=lambda row: row[:2], reverse=descending)
        if token:
            mark = (int(token[0]), int(token[1]))
            rows = [row for row in rows if (row[:2] < mark if descending else row[:2] > mark)]
        page = rows[:limit]
        following = page_token(*page[-1][:2]) if len(rows) > limit else None
        content = is_true(query.get("include_content"))
        return Json({"news": [self._article(row[2], content) for row in page], "next_page_token": following})

    def _article(self, article: WireArticle, content: bool) -> dict[str, Any]:
        headline, summary, updated = article.version_at(self.now)
        return {
            "id": article.article_id,
            "headline": headline,
            "author": article.author,
            "created_at": stamp(article.published_at.replace(microsecond=0)),
            "updated_at": stamp(updated.replace(microsecond=0)),
            "summary": summary,
            "content": article.body if content else "",
            "url": article.url,
            "images": [],
            "symbols": list(article.symbols),
            "source": article.outlet.lower() if article.outlet == "Benzinga" else article.outlet,
        }

    # ------------------------------------------------------------------------------------------------------- screener

    def _top(self, request: Request, default: int, highest: int) -> int:
        text = request.query_params.get("top", str(default))
        if not text.isdigit() or not 1 <= int(text) <= highest:
            raise bad(f"invalid top: must be between 1 and {highest}")
        return int(text)

    async def most_actives(self, request: Request) -> Response:
        top = self._top(request, 10, 100)
        by_trades = request.query_params.get("by", "volume") == "trades"
        view, now = self.state.view, self.now
        hours = view.session_for(now)
        start = hours.pre_open if now >= hours.pre_open else view.hours(view.calendar.previous(hours.session)).pre_open
        rows = []
        for chunk in view.chunks(list(view.instruments), micros(start), micros(now), micros(now)):
            trades = int(np.nansum(chunk.columns["trade_count"]))
            rows.append((int(chunk.columns["volume"].sum()), trades, chunk.symbol))
        rows.sort(key=lambda row: (-row[1] if by_trades else -row[0], row[2]))
        actives = [{"symbol": s, "volume": volume, "trade_count": trades} for volume, trades, s in rows[:top]]
        return Json({"most_actives": actives, "last_updated": stamp(now)})

    async def movers(self, request: Request) -> Response:
        top = self._top(request, 10, 50)
        rows = []
        for symbol, price, previous in self._changes():
            change = price - previous
            rows.append((change / previous * 100, change, price, symbol))
        rows.sort(key=lambda row: (-row[0], row[3]))

        def written(row: tuple[float, float, float, str]) -> dict[str, Any]:
            return {
                "symbol": row[3],
                "percent_change": round(row[0], 2),
                "change": round(row[1], 4),
                "price": round(row[2], 4),
            }

        return Json(
            {
                "gainers": [written(row) for row in rows[:top] if row[0] > 0],
                "losers": [written(row) for row in reversed(rows[-top:]) if row[0] < 0],
                "market_type": "stocks",
                "last_updated": stamp(self.now),
            }
        )

    def _changes(self) -> Iterator[tuple[str, float, float]]:
        """(symbol, price, earlier close): this session against the last; before the open, the last against the one before."""
        view, now = self.state.view, self.now
        hours = view.session_for(now)
        for symbol in view.instruments:
            bars = view.daily().get(symbol)
            count = bars.before(hours.session) if bars else 0
            if bars is None or count < 2:
                continue
            close = bars.columns["close"]
            if now < hours.open:
                yield symbol, float(close[count - 1]), float(close[count - 2])
            else:
                price = view.last_price(symbol, now)
                if price is not None:
                    yield symbol, price, float(close[count - 1])
