"""Yahoo Finance through yfinance: bars, and the most active list as a fallback.

Belongs here: the one reading of a Yahoo chart and of its screener. Does not belong here: Yahoo news (loosely related to the
asked ticker) and quotes (undated, often zero).

yfinance keeps one session, cookie and crumb for the whole process and hides errors in empty frames. So its ``YfData`` is asked
for the JSON itself, on our session: an error is an error, and empty means unknown.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from threading import Lock
from typing import Any
from urllib.parse import quote, urlsplit

import pandas as pd
import structlog
import yfinance
from curl_cffi import requests as curl
from yfinance.data import YfData
from yfinance.exceptions import YFException, YFRateLimitError

from catalyst_assets.ports import BAR_COLUMNS, TIMEFRAMES, Clock, MarketDataUnavailable
from catalyst_assets.trading.calendar import NEW_YORK, TradingCalendar
from catalyst_assets.vendors import fields
from catalyst_assets.vendors.budgets import Budget
from catalyst_assets.vendors.frames import active_frame, bar_frame, finished, on_the_grid
from catalyst_assets.vendors.transport import Patience, Redactor, VendorAnswerError, sentence

log = structlog.get_logger(__name__)

CHART_URL = "https://query2.finance.yahoo.com/v8/finance/chart/"
INTERVALS: Mapping[str, str] = {"1min": "1m", "5min": "5m", "15min": "15m", "60min": "60m", "1day": "1d"}
LONGEST_LIST = 250


class UnknownSymbol(VendorAnswerError):
    """Yahoo answered that it has nothing under this symbol."""


def parse_chart(body: Any, symbol: str, timeframe: str) -> tuple[pd.DataFrame, list[str]]:
    """A chart answer as :data:`ports.BAR_COLUMNS` and the reasons of bars left out (Yahoo pads gaps with nulls).

    Prices are adjusted for splits. Daily bars, which Yahoo stamps with the open, get the New York midnight of their session.
    Raises :class:`UnknownSymbol` or :class:`VendorAnswerError`."""
    chart = body.get("chart") if isinstance(body, dict) else None
    if not isinstance(chart, dict):
        raise VendorAnswerError(_finance_error(body) or "the answer has no chart")
    error = chart.get("error")
    if isinstance(error, dict):
        kind = UnknownSymbol if error.get("code") == "Not Found" else VendorAnswerError
        raise kind(f"Yahoo says {error.get('code')}: {error.get('description')}")
    results = chart.get("result")
    if not isinstance(results, list) or not results or not isinstance(results[0], dict):
        raise VendorAnswerError("the chart has no result")
    stamps = results[0].get("timestamp") or []
    quotes = (results[0].get("indicators") or {}).get("quote") or [{}]
    lists = quotes[0] if isinstance(quotes[0], dict) else {}
    columns: dict[str, Sequence[Any]] = {name: [None] * len(stamps) for name in BAR_COLUMNS}
    for name in ("open", "high", "low", "close", "volume"):
        values = lists.get(name) or []
        if len(values) != len(stamps):
            raise VendorAnswerError(f"the chart's {name} has {len(values)} values for {len(stamps)} times")
        columns[name] = values
    columns["symbol"] = [symbol] * len(stamps)
    ts = pd.to_datetime(pd.Series(stamps, dtype="int64"), unit="s", utc=True)
    if timeframe == "1day":
        ts = ts.dt.tz_convert(NEW_YORK).dt.normalize().dt.tz_convert("UTC")
    columns["ts"] = list(ts)
    bars, refused = bar_frame(columns)
    bars, strange = on_the_grid(bars, timeframe)
    return bars, refused + strange


def _finance_error(body: Any) -> str | None:
    finance = body.get("finance") if isinstance(body, dict) else None
    error = finance.get("error") if isinstance(finance, dict) else None
    return f"Yahoo says {error.get('code')}: {error.get('description')}" if isinstance(error, dict) else None


def parse_screener(body: Any) -> pd.DataFrame:
    """A predefined screen (the whole answer, or its first result) as :data:`ports.ACTIVE_COLUMNS`; shares only.

    A row without a volume is none of an activity list's. Raises :class:`VendorAnswerError`, also for an empty list: unknown,
    not "nothing is active"."""
    if problem := _finance_error(body):
        raise VendorAnswerError(problem)
    if isinstance(body, dict) and isinstance(body.get("finance"), dict):
        results = body["finance"].get("result")
        body = results[0] if isinstance(results, list) and results else None
    listed = body.get("quotes") if isinstance(body, dict) else None
    if not isinstance(listed, list):
        raise VendorAnswerError("the answer has no quotes")
    rows = [
        {
            "symbol": symbol,
            "price": fields.number(item.get("regularMarketPrice")),
            "volume": fields.number(item.get("regularMarketVolume")),
            "change_pct": fields.number(item.get("regularMarketChangePercent")),
            "origin": "yahoo_most_actives",
        }
        for item in listed
        if isinstance(item, dict) and item.get("quoteType") == "EQUITY"
        if fields.number(item.get("regularMarketVolume")) is not None
        for symbol in fields.tickers([item.get("symbol")])
    ]
    if not rows:
        raise VendorAnswerError("the list is empty")
    return active_frame(rows)


class YahooSession(curl.Session):
    """yfinance's kind of session with our timeouts, a hard end over the 6-7 calls one question may cost, and, for the
    simulator, every address moved below ``base`` (yfinance has no other knob for it)."""

    def __init__(self, patience: Patience, base: str = "") -> None:
        super().__init__(impersonate="chrome")
        self._patience = patience
        self._vendor_base = base
        self.question_ends = float("inf")

    def request(self, method: Any, url: Any, *args: Any, **kwargs: Any) -> Any:
        left = self.question_ends - time.monotonic()
        if left <= 0:
            raise TimeoutError("Yahoo: out of time for this question")
        kwargs["timeout"] = (min(self._patience.connect, left), min(self._patience.read, left))
        if self._vendor_base and not str(url).startswith(self._vendor_base):
            parts = urlsplit(str(url))
            query = f"?{parts.query}" if parts.query else ""
            url = f"{self._vendor_base}/{parts.hostname}{parts.path}{query}"
        return super().request(method, url, *args, **kwargs)


class YahooMarketData:
    """A :class:`ports.MarketData` for bars and the most active list; it has no quotes and no instruments to trade on.

    One question at a time (the library's state is the process's). Every question costs one of the budget."""

    feed = "yahoo"

    def __init__(
        self,
        *,
        clock: Clock,
        budget: Budget,
        redact: Redactor,
        patience: Patience,
        base_url: str = "",
        cache_folder: str = "",
    ) -> None:
        self._clock = clock
        self._budget = budget
        self._redact = redact
        self._patience = patience
        self._calendar = TradingCalendar()
        self._session = YahooSession(patience, base_url)
        self._lock = Lock()
        if cache_folder:
            yfinance.set_tz_cache_location(cache_folder)

    def bars(self, symbols: Sequence[str], timeframe: str, start: datetime, end: datetime) -> pd.DataFrame:
        """See :class:`ports.MarketData`: one request per symbol, extended hours included. An answer with no bar for any symbol is
        :class:`ports.MarketDataUnavailable`: Yahoo empties its answers when it limits."""
        if timeframe not in TIMEFRAMES:
            raise ValueError(f"timeframe {timeframe!r}; allowed: {', '.join(TIMEFRAMES)}")
        frames = []
        for symbol in dict.fromkeys(symbols):
            try:
                frame, refused = self._asked(
                    f"bars of {symbol}", lambda symbol=symbol: self._chart(symbol, timeframe, start, end)
                )
            except UnknownSymbol:
                log.warning("symbol_refused", vendor="yahoo", symbol=symbol)
                continue
            if refused:
                log.debug("bars_refused", feed=self.feed, symbol=symbol, count=len(refused), first=refused[0])
            frames.append(frame)
        if not any(len(frame) for frame in frames):
            raise MarketDataUnavailable(
                f"Yahoo has no {timeframe} bars for any of {len(symbols)} symbols; unknown, not none"
            )
        bars = pd.concat(frames, ignore_index=True)
        bars = bars[(bars["ts"] >= pd.Timestamp(start)) & (bars["ts"] < pd.Timestamp(end))]
        return finished(bars, timeframe, self._clock.now(), self._calendar).sort_values(
            ["symbol", "ts"], ignore_index=True
        )

    def _chart(self, symbol: str, timeframe: str, start: datetime, end: datetime) -> tuple[pd.DataFrame, list[str]]:
        question = {
            "period1": int(start.timestamp()),
            "period2": int(end.timestamp()),
            "interval": INTERVALS[timeframe],
            "includePrePost": "true" if timeframe != "1day" else "false",
        }
        address = CHART_URL + quote(symbol.replace(".", "-"), safe="")
        response = YfData(session=self._session).get(address, params=question)
        return parse_chart(response.json(), symbol, timeframe)

    def most_active(self, top: int) -> pd.DataFrame:
        """See :class:`ports.MarketData`."""
        count = min(top, LONGEST_LIST)
        return self._asked(
            "most actives",
            lambda: parse_screener(yfinance.screen("most_actives", count=count, session=self._session)).head(top),
        )

    def _asked(self, what: str, question: Any) -> Any:
        if not self._budget.acquire("yahoo"):
            raise MarketDataUnavailable(f"Yahoo {what}: the request budget of this minute is spent")
        with self._lock:
            self._session.question_ends = time.monotonic() + 2 * self._patience.total
            try:
                return question()
            except UnknownSymbol:
                raise
            except YFRateLimitError:
                raise MarketDataUnavailable(f"Yahoo {what}: rate limited; wait some minutes") from None
            except (OSError, ValueError, LookupError, TypeError, AttributeError, YFException) as error:
                raise MarketDataUnavailable(f"Yahoo {what}: {sentence(error, self._redact, self._patience)}") from None

    def quotes(self, symbols: Sequence[str]) -> pd.DataFrame:
        """Always :class:`ports.MarketDataUnavailable`: Yahoo's bid and ask carry no time and are often zero."""
        raise MarketDataUnavailable("Yahoo serves no dated two-sided quotes; take them from Alpaca")

    def assets(self) -> pd.DataFrame:
        """Always :class:`ports.MarketDataUnavailable`: what may be traded is the broker's to say."""
        raise MarketDataUnavailable("Yahoo does not say what the broker can trade; take the instruments from Alpaca")

    def halted(self, symbols: Sequence[str]) -> frozenset[str]:
        """None known: Yahoo has no halt flag."""
        return frozenset()

    def quotes_and_halts(self, symbols: Sequence[str]) -> tuple[pd.DataFrame, frozenset[str]]:
        """As :meth:`quotes`: always :class:`ports.MarketDataUnavailable`."""
        return self.quotes(symbols), self.halted(symbols)
