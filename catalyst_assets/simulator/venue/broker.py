"""The exchange behind the program's own ports: a broker and a market data source without HTTP, for replays and tests.

Belongs here: translating between ``ports`` and the simulator. Does not belong here: any rule of the venue (``exchange``) or of
visibility (``market``).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal

import numpy as np
import pandas as pd

from catalyst_assets.ports import (
    ACTIVE_COLUMNS,
    ASSET_COLUMNS,
    BAR_COLUMNS,
    QUOTE_COLUMNS,
    TIMEFRAMES,
    Account,
    BrokerClock,
    BrokerOrder,
    BrokerPosition,
    Clock,
    Fee,
    Fill,
    OrderRefused,
    OrderRequest,
    OrderSide,
    OrderStatus,
)
from catalyst_assets.simulator.exchange import Exchange
from catalyst_assets.simulator.market import Chunk, Hours, MarketView, empty_quotes, resample_chunk, utc_index
from catalyst_assets.simulator.tape import MarketTape
from catalyst_assets.simulator.venue.orders import ExchangeRefusal, NewOrder, Order
from catalyst_assets.simulator.worlds.pricepath import MICROSECOND, instant, micros

_STATUSES: Mapping[str, OrderStatus] = {
    "accepted": OrderStatus.PENDING,
    "pending_new": OrderStatus.PENDING,
    "new": OrderStatus.WORKING,
    "held": OrderStatus.HELD,
    "partially_filled": OrderStatus.PARTIALLY_FILLED,
    "filled": OrderStatus.FILLED,
    "canceled": OrderStatus.CANCELED,
    "expired": OrderStatus.EXPIRED,
    "replaced": OrderStatus.REPLACED,
    "rejected": OrderStatus.REJECTED,
    "pending_cancel": OrderStatus.PENDING_CANCEL,
    "done_for_day": OrderStatus.WORKING,
}

_REASONS: tuple[tuple[str, str], ...] = (
    ("insufficient buying power", "buying_power"),
    ("insufficient qty", "reserved_shares"),
    ("wash trade", "wash_trade"),
    ("client_order_id must be unique", "duplicate_id"),
    ("sold short", "not_shortable"),
    ("not allowed to short", "not_shortable"),
    ("order not found", "not_found"),
    ("position does not exist", "not_found"),
    ("is already in", "not_cancelable"),
    ("unable to replace", "not_cancelable"),
    ("not tradable", "not_tradable"),
    ("is not active", "not_tradable"),
    ("asset ", "not_tradable"),
    ("price", "price"),
)
"""Part of the broker's message → our class of the refusal; the first that matches counts."""


def refusal(error: ExchangeRefusal) -> OrderRefused:
    """The exchange's no as the port's exception."""
    reason = next((name for part, name in _REASONS if part in error.message), "refused")
    return OrderRefused(error.message, code=error.code, reason=reason, body=error.body())


def broker_order(order: Order) -> BrokerOrder:
    """An exchange order as the port's value, legs nested."""
    return BrokerOrder(
        order_id=order.order_id,
        client_order_id=order.client_order_id,
        symbol=order.symbol,
        side=OrderSide(order.side),
        type=order.type,
        order_class=order.order_class or "simple",
        status=_STATUSES.get(order.status, OrderStatus.UNKNOWN),
        raw_status=order.status,
        qty=order.qty,
        filled_qty=order.filled_qty,
        filled_avg_price=order.filled_avg_price,
        limit_price=order.limit_price,
        stop_price=order.stop_price,
        submitted_at=order.submitted_at,
        updated_at=order.updated_at,
        filled_at=order.filled_at,
        replaced_by=order.replaced_by,
        replaces=order.replaces,
        parent_id=order.parent_id,
        legs=tuple(broker_order(leg) for leg in order.legs),
    )


class InProcessBroker:
    """:class:`ports.Broker` on an :class:`Exchange` in this process. Nothing here moves time."""

    name = "in-process"
    is_paper = True

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange

    def account(self) -> Account:
        """The account now."""
        state = self.exchange.account()
        return Account(
            account_id=self.exchange.account_id,
            status="ACTIVE",
            equity=state.equity,
            last_equity=state.last_equity,
            cash=state.cash,
            buying_power=state.buying_power,
            shorting_enabled=self.exchange.config.shorting,
            trading_blocked=False,
            multiplier=state.multiplier,
            is_paper=True,
        )

    def positions(self) -> list[BrokerPosition]:
        """Open positions by symbol."""
        result = []
        for held in self.exchange.positions():
            price = self.exchange.price(held.symbol)
            sign = 1 if held.qty > 0 else -1
            result.append(
                BrokerPosition(
                    symbol=held.symbol,
                    qty=held.qty,
                    qty_available=self.exchange.available(held.symbol) * sign,
                    avg_entry_price=held.avg_entry_price,
                    current_price=price,
                    market_value=None if price is None else price * held.qty,
                    unrealized_pl=None if price is None else price * held.qty - held.cost_basis,
                )
            )
        return result

    def open_orders(self) -> list[BrokerOrder]:
        """Groups with a member that can still fill, oldest first."""
        return [broker_order(order) for order in self.exchange.open_orders()]

    def orders_since(self, after: datetime) -> list[BrokerOrder]:
        """Groups submitted after ``after``, any state, oldest first."""
        return [broker_order(order) for order in self.exchange.orders() if order.submitted_at > after]

    def order_by_client_id(self, client_order_id: str) -> BrokerOrder | None:
        """The order with that id, ``None`` when it was never accepted."""
        try:
            return broker_order(self.exchange.order_by_client_id(client_order_id))
        except ExchangeRefusal as error:
            if error.http_status == 404:
                return None
            raise refusal(error) from error

    def order(self, order_id: str) -> BrokerOrder | None:
        """The order with that id, ``None`` when there is none."""
        try:
            return broker_order(self.exchange.order(order_id))
        except ExchangeRefusal as error:
            if error.http_status == 404:
                return None
            raise refusal(error) from error

    def submit(self, request: OrderRequest) -> BrokerOrder:
        """Send an order; the answer is the order as accepted. Raises :class:`ports.OrderRefused`."""
        wanted = NewOrder(
            symbol=request.symbol,
            side=request.side.value,
            type=request.type.value,
            time_in_force=request.time_in_force,
            qty=Decimal(request.qty),
            limit_price=request.limit_price,
            stop_price=request.stop_price,
            client_order_id=request.client_order_id,
            order_class=request.order_class.value,
            take_profit_limit=request.take_profit,
            stop_loss_stop=request.stop_loss,
            extended_hours=request.extended_hours,
        )
        try:
            return broker_order(self.exchange.submit(wanted))
        except ExchangeRefusal as error:
            raise refusal(error) from error

    def replace(
        self,
        order_id: str,
        *,
        client_order_id: str,
        qty: int | None = None,
        limit_price: Decimal | None = None,
        stop_price: Decimal | None = None,
    ) -> BrokerOrder:
        """Change a working order; the answer is the new one. Raises :class:`ports.OrderRefused`."""
        try:
            order = self.exchange.replace(
                order_id, qty=qty, limit_price=limit_price, stop_price=stop_price, client_order_id=client_order_id
            )
        except ExchangeRefusal as error:
            raise refusal(error) from error
        return broker_order(order)

    def cancel(self, order_id: str) -> None:
        """Cancel an order and its group. Raises :class:`ports.OrderRefused`."""
        try:
            self.exchange.cancel(order_id)
        except ExchangeRefusal as error:
            raise refusal(error) from error

    def fills(self, after: datetime) -> list[Fill]:
        """Executions later than ``after``, oldest first."""
        return [
            Fill(a.activity_id, a.order_id, a.symbol, OrderSide(a.side), a.qty, a.price, a.at)
            for a in self.exchange.activities()
            if a.kind == "FILL" and a.at > after
        ]

    def fees(self, after: datetime) -> list[Fee]:
        """Fees later than ``after``, oldest first; amounts positive."""
        return [
            Fee(a.activity_id, -a.net_amount, a.at, a.description)
            for a in self.exchange.activities()
            if a.kind == "FEE" and a.at > after
        ]

    def clock(self) -> BrokerClock:
        """Now, and the market's next open and close."""
        return broker_clock(self.exchange.view, self.exchange.now)

    def calendar(self, start: date, end: date) -> list[tuple[date, datetime, datetime]]:
        """Sessions in ``[start, end]`` with open and close."""
        view = self.exchange.view
        days = view.calendar.sessions(start, end)
        return [(day, view.hours(day).open, view.hours(day).close) for day in days]


def broker_clock(view: MarketView, now: datetime) -> BrokerClock:
    """Open or closed at ``now``, and the next regular open and close (UTC)."""
    hours = view.session_for(now)
    following = view.hours(view.calendar.next(hours.session))
    return BrokerClock(
        now=now,
        is_open=hours.open <= now < hours.close,
        next_open=hours.open if now < hours.open else following.open,
        next_close=hours.close if now < hours.close else following.close,
    )


class TapeMarketData:
    """:class:`ports.MarketData` on a tape, honest by the clock: complete bars only, the quote visible now."""

    def __init__(self, tape: MarketTape, clock: Clock, view: MarketView | None = None) -> None:
        self.tape = tape
        self.feed = tape.feed
        self.clock = clock
        self.view = view or MarketView(tape)

    def bars(self, symbols: Sequence[str], timeframe: str, start: datetime, end: datetime) -> pd.DataFrame:
        """Bars that start in ``[start, end)`` and are complete now, as ``ports.BAR_COLUMNS``. Raises ``KeyError`` for an unknown
        timeframe and ``ValueError`` for one finer than the tape."""
        length = TIMEFRAMES[timeframe]
        now = self.clock.now()
        if timeframe == "1day":
            return self._daily(symbols, start, end, now)
        if length < self.tape.step:
            raise ValueError(f"the tape has {self.tape.step} bars; {timeframe} is finer")
        size, limit = length // MICROSECOND, micros(now)
        first = -(-micros(start) // size) * size if length > self.tape.step else micros(start)
        pieces = []
        for chunk in self.view.chunks(symbols, first, -(-micros(end) // size) * size, limit):
            whole = resample_chunk(chunk, size) if length > self.tape.step else chunk
            pieces.append(_bar_frame(whole, whole.ts + size <= limit))
        return _joined(pieces)

    def _daily(self, symbols: Sequence[str], start: datetime, end: datetime, now: datetime) -> pd.DataFrame:
        pieces = []
        for symbol in symbols:
            bars = self.view.daily().get(symbol)
            if bars is None:
                continue
            stamps = pd.DatetimeIndex(bars.sessions).tz_localize("America/New_York").tz_convert("UTC").as_unit("us")
            closed = np.array([self.view.hours(day).close <= now for day in bars.sessions], dtype=bool)
            wanted = np.asarray((stamps >= start) & (stamps < end)) & closed
            ts = stamps.tz_localize(None).to_numpy(dtype="datetime64[us]").astype(np.int64)
            unknown = np.full(len(ts), np.nan)
            columns = {**bars.columns, "vwap": unknown, "trade_count": unknown}
            pieces.append(_bar_frame(Chunk(symbol, ts, columns), wanted))
        return _joined(pieces)

    def quotes(self, symbols: Sequence[str]) -> pd.DataFrame:
        """Quotes visible now, as ``ports.QUOTE_COLUMNS``; no row = no quote (closed, halted, not traded yet)."""
        now = self.clock.now()
        rows = []
        for symbol in symbols:
            quote = self.view.quote(symbol, now)
            if quote is not None:
                rows.append((symbol, instant(quote.ts), quote.bid, quote.ask, quote.size, quote.size))
        if not rows:
            return empty_quotes()
        frame = pd.DataFrame(rows, columns=list(QUOTE_COLUMNS))
        return frame.assign(ts=pd.to_datetime(frame["ts"], utc=True).dt.as_unit("us"))

    def quotes_at(self, symbols: Sequence[str], decision_times: pd.DatetimeIndex) -> pd.DataFrame:
        """Quotes visible at each decision time (which may lie before now), for vectorised replays."""
        return self.view.quotes_at(symbols, decision_times)

    def most_active(self, top: int) -> pd.DataFrame:
        """Most active by dollar volume so far this session; before the open by pre-market plus the previous day's volume."""
        return active_frame(self.view, self.clock.now()).head(top)

    def assets(self) -> pd.DataFrame:
        """All instruments, as ``ports.ASSET_COLUMNS``."""
        return self.tape.instruments[list(ASSET_COLUMNS)].reset_index(drop=True)

    def halted(self, symbols: Sequence[str]) -> frozenset[str]:
        """Those of ``symbols`` that are halted now."""
        now = self.clock.now()
        return frozenset(symbol for symbol in symbols if self.view.halt_at(symbol, now) is not None)

    def quotes_and_halts(self, symbols: Sequence[str]) -> tuple[pd.DataFrame, frozenset[str]]:
        """:meth:`quotes` and :meth:`halted` of the same instant."""
        return self.quotes(symbols), self.halted(symbols)


def active_frame(view: MarketView, now: datetime) -> pd.DataFrame:
    """Every symbol that traded, as ``ports.ACTIVE_COLUMNS``, by dollar volume: of this session so far, and before its open also
    of the previous session. ``change_pct`` is since the previous close."""
    hours = view.session_for(now)
    before_open = now < hours.open
    rows = []
    for symbol in view.instruments:
        previous = view.previous_close(symbol, hours.session)
        so_far = view.session_totals(symbol, hours, micros(now), regular=False)
        volume = so_far.volume if so_far else 0.0
        if before_open:
            volume += _previous_volume(view, symbol, hours)
        price = so_far.close if so_far else previous
        if price is None or volume <= 0:
            continue
        change = (price / previous - 1) * 100 if previous else math.nan
        rows.append((symbol, price, volume, change))
    rows.sort(key=lambda row: (-row[1] * row[2], row[0]))
    frame = pd.DataFrame(rows, columns=["symbol", "price", "volume", "change_pct"])
    frame.insert(1, "rank", np.arange(1, len(frame) + 1))
    return frame.assign(origin="tape")[list(ACTIVE_COLUMNS)]


def _previous_volume(view: MarketView, symbol: str, hours: Hours) -> float:
    bars = view.daily().get(symbol)
    count = bars.before(hours.session) if bars else 0
    return float(bars.columns["volume"][count - 1]) if bars and count else 0.0


def _bar_frame(chunk: Chunk, keep: np.ndarray) -> pd.DataFrame:
    columns = {name: chunk.columns[name][keep] for name in BAR_COLUMNS[2:]}
    return pd.DataFrame({"symbol": chunk.symbol, "ts": utc_index(chunk.ts[keep]), **columns})


def _joined(pieces: list[pd.DataFrame]) -> pd.DataFrame:
    pieces = [piece for piece in pieces if len(piece)]
    if not pieces:
        floats = {name: pd.Series([], dtype="float64") for name in BAR_COLUMNS[2:]}
        stamps = pd.DatetimeIndex([], dtype="datetime64[us, UTC]")
        return pd.DataFrame({"symbol": pd.Series([], dtype="str"), "ts": stamps, **floats})
    return pd.concat(pieces, ignore_index=True).sort_values(["symbol", "ts"], kind="stable", ignore_index=True)
