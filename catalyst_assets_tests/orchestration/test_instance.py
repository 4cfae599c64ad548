"""Dagster finds our database by the settings, and no password lies in its files."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from dagster_postgres import PostgresRunStorage
from sqlalchemy import event

from catalyst_assets.orchestration import instance
from catalyst_assets.settings import Settings, load_settings


@pytest.fixture
def settings(tmp_path_factory: pytest.TempPathFactory, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings whose database is a fresh one, in the environment too, as Dagster's processes read them there."""
    monkeypatch.setenv("CATALYST_HOME", str(tmp_path_factory.mktemp("home")))
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("DAGSTER_DATABASE_URL", database_url)
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    return load_settings()


def test_the_project_file_reaches_dagster_home_and_is_kept_up_to_date(settings: Settings) -> None:
    home = instance.prepare_dagster_home(settings)
    assert home.is_absolute()
    written = home / "dagster.yaml"
    assert written.read_text() == instance.config_source().read_text()
    written.write_text("telemetry: {enabled: true}\n")
    instance.prepare_dagster_home(settings)
    assert written.read_text() == instance.config_source().read_text()


def test_the_rules_of_money_are_in_the_file() -> None:
    config = yaml.safe_load(instance.config_source().read_text())
    assert config["run_retries"]["max_retries"] == 0
    assert config["run_retries"]["retry_on_asset_or_op_failure"] is False
    assert config["run_monitoring"]["max_resume_run_attempts"] == 0
    assert config["concurrency"]["pools"]["default_limit"] == 1
    assert config["telemetry"]["enabled"] is False
    assert {"key": "catalyst/kind", "value": "cycle", "limit": 1} in config["concurrency"]["runs"][
        "tag_concurrency_limits"
    ]


def test_dagster_opens_our_postgres_and_hands_no_address_to_its_processes(settings: Settings) -> None:
    with instance.open_instance(settings) as opened:
        assert isinstance(opened.run_storage, PostgresRunStorage)
        assert opened.get_runs() == []
        told = str(opened.get_ref().to_dict())
    assert "postgresql" not in told
    assert settings.database_url.split("@")[0].split(":")[-1] not in told


def test_a_kept_connection_serves_many_statements(settings: Settings) -> None:
    with instance.open_instance(settings) as opened:
        assert isinstance(opened.run_storage, PostgresRunStorage)
        pool = opened.run_storage._engine.pool
        made: list[object] = []
        event.listen(pool, "connect", lambda connection, _record: made.append(connection))
        for _ in range(5):
            opened.get_runs()
    assert len(made) <= 1


def test_dotenv_gets_dagster_home_and_keeps_its_other_lines(settings: Settings, tmp_path: Path) -> None:
    folder = tmp_path
    (folder / ".env").write_text("ALPACA_FEED=sip\nDAGSTER_HOME=/old\n")
    instance.write_dotenv(settings, folder)
    lines = (folder / ".env").read_text().splitlines()
    assert lines == ["ALPACA_FEED=sip", f"DAGSTER_HOME={instance.prepare_dagster_home(settings)}"]
