"""The simulator's faults on its websockets: the frame filter of every connection, made from ``faults.streams``.

Belongs here: between the streams' seam (``frames.FrameFilter``) and the faults. Does not belong here: what a fault does
(``faults.streams``), sockets (``connection``).

A rule's route is ``STREAM /<stream>/<channel>``: ``STREAM /trading/trade_updates``, ``STREAM /iex/bars``, ``STREAM */quotes``. An
event's own instant counts for ``from``, ``until`` and delays, so that a stepped clock and a running one meet the same faults.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from catalyst_assets.simulator.faults.armed import Faults
from catalyst_assets.simulator.faults.streams import Frame, StreamFaults
from catalyst_assets.simulator.faults.table import Phase
from catalyst_assets.simulator.streams.frames import Cut, Message, Peer, Step
from catalyst_assets.simulator.ticks import NANOSECONDS
from catalyst_assets.simulator.worlds.pricepath import instant

VENDOR = "alpaca"
CONTROL_CHANNELS = frozenset({"control"})
"""Answers to the client; only a mute socket swallows them."""
REMEMBERED = 64
"""Connections whose state is kept; each new one forgets the oldest beyond that."""


class FaultFilter:
    """A :class:`frames.HoldingFilter` for all connections of one simulator. ``now`` is the market's instant."""

    def __init__(self, faults: Faults, now: Callable[[], datetime]) -> None:
        self._faults = faults
        self._now = now
        self._connections: dict[Peer, StreamFaults] = {}

    def __call__(self, peer: Peer, messages: Sequence[Message]) -> Sequence[Step]:
        """What of ``messages`` is sent, and of those held before."""
        known = self._connections.get(peer)
        if known is None and not self._faults.watches(VENDOR, Phase.STREAM):
            return messages
        if known is None:
            known = self._connections[peer] = StreamFaults(self._faults, VENDOR)
            for oldest in list(self._connections)[:-REMEMBERED]:
                del self._connections[oldest]
        steps: list[Step] = []
        for message in messages:
            at = instant(message.ns // NANOSECONDS)
            if message.channel in CONTROL_CHANNELS:
                steps += [] if known.is_mute(self._now()) else [message]
                continue
            steps += [held.payload for held in known.due(at)]
            passed = known(_frame(peer, message), at)
            steps += [frame.payload for frame in passed.frames]
            if passed.cut:
                del self._connections[peer]
                return [*steps, Cut()]
        return [*steps, *self.due(peer)]

    def due(self, peer: Peer) -> Sequence[Step]:
        """Held messages whose time has come."""
        known = self._connections.get(peer)
        return [] if known is None else [held.payload for held in known.due(self._now())]


def _frame(peer: Peer, message: Message) -> Frame:
    return Frame(f"{peer.endpoint}/{message.channel}", message, message.symbol or None, _client_order_id(message.body))


def _client_order_id(body: dict[str, Any]) -> str | None:
    """Of an order's event: Alpaca writes the order below ``data``."""
    data = body.get("data", body)
    order = data.get("order") if isinstance(data, dict) else None
    found = order.get("client_order_id") if isinstance(order, dict) else None
    return found if isinstance(found, str) else None
