"""Whole cycles as Dagster runs: the same assets on real PostgreSQL, live against the simulated market over HTTP, and as a replay."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pandas as pd
import pytest
import requests

from catalyst_assets.definitions import build_definitions
from catalyst_assets.orchestration.connections import close_connections, connections
from catalyst_assets.orchestration.cycle import DECISION_TIME_TAG, KIND_TAG, SCENARIO_TAG
from catalyst_assets.ports import BAR_COLUMNS, RawArticle
from catalyst_assets.settings import Settings
from catalyst_assets.simulator.server import RunningServer, build_app, start_in_thread
from catalyst_assets.simulator.state import PLANS
from catalyst_assets.simulator.world import World
from catalyst_assets.storage.bars import BarStore
from catalyst_assets.storage.cache import Cache
from catalyst_assets.storage.database import Database
from catalyst_assets.storage.embedded_redis import EmbeddedRedis
from catalyst_assets.storage.news import NewsRepository
from catalyst_assets.storage.scan import ScanRepository
from catalyst_assets.trading.calendar import TradingCalendar

pytestmark = pytest.mark.end_to_end

SESSION = date(2025, 11, 20)
CALENDAR = TradingCalendar()
OPEN = CALENDAR.hours(SESSION).open


@pytest.fixture(scope="module")
def world() -> World:
    return World.generate(7, SESSION, symbols=40, history_sessions=4)


@dataclass
class Market:
    """A simulated market over HTTP and definitions that live in it."""

    server: RunningServer
    database: Database
    definitions: dg.Definitions
    settings: Settings

    def run(self, at: pd.Timestamp, job: str = "market_cycle", **tags: str) -> dg.ExecuteInProcessResult:
        """Move the clock to ``at`` and run the job for it."""
        answer = requests.post(f"{self.server.base_url}/simulator/clock", json={"now": at.isoformat()}, timeout=10)
        answer.raise_for_status()
        return self.again(at, job, **tags)

    def again(self, at: pd.Timestamp, job: str = "market_cycle", **tags: str) -> dg.ExecuteInProcessResult:
        return self.definitions.resolve_job_def(job).execute_in_process(
            partition_key=SESSION.isoformat(),
            tags={DECISION_TIME_TAG: at.isoformat(), SCENARIO_TAG: "live", KIND_TAG: "cycle"} | tags,
            raise_on_error=False,
        )

    def rows(self, table: str) -> int:
        return int(self.database.scalar(f"select count(*) from {table}"))


@pytest.fixture
def market(world: World, database_url: str, tmp_path: Path) -> Iterator[Market]:
    start = (OPEN - timedelta(minutes=10)).to_pydatetime()
    server = start_in_thread(build_app(world.tape(), start=start, plan=PLANS["plus"]))
    given = {"database_url": database_url, "home": str(tmp_path), "simulator_url": server.base_url, "market": "simulator",
             "history_sessions": 3, "alpaca_feed": "sip"}  # fmt: skip
    chosen = Settings(**given)  # type: ignore[arg-type]
    yield Market(server, connections(chosen).database, build_definitions(settings=given), chosen)
    close_connections()
    server.stop()


def failures(result: dg.ExecuteInProcessResult) -> list[str]:
    found = []
    for event in result.all_events:
        if event.is_step_failure:
            error = event.step_failure_data.error
            while error is not None and error.cause is not None:
                error = error.cause
            found.append(f"{event.step_key}: {error.message if error else ''}")
    return found


def test_cycles_go_from_articles_to_protected_positions_and_running_one_again_changes_nothing(market: Market) -> None:
    times = [OPEN + timedelta(minutes=minutes) for minutes in (-5, 0, 5)]
    results = [market.run(at) for at in times]
    assert [failures(result) for result in results] == [[], [], []]

    stages = ("news_raw", "news_features", "narrative_clusters", "active_universe", "scan_evaluations", "trading_candidates",
              "technical_indicators", "trading_signals", "risk_decisions", "account_snapshots")  # fmt: skip
    assert [name for name in stages if market.rows(name) == 0] == []
    cycles = market.database.read("select * from trading_cycles order by decision_time")
    assert cycles["status"].tolist() == ["finished"] * 3
    assert cycles["mode"].tolist() == ["pre", "regular", "regular"]
    assert set(cycles["timings_ms"].iloc[-1]) >= {"news_raw", "scan_evaluations", "trade_records", "positions"}
    assert cycles["counts"].iloc[-1]["cache"] == {}, "this market has no Redis"
    before_open = market.database.read(
        "select distinct status from trading_signals where decision_time < :open", {"open": OPEN}
    )
    assert "actionable" not in set(before_open["status"]), "nothing is entered before the open"

    evaluated = [evaluation for result in results for evaluation in result.get_asset_check_evaluations()]
    assert len(evaluated) >= 15 * 3
    blocked = [e.check_name for e in evaluated if not e.passed and e.severity is dg.AssetCheckSeverity.ERROR]
    assert blocked == []

    tables = (*stages, "trade_records", "order_journal", "order_fills", "news_revisions")
    before = {name: market.rows(name) for name in tables}
    repeated = market.again(times[-1])
    assert failures(repeated) == []
    after = {name: market.rows(name) for name in tables}
    assert {name: after[name] for name in tables if name != "account_snapshots"} == {
        name: before[name] for name in tables if name != "account_snapshots"
    }


def test_redis_changes_no_decision_even_when_it_stops_in_the_middle_of_a_cycle(
    market: Market, redis_server: EmbeddedRedis, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same cycle computed without Redis, from what is cached, and with Redis gone after the scan."""
    at = OPEN + timedelta(minutes=5)
    assert failures(market.run(at)) == []
    assert failures(market.again(at)) == []  # what is compared is one repetition with another
    tables = ("scan_evaluations", "trading_candidates", "technical_indicators", "pattern_analysis", "pattern_detections",
              "trading_signals", "positions")  # fmt: skip

    def decided() -> dict[str, pd.DataFrame]:
        return {
            name: rows.sort_values(list(rows.columns.intersection(["symbol", "timeframe", "pattern", "bar_ts"])))
            .drop(columns=["id", "updated_at", "details"], errors="ignore")
            .reset_index(drop=True)
            for name in tables
            for rows in [market.database.read(f"select * from {name}")]
        }

    expected = decided()
    opened = connections(market.settings)
    opened.__dict__["cache"] = opened.database.cache = Cache(redis_url)
    save = ScanRepository.save_trading_candidates

    def save_and_lose_redis(self: ScanRepository, *args: Any, **more: Any) -> int:
        redis_server.stop()
        return save(self, *args, **more)

    seen = []
    for stops in (False, False, True):
        with monkeypatch.context() as patch:
            if stops:
                patch.setattr(ScanRepository, "save_trading_candidates", save_and_lose_redis)
            again = market.again(at)
        assert failures(again) == []
        for name, rows in decided().items():
            pd.testing.assert_frame_equal(rows, expected[name], obj=name)
        counts = market.database.read("select counts from trading_cycles order by decision_time desc limit 1")
        seen.append(counts["counts"].iloc[0]["cache"])
    cold, warm, lost = seen
    assert set(cold) == {"indicators", "patterns", "scan", "positions"}
    assert cold["patterns"]["hits"] == 0 and warm["patterns"]["misses"] == 0 and warm["patterns"]["hits"] > 0
    assert warm["indicators"]["misses"] == 0 and lost["scan"]["errors"] > 0
    (shown,) = (
        event.materialization.metadata["cache"].text
        for event in again.get_asset_materialization_events()
        if event.asset_key and event.asset_key.path[-1] == "trading_cycles"
    )
    assert "scan 0 of" in shown and "failed" in shown


def test_a_late_cycle_is_refused_and_orders_nothing(market: Market) -> None:
    late = market.run(OPEN + timedelta(minutes=10))
    assert failures(late) == []
    old = market.again(OPEN)
    assert not old.success
    assert any("600 s old" in failure for failure in failures(old))
    assert market.rows("order_journal") == int(
        market.database.scalar(
            "select count(*) from order_journal where decision_time >= :at", {"at": OPEN + timedelta(minutes=10)}
        )
    )


def test_watching_and_closing_are_done_for_now_however_late(market: Market) -> None:
    assert failures(market.run(OPEN)) == []
    now = OPEN + timedelta(minutes=6)
    requests.post(
        f"{market.server.base_url}/simulator/clock", json={"now": now.isoformat()}, timeout=10
    ).raise_for_status()
    watched = market.definitions.resolve_job_def("watch_positions").execute_in_process(
        tags={DECISION_TIME_TAG: OPEN.isoformat(), SCENARIO_TAG: "live", KIND_TAG: "watch"}, raise_on_error=False
    )
    assert failures(watched) == []
    assert failures(market.again(OPEN, "close_session", **{KIND_TAG: "close"})) == []
    held = market.database.scalar(
        "select count(*) from trade_records where filled_qty > exited_qty and status = 'open'"
    )
    assert held == 0, "before the close everything is told to leave"


def test_a_session_ends_with_lessons(market: Market) -> None:
    for minutes in (0, 5, 240):
        assert failures(market.run(OPEN + timedelta(minutes=minutes))) == []
    end = CALENDAR.hours(SESSION).post_close - timedelta(minutes=1)
    assert failures(market.run(end, "close_session", **{KIND_TAG: "close"})) == []
    assert failures(market.again(end, "night_work", **{KIND_TAG: "night"})) == []
    assert market.rows("article_outcomes") > 0
    assert market.rows("source_metrics") > 0


# ------------------------------------------------------------------------------------------------------------------ replay


@pytest.fixture
def telltale() -> Iterator[tuple[str, list[str]]]:
    """An address that notes every connection."""
    seen: list[str] = []
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(0.2)
    done = threading.Event()

    def listen() -> None:
        while not done.is_set():
            try:
                connection, peer = listener.accept()
            except TimeoutError:
                continue
            seen.append(str(peer))
            connection.close()

    thread = threading.Thread(target=listen, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}", seen
    done.set()
    thread.join()
    listener.close()


def test_a_replay_runs_the_same_assets_and_never_opens_the_brokers_address(
    world: World, database: Database, database_url: str, tmp_path: Path, telltale: tuple[str, list[str]]
) -> None:
    url, seen = telltale
    given = {
        "database_url": database_url,
        "home": str(tmp_path),
        "simulator_url": url,
        "market": "simulator",
        "history_sessions": 3,
    }
    tape = world.tape()
    store = BarStore(Settings(**given).bars_root, "recorded")  # type: ignore[arg-type]
    for session in tape.sessions:
        store.write(session, "1min", tape.bars(session)[list(BAR_COLUMNS)])
    recorded = [
        RawArticle(
            "import",
            str(a.article_id),
            a.headline,
            a.summary,
            a.outlet,
            a.url,
            a.published_at,
            None,
            a.symbols,
            None,
            {},
            {},
        )
        for a in tape.articles()
    ]
    NewsRepository(database).store(
        recorded,
        first_seen_at=datetime.now(UTC),
        delays={"import": timedelta(minutes=1)},
        live_sources=["import"],
        collected_live=False,
    )
    job = build_definitions(settings=given).resolve_job_def("session_replay")
    result = job.execute_in_process(
        partition_key=SESSION.isoformat(),
        tags={SCENARIO_TAG: f"replay:{SESSION}", "catalyst/trigger": "test"},
        raise_on_error=False,
    )
    close_connections()
    assert failures(result) == []
    assert seen == []
    scenarios = database.read(
        "select distinct scenario from trading_signals union select distinct scenario from trade_records "
        "union select distinct scenario from order_journal"
    )
    assert scenarios["scenario"].tolist() == [f"replay:{SESSION}"]
    decided = database.read("select distinct decision_time from scan_evaluations")
    assert len(decided) > 100, "a replay decides at every decision time of the day"
    assert (
        database.scalar("select count(*) from trade_records where status not in ('closed', 'cancelled', 'refused')")
        == 0
    )
