"""Values of the simulator as the vendors write them: time stamps, money, and Alpaca's trading objects.

Belongs here: rendering. Does not belong here: routes, and which value is asked for.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any
from zoneinfo import ZoneInfo

from starlette.responses import Response

from catalyst_assets.simulator.venue.admission import plain
from catalyst_assets.simulator.venue.ledger import AccountState, Activity, Position
from catalyst_assets.simulator.venue.orders import ExchangeRefusal, Order

NEW_YORK = ZoneInfo("America/New_York")
_ASSETS = uuid.UUID("0b8d8f0e-7f0b-5a53-8a4e-6d7a2b1c9e55")


class Json(Response):
    """A JSON answer from a Python value or from text that already is JSON."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """Encode ``content``; NaN is refused rather than written as invalid JSON."""
        if isinstance(content, str):
            return content.encode()
        return json.dumps(content, allow_nan=False, separators=(",", ":")).encode()


def refused(error: ExchangeRefusal) -> Json:
    """The answer for a refusal."""
    return Json(error.body(), error.http_status)


def stamp(at: datetime | None) -> str | None:
    """RFC 3339 in UTC with nanosecond digits when there is a fraction, as Alpaca writes."""
    if at is None:
        return None
    fraction = f".{at.microsecond:06d}000" if at.microsecond else ""
    return f"{at:%Y-%m-%dT%H:%M:%S}{fraction}Z"


def eastern(at: datetime) -> str:
    """RFC 3339 with New York's offset, as Alpaca's clock writes."""
    return at.astimezone(NEW_YORK).isoformat()


def money(value: Decimal | None, places: int | None = None) -> str | None:
    """A decimal as a JSON string; ``places`` rounds half up."""
    if value is None:
        return None
    if places is not None:
        value = value.quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_UP)
    return plain(value)


def asset_id(symbol: str) -> str:
    """A stable id of an instrument."""
    return str(uuid.uuid5(_ASSETS, symbol))


def order_json(order: Order, *, nested: bool = True) -> dict[str, Any]:
    """An order as Alpaca writes it; every key present, ``legs`` only when nested."""
    legs = [order_json(leg) for leg in order.legs] if nested and order.legs else None
    return {
        "id": order.order_id,
        "client_order_id": order.client_order_id,
        "created_at": stamp(order.created_at),
        "updated_at": stamp(order.updated_at),
        "submitted_at": stamp(order.submitted_at),
        "filled_at": stamp(order.filled_at),
        "expired_at": stamp(order.expired_at),
        "expires_at": stamp(order.expires_at),
        "canceled_at": stamp(order.canceled_at),
        "failed_at": stamp(order.failed_at),
        "replaced_at": stamp(order.replaced_at),
        "replaced_by": order.replaced_by,
        "replaces": order.replaces,
        "asset_id": asset_id(order.symbol),
        "symbol": order.symbol,
        "asset_class": "us_equity",
        "notional": money(order.notional),
        "qty": None if order.notional is not None else plain(order.qty),
        "filled_qty": plain(order.filled_qty),
        "filled_avg_price": money(order.filled_avg_price, 6),
        "order_class": order.order_class,
        "order_type": order.type,
        "type": order.type,
        "side": order.side,
        "time_in_force": order.time_in_force,
        "limit_price": money(order.limit_price),
        "stop_price": money(order.stop_price),
        "status": order.status,
        "extended_hours": order.extended_hours,
        "legs": legs,
        "trail_percent": money(order.trail_percent),
        "trail_price": money(order.trail_price),
        "hwm": money(order.hwm),
        "subtag": None,
        "source": None,
        "position_intent": order.position_intent,
    }


def account_json(account_id: str, state: AccountState, created_at: datetime, asof: date) -> dict[str, Any]:
    """The account, field set of 2026 (no pattern-day-trader fields)."""
    shorting = state.multiplier > 1
    return {
        "id": account_id,
        "admin_configurations": {},
        "user_configurations": None,
        "account_number": f"PA{account_id[:8].upper()}",
        "status": "ACTIVE",
        "crypto_status": "ACTIVE",
        "currency": "USD",
        "buying_power": money(state.buying_power),
        "regt_buying_power": money(state.regt_buying_power),
        "effective_buying_power": money(state.buying_power),
        "non_marginable_buying_power": money(state.non_marginable_buying_power),
        "options_buying_power": money(state.non_marginable_buying_power),
        "cash": money(state.cash, 2),
        "accrued_fees": "0",
        "portfolio_value": money(state.equity),
        "trading_blocked": False,
        "transfers_blocked": False,
        "account_blocked": False,
        "created_at": stamp(created_at),
        "trade_suspended_by_user": False,
        "multiplier": money(state.multiplier),
        "shorting_enabled": shorting,
        "equity": money(state.equity),
        "last_equity": money(state.last_equity),
        "long_market_value": money(state.long_market_value, 2),
        "short_market_value": money(state.short_market_value, 2),
        "position_market_value": money(state.long_market_value - state.short_market_value, 2),
        "initial_margin": money(state.initial_margin),
        "maintenance_margin": money(state.maintenance_margin),
        "last_maintenance_margin": "0",
        "sma": money(state.last_equity),
        "balance_asof": asof.isoformat(),
        "crypto_tier": 1,
        "options_trading_level": 3,
        "options_approved_level": 3,
        "intraday_adjustments": "0",
        "pending_reg_taf_fees": "0",
    }


def position_json(
    position: Position,
    available: Decimal,
    price: Decimal | None,
    lastday: Decimal | None,
    exchange: str,
    *,
    signed: bool = True,
) -> dict[str, Any]:
    """A position; quantities are negative strings when short, unless not ``signed``. Profit today counts from the previous close
    for shares held since then, from the entry for those bought today."""
    sign = 1 if position.qty > 0 else -1
    current = price if price is not None else position.avg_entry_price
    value, cost = current * position.qty, position.cost_basis
    profit = value - cost
    part = profit / abs(cost) if cost else Decimal(0)
    change = current / lastday - 1 if lastday else Decimal(0)
    return {
        "asset_id": asset_id(position.symbol),
        "symbol": position.symbol,
        "exchange": exchange,
        "asset_class": "us_equity",
        "asset_marginable": True,
        "qty": plain(position.qty if signed else abs(position.qty)),
        "qty_available": plain(available * sign if signed else available),
        "avg_entry_price": money(position.avg_entry_price, 6),
        "side": "long" if sign > 0 else "short",
        "market_value": money(value, 4),
        "cost_basis": money(cost, 4),
        "unrealized_pl": money(profit, 4),
        "unrealized_plpc": money(part, 12),
        "unrealized_intraday_pl": money(profit, 4),
        "unrealized_intraday_plpc": money(part, 12),
        "current_price": money(current),
        "lastday_price": money(lastday),
        "change_today": money(change, 12),
    }


def activity_json(activity: Activity, account_id: str) -> dict[str, Any]:
    """A FILL or FEE activity."""
    if activity.kind == "FILL":
        return {
            "id": activity.activity_id,
            "account_id": account_id,
            "activity_type": "FILL",
            "transaction_time": stamp(activity.at),
            "type": "fill" if activity.leaves_qty == 0 else "partial_fill",
            "price": money(activity.price),
            "qty": plain(activity.qty),
            "side": "sell_short" if activity.side == "sell" and activity.opens else activity.side,
            "symbol": activity.symbol,
            "leaves_qty": plain(activity.leaves_qty),
            "order_id": activity.order_id,
            "cum_qty": plain(activity.cum_qty),
            "order_status": activity.order_status,
        }
    return {
        "id": activity.activity_id,
        "account_id": account_id,
        "activity_type": "FEE",
        "date": activity.at.astimezone(NEW_YORK).date().isoformat(),
        "created_at": stamp(activity.at),
        "net_amount": money(activity.net_amount),
        "description": activity.description,
        "status": "executed",
        "symbol": activity.symbol,
        "qty": plain(activity.qty),
        "per_share_amount": None,
    }


def asset_json(row: Mapping[str, Any], *, fractionable: bool = False) -> dict[str, Any]:
    """An instrument."""
    borrow = bool(row["easy_to_borrow"])
    return {
        "id": asset_id(str(row["symbol"])),
        "class": "us_equity",
        "exchange": str(row["exchange"]),
        "symbol": str(row["symbol"]),
        "name": str(row["name"]),
        "status": str(row["status"]),
        "tradable": bool(row["tradable"]),
        "marginable": True,
        "maintenance_margin_requirement": 30,
        "margin_requirement_long": "30",
        "margin_requirement_short": "30",
        "shortable": bool(row["shortable"]),
        "easy_to_borrow": borrow,
        "borrow_status": "easy_to_borrow" if borrow else "hard_to_borrow",
        "fractionable": fractionable,
        "attributes": ["fractional_eh_enabled"] if fractionable else [],
    }
