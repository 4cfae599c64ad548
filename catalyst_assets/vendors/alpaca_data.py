"""Alpaca's market data (bars, quotes, screener) and instruments through alpaca-py.

Belongs here: the one reading of Alpaca's bars, quotes, lists and assets, and the paging. Does not belong here: orders
(``alpaca_broker.py``) and which symbols are worth anything (``trading/``).

The clients are built with ``raw_data=True`` and asked through their own ``get``: the models fail a whole answer on one new
enum value or one dropped field, and the built-in paging has no end and loses every page when one fails.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import zip_longest
from typing import Any

import pandas as pd
import structlog
from alpaca.common.exceptions import APIError
from alpaca.data.historical.screener import ScreenerClient
from alpaca.data.historical.stock import StockHistoricalDataClient
from alpaca.trading.client import TradingClient

from catalyst_assets.ports import ASSET_COLUMNS, TIMEFRAMES, Clock, MarketDataUnavailable
from catalyst_assets.trading.calendar import TradingCalendar
from catalyst_assets.vendors import fields
from catalyst_assets.vendors.alpaca_client import PerThread, connect_client, read_api_error
from catalyst_assets.vendors.budgets import Budget
from catalyst_assets.vendors.frames import active_frame, bar_frame, finished, no_bars, on_the_grid, quote_frame
from catalyst_assets.vendors.transport import Patience, Redactor, VendorAnswerError, VendorSession, sentence

log = structlog.get_logger(__name__)

TIMEFRAME_NAMES: Mapping[str, str] = {
    "1min": "1Min",
    "5min": "5Min",
    "15min": "15Min",
    "60min": "1Hour",
    "1day": "1Day",
}
PAGE_POINTS = 10_000
"""The interface's largest page, in points over all symbols."""
SYMBOLS_PER_REQUEST = 100
MAX_PAGES = 500
"""Pages of one question at most: five million points. More is a wrong question, and is refused, never cut short."""
LIST_SIZES = {"most_actives": 100, "movers": 50}
"""The screener's largest lists."""
SIP_DELAY = timedelta(minutes=16)
"""The free plan serves consolidated (SIP) data only when it is older than 15 minutes."""
BUDGET_WAIT_SECONDS = 20.0
"""Longest wait for room in the request budget before a question is given up."""
_INVALID_SYMBOL = "invalid symbol: "
HALT_CONDITIONS: Mapping[str, frozenset[str]] = {
    "A": frozenset("DIJKMPQSVXZ"),
    "B": frozenset("DIJKMPQSVXZ"),
    "C": frozenset("IXZ"),
}
"""Quote conditions of a halt or a pending resumption by tape: CTA (A, B) news, order imbalance, related security, no open/no
resume, equipment changeover; UTP (C) order imbalance, order influx, no open/no resume. From the CTA and UTP quote conditions
as Alpaca lists them under ``/v2/stocks/meta/conditions/quote``; not confirmed against a live halt."""
_BAR_KEYS = {
    "t": "ts",
    "o": "open",
    "h": "high",
    "l": "low",
    "c": "close",
    "v": "volume",
    "vw": "vwap",
    "n": "trade_count",
}


def parse_bars(body: Any) -> tuple[pd.DataFrame, list[str]]:
    """A bars answer (of many symbols or of one) as :data:`ports.BAR_COLUMNS` and the reasons of bars left out.

    A bar without a time, with a missing or non-positive price, or whose high and low do not contain open and close is
    refused. Raises :class:`VendorAnswerError` when the answer is not one."""
    if not isinstance(body, dict) or "bars" not in body:
        raise VendorAnswerError("the answer has no bars")
    listed = body["bars"]
    if listed is None:
        listed = {}
    if isinstance(listed, list):
        listed = {str(body.get("symbol", "")): listed}
    if not isinstance(listed, dict):
        raise VendorAnswerError("the bars are not listed by symbol")
    columns: dict[str, list[Any]] = {name: [] for name in ("symbol", *_BAR_KEYS.values())}
    for symbol, bars in listed.items():
        rows = [bar if isinstance(bar, dict) else {} for bar in (bars if isinstance(bars, list) else [bars])]
        columns["symbol"].extend([symbol] * len(rows))
        for key, name in _BAR_KEYS.items():
            columns[name].extend([row.get(key) for row in rows])
    return bar_frame(columns)


def parse_quotes(body: Any) -> pd.DataFrame:
    """A latest-quotes answer as :data:`ports.QUOTE_COLUMNS`. Vendor zeros, missing sides and crossed quotes have no row.

    Raises :class:`VendorAnswerError` when the answer is not one."""
    rows = []
    for symbol, quote in _by_symbol(body, "quotes", "quote").items():
        row = quote if isinstance(quote, dict) else {}
        bid, ask = fields.number(row.get("bp")) or 0.0, fields.number(row.get("ap")) or 0.0
        if 0 < bid <= ask:
            rows.append((symbol, row.get("t"), bid, ask, fields.number(row.get("bs")), fields.number(row.get("as"))))
    return quote_frame(rows)


def parse_halts(body: Any) -> frozenset[str]:
    """Symbols of a latest-quotes answer whose quote conditions say halted (:data:`HALT_CONDITIONS`)."""
    halted = set()
    for symbol, quote in _by_symbol(body, "quotes", "quote").items():
        if isinstance(quote, dict) and isinstance(quote.get("c"), list):
            codes = HALT_CONDITIONS.get(str(quote.get("z")), frozenset())
            if codes.intersection(str(code) for code in quote["c"]):
                halted.add(symbol)
    return frozenset(halted)


def _by_symbol(body: Any, many: str, one: str) -> Mapping[str, Any]:
    if isinstance(body, dict):
        if isinstance(body.get(many), dict):
            return body[many]
        if body.get(many, 0) is None:
            return {}
        if one in body:
            return {str(body.get("symbol", "")): body[one]}
    raise VendorAnswerError(f"the answer has no {many}")


def parse_actives(most_actives: Any, movers: Any) -> pd.DataFrame:
    """The screener's lists as :data:`ports.ACTIVE_COLUMNS`: by turns two most actives and one mover, each symbol once.

    The most-actives list has a volume and no price, the movers a price and no volume: what is not given is NaN. Raises
    :class:`VendorAnswerError`."""
    actives = _rows(most_actives, "most_actives", "alpaca_most_actives")
    gainers, losers = _rows(movers, "gainers", "alpaca_gainers"), _rows(movers, "losers", "alpaca_losers")
    moving = [row for pair in zip_longest(gainers, losers) for row in pair if row]
    merged: list[dict[str, Any]] = []
    first, second = iter(actives), iter(moving)
    while turn := [row for row in (next(first, None), next(first, None), next(second, None)) if row]:
        merged.extend(turn)
    return active_frame(merged)


def _rows(body: Any, key: str, origin: str) -> list[dict[str, Any]]:
    listed = body.get(key) if isinstance(body, dict) else None
    if not isinstance(listed, list):
        raise VendorAnswerError(f"the answer has no {key}")
    return [
        {
            "symbol": symbol,
            "price": fields.number(item.get("price")),
            "volume": fields.number(item.get("volume")),
            "change_pct": fields.number(item.get("percent_change")),
            "origin": origin,
        }
        for item in listed
        if isinstance(item, dict)
        for symbol in fields.tickers([item.get("symbol")])
    ]


def parse_assets(body: Any) -> pd.DataFrame:
    """An assets answer as :data:`ports.ASSET_COLUMNS`. A missing flag is False: unknown is not permission.

    Raises :class:`VendorAnswerError`."""
    if not isinstance(body, list):
        raise VendorAnswerError("the answer is not a list of assets")
    rows = [
        {
            "symbol": item["symbol"],
            "name": fields.text(item.get("name")),
            "exchange": str(item.get("exchange") or ""),
            "asset_class": str(item.get("class") or ""),
            "status": str(item.get("status") or ""),
            "tradable": item.get("tradable") is True,
            "shortable": item.get("shortable") is True,
            "easy_to_borrow": item.get("easy_to_borrow") is True or item.get("borrow_status") == "easy_to_borrow",
        }
        for item in body
        if isinstance(item, dict) and isinstance(item.get("symbol"), str) and item["symbol"]
    ]
    return (
        pd.DataFrame(rows, columns=list(ASSET_COLUMNS))
        .drop_duplicates("symbol")
        .sort_values("symbol", ignore_index=True)
    )


class AlpacaMarketData:
    """A :class:`ports.MarketData` on one Alpaca feed.

    ``invalid_symbols`` maps symbols Alpaca refused to know to when they were refused; one of them fails a whole request, so
    it is dropped, remembered, and the rest asked again."""

    def __init__(
        self,
        key: str,
        secret: str,
        *,
        feed: str,
        clock: Clock,
        budget: Budget,
        redact: Redactor,
        patience: Patience,
        data_url: str = "",
        trading_url: str = "",
        paper: bool = True,
        adjustment: str = "split",
    ) -> None:
        self.feed = "sip" if feed == "delayed_sip" else feed
        self._delayed = feed == "delayed_sip"
        self._adjustment = adjustment
        self._clock = clock
        self._budget = budget
        self._redact = redact
        self._patience = patience
        self._calendar = TradingCalendar()
        self.invalid_symbols: dict[str, datetime] = {}
        data, trading = data_url or None, trading_url or None
        self._stocks = PerThread(
            lambda: connect_client(
                StockHistoricalDataClient(key, secret, raw_data=True, url_override=data), VendorSession(patience)
            )
        )
        self._screener = PerThread(
            lambda: connect_client(
                ScreenerClient(key, secret, raw_data=True, url_override=data), VendorSession(patience)
            )
        )
        self._trading = PerThread(
            lambda: connect_client(
                TradingClient(key, secret, paper=paper, raw_data=True, url_override=trading), VendorSession(patience)
            )
        )

    def bars(self, symbols: Sequence[str], timeframe: str, start: datetime, end: datetime) -> pd.DataFrame:
        """See :class:`ports.MarketData`. Split-adjusted; ``timeframe`` is a name of :data:`ports.TIMEFRAMES`. An answer of impossible
        bars alone is :class:`ports.MarketDataUnavailable`: unknown, not none."""
        if timeframe not in TIMEFRAMES:
            raise ValueError(f"timeframe {timeframe!r}; allowed: {', '.join(TIMEFRAMES)}")
        last = min(end, self._clock.now() - SIP_DELAY) if self._delayed else end
        pages, refused = [], []
        if last > start:
            for body in self._symbol_pages("/stocks/bars", symbols, self._bar_question(timeframe, start, last)):
                frame, reasons = self._parsed(parse_bars, body)
                frame, strange = on_the_grid(frame, timeframe)
                pages.append(frame)
                refused.extend(reasons + strange)
        if refused:
            log.warning("bars_refused", feed=self.feed, timeframe=timeframe, count=len(refused), first=refused[0])
            if not any(len(page) for page in pages):
                raise MarketDataUnavailable(
                    f"Alpaca served {len(refused)} bars and none is possible; the first: {refused[0]}"
                )
        if not pages:
            return no_bars()
        frame = pd.concat(pages, ignore_index=True).drop_duplicates(["symbol", "ts"], keep="last")
        frame = frame[(frame["ts"] >= pd.Timestamp(start)) & (frame["ts"] < pd.Timestamp(end))]
        return finished(frame, timeframe, self._clock.now(), self._calendar).sort_values(
            ["symbol", "ts"], ignore_index=True
        )

    def _bar_question(self, timeframe: str, start: datetime, end: datetime) -> dict[str, Any]:
        return {
            "timeframe": TIMEFRAME_NAMES[timeframe],
            "start": start.isoformat(),
            "end": end.isoformat(),
            "limit": PAGE_POINTS,
            "adjustment": self._adjustment,
            "feed": self.feed,
            "sort": "asc",
        }

    def quotes(self, symbols: Sequence[str]) -> pd.DataFrame:
        """See :class:`ports.MarketData`."""
        return self.quotes_and_halts(symbols)[0]

    def most_active(self, top: int) -> pd.DataFrame:
        """See :class:`ports.MarketData`. Volumes of these lists are consolidated (SIP) whatever the feed."""
        actives = self._get(
            self._screener, "/screener/stocks/most-actives", {"by": "volume", "top": LIST_SIZES["most_actives"]}
        )
        movers = self._get(self._screener, "/screener/stocks/movers", {"top": LIST_SIZES["movers"]})
        try:
            return parse_actives(actives, movers).head(top)
        except VendorAnswerError as error:
            raise MarketDataUnavailable(f"Alpaca's screener: {sentence(error, self._redact)}") from None

    def assets(self) -> pd.DataFrame:
        """See :class:`ports.MarketData`: active US equities (one answer of about 14,000 rows)."""
        return self._parsed(
            parse_assets, self._get(self._trading, "/assets", {"status": "active", "asset_class": "us_equity"})
        )

    def halted(self, symbols: Sequence[str]) -> frozenset[str]:
        """See :class:`ports.MarketData`. Alpaca's REST interface has no halt flag: the latest quote's conditions are read, and a
        halt after which no quote was published is not seen. The order step therefore also distrusts old and missing quotes."""
        return self.quotes_and_halts(symbols)[1]

    def quotes_and_halts(self, symbols: Sequence[str]) -> tuple[pd.DataFrame, frozenset[str]]:
        """See :class:`ports.MarketData`; both are read from the latest quotes."""
        feed = "delayed_sip" if self._delayed else self.feed
        frames, halted = [], frozenset[str]()
        for body in self._symbol_pages("/stocks/quotes/latest", symbols, {"feed": feed}):
            frames.append(self._parsed(parse_quotes, body))
            halted |= self._parsed(parse_halts, body)
        quotes = pd.concat(frames, ignore_index=True) if frames else parse_quotes({"quotes": {}})
        return quotes, halted

    def _symbol_pages(self, path: str, symbols: Sequence[str], question: Mapping[str, Any]) -> Iterator[Any]:
        wanted = [symbol for symbol in dict.fromkeys(symbols) if symbol not in self.invalid_symbols]
        for at in range(0, len(wanted), SYMBOLS_PER_REQUEST):
            yield from self._pages(path, wanted[at : at + SYMBOLS_PER_REQUEST], question)

    def _pages(self, path: str, symbols: list[str], question: Mapping[str, Any]) -> Iterator[Any]:
        token: str | None = None
        for _ in range(MAX_PAGES):
            while True:
                if not symbols:
                    return
                asked = {**question, "symbols": ",".join(symbols)} | ({"page_token": token} if token else {})
                try:
                    body = self._get(self._stocks, path, asked)
                    break
                except InvalidSymbol as refused:
                    if refused.symbol not in symbols:
                        raise
                    log.warning("symbol_refused", vendor="alpaca", symbol=refused.symbol)
                    self.invalid_symbols[refused.symbol] = self._clock.now()
                    symbols = [symbol for symbol in symbols if symbol != refused.symbol]
            yield body
            token = body.get("next_page_token") if isinstance(body, dict) else None
            if not token:
                return
        raise MarketDataUnavailable(
            f"Alpaca {path}: more than {MAX_PAGES} pages for one question; ask for less at a time"
        )

    def _get(self, client: PerThread, path: str, question: Mapping[str, Any]) -> Any:
        bucket = "alpaca_trading" if client is self._trading else "alpaca_data"
        if not self._budget.acquire(bucket, wait=BUDGET_WAIT_SECONDS):
            raise MarketDataUnavailable("Alpaca: the request budget of this minute is spent; ask again in a minute")
        try:
            return client.get().get(path, dict(question))
        except APIError as error:
            status, _, message, _ = read_api_error(error)
            if status == 400 and message.startswith(_INVALID_SYMBOL):
                raise InvalidSymbol(message.removeprefix(_INVALID_SYMBOL).strip()) from None
            advice = _ADVICE.get(status or 0, "")
            raise MarketDataUnavailable(self._redact(f"Alpaca {path}: HTTP {status}: {message}{advice}")) from None
        except (OSError, ValueError) as error:
            raise MarketDataUnavailable(f"Alpaca {path}: {sentence(error, self._redact, self._patience)}") from None

    def _parsed(self, parse: Any, body: Any) -> Any:
        try:
            return parse(body)
        except VendorAnswerError as error:
            raise MarketDataUnavailable(f"Alpaca: {sentence(error, self._redact)}") from None


_ADVICE = {
    401: " (check ALPACA_API_KEY and ALPACA_SECRET_KEY)",
    403: " (check the keys, and that ALPACA_FEED is in the plan)",
    429: " (the plan's rate limit: lower CATALYST_ALPACA_PER_MINUTE)",
}


class InvalidSymbol(MarketDataUnavailable):
    """Alpaca does not know this symbol and refused the whole request because of it."""

    def __init__(self, symbol: str) -> None:
        super().__init__(f"Alpaca: invalid symbol {symbol}")
        self.symbol = symbol
