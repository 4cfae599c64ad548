"""The exchange's books as rows, for audits: every order, fill, fee, position and movement of cash.

Belongs here: writing them. Does not belong here: keeping them (``venue.ledger``).
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from catalyst_assets.simulator.exchange import Exchange
from catalyst_assets.simulator.routes.wire import activity_json, money, order_json
from catalyst_assets.simulator.venue.ledger import Activity


def full_ledger(exchange: Exchange) -> dict[str, list[dict[str, Any]]]:
    """``orders`` (legs as rows of their own, with ``parent_id``), ``fills``, ``fees``, ``positions`` and ``cash``: oldest first.

    ``cash`` begins with the opening balance; every row's ``balance`` is the sum so far, computed from the activities alone: that the
    last one is the account's cash is for the audit to find out.
    """
    with exchange.lock:
        activities = exchange.activities()
        orders = [
            {**order_json(order, nested=False), "parent_id": None if order is root else root.order_id}
            for root in exchange.orders()
            for order in (root, *root.legs)
        ]
        positions = [
            {
                "symbol": position.symbol,
                "qty": shares(position.qty),
                "avg_entry_price": money(position.avg_entry_price, 6),
                "cost_basis": money(position.cost_basis, 4),
                "price": money(exchange.price(position.symbol)),
                "opened_at": position.opened_at.isoformat(),
            }
            for position in exchange.positions()
        ]
        start = exchange.created_at.isoformat()
        opening = exchange.starting_cash
        cash = [
            {"at": start, "kind": "OPENING", "activity_id": None, "amount": money(opening), "balance": money(opening)}
        ]
        balance = opening
        for activity in activities:
            balance += _amount(activity)
            cash.append(
                {
                    "at": activity.at.isoformat(),
                    "kind": activity.kind,
                    "activity_id": activity.activity_id,
                    "amount": money(_amount(activity)),
                    "balance": money(balance),
                }
            )
        rows = {
            kind: [activity_json(a, exchange.account_id) for a in activities if a.kind == kind]
            for kind in ("FILL", "FEE")
        }
    return {"orders": orders, "fills": rows["FILL"], "fees": rows["FEE"], "positions": positions, "cash": cash}


def shares(qty: Decimal | int) -> int | float:
    """A number of shares as a JSON number."""
    return int(qty) if qty % 1 == 0 else float(qty)


def _amount(activity: Activity) -> Any:
    """What an activity did to the cash, USD."""
    if activity.kind == "FILL":
        return activity.price * activity.qty * (-1 if activity.side == "buy" else 1)
    return activity.net_amount
