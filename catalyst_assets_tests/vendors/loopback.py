"""A vendor on the loopback address that answers what a test tells it to: real sockets, scripted bodies, faults.

Belongs here: the stub server and the small objects vendor tests share. Does not belong here: a market (``simulator/``).
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit


@dataclass(frozen=True)
class Asked:
    """A request as it arrived."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any


@dataclass(frozen=True)
class Answer:
    """What to answer. ``body`` is JSON unless it is bytes. ``silent``: seconds before anything is said. ``drip``: seconds between
    single bytes of the body. ``hang_up``: close the connection without an answer."""

    status: int = 200
    body: Any = field(default_factory=dict)
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)
    silent: float = 0.0
    drip: float = 0.0
    hang_up: bool = False


HTML = Answer(502, b"<html><body>Bad Gateway</body></html>", "text/html")


class Loopback:
    """``answer`` is called for each request, in the order of arrival; ``asked`` keeps them."""

    def __init__(self, answer: Callable[[Asked], Answer]) -> None:
        self.answer = answer
        self.asked: list[Asked] = []
        self.closing = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self) -> None:
                parts = urlsplit(self.path)
                length = int(self.headers.get("Content-Length") or 0)
                sent = self.rfile.read(length) if length else b""
                asked = Asked(
                    self.command,
                    parts.path,
                    {key: values[0] for key, values in parse_qs(parts.query).items()},
                    {key.lower(): value for key, value in self.headers.items()},
                    json.loads(sent) if sent else None,
                )
                outer.asked.append(asked)
                self.say(outer.answer(asked))

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any

            def say(self, answer: Answer) -> None:
                if answer.silent:
                    outer.closing.wait(answer.silent)
                if answer.hang_up:
                    self.close_connection = True
                    return
                raw = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
                if answer.status == 204:
                    raw = b""
                try:
                    self.send_response(answer.status)
                    self.send_header("Content-Type", answer.content_type)
                    self.send_header("Content-Length", str(len(raw)))
                    for name, value in answer.headers.items():
                        self.send_header(name, value)
                    self.end_headers()
                    if not answer.drip:
                        self.wfile.write(raw)
                        return
                    for at in range(len(raw)):
                        if outer.closing.wait(answer.drip):
                            return
                        self.wfile.write(raw[at : at + 1])
                        self.wfile.flush()
                except OSError:
                    self.close_connection = True  # the client gave up, which is what some tests are about

            def log_message(self, format: str, *args: Any) -> None:
                """Quiet."""

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request: Any, client_address: Any) -> None:
                """Quiet: clients of these tests hang up."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=2)


@contextmanager
def serving(answer: Callable[[Asked], Answer] | Answer) -> Iterator[Loopback]:
    """A loopback vendor for the time of a test."""
    server = Loopback(answer if callable(answer) else lambda asked: answer)
    try:
        yield server
    finally:
        server.close()


class Unlimited:
    """A budget that always says yes and counts."""

    def __init__(self, limit: int | None = None) -> None:
        self.limit = limit
        self.taken: dict[str, int] = {}

    def acquire(self, vendor: str, cost: int = 1, *, wait: float = 0.0) -> bool:
        if self.limit is not None and self.taken.get(vendor, 0) + cost > self.limit:
            return False
        self.taken[vendor] = self.taken.get(vendor, 0) + cost
        return True


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Fails when the block takes longer."""
    started = time.monotonic()
    yield
    took = time.monotonic() - started
    assert took < seconds, f"took {took:.2f} s, allowed {seconds} s"
