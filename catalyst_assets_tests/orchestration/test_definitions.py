"""What Dagster loads: complete, described, quick, and without touching anything."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from catalyst_assets.definitions import ASSETS, build_definitions
from catalyst_assets.orchestration import checks
from catalyst_assets.orchestration.jobs import CYCLE_ASSETS, JOBS, NIGHT_ASSETS
from catalyst_assets.orchestration.partitions import SESSIONS

PROJECT = Path(__file__).resolve().parents[2]
NAMES = (
    "news_raw", "news_collection_stats", "news_features", "narrative_clusters", "active_universe", "market_bars", "scan_evaluations",
    "trading_candidates", "technical_indicators", "pattern_analysis", "trading_signals", "trade_records", "positions",
    "article_outcomes", "source_metrics", "pattern_metrics", "trading_cycles",
)  # fmt: skip
PROBE = """
import json, sys, time
begun = time.process_time()
import catalyst_assets.definitions as module
heavy = [name for name in ("sqlalchemy", "sklearn", "talib", "alpaca", "redis", "matplotlib", "requests.sessions") if name in sys.modules]
print(json.dumps({
    "assets": len(module.defs.resolve_asset_graph().get_all_asset_keys()),
    "heavy": heavy,
    "seconds": time.process_time() - begun,
}))
"""


@pytest.fixture(scope="module")
def graph() -> dg.AssetGraph:
    return build_definitions().resolve_asset_graph()


def test_definitions_load_in_a_fresh_process_without_settings_services_or_heavy_libraries(tmp_path: Path) -> None:
    environment = {
        "PATH": "/usr/bin:/bin",
        "PYTHONPATH": str(PROJECT),
        "DATABASE_URL": "not a url",
        "CATALYST_MARKET": "nonsense",
    }
    done = subprocess.run(
        [sys.executable, "-c", PROBE],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=environment,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["assets"] == len(NAMES)
    assert "sqlalchemy" not in told["heavy"]
    assert "sklearn" not in told["heavy"]
    assert "alpaca" not in told["heavy"]
    assert list(tmp_path.iterdir()) == [], "loading definitions must not write anything"


def test_every_stage_of_the_pipeline_is_an_asset(graph: dg.AssetGraph) -> None:
    assert {key.to_user_string() for key in graph.get_all_asset_keys()} == set(NAMES)
    assert len(ASSETS) == len(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_every_asset_says_who_owns_it_what_it_is_and_where_it_belongs(graph: dg.AssetGraph, name: str) -> None:
    node = graph.get(dg.AssetKey(name))
    assert node.owners
    assert node.description and len(node.description) > 30
    assert node.group_name not in (None, "default")
    assert node.kinds
    assert node.partitions_def == SESSIONS
    assert node.backfill_policy == dg.BackfillPolicy.single_run()


def test_there_are_more_than_fifteen_checks_and_those_that_make_trading_unsafe_block() -> None:
    assert len(checks.RULES) >= 15
    blocking = {name for name, rule in checks.RULES.items() if rule.blocking}
    assert blocking >= {
        "article_ids_unique", "article_times_known_and_past", "articles_not_visible_early", "universe_is_common_stock",
        "bars_are_possible", "scores_in_range", "candidates_have_past_news", "narratives_look_back_only",
        "stop_and_targets_on_their_side", "reward_pays_for_risk", "signals_rest_on_fresh_quotes",
    }  # fmt: skip
    assert all(rule.severity is dg.AssetCheckSeverity.ERROR for rule in checks.RULES.values() if rule.blocking)


def test_every_check_is_attached_to_its_asset(graph: dg.AssetGraph) -> None:
    attached = {(key.asset_key.to_user_string(), key.name) for key in graph.asset_check_keys}
    assert attached == {(rule.asset, rule.name) for rule in checks.RULES.values()}


def test_a_cycle_is_one_job_in_one_process_and_never_retried() -> None:
    job = build_definitions().resolve_job_def("market_cycle")
    assert job.executor_def.name == "in_process"
    assert {key.to_user_string() for key in job.asset_layer.selected_asset_keys} == set(CYCLE_ASSETS)
    assert all(node.definition.retry_policy is None for node in job.nodes)


def test_every_asset_is_in_a_job() -> None:
    assert set(CYCLE_ASSETS) | set(NIGHT_ASSETS) == set(NAMES)


@pytest.mark.parametrize("name", [job.name for job in JOBS])
def test_every_job_carries_the_tag_that_limits_it(name: str) -> None:
    assert build_definitions().resolve_job_def(name).tags["catalyst/kind"]


def test_the_steps_that_order_share_a_pool_of_one() -> None:
    definitions = build_definitions()
    steps = [definitions.resolve_job_def(name) for name in ("market_cycle", "watch_positions", "close_session")]
    pools = {node.name: node.definition.pools for job in steps for node in job.nodes if node.definition.pools}
    assert set(pools) == {"trade_records", "positions", "watch", "settle"}
    assert {pool for found in pools.values() for pool in found} == {"broker"}


def test_what_must_run_unattended_is_switched_on() -> None:
    definitions = build_definitions()
    assert all(schedule.default_status == dg.DefaultScheduleStatus.RUNNING for schedule in definitions.schedules or [])
    assert all(sensor.default_status == dg.DefaultSensorStatus.RUNNING for sensor in definitions.sensors or [])
    assert {schedule.execution_timezone for schedule in definitions.schedules or []} == {"America/New_York"}


def test_a_resource_can_be_replaced_by_name() -> None:
    class Standing(dg.ConfigurableResource):
        pass

    mine = Standing()
    assert (build_definitions(resources={"clock": mine}).resources or {})["clock"] is mine
