"""What the faults of streams make of a sequence of events: by hand, and as properties of any sequence."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalyst_assets.simulator.faults import Faults, parse_rule
from catalyst_assets.simulator.faults.streams import Frame, StreamFaults
from catalyst_assets.simulator.faults.table import STREAM_KINDS
from catalyst_assets.simulator.instants import read_instant
from catalyst_assets_tests.simulator.handmade import FRIDAY, ny

START = ny(10)


def faults_of(*bodies: dict[str, Any], seed: int = 0) -> Faults:
    faults = Faults(seed)
    for body in bodies:
        faults.arm(parse_rule({"vendor": "alpaca", **body}, lambda text: read_instant(text, FRIDAY)))
    return faults


def frame(number: int, channel: str = "trading/trade_updates", symbol: str = "AAA") -> Frame:
    return Frame(channel, number, symbol, f"cat-{number}")


def play(stream: StreamFaults, count: int, *, step: float = 1.0, now: datetime = START, **of: Any) -> list[int]:
    """What arrives of ``count`` events a second apart, and of those held, until ten minutes later. Stops where it is cut."""
    arrived: list[int] = []
    for number in range(1, count + 1):
        at = now + timedelta(seconds=step * number)
        arrived += [held.payload for held in stream.due(at)]
        passed = stream(frame(number, **of), at)
        arrived += [sent.payload for sent in passed.frames]
        if passed.cut:
            return [*arrived, -1]
    return arrived + [held.payload for held in stream.due(now + timedelta(minutes=10))]


@pytest.mark.parametrize(
    ("body", "arrives"),
    [
        ({"fault": "stream_lost", "skip": 1, "times": 1}, [1, 3, 4, 5]),
        ({"fault": "stream_dropped", "skip": 2}, [1, 2, -1]),
        ({"fault": "stream_silent", "skip": 2, "times": 1}, [1, 2]),
        ({"fault": "stream_duplicated", "times": 1, "parameters": {"copies": 2}}, [1, 1, 1, 2, 3, 4, 5]),
        ({"fault": "stream_reordered", "times": 1}, [2, 1, 3, 4, 5]),
        ({"fault": "stream_reordered", "times": 1, "parameters": {"places": 3}}, [2, 3, 4, 1, 5]),
        ({"fault": "stream_reordered", "times": 2}, [3, 1, 2, 4, 5]),
        ({"fault": "stream_reordered", "skip": 4}, [1, 2, 3, 4, 5]),  # nothing comes after it: sent when its time is up
        ({"fault": "stream_delayed", "times": 1, "parameters": {"seconds": 2.5}}, [2, 3, 1, 4, 5]),
        ({"fault": "stream_lost", "route": "STREAM */bars"}, [1, 2, 3, 4, 5]),
        ({"fault": "stream_lost", "route": "STREAM /trading/*"}, []),
        ({"fault": "stream_lost", "symbol": "BBB"}, [1, 2, 3, 4, 5]),
        ({"fault": "stream_lost", "until": "10:00:03"}, [3, 4, 5]),
        ({"fault": "dropped"}, [1, 2, 3, 4, 5]),  # a fault of HTTP does not reach a stream
    ],
)
def test_what_arrives_of_five_events(body: dict[str, Any], arrives: list[int]) -> None:
    assert play(StreamFaults(faults_of(body)), 5) == arrives


def test_a_delayed_event_waits_for_the_market_s_clock() -> None:
    stream = StreamFaults(faults_of({"fault": "stream_delayed", "times": 1, "parameters": {"seconds": 60}}))
    assert stream(frame(1), START).frames == ()
    assert stream.next_due == START + timedelta(seconds=60)
    assert stream.due(START + timedelta(seconds=59)) == ()
    assert [held.payload for held in stream.due(START + timedelta(seconds=60))] == [1]
    assert stream.next_due is None


def test_a_mute_socket_stays_mute_and_a_new_connection_is_not() -> None:
    faults = faults_of({"fault": "stream_silent", "times": 1, "id": "mute"})
    stream = StreamFaults(faults)
    assert play(stream, 3) == []
    assert play(StreamFaults(faults), 3) == [1, 2, 3]
    assert [entry.client_order_id for entry in faults.log.entries()] == ["cat-1", "cat-2", "cat-3"]
    faults.disarm("mute")
    assert play(stream, 2) == [1, 2]


@pytest.mark.parametrize("fault", STREAM_KINDS)
def test_every_strike_on_a_stream_is_recorded(fault: str) -> None:
    faults = faults_of({"fault": fault, "skip": 1, "times": 1})
    play(StreamFaults(faults), 2)
    (entry,) = faults.log.entries()
    assert (entry.fault, entry.route, entry.client_order_id, entry.request) == (
        fault,
        "STREAM /trading/trade_updates",
        "cat-2",
        0,
    )
    assert entry.simulated_at == START + timedelta(seconds=2)


RULES = st.lists(
    st.builds(
        lambda fault, skip, times, probability: {
            "fault": fault,
            "skip": skip,
            "times": times,
            "probability": probability,
        },
        st.sampled_from(["stream_lost", "stream_duplicated", "stream_reordered", "stream_delayed"]),
        st.integers(0, 5),
        st.integers(1, 5),
        st.floats(0, 1),
    ),
    max_size=4,
)


@given(rules=RULES, count=st.integers(0, 25), seed=st.integers(0, 1000))
def test_nothing_is_invented_and_the_log_explains_every_difference(
    rules: list[dict[str, Any]], count: int, seed: int
) -> None:
    faults = faults_of(*rules, seed=seed)
    arrived = play(StreamFaults(faults), count)
    log = faults.log.entries()
    expected = Counter(range(1, count + 1))
    for entry in log:
        number = int(str(entry.client_order_id).removeprefix("cat-"))
        if entry.fault == "stream_lost":
            expected[number] -= 1
        elif entry.fault == "stream_duplicated":
            expected[number] += 1
    assert Counter(arrived) == +expected
    touched = {int(str(entry.client_order_id).removeprefix("cat-")) for entry in log}
    untouched = [number for number in arrived if number not in touched]
    assert untouched == sorted(untouched)
    strikes = Counter(entry.rule for entry in log)
    assert {armed.rule.id: armed.struck for armed in faults.armed() if armed.struck} == strikes
    again = faults_of(*rules, seed=seed)
    assert play(StreamFaults(again), count) == arrived
