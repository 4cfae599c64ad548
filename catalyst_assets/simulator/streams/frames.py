"""What travels on a stream: messages before encoding, their encodings, and the seam where faults change them.

Belongs here: the values between a stream's source of events and its socket. Does not belong here: which events there are
(``market_events``, ``news_events``, ``order_events``) and protocols (``data_stream``, ``trade_stream``).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import msgpack

from catalyst_assets.simulator.routes.alpaca_points import stamp_ns


@dataclass(frozen=True, slots=True)
class Moment:
    """An instant of a message, ns since the epoch: text in JSON, a Timestamp extension in MessagePack."""

    ns: int


@dataclass(frozen=True, slots=True)
class Message:
    """One message: the instant it belongs to (ns since the epoch, simulated), its channel (``bars``, ``trade_updates``,
    ``control`` …), its symbol (empty when it has none) and its body."""

    ns: int
    channel: str
    symbol: str
    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Pause:
    """A step of a :data:`FrameFilter`: hold everything after it back for so many real seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Cut:
    """A step of a :data:`FrameFilter`: drop the connection without a closing handshake."""


@dataclass(frozen=True, slots=True)
class Peer:
    """Which connection messages go to: the endpoint (``trading``, ``iex``, ``sip``, ``news``) and a number that counts up."""

    endpoint: str
    number: int


Step = Message | Pause | Cut
FrameFilter = Callable[[Peer, Sequence[Message]], Sequence[Step]]
"""Messages in, steps out, asked for every batch (control messages too) in the order of sending: leave messages out to drop or mute,
repeat or reorder them, put a :class:`Pause` or a :class:`Cut` between. It may keep messages and return them later; what it raises ends
the connection with the vendor's 500."""


@runtime_checkable
class HoldingFilter(Protocol):
    """A :data:`FrameFilter` that keeps messages until an instant: also asked when the market has moved and nothing is sent."""

    def __call__(self, peer: Peer, messages: Sequence[Message]) -> Sequence[Step]: ...

    def due(self, peer: Peer) -> Sequence[Step]:
        """Kept messages whose time has come."""
        ...


def plain(value: Any) -> Any:
    """A body for JSON: moments as RFC 3339 text."""
    if isinstance(value, Moment):
        return stamp_ns(value.ns)
    raise TypeError(f"{type(value).__name__} is no JSON")


def _extension(value: Any) -> Any:
    if isinstance(value, Moment):
        return msgpack.Timestamp(*divmod(value.ns, 1_000_000_000))
    raise TypeError(f"{type(value).__name__} is no MessagePack")


def as_json(content: Any) -> str:
    """JSON text."""
    return json.dumps(content, default=plain, allow_nan=False, separators=(",", ":"))


def as_msgpack(content: Any) -> bytes:
    """MessagePack."""
    packed: bytes = msgpack.packb(content, default=_extension)
    return packed
