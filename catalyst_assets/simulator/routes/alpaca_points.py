"""Points of market data as Alpaca writes them over HTTP: bars, trades, quotes, auctions.

Belongs here: keys, rounding, time stamps, codes of tapes, venues and conditions. Does not belong here: which points are asked for
(``alpaca_data``), websocket messages (``streams/market_events``, which use these).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import numpy as np

from catalyst_assets.simulator.feeds import IEX, FeedView, Print
from catalyst_assets.simulator.market import Chunk, Hours, Quote
from catalyst_assets.simulator.ticks import LOT, NANOSECONDS
from catalyst_assets.simulator.worlds.pricepath import instant, micros

TAPES = {"NYSE": "A", "ARCA": "B", "AMEX": "B", "BATS": "B", "NASDAQ": "C"}
PRIMARY = {"NYSE": "N", "ARCA": "P", "AMEX": "A", "BATS": "Z", "NASDAQ": "Q"}
"""Listing exchange to its one-letter code; by it also the tape."""
REGULAR_SALE = {"A": " ", "B": " ", "C": "@"}
ODD_LOT, EXTENDED_HOURS = "I", "T"
FIRM_QUOTE = "R"
PRINTS_PER_BAR = 100_000
"""Trade ids count the minutes since the epoch in steps of this, and a bar's prints within."""
_AUCTION_SHARE = 0.2
"""Size of an auction as part of the volume of the bar beside it."""


def stamp_ns(ns: int) -> str:
    """RFC 3339 in UTC; the fraction has up to nine digits and no trailing zeros."""
    seconds, fraction = divmod(ns, 1_000_000_000)
    digits = f".{fraction:09d}".rstrip("0") if fraction else ""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}{digits}Z"


def tape_of(feed: FeedView, symbol: str) -> str:
    """``A`` (NYSE), ``B`` (regional) or ``C`` (Nasdaq)."""
    return TAPES.get(str(feed.view.instruments.get(symbol, {}).get("exchange")), "C")


def bar_texts(chunk: Chunk) -> list[str]:
    """Each bar of a chunk as JSON text (building the text directly is several times faster than dicts)."""
    if not len(chunk.ts):
        return []
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


def conditions_of(feed: FeedView, hours: Hours, symbol: str, made: Print) -> list[str]:
    """Condition codes of a trade: regular sale, ``T`` outside regular hours, ``I`` for less than a round lot."""
    codes = [REGULAR_SALE[tape_of(feed, symbol)]]
    if not hours.open <= instant(made.bar) < hours.close:
        codes.append(EXTENDED_HOURS)
    if made.size < LOT:
        codes.append(ODD_LOT)
    return codes


def trade_json(feed: FeedView, symbol: str, made: Print, *, timestamp: Any = None) -> dict[str, Any]:
    """A trade; ``timestamp`` replaces its RFC 3339 time."""
    hours = feed.view.session_for(instant(made.bar))
    return {
        "t": timestamp or stamp_ns(made.ns),
        "x": made.exchange,
        "p": round(made.price, 4),
        "s": made.size,
        "c": conditions_of(feed, hours, symbol, made),
        "i": trade_id(made),
        "z": tape_of(feed, symbol),
    }


def trade_id(made: Print) -> int:
    """A number no other trade of the symbol has, growing with time."""
    return made.bar // 60_000_000 * PRINTS_PER_BAR + made.number + 1


def quote_json(feed: FeedView, symbol: str, quote: Quote, *, timestamp: Any = None) -> dict[str, Any]:
    """A quote; sizes in shares. IEX quotes are IEX's own, those of the consolidated tape the listing exchange's."""
    listed = str(feed.view.instruments.get(symbol, {}).get("exchange"))
    venue = "V" if feed.feed == IEX else PRIMARY.get(listed, "Q")
    return {
        "t": timestamp or stamp_ns(quote.ts * NANOSECONDS),
        "ax": venue,
        "ap": quote.ask,
        "as": int(quote.size),
        "bx": venue,
        "bp": quote.bid,
        "bs": int(quote.size),
        "c": [FIRM_QUOTE],
        "z": tape_of(feed, symbol),
    }


def auction_days(feed: FeedView, symbol: str, now_ns: int) -> Iterator[tuple[int, dict[str, Any]]]:
    """``(ns of the first auction, day)`` of every session of the tape by ``now_ns``, oldest first.

    The opening auction is the first trade of the regular session, told as opening print (``O``) and official open (``Q``); the closing
    auction is its last price at the close, as closing print (``6``) and official close (``M``).
    """
    venue = PRIMARY.get(str(feed.view.instruments.get(symbol, {}).get("exchange")), "Q")
    for session in feed.view.tape.sessions:
        hours = feed.view.hours(session)
        open_us, close_us = micros(hours.open), micros(hours.close)
        chunk = next(iter(feed.bars([symbol], open_us, close_us, close_us)), None)
        if chunk is None or open_us * NANOSECONDS > now_ns:
            continue
        first = next(feed.prints(symbol, int(chunk.ts[0]) * NANOSECONDS, close_us * NANOSECONDS, close_us), None)
        if first is None or first.ns > now_ns:
            continue
        opening = _auction(first.ns, venue, first.price, float(chunk.columns["volume"][0]), ("O", "Q"))
        closed_ns = close_us * NANOSECONDS + 120_649_216
        closing = []
        if closed_ns <= now_ns:
            closing = _auction(
                closed_ns, venue, float(chunk.columns["close"][-1]), float(chunk.columns["volume"][-1]), ("6", "M")
            )
        yield first.ns, {"d": session.isoformat(), "o": opening, "c": closing}


def _auction(ns: int, venue: str, price: float, volume: float, codes: tuple[str, str]) -> list[dict[str, Any]]:
    size = max(1, round(volume * _AUCTION_SHARE))
    return [
        {"t": stamp_ns(ns + k * 5_276_672), "x": venue, "p": round(price, 4), "s": size, "c": code}
        for k, code in enumerate(codes)
    ]
