"""The journal of orders: names derived from what an order is for, states, and the transitions that are allowed.

Belongs here: the state table, client order ids, and turning a journal row into a request and a broker's order into a state.
Does not belong here: sending (``sending.py``) and trades (``ledger.py``).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

from catalyst_assets.ports import BrokerOrder, OrderClass, OrderRequest, OrderSide, OrderStatus, OrderType
from catalyst_assets.storage.trade_rows import JournalOrder, TradeRecord

TRANSITIONS: Mapping[str, frozenset[str]] = {
    "planned": frozenset({"sent", "canceled", "refused"}),
    "sent": frozenset(
        {"unknown", "accepted", "held", "partially_filled", "filled", "pending_cancel", "canceled", "expired", "replaced", "refused"}
    ),
    "unknown": frozenset(
        {"accepted", "held", "partially_filled", "filled", "pending_cancel", "canceled", "expired", "replaced", "refused"}
    ),
    "accepted": frozenset({"held", "partially_filled", "filled", "pending_cancel", "canceled", "expired", "replaced", "refused"}),
    "held": frozenset({"accepted", "partially_filled", "filled", "pending_cancel", "canceled", "expired", "replaced", "refused"}),
    "partially_filled": frozenset({"filled", "pending_cancel", "canceled", "expired", "replaced"}),
    "pending_cancel": frozenset({"accepted", "held", "partially_filled", "filled", "canceled", "expired", "replaced"}),
    "filled": frozenset(),
    "canceled": frozenset(),
    "expired": frozenset(),
    "replaced": frozenset(),
    "refused": frozenset(),
}  # fmt: skip
"""State → states it may become. ``planned`` is committed before anything is sent; ``unknown`` means the request may have landed;
``refused`` covers a broker's no, a rejected order and one that provably never landed."""

FINAL_STATES = frozenset(state for state, following in TRANSITIONS.items() if not following)
UNSURE_STATES = frozenset({"planned", "sent", "unknown"})
"""States in which only the broker can say whether the order exists."""

_STATE_OF_STATUS: Mapping[OrderStatus, str] = {
    OrderStatus.PENDING: "accepted",
    OrderStatus.WORKING: "accepted",
    OrderStatus.HELD: "held",
    OrderStatus.PARTIALLY_FILLED: "partially_filled",
    OrderStatus.FILLED: "filled",
    OrderStatus.CANCELED: "canceled",
    OrderStatus.EXPIRED: "expired",
    OrderStatus.REPLACED: "replaced",
    OrderStatus.REJECTED: "refused",
    OrderStatus.PENDING_CANCEL: "pending_cancel",
}
_ID_LENGTH = 12


class IllegalTransition(Exception):
    """An order cannot go from its state to that one: our journal and the broker disagree about what happened."""


def check_transition(client_order_id: str, before: str, after: str) -> None:
    """Raises :class:`IllegalTransition` unless the table allows it."""
    if after not in TRANSITIONS[before]:
        raise IllegalTransition(f"order {client_order_id} cannot go from {before} to {after}")


def state_of(order: BrokerOrder, before: str) -> str:
    """The journal state of a broker's order. States the program does not know (and a pending replace) leave a known state as it
    is: the order is alive."""
    state = _STATE_OF_STATUS.get(order.status)
    if state == "accepted" and order.filled_qty > 0:
        return "partially_filled"
    if state is not None:
        return state
    return "accepted" if before in UNSURE_STATES else before


def _digest(*parts: object) -> str:
    return hashlib.sha256("|".join(map(str, parts)).encode()).hexdigest()[:_ID_LENGTH]


def trade_id(signal_id: str, symbol: str) -> str:
    """The id of the one trade of a signal."""
    return f"trade-{symbol}-{_digest('trade', signal_id)}"


def client_order_id(trade: TradeRecord, purpose: str, leg: str, attempt: int) -> str:
    """The id an order is known by for ever: readable, derived from trade, purpose, leg and attempt, at most 128 characters."""
    digest = _digest(trade.scenario, trade.signal_id or trade.trade_id, purpose, leg, attempt)
    return f"cat-{trade.symbol}-{trade.session:%Y%m%d}-{purpose}-{leg}{attempt}-{digest}"


def is_alive(row: JournalOrder) -> bool:
    """True while the order may still fill, as far as we know."""
    return row.state not in FINAL_STATES


def remaining(row: JournalOrder) -> int:
    """Shares not yet filled."""
    return row.qty - row.filled_qty


def is_stop(row: JournalOrder) -> bool:
    """True for a protective stop order (a leg or its replacement)."""
    return row.purpose in ("protect", "trail") and row.order_type in ("stop", "stop_limit")


def plan(
    trade: TradeRecord,
    purpose: str,
    leg: str,
    *,
    attempt: int,
    side: str,
    qty: int,
    now: datetime,
    decision_time: datetime,
    why: str,
    order_type: OrderType,
    order_class: OrderClass = OrderClass.SIMPLE,
    limit_price: Decimal | None = None,
    stop_price: Decimal | None = None,
    take_profit: Decimal | None = None,
    stop_loss: Decimal | None = None,
    parent: str | None = None,
) -> JournalOrder:
    """A journal row in state ``planned``."""
    return JournalOrder(
        client_order_id=client_order_id(trade, purpose, leg, attempt),
        scenario=trade.scenario,
        session=trade.session,
        account_id=trade.account_id,
        trade_id=trade.trade_id,
        signal_id=trade.signal_id,
        decision_time=decision_time,
        symbol=trade.symbol,
        purpose=purpose,
        leg=leg,
        attempt=attempt,
        side=side,
        qty=qty,
        order_type=order_type.value,
        order_class=order_class.value,
        time_in_force="day",
        limit_price=limit_price,
        stop_price=stop_price,
        take_profit=take_profit,
        stop_loss=stop_loss,
        parent_client_order_id=parent,
        state="planned",
        why=why,
        planned_at=now,
        updated_at=now,
    )


def observed_leg(parent: JournalOrder, order: BrokerOrder, now: datetime) -> JournalOrder:
    """The journal row of an exit leg the broker made with its parent. It is filed under a name derived from the parent's (the
    broker's own id of a leg says nothing and repeats between replays); ``broker_order_id`` is what the broker knows it by."""
    role = "stop" if order.type in ("stop", "stop_limit") else "target"
    leg = parent.leg.partition(".")[0] + "." + role
    return JournalOrder(
        client_order_id=f"{parent.client_order_id}.{role}.{_digest(order.order_id)[:6]}",
        scenario=parent.scenario,
        session=parent.session,
        account_id=parent.account_id,
        trade_id=parent.trade_id,
        signal_id=parent.signal_id,
        decision_time=parent.decision_time,
        symbol=parent.symbol,
        purpose="protect",
        leg=leg,
        side=order.side.value,
        qty=int(order.qty),
        order_type=order.type,
        order_class=parent.order_class,
        time_in_force=parent.time_in_force,
        limit_price=order.limit_price,
        stop_price=order.stop_price,
        parent_client_order_id=parent.client_order_id,
        broker_order_id=order.order_id,
        state="sent",
        limits={"broker_client_order_id": order.client_order_id},
        why=f"{role} of {parent.client_order_id}",
        planned_at=parent.planned_at,
        sent_at=parent.sent_at,
        updated_at=now,
    )


def adopted(trade: TradeRecord, order: BrokerOrder, now: datetime) -> JournalOrder:
    """The journal row of an order somebody else made (by hand, at the broker's) that takes shares out of a trade of ours."""
    return JournalOrder(
        client_order_id=f"{trade.trade_id}.manual.{_digest(order.order_id)[:8]}",
        scenario=trade.scenario,
        session=trade.session,
        account_id=trade.account_id,
        trade_id=trade.trade_id,
        signal_id=trade.signal_id,
        decision_time=order.submitted_at,
        symbol=trade.symbol,
        purpose="exit",
        leg="manual",
        side=order.side.value,
        qty=max(int(order.qty), 1),
        order_type=order.type,
        order_class=order.order_class or "simple",
        time_in_force="day",
        limit_price=order.limit_price,
        stop_price=order.stop_price,
        broker_order_id=order.order_id,
        state="sent",
        limits={"broker_client_order_id": order.client_order_id},
        why="an order made outside this program",
        planned_at=order.submitted_at,
        sent_at=order.submitted_at,
        updated_at=now,
    )


def request_of(row: JournalOrder) -> OrderRequest:
    """The request a journal row stands for."""
    return OrderRequest(
        client_order_id=row.client_order_id,
        symbol=row.symbol,
        side=OrderSide(row.side),
        qty=row.qty,
        type=OrderType(row.order_type),
        time_in_force=row.time_in_force,
        order_class=OrderClass(row.order_class),
        limit_price=row.limit_price,
        stop_price=row.stop_price,
        take_profit=row.take_profit,
        stop_loss=row.stop_loss,
    )
