"""Rules of storing and reading articles."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from catalyst_assets.ports import NewsBatch, RawArticle, RefusedItem, TickerSentiment
from catalyst_assets.storage.database import Database
from catalyst_assets.storage.news import NewsRepository, StoreCounts

SEEN = datetime(2025, 5, 15, 14, 0, 30, tzinfo=UTC)
DELAYS = {"finnhub": timedelta(minutes=1), "newsapi": timedelta(days=1), "import": timedelta(minutes=1)}


def article(number: int = 1, **changes: object) -> RawArticle:
    base = RawArticle(
        provider="finnhub", vendor_id=str(number), headline=f"Acme wins order number {number}", summary="Text.", source="Reuters",
        url=None, published_at=SEEN - timedelta(minutes=10), provider_updated_at=None, tickers=("ACME",), sentiment=0.5,
        ticker_sentiment={"ACME": TickerSentiment(0.9, 0.4)}, payload={"id": number, "odd": float("nan")},
    )  # fmt: skip
    return replace(base, **changes)  # type: ignore[arg-type]


def store(news: NewsRepository, *articles: RawArticle, live: bool = True, seen: datetime = SEEN) -> StoreCounts:
    return news.store(articles, first_seen_at=seen, delays=DELAYS, live_sources={"finnhub"}, collected_live=live)


@pytest.fixture
def news(database: Database) -> NewsRepository:
    return NewsRepository(database)


def test_an_article_collected_live_is_available_when_we_saw_it(news: NewsRepository) -> None:
    assert store(news, article()) == StoreCounts(fetched=1, inserted=1, median_delay_s=600.0)
    row = news.raw().iloc[0]
    assert row["available_at"] == pd.Timestamp(SEEN)
    assert row["session"] == SEEN.date()
    assert row["ticker_sentiment"] == {"ACME": {"relevance": 0.9, "score": 0.4}}
    assert row["payload"] == {"id": 1, "odd": None}
    assert row["live_source"]


def test_an_imported_article_is_available_after_its_providers_delay(news: NewsRepository) -> None:
    store(news, article(1), article(2, provider="newsapi"), live=False)
    rows = news.raw().set_index("provider")
    published = pd.Timestamp(SEEN - timedelta(minutes=10))
    assert rows.loc["finnhub", "available_at"] == published + timedelta(minutes=1)
    assert rows.loc["newsapi", "available_at"] == published + timedelta(days=1)
    assert not rows.loc["newsapi", "live_source"]


def test_an_undeclared_delay_is_refused_rather_than_guessed(news: NewsRepository) -> None:
    with pytest.raises(ValueError, match="no delay is declared for provider 'alpaca'"):
        store(news, article(provider="alpaca"), live=False)


def test_friday_evening_belongs_to_the_next_session(news: NewsRepository) -> None:
    friday_night = datetime(2025, 5, 17, 0, 30, tzinfo=UTC)  # 20:30 New York on Friday the 16th
    store(news, article(), seen=friday_night)
    assert str(news.raw()["session"][0]) == "2025-05-19"


def test_storing_twice_changes_nothing(news: NewsRepository) -> None:
    batch = [article(number) for number in range(20)]
    store(news, *batch)
    before = news.raw()
    counts = store(news, *batch, seen=SEEN + timedelta(minutes=5))
    assert counts == StoreCounts(fetched=20, duplicates=20)
    pd.testing.assert_frame_equal(news.raw(), before)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    picks=st.lists(
        st.tuples(
            st.integers(1, 4), st.sampled_from(["", " updated"]), st.sampled_from([None, "a", "b"]), st.booleans()
        ),
        max_size=12,
    )
)
def test_every_fetched_article_is_accounted_for_and_a_second_run_adds_nothing(
    news: NewsRepository, picks: list[tuple[int, str, str | None, bool]]
) -> None:
    batch = [
        article(number, headline=f"Headline {number}{edit}", vendor_id=ident, summary="" if empty else "Text.")
        for number, edit, ident, empty in picks
    ]
    counts = store(news, *batch)
    assert counts.fetched == counts.inserted + counts.duplicates + counts.revisions + counts.quarantined
    assert min(counts.inserted, counts.duplicates, counts.revisions) >= 0
    again = store(news, *batch)
    assert (again.inserted, again.revisions) == (0, 0)


def test_an_edited_article_becomes_a_revision_and_the_original_stays(news: NewsRepository) -> None:
    store(news, article(7))
    edited = article(7, headline="Acme loses order number 7", provider_updated_at=SEEN)
    later = SEEN + timedelta(minutes=1)
    assert store(news, edited, seen=later).revisions == 1
    assert store(news, edited, seen=later + timedelta(minutes=1)).revisions == 0
    assert news.raw()["headline"].tolist() == ["Acme wins order number 7"]
    revision = news.revisions(SEEN, later).iloc[0]
    assert revision["headline"] == "Acme loses order number 7"
    assert revision["news_id"] == news.raw()["news_id"][0]


def test_two_versions_in_one_batch_keep_the_earlier_as_the_original(news: NewsRepository) -> None:
    first, second = article(7), article(7, headline="Second wording", provider_updated_at=SEEN)
    counts = store(news, second, first)
    assert (counts.inserted, counts.revisions) == (1, 1)
    assert news.raw()["headline"].tolist() == ["Acme wins order number 7"]


def test_an_article_sent_once_per_symbol_keeps_all_its_symbols(news: NewsRepository) -> None:
    counts = store(news, article(3), article(3, tickers=("BETA", "ACME")))
    assert (counts.inserted, counts.duplicates) == (1, 1)
    assert news.raw()["tickers"][0] == ["ACME", "BETA"]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"published_at": SEEN + timedelta(hours=3)}, "published in the future"),
        ({"headline": "  "}, "no headline"),
        ({"sentiment": 3.0}, "sentiment outside -1..1"),
        ({"published_at": datetime(2025, 5, 15)}, "published time has no time zone"),  # noqa: DTZ001 - the mistake under test
    ],
)
def test_what_cannot_be_an_article_is_quarantined_with_a_reason(
    news: NewsRepository, changes: dict[str, object], reason: str
) -> None:
    counts = store(news, article(), article(2, **changes))
    assert (counts.inserted, counts.quarantined) == (1, 1)
    stored = news.database.read("select reason, payload, vendor_id from news_quarantine")
    assert stored["reason"].tolist() == [reason]
    assert stored["payload"][0]["id"] == 2


def test_a_refused_item_is_stored_once_whatever_it_is(news: NewsRepository) -> None:
    items = [RefusedItem("finnhub", None, "no time", payload) for payload in ({"a": 1}, [1, 2], "text", None)]
    assert news.quarantine(items, seen_at=SEEN) == 4
    assert news.quarantine(items, seen_at=SEEN) == 0


def test_a_thousand_articles_are_stored_in_a_second(news: NewsRepository) -> None:
    store(news, article(0))
    batch = [article(number, summary="word " * 60) for number in range(1, 1001)]
    started = time.perf_counter()
    assert store(news, *batch).inserted == 1000
    assert time.perf_counter() - started < 1.0


def features_of(raw: pd.DataFrame, **changes: object) -> pd.DataFrame:
    values = {
        "source_tier": 1, "catalyst_type": "contract_partnership", "direction": 0.4, "primary_symbol": "ACME", "market_state": "regular",
        "is_premarket": False, "is_breaking": True, "rules_version": "1", "computed_at": SEEN,
    }  # fmt: skip
    frame = raw[["news_id"]].assign(**{**values, **changes})
    frame["tickers"] = [["ACME"]] * len(frame)
    frame["reasons"] = [{"rule": "order"}] * len(frame)
    return frame


def test_articles_are_raw_and_features_together_and_only_what_was_available(news: NewsRepository) -> None:
    store(news, article(1))
    store(news, article(2), seen=SEEN + timedelta(minutes=5))
    news.save_features(features_of(news.without_features(SEEN + timedelta(hours=1))))
    assert news.without_features(SEEN + timedelta(hours=1)).empty
    seen = news.articles(SEEN - timedelta(days=1), SEEN)
    assert seen["vendor_id"].tolist() == ["1"]
    assert seen["tickers"][0] == ["ACME"] and seen["vendor_tickers"][0] == ["ACME"]
    assert seen["reasons"][0] == {"rule": "order"}
    assert not seen["is_premarket"].any()
    assert len(news.articles(SEEN, SEEN + timedelta(hours=1))) == 1


def test_new_rules_write_features_again(news: NewsRepository) -> None:
    store(news, article(1))
    news.save_features(features_of(news.raw()))
    assert news.without_features(SEEN, rules_version="1").empty
    stale = news.without_features(SEEN, rules_version="2")
    assert len(stale) == 1
    news.save_features(features_of(stale, rules_version="2", direction=-0.4))
    assert news.articles(SEEN - timedelta(days=1), SEEN)["direction"].tolist() == [-0.4]


def test_narratives_are_saved_with_their_latest_state_and_read_by_availability(news: NewsRepository) -> None:
    store(news, article(1), article(2))
    raw = news.raw()
    members = raw[["news_id"]].assign(symbol="ACME", narrative_id="story", similarity=0.0, novelty=1.0, is_echo=False)
    cluster = {
        "narrative_id": "story", "symbol": "ACME", "headline": "Acme", "first_news_id": raw["news_id"][0],
        "first_at": SEEN, "last_at": SEEN,
        "articles": 1, "sources": 1, "best_tier": 1, "catalyst_type": "other", "direction": 0.1, "coordinated": False,
    }  # fmt: skip
    clusters = pd.DataFrame(
        [
            {**cluster, "decision_time": SEEN, "articles": 1},
            {**cluster, "decision_time": SEEN + timedelta(minutes=5), "articles": 2},
        ]
    )
    for _ in range(2):
        assert news.save_narratives("live", members, clusters) == 2
    stored = news.narrative_clusters("live", SEEN.date())
    assert stored["articles"].tolist() == [2]
    assert len(news.members("live", None, SEEN)) == 2
    assert news.members("live", SEEN).empty
    assert news.members("replay:x").empty


def test_a_collection_is_recorded_with_its_error(news: NewsRepository) -> None:
    batch = NewsBatch(
        "finnhub",
        (article(),),
        (RefusedItem("finnhub", None, "no time", {}),),
        3,
        timedelta(seconds=1.5),
        "HTTP 429",
        True,
    )
    counts = store(news, *batch.articles)
    news.record_collections([(batch, counts)], session=SEEN.date(), decision_time=SEEN, started_at=SEEN)
    row = news.collection_stats(SEEN.date()).iloc[0]
    assert (row["fetched"], row["inserted"], row["quarantined"], row["requests"]) == (2, 1, 1, 3)
    assert row["duration_ms"] == 1500 and row["error"] == "HTTP 429" and row["truncated"]
