"""What the market shows at an instant: only complete bars, honest volume baselines, unknown is not zero."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalyst_assets.trading.config import TradingConfig
from catalyst_assets.trading.market_snapshot import SNAPSHOT_COLUMNS, market_snapshot, volume_baseline
from catalyst_assets_tests.trading.news_frames import CALENDAR, CONFIG, at

DAY = "2025-05-15"


def session_bars(
    day: str, symbol: str = "ZNVR", volume: float = 100.0, price: float = 50.0, minutes: int = 5, extended: bool = True
) -> pd.DataFrame:
    """Flat bars over a whole session."""
    hours = CALENDAR.hours(day)
    first, last = (hours.pre_open, hours.post_close) if extended else (hours.open, hours.close)
    ts = pd.date_range(first, last, freq=f"{minutes}min", inclusive="left").as_unit("us")
    return pd.DataFrame(
        {
            "symbol": symbol,
            "ts": ts,
            "open": price,
            "high": price,
            "low": price,
            "close": price,
            "volume": volume,
            "vwap": np.nan,
            "trade_count": np.nan,
        }
    )


def _past(days: Sequence[str] = ("2025-05-12", "2025-05-13", "2025-05-14"), **more: object) -> pd.DataFrame:
    return pd.concat([session_bars(day, **more) for day in days], ignore_index=True)  # type: ignore[arg-type]


def _snapshot(
    bars: pd.DataFrame,
    *times: str,
    daily: pd.DataFrame | None = None,
    quotes: pd.DataFrame | None = None,
    **more: object,
) -> pd.DataFrame:
    return market_snapshot(
        bars, daily, quotes, more.pop("halted", ()), pd.DatetimeIndex([at(time) for time in times]), CALENDAR,
        more.pop("config", CONFIG), timeframe="5min", **more,
    )  # type: ignore[arg-type]  # fmt: skip


def _quote(time: str, bid: float, ask: float, age: float = 5, symbol: str = "ZNVR") -> pd.DataFrame:
    when = at(time)
    return pd.DataFrame(
        [{"decision_time": when, "symbol": symbol, "ts": when - pd.Timedelta(seconds=age), "bid": bid, "ask": ask}]
    )


def test_only_complete_bars_count() -> None:
    bars = pd.concat([_past(), session_bars(DAY)]).reset_index(drop=True)
    bars.loc[bars["ts"] == at("2025-05-15 14:00"), ["close", "high"]] = 99.0
    inside, complete = _snapshot(bars, "2025-05-15 14:04:59", "2025-05-15 14:05")["price"]
    assert (inside, complete) == (50.0, 99.0)


@pytest.mark.parametrize(
    ("time", "segment"),
    [
        ("2025-05-15 09:00", "pre"),
        ("2025-05-15 13:30", "pre"),
        ("2025-05-15 13:35", "regular"),
        ("2025-05-15 20:00", "regular"),
        ("2025-05-15 21:00", "after"),
    ],
)
def test_same_volume_as_always_is_relative_volume_one(time: str, segment: str) -> None:
    row = _snapshot(pd.concat([_past(), session_bars(DAY)]), time).iloc[0]
    assert row["segment"] == segment
    assert row["relative_volume"] == pytest.approx(1.0)


def test_premarket_is_compared_with_premarket() -> None:
    past = _past()
    past.loc[CALENDAR.states(past["ts"]) == "pre", "volume"] = 10.0
    today = session_bars(DAY)
    at_eight, at_ten = _snapshot(pd.concat([past, today]), "2025-05-15 12:00", "2025-05-15 14:00")["relative_volume"]
    assert at_eight == pytest.approx(10.0)
    assert at_ten == pytest.approx(1.0)


@pytest.mark.parametrize(
    "bars",
    [
        pytest.param(session_bars(DAY), id="no earlier session"),
        pytest.param(pd.concat([_past(volume=0.0), session_bars(DAY)]), id="a baseline of zero"),
        pytest.param(_past(), id="no bar today"),
    ],
)
def test_unknown_relative_volume_is_not_zero(bars: pd.DataFrame) -> None:
    assert np.isnan(_snapshot(bars, "2025-05-15 15:00")["relative_volume"].iloc[0])


def test_feed_without_extended_volume_knows_no_premarket_volume() -> None:
    bars = pd.concat([_past(), session_bars(DAY)])
    bars.loc[CALENDAR.states(bars["ts"]) != "regular", "volume"] = 0.0
    row = _snapshot(bars, "2025-05-15 12:00").iloc[0]
    assert np.isnan(row["relative_volume"])
    assert np.isnan(row["dollar_volume"])


def test_session_in_which_nobody_traded_early_counts_as_zero_then() -> None:
    past = _past()
    quiet = (past["ts"] >= at("2025-05-14 00:00")) & (CALENDAR.states(past["ts"]) == "pre").to_numpy()
    row = _snapshot(pd.concat([past[~quiet], session_bars(DAY)]), "2025-05-15 12:00").iloc[0]
    assert row["relative_volume"] == pytest.approx(1.5)


def test_half_day_is_compared_with_the_same_minute_of_the_session() -> None:
    bars = pd.concat([_past(("2025-07-01", "2025-07-02")), session_bars("2025-07-03")])
    times = ("2025-07-03 16:00", "2025-07-03 18:00")  # 12:00 New York, and an hour after the early close
    assert _snapshot(bars, *times)["relative_volume"].tolist() == pytest.approx([1.0, 1.0])


def test_only_the_last_sessions_make_the_baseline() -> None:
    short = TradingConfig.from_overrides({"scan.relative_volume_sessions": 1})
    bars = pd.concat([session_bars("2025-05-13", volume=1e6), session_bars("2025-05-14"), session_bars(DAY)])
    assert _snapshot(bars, "2025-05-15 15:00", config=short)["relative_volume"].iloc[0] == pytest.approx(1.0)


def test_given_baseline_equals_the_one_from_bars() -> None:
    past, today = _past(), session_bars(DAY, volume=170.0)
    baseline = volume_baseline(past, CALENDAR.hours(DAY).session, CALENDAR, CONFIG, timeframe="5min")
    times = ("2025-05-15 12:00", "2025-05-15 15:00", "2025-05-15 21:00")
    whole = _snapshot(pd.concat([past, today]), *times)["relative_volume"]
    split = _snapshot(today, *times, baseline=baseline)["relative_volume"]
    assert whole.tolist() == pytest.approx([1.7] * 3)
    assert split.tolist() == pytest.approx([1.7] * 3)


def test_dollar_volume_starts_again_at_the_open() -> None:
    bars = pd.concat([_past(), session_bars(DAY)])
    early, open_, later = _snapshot(bars, "2025-05-15 12:00", "2025-05-15 13:30", "2025-05-15 14:30")["dollar_volume"]
    assert (early, open_, later) == pytest.approx((48 * 5000, 66 * 5000, 12 * 5000))


def test_change_is_against_the_previous_sessions_close() -> None:
    bars = pd.concat([_past(), session_bars(DAY, price=55.0)])
    assert _snapshot(bars, "2025-05-15 15:00")["change_pct"].iloc[0] == pytest.approx(10.0)
    midnight = (
        pd.DatetimeIndex(["2025-05-13", "2025-05-14"]).tz_localize("America/New_York").tz_convert("UTC").as_unit("us")
    )
    daily = pd.DataFrame({"symbol": "ZNVR", "ts": midnight, "close": [10.0, 44.0]})
    assert _snapshot(bars, "2025-05-15 15:00", daily=daily)["change_pct"].iloc[0] == pytest.approx(25.0)


def test_daily_bar_of_today_is_not_used() -> None:
    midnight = pd.DatetimeIndex(["2025-05-15"]).tz_localize("America/New_York").tz_convert("UTC").as_unit("us")
    daily = pd.DataFrame({"symbol": "ZNVR", "ts": midnight, "close": [1.0]})
    row = _snapshot(session_bars(DAY), "2025-05-15 15:00", daily=daily).iloc[0]
    assert np.isnan(row["change_pct"])


def test_price_is_held_inside_the_quote_and_is_its_middle_before_any_trade() -> None:
    bars = pd.concat([_past(), session_bars(DAY)])
    time = "2025-05-15 15:00"
    assert _snapshot(bars, time, quotes=_quote(time, 51.0, 51.2))["price"].iloc[0] == 51.0
    row = _snapshot(_past(), time, quotes=_quote(time, 60.0, 60.4)).iloc[0]
    assert row["price"] == pytest.approx(60.2)
    assert row["spread_bps"] == pytest.approx(0.4 / 60.2 * 1e4)
    assert row["quote_age_s"] == 5


@pytest.mark.parametrize(
    "quote",
    [
        _quote("2025-05-15 15:00", 0.0, 51.0),
        _quote("2025-05-15 15:00", 51.0, 50.0),
        _quote("2025-05-15 15:00", 50.0, 51.0, age=-1),
    ],
)
def test_one_sided_crossed_or_future_quote_is_no_quote(quote: pd.DataFrame) -> None:
    row = _snapshot(session_bars(DAY), "2025-05-15 15:00", quotes=quote).iloc[0]
    assert np.isnan(row["spread_bps"])
    assert row["price"] == 50.0


def test_symbol_without_bars_is_listed_with_unknowns_and_halts_are_told() -> None:
    table = _snapshot(session_bars(DAY), "2025-05-15 15:00", symbols=["ZNVR", "BRLN"], halted={"BRLN"}).set_index(
        "symbol"
    )
    assert tuple(table.reset_index()[list(SNAPSHOT_COLUMNS)].columns) == SNAPSHOT_COLUMNS
    assert np.isnan(table.loc["BRLN", "price"])
    assert table["halted"].to_dict() == {"ZNVR": False, "BRLN": True}
    halts = pd.DataFrame({"decision_time": [at("2025-05-15 15:00")], "symbol": ["ZNVR"]})
    both = _snapshot(session_bars(DAY), "2025-05-15 14:55", "2025-05-15 15:00", halted=halts)
    assert both["halted"].tolist() == [False, True]


def _random(seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    frames = []
    for symbol in ("ZNVR", "BRLN"):
        for day in ("2025-05-13", "2025-05-14", "2025-05-15"):
            bars = session_bars(day, symbol)
            bars = bars[rng.random(len(bars)) > 0.3].copy()
            bars["close"] = 50 * np.exp(rng.normal(0, 0.01, len(bars)).cumsum())
            bars["volume"] = rng.integers(0, 500, len(bars)).astype(float)
            frames.append(bars)
    return pd.concat(frames, ignore_index=True)


@given(seed=st.integers(0, 10_000), minutes=st.integers(0, 950))
@settings(max_examples=25, deadline=None)
def test_the_future_never_changes_a_past_snapshot(seed: int, minutes: int) -> None:
    bars = _random(seed)
    cut = at("2025-05-15 08:00") + pd.Timedelta(minutes=minutes)
    known = bars[bars["ts"] + pd.Timedelta(minutes=5) <= cut]
    times = pd.DatetimeIndex([cut - pd.Timedelta(hours=3), cut])
    symbols = ["ZNVR", "BRLN"]
    whole, past = (
        market_snapshot(each, None, None, (), times, CALENDAR, CONFIG, timeframe="5min", symbols=symbols)
        for each in (bars, known)
    )
    pd.testing.assert_frame_equal(whole, past)


@given(seed=st.integers(0, 10_000))
@settings(max_examples=10, deadline=None)
def test_order_of_bars_and_company_of_symbols_do_not_matter(seed: int) -> None:
    bars = _random(seed)
    times = pd.DatetimeIndex([at("2025-05-15 12:00"), at("2025-05-15 17:00")])
    whole = market_snapshot(bars, None, None, (), times, CALENDAR, CONFIG, timeframe="5min")
    shuffled = market_snapshot(
        bars.sample(frac=1, random_state=seed), None, None, (), times, CALENDAR, CONFIG, timeframe="5min"
    )
    pd.testing.assert_frame_equal(whole, shuffled)
    alone = market_snapshot(bars[bars["symbol"] == "ZNVR"], None, None, (), times, CALENDAR, CONFIG, timeframe="5min")
    pd.testing.assert_frame_equal(whole[whole["symbol"] == "ZNVR"].reset_index(drop=True), alone)
