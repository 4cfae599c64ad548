"""What our adapters make of answers that arrive and are wrong: the same data, fewer data, or their declared error; never other
data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pandas as pd
import pytest
import requests

from catalyst_assets.ports import BrokerOrder, BrokerUnavailable, MarketDataUnavailable, NewsBatch, OrderStatus
from catalyst_assets.simulator.faults import KINDS, Phase
from catalyst_assets_tests.simulator.faults.bench import ASKED, HEADERS, VENDOR_OF, Bench, fetched
from catalyst_assets_tests.simulator.handmade import NEW_YORK, ny

# ------------------------------------------------------------------------------------------------ how an answer differs


UNHEARD_OF = "brand_new_value"


def compared(answer: Any, healthy: Any) -> str:
    """``same``, ``less`` (something is missing or unknown and nothing is different), ``refused`` (articles, with reasons),
    ``unknown`` (an order's words) or ``OTHER``."""
    if isinstance(answer, NewsBatch):
        return _compared_news(answer, healthy)
    if isinstance(answer, pd.DataFrame):
        return _compared_frames(answer, healthy)
    if answer == healthy:
        return "same"
    if _orders(answer) and _orders(healthy):
        told = list(map(_without_words, answer if isinstance(answer, list) else [answer]))
        known = list(map(_without_words, healthy if isinstance(healthy, list) else [healthy]))
        return "unknown" if told == known else "OTHER"
    if type(answer) is type(healthy) and hasattr(answer, "__slots__"):
        pairs = [(getattr(answer, name), getattr(healthy, name)) for name in answer.__slots__]
        return "less" if all(one in (two, None, "", UNHEARD_OF) for one, two in pairs) else "OTHER"
    if isinstance(answer, list) and len(answer) == len(healthy):
        parts = {compared(one, two) for one, two in zip(answer, healthy, strict=True)}
        return "OTHER" if "OTHER" in parts else "less"
    return "OTHER"


def _orders(value: Any) -> bool:
    return all(isinstance(item, BrokerOrder) for item in (value if isinstance(value, list) else [value]))


def _without_words(order: BrokerOrder) -> BrokerOrder:
    """The order without the texts that come from fixed sets."""
    legs = tuple(map(_without_words, order.legs))
    return replace(order, type="", order_class="", status=OrderStatus.UNKNOWN, raw_status="", legs=legs)


def _compared_news(answer: NewsBatch, healthy: NewsBatch) -> str:
    if answer.error:
        return "error"
    known = {article.vendor_id: article for article in healthy.articles}
    for article in answer.articles:
        whole = known.get(article.vendor_id)
        if whole is None or not set(article.tickers) <= set(
            whole.tickers
        ):  # Finnhub names tickers one answer at a time
            return "OTHER"
        optional = {"payload": {}, "summary": "", "url": None, "tickers": ()}
        if replace(article, **optional) != replace(whole, **optional):
            return "OTHER"
    if answer.refused:
        return "refused" if all(item.reason for item in answer.refused) else "OTHER"
    return "same" if len(answer.articles) == len(healthy.articles) else "less"


def _compared_frames(answer: pd.DataFrame, healthy: pd.DataFrame) -> str:
    key = ["symbol", "ts"] if "ts" in answer.columns else ["symbol"]
    values = [name for name in answer.columns if name not in (*key, "rank")]
    joined = answer.merge(healthy, on=key, how="left", suffixes=("", "_healthy"), indicator=True)
    if not (joined["_merge"] == "both").all() or answer.duplicated(key).any():
        return "OTHER"
    changed = 0
    for name in values:
        now, before = joined[name], joined[f"{name}_healthy"]
        differs = ~(now.eq(before) | (now.isna() & before.isna()))
        unknown = now.eq(False) if now.dtype == bool else now.isna() | now.eq(UNHEARD_OF)
        if (differs & ~unknown).any():
            return "OTHER"
        changed += int(differs.sum())
    return "same" if not changed and len(answer) == len(healthy) else "less"


# ------------------------------------------------------------------------------------------------------------- the table

ALLOWED: Mapping[str, tuple[set[str], dict[str, Any]]] = {
    "missing_optional": ({"same", "less"}, {"rows": 0}),
    "missing_required": ({"error", "less", "refused"}, {}),
    "nulls": ({"error", "less", "refused"}, {}),
    "wrong_types": ({"error", "less", "refused"}, {}),
    "unknown_enum": ({"same", "less", "unknown"}, {}),
    "new_fields": ({"same"}, {}),
    "zero_quotes": ({"less"}, {}),
    "crossed_quotes": ({"less"}, {}),
    "late_articles": ({"less"}, {"seconds": 9 * 60 - 30}),
    "future_articles": ({"refused"}, {"seconds": 2 * 86_400}),
    "duplicate_articles": ({"same"}, {}),
}
"""Fault → what may become of an answer, and its parameters. Faults with tests of their own below are not in it."""

OWN_TESTS = {"clock_skew", "stale_quotes", "feed_mix_up"}
INDIFFERENT: Mapping[str, set[str]] = {"halted": {"same"}, "alpha_vantage_movers": {"same"}}
"""Questions that may not care: halts are read from conditions, not prices; a mover stands in more than one list."""
UNTOUCHED: Mapping[str, set[str]] = {
    "missing_optional": {"broker_clock"},
    "unknown_enum": {
        "broker_clock",
        "calendar",
        "bars",
        "most_active",
        "alpha_vantage_movers",
        "alpaca_news",
        "newsapi_news",
        "yahoo_bars",
    },
    "late_articles": {"newsapi_news"},
}
"""Questions whose answers have nothing the fault could touch (the vendor that is a day late has no article too young)."""
NEWS = {"alpaca_news", "finnhub_news", "alpha_vantage_news", "newsapi_news"}


def struck_questions(fault: str, market: Bench) -> set[str]:
    """The questions whose answer ``fault`` must have touched."""
    asked = set(market.questions())
    if fault.endswith("_quotes"):
        return {"quotes", "halted"}
    if fault.endswith("_articles"):
        return NEWS - UNTOUCHED.get(fault, set())
    return asked - UNTOUCHED.get(fault, set())


def test_every_fault_of_the_body_is_in_the_table_or_has_its_test() -> None:
    assert set(ALLOWED) | OWN_TESTS == {name for name, kind in KINDS.items() if kind.phase is Phase.BODY}


@pytest.mark.parametrize("fault", ALLOWED)
def test_a_wrong_answer_is_read_for_what_is_right_in_it_or_refused(market: Bench, fault: str) -> None:
    allowed, parameters = ALLOWED[fault]
    struck: dict[str, str] = {}
    for name, question in market.questions().items():
        vendor = VENDOR_OF.get(name, "alpaca")
        if vendor not in KINDS[fault].vendors:
            continue
        market.heal()
        healthy = question()
        market.arm(fault=fault, vendor=vendor, parameters=parameters)
        try:
            struck[name] = compared(question(), healthy)
        except (BrokerUnavailable, MarketDataUnavailable):
            struck[name] = "error"
        if not market.log():
            assert struck.pop(name) == "same"
    assert set(struck) == struck_questions(fault, market)
    wrong = {name: outcome for name, outcome in struck.items() if outcome not in allowed | INDIFFERENT.get(name, set())}
    assert wrong == {}


@pytest.mark.parametrize(
    ("question", "outcome"),
    [
        ("account", "error"),
        ("positions", "error"),
        ("open_orders", "error"),
        ("fills", "error"),
        ("calendar", "error"),
        ("bars", "less"),
        ("quotes", "less"),
        ("assets", "less"),
        ("yahoo_bars", "error"),
        ("alpaca_news", "refused"),
    ],
)
def test_half_an_account_is_not_an_account_and_one_bad_bar_is_not_all_bars(
    market: Bench, question: str, outcome: str
) -> None:
    """Where money is counted, one unreadable object refuses the listing; elsewhere it is left out and the rest is read."""
    ask = market.questions()[question]
    healthy = ask()
    market.arm(fault="nulls", vendor=VENDOR_OF.get(question, "alpaca"))
    try:
        assert compared(ask(), healthy) == outcome
    except (BrokerUnavailable, MarketDataUnavailable):
        assert outcome == "error"


def test_a_position_of_an_unheard_of_asset_class_does_not_disappear(market: Bench) -> None:
    healthy = market.vendors.broker.positions()
    market.arm(fault="unknown_enum", vendor="alpaca", parameters={"fields": ["asset_class"], "rows": 0})
    assert market.vendors.broker.positions() == healthy and len(healthy) == 2


def test_an_order_of_an_unheard_of_status_is_alive_and_unknown(market: Bench) -> None:
    market.arm(fault="unknown_enum", vendor="alpaca", parameters={"fields": ["status"], "rows": 0})
    found = market.vendors.broker.open_orders()
    assert found and all(order.status is OrderStatus.UNKNOWN and not order.status.is_final for order in found)
    assert {order.raw_status for order in found} == {"brand_new_value"}


def test_an_account_of_an_unheard_of_status_says_so(market: Bench) -> None:
    market.arm(fault="unknown_enum", vendor="alpaca", parameters={"fields": ["status"]})
    assert market.vendors.broker.account().status == "brand_new_value"


@pytest.mark.parametrize("fault", ["nulls", "missing_required", "wrong_types"])
def test_bars_that_are_all_impossible_are_unavailable_and_not_none(market: Bench, fault: str) -> None:
    market.arm(fault=fault, vendor="alpaca", parameters={"rows": 0})
    with pytest.raises(MarketDataUnavailable, match="none is possible"):
        market.questions()["bars"]()


# ---------------------------------------------------------------------------------------------------------------- quotes


@pytest.mark.parametrize("side", ["both", "bid", "ask"])
def test_zero_quotes_never_become_a_row(market: Bench, side: str) -> None:
    market.arm(fault="zero_quotes", vendor="alpaca", symbol="BBB", parameters={"side": side})
    assert list(market.vendors.market_data.quotes(ASKED)["symbol"]) == ["AAA", "CCC"]
    assert [entry.did for entry in market.log()] == [f"BBB {side}"]


def test_crossed_quotes_never_become_a_row(market: Bench) -> None:
    market.arm(fault="crossed_quotes", vendor="alpaca", symbol="AAA")
    assert list(market.vendors.market_data.quotes(ASKED)["symbol"]) == ["BBB", "CCC"]


def test_stale_quotes_carry_the_time_they_are_from(market: Bench) -> None:
    data = market.vendors.market_data
    for at, expected in (("09:45", ny(9, 45)), (None, None)):
        market.arm(fault="stale_quotes", vendor="alpaca", id="stale", parameters={"at": at} if at else {})
        frozen = data.quotes(ASKED)
        market.state.clock.advance(timedelta(seconds=61))
        again = data.quotes(ASKED)
        assert list(frozen["ts"]) == list(again["ts"])
        if expected is not None:
            assert set(frozen["ts"]) == {pd.Timestamp(expected)}
    market.heal()
    assert (data.quotes(ASKED)["ts"] > again["ts"]).all()


@pytest.mark.parametrize(
    ("path", "query", "leads_to"),
    [
        ("snapshots", {"symbols": "AAA,BBB"}, ("AAA", "latestQuote")),
        ("AAA/snapshot", {}, ("latestQuote",)),
        ("AAA/quotes/latest", {}, ("quote",)),
        ("quotes/latest", {"symbols": "AAA"}, ("quotes", "AAA")),
    ],
)
def test_a_latest_quote_is_spoiled_wherever_it_is_asked(
    market: Bench, path: str, query: dict[str, str], leads_to: tuple[str, ...]
) -> None:
    url = f"{market.server.base_url}/alpaca/data/v2/stocks/{path}"
    for symbol, bid in (("BBB", 99.99), ("AAA", 0)):
        market.arm(fault="zero_quotes", vendor="alpaca", symbol=symbol)
        found = requests.get(url, params=query | {"feed": "iex"}, headers=HEADERS, timeout=5).json()
        for name in leads_to:
            found = found[name]
        assert found["bp"] == bid


# ---------------------------------------------------------------------------------------------------- volumes and times


def test_a_feed_mix_up_multiplies_volumes_and_nothing_in_the_answer_shows_it(market: Bench) -> None:
    """No adapter can see this; it is what the ratio of volumes is for."""
    ask = market.questions()["bars"]
    healthy = ask()
    market.arm(fault="feed_mix_up", vendor="alpaca", symbol="AAA", parameters={"factor": 30})
    mixed = ask()
    ratio = (mixed["volume"] / healthy["volume"]).groupby(mixed["symbol"]).agg(["min", "max"])
    assert ratio.loc["AAA"].tolist() == [30, 30] and ratio.loc["BBB"].tolist() == [1, 1]
    assert mixed["close"].equals(healthy["close"])
    market.heal()
    url = f"{market.server.base_url}/alpaca/data/v2/stocks/bars"
    market.arm(fault="feed_mix_up", vendor="alpaca")
    asked = {"symbols": "AAA", "timeframe": "1Min", "start": "2026-11-20", "end": "2026-11-20T14:00:00Z"}
    requests.get(url, params=asked | {"feed": "sip"}, headers=HEADERS, timeout=5)
    assert market.log() == []  # whoever asks for the whole market gets it


@pytest.mark.parametrize("seconds", [120, -120, 3600])
def test_a_vendor_s_wrong_clock_is_seen_where_it_matters(market: Bench, seconds: int) -> None:
    off = timedelta(seconds=seconds)
    questions = market.questions()
    healthy = {name: questions[name]() for name in ("quotes", "fills", "alpaca_news", "finnhub_news", "broker_clock")}
    for vendor in ("alpaca", "finnhub", "yahoo"):
        market.arm(fault="clock_skew", vendor=vendor, parameters={"seconds": seconds})
    assert list(questions["quotes"]()["ts"]) == [ts + off for ts in healthy["quotes"]["ts"]]
    assert [fill.at for fill in questions["fills"]()] == [
        fill.at + off for fill in healthy["fills"] if fill.at + off > ny(9, 30)
    ]
    assert questions["broker_clock"]().now == healthy["broker_clock"].now + off
    for name in ("alpaca_news", "finnhub_news"):
        batch = questions[name]()
        assert bool(batch.refused) == (seconds == 3600)
        assert all("in the future" in item.reason for item in batch.refused)
    if seconds != 3600:  # an hour is a whole number of bars, and those of the last hour are refused as unfinished
        for name in ("bars", "yahoo_bars"):
            with pytest.raises(MarketDataUnavailable):
                questions[name]()
    else:
        assert len(questions["bars"]()) == 0


def test_the_date_header_is_the_market_s_and_skewed_with_it(market: Bench) -> None:
    url = f"{market.server.base_url}/alpaca/trading/v2/clock"
    now = market.state.clock.now()
    assert requests.get(url, headers=HEADERS, timeout=5).headers["Date"] == f"{now:%a, %d %b %Y %H:%M:%S} GMT"
    market.arm(fault="clock_skew", vendor="alpaca", parameters={"seconds": -90})
    skewed = requests.get(url, headers=HEADERS, timeout=5)
    assert skewed.headers["Date"] == f"{now - timedelta(seconds=90):%a, %d %b %Y %H:%M:%S} GMT"
    assert skewed.json()["timestamp"] == (now - timedelta(seconds=90)).astimezone(NEW_YORK).isoformat()


# --------------------------------------------------------------------------------------------------------------- articles


def test_a_late_article_is_found_when_it_comes(market: Bench) -> None:
    source = next(source for source in market.vendors.news if source.name == "alpaca")
    seconds = (market.state.clock.now() - ny(9, 52)).total_seconds() + 30
    market.arm(fault="late_articles", vendor="alpaca", parameters={"seconds": seconds})
    assert "2" not in {article.vendor_id for article in fetched(source).articles}
    market.state.clock.advance(timedelta(seconds=31))
    (found,) = [article for article in fetched(source).articles if article.vendor_id == "2"]
    assert found.published_at == ny(9, 52)


def test_an_article_twice_under_two_identities_is_two_articles_of_one_headline(market: Bench) -> None:
    """Not an adapter's business: the store knows articles by headline, outlet and minute."""
    source = next(source for source in market.vendors.news if source.name == "alpaca")
    market.arm(fault="duplicate_articles", vendor="alpaca", parameters={"new_identity": True, "rows": 1})
    found = fetched(source).articles
    assert len(found) == 4 and len({article.headline for article in found}) == 3


def test_a_healed_market_answers_as_if_nothing_had_been(market: Bench) -> None:
    before = {name: question() for name, question in market.questions().items()}
    for fault, kind in KINDS.items():
        if kind.phase is Phase.BODY:
            for vendor in kind.vendors:
                market.arm(fault=fault, vendor=vendor, times=1)
    for question in market.questions().values():
        try:
            question()
        except (BrokerUnavailable, MarketDataUnavailable):
            continue
    market.heal()
    assert {name: compared(question(), before[name]) for name, question in market.questions().items()} == dict.fromkeys(
        before, "same"
    )
