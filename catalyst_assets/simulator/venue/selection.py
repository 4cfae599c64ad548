"""Choosing orders for a list: which, in which sequence, how many; stops looking as soon as it has enough.

Belongs here: the query and how it is answered from the exchange's own lists. Does not belong here: parameters as text (``routes``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from catalyst_assets.simulator.venue.orders import Order


@dataclass(frozen=True, slots=True)
class OrderQuery:
    """``status`` is open, closed or all; ``after`` and ``until`` are exclusive bounds of ``submitted_at`` (UTC); the order ids are
    exclusive bounds too, by when those orders came. ``nested`` asks for groups, otherwise legs are rows of their own."""

    status: str = "open"
    symbols: frozenset[str] = frozenset()
    side: str | None = None
    after: datetime | None = None
    until: datetime | None = None
    before_order_id: str | None = None
    after_order_id: str | None = None
    ascending: bool = False
    nested: bool = False
    limit: int = 50


def _rows(roots: Iterable[Order], query: OrderQuery) -> Iterator[Order]:
    for root in roots:
        if query.nested or not root.legs:
            yield root
        elif query.ascending:
            yield from (root, *root.legs)
        else:
            yield from (*reversed(root.legs), root)


def select(
    roots: Sequence[Order], query: OrderQuery, after_sequence: int | None, before_sequence: int | None
) -> list[Order]:
    """The chosen orders (not copies) out of ``roots``, which are parents, oldest first."""

    def alive(order: Order) -> bool:
        return order.is_open or (query.nested and any(leg.is_open for leg in order.legs))

    found: list[Order] = []
    for order in _rows(roots if query.ascending else reversed(roots), query):
        if query.status != "all" and alive(order) != (query.status == "open"):
            continue
        if query.symbols and order.symbol not in query.symbols:
            continue
        if query.side and order.side != query.side:
            continue
        if query.after is not None and order.submitted_at <= query.after:
            if not query.ascending and order.parent_id is None:
                break
            continue
        if query.until is not None and order.submitted_at >= query.until:
            continue
        if after_sequence is not None and order.sequence <= after_sequence:
            continue
        if before_sequence is not None and order.sequence >= before_sequence:
            continue
        found.append(order)
        if len(found) == query.limit:
            break
    return found
