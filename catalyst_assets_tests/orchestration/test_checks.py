"""Every check passes on good rows and finds the fault planted in bad ones."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pandas as pd
import pytest

from catalyst_assets.orchestration import checks
from catalyst_assets.orchestration.checks import Finding

AT = pd.Timestamp("2026-11-20T15:00:00Z").as_unit("us")
TIMES = pd.DatetimeIndex([AT])


def raw(**changed: object) -> pd.DataFrame:
    row = {"news_id": "n1", "provider": "alpaca", "vendor_id": "1", "published_at": AT - timedelta(minutes=5),
           "first_seen_at": AT, "available_at": AT}  # fmt: skip
    return pd.DataFrame([row, row | {"news_id": "n2", "vendor_id": "2"} | changed])


def bars(**changed: object) -> pd.DataFrame:
    row = {
        "symbol": "ACME",
        "ts": AT - timedelta(minutes=2),
        "open": 10.0,
        "high": 10.2,
        "low": 9.9,
        "close": 10.1,
        "volume": 100.0,
    }
    return pd.DataFrame([row, row | {"ts": AT - timedelta(minutes=1)} | changed])


def signals(**changed: object) -> pd.DataFrame:
    row = {
        "signal_id": "s1", "decision_time": AT, "symbol": "ACME", "direction": "long", "status": "actionable", "reject_reason": None,
        "confidence": 60.0, "catalyst_component": 80.0, "pattern_component": 40.0, "technical_component": 60.0, "volume_component": 60.0,
        "entry": 10.0, "stop": 9.8, "target1": 10.3, "target2": 10.6,
    }  # fmt: skip
    return pd.DataFrame([row | changed])


def quotes(**changed: object) -> pd.DataFrame:
    row = {"decision_time": AT, "symbol": "ACME", "ts": AT - timedelta(seconds=2), "bid": 9.99, "ask": 10.01}
    return pd.DataFrame([row | changed])


def evaluations(**changed: object) -> pd.DataFrame:
    row = {"decision_time": AT, "symbol": "A", "stage": "selected", "cut_reason": None, "catalyst_score": 70.0,
           "technical_score": 60.0, "combined_score": 66.0, "direction": 0.5}  # fmt: skip
    return pd.DataFrame([row, row | {"symbol": "B", "stage": "catalyst", "cut_reason": "no quote"} | changed])


def told(**changed: object) -> pd.DataFrame:
    row = {"news_id": "n1", "narrative_id": "s", "available_at": AT}
    return pd.DataFrame([row, row | {"news_id": "n2", "available_at": AT + timedelta(minutes=1)} | changed])


CLUSTERS = pd.DataFrame([{"narrative_id": "s", "first_at": AT, "first_news_id": "n1"}])
INSTRUMENTS = pd.DataFrame([{"symbol": "ACME", "is_common_stock": True, "tradable": True},
                            {"symbol": "FUND", "is_common_stock": False, "tradable": True}])  # fmt: skip
LIMITS = {"catalyst": 50, "validated": 20, "selected": 1}
WEIGHTS = {"catalyst_component": 0.35, "pattern_component": 0.35, "technical_component": 0.2, "volume_component": 0.1}
STATS = pd.DataFrame([{"provider": "alpaca", "decision_time": AT, "error": None, "fetched": 5, "inserted": 2, "duplicates": 3,
                       "revisions": 0, "quarantined": 0}])  # fmt: skip


def universe(symbol: str) -> pd.DataFrame:
    return pd.DataFrame([{"decision_time": AT, "symbol": symbol}])


def rows(timeframe: str, before: timedelta) -> pd.DataFrame:
    return pd.DataFrame([{"decision_time": AT, "timeframe": timeframe, "bar_ts": AT - before}])


def metrics(low: float) -> pd.DataFrame:
    return pd.DataFrame([{"accuracy": 0.6, "low": low, "high": 0.8}])


LATER = AT + timedelta(hours=1)
GOOD_AND_BAD: dict[str, tuple[Callable[[], Finding], Callable[[], Finding]]] = {
    "universe_is_common_stock": (
        lambda: checks.universe_is_common_stock(universe("ACME"), INSTRUMENTS),
        lambda: checks.universe_is_common_stock(universe("FUND"), INSTRUMENTS),
    ),
    "unknown symbols are not common stock": (
        lambda: checks.universe_is_common_stock(universe("ACME"), INSTRUMENTS),
        lambda: checks.universe_is_common_stock(universe("NEW"), INSTRUMENTS),
    ),
    "universe_has_symbols": (
        lambda: checks.universe_has_symbols(universe("ACME"), TIMES),
        lambda: checks.universe_has_symbols(universe("ACME"), TIMES.append(pd.DatetimeIndex([LATER]))),
    ),
    "article_ids_unique": (lambda: checks.article_ids_unique(raw()), lambda: checks.article_ids_unique(raw(news_id="n1"))),
    "vendor ids unique": (lambda: checks.article_ids_unique(raw()), lambda: checks.article_ids_unique(raw(vendor_id="1"))),
    "article_times_known_and_past": (
        lambda: checks.article_times_known_and_past(raw(), AT, 120),
        lambda: checks.article_times_known_and_past(raw(published_at=LATER), AT, 120),
    ),
    "unknown times": (
        lambda: checks.article_times_known_and_past(raw(), AT, 120),
        lambda: checks.article_times_known_and_past(raw(published_at=pd.NaT), AT, 120),
    ),
    "articles_not_visible_early": (
        lambda: checks.articles_not_visible_early(raw()),
        lambda: checks.articles_not_visible_early(raw(available_at=AT - timedelta(hours=1))),
    ),
    "collection_is_fresh": (
        lambda: checks.collection_is_fresh(STATS, ["alpaca"], AT, timedelta(minutes=15)),
        lambda: checks.collection_is_fresh(STATS, ["alpaca", "finnhub"], AT, timedelta(minutes=15)),
    ),
    "collection grown old": (
        lambda: checks.collection_is_fresh(STATS, ["alpaca"], AT + timedelta(minutes=14), timedelta(minutes=15)),
        lambda: checks.collection_is_fresh(STATS, ["alpaca"], AT + timedelta(minutes=16), timedelta(minutes=15)),
    ),
    "collection_adds_up": (
        lambda: checks.collection_adds_up(STATS),
        lambda: checks.collection_adds_up(STATS.assign(fetched=6)),
    ),
    "features_complete": (lambda: checks.features_complete(0, 9), lambda: checks.features_complete(1, 9)),
    "narratives_look_back_only": (
        lambda: checks.narratives_look_back_only(told(), CLUSTERS),
        lambda: checks.narratives_look_back_only(told(available_at=AT - timedelta(minutes=1)), CLUSTERS),
    ),
    "bars_are_possible": (lambda: checks.bars_are_possible(bars()), lambda: checks.bars_are_possible(bars(low=10.15))),
    "high below the close": (lambda: checks.bars_are_possible(bars()), lambda: checks.bars_are_possible(bars(high=10.0))),
    "negative volume": (lambda: checks.bars_are_possible(bars()), lambda: checks.bars_are_possible(bars(volume=-1.0))),
    "unknown price": (lambda: checks.bars_are_possible(bars()), lambda: checks.bars_are_possible(bars(close=float("nan")))),
    "bars_are_current": (
        lambda: checks.bars_are_current(bars(), ["ACME"], AT, timedelta(minutes=10), trading=True),
        lambda: checks.bars_are_current(bars(), ["ACME"], LATER, timedelta(minutes=10), trading=True),
    ),
    "bars_have_few_gaps": (
        lambda: checks.bars_have_few_gaps(bars(), timedelta(minutes=1)),
        lambda: checks.bars_have_few_gaps(bars(ts=AT + timedelta(minutes=8)), timedelta(minutes=1)),
    ),
    "funnel_narrows": (
        lambda: checks.funnel_narrows(evaluations(), LIMITS),
        lambda: checks.funnel_narrows(evaluations(stage="selected"), LIMITS),
    ),
    "a cut without a reason": (
        lambda: checks.funnel_narrows(evaluations(), LIMITS),
        lambda: checks.funnel_narrows(evaluations(cut_reason=None), LIMITS),
    ),
    "scores_in_range": (
        lambda: checks.scores_in_range(evaluations()),
        lambda: checks.scores_in_range(evaluations(combined_score=100.5)),
    ),
    "direction in range": (
        lambda: checks.scores_in_range(evaluations()),
        lambda: checks.scores_in_range(evaluations(direction=-1.2)),
    ),
    "candidates_have_past_news": (
        lambda: checks.candidates_have_past_news(signals().assign(top_news_id="n"), {"n": AT}),
        lambda: checks.candidates_have_past_news(signals().assign(top_news_id="n"), {"n": LATER}),
    ),
    "indicators_use_complete_bars": (
        lambda: checks.uses_complete_bars(rows("5min", timedelta(minutes=5))),
        lambda: checks.uses_complete_bars(rows("5min", timedelta(minutes=4))),
    ),
    "patterns_use_complete_bars": (
        lambda: checks.uses_complete_bars(rows("1day", timedelta(hours=34))),
        lambda: checks.uses_complete_bars(rows("1day", timedelta(hours=10))),
    ),
    "stop_and_targets_on_their_side": (
        lambda: checks.stop_and_targets_on_their_side(signals()),
        lambda: checks.stop_and_targets_on_their_side(signals(stop=10.1)),
    ),
    "a short is mirrored": (
        lambda: checks.stop_and_targets_on_their_side(signals(direction="short", stop=10.2, target1=9.7, target2=9.4)),
        lambda: checks.stop_and_targets_on_their_side(signals(direction="short")),
    ),
    "reward_pays_for_risk": (
        lambda: checks.reward_pays_for_risk(signals(), 1.5),
        lambda: checks.reward_pays_for_risk(signals(target1=10.1), 1.5),
    ),
    "signals_rest_on_fresh_quotes": (
        lambda: checks.signals_rest_on_fresh_quotes(signals(), quotes(), 90),
        lambda: checks.signals_rest_on_fresh_quotes(signals(), quotes(ts=AT - timedelta(minutes=2)), 90),
    ),
    "no quote at all": (
        lambda: checks.signals_rest_on_fresh_quotes(signals(), quotes(), 90),
        lambda: checks.signals_rest_on_fresh_quotes(signals(), quotes(symbol="OTHER"), 90),
    ),
    "a crossed quote": (
        lambda: checks.signals_rest_on_fresh_quotes(signals(), quotes(), 90),
        lambda: checks.signals_rest_on_fresh_quotes(signals(), quotes(bid=10.05), 90),
    ),
    "signals_are_explained": (
        lambda: checks.signals_are_explained(signals(), WEIGHTS),
        lambda: checks.signals_are_explained(signals(confidence=75.0), WEIGHTS),
    ),
    "a rejection without a reason": (
        lambda: checks.signals_are_explained(signals(status="rejected", reject_reason="no quote"), WEIGHTS),
        lambda: checks.signals_are_explained(signals(status="rejected"), WEIGHTS),
    ),
    "every_signal_answered": (
        lambda: checks.every_signal_answered(signals(), {"s1"}, set()),
        lambda: checks.every_signal_answered(signals(), set(), set()),
    ),
    "journal_agrees_with_broker": (
        lambda: checks.journal_agrees_with_broker([], 3),
        lambda: checks.journal_agrees_with_broker(["the broker has an order we never sent"], 3),
    ),
    "positions_are_protected": (
        lambda: checks.positions_are_protected({}, 2),
        lambda: checks.positions_are_protected({"ACME": 40}, 2),
    ),
    "outcomes_complete": (
        lambda: checks.outcomes_complete({("n1", "ACME")}, pd.DataFrame([{"news_id": "n1", "symbol": "ACME"}])),
        lambda: checks.outcomes_complete({("n1", "ACME")}, pd.DataFrame()),
    ),
    "source_posteriors_sane": (
        lambda: checks.posteriors_sane(metrics(0.4), "accuracy"),
        lambda: checks.posteriors_sane(metrics(0.7), "accuracy"),
    ),
    "pattern_posteriors_sane": (
        lambda: checks.posteriors_sane(metrics(0.4).rename(columns={"accuracy": "success"}), "success"),
        lambda: checks.posteriors_sane(metrics(0.7).rename(columns={"accuracy": "success"}), "success"),
    ),
    "cycle_in_time": (
        lambda: checks.cycle_in_time(AT, AT + timedelta(seconds=5), 120, live=True),
        lambda: checks.cycle_in_time(AT, AT + timedelta(seconds=121), 120, live=True),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", GOOD_AND_BAD)
def test_a_check_passes_on_good_rows_and_finds_the_planted_fault(name: str) -> None:
    good, bad = GOOD_AND_BAD[name]
    passed, failed = good(), bad()
    assert passed.passed, passed.said
    assert not failed.passed
    assert failed.said


def test_every_rule_has_a_planted_fault() -> None:
    assert set(checks.RULES) <= set(GOOD_AND_BAD)


@pytest.mark.parametrize("name", checks.RULES)
def test_a_failed_finding_becomes_a_failed_result_with_the_rules_severity(name: str) -> None:
    result = checks.result(name, [Finding(0, "fine"), Finding(2, "two are wrong")])
    assert not result.passed
    assert result.severity is checks.RULES[name].severity
    assert result.description == "two are wrong"
    assert result.metadata["violations"].value == 2


def test_rejected_signals_need_no_prices() -> None:
    rejected = signals(status="rejected", reject_reason="no quote", entry=float("nan"), stop=float("nan"))
    assert checks.stop_and_targets_on_their_side(rejected).passed
    assert checks.reward_pays_for_risk(rejected, 1.5).passed
