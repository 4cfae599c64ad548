"""What a request to Alpaca's data host asks for: symbols, span, feed, sort, limit, page. And its refusals.

Belongs here: reading and refusing query parameters, and what the plan may see. Does not belong here: answers (``alpaca_data`` and
its neighbours).
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple

from starlette.requests import Request

from catalyst_assets.simulator.feeds import IEX, SIP, FeedView
from catalyst_assets.simulator.routes.wire import NEW_YORK
from catalyst_assets.simulator.state import Simulation
from catalyst_assets.simulator.venue.orders import ExchangeRefusal
from catalyst_assets.simulator.worlds.pricepath import instant, micros

MAX_POINTS, DEFAULT_POINTS = 10_000, 1_000
SORTS = ("asc", "desc")
HISTORICAL_FEEDS = ("iex", "otc", "sip", "boats")
LATEST_FEEDS = ("delayed_sip", "iex", "otc", "sip", "boats", "overnight")
AUCTION_FEEDS = ("sip",)
ADJUSTMENTS = ("raw", "split", "dividend", "spin-off", "all")
NOT_CARRIED = {"otc": "OTC", "boats": "BOATS", "overnight": "overnight"}
"""Feeds the simulated customer has not bought, with the name a refusal calls them."""
_SYMBOL = re.compile(r"[A-Z]{1,6}(\.[A-Z]{1,2})?")
_RFC3339 = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?([Zz]|[+\- ]\d{2}:?\d{2})?", re.ASCII)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_NUMBER = re.compile(r"[0-9]{1,9}")
RECENT_SIP = "subscription does not permit querying recent SIP data"


def bad(message: str, status: int = 400) -> ExchangeRefusal:
    """A data error: a message without a code."""
    return ExchangeRefusal(None, status, message)


def page_token(*parts: object) -> str:
    """An opaque cursor."""
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode()


def read_token(token: str | None, kinds: tuple[type, type]) -> tuple[Any, Any] | None:
    """The two parts of a cursor, of these kinds. Raises a 400 refusal for anything else."""
    if not token:
        return None
    try:
        parts = json.loads(base64.urlsafe_b64decode(token.encode()))
    except (ValueError, binascii.Error, RecursionError) as error:
        raise bad("invalid page token") from error
    if not isinstance(parts, list) or len(parts) != 2 or tuple(type(part) for part in parts) != kinds:
        raise bad("invalid page token")
    return parts[0], parts[1]


def one_of(request: Request, name: str, allowed: Iterable[str], default: str) -> str:
    """A parameter with listed values. Raises a 400 refusal."""
    value = request.query_params.get(name, default)
    if value not in allowed:
        raise bad(f"invalid {name}: {value}")
    return value


def truth(request: Request, name: str) -> bool:
    """A boolean parameter (``true``, ``True``, ``false`` …), false when absent. Raises a 400 refusal."""
    return one_of(request, name, ("true", "True", "false", "False"), "false").lower() == "true"


def query_number(request: Request, name: str, default: int, highest: int) -> int:
    """A whole number from 1 to ``highest``. Raises a 400 refusal."""
    text = request.query_params.get(name)
    if text is None:
        return default
    if not _NUMBER.fullmatch(text) or int(text) < 1:
        raise bad(f"invalid {name}")
    if int(text) > highest:
        raise bad(f"invalid {name}: larger than the allowed maximum of {highest}")
    return int(text)


def query_instant(request: Request, name: str) -> datetime | None:
    """An RFC 3339 instant or a date (midnight New York) as UTC, ``None`` when absent. Raises a 400 refusal."""
    text = request.query_params.get(name)
    if text is None:
        return None
    try:
        if _DATE.fullmatch(text):
            day = date.fromisoformat(text)
            return datetime(day.year, day.month, day.day, tzinfo=NEW_YORK).astimezone(UTC)
        if not _RFC3339.fullmatch(text):
            raise ValueError(text)
        # A plus sign that was not escaped arrives as a blank; between date and time a blank is a separator.
        parsed = datetime.fromisoformat(text[:11] + text[11:].replace(" ", "+"))
        return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise bad(f"invalid {name}: {text}") from error


def query_date(request: Request, name: str) -> date | None:
    """A date ``YYYY-MM-DD``, ``None`` when absent. Raises a 400 refusal."""
    text = request.query_params.get(name)
    if text is None:
        return None
    try:
        if not _DATE.fullmatch(text):
            raise ValueError(text)
        return date.fromisoformat(text)
    except ValueError as error:
        raise bad(f"invalid {name}: {text}") from error


def query_symbols(request: Request) -> list[str]:
    """The symbols asked for, sorted: of the path, else of the list ``symbols``. Raises a 400 refusal; one bad symbol fails all."""
    single = request.path_params.get("symbol")
    listed = [single] if single is not None else request.query_params.get("symbols", "").split(",")
    symbols = sorted({symbol for symbol in listed if symbol})
    if not symbols:
        raise bad("symbols is required")
    for symbol in symbols:
        if not _SYMBOL.fullmatch(symbol):
            raise bad(f"invalid symbol: {symbol}")
    return symbols


def check_currency(request: Request) -> None:
    """Prices are in US dollars only. Raises a 400 refusal for any other currency."""
    one_of(request, "currency", ("USD",), "USD")


# ------------------------------------------------------------------------------------------------------------------ feed


class Seen(NamedTuple):
    """What an answer is made from: a feed, as it was at an instant."""

    feed: FeedView
    now: datetime


def latest_feed(state: Simulation, request: Request) -> Seen:
    """The feed of a ``latest`` or snapshot request: real time of the plan, or SIP of 15 minutes ago. Raises 400 and 403 refusals."""
    now, plan = state.exchange.now, state.plan
    name = one_of(request, "feed", LATEST_FEEDS, SIP if plan.sip else IEX)
    if name == "delayed_sip":
        return Seen(state.feed(SIP), now - plan.sip_delay)
    if name in NOT_CARRIED:
        raise bad(f"subscription does not permit querying {NOT_CARRIED[name]} data", 403)
    if name == SIP and not plan.sip:
        raise bad(RECENT_SIP, 403)
    return Seen(state.feed(name), now)


@dataclass(frozen=True, slots=True)
class History:
    """A request for a series: which symbols, from when to when (both inclusive), of which feed, in which order, how many."""

    symbols: list[str]
    start: datetime
    end: datetime
    seen: Seen
    limit: int
    descending: bool
    token: tuple[str, int] | None
    currency: str | None

    @classmethod
    def read(
        cls, state: Simulation, request: Request, feeds: tuple[str, ...] = HISTORICAL_FEEDS, most: int = MAX_POINTS
    ) -> History:
        """Read and check. Raises 400 and 403 refusals (the plan sees SIP only when it is older than its delay)."""
        symbols = query_symbols(request)
        limit = query_number(request, "limit", min(DEFAULT_POINTS, most), most)
        descending = one_of(request, "sort", SORTS, "asc") == "desc"
        name = one_of(request, "feed", feeds, SIP)
        check_currency(request)
        if request.query_params.get("asof", "-") != "-":
            query_date(request, "asof")
        start, end = query_instant(request, "start"), query_instant(request, "end")
        token = read_token(request.query_params.get("page_token"), (str, int))
        now = state.exchange.now
        visible = now if name == IEX or state.plan.sip else now - state.plan.sip_delay
        if name in NOT_CARRIED:
            raise bad(f"subscription does not permit querying {NOT_CARRIED[name]} data", 403)
        if end is None:
            end = visible
        elif end > visible and visible < now:
            raise bad(RECENT_SIP, 403)
        if start is None:
            day = now.astimezone(NEW_YORK)
            start = min(day.replace(hour=0, minute=0, second=0, microsecond=0).astimezone(UTC), visible)
        if end < start:
            raise bad("end should not be before start")
        seen = Seen(state.feed(name), visible)
        return cls(symbols, start, end, seen, limit, descending, token, request.query_params.get("currency"))

    def span_ns(self, symbol: str) -> tuple[int, int] | None:
        """First and last nanosecond wanted of ``symbol`` after the page token; ``None`` when an earlier page had all of it."""
        start, end = micros(self.start) * 1000, micros(self.end) * 1000 + 999
        if self.token is None or symbol > self.token[0]:
            return start, end
        if symbol < self.token[0]:
            return None
        return (start, min(end, self.token[1] - 1)) if self.descending else (max(start, self.token[1] + 1), end)


def envelope(
    history: History, request: Request, name: str, pages: Mapping[str, list[str]], following: str | None
) -> str:
    """The JSON text of a series: by symbol, or of the one symbol in the path; ``pages`` holds each point as JSON text."""
    parts = []
    if "symbol" in request.path_params:
        texts = pages.get(history.symbols[0])
        parts.append(f'"{name}":' + (f"[{','.join(texts)}]" if texts else "null"))
        parts.append(f'"symbol":{json.dumps(history.symbols[0])}')
    else:
        body = ",".join(f"{json.dumps(symbol)}:[{','.join(texts)}]" for symbol, texts in pages.items())
        parts.append(f'"{name}":{{{body}}}')
    parts.append(f'"next_page_token":{json.dumps(following)}')
    if history.currency:
        parts.append(f'"currency":{json.dumps(history.currency)}')
    return "{" + ",".join(parts) + "}"


# ------------------------------------------------------------------------------------------------------------ timeframes

_TIMEFRAME = re.compile(r"([1-9][0-9]?)(Min|T|Hour|H|Day|D|Week|W|Month|M)", re.ASCII)
_UNITS = {"T": "Min", "H": "Hour", "D": "Day", "W": "Week", "M": "Month"}
_COUNTS: dict[str, frozenset[int]] = {
    "Min": frozenset(range(1, 60)),
    "Hour": frozenset(range(1, 24)),
    "Day": frozenset({1}),
    "Week": frozenset({1}),
    "Month": frozenset({1, 2, 3, 4, 6, 12}),
}


class Timeframe(NamedTuple):
    """How long a bar is: ``number`` of ``Min``, ``Hour``, ``Day``, ``Week`` or ``Month``."""

    number: int
    unit: str

    @property
    def length(self) -> timedelta | None:
        """Its length when it is shorter than a day, else ``None``."""
        return {"Min": timedelta(minutes=self.number), "Hour": timedelta(hours=self.number)}.get(self.unit)

    def label(self, ts: int) -> int:
        """Where the week or month that contains the day labelled ``ts`` (µs, New York midnight) begins, likewise labelled."""
        day = instant(ts).astimezone(NEW_YORK).date()
        if self.unit == "Week":
            first = day - timedelta(days=day.weekday())
        elif self.unit == "Month":
            first = day.replace(month=(day.month - 1) // self.number * self.number + 1, day=1)
        else:
            first = day
        return micros(datetime(first.year, first.month, first.day, tzinfo=NEW_YORK))


def query_timeframe(request: Request, step: timedelta) -> Timeframe:
    """The ``timeframe``. Raises a 400 refusal for an unknown one and for one finer than the tape's ``step``."""
    text = request.query_params.get("timeframe", "")
    match = _TIMEFRAME.fullmatch(text)
    if match is not None:
        found = Timeframe(int(match[1]), _UNITS.get(match[2], match[2]))
        if found.number in _COUNTS[found.unit]:
            if found.length is not None and found.length < step:
                raise bad(f"invalid timeframe: the tape has no {text} bars")
            return found
    raise bad(f"invalid timeframe: {text}")


def query_adjustment(request: Request) -> None:
    """The ``adjustment``; checked only, for a tape has no splits, dividends or spin-offs. Raises a 400 refusal."""
    text = request.query_params.get("adjustment", "raw")
    for part in text.split(","):
        if part not in ADJUSTMENTS:
            raise bad(f"invalid adjustment: {text}")
