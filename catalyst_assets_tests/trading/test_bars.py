"""Longer bars from shorter ones, and what is visible when."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalyst_assets.trading import bars as rules
from catalyst_assets.trading.calendar import NEW_YORK, TradingCalendar
from catalyst_assets.trading.config import CycleConfig
from catalyst_assets_tests.trading import random_bars

CALENDAR = TradingCalendar()
DAY = "2025-05-15"


def new_york(text: str) -> pd.Timestamp:
    return pd.Timestamp(text, tz=NEW_YORK).tz_convert("UTC").as_unit("us")


def labels(frame: pd.DataFrame) -> list[str]:
    return list(frame["ts"].dt.tz_convert(NEW_YORK).dt.strftime("%H:%M"))


def test_hour_bars_start_at_the_open_in_regular_hours_and_at_full_hours_elsewhere() -> None:
    hour = rules.resample(random_bars.sessions([DAY], symbols=("AAA",), step=1), "1min", "60min")
    before, regular, after = (
        [f"{h:02d}:00" for h in range(4, 10)],
        [f"{h:02d}:30" for h in range(9, 16)],
        [f"{h:02d}:00" for h in range(16, 20)],
    )
    assert labels(hour) == before + regular + after


def test_hour_bars_of_a_half_day_do_not_cross_its_close() -> None:
    bars = random_bars.sessions(["2025-07-03"], symbols=("AAA",), step=1)
    hour = rules.resample(bars, "1min", "60min").set_index("ts")
    last_regular, first_after = new_york("2025-07-03 12:30"), new_york("2025-07-03 13:00")
    part = bars[(bars["ts"] >= last_regular) & (bars["ts"] < first_after)]
    assert hour.loc[last_regular, "volume"] == part["volume"].sum()
    assert hour.loc[last_regular, "close"] == part["close"].iloc[-1]
    assert first_after in hour.index


@pytest.mark.parametrize("timeframe", ["5min", "15min", "60min"])
def test_resampling_equals_a_plain_groupby(timeframe: str) -> None:
    bars = random_bars.sessions([DAY, "2025-05-16"], step=1)
    answer = rules.resample(bars, "1min", timeframe)
    at = CALENDAR.locate(bars["ts"])
    anchor = np.where(at.state == 2, at.open, 0)
    micros, length = rules.instants(bars["ts"]), rules.length_micros(timeframe)
    bars["label"] = rules.utc(anchor + (micros - anchor) // length * length)
    bars["value"] = bars["vwap"] * bars["volume"]
    groups = bars.groupby(["symbol", "label"], as_index=False)
    expected = groups.agg(
        open=("open", "first"), high=("high", "max"), low=("low", "min"), close=("close", "last"),
        volume=("volume", "sum"), value=("value", "sum"), trade_count=("trade_count", "sum"),
    )  # fmt: skip
    for name in ("open", "high", "low", "close", "volume", "trade_count"):
        np.testing.assert_allclose(answer[name], expected[name])
    np.testing.assert_allclose(answer["vwap"], expected["value"] / expected["volume"])
    assert list(answer["ts"]) == list(expected["label"]) and list(answer["symbol"]) == list(expected["symbol"])


def test_resampling_in_two_steps_equals_one() -> None:
    bars = random_bars.sessions([DAY], step=1)
    direct = rules.resample(bars, "1min", "60min")
    twice = rules.resample(rules.resample(bars, "1min", "5min"), "5min", "60min")
    pd.testing.assert_frame_equal(direct, twice)


def test_a_shorter_timeframe_is_never_invented() -> None:
    bars = random_bars.sessions([DAY])
    with pytest.raises(ValueError, match="cannot be made"):
        rules.resample(bars, "5min", "1min")
    assert list(rules.by_timeframe(bars, "5min")) == ["5min", "15min", "60min", "1day"]
    with pytest.raises(ValueError, match="not a timeframe"):
        rules.resample(bars, "5min", "7min")


def test_volume_without_vwap_makes_the_longer_vwap_unknown_and_bars_without_volume_do_not() -> None:
    bars = random_bars.sessions([DAY], symbols=("AAA",), step=1)
    bars.loc[0, "vwap"] = np.nan
    bars.loc[7, ["vwap", "volume"]] = [np.nan, 0.0]
    five = rules.resample(bars, "1min", "5min")
    assert np.isnan(five["vwap"].iloc[0]) and np.isfinite(five["vwap"].iloc[1])


def test_daily_bars_hold_regular_hours_only_and_appear_at_the_close() -> None:
    bars = random_bars.sessions([DAY, "2025-07-03"], symbols=("AAA",))
    daily = rules.daily_from(bars, CALENDAR)
    regular = bars[CALENDAR.states(bars["ts"]) == "regular"]
    assert list(daily["ts"]) == [new_york(DAY), new_york("2025-07-03")]
    assert daily["volume"].sum() == regular["volume"].sum()
    assert daily["open"].iloc[0] == regular["open"].iloc[0]
    close = CALENDAR.hours("2025-07-03").close
    assert len(rules.visible(daily, "1day", close)) == 2
    assert len(rules.visible(daily, "1day", close - pd.Timedelta(microseconds=1))) == 1


def test_a_bar_is_visible_exactly_when_it_is_complete() -> None:
    bars = random_bars.sessions([DAY], symbols=("AAA",))
    at = new_york(f"{DAY} 10:05")
    assert rules.visible(bars, "5min", at)["ts"].iloc[-1] == new_york(f"{DAY} 10:00")
    assert rules.visible(bars, "5min", at - pd.Timedelta(microseconds=1))["ts"].iloc[-1] == new_york(f"{DAY} 09:55")


@pytest.mark.parametrize("timeframe", ["1min", "5min", "15min", "60min", "1day"])
def test_as_of_is_the_last_visible_bar_of_each_symbol(timeframe: str) -> None:
    bars = rules.resample(random_bars.sessions([DAY, "2025-05-16"], step=1), "1min", timeframe)
    times = CALENDAR.decision_times("2025-05-16", CycleConfig())[::9]
    answer = rules.as_of(bars, timeframe, times).set_index(["symbol", "decision_time"])
    for at in times:
        shown = rules.visible(bars, timeframe, at).groupby("symbol").last()
        for symbol, row in shown.iterrows():
            assert answer.loc[(symbol, at), "ts"] == row["ts"]


def test_a_symbol_without_a_complete_bar_has_no_row() -> None:
    bars = random_bars.sessions([DAY])
    assert rules.as_of(bars, "5min", pd.DatetimeIndex([new_york(f"{DAY} 04:04")])).empty


@pytest.mark.parametrize("disorder", ["shuffled", "repeated"])
def test_unsorted_or_repeated_bars_are_refused(disorder: str) -> None:
    bars = random_bars.sessions([DAY])
    bad = bars.sample(frac=1, random_state=1) if disorder == "shuffled" else pd.concat([bars.iloc[:1], bars])
    with pytest.raises(ValueError, match="sorted"):
        rules.blocks(bad.reset_index(drop=True))


def test_placeholder_bars_are_dropped_and_moving_bars_without_volume_kept() -> None:
    bars = random_bars.sessions([DAY], symbols=("AAA",)).iloc[:5].copy()
    close = bars["close"].iloc[0]
    bars.loc[1, ["open", "high", "low", "close", "volume"]] = [close, close, close, close, 0]
    bars.loc[2, ["open", "high", "low", "close", "volume"]] = [close + 1, close + 1, close + 1, close + 1, 0]
    bars.loc[3, "close"] = np.nan
    assert list(rules.traded(bars)["ts"]) == list(bars["ts"].iloc[[0, 2, 4]])


def test_relative_volume_compares_with_the_same_time_of_day_on_earlier_sessions() -> None:
    days = ["2025-05-09", "2025-05-12", "2025-05-13", "2025-05-14", DAY]
    bars = random_bars.sessions(days, symbols=("AAA",))
    ratio = rules.relative_volume(bars, "5min", 20)
    at = bars["ts"].dt.tz_convert(NEW_YORK).dt.strftime("%H:%M") == "10:00"
    volume = bars.loc[at, "volume"].to_numpy()
    assert ratio[np.flatnonzero(at)[-1]] == pytest.approx(volume[-1] / volume[:-1].mean())


def test_relative_volume_without_earlier_sessions_compares_with_bars_of_the_same_hours() -> None:
    bars = random_bars.sessions([DAY], symbols=("AAA",))
    ratio = rules.relative_volume(bars, "5min", 20)
    states = CALENDAR.states(bars["ts"])
    regular = np.flatnonzero(states == "regular")
    assert np.isnan(ratio[regular[:5]]).all(), "the opening is not measured against the pre-market"
    assert ratio[regular[30]] == pytest.approx(
        bars["volume"].iloc[regular[30]] / bars["volume"].iloc[regular[10:30]].mean()
    )


@given(cut=st.integers(60, 380), seed=st.integers(0, 5))
@settings(max_examples=20, deadline=None)
def test_relative_volume_does_not_change_when_bars_are_appended(cut: int, seed: int) -> None:
    bars = random_bars.sessions([DAY, "2025-05-16"], symbols=("AAA",), seed=seed)
    whole, part = (rules.relative_volume(frame, "5min", 20) for frame in (bars, bars.iloc[:cut]))
    np.testing.assert_array_equal(whole[:cut], part)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 1000)), min_size=1, max_size=60), st.integers(1, 5))
@settings(max_examples=50, deadline=None)
def test_grouped_mean_equals_the_plain_loop(rows: list[tuple[int, int]], window: int) -> None:
    key, values = np.array([k for k, _ in rows]), np.array([v for _, v in rows], dtype=np.float64)
    answer = rules.grouped_mean(key, values, window, 2)
    for n in range(len(rows)):
        past = values[:n][key[:n] == key[n]][-window:]
        assert answer[n] == pytest.approx(past.mean()) if len(past) >= 2 else np.isnan(answer[n])


def test_row_of_finds_pairs_and_refuses_doubles() -> None:
    at = new_york(f"{DAY} 10:00")
    frame = pd.DataFrame({"decision_time": [at, at], "symbol": ["A", "B"]})
    pairs = pd.DataFrame({"decision_time": [at, at, at + pd.Timedelta(minutes=5)], "symbol": ["B", "C", "A"]})
    assert rules.row_of(frame, pairs).tolist() == [1, -1, -1]
    with pytest.raises(ValueError, match="two rows for A"):
        rules.row_of(pd.concat([frame, frame]), pairs)


def test_recorded_bars_resample_without_mixing_market_states(shared_data: Path) -> None:
    recorded = pd.read_parquet(shared_data / "bars" / "yahoo_2025_5min_ext.parquet")
    bars = recorded.rename(columns={"ts_utc": "ts"}).sort_values(["symbol", "ts"], ignore_index=True)
    bars = bars[bars["symbol"].isin(["AAPL", "MSFT"])].reset_index(drop=True)
    bars["ts"] = bars["ts"].dt.as_unit("us")
    for name in ("vwap", "trade_count"):
        bars[name] = bars.get(name, np.nan)
    hour = rules.resample(bars, "5min", "60min")
    regular = CALENDAR.states(hour["ts"]) == "regular"
    base_regular = CALENDAR.states(bars["ts"]) == "regular"
    assert hour.loc[regular, "volume"].sum() == bars.loc[base_regular, "volume"].sum()
