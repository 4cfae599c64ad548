"""Alpaca's stock data over HTTP: series, latest, snapshots, auctions, meta; by raw requests and by alpaca-py."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import requests
from alpaca.common.enums import Sort
from alpaca.data.enums import Adjustment, DataFeed
from alpaca.data.historical import NewsClient, ScreenerClient, StockHistoricalDataClient
from alpaca.data.historical.corporate_actions import CorporateActionsClient
from alpaca.data.requests import (
    CorporateActionsRequest,
    MarketMoversRequest,
    MostActivesRequest,
    NewsRequest,
    StockBarsRequest,
    StockLatestBarRequest,
    StockLatestQuoteRequest,
    StockLatestTradeRequest,
    StockQuotesRequest,
    StockSnapshotRequest,
    StockTradesRequest,
)
from alpaca.data.timeframe import TimeFrame, TimeFrameUnit

from catalyst_assets.simulator.routes.limits import Limit
from catalyst_assets.simulator.server import build_app, start_in_thread
from catalyst_assets.simulator.state import Plan
from catalyst_assets_tests.simulator.handmade import THURSDAY, ny, tape

KEYS = ("sim-key", "sim-secret")
HEADERS = {"APCA-API-KEY-ID": KEYS[0], "APCA-API-SECRET-KEY": KEYS[1]}
MINUTES = {"AAA": [(100, 101, 99, 100.5), (100.5, 104, 97, 103), (103, 103, 102, 102.5)]}
NOW = ny(10, 20)
RECENT_SIP = "subscription does not permit querying recent SIP data"


@pytest.fixture(scope="module")
def server():
    """A free customer at 10:20 on Friday."""
    running = start_in_thread(build_app(tape(MINUTES), start=NOW, limits={"alpaca_data": ()}))
    yield running
    running.stop()


@pytest.fixture(scope="module")
def get(server):
    def ask(path, status=200, **query):
        query = {name.rstrip("_"): value for name, value in query.items()}
        answer = requests.get(f"{server.base_url}/alpaca/data{path}", params=query, headers=HEADERS, timeout=10)
        assert answer.status_code == status, answer.text
        return answer.json()

    return ask


@pytest.fixture(scope="module")
def data(server):
    return StockHistoricalDataClient(*KEYS, url_override=f"{server.base_url}/alpaca/data")


# ---------------------------------------------------------------------------------------------------------------- errors

BARS, TRADES, LATEST, NEWS = "/v2/stocks/bars", "/v2/stocks/trades", "/v2/stocks/quotes/latest", "/v1beta1/news"
MOVERS, ACTIVES, ACTIONS = (
    "/v1beta1/screener/stocks/movers",
    "/v1beta1/screener/stocks/most-actives",
    "/v1/corporate-actions",
)
OK = {"symbols": "AAA", "timeframe": "1Min"}
REFUSALS = [
    (BARS, {**OK, "symbols": "BRK-B"}, 400, "invalid symbol: BRK-B"),
    (BARS, {**OK, "symbols": "AAA,aaa"}, 400, "invalid symbol: aaa"),
    (BARS, {"timeframe": "1Min"}, 400, "symbols is required"),
    (BARS, {"symbols": "AAA"}, 400, "invalid timeframe: "),
    (BARS, {**OK, "timeframe": "60Min"}, 400, "invalid timeframe: 60Min"),
    (BARS, {**OK, "timeframe": "24Hour"}, 400, "invalid timeframe: 24Hour"),
    (BARS, {**OK, "timeframe": "5Month"}, 400, "invalid timeframe: 5Month"),
    (BARS, {**OK, "limit": "10001"}, 400, "invalid limit: larger than the allowed maximum of 10000"),
    (BARS, {**OK, "limit": "0"}, 400, "invalid limit"),
    (BARS, {**OK, "limit": "many"}, 400, "invalid limit"),
    (BARS, {**OK, "start": "yesterday"}, 400, "invalid start: yesterday"),
    (BARS, {**OK, "start": "2026-13-01"}, 400, "invalid start: 2026-13-01"),
    (BARS, {**OK, "start": "2026-11-20", "end": "2026-11-19"}, 400, "end should not be before start"),
    (BARS, {**OK, "page_token": "no token"}, 400, "invalid page token"),
    (BARS, {**OK, "sort": "up"}, 400, "invalid sort: up"),
    (BARS, {**OK, "feed": "delayed_sip"}, 400, "invalid feed: delayed_sip"),
    (BARS, {**OK, "adjustment": "raw,none"}, 400, "invalid adjustment: raw,none"),
    (BARS, {**OK, "asof": "today"}, 400, "invalid asof: today"),
    (BARS, {**OK, "currency": "EUR"}, 400, "invalid currency: EUR"),
    (BARS, {**OK, "end": ny(10, 6).isoformat()}, 403, RECENT_SIP),
    (TRADES, {"symbols": "AAA", "feed": "sip", "end": NOW.isoformat()}, 403, RECENT_SIP),
    (TRADES, {"symbols": "AAA", "feed": "boats"}, 403, "subscription does not permit querying BOATS data"),
    (LATEST, {"symbols": "AAA", "feed": "sip"}, 403, RECENT_SIP),
    (LATEST, {"symbols": "AAA", "feed": "otc"}, 403, "subscription does not permit querying OTC data"),
    (LATEST, {"symbols": "AAA", "feed": "nasdaq"}, 400, "invalid feed: nasdaq"),
    ("/v2/stocks/ZZZZ/trades/latest", {}, 404, "no trade found for ZZZZ"),
    ("/v2/stocks/ZZZZ/quotes/latest", {}, 404, "no quote found for ZZZZ"),
    ("/v2/stocks/ZZZZ/snapshot", {}, 404, "no snapshot found for ZZZZ"),
    ("/v2/stocks/auctions", {"symbols": "AAA", "feed": "iex"}, 400, "invalid feed: iex"),
    ("/v2/stocks/meta/conditions/bar", {"tape": "A"}, 400, "invalid ticktype: bar"),
    ("/v2/stocks/meta/conditions/trade", {"tape": "D"}, 400, "invalid tape: D"),
    (NEWS, {"limit": "51"}, 400, "invalid limit: larger than the allowed maximum of 50"),
    (NEWS, {"sort": "newest"}, 400, "invalid sort: newest"),
    (NEWS, {"include_content": "perhaps"}, 400, "invalid include_content: perhaps"),
    (NEWS, {"page_token": "no token"}, 400, "invalid page token"),
    (NEWS, {"start": "2026-11-20", "end": "2026-11-19"}, 400, "end should not be before start"),
    (ACTIVES, {"top": "101"}, 400, "invalid top: larger than the allowed maximum of 100"),
    (ACTIVES, {"by": "price"}, 400, "invalid by: price"),
    (MOVERS, {"top": "51"}, 400, "invalid top: larger than the allowed maximum of 50"),
    ("/v1beta1/screener/bonds/movers", {}, 400, "invalid market type: bonds"),
    (ACTIONS, {"types": "gift"}, 400, "invalid type: gift"),
    (ACTIONS, {"ids": "1", "symbols": "AAA"}, 400, "ids is mutually exclusive with all other filters"),
]  # fmt: skip


@pytest.mark.parametrize(("path", "query", "status", "message"), REFUSALS)
def test_every_refusal_can_be_provoked_and_says_what_the_vendor_says(get, path, query, status, message):
    assert get(path, status, **query) == {"message": message}


@pytest.mark.parametrize("path", [BARS, NEWS, MOVERS])
@pytest.mark.parametrize("headers", [{}, {**HEADERS, "APCA-API-SECRET-KEY": "wrong"}])
def test_without_valid_keys_nothing_is_told(server, path, headers):
    answer = requests.get(f"{server.base_url}/alpaca/data{path}", headers=headers, timeout=5)
    assert (answer.status_code, answer.json()) == (401, {"message": "forbidden."})


def test_the_rate_limit_of_the_data_host_is_one_for_data_news_and_screener():
    app = build_app(tape(), start=NOW, limits={"alpaca_data": (Limit(2, 86_400),)})
    running = start_in_thread(app)
    try:
        asked = [
            requests.get(f"{running.base_url}/alpaca/data{p}", headers=HEADERS, timeout=5) for p in (NEWS, MOVERS, NEWS)
        ]
        assert [answer.status_code for answer in asked] == [200, 200, 429]
        assert asked[2].json() == {"code": 42910000, "message": "rate limit exceeded"}
        assert [answer.headers["X-RateLimit-Remaining"] for answer in asked] == ["1", "0", "0"]
    finally:
        running.stop()


# ----------------------------------------------------------------------------------------------------------------- feeds


def test_without_an_end_sip_ends_fifteen_minutes_ago_and_iex_now(get):
    ask = {"symbols": "AAA", "timeframe": "1Min", "start": ny(9, 50).isoformat()}
    assert get(BARS, **ask)["bars"]["AAA"][-1]["t"] == "2026-11-20T15:04:00Z"
    assert get(BARS, **ask, feed="iex")["bars"]["AAA"][-1]["t"] == "2026-11-20T15:19:00Z"
    assert (
        get(TRADES, symbols="AAA", start=ny(9, 50).isoformat(), sort="desc", limit=1)["trades"]["AAA"][0]["t"]
        < "2026-11-20T15:05"
    )


def test_a_running_hour_of_sip_holds_only_what_is_old_enough(get):
    hour = get(BARS, symbols="AAA", timeframe="1Hour", start=ny(10).isoformat())["bars"]["AAA"]
    assert [(bar["t"], bar["v"]) for bar in hour] == [("2026-11-20T15:00:00Z", 5 * 10_000)]


def test_iex_has_its_share_of_the_volume_and_the_same_prices(get):
    ask = {"symbols": "AAA", "timeframe": "1Min", "start": ny(10).isoformat(), "end": ny(10, 2).isoformat()}
    sip, iex = (get(BARS, **ask, feed=feed)["bars"]["AAA"] for feed in ("sip", "iex"))
    assert [[bar[k] for k in "tohlc"] for bar in sip] == [[bar[k] for k in "tohlc"] for bar in iex]
    assert [bar["v"] for bar in sip] == [10_000] * 3 and [bar["v"] for bar in iex] == [300] * 3


def test_delayed_sip_is_the_whole_tape_fifteen_minutes_ago(get):
    bar = get("/v2/stocks/bars/latest", symbols="AAA", feed="delayed_sip")["bars"]["AAA"]
    assert (bar["t"], bar["v"]) == ("2026-11-20T15:04:00Z", 10_000)
    assert get("/v2/stocks/AAA/trades/latest", feed="delayed_sip")["trade"]["t"] <= "2026-11-20T15:05:00Z"


def test_a_plan_with_sip_sees_all_of_it():
    running = start_in_thread(build_app(tape(MINUTES), start=NOW, plan=Plan(sip=True)))
    try:
        client = StockHistoricalDataClient(*KEYS, url_override=f"{running.base_url}/alpaca/data")
        request = StockBarsRequest(symbol_or_symbols="AAA", timeframe=TimeFrame.Minute, start=ny(10), end=NOW)
        assert [bar.volume for bar in client.get_stock_bars(request)["AAA"]] == [10_000] * 20
        quote = client.get_stock_latest_quote(StockLatestQuoteRequest(symbol_or_symbols="AAA", feed=DataFeed.SIP))[
            "AAA"
        ]
        assert quote.bid_price < quote.ask_price
    finally:
        running.stop()


# --------------------------------------------------------------------------------------------------------------- series


@pytest.mark.parametrize("name", ["bars", "trades", "quotes", "auctions"])
@pytest.mark.parametrize("sort", ["asc", "desc"])
@pytest.mark.parametrize("single", [False, True])
def test_pages_have_everything_once_and_in_order(get, name, sort, single):
    path = f"/v2/stocks/AAA/{name}" if single else f"/v2/stocks/{name}"
    ask = {"start": ny(10).isoformat(), "end": ny(10, 4).isoformat(), "sort": sort}
    if name == "auctions":
        ask |= {"start": "2026-11-18", "end": ny(9, 59).isoformat()}
    if name == "bars":
        ask["timeframe"] = "1Min"
    if not single:
        ask["symbols"] = "BBB,AAA"
    whole = get(path, **ask, limit=10_000)
    assert whole["next_page_token"] is None
    points = [("AAA", p) for p in whole[name]] if single else [(s, p) for s, ps in whole[name].items() for p in ps]
    seen, token = [], None
    for _ in range(200):
        page = get(
            path, **ask, limit=3 if name in ("bars", "auctions") else 17, **({"page_token": token} if token else {})
        )
        seen += [("AAA", p) for p in page[name]] if single else [(s, p) for s, ps in page[name].items() for p in ps]
        token = page["next_page_token"]
        if token is None:
            break
    assert seen == points and len(points) > 3 - single * (name == "auctions") * 2
    for symbol in {s for s, _ in points}:
        times = [p.get("t", p.get("d")) for s, p in points if s == symbol]
        padded = [t.rstrip("Z").ljust(30, "0") if "." in t else t.rstrip("Z") + ".0000000000" for t in times]
        assert padded == sorted(padded, reverse=sort == "desc")
    assert [s for s, _ in points] == sorted(s for s, _ in points)


def test_trades_make_the_bars_of_their_feed(get):
    span = {"start": ny(10).isoformat(), "end": (ny(10, 1) - timedelta(microseconds=1)).isoformat()}
    for feed in ("sip", "iex"):
        bar = get("/v2/stocks/AAA/bars", timeframe="1Min", feed=feed, **span)["bars"][0]
        trades = get("/v2/stocks/AAA/trades", feed=feed, **span)["trades"]
        prices = [trade["p"] for trade in trades]
        assert (prices[0], max(prices), min(prices), prices[-1]) == (bar["o"], bar["h"], bar["l"], bar["c"])
        assert sum(trade["s"] for trade in trades) == bar["v"] and len(trades) == bar["n"]
        assert len({trade["i"] for trade in trades}) == len(trades)
        assert feed == "sip" or {trade["x"] for trade in trades} == {"V"}


@pytest.mark.parametrize(
    ("timeframe", "labels"),
    [
        ("1Day", ["2026-11-17T05:00:00Z", "2026-11-18T05:00:00Z", "2026-11-19T05:00:00Z", "2026-11-20T05:00:00Z"]),
        ("1W", ["2026-11-16T05:00:00Z"]),
        ("1Month", ["2026-11-01T04:00:00Z"]),
        ("3M", ["2026-10-01T04:00:00Z"]),
        ("12Month", ["2026-01-01T05:00:00Z"]),
    ],
)
def test_days_weeks_and_months_are_labelled_by_new_york_midnight(get, timeframe, labels):
    bars = get(BARS, symbols="AAA", timeframe=timeframe, start="2026-01-01", feed="iex")["bars"]["AAA"]
    assert [bar["t"] for bar in bars] == labels
    assert sum(bar["v"] for bar in bars) == round(2 * 3_900_000 * 0.03) + 390 * 300 + 50 * 300


def test_minutes_and_hours_are_spelled_both_ways(get):
    ask = {"symbols": "AAA", "start": ny(9).isoformat(), "feed": "iex"}
    for one, other in (("5Min", "5T"), ("1Hour", "1H"), ("59Min", "59T"), ("23Hour", "23H")):
        first = get(BARS, timeframe=one, **ask)
        assert first == get(BARS, timeframe=other, **ask) and first["bars"]["AAA"]


def test_nothing_found_is_an_empty_object_or_a_null_list(get):
    assert get(BARS, symbols="ZZZZ", timeframe="1Day") == {"bars": {}, "next_page_token": None}
    assert get("/v2/stocks/ZZZZ/bars", timeframe="1Day") == {"bars": None, "symbol": "ZZZZ", "next_page_token": None}
    assert get(TRADES, symbols="AAA", start="2016-01-04", end="2016-01-05") == {"trades": {}, "next_page_token": None}
    assert get("/v2/stocks/trades/latest", symbols="ZZZZ") == {"trades": {}}
    assert get("/v2/stocks/snapshots", symbols="ZZZZ") == {}


def test_a_currency_asked_for_is_named_in_the_answer(get):
    assert get(BARS, **OK, currency="USD")["currency"] == "USD" and "currency" not in get(BARS, **OK)
    assert get("/v2/stocks/AAA/bars/latest", currency="USD")["currency"] == "USD"


def test_auctions_are_the_first_and_the_last_print_of_the_regular_session(get):
    days = get("/v2/stocks/AAA/auctions", start="2026-11-19")["auctions"]
    assert [day["d"] for day in days] == ["2026-11-19", "2026-11-20"]
    assert [entry["c"] for entry in days[0]["o"]] == ["O", "Q"] and [entry["c"] for entry in days[0]["c"]] == ["6", "M"]
    assert days[1]["c"] == [], "today's closing auction has not happened"
    first = get("/v2/stocks/AAA/trades", start=ny(9, 30).isoformat(), limit=1)["trades"][0]
    assert (days[1]["o"][0]["t"], days[1]["o"][0]["p"]) == (first["t"], first["p"])


def test_codes_in_trades_and_quotes_have_names(get):
    exchanges = get("/v2/stocks/meta/exchanges")
    for kind, name in (("trade", "trades"), ("quote", "quotes")):
        conditions = get(f"/v2/stocks/meta/conditions/{kind}", tape="C")
        points = get(f"/v2/stocks/AAA/{name}", start=ny(4).isoformat(), limit=500)[name]
        assert {code for point in points for code in point["c"]} <= set(conditions)
        assert {point[k] for point in points for k in ("x", "ax", "bx") if k in point} <= set(exchanges)


# ------------------------------------------------------------------------------------------------------------- alpaca-py


def test_every_call_of_the_stock_client_parses(data):
    span = {"symbol_or_symbols": ["AAA", "BBB"], "start": ny(10), "end": ny(10, 3), "feed": DataFeed.IEX}
    bars = data.get_stock_bars(
        StockBarsRequest(
            **span, timeframe=TimeFrame(2, TimeFrameUnit.Minute), adjustment=Adjustment.ALL, sort=Sort.DESC
        )
    )
    assert [bar.timestamp for bar in bars["AAA"]] == [ny(10, 2), ny(10)]
    trades = data.get_stock_trades(StockTradesRequest(**span))
    assert trades["AAA"][0].price == 100 and trades["AAA"][0].timestamp.tzinfo is not None
    quotes = data.get_stock_quotes(StockQuotesRequest(**span, limit=5))
    assert len(quotes.data["AAA"]) == 5 and quotes["AAA"][0].ask_price > quotes["AAA"][0].bid_price
    latest = {"symbol_or_symbols": ["AAA"]}
    trade = data.get_stock_latest_trade(StockLatestTradeRequest(**latest))["AAA"]
    quote = data.get_stock_latest_quote(StockLatestQuoteRequest(**latest))["AAA"]
    bar = data.get_stock_latest_bar(StockLatestBarRequest(**latest))["AAA"]
    shot = data.get_stock_snapshot(StockSnapshotRequest(**latest))["AAA"]
    assert (shot.latest_trade, shot.latest_quote, shot.minute_bar) == (trade, quote, bar)
    assert shot.daily_bar.volume == 50 * 300 and shot.previous_daily_bar.timestamp == ny(0, day=THURSDAY)
    assert bar.timestamp == ny(10, 19) and trade.timestamp <= NOW and quote.timestamp <= NOW


def test_the_screener_news_and_corporate_action_clients_parse(server):
    url = f"{server.base_url}/alpaca/data"
    screener = ScreenerClient(*KEYS, url_override=url)
    assert {row.symbol for row in screener.get_most_actives(MostActivesRequest(top=100)).most_actives} >= {"AAA", "BBB"}
    movers = screener.get_market_movers(MarketMoversRequest(top=5))
    assert [(row.symbol, row.price) for row in movers.gainers] == [("AAA", 102.5)] and movers.losers == []
    assert NewsClient(*KEYS, url_override=url).get_news(NewsRequest(limit=5)).data["news"] == []
    actions = CorporateActionsClient(*KEYS, url_override=url)
    assert actions.get_corporate_actions(CorporateActionsRequest(symbols=["AAA"])).data == {}


def test_naive_and_offset_times_are_read_alike(get):
    ask = {"symbols": "AAA", "timeframe": "1Min", "feed": "iex", "end": "2026-11-20T15:01:00Z"}
    spellings = (
        "2026-11-20T15:00:00Z",
        "2026-11-20T15:00:00",
        "2026-11-20T10:00:00-05:00",
        "2026-11-20T15:00:00.000000000+00:00",
    )
    answers = [get(BARS, **ask, start=text) for text in spellings]
    assert all(answer == answers[0] for answer in answers) and len(answers[0]["bars"]["AAA"]) == 2
    assert datetime.fromisoformat(answers[0]["bars"]["AAA"][0]["t"]) == datetime(2026, 11, 20, 15, tzinfo=UTC)
