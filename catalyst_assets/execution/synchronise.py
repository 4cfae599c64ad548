"""Agreement with the broker: its orders, fills and fees become our journal, fills and trades.

Belongs here: reading the broker and filing what it says; running it twice changes nothing. Does not belong here: any order. Where the
broker's story contradicts the journal the contradiction is filed and returned: no new entries until a person has looked.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from catalyst_assets.execution.book import Book
from catalyst_assets.execution.journal import UNSURE_STATES, adopted, is_alive
from catalyst_assets.execution.ledger import allocate_fees, executed, facts
from catalyst_assets.execution.reconcile import flat
from catalyst_assets.execution.sending import disagree, look_up, observe_or_disagree, refuse
from catalyst_assets.execution.station import Station
from catalyst_assets.ports import BrokerOrder
from catalyst_assets.storage.trade_rows import FillRow, JournalOrder, TradeRecord

CLOCK_MARGIN = timedelta(minutes=1)
"""Orders are read from this long before the first one expected: the broker's clock and ours differ."""

_WORDS = re.compile(r"[\s,;]+")


@dataclass(frozen=True, slots=True)
class SyncResult:
    """What a synchronisation found."""

    disagreements: tuple[str, ...] = ()
    """Contradictions between broker and journal, one sentence each."""
    unsure: frozenset[str] = frozenset()
    """Symbols with an order whose fate is unknown."""
    closed: tuple[str, ...] = ()
    """Trades that closed during this synchronisation."""


@dataclass(slots=True)
class _Findings:
    disagreements: list[str] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)

    def add(self, disagreement: str | None) -> None:
        if disagreement is not None:
            self.disagreements.append(disagreement)


def synchronise(station: Station, book: Book, *, force: bool = False, fees: bool = True) -> SyncResult:
    """Read the broker and bring journal, fills and trades of ``book`` to it; committed.

    Without a live trade there is nothing that can change and the broker is not asked, unless ``force`` (late fees, end of session).
    ``fees``: false leaves the fees as they are known, where an order waits and no limit looks at them.
    Raises :class:`~catalyst_assets.ports.BrokerUnavailable` when the broker cannot be read.
    """
    if not book.trades or not (force or book.live_trades()):
        return SyncResult()
    since = first_order_at(station, book)
    findings = _Findings()
    for order in station.broker.orders_since(since):
        _file(station, book, order, findings)
    _ask_for_the_missing(station, book, findings)
    _file_fills(station, book, since)
    closed = _update_trades(station, book, since if fees else None)
    book.commit()
    unsure = frozenset(row.symbol for row in book.orders.values() if row.state == "unknown")
    return SyncResult(tuple(findings.disagreements), unsure, tuple(closed))


def first_order_at(station: Station, book: Book) -> datetime:
    """The instant from which the broker's orders, fills and fees concern this book."""
    start: datetime = station.hours(book.session).pre_open.to_pydatetime()
    return min([start, *(trade.created_at for trade in book.live_trades())]) - CLOCK_MARGIN


def _file(station: Station, book: Book, order: BrokerOrder, findings: _Findings) -> None:
    row = book.by_broker_id(order.order_id) or book.orders.get(order.client_order_id) or _adopt(station, book, order)
    if row is None:
        return
    findings.add(observe_or_disagree(book, row, order, station.now()))
    findings.seen.update(part.order_id for part in flat(order))


def _adopt(station: Station, book: Book, order: BrokerOrder) -> JournalOrder | None:
    """A row for an order we did not make but that concerns a trade of ours: it took shares out of it, or it replaced one of our
    orders by hand. ``None`` for everything else in the account, which is not ours to touch."""
    replaced = book.by_broker_id(order.replaces) if order.replaces else None
    trade = book.trades.get(replaced.trade_id or "") if replaced else None
    if trade is None:
        trade = next(
            (
                trade
                for trade in book.live_trades()
                if trade.symbol == order.symbol
                and trade.exit_side == order.side.value
                and trade.created_at <= order.submitted_at
                and order.filled_qty > 0
            ),
            None,
        )
    if trade is None:
        return None
    row = adopted(trade, order, station.now())
    if replaced is not None:
        row.leg, row.parent_client_order_id = replaced.leg, replaced.parent_client_order_id
        row.purpose = "trail" if row.order_type in ("stop", "stop_limit") else replaced.purpose
    book.add_order(row)
    return row


def _ask_for_the_missing(station: Station, book: Book, findings: _Findings) -> None:
    """Orders we believe alive that the listing did not show (replaced legs, silences) are asked for one by one."""
    settle = timedelta(seconds=station.patience.unknown_settle_seconds)
    for row in list(book.orders.values()):
        if not is_alive(row) or (row.broker_order_id is not None and row.broker_order_id in findings.seen):
            continue
        order, answered = look_up(station, row, attempts=1)
        now = station.now()
        if order is not None:
            findings.add(observe_or_disagree(book, row, order, now))
        elif answered and row.state in UNSURE_STATES and now - (row.sent_at or row.planned_at) >= settle:
            message = f"the broker does not know this order {settle.total_seconds():.0f} s after it was made"
            if row.state == "planned":
                book.move_order(row, "canceled", now, f"never sent: {message}")
            else:
                refuse(book, row, now, "never_landed", message)
        elif answered and row.state not in UNSURE_STATES:
            findings.add(disagree(book, row, f"the broker no longer shows order {row.client_order_id}", now))


def _file_fills(station: Station, book: Book, since: datetime) -> None:
    for fill in station.broker.fills(since):
        row = book.by_broker_id(fill.order_id)
        if row is None:
            continue
        # Replays number their activities alike: their rows carry scenario and session in the key.
        key = fill.activity_id if book.scenario == "live" else f"{book.scenario}|{row.session}|{fill.activity_id}"
        if key in book.fills:
            continue
        book.add_fill(
            FillRow(
                activity_id=key,
                scenario=book.scenario,
                session=row.session,
                trade_id=row.trade_id,
                client_order_id=row.client_order_id,
                broker_order_id=fill.order_id,
                symbol=fill.symbol,
                side=fill.side.value,
                qty=fill.qty,
                price=fill.price,
                filled_at=fill.at,
            )
        )


def _update_trades(station: Station, book: Book, fees_since: datetime | None) -> list[str]:
    fills_of: dict[str, list[FillRow]] = {}
    for fill in book.fills.values():
        fills_of.setdefault(fill.client_order_id or "", []).append(fill)
    fees = _fees(station, book, fees_since, fills_of) if fees_since is not None else {}
    closed: list[str] = []
    for trade in book.trades.values():
        was_live = trade.is_live
        if not was_live and trade.fees == fees.get(trade.trade_id, trade.fees):
            continue
        apply_facts(book, trade, fills_of, fees.get(trade.trade_id, trade.fees), station.now())
        if was_live and trade.status == "closed":
            closed.append(trade.trade_id)
    return closed


def apply_facts(
    book: Book, trade: TradeRecord, fills_of: dict[str, list[FillRow]], fees: Decimal, now: datetime
) -> None:
    """Bring one trade to what its orders and fills say, with an event for a changed status."""
    found = facts(trade, book.orders_of(trade), fills_of)
    before = (trade.filled_qty, trade.exited_qty, trade.entry_price, trade.exit_price, trade.stop_now, trade.fees)
    trade.filled_qty, trade.exited_qty = found.filled_qty, found.exited_qty
    trade.entry_price, trade.entry_time = found.entry_price, found.entry_time
    trade.exit_price, trade.exit_time, trade.exit_reason = found.exit_price, found.exit_time, found.exit_reason
    trade.fees = fees
    if found.stop_now is not None:
        trade.stop_now = found.stop_now
    if found.entry_price is not None:
        own = (fill.price for order in book.orders_of(trade) for fill in fills_of.get(order.client_order_id, ()))
        seen = [found.entry_price, *own]
        trade.high_water = max([*seen, *([trade.high_water] if trade.high_water is not None else [])])
        trade.low_water = min([*seen, *([trade.low_water] if trade.low_water is not None else [])])
    if found.gross is not None and found.entry_price is not None:
        _close(trade, found.gross, found.entry_price)
    if found.oversold:
        book.event(
            trade,
            None,
            now,
            "oversold",
            f"{found.oversold} shares more were exited than entered: look at {trade.symbol}",
        )
    after = (trade.filled_qty, trade.exited_qty, trade.entry_price, trade.exit_price, trade.stop_now, trade.fees)
    if before != after or found.status != trade.status:
        book.touch_trade(trade, now)
    book.move_trade(trade, found.status, now, describe(trade, found.status))


def _close(trade: TradeRecord, gross: Decimal, entry_price: Decimal) -> None:
    trade.pnl = gross - trade.fees
    risk = trade.risk_per_share
    trade.r_multiple = float(trade.pnl / (risk * trade.filled_qty))
    if trade.high_water is not None and trade.low_water is not None:
        up, down = float((trade.high_water - entry_price) / risk), float((entry_price - trade.low_water) / risk)
        trade.mfe_r, trade.mae_r = (up, down) if trade.sign > 0 else (down, up)


def describe(trade: TradeRecord, status: str) -> str:
    """The status of a trade in a person's words."""
    if status == "closed":
        return (
            f"{trade.filled_qty} {trade.symbol} from {trade.entry_price} to {trade.exit_price} ({trade.exit_reason}): "
            f"{trade.pnl:+.2f} USD, {trade.r_multiple:+.2f} R"
        )
    if status in ("open", "exiting") and trade.filled_qty:
        return f"{trade.held} {trade.symbol} held, entered at {trade.entry_price}"
    if status == "cancelled":
        return "nothing was filled"
    if status == "refused":
        return "the broker refused every entry"
    return f"{trade.planned_qty} {trade.symbol} ordered" if status == "entering" else ""


def _fees(station: Station, book: Book, since: datetime, fills_of: dict[str, list[FillRow]]) -> dict[str, Decimal]:
    """Fees by trade: a fee that names one of our orders belongs to its trade, others are shared by the session's sales."""
    attributed: dict[str, Decimal] = {}
    shared = Decimal(0)
    for fee in station.broker.fees(since):
        row = _named_order(book, _WORDS.split(fee.description))
        if row is not None and row.trade_id is not None:
            attributed[row.trade_id] = attributed.get(row.trade_id, Decimal(0)) + fee.amount
        elif row is None and station.calendar.session_for(fee.at) == book.session:
            shared += fee.amount
    if not shared:
        return attributed
    sold: dict[str, Decimal] = {}
    for row in book.orders.values():
        if row.side == "sell" and row.filled_qty and row.trade_id is not None:
            value = executed(row, fills_of.get(row.client_order_id, ())).value
            sold[row.trade_id] = sold.get(row.trade_id, Decimal(0)) + value
    return allocate_fees(attributed, shared, sold)


def _named_order(book: Book, words: Iterable[str]) -> JournalOrder | None:
    return next((row for word in words if (row := book.by_broker_id(word)) is not None), None)
