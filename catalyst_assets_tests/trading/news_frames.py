"""Small invented articles and mentions for the tests of the news rooms."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from catalyst_assets.trading.articles import MENTION_COLUMNS, derive_features, mentions, news_id
from catalyst_assets.trading.calendar import TradingCalendar
from catalyst_assets.trading.config import TradingConfig

CALENDAR = TradingCalendar()
CONFIG = TradingConfig()
NAMES = {
    "ZNVR": "Zenvora Systems, Inc. Common Stock",
    "QRTX": "Quartix Therapeutics Inc",
    "BRLN": "Brellan Motors Corporation",
    "HRLW": "Harlow Capital Group",
    "TGT": "Target Corporation",
}


def at(text: str) -> pd.Timestamp:
    """``2025-05-15 13:30`` as a UTC instant."""
    return pd.Timestamp(text, tz="UTC").as_unit("us")


def raw(rows: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Rows of news_raw; what a row leaves out gets a harmless value."""
    table = []
    for row in rows:
        published = row.get("published_at", row.get("available_at", at("2025-05-15 12:00")))
        source = row.get("source", "Reuters")
        table.append(
            {
                "news_id": row.get("news_id", news_id(row["headline"], source, published)),
                "provider": row.get("provider", "finnhub"),
                "vendor_id": None,
                "source": source,
                "headline": row["headline"],
                "summary": row.get("summary", ""),
                "url": None,
                "published_at": published,
                "provider_updated_at": None,
                "first_seen_at": row.get("available_at", published),
                "available_at": row.get("available_at", published),
                "tickers": row.get("tickers", []),
                "sentiment": row.get("sentiment"),
                "ticker_sentiment": row.get("ticker_sentiment", {}),
                "live_source": row.get("live_source", True),
                "payload": {},
            }
        )
    frame = pd.DataFrame(table)
    for name in ("published_at", "available_at", "first_seen_at"):
        frame[name] = pd.to_datetime(frame[name], utc=True).astype("datetime64[us, UTC]")
    return frame


def features(rows: Iterable[Mapping[str, Any]], names: Mapping[str, str] = NAMES) -> pd.DataFrame:
    return derive_features(raw(rows), CALENDAR, CONFIG, names)


def told(rows: Iterable[Mapping[str, Any]], names: Mapping[str, str] = NAMES) -> pd.DataFrame:
    """Mentions straight from raw rows."""
    given = raw(rows)
    derived = derive_features(given, CALENDAR, CONFIG, names).drop(columns=["session"])
    return mentions(given.drop(columns=["tickers"]).merge(derived, on="news_id"), CONFIG)


def mention(**given: Any) -> dict[str, Any]:
    """One row of a mentions frame with narrative columns."""
    row: dict[str, Any] = {
        "news_id": "a",
        "symbol": "ZNVR",
        "available_at": at("2025-05-15 14:00"),
        "source": "Reuters",
        "source_tier": 1,
        "catalyst_type": "contract_partnership",
        "direction": 0.6,
        "relevance": 1.0,
        "headline": "Zenvora wins an order",
        "summary": "",
        "provider": "finnhub",
        "is_breaking": False,
        "market_state": "regular",
        "live_source": True,
        "narrative_id": "n",
        "similarity": 0.0,
        "novelty": 1.0,
        "is_echo": False,
    }
    row.update(given)
    row.setdefault("published_at", row["available_at"])
    return row


def mention_frame(rows: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    columns = [*MENTION_COLUMNS, "narrative_id", "similarity", "novelty", "is_echo"]
    frame = pd.DataFrame([dict(row) for row in rows])
    for name in ("available_at", "published_at"):
        frame[name] = pd.to_datetime(frame[name], utc=True).astype("datetime64[us, UTC]")
    return frame[columns].sort_values(["available_at", "news_id", "symbol"], ignore_index=True)
