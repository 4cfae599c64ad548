"""The thirteen patterns beside TA-Lib itself, their visibility, alignment with the catalyst, and the summary."""

from __future__ import annotations

from functools import cache
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
import talib
from hypothesis import given, settings
from hypothesis import strategies as st

from catalyst_assets.trading import bars as rules
from catalyst_assets.trading import patterns
from catalyst_assets.trading.calendar import TradingCalendar
from catalyst_assets.trading.config import TradingConfig
from catalyst_assets_tests.trading import random_bars

CALENDAR = TradingCalendar()
CONFIG = TradingConfig()
DAYS = ("2025-05-13", "2025-05-14", "2025-05-15")


@cache
def frames() -> dict[str, pd.DataFrame]:
    return rules.by_timeframe(random_bars.sessions(DAYS), "5min")


def times(step: int = 1) -> pd.DatetimeIndex:
    return CALENDAR.decision_times(DAYS[-1], CONFIG.cycle)[::step]


@cache
def detected() -> pd.DataFrame:
    return patterns.detect(frames(), times(), CONFIG)


def test_detection_equals_talib_called_directly_on_ten_thousand_random_bars() -> None:
    days = CALENDAR.sessions("2025-05-01", "2025-05-15")
    bars = random_bars.sessions(days, symbols=("AAA",), step=1, seed=11).iloc[:10_000]
    prices = [bars[name].to_numpy() for name in ("open", "high", "low", "close")]
    expected = {
        (rule.name, bars["ts"].iloc[n], 0 if rule.name == "doji" else int(np.sign(values[n])))
        for rule in patterns.PATTERNS
        for values in [getattr(talib, rule.function)(*prices)]
        for n in np.flatnonzero(values)
    }
    every_minute = pd.DatetimeIndex(bars["ts"] + pd.Timedelta(minutes=1))
    found = patterns.detect({"1min": bars}, every_minute, CONFIG)
    answer = set(zip(found["pattern"], found["bar_ts"], found["direction"], strict=True))
    assert answer == expected
    assert {name for name, _, _ in answer} >= {rule.name for rule in patterns.PATTERNS} - {
        "three_white_soldiers",
        "three_black_crows",
    }


def test_the_table_holds_thirteen_patterns_with_confidence_from_55_to_75() -> None:
    assert len(patterns.PATTERNS) == 13 == len({rule.function for rule in patterns.PATTERNS})
    assert all(55 <= rule.base_confidence <= 75 for rule in patterns.PATTERNS)
    assert [rule.name for rule in patterns.PATTERNS if not rule.directional] == ["doji"]


@pytest.mark.parametrize("sign", [1, -1])
def test_three_soldiers_and_crows_are_found_with_their_direction(sign: int) -> None:
    rng = np.random.default_rng(4)
    ts = random_bars.minutes(DAYS[-1], 5)[:40]
    base = 100 - sign * 0.2 * np.arange(37)
    body = np.stack([base, base + 0.25, base - 0.35, base - sign * 0.15], axis=1) + rng.normal(0, 0.01, (37, 1))
    start = base[-1]
    climb = [start + sign * step for step in (0.0, 0.6, 1.2)]
    soldiers = [[o, max(o, o + sign) + 0.01, min(o, o + sign) - 0.01, o + sign] for o in climb]
    bars = random_bars.from_ohlc("AAA", ts, np.array([*body, *soldiers]), np.full(40, 1000.0))
    at = pd.DatetimeIndex([ts[-1] + pd.Timedelta(minutes=5)])
    found = patterns.detect({"5min": bars}, at, CONFIG).set_index("pattern")
    name = "three_white_soldiers" if sign > 0 else "three_black_crows"
    assert found.loc[name, "direction"] == sign
    assert found.loc[name, "strength"] > 0.9
    assert bool(found.loc[name, "trend_confirmed"])


def test_columns_types_and_ranges() -> None:
    found = detected()
    assert tuple(found.columns) == patterns.DETECTION_COLUMNS
    assert not found[["decision_time", "symbol", "timeframe", "pattern", "bar_ts"]].duplicated().any()
    assert found["strength"].between(0, 1).all() and found["strength"].nunique() > 50
    assert found["direction"].isin([-1, 0, 1]).all()
    assert (found["support"] <= found["resistance"]).all()
    assert found["volume_confirmed"].any() and not found["volume_confirmed"].all()
    assert found["trend_confirmed"].any() and not found.loc[found["direction"] == 0, "trend_confirmed"].any()


@pytest.mark.parametrize("timeframe", ["5min", "15min", "60min"])
def test_a_pattern_is_seen_from_completion_until_it_is_too_old(timeframe: str) -> None:
    found = detected().query("timeframe == @timeframe")
    length = rules.length_micros(timeframe)
    age = rules.instants(found["decision_time"]) - rules.instants(found["bar_ts"]) - length
    assert age.min() >= 0 and age.max() <= CONFIG.pattern.max_age_bars * length
    assert len(np.unique(age)) >= 4


def test_a_daily_pattern_is_seen_from_the_close_for_three_sessions() -> None:
    days = CALENDAR.sessions("2025-01-02", "2025-05-15")
    midnights = (
        pd.DatetimeIndex([pd.Timestamp(day, tz="America/New_York") for day in days]).tz_convert("UTC").as_unit("us")
    )
    daily = random_bars.walk(np.random.default_rng(1), midnights)
    at = pd.DatetimeIndex(
        [instant for day in days[-20:] for instant in (CALENDAR.hours(day).open, CALENDAR.hours(day).close)]
    )
    found = patterns.detect({"1day": daily}, at, CONFIG)
    positions = {midnight: n for n, midnight in enumerate(midnights)}
    for row in found.itertuples():
        age = CALENDAR.sessions(
            row.bar_ts.tz_convert("America/New_York").date(), CALENDAR.session_for(row.decision_time)
        )
        assert len(age) - 1 <= 3
        assert row.decision_time >= CALENDAR.hours(days[positions[row.bar_ts]]).close
    assert len(found) > 20


@given(cut=st.integers(0, len(times()) - 2))
@settings(max_examples=15, deadline=None)
def test_bars_appended_later_never_change_an_earlier_detection_or_analysis(cut: int) -> None:
    at = times()[cut]
    live = {name: rules.visible(frame, name, at).reset_index(drop=True) for name, frame in frames().items()}
    now = patterns.detect(live, pd.DatetimeIndex([at]), CONFIG)
    later = detected().query("decision_time == @at").reset_index(drop=True)
    pd.testing.assert_frame_equal(now, later, check_exact=True)
    pair = pd.DataFrame({"decision_time": [at], "symbol": ["AAA"], "direction": [0.8], "catalyst_type": ["earnings"]})
    aligned = patterns.align(now, pair, None, CONFIG)
    analysis = patterns.summarise(aligned, live, pd.DatetimeIndex([at]), CONFIG)
    whole = patterns.summarise(aligned, frames(), times(), CONFIG, pairs=analysis[["decision_time", "symbol"]])
    pd.testing.assert_frame_equal(analysis, whole, check_exact=True)


def test_unsorted_decision_times_are_refused() -> None:
    with pytest.raises(ValueError, match="sorted"):
        patterns.detect(frames(), times()[::-1], CONFIG)


def test_no_bars_give_an_empty_frame_with_all_columns() -> None:
    found = patterns.detect({}, times(), CONFIG)
    aligned = patterns.align(found, candidates([]), None, CONFIG)
    analysis = patterns.summarise(aligned, {}, times(), CONFIG)
    assert tuple(aligned.columns) == patterns.ALIGNED_COLUMNS and aligned.empty
    assert tuple(analysis.columns) == patterns.ANALYSIS_COLUMNS and analysis.empty


# ------------------------------------------------------------------------------------------------------------- alignment

AT = times()[90]


def candidates(rows: list[tuple[str, float, str]]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["symbol", "direction", "catalyst_type"])
    frame.insert(0, "decision_time", pd.DatetimeIndex([AT] * len(rows), dtype="datetime64[us, UTC]"))
    return frame


def detection(**changes: object) -> pd.DataFrame:
    row = {
        "decision_time": AT, "symbol": "AAA", "timeframe": "60min", "pattern": "engulfing", "bar_ts": AT,
        "direction": 1, "base_confidence": 60.0, "strength": 1.0, "volume_confirmed": True, "trend_confirmed": True,
        "support": 1.0, "resistance": 2.0,
    }  # fmt: skip
    return pd.DataFrame([row | changes])


@pytest.mark.parametrize(
    ("pattern", "catalyst", "alignment", "confidence"),
    [
        (1, 0.8, "aligned", 90.0),
        (-1, -0.8, "aligned", 90.0),
        (1, -0.8, "against", 42.0),
        (-1, 0.8, "against", 42.0),
        (0, 0.8, "neutral", 60.0),
        (1, 0.14, "neutral", 60.0),
        (1, float("nan"), "neutral", 60.0),
    ],
)
def test_alignment_and_its_multiplier(pattern: int, catalyst: float, alignment: str, confidence: float) -> None:
    row = patterns.align(detection(direction=pattern), candidates([("AAA", catalyst, "earnings")]), None, CONFIG).iloc[
        0
    ]
    assert (row["alignment"], row["catalyst_type"]) == (alignment, "earnings")
    assert row["confidence"] == pytest.approx(confidence)


def test_confidence_never_exceeds_one_hundred() -> None:
    row = patterns.align(detection(base_confidence=75.0), candidates([("AAA", 1.0, "earnings")]), None, CONFIG).iloc[0]
    assert row["confidence"] == 100


def test_a_detection_without_candidate_is_neutral_and_has_no_catalyst() -> None:
    row = patterns.align(detection(), candidates([("BBB", 1.0, "earnings")]), None, CONFIG).iloc[0]
    assert row["alignment"] == "neutral" and row["catalyst_type"] is None and row["confidence"] == 60


def learned(success: float, observations: float, kind: str = "earnings") -> pd.DataFrame:
    return pd.DataFrame(
        {"pattern": ["engulfing"], "catalyst_type": [kind], "success": [success], "observations": [observations]}
    )


def test_learned_success_shrinks_toward_the_prior_multiplier() -> None:
    pair = candidates([("AAA", 0.8, "earnings")])

    def multiplier(table: pd.DataFrame) -> float:
        return float(patterns.align(detection(base_confidence=50.0), pair, table, CONFIG)["confidence"].iloc[0] / 50)

    assert multiplier(learned(0.3, 0)) == pytest.approx(1.5)
    assert multiplier(learned(0.3, 20)) == pytest.approx((1.5 + 0.6) / 2), "at 20 observations both weigh the same"
    assert multiplier(learned(0.3, 20, "*")) == pytest.approx(1.05), "all types stand in for a type without its own"
    assert multiplier(learned(0.3, 20, "guidance")) == pytest.approx(1.5)
    path = [multiplier(learned(0.3, n)) for n in (0, 5, 20, 100, 1000)]
    assert all(later < earlier for earlier, later in pairwise(path))
    both = pd.concat([learned(0.9, 50, "*"), learned(0.3, 20)])
    assert multiplier(both) == pytest.approx(1.05), "the catalyst type's own experience counts first"


# --------------------------------------------------------------------------------------------------------------- summary


def summary(detections: pd.DataFrame, direction: float = 0.8) -> pd.Series:
    aligned = patterns.align(detections, candidates([("AAA", direction, "earnings")]), None, CONFIG)
    return patterns.summarise(aligned, frames(), pd.DatetimeIndex([AT]), CONFIG).set_index("symbol").loc["AAA"]


def test_the_score_is_unknown_without_patterns() -> None:
    row = summary(detection().iloc[:0])
    assert np.isnan(row["score"]) and row["detections"] == 0 and row["direction"] == 0
    assert row["best_pattern"] is None or row["best_pattern"] != row["best_pattern"]


def test_the_best_pattern_scores_and_an_opposing_one_takes_off() -> None:
    good, bad = detection(), detection(pattern="shooting_star", direction=-1, timeframe="1day")
    alone, both, against = summary(good), summary(pd.concat([good, bad], ignore_index=True)), summary(bad)
    assert alone["score"] == pytest.approx(90.0)
    assert both["score"] == pytest.approx(90.0 - 0.5 * 42 * 0.9)
    assert against["score"] == pytest.approx(30 - 0.5 * 42 * 0.9), "below what no pattern counts"
    assert both["best_pattern"] == "engulfing" and 0 < both["direction"] < 1
    assert against["best_pattern"] != "shooting_star", "a pattern against the catalyst is never the reason for a trade"
    assert alone["direction"] == 1 and against["direction"] == -1


def test_an_unconfirmed_weak_pattern_on_a_short_timeframe_counts_less_but_never_less_than_none() -> None:
    weak = detection(strength=0.0, volume_confirmed=False, trend_confirmed=False, timeframe="1min")
    assert summary(weak)["score"] == pytest.approx(90 * 0.6 * 0.6)
    faint = detection(strength=0.0, volume_confirmed=False, trend_confirmed=False, timeframe="1min", direction=0)
    assert summary(faint)["score"] == pytest.approx(30)


def test_support_and_resistance_are_the_extremes_of_the_last_bars() -> None:
    row, frame = summary(detection()), frames()["5min"]
    part = rules.visible(frame[frame["symbol"] == "AAA"], "5min", AT).tail(60)
    assert (row["support"], row["resistance"]) == (part["low"].min(), part["high"].max())


def test_gap_is_the_last_price_before_the_open_and_the_regular_open_after_it() -> None:
    frame = frames()["5min"]
    part = frame[frame["symbol"] == "AAA"].set_index("ts")
    close = part["close"].loc[CALENDAR.hours(DAYS[1]).close - pd.Timedelta(minutes=5)]
    hours = CALENDAR.hours(DAYS[2])
    opening = part["open"].loc[hours.open]
    early = part["close"].loc[hours.open - pd.Timedelta(minutes=5)]
    at = pd.DatetimeIndex([hours.open, hours.open + pd.Timedelta(minutes=5), hours.open + pd.Timedelta(hours=3)])
    gaps = patterns.summarise(detection().iloc[:0].pipe(empty_aligned), frames(), at, CONFIG).query("symbol == 'AAA'")[
        "gap_pct"
    ]
    assert gaps.tolist() == pytest.approx([100 * (p / close - 1) for p in (early, opening, opening)])


def test_gap_uses_the_previous_close_of_a_longer_timeframe_when_the_minutes_hold_only_today() -> None:
    whole = rules.by_timeframe(random_bars.sessions(DAYS, step=1), "1min")
    at = pd.DatetimeIndex([CALENDAR.hours(DAYS[2]).open + pd.Timedelta(hours=1)])
    expected = patterns.summarise(empty_aligned(detection().iloc[:0]), whole, at, CONFIG)["gap_pct"]
    today = whole["1min"][whole["1min"]["ts"] >= CALENDAR.hours(DAYS[2]).pre_open].reset_index(drop=True)
    answer = patterns.summarise(empty_aligned(detection().iloc[:0]), whole | {"1min": today}, at, CONFIG)["gap_pct"]
    assert answer.tolist() == pytest.approx(expected.tolist()) and answer.notna().all()


def test_a_gap_without_a_previous_session_is_unknown() -> None:
    bars = rules.by_timeframe(random_bars.sessions([DAYS[2]]), "5min")
    answer = patterns.summarise(empty_aligned(detection().iloc[:0]), bars, times(30), CONFIG)
    assert answer["gap_pct"].isna().all() and len(answer) > 0


def empty_aligned(none: pd.DataFrame) -> pd.DataFrame:
    return patterns.align(none, candidates([]), None, CONFIG)


def test_volume_surge_compares_with_the_usual_volume_of_that_time() -> None:
    bars = random_bars.sessions(("2025-05-09", "2025-05-12", *DAYS), symbols=("AAA",))
    last = bars.index[bars["ts"] == CALENDAR.hours(DAYS[2]).open][0]
    bars["volume"] = 1000.0
    at = pd.DatetimeIndex([CALENDAR.hours(DAYS[2]).open + pd.Timedelta(minutes=5)])
    for volume, surge in ((1900.0, False), (2000.0, True)):
        bars.loc[last, "volume"] = volume
        row = patterns.summarise(empty_aligned(detection().iloc[:0]), {"5min": bars}, at, CONFIG).iloc[0]
        assert row["volume_surge"] == surge
        assert row["details"]["relative_volume"] == pytest.approx(volume / 1000)


def test_pairs_choose_the_rows_and_a_symbol_without_bars_has_unknown_context() -> None:
    pairs = pd.DataFrame({"decision_time": [AT, AT], "symbol": ["ZZZ", "BBB"]})
    answer = patterns.summarise(empty_aligned(detection().iloc[:0]), frames(), times(), CONFIG, pairs=pairs)
    assert list(answer["symbol"]) == ["ZZZ", "BBB"]
    assert np.isnan(answer["support"].iloc[0]) and np.isfinite(answer["support"].iloc[1])
