"""Alpaca's interface of the simulator, asked by the official client."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal

import pytest
import requests
from alpaca.common.exceptions import APIError
from alpaca.data.enums import DataFeed
from alpaca.data.historical import NewsClient, ScreenerClient, StockHistoricalDataClient
from alpaca.data.requests import (
    MarketMoversRequest,
    MostActivesRequest,
    NewsRequest,
    StockBarsRequest,
    StockLatestBarRequest,
    StockLatestQuoteRequest,
    StockLatestTradeRequest,
    StockSnapshotRequest,
)
from alpaca.data.timeframe import TimeFrame, TimeFrameUnit
from alpaca.trading.client import TradingClient
from alpaca.trading.enums import OrderClass, OrderSide, OrderStatus, QueryOrderStatus, TimeInForce
from alpaca.trading.requests import (
    ClosePositionRequest,
    GetCalendarRequest,
    GetOrdersRequest,
    LimitOrderRequest,
    MarketOrderRequest,
    ReplaceOrderRequest,
    StopLossRequest,
    StopOrderRequest,
    TakeProfitRequest,
)

from catalyst_assets.simulator.routes.limits import Limit
from catalyst_assets.simulator.server import build_app, start_in_thread
from catalyst_assets.simulator.tape import Revision, WireArticle
from catalyst_assets_tests.simulator.handmade import FRIDAY, ny, tape

KEYS = ("sim-key", "sim-secret")
HEADERS = {"APCA-API-KEY-ID": KEYS[0], "APCA-API-SECRET-KEY": KEYS[1]}
MINUTES = {"AAA": [(100, 100.5, 99.5, 100.2), (100.2, 104, 97, 103)]}


def articles():
    made = []
    for number in range(30):
        at = ny(8) + timedelta(minutes=number)
        made.append(
            WireArticle(
                article_id=1000 + number,
                story_id=-1,
                outlet="Benzinga",
                headline=f"AAA &amp; partner note {number}",
                summary="",
                body="Body.",
                url=f"https://example.invalid/{number}",
                symbols=("AAA",) if number % 2 else (),
                published_at=at,
                revisions=(Revision(ny(9), "AAA corrected", "now with text"),) if number == 0 else (),
                visible={"alpaca": at + timedelta(seconds=20)},
                author="Desk",
            )
        )
    return made


@pytest.fixture
def server():
    made = tape(MINUTES, articles=articles())
    running = start_in_thread(build_app(made, start=ny(10), seed=3, limits={"alpaca": ()}))
    yield running
    running.stop()


@pytest.fixture
def trading(server):
    client = TradingClient(*KEYS, url_override=f"{server.base_url}/alpaca/trading")
    client._retry = 0
    return client


@pytest.fixture
def data(server):
    return StockHistoricalDataClient(*KEYS, url_override=f"{server.base_url}/alpaca/data")


def move(server, at):
    answer = requests.post(f"{server.base_url}/simulator/clock", json={"now": at.isoformat()}, timeout=5)
    assert answer.status_code == 200, answer.text


def bracket(qty=10, client_order_id="cat-1", **changes):
    values = {
        "symbol": "AAA",
        "qty": qty,
        "side": OrderSide.BUY,
        "time_in_force": TimeInForce.DAY,
        "limit_price": 100.1,
        "order_class": OrderClass.BRACKET,
        "take_profit": TakeProfitRequest(limit_price=103.5),
        "stop_loss": StopLossRequest(stop_price=98),
        "client_order_id": client_order_id,
    }
    return LimitOrderRequest(**{**values, **changes})


def refusal(call, *args, **kwargs):
    with pytest.raises(APIError) as caught:
        call(*args, **kwargs)
    return caught.value.status_code, json.loads(str(caught.value))


def test_account_clock_calendar_and_assets_parse(trading):
    account = trading.get_account()
    assert (account.cash, account.buying_power, account.multiplier) == ("100000", "400000", "4")
    assert account.pattern_day_trader is None
    clock = trading.get_clock()
    assert clock.is_open
    assert clock.next_close == ny(16)
    days = trading.get_calendar(GetCalendarRequest(start=FRIDAY, end=FRIDAY + timedelta(days=7)))
    assert [str(day.date) for day in days] == ["2026-11-20", "2026-11-23", "2026-11-24", "2026-11-25", "2026-11-27"]
    assert days[-1].close.hour == 13
    assert {asset.symbol for asset in trading.get_all_assets()} == {"AAA", "BBB", "CCC", "DDD"}
    assert trading.get_asset("AAA").tradable
    assert refusal(trading.get_asset, "ZZZZ") == (404, {"code": 40410000, "message": "asset not found for ZZZZ"})


def test_a_bracket_lives_from_submit_to_stop_out(server, trading):
    sent = trading.submit_order(bracket())
    assert sent.status == OrderStatus.PENDING_NEW
    assert [leg.status for leg in sent.legs] == [OrderStatus.HELD, OrderStatus.HELD]
    now = trading.get_order_by_client_id("cat-1")
    assert now.status == OrderStatus.FILLED
    assert [leg.status for leg in now.legs] == [OrderStatus.NEW, OrderStatus.HELD]
    held = trading.get_open_position("AAA")
    assert (held.qty, held.qty_available) == ("10", "0")
    move(server, ny(10, 2))
    done = trading.get_order_by_id(sent.id)
    assert [leg.status for leg in done.legs] == [OrderStatus.CANCELED, OrderStatus.FILLED]
    assert refusal(trading.get_open_position, "AAA")[0] == 404
    rows = trading.get("/account/activities", {"activity_types": "FILL", "direction": "asc"})
    assert [(row["side"], row["qty"]) for row in rows] == [("buy", "10"), ("sell", "10")]
    fees = trading.get("/account/activities/FEE")
    assert {Decimal(row["net_amount"]) for row in fees} == {Decimal("-0.01"), Decimal("-0.03")}


def test_activities_page_by_the_last_id_without_gap_or_repeat(server, trading):
    for number in range(7):
        trading.submit_order(
            MarketOrderRequest(symbol="BBB", qty=1 + number, side=OrderSide.BUY, time_in_force=TimeInForce.DAY)
        )
    seen, token = [], None
    while page := trading.get("/account/activities/FILL", {"page_size": 3, "direction": "asc", "page_token": token}):
        seen += [row["qty"] for row in page]
        token = page[-1]["id"]
    assert seen == [str(n) for n in range(1, 8)]


def test_orders_list_cancel_and_replace(server, trading):
    resting = trading.submit_order(
        bracket(client_order_id="rest", limit_price=95, stop_loss=StopLossRequest(stop_price=90))
    )
    (listed,) = trading.get_orders(GetOrdersRequest(status=QueryOrderStatus.OPEN, nested=True))
    assert (listed.id, len(listed.legs)) == (resting.id, 2)
    assert len(trading.get_orders(GetOrdersRequest(status=QueryOrderStatus.OPEN))) == 3
    changed = trading.replace_order_by_id(resting.id, ReplaceOrderRequest(limit_price=96, client_order_id="rest-2"))
    assert changed.replaces == resting.id
    assert trading.get_order_by_id(resting.id).status == OrderStatus.REPLACED
    trading.cancel_order_by_id(changed.id)
    assert trading.get_order_by_id(changed.id).status == OrderStatus.CANCELED
    assert refusal(trading.cancel_order_by_id, changed.id)[1]["message"] == 'order is already in "canceled" state'
    assert trading.get_orders(GetOrdersRequest(status=QueryOrderStatus.OPEN)) == []
    assert len(trading.get_orders(GetOrdersRequest(status=QueryOrderStatus.ALL, nested=True))) == 2


def test_bulk_cancel_and_close_answer_207(server, trading):
    trading.submit_order(bracket())
    trading.submit_order(MarketOrderRequest(symbol="BBB", qty=4, side=OrderSide.SELL, time_in_force=TimeInForce.DAY))
    closed = trading.close_all_positions(cancel_orders=True)
    assert {(row.symbol, row.status) for row in closed} == {("AAA", 200), ("BBB", 200)}
    assert trading.get_all_positions() == []
    trading.submit_order(bracket(client_order_id="b", limit_price=95, stop_loss=StopLossRequest(stop_price=90)))
    assert {row.status for row in trading.cancel_orders()} == {200}


def test_a_position_is_closed_in_part(server, trading):
    trading.submit_order(MarketOrderRequest(symbol="BBB", qty=10, side=OrderSide.BUY, time_in_force=TimeInForce.DAY))
    trading.close_position("BBB", ClosePositionRequest(percentage="30"))
    assert trading.get_open_position("BBB").qty == "7"


def market(symbol="AAA", qty=1, side=OrderSide.BUY, **more):
    return MarketOrderRequest(symbol=symbol, qty=qty, side=side, time_in_force=TimeInForce.DAY, **more)


def limit(price, symbol="AAA", qty=1, side=OrderSide.BUY, **more):
    more = {"time_in_force": TimeInForce.DAY, **more}
    return LimitOrderRequest(symbol=symbol, qty=qty, side=side, limit_price=price, **more)


REFUSALS = {
    "unknown asset": (market("ZZZZ"), 422, 42210000, 'asset "ZZZZ" not found'),
    "not tradable": (market("DDD"), 422, 42210000, 'asset "DDD" is not tradable'),
    "not shortable": (market("CCC", side=OrderSide.SELL), 422, 42210000, 'asset "CCC" cannot be sold short'),
    "fractional": (market("CCC", qty=1.5), 403, 40310000, 'asset "CCC" is not fractionable'),
    "buying power": (limit(100, qty=5000), 403, 40310000, "insufficient buying power"),
    "sub-penny": (
        limit(290.123),
        422,
        42210000,
        "invalid limit_price 290.123. sub-penny increment does not fulfill minimum pricing criteria",
    ),
    "float noise": (
        limit(0.1 + 0.2),
        422,
        42210000,
        "invalid limit_price 0.30000000000000004. sub-penny increment does not fulfill minimum pricing criteria",
    ),
    "stop above base": (
        bracket(stop_loss=StopLossRequest(stop_price=100.1)),
        422,
        42210000,
        "stop_loss.stop_price must be <= base_price - 0.01",
    ),
    "stop beyond the market": (
        StopOrderRequest(symbol="AAA", qty=1, side=OrderSide.BUY, time_in_force=TimeInForce.DAY, stop_price=90),
        422,
        42210000,
        "stop price must be greater than current price",
    ),
    "extended hours": (
        market(extended_hours=True),
        422,
        42210000,
        "extended hours order must be DAY limit orders",
    ),
    "bracket tif": (
        bracket(time_in_force=TimeInForce.IOC),
        422,
        40010001,
        'bracket orders support only "day" or "gtc" time_in_force',
    ),
}


@pytest.mark.parametrize("case", REFUSALS, ids=list(REFUSALS))
def test_the_refusals_are_alpacas(trading, case):
    request, status, code, message = REFUSALS[case]
    got, body = refusal(trading.submit_order, request)
    assert (got, body["code"], body["message"]) == (status, code, message)


def test_refusals_that_depend_on_other_orders(trading):
    trading.submit_order(bracket())
    code, body = refusal(trading.submit_order, market(qty=10, side=OrderSide.SELL))
    assert (code, body["available"], body["held_for_orders"], body["symbol"]) == (403, "0", "10", "AAA")
    assert body["message"] == "insufficient qty available for order (requested: 10, available: 0)"
    trading.submit_order(limit(90, symbol="BBB"))
    code, body = refusal(trading.submit_order, market("BBB", side=OrderSide.SELL))
    assert (code, body["message"]) == (403, "potential wash trade detected. use complex orders")
    code, body = refusal(trading.submit_order, bracket())
    assert (code, body["code"], body["message"]) == (422, 40010001, "client_order_id must be unique")
    assert refusal(trading.get_order_by_client_id, "nope")[1]["message"] == "order not found for nope"


def test_without_keys_nothing_is_answered(server):
    answer = requests.get(f"{server.base_url}/alpaca/trading/v2/account", timeout=5)
    assert (answer.status_code, answer.json()) == (401, {"message": "unauthorized."})
    assert requests.get(f"{server.base_url}/alpaca/data/v2/stocks/bars", timeout=5).status_code == 401


def test_bars_page_without_gap_or_repeat(server, data):
    request = StockBarsRequest(
        symbol_or_symbols=["AAA", "BBB", "CCC"],
        timeframe=TimeFrame.Minute,
        start=ny(4),
        end=ny(10),
        feed=DataFeed.IEX,
    )
    bars = data.get_stock_bars(request)
    assert {symbol: len(rows) for symbol, rows in bars.data.items()} == {"AAA": 360, "BBB": 360, "CCC": 360}
    seen, token = [], None
    while True:
        answer = requests.get(
            f"{server.base_url}/alpaca/data/v2/stocks/bars",
            params={
                "symbols": "AAA,BBB",
                "timeframe": "1Min",
                "start": ny(4).isoformat(),
                "end": ny(10).isoformat(),
                "limit": 100,
                "feed": "iex",
                "page_token": token,
            },
            headers=HEADERS,
            timeout=5,
        ).json()
        seen += [(symbol, row["t"]) for symbol, rows in answer["bars"].items() for row in rows]
        token = answer["next_page_token"]
        if token is None:
            break
    assert len(seen) == len(set(seen)) == 720
    assert seen == sorted(seen)


def test_no_bar_is_served_before_it_is_complete(server, data):
    def minutes():
        request = StockBarsRequest(
            symbol_or_symbols="AAA", timeframe=TimeFrame.Minute, start=ny(10), end=ny(11), feed=DataFeed.IEX
        )
        return data.get_stock_bars(request).data.get("AAA", [])

    assert minutes() == []
    move(server, ny(10, 0, 59))
    assert minutes() == []
    move(server, ny(10, 1))
    (bar,) = minutes()
    assert (bar.timestamp, bar.high, bar.low) == (ny(10), 100.5, 99.5)


def test_daily_bars_carry_new_york_midnight_and_the_running_day(server, data):
    request = StockBarsRequest(
        symbol_or_symbols="AAA",
        timeframe=TimeFrame.Day,
        start=ny(0) - timedelta(days=5),
        end=ny(10),
        feed=DataFeed.IEX,
    )
    days = data.get_stock_bars(request).data["AAA"]
    assert [str(day.timestamp) for day in days][-1] == "2026-11-20 05:00:00+00:00"
    assert [day.volume for day in days][-1] == 30 * 10_000 * 0.03
    five = data.get_stock_bars(
        StockBarsRequest(
            symbol_or_symbols="AAA",
            timeframe=TimeFrame(5, TimeFrameUnit.Minute),
            start=ny(9, 30),
            end=ny(10),
            feed=DataFeed.IEX,
        )
    )
    assert [bar.volume for bar in five.data["AAA"]] == [50_000 * 0.03] * 6


def test_recent_sip_data_is_not_part_of_the_free_plan(data):
    with pytest.raises(APIError, match="subscription does not permit querying recent SIP data"):
        data.get_stock_bars(
            StockBarsRequest(
                symbol_or_symbols="AAA", timeframe=TimeFrame.Minute, start=ny(9), end=ny(10), feed=DataFeed.SIP
            )
        )


def test_one_bad_symbol_fails_the_whole_request(data):
    with pytest.raises(APIError, match="invalid symbol: BRK-B"):
        data.get_stock_latest_quote(StockLatestQuoteRequest(symbol_or_symbols=["AAA", "BRK-B"]))


def test_latest_and_snapshots_parse(data):
    symbols = ["AAA", "BBB", "ZZZZ"]
    quotes = data.get_stock_latest_quote(StockLatestQuoteRequest(symbol_or_symbols=symbols))
    assert {s: (q.bid_price, q.ask_price) for s, q in quotes.items()} == {
        "AAA": (99.99, 100.01),
        "BBB": (99.99, 100.01),
    }
    assert set(data.get_stock_latest_trade(StockLatestTradeRequest(symbol_or_symbols=symbols))) == {"AAA", "BBB"}
    assert data.get_stock_latest_bar(StockLatestBarRequest(symbol_or_symbols=symbols))["AAA"].timestamp == ny(9, 59)
    shots = data.get_stock_snapshot(StockSnapshotRequest(symbol_or_symbols=symbols))
    assert shots["AAA"].previous_daily_bar.timestamp < shots["AAA"].daily_bar.timestamp


def test_news_pages_and_edits(server):
    client = NewsClient(*KEYS, url_override=f"{server.base_url}/alpaca/data")
    everything = client.get_news(NewsRequest(start=ny(7), end=ny(10))).data["news"]
    assert len({item.id for item in everything}) == 30
    assert everything[0].id == 1000  # edited at nine: the latest update comes first
    assert (everything[0].headline, everything[0].created_at) == ("AAA corrected", ny(8))
    assert len(client.get_news(NewsRequest(symbols="AAA", limit=50)).data["news"]) == 15


def test_screeners_parse(server):
    client = ScreenerClient(*KEYS, url_override=f"{server.base_url}/alpaca/data")
    move(server, ny(10, 2))
    active = client.get_most_actives(MostActivesRequest(top=3))
    assert [row.symbol for row in active.most_actives] == ["AAA", "BBB", "CCC"]
    movers = client.get_market_movers(MarketMoversRequest(top=5))
    assert [(row.symbol, row.percent_change) for row in movers.gainers] == [("AAA", 3.0)]


def test_the_rate_limit_answers_429_with_headers():
    app = build_app(tape(), start=ny(10), limits={"alpaca": (Limit(2, 86_400, "simulated"),)})
    running = start_in_thread(app)
    try:
        url = f"{running.base_url}/alpaca/trading/v2/clock"
        answers = [requests.get(url, headers=HEADERS, timeout=5) for _ in range(3)]
        assert [answer.status_code for answer in answers] == [200, 200, 429]
        assert answers[-1].json() == {"code": 42910000, "message": "rate limit exceeded"}
        assert [a.headers["X-RateLimit-Remaining"] for a in answers] == ["1", "0", "0"]
    finally:
        running.stop()


def test_faults(server, trading):
    def fault(**body):
        assert requests.post(f"{server.base_url}/simulator/faults", json=body, timeout=5).status_code == 200

    fault(vendor="alpaca", mode="lost", times=1)
    assert refusal(trading.submit_order, bracket())[0] == 504
    assert trading.get_order_by_client_id("cat-1").status == OrderStatus.FILLED
    fault(vendor="alpaca", mode="limited", times=1)
    assert refusal(trading.get_account)[0] == 429
    fault(vendor="alpaca", mode="html", times=1)
    with pytest.raises(APIError) as caught:
        trading.get_account()
    assert caught.value.status_code == 502
    fault(vendor="alpaca", mode="dead", times=1)
    with pytest.raises(requests.ConnectionError):
        requests.get(f"{server.base_url}/alpaca/trading/v2/account", headers=HEADERS, timeout=5)
    assert trading.get_account().status == "ACTIVE"
    bad = requests.post(f"{server.base_url}/simulator/faults", json={"vendor": "x", "mode": "ok"}, timeout=5)
    assert bad.status_code == 400


def test_the_clock_is_moved_and_never_back(server):
    url = f"{server.base_url}/simulator/clock"
    first = requests.get(url, timeout=5).json()
    assert (first["session"], first["market_state"], first["paused"]) == ("2026-11-20", "regular", True)
    assert requests.post(url, json={"now": ny(9).isoformat()}, timeout=5).status_code == 400
    assert requests.post(url, json={"advance_s": 60}, timeout=5).json()["now"].startswith("2026-11-20T15:01:00")
    assert requests.post(url, json={"speed": -1}, timeout=5).status_code == 400
    ledger = requests.get(f"{server.base_url}/simulator/ledger", timeout=5).json()
    assert (ledger["cash"], ledger["positions"]) == ("100000", {})
    assert requests.get(f"{server.base_url}/simulator/health", timeout=5).json()["status"] == "ok"
    assert requests.get(f"{server.base_url}/simulator/truth", timeout=5).status_code == 404
