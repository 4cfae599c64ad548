"""Limits and sizing: each rule refuses on its own, and no set of allowed intents exceeds any limit."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalyst_assets.trading.config import TradingConfig
from catalyst_assets.trading.prices import round_down
from catalyst_assets.trading.risk import (
    RULES,
    SHORT_MARGIN_MARKUP,
    Exposure,
    Quote,
    RiskContext,
    TradeIntent,
    entry_limit,
    evaluate,
    legs_of,
)

NOW = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)
OPEN, CLOSE = datetime(2026, 11, 20, 14, 30, tzinfo=UTC), datetime(2026, 11, 20, 21, 0, tzinfo=UTC)
CONFIG = TradingConfig()
INTENT = TradeIntent("s1", "AAA", "long", NOW, 100.0, 98.0, 103.0, 106.0, 1.0, "story")
SHORT = TradeIntent("s2", "AAA", "short", NOW, 100.0, 102.0, 97.0, 94.0, 1.0, "story")
CONTEXT = RiskContext(
    now=NOW,
    market_state="regular",
    open=OPEN,
    close=CLOSE,
    equity=100_000.0,
    day_base=100_000.0,
    buying_power=400_000.0,
    shorting_enabled=True,
    shortable=frozenset({"AAA"}),
    quotes={"AAA": Quote(99.98, 100.0, NOW - timedelta(seconds=1))},
)


def only(intent: TradeIntent = INTENT, context: RiskContext = CONTEXT, config: TradingConfig = CONFIG):
    return evaluate([intent], context, config)[0]


def holding(*symbols: str, story: str | None = None) -> tuple[Exposure, ...]:
    return tuple(Exposure(symbol, story, "a position of 10 shares") for symbol in symbols)


REFUSALS = {
    "account": (INTENT, {"account_block": "the broker has blocked trading"}),
    "kill_switch": (INTENT, {"kill_switch": "operator"}),
    "mode": (INTENT, {"market_state": "after"}),
    "entry_window": (replace(INTENT, decision_time=CLOSE - timedelta(minutes=30)), {
        "now": CLOSE - timedelta(minutes=30), "quotes": {"AAA": Quote(99.98, 100.0, CLOSE - timedelta(minutes=30))}}),
    "signal_age": (replace(INTENT, decision_time=NOW - timedelta(seconds=181)), {}),
    "levels": (replace(INTENT, stop=101.0), {}),
    "quote": (INTENT, {"quotes": {}}),
    "quote_age": (INTENT, {"quotes": {"AAA": Quote(99.98, 100.0, NOW - timedelta(seconds=91))}}),
    "spread": (INTENT, {"quotes": {"AAA": Quote(99.4, 100.0, NOW)}}),
    "price_drift": (INTENT, {"quotes": {"AAA": Quote(101.1, 101.12, NOW)}}),
    "halted": (INTENT, {"halted": frozenset({"AAA"})}),
    "short": (SHORT, {"shortable": frozenset()}),
    "in_symbol": (INTENT, {"exposures": holding("AAA")}),
    "max_positions": (INTENT, {"exposures": holding("B", "C", "D", "E", "F")}),
    "narrative": (INTENT, {"exposures": holding("B", "C", story="story")}),
    "day_loss": (INTENT, {"equity": 97_000.0}),
    "orders_per_day": (INTENT, {"orders_today": 49}),
    "orders_per_minute": (INTENT, {"orders_last_minute": 9}),
    "size": (INTENT, {"equity": 150.0, "day_base": 150.0}),
    "buying_power": (INTENT, {"buying_power": 99.0}),
}  # fmt: skip


@pytest.mark.parametrize("rule", RULES)
def test_each_rule_refuses_on_its_own(rule: str):
    intent, changes = REFUSALS[rule]
    decision = only(intent, replace(CONTEXT, **changes))
    assert (decision.allowed, decision.rule, decision.qty) == (False, rule, 0)
    assert len(decision.message) > 10


def test_an_allowed_intent_passes_every_check_in_the_documented_order():
    decision = only()
    assert decision.allowed and decision.rule is None
    assert tuple(check.name for check in decision.checks) == RULES
    assert all(check.passed for check in decision.checks)


@pytest.mark.parametrize("rule", RULES)
def test_every_check_is_recorded_also_after_the_first_failure(rule: str):
    intent, changes = REFUSALS[rule]
    decision = only(intent, replace(CONTEXT, kill_switch="operator", **({} if rule == "kill_switch" else changes)))
    assert tuple(check.name for check in decision.checks) == RULES


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"shorting_enabled": False}, "account"),
        ({"shortable": frozenset({"BBB"})}, "shortable"),
    ],
)
def test_a_short_needs_account_and_asset(changes: dict, why: str):
    decision = only(SHORT, replace(CONTEXT, **changes))
    assert decision.rule == "short" and why in decision.message
    assert only(SHORT).allowed
    off = TradingConfig.from_overrides({"risk.allow_short": False})
    assert only(SHORT, config=off).rule == "short"


def test_unknown_equity_or_day_base_refuses():
    assert only(context=replace(CONTEXT, equity=float("nan"))).rule == "account"
    assert only(context=replace(CONTEXT, day_base=0.0)).rule == "day_loss"


def test_size_is_the_tightest_of_risk_cap_and_buying_power():
    # limit 100.02 (ask plus one spread), 2.02 at risk per share
    assert only().limit_price == Decimal("100.02")
    assert only().qty == int(20_000 // 100.02)
    far = replace(INTENT, stop=90.0, target1=115.0, target2=130.0)
    assert only(far).qty == int(1_000 // 10.02)
    assert only(replace(far, size_fraction=0.25)).qty == int(250 // 10.02)
    assert only(context=replace(CONTEXT, buying_power=1_000.0)).qty == 9


def test_the_premarket_cap_holds_up_to_the_opening_cycle():
    opening = replace(CONTEXT, now=OPEN, quotes={"AAA": Quote(99.98, 100.0, OPEN)})
    assert only(replace(INTENT, decision_time=OPEN), opening).qty == int(10_000 // 100.02)
    later = OPEN + timedelta(minutes=5)
    after = replace(CONTEXT, now=later, quotes={"AAA": Quote(99.98, 100.0, later)})
    assert only(replace(INTENT, decision_time=later), after).qty == int(20_000 // 100.02)


def test_a_short_is_charged_with_the_margin_markup():
    decision = only(SHORT, replace(CONTEXT, buying_power=1_029.0))
    assert decision.qty == 9  # 100 * 1.03 a share


def test_two_entries_in_one_symbol_are_never_allowed_together():
    decisions = evaluate([INTENT, replace(INTENT, signal_id="s9")], CONTEXT, CONFIG)
    assert [d.rule for d in decisions] == [None, "in_symbol"]


def test_the_first_failing_rule_names_the_refusal():
    decision = only(context=replace(CONTEXT, halted=frozenset({"AAA"}), equity=90_000.0))
    assert decision.rule == "halted"
    assert {check.name for check in decision.checks if not check.passed} >= {"halted", "day_loss"}


def test_shares_are_halved_between_the_targets():
    assert [legs_of(qty) for qty in (1, 2, 3, 199)] == [(1,), (1, 1), (2, 1), (100, 99)]


@given(price=st.floats(1, 1000), spread_ticks=st.integers(1, 20), risk=st.floats(0.05, 0.1), short=st.booleans())
def test_an_entry_is_marketable_but_never_beyond_the_allowed_drift(
    price: float, spread_ticks: int, risk: float, short: bool
):
    bid = float(round_down(price))
    ask = float(round_down(bid + spread_ticks * 0.01))
    touch, sign = (bid, -1) if short else (ask, 1)
    r = max(touch * risk, 0.05)
    intent = replace(INTENT, direction="short" if short else "long", entry=touch, stop=touch - sign * r,
                     target1=touch + sign * r * 0.5, target2=touch + sign * r * 0.6)  # fmt: skip
    limit = float(entry_limit(intent, Quote(bid, ask, NOW), CONFIG.risk))
    assert (limit - touch) * sign >= -1e-9, "it reaches the other side of the quote"
    drift = CONFIG.risk.max_entry_drift * r
    assert (limit - touch) * sign <= max(drift, 0) + 1e-9 and (limit - touch) * sign <= ask - bid + 1e-9


symbols = st.sampled_from(["AAA", "BBB", "CCC", "DDD", "EEE", "FFF", "GGG", "HHH"])


@st.composite
def intents(draw):
    entry = draw(st.floats(2, 900))
    risk = entry * draw(st.floats(0.002, 0.05))
    sign = draw(st.sampled_from([1, -1]))
    return TradeIntent(
        signal_id=f"s{draw(st.integers(0, 10**9))}",
        symbol=draw(symbols),
        direction="long" if sign > 0 else "short",
        decision_time=NOW - timedelta(seconds=draw(st.integers(0, 240))),
        entry=entry,
        stop=entry - sign * risk,
        target1=entry + sign * 1.5 * risk,
        target2=entry + sign * 3 * risk,
        size_fraction=draw(st.sampled_from([0.25, 0.5, 1.0])),
        narrative_id=draw(st.sampled_from(["x", "y", "z", None])),
    )


@settings(max_examples=150, deadline=None)
@given(
    wanted=st.lists(intents(), max_size=14),
    equity=st.floats(500, 500_000),
    loss=st.floats(-0.05, 0.05),
    leverage=st.floats(0, 4),
    orders=st.integers(0, 55),
    spread=st.floats(0.0001, 0.01),
    held=st.lists(symbols, unique=True, max_size=5),
)
def test_no_set_of_allowed_intents_exceeds_any_limit(wanted, equity, loss, leverage, orders, spread, held):
    risk = CONFIG.risk
    prices = {}
    for intent in wanted:
        prices.setdefault(intent.symbol, intent.entry)
    quotes = {s: Quote(p * (1 - spread / 2), p * (1 + spread / 2), NOW) for s, p in prices.items()}
    context = replace(
        CONTEXT, equity=equity, day_base=equity * (1 + loss), buying_power=equity * leverage, quotes=quotes, orders_today=orders,
        orders_last_minute=orders % 11, shortable=frozenset(prices), exposures=holding(*held, story="x"),
    )  # fmt: skip
    decisions = evaluate(wanted, context, CONFIG)
    allowed = [d for d in decisions if d.allowed]
    assert len(decisions) == len(wanted)
    taken = [d.intent.symbol for d in allowed]
    assert len(set(taken)) == len(taken) and not set(taken) & set(held)
    if allowed:
        assert len(taken) + len(held) <= risk.max_positions
        assert context.day_base - equity < risk.max_day_loss * context.day_base
    spent = 0.0
    for decision in allowed:
        intent, limit = decision.intent, float(decision.limit_price)
        assert decision.qty >= 1
        at_risk = (limit - intent.stop) * intent.sign * decision.qty
        assert at_risk <= equity * risk.per_trade * intent.size_fraction * (1 + 1e-9)
        assert decision.qty * limit <= equity * risk.position_cap * (1 + 1e-9)
        assert (NOW - intent.decision_time).total_seconds() <= risk.signal_max_age_seconds
        spent += decision.qty * (
            limit if intent.sign > 0 else max(limit, quotes[intent.symbol].ask * SHORT_MARGIN_MARKUP)
        )
    assert spent <= context.buying_power * (1 + 1e-9) or not allowed
    new_orders = sum(len(legs_of(d.qty)) for d in allowed)
    assert not allowed or orders + new_orders <= risk.max_orders_per_day
    assert not allowed or context.orders_last_minute + new_orders <= risk.max_orders_per_minute
    for story in ("y", "z"):
        assert sum(d.intent.narrative_id == story for d in allowed) <= risk.per_narrative
    assert not allowed or sum(d.intent.narrative_id == "x" for d in allowed) + len(held) <= max(
        risk.per_narrative, len(held)
    )


def test_a_story_that_was_traded_twice_today_is_not_traded_again() -> None:
    allowed = evaluate([INTENT], replace(CONTEXT, ended_stories=("story", "another")), CONFIG)[0]
    refused = evaluate([INTENT], replace(CONTEXT, ended_stories=("story", "story")), CONFIG)[0]
    assert allowed.allowed
    assert (refused.allowed, refused.rule) == (False, "narrative")


def test_a_signal_without_a_story_is_not_counted_against_ended_ones() -> None:
    intent = replace(INTENT, narrative_id=None)
    assert evaluate([intent], replace(CONTEXT, ended_stories=("story", "story")), CONFIG)[0].allowed
