"""The order event feed: what happened to which order, in order, for whoever listens (the stream of trade updates, tests).

Belongs here: the event value and the list of listeners. Does not belong here: when an event happens (``engine``, ``exchange``)
and how a vendor writes it (``routes``).
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from types import TracebackType

from catalyst_assets.simulator.venue.orders import Order

_NAMESPACE = uuid.UUID("1f0c8f3e-8a37-5c63-9b35-2f9d6a1f4e70")

EVENTS = frozenset(
    {
        "pending_new",
        "accepted",
        "held",
        "new",
        "partial_fill",
        "fill",
        "restated",
        "pending_cancel",
        "canceled",
        "order_cancel_rejected",
        "pending_replace",
        "replaced",
        "order_replace_rejected",
        "expired",
        "done_for_day",
        "rejected",
    }
)
"""Every name an event can have: Alpaca's words. ``held`` is a leg that waits; ``restated`` an exit whose quantity shrank because
its sibling filled partly."""


@dataclass(frozen=True, slots=True)
class OrderEvent:
    """One thing that happened to one order.

    ``number`` counts all events of the exchange from 1 without gaps; ``event_id`` is the execution id (a UUID, the same for the
    same seed and calls); ``at`` is the simulated instant, aware UTC. ``order`` is a copy as it stood just after the event: nothing
    changes it later. ``price`` (USD per share) and ``qty`` (shares) are of this execution, ``position_qty`` the signed position
    after it; all three are ``None`` unless the event is ``fill`` or ``partial_fill``.
    """

    number: int
    event: str
    event_id: str
    at: datetime
    order: Order
    price: Decimal | None = None
    qty: Decimal | None = None
    position_qty: Decimal | None = None


Listener = Callable[[OrderEvent], None]


class OrderFeed:
    """Listeners, and the events of the call under way.

    Events are kept until the exchange's public call is finished and then delivered, still under its lock: a listener sees a
    consistent exchange, and one that raises cannot leave an execution half booked. Its exception reaches the caller after all
    listeners got all events.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._listeners: list[Listener] = []
        self._waiting: list[OrderEvent] = []
        self.count = 0

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Deliver every later event to ``listener``; the answer ends that (calling it twice does nothing more)."""
        self._listeners.append(listener)

        def unsubscribe() -> None:
            if listener in self._listeners:
                self._listeners.remove(listener)

        return unsubscribe

    def record(
        self,
        event: str,
        order: Order,
        at: datetime,
        price: Decimal | None = None,
        qty: Decimal | None = None,
        position_qty: Decimal | None = None,
    ) -> None:
        """Note an event for delivery. Numbers go on whether or not somebody listens, so ids do not depend on listeners."""
        self.count += 1
        if not self._listeners:
            return
        event_id = str(uuid.uuid5(_NAMESPACE, f"{self._seed}:{self.count}"))
        self._waiting.append(OrderEvent(self.count, event, event_id, at, order.snapshot(), price, qty, position_qty))

    def deliver(self) -> None:
        """Hand the noted events to the listeners. Raises what the first failing listener raised, after delivery to all."""
        if not self._waiting:
            return
        events, self._waiting = self._waiting, []
        failure: Exception | None = None
        for event in events:
            for listener in tuple(self._listeners):
                try:
                    listener(event)
                except Exception as error:  # noqa: BLE001 - kept and raised again below, after the others were told
                    failure = failure or error
        if failure is not None:
            raise failure


class Turn:
    """``with Turn(lock, feed):`` one public call of the exchange: holds the lock, delivers the events at its end."""

    __slots__ = ("_feed", "_lock")

    def __init__(self, lock: threading.RLock, feed: OrderFeed) -> None:
        self._lock = lock
        self._feed = feed

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        try:
            self._feed.deliver()
        finally:
            self._lock.release()
