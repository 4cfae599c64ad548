"""Alpha Vantage's news with sentiment, and its list of movers, through the ``alpha_vantage`` package.

Belongs here: the one reading of an Alpha Vantage article and of a mover, and its errors, which all come as HTTP 200. Does not
belong here: its intraday prices (a paid endpoint).

The package's ``AlphaIntelligence`` builds the call but turns the answer into a frame and loses most of it. Its methods are two
decorators; the inner one (``__wrapped__``) builds the official address and hands it to ``_handle_api_call``, which is
overridden here to use our session and to keep the JSON untouched.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import pandas as pd
from alpha_vantage.alphaintelligence import AlphaIntelligence
from alpha_vantage.alphavantage import AlphaVantage

from catalyst_assets.ports import MarketDataUnavailable, RawArticle, TickerSentiment
from catalyst_assets.vendors import fields
from catalyst_assets.vendors.budgets import Budget
from catalyst_assets.vendors.frames import active_frame
from catalyst_assets.vendors.news_source import VendorNewsSource
from catalyst_assets.vendors.transport import Redactor, VendorAnswerError, VendorSession, sentence

PROVIDER = "alpha_vantage"
LIMIT = 1000
"""Articles per answer at most; there are no pages."""
TIME_FORMAT = "%Y%m%dT%H%M"
NO_ARTICLES = "no articles found"


def items_of(body: Any) -> list[Any]:
    """The ``feed`` of a NEWS_SENTIMENT answer. Raises :class:`VendorAnswerError` with the vendor's words (key included)."""
    body = checked(body, empty_is_error=False)
    if not body:
        return []
    feed = body.get("feed")
    if not isinstance(feed, list):
        raise VendorAnswerError("the answer has no feed")
    return feed


def checked(body: Any, *, empty_is_error: bool = True) -> dict[str, Any]:
    """``body`` when it is not an error in disguise. ``{}`` and "no articles found" mean nothing was found."""
    if not isinstance(body, dict):
        raise VendorAnswerError("the answer is not an object")
    for name in ("Error Message", "Information", "Note"):
        if name in body:
            if not empty_is_error and NO_ARTICLES in str(body[name]).casefold():
                return {}
            raise VendorAnswerError(f"Alpha Vantage says: {body[name]}")
    if not body and empty_is_error:
        raise VendorAnswerError("the answer is empty")
    if "message" in body:
        raise VendorAnswerError(f"Alpha Vantage says: {body['message']}")
    return body


def parse_article(item: Mapping[str, Any], now: datetime, tolerance: timedelta) -> RawArticle:
    """An item of the ``feed``. ``time_published`` has no zone and is UTC; scores are numbers or texts.

    Raises :class:`fields.Unreadable`."""
    published = fields.not_in_the_future(
        fields.instant(item.get("time_published"), "time_published", assume_utc=True), now, tolerance, "time_published"
    )
    rows = item.get("ticker_sentiment")
    by_ticker: dict[str, TickerSentiment] = {}
    for row in rows if isinstance(rows, list) else ():
        for symbol in fields.tickers([row.get("ticker")]) if isinstance(row, dict) else ():
            by_ticker[symbol] = TickerSentiment(
                relevance=fields.bounded(row.get("relevance_score"), 0, 1),
                score=fields.bounded(row.get("ticker_sentiment_score"), -1, 1),
            )
    url = fields.text(item.get("url")) or None
    return RawArticle(
        provider=PROVIDER,
        vendor_id=url,
        headline=fields.headline(item.get("title"), "title"),
        summary=fields.text(item.get("summary")),
        source=fields.text(item.get("source")) or "unknown",
        url=url,
        published_at=published,
        provider_updated_at=None,
        tickers=tuple(by_ticker),
        sentiment=fields.bounded(item.get("overall_sentiment_score"), -1, 1),
        ticker_sentiment=by_ticker,
        payload=item,
    )


def parse_movers(body: Any) -> pd.DataFrame:
    """A TOP_GAINERS_LOSERS answer as :data:`ports.ACTIVE_COLUMNS`, most actively traded first, each symbol once.

    Warrants and units are in these lists; the universe filter takes them out. Raises :class:`VendorAnswerError`."""
    body = checked(body)
    rows: dict[str, dict[str, Any]] = {}
    for origin in ("most_actively_traded", "top_gainers", "top_losers"):
        listed = body.get(origin)
        if not isinstance(listed, list):
            raise VendorAnswerError(f"the answer has no list {origin}")
        for item in listed:
            for symbol in fields.tickers([item.get("ticker")]) if isinstance(item, dict) else ():
                rows.setdefault(
                    symbol,
                    {
                        "symbol": symbol,
                        "price": fields.number(item.get("price")),
                        "volume": fields.number(item.get("volume")),
                        "change_pct": fields.number(item.get("change_percentage")),
                        "origin": f"alpha_vantage_{origin}",
                    },
                )
    return active_frame(list(rows.values()))


class AlphaVantageClient(AlphaIntelligence):
    """The package's client on our session: our timeouts, our base address, the JSON untouched."""

    def __init__(self, key: str, url: str, session: VendorSession) -> None:
        super().__init__(key=key, output_format="json")
        self._session = session
        self._url = url

    def _handle_api_call(self, url: str) -> Any:
        if self._url:
            url = self._url + "?" + url.removeprefix(AlphaVantage._ALPHA_VANTAGE_API_URL)
        response = self._session.get(url)
        if response.status_code != 200:
            raise VendorAnswerError(f"HTTP {response.status_code}")
        return response.json()

    def news(self, time_from: str, time_to: str) -> Any:
        """The whole NEWS_SENTIMENT answer, latest first."""
        call = AlphaIntelligence.get_news_sentiment.__wrapped__
        return call(self, time_from=time_from, time_to=time_to, sort="LATEST", limit=LIMIT)[0]

    def movers(self) -> Any:
        """The whole TOP_GAINERS_LOSERS answer (one call; the package's three methods would cost three)."""
        return AlphaIntelligence.get_most_active.__wrapped__(self)[0]


class AlphaVantageNews(VendorNewsSource):
    """One call for everything published in the window, spread evenly over the session (25 a day on the free plan).

    ``symbols`` is not used: several tickers in one call mean articles that name ALL of them. Between two turns ``fetch``
    answers at once with a budget error and no articles; each call looks back over the time since the turn before last."""

    name = PROVIDER
    bucket = "alpha_vantage"

    def __init__(self, client: AlphaVantageClient, session: VendorSession, *, pause: timedelta, **common: Any) -> None:
        super().__init__(session, **common)
        self._client = client
        self._pause = pause

    def parse(self, item: Any, now: datetime, tolerance: timedelta) -> RawArticle:
        return parse_article(item, now, tolerance)

    def widened(self, since: datetime, until: datetime, symbols: Sequence[str]) -> datetime:
        return min(super().widened(since, until, symbols), until - 2 * self._pause - self._manners.delay)

    def _pages(self, since: datetime, until: datetime, symbols: Sequence[str]) -> Iterator[Sequence[Any]]:
        self._spend()
        up = until + timedelta(
            minutes=1
        )  # the parameter has whole minutes; later articles are dropped by their own time
        items = items_of(self._client.news(since.strftime(TIME_FORMAT), up.strftime(TIME_FORMAT)))
        self._truncated = len(items) >= LIMIT
        yield items


class AlphaVantageMovers:
    """The most active list as a last fallback; :meth:`most_active` like :class:`ports.MarketData`'s.

    On the free plan it is made once a day after the close, so it says what was active yesterday."""

    name = PROVIDER

    def __init__(self, client: AlphaVantageClient, budget: Budget, redact: Redactor) -> None:
        self._client = client
        self._budget = budget
        self._redact = redact

    def most_active(self, top: int) -> pd.DataFrame:
        """See :class:`ports.MarketData`. Raises :class:`ports.MarketDataUnavailable`."""
        if not self._budget.acquire("alpha_vantage_lists"):
            raise MarketDataUnavailable("Alpha Vantage: today's calls for the list of movers are spent")
        try:
            return parse_movers(self._client.movers()).head(top)
        except (OSError, ValueError) as error:
            raise MarketDataUnavailable(f"Alpha Vantage movers: {sentence(error, self._redact)}") from None
