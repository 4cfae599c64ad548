"""Alpaca's bars, quotes, trades and snapshots over the tape: ``/alpaca/data/v2/stocks``.

Belongs here: these routes, their paging and bodies. Does not belong here: news and screener (``alpaca_news_routes``), and which
bars and quotes are visible (``market``).
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from catalyst_assets.simulator.faults import Handler
from catalyst_assets.simulator.market import Bar, Chunk, resample_chunk
from catalyst_assets.simulator.routes.alpaca_trading import credentials_checker, parse_instant, rate_limited
from catalyst_assets.simulator.routes.wire import NEW_YORK, Json, stamp
from catalyst_assets.simulator.state import Simulation
from catalyst_assets.simulator.venue.orders import ExchangeRefusal
from catalyst_assets.simulator.worlds.pricepath import MICROSECOND, instant, micros

PREFIX = "/alpaca/data"
MAX_BARS, DEFAULT_BARS = 10_000, 1_000
_SYMBOL = re.compile(r"^[A-Z]{1,6}(\.[A-Z]{1,2})?$")
_TIMEFRAME = re.compile(r"^(\d{1,2})(Min|T|Hour|H|Day|D)$")
_MINUTES = {"Min": 1, "T": 1, "Hour": 60, "H": 60}


def bad(message: str, status: int = 400) -> ExchangeRefusal:
    """A data error: a message without a code."""
    return ExchangeRefusal(None, status, message)


def page_token(*parts: object) -> str:
    """An opaque cursor."""
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode()


def read_token(token: str | None) -> list[Any] | None:
    """The parts of a cursor. Raises a 400 refusal for anything else."""
    if not token:
        return None
    try:
        parts = json.loads(base64.urlsafe_b64decode(token.encode()))
    except (ValueError, binascii.Error) as error:
        raise bad("invalid page token") from error
    if not isinstance(parts, list) or len(parts) != 2:
        raise bad("invalid page token")
    return parts


def bar_texts(chunk: Chunk) -> list[str]:
    """Each bar of a chunk as JSON text (building the text directly is several times faster than dicts)."""
    c = chunk.columns
    stamps = np.datetime_as_string(chunk.ts.astype("datetime64[us]").astype("datetime64[s]")).tolist()
    prices = [np.round(c[name], 4).tolist() for name in ("open", "high", "low", "close")]
    volume = c["volume"].astype(np.int64).tolist()
    trades = [None if math.isnan(n) else int(n) for n in c["trade_count"].tolist()]
    vwap = [None if math.isnan(x) else round(x, 6) for x in c["vwap"].tolist()]
    return [
        f'{{"t":"{t}Z","o":{o},"h":{h},"l":{low},"c":{close},"v":{v},"n":{_null(n)},"vw":{_null(w)}}}'
        for t, o, h, low, close, v, n, w in zip(stamps, *prices, volume, trades, vwap, strict=True)
    ]


def _null(value: float | None) -> str:
    return "null" if value is None else repr(value)


def query_instant(request: Request, name: str) -> datetime | None:
    """A query parameter as UTC, ``None`` when absent. Raises a 400 refusal."""
    text = request.query_params.get(name)
    if not text:
        return None
    try:
        return parse_instant(text, name)
    except ExchangeRefusal as error:
        raise bad(error.message) from error


def query_limit(request: Request, default: int, highest: int) -> int:
    """The ``limit`` parameter. Raises a 400 refusal."""
    text = request.query_params.get("limit")
    if text is None:
        return default
    if not text.isdigit() or int(text) < 1:
        raise bad("invalid limit")
    if int(text) > highest:
        raise bad(f"invalid limit: larger than the allowed maximum of {highest}")
    return int(text)


def data_route(state: Simulation, prefix: str) -> Callable[[str, Handler], Route]:
    """How a GET route below ``prefix`` is made on the data host: its refusal, and the limit that data, news and screener share."""
    refuse = credentials_checker(state, "forbidden.")

    def route(path: str, handler: Handler) -> Route:
        guarded = state.route(
            "alpaca", handler, limited=rate_limited, refuse=refuse, headers="X-RateLimit", plan="alpaca_data"
        )
        return Route(prefix + path, guarded, methods=["GET"])

    return route


class DataRoutes:
    """Handlers of the data interface."""

    def __init__(self, state: Simulation) -> None:
        self.state = state

    @property
    def now(self) -> datetime:
        """The simulated now."""
        return self.state.exchange.now

    def routes(self) -> list[Route]:
        """All routes, guarded by authentication, faults and the rate limit."""
        route = data_route(self.state, PREFIX)

        return [
            route("/v2/stocks/bars", self.bars),
            route("/v2/stocks/bars/latest", self.latest_bars),
            route("/v2/stocks/quotes/latest", self.latest_quotes),
            route("/v2/stocks/trades/latest", self.latest_trades),
            route("/v2/stocks/snapshots", self.snapshots),
        ]

    def _symbols(self, request: Request) -> list[str]:
        symbols = sorted({s for s in request.query_params.get("symbols", "").split(",") if s})
        if not symbols:
            raise bad("symbols is required")
        for symbol in symbols:
            if not _SYMBOL.match(symbol):
                raise bad(f"invalid symbol: {symbol}")
        return symbols

    # ----------------------------------------------------------------------------------------------------------- bars

    async def bars(self, request: Request) -> Response:
        query = request.query_params
        symbols = self._symbols(request)
        limit = query_limit(request, DEFAULT_BARS, MAX_BARS)
        match = _TIMEFRAME.match(query.get("timeframe", ""))
        if match is None:
            raise bad(f"invalid timeframe: {query.get('timeframe', '')}")
        today = self.now.astimezone(NEW_YORK).date().isoformat()
        start = query_instant(request, "start") or parse_instant(today, "start")
        end = self._end(request)
        if end < start:
            raise bad("end should not be before start")
        token = read_token(query.get("page_token"))
        descending = query.get("sort", "asc") == "desc"
        pages: dict[str, list[str]] = {}
        left, following = limit, None
        previous: tuple[str, int] = ("", 0)
        for chunk in self._chunks(symbols, match, start, end, token[0] if token else None):
            chunk = _after(chunk, token, descending)
            if not len(chunk.ts):
                continue
            if left == 0:
                following = page_token(*previous)
                break
            taken = Chunk(chunk.symbol, chunk.ts[:left], {k: v[:left] for k, v in chunk.columns.items()})
            pages[chunk.symbol] = bar_texts(taken)
            left -= len(taken.ts)
            previous = (chunk.symbol, int(taken.ts[-1]))
            if len(taken.ts) < len(chunk.ts):
                following = page_token(*previous)
                break
        body = ",".join(f'"{symbol}":[{",".join(texts)}]' for symbol, texts in pages.items())
        return Json(f'{{"bars":{{{body}}},"next_page_token":{json.dumps(following)}}}')

    def _end(self, request: Request) -> datetime:
        """The requested end, cut to what the plan may see."""
        feed = request.query_params.get("feed", "")
        recent = self.now - self.state.plan.sip_delay
        end = query_instant(request, "end")
        if feed == "iex":
            return end or self.now
        if end is None:
            return recent
        if end > recent:  # without a feed the server takes SIP
            raise bad("subscription does not permit querying recent SIP data", 403)
        return end

    def _chunks(
        self, symbols: list[str], match: re.Match[str], start: datetime, end: datetime, first: str | None
    ) -> Iterator[Chunk]:
        symbols = [symbol for symbol in symbols if first is None or symbol >= first]
        count, unit = int(match[1]), match[2]
        if unit in ("Day", "D"):
            yield from (self._days(symbol, start, end) for symbol in symbols)
            return
        length = timedelta(minutes=count * _MINUTES[unit])
        if length < self.state.tape.step:
            raise bad(f"invalid timeframe: the tape has no {match[0]} bars")
        size, now = length // MICROSECOND, micros(self.now)
        low, high = micros(start), micros(end) + 1
        if size > self.state.view.step:
            low, high = -(-low // size) * size, -(-high // size) * size
        for chunk in self.state.view.chunks(symbols, low, high, now):
            yield resample_chunk(chunk, size) if size > self.state.view.step else chunk

    def _days(self, symbol: str, start: datetime, end: datetime) -> Chunk:
        """Daily bars, the running session's so far included (as Alpaca serves it)."""
        view, now = self.state.view, self.now
        rows: list[Bar] = []
        bars = view.daily().get(symbol)
        for position, session in enumerate(bars.sessions if bars else ()):
            midnight = parse_instant(session.isoformat(), "session")
            if not start <= midnight <= end:
                continue
            hours = view.hours(session)
            if hours.close <= now and bars is not None:
                c = {name: float(values[position]) for name, values in bars.columns.items()}
                rows.append(Bar(micros(midnight), c["open"], c["high"], c["low"], c["close"], c["volume"], 0.0))
            elif hours.open <= now:
                running = view.session_totals(symbol, hours, micros(now), regular=True)
                if running is not None:
                    rows.append(running._replace(ts=micros(midnight)))
        columns = {
            name: np.array([getattr(row, name) for row in rows], dtype=np.float64)
            for name in ("open", "high", "low", "close", "volume")
        }
        unknown = np.full(len(rows), np.nan)
        return Chunk(
            symbol,
            np.array([row.ts for row in rows], dtype=np.int64),
            {**columns, "vwap": unknown, "trade_count": unknown},
        )

    # --------------------------------------------------------------------------------------------------------- latest

    def _recent_only(self, request: Request) -> None:
        if request.query_params.get("feed") == "sip":
            raise bad("subscription does not permit querying recent SIP data", 403)

    def _quote(self, symbol: str) -> dict[str, Any] | None:
        quote = self.state.view.quote(symbol, self.now)
        if quote is None:
            return None
        size = int(quote.size)
        return {
            "t": stamp(instant(quote.ts)),
            "ap": quote.ask,
            "as": size,
            "ax": "V",
            "bp": quote.bid,
            "bs": size,
            "bx": "V",
            "c": ["R"],
            "z": "C",
        }

    def _minute(self, symbol: str) -> Chunk | None:
        """The last complete base bar of today, one row."""
        view, now = self.state.view, micros(self.now)
        start = micros(view.session_for(self.now).pre_open)
        for chunk in view.chunks([symbol], start, now, now):
            return Chunk(symbol, chunk.ts[-1:], {k: v[-1:] for k, v in chunk.columns.items()})
        return None

    def _trade(self, symbol: str) -> dict[str, Any] | None:
        price = self.state.view.last_price(symbol, self.now)
        minute = self._minute(symbol)
        if price is None or minute is None:
            return None
        at = min(self.now, instant(int(minute.ts[0]) + self.state.view.step))
        row = int(minute.ts[0] // self.state.view.step)
        return {"t": stamp(at), "p": round(price, 4), "s": 100, "x": "V", "i": row, "c": ["@"], "z": "C"}

    async def latest_bars(self, request: Request) -> Response:
        symbols = self._symbols(request)
        self._recent_only(request)
        found = {symbol: self._minute(symbol) for symbol in symbols}
        bars = {symbol: json.loads(bar_texts(chunk)[0]) for symbol, chunk in found.items() if chunk is not None}
        return Json({"bars": bars})

    async def latest_quotes(self, request: Request) -> Response:
        symbols = self._symbols(request)
        self._recent_only(request)
        quotes = {symbol: self._quote(symbol) for symbol in symbols}
        return Json({"quotes": {symbol: quote for symbol, quote in quotes.items() if quote is not None}})

    async def latest_trades(self, request: Request) -> Response:
        symbols = self._symbols(request)
        self._recent_only(request)
        trades = {symbol: self._trade(symbol) for symbol in symbols}
        return Json({"trades": {symbol: trade for symbol, trade in trades.items() if trade is not None}})

    async def snapshots(self, request: Request) -> Response:
        symbols = self._symbols(request)
        self._recent_only(request)
        answer: dict[str, Any] = {}
        for symbol in symbols:
            if symbol not in self.state.view.instruments:
                continue
            minute = self._minute(symbol)
            days = self._days(symbol, self.now - timedelta(days=10), self.now)
            texts = [json.loads(text) for text in bar_texts(days)]
            parts = {
                "latestTrade": self._trade(symbol),
                "latestQuote": self._quote(symbol),
                "minuteBar": json.loads(bar_texts(minute)[0]) if minute else None,
                "dailyBar": texts[-1] if texts else None,
                "prevDailyBar": texts[-2] if len(texts) > 1 else None,
            }
            answer[symbol] = {key: value for key, value in parts.items() if value is not None}
        return Json(answer)


def _after(chunk: Chunk, token: list[Any] | None, descending: bool) -> Chunk:
    """The chunk in the wanted order, from the cursor on."""
    ts, columns = chunk.ts, chunk.columns
    if descending:
        ts, columns = ts[::-1], {name: values[::-1] for name, values in columns.items()}
    if token and chunk.symbol == token[0]:
        rest = ts < int(token[1]) if descending else ts > int(token[1])
        ts, columns = ts[rest], {name: values[rest] for name, values in columns.items()}
    return Chunk(chunk.symbol, ts, columns)
