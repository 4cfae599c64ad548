"""The catalyst score: its formula, bounds, what counts, the market's clock, and that the future plays no part."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalyst_assets.trading.catalyst_score import ARTICLE_SCORE_COLUMNS, SYMBOL_SCORE_COLUMNS, catalyst_scores
from catalyst_assets.trading.config import TradingConfig
from catalyst_assets.trading.market_clock import MarketClock, instants, micros
from catalyst_assets_tests.trading.news_frames import CALENDAR, CONFIG, at, mention, mention_frame

NOON = at("2025-05-15 16:00")


def _score(
    rows: list[dict[str, object]], *times: str, reliability: pd.DataFrame | None = None, config: TradingConfig = CONFIG
) -> tuple[pd.DataFrame, pd.DataFrame]:
    instants_ = pd.DatetimeIndex([at(time) for time in times] or [NOON])
    return catalyst_scores(mention_frame(mention(**row) for row in rows), instants_, CALENDAR, reliability, config)


def _one(rows: list[dict[str, object]], *times: str, **more: object) -> pd.Series:
    return _score(rows, *times, **more)[0].iloc[0]  # type: ignore[arg-type]


def test_score_is_the_product_of_its_parts() -> None:
    symbols, articles = _score(
        [
            {
                "source_tier": 2,
                "catalyst_type": "earnings",
                "market_state": "pre",
                "novelty": 0.7,
                "available_at": at("2025-05-15 14:00"),
            }
        ]
    )
    article = articles.iloc[0]
    expected = 0.8 * math.exp(-2 / 4) * 1.2 * 2.0 * 0.7 * 1.0
    assert article["score"] == pytest.approx(expected)
    assert article["age_hours"] == pytest.approx(2.0)
    assert symbols.iloc[0]["catalyst_score"] == pytest.approx(100 * (1 - math.exp(-expected / 2)))
    assert tuple(symbols.columns) == SYMBOL_SCORE_COLUMNS
    assert tuple(articles.columns) == ARTICLE_SCORE_COLUMNS


@pytest.mark.parametrize(("state", "multiplier"), [("pre", 2.0), ("regular", 1.0), ("after", 0.8), ("closed", 0.8)])
def test_state_multiplier_is_that_of_the_articles_arrival(state: str, multiplier: float) -> None:
    assert _score([{"market_state": state}])[1].iloc[0]["state_multiplier"] == multiplier


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ({"available_at": at("2025-05-15 16:00:01")}, "in the future"),
        ({"live_source": False}, "research only"),
        ({"relevance": 0.1}, "not about the symbol"),
        ({"catalyst_type": "other", "direction": 0.1}, "news of nothing"),
        ({"available_at": at("2025-05-01 14:00")}, "older than the look-back"),
    ],
)
def test_what_does_not_count(row: dict[str, object], why: str) -> None:
    assert _score([row])[0].empty, why


def test_undirected_named_catalyst_counts_and_directed_other_too() -> None:
    assert not _score([{"direction": 0.0}])[0].empty
    assert not _score([{"catalyst_type": "other", "direction": -0.3}])[0].empty


def test_contradiction_pulls_the_direction_to_zero() -> None:
    agree = _one([{"news_id": "a", "direction": 0.8}, {"news_id": "b", "direction": 0.8}])
    differ = _one([{"news_id": "a", "direction": 0.8}, {"news_id": "b", "direction": -0.8}])
    assert agree["direction"] == pytest.approx(0.8)
    assert differ["direction"] == pytest.approx(0.0)
    assert differ["catalyst_score"] == pytest.approx(agree["catalyst_score"])


def test_type_and_headline_are_those_most_of_the_score_comes_from() -> None:
    row = _one(
        [
            {"news_id": "a", "source_tier": 2, "catalyst_type": "analyst_rating", "headline": "rating"},
            {"news_id": "b", "source_tier": 3, "catalyst_type": "legal_regulatory", "headline": "probe"},
            {"news_id": "c", "source_tier": 4, "catalyst_type": "legal_regulatory", "headline": "echo"},
        ]
    )
    assert (row["catalyst_type"], row["headline"], row["top_news_id"], row["articles"]) == (
        "legal_regulatory",
        "probe",
        "b",
        3,
    )
    assert [each["news_id"] for each in row["components"]["articles"]] == ["a", "b", "c"]
    assert row["components"]["sum"] == pytest.approx(
        sum(each["score"] for each in row["components"]["articles"]), abs=1e-3
    )


# ------------------------------------------------------------------------------------------------------------------ clock


@pytest.mark.parametrize(
    ("start", "end", "regular", "extended", "closed", "hours"),
    [
        ("2025-05-15 14:00", "2025-05-15 16:30", 1, 0.25, 0, 2.5),
        ("2025-05-14 23:17", "2025-05-15 13:30", 1, 0.25, 0, (43 / 60 + 5.5) * 0.25),
        ("2025-05-14 23:17", "2025-05-15 13:30", 1, 1, 1, 14 + 13 / 60),
        ("2025-05-16 21:00", "2025-05-19 13:30", 1, 0.25, 0, (3 + 5.5) * 0.25),  # a weekend
        ("2025-07-03 16:00", "2025-07-07 13:30", 1, 0, 0, 1.0),  # half day, holiday, weekend
        ("2025-03-07 20:30", "2025-03-10 14:00", 1, 0, 0, 1.0),  # daylight saving begins in between
    ],
)
def test_market_hours_between_two_instants(
    start: str, end: str, regular: float, extended: float, closed: float, hours: float
) -> None:
    clock = MarketClock(CALENDAR, at(start), at(end), regular=regular, extended=extended, closed=closed)
    first, last = clock.read(micros([at(start), at(end)]))
    assert last - first == pytest.approx(hours)


def test_horizon_that_ends_at_a_close_ends_there() -> None:
    clock = MarketClock(CALENDAR, at("2025-05-14 12:00"), at("2025-05-16 12:00"))
    start = clock.read(micros([at("2025-05-14 19:00")]))
    assert instants(clock.when(start + np.array([1.0])))[0] == at("2025-05-14 20:00")
    assert instants(clock.when(start + np.array([1.5])))[0] == at("2025-05-15 14:00")


def test_clock_refuses_instants_it_was_not_made_for() -> None:
    clock = MarketClock(CALENDAR, at("2025-05-14 12:00"), at("2025-05-16 12:00"))
    with pytest.raises(ValueError, match="not made"):
        clock.read(micros([at("2026-05-14 12:00")]))
    with pytest.raises(ValueError, match="time zone"):
        micros(pd.DatetimeIndex(["2025-05-14 12:00"]))


def test_evening_news_still_matters_at_the_open_and_the_wall_clock_is_a_setting() -> None:
    rows = [{"available_at": at("2025-05-14 23:17"), "market_state": "after", "source_tier": 3}]
    assert _one(rows, "2025-05-15 13:30")["catalyst_score"] > 10
    wall = TradingConfig.from_overrides({"catalyst.extended_pace": 1.0, "catalyst.closed_pace": 1.0})
    article = _score(rows, "2025-05-15 13:30", config=wall)[1].iloc[0]
    assert article["age_hours"] == pytest.approx(14 + 13 / 60)


# ------------------------------------------------------------------------------------------------------------ reliability


def _metrics(*rows: tuple[str, str, float, float]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["source", "catalyst_type", "accuracy", "observations"])


@pytest.mark.parametrize(
    ("metrics", "expected"),
    [
        (None, 1.0),
        (_metrics(("Other", "*", 0.9, 50)), 1.0),
        (_metrics(("Reuters", "*", 0.6, 0)), 1.0),  # only a prior: no history
        (_metrics(("Reuters", "*", 0.6, 3)), 1.2),
        (_metrics(("Reuters", "*", 0.05, 40)), 0.5),
        (_metrics(("Reuters", "*", 0.95, 40)), 1.5),
        (_metrics(("Reuters", "*", 0.6, 40), ("Reuters", "contract_partnership", 0.4, 2)), 1.2),
        (_metrics(("Reuters", "*", 0.6, 40), ("Reuters", "contract_partnership", 0.4, 20)), 0.8),
    ],
)
def test_reliability_is_learned_clipped_and_neutral_without_history(
    metrics: pd.DataFrame | None, expected: float
) -> None:
    assert _score([{}], reliability=metrics)[1].iloc[0]["reliability"] == pytest.approx(expected)


def test_coordinated_story_is_cut_while_it_looks_so() -> None:
    count = CONFIG.narrative.coordinated_articles
    rows: list[dict[str, object]] = [
        {
            "news_id": f"b{number}",
            "source_tier": 5,
            "similarity": 0.95,
            "available_at": at("2025-05-15 14:00") + pd.Timedelta(minutes=number),
        }
        for number in range(count)
    ]
    rows.append({"news_id": "z", "source_tier": 1, "similarity": 0.9, "available_at": at("2025-05-15 15:00")})
    _, articles = _score(rows, "2025-05-15 14:03:30", "2025-05-15 14:30", "2025-05-15 15:30")
    assert articles.groupby("decision_time")["coordinated"].agg(["all", "any"]).to_numpy().tolist() == [
        [False, False], [True, True], [False, False],
    ]  # fmt: skip


# -------------------------------------------------------------------------------------------------------------- properties

rows_strategy = st.lists(
    st.fixed_dictionaries(
        {
            "minutes": st.integers(-4000, 4000),
            "symbol": st.sampled_from(["ZNVR", "BRLN"]),
            "source_tier": st.integers(1, 5),
            "catalyst_type": st.sampled_from(["earnings", "fda_clinical", "other", "product"]),
            "direction": st.floats(-1, 1),
            "novelty": st.floats(0.1, 1),
            "relevance": st.sampled_from([0.0, 0.3, 1.0]),
            "live_source": st.booleans(),
        }
    ),
    min_size=1,
    max_size=20,
)


def _frame(drawn: list[dict[str, object]]) -> pd.DataFrame:
    rows = []
    for number, given_ in enumerate(drawn):
        row = dict(given_)
        when = NOON + pd.Timedelta(minutes=int(row.pop("minutes")))  # type: ignore[call-overload]
        rows.append(
            mention(
                news_id=f"n{number:02d}",
                available_at=when,
                narrative_id=f"s{number % 3}",
                market_state=str(CALENDAR.state(when)),
                **row,
            )
        )
    return mention_frame(rows)


TIMES = pd.DatetimeIndex([NOON - pd.Timedelta(hours=30), NOON, NOON + pd.Timedelta(hours=20)])


@given(drawn=rows_strategy)
@settings(max_examples=40, deadline=None)
def test_scores_stay_within_bounds(drawn: list[dict[str, object]]) -> None:
    symbols, articles = catalyst_scores(_frame(drawn), TIMES, CALENDAR, None, CONFIG)
    assert symbols["catalyst_score"].between(0, 100).all()
    assert symbols["direction"].between(-1, 1).all()
    assert (articles["available_at"] <= articles["decision_time"]).all()
    assert (articles["score"] > 0).all()


@given(drawn=rows_strategy)
@settings(max_examples=30, deadline=None)
def test_the_future_never_changes_a_past_score(drawn: list[dict[str, object]]) -> None:
    frame = _frame(drawn)
    past = frame[frame["available_at"] <= NOON]
    whole, truncated = (catalyst_scores(each, TIMES[:2], CALENDAR, None, CONFIG) for each in (frame, past))
    for ours, theirs in zip(whole, truncated, strict=True):
        assert len(ours) == len(theirs)
        if len(ours):
            pd.testing.assert_frame_equal(ours, theirs)


@given(drawn=rows_strategy, seed=st.integers(0, 99))
@settings(max_examples=25, deadline=None)
def test_order_of_rows_does_not_matter(drawn: list[dict[str, object]], seed: int) -> None:
    frame = _frame(drawn)
    whole, shuffled = (
        catalyst_scores(each, TIMES, CALENDAR, None, CONFIG)[0]
        for each in (frame, frame.sample(frac=1, random_state=seed))
    )
    if len(whole):
        pd.testing.assert_frame_equal(whole, shuffled)
    else:
        assert shuffled.empty


@given(drawn=rows_strategy)
@settings(max_examples=25, deadline=None)
def test_one_more_article_never_lowers_the_score(drawn: list[dict[str, object]]) -> None:
    frame = _frame(drawn)
    symbols, _ = catalyst_scores(frame, TIMES[1:2], CALENDAR, None, CONFIG)
    more = pd.concat(
        [
            frame,
            mention_frame([mention(news_id="extra", narrative_id="own", available_at=NOON - pd.Timedelta(hours=1))]),
        ]
    )
    after, _ = catalyst_scores(more, TIMES[1:2], CALENDAR, None, CONFIG)
    before = dict(zip(symbols["symbol"], symbols["catalyst_score"], strict=True))
    scores = dict(zip(after["symbol"], after["catalyst_score"], strict=True))
    assert scores["ZNVR"] > before.get("ZNVR", 0.0)
    assert scores.get("BRLN", 0.0) == pytest.approx(before.get("BRLN", 0.0))


def test_many_times_at_once_equal_one_at_a_time() -> None:
    frame = _frame(
        [{"minutes": number * 97 - 2000, "symbol": "ZNVR", "source_tier": 1 + number % 5} for number in range(30)]
    )
    times = CALENDAR.decision_times("2025-05-15", CONFIG.cycle)
    together, _ = catalyst_scores(frame, times, CALENDAR, None, CONFIG)
    singly = pd.concat(
        [catalyst_scores(frame, times[i : i + 1], CALENDAR, None, CONFIG)[0] for i in range(0, len(times), 10)]
    )
    picked = together[together["decision_time"].isin(times[::10])].reset_index(drop=True)
    pd.testing.assert_frame_equal(picked, singly.reset_index(drop=True))


def test_mentions_without_narratives_are_refused() -> None:
    with pytest.raises(ValueError, match="join their narratives"):
        catalyst_scores(mention_frame([mention()]).drop(columns=["novelty"]), TIMES, CALENDAR, None, CONFIG)
