"""Our books beside the broker's: shares, working orders, executions, fees and profit, each difference in words.

Belongs here: the comparison, pure. Does not belong here: making them agree (``synchronise.py``, ``protection.py``) and what follows from
a difference (``order_step.py`` stops entries, ``commands/safety.py`` tells a person).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from catalyst_assets.execution.book import Book
from catalyst_assets.execution.journal import is_alive
from catalyst_assets.execution.ledger import CENT
from catalyst_assets.ports import BrokerOrder, BrokerPosition, Fee, Fill


@dataclass(frozen=True, slots=True)
class Difference:
    """One disagreement. ``blocking``: no new entry before it is settled; others concern what is not ours and are told only."""

    subject: str
    """``shares``, ``order``, ``executions``, ``fees`` or ``profit``."""
    symbol: str
    ours: str
    brokers: str
    message: str
    blocking: bool = True


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """What comparing found, after everything that could be made to agree was made to agree."""

    at: datetime
    session: date
    account_id: str
    differences: tuple[Difference, ...]
    protected: tuple[str, ...]
    """Trades whose shares had no stop and were given one."""
    counts: dict[str, int]
    """What was compared: trades, positions, orders, executions."""

    @property
    def agreed(self) -> bool:
        """True when nothing blocks new entries."""
        return not any(difference.blocking for difference in self.differences)

    def as_json(self) -> dict[str, Any]:
        return {
            "agreed": self.agreed, "at": self.at.isoformat(), "session": self.session.isoformat(), "account": self.account_id,
            "compared": self.counts, "protected": list(self.protected),
            "differences": [asdict(difference) for difference in self.differences],
        }  # fmt: skip


def shares(book: Book, positions: Iterable[BrokerPosition], open_orders: Sequence[BrokerOrder]) -> Iterator[Difference]:
    """Symbols of our live trades in which the broker holds another number of shares than we believe.

    A symbol in which one of our orders can still fill is left out: its numbers may differ for the moment between two reads. Positions
    in symbols that are not ours are told without blocking; they take their place in the limits anyway.
    """
    held = {position.symbol: position.qty for position in positions}
    moving = {part.symbol for order in open_orders for part in flat(order) if _may_fill_now(part)}
    moving |= {row.symbol for row in book.orders.values() if row.state in ("sent", "unknown")}
    ours: dict[str, int] = {}
    for trade in book.live_trades():
        ours[trade.symbol] = ours.get(trade.symbol, 0) + trade.sign * trade.held
    for symbol, qty in sorted(ours.items()):
        found = held.get(symbol, Decimal(0))
        if found != qty and symbol not in moving:
            yield Difference(
                "shares", symbol, str(qty), str(found),
                f"our trades hold {qty} shares of {symbol}, the account {found}",
            )  # fmt: skip
    for symbol in sorted(set(held) - set(ours)):
        yield Difference(
            "shares", symbol, "0", str(held[symbol]),
            f"the account holds {held[symbol]} shares of {symbol} that no trade of ours explains", blocking=False,
        )  # fmt: skip


def _may_fill_now(order: BrokerOrder) -> bool:
    """True for an order at the market, or one that fills at this moment; resting stops and targets change nothing by resting."""
    return not order.status.is_final and (order.type == "market" or (0 < order.filled_qty < order.qty))


def orders(book: Book, open_orders: Sequence[BrokerOrder]) -> Iterator[Difference]:
    """Working orders only one side knows. Those the broker has and we do not are not ours; told, not blocking."""
    seen = set()
    for order in open_orders:
        for part in flat(order):
            seen.add(part.order_id)
            if book.by_broker_id(part.order_id) is None and part.client_order_id not in book.orders:
                yield Difference(
                    "order", part.symbol, "none", part.order_id,
                    f"a working {part.side.value} order for {part.qty} {part.symbol} was not made by this program", blocking=False,
                )  # fmt: skip
    for row in book.orders.values():
        if is_alive(row) and row.broker_order_id is not None and row.broker_order_id not in seen:
            yield Difference(
                "order", row.symbol, row.state, "not working",
                f"we believe order {row.client_order_id} is {row.state}, the broker does not list it as working",
            )  # fmt: skip


def executions(book: Book, fills: Iterable[Fill]) -> Iterator[Difference]:
    """Orders of ours whose executions at the broker are not, share for share and cent for cent, those we stored."""
    stored: dict[str, tuple[Decimal, Decimal]] = {}
    for fill in book.fills.values():
        qty, value = stored.get(fill.broker_order_id, (Decimal(0), Decimal(0)))
        stored[fill.broker_order_id] = (qty + fill.qty, value + fill.qty * fill.price)
    told: dict[str, tuple[Decimal, Decimal]] = {}
    for execution in fills:
        qty, value = told.get(execution.order_id, (Decimal(0), Decimal(0)))
        told[execution.order_id] = (qty + execution.qty, value + execution.qty * execution.price)
    for order_id, (qty, value) in told.items():
        row = book.by_broker_id(order_id)
        if row is None:
            continue
        ours_qty, ours_value = stored.get(order_id, (Decimal(0), Decimal(0)))
        if (ours_qty, ours_value.quantize(CENT)) != (qty, value.quantize(CENT)):
            yield Difference(
                "executions", row.symbol, f"{ours_qty} for {ours_value:.2f}", f"{qty} for {value:.2f}",
                f"order {row.client_order_id}: {ours_qty} shares for {ours_value:.2f} USD are stored, "
                f"the broker executed {qty} for {value:.2f}",
            )  # fmt: skip


def money(book: Book, fees: Iterable[Fee], *, alone: bool) -> Iterator[Difference]:
    """Profit of each closed trade against its own executions, and, when nobody else traded (``alone``), all fees, to the cent."""
    spent: dict[str, Decimal] = {}
    for fill in book.fills.values():
        if fill.trade_id is not None:
            sign = Decimal(1) if fill.side == "sell" else Decimal(-1)
            spent[fill.trade_id] = spent.get(fill.trade_id, Decimal(0)) + sign * fill.qty * fill.price
    for trade in book.trades.values():
        if trade.status == "closed" and trade.pnl is not None and trade.filled_qty:
            told = spent.get(trade.trade_id, Decimal(0)) - trade.fees
            if told.quantize(CENT) != trade.pnl.quantize(CENT):
                yield Difference(
                    "profit", trade.symbol, f"{trade.pnl:.2f}", f"{told:.2f}",
                    f"trade {trade.trade_id}: booked {trade.pnl:.2f} USD, its executions and fees make {told:.2f}",
                )  # fmt: skip
    if alone:
        ours = sum((trade.fees for trade in book.trades.values()), Decimal(0)).quantize(CENT)
        brokers = sum((fee.amount for fee in fees), Decimal(0)).quantize(CENT)
        if ours != brokers:
            yield Difference(
                "fees", "", f"{ours}", f"{brokers}",
                f"our trades carry fees of {ours} USD, the broker took {brokers}", blocking=False,
            )  # fmt: skip


def flat(order: BrokerOrder) -> Iterator[BrokerOrder]:
    """An order and all orders of its group below it."""
    yield order
    for leg in order.legs:
        yield from flat(leg)
