"""Indicators against independent formulas, their causality, and the technical score."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd
import pytest
import talib
from hypothesis import given, settings
from hypothesis import strategies as st

from catalyst_assets.trading import bars as rules
from catalyst_assets.trading import indicators
from catalyst_assets.trading.calendar import NEW_YORK, TradingCalendar
from catalyst_assets.trading.config import TradingConfig
from catalyst_assets_tests.trading import random_bars

CALENDAR = TradingCalendar()
CONFIG = TradingConfig()
DAYS = ("2025-05-12", "2025-05-13", "2025-05-14", "2025-05-15")


@cache
def frames() -> dict[str, pd.DataFrame]:
    """Four sessions of two symbols; daily history made of sixty more so that every window is filled."""
    bars = random_bars.sessions(DAYS)
    days = CALENDAR.sessions("2025-01-02", "2025-05-09")
    midnights = pd.DatetimeIndex([pd.Timestamp(day, tz=NEW_YORK) for day in days]).tz_convert("UTC").as_unit("us")
    rng = np.random.default_rng(3)
    older = [random_bars.walk(rng, midnights, symbol) for symbol in ("AAA", "BBB")]
    daily = pd.concat([*older, rules.daily_from(bars, CALENDAR)]).sort_values(["symbol", "ts"], ignore_index=True)
    return rules.by_timeframe(bars, "5min", daily)


def times(step: int = 1) -> pd.DatetimeIndex:
    return CALENDAR.decision_times(DAYS[-1], CONFIG.cycle)[::step]


def computed(step: int = 11) -> pd.DataFrame:
    return indicators.compute(frames(), times(step), CONFIG, feed="test")


def test_columns_are_those_of_the_table_and_rows_are_unique_and_ordered() -> None:
    answer = computed()
    assert tuple(answer.columns) == indicators.COLUMNS
    keys = answer[["decision_time", "symbol", "timeframe"]]
    assert not keys.duplicated().any()
    assert set(answer["timeframe"]) == {"5min", "15min", "60min", "1day"}
    assert (answer["feed"] == "test").all()
    assert answer["decision_time"].is_monotonic_increasing


def test_every_bar_used_is_complete_and_the_last_such() -> None:
    answer = computed()
    for timeframe, part in answer.groupby("timeframe"):
        done = rules.completes(rules.instants(part["bar_ts"]), str(timeframe), CALENDAR)
        assert (done <= rules.instants(part["decision_time"])).all()
        shown = rules.as_of(frames()[str(timeframe)], str(timeframe), times(11))
        expected = part.merge(shown, on=["decision_time", "symbol"], suffixes=("", "_bar"))
        assert len(expected) == len(part) and (expected["bar_ts"] == expected["ts"]).all()
        assert (expected["close"] == expected["close_bar"]).all()


@pytest.mark.parametrize("timeframe", ["5min", "15min", "1day"])
def test_values_agree_with_talib_once_the_starting_values_have_faded(timeframe: str) -> None:
    frame = frames()[timeframe]
    part = frame[frame["symbol"] == "BBB"]
    o = {name: part[name].to_numpy() for name in ("high", "low", "close")}
    upper, middle, lower = talib.BBANDS(o["close"], 20, 2, 2)
    macd, signal, histogram = talib.MACD(o["close"], 12, 26, 9)
    reference = {
        "rsi": (talib.RSI(o["close"], 14), 0.5),
        "sma_short": (talib.SMA(o["close"], 20), 1e-9),
        "sma_long": (talib.SMA(o["close"], 50), 1e-9),
        "ema": (talib.EMA(o["close"], 9), 1e-3),
        "bollinger_upper": (upper, 1e-6),
        "bollinger_middle": (middle, 1e-6),
        "bollinger_lower": (lower, 1e-6),
        "macd": (macd, 5e-2),
        "macd_signal": (signal, 5e-2),
        "macd_histogram": (histogram, 5e-2),
        "atr": (talib.ATR(o["high"], o["low"], o["close"], 14), 0),
        "adx": (talib.ADX(o["high"], o["low"], o["close"], 14), 0),
    }
    at = pd.DatetimeIndex([times()[-1]])
    row = indicators.compute(frames(), at, CONFIG, timeframes=(timeframe,)).set_index("symbol").loc["BBB"]
    position = part["ts"].tolist().index(row["bar_ts"])
    for name, (series, tolerance) in reference.items():
        assert row[name] == pytest.approx(series[position], rel=tolerance, abs=tolerance * 2), name


def test_stochastic_is_the_place_of_the_close_in_the_range() -> None:
    row = computed().query("symbol == 'AAA' and timeframe == '5min'").iloc[-1]
    frame = frames()["5min"]
    part = frame[(frame["symbol"] == "AAA") & (frame["ts"] <= row["bar_ts"])]
    high, low = part["high"].rolling(14).max(), part["low"].rolling(14).min()
    k = 100 * (part["close"] - low) / (high - low)
    assert row["stochastic_k"] == pytest.approx(k.iloc[-1])
    assert row["stochastic_d"] == pytest.approx(k.iloc[-3:].mean())


def test_vwap_and_obv_start_again_each_session() -> None:
    for at in (times()[1], times()[90]):
        answer = indicators.compute(frames(), pd.DatetimeIndex([at]), CONFIG, timeframes=("5min",))
        frame = frames()["5min"]
        for row in answer.itertuples():
            part = frame[(frame["symbol"] == row.symbol) & (frame["ts"] <= row.bar_ts)].reset_index(drop=True)
            today = part["ts"] >= CALENDAR.hours(DAYS[-1]).pre_open
            sign = np.where(part["close"] < part["close"].shift(1), -1, 1)
            assert row.obv == pytest.approx((sign * part["volume"])[today].sum())
            value = (part["vwap"] * part["volume"])[today].sum()
            assert row.vwap == pytest.approx(value / part["volume"][today].sum())


def test_insufficient_history_is_unknown_and_not_filled() -> None:
    bars = random_bars.sessions([DAYS[-1]], symbols=("AAA",)).iloc[:12]
    at = pd.DatetimeIndex([bars["ts"].iloc[-1] + pd.Timedelta(minutes=5)])
    row = indicators.compute({"5min": bars}, at, CONFIG).iloc[0]
    unknown = ["rsi", "macd", "macd_signal", "sma_short", "sma_long", "atr", "adx", "bollinger_upper", "stochastic_k"]
    assert row[unknown].isna().all()
    assert np.isfinite(row["ema"]) and np.isfinite(row["vwap"]) and np.isfinite(row["close"])


def test_a_missing_timeframe_is_absent_and_an_unknown_one_refused() -> None:
    only = indicators.compute(frames(), times(40), CONFIG, timeframes=("1min", "5min"))
    assert set(only["timeframe"]) == {"5min"}
    with pytest.raises(ValueError, match="7min"):
        indicators.compute(frames(), times(40), CONFIG, timeframes=("7min",))


def test_a_symbol_whose_bars_stopped_sessions_ago_gets_no_row() -> None:
    bars = random_bars.sessions(["2025-05-09"], symbols=("AAA",))
    at = pd.DatetimeIndex([CALENDAR.hours("2025-05-15").open])
    answer = indicators.compute({"5min": bars}, at, CONFIG)
    assert answer.empty and tuple(answer.columns) == indicators.COLUMNS
    near = pd.DatetimeIndex([CALENDAR.hours("2025-05-12").open])
    assert len(indicators.compute({"5min": bars}, near, CONFIG)) == 1


@given(cut=st.integers(0, len(times()) - 2))
@settings(max_examples=15, deadline=None)
def test_bars_and_decisions_appended_later_never_change_an_earlier_answer(cut: int) -> None:
    at = times()[cut]
    live = {name: rules.visible(frame, name, at).reset_index(drop=True) for name, frame in frames().items()}
    now = indicators.compute(live, pd.DatetimeIndex([at]), CONFIG, feed="test")
    later = _whole_day().query("decision_time == @at").reset_index(drop=True)
    pd.testing.assert_frame_equal(now, later, check_exact=True)


@cache
def _whole_day() -> pd.DataFrame:
    return indicators.compute(frames(), times(), CONFIG, feed="test")


# ------------------------------------------------------------------------------------------------------ technical score


def trending(drift: float) -> tuple[dict[str, pd.DataFrame], pd.DatetimeIndex]:
    ts = random_bars.minutes(DAYS[0], 5).append(random_bars.minutes(DAYS[1], 5))
    close = 100 * np.exp(drift * np.arange(len(ts)))
    ohlc = np.stack([close / (1 + drift), close * 1.001, close * 0.999, close], axis=1)
    ohlc[:, 1], ohlc[:, 2] = ohlc.max(axis=1), ohlc.min(axis=1)
    bars = random_bars.from_ohlc("AAA", ts, ohlc, np.full(len(ts), 1000.0))
    return rules.by_timeframe(bars, "5min"), pd.DatetimeIndex([CALENDAR.hours(DAYS[1]).close])


def asked(frame: pd.DataFrame, direction: float) -> pd.DataFrame:
    return frame[["decision_time", "symbol"]].drop_duplicates(ignore_index=True).assign(direction=direction)


@pytest.mark.parametrize("drift", [0.0008, -0.0008])
def test_a_trend_scores_high_in_its_direction_and_low_against_it(drift: float) -> None:
    frame = indicators.compute(*trending(drift), CONFIG)
    with_it = indicators.technical_score(frame, asked(frame, np.sign(drift)), CONFIG)["technical_score"].iloc[0]
    against = indicators.technical_score(frame, asked(frame, -np.sign(drift)), CONFIG)["technical_score"].iloc[0]
    assert with_it > 75 and against < 25


@given(direction=st.floats(0.01, 1))
@settings(max_examples=10, deadline=None)
def test_the_score_of_a_short_mirrors_that_of_a_long(direction: float) -> None:
    frame = computed(60)
    long = indicators.technical_score(frame, asked(frame, direction), CONFIG)
    short = indicators.technical_score(frame, asked(frame, -direction), CONFIG)
    np.testing.assert_allclose(long["technical_score"] + short["technical_score"], 100)
    assert long["technical_score"].between(0, 100).all()


def test_the_score_is_the_weighted_mean_of_the_scores_in_its_parts() -> None:
    frame = computed(60)
    answer = indicators.technical_score(frame, asked(frame, 1.0), CONFIG)
    for row in answer.itertuples():
        weights = np.array([part["weight"] for part in row.parts.values()])
        scores = np.array([part["score"] for part in row.parts.values()])
        assert row.technical_score == pytest.approx((weights * scores).sum() / weights.sum(), abs=0.02)
        for part in row.parts.values():
            blend = sum(CONFIG.indicator.part_weights[name] * part[name] for name in CONFIG.indicator.part_weights)
            assert part["score"] == pytest.approx(50 + 50 * blend, abs=0.02)


def test_a_missing_timeframe_is_left_out_and_nothing_at_all_is_unknown() -> None:
    frame = computed(60)
    five = frame[frame["timeframe"] == "5min"]
    alone = indicators.technical_score(five, asked(five, 1.0), CONFIG)
    for row in alone.itertuples():
        assert list(row.parts) == ["5min"] and row.technical_score == pytest.approx(
            row.parts["5min"]["score"], abs=0.01
        )
    unknown = indicators.technical_score(frame.iloc[:0], asked(five, 1.0), CONFIG)
    assert unknown["technical_score"].isna().all() and list(unknown["parts"]) == [{}] * len(unknown)
    undecided = indicators.technical_score(frame, asked(five, np.nan), CONFIG)
    assert undecided["technical_score"].isna().all()


def test_one_row_per_question_in_the_order_asked() -> None:
    frame = computed(60)
    question = asked(frame, 1.0).sample(frac=1, random_state=2).reset_index(drop=True)
    question.loc[0, "symbol"] = "ZZZ"
    answer = indicators.technical_score(frame, question, CONFIG)
    assert list(answer["symbol"]) == list(question["symbol"])
    assert np.isnan(answer["technical_score"].iloc[0]) and answer["technical_score"].iloc[1:].notna().all()
