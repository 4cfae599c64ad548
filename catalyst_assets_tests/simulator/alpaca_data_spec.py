"""Where the simulated data host and the vendor's specification differ or the specification is looser than the vendor, and why.

Belongs here: data, rendered in ``docs/simulator/market-data.md``. Does not belong here: the tests (``test_alpaca_data_spec``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

SERVED = (
    "/v1/corporate-actions",
    "/v1beta1/news",
    "/v1beta1/screener/stocks/most-actives",
    "/v1beta1/screener/{market_type}/movers",
    "/v2/stocks/auctions",
    "/v2/stocks/bars",
    "/v2/stocks/bars/latest",
    "/v2/stocks/meta/conditions/{ticktype}",
    "/v2/stocks/meta/exchanges",
    "/v2/stocks/quotes",
    "/v2/stocks/quotes/latest",
    "/v2/stocks/snapshots",
    "/v2/stocks/trades",
    "/v2/stocks/trades/latest",
    "/v2/stocks/{symbol}/auctions",
    "/v2/stocks/{symbol}/bars",
    "/v2/stocks/{symbol}/bars/latest",
    "/v2/stocks/{symbol}/quotes",
    "/v2/stocks/{symbol}/quotes/latest",
    "/v2/stocks/{symbol}/snapshot",
    "/v2/stocks/{symbol}/trades",
    "/v2/stocks/{symbol}/trades/latest",
)
"""Every operation of the specification that is served; all are GET. The rest is options, crypto, forex, logos and event feeds."""


@dataclass(frozen=True, slots=True)
class Narrowed:
    """A parameter the specification gives as free text, and the values the vendor's words allow; ``None`` = never sent."""

    parameter: str
    schema: dict[str, Any] | None
    reason: str


_SYMBOLS = "(AAA|BBB|CCC|ZZZZ|BRK[.]B)"
_RFC3339 = {
    "type": "string",
    "enum": ["2026-11-19T14:30:00Z", "2026-11-20T10:00:00.5-05:00", "2026-11-18", "2020-02-29T00:00:00.123456789Z"],
}

NARROWED: tuple[Narrowed, ...] = (
    Narrowed(
        "symbols",
        {"type": "string", "pattern": f"^{_SYMBOLS}(,{_SYMBOLS}){{0,2}}$"},
        "free text; a symbol is 1–6 capitals, one bad symbol fails the request",
    ),
    Narrowed("symbol", {"type": "string", "pattern": f"^{_SYMBOLS}$"}, "free text; a symbol is 1–6 capitals"),
    Narrowed(
        "timeframe",
        {"type": "string", "enum": ["1Min", "15T", "1Hour", "4H", "1Day", "1W", "3Month", "12M"]},
        "free text; the values are in the description",
    ),
    Narrowed(
        "adjustment",
        {"type": "string", "enum": ["raw", "split", "all", "split,spin-off"]},
        "free text; the values are in the description",
    ),
    Narrowed("asof", {"type": "string", "enum": ["2026-11-20", "-"]}, "free text; a date or a dash"),
    Narrowed("currency", {"type": "string", "enum": ["USD"]}, "free text; the simulator has prices in US dollars only"),
    Narrowed("page_token", None, "opaque; only a token from an answer is valid"),
    Narrowed("start", _RFC3339, "any date-time is valid; these lie where the tape has data"),
    Narrowed("end", _RFC3339, "any date-time is valid; these lie where the tape has data"),
    Narrowed(
        "types",
        {"type": "string", "enum": ["forward_split", "cash_dividend,name_change"]},
        "free text; the values are in the description",
    ),
    Narrowed("ids", None, "mutually exclusive with every other filter, which the specification cannot say"),
    Narrowed("auction_feed", {"type": "string", "enum": ["sip"]}, "free text; only sip is valid for auctions"),
)


@dataclass(frozen=True, slots=True)
class Explained:
    """A refusal of a request that is valid by the specification; ``message`` is a regular expression."""

    status: int
    message: str
    reason: str


EXPLAINED: tuple[Explained, ...] = (
    Explained(400, "end should not be before start", "two parameters together, which the specification cannot say"),
    Explained(403, "subscription does not permit querying (recent SIP|OTC|BOATS|overnight) data", "the free plan"),
    Explained(
        404,
        "no (bar|quote|trade|snapshot) found for ZZZZ|no (bar|quote|trade|snapshot) found for BRK[.]B",
        "a single symbol without data; the vendor answers so, its specification has no 404",
    ),
)


@dataclass(frozen=True, slots=True)
class Deviation:
    """A place of an answer that differs from the specification's schema on purpose."""

    operation: str
    place: str
    reason: str


DEVIATIONS: tuple[Deviation, ...] = (
    Deviation("/v2/stocks/{symbol}/bars", "bars", "null instead of a list when there are none, as the vendor answers"),
    Deviation(
        "/v2/stocks/{symbol}/trades", "trades", "null instead of a list when there are none, as the vendor answers"
    ),
    Deviation(
        "/v2/stocks/{symbol}/quotes", "quotes", "null instead of a list when there are none, as the vendor answers"
    ),
    Deviation(
        "/v2/stocks/{symbol}/auctions", "auctions", "null instead of a list when there are none, as the vendor answers"
    ),
)
