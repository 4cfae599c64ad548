"""Bars, quotes and lists: pages that end, unfinished bars left out, unknown is an error and never a number."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest

from catalyst_assets.ports import ACTIVE_COLUMNS, BAR_COLUMNS, QUOTE_COLUMNS, FixedClock, MarketDataUnavailable
from catalyst_assets.vendors import alpaca_data
from catalyst_assets.vendors.alpaca_data import AlpacaMarketData
from catalyst_assets.vendors.alpha_vantage import AlphaVantageClient, AlphaVantageMovers
from catalyst_assets.vendors.market_data import FallbackMarketData
from catalyst_assets.vendors.transport import Patience, Redactor, VendorSession
from catalyst_assets.vendors.yahoo import YahooMarketData, parse_chart
from catalyst_assets_tests.vendors.loopback import HTML, Answer, Asked, Unlimited, serving, within

NOW = datetime(2026, 10, 8, 15, 0, tzinfo=UTC)
OPEN = datetime(2026, 10, 8, 13, 30, tzinfo=UTC)
KEY, SECRET = "KEYabc9871recognisable", "SECRETxyz4456recognisable"
QUICK = Patience(0.4, 0.4)


def alpaca(url: str, *, feed: str = "iex", now: datetime = NOW, budget: Any = None) -> AlpacaMarketData:
    return AlpacaMarketData(
        KEY,
        SECRET,
        feed=feed,
        clock=FixedClock(now),
        budget=budget or Unlimited(),
        redact=Redactor([KEY, SECRET]),
        patience=QUICK,
        data_url=url,
        trading_url=url,
    )


def yahoo(url: str, *, now: datetime = NOW, budget: Any = None) -> YahooMarketData:
    return YahooMarketData(
        clock=FixedClock(now), budget=budget or Unlimited(), redact=Redactor([KEY]), patience=QUICK, base_url=url
    )


def bar(at: datetime, close: float = 100.0) -> dict[str, Any]:
    return {"t": at.isoformat(), "o": close, "h": close + 1, "l": close - 1, "c": close, "v": 500, "n": 7, "vw": close}


def test_bars_come_over_all_pages_sorted_and_typed() -> None:
    minutes = [OPEN + timedelta(minutes=n) for n in range(6)]

    def paged(asked: Asked) -> Answer:
        if asked.query.get("page_token") == "p2":
            return Answer(body={"bars": {"ZZBB": [bar(at) for at in minutes]}, "next_page_token": None})
        return Answer(body={"bars": {"ZZAA": [bar(at) for at in minutes]}, "next_page_token": "p2"})

    with serving(paged) as vendor:
        frame = alpaca(vendor.url).bars(["ZZBB", "ZZAA", "ZZAA"], "1min", OPEN, OPEN + timedelta(minutes=5))
        first = vendor.asked[0].query
    assert tuple(frame.columns) == BAR_COLUMNS and str(frame["ts"].dtype) == "datetime64[us, UTC]"
    assert list(frame["symbol"]) == ["ZZAA"] * 5 + ["ZZBB"] * 5, "the bar that starts at the end is not in [start, end)"
    assert first["feed"] == "iex" and first["timeframe"] == "1Min" and first["limit"] == "10000"
    assert first["symbols"] == "ZZBB,ZZAA" and first["adjustment"] == "split"


def test_an_unfinished_bar_is_left_out() -> None:
    now = OPEN + timedelta(minutes=7, seconds=30)
    with serving(Answer(body={"bars": {"ZZAA": [bar(OPEN), bar(OPEN + timedelta(minutes=5))]}})) as vendor:
        frame = alpaca(vendor.url, now=now).bars(["ZZAA"], "5min", OPEN, OPEN + timedelta(hours=1))
    assert list(frame["ts"]) == [pd.Timestamp(OPEN)]


@pytest.mark.parametrize(
    ("now", "days"),
    [
        (datetime(2026, 10, 8, 19, 59, tzinfo=UTC), [7]),  # 15:59 New York: today's bar is still being made
        (datetime(2026, 10, 8, 20, 0, tzinfo=UTC), [7, 8]),
    ],
)
def test_a_daily_bar_is_visible_only_after_its_session_closed(now: datetime, days: list[int]) -> None:
    stamps = [datetime(2026, 10, day, 4, tzinfo=UTC) for day in (7, 8)]
    with serving(Answer(body={"bars": {"ZZAA": [bar(at) for at in stamps]}})) as vendor:
        frame = alpaca(vendor.url, now=now).bars(["ZZAA"], "1day", stamps[0], now)
    assert [at.day for at in frame["ts"]] == days


def test_the_bar_of_a_half_day_is_finished_at_its_early_close() -> None:
    friday = datetime(2026, 11, 27, 5, tzinfo=UTC)
    with serving(Answer(body={"bars": {"ZZAA": [bar(friday)]}})) as vendor:
        before = alpaca(vendor.url, now=datetime(2026, 11, 27, 17, 59, tzinfo=UTC)).bars(
            ["ZZAA"], "1day", friday, friday + timedelta(days=1)
        )
        after = alpaca(vendor.url, now=datetime(2026, 11, 27, 18, 0, tzinfo=UTC)).bars(
            ["ZZAA"], "1day", friday, friday + timedelta(days=1)
        )
    assert (len(before), len(after)) == (0, 1)


def test_impossible_bars_are_refused_not_repaired() -> None:
    good = bar(OPEN)
    bad = [
        {**good, "t": None},
        {**good, "t": "later"},
        {**good, "o": None},
        {**good, "l": 0},
        {**good, "h": 50.0},
        {**good, "v": None},
        {**good, "c": "nan"},
        None,
    ]
    frame, refused = alpaca_data.parse_bars({"bars": {"ZZAA": [good, *bad]}})
    assert len(frame) == 1 and len(refused) == len(bad)


def test_one_invalid_symbol_is_dropped_remembered_and_the_rest_answered() -> None:
    def choosy(asked: Asked) -> Answer:
        if "BAD" in asked.query["symbols"].split(","):
            return Answer(400, {"message": "invalid symbol: BAD"})
        return Answer(body={"bars": {"ZZAA": [bar(OPEN)]}, "next_page_token": None})

    with serving(choosy) as vendor:
        data = alpaca(vendor.url)
        assert len(data.bars(["BAD", "ZZAA"], "1min", OPEN, NOW)) == 1
        assert list(data.invalid_symbols) == ["BAD"]
        data.bars(["BAD", "ZZAA"], "1min", OPEN, NOW)
        assert len(vendor.asked) == 3, "the second question does not repeat the mistake"
        assert data.bars(["BAD"], "1min", OPEN, NOW).empty


def test_symbols_are_asked_in_chunks() -> None:
    with serving(Answer(body={"quotes": {}})) as vendor:
        alpaca(vendor.url).quotes([f"S{n}" for n in range(250)])
        assert [len(asked.query["symbols"].split(",")) for asked in vendor.asked] == [100, 100, 50]


def test_paging_cannot_run_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alpaca_data, "MAX_PAGES", 4)
    with serving(Answer(body={"bars": {}, "next_page_token": "again"})) as vendor:
        with pytest.raises(MarketDataUnavailable, match="more than 4 pages"):
            alpaca(vendor.url).bars(["ZZAA"], "1min", OPEN, NOW)
        assert len(vendor.asked) == 4


def test_no_symbols_no_request() -> None:
    data = alpaca("http://127.0.0.1:1")
    assert tuple(data.bars([], "1min", OPEN, NOW).columns) == BAR_COLUMNS
    assert tuple(data.quotes([]).columns) == QUOTE_COLUMNS
    assert data.halted([]) == frozenset()


def test_a_quote_with_a_zero_missing_or_crossed_side_has_no_row() -> None:
    whole = {"t": "2026-10-08T14:59:59.123456789Z", "bp": 10.0, "ap": 10.02, "bs": 3, "as": 4, "c": ["R"], "z": "C"}
    quotes = {
        "GOOD": whole,
        "ZERO": {**whole, "bp": 0},
        "NONE": {**whole, "ap": None},
        "CROSSED": {**whole, "bp": 10.03},
        "UNDATED": {**whole, "t": None},
        "EMPTY": None,
    }
    frame = alpaca_data.parse_quotes({"quotes": quotes})
    assert list(frame["symbol"]) == ["GOOD"] and tuple(frame.columns) == QUOTE_COLUMNS
    assert frame.loc[0, "ask_size"] == 4.0 and str(frame["ts"].dtype) == "datetime64[us, UTC]"


def test_a_halt_is_read_from_the_quote_conditions_of_its_tape() -> None:
    quote = {"t": "2026-10-08T14:59:59Z", "bp": 1, "ap": 2}
    body = {
        "quotes": {
            "NEWS": {**quote, "c": ["D"], "z": "A"},
            "OPEN": {**quote, "c": ["R"], "z": "A"},
            "SLOW": {**quote, "c": ["B"], "z": "C"},
            "NORE": {**quote, "c": ["Z"], "z": "C"},
            "NONE": {**quote},
        }
    }
    assert alpaca_data.parse_halts(body) == {"NEWS", "NORE"}


def test_the_active_list_mixes_volume_and_movers_and_keeps_unknown_unknown() -> None:
    def screener(asked: Asked) -> Answer:
        if asked.path.endswith("most-actives"):
            rows = [{"symbol": s, "volume": 1000 - n, "trade_count": 5} for n, s in enumerate(["AA", "BB", "CC", "DD"])]
            return Answer(body={"most_actives": rows, "last_updated": "x"})
        return Answer(
            body={
                "gainers": [{"symbol": "GG", "price": 3.5, "percent_change": 145.56}],
                "losers": [
                    {"symbol": "AA", "price": 9.0, "percent_change": -20.0},
                    {"symbol": "LL", "price": 1.0, "percent_change": -9},
                ],
            }
        )

    with serving(screener) as vendor:
        frame = alpaca(vendor.url).most_active(6)
        assert vendor.asked[0].path == "/v1beta1/screener/stocks/most-actives"
    assert tuple(frame.columns) == ACTIVE_COLUMNS
    assert list(frame["symbol"]) == ["AA", "BB", "GG", "CC", "DD", "LL"] and list(frame["rank"]) == [1, 2, 3, 4, 5, 6]
    assert np.isnan(frame.loc[0, "price"]) and frame.loc[2, "change_pct"] == 145.56


def test_assets_that_lost_a_field_are_still_read_and_a_missing_flag_is_no() -> None:
    rows = [
        {
            "symbol": "ZZAA",
            "class": "us_equity",
            "exchange": "A_NEW_ONE",
            "status": "active",
            "tradable": True,
            "shortable": True,
            "borrow_status": "easy_to_borrow",
        },
        {"symbol": "ZZBB", "class": "us_equity"},
        {"name": "no symbol"},
    ]
    with serving(Answer(body=rows)) as vendor:
        frame = alpaca(vendor.url).assets()
        assert vendor.asked[0].path == "/v2/assets"
    assert list(frame["symbol"]) == ["ZZAA", "ZZBB"]
    assert list(frame["easy_to_borrow"]) == [True, False] and list(frame["tradable"]) == [True, False]


TROUBLE = [
    HTML,
    Answer(500, {}),
    Answer(401, {"message": f"forbidden. {KEY}"}),
    Answer(403, {"message": f"subscription does not permit querying recent SIP data {SECRET}"}),
    Answer(429, {"message": "too many"}),
    Answer(hang_up=True),
    Answer(200, b"<html>"),
    Answer(200, {"surprise": 1}),
    Answer(200, [1]),
    Answer(204),
]


@pytest.mark.parametrize("answer", TROUBLE)
def test_trouble_is_unavailable_with_a_redacted_reason_never_an_empty_frame(answer: Answer) -> None:
    with serving(answer) as vendor:
        data = alpaca(vendor.url)
        questions = [
            lambda: data.bars(["ZZAA"], "1min", OPEN, NOW),
            lambda: data.quotes(["ZZAA"]),
            lambda: data.most_active(5),
            lambda: data.halted(["ZZAA"]),
        ]
        if answer.body != [1]:
            questions.append(data.assets)
        for question in questions:
            with pytest.raises(MarketDataUnavailable) as said:
                question()
            assert KEY not in str(said.value) and SECRET not in str(said.value) and "\n" not in str(said.value)
            assert said.value.__suppress_context__ or said.value.__context__ is None


def test_a_dead_vendor_costs_its_timeout() -> None:
    with serving(Answer(silent=10)) as vendor, within(2.0), pytest.raises(MarketDataUnavailable, match="in time"):
        alpaca(vendor.url).quotes(["ZZAA"])


def test_a_spent_budget_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alpaca_data, "BUDGET_WAIT_SECONDS", 0.0)
    with pytest.raises(MarketDataUnavailable, match="budget"):
        alpaca("http://127.0.0.1:1", budget=Unlimited(limit=0)).quotes(["ZZAA"])


def test_the_delayed_feed_asks_only_for_what_the_plan_serves() -> None:
    with serving(Answer(body={"bars": {}})) as vendor:
        data = alpaca(vendor.url, feed="delayed_sip")
        data.bars(["ZZAA"], "1min", OPEN, NOW)
        asked = vendor.asked[0].query
    assert data.feed == asked["feed"] == "sip"
    assert datetime.fromisoformat(asked["end"]) == NOW - timedelta(minutes=16)


def test_an_unknown_timeframe_is_a_mistake_of_the_caller() -> None:
    for data in (alpaca("http://127.0.0.1:1"), yahoo("http://127.0.0.1:1")):
        with pytest.raises(ValueError, match="timeframe"):
            data.bars(["ZZAA"], "2min", OPEN, NOW)


# ------------------------------------------------------------------------------------------------------------------ yahoo


def chart(stamps: list[int], close: list[float | None]) -> dict[str, Any]:
    quote = {name: close for name in ("open", "high", "low", "close")} | {
        "volume": [None if c is None else 100 for c in close]
    }
    return {"chart": {"result": [{"meta": {}, "timestamp": stamps, "indicators": {"quote": [quote]}}], "error": None}}


def yahoo_vendor(target: Answer) -> Any:
    def answer(asked: Asked) -> Answer:
        if asked.path.endswith("getcrumb"):
            return Answer(200, b"crumb", "text/plain")
        if asked.path.startswith("/fc.yahoo.com") or "consent" in asked.path:
            return Answer(404, b"", "text/html")
        return target

    return answer


def test_yahoo_bars_skip_padding_and_carry_their_own_feed() -> None:
    stamps = [int(OPEN.timestamp()) + 300 * n for n in range(4)]
    with serving(yahoo_vendor(Answer(body=chart(stamps, [10.0, None, 11.0, 12.0])))) as vendor:
        data = yahoo(vendor.url, now=OPEN + timedelta(minutes=17))
        frame = data.bars(["BRK.B"], "5min", OPEN, NOW)
        paths = [asked.path for asked in vendor.asked]
    assert data.feed == "yahoo" and "/query2.finance.yahoo.com/v8/finance/chart/BRK-B" in paths
    assert list(frame["close"]) == [10.0, 11.0], "the padded bar and the unfinished one are left out"
    assert set(frame["symbol"]) == {"BRK.B"} and frame["trade_count"].isna().all()


def test_a_daily_yahoo_bar_is_stamped_with_new_york_midnight() -> None:
    frame, _ = parse_chart(chart([int(OPEN.timestamp())], [10.0]), "ZZAA", "1day")
    assert frame.loc[0, "ts"] == pd.Timestamp("2026-10-08T04:00:00Z")


@pytest.mark.parametrize(
    "target",
    [
        Answer(429, b"Too Many Requests\r\n", "text/html"),
        Answer(401, {"finance": {"result": None, "error": {"code": "Unauthorized", "description": "Invalid Crumb"}}}),
        Answer(
            422, {"chart": {"result": None, "error": {"code": "Unprocessable Entity", "description": "too long ago"}}}
        ),
        Answer(404, {"chart": {"result": None, "error": {"code": "Not Found", "description": "No data found"}}}),
        Answer(200, {"chart": {"result": [{"meta": {}, "indicators": {"quote": [{}]}}], "error": None}}),
        HTML,
    ],
)
def test_an_empty_yahoo_answer_is_unknown(target: Answer) -> None:
    with serving(yahoo_vendor(target)) as vendor, within(5.0):
        data = yahoo(vendor.url)
        with pytest.raises(MarketDataUnavailable):
            data.bars(["ZZAA"], "5min", OPEN, NOW)
        with pytest.raises(MarketDataUnavailable):
            data.most_active(5)


def test_a_dead_yahoo_costs_a_bounded_time() -> None:
    with serving(Answer(silent=20)) as vendor, within(4.0), pytest.raises(MarketDataUnavailable):
        yahoo(vendor.url).most_active(5)


def test_yahoo_does_not_pretend_to_have_quotes_or_instruments() -> None:
    data = yahoo("http://127.0.0.1:1")
    for question in (lambda: data.quotes(["ZZAA"]), data.assets):
        with pytest.raises(MarketDataUnavailable):
            question()


# --------------------------------------------------------------------------------------------------------------- fallback

MOVERS = {
    name: [{"ticker": ticker, "price": "5.1", "change_percentage": "12.5%", "volume": "900"}]
    for name, ticker in (("top_gainers", "GG"), ("top_losers", "LL"), ("most_actively_traded", "MM"))
}


def test_the_active_list_falls_back_vendor_by_vendor_and_says_whose_it_is() -> None:
    def everything(asked: Asked) -> Answer:
        return Answer(body=MOVERS) if asked.query.get("function") == "TOP_GAINERS_LOSERS" else Answer(503, {})

    with serving(everything) as vendor:
        client = AlphaVantageClient(KEY, f"{vendor.url}/query", VendorSession(QUICK))
        movers = AlphaVantageMovers(client, Unlimited(), Redactor([KEY]))
        data = FallbackMarketData(alpaca(vendor.url), [("yahoo", yahoo(vendor.url)), ("alpha_vantage", movers)])
        frame = data.most_active(10)
        with pytest.raises(MarketDataUnavailable):
            data.quotes(["ZZAA"])  # only the list has stand-ins: feeds never mix
    assert data.feed == "iex" and list(frame["symbol"]) == ["MM", "GG", "LL"]
    assert set(frame["origin"]) == {
        "alpha_vantage_most_actively_traded",
        "alpha_vantage_top_gainers",
        "alpha_vantage_top_losers",
    }
    assert frame.loc[0, "change_pct"] == 12.5


def test_when_nobody_has_a_list_every_reason_is_given_without_the_key() -> None:
    with serving(Answer(200, {"Information": f"API key as {KEY} is limited"})) as vendor:
        client = AlphaVantageClient(KEY, f"{vendor.url}/query", VendorSession(QUICK))
        movers = AlphaVantageMovers(client, Unlimited(), Redactor([KEY]))
        data = FallbackMarketData(alpaca(vendor.url), [("alpha_vantage", movers)])
        with pytest.raises(MarketDataUnavailable) as said:
            data.most_active(10)
    assert "Alpaca" in str(said.value) and "Alpha Vantage" in str(said.value) and KEY not in str(said.value)
