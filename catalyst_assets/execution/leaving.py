"""Getting out of a trade: cancel what rests, wait until it is final, sell (or buy back) what is left, until confirmed flat.

Belongs here: the exit of a whole position and the cancelling of entries. Does not belong here: when to leave (``trading/positions.py``).
Every function may be called again after a failure at any point; each call continues from what the broker shows.
"""

from __future__ import annotations

from datetime import datetime

from catalyst_assets.execution.book import Book
from catalyst_assets.execution.journal import UNSURE_STATES, is_alive, plan
from catalyst_assets.execution.sending import cancel_and_wait, look_up, observe, send
from catalyst_assets.execution.station import Station
from catalyst_assets.ports import OrderType
from catalyst_assets.storage.trade_rows import JournalOrder, TradeRecord

FLATTEN_REASONS = frozenset({"close", "flatten"})
"""Reasons journalled with purpose ``flatten``; all other exits have purpose ``exit``."""


def cancel_entries(station: Station, book: Book, trade: TradeRecord, why: str) -> bool:
    """Cancel the trade's entries that may still fill; ``True`` when all are final."""
    entries = [row for row in book.alive_orders(trade) if row.purpose == "entry"]
    done = cancel_and_wait(station, book, entries, why)
    return done and not any(is_alive(row) for row in entries)


def leave(station: Station, book: Book, trade: TradeRecord, reason: str, message: str) -> None:
    """Exit the whole trade for ``reason``; committed before anything is sent. Call again until the trade is closed.

    While an exit order works, nothing more is sent. A refused exit (reserved shares, wash trade) is tried again next time under the
    next attempt's id.
    """
    now = station.now()
    if trade.status != "exiting":
        trade.exit_reason = reason
        book.move_trade(trade, "exiting", now, message, reason=reason)
        book.commit()
    reason = trade.exit_reason or reason
    if _exit_is_working(station, book, trade):
        return
    resting = [row for row in book.alive_orders(trade) if row.purpose not in ("exit", "flatten")]
    entries_first = sorted(resting, key=lambda row: row.purpose != "entry")
    settled = cancel_and_wait(station, book, entries_first, f"leaving: {reason}")
    if not settled:
        book.event(trade, None, station.now(), "exit_waits", "some orders are not final yet; the exit is tried again")
        book.commit()
        return
    qty = _to_sell(station, book, trade)
    if qty > 0:
        row = _exit_order(book, trade, reason, message, qty, station.now())
        book.commit()
        send(station, book, row)
    book.commit()


def _exit_is_working(station: Station, book: Book, trade: TradeRecord) -> bool:
    """True when an exit order is at the broker (or may be): look first, never send a second one beside it."""
    for row in book.alive_orders(trade):
        if row.purpose not in ("exit", "flatten") or row.leg == "manual":
            continue
        if row.state in UNSURE_STATES:
            order, answered = look_up(station, row, attempts=1)
            if order is not None:
                observe(book, row, order, station.now())
            elif answered and row.state == "planned":  # written, never sent: send it now, under its own id
                send(station, book, row)
        if is_alive(row):
            return True
    return False


def _to_sell(station: Station, book: Book, trade: TradeRecord) -> int:
    """Shares the trade still holds: what its orders say, never more than the account has."""
    orders = book.orders_of(trade)
    filled = sum(row.filled_qty for row in orders if row.purpose == "entry")
    exited = sum(row.filled_qty for row in orders if row.purpose != "entry")
    account = next((p.qty for p in station.broker.positions() if p.symbol == trade.symbol), None)
    at_broker = int(account * trade.sign) if account is not None else 0
    held = min(filled - exited, at_broker)
    if held <= 0 and filled > exited:
        book.event(
            trade,
            None,
            station.now(),
            "nothing_to_exit",
            f"the account holds {at_broker}, the journal {filled - exited}",
        )
    return max(held, 0)


def _exit_order(book: Book, trade: TradeRecord, reason: str, message: str, qty: int, now: datetime) -> JournalOrder:
    purpose = "flatten" if reason in FLATTEN_REASONS else "exit"
    row = plan(
        trade,
        purpose,
        "x",
        attempt=book.next_attempt(trade, purpose, "x"),
        side=trade.exit_side,
        qty=qty,
        now=now,
        decision_time=now,
        why=message,
        order_type=OrderType.MARKET,
    )
    row.limits = {"reason": reason}
    book.add_order(row)
    return row
