"""Identity, features and mentions of articles. All articles are invented."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from catalyst_assets.trading import entities
from catalyst_assets.trading.articles import FEATURE_COLUMNS, MENTION_COLUMNS, derive_features, mentions, news_id
from catalyst_assets.trading.config import TradingConfig
from catalyst_assets.trading.source_tiers import OUTLETS, _key, outlet, tier
from catalyst_assets_tests.trading.news_frames import CALENDAR, CONFIG, NAMES, at, features, raw, told

NOON = at("2025-05-15 12:00")

# ---------------------------------------------------------------------------------------------------------------- identity


def test_same_text_outlet_and_minute_is_the_same_article() -> None:
    first = news_id("Zenvora&#39;s order - Reuters", "Reuters", at("2025-05-15 12:00:03"))
    assert first == news_id("ZENVORA\u2019S  order", "reuters.com", at("2025-05-15 12:00:58"))
    assert len(first) == 32


@pytest.mark.parametrize(
    ("headline", "source", "time"),
    [("Other", "Reuters", NOON), ("Same", "Bloomberg", NOON), ("Same", "Reuters", at("2025-05-15 12:01"))],
)
def test_other_text_outlet_or_minute_is_another_article(headline: str, source: str, time: pd.Timestamp) -> None:
    assert news_id(headline, source, time) != news_id("Same", "Reuters", NOON)


def test_time_without_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        news_id("x", "Reuters", datetime(2025, 5, 15))  # noqa: DTZ001


def test_identity_does_not_depend_on_the_zone_of_the_time() -> None:
    assert news_id("x", "Reuters", NOON) == news_id("x", "Reuters", NOON.tz_convert("America/New_York"))


# ------------------------------------------------------------------------------------------------------------------- tiers


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("DowJones", 1),
        ("Reuters", 1),
        ("MarketWatch", 2),
        ("wsj.com", 2),
        ("Yahoo", 3),
        ("SeekingAlpha", 3),
        ("Finnhub", 3),
        ("PR Newswire", 3),
        ("Zacks Commentary", 4),
        ("Motley Fool", 4),
        ("Joe's Trading Blog", 4),
        ("Moon Rocket Alerts", 5),
        ("", 5),
    ],
)
def test_outlet_has_its_tier(name: str, expected: int) -> None:
    assert tier(name) == expected


def test_an_outlet_name_belongs_to_one_outlet() -> None:
    seen: dict[str, str] = {}
    for _, name, others in OUTLETS:
        for alias in {_key(each) for each in (name, *others)}:
            assert seen.setdefault(alias, name) == name
    assert outlet("  Moon   Rocket Alerts ") == ("Moon Rocket Alerts", 5)


def test_credit_to_another_outlet_does_not_change_the_tier() -> None:
    row = features(
        [{"headline": "Zenvora under criminal probe, WSJ reports", "source": "Yahoo", "tickers": ["ZNVR"]}]
    ).iloc[0]
    assert row["source_tier"] == 3


# ----------------------------------------------------------------------------------------------------------------- symbols


@pytest.mark.parametrize(
    ("row", "expected", "origin"),
    [
        ({"headline": "Zenvora Systems wins order", "tickers": ["BRLN"]}, ["BRLN"], "vendor"),
        ({"headline": "Merger of Foo (NASDAQ: FOO) and Bar (NYSE: BAR.A)"}, ["FOO", "BAR.A"], "text"),
        ({"headline": "Zenvora Systems wins order"}, ["ZNVR"], "name"),
        ({"headline": "Investors target growth"}, [], "none"),
        ({"headline": "Zenvorable things happen"}, [], "none"),
        ({"headline": "x", "tickers": ["CRYPTO:BTC", "brk-b", "BRK.B", ""]}, ["BRK.B"], "vendor"),
        ({"headline": "x", "ticker_sentiment": {"ZNVR": {"relevance": 0.9, "score": 0.2}}}, ["ZNVR"], "vendor"),
    ],
)
def test_symbols_come_from_the_vendor_then_the_text_then_names(
    row: dict[str, object], expected: list[str], origin: str
) -> None:
    found = features([row]).iloc[0]
    assert found["tickers"] == expected
    assert found["reasons"]["tickers_from"] == origin


@pytest.mark.parametrize(
    ("name", "core"),
    [
        ("UnitedHealth Group Incorporated Common Stock", "unitedhealth"),
        ("Alphabet Inc. Class C Capital Stock", "alphabet"),
        ("The Goldman Sachs Group, Inc.", "goldman sachs"),
        ("Johnson & Johnson", "johnson & johnson"),
        ("Amazon.com, Inc.", "amazon"),
        ("Home Depot, Inc. (The)", "home depot"),
    ],
)
def test_core_of_a_company_name(name: str, core: str) -> None:
    assert " ".join(entities.core_name(name)) == core


@pytest.mark.parametrize(
    ("symbol", "name", "text", "found"),
    [
        ("UNH", "UnitedHealth Group Incorporated", "unitedhealth's profit", True),
        ("NOW", "ServiceNow, Inc.", "now is the time", False),
        ("NOW", "ServiceNow, Inc.", "servicenow raises forecast", True),
        ("JNJ", "Johnson & Johnson", "j&j faces verdict", True),
        ("V", "Visa Inc.", "five banks join", False),
        ("IT", "Gartner, Inc.", "it is over (nyse: it)", True),
    ],
)
def test_company_is_found_by_name_alias_or_symbol(symbol: str, name: str, text: str, found: bool) -> None:
    assert (entities.find_company(symbol, name, text) is not None) is found


# ---------------------------------------------------------------------------------------------------------------- features


def test_features_have_the_columns_of_the_table_in_the_order_of_the_input() -> None:
    given = raw(
        [
            {"headline": "Zenvora wins order", "tickers": ["ZNVR"]},
            {"headline": "Brellan recalls cars", "tickers": ["BRLN"]},
        ]
    )
    derived = derive_features(given, CALENDAR, CONFIG, NAMES)
    assert tuple(derived.columns) == FEATURE_COLUMNS
    assert derived["news_id"].tolist() == given["news_id"].tolist()
    assert derive_features(given.iloc[:0], CALENDAR, CONFIG, NAMES).empty


@pytest.mark.parametrize(
    ("time", "state", "session"),
    [
        ("2025-05-15 12:00", "pre", "2025-05-15"),
        ("2025-05-15 15:00", "regular", "2025-05-15"),
        ("2025-05-15 21:00", "after", "2025-05-15"),
        ("2025-05-16 01:00", "closed", "2025-05-16"),
        ("2025-07-03 17:30", "after", "2025-07-03"),  # half day: closes 13:00 New York
        ("2025-05-17 15:00", "closed", "2025-05-19"),
    ],
)
def test_market_state_is_that_of_availability(time: str, state: str, session: str) -> None:
    row = features(
        [{"headline": "Zenvora wins order", "available_at": at(time), "published_at": at("2025-05-01 15:00")}]
    ).iloc[0]
    assert (row["market_state"], str(row["session"]), row["is_premarket"]) == (state, session, state == "pre")


def test_vendor_sentiment_is_blended_and_cannot_outvote_the_rules() -> None:
    base = {"headline": "Zenvora Systems wins army contract", "tickers": ["ZNVR"]}
    alone, with_it, against = (
        features([base | {"sentiment": value}]).iloc[0]["direction"] for value in (None, 1.0, -1.0)
    )
    assert 0 < against < alone < with_it <= 1
    neutral = features([{"headline": "Zenvora Systems statement", "tickers": ["ZNVR"], "sentiment": 0.6}]).iloc[0]
    assert neutral["direction"] == pytest.approx(0.3)


def test_vendor_sentiment_of_a_symbol_beats_that_of_the_article() -> None:
    row = features(
        [{"headline": "Zenvora Systems and Brellan Motors statement", "sentiment": 0.1, "provider": "import",
          "ticker_sentiment": {"ZNVR": {"relevance": 0.9, "score": 0.8}, "BRLN": {"relevance": 0.8, "score": -0.8}}}]
    ).iloc[0]  # fmt: skip
    assert row["ticker_direction"]["ZNVR"] > 0 > row["ticker_direction"]["BRLN"]


def test_buyer_and_target_get_their_own_direction() -> None:
    row = features(
        [{"headline": "Harlow to acquire Brellan Motors in $4 billion deal", "tickers": ["HRLW", "BRLN"]}]
    ).iloc[0]
    assert row["ticker_direction"]["BRLN"] > 0.5 > abs(row["ticker_direction"]["HRLW"])
    passive = features([{"headline": "Brellan to be acquired by Harlow", "tickers": ["HRLW", "BRLN"]}]).iloc[0]
    assert passive["ticker_direction"]["BRLN"] > 0.5 > abs(passive["ticker_direction"]["HRLW"])


def test_rating_bank_is_not_moved_by_its_own_rating() -> None:
    row = features([{"headline": "Harlow upgrades Brellan Motors to buy", "tickers": ["HRLW", "BRLN"]}]).iloc[0]
    assert row["ticker_direction"] == {"HRLW": 0.0, "BRLN": pytest.approx(0.65)}
    assert row["primary_symbol"] == "BRLN"


@pytest.mark.parametrize(
    ("headline", "largest"),
    [
        ("Harlow acquires software firm to enhance its Brellan Motors service", 0.3),
        ("Recession would hurt profits, Brellan says", 0.0),
        ("Harlow to buy Brellan Motors' battery unit", 0.3),
    ],
)
def test_bystander_quoted_company_and_seller_of_a_part_are_hardly_moved(headline: str, largest: float) -> None:
    row = features([{"headline": headline, "tickers": ["BRLN"]}]).iloc[0]
    assert abs(row["ticker_direction"]["BRLN"]) <= largest


def test_company_never_named_is_not_moved() -> None:
    row = features([{"headline": "Brellan Motors wins army contract", "tickers": ["BRLN", "ZNVR"]}]).iloc[0]
    assert row["ticker_direction"]["ZNVR"] == 0
    assert row["reasons"]["relevance"]["ZNVR"] < CONFIG.catalyst.min_relevance <= row["reasons"]["relevance"]["BRLN"]


def test_roundup_moves_nobody() -> None:
    many = [f"AA{letter}" for letter in "ABCDEFGHIJ"]
    row = features([{"headline": "Chip makers cut full-year guidance", "tickers": many}]).iloc[0]
    assert set(row["ticker_direction"].values()) == {0.0}
    assert row["catalyst_type"] == "other"
    assert row["reasons"]["noise"] == "round_up"


@pytest.mark.parametrize(
    ("source", "headline", "expected"),
    [
        ("Reuters", "Zenvora Systems under criminal investigation", True),
        ("Benzinga", "Zenvora Systems under criminal investigation", False),
        ("Benzinga", "BREAKING: Zenvora Systems under criminal investigation", True),
        ("Moon Rocket Alerts", "BREAKING: Zenvora Systems under criminal investigation", False),
        ("Reuters", "Zenvora Systems statement", False),
        ("Reuters", "Should you buy Zenvora Systems after the criminal investigation?", False),
    ],
)
def test_breaking_needs_a_good_outlet_and_a_strong_catalyst(source: str, headline: str, expected: bool) -> None:
    assert features([{"headline": headline, "source": source, "tickers": ["ZNVR"]}]).iloc[0]["is_breaking"] == expected


def test_deriving_twice_gives_the_same_rows() -> None:
    given = raw([{"headline": "Zenvora wins order", "tickers": ["ZNVR"], "sentiment": 0.3}])
    pd.testing.assert_frame_equal(
        derive_features(given, CALENDAR, CONFIG, NAMES), derive_features(given, CALENDAR, CONFIG, NAMES)
    )


# ---------------------------------------------------------------------------------------------------------------- mentions


def test_one_mention_per_article_and_symbol_sorted_by_availability() -> None:
    frame = told(
        [
            {"headline": "Later: Brellan recalls cars", "tickers": ["BRLN"], "available_at": at("2025-05-15 13:00")},
            {"headline": "Zenvora Systems and Brellan Motors partner with Harlow", "tickers": ["ZNVR", "BRLN"]},
            {"headline": "Nobody is named here"},
        ]
    )
    assert tuple(frame.columns) == MENTION_COLUMNS
    assert frame["symbol"].tolist() == ["BRLN", "ZNVR", "BRLN"]
    assert frame["available_at"].is_monotonic_increasing


def test_mentions_do_not_depend_on_the_order_of_the_articles() -> None:
    rows = [
        {
            "headline": f"Zenvora Systems wins order number {number}",
            "tickers": ["ZNVR"],
            "available_at": NOON + pd.Timedelta(minutes=number % 3),
        }
        for number in range(7)
    ]
    pd.testing.assert_frame_equal(told(rows), told(rows[::-1]))


def test_noise_and_roundups_have_no_relevance() -> None:
    frame = told([{"headline": "Should you buy Zenvora Systems?", "tickers": ["ZNVR"]}])
    assert frame["relevance"].tolist() == [0.0]
    strict = TradingConfig.from_overrides({"catalyst.max_tickers": 1})
    given = raw([{"headline": "Zenvora Systems and Brellan Motors win order", "tickers": ["ZNVR", "BRLN"]}])
    derived = derive_features(given, CALENDAR, CONFIG, NAMES).drop(columns=["session"])
    assert set(mentions(given.drop(columns=["tickers"]).merge(derived, on="news_id"), strict)["relevance"]) == {0.0}


# --------------------------------------------------------------------------------------------------------- recorded articles

DJIA = {"UNH": "UnitedHealth Group Incorporated", "AMGN": "Amgen Inc.", "SHW": "Sherwin-Williams Company (The)"}


def _recorded(shared: Path, symbols: Sequence[str]) -> pd.DataFrame:
    news = pd.read_parquet(shared / "news" / "finnhub_2025.parquet")
    news = news[news["tickers"].isin(symbols)]
    return raw(
        {
            "headline": row.headline,
            "summary": row.summary,
            "source": row.source,
            "tickers": [row.tickers],
            "available_at": row.ts_utc,
        }
        for row in news.itertuples()
    )


def test_the_criminal_probe_of_may_2025_is_read_as_such(shared_data: Path) -> None:
    news = _recorded(shared_data, ["UNH"])
    derived = derive_features(news, CALENDAR, CONFIG, DJIA)
    evening = (news["available_at"] >= at("2025-05-14 23:17")) & (news["available_at"] < at("2025-05-14 23:18"))
    probe = derived[evening.to_numpy()]
    assert len(probe) == 1
    row = probe.iloc[0]
    assert row["catalyst_type"] == "legal_regulatory"
    assert row["ticker_direction"]["UNH"] < -0.8
    assert (row["source_tier"], row["market_state"], row["primary_symbol"]) == (3, "after", "UNH")


def test_recorded_law_firm_and_listicle_articles_carry_no_direction(shared_data: Path) -> None:
    news = _recorded(shared_data, ["UNH", "AMGN", "SHW"])
    derived = derive_features(news, CALENDAR, CONFIG, DJIA)
    suspicious = news["headline"].str.contains(
        r"(?i)law firm|class action lawsuit and|stocks to buy|^should you|is .* a buy\b", regex=True
    )
    assert suspicious.sum() > 10
    assert np.abs(derived["direction"][suspicious.to_numpy()]).max() == 0
    assert set(derived["catalyst_type"][suspicious.to_numpy()]) == {"other"}


def test_rules_agree_with_human_labels_where_they_speak(shared_data: Path) -> None:
    """SEntFiN (mostly Indian market, a foreign test): calls on non-neutral entities are right nine times of ten, half are called."""
    import re

    from catalyst_assets.trading.headlines import normalise, read

    table = pd.read_csv(shared_data / "labelled" / "SEntFiN.csv").sample(2500, random_state=7)
    called = right = asked = 0
    for title, decisions in zip(table["Title"], table["Decisions"], strict=True):
        labels = dict(re.findall(r"['\"](.+?)['\"]: ['\"](positive|negative|neutral)['\"]", decisions))
        reading = read(title)
        for entity, label in labels.items():
            if label == "neutral":
                continue
            start = reading.text.find(normalise(entity))
            span = (start, start + len(entity)) if start >= 0 and len(labels) > 1 else None
            direction = reading.direction(span)
            asked += 1
            if abs(direction) > 0.15:
                called += 1
                right += (direction > 0) == (label == "positive")
    assert called / asked > 0.45
    assert right / called > 0.88
