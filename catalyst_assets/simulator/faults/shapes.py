"""Which objects the vendors' answers are made of: where they stand, what they must have, may have, and choose from.

Belongs here: that table, and finding objects in an answer. Does not belong here: what is done to them (``spoiling``,
``markets``). Optional and required are the vendors' own promises as far as they are documented; where nothing is documented, a
field is required when nothing can be understood without it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from catalyst_assets.simulator.faults.request import Asked

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Shape:
    """One kind of object. ``routes`` are path globs; ``where`` leads to the objects: names separated by dots, ``*`` for every
    value of an object, ``[]`` for every item of a list (empty: the answer itself)."""

    name: str
    vendor: str
    routes: tuple[str, ...]
    where: tuple[str, ...]
    required: tuple[str, ...]
    optional: tuple[str, ...] = ()
    enums: tuple[str, ...] = ()
    times: tuple[str, ...] = ()
    """Fields of an article that say when it was published or changed."""
    identity: tuple[str, ...] = ()
    """Fields of an article by which it is recognised."""


_T, _D = "/alpaca/trading/v2", "/alpaca/data"

SHAPES: tuple[Shape, ...] = (
    Shape(
        "order", "alpaca", (f"{_T}/orders*",), ("", "[]", "legs[]", "[].legs[]"),
        ("status", "id", "client_order_id", "symbol", "side", "submitted_at", "qty", "filled_qty", "type"),
        ("hwm", "trail_percent", "trail_price", "subtag", "source", "notional", "expires_at", "asset_id", "position_intent"),
        ("status", "order_class", "type", "time_in_force", "asset_class"),
    ),
    Shape(
        "account", "alpaca", (f"{_T}/account",), ("",),
        ("equity", "id", "status", "last_equity", "cash", "buying_power", "multiplier", "trading_blocked"),
        ("sma", "accrued_fees", "crypto_status", "crypto_tier", "admin_configurations", "user_configurations",
         "intraday_adjustments", "pending_reg_taf_fees", "options_buying_power"),
        ("status", "crypto_status"),
    ),
    Shape(
        "position", "alpaca", (f"{_T}/positions*",), ("", "[]"),
        ("qty", "symbol", "side", "avg_entry_price"),
        ("qty_available", "change_today", "lastday_price", "asset_marginable", "unrealized_intraday_pl", "current_price"),
        ("exchange", "asset_class"),
    ),
    Shape(
        "activity", "alpaca", (f"{_T}/account/activities*",), ("[]",),
        ("price", "net_amount", "id", "transaction_time", "order_id", "symbol", "qty", "side"),
        ("leaves_qty", "cum_qty", "order_status", "type", "per_share_amount", "description", "status"),
        ("type", "order_status", "status"),
    ),
    Shape("clock", "alpaca", (f"{_T}/clock",), ("",), ("is_open", "timestamp", "next_open", "next_close")),
    Shape(
        "calendar day", "alpaca", (f"{_T}/calendar",), ("[]",),
        ("open", "close", "date"), ("session_open", "session_close", "settlement_date"),
    ),
    Shape(
        "asset", "alpaca", (f"{_T}/assets*",), ("", "[]"),
        ("tradable", "symbol", "status", "class"),
        ("maintenance_margin_requirement", "margin_requirement_long", "margin_requirement_short", "attributes", "fractionable",
         "borrow_status"),
        ("exchange", "status", "class"),
    ),
    Shape(
        "bar", "alpaca", (f"{_D}/v2/stocks/*bars*",), ("bars.*[]", "bars.*", "bars[]", "bar"),
        ("c", "t", "o", "h", "l", "v"), ("n", "vw"),
    ),
    Shape(
        "quote", "alpaca", (f"{_D}/v2/stocks/*quotes/latest", f"{_D}/v2/stocks/*snapshot*"),
        ("quotes.*", "quote", "*.latestQuote", "latestQuote"),
        ("bp", "ap", "t"), ("ax", "bx", "as", "bs"), ("z", "ax", "bx"),
    ),
    Shape(
        "article", "alpaca", (f"{_D}/v1beta1/news",), ("news[]",),
        ("created_at", "headline"), ("summary", "author", "images", "content", "url"), (),
        ("created_at", "updated_at"), ("id", "url"),
    ),
    Shape("active", "alpaca", (f"{_D}/v1beta1/screener/stocks/most-actives",), ("most_actives[]",), ("symbol",), ("trade_count",)),
    Shape(
        "mover", "alpaca", (f"{_D}/v1beta1/screener/stocks/movers",), ("gainers[]", "losers[]"), ("symbol",), ("change",),
    ),
    Shape(
        "article", "finnhub", ("/finnhub/api/v1/news", "/finnhub/api/v1/company-news"), ("[]",),
        ("datetime", "headline"), ("summary", "image", "category", "url"), ("category",), ("datetime",), ("id", "url"),
    ),
    Shape(
        "article", "alphavantage", ("/alphavantage/*",), ("feed[]",),
        ("time_published", "title"), ("banner_image", "topics", "authors", "category_within_source", "source_domain"),
        ("overall_sentiment_label",), ("time_published",), ("url",),
    ),
    Shape(
        "mover", "alphavantage", ("/alphavantage/*",), ("top_gainers[]", "top_losers[]", "most_actively_traded[]"),
        ("ticker",), ("change_amount",),
    ),
    Shape(
        "article", "newsapi", ("/newsapi/*",), ("articles[]",),
        ("publishedAt", "title"), ("author", "urlToImage", "content", "description"), (), ("publishedAt",), ("url",),
    ),
    Shape(
        "chart", "yahoo", ("/yahoo/*/v8/finance/chart/*",), ("chart.result[]",),
        ("indicators", "timestamp"), ("meta",),
    ),
    Shape(
        "active", "yahoo", ("/yahoo/*/v1/finance/screener/*",), ("finance.result[].quotes[]",),
        ("regularMarketVolume", "symbol"), ("shortName", "marketState", "exchange"), ("quoteType", "marketState"),
    ),
    Shape(
        "article", "yahoo", ("/yahoo/*/xhr/ncp",), ("data.tickerStream.stream[].content",),
        ("pubDate", "title"), ("description", "thumbnail", "summary"), ("contentType",), ("pubDate", "displayTime"), ("id",),
    ),
)  # fmt: skip
"""Every kind of object a fault can touch."""

_STEP = re.compile(r"\[\]|[^.\[\]]+")


def shaped(asked: Asked, body: Any, names: frozenset[str] = frozenset()) -> Iterator[tuple[Shape, Row, str]]:
    """The objects of an answer with their shape and the key they stand under; ``names`` limits the shapes."""
    path = asked.route.partition(" ")[2]
    alone = str(body.get("symbol", "")) if isinstance(body, dict) else ""  # an answer about one symbol names it once
    for shape in SHAPES:
        if shape.vendor != asked.vendor or (names and shape.name not in names):
            continue
        if not any(fnmatchcase(path, glob) for glob in shape.routes):
            continue
        for where in shape.where:
            for row, key in _walk(body, _STEP.findall(where), ""):
                if isinstance(row, dict) and any(name in row for name in shape.required):
                    yield shape, row, key or alone


def _walk(value: Any, steps: list[str], key: str) -> Iterator[tuple[Any, str]]:
    if not steps:
        yield value, key
    elif steps[0] == "[]":
        for item in value if isinstance(value, list) else ():
            yield from _walk(item, steps[1:], key)
    elif not isinstance(value, dict):
        return
    elif steps[0] == "*":
        for name, item in value.items():
            yield from _walk(item, steps[1:], str(name))
    elif steps[0] in value:
        yield from _walk(value[steps[0]], steps[1:], key)


def names_symbol(row: Row, key: str, symbol: str | None) -> bool:
    """True when the object is about ``symbol`` (every object is, when none is given)."""
    if symbol is None or symbol == key:
        return True
    listed = row.get("symbols")
    sentiments = row.get("ticker_sentiment")
    named = [row.get("symbol"), row.get("ticker"), row.get("related"), *(listed if isinstance(listed, list) else ())]
    named += [item.get("ticker") for item in (sentiments if isinstance(sentiments, list) else ())]
    meta = row.get("meta")
    return symbol in [*named, meta.get("symbol") if isinstance(meta, dict) else None]
