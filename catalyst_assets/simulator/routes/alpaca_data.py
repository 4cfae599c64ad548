"""Alpaca's stock data over the tape: ``/alpaca/data/v2/stocks``: bars, trades, quotes, their latest, snapshots, auctions, meta.

Belongs here: these routes and their bodies. Does not belong here: parameters and refusals (``alpaca_query``), what a feed tells
(``feeds``), how a point is written (``alpaca_points``), news and screener (``alpaca_news``).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any

import numpy as np
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from catalyst_assets.simulator.faults import Handler
from catalyst_assets.simulator.market import Chunk, gather_chunk
from catalyst_assets.simulator.routes import alpaca_meta
from catalyst_assets.simulator.routes.alpaca_points import auction_days, bar_texts, quote_json, trade_json
from catalyst_assets.simulator.routes.alpaca_query import (
    AUCTION_FEEDS,
    History,
    Seen,
    Timeframe,
    bad,
    check_currency,
    envelope,
    latest_feed,
    page_token,
    query_adjustment,
    query_symbols,
    query_timeframe,
)
from catalyst_assets.simulator.routes.alpaca_trading import credentials_checker, rate_limited
from catalyst_assets.simulator.routes.wire import Json
from catalyst_assets.simulator.state import Simulation
from catalyst_assets.simulator.ticks import NANOSECONDS
from catalyst_assets.simulator.worlds.pricepath import MICROSECOND, micros

PREFIX = "/alpaca/data"
SNAPSHOT_DAYS = 10
"""Calendar days looked back for a snapshot's two daily bars."""

Point = tuple[int, str]
"""A point of a series: nanoseconds since the epoch, and its JSON text."""


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

    def routes(self) -> list[Route]:
        """All routes, guarded by authentication, faults and the rate limit. Fixed paths stand before ``{symbol}``."""
        route = data_route(self.state, PREFIX + "/v2/stocks")

        return [
            route("/meta/conditions/{ticktype}", self.conditions),
            route("/meta/exchanges", self.exchanges),
            route("/bars", self.bars),
            route("/bars/latest", self.latest_bars),
            route("/trades", self.trades),
            route("/trades/latest", self.latest_trades),
            route("/quotes", self.quotes),
            route("/quotes/latest", self.latest_quotes),
            route("/snapshots", self.snapshots),
            route("/auctions", self.auctions),
            route("/{symbol}/bars", self.bars),
            route("/{symbol}/bars/latest", self.latest_bars),
            route("/{symbol}/trades", self.trades),
            route("/{symbol}/trades/latest", self.latest_trades),
            route("/{symbol}/quotes", self.quotes),
            route("/{symbol}/quotes/latest", self.latest_quotes),
            route("/{symbol}/snapshot", self.snapshots),
            route("/{symbol}/auctions", self.auctions),
        ]

    # -------------------------------------------------------------------------------------------------------- series

    async def bars(self, request: Request) -> Response:
        """Bars of whole intervals on the clock's grid; a running bar holds what is complete of it."""
        timeframe = query_timeframe(request, self.state.tape.step)
        query_adjustment(request)
        history = History.read(self.state, request)
        return self._series(request, history, "bars", lambda symbol: self._bar_points(history, timeframe, symbol))

    def _bar_points(self, history: History, timeframe: Timeframe, symbol: str) -> Iterator[Point]:
        span = history.span_ns(symbol)
        if span is None:
            return
        for chunk in bars_of(history.seen, timeframe, symbol, -(-span[0] // NANOSECONDS), span[1] // NANOSECONDS):
            if history.descending:
                chunk = Chunk(symbol, chunk.ts[::-1], {name: values[::-1] for name, values in chunk.columns.items()})
            first = Chunk(
                symbol, chunk.ts[: history.limit + 1], {k: v[: history.limit + 1] for k, v in chunk.columns.items()}
            )
            yield from zip((first.ts * NANOSECONDS).tolist(), bar_texts(first), strict=True)

    async def trades(self, request: Request) -> Response:
        """Every trade of the feed."""
        history = History.read(self.state, request)
        return self._series(request, history, "trades", lambda symbol: self._trade_points(history, symbol))

    def _trade_points(self, history: History, symbol: str) -> Iterator[Point]:
        span, (feed, now) = history.span_ns(symbol), history.seen
        if span is not None:
            for made in feed.prints(symbol, *span, micros(now), descending=history.descending):
                yield made.ns, json.dumps(trade_json(feed, symbol, made), separators=(",", ":"))

    async def quotes(self, request: Request) -> Response:
        """Quote updates of the feed."""
        history = History.read(self.state, request)
        return self._series(request, history, "quotes", lambda symbol: self._quote_points(history, symbol))

    def _quote_points(self, history: History, symbol: str) -> Iterator[Point]:
        span, (feed, now) = history.span_ns(symbol), history.seen
        if span is not None:
            low, high = -(-span[0] // NANOSECONDS), span[1] // NANOSECONDS
            for quote in feed.quotes(symbol, low, high, micros(now), descending=history.descending):
                yield quote.ts * NANOSECONDS, json.dumps(quote_json(feed, symbol, quote), separators=(",", ":"))

    async def auctions(self, request: Request) -> Response:
        """Opening and closing auctions by day, of the consolidated tape."""
        history = History.read(self.state, request, AUCTION_FEEDS)
        return self._series(request, history, "auctions", lambda symbol: self._auction_points(history, symbol))

    def _auction_points(self, history: History, symbol: str) -> Iterator[Point]:
        span, (feed, now) = history.span_ns(symbol), history.seen
        days = auction_days(feed, symbol, micros(now) * NANOSECONDS)
        for ns, day in reversed(list(days)) if history.descending else days:
            if span is not None and span[0] <= ns <= span[1]:
                yield ns, json.dumps(day, separators=(",", ":"))

    def _series(
        self, request: Request, history: History, name: str, points: Callable[[str], Iterable[Point]]
    ) -> Response:
        """A page: symbols in alphabetical order, each one's points in the wanted order, the limit over all of them."""
        pages: dict[str, list[str]] = {}
        left, last, following = history.limit, ("", 0), None
        for symbol in history.symbols:
            page = list(islice(points(symbol), left + 1))
            if len(page) > left:
                if left:
                    last = (symbol, page[left - 1][0])
                following = page_token(*last)
            if page[:left]:
                pages[symbol] = [text for _, text in page[:left]]
                last = (symbol, page[:left][-1][0])
            left -= len(page[:left])
            if following is not None:
                break
        return Json(envelope(history, request, name, pages, following))

    # --------------------------------------------------------------------------------------------------------- latest

    def _latest(self, request: Request, name: str, found: Callable[[Seen, str], dict[str, Any] | None]) -> Response:
        """``{name}s`` by symbol, those without one left out; of one symbol ``{name}``, or 404."""
        symbols = query_symbols(request)
        check_currency(request)
        seen = latest_feed(self.state, request)
        values = {symbol: found(seen, symbol) for symbol in symbols}
        currency = {"currency": "USD"} if "currency" in request.query_params else {}
        if "symbol" not in request.path_params:
            known = {symbol: value for symbol, value in values.items() if value is not None}
            return Json({f"{name}s": known, **currency})
        value = values[symbols[0]]
        if value is None:
            raise bad(f"no {name} found for {symbols[0]}", 404)
        return Json({name: value, "symbol": symbols[0], **currency})

    async def latest_bars(self, request: Request) -> Response:
        """The last complete minute bar."""
        return self._latest(request, "bar", _minute)

    async def latest_quotes(self, request: Request) -> Response:
        """The quote of this moment."""
        return self._latest(request, "quote", _quote)

    async def latest_trades(self, request: Request) -> Response:
        """The last trade."""
        return self._latest(request, "trade", _trade)

    async def snapshots(self, request: Request) -> Response:
        """Last trade, quote, minute bar, and the running and the previous daily bar; parts without a value are left out."""
        symbols = query_symbols(request)
        check_currency(request)
        seen = latest_feed(self.state, request)
        known = {s: snapshot(seen, s) for s in symbols if s in self.state.view.instruments}
        if "symbol" not in request.path_params:
            return Json(known)
        if symbols[0] not in known:
            raise bad(f"no snapshot found for {symbols[0]}", 404)
        currency = {"currency": "USD"} if "currency" in request.query_params else {}
        return Json({"symbol": symbols[0], **known[symbols[0]], **currency})

    # ----------------------------------------------------------------------------------------------------------- meta

    async def conditions(self, request: Request) -> Response:
        """Names of the condition codes of trades or quotes on a tape."""
        kind, tape = request.path_params["ticktype"], request.query_params.get("tape", "")
        if kind not in alpaca_meta.CONDITIONS:
            raise bad(f"invalid ticktype: {kind}")
        if tape not in alpaca_meta.CONDITIONS[kind]:
            raise bad(f"invalid tape: {tape}")
        return Json(alpaca_meta.CONDITIONS[kind][tape])

    async def exchanges(self, _: Request) -> Response:
        """Names of the exchange codes."""
        return Json(alpaca_meta.EXCHANGES)


def bars_of(seen: Seen, timeframe: Timeframe, symbol: str, start: int, end: int) -> Iterator[Chunk]:
    """Bars of ``symbol`` whose start lies in ``[start, end]`` (µs), oldest first; at most one chunk."""
    feed, now = seen
    length = timeframe.length
    if length is None:
        first = timeframe.label(start)
        days = feed.days(symbol, first, end if timeframe.unit == "Day" else timeframe_end(timeframe, end), now)
        labels = np.array([timeframe.label(ts) for ts in days.ts.tolist()], dtype=np.int64)
        chunk = gather_chunk(days, labels)
    else:
        size = length // MICROSECOND
        low, high = (start, end + 1) if size <= feed.step else (start // size * size, end // size * size + size)
        chunk = next(iter(feed.bars([symbol], low, high, micros(now))), None) or Chunk(
            symbol, np.empty(0, np.int64), {}
        )
        if size > feed.step:
            chunk = gather_chunk(chunk, chunk.ts // size * size)
    keep = (chunk.ts >= start) & (chunk.ts <= end)
    if keep.any():
        yield Chunk(symbol, chunk.ts[keep], {name: values[keep] for name, values in chunk.columns.items()})


def timeframe_end(timeframe: Timeframe, end: int) -> int:
    """Past the last day of the week or month that contains ``end`` (µs)."""
    longest = 8 if timeframe.unit == "Week" else 32 * timeframe.number
    return timeframe.label(end) + longest * 86_400_000_000


def _minute(seen: Seen, symbol: str) -> dict[str, Any] | None:
    chunk = seen.feed.last_bar(symbol, seen.now)
    return json.loads(bar_texts(chunk)[0]) if chunk is not None else None


def _quote(seen: Seen, symbol: str) -> dict[str, Any] | None:
    quote = seen.feed.view.quote(symbol, seen.now)
    return quote_json(seen.feed, symbol, quote) if quote is not None else None


def _trade(seen: Seen, symbol: str) -> dict[str, Any] | None:
    made = seen.feed.last_print(symbol, seen.now)
    return trade_json(seen.feed, symbol, made) if made is not None else None


def snapshot(seen: Seen, symbol: str) -> dict[str, Any]:
    """The parts of a snapshot that have a value."""
    at = micros(seen.now)
    days = bar_texts(seen.feed.days(symbol, at - SNAPSHOT_DAYS * 86_400_000_000, at, seen.now))
    parts = {
        "latestTrade": _trade(seen, symbol),
        "latestQuote": _quote(seen, symbol),
        "minuteBar": _minute(seen, symbol),
        "dailyBar": json.loads(days[-1]) if days else None,
        "prevDailyBar": json.loads(days[-2]) if len(days) > 1 else None,
    }
    return {key: value for key, value in parts.items() if value is not None}
