"""Recorded vendor responses parse, or are refused with a reason; none is misread or forgotten."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from catalyst_assets.ports import ACTIVE_COLUMNS, ASSET_COLUMNS, BAR_COLUMNS, QUOTE_COLUMNS, OrderStatus, RawArticle
from catalyst_assets.vendors import alpaca_data, alpaca_news, alpaca_orders, alpha_vantage, finnhub, newsapi, yahoo
from catalyst_assets.vendors.fields import Unreadable
from catalyst_assets.vendors.transport import VendorAnswerError

FIXTURES = Path(__file__).resolve().parents[3] / "shared" / "vendors" / "fixtures"
NOW = datetime(2026, 11, 23, tzinfo=UTC)
MINUTE = timedelta(minutes=1)

pytestmark = pytest.mark.skipif(not FIXTURES.is_dir(), reason=f"recorded vendor responses are not at {FIXTURES}")


def articles(items: list[Any], parse: Callable[..., RawArticle], minimum: int) -> None:
    assert len(items) >= minimum
    for item in items:
        article = parse(item, NOW, MINUTE)
        assert article.headline and article.source
        assert article.published_at.tzinfo is UTC and article.published_at <= NOW
        assert article.payload is item
        assert article.sentiment is None or -1 <= article.sentiment <= 1
        for said in article.ticker_sentiment.values():
            assert said.relevance is None or 0 <= said.relevance <= 1
            assert said.score is None or -1 <= said.score <= 1


def bars(frame: Any, refused: list[str], minimum: int) -> None:
    assert tuple(frame.columns) == BAR_COLUMNS
    assert str(frame["ts"].dtype) == "datetime64[us, UTC]"
    assert len(frame) >= minimum
    assert (frame["high"] >= frame["low"]).all() and (frame["low"] > 0).all()
    assert not frame.duplicated(["symbol", "ts"]).any()
    assert all(": " in reason for reason in refused)


def alpaca_articles(body: Any) -> None:
    articles(body["news"], alpaca_news.parse_article, 1)


def finnhub_articles(body: Any) -> None:
    articles(finnhub.items_of(body), finnhub.parse_article, 1)


def alpha_vantage_articles(body: Any) -> None:
    items = alpha_vantage.items_of(body)
    articles(items, alpha_vantage.parse_article, 50)
    assert any(alpha_vantage.parse_article(item, NOW, MINUTE).ticker_sentiment for item in items)


def newsapi_articles(body: Any) -> None:
    articles(newsapi.items_of(body), newsapi.parse_article, 1)


def alpaca_bars(body: Any) -> None:
    frame, refused = alpaca_data.parse_bars(body)
    bars(frame, refused, 1)
    assert not refused


def no_alpaca_bars(body: Any) -> None:
    assert alpaca_data.parse_bars(body)[0].empty


def alpaca_quotes(body: Any) -> None:
    frame = alpaca_data.parse_quotes(body)
    assert tuple(frame.columns) == QUOTE_COLUMNS and len(frame) >= 1
    assert (frame["bid"] <= frame["ask"]).all() and (frame["bid"] > 0).all()
    assert alpaca_data.parse_halts(body) == frozenset()


def no_alpaca_quotes(body: Any) -> None:
    assert alpaca_data.parse_quotes(body).empty


def alpaca_one_sided_quotes(body: Any) -> None:
    """Every quote of these has a zero side: no row."""
    assert alpaca_data.parse_quotes(body).empty
    assert body.get("quotes") or body.get("quote")


def alpaca_actives(body: Any) -> None:
    frame = alpaca_data.parse_actives(body, {"gainers": [], "losers": []})
    assert tuple(frame.columns) == ACTIVE_COLUMNS and len(frame) >= 1
    assert frame["volume"].notna().all() and frame["price"].isna().all()


def alpaca_movers(body: Any) -> None:
    frame = alpaca_data.parse_actives({"most_actives": []}, body)
    assert tuple(frame.columns) == ACTIVE_COLUMNS and len(frame) >= 2
    assert frame["price"].notna().all() and frame["volume"].isna().all()


def alpaca_assets(body: Any) -> None:
    frame = alpaca_data.parse_assets(body if isinstance(body, list) else [body])
    assert tuple(frame.columns) == ASSET_COLUMNS and len(frame) >= 1


def alpaca_order(body: Any) -> None:
    for item in body if isinstance(body, list) else [body]:
        order = alpaca_orders.parse_order(item)
        assert order.status is not OrderStatus.UNKNOWN and order.qty >= order.filled_qty
        assert all(leg.parent_id == order.order_id for leg in order.legs)
        assert len(order.legs) == len(item.get("legs") or [])


def not_a_stock_order(body: Any) -> None:
    with pytest.raises(alpaca_orders.NotAStock, match="not a stock"):
        alpaca_orders.parse_order(body)


def alpaca_order_events(body: Any) -> None:
    orders = [frame["data"]["order"] for frame in body if "order" in frame.get("data", {})]
    assert orders
    for item in orders:
        assert alpaca_orders.parse_order(item).status is not OrderStatus.UNKNOWN


def alpaca_account(body: Any) -> None:
    account = alpaca_orders.parse_account(body, is_paper=True)
    assert account.status == "ACTIVE" and account.equity > 0


def alpaca_positions(body: Any) -> None:
    for item in body:
        position = alpaca_orders.parse_position(item)
        assert position.qty != 0 and abs(position.qty_available) <= abs(position.qty)


def alpaca_fills(body: Any) -> None:
    for item in body:
        assert alpaca_orders.parse_fill(item).qty > 0


def alpaca_clock(body: Any) -> None:
    clock = alpaca_orders.parse_clock(body)
    assert clock.next_close > clock.now


def alpaca_calendar(body: Any) -> None:
    for item in body:
        day, opened, closed = alpaca_orders.parse_calendar_day(item)
        assert opened < closed and opened.date() == day


def alpaca_errors(body: Any) -> None:
    for case in body:
        reason = alpaca_orders.refusal_reason(case["body"]["message"])
        assert reason == EXPECTED_REASONS.get(case["case"], "refused"), case["case"]


EXPECTED_REASONS = {
    "insufficient_buying_power": "buying_power",
    "insufficient_qty": "reserved_shares",
    "wash_trade": "wash_trade",
    "not_fractionable": "not_tradable",
    "not_allowed_to_short": "not_shortable",
    "dup_client_order_id_terminal_prior": "duplicate_id",
    "dup_client_order_id_resting_prior": "duplicate_id",
    "bracket_without_stop": "price",
    "unknown_asset": "not_tradable",
    "not_tradable": "not_tradable",
    "sub_penny": "price",
    "bracket_stop_vs_base": "price",
    "stop_wrong_side_of_market": "price",
    "fractional_short": "not_shortable",
    "cancel_filled": "not_cancelable",
    "replace_wrong_state": "not_cancelable",
    "position_missing": "not_found",
    "order_by_client_id_missing": "not_found",
    "order_missing": "not_found",
    "asset_missing": "not_tradable",
}


def alpha_vantage_movers(body: Any) -> None:
    frame = alpha_vantage.parse_movers(body)
    assert tuple(frame.columns) == ACTIVE_COLUMNS and len(frame) >= 20
    assert frame["symbol"].is_unique and np.isfinite(frame["change_pct"]).all()


def refused_by(*readers: Callable[[Any], Any]) -> Callable[[Any], None]:
    """The body is an error (or a list of ``{status, body}``): every reader refuses it and says why."""

    def check(body: Any) -> None:
        cases = [case["body"] for case in body] if isinstance(body, list) and "body" in body[0] else [body]
        for case in cases:
            for reader in readers:
                with pytest.raises(VendorAnswerError) as refusal:
                    reader(case)
                assert len(str(refusal.value)) > 10

    return check


def yahoo_chart(body: Any) -> None:
    for timeframe in ("1day", "5min"):
        frame, refused = yahoo.parse_chart(body, "ZZAA", timeframe)
        bars(frame, refused, 20)
        assert frame["vwap"].isna().all()
    daily = yahoo.parse_chart(body, "ZZAA", "1day")[0]
    assert set(daily["ts"].dt.tz_convert("America/New_York").dt.hour) == {0}


def yahoo_screen(body: Any) -> None:
    assert tuple(yahoo.parse_screener(body).columns) == ACTIVE_COLUMNS


READERS: tuple[Callable[[Any], Any], ...] = (
    alpaca_data.parse_bars,
    alpaca_data.parse_quotes,
    lambda body: alpaca_data.parse_actives(body, body),
    alpha_vantage.parse_movers,
    newsapi.items_of,
    lambda body: yahoo.parse_chart(body, "ZZAA", "5min"),
    yahoo.parse_screener,
)


def unused(body: Any) -> None:
    """An answer of an endpoint this program does not ask: no reader takes it for something else."""
    for reader in READERS:
        with pytest.raises(VendorAnswerError):
            reader(body)
    for parse in (alpaca_orders.parse_order, alpaca_orders.parse_position, alpaca_orders.parse_clock):
        with pytest.raises(Unreadable):
            parse(body)


def anything_but_articles(body: Any) -> None:
    """Not an answer this program asks for; as news it is refused item by item."""
    for item in body if isinstance(body, list) else [body]:
        for parse in (
            alpaca_news.parse_article,
            alpha_vantage.parse_article,
            finnhub.parse_article,
            newsapi.parse_article,
        ):
            with pytest.raises(Unreadable):
                parse(item, NOW, MINUTE)


PY, GO, OPEN, HAND = (
    f"alpaca/{name}/" for name in ("alpaca-py-tests", "alpaca-trade-api-go-tests", "openapi-examples", "handwritten")
)
TABLE: tuple[tuple[str, Callable[[Any], None]], ...] = (
    # news
    (PY + "historical_news_data__*", alpaca_articles),
    (GO + "rest_test__TestGetNews_*", alpaca_articles),
    (OPEN + "data__get_v1beta1_news__*", alpaca_articles),
    (HAND + "news.json", alpaca_articles),
    ("finnhub/*/company-news-AAPL.json", finnhub_articles),
    ("finnhub/*/company_news.json", finnhub_articles),
    ("finnhub/*/errors.json", refused_by(finnhub.items_of)),
    ("finnhub/*/candle-AAPL.json", refused_by(finnhub.items_of)),
    ("finnhub/*/news-sentiment-AAPL.json", refused_by(finnhub.items_of)),
    ("finnhub/*", unused),
    ("alphavantage/*/NEWS_SENTIMENT_*", alpha_vantage_articles),
    ("alphavantage/*/TOP_GAINERS_LOSERS_*", alpha_vantage_movers),
    ("alphavantage/*/errors_http_200.json", refused_by(alpha_vantage.items_of, alpha_vantage.parse_movers)),
    ("alphavantage/*", unused),
    ("newsapi/*/everything_ok.json", newsapi_articles),
    ("newsapi/*/errors.json", refused_by(newsapi.items_of)),
    # market data
    (PY + "*bars_*empty*", no_alpaca_bars),
    (PY + "historical_stock_data__*get_bars*", alpaca_bars),
    (PY + "*stock_labar_multi_empty*", no_alpaca_bars),
    (PY + "historical_stock_data__multi_stock_labar*", alpaca_bars),
    (PY + "*laquote_multi_empty*", no_alpaca_quotes),
    (PY + "historical_stock_data__get_laquote.json", alpaca_quotes),
    (PY + "screener__get_most_actives.json", alpaca_actives),
    (PY + "screener__get_market_movers.json", alpaca_movers),
    (PY + "asset_routes__*", alpaca_assets),
    (GO + "*Get*Bars_*", alpaca_bars),
    (GO + "*GetBars*", alpaca_bars),
    (GO + "*TestLatestBars_*", alpaca_bars),
    (GO + "*TestLatestQuote*", alpaca_quotes),
    (GO + "*TestGetAssetFromJSON*", alpaca_assets),
    (OPEN + "data__*movers*", alpaca_movers),
    (OPEN + "data__*stocks_bars*", alpaca_bars),
    (OPEN + "data__*symbol_bars__*", alpaca_bars),
    (OPEN + "data__*quotes_latest__*", alpaca_quotes),
    (HAND + "assets.json", alpaca_assets),
    # trading
    (PY + "order_routes__cancel_orders.json", unused),
    (PY + "order_routes__*", alpaca_order),
    (PY + "position_routes__close_position_*", alpaca_order),
    (PY + "position_routes__get_all_positions.json", alpaca_positions),
    (PY + "account_routes__get_account.json", alpaca_account),
    (PY + "misc_routes__get_calendar.json", alpaca_calendar),
    (PY + "misc_routes__get_clock.json", alpaca_clock),
    (OPEN + "trading__EquityOrderResponse.json", alpaca_order),
    (OPEN + "trading__*OrderResponse.json", not_a_stock_order),
    (OPEN + "trading__get_v2_account__*", alpaca_account),
    (HAND + "account_2026.json", alpaca_account),
    (HAND + "activities_fill.json", alpaca_fills),
    (HAND + "calendar.json", alpaca_calendar),
    (HAND + "clock_open.json", alpaca_clock),
    (HAND + "errors.json", alpaca_errors),
    (HAND + "order_*", alpaca_order),
    (HAND + "positions.json", alpaca_positions),
    (HAND + "trade_updates_sequence.json", alpaca_order_events),
    # yahoo
    ("yahoo/*/history_chart_*", yahoo_chart),
    ("yahoo/*/screener_predefined.json", yahoo_screen),
    ("yahoo/*/news_*", anything_but_articles),
    ("yahoo/*/quote_v7_*", unused),
    ("yahoo/*/search_*", unused),
    # endpoints this program does not ask: auctions, trades, historical quotes, single latest bars, announcements, history
    ("alpaca/*", anything_but_articles),
)

FILES = sorted(str(path.relative_to(FIXTURES)) for path in FIXTURES.rglob("*.json")) if FIXTURES.is_dir() else []


def check_for(name: str) -> Callable[[Any], None]:
    return next(check for pattern, check in TABLE if fnmatch(name, pattern))


@pytest.mark.parametrize("name", [name for name in FILES if name != "yahoo/handwritten/errors.json"])
def test_a_recorded_response_parses_or_is_refused_with_a_reason(name: str) -> None:
    check_for(name)(json.loads((FIXTURES / name).read_text()))


def test_yahoo_errors_are_told_apart() -> None:
    cases = {
        case["status"]: case["body"] for case in json.loads((FIXTURES / "yahoo/handwritten/errors.json").read_text())
    }
    with pytest.raises(yahoo.UnknownSymbol, match="delisted"):
        yahoo.parse_chart(cases[404], "ZZAA", "5min")
    for status in (422, 401, 429):
        with pytest.raises(VendorAnswerError) as refusal:
            yahoo.parse_chart(cases[status], "ZZAA", "5min")
        assert not isinstance(refusal.value, yahoo.UnknownSymbol)


def test_every_vendor_has_recorded_responses() -> None:
    assert {name.split("/")[0] for name in FILES} == {"alpaca", "alphavantage", "finnhub", "newsapi", "yahoo"}
    assert len(FILES) > 130
