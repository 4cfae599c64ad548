"""A thousand articles from a vendor's JSON to stored rows with their meaning, on real PostgreSQL.

Belongs here: the whole way in (read, deduplicate, store, derive, store again). Does not belong here: the network, which is the
vendor's time and not ours.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from benchmarks import bench_news
from benchmarks.figures import Figure, Tell, figure, silent, timed
from benchmarks.surroundings import private_home
from catalyst_assets.ports import FixedClock
from catalyst_assets.storage.database import open_database
from catalyst_assets.storage.news import NewsRepository
from catalyst_assets.trading import articles, headlines
from catalyst_assets.trading.calendar import TradingCalendar
from catalyst_assets.trading.config import TradingConfig
from catalyst_assets.vendors.budgets import LocalBudget
from catalyst_assets.vendors.finnhub import FinnhubNews
from catalyst_assets.vendors.news_source import Manners
from catalyst_assets.vendors.transport import Patience, Redactor, VendorSession

NEW = 1000
ASKED_TWICE = 100
"""Items that come a second time with another symbol, as Finnhub sends an article once per company."""
SEEN_BEFORE = 100
"""Items an earlier collection has stored already: collections overlap by a quarter of an hour."""
RUNS = 7
CONFIG = TradingConfig()
CALENDAR = TradingCalendar()
NOW = bench_news.AT[0].to_pydatetime()


class _Answers(FinnhubNews):
    """The Finnhub source with its pages given as text instead of asked for over the network."""

    def __init__(self, body: str) -> None:
        clock = FixedClock(NOW)
        super().__init__(
            "no-key", "", VendorSession(Patience(1, 1)), per_fetch=1, budget=LocalBudget({}, clock), clock=clock,
            redact=Redactor(()), manners=Manners(delay=timedelta(minutes=1), max_pages=1), config=CONFIG.news,
        )  # fmt: skip
        self._body = body

    def _pages(self, since: datetime, until: datetime, symbols: Sequence[str]) -> Iterator[Sequence[Any]]:
        yield json.loads(self._body)


def _items(run: int, count: int) -> list[dict[str, Any]]:
    """Items as Finnhub sends them, no two alike within and between runs."""
    made = bench_news.articles(count, seed=100 + run)
    return [
        {
            "category": "company", "datetime": int(row.published_at.timestamp()), "id": 10_000_000 + run * 100_000 + place,
            "headline": f"{row.headline}, filing {run}-{place}", "image": "", "related": row.tickers[0], "source": row.source,
            "summary": row.summary, "url": f"https://example.test/{run}/{place}",
        }
        for place, row in enumerate(made.itertuples())
    ]  # fmt: skip


def run(parent: Path, tell: Tell = silent) -> list[Figure]:
    """The figure of the whole way in."""
    tell("starting PostgreSQL")
    with private_home(parent) as settings:
        database = open_database(settings, application_name="catalyst-bench")
        repository = NewsRepository(database, CALENDAR)
        bodies = []
        for number in range(RUNS + 1):
            items = _items(number, NEW + SEEN_BEFORE)
            old, new = items[:SEEN_BEFORE], items[SEEN_BEFORE:]
            _store(repository, json.dumps(old))
            again = [{**item, "related": bench_news.SYMBOLS[place]} for place, item in enumerate(new[:ASKED_TWICE])]
            bodies.append(json.dumps([*old, *new, *again]))
        waiting = iter(bodies)
        tell(f"storing {NEW:,} articles")
        taken, _ = timed(lambda: _store(repository, next(waiting), expected=NEW), RUNS)
        stored = int(database.scalar("select count(*) from news_features") or 0)
        database.close()
    if stored != (RUNS + 1) * (NEW + SEEN_BEFORE):
        raise AssertionError(f"{stored} articles have features, {(RUNS + 1) * (NEW + SEEN_BEFORE)} were stored")
    return [
        figure(
            f"normalise, deduplicate, store {NEW:,} articles",
            1.0,
            taken,
            note=f"vendor JSON to news_raw and news_features in PostgreSQL, {NEW + SEEN_BEFORE + ASKED_TWICE:,} items of which "
            f"{NEW:,} are new",
        )
    ]


def _store(repository: NewsRepository, body: str, expected: int | None = None) -> None:
    """What a cycle does with one vendor's answer."""
    headlines.read.cache_clear()
    batch = _Answers(body).fetch(NOW - timedelta(days=11), NOW, ())
    if batch.error or batch.refused:
        raise AssertionError(f"the articles were not readable: {batch.error or batch.refused[0].reason}")
    counts = repository.store(
        batch.articles,
        first_seen_at=NOW,
        delays={batch.provider: timedelta(minutes=1)},
        live_sources=(batch.provider,),
        collected_live=True,
        config=CONFIG.news,
    )
    raw = repository.without_features(NOW, rules_version=articles.RULES_VERSION)
    written = repository.save_features(articles.derive_features(raw, CALENDAR, CONFIG, bench_news.NAMES))
    if expected is not None and (counts.inserted, written) != (expected, expected):
        raise AssertionError(f"{counts.inserted} articles stored and {written} features, expected {expected} of each")
