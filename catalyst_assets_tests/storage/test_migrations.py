"""Rules of the schema: migrations run once, history is not rewritten, tables.py tells the truth, guards hold."""

from __future__ import annotations

import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import psycopg2
import pytest
from sqlalchemy import inspect, text
from sqlalchemy.exc import DBAPIError

from catalyst_assets.storage.database import Database
from catalyst_assets.storage.migrations import MigrationError, migrations_folder, read_migrations
from catalyst_assets.storage.tables import TABLES

PROJECT = Path(__file__).parents[2]
AT = datetime(2025, 5, 15, 14, 0, tzinfo=UTC)


def raw_row(news_id: str = "n1") -> pd.DataFrame:
    return pd.DataFrame(
        {
            "news_id": [news_id], "provider": ["finnhub"], "source": ["Reuters"], "headline": ["Words"], "published_at": [AT],
            "first_seen_at": [AT], "available_at": [AT], "session": [AT.date()], "tickers": [["ACME", 'A"B\\']],
            "live_source": [True], "payload": [{"id": 1}],
        }
    )  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(migrations_folder(), tmp_path / "sql"))


def test_migrations_run_once_and_are_recorded(empty_database_url: str) -> None:
    database = Database(empty_database_url)
    names = [f"{m.version:04d}_{m.name}" for m in read_migrations(migrations_folder())]
    assert database.pending_migrations() == names
    assert database.migrate() == names
    assert database.migrate() == []
    assert database.pending_migrations() == []
    recorded = database.read("select * from schema_migrations order by version")
    assert recorded["version"].tolist() == list(range(1, len(names) + 1))
    assert (recorded["duration_ms"] > 0).all()
    database.close()


def test_an_edited_migration_is_refused_with_a_sentence(empty_database_url: str, folder: Path) -> None:
    database = Database(empty_database_url)
    database.migrate(folder)
    path = folder / "0001_schema.sql"
    path.write_text(path.read_text() + "\n-- a harmless remark\n")
    with pytest.raises(MigrationError, match=r"0001_schema was edited .* put the change into a new migration"):
        database.migrate(folder)
    database.close()


def test_windows_line_ends_are_no_edit(empty_database_url: str, folder: Path) -> None:
    database = Database(empty_database_url)
    database.migrate(folder)
    path = folder / "0002_guards.sql"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert database.migrate(folder) == []
    database.close()


def test_a_missing_migration_is_refused_with_a_sentence(empty_database_url: str, folder: Path) -> None:
    database = Database(empty_database_url)
    (folder / "0999_later.sql").unlink(missing_ok=True)
    latest = read_migrations(folder)[-1].version + 1
    extra = folder / f"{latest:04d}_later.sql"
    extra.write_text("create table later (x int);")
    database.migrate(folder)
    extra.unlink()
    with pytest.raises(MigrationError, match="which this program does not have"):
        database.migrate(folder)
    database.close()


def test_a_failing_migration_leaves_the_database_at_the_one_before(empty_database_url: str, folder: Path) -> None:
    database = Database(empty_database_url)
    before = [f"{m.version:04d}_{m.name}" for m in read_migrations(folder)]
    latest = len(before) + 1
    broken = folder / f"{latest:04d}_broken.sql"
    broken.write_text("create table half (x int); select 1 / 0;")
    with pytest.raises(MigrationError, match="division by zero"):
        database.migrate(folder)
    assert database.scalar("select max(version) from schema_migrations") == len(before)
    assert database.scalar("select to_regclass('half') is null")
    broken.write_text("create table half (x int);")
    assert database.migrate(folder) == [f"{latest:04d}_broken"]
    database.close()


@pytest.mark.parametrize("name", ["0004_gap.sql", "two.sql", "0002_double.sql"])
def test_badly_numbered_files_are_refused(folder: Path, name: str) -> None:
    for path in list(folder.glob("*.sql"))[2:]:
        path.unlink()
    (folder / name).write_text("select 1;")
    with pytest.raises(MigrationError):
        read_migrations(folder)


def test_two_processes_at_once_run_each_migration_once(empty_database_url: str) -> None:
    script = (
        f"from catalyst_assets.storage.database import Database; print(len(Database({empty_database_url!r}).migrate()))"
    )
    command = [sys.executable, "-c", script]
    processes = [subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    ran = sorted(int(process.communicate(timeout=90)[0]) for process in processes)
    assert ran == [0, len(read_migrations(migrations_folder()))]


def test_tables_are_those_of_the_migrated_database(database: Database) -> None:
    found = inspect(database.engine)
    assert set(found.get_table_names()) == set(TABLES)
    for name, table in TABLES.items():
        described = {
            column["name"]: (column["type"].compile(database.engine.dialect), column["nullable"])
            for column in found.get_columns(name)
        }
        written = {column.name: (column.type.compile(database.engine.dialect), column.nullable) for column in table.c}
        assert described == written, name
        assert set(found.get_pk_constraint(name)["constrained_columns"]) == set(table.primary_key.columns.keys()), name
        keys = {
            (tuple(key["constrained_columns"]), key["referred_table"], tuple(key["referred_columns"]))
            for key in found.get_foreign_keys(name)
        }
        ours = {
            (tuple(key.column_keys), key.referred_table.name, tuple(element.column.name for element in key.elements))
            for key in table.foreign_key_constraints
        }
        assert keys == ours, name


def test_every_foreign_key_has_an_index_that_begins_with_it(database: Database) -> None:
    missing = database.read(
        """
        select c.conrelid::regclass::text as tab, c.conname from pg_constraint c
        where c.contype = 'f' and not exists (
            select from pg_index i where i.indrelid = c.conrelid
            and (i.indkey::int2[])[0:array_length(c.conkey, 1) - 1] @> c.conkey)
        """
    )
    assert missing["conname"].tolist() == []


def test_times_carry_a_zone_and_money_is_numeric(database: Database) -> None:
    types = database.read(
        "select table_name, column_name, data_type from information_schema.columns where table_schema = 'public'"
    )
    assert "timestamp without time zone" not in set(types["data_type"])
    money = {
        "limit_price",
        "stop_price",
        "take_profit",
        "equity",
        "cash",
        "buying_power",
        "fees",
        "pnl",
        "entry_price",
        "exit_price",
    }
    assert set(types.loc[types["column_name"].isin(money), "data_type"]) == {"numeric"}


@pytest.mark.parametrize("statement", [
    "update news_raw set headline = 'other'", "delete from news_raw", "truncate news_raw cascade",
    "update news_revisions set headline = 'other'", "delete from news_revisions",
])  # fmt: skip
@pytest.mark.parametrize("role", [None, "catalyst_app"])
def test_raw_news_is_immutable_even_for_the_owner(database_url: str, statement: str, role: str | None) -> None:
    database = Database(database_url, role=role)
    database.append("news_raw", raw_row())
    row = {"news_id": ["n1"], "provider": ["finnhub"], "vendor_id": ["7"], "seen_at": [AT], "headline": ["b"],
           "content_hash": ["h"], "payload": [{}]}  # fmt: skip
    database.append("news_revisions", pd.DataFrame(row), keys=("provider", "vendor_id", "content_hash"))
    with pytest.raises(DBAPIError, match=r"append-only|permission denied"), database.begin() as connection:
        connection.execute(text(statement))
    assert database.scalar("select headline from news_raw") == "Words"
    assert database.read("select tickers from news_raw")["tickers"][0] == ["ACME", 'A"B\\']
    database.close()


def test_the_program_works_as_catalyst_app_and_cannot_change_the_schema(database: Database) -> None:
    assert database.scalar("select current_user") == "catalyst_app"
    database.append("news_raw", raw_row())
    for statement in ("alter table news_raw disable trigger all", "drop table news_raw", "insert into schema_migrations values (9)",
                      "insert into configuration_history (key, changed_by) values ('x', 'y')"):  # fmt: skip
        with pytest.raises(DBAPIError, match=r"permission denied|must be owner"), database.begin() as connection:
            connection.execute(text(statement))


def test_the_reading_role_reads_everything_and_writes_nothing(database_url: str) -> None:
    reader = Database(database_url, role="catalyst_read")
    connection = psycopg2.connect(database_url.replace("+psycopg2", "", 1))
    with connection, connection.cursor() as cursor:
        cursor.execute("set role catalyst_read")
        for table in [*TABLES, "positions", "trades", "scan_results"]:
            cursor.execute(f"select count(*) from {table}")
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            cursor.execute("insert into service_health (service, state, checked_at) values ('x', 'ok', now())")
    connection.close()
    reader.close()


def test_events_of_live_trades_only_grow_and_a_replay_can_be_cleared(database: Database) -> None:
    event = pd.DataFrame({"session": [AT.date()], "at": [AT], "kind": ["test"]})
    for scenario in ("live", "replay:x"):
        database.append("trade_events", event.assign(scenario=scenario), "error")
    with pytest.raises(DBAPIError, match=r"append-only|permission denied"), database.begin() as connection:
        connection.execute(text("delete from trade_events where scenario = 'live'"))
    with pytest.raises(DBAPIError, match=r"append-only|permission denied"), database.begin() as connection:
        connection.execute(text("update trade_events set kind = 'x' where scenario = 'replay:x'"))
    with database.begin() as connection:
        connection.execute(text("delete from trade_events where scenario = 'replay:x'"))
    assert database.scalar("select string_agg(scenario, ',') from trade_events") == "live"
