"""Every method of the official trading client that is served, called against the real server and parsed by the client."""

from __future__ import annotations

from datetime import date, timedelta
from uuid import uuid4

import pytest
from alpaca.trading.client import TradingClient
from alpaca.trading.enums import CorporateActionType, OrderSide, OrderStatus, TimeInForce
from alpaca.trading.models import AccountConfiguration
from alpaca.trading.requests import (
    ClosePositionRequest,
    CreateWatchlistRequest,
    GetCalendarRequest,
    GetCorporateAnnouncementsRequest,
    GetOptionContractsRequest,
    GetOrdersRequest,
    GetPortfolioHistoryRequest,
    LimitOrderRequest,
    MarketOrderRequest,
    ReplaceOrderRequest,
    StopLimitOrderRequest,
    StopOrderRequest,
    TrailingStopOrderRequest,
    UpdateWatchlistRequest,
)

from catalyst_assets_tests.simulator.handmade import FRIDAY, ny
from catalyst_assets_tests.simulator.test_trading_refusals import customer, refusal

__all__ = ["customer"]

TRANSPORT = {"get", "post", "put", "patch", "delete", "response_wrapper"}


def request(kind=MarketOrderRequest, **values):
    return kind(**{"symbol": "AAA", "qty": 10, "side": OrderSide.BUY, "time_in_force": TimeInForce.DAY, **values})


def orders(customer):
    client = customer.client
    placed = client.submit_order(request(LimitOrderRequest, limit_price=90, client_order_id="mine"))
    assert client.get_order_by_client_id("mine").id == client.get_order_by_id(placed.id).id == placed.id
    new = client.replace_order_by_id(placed.id, ReplaceOrderRequest(qty=20, limit_price=91))
    assert (new.replaces, new.qty) == (placed.id, "20")
    client.cancel_order_by_id(new.id)
    assert client.get_orders(GetOrdersRequest(symbols=["AAA"])) == []
    client.submit_order(request(LimitOrderRequest, limit_price=90))
    assert [answer.status for answer in client.cancel_orders()] == [200]
    for kind, prices in (
        (StopOrderRequest, {"stop_price": 110}),
        (StopLimitOrderRequest, {"stop_price": 110, "limit_price": 111}),
        (TrailingStopOrderRequest, {"trail_percent": 5, "time_in_force": TimeInForce.GTC}),
        (TrailingStopOrderRequest, {"trail_price": 2}),
    ):
        assert client.get_order_by_id(client.submit_order(request(kind, **prices)).id).status == OrderStatus.NEW


def positions(customer):
    client = customer.client
    client.submit_order(request(qty=10.5))
    assert client.get_open_position("AAA").qty == client.get_all_positions()[0].qty == "10.5"
    assert client.close_position("AAA", ClosePositionRequest(qty="0.5")).qty == "0.5"
    assert client.close_position("AAA", ClosePositionRequest(percentage="50")).qty == "5"
    (closed,) = client.close_all_positions(cancel_orders=True)
    assert (closed.symbol, closed.status, closed.body.qty) == ("AAA", 200, "5")
    assert client.get_all_positions() == []


def account(customer):
    client = customer.client
    client.submit_order(request())
    assert client.get_account().equity == "99999.8"  # bought at 100.02, marked at 100
    settings = client.get_account_configurations()
    changed = AccountConfiguration(**{**settings.model_dump(), "suspend_trade": True})
    assert client.set_account_configurations(changed).suspend_trade
    assert client.get_account().trade_suspended_by_user
    history = client.get_portfolio_history(GetPortfolioHistoryRequest(period="1D", timeframe="5Min"))
    assert history.timeframe == "5Min"
    assert history.equity[-1] == 99999.8
    assert len(history.timestamp) == len(history.equity) == len(history.profit_loss) == len(history.profit_loss_pct)


def reference(customer):
    client = customer.client
    assert {asset.symbol for asset in client.get_all_assets()} == {"AAA", "BBB", "CCC", "DDD"}
    assert client.get_asset(client.get_asset("AAA").id).fractionable
    assert client.get_clock().next_close == ny(16)
    (day,) = client.get_calendar(GetCalendarRequest(start=FRIDAY, end=FRIDAY))
    assert day.date == FRIDAY


def watchlists(customer):
    client = customer.client
    made = client.create_watchlist(CreateWatchlistRequest(name="mine", symbols=["AAA"]))
    assert [asset.symbol for asset in client.add_asset_to_watchlist_by_id(made.id, "BBB").assets] == ["AAA", "BBB"]
    assert [asset.symbol for asset in client.remove_asset_from_watchlist_by_id(made.id, "AAA").assets] == ["BBB"]
    assert client.update_watchlist_by_id(made.id, UpdateWatchlistRequest(name="yours")).name == "yours"
    assert client.get_watchlist_by_id(made.id).name == client.get_watchlists()[0].name == "yours"
    client.delete_watchlist_by_id(made.id)
    assert client.get_watchlists() == []


def absent(customer):
    client = customer.client
    assert client.get_option_contracts(GetOptionContractsRequest()).option_contracts == []
    assert refusal(client.get_option_contract, "AAA261218C00100000")[0] == 404
    assert refusal(client.exercise_options_position, "AAA261218C00100000")[0] == 403
    wanted = GetCorporateAnnouncementsRequest(
        ca_types=[CorporateActionType.DIVIDEND], since=FRIDAY - timedelta(days=30), until=FRIDAY
    )
    assert client.get_corporate_announcements(wanted) == []
    assert refusal(client.get_corporate_announcement_by_id, uuid4())[0] == 404


CONVERSATIONS = (orders, positions, account, reference, watchlists, absent)


@pytest.mark.parametrize("conversation", CONVERSATIONS, ids=lambda talk: talk.__name__)
def test_the_client_parses_every_answer(customer, conversation):
    conversation(customer)


def test_no_method_of_the_client_is_left_out():
    methods = {name for name in dir(TradingClient) if not name.startswith("_")} - TRANSPORT
    called = {name for talk in CONVERSATIONS for name in talk.__code__.co_names}
    assert methods <= called


def test_the_calendar_covers_what_the_vendors_does_and_knows_settlement(customer):
    def days(**query):
        return customer.client.get("/calendar", query)

    assert days(start="1970-01-01", end="1970-01-05")[0]["date"] == "1970-01-02"
    assert days(start="2029-12-28")[-1]["date"] == "2029-12-31"
    (half,) = days(start="2026-11-27", end="2026-11-27")
    assert half == {
        "date": "2026-11-27",
        "open": "09:30",
        "close": "13:00",
        "session_open": "0400",
        "session_close": "1700",
        "settlement_date": "2026-11-30",
    }
    for traded, settles in (("2024-05-24", "2024-05-29"), ("2024-05-28", "2024-05-29"), ("2017-09-01", "2017-09-07")):
        assert days(start=traded, end=traded)[0]["settlement_date"] == settles
    assert [row["date"] for row in days(start="2026-11-20", end="2026-11-20", date_type="SETTLEMENT")] == ["2026-11-19"]


def test_version_three_knows_the_phase_of_the_market(customer):
    def phase(at):
        (clock,) = customer.client.get("/clock", {"time": at.isoformat()}, api_version="v3")["clocks"]
        return clock["phase"], clock["is_market_day"]

    assert [phase(ny(hour)) for hour in (3, 5, 10, 17, 21)] == [
        ("closed", True),
        ("pre", True),
        ("core", True),
        ("post", True),
        ("closed", False),
    ]
    days = customer.client.get(
        "/calendar/NYSE", {"start": str(FRIDAY), "end": str(FRIDAY), "timezone": "UTC"}, api_version="v3"
    )
    assert days["calendar"][0]["core_start"] == "2026-11-20T14:30:00+00:00"
    assert date.fromisoformat(days["calendar"][0]["settlement_date"]) == FRIDAY + timedelta(days=3)


def test_activities_are_paged_filtered_and_ordered(customer):
    for side in ("buy", "sell", "buy"):
        customer.order(side=side)

    def kinds(path="", **query):
        return [row["activity_type"] for row in customer.client.get(f"/account/activities{path}", query)]

    assert kinds(direction="asc") == ["FILL", "FILL", "FEE", "FEE", "FILL"]
    assert kinds("/FILL") == kinds(category="trade_activity") == ["FILL"] * 3
    assert kinds(date="2026-11-20") == kinds(after="2026-11-20T14:00:00Z")
    assert kinds(date="2026-11-19") == kinds(until="2026-11-20T14:00:00Z") == []
    pages, token = [], None
    while page := customer.client.get("/account/activities", {"page_size": 2, "page_token": token}):
        pages.append(len(page))
        token = page[-1]["id"]
    assert pages == [2, 2, 1]


def test_orders_are_listed_by_state_direction_and_bounds(customer):
    placed = [customer.order(type="limit", limit_price=str(price))["id"] for price in (90, 91, 92)]
    customer.client.cancel_order_by_id(placed[1])

    def listed(**query):
        return [row["id"] for row in customer.client.get("/orders", query)]

    assert listed() == [placed[2], placed[0]]
    assert listed(status="closed") == [placed[1]]
    assert listed(status="all", direction="asc", limit=2) == placed[:2]
    assert listed(status="all", after_order_id=placed[0]) == [placed[2], placed[1]]
    assert listed(status="all", before_order_id=placed[1]) == [placed[0]]
    assert listed(side="sell") == listed(symbols="BBB") == []
