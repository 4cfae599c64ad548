"""Prints and quotes inside a bar agree with the bar."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalyst_assets.simulator.feeds import FeedView
from catalyst_assets.simulator.market import Bar, MarketView
from catalyst_assets.simulator.ticks import NANOSECONDS, bar_trades, counts_of, quote_moments
from catalyst_assets.simulator.worlds.pricepath import instant, micros
from catalyst_assets_tests.simulator.handmade import FRIDAY, ny, tape

START = micros(ny(10))
STEP = 60_000_000
MOVES = [(100, 100.5, 99.5, 100.2), (100.2, 104, 97, 103), (103, 103, 102, 102.5), (102.5, 102.5, 102.5, 102.5)]


@st.composite
def bars(draw):
    """A possible bar on the tick, its trade count and volume."""
    tick = 0.01
    low = draw(st.integers(100, 50_000))
    high = low + draw(st.integers(0, 300))
    open_, close = draw(st.integers(low, high)), draw(st.integers(low, high))
    trades = draw(st.one_of(st.just(float("nan")), st.integers(1, 3000).map(float)))
    volume = float(draw(st.integers(1, 2_000_000)))
    made = Bar(
        START, *(round(x * tick, 2) for x in (open_, high, low, close)), volume, draw(st.sampled_from([0.005, 0.2]))
    )
    return made, trades


def told(bar, trades, share):
    columns = {name: np.array([getattr(bar, name)]) for name in ("open", "high", "low", "close", "volume")}
    return counts_of({**columns, "trade_count": np.array([trades])}, share)


@given(bars(), st.sampled_from([0.0, 0.03, 0.4, 1.0]), st.sampled_from(["AAA", "BRK.B"]))
@settings(max_examples=150, deadline=None)
def test_the_prints_of_a_bar_make_the_bar_on_both_feeds(drawn, share, symbol):
    bar, trades = drawn
    counts = told(bar, trades, share)
    made = bar_trades(symbol, bar, counts, STEP)
    for keep, volume, number in (
        (np.ones(len(made.ns), bool), counts.volume[0], counts.trades[0]),
        (made.iex, counts.iex_volume[0], counts.iex_trades[0]),
    ):
        price = made.price[keep]
        assert (price[0], price.max(), price.min(), price[-1]) == (bar.open, bar.high, bar.low, bar.close)
        assert made.size[keep].sum() == volume and keep.sum() == number and made.size.min() >= 1
    assert (np.diff(made.ns) > 0).all()
    assert bar.ts * NANOSECONDS < made.ns[0] and made.ns[-1] < (bar.ts + STEP) * NANOSECONDS
    assert [code == "V" for code in made.exchange] == made.iex.tolist()


@given(bars())
@settings(max_examples=50, deadline=None)
def test_counts_keep_what_the_tape_says_where_it_is_possible(drawn):
    bar, trades = drawn
    counts = told(bar, trades, 0.03)
    if bar.volume >= 5 and 5 <= trades <= bar.volume:
        assert (counts.volume[0], counts.trades[0]) == (bar.volume, trades)
    assert 0 < counts.iex_trades[0] <= counts.trades[0] and counts.iex_volume[0] <= counts.volume[0]


def test_a_bars_prints_are_the_same_each_time_and_others_elsewhere():
    bar = Bar(START, 100, 101, 99, 100.5, 5000, 0.01)
    counts = told(bar, 40.0, 0.03)
    first, again = bar_trades("AAA", bar, counts, STEP), bar_trades("AAA", bar, counts, STEP)
    assert (first.ns == again.ns).all() and (first.price == again.price).all() and first.exchange == again.exchange
    assert (bar_trades("AAB", bar, counts, STEP).ns != first.ns).any()
    assert (bar_trades("AAA", bar._replace(ts=START + STEP), counts, STEP).ns - STEP * NANOSECONDS != first.ns).any()


def test_a_bar_without_volume_has_no_prints():
    bar = Bar(START, 100, 100, 100, 100, 0, 0.01)
    assert len(bar_trades("AAA", bar, told(bar, float("nan"), 0.03), STEP).ns) == 0


def test_the_iex_share_of_a_liquid_bar_is_its_share():
    counts = told(Bar(START, 100, 101, 99, 100.5, 1_000_000, 0.01), 4000.0, 0.03)
    assert (counts.iex_volume[0], counts.iex_trades[0]) == (30_000, 120)


# ------------------------------------------------------------------------------------------------------------- the feeds


@pytest.fixture(scope="module")
def view():
    return MarketView(tape({"AAA": MOVES}))


@pytest.mark.parametrize("name", ["sip", "iex"])
def test_prints_of_many_bars_add_up_to_the_bars_of_the_same_feed(view, name):
    feed = FeedView(view, name, 0.03)
    now = micros(ny(10, 4))
    chunk = next(iter(feed.bars(["AAA"], START, now, now)))
    prints = list(feed.prints("AAA", START * NANOSECONDS, now * NANOSECONDS, now))
    for k, ts in enumerate(chunk.ts):
        inside = [made for made in prints if made.bar == ts]
        assert sum(made.size for made in inside) == chunk.columns["volume"][k]
        assert len(inside) == chunk.columns["trade_count"][k]
        assert (inside[0].price, inside[-1].price) == (chunk.columns["open"][k], chunk.columns["close"][k])
    backwards = list(feed.prints("AAA", START * NANOSECONDS, now * NANOSECONDS, now, descending=True))
    assert backwards == prints[::-1]


@given(st.integers(0, 4 * 60_000_000))
@settings(max_examples=40, deadline=None)
def test_no_print_and_no_quote_is_from_after_now(offset):
    feed = FeedView(MarketView(tape({"AAA": MOVES})), "sip", 0.03)
    now = START + offset
    last = feed.last_print("AAA", instant(now))
    assert last is not None and last.ns <= now * NANOSECONDS
    assert all(q.ts <= now for q in feed.quotes("AAA", START, START + 10 * STEP, now))
    if offset == 0:
        assert last.bar == START - STEP


def test_a_quote_update_is_what_the_latest_quote_said_at_that_moment(view):
    feed = FeedView(view, "sip", 0.03)
    told_quotes = list(feed.quotes("AAA", START, START + 3 * STEP, START + 3 * STEP))
    assert len(told_quotes) > 20
    for quote in told_quotes:
        seen = view.quote("AAA", instant(quote.ts))
        assert (quote.bid, quote.ask, quote.size) == (seen.bid, seen.ask, seen.size)


def test_on_a_tape_of_long_bars_prints_exist_only_once_the_bar_is_complete():
    from datetime import timedelta

    feed = FeedView(MarketView(tape(step=timedelta(minutes=5))), "sip", 0.03)
    asked = (START * NANOSECONDS, (START + 5 * STEP) * NANOSECONDS)
    assert not list(feed.prints("AAA", *asked, START + 5 * STEP - 1))
    assert list(feed.prints("AAA", *asked, START + 5 * STEP))


def test_days_of_iex_are_the_sum_of_its_minutes(view):
    feed = FeedView(view, "iex", 0.03)
    days = feed.days("AAA", micros(ny(0)) - 5 * 86_400_000_000, micros(ny(12)), ny(10))
    assert len(days.ts) == 4 and days.ts[-1] == micros(ny(0, day=FRIDAY))
    assert days.columns["volume"][-1] == 30 * 300 and days.columns["volume"][-2] == 390 * 300
    assert not np.isnan(days.columns["vwap"]).any() and not np.isnan(days.columns["trade_count"]).any()


def test_quote_moments_lie_inside_their_bar_in_order():
    moments = quote_moments("AAA", Bar(START, 1, 1, 1, 1, 1000, 0.01), 50, STEP)
    assert (np.diff(moments) > 0).all() and moments[0] > START and moments[-1] < START + STEP
