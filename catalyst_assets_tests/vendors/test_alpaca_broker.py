"""The broker: what is sent, and "no", "could not ask" and "may have happened" told apart."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalyst_assets.ports import (
    BrokerUnavailable,
    OrderClass,
    OrderRefused,
    OrderRequest,
    OrderSide,
    OrderStateUnknown,
    OrderStatus,
    OrderType,
)
from catalyst_assets.vendors import alpaca_broker
from catalyst_assets.vendors.alpaca_broker import AlpacaBroker, LiveTradingRefused
from catalyst_assets.vendors.alpaca_orders import STATUSES, parse_order, refusal_reason, tick, to_alpaca
from catalyst_assets.vendors.transport import Patience, Redactor
from catalyst_assets_tests.vendors.loopback import HTML, Answer, Asked, Unlimited, serving, within

KEY, SECRET = "KEYabc9871recognisable", "SECRETxyz4456recognisable"
QUICK = Patience(0.4, 0.4)
AT = datetime(2026, 10, 8, 15, 10, 18, tzinfo=UTC)
ACCOUNT = {
    "id": "acc-1",
    "status": "ACTIVE",
    "equity": "100000.12",
    "last_equity": "99000",
    "cash": "50000",
    "buying_power": "400000",
    "shorting_enabled": True,
    "trading_blocked": False,
    "account_blocked": False,
    "trade_suspended_by_user": False,
    "multiplier": "4",
}


def broker(url: str, **options: Any) -> AlpacaBroker:
    defaults: dict[str, Any] = {
        "paper": True,
        "budget": Unlimited(),
        "redact": Redactor([KEY, SECRET]),
        "patience": QUICK,
    }
    return AlpacaBroker(KEY, SECRET, url=url, **{**defaults, **options})


def uid(number: int) -> str:
    return f"{number:08d}-0000-4000-8000-000000000000"


def order(number: int = 1, at: datetime = AT, **changes: Any) -> dict[str, Any]:
    row = {
        "id": uid(number),
        "client_order_id": f"cat-{number}",
        "created_at": at.isoformat(),
        "submitted_at": at.isoformat().replace("+00:00", "Z"),
        "updated_at": at.isoformat(),
        "filled_at": None,
        "asset_class": "us_equity",
        "symbol": "ZZAA",
        "qty": "10",
        "filled_qty": "0",
        "filled_avg_price": None,
        "order_class": "",
        "type": "limit",
        "side": "buy",
        "time_in_force": "day",
        "limit_price": "10.05",
        "stop_price": None,
        "status": "new",
        "legs": None,
        "replaced_by": None,
        "replaces": None,
    }
    return {**row, **changes}


BRACKET = OrderRequest(
    client_order_id="cat-7",
    symbol="ZZAA",
    side=OrderSide.BUY,
    qty=10,
    type=OrderType.LIMIT,
    order_class=OrderClass.BRACKET,
    limit_price=Decimal("10.1"),
    take_profit=Decimal("11.333333"),
    stop_loss=Decimal("9.5"),
)


# ---------------------------------------------------------------------------------------------------------- what is sent


def test_a_bracket_is_sent_once_with_exact_prices_and_our_id() -> None:
    with serving(Answer(body=order(7, order_class="bracket", legs=[order(8, side="sell", status="held")]))) as venue:
        accepted = broker(venue.url).submit(BRACKET)
        (asked,) = venue.asked
    assert (asked.method, asked.path) == ("POST", "/v2/orders")
    assert asked.body == {
        "symbol": "ZZAA",
        "qty": 10,
        "side": "buy",
        "type": "limit",
        "time_in_force": "day",
        "order_class": "bracket",
        "client_order_id": "cat-7",
        "limit_price": 10.1,
        "take_profit": {"limit_price": 11.33},
        "stop_loss": {"stop_price": 9.5},
    }
    assert asked.headers["apca-api-key-id"] == KEY
    assert accepted.legs[0].parent_id == accepted.order_id and accepted.legs[0].status is OrderStatus.HELD


@given(st.decimals("0.0002", "99999", places=6))
@settings(max_examples=200)
def test_every_price_goes_out_within_the_tick_size(price: Decimal) -> None:
    request = OrderRequest("c", "ZZAA", OrderSide.BUY, 1, OrderType.LIMIT, limit_price=price)
    sent = Decimal(json.dumps(to_alpaca(request).to_request_fields()["limit_price"]))
    places = -int(sent.normalize().as_tuple().exponent)
    assert places <= (2 if sent >= 1 else 4)
    assert abs(sent - price) <= (Decimal("0.005") if price >= 1 else Decimal("0.00005"))
    assert sent == tick(price)


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (OrderRequest("a", "Z", OrderSide.SELL, 5, OrderType.MARKET), {"type": "market", "side": "sell"}),
        (
            OrderRequest("a", "Z", OrderSide.SELL, 5, OrderType.STOP, stop_price=Decimal(9)),
            {"type": "stop", "stop_price": 9.0},
        ),
        (
            OrderRequest(
                "a",
                "Z",
                OrderSide.SELL,
                5,
                OrderType.LIMIT,
                order_class=OrderClass.OCO,
                take_profit=Decimal(12),
                stop_loss=Decimal(9),
            ),
            {"order_class": "oco", "take_profit": {"limit_price": 12.0}, "stop_loss": {"stop_price": 9.0}},
        ),
        (
            OrderRequest("a", "Z", OrderSide.BUY, 5, OrderType.LIMIT, limit_price=Decimal(9), extended_hours=True),
            {"extended_hours": True},
        ),
    ],
)
def test_every_kind_of_order_we_use_is_accepted_by_the_client_library(
    request_: OrderRequest, expected: dict[str, Any]
) -> None:
    fields = to_alpaca(request_).to_request_fields()
    assert fields.items() >= expected.items() and fields["client_order_id"] == "a"


def test_an_order_the_client_library_refuses_never_leaves_and_is_a_refusal() -> None:
    with serving(Answer(body=order())) as venue:
        wrong = OrderRequest(
            "c", "ZZAA", OrderSide.BUY, 1, OrderType.LIMIT, order_class=OrderClass.BRACKET, limit_price=Decimal(9)
        )
        with pytest.raises(OrderRefused, match="not sent"):
            broker(venue.url).submit(wrong)
        assert venue.asked == []


def test_a_price_that_an_order_type_does_not_have_is_a_refusal_not_silently_dropped() -> None:
    wrong = OrderRequest("c", "ZZAA", OrderSide.SELL, 1, OrderType.STOP, limit_price=Decimal(9), stop_price=Decimal(9))
    with pytest.raises(OrderRefused, match="no limit_price"):
        broker("http://127.0.0.1:1").submit(wrong)


def test_a_replacement_carries_its_own_id_and_only_what_changes() -> None:
    with serving(Answer(body=order(12, replaces=uid(11)))) as venue:
        changed = broker(venue.url).replace(uid(11), client_order_id="cat-12", stop_price=Decimal("9.876"))
        (asked,) = venue.asked
    assert (asked.method, asked.path) == ("PATCH", f"/v2/orders/{uid(11)}")
    assert asked.body == {"stop_price": 9.88, "client_order_id": "cat-12"}
    assert changed.replaces == uid(11)


def test_a_cancel_is_a_delete_and_answers_nothing() -> None:
    with serving(Answer(204)) as venue:
        broker(venue.url).cancel(uid(3))
        assert (venue.asked[0].method, venue.asked[0].path) == ("DELETE", f"/v2/orders/{uid(3)}")


# ------------------------------------------------------------------------------------------------------------- refusals

WRITES: dict[str, Callable[[AlpacaBroker], Any]] = {
    "submit": lambda venue: venue.submit(BRACKET),
    "replace": lambda venue: venue.replace(uid(1), client_order_id="cat-9", qty=5),
    "cancel": lambda venue: venue.cancel(uid(1)),
}


@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize(
    ("status", "code", "message", "reason"),
    [
        (403, 40310000, "insufficient buying power", "buying_power"),
        (403, 40310000, "insufficient qty available for order (requested: 10, available: 0)", "reserved_shares"),
        (403, 40310000, "potential wash trade detected. use complex orders", "wash_trade"),
        (422, 42210000, "potential wash trade detected. use complex orders", "wash_trade"),
        (422, 40010001, "client_order_id must be unique", "duplicate_id"),
        (422, 42210000, 'order is already in "filled" state', "not_cancelable"),
        (404, 40410000, "order not found", "not_found"),
        (422, 42210000, "something entirely new", "refused"),
    ],
)
def test_a_4xx_with_a_code_is_a_refusal_classified_by_its_message(
    write: str, status: int, code: int, message: str, reason: str
) -> None:
    with serving(Answer(status, {"code": code, "message": message, "related_orders": ["x"]})) as venue:
        with pytest.raises(OrderRefused) as no:
            WRITES[write](broker(venue.url))
        assert len(venue.asked) == 1
    assert (no.value.code, no.value.reason) == (code, reason)
    assert no.value.body["related_orders"] == ["x"] and message in str(no.value)


@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize(
    "answer",
    [
        Answer(504, {"code": 50410000, "message": "request timed out"}),
        Answer(500, {"code": 50010000, "message": "internal"}),
        HTML,
        Answer(503, b"", "text/html"),
        Answer(408, {"message": "timeout"}),
        Answer(hang_up=True),
        Answer(silent=5),
    ],
)
def test_a_write_that_may_have_landed_is_unknown_and_sent_exactly_once(write: str, answer: Answer) -> None:
    with serving(answer) as venue, within(2.0):
        with pytest.raises(OrderStateUnknown, match="look it up") as unknown:
            WRITES[write](broker(venue.url))
        assert len(venue.asked) == 1, "alpaca-py would have repeated the POST"
    assert KEY not in str(unknown.value) and SECRET not in str(unknown.value)


@pytest.mark.parametrize("write", ["submit", "replace"])
@pytest.mark.parametrize(
    "answer", [Answer(200, b"<html>"), Answer(200, {"id": "x"}), Answer(200, []), Answer(302, b""), Answer(200, {})]
)
def test_an_unreadable_yes_is_unknown(write: str, answer: Answer) -> None:
    with serving(answer) as venue, pytest.raises(OrderStateUnknown):
        WRITES[write](broker(venue.url))


@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize(
    "answer",
    [
        Answer(401, {"message": f"unauthorized. {KEY}"}),
        Answer(403, {"message": f"forbidden. {SECRET}"}),
        Answer(403, b"<html>blocked</html>", "text/html"),
        Answer(429, {"code": 42910000, "message": "rate limit exceeded"}),
        Answer(400, {"message": "bad"}),
    ],
)
def test_what_says_nothing_about_the_order_changed_nothing(write: str, answer: Answer) -> None:
    with serving(answer) as venue, pytest.raises(BrokerUnavailable) as said:
        WRITES[write](broker(venue.url))
    assert KEY not in str(said.value) and SECRET not in str(said.value)


@pytest.mark.parametrize("write", WRITES)
def test_a_broker_that_is_not_there_received_nothing(write: str) -> None:
    with pytest.raises(BrokerUnavailable, match="nothing was sent"):
        WRITES[write](broker("http://127.0.0.1:1"))


def test_an_id_that_is_not_alpacas_is_not_found_and_not_asked() -> None:
    nobody = broker("http://127.0.0.1:1")
    assert nobody.order("no-uuid") is None
    for write in (lambda: nobody.cancel("no-uuid"), lambda: nobody.replace("no-uuid", client_order_id="c", qty=1)):
        with pytest.raises(OrderRefused) as no:
            write()
        assert no.value.reason == "not_found"


def test_504_after_accept_is_found_again_by_its_id() -> None:
    landed: dict[str, Any] = {}

    def venue_answer(asked: Asked) -> Answer:
        if asked.method == "POST":
            landed["order"] = order(7, client_order_id=asked.body["client_order_id"], order_class="bracket")
            return Answer(504, {"code": 50410000, "message": "request timed out"})
        if asked.path == f"/v2/orders/{uid(7)}":
            return Answer(body={**landed["order"], "legs": [order(8, status="held"), order(9, status="held")]})
        if asked.query.get("client_order_id") == "cat-7":
            return Answer(body=landed["order"])
        return Answer(404, {"code": 40410000, "message": "order not found"})

    with serving(venue_answer) as venue:
        account = broker(venue.url)
        with pytest.raises(OrderStateUnknown):
            account.submit(BRACKET)
        found = account.order_by_client_id("cat-7")
        assert account.order_by_client_id("cat-8") is None
    assert found is not None and found.client_order_id == "cat-7" and len(found.legs) == 2
    assert sum(asked.method == "POST" for asked in venue.asked) == 1


def test_a_404_without_alpacas_code_does_not_mean_that_there_is_no_order() -> None:
    with serving(Answer(404, b"<html>proxy</html>", "text/html")) as venue, pytest.raises(BrokerUnavailable):
        broker(venue.url).order_by_client_id("cat-7")


READS: dict[str, Callable[[AlpacaBroker], Any]] = {
    "account": lambda venue: venue.account(),
    "positions": lambda venue: venue.positions(),
    "open_orders": lambda venue: venue.open_orders(),
    "orders_since": lambda venue: venue.orders_since(AT),
    "order": lambda venue: venue.order(uid(1)),
    "order_by_client_id": lambda venue: venue.order_by_client_id("cat-1"),
    "fills": lambda venue: venue.fills(AT),
    "fees": lambda venue: venue.fees(AT),
    "clock": lambda venue: venue.clock(),
    "calendar": lambda venue: venue.calendar(date(2026, 11, 25), date(2026, 11, 27)),
}


@pytest.mark.parametrize("read", READS)
@pytest.mark.parametrize(
    "answer",
    [
        HTML,
        Answer(401, {"message": f"unauthorized. {KEY}"}),
        Answer(500, {}),
        Answer(hang_up=True),
        Answer(200, b"<html>"),
        Answer(200, {"x": KEY}),
        Answer(200, [7]),
    ],
)
def test_a_read_that_fails_is_unavailable_and_never_empty(read: str, answer: Answer) -> None:
    with serving(answer) as venue, pytest.raises(BrokerUnavailable) as said:
        READS[read](broker(venue.url))
    assert KEY not in str(said.value) and "\n" not in str(said.value)


@pytest.mark.parametrize("read", READS)
def test_a_dead_broker_costs_a_read_its_timeout(read: str) -> None:
    with serving(Answer(silent=9)) as venue, within(2.0), pytest.raises(BrokerUnavailable, match="in time"):
        READS[read](broker(venue.url))


def test_reads_stop_when_the_budget_is_spent_and_writes_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alpaca_broker, "BUDGET_WAIT_SECONDS", 0.0)
    with serving(Answer(body=order(7))) as venue:
        account = broker(venue.url, budget=Unlimited(limit=0))
        with pytest.raises(BrokerUnavailable, match="budget"):
            account.order(uid(7))
        assert account.submit(BRACKET).order_id == uid(7)


# ------------------------------------------------------------------------------------------------------------- reading


def test_the_account_is_exact_and_a_missing_block_is_a_block() -> None:
    with serving(Answer(body=ACCOUNT)) as venue:
        account = broker(venue.url).account()
    assert (account.equity, account.is_paper, account.trading_blocked) == (Decimal("100000.12"), True, False)
    missing = {key: value for key, value in ACCOUNT.items() if key not in ("trading_blocked", "shorting_enabled")}
    with serving(Answer(body=missing)) as venue:
        account = broker(venue.url).account()
    assert account.trading_blocked and not account.shorting_enabled


@pytest.mark.parametrize("qty", ["7", "-7"])
def test_a_short_position_is_negative_whatever_sign_the_vendor_sends(qty: str) -> None:
    row = {"symbol": "ZZAA", "side": "short", "qty": qty, "qty_available": qty, "avg_entry_price": "10"}
    option = {**row, "asset_class": "us_option", "symbol": "ZZAA261218C00100000"}
    with serving(Answer(body=[row, option])) as venue:
        (position,) = broker(venue.url).positions()
    assert position.qty == position.qty_available == Decimal(-7) and position.current_price is None


def test_an_unknown_status_is_alive_and_keeps_its_own_word() -> None:
    read = parse_order(order(status="a_new_one"))
    assert read.status is OrderStatus.UNKNOWN and not read.status.is_final and read.raw_status == "a_new_one"
    for word in ("done_for_day", "calculated", "suspended"):
        assert not parse_order(order(status=word)).status.is_final
    assert {word for word, status in STATUSES.items() if status.is_final} == {
        "filled",
        "canceled",
        "expired",
        "replaced",
        "rejected",
    }


def test_refusals_are_read_without_regard_to_case() -> None:
    assert refusal_reason("Insufficient Buying Power") == "buying_power"


def order_book(rows: list[dict[str, Any]], nested_open: list[str] | None = None) -> Callable[[Asked], Answer]:
    """A venue that pages as Alpaca does: ``after`` and ``until`` exclusive, newest first."""

    def answer(asked: Asked) -> Answer:
        found = rows
        if asked.query["nested"] == "False":
            found = [leg for row in rows for leg in (row, *(row["legs"] or []))]
        if asked.query["status"] == "open":
            found = [row for row in found if not STATUSES[row["status"]].is_final]
        when = lambda row: datetime.fromisoformat(row["submitted_at"])  # noqa: E731
        if "until" in asked.query:
            found = [row for row in found if when(row) < datetime.fromisoformat(asked.query["until"])]
        if "after" in asked.query:
            found = [row for row in found if when(row) > datetime.fromisoformat(asked.query["after"])]
        return Answer(body=sorted(found, key=when, reverse=True)[: int(asked.query["limit"])])

    return answer


def test_orders_come_over_all_pages_oldest_first_even_with_equal_times(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alpaca_broker, "ORDERS_PER_PAGE", 4)
    rows = [order(n, AT + timedelta(seconds=n // 2)) for n in range(1, 18)]
    with serving(order_book(rows)) as venue:
        found = broker(venue.url).orders_since(AT)
        assert len(venue.asked) > 4
    assert [each.order_id for each in found] == [
        row["id"] for row in rows if datetime.fromisoformat(row["submitted_at"]) > AT
    ]


def test_order_pages_that_do_not_end_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alpaca_broker, "ORDERS_PER_PAGE", 1)
    monkeypatch.setattr(alpaca_broker, "MAX_PAGES", 3)
    rows = [order(n, AT + timedelta(seconds=n)) for n in range(1, 9)]
    with serving(order_book(rows)) as venue, pytest.raises(BrokerUnavailable, match="more than 3 pages"):
        broker(venue.url).orders_since(AT)


def test_the_open_legs_of_a_filled_entry_are_not_lost() -> None:
    legs = [order(2, side="sell"), order(3, side="sell", status="held")]
    rows = [
        order(1, status="filled", filled_qty="10", order_class="bracket", legs=legs),
        order(4, AT + timedelta(seconds=9)),
    ]
    with serving(order_book(rows)) as venue:
        found = broker(venue.url).open_orders()
    assert [each.order_id for each in found] == [uid(1), uid(4)]
    assert [leg.order_id for leg in found[0].legs] == [uid(2), uid(3)]


def test_fills_page_by_token_and_begin_after_the_asked_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alpaca_broker, "ACTIVITIES_PER_PAGE", 2)
    rows = [
        {
            "id": f"2026::{n}",
            "activity_type": "FILL",
            "transaction_time": (AT + timedelta(seconds=n)).isoformat(),
            "price": "10.01",
        }
        | {"qty": "3", "side": "sell_short" if n == 2 else "buy", "symbol": "ZZAA", "order_id": uid(n)}
        for n in range(5)
    ]

    def pages(asked: Asked) -> Answer:
        first = next((n + 1 for n, row in enumerate(rows) if row["id"] == asked.query.get("page_token")), 0)
        return Answer(body=rows[first : first + 2])

    with serving(pages) as venue:
        found = broker(venue.url).fills(AT)
        assert len(venue.asked) == 3 and venue.asked[0].path == "/v2/account/activities/FILL"
        assert venue.asked[0].query["direction"] == "asc"
    assert [fill.activity_id for fill in found] == ["2026::1", "2026::2", "2026::3", "2026::4"]
    assert found[1].side is OrderSide.SELL and found[0].price == Decimal("10.01")


def test_activity_pages_that_stand_still_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alpaca_broker, "ACTIVITIES_PER_PAGE", 1)
    row = {
        "id": "same",
        "transaction_time": AT.isoformat(),
        "price": "1",
        "qty": "1",
        "side": "buy",
        "symbol": "Z",
        "order_id": "o",
    }
    with serving(Answer(body=[row])) as venue, pytest.raises(BrokerUnavailable, match="do not go on"):
        broker(venue.url).fills(AT)


def test_fees_cost_positive_and_those_dated_by_day_are_not_lost() -> None:
    rows = [
        {"id": "f1", "activity_type": "FEE", "date": "2026-10-08", "net_amount": "-0.02", "description": "TAF fee"},
        {"id": "f2", "activity_type": "FEE", "date": "2026-10-07", "net_amount": "-5", "description": "old"},
        {"id": "f3", "activity_type": "FEE", "created_at": (AT + timedelta(hours=1)).isoformat(), "net_amount": "0.01"},
    ]
    with serving(Answer(body=rows)) as venue:
        found = broker(venue.url).fees(AT)
    assert [(fee.activity_id, fee.amount) for fee in found] == [("f1", Decimal("0.02")), ("f3", Decimal("-0.01"))]
    assert found[0].at == datetime(2026, 10, 8, 4, tzinfo=UTC)


def test_the_calendar_is_new_york_wall_clock_on_both_sides_of_a_time_change() -> None:
    rows = [
        {"date": "2026-10-30", "open": "09:30", "close": "16:00"},
        {"date": "2026-11-02", "open": "09:30", "close": "16:00"},
        {"date": "2026-11-27", "open": "09:30", "close": "13:00"},
    ]
    with serving(Answer(body=rows)) as venue:
        days = broker(venue.url).calendar(date(2026, 10, 30), date(2026, 11, 27))
    assert [opened.hour for _, opened, _ in days] == [13, 14, 14]
    assert [closed.hour for _, _, closed in days] == [20, 21, 18]


# --------------------------------------------------------------------------------------------------------- real money


@pytest.mark.parametrize(
    ("switches", "said"),
    [
        ({}, "CATALYST_LIVE_TRADING"),
        ({"live_trading": True}, "CATALYST_LIVE_ACCOUNT"),
        ({"live_account_id": "acc-1"}, "CATALYST_LIVE_TRADING"),
        ({"live_trading": True, "live_account_id": "acc-2"}, "belong to account acc-1"),
    ],
)
def test_real_money_is_refused_unless_every_switch_agrees(switches: dict[str, Any], said: str) -> None:
    with serving(Answer(body=ACCOUNT)) as venue, pytest.raises(LiveTradingRefused, match=said):
        broker(venue.url, paper=False, **switches)


def test_real_money_with_every_switch_is_accepted() -> None:
    with serving(Answer(body=ACCOUNT)) as venue:
        live = broker(venue.url, paper=False, live_trading=True, live_account_id="acc-1")
        assert not live.is_paper and not live.account().is_paper


def test_the_live_address_declared_as_paper_is_refused() -> None:
    with pytest.raises(LiveTradingRefused, match="real money"):
        broker("https://api.alpaca.markets")
