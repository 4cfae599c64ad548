"""What a market data stream tells of an interval: complete, in order, however the interval is cut, by the exchange's calendar."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalyst_assets.simulator.feeds import FeedView
from catalyst_assets.simulator.market import MarketView
from catalyst_assets.simulator.server import build_app, start_in_thread
from catalyst_assets.simulator.streams.market_events import CHANNELS, MarketEvents
from catalyst_assets.simulator.tape import DAILY_COLUMNS, TAPE_BAR_COLUMNS, Halt
from catalyst_assets.simulator.ticks import NANOSECONDS
from catalyst_assets.simulator.worlds.pricepath import micros
from catalyst_assets.trading.calendar import TradingCalendar
from catalyst_assets_tests.simulator.handmade import HandTape, instruments, ny, tape
from catalyst_assets_tests.simulator.stream_clients import open_stream, step

MINUTES = {"AAA": [(100, 101, 99, 100.5), (100.5, 104, 97, 103), (103, 110, 102, 109), (109, 109, 80, 81)]}
START = micros(ny(10))
MINUTE = 60_000_000
EVERYTHING = {channel: frozenset({"*"}) for channel in CHANNELS}


def events(**shares):
    made = tape(MINUTES, halts=[Halt("BBB", ny(10, 1), ny(10, 2), "LUDP")])
    return MarketEvents(FeedView(MarketView(made), "sip", 0.03), **shares)


@pytest.fixture(scope="module")
def source():
    return events()


@pytest.fixture(scope="module")
def afterthoughts():
    """A source in which every bar has a late and a corrected print."""
    return events(late_share=1.0, corrected_share=1.0)


@given(st.lists(st.integers(1, 3 * MINUTE), max_size=5), st.booleans())
@settings(max_examples=12, deadline=None)
def test_an_interval_tells_the_same_however_it_is_cut(source, afterthoughts, cuts, many):
    chosen = afterthoughts if many else source
    end = 3 * MINUTE
    edges = sorted({0, end, *cuts})
    pieces = []
    for low, high in pairwise(edges):
        pieces += chosen.between(START + low, START + high, EVERYTHING)
    assert pieces == chosen.between(START, START + end, EVERYTHING)
    assert [m.ns for m in pieces] == sorted(m.ns for m in pieces)
    assert all(START * NANOSECONDS < m.ns <= (START + end) * NANOSECONDS for m in pieces)


def test_horizons_cut_an_interval_into_pieces_that_end(source):
    for wanted in (EVERYTHING, {"bars": frozenset({"AAA"})}, {}):
        at, until, pieces = START - 12 * 60 * MINUTE, START, 0
        while at < until:
            following = source.horizon(at, until, wanted)
            assert at < following <= until
            at, pieces = following, pieces + 1
        assert pieces >= 1


def test_late_and_corrected_prints_add_up_to_the_final_bar(afterthoughts):
    feed, end = afterthoughts.feed, START + MINUTE
    told = afterthoughts.between(START, START + 3 * MINUTE, {name: frozenset({"AAA"}) for name in CHANNELS})
    of_bar = [m for m in told if m.channel == "trades" and START * 1000 <= m.body["t"].ns < end * 1000]
    first = next(m.body for m in told if m.channel == "bars")
    updated = next(m for m in told if m.channel == "updatedBars")
    final = next(iter(feed.bars(["AAA"], START, end, end))).columns
    assert updated.ns == (end + 30_000_000) * NANOSECONDS
    assert (updated.body["v"], updated.body["n"]) == (final["volume"][0], final["trade_count"][0])
    late = next(m for m in of_bar if m.ns > end * NANOSECONDS)
    assert first["v"] == updated.body["v"] - late.body["s"] and first["n"] == updated.body["n"] - 1
    assert sum(m.body["s"] for m in of_bar) == updated.body["v"] and len(of_bar) == updated.body["n"]
    correction = next(m.body for m in told if m.channel == "corrections")
    wrong = next(m for m in of_bar if m.body["i"] == correction["oi"])
    assert (wrong.body["p"], wrong.body["s"]) == (correction["op"], correction["os"])
    right = {made.price for made in feed.prints("AAA", START * 1000, end * 1000, end) if made.size == correction["cs"]}
    assert correction["cp"] in right and correction["cp"] != correction["op"]


def test_price_bands_move_with_the_price_and_only_in_regular_hours(source):
    wanted = {"lulds": frozenset({"AAA"})}
    told = source.between(START, START + 4 * MINUTE, wanted)
    assert len(told) == 4
    closes = [100, 100, 100, 100, 100.5, 103, 109, 81]
    for k, message in enumerate(told):
        reference = sum(closes[k : k + 5]) / 5
        assert message.body["u"] == pytest.approx(reference * 1.1, abs=0.01)
        assert message.body["d"] == pytest.approx(reference * 0.9, abs=0.01)
    assert not source.between(micros(ny(4)), micros(ny(9, 30)), wanted)
    assert not source.between(micros(ny(16)), micros(ny(20)), wanted)


@pytest.mark.parametrize(
    ("exchange", "halt", "resume", "reason"), [("NASDAQ", "H", "T", "LUDP"), ("NYSE", "2", "3", "M")]
)
def test_a_halt_is_told_in_the_words_of_its_tape(exchange, halt, resume, reason):
    made = tape(halts=[Halt("BBB", ny(10, 1), ny(10, 2), "LUDP")])
    made.instruments["exchange"] = exchange
    source = MarketEvents(FeedView(MarketView(made), "iex", 0.03))
    told = source.between(START, START + 5 * MINUTE, {"statuses": frozenset({"BBB"})})
    assert [(m.ns // NANOSECONDS, m.body["sc"]) for m in told] == [(START + MINUTE, halt), (START + 2 * MINUTE, resume)]
    assert told[0].body["rc"] == reason


def test_there_are_no_quotes_in_a_halt(source):
    told = source.between(START, START + 3 * MINUTE, {"quotes": frozenset({"BBB"})})
    times = [m.ns // NANOSECONDS for m in told]
    assert times and not [t for t in times if START + MINUTE <= t < START + 2 * MINUTE]


# -------------------------------------------------------------------------------------------------------------- calendar


def day_tape(*days: date) -> HandTape:
    """Flat sessions on these days, from pre-open to post-close by the exchange's calendar."""
    frames = {}
    for day in days:
        hours = TradingCalendar().hours(day)
        ts = pd.date_range(hours.pre_open, hours.post_close, freq="1min", inclusive="left").as_unit("us")
        flat = dict.fromkeys(("open", "high", "low", "close", "vwap"), 50.0)
        frames[day] = pd.DataFrame(
            {"symbol": "AAA", "ts": ts, **flat, "volume": 10_000.0, "trade_count": 50.0, "half_spread": 0.01}
        )[list(TAPE_BAR_COLUMNS)]
    daily = pd.DataFrame([("AAA", day, 50.0, 50.0, 50.0, 50.0, 1e6) for day in days], columns=list(DAILY_COLUMNS))
    return HandTape(frames, instruments(), daily)


HALF_DAY, MONDAY = date(2026, 11, 27), date(2026, 11, 30)
BEFORE_DST, AFTER_DST = date(2026, 10, 30), date(2026, 11, 2)


def utc(day: date, hour: int, minute: int = 0) -> datetime:
    return datetime(day.year, day.month, day.day, hour, minute, tzinfo=UTC)


@pytest.mark.parametrize(
    ("days", "opens", "closes"),
    [
        ((HALF_DAY, MONDAY), utc(HALF_DAY, 14, 30), utc(HALF_DAY, 18)),
        ((BEFORE_DST, AFTER_DST), utc(BEFORE_DST, 13, 30), utc(BEFORE_DST, 20)),
        ((AFTER_DST,), utc(AFTER_DST, 14, 30), utc(AFTER_DST, 21)),
    ],
)
def test_daily_bars_run_from_the_open_to_the_close_of_the_calendar(days, opens, closes):
    source = MarketEvents(FeedView(MarketView(day_tape(*days)), "sip", 0.03))
    day = micros(utc(days[0], 0))
    told = source.between(day, day + 36 * 60 * MINUTE, {"dailyBars": frozenset({"AAA"})})
    assert (told[0].ns, told[-1].ns) == (
        (micros(opens) + MINUTE) * NANOSECONDS,
        micros(closes) * NANOSECONDS,
    )
    midnight = datetime(days[0].year, days[0].month, days[0].day, tzinfo=ZoneInfo("America/New_York"))
    assert {m.body["t"].ns for m in told} == {micros(midnight) * NANOSECONDS}


def test_a_weekend_and_a_clock_change_are_stepped_over_in_silence():
    friday_end = TradingCalendar().hours(BEFORE_DST).post_close.to_pydatetime()
    server = start_in_thread(build_app(day_tape(BEFORE_DST, AFTER_DST), start=friday_end - timedelta(minutes=1)))
    try:
        with open_stream(server) as client:
            client.ask(action="subscribe", bars=["AAA"], quotes=["AAA"])
            assert step(server, advance_s=60)["market_state"] == "closed"
            client.rest()
            assert step(server, now=utc(AFTER_DST, 8, 59).isoformat())["market_state"] == "closed"
            assert client.quiet()
            assert step(server, now=utc(AFTER_DST, 9, 1).isoformat())["market_state"] == "pre"
            assert [m["t"] for m in client.rest() if m["T"] == "b"] == ["2026-11-02T09:00:00Z"]
    finally:
        server.stop()


def test_the_half_day_ends_at_one_for_clock_and_stream():
    start = utc(HALF_DAY, 17, 58)
    server = start_in_thread(build_app(day_tape(HALF_DAY, MONDAY), start=start))
    try:
        with open_stream(server) as client:
            client.ask(action="subscribe", dailyBars=["AAA"], bars=["AAA"])
            states = [step(server, advance_s=60)["market_state"] for _ in range(3)]
            assert states == ["regular", "after", "after"]
            kinds = [(m["T"], m["t"]) for m in client.rest()]
            assert sum(kind == "d" for kind, _ in kinds) == 2 and sum(kind == "b" for kind, _ in kinds) == 3
    finally:
        server.stop()
