"""The life of a position: when it must end, and that its stop only ever tightens."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalyst_assets.trading.config import TradingConfig
from catalyst_assets.trading.positions import OpenPosition, PositionContext, manage
from catalyst_assets.trading.risk import Quote

ENTERED = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)
OPEN, CLOSE = datetime(2026, 11, 20, 14, 30, tzinfo=UTC), datetime(2026, 11, 20, 21, 0, tzinfo=UTC)
CONFIG = TradingConfig()
LONG = OpenPosition("t1", "AAA", "long", 100.0, ENTERED, 98.0, 2.0, 100.0)
SHORT = OpenPosition("t1", "AAA", "short", 100.0, ENTERED, 102.0, 2.0, 100.0)


def context(price: float | None = 100.5, *, minutes: float = 10, **changes) -> PositionContext:
    now = ENTERED + timedelta(minutes=minutes)
    quotes = {} if price is None else {"AAA": Quote(price, price, now)}
    base = PositionContext(now=now, open=OPEN, close=CLOSE, equity=100_000.0, day_base=100_000.0, quotes=quotes)
    return replace(base, **changes)


def action(position: OpenPosition, where: PositionContext, config: TradingConfig = CONFIG):
    found = manage([position], where, config)
    return (found[0].kind, found[0].reason) if found else None


def test_a_quiet_position_is_left_alone():
    assert action(LONG, context()) is None and action(SHORT, context(99.5)) is None


@pytest.mark.parametrize(
    ("position", "price", "minutes", "expected"),
    [
        (LONG, 100.0, 120, ("exit", "time")),
        (LONG, 99.0, 121, ("exit", "time")),
        (LONG, 100.01, 121, None),
        (LONG, 99.0, 119, None),
        (SHORT, 100.0, 120, ("exit", "time")),
        (SHORT, 99.99, 121, None),
    ],
)
def test_the_time_stop_needs_two_hours_without_profit(position, price, minutes, expected):
    assert action(position, context(price, minutes=minutes)) == expected


def test_without_a_quote_only_close_and_day_loss_act():
    assert action(LONG, context(None, minutes=200)) is None
    assert action(LONG, context(None, minutes=355)) == ("exit", "close")
    assert action(LONG, context(None, equity=96_999.0)) == ("exit", "flatten")


def test_everything_leaves_five_minutes_before_the_close_unless_held_overnight():
    assert action(LONG, context(minutes=354.9)) is None
    assert action(LONG, context(minutes=355)) == ("exit", "close")
    overnight = TradingConfig.from_overrides({"position.hold_overnight": True})
    assert action(LONG, context(minutes=355), overnight) is None
    half_day = ENTERED + timedelta(hours=1)
    assert action(LONG, context(minutes=55, close=half_day)) == ("exit", "close")


def test_a_position_left_over_from_an_earlier_session_leaves_at_the_open():
    old = replace(LONG, entry_time=ENTERED - timedelta(days=1))
    assert action(old, context(101.0, minutes=-31)) is None
    assert action(old, context(101.0, minutes=-30)) == ("exit", "close")
    assert (
        action(old, context(101.0, minutes=-30), TradingConfig.from_overrides({"position.hold_overnight": True}))
        is None
    )


def test_the_days_loss_comes_before_everything():
    assert action(LONG, context(minutes=355, equity=90_000.0)) == ("exit", "flatten")


@pytest.mark.parametrize(
    ("position", "best", "price", "stop"),
    [
        (LONG, 101.99, 101.5, None),
        (LONG, 102.0, 101.9, "100.98"),
        (LONG, 110.0, 109.5, "108.90"),
        (SHORT, 98.01, 98.5, None),
        (SHORT, 98.0, 98.2, "98.98"),
        (SHORT, 90.0, 90.5, "90.90"),
    ],
)
def test_the_stop_trails_one_percent_behind_the_best_price_once_one_r_is_made(position, best, price, stop):
    found = manage([replace(position, best_price=best)], context(price), CONFIG)
    assert (str(found[0].stop) if found else None) == stop


def test_a_price_already_through_the_trailing_stop_ends_the_position():
    assert action(replace(LONG, best_price=104.0), context(102.0)) == ("exit", "trail")
    assert action(replace(SHORT, best_price=96.0), context(98.0)) == ("exit", "trail")


@given(
    sign=st.sampled_from([1, -1]),
    best=st.floats(0, 20),
    back=st.floats(0, 5),
    stop=st.floats(-3, 15),
)
def test_a_stop_is_never_loosened(sign: int, best: float, back: float, stop: float):
    base = LONG if sign > 0 else SHORT
    position = replace(base, best_price=100 + sign * best, stop_now=100 + sign * stop)
    for found in manage([position], context(100 + sign * (best - back)), CONFIG):
        if found.kind == "trail":
            assert (float(found.stop) - position.stop_now) * sign > 0
            assert (float(found.stop) - position.best_price) * sign < 0


def mentions(**changes) -> pd.DataFrame:
    row = {
        "news_id": "n1", "symbol": "AAA", "available_at": pd.Timestamp(ENTERED + timedelta(minutes=5)), "source_tier": 2,
        "direction": -0.6, "headline": "lawsuit", "live_source": True,
    }  # fmt: skip
    return pd.DataFrame([{**row, **changes}])


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, ("exit", "news")),
        ({"source_tier": 3}, ("exit", "news")),
        ({"direction": -0.3}, ("exit", "news")),
        ({"source_tier": 4}, None),
        ({"direction": -0.29}, None),
        ({"direction": 0.9}, None),
        ({"symbol": "BBB"}, None),
        ({"live_source": False}, None),
        ({"available_at": pd.Timestamp(ENTERED)}, None),
        ({"available_at": pd.Timestamp(ENTERED + timedelta(minutes=11))}, None),
    ],
)
def test_only_a_later_available_clear_article_of_a_good_source_contradicts(changes, expected):
    assert action(LONG, context(mentions=mentions(**changes))) == expected


def test_a_short_is_contradicted_by_good_news():
    assert action(SHORT, context(99.5, mentions=mentions(direction=0.6))) == ("exit", "news")
    assert action(SHORT, context(99.5, mentions=mentions(direction=-0.6))) is None


def test_the_article_is_named():
    found = manage([LONG], context(mentions=mentions()), CONFIG)[0]
    assert found.news_id == "n1" and "lawsuit" in found.message
