"""The funnel: gates, ranks, reasons, narratives, and the market before the open."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalyst_assets.trading.config import TradingConfig
from catalyst_assets.trading.scanner import (
    CANDIDATE_COLUMNS,
    EVALUATION_COLUMNS,
    NEUTRAL_TECHNICAL,
    _keys,
    _places,
    _told_before,
    scan,
)
from catalyst_assets_tests.trading.news_frames import CONFIG, at

T = at("2025-05-15 15:00")


def _symbol(symbol: str = "AAA", time: pd.Timestamp = T, **given_: Any) -> dict[str, Any]:
    """Everything about one symbol that passes every gate."""
    row = {
        "decision_time": time, "symbol": symbol, "is_common_stock": True, "catalyst_score": 60.0, "direction": 0.7, "articles": 2,
        "catalyst_type": "earnings", "narrative_id": f"n-{symbol}", "top_news_id": f"id-{symbol}", "headline": f"{symbol} beats",
        "fresh_news": 0,
        "components": {"sum": 1.0, "articles": []}, "market_state": "regular", "segment": "regular", "price": 50.0, "previous_close": 48.0,
        "change_pct": 4.0, "relative_volume": 3.0, "dollar_volume": 5e6, "spread_bps": 8.0, "quote_age_s": 1.0, "bid": 49.9, "ask": 50.1,
        "halted": False, "technical_score": 55.0,
    }  # fmt: skip
    row.update(given_)
    return row


SCORES = [
    "decision_time",
    "symbol",
    "catalyst_score",
    "direction",
    "articles",
    "catalyst_type",
    "narrative_id",
    "top_news_id",
    "headline",
    "fresh_news",
    "components",
]
MARKET = [
    "decision_time", "symbol", "market_state", "segment", "price", "previous_close", "change_pct", "relative_volume", "dollar_volume",
    "spread_bps", "quote_age_s", "bid", "ask", "halted",
]  # fmt: skip


def _scan(
    rows: list[dict[str, Any]], config: TradingConfig = CONFIG, feed: str = "sip"
) -> tuple[pd.DataFrame, pd.DataFrame]:
    frame = pd.DataFrame(rows)
    scored = frame[frame["catalyst_score"] > 0]
    return scan(
        frame[["decision_time", "symbol", "is_common_stock"]], scored[SCORES], frame[MARKET],
        frame[["decision_time", "symbol", "technical_score"]].dropna(), config, feed=feed,
    )  # fmt: skip


def test_symbol_that_passes_every_gate_is_selected() -> None:
    evaluations, candidates = _scan([_symbol()])
    assert tuple(evaluations.columns) == EVALUATION_COLUMNS
    assert tuple(candidates.columns) == CANDIDATE_COLUMNS
    row, chosen = evaluations.iloc[0], candidates.iloc[0]
    assert (row["stage"], row["cut_reason"], row["rank"]) == ("selected", None, 1)
    assert chosen["combined_score"] == pytest.approx(0.6 * 60 + 0.4 * 55)
    assert chosen["reasons"]["combined"]["score"] == pytest.approx(chosen["combined_score"])
    assert chosen["reasons"]["market"]["dollar_volume"] == 5e6


@pytest.mark.parametrize(
    ("given_", "stage", "reason"),
    [
        ({"is_common_stock": False}, "universe", "not a common stock"),
        ({"catalyst_score": 0.0}, "universe", "no catalyst"),
        ({"price": np.nan}, "universe", "no price"),
        ({"price": 0.8}, "universe", "price 0.80 < 1"),
        ({"price": 1200.0}, "universe", "price 1200.00 > 1000"),
        ({"halted": True}, "catalyst", "halted"),
        ({"spread_bps": np.nan}, "catalyst", "no quote"),
        ({"spread_bps": 80.0}, "catalyst", "spread 80 bps > 50"),
        ({"relative_volume": np.nan}, "catalyst", "relative volume unknown"),
        ({"relative_volume": 0.8}, "catalyst", "relative volume 0.80 < 1.5"),
        ({"change_pct": np.nan}, "catalyst", "change unknown"),
        ({"change_pct": -0.4}, "catalyst", "|change| 0.40 % < 1 %"),
        ({"dollar_volume": np.nan}, "catalyst", "dollar volume unknown"),
        ({"dollar_volume": 2e5}, "catalyst", "dollar volume 200,000 < 1,000,000"),
    ],
)
def test_every_cut_has_its_stage_and_reason(given_: dict[str, Any], stage: str, reason: str) -> None:
    evaluations, candidates = _scan([_symbol(**given_)])
    assert (evaluations.iloc[0]["stage"], evaluations.iloc[0]["cut_reason"]) == (stage, reason)
    assert candidates.empty


def test_falling_stock_passes_by_the_size_of_its_move() -> None:
    assert len(_scan([_symbol(change_pct=-5.0)])[1]) == 1


def test_premarket_has_its_own_dollar_floor() -> None:
    early = {"market_state": "pre", "segment": "pre", "dollar_volume": 60_000.0}
    assert len(_scan([_symbol(**early)])[1]) == 1
    at_the_open = early | {"market_state": "regular"}  # 09:30:00: still measured on pre-market volume
    assert len(_scan([_symbol(**at_the_open)])[1]) == 1
    assert _scan([_symbol(**early | {"dollar_volume": 40_000.0})])[1].empty


@pytest.mark.parametrize(("feed", "dollars", "passes"), [
    ("iex", 30_001.0, True), ("iex", 29_999.0, False), ("sip", 30_001.0, False), ("recorded", 30_001.0, False),
])  # fmt: skip
def test_a_feed_that_sees_a_part_of_the_volume_is_asked_for_that_part(feed: str, dollars: float, passes: bool) -> None:
    evaluations, candidates = _scan([_symbol(dollar_volume=dollars)], feed=feed)
    assert (len(candidates) == 1) is passes
    if not passes:
        assert "dollar volume" in evaluations.iloc[0]["cut_reason"]


def test_funnel_keeps_the_best_of_each_gate() -> None:
    config = TradingConfig.from_overrides({"scan.with_catalyst": 4, "scan.validated": 3, "scan.selected": 2})
    rows = [_symbol(f"S{n}", catalyst_score=90.0 - n, technical_score=50.0 + 20 * (n == 2)) for n in range(6)]
    evaluations = _scan(rows, config)[0].set_index("symbol")
    assert evaluations["stage"].to_dict() == {
        "S0": "selected",
        "S2": "selected",
        "S1": "validated",
        "S3": "catalyst",
        "S4": "universe",
        "S5": "universe",
    }
    assert evaluations.loc["S2", "rank"] == 1
    assert evaluations["cut_reason"].to_dict() == {
        "S0": None, "S2": None, "S1": "combined rank 3 > 2", "S3": "validated rank 4 > 3",
        "S4": "catalyst rank 5 > 4", "S5": "catalyst rank 6 > 4",
    }  # fmt: skip


def test_at_most_two_of_one_narrative_and_the_next_moves_up() -> None:
    rows = [_symbol(f"S{n}", catalyst_score=90.0 - n, narrative_id="sector") for n in range(4)] + [
        _symbol("ZZZ", catalyst_score=20.0)
    ]
    evaluations, candidates = _scan(rows)
    assert candidates["symbol"].tolist() == ["S0", "S1", "ZZZ"]
    assert evaluations.set_index("symbol").loc["S2", "cut_reason"] == "already 2 candidates of this narrative"


def test_before_the_open_fresh_news_ranks_first() -> None:
    early: dict[str, Any] = {"market_state": "pre", "segment": "pre"}
    rows = [_symbol("OLD", catalyst_score=80.0, **early), _symbol("NEW", catalyst_score=30.0, fresh_news=1, **early)]
    assert _scan(rows)[1]["symbol"].tolist() == ["NEW", "OLD"]
    later = [row | {"market_state": "regular", "segment": "regular"} for row in rows]
    assert _scan(later)[1]["symbol"].tolist() == ["OLD", "NEW"]


def test_unknown_technical_score_counts_neutral_and_says_so() -> None:
    candidates = _scan([_symbol(technical_score=np.nan)])[1]
    assert candidates.iloc[0]["technical_score"] == NEUTRAL_TECHNICAL
    assert candidates.iloc[0]["reasons"]["technical"]["known"] is False


def test_decision_times_do_not_meet() -> None:
    later = T + pd.Timedelta(minutes=5)
    rows = [_symbol(f"S{n}", time, catalyst_score=90.0 - n) for time in (T, later) for n in range(7)]
    candidates = _scan(rows)[1]
    assert candidates.groupby("decision_time").size().tolist() == [5, 5]
    assert candidates.groupby("decision_time")["rank"].apply(list).tolist() == [[1, 2, 3, 4, 5]] * 2


def test_symbol_nobody_reported_on_is_recorded_too() -> None:
    universe = pd.DataFrame({"decision_time": [T], "symbol": ["AAA"]})
    frame = pd.DataFrame([_symbol("BBB")])
    evaluations, candidates = scan(universe, frame[SCORES], frame[MARKET], None, CONFIG)
    assert evaluations[["symbol", "cut_reason"]].to_numpy().tolist() == [["AAA", "no catalyst"]]
    assert candidates.empty
    empty = scan(universe.iloc[:0], frame[SCORES], frame[MARKET], None, CONFIG)
    assert empty[0].empty and empty[1].empty


rows_strategy = st.lists(
    st.fixed_dictionaries(
        {
            "catalyst_score": st.floats(0, 100),
            "technical_score": st.one_of(st.just(np.nan), st.floats(0, 100)),
            "relative_volume": st.one_of(st.just(np.nan), st.floats(0, 5)),
            "change_pct": st.floats(-8, 8),
            "spread_bps": st.one_of(st.just(np.nan), st.floats(0, 90)),
            "narrative_id": st.sampled_from(["a", "b", "c"]),
            "halted": st.booleans(),
            "fresh_news": st.integers(0, 2),
            "segment": st.sampled_from(["pre", "regular"]),
        }
    ),
    min_size=1,
    max_size=25,
)


@given(drawn=rows_strategy, seed=st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_funnel_invariants_hold_and_row_order_does_not_matter(drawn: list[dict[str, Any]], seed: int) -> None:
    rows = [_symbol(f"S{number:02d}", **row) for number, row in enumerate(drawn)]
    evaluations, candidates = _scan(rows)
    assert len(evaluations) == len(rows)
    counts = evaluations["stage"].value_counts()
    assert counts.get("selected", 0) == len(candidates) <= CONFIG.scan.selected
    assert (evaluations["cut_reason"].isna() == (evaluations["stage"] == "selected")).all()
    assert evaluations["combined_score"].between(0, 100).all()
    assert candidates.groupby("narrative_id").size().max() <= CONFIG.scan.per_narrative if len(candidates) else True
    assert candidates["rank"].tolist() == list(range(1, len(candidates) + 1))
    assert not candidates["symbol"].isin(evaluations.loc[evaluations["halted"], "symbol"]).any()
    order = np.random.default_rng(seed).permutation(len(rows))
    again = _scan([rows[position] for position in order])
    pd.testing.assert_frame_equal(evaluations, again[0])


@given(drawn=rows_strategy)
@settings(max_examples=25, deadline=None)
def test_a_later_decision_time_never_changes_an_earlier_one(drawn: list[dict[str, Any]]) -> None:
    rows = [_symbol(f"S{number:02d}", **row) for number, row in enumerate(drawn)]
    later = [_symbol(f"S{number:02d}", T + pd.Timedelta(minutes=5)) for number in range(9)]
    alone, together = _scan(rows)[0], _scan(rows + later)[0]
    kept = together[together["decision_time"] == T].reset_index(drop=True)
    pd.testing.assert_frame_equal(alone, kept)


_SCORES = st.sampled_from([0.0, 1.5, 2.0, np.nan])
_ROWS = st.tuples(
    st.integers(0, 2), st.sampled_from("ABCDEFG"), st.booleans(), st.booleans(), _SCORES, st.sampled_from("xy")
)


@given(st.lists(_ROWS, min_size=1, max_size=30, unique_by=lambda row: row[:2]))
def test_places_and_stories_are_counted_as_sorting_and_grouping_the_rows_counts_them(
    rows: list[tuple[Any, ...]],
) -> None:
    frame = pd.DataFrame(rows, columns=["minute", "symbol", "alive", "first", "score", "narrative_id"])
    frame["decision_time"] = T + pd.to_timedelta(frame["minute"], unit="min")
    alive, first, score = (frame[name].to_numpy() for name in ("alive", "first", "score"))
    place = _places(_keys(frame), alive, first, score)
    told = _told_before(frame, _keys(frame)[0], alive, place)

    by_score = ["decision_time", "first", "score", "symbol"]
    living = frame[frame["alive"]].sort_values(by_score, ascending=[True, False, False, True], kind="stable")
    expected = (living.groupby("decision_time").cumcount() + 1).reindex(frame.index).fillna(0)
    assert place.tolist() == expected.tolist()
    living = living.assign(place=expected).sort_values(["decision_time", "place"])
    before = living.groupby(["decision_time", "narrative_id"]).cumcount().reindex(frame.index).fillna(0)
    assert told.tolist() == before.tolist()
