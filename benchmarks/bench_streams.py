"""From a fill at the simulated exchange to the frame at a websocket client, and data streams under load.

Belongs here: the simulator's streams as a client sees them, over TCP, against a simulator in this process (so that both ends read one
clock). Does not belong here: the order step before (``bench_orders.py``).
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import requests
from websockets.sync.client import ClientConnection, connect

from benchmarks.figures import Figure, Tell, figure, silent
from benchmarks.surroundings import SEED, SESSION, SYMBOLS
from catalyst_assets.simulator.server import RunningServer, build_app, start_in_thread
from catalyst_assets.simulator.state import PLANS
from catalyst_assets.simulator.venue.events import OrderEvent
from catalyst_assets.simulator.venue.orders import NewOrder
from catalyst_assets.simulator.world import World
from catalyst_assets.trading.calendar import TradingCalendar

KEY, SECRET = "sim-key", "sim-secret"
FILLS = 200
TARGET, TARGET_WORST = 0.010, 0.100
MINUTES, MINUTE_TARGET = 30, 1.0
PATIENCE = 10.0


def run(_: Path, tell: Tell = silent) -> list[Figure]:
    """The figures of the streams."""
    tell("making a world")
    tape = World.generate(SEED, SESSION, symbols=SYMBOLS).tape()
    start = TradingCalendar().hours(SESSION).open.to_pydatetime() + timedelta(minutes=30)
    server = start_in_thread(build_app(tape, start=start, seed=SEED, plan=PLANS["plus"], limits={"alpaca": ()}))
    try:
        tell("filling orders")
        asked, resting = _fills(server)
        tell("stepping minutes with every bar and quote subscribed")
        minutes = _minutes(server)
    finally:
        server.stop()
    return [
        figure(
            "fill → trade_updates frame at a client",
            TARGET,
            asked,
            worst=TARGET_WORST,
            note=f"{len(asked)} market orders over HTTP with the clock standing still, from the exchange booking the fill to the frame "
            "received in another thread",
        ),
        figure(
            "fill of a resting order → trade_updates frame at a client",
            TARGET,
            resting,
            worst=TARGET_WORST,
            extra=True,
            note=f"{len(resting)} limit orders filled by steps of the clock",
        ),
        figure(
            "one minute of all bars, trades and quotes told",
            MINUTE_TARGET,
            minutes,
            extra=True,
            note=f"{SYMBOLS} companies, whole tape, MessagePack not used; from the step to the last bar received",
        ),
    ]


class _Fills:
    """When the exchange booked each fill, and when its frame arrived, by execution id."""

    def __init__(self) -> None:
        self.booked: dict[str, float] = {}
        self.received: dict[str, float] = {}

    def happened(self, event: OrderEvent) -> None:
        if event.event in ("fill", "partial_fill"):
            self.booked[event.event_id] = time.perf_counter()

    def frame(self, content: str | bytes) -> None:
        at = time.perf_counter()
        data = json.loads(content)["data"]
        if data.get("event") in ("fill", "partial_fill"):
            self.received[data["execution_id"]] = at

    def taken(self) -> list[float]:
        deadline = time.perf_counter() + PATIENCE
        while set(self.received) < set(self.booked):
            if time.perf_counter() > deadline:
                raise AssertionError(f"{len(self.booked) - len(self.received)} fills were not told")
            time.sleep(0.001)
        return [self.received[key] - at for key, at in self.booked.items()]


@contextmanager
def _listening(server: RunningServer, fills: _Fills) -> Iterator[None]:
    """A client that hears trade updates in a thread of its own."""
    socket = connect(server.base_url.replace("http", "ws", 1) + "/alpaca/trading/stream")
    socket.send(json.dumps({"action": "authenticate", "data": {"key_id": KEY, "secret_key": SECRET}}))
    socket.recv(timeout=PATIENCE)
    socket.send(json.dumps({"action": "listen", "data": {"streams": ["trade_updates"]}}))
    socket.recv(timeout=PATIENCE)
    leave = server.simulation.exchange.subscribe(fills.happened)
    thread = threading.Thread(target=lambda: [fills.frame(content) for content in socket], daemon=True)
    thread.start()
    try:
        yield
    finally:
        leave()
        socket.close()
        thread.join(PATIENCE)


def _fills(server: RunningServer) -> tuple[list[float], list[float]]:
    """Seconds from booking to frame: of market orders filled at once, and of resting ones."""
    exchange, fills = server.simulation.exchange, _Fills()
    symbols = [symbol for symbol in exchange.view.instruments if exchange.price(symbol)]
    headers = {"APCA-API-KEY-ID": KEY, "APCA-API-SECRET-KEY": SECRET}
    with requests.Session() as session, _listening(server, fills):
        for number in range(FILLS):
            body = {
                "symbol": symbols[number % len(symbols)],
                "qty": "1",
                "side": "buy",
                "type": "market",
                "time_in_force": "day",
            }
            session.post(f"{server.base_url}/alpaca/trading/v2/orders", json=body, headers=headers, timeout=PATIENCE)
        asked = fills.taken()
        fills.booked.clear()
        for symbol in symbols:
            price = exchange.price(symbol)
            if price is None or price < 5:
                continue
            limit = (price * Decimal("0.999")).quantize(Decimal("0.01"))
            exchange.submit(
                NewOrder(
                    symbol=symbol, side="buy", type="limit", time_in_force="day", qty=Decimal(1), limit_price=limit
                )
            )
        for _ in range(30):
            session.post(f"{server.base_url}/simulator/clock", json={"advance_s": 60}, timeout=PATIENCE)
        return asked, fills.taken()


def _minutes(server: RunningServer) -> list[float]:
    """Seconds from a step of a minute to its last bar at a client that wants everything."""
    taken = []
    socket = connect(server.base_url.replace("http", "ws", 1) + "/alpaca/data/v2/sip", max_size=None)
    try:
        _control(socket)
        _control(socket, action="auth", key=KEY, secret=SECRET)
        _control(socket, action="subscribe", bars=["*"], trades=["*"], quotes=["*"])
        with requests.Session() as session:
            for _ in range(MINUTES):
                expected = _bars_after_a_minute(server)
                begun = time.perf_counter()
                session.post(f"{server.base_url}/simulator/clock", json={"advance_s": 60}, timeout=PATIENCE)
                while expected > 0:
                    expected -= sum(message["T"] == "b" for message in json.loads(socket.recv(timeout=PATIENCE)))
                taken.append(time.perf_counter() - begun)
    finally:
        socket.close()
    return taken


def _control(socket: ClientConnection, **message: object) -> None:
    if message:
        socket.send(json.dumps(message))
    answer = json.loads(socket.recv(timeout=PATIENCE))
    if answer[0]["T"] == "error":
        raise AssertionError(f"the stream refused: {answer}")


def _bars_after_a_minute(server: RunningServer) -> int:
    """How many bars end within the next minute of the simulated market."""
    view, now = server.simulation.view, server.simulation.exchange.now
    return sum(view.bar_at(symbol, now) is not None for symbol in view.instruments)
