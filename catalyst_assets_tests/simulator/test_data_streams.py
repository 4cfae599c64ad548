"""The data streams' protocol, spoken by a plain websocket client."""

from __future__ import annotations

import socket
import time
from dataclasses import replace

import msgpack
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from catalyst_assets.simulator.server import build_app, start_in_thread
from catalyst_assets.simulator.state import Plan
from catalyst_assets.simulator.streams.connection import Patience, transport_of
from catalyst_assets.simulator.streams.data_stream import ENDING, ERRORS
from catalyst_assets.simulator.streams.frames import Cut, Pause
from catalyst_assets.simulator.tape import Halt
from catalyst_assets_tests.simulator.handmade import ny, tape
from catalyst_assets_tests.simulator.stream_clients import KEYS, Client, address, open_stream, step, until

MINUTES = {"AAA": [(100, 101, 99, 100.5), (100.5, 104, 97, 103)]}
HALT = Halt("BBB", ny(10, 1), ny(10, 3), "T1")
IEX, SIP, NEWS = "/alpaca/data/v2/iex", "/alpaca/data/v2/sip", "/alpaca/data/v1beta1/news"


@pytest.fixture(scope="module")
def market():
    """A server whose clock only ever moves forward; tests step it from where it stands."""
    running = start_in_thread(build_app(tape(MINUTES, halts=[HALT]), start=ny(10), limits={}))
    yield running
    running.stop()


@pytest.fixture
def fresh():
    running = start_in_thread(build_app(tape(MINUTES, halts=[HALT]), start=ny(10)))
    yield running
    running.stop()


# ---------------------------------------------------------------------------------------------------------------- errors


def _second_connection(server, client):
    with connect(address(server, IEX), compression=None) as raw:
        other = Client(raw, False)
        other.receive()
        return other.ask(action="auth", **KEYS)


def _impatient(server, client):
    server.simulation.streams.patience = Patience(auth_s=0.05)
    with open_stream(server, IEX, auth=False) as other:
        return other.receive()[0]


def _broken_source(server, client):
    def broken(peer, messages):
        raise ZeroDivisionError("a fault of the simulator itself")

    assert client.ask(action="subscribe", bars=["AAA"])["T"] == "subscription"
    server.simulation.streams.filters["iex"] = broken
    step(server, advance_s=60)
    return client.receive()[0]


def _behind(server, client):
    client.ask(action="subscribe", bars=["AAA"])
    server.simulation.streams.connected("iex")[0].patience = replace(Patience(), behind_s=-1.0)
    step(server, advance_s=60)
    return client.messages(lambda got: got[-1:] and got[-1]["T"] == "error")[-1]


def _syntax(server, client):
    client.raw("{no json")
    return client.receive()[0]


PROVOCATIONS = {
    400: (IEX, True, _syntax),
    401: (IEX, False, lambda server, client: client.ask(action="subscribe", bars=["AAA"])),
    402: (IEX, False, lambda server, client: client.ask(action="auth", key="sim-key", secret="wrong")),
    403: (IEX, True, lambda server, client: client.ask(action="auth", **KEYS)),
    404: (NEWS, False, _impatient),
    405: (IEX, True, lambda server, client: client.ask(action="subscribe", trades=[f"A{n}" for n in range(31)])),
    406: (IEX, True, _second_connection),
    407: (IEX, True, _behind),
    409: (SIP, False, lambda server, client: client.ask(action="auth", **KEYS)),
    410: (IEX, True, lambda server, client: client.ask(action="subscribe", news=["AAA"])),
    500: (IEX, True, _broken_source),
}


@pytest.mark.parametrize("code", sorted(PROVOCATIONS))
def test_every_error_of_the_vendor_can_be_provoked(market, code):
    path, auth, provoke = PROVOCATIONS[code]
    with open_stream(market, path, auth=auth) as client:
        try:
            assert provoke(market, client) == {"T": "error", "code": code, "msg": ERRORS[code]}
            if code in ENDING - {404, 406}:
                with pytest.raises(ConnectionClosed):
                    client.receive()
        finally:
            market.simulation.streams.patience = Patience()
            market.simulation.streams.filters.clear()


def test_the_table_of_errors_is_the_vendors_and_whole():
    assert set(ERRORS) == set(PROVOCATIONS)


@pytest.mark.parametrize(
    "message",
    [
        {"action": "dance"},
        {"key": "sim-key"},
        {"action": "subscribe", "bars": "AAA"},
        {"action": "subscribe", "bars": [1]},
    ],
)
def test_what_is_no_message_is_told_as_such_and_the_connection_lives(market, message):
    with open_stream(market) as client:
        assert client.ask(**message)["code"] == 400
        assert client.ask(action="subscribe", bars=["AAA"])["bars"] == ["AAA"]


def test_a_refused_subscription_leaves_the_old_ones(market):
    with open_stream(market) as client:
        kept = client.ask(action="subscribe", trades=["AAA"], quotes=[f"B{n}" for n in range(29)])
        assert client.ask(action="subscribe", quotes=["CCC"])["code"] == 405
        assert client.ask(action="subscribe", trades=["*"])["code"] == 405
        assert client.ask(action="subscribe", bars=["*"], dailyBars=["*"]) == {
            **kept,
            "bars": ["*"],
            "dailyBars": ["*"],
        }
        assert client.ask(action="unsubscribe", quotes=["B0"])["quotes"] == kept["quotes"][1:]
        assert client.ask(action="subscribe", quotes=["CCC"])["T"] == "subscription"


def test_trades_bring_their_corrections_with_them(market):
    with open_stream(market) as client:
        told = client.ask(action="subscribe", trades=["AAA"])
        assert told["corrections"] == told["cancelErrors"] == ["AAA"]
        assert set(told) == {
            "T", "trades", "quotes", "bars", "updatedBars", "dailyBars", "statuses", "lulds", "corrections", "cancelErrors",
        }  # fmt: skip
        assert client.ask(action="unsubscribe", trades=["AAA"])["corrections"] == []


def test_the_headers_of_the_handshake_authenticate_too(market):
    headers = {"APCA-API-KEY-ID": KEYS["key"], "APCA-API-SECRET-KEY": KEYS["secret"]}
    with open_stream(market, auth=False, **headers) as client:
        assert client.receive() == [{"T": "success", "msg": "authenticated"}]
    with open_stream(market, auth=False, **{**headers, "APCA-API-SECRET-KEY": "wrong"}) as client:
        assert client.receive()[0]["code"] == 402


def test_a_plan_with_sip_streams_it_without_a_symbol_limit():
    server = start_in_thread(build_app(tape(MINUTES), start=ny(10), plan=Plan(sip=True)))
    try:
        with open_stream(server, SIP) as client:
            assert client.ask(action="subscribe", trades=["*"])["trades"] == ["*"]
            step(server, advance_s=5)
            assert client.receive()[0]["T"] == "t"
    finally:
        server.stop()


# --------------------------------------------------------------------------------------------------------------- frames

SHAPES = {
    "t": {"T", "S", "i", "x", "p", "s", "c", "t", "z"},
    "q": {"T", "S", "bx", "bp", "bs", "ax", "ap", "as", "c", "t", "z"},
    "b": {"T", "S", "o", "h", "l", "c", "v", "n", "vw", "t"},
    "d": {"T", "S", "o", "h", "l", "c", "v", "n", "vw", "t"},
    "s": {"T", "S", "sc", "sm", "rc", "rm", "t", "z"},
    "l": {"T", "S", "u", "d", "i", "t", "z"},
}


@pytest.mark.parametrize("packed", [False, True])
def test_frames_have_the_vendors_keys_and_times_in_both_encodings(fresh, packed):
    with open_stream(fresh, packed=packed) as client:
        client.ask(
            action="subscribe",
            trades=["AAA"],
            quotes=["AAA"],
            bars=["AAA"],
            dailyBars=["AAA"],
            statuses=["*"],
            lulds=["AAA"],
        )
        step(fresh, advance_s=240)
        found = client.messages(lambda got: sum(m["T"] == "b" for m in got) == 4)
    for kind, keys in SHAPES.items():
        some = [message for message in found if message["T"] == kind]
        assert some and all(set(message) == keys for message in some), kind
        assert all(isinstance(m["t"], msgpack.Timestamp if packed else str) for m in some)
    assert [(m["S"], m["sc"], m["rc"]) for m in found if m["T"] == "s"] == [("BBB", "H", "T1"), ("BBB", "T", "T3")]
    bar = next(m for m in found if m["T"] == "b")
    assert (bar["o"], bar["h"], bar["l"], bar["c"], bar["v"]) == (100, 101, 99, 100.5, 300)
    day = next(m for m in found if m["T"] == "d")
    assert day["v"] == 31 * 300 and (day["h"], day["l"]) == (101, 99)


# ---------------------------------------------------------------------------------------------------------------- clock


def test_a_standing_clock_tells_nothing_and_a_step_tells_exactly_its_interval(fresh):
    with open_stream(fresh) as client:
        client.ask(action="subscribe", trades=["AAA"], bars=["AAA"])
        assert client.quiet()
        first = step(fresh, advance_s=30)
        told = client.rest()
        assert told and all("2026-11-20T15:00:00" < m["t"] < "2026-11-20T15:00:30" for m in told if m["T"] == "t")
        assert first["paused"]
        step(fresh, advance_s=30)
        rest = client.rest()
        times = [m["t"] for m in told + rest if m["T"] == "t"]
        assert times == sorted(times) and len(times) == len(set(times))
        bar = rest[-1]
        assert bar["t"] == "2026-11-20T15:00:00Z" and sum(m["s"] for m in told + rest if m["T"] == "t") == bar["v"]


def test_what_happened_before_a_subscription_is_not_told(fresh):
    with open_stream(fresh) as client:
        step(fresh, advance_s=90)
        client.ask(action="subscribe", bars=["AAA"])
        assert client.quiet()
        step(fresh, advance_s=30)
        assert [m["t"] for m in client.messages(bool)] == ["2026-11-20T15:01:00Z"]


def test_a_running_clock_tells_by_itself_and_a_paused_one_stops(fresh):
    with open_stream(fresh) as client:
        client.ask(action="subscribe", bars=["AAA"])
        step(fresh, speed=1200.0)
        told = client.messages(lambda got: len(got) >= 3)
        assert [m["t"] for m in told][:3] == [f"2026-11-20T15:0{n}:00Z" for n in range(3)]
        stood_at = step(fresh, paused=True)["now"]
        client.rest()
        assert client.quiet() and fresh.simulation.exchange.now.isoformat() == stood_at


# -------------------------------------------------------------------------------------------------------- slow and faults


def test_a_slow_consumer_is_dropped_and_the_others_go_on(fresh):
    """The consumer's receive buffer is tiny and it never reads; a news connection beside it lives on."""
    fresh.simulation.streams.patience = replace(Patience(), send_s=0.3)
    host, port = fresh.base_url.removeprefix("http://").split(":")
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    raw.connect((host, int(port)))
    options = {"sock": raw, "compression": None, "max_queue": 1, "close_timeout": 0.1}
    with open_stream(fresh, NEWS) as other, connect(address(fresh, IEX), **options) as mute:
        mute.recv()
        mute.send('{"action":"auth","key":"sim-key","secret":"sim-secret"}')
        mute.recv()
        mute.send('{"action":"subscribe","bars":["*"],"dailyBars":["*"],"quotes":["AAA"]}')
        mute.recv()
        transport = transport_of(fresh.simulation.streams.connected("iex")[0].socket)
        step(fresh, advance_s=8 * 3600)
        assert until(lambda: transport.get_write_buffer_size() > 0)
        assert transport.get_write_buffer_size() < 200_000, "what waits does not grow with what happened"
        assert until(lambda: not fresh.simulation.streams.connected("iex"))
        assert other.ask(action="subscribe", news=["*"])["news"] == ["*"]


def test_who_reads_slowly_but_reads_gets_everything(fresh):
    with open_stream(fresh) as client:
        client.ask(action="subscribe", bars=["*"])
        step(fresh, advance_s=3600)
        time.sleep(0.3)
        told = client.messages(lambda got: len(got) >= 4 * 60)
        assert len({(m["S"], m["t"]) for m in told}) == 4 * 60
        assert [m["t"] for m in told] == sorted(m["t"] for m in told)


def test_a_filter_may_drop_repeat_reorder_delay_and_cut(fresh):
    streams = fresh.simulation.streams

    def twisted(peer, messages):
        kept = [m for m in messages if m.symbol != "CCC"]
        return [*reversed(kept), Pause(0.01), *kept[:1]]

    with open_stream(fresh) as client:
        client.ask(action="subscribe", bars=["AAA", "BBB", "CCC"])
        streams.filters["iex"] = twisted
        step(fresh, advance_s=60)
        assert [m["S"] for m in client.messages(lambda got: len(got) == 3)] == ["BBB", "AAA", "AAA"]
        streams.filters["iex"] = lambda peer, messages: []
        step(fresh, advance_s=60)
        assert client.quiet()
        streams.filters["iex"] = lambda peer, messages: [messages[0], Cut(), messages[1]]
        step(fresh, advance_s=60)
        assert len(client.receive()) == 1
        with pytest.raises(ConnectionClosed) as cut:
            client.receive()
        assert cut.value.rcvd is None, "cut without a closing handshake"
    assert until(lambda: not streams.connected("iex"))
