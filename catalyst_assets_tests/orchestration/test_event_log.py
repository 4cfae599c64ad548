"""The event log in fewer statements stores and answers what Dagster's own does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import dagster as dg
import pandas as pd
import pytest
import sqlalchemy as sa
from dagster_postgres import PostgresEventLogStorage
from sqlalchemy import event

from catalyst_assets.orchestration import instance
from catalyst_assets.orchestration.event_log import CatalystEventLog
from catalyst_assets.orchestration.partitions import SESSIONS
from catalyst_assets.settings import Settings, load_settings

DAY = "2025-11-20"


@dg.asset(
    partitions_def=SESSIONS,
    check_specs=[dg.AssetCheckSpec(name, asset="first") for name in ("tidy", "fresh")],
)
def first() -> dg.MaterializeResult:
    checked = [dg.AssetCheckResult(passed=name == "tidy", check_name=name) for name in ("tidy", "fresh")]
    return dg.MaterializeResult(metadata={"rows": 3}, check_results=checked)


@dg.asset(partitions_def=SESSIONS, deps=[first])
def second() -> None: ...


@pytest.fixture
def opened(
    tmp_path_factory: pytest.TempPathFactory, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[dg.DagsterInstance]:
    monkeypatch.setenv("CATALYST_HOME", str(tmp_path_factory.mktemp("home")))
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("DAGSTER_DATABASE_URL", database_url)
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    settings: Settings = load_settings()
    with instance.open_instance(settings) as made:
        yield made


def _log(opened: dg.DagsterInstance) -> CatalystEventLog:
    log = opened.event_log_storage
    assert isinstance(log, CatalystEventLog)
    return log


def _run(opened: dg.DagsterInstance) -> str:
    result = dg.materialize([first, second], instance=opened, partition_key=DAY, raise_on_error=False)
    assert result.success
    return result.run_id


def _told(log: CatalystEventLog, run_id: str) -> dict[str, list[Any]]:
    """Everything a run left in the tables, without identities and times."""
    with log.index_connection() as connection:
        events = pd.read_sql(
            sa.text("select dagster_event_type, step_key, asset_key, partition from event_logs where run_id = :run order by id"),
            connection, params={"run": run_id},
        )  # fmt: skip
        checks = pd.read_sql(
            sa.text(
                "select c.asset_key, c.check_name, c.partition, c.execution_status, m.asset_key as judged, m.run_id = c.run_id as own "
                "from asset_check_executions c left join event_logs m on m.id = c.materialization_event_storage_id "
                "where c.run_id = :run order by c.check_name, c.execution_status"
            ),
            connection, params={"run": run_id},
        )  # fmt: skip
        keys = pd.read_sql(sa.text("select asset_key, last_run_id from asset_keys order by 1"), connection)
    keys["last_run_id"] = keys["last_run_id"] == run_id
    frames = {"events": events, "checks": checks, "keys": keys}
    return {name: frame.astype(str).to_numpy().tolist() for name, frame in frames.items()}


def test_a_run_leaves_the_same_rows_as_with_dagsters_own_event_log(
    opened: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = _log(opened)
    ours = _told(log, _run(opened))
    judged = [row[3:] for row in ours["checks"] if row[3] != "PLANNED"]
    assert judged == [["FAILED", '["first"]', "True"], ["SUCCEEDED", '["first"]', "True"]]
    for name in ("store_event", "store_event_batch", "fetch_materializations"):
        monkeypatch.setattr(CatalystEventLog, name, getattr(PostgresEventLogStorage, name))
    plain = _told(log, _run(opened))
    assert ours == plain


def test_what_a_run_plans_costs_few_statements(opened: dg.DagsterInstance) -> None:
    log = _log(opened)
    _run(opened)
    said: list[str] = []
    event.listen(log._engine, "before_cursor_execute", lambda _c, _x, statement, *_: said.append(statement))
    _run(opened)
    inserted = [statement for statement in said if statement.startswith("INSERT INTO asset_check_executions")]
    assert len(inserted) == 1 + 2, "the planned checks at once, then each as it is judged"


def test_between_steps_another_process_is_heard(opened: dg.DagsterInstance) -> None:
    log = _log(opened)
    _run(opened)
    about = dg.AssetRecordsFilter(dg.AssetKey("first"), [DAY])
    before = log.fetch_materializations(about, limit=1).records[0].storage_id
    with dg.DagsterInstance.from_ref(opened.get_ref()) as elsewhere:
        _run(elsewhere)
    assert log.fetch_materializations(about, limit=1).records[0].storage_id > before


def test_within_a_step_the_latest_own_materialisation_is_the_answer(opened: dg.DagsterInstance) -> None:
    log = _log(opened)
    about = dg.AssetRecordsFilter(dg.AssetKey("first"), [DAY])
    seen = []
    for _ in range(2):
        opened.report_runless_asset_event(dg.AssetMaterialization("first", partition=DAY))
        seen += [log.fetch_materializations(about, limit=1).records[0].storage_id for _ in range(2)]
    assert seen[0] == seen[1] < seen[2] == seen[3]
    every = log.fetch_materializations(dg.AssetKey("first"), limit=10).records
    assert [record.storage_id for record in every] == [seen[2], seen[0]]
