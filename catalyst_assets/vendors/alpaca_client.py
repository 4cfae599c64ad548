"""What Alpaca's three interfaces (trading, data, news) have in common: the client on our session, and reading its errors.

Belongs here: connecting an alpaca-py client and taking an ``APIError`` apart. Does not belong here: any endpoint.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from alpaca.common.exceptions import APIError

from catalyst_assets.vendors.transport import VendorSession


def connect_client(client: Any, session: VendorSession) -> Any:
    """An alpaca-py client on our session: our timeouts, and the library's own repeats (of POSTs too) switched off.

    The constructors have no arguments for either, hence the private names (alpaca-py is pinned to one minor version)."""
    client._session = session
    client._retry = 0
    return client


class PerThread:
    """One client per thread: requests sessions are not promised to be thread-safe, and a lock would let a slow read hold up
    a protective order."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make
        self._local = threading.local()

    def get(self) -> Any:
        """This thread's client."""
        client = getattr(self._local, "client", None)
        if client is None:
            client = self._local.client = self._make()
        return client


def read_api_error(error: APIError) -> tuple[int | None, int | None, str, Any]:
    """``(HTTP status, Alpaca's numeric code or None, message, body)``; a body that is not Alpaca's JSON has no code."""
    status = error.status_code
    try:
        body = error.response.json() if error.response is not None else None
    except ValueError:
        body = None
    if not isinstance(body, dict):
        return status, None, "the answer is not Alpaca's JSON", None
    code = body.get("code")
    known = code if isinstance(code, int) and not isinstance(code, bool) else None
    return status, known, str(body.get("message", "")), body
