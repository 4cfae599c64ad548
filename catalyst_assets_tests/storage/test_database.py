"""Rules of the database floor: bulk writes, typed reads, lost connections."""

from __future__ import annotations

import json
import time
from datetime import UTC, date, datetime
from decimal import Decimal

import numpy as np
import pandas as pd
import psycopg2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from catalyst_assets.storage.database import Database, DatabaseUnavailable
from catalyst_assets.storage.frames import plain, to_json

SESSION = date(2025, 5, 15)
AT = datetime(2025, 5, 15, 14, 0, tzinfo=UTC)


def indicators(count: int) -> pd.DataFrame:
    """``count`` rows of technical_indicators, one symbol each, with some values missing."""
    values = np.random.default_rng(1).normal(50, 10, (count, 10))
    values[::7, 3] = np.nan
    names = ["close", "rsi", "macd", "macd_signal", "macd_histogram", "sma_short", "sma_long", "ema", "atr", "adx"]
    frame = pd.DataFrame(values, columns=names)
    frame["close"] = frame["close"].abs()
    return frame.assign(
        decision_time=pd.Timestamp(AT),
        symbol=[f"S{i}" for i in range(count)],
        timeframe="5min",
        bar_ts=pd.Timestamp(AT) - pd.Timedelta("5min"),
        feed="iex",
    )


WHERE = {"scenario": "live", "session": SESSION, "decision_time": AT}


def test_five_thousand_rows_are_replaced_in_a_third_of_a_second(database: Database) -> None:
    frame = indicators(5000)
    database.replace("technical_indicators", frame, WHERE)
    best = 9.0
    for _ in range(3):
        started = time.perf_counter()
        assert database.replace("technical_indicators", frame, WHERE) == 5000
        best = min(best, time.perf_counter() - started)
    assert best < 0.3
    assert database.scalar("select count(*) from technical_indicators") == 5000


def test_what_was_written_is_read_back_with_its_types(database: Database) -> None:
    database.replace("technical_indicators", indicators(8), WHERE)
    frame = database.read("select * from technical_indicators where symbol = any(:symbols) order by symbol",
                          {"symbols": ["S0", "S1"]})  # fmt: skip
    assert list(frame["symbol"]) == ["S0", "S1"]
    assert str(frame["decision_time"].dtype) == "datetime64[us, UTC]"
    assert frame["decision_time"][0] == pd.Timestamp(AT)
    assert frame["session"][0] == SESSION
    assert frame["close"].dtype == np.float64
    assert np.isnan(frame["macd_signal"][0]) and not np.isnan(frame["macd_signal"][1])
    assert frame["obv"].isna().all()
    assert frame["feed"].dtype == "str"


def test_an_empty_result_keeps_columns_and_types(database: Database) -> None:
    frame = database.read("select * from technical_indicators")
    assert frame.empty
    assert str(frame["bar_ts"].dtype) == "datetime64[us, UTC]"
    assert frame["rsi"].dtype == np.float64


def test_numpy_values_dicts_lists_and_decimals_are_stored(database: Database) -> None:
    frame = pd.DataFrame(
        {
            "provider": ["p"], "vendor_id": [None], "reason": ["tab\there \\ and\nnewline 'quote' \0nul"],
            "payload": [{"a": np.float64("nan"), "b": np.int64(3), "c": [Decimal("1.5"), None], "d": "x\0\\u"}],
            "payload_hash": ["h"], "origin_line": [np.int64(7)], "seen_at": [AT],
        }
    )  # fmt: skip
    database.append("news_quarantine", frame)
    row = database.read("select * from news_quarantine").iloc[0]
    assert row["reason"] == "tab\there \\ and\nnewline 'quote' nul"
    assert row["payload"] == {"a": None, "b": 3, "c": [1.5, None], "d": "x\\u"}
    assert row["origin_line"] == 7


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    texts=st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20), max_size=4)
)
def test_any_text_and_json_survive_the_round_trip(database: Database, texts: list[str]) -> None:
    frame = pd.DataFrame({"key": ["k"], "value": [{"texts": texts}], "updated_by": ["t"], "reason": ["".join(texts)]})
    database.append("configuration", frame, "update")
    row = database.read("select value, reason from configuration").iloc[0]
    assert row["value"] == {"texts": texts}
    assert row["reason"] == "".join(texts)


def test_replace_writes_nothing_twice(database: Database) -> None:
    for _ in range(2):
        database.replace("technical_indicators", indicators(3), WHERE)
    assert database.scalar("select count(*) from technical_indicators") == 3


def test_replace_leaves_other_decision_times_alone(database: Database) -> None:
    later = AT.replace(hour=15)
    database.replace("technical_indicators", indicators(3), WHERE)
    database.replace(
        "technical_indicators", indicators(2).assign(decision_time=later), {**WHERE, "decision_time": later}
    )
    database.replace("technical_indicators", indicators(0), WHERE)
    assert database.scalar("select count(*) from technical_indicators") == 2


def test_replace_refuses_rows_outside_its_condition(database: Database) -> None:
    with pytest.raises(ValueError, match="lie outside"):
        database.replace("technical_indicators", indicators(1).assign(scenario="replay:x"), WHERE)


def test_replace_never_empties_a_whole_table(database: Database) -> None:
    with pytest.raises(ValueError, match="needs a condition"):
        database.replace("technical_indicators", indicators(1), {})


def test_a_failing_row_undoes_the_whole_replace(database: Database) -> None:
    database.replace("technical_indicators", indicators(3), WHERE)
    broken = pd.concat([indicators(2), indicators(1)])
    with pytest.raises(IntegrityError):
        database.replace("technical_indicators", broken, WHERE)
    assert database.scalar("select count(*) from technical_indicators") == 3


def test_a_time_without_zone_is_refused(database: Database) -> None:
    frame = indicators(1).assign(bar_ts=datetime(2025, 5, 15, 14, 0))  # noqa: DTZ001 - the mistake under test
    with pytest.raises(ValueError, match="time zone"):
        database.replace("technical_indicators", frame, WHERE)


def test_an_unknown_column_is_refused_by_name(database: Database) -> None:
    with pytest.raises(KeyError, match="moon_phase"):
        database.replace("technical_indicators", indicators(1).assign(moon_phase=1.0), WHERE)


def test_append_on_conflict_leaves_or_updates_or_fails(database: Database) -> None:
    first = pd.DataFrame({"service": ["redis"], "state": ["ok"], "checked_at": [AT], "failures_in_row": [0]})
    second = first.assign(state="down")
    assert database.append("service_health", first) == 1
    assert database.append("service_health", second) == 0
    assert database.scalar("select state from service_health") == "ok"
    assert database.append("service_health", second, "update") == 1
    assert database.scalar("select state from service_health") == "down"
    with pytest.raises(IntegrityError):
        database.append("service_health", second, "error")


def test_a_read_survives_the_server_ending_every_connection(database: Database, database_url: str) -> None:
    assert database.scalar("select 1") == 1
    _end_connections(database_url)
    assert list(database.read("select 41 + 1 as answer")["answer"]) == [42]
    _end_connections(database_url)
    with database.begin() as connection:
        assert connection.execute(text("select 2")).scalar() == 2


def test_an_exception_in_a_transaction_rolls_it_back(database: Database) -> None:
    with pytest.raises(RuntimeError), database.begin() as connection:
        connection.execute(text("insert into service_health (service, state, checked_at) values ('x', 'ok', now())"))
        raise RuntimeError("stop")
    assert database.scalar("select count(*) from service_health") == 0


def test_a_slow_statement_is_ended_by_the_database(database_url: str) -> None:
    quick = Database(database_url, pool_min=1, pool_max=2, statement_timeout_seconds=0.1)
    started = time.monotonic()
    with pytest.raises(Exception, match="statement timeout"):
        quick.read("select pg_sleep(5)")
    assert time.monotonic() - started < 3
    quick.close()


def test_an_unreachable_database_is_named_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("catalyst_assets.storage.database.CONNECT_ATTEMPTS", 2)
    gone = Database("postgresql+psycopg2://me:secret-word@127.0.0.1:1/nowhere")
    with pytest.raises(DatabaseUnavailable) as caught:
        gone.read("select 1")
    assert "127.0.0.1:1/nowhere" in str(caught.value)
    assert "secret-word" not in str(caught.value)


def test_the_pool_never_opens_more_than_its_maximum(database_url: str) -> None:
    small = Database(database_url, pool_min=1, pool_max=2)
    held = [small.engine.connect() for _ in range(2)]
    assert small.engine.pool.checkedout() == 2  # type: ignore[attr-defined]
    for connection in held:
        connection.close()
    small.close()


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.text() | st.integers(-5, 5), st.lists, max_leaves=8))
def test_json_never_holds_what_postgresql_refuses(value: object) -> None:
    written = to_json({"v": value})
    json.loads(written, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert "\\u0000" not in written
    assert plain({"v": float("inf")}) == {"v": None}


def _end_connections(url: str) -> None:
    connection = psycopg2.connect(url.replace("+psycopg2", "", 1))
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
        )
    connection.close()
