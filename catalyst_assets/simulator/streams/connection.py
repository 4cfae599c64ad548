"""One websocket connection: how messages reach it, and when it is given up.

Belongs here: sending in order, the fault seam, slow consumers, closing. Does not belong here: what is sent (the protocols).

Nothing is queued. A connection remembers up to where it has sent and makes the next messages when the ones before are on the wire, so
a slow consumer costs no memory; one that takes no bytes for :attr:`Patience.send_s`, or stays behind for :attr:`Patience.behind_s`,
is dropped.
"""

from __future__ import annotations

import asyncio
import itertools
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from starlette.websockets import WebSocket, WebSocketDisconnect

from catalyst_assets.simulator.streams.frames import Cut, FrameFilter, HoldingFilter, Message, Pause, Peer, Step

log = structlog.get_logger(__name__)
_numbers = itertools.count(1)
SEND_BUFFER_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class Patience:
    """Real seconds: for the authentication after connecting, for one frame to leave, for a consumer that stays behind."""

    auth_s: float = 10.0
    send_s: float = 5.0
    behind_s: float = 30.0


class Closed(Exception):
    """The connection is over; nothing more can be sent."""


class SlowConsumer(Exception):
    """The other side does not take what is sent."""


class Connection:
    """The sending half of a websocket. ``encode`` turns a batch of messages into the frames of the protocol; ``filters`` gives the
    fault of the endpoint, asked anew for every batch."""

    def __init__(
        self,
        websocket: WebSocket,
        endpoint: str,
        encode: Callable[[Sequence[Message]], list[str | bytes]],
        filters: Callable[[str], FrameFilter | None],
        patience: Patience,
    ) -> None:
        self.socket = websocket
        self.peer = Peer(endpoint, next(_numbers))
        self.patience = patience
        self.open = True
        self.waited_s = 0.0
        """Real seconds its frames have waited for the other side so far."""
        self._encode = encode
        self._filters = filters
        self._sending = asyncio.Lock()

    async def accept(self) -> None:
        """Complete the handshake. The kernel's share of what waits is kept small, so that a slow consumer is noticed soon."""
        await self.socket.accept()
        transport = transport_of(self.socket)
        below = transport.get_extra_info("socket") if transport is not None else None
        if below is not None:
            below.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)

    async def send(self, messages: Sequence[Message]) -> None:
        """Send a batch, through the endpoint's fault when it has one. Raises :class:`Closed` and :class:`SlowConsumer`."""
        if not messages:
            return
        chosen = self._filters(self.peer.endpoint)
        async with self._sending:
            if chosen is None:
                await self._write(messages)
            else:
                await self._take(chosen(self.peer, messages))

    async def flush(self) -> None:
        """The market has moved: send what a fault held back until now. Raises as :meth:`send`."""
        chosen = self._filters(self.peer.endpoint)
        if isinstance(chosen, HoldingFilter):
            async with self._sending:
                await self._take(chosen.due(self.peer))

    async def _take(self, steps: Sequence[Step]) -> None:
        batch: list[Message] = []
        for step in steps:
            if isinstance(step, Message):
                batch.append(step)
                continue
            await self._write(batch)
            batch = []
            if isinstance(step, Pause):
                await asyncio.sleep(step.seconds)
            elif isinstance(step, Cut):
                self.abort()
                raise Closed
        await self._write(batch)

    async def _write(self, messages: Sequence[Message]) -> None:
        for frame in self._encode(messages) if messages else ():
            if not self.open:
                raise Closed
            begun = asyncio.get_running_loop().time()
            try:
                async with asyncio.timeout(self.patience.send_s):
                    if isinstance(frame, bytes):
                        await self.socket.send_bytes(frame)
                    else:
                        await self.socket.send_text(frame)
            except TimeoutError:
                raise SlowConsumer from None
            except (WebSocketDisconnect, RuntimeError) as error:  # Starlette's words for a socket that is gone
                self.open = False
                raise Closed from error
            self.waited_s += asyncio.get_running_loop().time() - begun

    async def receive(self) -> str | bytes:
        """The next message of the other side, whole. Raises :class:`Closed`."""
        try:
            event = await self.socket.receive()
        except RuntimeError as error:
            raise Closed from error
        if event["type"] == "websocket.disconnect":
            self.open = False
            raise Closed
        text = event.get("text")
        content: str | bytes = text if text is not None else event["bytes"]
        return content

    async def close(self, code: int = 1000) -> None:
        """Close politely; at once when the other side takes nothing."""
        if not self.open:
            return
        self.open = False
        try:
            async with asyncio.timeout(1.0):
                await self.socket.close(code)
        except (TimeoutError, RuntimeError, WebSocketDisconnect):
            self.abort()

    def abort(self) -> None:
        """Cut the connection without a closing handshake."""
        self.open = False
        transport = transport_of(self.socket)
        if transport is not None:
            transport.abort()


def transport_of(websocket: WebSocket) -> Any:
    """The transport below a websocket served by uvicorn, ``None`` in front of an in-process test client."""
    inner: Any = websocket._receive  # Starlette has no public way to it, and ASGI no message for a cut connection
    return getattr(getattr(inner, "__self__", None), "transport", None)
