"""From candidate to signal: one row each, with confidence, size, prices and reasons, or the reason why not."""

from __future__ import annotations

import json
import math
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalyst_assets.trading import indicators as indicator_rules
from catalyst_assets.trading import patterns, signals
from catalyst_assets.trading.calendar import NEW_YORK, TradingCalendar
from catalyst_assets.trading.config import SignalConfig, TradingConfig
from catalyst_assets.trading.prices import exact, tick

CALENDAR = TradingCalendar()
CONFIG = TradingConfig()
SETTINGS = SignalConfig()


def at(clock: str, day: str = "2025-05-15") -> pd.Timestamp:
    return pd.Timestamp(f"{day} {clock}", tz=NEW_YORK).tz_convert("UTC").as_unit("us")


T = at("10:00")


class Case:
    """One candidate with everything a good signal needs; a test changes what it is about."""

    def __init__(self, when: pd.Timestamp = T, symbol: str = "AAA") -> None:
        self.when, self.symbol = when, symbol
        self.candidate: dict[str, Any] = {
            "rank": 1, "combined_score": 80.0, "catalyst_score": 80.0, "technical_score": 55.0, "direction": 0.8,
            "catalyst_type": "earnings", "narrative_id": "story", "top_news_id": "top", "headline": "A headline",
            "price": 100.0, "change_pct": 3.0, "relative_volume": 4.0, "spread_bps": 2.0,
            "reasons": {"news_ids": ["other", "top"]},
        }  # fmt: skip
        self.quote: dict[str, Any] | None = {"ts": when, "bid": 99.98, "ask": 100.0, "bid_size": 1.0, "ask_size": 1.0}
        self.score = 60.0
        self.indicator: dict[str, Any] = {name: math.nan for name in indicator_rules.VALUES} | {
            "timeframe": "5min", "bar_ts": when - pd.Timedelta(minutes=5), "feed": "test", "close": 100.0, "atr": 0.5,
            "sma_short": 99.0, "rsi": 60.0, "relative_volume": 3.0,
        }  # fmt: skip

    def _keys(self) -> dict[str, Any]:
        return {"decision_time": self.when, "symbol": self.symbol}


def build(*cases: Case, scenario: str = "live", config: TradingConfig = CONFIG) -> pd.DataFrame:
    def frame(rows: list[dict[str, Any]], columns: tuple[str, ...]) -> pd.DataFrame:
        return pd.DataFrame(rows) if rows else pd.DataFrame(columns=list(columns))

    analysis = [
        c._keys() | {
            "score": c.score, "direction": 1.0, "best_pattern": "engulfing" if c.score == c.score else None,
            "best_timeframe": "5min", "detections": 1, "support": 98.0, "resistance": 102.0, "gap_pct": 1.0,
            "volume_surge": True, "details": {},
        }
        for c in cases
    ]  # fmt: skip
    hit = [
        c._keys() | {
            "timeframe": "5min", "pattern": "engulfing", "bar_ts": c.when, "direction": 1, "base_confidence": 70.0,
            "strength": 0.5, "volume_confirmed": True, "trend_confirmed": False, "support": 98.0, "resistance": 102.0,
            "catalyst_type": "earnings", "alignment": "aligned", "confidence": 100.0,
        }
        for c in cases
    ]  # fmt: skip
    times = pd.DatetimeIndex(sorted({c.when for c in cases}))
    return signals.build(
        pd.DataFrame([c._keys() | c.candidate for c in cases]),
        frame([c._keys() | c.indicator for c in cases], indicator_rules.COLUMNS),
        frame(analysis, patterns.ANALYSIS_COLUMNS),
        frame(hit, patterns.ALIGNED_COLUMNS),
        frame([c._keys() | c.quote for c in cases if c.quote], ("decision_time", "symbol", "ts", "bid", "ask")),
        CALENDAR.states(times),
        config,
        scenario=scenario,
    )


def test_a_good_candidate_becomes_an_actionable_signal() -> None:
    row = build(Case()).iloc[0]
    assert (row["status"], row["direction"]) == ("actionable", "long")
    assert row["reject_reason"] is None or row["reject_reason"] != row["reject_reason"]
    assert (row["entry"], row["stop"], row["target1"], row["target2"]) == (100.0, 99.0, 101.5, 103.0)
    assert row["reward_risk"] == 1.5 and row["atr"] == 0.5 and row["spread"] == 0.02
    assert row["best_pattern"] == "engulfing" and row["strategy_version"] == "1"
    assert row["news_ids"] == ["top", "other"], "the top article first, each once"


def test_columns_are_those_of_the_table() -> None:
    assert tuple(build(Case()).columns) == signals.COLUMNS


def test_confidence_is_the_weighted_sum_of_the_components() -> None:
    row = build(Case()).iloc[0]
    parts = [row[f"{name}_component"] for name in ("catalyst", "pattern", "technical", "volume")]
    assert parts[0] == 80 and parts[1] == 60 and parts[3] == 75
    assert 50 < parts[2] <= 100, "bullish indicators support a long"
    assert row["confidence"] == pytest.approx(np.dot(parts, [0.35, 0.35, 0.20, 0.10]))


@pytest.mark.parametrize(
    ("confidence", "fraction"),
    [(100, 1), (70, 1), (69.99, 0.5), (50, 0.5), (49.9, 0.25), (30, 0.25), (29.9, 0), (0, 0)],
)
def test_size_follows_confidence(confidence: float, fraction: float) -> None:
    assert signals.size_fraction(confidence, SETTINGS) == fraction


@pytest.mark.parametrize(
    ("catalyst", "traded"), [(0.0, False), (1.2, False), (9.99, False), (10.0, True), (80.0, True)]
)
def test_a_chart_without_a_catalyst_is_no_trade(catalyst: float, traded: bool) -> None:
    case = Case()
    case.candidate["catalyst_score"] = catalyst
    row = build(case).iloc[0]
    assert (row["status"] == "actionable") is traded
    if not traded:
        assert row["reject_reason"] == f"catalyst {catalyst:.1f} is below 10" and row["size_fraction"] == 0


def test_low_confidence_is_rejected_with_no_size() -> None:
    case = Case()
    case.candidate |= {"catalyst_score": 10.0, "relative_volume": 0.5}
    case.score = 0.0
    row = build(case).iloc[0]
    assert row["status"] == "rejected" and row["size_fraction"] == 0
    assert row["reject_reason"].startswith("confidence") and row["confidence"] < 30


def test_a_negative_direction_is_a_short_from_the_bid() -> None:
    case = Case()
    case.candidate["direction"] = -0.8
    row = build(case).iloc[0]
    assert (row["direction"], row["entry"]) == ("short", 99.98)
    assert row["stop"] > row["entry"] > row["target1"] > row["target2"]
    assert row["technical_component"] < 50, "bullish indicators speak against a short"


@pytest.mark.parametrize(
    ("clock", "status", "reason"),
    [
        ("04:00", "prepared", None),
        ("09:25", "prepared", None),
        ("09:30", "actionable", None),
        ("15:55", "actionable", None),
        ("16:00", "rejected", "no new entries after hours"),
        ("19:00", "rejected", "no new entries after hours"),
        ("21:00", "rejected", "market closed"),
    ],
)
def test_the_market_state_decides_what_becomes_of_a_signal(clock: str, status: str, reason: str | None) -> None:
    row = build(Case(at(clock))).iloc[0]
    assert row["status"] == status
    assert (row["reject_reason"] if status == "rejected" else None) == reason


def changed(**changes: Any) -> Case:
    case = Case()
    for name, value in changes.items():
        if name in ("atr", "five_volume"):
            case.indicator["atr" if name == "atr" else "relative_volume"] = value
        elif name == "quote":
            case.quote = value if value is None else dict(case.quote or {}) | value
        else:
            case.candidate[name] = value
    return case


NAN = math.nan


@pytest.mark.parametrize(
    ("case", "reason"),
    [
        (changed(direction=0.1), "direction +0.10 is below"),
        (changed(direction=-0.149), "direction -0.15 is below"),
        (changed(direction=NAN), "direction unknown"),
        (changed(quote=None), "no quote"),
        (changed(quote={"bid": 0.0}), "unusable quote"),
        (changed(quote={"bid": 100.5}), "unusable quote"),
        (changed(quote={"ask": NAN}), "unusable quote"),
        (changed(quote={"bid": 98.0}), "a stop"),
        (changed(atr=NAN), "no ATR"),
        (changed(atr=0.0), "no ATR"),
        (changed(relative_volume=NAN, five_volume=NAN), "volume unknown"),
        (changed(relative_volume=None, five_volume=NAN), "volume unknown"),
        (changed(catalyst_score=NAN), "catalyst unknown"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_unknown_or_unusable_is_rejected_with_its_reason(case: Case, reason: str) -> None:
    row = build(case).iloc[0]
    assert row["status"] == "rejected" and row["size_fraction"] == 0
    assert row["reject_reason"].startswith(reason)
    assert row["reasons"]["rejections"][0] == row["reject_reason"]
    assert np.isfinite(row["confidence"])


def test_all_reasons_of_a_rejection_are_kept() -> None:
    case = changed(direction=0.05, relative_volume=NAN, five_volume=NAN, quote=None)
    assert len(build(case).iloc[0]["reasons"]["rejections"]) == 3


def test_no_pattern_counts_its_neutral_score() -> None:
    case = Case()
    case.score = NAN
    row = build(case).iloc[0]
    assert row["pattern_component"] == 30 and row["status"] == "actionable"
    assert "no pattern" in row["reasons"]["components"]["pattern"]["from"]


def test_volume_of_the_last_bar_stands_in_only_within_the_session() -> None:
    case = changed(relative_volume=NAN, five_volume=4.0)
    row = build(case).iloc[0]
    assert row["volume_component"] == pytest.approx(75) and row["status"] == "actionable"
    case.indicator["bar_ts"] = at("19:55", "2025-05-14")
    assert build(case).iloc[0]["reject_reason"] == "volume unknown"


def test_the_scans_technical_score_stands_in_when_no_indicator_is_known() -> None:
    case = Case()
    case.indicator |= {"sma_short": NAN, "rsi": NAN}
    row = build(case).iloc[0]
    assert row["technical_component"] == 55
    assert row["reasons"]["components"]["technical"]["from"] == "scan"


@given(st.floats(0, 1000), st.floats(0, 1000))
@settings(deadline=None)
def test_volume_score_rises_with_volume_within_0_and_100(one: float, other: float) -> None:
    low, high = sorted((signals.volume_score(one, SETTINGS), signals.volume_score(other, SETTINGS)))
    assert 0 <= low <= high <= 100
    assert (signals.volume_score(one, SETTINGS) <= signals.volume_score(other, SETTINGS)) or one >= other
    assert signals.volume_score(SETTINGS.volume_half, SETTINGS) == pytest.approx(50)


def test_every_candidate_yields_exactly_one_row_in_order() -> None:
    cases = [Case(at("10:00"), s) for s in "BCA"] + [Case(at("16:00"), "A"), Case(at("09:00"), "A")]
    cases[1].quote = None
    answer = build(*cases)
    assert list(zip(answer["decision_time"], answer["symbol"], strict=True)) == [(c.when, c.symbol) for c in cases]
    assert list(answer["status"]) == ["actionable", "rejected", "actionable", "rejected", "prepared"]
    assert answer["signal_id"].is_unique


def test_no_candidates_give_an_empty_frame() -> None:
    none = pd.DataFrame([Case()._keys() | Case().candidate]).iloc[:0]
    empty = pd.DataFrame()
    answer = signals.build(
        none, pd.DataFrame(columns=list(indicator_rules.COLUMNS)), empty, empty, empty, CALENDAR.states(pd.DatetimeIndex([T])),
        CONFIG, scenario="live",
    )  # fmt: skip
    assert answer.empty and tuple(answer.columns) == signals.COLUMNS


def test_reasons_are_json_and_explain_the_confidence() -> None:
    case = changed(change_pct=NAN)
    reasons = build(case).iloc[0]["reasons"]
    assert json.loads(json.dumps(reasons, allow_nan=False)) == reasons
    total = sum(part["weight"] * part["score"] for part in reasons["components"].values())
    assert total == pytest.approx(build(case).iloc[0]["confidence"], abs=1e-4)
    assert reasons["inputs"]["candidate"]["change_pct"] is None
    assert reasons["inputs"]["quote"] == {"ts": T.isoformat(), "bid": 99.98, "ask": 100.0}
    assert reasons["components"]["pattern"]["hits"][0]["pattern"] == "engulfing"
    assert reasons["plan"]["stop_set_by"] == "atr"


def test_the_id_names_the_decision_and_nothing_else() -> None:
    base = ("live", date(2025, 5, 15), "AAA", T, "long", "1")
    first = signals.signal_id(*base)
    assert first == signals.signal_id(*base[:3], datetime(2025, 5, 15, 14, tzinfo=UTC), *base[4:])
    others = [
        ("replay:x", *base[1:]),
        (base[0], date(2025, 5, 16), *base[2:]),
        (*base[:2], "AAB", *base[3:]),
        (*base[:3], T + pd.Timedelta(minutes=5), *base[4:]),
        (*base[:4], "short", "1"),
        (*base[:5], "2"),
    ]
    ids = {signals.signal_id(*other) for other in others}
    assert len(ids) == 6 and first not in ids and len(first) == 32
    richer = changed(catalyst_score=90.0)
    assert build(Case())["signal_id"].iloc[0] == build(richer)["signal_id"].iloc[0] == first
    assert build(Case(), scenario="replay:x")["signal_id"].iloc[0] in ids


@given(
    bid=st.floats(0.5, 900), spread_bps=st.floats(0, 250), atr_pct=st.floats(0.01, 5), direction=st.floats(-1, 1),
    catalyst=st.floats(0, 100), score=st.one_of(st.just(NAN), st.floats(0, 100)), volume=st.floats(0, 50),
)  # fmt: skip
@settings(max_examples=50, deadline=None)
def test_every_row_passes_the_checks_of_the_database(
    bid: float, spread_bps: float, atr_pct: float, direction: float, catalyst: float, score: float, volume: float
) -> None:
    case = changed(direction=direction, catalyst_score=catalyst, relative_volume=volume, atr=bid * atr_pct / 100)
    case.quote, case.score = {"ts": T, "bid": bid, "ask": bid * (1 + spread_bps / 1e4)}, score
    row = build(case).iloc[0]
    assert 0 <= row["confidence"] <= 100 and 0 <= row["size_fraction"] <= 1
    assert row["status"] in ("actionable", "rejected") and (row["status"] == "rejected") == (row["size_fraction"] == 0)
    if row["status"] == "rejected":
        assert isinstance(row["reject_reason"], str) and row["reject_reason"]
        return
    assert abs(direction) >= 0.15 and row["reward_risk"] >= 1.5
    sign = 1 if row["direction"] == "long" else -1
    ordered = [sign * row[name] for name in ("stop", "entry", "target1", "target2")]
    assert ordered[0] < ordered[1] < ordered[2] <= ordered[3]
    for name in ("entry", "stop", "target1", "target2"):
        price = exact(row[name])
        assert price > 0 and price % tick(price) == 0
