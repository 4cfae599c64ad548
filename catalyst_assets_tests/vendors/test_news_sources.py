"""Four vendors behind one port: paging that ends, windows, refusals, errors as values, keys nowhere."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from catalyst_assets.ports import FixedClock, NewsSource
from catalyst_assets.trading.config import NewsConfig
from catalyst_assets.vendors.alpaca_news import AlpacaNews
from catalyst_assets.vendors.alpha_vantage import AlphaVantageClient, AlphaVantageNews
from catalyst_assets.vendors.finnhub import FinnhubNews
from catalyst_assets.vendors.news_source import Manners, VendorNewsSource, is_budget_pause
from catalyst_assets.vendors.newsapi import NewsApiNews
from catalyst_assets.vendors.transport import Patience, Redactor, VendorSession
from catalyst_assets_tests.vendors.loopback import HTML, Answer, Asked, Unlimited, serving, within

NOW = datetime(2026, 10, 8, 15, 0, tzinfo=UTC)
SINCE, UNTIL = NOW - timedelta(minutes=20), NOW
KEY, SECRET = "KEYabc9871recognisable", "SECRETxyz4456recognisable"
QUICK = Patience(0.3, 0.3)
ALL = ("alpaca", "finnhub", "alpha_vantage", "newsapi")


def common(
    delay: timedelta = timedelta(0), pages: int = 3, budget: Any = None, patience: float = 30.0
) -> dict[str, Any]:
    return {
        "budget": budget or Unlimited(),
        "clock": FixedClock(NOW),
        "redact": Redactor([KEY, SECRET]),
        "config": NewsConfig(),
        "manners": Manners(delay=delay, max_pages=pages, patience_seconds=patience),
    }


def source(name: str, url: str, **options: Any) -> VendorNewsSource:
    session = VendorSession(QUICK, repeat_pause=0.01)
    pause = options.pop("pause", timedelta(0))
    if name == "alpaca":
        return AlpacaNews(KEY, SECRET, url, session, **common(**options))
    if name == "finnhub":
        return FinnhubNews(KEY, f"{url}/api/v1", session, per_fetch=options.pop("per_fetch", 50), **common(**options))
    if name == "alpha_vantage":
        client = AlphaVantageClient(KEY, f"{url}/query", session)
        return AlphaVantageNews(client, session, pause=pause, **common(**options))
    return NewsApiNews(KEY, f"{url}/v2", session, pause=pause, **common(**options))


def item(name: str, at: datetime, number: int = 1, **changes: Any) -> dict[str, Any]:
    stamp = at.strftime("%Y-%m-%dT%H:%M:%SZ")
    made: dict[str, dict[str, Any]] = {
        "alpaca": {
            "id": number,
            "headline": f"H{number}",
            "created_at": stamp,
            "updated_at": stamp,
            "symbols": ["ZZAA"],
            "source": "w",
        },
        "finnhub": {
            "id": number,
            "headline": f"H{number}",
            "datetime": int(at.timestamp()),
            "related": "ZZAA",
            "source": "w",
        },
        "alpha_vantage": {
            "title": f"H{number}",
            "url": f"https://e.invalid/{number}",
            "time_published": at.strftime("%Y%m%dT%H%M%S"),
            "source": "w",
            "overall_sentiment_score": 0.2,
            "ticker_sentiment": [{"ticker": "ZZAA", "relevance_score": "0.9", "ticker_sentiment_score": "-0.3"}],
        },
        "newsapi": {
            "title": f"H{number}",
            "url": f"https://e.invalid/{number}",
            "publishedAt": stamp,
            "source": {"name": "w"},
        },
    }
    return {**made[name], **changes}


def body(name: str, items: list[Any]) -> Any:
    return {
        "alpaca": {"news": items, "next_page_token": None},
        "finnhub": items,
        "alpha_vantage": {"items": str(len(items)), "feed": items},
        "newsapi": {"status": "ok", "totalResults": len(items), "articles": items},
    }[name]


def answering(name: str, items: list[Any]) -> Callable[[Asked], Answer]:
    def answer(asked: Asked) -> Answer:
        if name == "finnhub" and asked.path.endswith("company-news"):
            return Answer(body=[])
        return Answer(body=body(name, items))

    return answer


@pytest.mark.parametrize("name", ALL)
def test_an_article_arrives_whole_with_its_payload_untouched(name: str) -> None:
    wanted = item(name, NOW - timedelta(minutes=5))
    with serving(answering(name, [wanted])) as vendor:
        made = source(name, vendor.url)
        batch = made.fetch(SINCE, UNTIL, ["ZZAA"])
    assert isinstance(made, NewsSource) and batch.provider == made.name == name
    assert batch.error is None and not batch.refused and not batch.truncated
    (article,) = batch.articles
    assert article.headline == "H1" and article.source == "w" and article.payload == wanted
    assert article.published_at == NOW - timedelta(minutes=5) and article.published_at.tzinfo is UTC
    assert article.tickers == (() if name == "newsapi" else ("ZZAA",))
    assert batch.requests == len(vendor.asked) and batch.duration > timedelta(0)


@pytest.mark.parametrize("name", ALL)
def test_what_cannot_become_an_article_is_refused_with_a_reason_and_never_guessed(name: str) -> None:
    time_field = {
        "alpaca": "created_at",
        "finnhub": "datetime",
        "alpha_vantage": "time_published",
        "newsapi": "publishedAt",
    }[name]
    head_field = "headline" if name in ("alpaca", "finnhub") else "title"
    late = NOW + timedelta(hours=3)
    bad = [
        item(name, NOW, 1, **{time_field: None}),
        item(name, NOW, 2, **{time_field: "soon"}),
        item(name, late, 3),
        item(name, NOW, 4, **{head_field: "  "}),
        item(name, NOW, 5, **{head_field: "[Removed]"}),
        "not an object",
        None,
    ]
    good = item(name, NOW - timedelta(minutes=1), 6)
    with serving(answering(name, [*bad, good])) as vendor:
        batch = source(name, vendor.url).fetch(SINCE, UNTIL, [])
    assert [article.headline for article in batch.articles] == ["H6"]
    assert len(batch.refused) == len(bad) and batch.error is None
    reasons = [refused.reason for refused in batch.refused]
    assert "missing" in reasons[0] and "future" in reasons[2] and "empty" in reasons[3] and "removed" in reasons[4]
    assert all("not an object" in reason for reason in reasons[5:])
    assert [refused.payload for refused in batch.refused] == bad


@pytest.mark.parametrize("name", ALL)
def test_articles_outside_the_window_are_left_out(name: str) -> None:
    items = [
        item(name, SINCE - timedelta(hours=9), 1),
        item(name, NOW - timedelta(minutes=1), 2),
        item(name, NOW + timedelta(minutes=1), 3),
    ]
    with serving(answering(name, items)) as vendor:
        batch = source(name, vendor.url).fetch(SINCE, UNTIL, [])
    assert [article.headline for article in batch.articles] == ["H2"] and not batch.refused


VENDOR_ERRORS: dict[str, list[Answer]] = {
    "alpaca": [
        Answer(401, {"message": f"unauthorized. {KEY}"}),
        Answer(403, {"message": f"forbidden {SECRET}"}),
        Answer(429, {"code": 42910000, "message": "rate limit exceeded"}),
        Answer(200, {"unexpected": KEY}),
    ],
    "finnhub": [
        Answer(401, {"error": f"Invalid API key {KEY}"}),
        Answer(429, {"error": "API limit reached."}),
        Answer(200, {"error": f"You don't have access to this resource. token={KEY}"}),
        Answer(200, f"<html>{KEY}</html>".encode(), "text/html"),
    ],
    "alpha_vantage": [
        Answer(
            200,
            {
                "Information": f"We have detected your API key as {KEY} and our standard API rate limit is 25 requests per day."
            },
        ),
        Answer(200, {"Note": f"call frequency {KEY}"}),
        Answer(200, {"Error Message": f"the parameter apikey={KEY} is invalid"}),
        Answer(200, {"feed": "nothing"}),
    ],
    "newsapi": [
        Answer(401, {"status": "error", "code": "apiKeyInvalid", "message": f"Your API key {KEY} is invalid"}),
        Answer(429, {"status": "error", "code": "rateLimited", "message": "too many requests"}),
        Answer(426, {"status": "error", "code": "parameterInvalid", "message": f"too far in the past {KEY}"}),
        Answer(200, {"status": "error", "code": "unexpectedError", "message": KEY}),
    ],
}
FAULTS = [
    HTML,
    Answer(500, {}),
    Answer(504, b"", "text/html"),
    Answer(hang_up=True),
    Answer(200, b"{not json"),
    Answer(200, []),
    Answer(200, "text"),
    Answer(200, 7),
]


@pytest.mark.parametrize(
    ("name", "answer"), [(name, answer) for name in ALL for answer in [*VENDOR_ERRORS[name], *FAULTS]]
)
def test_vendor_trouble_becomes_one_redacted_sentence_and_never_an_exception(name: str, answer: Answer) -> None:
    with serving(answer) as vendor:
        batch = source(name, vendor.url).fetch(SINCE, UNTIL, ["ZZAA"])
    if name == "finnhub" and answer.body == [] and answer.status == 200 and not answer.hang_up:
        assert batch.error is None  # an empty list is Finnhub's way to say that there is nothing
        return
    assert batch.articles == () and batch.error
    assert "\n" not in batch.error and 5 < len(batch.error) <= 320
    assert KEY not in batch.error and SECRET not in batch.error
    assert not is_budget_pause(batch)


@pytest.mark.parametrize("name", ALL)
def test_a_dead_vendor_costs_at_most_its_timeout(name: str) -> None:
    with serving(Answer(silent=10)) as vendor, within(2.0):
        batch = source(name, vendor.url).fetch(SINCE, UNTIL, [f"S{n}" for n in range(50)])
    assert batch.error is not None and "in time" in batch.error and KEY not in batch.error


@pytest.mark.parametrize("name", ALL)
def test_a_vendor_that_is_not_there_is_an_error_without_the_key(name: str) -> None:
    batch = source(name, "http://127.0.0.1:1").fetch(SINCE, UNTIL, ["ZZAA"])
    assert batch.error == "could not connect" and batch.articles == ()


@pytest.mark.parametrize("name", ALL)
def test_a_spent_budget_is_told_apart_from_a_failure_and_asks_nobody(name: str) -> None:
    with serving(answering(name, [])) as vendor:
        batch = source(name, vendor.url, budget=Unlimited(limit=0)).fetch(SINCE, UNTIL, ["ZZAA"])
        assert vendor.asked == []
    assert is_budget_pause(batch) and batch.requests == 0


@pytest.mark.parametrize("name", ALL)
def test_naive_times_are_a_mistake_of_the_caller(name: str) -> None:
    with pytest.raises(ValueError, match="time-zone aware"):
        source(name, "http://127.0.0.1:1").fetch(SINCE.replace(tzinfo=None), UNTIL, [])


def test_alpaca_pages_end_at_the_limit_and_say_so() -> None:
    def endless(asked: Asked) -> Answer:
        page = int(asked.query.get("page_token", "0"))
        items = [item("alpaca", NOW - timedelta(minutes=1), page * 100 + n) for n in range(2)]
        return Answer(body={"news": items, "next_page_token": str(page + 1)})

    with serving(endless) as vendor:
        batch = source("alpaca", vendor.url, pages=4).fetch(SINCE, UNTIL, [])
    assert batch.truncated and batch.requests == 4 and len(batch.articles) == 8 and batch.error is None
    first = vendor.asked[0]
    assert first.path == "/v1beta1/news" and first.query["sort"] == "desc" and first.query["include_content"] == "false"
    assert first.headers["apca-api-key-id"] == KEY


def test_pages_read_before_a_failure_are_kept() -> None:
    def failing(asked: Asked) -> Answer:
        if "page_token" in asked.query:
            return Answer(401, {"message": "unauthorized."})
        return Answer(body={"news": [item("alpaca", NOW, 1)], "next_page_token": "x"})

    with serving(failing) as vendor:
        batch = source("alpaca", vendor.url).fetch(SINCE, UNTIL, [])
    assert len(batch.articles) == 1 and batch.error == "HTTP 401: unauthorized."


def test_an_edit_of_an_old_article_is_delivered_by_its_update_time() -> None:
    edited = item("alpaca", NOW - timedelta(days=2), 1, updated_at=NOW.isoformat())
    with serving(answering("alpaca", [edited])) as vendor:
        (article,) = source("alpaca", vendor.url).fetch(SINCE, UNTIL, []).articles
    assert article.published_at == NOW - timedelta(days=2) and article.provider_updated_at == NOW


def test_finnhub_names_one_article_once_with_all_the_symbols_it_came_under() -> None:
    def by_symbol(asked: Asked) -> Answer:
        if asked.path.endswith("company-news"):
            return Answer(body=[item("finnhub", NOW - timedelta(minutes=2), 7, related=asked.query["symbol"])])
        return Answer(body=[])

    with serving(by_symbol) as vendor:
        batch = source("finnhub", vendor.url).fetch(SINCE, UNTIL, ["ZZAA", "ZZBB"])
    (article,) = batch.articles
    assert article.tickers == ("ZZAA", "ZZBB")
    assert {asked.query["token"] for asked in vendor.asked} == {KEY}
    assert {asked.query.get("from") for asked in vendor.asked[1:]} == {"2026-10-08"}


def test_finnhub_rotation_reaches_every_symbol_within_one_round() -> None:
    symbols = [f"S{n}" for n in range(10)]
    with serving(answering("finnhub", [])) as vendor:
        made = source("finnhub", vendor.url, per_fetch=4)
        for _ in range(3):
            made.fetch(SINCE, UNTIL, symbols)
        asked = [each.query["symbol"] for each in vendor.asked if "symbol" in each.query]
    assert len(asked) == 12 and set(asked) == set(symbols)
    assert made.widened(SINCE, UNTIL, symbols) == SINCE - 2 * (UNTIL - SINCE)


def test_finnhub_processes_of_one_fetch_each_also_get_round() -> None:
    symbols = [f"S{n}" for n in range(10)]
    with serving(answering("finnhub", [])) as vendor:
        for turn in range(3):
            source("finnhub", vendor.url, per_fetch=4).fetch(SINCE, UNTIL + timedelta(minutes=5 * turn), symbols)
        assert {each.query["symbol"] for each in vendor.asked if "symbol" in each.query} == set(symbols)


def test_one_symbol_finnhub_refuses_does_not_cost_the_others() -> None:
    def refusing(asked: Asked) -> Answer:
        if asked.query.get("symbol") == "ZZAA":
            return Answer(403, {"error": "You don't have access to this resource."})
        return Answer(body=[item("finnhub", NOW, 3, related=asked.query["symbol"])] if "symbol" in asked.query else [])

    with serving(refusing) as vendor:
        batch = source("finnhub", vendor.url).fetch(SINCE, UNTIL, ["ZZAA", "ZZBB"])
    assert [article.tickers for article in batch.articles] == [("ZZBB",)]
    assert batch.error is not None and "1 symbols refused" in batch.error


def test_finnhub_budget_that_ends_midway_keeps_what_came_and_goes_on_there() -> None:
    with serving(answering("finnhub", [item("finnhub", NOW, 1)])) as vendor:
        made = source("finnhub", vendor.url, budget=Unlimited(limit=3))
        made._cursor = 0
        batch = made.fetch(SINCE, UNTIL, ["A", "B", "C", "D"])
        assert is_budget_pause(batch) and len(batch.articles) == 1 and batch.requests == 3
        assert made._cursor == 2


def test_alpha_vantage_is_asked_once_for_everything_in_the_official_words() -> None:
    wanted = item("alpha_vantage", NOW - timedelta(minutes=5))
    with serving(answering("alpha_vantage", [wanted])) as vendor:
        batch = source("alpha_vantage", vendor.url, pause=timedelta(minutes=40)).fetch(SINCE, UNTIL, ["ZZAA", "ZZBB"])
    (asked,) = vendor.asked
    assert asked.path == "/query" and asked.query["function"] == "NEWS_SENTIMENT" and asked.query["apikey"] == KEY
    assert asked.query["time_from"] == "20261008T1340" and asked.query["time_to"] == "20261008T1501"
    assert "tickers" not in asked.query and asked.query["limit"] == "1000"
    said = batch.articles[0].ticker_sentiment["ZZAA"]
    assert (said.relevance, said.score) == (0.9, -0.3) and batch.articles[0].sentiment == 0.2


@pytest.mark.parametrize(
    "nothing", [{}, {"items": "0", "feed": []}, {"Information": "No articles found. Please adjust the time range."}]
)
def test_alpha_vantage_without_articles_is_not_an_error(nothing: dict[str, Any]) -> None:
    with serving(Answer(body=nothing)) as vendor:
        batch = source("alpha_vantage", vendor.url).fetch(SINCE, UNTIL, [])
    assert batch.error is None and batch.articles == ()


def test_newsapi_asks_for_what_became_available_now_and_never_counts_as_live() -> None:
    day = timedelta(days=1)
    wanted = item("newsapi", NOW - day - timedelta(minutes=5))
    with serving(answering("newsapi", [wanted])) as vendor:
        made = source("newsapi", vendor.url, delay=day, pages=1)
        batch = made.fetch(SINCE, UNTIL, [])
    assert not made.live and made.delay == day and len(batch.articles) == 1
    (asked,) = vendor.asked
    assert (
        asked.path == "/v2/everything"
        and asked.query["from"] == "2026-10-07T14:40:00"
        and asked.query["pageSize"] == "100"
    )
    assert asked.headers["authorization"] == KEY and KEY not in str(asked.query)


def test_newsapi_pages_until_the_end_or_the_limit() -> None:
    def pages(asked: Asked) -> Answer:
        page = int(asked.query["page"])
        count = 100 if page < 3 else 5
        items = [item("newsapi", NOW, page * 1000 + n) for n in range(count)]
        return Answer(body={"status": "ok", "totalResults": 205, "articles": items})

    with serving(pages) as vendor:
        whole = source("newsapi", vendor.url, pages=5).fetch(SINCE, UNTIL, [])
        cut = source("newsapi", vendor.url, pages=2).fetch(SINCE, UNTIL, [])
    assert (len(whole.articles), whole.requests, whole.truncated) == (205, 3, False)
    assert (len(cut.articles), cut.requests, cut.truncated) == (200, 2, True)


def test_a_source_still_busy_with_the_last_question_refuses_the_next() -> None:
    made = source("alpaca", "http://127.0.0.1:1")
    assert made._busy.acquire(blocking=False)
    batch = made.fetch(SINCE, UNTIL, [])
    assert batch.error is not None and "still running" in batch.error
    made._busy.release()
    again = made.fetch(SINCE, UNTIL, [])
    assert again.error == "could not connect"


def test_a_source_stops_asking_when_its_patience_is_over() -> None:
    with serving(answering("finnhub", [])) as vendor, within(2.0):
        made = source("finnhub", vendor.url, patience=0.2)
        vendor.answer = lambda asked: Answer(body=[], silent=0.06)
        batch = made.fetch(SINCE, UNTIL, [f"S{n}" for n in range(50)])
    assert batch.error is not None and "in time" in batch.error and batch.requests < 10
