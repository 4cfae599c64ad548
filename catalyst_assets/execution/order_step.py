"""The order step: signals in, risk decisions and bracket orders out.

Belongs here: gathering the fresh context, filing every decision, journalling and sending entries. Does not belong here: the limits
themselves (``trading/risk.py``).

Order of events for an entry: decision filed, trade and orders journalled as ``planned`` and committed, then sent. A run that dies in
between is taken up by the next one: an order the broker knows is adopted, one it does not know is sent under the same id while the
signal is fresh, and abandoned afterwards.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pandas as pd

from catalyst_assets.execution.book import Book
from catalyst_assets.execution.journal import plan, trade_id
from catalyst_assets.execution.reconcile import Difference, shares
from catalyst_assets.execution.sending import look, look_up, observe, send
from catalyst_assets.execution.station import Station
from catalyst_assets.execution.synchronise import SyncResult, synchronise
from catalyst_assets.ports import Account, BrokerOrder, BrokerPosition, OrderClass, OrderType
from catalyst_assets.storage.trade_rows import DecisionRow, JournalOrder, TradeRecord
from catalyst_assets.trading.prices import round_down
from catalyst_assets.trading.risk import (
    Exposure,
    RiskContext,
    RiskDecision,
    TradeIntent,
    evaluate,
    legs_of,
)

_ACTIVE = frozenset({"active", ""})


@dataclass(frozen=True, slots=True)
class PlaceResult:
    """What the order step did with the signals it was given."""

    decisions: tuple[RiskDecision, ...] = ()
    """One per actionable signal that had no trade yet."""
    placed: tuple[str, ...] = ()
    """Trades whose entries the broker has (or may have)."""
    refused: tuple[str, ...] = ()
    """Trades the broker refused."""
    resumed: tuple[str, ...] = ()
    """Entries of an earlier, interrupted run that were taken up."""
    skipped: Mapping[str, str] | None = None
    """signal_id → why it was not considered (rejected or only prepared by the decision, traded before)."""


def place(
    station: Station, book: Book, signals: pd.DataFrame, decision_time: datetime, synced: SyncResult, account: Account
) -> PlaceResult:
    """Decide on and send the entries of one decision time. ``book`` is synchronised, ``account`` fresh.

    ``signals`` has the columns of ``trading_signals``; only rows of ``decision_time`` are looked at. Every one of them gets a row in
    ``risk_decisions``, also those the decision itself rejected or only prepared.
    """
    resumed = resume(station, book)
    chosen = signals[pd.to_datetime(signals["decision_time"], utc=True) == pd.Timestamp(decision_time)]
    chosen = chosen.sort_values(["confidence", "symbol"], ascending=[False, True], kind="stable")
    now = station.now()
    rows = [{str(key): value for key, value in row.items()} for row in chosen.to_dict("records")]
    known = {trade.signal_id for trade in book.trades.values()}
    skipped: dict[str, str] = {}
    filed: list[DecisionRow] = []
    intents: dict[str, dict[str, Any]] = {}
    for row in rows:
        signal_id = str(row["signal_id"])
        if signal_id in known:
            skipped[signal_id] = "this signal has its trade already"
        elif row["status"] != "actionable":
            skipped[signal_id] = _why_not(row)
            filed.append(_filed(book, signal_id, now, "signal", skipped[signal_id]))
        else:
            intents[signal_id] = row
    wanted = [_intent(row) for row in intents.values()]
    decisions: list[RiskDecision] = []
    if wanted:
        context = risk_context(station, book, account, synced, [intent.symbol for intent in wanted], now)
        if any(
            intent.direction == "short" for intent in wanted
        ):  # the list of instruments is long: read only when needed
            context = replace(context, shortable=station.shortable())
        decisions = evaluate(wanted, context, station.config)
        filed.extend(_decision_row(book, decision, now) for decision in decisions)
    trades = [
        _plan_trade(station, book, intents[decision.intent.signal_id], decision, account, now)
        for decision in decisions
        if decision.allowed
    ]
    book.add_decisions(filed)
    book.commit()  # from here on a crash leaves a record of what was meant
    for trade in trades:
        for order in book.orders_of(trade):
            send(station, book, order, commit=False)
        _settle_status(book, trade, station.now())
        book.commit()
    _await_fills(station, book, trades)
    placed = tuple(trade.trade_id for trade in trades if trade.status != "refused")
    refused = tuple(trade.trade_id for trade in trades if trade.status == "refused")
    return PlaceResult(tuple(decisions), placed, refused, resumed, skipped)


def _await_fills(station: Station, book: Book, trades: Sequence[TradeRecord]) -> None:
    """Give marketable entries a moment to fill, so that a partial fill is seen, and protected, within this step."""
    for attempt in range(station.patience.cancel_polls):
        waiting = [
            row
            for trade in trades
            for row in book.alive_orders(trade)
            if row.purpose == "entry" and row.broker_order_id
        ]
        if not waiting:
            return
        if attempt:
            station.pause(station.patience.cancel_poll_seconds)
        for row in waiting:
            look(station, book, row)


def resume(station: Station, book: Book) -> tuple[str, ...]:
    """Take up entries an interrupted run planned but may not have sent; their client order ids."""
    taken: list[str] = []
    limit = timedelta(seconds=station.config.risk.signal_max_age_seconds)
    for trade in book.live_trades():
        for row in book.alive_orders(trade):
            if row.purpose != "entry" or row.state != "planned":
                continue
            order, answered = look_up(station, row, attempts=station.patience.lookup_attempts)
            now = station.now()
            if order is not None:
                observe(book, row, order, now)
                taken.append(row.client_order_id)
            elif answered and now - row.decision_time <= limit and _entries_allowed(station, book, now):
                send(station, book, row)
                taken.append(row.client_order_id)
            elif answered:
                book.move_order(row, "canceled", now, "planned by an interrupted run and no longer timely")
        _settle_status(book, trade, station.now())
    if taken:
        book.commit()
    return tuple(taken)


def _entries_allowed(station: Station, book: Book, now: datetime) -> bool:
    hours = station.hours(book.session)
    last = hours.close - timedelta(minutes=station.config.risk.no_entry_last_minutes)
    return station.kill_switch() is None and bool(hours.open <= now < last)


def _settle_status(book: Book, trade: TradeRecord, now: datetime) -> None:
    """A trade's status right after sending; fills are the next synchronisation's business."""
    entries = [row for row in book.orders_of(trade) if row.purpose == "entry"]
    states = {row.state for row in entries}
    if states == {"refused"}:
        reasons = "; ".join(sorted({str((row.refusal or {}).get("message", "")) for row in entries}))
        book.move_trade(trade, "refused", now, reasons)
    elif trade.status == "planned" and states <= {"canceled", "refused"}:
        book.move_trade(trade, "cancelled", now, "no entry was sent")
    elif trade.status == "planned" and states - {"planned", "sent", "unknown", "refused", "canceled"}:
        book.move_trade(trade, "entering", now, f"{trade.planned_qty} {trade.symbol} ordered")


def risk_context(
    station: Station, book: Book, account: Account, synced: SyncResult, symbols: Sequence[str], now: datetime
) -> RiskContext:
    """The limits' view of account and market, read now. Positions and orders at the broker count whether or not they are ours."""
    hours = station.hours(book.session)
    positions, orders, (quotes, halted) = station.together(
        station.broker.positions, station.broker.open_orders, lambda: station.quotes_and_halts(symbols)
    )
    if _differences(book, positions, orders):  # something may have filled since the synchronisation: look once more
        synced = synchronise(station, book, fees=False)
        positions, orders = station.together(station.broker.positions, station.broker.open_orders)
    block = _account_block(account, synced, _differences(book, positions, orders))
    minute_ago, morning = now - timedelta(minutes=1), hours.pre_open
    # New orders of ours: the broker's own exit legs and moved stops are not counted, or good trades would use up the day's orders.
    made_by_us = (
        row for row in book.orders.values() if row.purpose != "trail" and "broker_client_order_id" not in row.limits
    )
    sent = [row.sent_at for row in made_by_us if row.sent_at is not None and row.sent_at >= morning]
    return RiskContext(
        now=now,
        market_state=str(station.calendar.state(now)),
        open=hours.open.to_pydatetime(),
        close=hours.close.to_pydatetime(),
        equity=float(account.equity),
        day_base=float(account.last_equity),
        buying_power=float(account.buying_power),
        account_block=block,
        kill_switch=station.kill_switch(),
        shorting_enabled=account.shorting_enabled,
        halted=halted,
        quotes=quotes,
        exposures=_exposures(book, positions, orders),
        ended_stories=tuple(
            trade.narrative_id
            for trade in book.trades.values()
            if trade.narrative_id and trade.session == book.session and trade.status == "closed" and trade.filled_qty
        ),
        orders_today=len(sent),
        orders_last_minute=sum(1 for at in sent if at > minute_ago),
    )


def _differences(book: Book, positions: Sequence[BrokerPosition], orders: Sequence[BrokerOrder]) -> list[Difference]:
    return [found for found in shares(book, positions, orders) if found.blocking]


def _account_block(account: Account, synced: SyncResult, differences: Sequence[Difference]) -> str | None:
    if account.trading_blocked:
        return "the broker has blocked trading"
    if account.status.lower().rpartition(".")[2] not in _ACTIVE:
        return f"the account's status is {account.status}"
    if synced.disagreements:
        return f"broker and journal disagree: {synced.disagreements[0]}"
    if differences:
        return f"broker and journal disagree: {differences[0].message}"
    return None


def _exposures(book: Book, positions: Sequence[BrokerPosition], orders: Sequence[BrokerOrder]) -> tuple[Exposure, ...]:
    """Trades of ours that live, positions and working orders at the broker, one per symbol."""
    found: dict[str, Exposure] = {}
    for row in book.orders.values():
        if row.state == "unknown":
            found[row.symbol] = Exposure(row.symbol, _narrative(book, row), "an order whose fate is unknown")
    for trade in book.live_trades():
        found.setdefault(trade.symbol, Exposure(trade.symbol, trade.narrative_id, f"a trade that is {trade.status}"))
    for position in positions:
        found.setdefault(position.symbol, Exposure(position.symbol, None, f"a position of {position.qty} shares"))
    for order in orders:
        found.setdefault(order.symbol, Exposure(order.symbol, None, _describe(order)))
    return tuple(found.values())


def _narrative(book: Book, row: JournalOrder) -> str | None:
    trade = book.trades.get(row.trade_id or "")
    return trade.narrative_id if trade is not None else None


def _describe(order: BrokerOrder) -> str:
    return f"a working {order.side.value} order for {order.qty} shares"


def _why_not(row: Mapping[str, Any]) -> str:
    if row["status"] == "prepared":
        return "prepared before the open; decided again in the opening cycle"
    return f"the decision rejected it: {row['reject_reason']}"


def _intent(row: Mapping[str, Any]) -> TradeIntent:
    return TradeIntent(
        signal_id=str(row["signal_id"]),
        symbol=str(row["symbol"]),
        direction=str(row["direction"]),
        decision_time=pd.Timestamp(row["decision_time"]).to_pydatetime(),
        entry=float(row["entry"]),
        stop=float(row["stop"]),
        target1=float(row["target1"]),
        target2=float(row["target2"]),
        size_fraction=float(row["size_fraction"]),
        narrative_id=_text(row.get("narrative_id")),
    )


def _text(value: Any) -> str | None:
    if value is None or (isinstance(value, float) and math.isnan(value)) or value is pd.NA:
        return None
    return str(value)


def _filed(book: Book, signal_id: str, now: datetime, rule: str, message: str) -> DecisionRow:
    return DecisionRow(book.scenario, book.session, signal_id, now, False, rule, message, 0, [])


def _decision_row(book: Book, decision: RiskDecision, now: datetime) -> DecisionRow:
    return DecisionRow(
        scenario=book.scenario,
        session=book.session,
        signal_id=decision.intent.signal_id,
        decided_at=now,
        allowed=decision.allowed,
        rule=decision.rule,
        message=decision.message,
        qty=decision.qty,
        checks=[check.as_json() for check in decision.checks],
    )


def _plan_trade(
    station: Station, book: Book, signal: Mapping[str, Any], decision: RiskDecision, account: Account, now: datetime
) -> TradeRecord:
    intent = decision.intent
    limit = decision.limit_price
    if limit is None:  # an allowed decision always carries its price
        raise ValueError(f"decision on {intent.signal_id} has no limit price")
    prices = {name: round_down(getattr(intent, name)) for name in ("entry", "stop", "target1", "target2")}
    trade = TradeRecord(
        trade_id=trade_id(intent.signal_id, intent.symbol),
        scenario=book.scenario,
        session=book.session,
        signal_id=intent.signal_id,
        account_id=account.account_id,
        symbol=intent.symbol,
        direction=intent.direction,
        status="planned",
        planned_qty=decision.qty,
        entry_plan=prices["entry"],
        stop_plan=prices["stop"],
        stop_now=prices["stop"],
        target1=prices["target1"],
        target2=prices["target2"],
        risk_per_share=abs(prices["entry"] - prices["stop"]),
        created_at=now,
        updated_at=now,
        catalyst_type=_text(signal.get("catalyst_type")),
        narrative_id=intent.narrative_id,
        top_news_id=_text(signal.get("top_news_id")),
        pattern=_text(signal.get("best_pattern")),
    )
    book.add_trade(trade)
    targets: tuple[Decimal, Decimal] = (prices["target1"], prices["target2"])
    for name, qty, target in zip("ab", legs_of(decision.qty), targets, strict=False):
        row = plan(
            trade,
            "entry",
            name,
            attempt=1,
            side=trade.entry_side,
            qty=qty,
            now=now,
            decision_time=intent.decision_time,
            why=decision.message,
            order_type=OrderType.LIMIT,
            order_class=OrderClass.BRACKET,
            limit_price=limit,
            take_profit=target,
            stop_loss=prices["stop"],
        )
        row.limits = {check.name: check.limit for check in decision.checks}
        book.add_order(row)
    return trade
