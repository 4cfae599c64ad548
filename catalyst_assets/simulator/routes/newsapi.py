"""NewsAPI over the tape's articles: ``/newsapi/v2``.

Belongs here: NewsAPI's routes, query language, plan limits and error bodies. Does not belong here: which article it serves
when (the tape).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from catalyst_assets.simulator.routes.limits import Standing
from catalyst_assets.simulator.routes.wire import Json
from catalyst_assets.simulator.state import Simulation, Texts, visible_articles
from catalyst_assets.simulator.tape import WireArticle
from catalyst_assets.simulator.worlds.pricepath import instant, micros


class NewsApiRoutes:
    """``/newsapi/v2``, developer plan: a day late, 100 results, 100 requests a day."""

    PREFIX = "/newsapi/v2"
    SORTS = ("publishedAt", "relevancy", "popularity")

    def __init__(self, state: Simulation) -> None:
        self.state = state

    def routes(self) -> list[Route]:
        """All routes."""

        def route(path: str, handler: Any) -> Route:
            guarded = self.state.route("newsapi", handler, limited=self._limited, refuse=self._refuse)
            return Route(self.PREFIX + path, guarded, methods=["GET"])

        return [
            route("/everything", self.everything),
            route("/top-headlines", self.top_headlines),
            route("/sources", self.sources),
            route("/top-headlines/sources", self.sources),
        ]

    @staticmethod
    def _error(status: int, code: str, message: str) -> Response:
        return Json({"status": "error", "code": code, "message": message}, status)

    def _limited(self, _: Standing) -> Response:
        return self._error(
            429,
            "rateLimited",
            "You have made too many requests recently. Developer accounts are limited to 100 requests over a 24 hour "
            "period (50 requests available every 12 hours). Please upgrade to a paid plan if you need more requests.",
        )

    def _refuse(self, request: Request) -> Response | None:
        given = (
            request.headers.get("X-Api-Key")
            or request.headers.get("Authorization", "").removeprefix("Bearer ")
            or request.query_params.get("apiKey", "")
        )
        if not given:
            return self._error(
                401,
                "apiKeyMissing",
                "Your API key is missing. Append this to the URL with the apiKey param, or use the x-api-key HTTP header.",
            )
        if given != self.state.key:
            return self._error(
                401,
                "apiKeyInvalid",
                "Your API key is invalid or incorrect. Check your key, or go to https://newsapi.org to create a free API "
                "key.",
            )
        return None

    async def everything(self, request: Request) -> Response:
        query, now = request.query_params, self.state.exchange.now
        if not any(query.get(name) for name in ("q", "qInTitle", "qintitle", "sources", "domains")):
            return self._error(
                400,
                "parametersMissing",
                "Required parameters are missing, the scope of your search is too broad. Please set any of the following "
                "required parameters and try again: q, qInTitle, sources, domains.",
            )
        if len(query.get("q", "")) > 500:
            return self._error(400, "parameterInvalid", "The q parameter is too long; the maximum is 500 characters.")
        if query.get("sortBy", "publishedAt") not in self.SORTS:
            return self._error(400, "parameterInvalid", "The sortBy parameter is invalid.")
        try:
            first, last = self._time(query.get("from")), self._time(query.get("to"))
        except ValueError:
            return self._error(400, "parameterInvalid", "The from and to parameters must be ISO 8601 dates.")
        oldest = now - self.state.plan.newsapi_history
        if first is not None and first < oldest - timedelta(days=1):
            return self._error(
                426,
                "parameterInvalid",
                "You are trying to request results too far in the past. Your plan permits you to request articles as far "
                f"back as {oldest:%Y-%m-%d}, but you have requested {first:%Y-%m-%d}. You may need to upgrade to a paid "
                "plan.",
            )
        whole, title = matcher(query.get("q", "")), matcher(query.get("qInTitle") or query.get("qintitle") or "")
        sources = {s for s in query.get("sources", "").split(",") if s}
        found = [
            (article, texts)
            for article, texts in visible_articles(self.state, "newsapi", now, self.state.plan.newsapi_delay)
            if whole(f"{texts[0]} {texts[1]}")
            and title(texts[0])
            and (not sources or slug(article.outlet) in sources)
            and (first is None or article.published_at >= first)
            and (last is None or article.published_at <= last)
        ]
        return self._page(request, found, default_size=100)

    async def top_headlines(self, request: Request) -> Response:
        query, now = request.query_params, self.state.exchange.now
        if not any(query.get(name) for name in ("q", "sources", "language", "country", "category")):
            return self._error(
                400,
                "parametersMissing",
                "Required parameters are missing. Please set any of the following parameters and try again: sources, q, "
                "language, country, category.",
            )
        matches = matcher(query.get("q", ""))
        found = [
            (article, texts)
            for article, texts in visible_articles(self.state, "newsapi", now, self.state.plan.newsapi_delay)
            if matches(f"{texts[0]} {texts[1]}") and article.published_at > now - 3 * self.state.plan.newsapi_delay
        ]
        return self._page(request, found, default_size=20)

    async def sources(self, _: Request) -> Response:
        outlets = sorted({article.outlet for _, article in self.state.wire("newsapi")})
        rows = [
            {
                "id": slug(name),
                "name": name,
                "description": "",
                "url": f"https://{slug(name)}.invalid",
                "category": "business",
                "language": "en",
                "country": "us",
            }
            for name in outlets
        ]
        return Json({"status": "ok", "sources": rows})

    @staticmethod
    def _time(text: str | None) -> datetime | None:
        if not text:
            return None
        parsed = datetime.fromisoformat(text)
        return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)

    def _page(self, request: Request, found: list[tuple[WireArticle, Texts]], *, default_size: int) -> Response:
        query = request.query_params
        size, page = query.get("pageSize", str(default_size)), query.get("page", "1")
        if not size.isdigit() or not 1 <= int(size) <= 100 or not page.isdigit() or int(page) < 1:
            return self._error(
                400, "parameterInvalid", "The pageSize must be between 1 and 100 and the page at least 1."
            )
        start, most = (int(page) - 1) * int(size), self.state.plan.newsapi_results
        if start >= most:
            return self._error(
                426,
                "maximumResultsReached",
                "You have requested too many results. Developer accounts are limited to a max of 100 results. You are "
                f"trying to request results {start} to {start + int(size)}. Please upgrade to a paid plan if you need more "
                "results.",
            )
        found.sort(key=lambda item: (item[0].published_at, item[0].article_id), reverse=True)
        rows = [self._item(article, texts) for article, texts in found[start : min(start + int(size), most)]]
        return Json({"status": "ok", "totalResults": len(found), "articles": rows})

    @staticmethod
    def _item(article: WireArticle, texts: Texts) -> dict[str, Any]:
        body = article.body
        return {
            "source": {"id": None, "name": article.outlet},
            "author": article.author or None,
            "title": texts[0],
            "description": texts[1] or None,
            "url": article.url,
            "urlToImage": None,
            "publishedAt": f"{instant(micros(article.published_at)):%Y-%m-%dT%H:%M:%SZ}",
            "content": f"{body[:200]}… [+{len(body) - 200} chars]" if len(body) > 200 else body or None,
        }


def slug(outlet: str) -> str:
    """NewsAPI's id of an outlet."""
    return re.sub(r"[^a-z0-9]+", "-", outlet.lower()).strip("-")


def matcher(query: str) -> Callable[[str], bool]:
    """NewsAPI's query language: ``AND``, ``OR``, ``NOT``, quotes, ``+`` and ``-`` prefixes, parentheses; words side by side are
    AND. Case does not matter; words match whole words. An empty query matches everything."""
    tokens = re.findall(r'[+-]?"[^"]*"|\(|\)|[^\s()]+', query)
    if not tokens:
        return lambda _: True
    position = 0

    def term(token: str) -> Callable[[str], bool]:
        negative = token.startswith("-")
        wanted = re.compile(rf"(?<!\w){re.escape(token.lstrip('+-').strip(chr(34)).lower())}(?!\w)")
        return lambda text: bool(wanted.search(text.lower())) != negative

    def factor() -> Callable[[str], bool]:
        nonlocal position
        token = tokens[position]
        position += 1
        if token == "NOT" and position < len(tokens):
            inner = factor()
            return lambda text: not inner(text)
        if token == "(":
            inner = alternatives()
            if position < len(tokens) and tokens[position] == ")":
                position += 1
            return inner
        return term(token)

    def conjunction() -> Callable[[str], bool]:
        nonlocal position
        parts = [factor()]
        while position < len(tokens) and tokens[position] not in ("OR", ")"):
            if tokens[position] == "AND" and position + 1 < len(tokens):
                position += 1
            parts.append(factor())
        return lambda text: all(part(text) for part in parts)

    def alternatives() -> Callable[[str], bool]:
        nonlocal position
        parts = [conjunction()]
        while position + 1 < len(tokens) and tokens[position] == "OR":
            position += 1
            parts.append(conjunction())
        return lambda text: any(part(text) for part in parts)

    return alternatives()
