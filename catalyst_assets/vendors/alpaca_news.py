"""Alpaca's news (Benzinga) through alpaca-py's ``NewsClient``.

Belongs here: the one reading of an Alpaca article and the paging. Does not belong here: Alpaca's prices (``alpaca_data.py``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from alpaca.common.exceptions import APIError
from alpaca.data.historical.news import NewsClient

from catalyst_assets.ports import RawArticle
from catalyst_assets.vendors import fields
from catalyst_assets.vendors.alpaca_client import connect_client, read_api_error
from catalyst_assets.vendors.news_source import VendorNewsSource
from catalyst_assets.vendors.transport import VendorAnswerError, VendorSession

PROVIDER = "alpaca"
PAGE_SIZE = 50
"""The interface's largest page."""


def parse_article(item: Mapping[str, Any], now: datetime, tolerance: timedelta) -> RawArticle:
    """An item of ``GET /v1beta1/news``. ``created_at`` is the publication, ``updated_at`` the last edit.

    Raises :class:`Unreadable` (missing, unreadable or future times, empty headline)."""
    published = fields.not_in_the_future(
        fields.instant(item.get("created_at"), "created_at"), now, tolerance, "created_at"
    )
    updated = item.get("updated_at")
    symbols = item.get("symbols")
    return RawArticle(
        provider=PROVIDER,
        vendor_id=None if item.get("id") is None else str(item["id"]),
        headline=fields.headline(item.get("headline"), "headline"),
        summary=fields.text(item.get("summary")),
        source=fields.text(item.get("source")) or "unknown",
        url=fields.text(item.get("url")) or None,
        published_at=published,
        provider_updated_at=None if updated in (None, "") else fields.instant(updated, "updated_at"),
        tickers=fields.tickers(symbols if isinstance(symbols, list) else ()),
        sentiment=None,
        ticker_sentiment={},
        payload=item,
    )


class AlpacaNews(VendorNewsSource):
    """News of all symbols, newest edit first, so that a full page budget loses the oldest, not the newest.

    ``NewsClient.get_news`` follows pages without end and loses all of them when one fails, so the pages are asked one by one
    through the client's own ``get``. ``symbols`` is not used: the whole stream is a few pages."""

    name = PROVIDER
    bucket = "alpaca_data"

    def __init__(self, key: str, secret: str, url: str | None, session: VendorSession, **common: Any) -> None:
        super().__init__(session, **common)
        self._client = connect_client(NewsClient(key, secret, raw_data=True, url_override=url or None), session)

    def parse(self, item: Any, now: datetime, tolerance: timedelta) -> RawArticle:
        return parse_article(item, now, tolerance)

    def _pages(self, since: datetime, until: datetime, symbols: Sequence[str]) -> Iterator[Sequence[Any]]:
        asked = {
            "start": since.isoformat(),
            "end": until.isoformat(),
            "sort": "desc",
            "limit": PAGE_SIZE,
            "include_content": "false",
        }
        for _ in range(self._manners.max_pages):
            self._spend()
            body = self._get(asked)
            items = body.get("news") if isinstance(body, dict) else None
            if not isinstance(items, list):
                raise VendorAnswerError("the answer has no list of news")
            yield items
            token = body.get("next_page_token")
            if not token:
                return
            asked["page_token"] = token
        self._truncated = True

    def _get(self, asked: Mapping[str, Any]) -> Any:
        try:
            return self._client.get("/news", dict(asked))
        except APIError as error:
            status, _, message, _ = read_api_error(error)
            raise VendorAnswerError(f"HTTP {status}: {message}") from None
