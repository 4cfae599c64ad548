"""The watch over open positions: marks, moved stops, exits.

Belongs here: applying the rules of ``trading/positions.py`` to the live trades. Does not belong here: the rules, protection of
uncovered shares (``protection.py``), the mechanics of leaving (``leaving.py``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

import pandas as pd

from catalyst_assets.execution.book import Book
from catalyst_assets.execution.journal import is_alive, is_stop, plan
from catalyst_assets.execution.leaving import cancel_entries, leave
from catalyst_assets.execution.sending import look, replace
from catalyst_assets.execution.station import Station
from catalyst_assets.ports import Account, OrderType
from catalyst_assets.storage.trade_rows import JournalOrder, TradeRecord
from catalyst_assets.trading.positions import OpenPosition, PositionAction, PositionContext, exit_price, manage
from catalyst_assets.trading.risk import Quote


@dataclass(frozen=True, slots=True)
class WatchResult:
    """What a watch did."""

    actions: tuple[PositionAction, ...] = ()
    protected: tuple[str, ...] = ()
    """Trades that had shares without a stop."""
    ended_entries: tuple[str, ...] = ()
    """Entries cancelled because they took too long."""
    disagreements: tuple[str, ...] = ()
    live: int = 0
    """Trades still live afterwards."""


def mark(book: Book, quotes: Mapping[str, Quote], now: datetime) -> None:
    """Update the high and low of every held trade with the price it could be closed at now."""
    for trade in book.live_trades():
        quote = quotes.get(trade.symbol)
        if trade.held <= 0 or trade.entry_price is None or quote is None:
            continue
        price = Decimal(repr(exit_price(trade.direction, quote)))
        high = max(trade.high_water if trade.high_water is not None else trade.entry_price, price)
        low = min(trade.low_water if trade.low_water is not None else trade.entry_price, price)
        if (high, low) != (trade.high_water, trade.low_water):
            trade.high_water, trade.low_water = high, low
            book.touch_trade(trade, now)


def manage_positions(
    station: Station, book: Book, account: Account, mentions: pd.DataFrame | None, now: datetime
) -> tuple[PositionAction, ...]:
    """Mark the held trades, ask the rules, carry out what they say; the actions. Trades that are already leaving are pushed on."""
    live = book.live_trades()
    quotes = station.quotes(sorted({trade.symbol for trade in live if trade.held > 0}), now)
    mark(book, quotes, now)
    leaving = [trade for trade in live if trade.status == "exiting"]
    held = [position for trade in live if trade.status != "exiting" and (position := _as_position(trade))]
    hours = station.hours(book.session)
    context = PositionContext(
        now=now,
        open=hours.open.to_pydatetime(),
        close=hours.close.to_pydatetime(),
        equity=float(account.equity),
        day_base=float(account.last_equity),
        quotes=quotes,
        mentions=mentions,
    )
    actions = manage(held, context, station.config)
    book.commit()
    for trade in leaving:
        leave(station, book, trade, trade.exit_reason or "exit", "the exit is tried again")
    for action in actions:
        trade = book.trades[action.trade_id]
        if action.kind == "exit":
            if action.news_id is not None:
                book.event(trade, None, now, "contradicted", action.message, news_id=action.news_id)
            leave(station, book, trade, action.reason, action.message)
        elif action.stop is not None:
            move_stops(station, book, trade, action.stop, action.message)
    _drop_entries_without_shares(station, book, context)
    return tuple(actions)


def _as_position(trade: TradeRecord) -> OpenPosition | None:
    if trade.held <= 0 or trade.entry_price is None or trade.entry_time is None:
        return None
    best = trade.high_water if trade.sign > 0 else trade.low_water
    return OpenPosition(
        trade_id=trade.trade_id,
        symbol=trade.symbol,
        direction=trade.direction,
        entry_price=float(trade.entry_price),
        entry_time=trade.entry_time,
        stop_now=float(trade.stop_now if trade.stop_now is not None else trade.stop_plan),
        risk_per_share=float(trade.risk_per_share),
        best_price=float(best if best is not None else trade.entry_price),
    )


def _drop_entries_without_shares(station: Station, book: Book, context: PositionContext) -> None:
    """Near the close, or past the day's loss, an entry that has not filled must not fill any more either."""
    waiting = [trade for trade in book.live_trades() if trade.held <= 0 and trade.status in ("planned", "entering")]
    if not waiting:
        return
    probes = [
        OpenPosition(t.trade_id, t.symbol, t.direction, float(t.entry_plan), context.now, float(t.stop_plan),
                     float(t.risk_per_share), float(t.entry_plan))
        for t in waiting
    ]  # fmt: skip
    for action in manage(probes, context, station.config):
        if action.kind == "exit" and action.reason in ("close", "flatten"):
            cancel_entries(station, book, book.trades[action.trade_id], action.message)


def move_stops(station: Station, book: Book, trade: TradeRecord, stop: Decimal, message: str) -> int:
    """Move every resting stop of the trade that is looser than ``stop``; how many were moved.

    A stop that cannot be moved stays where it is (it still protects) and is tried again by the next watch.
    """
    moved = 0
    for old in [row for row in book.alive_orders(trade) if is_stop(row)]:
        if old.stop_price is None or old.broker_order_id is None or (stop - old.stop_price) * trade.sign <= 0:
            continue
        if any(
            is_alive(row) and row.purpose == "trail" and row.broker_order_id is None for row in book.orders_of(trade)
        ):
            continue  # an earlier move's fate is unknown
        row = _trail_order(station, book, trade, old, stop, message)
        book.commit()
        order = replace(station, book, row, old.broker_order_id, stop)
        look(station, book, old)
        if order is not None and row.state != "refused":
            moved += 1
    if moved:
        trade.stop_now = stop
        book.touch_trade(trade, station.now())
        book.event(trade, None, station.now(), "stop_moved", message, stop=str(stop), orders=moved)
    book.commit()
    return moved


def _trail_order(
    station: Station, book: Book, trade: TradeRecord, old: JournalOrder, stop: Decimal, message: str
) -> JournalOrder:
    now = station.now()
    row = plan(
        trade,
        "trail",
        old.leg,
        attempt=book.next_attempt(trade, "trail", old.leg),
        side=old.side,
        qty=max(old.qty, 1),
        now=now,
        decision_time=now,
        why=message,
        order_type=OrderType(old.order_type),
        stop_price=stop,
        parent=old.parent_client_order_id,
    )
    row.order_class = old.order_class
    book.add_order(row)
    return row
