"""Finnhub's general and company news through finnhub-python.

Belongs here: the one reading of a Finnhub article, and which symbols are asked within the budget. Does not belong here:
other Finnhub data (its candles and sentiment are not in the free plan).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from finnhub import Client
from finnhub.exceptions import FinnhubAPIException, FinnhubRequestException

from catalyst_assets.ports import RawArticle
from catalyst_assets.vendors import fields
from catalyst_assets.vendors.news_source import VendorNewsSource
from catalyst_assets.vendors.transport import VendorAnswerError, VendorSession

PROVIDER = "finnhub"
TURN_SECONDS = 300
"""Length of one turn of the rotation, the usual time between two collections."""

SYMBOL_STATUS = frozenset({400, 403, 404, 422})
"""Answers that concern the asked symbol, not the key, the plan's rate or the vendor's health."""


class SymbolRefused(VendorAnswerError):
    """Finnhub does not serve this symbol on this plan."""


def parse_article(item: Mapping[str, Any], now: datetime, tolerance: timedelta) -> RawArticle:
    """An item of ``/company-news`` or ``/news``; ``datetime`` is unix seconds UTC, ``related`` the asked symbol.

    Raises :class:`fields.Unreadable`."""
    published = fields.not_in_the_future(
        fields.unix_instant(item.get("datetime"), "datetime"), now, tolerance, "datetime"
    )
    related = item.get("related")
    return RawArticle(
        provider=PROVIDER,
        vendor_id=None if item.get("id") is None else str(item["id"]),
        headline=fields.headline(item.get("headline"), "headline"),
        summary=fields.text(item.get("summary")),
        source=fields.text(item.get("source")) or "unknown",
        url=fields.text(item.get("url")) or None,
        published_at=published,
        provider_updated_at=None,
        tickers=fields.tickers(related.split(",") if isinstance(related, str) else ()),
        sentiment=None,
        ticker_sentiment={},
        payload=item,
    )


def items_of(body: Any) -> list[Any]:
    """The list of articles in an answer. Raises :class:`VendorAnswerError` for an error object."""
    if isinstance(body, list):
        return body
    if isinstance(body, dict) and "error" in body:
        raise VendorAnswerError(f"Finnhub says: {body['error']}")
    raise VendorAnswerError("the answer is not a list of articles")


class FinnhubNews(VendorNewsSource):
    """General news once, then company news of as many symbols as one minute's budget allows, in rotation.

    ``symbols`` is taken in the given order. When not all fit, the next fetch goes on where this one stopped; a new process
    starts at a place derived from ``until``, so runs that each live for one cycle also get round. The window of company
    news is widened by one round, so a symbol whose turn comes late loses nothing."""

    name = PROVIDER
    bucket = "finnhub"

    def __init__(self, key: str, url: str, session: VendorSession, *, per_fetch: int, **common: Any) -> None:
        super().__init__(session, **common)
        self._client = Client(api_key=key)
        session.headers.update(self._client._session.headers)
        session.params = dict(self._client._session.params)
        self._client._session = session
        if url:
            self._client.API_URL = url
        self._per_fetch = max(1, per_fetch)
        self._cursor: int | None = None

    def parse(self, item: Any, now: datetime, tolerance: timedelta) -> RawArticle:
        return parse_article(item, now, tolerance)

    def widened(self, since: datetime, until: datetime, symbols: Sequence[str]) -> datetime:
        rounds = -(-len(symbols) // self._per_fetch)
        missed = max(0, rounds - 1) * max(until - since, timedelta(seconds=TURN_SECONDS))
        return super().widened(since, until, symbols) - missed

    def _pages(self, since: datetime, until: datetime, symbols: Sequence[str]) -> Iterator[Sequence[Any]]:
        self._spend()
        yield self._ask("general news", lambda: self._client.general_news("general", min_id=0))
        days = {"_from": since.date().isoformat(), "to": until.date().isoformat()}
        refusals: list[str] = []
        for symbol, place in self._turn(symbols, until):
            self._spend()
            try:
                yield self._ask(symbol, lambda symbol=symbol: self._client.company_news(symbol, **days))
            except SymbolRefused as refusal:  # this symbol only (foreign, delisted): the others are asked all the same
                refusals.append(str(refusal))
            self._cursor = place + 1
        if refusals:
            raise VendorAnswerError(f"{len(refusals)} symbols refused; the first: {refusals[0]}")

    def _turn(self, symbols: Sequence[str], until: datetime) -> list[tuple[str, int]]:
        if not symbols:
            return []
        count = min(self._per_fetch, len(symbols))
        start = int(until.timestamp() // TURN_SECONDS) * count if self._cursor is None else self._cursor
        places = [(start + step) % len(symbols) for step in range(count)]
        return [(symbols[place], place) for place in places]

    def _ask(self, what: str, call: Any) -> list[Any]:
        try:
            return items_of(call())
        except FinnhubAPIException as error:
            kind = SymbolRefused if error.status_code in SYMBOL_STATUS else VendorAnswerError
            raise kind(f"HTTP {error.status_code} for {what}: {error.message}") from None
        except FinnhubRequestException:
            raise VendorAnswerError(f"the answer for {what} is not JSON") from None
