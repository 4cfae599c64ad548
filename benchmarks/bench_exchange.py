"""The simulated exchange: order events of the engine in this process, and orders accepted over HTTP by a server of its own process.

Belongs here: the venue's own speed. Does not belong here: the program's order step (``bench_orders.py``). An order event is one entry
of the exchange's event feed (pending_new, new, fill, canceled …).
"""

from __future__ import annotations

import http.client
import json
import multiprocessing
import socket
import statistics
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from benchmarks.figures import Figure, Tell, silent
from benchmarks.surroundings import SESSION
from catalyst_assets.simulator.exchange import Exchange
from catalyst_assets.simulator.market import MarketView
from catalyst_assets.simulator.server import build_app, serve_app
from catalyst_assets.simulator.tape import MarketTape
from catalyst_assets.simulator.venue.orders import ExchangeConfig, NewOrder
from catalyst_assets.simulator.world import World
from catalyst_assets.trading.calendar import TradingCalendar

EVENTS_TARGET, ALONE_TARGET, TOGETHER_TARGET = 100_000, 300, 600
CLIENTS = 8
ORDERS, ROUNDS = 4_000, 5
HTTP_ORDERS = 800
KEYS = {"APCA-API-KEY-ID": "sim-key", "APCA-API-SECRET-KEY": "sim-secret", "Content-Type": "application/json"}


@dataclass(frozen=True)
class _Scene:
    """A tape, its busiest symbol and an instant in its regular hours."""

    tape: MarketTape
    symbol: str
    at: datetime


def _scene() -> _Scene:
    tape = World.generate(7, SESSION, symbols=20).tape()
    bars = tape.bars(tape.sessions[-1])
    symbol = str(bars.groupby("symbol")["volume"].sum().idxmax())
    opened = TradingCalendar().hours(tape.sessions[-1]).open.to_pydatetime().astimezone(UTC)
    return _Scene(tape, symbol, opened + timedelta(minutes=30))


def _exchange(scene: _Scene, view: MarketView) -> Exchange:
    config = ExchangeConfig(participation=1e6, fees=False)
    return Exchange(scene.tape, start=scene.at, starting_cash=Decimal(10**9), config=config, view=view)


def _events_per_second(scene: _Scene) -> float:
    """Resting orders sent and cancelled, and marketable ones bought and sold: events by this process's own time."""
    view = MarketView(scene.tape)
    rates = []
    for _ in range(ROUNDS):
        venue = _exchange(scene, view)
        price = venue.price(scene.symbol) or Decimal(100)
        low = (price * Decimal("0.9")).quantize(Decimal("0.01"))
        resting = NewOrder(scene.symbol, "buy", "limit", "day", Decimal(1), limit_price=low)
        trades = [NewOrder(scene.symbol, side, "market", "day", Decimal(1)) for side in ("buy", "sell")]
        before = venue.events
        begun = time.process_time()
        for _ in range(ORDERS // 4):
            for trade in trades:
                venue.submit(trade)
            venue.cancel(venue.submit(resting).order_id)
        spent = time.process_time() - begun
        rates.append((venue.events - before) / spent)
    return statistics.median(rates)


def _matched_per_second(scene: _Scene) -> float:
    """A book of resting limits met by the bars that follow: the fills of the engine alone."""
    view = MarketView(scene.tape)
    rates = []
    for _ in range(ROUNDS):
        venue = _exchange(scene, view)
        price = venue.price(scene.symbol) or Decimal(100)
        for step in range(ORDERS):
            limit = (price * (1 - Decimal(1 + step % 50) / 20_000)).quantize(Decimal("0.01"))
            venue.submit(NewOrder(scene.symbol, "buy", "limit", "day", Decimal(1), limit_price=limit))
        before = venue.events
        begun = time.process_time()
        venue.advance(scene.at + timedelta(hours=2))
        spent = time.process_time() - begun
        rates.append((venue.events - before) / spent if venue.events > before else 0.0)
    return statistics.median(rates)


def _serve(port: int) -> None:
    scene = _scene()
    app = build_app(scene.tape, start=scene.at, limits={"alpaca": ()})
    serve_app(app, port=port)


def _connect(port: int) -> http.client.HTTPConnection:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.connect()
    connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def _send(port: int, symbol: str, count: int, failures: list[str]) -> None:
    connection = _connect(port)
    body = json.dumps(
        {"symbol": symbol, "qty": "1", "side": "buy", "type": "limit", "limit_price": "1.00", "time_in_force": "day"}
    )
    for _ in range(count):
        connection.request("POST", "/alpaca/trading/v2/orders", body, KEYS)
        answer = connection.getresponse()
        text = answer.read()
        if answer.status != 200:
            failures.append(text.decode())
    connection.close()


def _accepted_per_second(port: int, symbol: str, clients: int) -> float:
    failures: list[str] = []
    each = HTTP_ORDERS // clients
    threads = [threading.Thread(target=_send, args=(port, symbol, each, failures)) for _ in range(clients)]
    begun = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    spent = time.perf_counter() - begun
    if failures:
        raise RuntimeError(f"{len(failures)} orders were refused: {failures[0]}")
    return each * clients / spent


def _row(what: str, target: int, measured: float, note: str) -> Figure:
    return Figure(what, f"≥ {target:,}/s", f"{measured:,.0f}/s", measured >= target, note, extra=True)


def _over_http(scene: _Scene, tell: Callable[[str], None]) -> list[Figure]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    server = multiprocessing.get_context("spawn").Process(target=_serve, args=(port,), daemon=True)
    server.start()
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                _send(port, scene.symbol, 20, [])
                break
            except OSError:
                if time.monotonic() > deadline or not server.is_alive():
                    raise
                time.sleep(0.1)
        tell("orders over HTTP")
        alone = _accepted_per_second(port, scene.symbol, 1)
        together = _accepted_per_second(port, scene.symbol, CLIENTS)
    finally:
        server.terminate()
        server.join()
    note = "limit orders, keep-alive, server in its own process, the clients in this one"
    return [
        _row("orders accepted over HTTP, one client", ALONE_TARGET, alone, note),
        _row(f"orders accepted over HTTP, {CLIENTS} clients", TOGETHER_TARGET, together, note),
    ]


def run(_: Path, tell: Tell = silent) -> list[Figure]:
    """All rows of the exchange. Raises ``RuntimeError`` when an order that should be accepted is refused."""
    scene = _scene()
    tell("order events of the exchange")
    note = f"median of {ROUNDS} rounds of {ORDERS:,} orders, processor time"
    return [
        _row("order events: sent, filled, cancelled", EVENTS_TARGET, _events_per_second(scene), note),
        _row("order events: a resting book met by bars", EVENTS_TARGET, _matched_per_second(scene), note),
        *_over_http(scene, tell),
    ]
