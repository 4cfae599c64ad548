"""Which order requests the simulated broker takes, and in which words it refuses the others (Alpaca's own).

Belongs here: validation of a request against rules, asset, market, open orders and buying power. Does not belong here: making
the order and working it (``exchange``). Texts and codes are those observed at Alpaca; a comment marks the few that are guesses.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_DOWN, Decimal
from typing import Any

from catalyst_assets.simulator.market import Quote
from catalyst_assets.simulator.venue.habits import AccountSettings
from catalyst_assets.simulator.venue.orders import SHARE_STEP, ExchangeConfig, ExchangeRefusal, NewOrder, Order

ORDER_TYPES = ("market", "limit", "stop", "stop_limit", "trailing_stop")
TIMES_IN_FORCE = ("day", "gtc", "ioc", "fok", "opg", "cls")
INTENTS = ("buy_to_open", "buy_to_close", "sell_to_open", "sell_to_close")
PDT_EQUITY, PDT_TRADES, PDT_CODE = Decimal(25_000), 3, 40310100
COMPLEX = ("bracket", "oto", "oco")
MAX_CLIENT_ID = 128
CENT = Decimal("0.01")
SUB_DOLLAR_TICK = Decimal("0.0001")

MALFORMED, FORBIDDEN, UNPROCESSABLE, NOT_FOUND = 40010001, 40310000, 42210000, 40410000


@dataclass(frozen=True, slots=True)
class MarketContext:
    """What admission looks at: the asset's row (``None``: unknown), the visible quote and last price, the account's shares and
    open orders in the symbol, and its buying power net of open orders."""

    instrument: Mapping[str, Any] | None
    quote: Quote | None
    last_price: Decimal | None
    position: Decimal
    open_orders: Sequence[Order]
    buying_power: Decimal
    config: ExchangeConfig
    settings: AccountSettings = field(default_factory=AccountSettings)
    trading_blocked: bool = False
    auctions: frozenset[str] = frozenset({"opg", "cls"})
    """Auctions that still take orders at this instant."""
    day_trade: bool = False
    """True when this order would end a fourth day trade in five sessions below the equity the old rule asked for."""


def malformed(message: str) -> ExchangeRefusal:
    """422 / 40010001."""
    return ExchangeRefusal(MALFORMED, 422, message)


def unprocessable(message: str, **extra: Any) -> ExchangeRefusal:
    """422 / 42210000."""
    return ExchangeRefusal(UNPROCESSABLE, 422, message, extra)


def forbidden(message: str, **extra: Any) -> ExchangeRefusal:
    """403 / 40310000."""
    return ExchangeRefusal(FORBIDDEN, 403, message, extra)


def plain(value: Decimal) -> str:
    """A decimal as Alpaca writes it: no exponent, no trailing zeros."""
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def check_price(name: str, price: Decimal | None) -> None:
    """Refuse a price that is not positive or not on the tick (a cent from 1 USD, a hundredth of a cent below)."""
    if price is None:
        return
    if not price.is_finite() or price <= 0:
        raise unprocessable(f"invalid {name} {price}. must be greater than zero")  # wording guessed
    if price % (CENT if price >= 1 else SUB_DOLLAR_TICK) != 0:
        raise unprocessable(
            f"invalid {name} {plain(price)}. sub-penny increment does not fulfill minimum pricing criteria"
        )


def check_form(request: NewOrder) -> None:
    """Everything that can be refused without looking at the market."""
    if not request.type:
        raise malformed("order type is required")  # wording guessed
    if request.type not in ORDER_TYPES:
        raise malformed(f'invalid order type "{request.type}"')  # wording guessed
    if request.side not in ("buy", "sell"):
        raise malformed(f'invalid side "{request.side}"')  # wording guessed
    if request.qty is None and request.notional is None:
        raise malformed("qty or notional is required")
    if request.qty is not None and request.notional is not None:
        raise malformed("only one of qty or notional is accepted")
    if request.qty is not None and (not request.qty.is_finite() or request.qty <= 0):
        raise malformed("qty must be greater than 0")  # wording guessed
    if request.client_order_id is not None and len(request.client_order_id) > MAX_CLIENT_ID:
        raise malformed(f"client_order_id must be no more than {MAX_CLIENT_ID} characters")  # wording guessed
    if request.time_in_force not in TIMES_IN_FORCE:
        raise malformed(f'invalid time_in_force "{request.time_in_force}"')  # wording guessed
    if request.position_intent is not None and request.position_intent not in INTENTS:
        raise malformed(f'invalid position_intent "{request.position_intent}"')  # wording guessed
    if request.order_class not in ("simple", *COMPLEX):
        raise malformed(f'invalid order_class "{request.order_class}"')
    _check_fractions(request)
    _check_type_prices(request)
    _check_class(request)
    if request.extended_hours and not (request.type == "limit" and request.time_in_force in ("day", "gtc")):
        raise unprocessable("extended hours order must be DAY limit orders")
    prices = {
        "limit_price": request.limit_price,
        "stop_price": request.stop_price,
        "take_profit.limit_price": request.take_profit_limit,
        "stop_loss.stop_price": request.stop_loss_stop,
        "stop_loss.limit_price": request.stop_loss_limit,
    }
    for name, price in prices.items():
        check_price(name, price)


def is_fractional(request: NewOrder) -> bool:
    """True when the request is for parts of shares: a notional amount, or a quantity with decimals."""
    return request.notional is not None or (request.qty is not None and request.qty % 1 != 0)


def _check_fractions(request: NewOrder) -> None:
    if not is_fractional(request):
        return
    if request.notional is not None:
        if not request.notional.is_finite() or request.notional < 1:
            raise malformed("notional must be at least 1.00")  # wording guessed
        if request.notional % CENT != 0:
            raise malformed("notional must be limited to 2 decimal places")  # wording guessed
    elif request.qty is not None and request.qty % SHARE_STEP != 0:
        raise malformed("qty must be limited to 9 decimal places")  # wording guessed
    if request.time_in_force != "day":
        raise unprocessable("fractional orders must be DAY orders")
    if request.order_class != "simple":
        raise unprocessable("fractional orders must be simple orders")
    if request.type == "trailing_stop":
        raise unprocessable("fractional orders must be simple orders")  # wording guessed for this type


def _check_type_prices(request: NewOrder) -> None:
    if request.type in ("limit", "stop_limit") and request.limit_price is None and request.order_class != "oco":
        raise malformed(f"{request.type} orders require limit price")
    if request.type in ("stop", "stop_limit") and request.stop_price is None:
        raise malformed(f"{request.type} orders require stop price")
    if request.type == "market" and (request.limit_price is not None or request.stop_price is not None):
        raise malformed("market orders require no limit or stop price")
    if request.time_in_force in ("opg", "cls") and request.type not in ("market", "limit"):
        raise malformed(f"{request.time_in_force} orders must be market or limit orders")  # wording guessed
    _check_trail(request)


def _check_trail(request: NewOrder) -> None:
    given = [trail for trail in (request.trail_price, request.trail_percent) if trail is not None]
    if request.type != "trailing_stop":
        if given:
            raise malformed(f"{request.type} orders require no trail price or percent")  # wording guessed
        return
    if len(given) != 1:
        raise malformed("trailing stop orders require either trail_price or trail_percent")  # wording guessed
    if not given[0].is_finite() or given[0] <= 0 or (request.trail_percent is not None and given[0] >= 100):
        raise unprocessable("trail_price or trail_percent must be greater than zero")  # wording guessed
    if request.time_in_force not in ("day", "gtc"):
        raise malformed('trailing_stop orders support only "day" or "gtc" time_in_force')  # wording guessed
    if request.order_class != "simple":
        raise malformed("trailing_stop orders must be simple orders")  # wording guessed


def _check_class(request: NewOrder) -> None:
    kind = request.order_class
    if kind == "simple":
        return
    if request.extended_hours:
        raise forbidden(f"{kind} orders do not support extended hours trading")
    if request.time_in_force not in ("day", "gtc"):
        raise malformed(f'{kind} orders support only "day" or "gtc" time_in_force')
    take, stop = request.take_profit_limit, request.stop_loss_stop
    if kind in ("bracket", "oco"):
        if take is None:
            raise malformed(f"{kind} orders require take_profit.limit_price")
        if stop is None:
            raise malformed(f"{kind} orders require stop_loss.stop_price")
    elif (take is None) == (stop is None):
        raise malformed("oto orders require exactly one of take_profit or stop_loss")  # wording guessed
    if kind == "oco" and request.type != "limit":
        raise malformed("oco orders must be limit orders")  # wording guessed


def intent_of(side: str, position: Decimal) -> str:
    """Alpaca's inferred position intent: a sale of a long position closes, everything else of that side opens."""
    if side == "buy":
        return "buy_to_close" if position < 0 else "buy_to_open"
    return "sell_to_close" if position > 0 else "sell_to_open"


def reserved_shares(position: Decimal, open_orders: Sequence[Order]) -> Decimal:
    """Shares of the position that resting exit orders already claim. The ``held`` half of an exit pair claims nothing extra."""
    if position == 0:
        return Decimal(0)
    exit_side = "sell" if position > 0 else "buy"
    claims = (
        order.remaining
        for order in open_orders
        if order.side == exit_side and order.armed and order.status != "held" and not order.opens
    )
    return sum(claims, Decimal(0))


def admit(request: NewOrder, context: MarketContext) -> str:
    """Check a well-formed request against the market and the account; the order's position intent when it is taken.

    Raises :class:`ExchangeRefusal`.
    """
    if context.trading_blocked:
        raise forbidden("account is not authorized to trade")
    if context.settings.suspend_trade:
        raise forbidden("new orders are rejected by user request")
    _check_asset(request, context)
    intent = intent_of(request.side, context.position)
    if request.position_intent and request.position_intent != intent:
        raise unprocessable(f"position intent mismatch, inferred: {intent}, specified: {request.position_intent}")
    closing = intent.endswith("_to_close")
    if request.order_class in ("bracket", "oto") and closing:
        raise forbidden(f"{request.order_class} orders must be entry orders")
    if request.order_class == "oco" and not closing:
        raise forbidden("oco orders must be exit orders")
    _check_exit_prices(request, context)
    _check_stop_side(request.side, request.stop_price, context.last_price)
    _check_wash_trade(request, context, opens=not closing)
    if request.time_in_force in ("opg", "cls") and request.time_in_force not in context.auctions:
        raise unprocessable(f"{request.time_in_force} orders are not accepted at this time")  # wording guessed
    if closing and context.day_trade:
        raise ExchangeRefusal(PDT_CODE, 403, "trade denied due to pattern day trading protection")
    qty = shares_wanted(request, context)
    if closing:
        check_available(request.symbol, qty, context.position, context.open_orders)
    else:
        if request.side == "sell":
            if is_fractional(request):
                raise unprocessable("fractional orders cannot be sold short")
            _check_short(request, context)
        _check_buying_power(request, qty, context)
    return intent


def shares_wanted(request: NewOrder, context: MarketContext) -> Decimal:
    """Shares of the request; for a notional amount what it buys at the reference price, nine decimals, rounded down. A sale for
    money never asks for more than the position holds when the difference is less than a cent's worth of rounding."""
    if request.notional is None:
        return request.qty or Decimal(0)
    price = reference_price(request, context)
    if price is None:
        raise unprocessable(f'asset "{request.symbol}" has no price to value a notional order with')  # wording guessed
    return (request.notional / price).quantize(SHARE_STEP, rounding=ROUND_DOWN)


def fractionable(row: Mapping[str, Any]) -> bool:
    """Whether parts of shares of an asset trade: as its row says, else when it trades and can be borrowed easily."""
    return bool(row.get("fractionable", row.get("tradable", True) and row.get("easy_to_borrow", False)))


def _check_asset(request: NewOrder, context: MarketContext) -> None:
    row = context.instrument
    if row is None:
        raise unprocessable(f'asset "{request.symbol}" not found')
    if row.get("status", "active") != "active":
        raise malformed(f"asset {request.symbol} is not active")
    if not row.get("tradable", True):
        raise unprocessable(f'asset "{request.symbol}" is not tradable')
    if is_fractional(request) and not (fractionable(row) and context.settings.fractional_trading):
        raise forbidden(f'asset "{request.symbol}" is not fractionable')


def base_price(request: NewOrder, context: MarketContext) -> Decimal | None:
    """The price the exits of a group are checked against: entry limit, take-profit of an oco, else the market."""
    if request.order_class == "oco":
        return request.take_profit_limit
    return request.limit_price or request.stop_price or context.last_price


def _check_exit_prices(request: NewOrder, context: MarketContext) -> None:
    if request.order_class == "simple":
        return
    base = base_price(request, context)
    if base is None:
        return
    # The entry's side decides which exit lies above; an oco IS the exit, so its sell side protects a long position.
    long_group = (request.side == "buy") != (request.order_class == "oco")
    stop, take = request.stop_loss_stop, request.take_profit_limit
    if stop is not None:
        if long_group and stop > base - CENT:
            raise unprocessable("stop_loss.stop_price must be <= base_price - 0.01", base_price=plain(base))
        if not long_group and stop < base + CENT:
            raise unprocessable("stop_loss.stop_price must be >= base_price + 0.01", base_price=plain(base))
    if take is not None and request.order_class != "oco":
        if long_group and take < base + CENT:
            raise unprocessable("take_profit.limit_price must be >= base_price + 0.01", base_price=plain(base))
        if not long_group and take > base - CENT:
            raise unprocessable("take_profit.limit_price must be <= base_price - 0.01", base_price=plain(base))


def _check_stop_side(side: str, stop: Decimal | None, last_price: Decimal | None) -> None:
    if stop is None or last_price is None:
        return
    if side == "sell" and stop >= last_price:
        raise unprocessable(
            "stop price must be less than current price", market_price=plain(last_price), stop_price=plain(stop)
        )
    if side == "buy" and stop <= last_price:
        raise unprocessable(
            "stop price must be greater than current price", market_price=plain(last_price), stop_price=plain(stop)
        )


check_stop_side = _check_stop_side


def _check_wash_trade(request: NewOrder, context: MarketContext, *, opens: bool) -> None:
    for order in context.open_orders:
        if order.side == request.side or order.status == "held":
            continue
        # Two opening orders of opposite sides would trade against each other whatever their class.
        if request.order_class in COMPLEX and not (opens and order.opens):
            continue
        kind = "limit" if order.works_as == "limit" else "market/stop"
        if kind == "limit" and request.type == "limit" and not (opens and order.opens):
            ours, theirs = request.limit_price, order.limit_price
            crossing = ours is None or theirs is None or (ours >= theirs if request.side == "buy" else ours <= theirs)
            if not crossing:
                continue
        answer = context.config.habits.wash_trade_answer
        raise (forbidden if answer == "403" else unprocessable)(
            "potential wash trade detected. use complex orders",
            existing_order_id=order.order_id,
            reject_reason=f"opposite side {kind} order exists",
        )


def check_available(symbol: str, qty: Decimal, position: Decimal, open_orders: Sequence[Order]) -> None:
    """Refuse an exit for more shares than are free."""
    reserved = reserved_shares(position, open_orders)
    available = abs(position) - reserved
    if qty > available:
        exit_side = "sell" if position > 0 else "buy"
        related = [order.order_id for order in open_orders if order.side == exit_side and order.armed]
        raise forbidden(
            f"insufficient qty available for order (requested: {plain(qty)}, available: {plain(available)})",
            available=plain(available),
            existing_qty=plain(abs(position)),
            held_for_orders=plain(reserved),
            related_orders=related,
            symbol=symbol,
        )


def _check_short(request: NewOrder, context: MarketContext) -> None:
    if not context.config.shorting or context.settings.no_shorting:
        raise forbidden("account is not allowed to short")
    row = context.instrument or {}
    if not (row.get("shortable", False) and row.get("easy_to_borrow", False)):
        raise unprocessable(f'asset "{request.symbol}" cannot be sold short')


def reference_price(request: NewOrder, context: MarketContext) -> Decimal | None:
    """USD per share an opening order is charged at: its limit or stop, else the far side of the quote, else the last price."""
    ask = Decimal(str(context.quote.ask)) if context.quote else context.last_price
    if request.side == "sell":
        candidates = [request.limit_price, None if ask is None else ask * context.config.short_price_buffer]
        known = [price for price in candidates if price is not None]
        return max(known) if known else None
    return request.limit_price or request.stop_price or ask


def _check_buying_power(request: NewOrder, qty: Decimal, context: MarketContext) -> None:
    if request.notional is not None:
        if request.notional > context.buying_power:
            raise forbidden(
                "insufficient buying power",
                buying_power=plain(context.buying_power),
                cost_basis=plain(request.notional),
            )
        return
    price = reference_price(request, context)
    if price is None:
        raise unprocessable(f'asset "{request.symbol}" has no price to check buying power with')  # cannot happen live
    cost = (price * qty).quantize(CENT)
    if cost > context.buying_power:
        raise forbidden("insufficient buying power", buying_power=plain(context.buying_power), cost_basis=plain(cost))
