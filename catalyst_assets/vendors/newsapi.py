"""NewsAPI.org through newsapi-python.

Belongs here: the one reading of a NewsAPI article and the query. Does not belong here: whether such an article may score
(its plan's delay decides: :attr:`NewsApiNews.live`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from newsapi import NewsApiClient
from newsapi.newsapi_exception import NewsAPIException

from catalyst_assets.ports import RawArticle
from catalyst_assets.vendors import fields
from catalyst_assets.vendors.news_source import VendorNewsSource
from catalyst_assets.vendors.transport import VendorAnswerError, VendorSession

PROVIDER = "newsapi"
OFFICIAL_URL = "https://newsapi.org/v2"
PAGE_SIZE = 100
"""The largest page, and all a developer plan serves of one search."""
QUERY = (
    "stock OR shares OR earnings OR revenue OR guidance OR merger OR acquisition OR FDA OR buyback OR dividend OR offering "
    "OR downgrade OR upgrade OR CEO OR lawsuit OR bankruptcy OR NYSE OR Nasdaq"
)
"""What is searched (the interface demands a search; at most 500 characters): the words our catalyst types are made of."""


def items_of(body: Any) -> list[Any]:
    """The articles of an answer; the status is looked at even on HTTP 200. Raises :class:`VendorAnswerError`."""
    if not isinstance(body, dict):
        raise VendorAnswerError("the answer is not an object")
    if body.get("status") != "ok":
        raise VendorAnswerError(f"NewsAPI says {body.get('code', 'an unknown error')}: {body.get('message', '')}")
    articles = body.get("articles")
    if not isinstance(articles, list):
        raise VendorAnswerError("the answer has no list of articles")
    return articles


def parse_article(item: Mapping[str, Any], now: datetime, tolerance: timedelta) -> RawArticle:
    """An item of ``/v2/everything``; ``publishedAt`` is UTC with up to 7 fractional digits. There are no tickers.

    Raises :class:`fields.Unreadable`, also for removed articles."""
    published = fields.not_in_the_future(
        fields.instant(item.get("publishedAt"), "publishedAt"), now, tolerance, "publishedAt"
    )
    source = item.get("source")
    url = fields.text(item.get("url")) or None
    return RawArticle(
        provider=PROVIDER,
        vendor_id=url,
        headline=fields.headline(item.get("title"), "title"),
        summary=fields.text(item.get("description")),
        source=(fields.text(source.get("name")) if isinstance(source, dict) else "") or "unknown",
        url=url,
        published_at=published,
        provider_updated_at=None,
        tickers=(),
        sentiment=None,
        ticker_sentiment={},
        payload=item,
    )


class NewsApiNews(VendorNewsSource):
    """A search for market words, newest first, spread evenly over the session.

    The free plan serves articles a day late, so the window asked for is moved back by the declared delay, and ``live`` is
    False: collected for research only. ``symbols`` is not used (100 requests a day do not allow one per symbol)."""

    name = PROVIDER
    bucket = "newsapi"

    def __init__(self, key: str, url: str, session: VendorSession, *, pause: timedelta, **common: Any) -> None:
        super().__init__(session, **common)
        self._client = NewsApiClient(api_key=key, session=session)
        self._pause = pause
        if url:
            session.routes[OFFICIAL_URL] = url

    def parse(self, item: Any, now: datetime, tolerance: timedelta) -> RawArticle:
        return parse_article(item, now, tolerance)

    def widened(self, since: datetime, until: datetime, symbols: Sequence[str]) -> datetime:
        return min(super().widened(since, until, symbols), until - self._manners.delay - 2 * self._pause)

    def _pages(self, since: datetime, until: datetime, symbols: Sequence[str]) -> Iterator[Sequence[Any]]:
        pages = self._manners.max_pages
        for page in range(1, pages + 1):
            self._spend()
            body = self._ask(since.astimezone(UTC), until.astimezone(UTC), page)
            items = items_of(body)
            yield items
            total = fields.number(body.get("totalResults")) or 0
            if len(items) < PAGE_SIZE or page * PAGE_SIZE >= total:
                return
        self._truncated = True

    def _ask(self, since: datetime, until: datetime, page: int) -> Any:
        try:
            return self._client.get_everything(
                q=QUERY,
                from_param=since.replace(tzinfo=None, microsecond=0),
                to=until.replace(tzinfo=None, microsecond=0),
                language="en",
                sort_by="publishedAt",
                page_size=PAGE_SIZE,
                page=page,
            )
        except NewsAPIException as error:
            body = error.get_exception()
            return body if isinstance(body, dict) else {"status": "error", "message": "an error without a body"}
