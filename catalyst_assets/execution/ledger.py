"""From orders and fills to trades: prices, quantities, status, exit reason, profit and loss. Pure arithmetic on rows.

Belongs here: what follows from the journal and the fills. Does not belong here: reading the broker (``synchronise.py``).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from catalyst_assets.execution.journal import UNSURE_STATES, is_alive, is_stop
from catalyst_assets.storage.trade_rows import FillRow, JournalOrder, TradeRecord

CENT = Decimal("0.01")
PRICE_STEP = Decimal("0.000001")


@dataclass(frozen=True, slots=True)
class Executed:
    """What an order has done: shares, their cost in USD, first and last execution (``None`` when nothing filled)."""

    qty: int
    value: Decimal
    first_at: datetime | None
    last_at: datetime | None


def executed(order: JournalOrder, fills: Iterable[FillRow]) -> Executed:
    """The order's executions: exact from its fills when they add up to what the broker says is filled, else from its average."""
    if order.filled_qty == 0:
        return Executed(0, Decimal(0), None, None)
    own = list(fills)
    times = [fill.filled_at for fill in own]
    first, last = (min(times), max(times)) if times else (order.updated_at, order.updated_at)
    if sum((fill.qty for fill in own), Decimal(0)) == order.filled_qty:
        return Executed(order.filled_qty, sum((fill.qty * fill.price for fill in own), Decimal(0)), first, last)
    return Executed(order.filled_qty, order.filled_qty * (order.filled_avg_price or Decimal(0)), first, last)


def exit_reason(trade: TradeRecord, order: JournalOrder) -> str:
    """Why the shares of this exit order left: ``target1``, ``target2``, ``stop``, ``trail``, ``manual`` or what the exit was decided
    for (``time``, ``news``, ``close``, ``flatten`` …)."""
    if order.leg == "manual":
        return "manual"
    if order.purpose in ("exit", "flatten"):
        return str(order.limits.get("reason") or trade.exit_reason or order.purpose)
    if is_stop(order):
        moved = order.stop_price is not None and (order.stop_price - trade.stop_plan) * trade.sign > 0
        return "trail" if order.purpose == "trail" or moved else "stop"
    price = order.limit_price if order.limit_price is not None else order.take_profit
    second = price is not None and price == trade.target2 and trade.target2 != trade.target1
    return "target2" if second or order.leg.startswith("b") else "target1"


def resting_stop(trade: TradeRecord, orders: Sequence[JournalOrder]) -> Decimal | None:
    """The loosest stop price resting for the trade, ``None`` when there is none."""
    prices = [
        order.stop_price for order in orders if is_stop(order) and is_alive(order) and order.stop_price is not None
    ]
    if not prices:
        return None
    return min(prices) if trade.sign > 0 else max(prices)


@dataclass(frozen=True, slots=True)
class TradeFacts:
    """What the orders say about a trade."""

    status: str
    filled_qty: int
    exited_qty: int
    oversold: int
    """Shares exited beyond those filled: the account holds the opposite position."""
    entry_price: Decimal | None
    entry_time: datetime | None
    exit_price: Decimal | None
    exit_time: datetime | None
    exit_reason: str | None
    stop_now: Decimal | None
    gross: Decimal | None


def facts(trade: TradeRecord, orders: Sequence[JournalOrder], fills_of: dict[str, list[FillRow]]) -> TradeFacts:
    """A trade as its orders and fills tell it. Prices are volume-weighted; ``gross`` is the closed trade's result before fees."""
    entries = [order for order in orders if order.purpose == "entry"]
    exits = [order for order in orders if order.purpose != "entry"]
    entered = [executed(order, fills_of.get(order.client_order_id, ())) for order in entries]
    left = [(order, executed(order, fills_of.get(order.client_order_id, ()))) for order in exits if order.filled_qty]
    filled = sum(item.qty for item in entered)
    sold = sum(item.qty for _, item in left)
    exited = min(sold, filled)
    spent = sum((item.value for item in entered), Decimal(0))
    got = sum((item.value for _, item in left), Decimal(0))
    entry_times = [item.first_at for item in entered if item.first_at is not None]
    status = _status(trade, entries, filled, exited)
    reason, exit_time = trade.exit_reason, None
    if status == "closed":
        last_order, last = max(left, key=lambda pair: (pair[1].last_at or pair[0].updated_at, pair[0].client_order_id))
        exit_time = last.last_at
        reason = exit_reason(trade, last_order)
    return TradeFacts(
        status=status,
        filled_qty=filled,
        exited_qty=exited,
        oversold=sold - exited,
        entry_price=(spent / filled).quantize(PRICE_STEP) if filled else None,
        entry_time=min(entry_times) if entry_times else None,
        exit_price=(got / sold).quantize(PRICE_STEP) if sold else None,
        exit_time=exit_time,
        exit_reason=reason,
        stop_now=resting_stop(trade, orders),
        gross=((got - spent) * trade.sign) if status == "closed" else None,
    )


def _status(trade: TradeRecord, entries: Sequence[JournalOrder], filled: int, exited: int) -> str:
    entering = any(is_alive(order) for order in entries)
    if filled == 0:
        if not entering:
            return "refused" if entries and all(order.state == "refused" for order in entries) else "cancelled"
        if trade.status == "exiting":
            return "exiting"
        return "planned" if all(order.state in UNSURE_STATES for order in entries if is_alive(order)) else "entering"
    if exited >= filled and not entering:
        return "closed"
    return "exiting" if trade.status == "exiting" else "open"


def allocate_fees(attributed: dict[str, Decimal], shared: Decimal, sold: dict[str, Decimal]) -> dict[str, Decimal]:
    """Fees by trade in USD: those that name an order of the trade, plus the trade's part of fees that name none.

    ``shared`` is divided by each trade's sales (``sold``, USD) to the cent, the rest of a cent going to the largest.
    """
    fees = dict(attributed)
    total = sum(sold.values(), Decimal(0))
    if shared == 0 or total == 0:
        return fees
    order = sorted(sold, key=lambda trade_id: (-sold[trade_id], trade_id))
    parts = {trade_id: (shared * sold[trade_id] / total).quantize(CENT) for trade_id in order}
    parts[order[0]] += shared - sum(parts.values(), Decimal(0))
    for trade_id, part in parts.items():
        fees[trade_id] = fees.get(trade_id, Decimal(0)) + part
    return fees
