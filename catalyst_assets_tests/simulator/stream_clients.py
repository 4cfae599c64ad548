"""Websocket clients for tests: a plain one that speaks frames, and alpaca-py's own stream classes in a thread.

Belongs here: connecting, waiting, stopping. Does not belong here: assertions.
"""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import msgpack
import requests
from websockets.sync.client import ClientConnection, connect

from catalyst_assets.simulator.server import RunningServer

KEYS = {"key": "sim-key", "secret": "sim-secret"}
WAIT = 10.0


def address(server: RunningServer, path: str) -> str:
    """The websocket address of a path."""
    return server.base_url.replace("http", "ws", 1) + path


def until(condition: Callable[[], bool], seconds: float = WAIT) -> bool:
    """Wait until ``condition`` holds; false when it does not in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.005)
    return True


def step(server: RunningServer, **body: Any) -> dict[str, Any]:
    """``POST /simulator/clock``."""
    answer = requests.post(f"{server.base_url}/simulator/clock", json=body, timeout=10)
    assert answer.status_code == 200, answer.text
    return answer.json()


class Client:
    """A data stream connection; ``packed`` speaks MessagePack. Frames are lists of messages."""

    def __init__(self, socket: ClientConnection, packed: bool) -> None:
        self.socket, self.packed = socket, packed

    def send(self, **message: Any) -> None:
        self.socket.send(msgpack.packb(message) if self.packed else json.dumps(message))

    def raw(self, content: str | bytes) -> None:
        self.socket.send(content)

    def receive(self, timeout: float = WAIT) -> list[dict[str, Any]]:
        content = self.socket.recv(timeout=timeout)
        assert isinstance(content, bytes) == self.packed
        return msgpack.unpackb(content) if self.packed else json.loads(content)

    def ask(self, **message: Any) -> dict[str, Any]:
        """Send, and the control message that answers."""
        self.send(**message)
        while True:
            found = self.receive()
            if found[0]["T"] in ("success", "error", "subscription"):
                assert len(found) == 1
                return found[0]

    def messages(self, enough: Callable[[list[dict[str, Any]]], bool], timeout: float = WAIT) -> list[dict[str, Any]]:
        """Data messages until ``enough`` of them are there."""
        found: list[dict[str, Any]] = []
        deadline = time.monotonic() + timeout
        while not enough(found):
            found += self.receive(max(deadline - time.monotonic(), 0.01))
        return found

    def rest(self, seconds: float = 0.15) -> list[dict[str, Any]]:
        """Data messages until nothing arrives for a while."""
        found: list[dict[str, Any]] = []
        while True:
            try:
                found += self.receive(seconds)
            except TimeoutError:
                return found

    def quiet(self, seconds: float = 0.15) -> bool:
        """True when nothing arrives for a while."""
        return not self.rest(seconds)


@contextmanager
def open_stream(
    server: RunningServer, path: str = "/alpaca/data/v2/iex", *, packed: bool = False, auth: bool = True, **headers: str
) -> Iterator[Client]:
    """A connection that has been greeted (and authenticated). Waits for the one before to be gone."""
    name = path.rsplit("/", 1)[1]
    until(lambda: not server.simulation.streams.connected(name))
    extra = {"Content-Type": "application/msgpack"} if packed else {}
    with connect(address(server, path), additional_headers={**extra, **headers}, compression=None) as socket:
        client = Client(socket, packed)
        assert client.receive() == [{"T": "success", "msg": "connected"}]
        if auth:
            assert client.ask(action="auth", **KEYS) == {"T": "success", "msg": "authenticated"}
        yield client


@contextmanager
def running(stream: Any) -> Iterator[Any]:
    """One of alpaca-py's streams, subscribed before, run in a thread until the end of the block."""
    thread = threading.Thread(target=stream.run, name=type(stream).__name__, daemon=True)
    thread.start()
    assert until(lambda: stream._running), "the stream did not connect"
    try:
        yield stream
    finally:
        # stop() alone is noticed only when the running receive ends, up to five seconds later.
        async def leave() -> None:
            await stream.stop_ws()
            await stream._ws.close()

        asyncio.run_coroutine_threadsafe(leave(), stream._loop).result(5)
        thread.join(5)
        assert not thread.is_alive()
