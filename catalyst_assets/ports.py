"""What the system needs from the outside world, as Protocols, and the plain values that cross that border.

Belongs here: the four ports (NewsSource, MarketData, Broker, Clock), the frozen values they exchange and the errors they
raise. Does not belong here: how any of it is done (``vendors/``, ``simulator/``) or what is decided from it (``trading/``).

Units everywhere: prices in US dollars per share, quantities in shares, times as time-zone aware UTC ``datetime``. Broker
values are ``Decimal`` (money must add up to the cent); the decision core computes in ``float64``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any, Protocol, runtime_checkable

import pandas as pd

# --------------------------------------------------------------------------------------------------------------- news


@dataclass(frozen=True, slots=True)
class TickerSentiment:
    """What a vendor says about one ticker of an article: relevance 0…1 and sentiment −1…1 (``None`` when not given)."""

    relevance: float | None
    score: float | None


@dataclass(frozen=True, slots=True)
class RawArticle:
    """One article as a vendor gave it, in our words. ``payload`` is the vendor's JSON, untouched.

    ``published_at`` is never guessed: an item whose time is missing or unreadable becomes a :class:`RefusedItem` instead.
    """

    provider: str
    """The vendor it came through: ``newsapi``, ``alpha_vantage``, ``finnhub``, ``alpaca`` or ``import``."""
    vendor_id: str | None
    headline: str
    summary: str
    source: str
    """The outlet that wrote it, as the vendor names it (``Reuters``, ``Benzinga``)."""
    url: str | None
    published_at: datetime
    provider_updated_at: datetime | None
    tickers: tuple[str, ...]
    sentiment: float | None
    """The vendor's own overall sentiment −1…1, ``None`` when the vendor has none."""
    ticker_sentiment: Mapping[str, TickerSentiment]
    payload: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class RefusedItem:
    """An item a vendor sent that cannot become an article, and why. Stored in ``news_quarantine``."""

    provider: str
    vendor_id: str | None
    reason: str
    payload: Any


@dataclass(frozen=True, slots=True)
class NewsBatch:
    """The answer of one source to one ``fetch``: never raises past this value, the error is part of it."""

    provider: str
    articles: tuple[RawArticle, ...]
    refused: tuple[RefusedItem, ...] = ()
    requests: int = 0
    duration: timedelta = timedelta(0)
    error: str | None = None
    """One redacted sentence when the source failed (wholly or after some pages); ``None`` when it answered."""
    truncated: bool = False
    """True when the paging limit stopped it before the source was exhausted."""


@runtime_checkable
class NewsSource(Protocol):
    """One vendor of articles."""

    name: str
    delay: timedelta
    """How long after publication this plan serves an article (NewsAPI free: 24 h)."""
    live: bool
    """False when the delay makes it useless for trading: collected for research, never scores a live candidate."""

    def fetch(self, since: datetime, until: datetime, symbols: Sequence[str]) -> NewsBatch:
        """Articles published or updated in ``[since, until]``; ``symbols`` for vendors that must be asked by symbol."""
        ...


# -------------------------------------------------------------------------------------------------------- market data

BAR_COLUMNS = ("symbol", "ts", "open", "high", "low", "close", "volume", "vwap", "trade_count")
"""Columns of every bar frame. ``ts`` is ``datetime64[us, UTC]`` and marks the START of the bar; prices are float64 USD,
``volume`` float64 shares on one feed, ``vwap`` and ``trade_count`` float64 and NaN when the feed has none. Sorted by
``symbol, ts``; one row per symbol and ts."""

TIMEFRAMES: Mapping[str, timedelta] = {
    "1min": timedelta(minutes=1),
    "5min": timedelta(minutes=5),
    "15min": timedelta(minutes=15),
    "60min": timedelta(hours=1),
    "1day": timedelta(days=1),
}
"""The names of the timeframes, used in every table and key, and their lengths."""

QUOTE_COLUMNS = ("symbol", "ts", "bid", "ask", "bid_size", "ask_size")
"""A quote frame: one row per symbol that HAS a quote. No quote (vendor zeros, missing) means no row: unknown is not zero."""

ACTIVE_COLUMNS = ("symbol", "rank", "price", "volume", "change_pct", "origin")
"""A most-active frame, best first: ``change_pct`` in percent since the previous close, ``origin`` the list it came from.
Values the list does not give are NaN."""

ASSET_COLUMNS = ("symbol", "name", "exchange", "asset_class", "status", "tradable", "shortable", "easy_to_borrow")
"""An instrument frame, one row per symbol."""


class MarketDataUnavailable(Exception):
    """The vendor could not be asked, or answered with an error; the message is redacted and says what to do."""


class MarketData(Protocol):
    """Bars, quotes, activity lists and instruments from one vendor and one feed.

    Every method raises :class:`MarketDataUnavailable` when the vendor cannot be asked; an empty frame means the vendor was
    asked and has nothing.
    """

    feed: str
    """``iex``, ``sip``, ``yahoo`` or ``recorded``: volumes of different feeds never meet in one average."""

    def bars(self, symbols: Sequence[str], timeframe: str, start: datetime, end: datetime) -> pd.DataFrame:
        """Bars that START in ``[start, end)``, as :data:`BAR_COLUMNS`; an unfinished last bar is left out."""
        ...

    def quotes(self, symbols: Sequence[str]) -> pd.DataFrame:
        """The latest two-sided quotes, as :data:`QUOTE_COLUMNS`."""
        ...

    def most_active(self, top: int) -> pd.DataFrame:
        """The ``top`` most active symbols now, as :data:`ACTIVE_COLUMNS`."""
        ...

    def assets(self) -> pd.DataFrame:
        """Every US equity the vendor knows, as :data:`ASSET_COLUMNS`."""
        ...

    def halted(self, symbols: Sequence[str]) -> frozenset[str]:
        """Those of ``symbols`` that are known to be halted now (best effort; the order step also distrusts stale quotes)."""
        ...

    def quotes_and_halts(self, symbols: Sequence[str]) -> tuple[pd.DataFrame, frozenset[str]]:
        """:meth:`quotes` and :meth:`halted` of one and the same look at the market, for one request where the vendor allows it."""
        ...


# ------------------------------------------------------------------------------------------------------------- broker


class OrderSide(StrEnum):
    BUY = "buy"
    SELL = "sell"


class OrderType(StrEnum):
    MARKET = "market"
    LIMIT = "limit"
    STOP = "stop"
    STOP_LIMIT = "stop_limit"


class OrderClass(StrEnum):
    SIMPLE = "simple"
    BRACKET = "bracket"
    OCO = "oco"
    OTO = "oto"


class OrderStatus(StrEnum):
    """Life of an order at the broker, Alpaca's states folded to those a decision depends on."""

    PENDING = "pending"  # accepted, pending_new, new-to-be: not yet working
    WORKING = "working"  # new: resting at the venue
    HELD = "held"  # an exit leg waiting for its entry
    PARTIALLY_FILLED = "partially_filled"
    FILLED = "filled"
    CANCELED = "canceled"
    EXPIRED = "expired"
    REPLACED = "replaced"
    REJECTED = "rejected"
    PENDING_CANCEL = "pending_cancel"
    PENDING_REPLACE = "pending_replace"
    UNKNOWN = "unknown"  # a state this program does not know: treated as still alive

    @property
    def is_final(self) -> bool:
        """True when the order can never fill again."""
        return self in _FINAL_STATUSES


_FINAL_STATUSES = frozenset(
    {OrderStatus.FILLED, OrderStatus.CANCELED, OrderStatus.EXPIRED, OrderStatus.REPLACED, OrderStatus.REJECTED}
)


@dataclass(frozen=True, slots=True)
class OrderRequest:
    """An order as we want it. ``client_order_id`` is derived from what the order is for, never random."""

    client_order_id: str
    symbol: str
    side: OrderSide
    qty: int
    type: OrderType
    time_in_force: str = "day"
    order_class: OrderClass = OrderClass.SIMPLE
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    take_profit: Decimal | None = None
    """Limit price of the profit-taking leg (bracket, oco)."""
    stop_loss: Decimal | None = None
    """Stop price of the protective leg (bracket, oco, oto)."""
    extended_hours: bool = False


@dataclass(frozen=True, slots=True)
class BrokerOrder:
    """An order as the broker tells it. ``legs`` are the exit orders of a bracket or oco group."""

    order_id: str
    client_order_id: str
    symbol: str
    side: OrderSide
    type: str
    order_class: str
    status: OrderStatus
    raw_status: str
    qty: Decimal
    filled_qty: Decimal
    filled_avg_price: Decimal | None
    limit_price: Decimal | None
    stop_price: Decimal | None
    submitted_at: datetime
    updated_at: datetime | None
    filled_at: datetime | None
    replaced_by: str | None = None
    replaces: str | None = None
    parent_id: str | None = None
    legs: tuple[BrokerOrder, ...] = ()


@dataclass(frozen=True, slots=True)
class BrokerPosition:
    """Shares held: ``qty`` is signed (negative when short)."""

    symbol: str
    qty: Decimal
    qty_available: Decimal
    avg_entry_price: Decimal
    current_price: Decimal | None
    market_value: Decimal | None
    unrealized_pl: Decimal | None


@dataclass(frozen=True, slots=True)
class Account:
    """The broker's view of the account. ``last_equity`` is the equity at the previous session's close."""

    account_id: str
    status: str
    equity: Decimal
    last_equity: Decimal
    cash: Decimal
    buying_power: Decimal
    shorting_enabled: bool
    trading_blocked: bool
    multiplier: Decimal
    is_paper: bool


@dataclass(frozen=True, slots=True)
class Fill:
    """One execution from the broker's account activities."""

    activity_id: str
    order_id: str
    symbol: str
    side: OrderSide
    qty: Decimal
    price: Decimal
    at: datetime


@dataclass(frozen=True, slots=True)
class Fee:
    """A fee from the broker's account activities, in USD, positive when it costs."""

    activity_id: str
    amount: Decimal
    at: datetime
    description: str


@dataclass(frozen=True, slots=True)
class BrokerClock:
    """The broker's own idea of now and of the market's hours (all UTC)."""

    now: datetime
    is_open: bool
    next_open: datetime
    next_close: datetime


class BrokerError(Exception):
    """Base of what a broker may raise; the message is redacted."""


class OrderRefused(BrokerError):
    """The broker understood the order and said no. Nothing is resting; the same order must not be sent again blindly."""

    def __init__(self, message: str, *, code: int | None = None, reason: str = "refused", body: Any = None) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        """Our class of the refusal, from the message: ``buying_power``, ``wash_trade``, ``reserved_shares``,
        ``duplicate_id``, ``price``, ``not_shortable``, ``not_tradable``, ``not_cancelable``, ``not_found``, ``refused``."""
        self.body = body


class OrderStateUnknown(BrokerError):
    """The request may or may not have landed (timeout, 5xx, lost connection): look it up by client_order_id."""


class BrokerUnavailable(BrokerError):
    """The broker could not be asked (authentication, rate limit, network on a read): nothing changed."""


class Broker(Protocol):
    """A brokerage account. Reads raise :class:`BrokerUnavailable`; writes also :class:`OrderRefused` and
    :class:`OrderStateUnknown`."""

    name: str
    is_paper: bool

    def account(self) -> Account: ...

    def positions(self) -> list[BrokerPosition]: ...

    def open_orders(self) -> list[BrokerOrder]:
        """Every order that can still fill, bracket groups nested under their parent."""
        ...

    def orders_since(self, after: datetime) -> list[BrokerOrder]:
        """Every order submitted after ``after``, in any state, nested, oldest first."""
        ...

    def order_by_client_id(self, client_order_id: str) -> BrokerOrder | None:
        """The order with that id (legs nested), or ``None`` when the broker has never accepted it."""
        ...

    def order(self, order_id: str) -> BrokerOrder | None: ...

    def submit(self, request: OrderRequest) -> BrokerOrder: ...

    def replace(
        self,
        order_id: str,
        *,
        client_order_id: str,
        qty: int | None = None,
        limit_price: Decimal | None = None,
        stop_price: Decimal | None = None,
    ) -> BrokerOrder:
        """Ask for a changed order; the answer is a NEW order that carries ``client_order_id``."""
        ...

    def cancel(self, order_id: str) -> None:
        """Ask for a cancel; it is asynchronous, look at the order until it is final."""
        ...

    def fills(self, after: datetime) -> list[Fill]: ...

    def fees(self, after: datetime) -> list[Fee]: ...

    def clock(self) -> BrokerClock: ...

    def calendar(self, start: date, end: date) -> list[tuple[date, datetime, datetime]]:
        """Sessions in ``[start, end]`` as (date, open, close), both UTC."""
        ...


# -------------------------------------------------------------------------------------------------------------- clock


class Clock(Protocol):
    """Where "now" comes from: the system, the simulator, or a replay."""

    def now(self) -> datetime:
        """Now, time-zone aware UTC."""
        ...


@dataclass(slots=True)
class FixedClock:
    """A clock that stands where it is put: tests and replays."""

    at: datetime

    def now(self) -> datetime:
        return self.at
