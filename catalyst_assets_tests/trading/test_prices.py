"""The tick grid, and the geometry of a trade on it."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from catalyst_assets.trading import prices
from catalyst_assets.trading.config import SignalConfig

CONFIG = SignalConfig()


@pytest.mark.parametrize(
    ("price", "down", "up"),
    [
        (10.301, "10.30", "10.31"),
        (10.3, "10.30", "10.30"),
        (0.1 + 0.2, "0.3000", "0.3000"),
        (1.0 - 1e-5, "0.9999", "1.0000"),
        (0.12345, "0.1234", "0.1235"),
        (100 * 1.015, "101.50", "101.50"),
        (1.005, "1.00", "1.01"),
    ],
)
def test_rounding_goes_to_the_grid_and_ignores_float_noise(price: float, down: str, up: str) -> None:
    assert prices.round_down(price) == Decimal(down)
    assert prices.round_up(price) == Decimal(up)


@given(st.floats(0.01, 5000, allow_nan=False))
@settings(deadline=None)
def test_rounded_prices_are_on_the_grid_and_a_tick_at_most_away(price: float) -> None:
    low, high = prices.round_down(price), prices.round_up(price)
    assert low <= prices.exact(price) <= high
    for rounded in (low, high):
        assert rounded % prices.tick(rounded) == 0
        assert abs(rounded - prices.exact(price)) < prices.TICK


@pytest.mark.parametrize("price", [float("nan"), float("inf")])
def test_what_is_no_number_is_no_price(price: float) -> None:
    with pytest.raises(ValueError, match="not a price"):
        prices.round_up(price)


@pytest.mark.parametrize(
    ("side", "bid", "ask", "atr", "expected", "rule"),
    [
        (1, 99.98, 100.00, 0.50, ("100.00", "99.00", "101.50", "103.00"), "atr"),
        (-1, 100.00, 100.02, 0.50, ("100.00", "101.00", "98.50", "97.00"), "atr"),
        (1, 99.98, 100.00, 5.00, ("100.00", "98.00", "103.00", "106.00"), "percent"),
        (1, 99.90, 100.00, 0.05, ("100.00", "99.80", "100.30", "100.60"), "spread"),
        (-1, 0.5000, 0.5004, 0.002, ("0.5000", "0.5040", "0.4940", "0.4880"), "atr"),
    ],
)
def test_the_stop_is_the_tighter_of_percent_and_atr_and_targets_follow(
    side: int, bid: float, ask: float, atr: float, expected: tuple[str, ...], rule: str
) -> None:
    plan = prices.plan(side, bid, ask, atr, CONFIG)
    assert (plan.entry, plan.stop, plan.target1, plan.target2) == tuple(Decimal(text) for text in expected)
    assert plan.rule == rule


def test_a_spread_too_wide_for_the_stop_gives_no_plan() -> None:
    with pytest.raises(prices.NoGeometry, match="spread"):
        prices.plan(1, 98.00, 100.00, 0.5, CONFIG)


@given(
    side=st.sampled_from([1, -1]),
    bid=st.floats(0.02, 2000),
    spread_bps=st.floats(0, 300),
    atr_pct=st.floats(0.001, 10),
)
@settings(max_examples=300, deadline=None)
def test_every_plan_keeps_every_rule_after_rounding(side: int, bid: float, spread_bps: float, atr_pct: float) -> None:
    ask, atr = bid * (1 + spread_bps / 1e4), bid * atr_pct / 100
    try:
        plan = prices.plan(side, bid, ask, atr, CONFIG)
    except prices.NoGeometry:
        least = max(prices.exact(ask) - prices.exact(bid), prices.tick(prices.exact(bid)))
        assert 2 * least + prices.TICK > prices.exact(bid) * Decimal("0.019"), "refused although a stop would fit"
        assume(False)
    assert plan.reward_risk >= Decimal("1.5")
    assert float(plan.reward_risk) >= 1.5
    assert abs(plan.target2 - plan.entry) >= 3 * plan.risk
    assert side * (plan.entry - plan.stop) > 0 and side * (plan.target1 - plan.entry) > 0
    assert side * (plan.target2 - plan.target1) >= 0 and plan.target2 > 0
    assert plan.risk <= plan.entry * Decimal("0.02"), "never more than 2 %"
    assert plan.risk >= 2 * (prices.exact(ask) - prices.exact(bid)), "never inside the spread"
    assert plan.entry >= prices.exact(ask) if side > 0 else plan.entry <= prices.exact(bid)
    for price in (plan.entry, plan.stop, plan.target1, plan.target2):
        assert price % prices.tick(price) == 0
        assert Decimal(repr(float(price))) == price, "a float carries it exactly"
