"""Rules of the command line: thin, one sentence per error, exit codes that tell."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from catalyst_assets import cli
from catalyst_assets.cli import EXPECTED_ERRORS, app
from catalyst_assets.storage.database import Database
from catalyst_assets.storage.embedded import EmbeddedServices

PROJECT = Path(__file__).parents[1]


def catalyst(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The command as a user runs it, in a clean environment."""
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG")}
    return subprocess.run(
        [sys.executable, "-m", "catalyst_assets.cli", *arguments], cwd=PROJECT, env={**kept, **environment}, capture_output=True, text=True,
        timeout=90, check=False,
    )  # fmt: skip


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, database_url: str) -> Iterator[Path]:
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("DAGSTER_DATABASE_URL", database_url)
    monkeypatch.setenv("CATALYST_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(cli.out, "width", 240)
    yield tmp_path


runner = CliRunner()


def test_an_invalid_setting_is_one_sentence_on_stderr_without_a_traceback() -> None:
    done = catalyst("services", "status", CATALYST_UI_PORT="99999")
    assert done.returncode == 1
    assert (
        done.stderr.strip()
        == "error: CATALYST_UI_PORT is '99999'; allowed: input should be less than or equal to 65535."
    )
    assert done.stdout == ""


def test_an_unreachable_database_is_one_sentence_and_the_traceback_only_with_debug() -> None:
    url = "postgresql://me:secret-word@127.0.0.1:1/nowhere"
    done = catalyst("database", "migrate", DATABASE_URL=url)
    assert done.returncode == 1
    assert len(done.stderr.strip().splitlines()) == 1 and "127.0.0.1" in done.stderr
    assert "secret-word" not in done.stderr
    debug = catalyst("--debug", "database", "migrate", DATABASE_URL=url)
    assert "Traceback" in debug.stderr and debug.returncode != 0


def test_a_misspelt_variable_is_warned_about(environment: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CATALYST_LIVE_TRADNG", "true")
    assert "did you mean CATALYST_LIVE_TRADING?" in runner.invoke(app, ["config", "--no-database"]).stderr


def test_config_shows_value_origin_and_masks_secrets(environment: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FINNHUB_API_KEY", "finnhub-secret-0123456789")
    monkeypatch.setenv("CATALYST_MARKET", "vendors")
    monkeypatch.setenv("ALPACA_API_KEY", "PKALPACA0123456789")
    monkeypatch.setenv("ALPACA_SECRET_KEY", "alpaca-secret-0123456789")
    shown = runner.invoke(app, ["config"])
    assert shown.exit_code == 0
    assert "risk.per_trade" in shown.stdout and "FINNHUB_API_KEY" in shown.stdout
    as_json = runner.invoke(app, ["config", "--json"])
    rows = {row["env"]: row for row in json.loads(as_json.stdout)["settings"]}
    assert rows["FINNHUB_API_KEY"] == {
        "name": "finnhub_api_key",
        "env": "FINNHUB_API_KEY",
        "value": "****89",
        "origin": "environment",
    }
    for output in (shown.stdout, as_json.stdout):
        assert "secret-0123456789" not in output


def test_a_number_is_changed_with_a_reason_and_its_origin_is_then_the_database(environment: Path) -> None:
    assert runner.invoke(app, ["config", "set", "risk.per_trade", "0.02"]).exit_code == 2
    done = runner.invoke(app, ["config", "set", "risk.per_trade", "0.02", "--why", "braver"])
    assert (done.exit_code, done.stdout) == (0, "risk.per_trade is now 0.02\n")
    keys = json.loads(runner.invoke(app, ["config", "--json"]).stdout)["configuration"]
    row = next(item for item in keys if item["key"] == "risk.per_trade")
    assert (row["value"], row["default"], row["origin"]) == (0.02, 0.01, "database")
    assert "braver" in runner.invoke(app, ["config", "history", "risk.per_trade"]).stdout
    assert "default" in runner.invoke(app, ["config", "reset", "risk.per_trade", "--why", "enough"]).stdout


def test_imports_report_what_became_of_every_row(environment: Path) -> None:
    path = environment / "bars.csv"
    path.write_text(
        "symbol,ts_utc,open,high,low,close,volume\nACME,2025-05-15T13:30:00Z,10,11,9,10,5\nACME,2025-05-17T13:30:00Z,10,11,9,10,5\n"
    )
    done = runner.invoke(app, ["import", "bars", str(path), "--timeframe", "5min"])
    assert done.exit_code == 0, done.output
    assert "2 rows read, 1 stored, 0 unchanged, 1 refused; 1 symbols, 2025-05-15 to 2025-05-15" in done.stdout
    assert "outside trading hours" in done.stdout
    assert (environment / "home" / "catalyst" / "bars" / "recorded" / "5min" / "2025-05-15.parquet").exists()


def test_database_status_and_migrate_say_that_all_is_done(environment: Path) -> None:
    assert runner.invoke(app, ["database", "migrate"]).stdout == "the database is up to date\n"
    status = runner.invoke(app, ["database", "status"])
    assert "up to date" in status.stdout


def test_services_start_report_and_stop(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CATALYST_HOME", str(tmp_path / "home"))
    try:
        assert runner.invoke(app, ["services", "start"]).exit_code == 0
        states = json.loads(runner.invoke(app, ["services", "status", "--json"]).stdout)
        assert states[0]["name"] == "postgres" and states[0]["state"] == "running"
        assert "postgres" in runner.invoke(app, ["services", "stop"]).stdout
        assert runner.invoke(app, ["services", "stop"]).stdout == "nothing was running\n"
    finally:
        EmbeddedServices(tmp_path / "home").stop()


def test_every_expected_error_exists() -> None:
    import importlib

    for module, *names in EXPECTED_ERRORS:
        if module.startswith("orchestration."):
            continue
        loaded = importlib.import_module(f"catalyst_assets.{module}")
        for name in names:
            assert issubclass(getattr(loaded, name), Exception)


def test_help_names_every_command() -> None:
    text = runner.invoke(app, ["--help"]).stdout
    for command in ("config", "services", "database", "doctor", "import", "simulate", "demo", "dev", "replay", "env"):
        assert f" {command} " in text


@pytest.mark.parametrize(
    ("scenario", "words"),
    [
        ("nowhere.toml", "error: cannot read the scenario nowhere.toml: No such file or directory; shipped scenarios:"),
        ("no_such_scenario", "error: cannot read the scenario no_such_scenario: No such file or directory"),
    ],
)
def test_a_scenario_that_cannot_be_read_is_said_in_one_sentence(scenario: str, words: str) -> None:
    result = runner.invoke(app, ["simulate", "--symbols", "20", "--port", "1", "--scenario", scenario])
    assert result.exit_code == 1
    assert result.stderr.startswith(words) and result.stderr.count("\n") == 1


# ---------------------------------------------------------------------------------------------------- halt, flatten, resume


def test_halt_and_resume_need_no_database_and_say_what_was_not_recorded(tmp_path: Path) -> None:
    home = {"CATALYST_HOME": str(tmp_path), "DATABASE_URL": "postgresql://me:secret-word@127.0.0.1:1/nowhere"}
    halted = catalyst("halt", "the news is strange", **home)
    assert halted.returncode == 0 and "halted" in halted.stdout and "not recorded" in halted.stderr
    (switch,) = tmp_path.glob("*/KILL_SWITCH")
    assert switch.read_text().startswith("the news is strange")
    resumed = catalyst("resume", **home)
    assert resumed.returncode == 0 and not switch.exists() and "allowed again" in resumed.stdout
    assert "nothing was halted" in catalyst("resume", **home).stdout
    assert "secret-word" not in halted.stderr + resumed.stderr


def test_halt_leaves_a_row_in_the_log_of_a_running_database(environment: Path, database: Database) -> None:
    assert runner.invoke(app, ["halt", "too quiet"]).exit_code == 0
    assert runner.invoke(app, ["resume"]).exit_code == 0
    rows = database.read("select component, message from workflow_log order by id")
    assert list(rows["component"]) == ["switch:halt", "switch:resume"] and "too quiet" in rows["message"].iloc[0]


def test_flatten_without_a_broker_fails_but_leaves_the_switch_on(tmp_path: Path) -> None:
    done = catalyst(
        "flatten", "out", CATALYST_HOME=str(tmp_path), CATALYST_MARKET="simulator", CATALYST_SIMULATOR_URL="http://127.0.0.1:1",
        DATABASE_URL="postgresql://me@127.0.0.1:1/nowhere",
    )  # fmt: skip
    assert done.returncode == 1 and "the switch stays on" in done.stderr and "Traceback" not in done.stderr
    (switch,) = tmp_path.glob("*/KILL_SWITCH")
    assert switch.read_text().startswith("flatten: out")
