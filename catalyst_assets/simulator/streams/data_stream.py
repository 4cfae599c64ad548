"""The protocol of Alpaca's data streams: ``/alpaca/data/v2/{iex|sip|delayed_sip}`` and ``/alpaca/data/v1beta1/news``.

Belongs here: connecting, authenticating, subscribing, the vendor's errors, telling what happened. Does not belong here: which events
an interval has (``market_events``, ``news_events``) and how bytes leave (``connection``).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol

import msgpack
import structlog
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket

from catalyst_assets.simulator.feeds import IEX, SIP
from catalyst_assets.simulator.state import Simulation
from catalyst_assets.simulator.streams import market_events, news_events
from catalyst_assets.simulator.streams.connection import Closed, Connection, SlowConsumer
from catalyst_assets.simulator.streams.frames import Message, as_json, as_msgpack
from catalyst_assets.simulator.streams.market_events import ALL, MarketEvents, Wanted
from catalyst_assets.simulator.streams.news_events import NewsEvents
from catalyst_assets.simulator.ticks import NANOSECONDS
from catalyst_assets.simulator.worlds.pricepath import micros

log = structlog.get_logger(__name__)

PREFIX = "/alpaca/data"
MESSAGES_PER_FRAME = 200
CONTROL = "control"
MSGPACK = "application/msgpack"
LIMITED_CHANNELS = ("trades", "quotes")
"""Channels whose subscriptions a plan may limit; bars and the rest are unlimited."""
IMPLIED_BY_TRADES = ("corrections", "cancelErrors")

ERRORS: dict[int, str] = {
    400: "invalid syntax",
    401: "not authenticated",
    402: "auth failed",
    403: "already authenticated",
    404: "auth timeout",
    405: "symbol limit exceeded",
    406: "connection limit exceeded",
    407: "slow client",
    409: "insufficient subscription",
    410: "invalid subscribe action for this feed",
    500: "internal error",
}
"""The vendor's errors by code."""
ENDING = frozenset({402, 404, 406, 407, 409, 500})
"""Errors after which the server closes the connection."""


class StreamError(Exception):
    """An error of :data:`ERRORS` to tell the other side."""

    def __init__(self, code: int) -> None:
        super().__init__(ERRORS[code])
        self.code = code


class Source(Protocol):
    """Where an endpoint's messages come from; times in µs."""

    def horizon(self, after: int, until: int, wanted: Wanted) -> int:
        """Where the next piece of ``(after, until]`` ends."""
        ...

    def between(self, after: int, until: int, wanted: Wanted) -> list[Message]:
        """Messages of ``(after, until]``, in order."""
        ...


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One stream: its name, its channels, its source, how far it lags, whether the plan includes it, most trade and quote
    subscriptions (``None`` = any number)."""

    name: str
    channels: tuple[str, ...]
    source: Source
    delay: timedelta = timedelta(0)
    included: bool = True
    most: int | None = None


class DataStreams:
    """Websocket routes of the data host."""

    def __init__(self, state: Simulation) -> None:
        self.state = state
        self._made: dict[str, Endpoint] = {}

    def routes(self) -> list[WebSocketRoute]:
        """All websocket routes."""
        return [WebSocketRoute(f"{PREFIX}/v2/{name}", self._handler(name)) for name in (IEX, SIP, "delayed_sip")] + [
            WebSocketRoute(f"{PREFIX}/v1beta1/news", self._handler("news"))
        ]

    def endpoint(self, name: str) -> Endpoint:
        """The stream of a name, made on first use."""
        if name not in self._made:
            plan = self.state.plan
            if name == "news":
                self._made[name] = Endpoint(name, news_events.CHANNELS, NewsEvents(self.state))
            else:
                source = MarketEvents(self.state.feed(IEX if name == IEX else SIP))
                self._made[name] = Endpoint(
                    name,
                    market_events.CHANNELS,
                    source,
                    delay=plan.sip_delay if name == "delayed_sip" else timedelta(0),
                    included=plan.sip or name != SIP,
                    most=None if plan.sip else plan.stream_symbols,
                )
        return self._made[name]

    def _handler(self, name: str) -> Callable[[WebSocket], Any]:
        async def serve(socket: WebSocket) -> None:
            await DataSession(self.state, self.endpoint(name), socket).serve()

        return serve


class DataSession:
    """One connection to a data stream, from the greeting to its end."""

    def __init__(self, state: Simulation, endpoint: Endpoint, socket: WebSocket) -> None:
        self.state, self.hub, self.endpoint = state, state.streams, endpoint
        self.packed = socket.headers.get("content-type", "") == MSGPACK
        self.connection = Connection(socket, endpoint.name, self._encode, self.hub.filter_of, self.hub.patience)
        self.wanted: dict[str, frozenset[str]] = {}
        self.authenticated = asyncio.Event()
        self._told_until = self._now()
        self._turn = asyncio.Lock()

    def _now(self) -> int:
        return micros(self.state.exchange.now - self.endpoint.delay)

    def _encode(self, messages: Sequence[Message]) -> list[str | bytes]:
        encode: Callable[[Any], str | bytes] = as_msgpack if self.packed else as_json
        if messages[0].channel == CONTROL:  # always in arrays of one
            return [encode([message.body]) for message in messages]
        size = MESSAGES_PER_FRAME
        return [encode([message.body for message in messages[k : k + size]]) for k in range(0, len(messages), size)]

    async def _control(self, **body: Any) -> None:
        await self.connection.send([Message(self._now() * NANOSECONDS, CONTROL, "", body)])

    # ---------------------------------------------------------------------------------------------------------- life

    async def serve(self) -> None:
        """Greet, then listen and tell until either side ends it."""
        await self.connection.accept()
        tasks: list[asyncio.Task[None]] = []
        try:
            await self._control(T="success", msg="connected")
            headers = self.connection.socket.headers
            if "apca-api-key-id" in headers:
                await self._answer(
                    {
                        "action": "auth",
                        "key": headers["apca-api-key-id"],
                        "secret": headers.get("apca-api-secret-key"),
                    }
                )
            tasks = [asyncio.create_task(work()) for work in (self._listen, self._tell, self._authentication)]
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
            for task in done:
                task.result()
        except Closed:
            pass
        except StreamError as error:
            await self._end(error.code)
        except SlowConsumer:
            log.info("stream_slow_client", endpoint=self.endpoint.name)
            await self._end(407)
        except Exception:
            log.exception("stream_failed", endpoint=self.endpoint.name)
            await self._end(500)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self.hub.leave(self.connection)
            await self.connection.close()

    async def _end(self, code: int) -> None:
        """Tell the last error, if the other side still takes it, and close."""
        if code == 407 or self.connection.open:
            try:
                async with asyncio.timeout(0.5):
                    frame = self._encode([Message(0, CONTROL, "", {"T": "error", "code": code, "msg": ERRORS[code]})])[
                        0
                    ]
                    socket = self.connection.socket
                    await (socket.send_bytes(frame) if isinstance(frame, bytes) else socket.send_text(frame))
            except (TimeoutError, RuntimeError):
                self.connection.abort()

    async def _authentication(self) -> None:
        """Passes when the other side has authenticated in time."""
        try:
            async with asyncio.timeout(self.connection.patience.auth_s):
                await self.authenticated.wait()
        except TimeoutError:
            raise StreamError(404) from None

    # -------------------------------------------------------------------------------------------------------- listen

    async def _listen(self) -> None:
        while True:
            content = await self.connection.receive()
            try:
                await self._answer(self._decode(content))
            except StreamError as error:
                if error.code in ENDING:
                    raise
                await self._control(T="error", code=error.code, msg=ERRORS[error.code])

    def _decode(self, content: str | bytes) -> dict[str, Any]:
        try:
            found = msgpack.unpackb(content) if self.packed else json.loads(content)
        except Exception as error:
            raise StreamError(400) from error
        if not isinstance(found, dict):
            raise StreamError(400)
        return found

    async def _answer(self, asked: dict[str, Any]) -> None:
        action = asked.get("action")
        if action == "auth":
            await self._authenticate(asked)
        elif action in ("subscribe", "unsubscribe"):
            if not self.authenticated.is_set():
                raise StreamError(401)
            await self._subscribe(asked, add=action == "subscribe")
        else:
            raise StreamError(400)

    async def _authenticate(self, asked: dict[str, Any]) -> None:
        if self.authenticated.is_set():
            raise StreamError(403)
        if (asked.get("key"), asked.get("secret")) != (self.state.key, self.state.secret):
            raise StreamError(402)
        if not self.endpoint.included:
            raise StreamError(409)
        if not self.hub.enter(self.connection, self.state.plan.stream_connections):
            raise StreamError(406)
        self.authenticated.set()
        await self._control(T="success", msg="authenticated")

    async def _subscribe(self, asked: dict[str, Any], *, add: bool) -> None:
        """Change the subscriptions; what happened before is told as it was subscribed before."""
        changes = {name: symbols for name, symbols in asked.items() if name != "action"}
        for name, symbols in changes.items():
            if name not in self.endpoint.channels:
                raise StreamError(410)
            if not isinstance(symbols, list) or not all(isinstance(symbol, str) for symbol in symbols):
                raise StreamError(400)
        async with self._turn:
            await self._catch_up()
            after = dict(self.wanted)
            for name, symbols in changes.items():
                chosen = after.get(name, frozenset())
                after[name] = chosen | set(symbols) if add else chosen - set(symbols)
            if "trades" in changes:
                after.update(dict.fromkeys(IMPLIED_BY_TRADES, after["trades"]))
            self._check_limit(after)
            self.wanted = after
            told = {name: sorted(after.get(name, ())) for name in self.endpoint.channels}
            await self._control(T="subscription", **told)

    def _check_limit(self, wanted: Wanted) -> None:
        most = self.endpoint.most
        if most is None:
            return
        limited = [symbol for name in LIMITED_CHANNELS for symbol in wanted.get(name, ())]
        if len(limited) > most or ALL in limited:
            raise StreamError(405)

    # ---------------------------------------------------------------------------------------------------------- tell

    async def _tell(self) -> None:
        with self.hub.listening() as moved:
            while True:
                moved.clear()
                async with self._turn:
                    await self._catch_up()
                    await self.connection.flush()
                await moved.wait()

    async def _catch_up(self) -> None:
        """Tell everything up to the market's now. Raises :class:`SlowConsumer` when sending takes too long in all."""
        before = self.connection.waited_s
        while (now := self._now()) > self._told_until:
            until = self.endpoint.source.horizon(self._told_until, now, self.wanted)
            messages = self.endpoint.source.between(self._told_until, until, self.wanted)
            self._told_until = until
            if messages:
                await self.connection.send(messages)
                if self.connection.waited_s - before > self.connection.patience.behind_s:
                    raise SlowConsumer
            await asyncio.sleep(0)
