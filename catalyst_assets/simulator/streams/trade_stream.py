"""The protocol of Alpaca's order updates: ``/alpaca/trading/stream``.

Belongs here: authenticating, listening, the vendor's frames of the exchange's order events. Does not belong here: the events
themselves (``venue/events``) and how an order is written (``routes/wire``).

There is no greeting and no replay: who connects again has to ask for what happened in between, as at the vendor.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import msgpack
import structlog
from starlette.responses import PlainTextResponse
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket

from catalyst_assets.simulator.routes.wire import money, order_json, stamp
from catalyst_assets.simulator.state import Simulation
from catalyst_assets.simulator.streams.connection import Closed, Connection, SlowConsumer
from catalyst_assets.simulator.streams.data_stream import CONTROL, MSGPACK
from catalyst_assets.simulator.streams.frames import Message, as_json, as_msgpack
from catalyst_assets.simulator.ticks import NANOSECONDS
from catalyst_assets.simulator.venue.events import OrderEvent
from catalyst_assets.simulator.worlds.pricepath import micros

log = structlog.get_logger(__name__)

PATH, ENDPOINT, CHANNEL = "/alpaca/trading/stream", "trading", "trade_updates"
STREAMS = (CHANNEL,)
SILENT_EVENTS = frozenset({"held"})
"""Events of the exchange the vendor has no message for."""
MOST_WAITING = 10_000
"""Events a consumer may be behind; one that takes fewer is dropped."""
AUTHENTICATIONS: dict[str, tuple[str, str]] = {"authenticate": ("key_id", "secret_key"), "auth": ("key", "secret")}
"""Accepted actions and where their keys are: the form of the client library, and the newer one."""


class TradeStreams:
    """The websocket route of the trading host."""

    def __init__(self, state: Simulation) -> None:
        self.state = state

    def routes(self) -> list[WebSocketRoute]:
        """All websocket routes."""
        return [WebSocketRoute(PATH, self.serve)]

    async def serve(self, socket: WebSocket) -> None:
        """One connection; one too many is answered 429 instead of the handshake."""
        if len(self.state.streams.connected(ENDPOINT)) >= self.state.plan.stream_connections:
            await socket.send_denial_response(PlainTextResponse("too many connections", 429))
            return
        await TradeSession(self.state, socket).serve()


class TradeSession:
    """One connection to the order updates, from the handshake to its end."""

    def __init__(self, state: Simulation, socket: WebSocket) -> None:
        self.state, self.hub = state, state.streams
        self.packed = socket.headers.get("content-type", "") == MSGPACK
        self.connection = Connection(socket, ENDPOINT, self._encode, self.hub.filter_of, self.hub.patience)
        self.authorized = asyncio.Event()
        self._events: deque[OrderEvent] = deque()
        self._overrun = False
        self._unsubscribe: Callable[[], None] | None = None

    def _encode(self, messages: Sequence[Message]) -> list[str | bytes]:
        if self.packed:
            return [as_msgpack(message.body) for message in messages]
        texts = [as_json(message.body) for message in messages]
        return list(texts) if self.state.plan.live else [text.encode() for text in texts]

    async def _control(self, stream: str, **data: Any) -> None:
        ns = micros(self.state.exchange.now) * NANOSECONDS
        await self.connection.send([Message(ns, CONTROL, "", {"stream": stream, "data": data})])

    # ---------------------------------------------------------------------------------------------------------- life

    async def serve(self) -> None:
        """Answer and tell until either side ends it."""
        await self.connection.accept()
        tasks = [asyncio.create_task(work()) for work in (self._listen, self._tell, self._authentication)]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
            for task in done:
                task.result()
        except Closed:
            pass
        except SlowConsumer:
            log.info("stream_slow_client", endpoint=ENDPOINT)
            self.connection.abort()
        except Exception:
            log.exception("stream_failed", endpoint=ENDPOINT)
        finally:
            if self._unsubscribe is not None:
                self._unsubscribe()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self.hub.leave(self.connection)
            await self.connection.close()

    async def _authentication(self) -> None:
        """Passes when the other side has authenticated in time."""
        try:
            async with asyncio.timeout(self.connection.patience.auth_s):
                await self.authorized.wait()
        except TimeoutError:
            raise Closed from None

    # -------------------------------------------------------------------------------------------------------- listen

    async def _listen(self) -> None:
        while True:
            asked = self._decode(await self.connection.receive())
            action = str(asked.get("action"))
            data = asked.get("data") if isinstance(asked.get("data"), dict) else asked
            assert isinstance(data, dict)
            if action in AUTHENTICATIONS:
                await self._authenticate(action, data)
            elif action == "listen":
                await self._listen_to(data.get("streams"))
            else:
                await self._control("error", error=f"invalid action: {action}")

    def _decode(self, content: str | bytes) -> dict[str, Any]:
        try:
            found = msgpack.unpackb(content) if self.packed and isinstance(content, bytes) else json.loads(content)
        except Exception:  # noqa: BLE001 - many kinds of errors for what is no message; the answer names it
            return {}
        return found if isinstance(found, dict) else {}

    async def _authenticate(self, action: str, data: dict[str, Any]) -> None:
        key, secret = AUTHENTICATIONS[action]
        good = (data.get(key), data.get(secret)) == (self.state.key, self.state.secret)
        if good and not self.authorized.is_set():
            # Two connections may have passed the handshake before either authenticated.
            good = self.hub.enter(self.connection, self.state.plan.stream_connections)
        if good:
            self.authorized.set()
        await self._control("authorization", status="authorized" if good else "unauthorized", action=action)

    async def _listen_to(self, streams: Any) -> None:
        """The set of streams to hear from now on; those that do not exist are left out of the answer."""
        if not self.authorized.is_set():
            await self._control("authorization", status="unauthorized", action="listen")
            return
        wanted = [name for name in STREAMS if isinstance(streams, list) and name in streams]
        if wanted and self._unsubscribe is None:
            self._unsubscribe = self.state.exchange.subscribe(self._happened)
        elif not wanted and self._unsubscribe is not None:
            self._unsubscribe()
            self._unsubscribe = None
        await self._control("listening", streams=wanted)

    # ---------------------------------------------------------------------------------------------------------- tell

    def _happened(self, event: OrderEvent) -> None:
        """Called by the exchange, in the thread that moved it and under its lock: note it and wake the teller."""
        if event.event in SILENT_EVENTS:
            return
        if len(self._events) >= MOST_WAITING:
            self._overrun = True
        else:
            self._events.append(event)
        self.hub.moved()

    async def _tell(self) -> None:
        with self.hub.listening() as moved:
            while True:
                moved.clear()
                while self._events:
                    await self.connection.send([update_message(self._events.popleft())])
                if self._overrun:
                    raise SlowConsumer
                await self.connection.flush()
                await moved.wait()


def update_message(event: OrderEvent) -> Message:
    """The vendor's message of an order event; price and quantities only on executions."""
    data: dict[str, Any] = {
        "event": event.event,
        "execution_id": event.event_id,
        "order": order_json(event.order),
        "timestamp": stamp(event.at),
    }
    if event.price is not None:
        data |= {
            "price": money(event.price),
            "qty": money(event.qty),
            "position_qty": money(event.position_qty),
        }
    return Message(micros(event.at) * NANOSECONDS, CHANNEL, event.order.symbol, {"stream": CHANNEL, "data": data})
