"""The stream of order updates: the vendor's protocol and frames, by a plain client and by alpaca-py's TradingStream."""

from __future__ import annotations

import json
from contextlib import contextmanager
from pathlib import Path

import msgpack
import pytest
from alpaca.trading.client import TradingClient
from alpaca.trading.enums import OrderSide, OrderStatus, TimeInForce
from alpaca.trading.models import TradeUpdate
from alpaca.trading.requests import LimitOrderRequest, MarketOrderRequest, StopLossRequest, TakeProfitRequest
from alpaca.trading.stream import TradingStream
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from catalyst_assets.simulator.server import build_app, start_in_thread
from catalyst_assets.simulator.state import Plan
from catalyst_assets.simulator.streams import trade_stream
from catalyst_assets.simulator.streams.connection import Patience
from catalyst_assets_tests.conftest import SHARED
from catalyst_assets_tests.simulator.handmade import ny, order, tape
from catalyst_assets_tests.simulator.stream_clients import address, running, step, until

KEYS = ("sim-key", "sim-secret")
PATH = "/alpaca/trading/stream"
MINUTES = {"AAA": [(100, 100.5, 99.5, 100.2), (100.2, 104, 97, 103)]}
AUTHORIZED = {"stream": "authorization", "data": {"status": "authorized", "action": "authenticate"}}
SEQUENCE = SHARED / "vendors" / "fixtures" / "alpaca" / "handwritten" / "trade_updates_sequence.json"


@pytest.fixture
def server():
    made = start_in_thread(build_app(tape(MINUTES), start=ny(10), seed=3, limits={"alpaca": ()}))
    yield made
    made.stop()


@contextmanager
def opened(server, **options):
    until(lambda: not server.simulation.streams.connected("trading"))
    with connect(address(server, PATH), compression=None, **options) as socket:
        yield socket


def ask(socket, **message):
    socket.send(json.dumps(message))
    return json.loads(socket.recv(timeout=5))


def authenticate(socket, secret=KEYS[1]):
    return ask(socket, action="authenticate", data={"key_id": KEYS[0], "secret_key": secret})


def listen(socket, *streams):
    return ask(socket, action="listen", data={"streams": list(streams or ("trade_updates",))})


def trading(server):
    client = TradingClient(*KEYS, url_override=f"{server.base_url}/alpaca/trading")
    client._retry = 0
    return client


def market_order(qty=10, side=OrderSide.BUY):
    return MarketOrderRequest(symbol="AAA", qty=qty, side=side, time_in_force=TimeInForce.DAY)


# -------------------------------------------------------------------------------------------------------------- protocol


def test_the_handshake_is_the_vendors(server):
    with opened(server) as socket:
        assert listen(socket) == {"stream": "authorization", "data": {"status": "unauthorized", "action": "listen"}}
        assert authenticate(socket, "wrong")["data"] == {"status": "unauthorized", "action": "authenticate"}
        assert authenticate(socket) == AUTHORIZED
        assert listen(socket, "trade_updates", "weather") == {
            "stream": "listening",
            "data": {"streams": ["trade_updates"]},
        }
        assert listen(socket, "weather") == {"stream": "listening", "data": {"streams": []}}


def test_the_newer_form_of_authentication_works_too(server):
    with opened(server) as socket:
        answer = ask(socket, action="auth", key=KEYS[0], secret=KEYS[1])
        assert answer["data"] == {"status": "authorized", "action": "auth"}


@pytest.mark.parametrize("content", ["{no json", "[]", '{"action": "dance"}', b"\xff"])
def test_what_is_no_message_does_not_end_the_connection(server, content):
    with opened(server) as socket:
        socket.send(content)
        assert json.loads(socket.recv(timeout=5))["stream"] == "error"
        assert authenticate(socket) == AUTHORIZED


def test_a_second_connection_is_answered_429(server):
    with opened(server) as socket:
        authenticate(socket)
        with pytest.raises(InvalidStatus) as refused, connect(address(server, PATH)):
            pass
        assert refused.value.response.status_code == 429
    with opened(server) as socket:
        assert authenticate(socket) == AUTHORIZED


def test_who_does_not_authenticate_in_time_is_dropped(server):
    server.simulation.streams.patience = Patience(auth_s=0.05)
    with opened(server) as socket, pytest.raises(ConnectionClosed):
        socket.recv(timeout=5)


@pytest.mark.parametrize(("live", "packed"), [(False, False), (True, False), (False, True)])
def test_paper_frames_are_binary_live_ones_text_and_msgpack_is_had_by_asking(live, packed):
    server = start_in_thread(build_app(tape(), start=ny(10), plan=Plan(live=live)))
    try:
        headers = {"Content-Type": "application/msgpack"} if packed else {}
        with opened(server, additional_headers=headers) as socket:
            message = {"action": "authenticate", "data": {"key_id": KEYS[0], "secret_key": KEYS[1]}}
            socket.send(msgpack.packb(message) if packed else json.dumps(message))
            frame = socket.recv(timeout=5)
            assert isinstance(frame, str) == live
            assert (msgpack.unpackb(frame) if packed else json.loads(frame)) == AUTHORIZED
    finally:
        server.stop()


# ---------------------------------------------------------------------------------------------------------------- events


def test_an_order_is_told_from_its_birth_to_its_fill(server):
    with opened(server) as socket:
        authenticate(socket)
        listen(socket)
        sent = trading(server).submit_order(market_order())
        told = [json.loads(socket.recv(timeout=5)) for _ in range(3)]
    assert {message["stream"] for message in told} == {"trade_updates"}
    data = [message["data"] for message in told]
    assert [each["event"] for each in data] == ["pending_new", "new", "fill"]
    assert {each["order"]["id"] for each in data} == {str(sent.id)}
    assert data[2]["order"]["status"] == "filled" and data[2]["qty"] == data[2]["position_qty"] == "10"
    assert data[2]["price"] == data[2]["order"]["filled_avg_price"]
    assert "price" not in data[1] and len({each["execution_id"] for each in data}) == 3


@pytest.mark.skipif(not SEQUENCE.is_file(), reason="the recorded sequence is not on this machine")
def test_frames_have_the_keys_of_the_recorded_sequence(server):
    recorded = {m["data"].get("event", m["stream"]): m for m in json.loads(Path(SEQUENCE).read_text())}
    with opened(server) as socket:
        told = [authenticate(socket), listen(socket)]
        trading(server).submit_order(market_order())
        told += [json.loads(socket.recv(timeout=5)) for _ in range(3)]
    for message in told:
        wanted = recorded[message["data"].get("event", message["stream"])]
        assert set(message) == set(wanted) and set(message["data"]) == set(wanted["data"])
        if "order" in wanted["data"]:
            assert set(message["data"]["order"]) >= set(wanted["data"]["order"])


def test_steps_of_the_clock_tell_what_rests_and_nothing_is_told_twice(server):
    with opened(server) as socket:
        authenticate(socket)
        listen(socket)
        trading(server).submit_order(
            LimitOrderRequest(
                symbol="AAA",
                qty=10,
                side=OrderSide.BUY,
                time_in_force=TimeInForce.DAY,
                limit_price=98,
                order_class="bracket",
                take_profit=TakeProfitRequest(limit_price=110),
                stop_loss=StopLossRequest(stop_price=90),
            )
        )
        born = [json.loads(socket.recv(timeout=5))["data"]["event"] for _ in range(2)]
        assert born == ["pending_new", "new"]
        step(server, advance_s=60)
        with pytest.raises(TimeoutError):
            socket.recv(timeout=0.15)
        step(server, advance_s=60)
        filled = json.loads(socket.recv(timeout=5))["data"]
        assert filled["event"] == "fill" and filled["timestamp"] == "2026-11-20T15:02:00Z"
        assert json.loads(socket.recv(timeout=5))["data"]["event"] == "new", "the target starts to work"
        with pytest.raises(TimeoutError):
            socket.recv(timeout=0.15)


def test_there_is_no_replay_after_connecting_again(server):
    with opened(server) as socket:
        authenticate(socket)
        listen(socket)
    until(lambda: not server.simulation.streams.connected("trading"))
    trading(server).submit_order(market_order())
    with opened(server) as socket:
        authenticate(socket)
        listen(socket)
        with pytest.raises(TimeoutError):
            socket.recv(timeout=0.15)


def test_an_empty_list_of_streams_stops_the_updates_until_they_are_listened_to_again(server):
    with opened(server) as socket:
        authenticate(socket)
        listen(socket)
        assert ask(socket, action="listen", data={"streams": []})["data"] == {"streams": []}
        trading(server).submit_order(market_order())
        with pytest.raises(TimeoutError):
            socket.recv(timeout=0.15)
        listen(socket)
        trading(server).submit_order(market_order())
        assert [json.loads(socket.recv(timeout=5))["data"]["event"] for _ in range(3)] == ["pending_new", "new", "fill"]
        with pytest.raises(TimeoutError):
            socket.recv(timeout=0.15)


def test_an_order_sent_from_another_thread_is_told_too(server):
    with opened(server) as socket:
        authenticate(socket)
        listen(socket)
        server.simulation.exchange.submit(order())
        assert json.loads(socket.recv(timeout=5))["data"]["event"] == "pending_new"


def test_a_filter_may_mute_and_repeat_updates(server):
    def doubled(peer, messages):
        assert peer.endpoint == "trading"
        return [m for m in messages for _ in range(2 if m.body["data"].get("event") == "fill" else 0)]

    with opened(server) as socket:
        authenticate(socket)
        listen(socket)
        server.simulation.streams.filters["trading"] = doubled
        trading(server).submit_order(market_order())
        first, second = (json.loads(socket.recv(timeout=5)) for _ in range(2))
        assert first == second and first["data"]["event"] == "fill"


def test_who_falls_too_far_behind_is_dropped(server, monkeypatch):
    monkeypatch.setattr(trade_stream, "MOST_WAITING", 5)
    with opened(server) as socket:
        authenticate(socket)
        listen(socket)
        with server.simulation.exchange.lock:  # the teller runs in the server's thread and needs none of these
            for _ in range(40):
                server.simulation.exchange.submit(order(qty=1))
        with pytest.raises(ConnectionClosed):
            for _ in range(200):
                socket.recv(timeout=5)
    assert until(lambda: not server.simulation.streams.connected("trading"))


# ------------------------------------------------------------------------------------------------------------- alpaca-py


def test_the_trading_stream_of_alpaca_py_gets_parsed_updates(server):
    heard = []

    async def keep(update):
        heard.append(update)

    stream = TradingStream(*KEYS, url_override=address(server, PATH))
    stream.subscribe_trade_updates(keep)
    with running(stream):
        assert until(lambda: bool(server.simulation.streams.connected("trading")))
        client = trading(server)
        client.submit_order(market_order())
        assert until(lambda: len(heard) == 3)
        resting = client.submit_order(
            LimitOrderRequest(symbol="AAA", qty=1, side=OrderSide.BUY, time_in_force=TimeInForce.DAY, limit_price=50)
        )
        client.cancel_order_by_id(resting.id)
        assert until(lambda: len(heard) == 6)
    assert all(isinstance(update, TradeUpdate) for update in heard)
    assert [update.event for update in heard] == ["pending_new", "new", "fill", "pending_new", "new", "canceled"]
    assert heard[2].order.status == OrderStatus.FILLED and heard[2].position_qty == 10
    assert heard[2].timestamp == ny(10) and heard[5].order.status == OrderStatus.CANCELED
