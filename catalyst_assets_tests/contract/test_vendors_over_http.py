"""All vendors against the simulator: articles through four official clients, and what happens when one misbehaves."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from catalyst_assets.ports import BrokerUnavailable, MarketDataUnavailable, NewsSource, OrderRefused, OrderStateUnknown
from catalyst_assets.simulator.server import RunningServer
from catalyst_assets.simulator.tape import NEWS_PROVIDERS, Revision, WireArticle
from catalyst_assets.vendors.collection import collect
from catalyst_assets.vendors.connect import Vendors
from catalyst_assets_tests.contract.test_broker_contract import request
from catalyst_assets_tests.contract.venues import PATIENCE_SECONDS, fault, made, simulator, vendors
from catalyst_assets_tests.simulator.handmade import THURSDAY, ny
from catalyst_assets_tests.vendors.loopback import within

PROVIDERS = ("alpaca", "finnhub", "alpha_vantage", "newsapi")
FAULT_NAMES = {"alpaca": "alpaca", "finnhub": "finnhub", "alpha_vantage": "alphavantage", "newsapi": "newsapi"}


def story(number: int, minute: int, *, day: bool = False) -> WireArticle:
    at = ny(9, minute, day=THURSDAY) if day else ny(9, minute)
    return WireArticle(
        article_id=number,
        story_id=-1,
        outlet="Example Wire",
        headline=f"AAA shares react to earnings, note {number}",
        summary="The stock moved.",
        body="",
        url=f"https://example.invalid/{number}",
        symbols=("AAA",),
        published_at=at,
        revisions=(Revision(ny(9, 55), "AAA shares, corrected", "Now with numbers."),) if number == 1 else (),
        visible=dict.fromkeys(NEWS_PROVIDERS, at + timedelta(seconds=20)),
        sentiment=0.4,
    )


@pytest.fixture
def running() -> Iterator[RunningServer]:
    stories = [story(1, 50), story(2, 52), story(3, 54), story(4, 50, day=True), story(5, 51, day=True)]
    with simulator(made(articles=stories)) as server:
        yield server


@pytest.fixture
def connected(running: RunningServer, tmp_path: Path) -> Vendors:
    return vendors(running.base_url, running.simulation.clock, tmp_path)


def test_the_same_articles_arrive_through_every_vendor(connected: Vendors) -> None:
    batches = {
        batch.provider: batch for batch in collect(connected.news, ny(9, 40), ny(10), ["AAA", "BBB"], timeout=10)
    }
    assert set(batches) == set(PROVIDERS)
    for name in ("alpaca", "finnhub", "alpha_vantage"):
        batch = batches[name]
        assert batch.error is None and not batch.refused and len(batch.articles) >= 3, (
            name,
            batch.error,
            batch.refused,
        )
        today = [article for article in batch.articles if article.published_at >= ny(9)]
        assert len(today) == 3 and all(
            "AAA" in article.tickers and article.source == "Example Wire" for article in today
        )
    old = batches["newsapi"]
    assert old.error is None and {article.published_at for article in old.articles} == {
        ny(9, 50, day=THURSDAY),
        ny(9, 51, day=THURSDAY),
    }
    assert {source.name: source.live for source in connected.news} == {
        "alpaca": True,
        "finnhub": True,
        "alpha_vantage": True,
        "newsapi": False,
    }


def test_an_edit_keeps_its_identity_and_its_publication(connected: Vendors) -> None:
    alpaca = next(source for source in connected.news if source.name == "alpaca")
    (edited,) = [
        article for article in alpaca.fetch(ny(9, 53), ny(10), []).articles if article.provider_updated_at == ny(9, 55)
    ]
    assert edited.published_at == ny(9, 50) and "corrected" in edited.headline and edited.vendor_id


def test_every_source_is_a_news_source(connected: Vendors) -> None:
    assert all(isinstance(source, NewsSource) for source in connected.news)


@pytest.mark.parametrize("mode", ["dead", "html", "limited", "slow"])
@pytest.mark.parametrize("victim", PROVIDERS)
def test_one_misbehaving_vendor_costs_its_timeout_and_no_other_vendor(
    running: RunningServer, connected: Vendors, victim: str, mode: str
) -> None:
    fault(running, FAULT_NAMES[victim], mode, latency=4.0 if mode == "slow" else 0.0)
    with within(2 * PATIENCE_SECONDS + 1.5):
        batches = {
            batch.provider: batch
            for batch in collect(connected.news, ny(9, 40), ny(10), ["AAA"], timeout=2 * PATIENCE_SECONDS + 0.5)
        }
    assert batches[victim].error and not batches[victim].articles
    assert "sim-key" not in batches[victim].error
    assert all(batch.error is None for name, batch in batches.items() if name != victim)


def test_the_second_call_of_a_spread_plan_waits_for_its_turn(running: RunningServer, connected: Vendors) -> None:
    source = next(source for source in connected.news if source.name == "alpha_vantage")
    assert source.fetch(ny(9, 40), ny(10), []).error is None
    paused = source.fetch(ny(9, 40), ny(10), [])
    assert paused.error is not None and paused.error.startswith("budget: ") and paused.requests == 0
    running.simulation.clock.set(ny(10, 45))
    assert source.fetch(ny(10, 30), ny(10, 45), []).error is None


def test_504_after_accept_is_unknown_then_found_by_its_id_and_placed_once(
    running: RunningServer, connected: Vendors
) -> None:
    fault(running, "alpaca", "lost", times=1)
    with pytest.raises(OrderStateUnknown):
        connected.broker.submit(request())
    found = connected.broker.order_by_client_id("cat-1")
    assert found is not None and len(found.legs) == 2
    assert len(running.simulation.exchange.orders()) == 1
    with pytest.raises(OrderRefused) as again:
        connected.broker.submit(request())
    assert again.value.reason == "duplicate_id"


def test_a_lost_cancel_is_unknown_and_the_order_says_what_happened(running: RunningServer, connected: Vendors) -> None:
    sent = connected.broker.submit(
        request(limit_price=Decimal("90"), stop_loss=Decimal("85"), take_profit=Decimal("99"))
    )
    running.simulation.clock.advance(timedelta(seconds=5))
    fault(running, "alpaca", "lost", times=1)
    with pytest.raises(OrderStateUnknown):
        connected.broker.cancel(sent.order_id)
    found = connected.broker.order(sent.order_id)
    assert found is not None and found.status.is_final


@pytest.mark.parametrize("mode", ["html", "dead"])
def test_a_broken_gateway_leaves_the_fate_of_a_write_unknown_and_a_read_unavailable(
    running: RunningServer, connected: Vendors, mode: str
) -> None:
    fault(running, "alpaca", mode)
    with pytest.raises(OrderStateUnknown):
        connected.broker.submit(request())
    for read in (connected.broker.account, connected.broker.positions, connected.broker.open_orders):
        with pytest.raises(BrokerUnavailable):
            read()
    fault(running, "alpaca", "ok")
    assert connected.broker.order_by_client_id("cat-1") is None


def test_a_rate_limited_write_changed_nothing(running: RunningServer, connected: Vendors) -> None:
    fault(running, "alpaca", "limited")
    with pytest.raises(BrokerUnavailable):
        connected.broker.submit(request())


def test_a_wrong_key_is_said_without_the_key(running: RunningServer, connected: Vendors, tmp_path: Path) -> None:
    running.simulation.key = "another-key-entirely"
    for batch in collect(connected.news, ny(9, 40), ny(10), ["AAA"], timeout=10):
        assert batch.error and "sim-key" not in batch.error and "another" not in batch.error
    with pytest.raises(BrokerUnavailable):
        connected.broker.submit(request())
    with pytest.raises(MarketDataUnavailable, match="ALPACA_API_KEY"):
        connected.market_data.quotes(["AAA"])


def test_the_active_list_comes_from_yahoo_then_alpha_vantage_when_alpaca_is_away(
    running: RunningServer, connected: Vendors
) -> None:
    assert connected.market_data.most_active(3)["origin"].str.startswith("alpaca").all()
    fault(running, "alpaca", "html")
    assert connected.market_data.most_active(3)["origin"].str.startswith("yahoo").all()
    fault(running, "yahoo", "limited")
    assert connected.market_data.most_active(3)["origin"].str.startswith("alpha_vantage").all()
    fault(running, "alphavantage", "limited")
    with pytest.raises(MarketDataUnavailable, match=r"Alpaca.*Yahoo.*Alpha Vantage"):
        connected.market_data.most_active(3)


def test_yahoo_bars_agree_with_alpacas(running: RunningServer, connected: Vendors) -> None:
    yahoo = dict(connected.fallbacks)["yahoo"]
    asked = (["AAA"], "5min", ny(9, 30), ny(10))
    ours, theirs = connected.market_data.bars(*asked), yahoo.bars(*asked)  # type: ignore[attr-defined]
    assert list(ours["ts"]) == list(theirs["ts"]) and list(ours["close"]) == list(theirs["close"])
    assert connected.market_data.feed != yahoo.feed  # type: ignore[attr-defined]
