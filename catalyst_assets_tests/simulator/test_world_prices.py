"""Prices of invented worlds look like prices: possible bars, right hours, fat tails, clustering, the shapes of a day."""

from __future__ import annotations

from datetime import date, timedelta
from functools import cache

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalyst_assets.simulator.tape import MarketTape
from catalyst_assets.simulator.world import World
from catalyst_assets.simulator.worlds.prices import Grid, _bridge_extreme
from catalyst_assets.trading.calendar import NEW_YORK, TradingCalendar

CALENDAR = TradingCalendar()
HALF_DAY = date(2026, 11, 27)
AFTER_DST = date(2026, 3, 9)


@cache
def tape(seed: int = 5, session: date = date(2026, 11, 20)) -> MarketTape:
    return World.generate(seed, session, symbols=60, history_sessions=3).tape()


@cache
def quiet(seed: int = 6) -> MarketTape:
    """A world without stories: what remains is the noise model."""
    return World.generate(seed, symbols=60, history_sessions=4, stories=0, history_stories=0).tape()


def regular(market: MarketTape, session: date) -> pd.DataFrame:
    hours = CALENDAR.hours(session)
    bars = market.bars(session)
    symbols = market.instruments.loc[market.instruments["is_common_stock"], "symbol"]
    return bars[(bars["ts"] >= hours.open) & (bars["ts"] < hours.close) & bars["symbol"].isin(symbols)]


@pytest.mark.parametrize("session", [date(2026, 11, 20), HALF_DAY])
def test_every_bar_is_possible_and_on_the_cent(session: date) -> None:
    market = tape(session=session)
    for day in market.sessions:
        bars = market.bars(day)
        assert (bars["high"] >= bars[["open", "close", "low", "vwap"]].max(axis=1)).all()
        assert (bars["low"] <= bars[["open", "close", "vwap"]].min(axis=1)).all()
        prices = bars[["open", "high", "low", "close"]].to_numpy()
        assert (prices >= 0.01).all()
        assert np.allclose(prices * 100, np.round(prices * 100), atol=1e-6)
        assert (bars["volume"] >= bars["trade_count"]).all()
        assert (bars["trade_count"] >= 1).all()
        assert (bars["half_spread"] >= 0.005).all()


def test_bars_lie_in_the_hours_of_an_ordinary_session_and_of_a_half_day() -> None:
    market = tape(session=HALF_DAY)
    assert CALENDAR.hours(HALF_DAY).is_half_day
    for day, end in ((HALF_DAY, timedelta(hours=17)), (market.sessions[-2], timedelta(hours=20))):
        local = market.bars(day)["ts"].dt.tz_convert(NEW_YORK)
        assert (local.dt.date == day).all()
        clock = local - local.dt.normalize()
        assert clock.min() >= timedelta(hours=4)
        assert clock.max() < end
        assert clock.max() >= end - timedelta(minutes=10)


def test_hours_follow_daylight_saving() -> None:
    market = World.generate(5, AFTER_DST, symbols=20, history_sessions=1).tape()
    before, after = (market.bars(day)["ts"].dt.tz_convert("UTC") for day in market.sessions)
    assert before.min().hour == 9, "04:00 EST"
    assert after.min().hour == 8, "04:00 EDT"


def test_a_half_day_trades_less_than_a_whole_day() -> None:
    market = tape(session=HALF_DAY)
    half = regular(market, HALF_DAY)["volume"].sum()
    whole = regular(market, market.sessions[-2])["volume"].sum()
    assert 0.25 < half / whole < 0.9


def test_nothing_trades_during_a_halt_and_the_main_session_has_one() -> None:
    for seed in (5, 8):
        market = tape(seed)
        main = market.sessions[-1]
        hours = CALENDAR.hours(main)
        halts = market.halts(main)
        assert 1 <= len(halts) <= 6
        bars = market.bars(main)
        for halt in halts:
            assert hours.open <= halt.start < halt.end <= hours.close
            assert halt.reason in {"T1", "LUDP"}
            mine = bars[bars["symbol"] == halt.symbol]
            assert not ((mine["ts"] >= halt.start) & (mine["ts"] < halt.end)).any()
            assert (mine["ts"] < halt.start).any()
            assert (mine["ts"] >= halt.end).any()


def test_trading_resumes_after_a_news_halt_with_a_gap() -> None:
    gaps = []
    for seed in range(20, 28):
        market = World.generate(seed, symbols=40, history_sessions=0, daily_sessions=0, stories=30).tape()
        main = market.sessions[-1]
        bars = market.bars(main)
        for halt in market.halts(main):
            if halt.reason == "T1":
                mine = bars[bars["symbol"] == halt.symbol]
                before = mine.loc[mine["ts"] < halt.start, "close"].iloc[-1]
                gaps.append(abs(mine.loc[mine["ts"] >= halt.end, "open"].iloc[0] / before - 1))
    assert len(gaps) >= 3
    assert np.median(gaps) > 0.03


def test_minutes_without_a_trade_are_absent_before_the_open_and_rare_after_it() -> None:
    market = tape()
    main = market.sessions[-1]
    hours = CALENDAR.hours(main)
    bars = market.bars(main)
    count = len(market.instruments)
    early = bars[bars["ts"] < hours.open]
    assert 0.10 < len(early) / (330 * count) < 0.85
    assert len(regular(market, main)) / (390 * int(market.instruments["is_common_stock"].sum())) > 0.9


def test_minute_returns_have_fat_tails_and_clustering_volatility() -> None:
    kurtosis, clustering, direction = [], [], []
    market = quiet()
    for day in market.sessions:
        for _, bars in regular(market, day).groupby("symbol"):
            if len(bars) < 380 or bars["close"].mean() < 15:
                continue  # on cheap stocks the cent tick, not the model, decides
            returns = np.log(bars["close"]).diff().dropna()
            # The shape of the day is known in advance; what is left must still cluster.
            returns = returns.iloc[45:]
            kurtosis.append(returns.kurt())
            clustering.append(returns.abs().autocorr(3))
            direction.append(returns.autocorr(1))
    assert len(kurtosis) > 80
    assert np.median(kurtosis) > 1.0
    assert np.mean(clustering) > 0.03
    assert abs(np.mean(direction)) < 0.15


def test_volume_and_volatility_are_highest_at_the_open_and_rise_into_the_close() -> None:
    market = quiet()
    bars = pd.concat([regular(market, day).assign(minute=lambda rows: _minute(rows)) for day in market.sessions])
    share = bars["volume"] / bars.groupby("symbol")["volume"].transform("sum")
    by_minute = share.groupby(bars["minute"]).sum()
    opening, noon, closing = (by_minute[by_minute.index.isin(range(*span))].mean() for span in _SPANS)
    assert opening > 1.5 * noon
    assert closing > 1.4 * noon
    spread = np.log(bars["high"] / bars["low"])
    wide = spread.groupby(bars["minute"]).mean()
    assert wide[wide.index < 15].mean() > 1.4 * wide[wide.index.isin(range(150, 260))].mean()


_SPANS = ((0, 20), (150, 260), (375, 390))


def _minute(rows: pd.DataFrame) -> pd.Series:
    local = rows["ts"].dt.tz_convert(NEW_YORK)
    return local.dt.hour * 60 + local.dt.minute - 570


def test_extended_hours_hold_a_small_share_of_the_volume_at_wider_spreads() -> None:
    market = quiet()
    for day in market.sessions:
        hours = CALENDAR.hours(day)
        bars = market.bars(day)
        early = bars["ts"] < hours.open
        assert 0.002 < bars.loc[early, "volume"].sum() / bars["volume"].sum() < 0.10
        bps = 2e4 * bars["half_spread"] / bars["close"]
        noon = (bars["ts"] >= hours.open + timedelta(hours=2)) & (bars["ts"] < hours.open + timedelta(hours=4))
        assert bps[early].median() > 1.5 * bps[noon].median()


def test_volume_rises_with_the_size_of_the_move() -> None:
    market = quiet()
    bars = regular(market, market.sessions[-1])
    move = (bars["close"] / bars["open"] - 1).abs()
    rank = move.groupby(bars["symbol"]).rank(pct=True)
    relative = bars["volume"] / bars.groupby("symbol")["volume"].transform("median")
    assert relative[rank > 0.9].median() > 1.4 * relative[rank < 0.5].median()


def test_companies_move_with_the_market_and_more_with_their_sector() -> None:
    market = quiet()
    sector = market.instruments.set_index("symbol")["sector"]
    frames = []
    for day in market.sessions:
        close = regular(market, day).pivot(index="ts", columns="symbol", values="close").ffill().iloc[::15]
        frames.append(np.log(close).diff().dropna(how="all"))
    correlation = pd.concat(frames).corr()
    names = list(correlation.columns)
    same, other = [], []
    for i, left in enumerate(names):
        for right in names[:i]:
            (same if sector[left] == sector[right] else other).append(correlation.loc[left, right])
    assert np.mean(other) > 0.03
    assert np.mean(same) > np.mean(other) + 0.02


def test_thin_names_quote_too_wide_to_trade() -> None:
    wide = 0
    for seed in range(3):
        market = World.generate(seed, symbols=100, history_sessions=0, daily_sessions=0).tape()
        bars = regular(market, market.sessions[-1])
        bps = (2e4 * bars["half_spread"] / bars["close"]).groupby(bars["symbol"]).median()
        wide += int((bps > 20).sum())
        assert (bps <= 50).mean() > 0.85
    assert wide >= 3


@given(start=st.floats(1, 5), move=st.floats(-0.1, 0.1), sigma=st.floats(1e-6, 0.1), uniform=st.floats(0, 0.999999))
@settings(max_examples=50, deadline=None)
def test_the_extremes_of_a_minute_enclose_its_open_and_close(
    start: float, move: float, sigma: float, uniform: float
) -> None:
    a, b, s, u = (np.array([value]) for value in (start, start + move, sigma, uniform))
    assert _bridge_extreme(a, b, s, u, 1)[0] >= max(start, start + move) - 1e-12
    assert _bridge_extreme(a, b, s, u, -1)[0] <= min(start, start + move) + 1e-12


@pytest.mark.parametrize("session", [date(2026, 11, 20), HALF_DAY])
def test_the_grid_covers_the_session_and_its_shapes_add_up(session: date) -> None:
    grid = Grid.of(CALENDAR.hours(session))
    half = session == HALF_DAY
    assert grid.minutes == (13 if half else 16) * 60
    assert [(grid.state == code).sum() for code in range(3)] == [330, 210 if half else 390, 240]
    if not half:
        assert grid.volume_shape().sum() == pytest.approx(1.0, abs=0.01)
        assert (grid.volatility_shape() ** 2).sum() == pytest.approx(0.88)
    assert (grid.spread_shape() >= 1).all()
