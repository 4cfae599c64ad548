"""Rules of the cached rows: what is shown between cycles is read once, and every write by our program is seen at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pandas as pd
import pytest
from sqlalchemy import text

from catalyst_assets.storage.cache import Cache
from catalyst_assets.storage.database import Database
from catalyst_assets.storage.embedded_redis import EmbeddedRedis
from catalyst_assets.storage.operations import OperationsRepository
from catalyst_assets.storage.scan import ScanRepository
from catalyst_assets.storage.trade_rows import TradeChanges, TradeRecord
from catalyst_assets.storage.trades import TradeRepository
from catalyst_assets_tests.storage.test_migrations import raw_row

AT = datetime(2025, 5, 15, 14, 0, tzinfo=UTC)
LATER = AT + timedelta(minutes=5)
SESSION = date(2025, 5, 15)


@pytest.fixture
def cached(database: Database, redis_url: str) -> Iterator[Database]:
    database.cache = Cache(redis_url)
    yield database


def asked_elsewhere(database: Database, redis_url: str) -> Database:
    """The same database as another process has it open."""
    other = Database(database.url, pool_min=1, pool_max=2)
    other.cache = Cache(redis_url)
    return other


def trade(**changes: object) -> TradeRecord:
    made = TradeRecord(
        "t1", "live", SESSION, None, "a", "ACME", "long", "open", 100, Decimal("50.01"), Decimal(49), Decimal("1.01"), AT, AT,
        target1=Decimal(52), stop_now=Decimal(49), filled_qty=100, entry_price=Decimal("50.0125"), entry_time=AT,
    )  # fmt: skip
    return replace(made, **changes)  # type: ignore[arg-type]


def candidates(*symbols: str, at: datetime = AT) -> pd.DataFrame:
    return pd.DataFrame({
        "decision_time": [pd.Timestamp(at)] * len(symbols), "symbol": list(symbols), "rank": range(1, len(symbols) + 1),
        "combined_score": 75.1, "catalyst_score": 80.3, "technical_score": 60.0, "direction": 0.7, "catalyst_type": "earnings",
        "narrative_id": "s", "top_news_id": "n1", "headline": "Acme: “beats”", "price": 50.0, "change_pct": 4.2,
        "relative_volume": None,
    })  # fmt: skip


def behind_its_back(database: Database, statement: str) -> None:
    with database.begin() as connection:
        connection.execute(text(statement))


def hits(database: Database, kind: str) -> int:
    return database.cache.counts().get(kind, {}).get("hits", 0)


def test_positions_are_read_once_until_a_trade_changes(cached: Database, redis_url: str) -> None:
    trades, elsewhere = TradeRepository(cached), TradeRepository(asked_elsewhere(cached, redis_url))
    trades.commit(TradeChanges(trades=[trade()]))
    shown = trades.positions("live")
    assert shown["qty"].tolist() == [100]
    pd.testing.assert_frame_equal(elsewhere.positions("live"), shown)
    behind_its_back(cached, "update trade_records set symbol = 'XXX'")  # only a real cache misses it
    pd.testing.assert_frame_equal(trades.positions("live"), shown)
    assert hits(cached, "positions") == 1
    elsewhere.commit(TradeChanges(trades=[trade(exited_qty=40)]))
    assert trades.positions("live")["qty"].tolist() == [60]
    trades.commit(TradeChanges(trades=[trade(exited_qty=100, status="closed")]))
    assert elsewhere.positions("live").empty


def test_a_hit_is_what_the_database_says_with_every_type(cached: Database) -> None:
    trades = TradeRepository(cached)
    trades.commit(TradeChanges(trades=[trade(), trade(trade_id="t2", symbol="BETA", target1=None, entry_time=None)]))
    read = cached.read("select * from positions order by symbol")
    for cache in (cached.cache, cached.cache, Cache(str(url_of(cached)))):  # made, near, from Redis
        cached.cache = cache
        pd.testing.assert_frame_equal(trades.positions("live"), read)


def url_of(database: Database) -> str:
    client = database.cache.client
    assert client is not None
    given = client.connection_pool.connection_kwargs
    return f"redis://:{given['password']}@{given['host']}:{given['port']}/0"


def test_the_order_step_and_replays_never_read_cached_positions(cached: Database) -> None:
    trades = TradeRepository(cached)
    trades.commit(TradeChanges(trades=[trade()]))
    trades.positions("live")
    behind_its_back(cached, "update trade_records set exited_qty = 70")
    assert trades.load("live", SESSION).trades[0].exited_qty == 70
    before = cached.cache.counts()
    trades.positions("replay:x")
    assert cached.cache.counts_since(before) == {}


def test_candidates_are_read_once_until_the_next_scan_saves_some(cached: Database) -> None:
    cached.append("news_raw", raw_row())
    scan = ScanRepository(cached)
    scan.save_trading_candidates(candidates("A", "B"), scenario="live", decision_times=[AT])
    first = scan.trading_candidates("live", SESSION, AT)
    pd.testing.assert_frame_equal(scan.trading_candidates("live", SESSION, AT), first)
    assert hits(cached, "scan") == 1
    scan.save_trading_candidates(candidates("C"), scenario="live", decision_times=[AT])
    assert scan.trading_candidates("live", SESSION, AT)["symbol"].tolist() == ["C"]
    assert scan.trading_candidates("live", SESSION, LATER).empty
    scan.save_trading_candidates(candidates("D", at=LATER), scenario="live", decision_times=[LATER])
    assert scan.trading_candidates("live", SESSION, LATER)["symbol"].tolist() == ["D"]
    scan.save_trading_candidates(candidates().iloc[:0], scenario="live", decision_times=[AT])
    assert scan.trading_candidates("live", SESSION, AT).empty


def test_health_is_read_once_until_a_service_changes(cached: Database) -> None:
    operations = OperationsRepository(cached)
    operations.record_health("news.finnhub", "ok", checked_at=AT, latency_ms=12.5)
    first = operations.service_health()
    pd.testing.assert_frame_equal(operations.service_health(), first)
    assert hits(cached, "health") == 1
    operations.record_health("news.finnhub", "down", checked_at=LATER, message="401")
    assert operations.service_health().loc[0, ["state", "failures_in_row", "message"]].tolist() == ["down", 1, "401"]


def test_a_change_that_failed_changes_nothing_in_the_cache_either(cached: Database) -> None:
    trades = TradeRepository(cached)
    trades.commit(TradeChanges(trades=[trade()]))
    trades.positions("live")
    with pytest.raises(Exception, match="violates"):
        trades.commit(TradeChanges(trades=[trade(status="no such status")]))
    assert trades.positions("live")["qty"].tolist() == [100]


def test_with_redis_stopped_everything_is_read_from_the_database(cached: Database, redis_server: EmbeddedRedis) -> None:
    trades, operations = TradeRepository(cached), OperationsRepository(cached)
    trades.commit(TradeChanges(trades=[trade()]))
    trades.positions("live")
    redis_server.stop()
    trades.commit(TradeChanges(trades=[trade(exited_qty=40)]))
    assert trades.positions("live")["qty"].tolist() == [60]
    operations.record_health("dagster.cycle", "ok", checked_at=AT)
    assert operations.service_health()["service"].tolist() == ["dagster.cycle"]
    assert cached.cache.counts()["positions"]["errors"] == 1
