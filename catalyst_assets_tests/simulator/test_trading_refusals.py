"""Every row of the vendor's error table, provoked by doing what provokes it there: over HTTP, by the official client."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pytest
import requests
from alpaca.common.exceptions import APIError
from alpaca.trading.client import TradingClient

from catalyst_assets.simulator.routes.limits import Limit
from catalyst_assets.simulator.server import build_app, start_in_thread
from catalyst_assets.simulator.venue.habits import Habits
from catalyst_assets_tests.simulator.handmade import ny, tape

KEYS = ("sim-key", "sim-secret")
HEADERS = {"APCA-API-KEY-ID": KEYS[0], "APCA-API-SECRET-KEY": KEYS[1]}


class Customer:
    """The official client, and raw bodies where its own validators would not let a mistake out."""

    def __init__(self, running):
        self.running = running
        self.exchange = running.simulation.exchange
        self.client = TradingClient(*KEYS, url_override=f"{running.base_url}/alpaca/trading")
        self.client._retry = 0

    def order(self, **body):
        values = {"symbol": "AAA", "qty": "10", "side": "buy", "type": "market", "time_in_force": "day", **body}
        return self.client.post("/orders", {key: value for key, value in values.items() if value is not None})

    def settings(self, **body):
        return self.client.patch("/account/configurations", body)


@pytest.fixture
def customer():
    running = start_in_thread(build_app(tape(), start=ny(10), seed=3, limits={"alpaca": ()}))
    yield Customer(running)
    running.stop()


def limit(price, **body):
    return {"type": "limit", "limit_price": price, **body}


def bracket(kind="bracket", **body):
    exits = {"take_profit": {"limit_price": "103"}, "stop_loss": {"stop_price": "98"}}
    return {"order_class": kind, **exits, **body}


def bought(customer):
    customer.order(client_order_id="held")


def resting(customer):
    customer.order(**limit("90", client_order_id="parked"))


def reserved(customer):
    bought(customer)
    customer.order(side="sell", **limit("110", client_order_id="target"))


def suspended(customer):
    customer.settings(suspend_trade=True)


def no_shorting(customer):
    customer.settings(no_shorting=True)


def blocked(customer):
    customer.exchange.trading_blocked = True


def inactive(customer):
    customer.exchange.view.instruments["BBB"]["status"] = "inactive"


def day_traded(customer):
    customer.exchange.adopt(Habits(pattern_day_trading=True))
    customer.exchange._ledger.cash = Decimal(20_000)
    for _ in range(3):
        customer.order()
        customer.order(side="sell")
    customer.order()


def by_id(name):
    return lambda customer: customer.client.get_order_by_client_id(name).id


def cancel_filled(customer):
    customer.client.cancel_order_by_id(by_id("held")(customer))


def replace_accepted(customer):
    placed = customer.order(time_in_force="opg", **limit("90"))
    customer.client.patch(f"/orders/{placed['id']}", {"limit_price": "91"})


def replace_filled(customer):
    customer.client.patch(f"/orders/{by_id('held')(customer)}", {"qty": "20"})


NOWHERE = "00000000-0000-4000-8000-000000000000"


@dataclass(frozen=True)
class Row:
    """``first`` is done, then ``act`` (or an order with ``body``), which is refused so."""

    status: int
    code: int
    message: str
    body: dict[str, Any] | None = None
    first: Callable[[Customer], Any] | None = None
    act: Callable[[Customer], Any] | None = None
    extras: dict[str, Any] = field(default_factory=dict)


ANY = object()
FRACTION = {"qty": "1.5"}
TABLE = {
    "buying power": Row(
        403,
        40310000,
        "insufficient buying power",
        limit("100", qty="5000"),
        extras={"buying_power": "400000", "cost_basis": "500000"},
    ),
    "reserved shares": Row(
        403,
        40310000,
        "insufficient qty available for order (requested: 10, available: 0)",
        {"side": "sell"},
        reserved,
        extras={
            "available": "0",
            "existing_qty": "10",
            "held_for_orders": "10",
            "related_orders": [by_id("target")],
            "symbol": "AAA",
        },
    ),
    "wash trade": Row(
        403,
        40310000,
        "potential wash trade detected. use complex orders",
        {"side": "sell"},
        resting,
        extras={"existing_order_id": by_id("parked"), "reject_reason": "opposite side limit order exists"},
    ),
    "wash trade as in 2024": Row(
        422,
        42210000,
        "potential wash trade detected. use complex orders",
        {"side": "sell"},
        lambda customer: (resting(customer), customer.exchange.adopt(Habits(wash_trade_answer="422"))),
        extras={"existing_order_id": by_id("parked"), "reject_reason": "opposite side limit order exists"},
    ),
    "not fractionable": Row(403, 40310000, 'asset "CCC" is not fractionable', {"symbol": "CCC", **FRACTION}),
    "not allowed to short": Row(403, 40310000, "account is not allowed to short", {"side": "sell"}, no_shorting),
    "not authorized": Row(403, 40310000, "account is not authorized to trade", {}, blocked),
    "suspended by the user": Row(403, 40310000, "new orders are rejected by user request", {}, suspended),
    "oto in extended hours": Row(
        403,
        40310000,
        "oto orders do not support extended hours trading",
        limit("100", order_class="oto", stop_loss={"stop_price": "98"}, extended_hours=True),
    ),
    "day trading, as until 2026-07": Row(
        403, 40310100, "trade denied due to pattern day trading protection", {"side": "sell"}, day_traded
    ),
    "no position": Row(
        404, 40410000, "position does not exist", act=lambda customer: customer.client.get_open_position("AAA")
    ),
    "no order": Row(404, 40410000, "order not found", act=lambda customer: customer.client.get_order_by_id(NOWHERE)),
    "no order of that name": Row(
        404,
        40410000,
        "order not found for cat-1",
        act=lambda customer: customer.client.get_order_by_client_id("cat-1"),
    ),
    "no asset": Row(404, 40410000, "asset not found for ZZZZ", act=lambda customer: customer.client.get_asset("ZZZZ")),
    "id used by a finished order": Row(
        422, 40010001, "client_order_id must be unique", {"client_order_id": "held"}, bought
    ),
    "id used by a resting order": Row(
        422, 42210000, "client_order_id must be unique", {"client_order_id": "parked"}, resting
    ),
    "no quantity": Row(422, 40010001, "qty or notional is required", {"qty": None}),
    "two quantities": Row(422, 40010001, "only one of qty or notional is accepted", {"notional": "100"}),
    "bracket without stop": Row(
        422,
        40010001,
        "bracket orders require stop_loss.stop_price",
        {"order_class": "bracket", "take_profit": {"limit_price": "103"}},
    ),
    "oto with another tif": Row(
        422,
        40010001,
        'oto orders support only "day" or "gtc" time_in_force',
        {"order_class": "oto", "stop_loss": {"stop_price": "98"}, "time_in_force": "ioc"},
    ),
    "inactive asset": Row(422, 40010001, "asset BBB is not active", {"symbol": "BBB"}, inactive),
    "unknown asset": Row(422, 42210000, 'asset "ZZZZ" not found', {"symbol": "ZZZZ"}),
    "not tradable": Row(422, 42210000, 'asset "DDD" is not tradable', {"symbol": "DDD"}),
    "not shortable": Row(422, 42210000, 'asset "CCC" cannot be sold short', {"symbol": "CCC", "side": "sell"}),
    "sub-penny": Row(
        422,
        42210000,
        "invalid limit_price 290.123. sub-penny increment does not fulfill minimum pricing criteria",
        limit("290.123"),
    ),
    "a float's noise": Row(
        422,
        42210000,
        "invalid limit_price 0.30000000000000004. sub-penny increment does not fulfill minimum pricing criteria",
        limit(0.1 + 0.2),
    ),
    "stop at the base price": Row(
        422,
        42210000,
        "stop_loss.stop_price must be <= base_price - 0.01",
        bracket(**limit("98")),
        extras={"base_price": "98"},
    ),
    "target at the base price": Row(
        422,
        42210000,
        "take_profit.limit_price must be >= base_price + 0.01",
        bracket(**limit("103")),
        extras={"base_price": "103"},
    ),
    "stop on the wrong side": Row(
        422,
        42210000,
        "stop price must be less than current price",
        {"side": "sell", "type": "stop", "stop_price": "167.01"},
        bought,
        extras={"market_price": "100", "stop_price": "167.01"},
    ),
    "fraction good till cancelled": Row(
        422, 42210000, "fractional orders must be DAY orders", {"time_in_force": "gtc", **FRACTION}
    ),
    "fraction in a bracket": Row(422, 42210000, "fractional orders must be simple orders", bracket(**FRACTION)),
    "fraction sold short": Row(422, 42210000, "fractional orders cannot be sold short", {"side": "sell", **FRACTION}),
    "market order in extended hours": Row(
        422, 42210000, "extended hours order must be DAY limit orders", {"extended_hours": True}
    ),
    "cancel of a filled order": Row(422, 42210000, 'order is already in "filled" state', None, bought, cancel_filled),
    "replace of a filled order": Row(422, 42210000, 'order is already in "filled" state', None, bought, replace_filled),
    "replace of an accepted order": Row(
        422,
        42210000,
        "unable to replace order in current state",
        act=lambda customer: (
            customer.exchange.advance(ny(20)),
            replace_accepted(customer),
        ),
    ),
}


def refusal(call, *args, **kwargs):
    with pytest.raises(APIError) as caught:
        call(*args, **kwargs)
    return caught.value.status_code, json.loads(str(caught.value))


@pytest.mark.parametrize("case", TABLE, ids=list(TABLE))
def test_each_row_is_answered_as_the_vendor_answers_it(customer, case):
    row = TABLE[case]
    if row.first is not None:
        row.first(customer)
    act = row.act or (lambda customer: customer.order(**(row.body or {})))
    status, body = refusal(act, customer)

    def actual(value):
        if isinstance(value, list):
            return [actual(item) for item in value]
        return str(value(customer)) if callable(value) else value

    expected = {"code": row.code, "message": row.message, **{key: actual(value) for key, value in row.extras.items()}}
    assert (status, body) == (row.status, expected)


def test_wrong_keys_and_too_many_requests(customer):
    url = f"{customer.running.base_url}/alpaca/trading/v2/account"
    answer = requests.get(url, headers={"APCA-API-KEY-ID": "wrong"}, timeout=5)
    assert (answer.status_code, answer.json()) == (401, {"message": "unauthorized."})
    customer.running.simulation.limiter.limits["alpaca"] = (Limit(1, 60),)
    codes = [requests.get(url, headers=HEADERS, timeout=5) for _ in range(2)]
    assert (codes[1].status_code, codes[1].json()) == (429, {"code": 42910000, "message": "rate limit exceeded"})
    assert codes[1].headers["X-RateLimit-Remaining"] == "0"


def test_a_refused_order_consumes_nothing(customer):
    for case in ("sub-penny", "unknown asset", "buying power"):
        refusal(customer.order, **{**(TABLE[case].body or {}), "client_order_id": "again"})
    assert customer.exchange.account().buying_power == Decimal(400_000)
    assert customer.order(client_order_id="again")["client_order_id"] == "again"
