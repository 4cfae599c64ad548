"""Answers of the data host have the keys, types and nulls of recorded answers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from catalyst_assets.simulator.server import build_app, start_in_thread
from catalyst_assets.simulator.tape import WireArticle
from catalyst_assets_tests.conftest import SHARED
from catalyst_assets_tests.simulator.handmade import ny, tape

FIXTURES = SHARED / "vendors" / "fixtures" / "alpaca"
HEADERS = {"APCA-API-KEY-ID": "sim-key", "APCA-API-SECRET-KEY": "sim-secret"}
PY, GO, SPEC = "alpaca-py-tests/", "alpaca-trade-api-go-tests/rest_test__Test", "openapi-examples/data__get_"
STOCKS = "/v2/stocks"
ONE = {"symbols": "AAA", "start": "2026-11-20", "limit": "2"}
TWO = {**ONE, "symbols": "AAA,BBB"}
DAY, SINGLE = {"timeframe": "1Day", "feed": "iex"}, {"start": "2026-11-20", "limit": "2"}

RECORDED: list[tuple[str, str, dict[str, str]]] = [
    (SPEC + "v2_stocks_bars__200_bars", f"{STOCKS}/bars", {**TWO, **DAY}),
    (SPEC + "v2_stocks_symbol_bars__200_bars", f"{STOCKS}/AAA/bars", {**SINGLE, **DAY}),
    (PY + "historical_stock_data__multisymbol_get_bars", f"{STOCKS}/bars", {**TWO, **DAY}),
    (PY + "historical_stock_data__get_bars_multi_empty_response", f"{STOCKS}/bars", {"symbols": "ZZZZ", **DAY}),
    (GO + "GetMultiBars_1", f"{STOCKS}/bars", {**TWO, **DAY}),
    (SPEC + "v2_stocks_trades__200_trades", f"{STOCKS}/trades", TWO),
    (SPEC + "v2_stocks_symbol_trades__200_trades", f"{STOCKS}/AAA/trades", SINGLE),
    (PY + "historical_stock_data__multisymbol_get_trades", f"{STOCKS}/trades", TWO),
    (PY + "historical_stock_data__get_trades_multi_empty_response", f"{STOCKS}/trades", {"symbols": "ZZZZ"}),
    (GO + "GetMultiTrades_1", f"{STOCKS}/trades", TWO),
    (SPEC + "v2_stocks_quotes__200_quotes", f"{STOCKS}/quotes", TWO),
    (SPEC + "v2_stocks_symbol_quotes__200_quotes", f"{STOCKS}/AAA/quotes", SINGLE),
    (PY + "historical_stock_data__multisymbol_quotes", f"{STOCKS}/quotes", TWO),
    (PY + "historical_stock_data__get_quotes_multi_empty_response", f"{STOCKS}/quotes", {"symbols": "ZZZZ"}),
    (GO + "GetMultiQuotes_1", f"{STOCKS}/quotes", TWO),
    (SPEC + "v2_stocks_bars_latest__200_bars", f"{STOCKS}/bars/latest", {"symbols": "AAA,BBB"}),
    (SPEC + "v2_stocks_symbol_bars_latest__200_bar", f"{STOCKS}/AAA/bars/latest", {}),
    (PY + "historical_stock_data__multi_stock_labar", f"{STOCKS}/bars/latest", {"symbols": "AAA,BBB"}),
    (GO + "LatestBars_1", f"{STOCKS}/bars/latest", {"symbols": "AAA,BBB"}),
    (SPEC + "v2_stocks_trades_latest__200_trades", f"{STOCKS}/trades/latest", {"symbols": "AAA"}),
    (SPEC + "v2_stocks_symbol_trades_latest__200_trade", f"{STOCKS}/AAA/trades/latest", {}),
    (PY + "historical_stock_data__get_latrade_multi_not_found", f"{STOCKS}/trades/latest", {"symbols": "ZZZZ"}),
    (GO + "LatestTrades_1", f"{STOCKS}/trades/latest", {"symbols": "AAA,BBB"}),
    (SPEC + "v2_stocks_quotes_latest__200_quotes", f"{STOCKS}/quotes/latest", {"symbols": "AAA,BBB"}),
    (SPEC + "v2_stocks_symbol_quotes_latest__200_quotes", f"{STOCKS}/AAA/quotes/latest", {}),
    (GO + "LatestQuotes_1", f"{STOCKS}/quotes/latest", {"symbols": "AAA,BBB"}),
    (SPEC + "v2_stocks_snapshots__200_snapshots", f"{STOCKS}/snapshots", {"symbols": "AAA,BBB"}),
    (SPEC + "v2_stocks_symbol_snapshot__200_snapshot", f"{STOCKS}/AAA/snapshot", {}),
    (SPEC + "v2_stocks_auctions__200_auction", f"{STOCKS}/auctions", {"symbols": "AAA,BBB", "start": "2026-11-19", "limit": "1"}),
    (SPEC + "v2_stocks_symbol_auctions__200_auctions", f"{STOCKS}/AAA/auctions", {"start": "2026-11-19", "limit": "1"}),
    (GO + "GetMultiAuctions_1", f"{STOCKS}/auctions", {"symbols": "AAA,BBB", "start": "2026-11-19"}),
    (SPEC + "v1beta1_news__200_news-response-example", "/v1beta1/news", {"limit": "1"}),
    (PY + "historical_news_data__get_news", "/v1beta1/news", {"limit": "1"}),
    ("handwritten/news", "/v1beta1/news", {"limit": "1"}),
    (SPEC + "v1beta1_screener_market_type_movers__200_movers", "/v1beta1/screener/stocks/movers", {}),
    (PY + "screener__get_most_actives", "/v1beta1/screener/stocks/most-actives", {}),
    (PY + "screener__get_market_movers", "/v1beta1/screener/stocks/movers", {}),
]  # fmt: skip

MAY_BE_MISSING = {
    "auctions.*.[].o.[].s": "the size of an auction is optional",
    "auctions.*.[].c.[].s": "the size of an auction is optional",
    "auctions.[].o.[].s": "the size of an auction is optional",
    "auctions.[].c.[].s": "the size of an auction is optional",
    "news.[].images.[]": "the simulated articles have no pictures",
    "news.[].images.[].size": "the simulated articles have no pictures",
    "news.[].images.[].url": "the simulated articles have no pictures",
    "currency": "told only when it was asked for",
}
"""Places that only one of the two sides has, with the reason."""
MAY_BE_NULL = frozenset({"next_page_token"})

pytestmark = pytest.mark.skipif(not FIXTURES.is_dir(), reason=f"recorded answers are not at {FIXTURES}")


@pytest.fixture(scope="module")
def ask():
    minutes = {"AAA": [(100, 101, 99, 100.5)], "BBB": [(100, 100, 96, 97)]}
    articles = [
        WireArticle(
            article_id=number,
            story_id=-1,
            outlet="Benzinga",
            headline="A note",
            summary="Words",
            body="<p>More words.</p>",
            url="https://example.invalid/1",
            symbols=("AAA",),
            published_at=ny(9, number),
            visible={"alpaca": ny(9, number)},
            author="Desk",
        )
        for number in (1, 2)
    ]
    app = build_app(tape(minutes, articles=articles), start=ny(10, 40), limits={"alpaca_data": ()})
    server = start_in_thread(app)

    def call(path: str, query: dict[str, str]) -> Any:
        answer = requests.get(f"{server.base_url}/alpaca/data{path}", params=query, headers=HEADERS, timeout=10)
        assert answer.status_code == 200, answer.text
        return answer.json()

    yield call
    server.stop()


def places(value: Any, at: str = "") -> Iterator[tuple[str, str]]:
    """Every place of an answer with the kind of its value; symbols as keys are ``*``, elements of lists ``[]``."""
    if isinstance(value, dict):
        for key, inner in value.items():
            name = "*" if key.isupper() and len(key) <= 6 else key
            place = f"{at}.{name}".lstrip(".")
            yield place, _kind(inner)
            yield from places(inner, place)
    elif isinstance(value, list):
        for inner in value:
            yield f"{at}.[]", _kind(inner)
            yield from places(inner, f"{at}.[]")


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    return {str: "text", list: "list", dict: "object", type(None): "null"}[type(value)]


def kinds(body: Any) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for place, kind in places(body):
        found.setdefault(place, set()).add(kind)
    return found


@pytest.mark.parametrize(("fixture", "path", "query"), RECORDED, ids=[fixture for fixture, _, _ in RECORDED])
def test_an_answer_has_the_shape_of_the_recorded_one(ask, fixture, path, query):
    recorded, ours = kinds(json.loads((FIXTURES / f"{fixture}.json").read_text())), kinds(ask(path, query))
    assert {p for p in set(recorded) ^ set(ours) if p not in MAY_BE_MISSING} == set()
    for place in set(recorded) & set(ours):
        extra = ours[place] - recorded[place]
        assert not extra or (place in MAY_BE_NULL and (ours[place] | recorded[place]) <= {"null", "text"}), place
