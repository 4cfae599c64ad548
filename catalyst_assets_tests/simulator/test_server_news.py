"""Finnhub, Alpha Vantage, NewsAPI and Yahoo of the simulator, asked by their official clients."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import urlsplit

import finnhub
import newsapi.const
import pytest
import requests
import yfinance
from alpha_vantage.alphaintelligence import AlphaIntelligence
from alpha_vantage.alphavantage import AlphaVantage
from newsapi import NewsApiClient
from newsapi.newsapi_exception import NewsAPIException

from catalyst_assets.simulator.routes.limits import Limit
from catalyst_assets.simulator.routes.newsapi import matcher
from catalyst_assets.simulator.server import build_app, start_in_thread
from catalyst_assets.simulator.tape import WireArticle
from catalyst_assets_tests.simulator.handmade import THURSDAY, ny, tape

KEY = "sim-key"


def article(number, at, symbols=("AAA",), headline="AAA beats estimates", sentiment=0.4, **changes):
    providers = ("newsapi", "alpha_vantage", "finnhub", "alpaca", "yahoo")
    values = {
        "article_id": number,
        "story_id": -1,
        "outlet": "Reuters",
        "headline": headline,
        "summary": "A summary.",
        "body": "Long text. " * 40,
        "url": f"https://example.invalid/{number}",
        "symbols": symbols,
        "published_at": at,
        "visible": {name: at + timedelta(seconds=30) for name in providers},
        "sentiment": sentiment,
        "topics": ("earnings",),
    }
    return WireArticle(**{**values, **changes})


ARTICLES = [
    article(1, ny(9, day=THURSDAY)),
    article(2, ny(9, 5, day=THURSDAY), ("AAA", "BBB"), "AAA and BBB sign contract", -0.2),
    article(3, ny(9, 55), ("BBB",), "BBB recalls product", -0.5),
    article(4, ny(9, 59, 45), ("AAA",), "not visible yet at ten"),
]


@pytest.fixture
def server():
    app = build_app(tape({"AAA": [(100, 105, 100, 105)]}, articles=ARTICLES), start=ny(10), limits={"yahoo": ()})
    running = start_in_thread(app)
    yield running
    running.stop()


# ------------------------------------------------------------------------------------------------------------ finnhub


@pytest.fixture
def hub(server):
    client = finnhub.Client(api_key=KEY)
    client.API_URL = f"{server.base_url}/finnhub/api/v1"
    return client


def test_finnhub_serves_only_what_is_visible_newest_first(hub):
    rows = hub.company_news("AAA", _from="2026-11-19", to="2026-11-20")
    assert [row["id"] for row in rows] == [2, 1]
    assert rows[0]["datetime"] == int(ny(9, 5, day=THURSDAY).timestamp())
    assert hub.company_news("AAA", _from="2026-11-20", to="2026-11-20") == []
    assert [row["id"] for row in hub.general_news("general", min_id=0)] == [3, 2, 1]
    assert [row["id"] for row in hub.general_news("general", min_id=2)] == [3]


def test_finnhub_quote_and_status(server, hub):
    assert hub.quote("ZZZZ") == {"c": 0, "d": None, "dp": None, "h": 0, "l": 0, "o": 0, "pc": 0, "t": 0}
    requests.post(f"{server.base_url}/simulator/clock", json={"advance_s": 60}, timeout=5)
    quote = hub.quote("AAA")
    assert (quote["c"], quote["pc"], quote["dp"]) == (105, 100, 5.0)
    assert hub.market_status(exchange="US")["session"] == "regular"
    assert "2026-11-26" in {row["atDate"] for row in hub.market_holiday(exchange="US")["data"]}


def test_finnhub_errors(server, hub):
    with pytest.raises(finnhub.FinnhubAPIException) as premium:
        hub.stock_candles("AAA", "D", 1, 2)
    assert premium.value.status_code == 403
    hub._session.params["token"] = "wrong"
    with pytest.raises(finnhub.FinnhubAPIException) as wrong:
        hub.quote("AAA")
    assert (wrong.value.status_code, wrong.value.message) == (401, "Invalid API key")


def test_finnhub_limits_by_the_minute():
    app = build_app(tape(), start=ny(10), limits={"finnhub": (Limit(1, 86_400),)})
    running = start_in_thread(app)
    try:
        client = finnhub.Client(api_key=KEY)
        client.API_URL = f"{running.base_url}/finnhub/api/v1"
        client.quote("AAA")
        with pytest.raises(finnhub.FinnhubAPIException) as limited:
            client.quote("AAA")
        assert limited.value.status_code == 429
        assert limited.value.response.headers["X-Ratelimit-Remaining"] == "0"
    finally:
        running.stop()


# ------------------------------------------------------------------------------------------------------ alpha vantage


@pytest.fixture
def vantage(server, monkeypatch):
    monkeypatch.setattr(AlphaVantage, "_ALPHA_VANTAGE_API_URL", f"{server.base_url}/alphavantage/query?")
    return AlphaIntelligence(key=KEY, output_format="json")


def test_alpha_vantage_news(vantage):
    frame, _ = vantage.get_news_sentiment(tickers="AAA", limit=50)
    assert list(frame["title"]) == ["AAA and BBB sign contract", "AAA beats estimates"]
    first = frame.iloc[0]
    assert (first["time_published"], first["overall_sentiment_label"]) == ("20261119T140500", "Somewhat-Bearish")
    assert first["ticker_sentiment"][1]["ticker"] == "BBB"
    frame, _ = vantage.get_news_sentiment(tickers="AAA,BBB", limit=50)
    assert len(frame) == 1
    with pytest.raises(ValueError, match="No articles found"):
        vantage.get_news_sentiment(tickers="CCC")


def test_alpha_vantage_movers_are_the_last_closed_session(vantage):
    frame, _ = vantage.get_top_gainers()
    assert set(frame["ticker"]) == {"AAA", "BBB", "CCC", "DDD"}


def test_alpha_vantage_says_its_failures_with_status_200(server, vantage):
    url = f"{server.base_url}/alphavantage/query"

    def ask(**params):
        answer = requests.get(url, params=params, timeout=5)
        assert answer.status_code == 200
        return answer.json()

    assert "premium endpoint" in ask(function="TIME_SERIES_INTRADAY", apikey=KEY)["Information"]
    assert "Error Message" in ask(function="NOTHING", apikey=KEY)
    assert "Error Message" in ask(function="NEWS_SENTIMENT")
    for _ in range(23):
        ask(function="TOP_GAINERS_LOSERS", apikey=KEY)
    capped = ask(function="TOP_GAINERS_LOSERS", apikey=KEY)["Information"]
    assert KEY in capped
    assert "25 requests per day" in capped


# ------------------------------------------------------------------------------------------------------------ newsapi


@pytest.fixture
def api(server, monkeypatch):
    monkeypatch.setattr(newsapi.const, "EVERYTHING_URL", f"{server.base_url}/newsapi/v2/everything")
    monkeypatch.setattr(newsapi.const, "TOP_HEADLINES_URL", f"{server.base_url}/newsapi/v2/top-headlines")
    return NewsApiClient(KEY)


def test_newsapi_is_a_day_late(api):
    answer = api.get_everything(q="AAA OR BBB")
    assert [row["title"] for row in answer["articles"]] == ["AAA and BBB sign contract", "AAA beats estimates"]
    assert answer["articles"][0]["publishedAt"] == "2026-11-19T14:05:00Z"
    assert api.get_top_headlines(category="business", country="us")["totalResults"] == 2


def test_newsapi_errors(server, api):
    def code(call, *args, **kwargs):
        with pytest.raises(NewsAPIException) as caught:
            call(*args, **kwargs)
        return caught.value.get_code()

    assert code(NewsApiClient("wrong").get_everything, q="AAA") == "apiKeyInvalid"
    assert code(api.get_everything, q="AAA", page=2, page_size=100) == "maximumResultsReached"
    assert code(api.get_everything, q="AAA", from_param="2026-09-01") == "parameterInvalid"
    assert code(api.get_everything, language="en") == "parametersMissing"
    url = f"{server.base_url}/newsapi/v2/everything"
    assert requests.get(url, params={"q": "x"}, timeout=5).json()["code"] == "apiKeyMissing"


@pytest.mark.parametrize(
    ("query", "text", "matches"),
    [
        ("apple", "Apple beats", True),
        ("apple", "pineapple", False),
        ("apple AND tesla", "apple alone", False),
        ("apple OR tesla", "tesla alone", True),
        ("apple -tesla", "apple and tesla", False),
        ("apple NOT tesla", "apple and pear", True),
        ('"profit warning"', "a warning about profit", False),
        ("(apple OR tesla) AND recall", "tesla recall", True),
        ("", "anything", True),
    ],
)
def test_newsapi_query_language(query, text, matches):
    assert matcher(query)(text) is matches


# -------------------------------------------------------------------------------------------------------------- yahoo


@pytest.fixture
def yahoo(server, tmp_path):
    class Rewriting(requests.Session):
        def request(self, method, url, *args, **kwargs):
            parts = urlsplit(str(url))
            query = f"?{parts.query}" if parts.query else ""
            return super().request(
                method, f"{server.base_url}/yahoo/{parts.hostname}{parts.path}{query}", *args, **kwargs
            )

    yfinance.set_tz_cache_location(str(tmp_path))
    return Rewriting()


def test_yfinance_reads_history_screener_and_news(server, yahoo):
    requests.post(f"{server.base_url}/simulator/clock", json={"advance_s": 120}, timeout=5)
    ticker = yfinance.Ticker("AAA", session=yahoo)
    days = ticker.history(period="5d")
    assert [str(day.date()) for day in days.index] == ["2026-11-17", "2026-11-18", "2026-11-19", "2026-11-20"]
    minutes = ticker.history(period="1d", interval="1m", prepost=True)
    assert len(minutes) == 362
    assert minutes["High"].max() == 105
    regular = ticker.history(period="1d", interval="5m")
    assert str(regular.index[0].time()) == "09:30:00"
    listed = yfinance.screen("most_actives", count=2, session=yahoo)
    assert [row["symbol"] for row in listed["quotes"]] == ["AAA", "BBB"]
    assert ticker.news[0]["content"]["title"] == "not visible yet at ten"


def test_yahoo_unknown_symbol_and_limit(server):
    base = f"{server.base_url}/yahoo/query2.finance.yahoo.com"
    missing = requests.get(f"{base}/v8/finance/chart/ZZZZ", params={"range": "5d"}, timeout=5)
    assert (missing.status_code, missing.json()["chart"]["error"]["code"]) == (404, "Not Found")
    old = requests.get(f"{base}/v8/finance/chart/AAA", params={"period1": 1, "period2": 2, "interval": "5m"}, timeout=5)
    assert old.status_code == 422
    crumb = requests.get(f"{base}/v8/finance/chart/AAA", params={"crumb": "x"}, timeout=5)
    assert crumb.json()["finance"]["error"]["description"] == "Invalid Crumb"
    requests.post(
        f"{server.base_url}/simulator/faults", json={"vendor": "yahoo", "mode": "limited", "times": 1}, timeout=5
    )
    limited = requests.get(f"{base}/v1/test/getcrumb", timeout=5)
    assert (limited.status_code, limited.text) == (429, "Too Many Requests\r\n")


def test_a_slow_vendor_answers_late_and_the_others_at_once(server):
    requests.post(
        f"{server.base_url}/simulator/faults", json={"vendor": "finnhub", "mode": "slow", "latency_s": 1}, timeout=5
    )
    with pytest.raises(requests.ReadTimeout):
        requests.get(f"{server.base_url}/finnhub/api/v1/quote", params={"token": KEY, "symbol": "AAA"}, timeout=0.2)
    assert requests.get(f"{server.base_url}/yahoo/query1.finance.yahoo.com/v1/test/getcrumb", timeout=1).ok
