"""Alpha Vantage over the tape's articles and daily bars: ``/alphavantage/query``.

Belongs here: Alpha Vantage's functions and its failures with status 200. Does not belong here: which article it serves when
(the tape).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from catalyst_assets.simulator.routes.limits import Standing
from catalyst_assets.simulator.routes.wire import Json
from catalyst_assets.simulator.state import Simulation, Texts, visible_articles
from catalyst_assets.simulator.tape import WireArticle


class AlphaVantageRoutes:
    """``/alphavantage/query``. Every failure is HTTP 200 with another body, as at the vendor."""

    PREMIUM = ("TIME_SERIES_INTRADAY", "REALTIME_BULK_QUOTES", "TIME_SERIES_DAILY_ADJUSTED")
    LEAST, MOST = 50, 1000
    LABELS = ((-0.35, "Bearish"), (-0.15, "Somewhat-Bearish"), (0.15, "Neutral"), (0.35, "Somewhat-Bullish"))
    LIST_SIZE = 20

    def __init__(self, state: Simulation) -> None:
        self.state = state

    def routes(self) -> list[Route]:
        """The one route."""
        guarded = self.state.route("alphavantage", self.query, limited=self._limited, refuse=self._refuse)
        return [Route("/alphavantage/query", guarded, methods=["GET"])]

    def _limited(self, _: Standing) -> Response:
        # The real service repeats the caller's key here; clients must redact it.
        return Json(
            {
                "Information": f"We have detected your API key as {self.state.key} and our standard API rate limit is "
                "25 requests per day. Please subscribe to any of the premium plans at "
                "https://www.alphavantage.co/premium/ to instantly remove all daily rate limits."
            }
        )

    def _refuse(self, request: Request) -> Response | None:
        if request.query_params.get("apikey") == self.state.key:
            return None
        return Json({"Error Message": "the parameter apikey is invalid or missing."})

    async def query(self, request: Request) -> Response:
        function = request.query_params.get("function", "")
        if function == "NEWS_SENTIMENT":
            return self._news(request)
        if function == "TOP_GAINERS_LOSERS":
            return self._movers()
        if function in self.PREMIUM:
            return Json(
                {
                    "Information": "Thank you for using Alpha Vantage! This is a premium endpoint. You may subscribe to "
                    "any of the premium plans at https://www.alphavantage.co/premium/ to instantly unlock all premium "
                    "endpoints"
                }
            )
        return Json(
            {
                "Error Message": "This API function does not exist. Please retry or visit the documentation "
                f"(https://www.alphavantage.co/documentation/) for {function}."
            }
        )

    def _label(self, score: float) -> str:
        for bound, label in self.LABELS:
            if score < bound or (score == bound and bound < 0):
                return label
        return "Bullish"

    def _news(self, request: Request) -> Response:
        query = request.query_params
        tickers = {t for t in query.get("tickers", "").split(",") if t}
        try:
            earliest, latest = (self._time(query.get(name)) for name in ("time_from", "time_to"))
            limit = min(max(int(query.get("limit", self.LEAST)), self.LEAST), self.MOST)
        except ValueError:
            return Json({"Error Message": "Invalid inputs. Please refer to the API documentation."})
        found = [
            (article, texts)
            for article, texts in visible_articles(self.state, "alpha_vantage", self.state.exchange.now)
            if tickers.issubset(article.symbols)
            and (earliest is None or article.published_at >= earliest)
            and (latest is None or article.published_at <= latest)
        ]
        if not found:
            return Json(
                {"Information": "No articles found. Please adjust the time range or refer to the documentation."}
            )
        found.sort(key=lambda item: item[0].published_at, reverse=query.get("sort", "LATEST") != "EARLIEST")
        feed = [self._item(article, texts) for article, texts in found[:limit]]
        return Json(
            {
                "items": str(len(feed)),
                "sentiment_score_definition": "x <= -0.35: Bearish; -0.35 < x <= -0.15: Somewhat-Bearish; -0.15 < x < "
                "0.15: Neutral; 0.15 <= x < 0.35: Somewhat_Bullish; x >= 0.35: Bullish",
                "relevance_score_definition": "0 < x <= 1, with a higher score indicating higher relevance.",
                "feed": feed,
            }
        )

    @staticmethod
    def _time(text: str | None) -> datetime | None:
        return datetime.strptime(text, "%Y%m%dT%H%M").replace(tzinfo=UTC) if text else None

    def _item(self, article: WireArticle, texts: Texts) -> dict[str, Any]:
        score = round(article.sentiment, 6)
        named = [
            {
                "ticker": symbol,
                # The first ticker is what the article is about, the others are mentioned on the way.
                "relevance_score": f"{max(1.0 - 0.25 * position, 0.1):.6f}",
                "ticker_sentiment_score": f"{score:.6f}",
                "ticker_sentiment_label": self._label(score),
            }
            for position, symbol in enumerate(article.symbols)
        ]
        return {
            "title": texts[0],
            "url": article.url,
            "time_published": f"{article.published_at.astimezone(UTC):%Y%m%dT%H%M%S}",
            "authors": [article.author] if article.author else [],
            "summary": texts[1],
            "banner_image": None,
            "source": article.outlet,
            "category_within_source": "General",
            "source_domain": article.outlet,
            "topics": [{"topic": topic, "relevance_score": "0.800000"} for topic in article.topics],
            "overall_sentiment_score": score,
            "overall_sentiment_label": self._label(score),
            "ticker_sentiment": named,
        }

    def _movers(self) -> Response:
        """Yesterday's lists: the free plan updates once a day after the close."""
        view, now = self.state.view, self.state.exchange.now
        hours = view.session_for(now)
        session = hours.session if now >= hours.close else view.calendar.previous(hours.session)
        rows = []
        for symbol, bars in view.daily().items():
            count = bars.before(session)
            if count < 1 or count >= len(bars.sessions) or bars.sessions[count] != session:
                continue
            price, earlier = float(bars.columns["close"][count]), float(bars.columns["close"][count - 1])
            volume = int(bars.columns["volume"][count])
            rows.append(((price / earlier - 1) * 100, price, price - earlier, volume, symbol))

        def listed(key: Callable[[tuple[float, float, float, int, str]], float]) -> list[dict[str, str]]:
            return [
                {
                    "ticker": row[4],
                    "price": f"{row[1]:g}",
                    "change_amount": f"{row[2]:.4f}".rstrip("0").rstrip("."),
                    "change_percentage": f"{row[0]:.4f}%",
                    "volume": str(row[3]),
                }
                for row in sorted(rows, key=lambda row: (key(row), row[4]))[: self.LIST_SIZE]
            ]

        return Json(
            {
                "metadata": "Top gainers, losers, and most actively traded US tickers",
                "last_updated": f"{session.isoformat()} 16:16:00 US/Eastern",
                "top_gainers": listed(lambda row: -row[0]),
                "top_losers": listed(lambda row: row[0]),
                "most_actively_traded": listed(lambda row: -row[3]),
            }
        )
