"""Faults of the websockets as a client meets them: alpaca-py's own stream class, and a plain connection."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests
from alpaca.data.live import StockDataStream
from alpaca.trading.stream import TradingStream
from websockets.exceptions import ConnectionClosed

from catalyst_assets.simulator.server import RunningServer, build_app, start_in_thread
from catalyst_assets_tests.simulator.handmade import ny, order, tape
from catalyst_assets_tests.simulator.stream_clients import Client, address, open_stream, running, step, until


@pytest.fixture
def server() -> Iterator[RunningServer]:
    made = start_in_thread(build_app(tape(), start=ny(10), seed=7))
    yield made
    made.stop()


def arm(server: RunningServer, **body: Any) -> None:
    answer = requests.post(f"{server.base_url}/simulator/faults", json={"vendor": "alpaca", **body}, timeout=5)
    assert answer.status_code == 200, answer.text


def minutes(server: RunningServer, client: Client, count: int) -> list[list[str]]:
    """The minute bars of AAA that arrive after each of ``count`` steps of a minute, as HH:MM."""
    arrived = []
    for _ in range(count):
        step(server, advance_s=60)
        arrived.append([message["t"][11:16] for message in client.rest(0.1)])
    return arrived


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"fault": "stream_lost", "skip": 1, "times": 1}, [["15:00"], [], ["15:02"]]),
        ({"fault": "stream_duplicated", "times": 1}, [["15:00", "15:00"], ["15:01"], ["15:02"]]),
        (
            {"fault": "stream_reordered", "times": 1, "parameters": {"seconds": 600}},
            [[], ["15:01", "15:00"], ["15:02"]],
        ),
        ({"fault": "stream_delayed", "times": 1, "parameters": {"seconds": 90}}, [[], ["15:01"], ["15:00", "15:02"]]),
        ({"fault": "stream_silent", "skip": 1}, [["15:00"], [], []]),
        ({"fault": "stream_lost", "route": "STREAM /sip/*"}, [["15:00"], ["15:01"], ["15:02"]]),
        ({"fault": "stream_lost", "route": "STREAM */bars", "symbol": "AAA"}, [[], [], []]),
    ],
)
def test_what_arrives_of_three_bars(server: RunningServer, body: dict[str, Any], expected: list[list[str]]) -> None:
    with open_stream(server) as client:
        client.ask(action="subscribe", bars=["AAA"])
        arm(server, **body)
        assert minutes(server, client, 3) == expected
    struck = {entry.fault for entry in server.simulation.faults.log.entries()}
    assert struck == (set() if "sip" in body.get("route", "") else {body["fault"]})


def test_a_delayed_event_comes_by_the_clock_alone(server: RunningServer) -> None:
    with open_stream(server) as client:
        client.ask(action="subscribe", bars=["AAA"])
        arm(server, fault="stream_delayed", times=1, parameters={"seconds": 30})
        step(server, advance_s=60)
        assert client.quiet(0.1)
        step(server, advance_s=29)
        assert client.quiet(0.1)
        step(server, advance_s=2)  # no bar ends here: nothing but the clock brings it
        assert [message["t"][11:16] for message in client.rest(0.2)] == ["15:00"]


def test_a_cut_connection_is_cut_and_the_next_one_is_well(server: RunningServer) -> None:
    arm(server, fault="stream_dropped", times=1)
    with open_stream(server) as client:
        client.ask(action="subscribe", bars=["AAA"])
        step(server, advance_s=60)
        with pytest.raises(ConnectionClosed) as cut:
            client.receive(5)
        assert cut.value.rcvd is None
    with open_stream(server) as client:
        client.ask(action="subscribe", bars=["AAA"])
        assert minutes(server, client, 1) == [["15:01"]]
    (entry,) = server.simulation.faults.log.entries()
    assert (entry.fault, entry.route, entry.request) == ("stream_dropped", "STREAM /iex/bars", 0)


def test_a_mute_socket_does_not_even_answer(server: RunningServer) -> None:
    arm(server, fault="stream_silent", times=1)
    with open_stream(server) as client:
        client.ask(action="subscribe", bars=["AAA"])
        assert minutes(server, client, 1) == [[]]
        client.send(action="subscribe", bars=["BBB"])
        assert client.quiet(0.1)
        requests.delete(f"{server.base_url}/simulator/faults", timeout=5)
        assert client.ask(action="subscribe", bars=["BBB"])["bars"] == ["AAA", "BBB"]


def test_alpaca_py_loses_what_is_lost_and_takes_twice_what_comes_twice(server: RunningServer) -> None:
    """It neither notices a gap nor a repetition: whoever uses it has to."""
    taken: list[str] = []

    async def take(bar: Any) -> None:
        taken.append(f"{bar['t'].to_datetime():%H:%M}")

    stream = StockDataStream(
        "sim-key", "sim-secret", raw_data=True, url_override=address(server, "/alpaca/data/v2/iex")
    )
    stream.subscribe_bars(take, "AAA")
    with running(stream):
        arm(server, fault="stream_lost", skip=1, times=1)
        arm(server, fault="stream_duplicated", skip=1, times=1)
        for expected in (1, 1, 3, 4):
            step(server, advance_s=60)
            assert until(lambda expected=expected: len(taken) == expected)  # type: ignore[misc]
    assert taken == ["15:00", "15:02", "15:02", "15:03"]
    log = [(entry.fault, f"{entry.simulated_at:%H:%M}") for entry in server.simulation.faults.log.entries()]
    assert log == [("stream_lost", "15:02"), ("stream_duplicated", "15:03")]  # a bar is told at its end


# --------------------------------------------------------------------------------------------------------- order updates


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({"fault": "stream_lost", "skip": 1, "times": 1}, ["pending_new", "fill"]),
        ({"fault": "stream_duplicated", "skip": 2, "times": 1}, ["pending_new", "new", "fill", "fill"]),
        ({"fault": "stream_reordered", "skip": 1, "times": 1}, ["pending_new", "fill", "new"]),
        ({"fault": "stream_delayed", "times": 1, "parameters": {"seconds": 50}}, ["new", "fill", "pending_new"]),
        ({"fault": "stream_silent", "skip": 2}, ["pending_new", "new"]),
        ({"fault": "stream_lost", "symbol": "BBB"}, ["pending_new", "new", "fill"]),
    ],
)
def test_what_alpaca_py_hears_of_one_order(server: RunningServer, body: dict[str, Any], told: list[str]) -> None:
    heard: list[dict[str, Any]] = []

    async def hear(update: dict[str, Any]) -> None:
        heard.append(update["data"])

    stream = TradingStream(
        "sim-key", "sim-secret", raw_data=True, url_override=address(server, "/alpaca/trading/stream")
    )
    stream.subscribe_trade_updates(hear)
    with running(stream):
        assert until(lambda: bool(server.simulation.streams.connected("trading")))
        arm(server, route="STREAM */trade_updates", **body)
        server.simulation.exchange.submit(order(client_order_id="mine"))
        step(server, advance_s=60)
        assert until(lambda: len(heard) >= len(told)), heard
        assert not until(lambda: len(heard) > len(told), 0.1)
    assert [update["event"] for update in heard] == told
    for entry in server.simulation.faults.log.entries():
        assert (entry.fault, entry.route, entry.client_order_id) == (
            body["fault"],
            "STREAM /trading/trade_updates",
            "mine",
        )
    (placed,) = server.simulation.exchange.orders()
    assert placed.status == "filled"  # whatever was heard of it
