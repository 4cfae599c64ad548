"""Alpaca's trading JSON as the values of :mod:`catalyst_assets.ports`, and our order requests as alpaca-py's.

Belongs here: the one reading of an order, position, account, activity, clock and calendar; the tables of statuses and of
refusals. Does not belong here: asking (``alpaca_broker.py``).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any
from zoneinfo import ZoneInfo

from alpaca.trading.enums import OrderClass as AlpacaClass
from alpaca.trading.enums import OrderSide as AlpacaSide
from alpaca.trading.enums import TimeInForce
from alpaca.trading.requests import (
    LimitOrderRequest,
    MarketOrderRequest,
    ReplaceOrderRequest,
    StopLimitOrderRequest,
    StopLossRequest,
    StopOrderRequest,
    TakeProfitRequest,
)
from alpaca.trading.requests import OrderRequest as AlpacaRequest

from catalyst_assets.ports import (
    Account,
    BrokerClock,
    BrokerOrder,
    BrokerPosition,
    Fee,
    Fill,
    OrderClass,
    OrderRequest,
    OrderSide,
    OrderStatus,
    OrderType,
)
from catalyst_assets.vendors import fields
from catalyst_assets.vendors.fields import Unreadable

NEW_YORK = ZoneInfo("America/New_York")

STATUSES: Mapping[str, OrderStatus] = {
    "accepted": OrderStatus.PENDING,
    "pending_new": OrderStatus.PENDING,
    "accepted_for_bidding": OrderStatus.PENDING,
    "pending_review": OrderStatus.PENDING,
    "new": OrderStatus.WORKING,
    "stopped": OrderStatus.WORKING,  # guaranteed a fill, not filled yet
    "held": OrderStatus.HELD,
    "partially_filled": OrderStatus.PARTIALLY_FILLED,
    "filled": OrderStatus.FILLED,
    "canceled": OrderStatus.CANCELED,
    "expired": OrderStatus.EXPIRED,
    "replaced": OrderStatus.REPLACED,
    "rejected": OrderStatus.REJECTED,
    "pending_cancel": OrderStatus.PENDING_CANCEL,
    "pending_replace": OrderStatus.PENDING_REPLACE,
}
"""Alpaca's statuses to ours. Those not listed (``done_for_day``, ``calculated``, ``suspended``, a new one) become UNKNOWN,
which is treated as alive."""

REFUSALS: tuple[tuple[str, str], ...] = (
    ("insufficient buying power", "buying_power"),
    ("insufficient qty", "reserved_shares"),
    ("wash trade", "wash_trade"),
    ("client_order_id must be unique", "duplicate_id"),
    ("cannot be sold short", "not_shortable"),
    ("not allowed to short", "not_shortable"),
    ("order not found", "not_found"),
    ("position does not exist", "not_found"),
    ("order is already in", "not_cancelable"),
    ("not cancelable", "not_cancelable"),
    ("unable to replace order", "not_cancelable"),
    ("is not tradable", "not_tradable"),
    ("is not active", "not_tradable"),
    ("is not fractionable", "not_tradable"),
    ("not authorized to trade", "not_tradable"),
    ("asset not found", "not_tradable"),
    ("not found", "not_tradable"),
    ("sub-penny", "price"),
    ("limit_price", "price"),
    ("stop_price", "price"),
    ("stop price", "price"),
    ("limit price", "price"),
)
"""Part of the message (lower case) → our class of the refusal; the first that matches counts. Alpaca's code 40310000 stands
for half a dozen different refusals, so the message decides, never the code."""

OTHER_ASSETS = frozenset({"us_option", "crypto", "crypto_perp", "mleg"})
"""Asset and order classes that are not stocks. A class nobody has heard of does not make a position disappear: then the symbol
decides."""

OUR_CLASSES: Mapping[str, str] = {"": "simple", "simple": "simple"}
CENT, TENTH_OF_A_MIL = Decimal("0.01"), Decimal("0.0001")


class NotAStock(Unreadable):
    """The order or position is of another asset class; this program neither made it nor touches it."""


def refusal_reason(message: str) -> str:
    """Our class of a refusal, from Alpaca's message (:data:`REFUSALS`)."""
    lowered = message.casefold()
    return next((reason for part, reason in REFUSALS if part in lowered), "refused")


def tick(price: Decimal) -> Decimal:
    """``price`` in the exchange's increments: cents from one dollar up, hundredths of a cent below."""
    return price.quantize(CENT if price >= 1 else TENTH_OF_A_MIL, rounding=ROUND_HALF_UP)


def _wire(price: Decimal | None) -> float | None:
    """A price for alpaca-py, which sends JSON numbers: the float nearest to a short decimal prints as that decimal."""
    return None if price is None else float(tick(price))


KINDS: Mapping[OrderType, tuple[type[AlpacaRequest], tuple[str, ...]]] = {
    OrderType.MARKET: (MarketOrderRequest, ()),
    OrderType.LIMIT: (LimitOrderRequest, ("limit_price",)),
    OrderType.STOP: (StopOrderRequest, ("stop_price",)),
    OrderType.STOP_LIMIT: (StopLimitOrderRequest, ("limit_price", "stop_price")),
}
"""alpaca-py's class of each order type and the prices it has. A price a class does not have would be dropped silently."""


def to_alpaca(request: OrderRequest) -> AlpacaRequest:
    """Our order as alpaca-py's. Raises ``ValueError`` when it has a price its type does not, or alpaca-py refuses it."""
    kind, prices = KINDS[request.type]
    for name in ("limit_price", "stop_price"):
        if name not in prices and getattr(request, name) is not None:
            raise ValueError(f"a {request.type} order has no {name}")
    simple = request.order_class is OrderClass.SIMPLE
    return kind(
        symbol=request.symbol,
        qty=request.qty,
        side=AlpacaSide(request.side.value),
        time_in_force=TimeInForce(request.time_in_force),
        order_class=None if simple else AlpacaClass(request.order_class.value),
        extended_hours=True if request.extended_hours else None,
        client_order_id=request.client_order_id,
        take_profit=None if request.take_profit is None else TakeProfitRequest(limit_price=_wire(request.take_profit)),
        stop_loss=None if request.stop_loss is None else StopLossRequest(stop_price=_wire(request.stop_loss)),
        **{name: _wire(getattr(request, name)) for name in prices},
    )


def to_alpaca_change(
    client_order_id: str, qty: int | None, limit_price: Decimal | None, stop_price: Decimal | None
) -> ReplaceOrderRequest:
    """A change of an order as alpaca-py's. Raises ``ValueError``."""
    return ReplaceOrderRequest(
        qty=qty, limit_price=_wire(limit_price), stop_price=_wire(stop_price), client_order_id=client_order_id
    )


def _object(body: Any, what: str) -> Mapping[str, Any]:
    if not isinstance(body, dict):
        raise Unreadable(f"{what} is not an object: {body!r:.60}")
    return body


def _text(row: Mapping[str, Any], name: str) -> str:
    value = row.get(name)
    if not isinstance(value, str) or not value:
        raise Unreadable(f"{name} is missing")
    return value


def _refuse_other_assets(row: Mapping[str, Any], what: str, order_class: str = "") -> None:
    """Raises :class:`NotAStock`."""
    kind = str(row.get("asset_class") or "us_equity")
    unheard_of = kind != "us_equity" and not fields.tickers([row.get("symbol")])
    if kind in OTHER_ASSETS or order_class in OTHER_ASSETS or unheard_of:
        raise NotAStock(f"{what} is not a stock's: {order_class if kind == 'us_equity' else kind}")


def _side(value: Any) -> OrderSide:
    """``sell_short`` (activities) is a sell."""
    try:
        return OrderSide("sell" if value == "sell_short" else value)
    except ValueError:
        raise Unreadable(f"side is {value!r:.40}") from None


def _maybe_instant(row: Mapping[str, Any], name: str) -> datetime | None:
    return None if row.get(name) in (None, "") else fields.instant(row[name], name)


def _maybe_text(row: Mapping[str, Any], name: str) -> str | None:
    return row[name] if isinstance(row.get(name), str) and row[name] else None


def parse_order(body: Any, parent_id: str | None = None) -> BrokerOrder:
    """An order of any endpoint, its legs nested. Raises :class:`Unreadable`, :class:`NotAStock` for other asset classes."""
    row = _object(body, "the order")
    order_class = str(row.get("order_class") or "")
    _refuse_other_assets(row, "the order", order_class)
    order_id = _text(row, "id")
    raw_status = _text(row, "status")
    filled = fields.optional_money(row.get("filled_qty"), "filled_qty") or Decimal(0)
    submitted = _maybe_instant(row, "submitted_at") or fields.instant(row.get("created_at"), "created_at")
    legs = row.get("legs")
    return BrokerOrder(
        order_id=order_id,
        client_order_id=_text(row, "client_order_id"),
        symbol=_text(row, "symbol"),
        side=_side(row.get("side")),
        type=str(row.get("type") or row.get("order_type") or ""),
        order_class=OUR_CLASSES.get(order_class, order_class),
        status=STATUSES.get(raw_status, OrderStatus.UNKNOWN),
        raw_status=raw_status,
        qty=fields.optional_money(row.get("qty"), "qty")
        or filled,  # null for an order by amount of money: not one of ours
        filled_qty=filled,
        filled_avg_price=fields.optional_money(row.get("filled_avg_price"), "filled_avg_price"),
        limit_price=fields.optional_money(row.get("limit_price"), "limit_price"),
        stop_price=fields.optional_money(row.get("stop_price"), "stop_price"),
        submitted_at=submitted,
        updated_at=_maybe_instant(row, "updated_at"),
        filled_at=_maybe_instant(row, "filled_at"),
        replaced_by=_maybe_text(row, "replaced_by"),
        replaces=_maybe_text(row, "replaces"),
        parent_id=parent_id,
        legs=tuple(parse_order(leg, order_id) for leg in legs) if isinstance(legs, list) else (),
    )


def parse_position(body: Any) -> BrokerPosition:
    """A position; ``qty`` is signed by ``side`` whatever sign the text has. Raises :class:`Unreadable`."""
    row = _object(body, "the position")
    _refuse_other_assets(row, "the position")
    sign = {"long": 1, "short": -1}.get(str(row.get("side")))
    if sign is None:
        raise Unreadable(f"side is {row.get('side')!r:.40}")
    qty = fields.money(row.get("qty"), "qty")
    available = fields.optional_money(row.get("qty_available"), "qty_available")
    return BrokerPosition(
        symbol=_text(row, "symbol"),
        qty=sign * abs(qty),
        qty_available=sign * abs(qty if available is None else available),
        avg_entry_price=fields.money(row.get("avg_entry_price"), "avg_entry_price"),
        current_price=fields.optional_money(row.get("current_price"), "current_price"),
        market_value=fields.optional_money(row.get("market_value"), "market_value"),
        unrealized_pl=fields.optional_money(row.get("unrealized_pl"), "unrealized_pl"),
    )


def parse_account(body: Any, *, is_paper: bool) -> Account:
    """The account. A missing permission is no permission; a missing block is a block. Raises :class:`Unreadable`."""
    row = _object(body, "the account")
    blocks = ("trading_blocked", "account_blocked", "trade_suspended_by_user")
    return Account(
        account_id=_text(row, "id"),
        status=_text(row, "status"),
        equity=fields.money(row.get("equity"), "equity"),
        last_equity=fields.money(row.get("last_equity"), "last_equity"),
        cash=fields.money(row.get("cash"), "cash"),
        buying_power=fields.money(row.get("buying_power"), "buying_power"),
        shorting_enabled=row.get("shorting_enabled") is True,
        trading_blocked=any(row.get(name) is not False for name in blocks),
        multiplier=fields.money(row.get("multiplier"), "multiplier"),
        is_paper=is_paper,
    )


def parse_fill(body: Any) -> Fill:
    """A FILL activity; ``qty`` is that execution's. Raises :class:`Unreadable`."""
    row = _object(body, "the activity")
    return Fill(
        activity_id=_text(row, "id"),
        order_id=_text(row, "order_id"),
        symbol=_text(row, "symbol"),
        side=_side(row.get("side")),
        qty=fields.money(row.get("qty"), "qty"),
        price=fields.money(row.get("price"), "price"),
        at=fields.instant(row.get("transaction_time"), "transaction_time"),
    )


def parse_fee(body: Any) -> Fee:
    """A FEE activity; one that has only a date is dated the New York midnight of it. Raises :class:`Unreadable`."""
    row = _object(body, "the activity")
    at = _maybe_instant(row, "transaction_time") or _maybe_instant(row, "created_at")
    if at is None:
        at = datetime.combine(_day(row.get("date")), datetime.min.time(), NEW_YORK).astimezone(UTC)
    return Fee(
        activity_id=_text(row, "id"),
        amount=-fields.money(row.get("net_amount"), "net_amount"),
        at=at,
        description=fields.text(row.get("description")),
    )


def parse_clock(body: Any) -> BrokerClock:
    """The market clock (its times carry New York offsets). Raises :class:`Unreadable`."""
    row = _object(body, "the clock")
    if not isinstance(row.get("is_open"), bool):
        raise Unreadable("is_open is missing")
    return BrokerClock(
        now=fields.instant(row.get("timestamp"), "timestamp"),
        is_open=row["is_open"],
        next_open=fields.instant(row.get("next_open"), "next_open"),
        next_close=fields.instant(row.get("next_close"), "next_close"),
    )


def parse_calendar_day(body: Any) -> tuple[date, datetime, datetime]:
    """A calendar row (New York wall clock) as ``(date, open, close)`` in UTC. Raises :class:`Unreadable`."""
    row = _object(body, "the day")
    day = _day(row.get("date"))
    hours = []
    for name in ("open", "close"):
        try:
            clock = datetime.strptime(str(row.get(name)), "%H:%M").time()  # noqa: DTZ007 - the zone is given on the next line
        except ValueError:
            raise Unreadable(f"{name} is {row.get(name)!r:.40}") from None
        hours.append(datetime.combine(day, clock, NEW_YORK).astimezone(UTC))
    return day, hours[0], hours[1]


def _day(value: Any) -> date:
    try:
        return date.fromisoformat(str(value))
    except ValueError:
        raise Unreadable(f"date is {value!r:.40}") from None
