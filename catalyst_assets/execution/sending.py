"""Talking to the broker about one order: send, look up, change, cancel and wait.

Belongs here: what each answer and each silence of the broker means for the journal row. Does not belong here: why the order exists.

A request is never repeated blindly: after a silence the order is looked up by its client order id; only an id the broker does not
know may be sent again, and the broker itself refuses a second use of an id.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import Decimal

from catalyst_assets.execution.book import Book
from catalyst_assets.execution.journal import (
    FINAL_STATES,
    IllegalTransition,
    is_alive,
    observed_leg,
    request_of,
    state_of,
)
from catalyst_assets.execution.station import Station
from catalyst_assets.ports import BrokerError, BrokerOrder, BrokerUnavailable, OrderRefused, OrderStateUnknown
from catalyst_assets.storage.trade_rows import JournalOrder


def observe(book: Book, row: JournalOrder, order: BrokerOrder, now: datetime) -> None:
    """Bring a journal row, and the rows of its legs, to what the broker says. New legs become rows.

    Raises :class:`~.journal.IllegalTransition` when the broker's story contradicts the journal.
    """
    if row.state == "planned":
        row.sent_at = row.sent_at or order.submitted_at
        book.move_order(row, "sent", now, "found at the broker")
    book.know_broker_id(row, order.order_id, now)
    if row.answered_at is None:
        row.answered_at = now
        book.touch_order(row, now)
    filled = int(order.filled_qty)
    if filled != row.filled_qty or (filled and order.filled_avg_price != row.filled_avg_price):
        row.filled_qty, row.filled_avg_price = filled, order.filled_avg_price
        book.touch_order(row, now)
        if row.state == "partially_filled" and state_of(order, row.state) == "partially_filled":
            trade = book.trades.get(row.trade_id or "")
            book.event(trade, row, now, "order_partially_filled", f"{filled} of {row.qty} at {order.filled_avg_price}")
    if order.qty != row.qty and order.qty >= 1:
        row.qty = int(order.qty)  # the broker shrinks a leg when its sibling fills in part
        book.touch_order(row, now)
    message = f"{filled} of {row.qty} at {order.filled_avg_price}" if filled else order.raw_status
    book.move_order(row, state_of(order, row.state), now, message)
    for leg in order.legs:
        known = book.by_broker_id(leg.order_id) or book.orders.get(leg.client_order_id)
        if known is None:
            known = observed_leg(row, leg, now)
            book.add_order(known)
        observe(book, known, leg, now)


def observe_or_disagree(book: Book, row: JournalOrder, order: BrokerOrder, now: datetime) -> str | None:
    """As :func:`observe`; a contradiction is filed with the order and returned instead of raised, so that one order's quarrel does not
    keep other positions from being watched."""
    try:
        observe(book, row, order, now)
    except IllegalTransition as error:
        return disagree(book, row, str(error), now)
    return None


def disagree(book: Book, row: JournalOrder, message: str, now: datetime) -> str:
    """File a contradiction between broker and journal, once; the message."""
    if row.limits.get("disagreement") != message:
        row.limits = {**row.limits, "disagreement": message}
        book.touch_order(row, now)
        book.event(book.trades.get(row.trade_id or ""), row, now, "disagreement", message)
    return message


def look_up(station: Station, row: JournalOrder, *, attempts: int) -> tuple[BrokerOrder | None, bool]:
    """The broker's order for a row, and whether the broker answered at all (a silent broker proves nothing)."""
    answered = False
    for attempt in range(attempts):
        if attempt:
            station.pause(station.patience.lookup_pause_seconds)
        try:
            if row.broker_order_id is not None:
                order = station.broker.order(row.broker_order_id)
            else:
                order = station.broker.order_by_client_id(row.client_order_id)
        except (BrokerUnavailable, OrderStateUnknown):
            continue
        answered = True
        if order is not None:
            return order, True
    return None, answered


def refuse(book: Book, row: JournalOrder, now: datetime, reason: str, message: str, code: int | None = None) -> None:
    """File the broker's no with its reason and message."""
    row.refusal = {"reason": reason, "code": code, "message": message}
    row.answered_at = now
    book.move_order(row, "refused", now, message, reason=reason, code=code)


def send(station: Station, book: Book, row: JournalOrder, *, commit: bool = True) -> BrokerOrder | None:
    """Send a planned row whose journal entry is committed; the broker's order, or ``None`` when refused or unknown.

    ``commit``: false leaves the answer to the caller's next commit (the second bracket of a trade does not wait for the first one's
    paperwork). A crash before it leaves a planned row, which recovery looks up at the broker."""
    order = _write(station, book, row, lambda: station.broker.submit(request_of(row)))
    if commit:
        book.commit()
    return order


def replace(
    station: Station, book: Book, row: JournalOrder, old_order_id: str, stop_price: Decimal
) -> BrokerOrder | None:
    """Ask for a moved stop under the planned row's id; the new order, or ``None`` when refused or unknown (the old one stands)."""
    order = _write(
        station,
        book,
        row,
        lambda: station.broker.replace(old_order_id, client_order_id=row.client_order_id, stop_price=stop_price),
    )
    book.commit()
    return order


def _write(station: Station, book: Book, row: JournalOrder, ask: Callable[[], BrokerOrder]) -> BrokerOrder | None:
    row.sent_at = station.now()
    book.move_order(row, "sent", row.sent_at)
    order: BrokerOrder | None = None
    try:
        order = ask()
    except OrderRefused as error:
        if error.reason == "duplicate_id":  # it landed the first time
            order, _ = look_up(station, row, attempts=station.patience.lookup_attempts)
            if order is None:
                book.move_order(
                    row, "unknown", station.now(), "the broker says the id is used, but does not show the order"
                )
        else:
            refuse(book, row, station.now(), error.reason, str(error), error.code)
    except OrderStateUnknown as error:
        order, _ = look_up(station, row, attempts=station.patience.lookup_attempts)
        if order is None:
            book.move_order(row, "unknown", station.now(), str(error))
    except BrokerUnavailable as error:
        refuse(book, row, station.now(), "unavailable", str(error))
    if order is not None:
        observe_or_disagree(book, row, order, station.now())
    return order


def ask_cancel(station: Station, book: Book, row: JournalOrder, why: str) -> None:
    """Ask the broker to cancel; the answer is asynchronous. A no (already final) is recorded, the next look shows the truth."""
    if row.broker_order_id is None:
        return
    trade = book.trades.get(row.trade_id or "")
    try:
        station.broker.cancel(row.broker_order_id)
        book.event(trade, row, station.now(), "cancel_asked", why)
    except BrokerError as error:
        book.event(trade, row, station.now(), "cancel_failed", str(error), why=why)


def cancel_and_wait(station: Station, book: Book, rows: Sequence[JournalOrder], why: str) -> bool:
    """Cancel orders and look until every one is final; ``False`` when some are not after ``execution.cancel_polls`` looks.

    Cancelling one order of a group cancels the rest of it, so each is asked only while it still looks alive.
    """
    pending = [row for row in rows if is_alive(row) and row.broker_order_id is not None]
    for row in pending:
        look(station, book, row)
        if row.state not in FINAL_STATES and row.state != "pending_cancel":
            ask_cancel(station, book, row, why)
    for attempt in range(station.patience.cancel_polls):
        for row in pending:
            if is_alive(row):
                look(station, book, row)
        if not any(is_alive(row) for row in pending):
            return True
        if attempt + 1 < station.patience.cancel_polls:
            station.pause(station.patience.cancel_poll_seconds)
    return False


def look(station: Station, book: Book, row: JournalOrder) -> None:
    """Ask the broker about one order and file the answer; silence changes nothing."""
    order, _ = look_up(station, row, attempts=1)
    if order is not None:
        observe_or_disagree(book, row, order, station.now())
