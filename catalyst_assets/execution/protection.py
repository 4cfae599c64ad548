"""No filled share without a stop resting at the broker, from the first share to the last.

Belongs here: counting covered shares and covering the rest, and ending entries that take too long. Does not belong here: moving stops
with the price (``watch.py``).

The legs of a bracket protect only after its entry is completely filled. A partly filled entry is given a moment to finish, then its
rest is cancelled and the filled shares get their own stop and target (OCO). Cancelling first matters: were the entry to fill completely
beside the OCO, its legs would wake up and the same shares could be sold twice. When no stop can be placed at all, the shares are sold.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

from catalyst_assets.execution.book import Book
from catalyst_assets.execution.journal import UNSURE_STATES, is_alive, is_stop, plan, remaining
from catalyst_assets.execution.leaving import cancel_entries, leave
from catalyst_assets.execution.sending import cancel_and_wait, look, send
from catalyst_assets.execution.station import Station
from catalyst_assets.ports import OrderClass, OrderType
from catalyst_assets.storage.trade_rows import JournalOrder, TradeRecord
from catalyst_assets.trading.prices import round_down

_COVERING_STATES = frozenset({"accepted", "partially_filled"})
_WORKING_STATES = frozenset({"accepted", "partially_filled", "filled"})


def covers(book: Book, row: JournalOrder) -> int:
    """Shares a stop order protects now.

    A working stop covers what it has not sold yet. A ``held`` one is the armed half of its group as soon as the bracket's entry is
    completely filled or the OCO's target works (Alpaca shows it as held all its life); before that it protects nothing.
    """
    if not is_stop(row) or not is_alive(row):
        return 0
    if row.state in _COVERING_STATES:
        return remaining(row)
    if row.state != "held":
        return 0
    parent = book.orders.get(row.parent_client_order_id or "")
    if parent is None:
        return 0
    armed = parent.state == "filled" if parent.purpose == "entry" else parent.state in _WORKING_STATES
    return remaining(row) if armed else 0


def held_now(book: Book, trade: TradeRecord) -> int:
    """Shares of the trade by its orders, unsigned."""
    orders = book.orders_of(trade)
    entered = sum(row.filled_qty for row in orders if row.purpose == "entry")
    return entered - sum(row.filled_qty for row in orders if row.purpose != "entry")


def uncovered(book: Book, trade: TradeRecord) -> int:
    """Shares held that no resting stop and no working exit covers; negative when more is covered than held.

    An exit whose fate is unknown covers nothing: a stop placed beside it is safe, because the broker reserves shares for only one.
    """
    orders = book.orders_of(trade)
    covered = sum(covers(book, row) for row in orders)
    exits = (row for row in orders if row.purpose in ("exit", "flatten") and row.state not in UNSURE_STATES)
    leaving = sum(remaining(row) for row in exits if is_alive(row))
    return held_now(book, trade) - covered - leaving


def end_late_entries(station: Station, book: Book, now: datetime) -> list[str]:
    """Cancel entries older than ``position.entry_timeout_seconds``, and entries of trades that already sold shares; their ids."""
    limit = timedelta(seconds=station.config.position.entry_timeout_seconds)
    ended: list[str] = []
    for trade in book.live_trades():
        entries = [
            row for row in book.alive_orders(trade) if row.purpose == "entry" and row.broker_order_id is not None
        ]
        sold = any(row.filled_qty for row in book.orders_of(trade) if row.purpose != "entry")
        late = [row for row in entries if now - (row.sent_at or row.planned_at) >= limit or sold]
        if late:
            why = "the trade already sold shares" if sold else f"not filled within {limit.total_seconds():.0f} s"
            cancel_and_wait(station, book, late, why)
            ended.extend(row.client_order_id for row in late)
    if ended:
        book.commit()
    return ended


def protect(station: Station, book: Book) -> list[str]:
    """Cover every uncovered share of every live trade; ids of the trades that needed it. The book must be synchronised."""
    needed: list[str] = []
    for trade in book.live_trades():
        if trade.status == "exiting":
            if held_now(book, trade) > 0 and uncovered(book, trade) > 0:
                leave(station, book, trade, trade.exit_reason or "exit", "the exit is tried again")
                needed.append(trade.trade_id)
                if uncovered(book, trade) > 0:  # still not out: at least a stop must rest
                    _cover(station, book, trade)
            continue
        missing = uncovered(book, trade)
        if missing > 0:
            needed.append(trade.trade_id)
            if not _cover(station, book, trade):
                leave(station, book, trade, "unprotected", "no stop could be placed: the shares are sold")
        elif missing < 0:
            _release_surplus(station, book, trade, -missing)
    if needed:
        book.commit()
    return needed


def _cover(station: Station, book: Book, trade: TradeRecord) -> bool:
    """Place an OCO for what is uncovered once the entry has ended; gives up other exits when they reserve the shares. ``True`` when
    everything is covered or an order's fate is unknown (a second stop beside it would sell the shares twice)."""
    if not _entry_finishes(station, book, trade):
        cancel_entries(
            station, book, trade, "its filled shares need a stop, which the bracket only gives to a complete fill"
        )
    missing = uncovered(book, trade)
    if missing <= 0:
        return True
    row = _send_oco(station, book, trade, missing)
    if (row.refusal or {}).get("reason") == "reserved_shares":
        in_the_way = [
            other
            for other in book.alive_orders(trade)
            if other.purpose in ("protect", "trail") and not covers(book, other)
        ]
        if cancel_and_wait(station, book, in_the_way, "it reserves shares that need a stop"):
            missing = uncovered(book, trade)
            if missing <= 0:
                return True
            row = _send_oco(station, book, trade, missing)
    return row.state != "refused"


def _entry_finishes(station: Station, book: Book, trade: TradeRecord) -> bool:
    """Look for a moment whether the entry completes by itself (most partial fills last milliseconds); ``True`` when none is open."""
    looks = max(station.patience.cancel_polls // 2, 1)
    for attempt in range(looks):
        entries = [row for row in book.alive_orders(trade) if row.purpose == "entry"]
        if not entries:
            return True
        if attempt:
            station.pause(station.patience.cancel_poll_seconds)
        for row in entries:
            look(station, book, row)
        if uncovered(book, trade) <= 0:
            return True
    return False


def _send_oco(station: Station, book: Book, trade: TradeRecord, qty: int) -> JournalOrder:
    number = 1 + sum(
        1 for row in book.orders_of(trade) if row.purpose == "protect" and row.order_class == "oco" and row.take_profit
    )
    stop = trade.stop_now if trade.stop_now is not None else trade.stop_plan
    target = _target(book, trade)
    now = station.now()
    row = plan(
        trade,
        "protect",
        f"p{number}.target",
        attempt=1,
        side=trade.exit_side,
        qty=qty,
        now=now,
        decision_time=now,
        why=f"{qty} shares had no stop",
        order_type=OrderType.LIMIT,
        order_class=OrderClass.OCO,
        take_profit=target,
        stop_loss=round_down(stop),
    )
    book.add_order(row)
    book.commit()
    send(station, book, row)
    return row


def _target(book: Book, trade: TradeRecord) -> Decimal | None:
    """Target 1 until shares have left at it, then target 2: the plan of the signal."""
    first_done = any(row.filled_qty and row.leg == "a.target" for row in book.orders_of(trade))
    return trade.target2 if first_done and trade.target2 is not None else trade.target1


def _release_surplus(station: Station, book: Book, trade: TradeRecord, surplus: int) -> None:
    """Cancel stops made for a partial fill once the bracket's own legs protect the same shares: a share is only sold once."""
    for row in book.alive_orders(trade):
        group = row.purpose == "protect" and row.order_class == "oco" and row.take_profit is not None
        if group and remaining(row) <= surplus:
            cancel_and_wait(station, book, [row], "the bracket's own stop now protects these shares")
            surplus -= remaining(row)
