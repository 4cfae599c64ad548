"""Order groups: bracket, one-cancels-other and one-triggers-other, as sets of linked orders.

Belongs here: making the orders of one request and finding an order's relatives. Does not belong here: when they fill.

As at Alpaca: exits of a bracket are ``held`` until the entry is completely filled; then the take-profit is ``new`` and the stop
stays ``held`` while the engine nevertheless works it, because both share the same shares. An oco's parent is its take-profit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal

from catalyst_assets.simulator.venue.orders import ENTRY, STOP_LOSS, TAKE_PROFIT, NewOrder, Order


def make_group(
    request: NewOrder,
    intent: str,
    *,
    qty: Decimal,
    now: datetime,
    expires_at: datetime,
    status: str,
    new_id: Callable[[], str],
    sequence: int,
) -> list[Order]:
    """The orders of one admitted request: the parent first, then its legs (already linked)."""
    order_class = "" if request.order_class == "simple" else request.order_class

    def order(
        *,
        role: str,
        kind: str,
        side: str,
        position_intent: str,
        limit: Decimal | None,
        stop: Decimal | None,
        state: str,
        armed: bool,
        client_order_id: str | None = None,
        parent: Order | None = None,
    ) -> Order:
        order_id = new_id()
        return Order(
            order_id=order_id,
            client_order_id=client_order_id or new_id(),
            symbol=request.symbol,
            side=side,
            type=kind,
            time_in_force=request.time_in_force,
            order_class=order_class,
            role=role,
            qty=qty,
            notional=request.notional,
            trail_price=request.trail_price,
            trail_percent=request.trail_percent,
            limit_price=limit,
            stop_price=stop,
            extended_hours=request.extended_hours,
            position_intent=position_intent,
            status=state,
            created_at=now,
            submitted_at=now,
            updated_at=now,
            sequence=sequence,
            armed=armed,
            expires_at=expires_at,
            parent_id=parent.order_id if parent else None,
        )

    is_oco = request.order_class == "oco"
    root = order(
        role=TAKE_PROFIT if is_oco else ENTRY,
        kind=request.type,
        side=request.side,
        position_intent=intent,
        limit=request.take_profit_limit if is_oco else request.limit_price,
        stop=request.stop_price,
        state=status,
        armed=True,
        client_order_id=request.client_order_id,
    )
    exit_side = request.side if is_oco else ("sell" if request.side == "buy" else "buy")
    exit_intent = f"{exit_side}_to_close"
    if request.take_profit_limit is not None and not is_oco:
        root.legs.append(
            order(
                role=TAKE_PROFIT,
                kind="limit",
                side=exit_side,
                position_intent=exit_intent,
                limit=request.take_profit_limit,
                stop=None,
                state="held",
                armed=False,
                parent=root,
            )
        )
    if request.stop_loss_stop is not None:
        root.legs.append(
            order(
                role=STOP_LOSS,
                kind="stop" if request.stop_loss_limit is None else "stop_limit",
                side=exit_side,
                position_intent=exit_intent,
                limit=request.stop_loss_limit,
                stop=request.stop_loss_stop,
                state="held",
                armed=is_oco,
                parent=root,
            )
        )
    return [root, *root.legs]


def group_of(root: Order) -> list[Order]:
    """The parent and its legs."""
    return [root, *root.legs]


def exits_of(root: Order) -> list[Order]:
    """The exit orders of a group."""
    return [member for member in group_of(root) if member.role in (TAKE_PROFIT, STOP_LOSS)]


def sibling_exits(order: Order, orders: Mapping[str, Order]) -> list[Order]:
    """The other open exits of an exit order's group; empty for entries."""
    if order.role == ENTRY:
        return []
    root = orders[order.parent_id] if order.parent_id else order
    return [member for member in exits_of(root) if member is not order and member.is_open]


def arm_exits(entry: Order, at: datetime) -> list[Order]:
    """The entry is completely filled at ``at``: its exits start to work. The answer is those that became ``new``."""
    exits = exits_of(entry)
    begun = []
    for leg in exits:
        leg.armed = True
        leg.active_from = max(at, entry.active_from or at)  # not before the entry itself reached the venue
        leg.target_from = at
        leg.updated_at = at
        if leg.role == TAKE_PROFIT or len(exits) == 1:
            leg.status = "new"
            begun.append(leg)
    return begun
