"""Alpaca's news, screener and corporate actions over the tape: ``/alpaca/data/v1beta1`` and ``/v1``.

Belongs here: these routes, their paging and bodies. Does not belong here: bars and quotes (``alpaca_data``), and which article is
served when (the tape).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from catalyst_assets.simulator.feeds import SIP
from catalyst_assets.simulator.routes.alpaca_data import data_route
from catalyst_assets.simulator.routes.alpaca_query import (
    SORTS,
    bad,
    one_of,
    page_token,
    query_date,
    query_instant,
    query_number,
    read_token,
    truth,
)
from catalyst_assets.simulator.routes.wire import Json, stamp
from catalyst_assets.simulator.state import Simulation
from catalyst_assets.simulator.tape import WireArticle
from catalyst_assets.simulator.worlds.pricepath import micros

PREFIX = "/alpaca/data"
MAX_NEWS, DEFAULT_NEWS = 50, 10
MAX_ACTIONS, DEFAULT_ACTIONS = 1_000, 100
SCREENED_MARKETS = ("stocks", "crypto")
ACTION_TYPES = (
    "reverse_split", "forward_split", "unit_split", "cash_dividend", "stock_dividend", "spin_off", "cash_merger",
    "stock_merger", "stock_and_cash_merger", "redemption", "name_change", "worthless_removal", "rights_distribution",
    "partial_call", "reorganization",
)  # fmt: skip
_NEWS_SYMBOL = re.compile(r"[A-Z0-9./]{1,12}", re.ASCII)


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
            route("/v1beta1/news", self.news),
            route("/v1beta1/screener/stocks/most-actives", self.most_actives),
            route("/v1beta1/screener/{market_type}/movers", self.movers),
            route("/v1/corporate-actions", self.corporate_actions),
        ]

    # ----------------------------------------------------------------------------------------------------------- news

    async def news(self, request: Request) -> Response:
        now = self.now
        start, end = query_instant(request, "start"), query_instant(request, "end")
        limit = query_number(request, "limit", DEFAULT_NEWS, MAX_NEWS)
        symbols = {symbol for symbol in request.query_params.get("symbols", "").split(",") if symbol}
        for symbol in symbols:
            if not _NEWS_SYMBOL.fullmatch(symbol):
                raise bad(f"invalid symbol: {symbol}")
        if start and end and end < start:
            raise bad("end should not be before start")
        descending = one_of(request, "sort", (*SORTS, "ASC", "DESC"), "desc").lower() == "desc"
        content, with_content_only = truth(request, "include_content"), truth(request, "exclude_contentless")
        mark = read_token(request.query_params.get("page_token"), (int, int))
        rows: list[tuple[int, int, WireArticle]] = []
        for visible, article in self.state.wire("alpaca"):
            if visible > now:
                break
            if symbols and not symbols.intersection(article.symbols):
                continue
            updated = article.version_at(now)[2]
            if (start and updated < start) or (end and updated > end):
                continue
            if with_content_only and not article.body:
                continue
            rows.append((micros(updated), article.article_id, article))
        rows.sort(key=lambda row: row[:2], reverse=descending)
        if mark:
            rows = [row for row in rows if (row[:2] < mark if descending else row[:2] > mark)]
        page = rows[:limit]
        following = page_token(*page[-1][:2]) if len(rows) > limit else None
        return Json({"news": [article_json(row[2], now, content) for row in page], "next_page_token": following})

    # ------------------------------------------------------------------------------------------------------- screener

    async def most_actives(self, request: Request) -> Response:
        top = query_number(request, "top", 10, 100)
        by_trades = one_of(request, "by", ("volume", "trades"), "volume") == "trades"
        view, now = self.state.view, self.now
        hours = view.session_for(now)
        start = hours.pre_open if now >= hours.pre_open else view.hours(view.calendar.previous(hours.session)).pre_open
        rows = []
        for chunk in self.state.feed(SIP).bars(list(view.instruments), micros(start), micros(now), micros(now)):
            trades = int(chunk.columns["trade_count"].sum())
            rows.append((int(chunk.columns["volume"].sum()), trades, chunk.symbol))
        rows.sort(key=lambda row: (-row[1] if by_trades else -row[0], row[2]))
        actives = [{"symbol": s, "volume": volume, "trade_count": trades} for volume, trades, s in rows[:top]]
        return Json({"most_actives": actives, "last_updated": stamp(now)})

    async def movers(self, request: Request) -> Response:
        market = request.path_params["market_type"]
        if market not in SCREENED_MARKETS:
            raise bad(f"invalid market type: {market}")
        top = query_number(request, "top", 10, 50)
        rows = []
        for symbol, price, previous in self._changes() if market == "stocks" else ():
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
                "market_type": market,
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

    # ----------------------------------------------------------------------------------------------- corporate actions

    async def corporate_actions(self, request: Request) -> Response:
        """None, ever: a tape's prices are of one share throughout. The parameters are checked as the vendor's are."""
        query_number(request, "limit", DEFAULT_ACTIONS, MAX_ACTIONS)
        one_of(request, "sort", SORTS, "asc")
        one_of(request, "region", ("us", "non_us", "all"), "us")
        one_of(request, "data_quality", ("complete", "all"), "complete")
        start, end = query_date(request, "start"), query_date(request, "end")
        if start and end and end < start:
            raise bad("end should not be before start")
        for kind in request.query_params.get("types", "").split(","):
            if kind and kind not in ACTION_TYPES:
                raise bad(f"invalid type: {kind}")
        if "ids" in request.query_params and {"symbols", "types", "start", "end"} & set(request.query_params):
            raise bad("ids is mutually exclusive with all other filters")
        return Json({"corporate_actions": {}, "next_page_token": None})


def article_json(article: WireArticle, at: datetime, content: bool) -> dict[str, Any]:
    """An article as it reads at ``at``; ``content`` includes the body."""
    headline, summary, updated = article.version_at(at)
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
