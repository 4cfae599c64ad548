"""alpaca-py's own stream classes on the running simulator: parsed objects arrive, and the classes survive a restart."""

from __future__ import annotations

from datetime import timedelta

import pytest
from alpaca.data.live import NewsDataStream, StockDataStream
from alpaca.data.models import Bar, News, Quote, Trade, TradingStatus

from catalyst_assets.simulator.server import build_app, start_in_thread
from catalyst_assets.simulator.streams.frames import Cut
from catalyst_assets.simulator.tape import Halt, Revision, WireArticle
from catalyst_assets_tests.simulator.handmade import ny, tape
from catalyst_assets_tests.simulator.stream_clients import address, running, step, until

KEYS = ("sim-key", "sim-secret")
MINUTES = {"AAA": [(100, 101, 99, 100.5), (100.5, 104, 97, 103)]}
HALT = Halt("BBB", ny(10, 1), ny(10, 2), "T1")


def article(number, *symbols, revised=False):
    at = ny(10, number)
    return WireArticle(
        article_id=1000 + number,
        story_id=-1,
        outlet="Benzinga",
        headline=f"Note {number}",
        summary="",
        body="<p>Body.</p>",
        url=f"https://example.invalid/{number}",
        symbols=symbols,
        published_at=at,
        revisions=(Revision(at + timedelta(minutes=5), f"Note {number}, corrected", "now with text"),)
        if revised
        else (),
        visible={"alpaca": at + timedelta(seconds=20)},
        author="Desk",
    )


ARTICLES = [article(0, "AAA", revised=True), article(1), article(2, "BBB", "AAA")]


@pytest.fixture
def server():
    made = start_in_thread(build_app(tape(MINUTES, halts=[HALT], articles=ARTICLES), start=ny(10)))
    yield made
    made.stop()


class Heard(list):
    """A handler that keeps what it was given."""

    async def __call__(self, item):
        raise NotImplementedError  # alpaca-py wants a coroutine function, not an object: use `handler`

    @property
    def handler(self):
        async def keep(item):
            self.append(item)

        return keep


def test_the_stock_stream_gives_parsed_objects_of_every_channel(server):
    heard = Heard()
    stream = StockDataStream(*KEYS, url_override=address(server, "/alpaca/data/v2/iex"))
    stream.subscribe_trades(heard.handler, "AAA")
    stream.subscribe_quotes(heard.handler, "AAA")
    stream.subscribe_bars(heard.handler, "*")
    stream.subscribe_updated_bars(heard.handler, "*")
    stream.subscribe_daily_bars(heard.handler, "AAA")
    stream.subscribe_trading_statuses(heard.handler, "*")
    with running(stream):
        step(server, advance_s=150)
        assert until(lambda: sum(isinstance(item, Bar) for item in heard) >= 2 * 4 + 2)
        stream.unsubscribe_trades("AAA")
        stream.unsubscribe_bars("*")
        before = len(heard)
        step(server, advance_s=60)
        assert until(lambda: any(isinstance(item, Bar) for item in heard[before:]))
    minutes = [item for item in heard[:before] if isinstance(item, Bar) and item.timestamp >= ny(10)]
    assert [(bar.symbol, bar.timestamp) for bar in minutes if bar.symbol == "AAA"] == [
        ("AAA", ny(10)),
        ("AAA", ny(10, 1)),
    ]
    assert (minutes[0].open, minutes[0].high, minutes[0].low, minutes[0].close, minutes[0].volume) == (
        100,
        101,
        99,
        100.5,
        300,
    )
    trades = [item for item in heard if isinstance(item, Trade)]
    assert trades[0].price == 100 and trades[0].exchange == "V" and trades[0].timestamp.tzinfo is not None
    assert sum(trade.size for trade in trades if trade.timestamp < ny(10, 1)) == minutes[0].volume
    assert all(quote.bid_price < quote.ask_price for quote in heard if isinstance(quote, Quote))
    statuses = [item for item in heard if isinstance(item, TradingStatus)]
    assert [(status.symbol, status.status_code, status.timestamp) for status in statuses] == [
        ("BBB", "H", ny(10, 1)),
        ("BBB", "T", ny(10, 2)),
    ]
    later = heard[before:]
    assert not any(isinstance(item, Trade) for item in later)
    assert {item.timestamp for item in later if isinstance(item, Bar)} == {ny(0)}, "daily bars are still subscribed"


def test_the_news_stream_tells_articles_when_they_become_visible_and_again_when_edited(server):
    everything, of_bbb = Heard(), Heard()
    stream = NewsDataStream(*KEYS, url_override=address(server, "/alpaca/data/v1beta1/news"))
    stream.subscribe_news(everything.handler, "*")
    stream.subscribe_news(of_bbb.handler, "BBB")
    with running(stream):
        step(server, advance_s=19)
        step(server, advance_s=600)
        assert until(lambda: len(everything) == 4)
    assert all(isinstance(item, News) for item in everything)
    assert [(item.id, item.headline) for item in everything] == [
        (1000, "Note 0"),
        (1001, "Note 1"),
        (1002, "Note 2"),
        (1000, "Note 0, corrected"),
    ]
    assert everything[0].created_at == everything[0].updated_at == ny(10)
    assert (everything[3].created_at, everything[3].updated_at) == (ny(10), ny(10, 5))
    assert (
        everything[1].symbols == [] and everything[0].content == "<p>Body.</p>" and everything[0].source == "benzinga"
    )
    assert [item.id for item in of_bbb] == [1002]


def test_a_cut_connection_comes_back_and_goes_on_from_there(server):
    heard = Heard()
    stream = StockDataStream(*KEYS, url_override=address(server, "/alpaca/data/v2/iex"))
    stream._reconnect_min_backoff = stream._reconnect_max_backoff = 0.05
    stream.subscribe_bars(heard.handler, "AAA")
    with running(stream):
        server.simulation.streams.filters["iex"] = lambda peer, messages: [Cut()]
        step(server, advance_s=60)
        assert until(lambda: not server.simulation.streams.connected("iex"))
        server.simulation.streams.filters.clear()
        assert until(lambda: bool(server.simulation.streams.connected("iex")))
        assert until(lambda: bool(server.simulation.streams.connected("iex")) and stream._running)
        assert until(lambda: _advanced_until_heard(server, heard))
    assert heard[0].timestamp > ny(10), "what was cut off is not told again"


def _advanced_until_heard(server, heard):
    step(server, advance_s=60)
    return until(lambda: bool(heard), 0.2)
