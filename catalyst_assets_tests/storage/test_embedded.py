"""Rules of the embedded services: shared, surviving, recovering. Only servers these tests started are ever killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg2
import pytest
import redis

from catalyst_assets.settings import load_settings
from catalyst_assets.storage import embedded_redis
from catalyst_assets.storage.database import open_database
from catalyst_assets.storage.embedded import EmbeddedServices, EmbeddedUnavailable, service_urls

PROJECT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServices]:
    home = EmbeddedServices(tmp_path_factory.mktemp("home") / ".catalyst", "rooms", durable=False)
    yield home
    home.stop()


def state(services: EmbeddedServices, name: str) -> tuple[str, int | None]:
    found = next(item for item in services.status() if item.name == name)
    return found.state, found.pid


def connects(url: str) -> bool:
    psycopg2.connect(url.replace("+psycopg2", "", 1)).close()
    return True


def test_nothing_runs_and_nothing_is_started_by_asking(tmp_path: Path) -> None:
    asked = EmbeddedServices(tmp_path / "home")
    assert [item.state for item in asked.status()] == ["stopped", "stopped"]
    assert asked.stop() == []
    assert not (tmp_path / "home").exists()


def test_both_databases_exist_and_the_servers_listen_on_this_machine_only(services: EmbeddedServices) -> None:
    urls = services.ensure()
    assert connects(urls.database_url) and urls.database_url.endswith("/rooms")
    assert connects(urls.dagster_url) and urls.dagster_url.endswith("/rooms_dagster")
    pid = state(services, "postgres")[1]
    listening = {c.laddr.ip for c in psutil.Process(pid).net_connections() if c.status == psutil.CONN_LISTEN}
    assert listening == {"127.0.0.1"}


def test_a_password_is_needed_and_kept_from_others(services: EmbeddedServices) -> None:
    url = services.ensure().database_url.replace("+psycopg2", "", 1)
    head, _, tail = url.rpartition("@")
    with pytest.raises(psycopg2.OperationalError, match="password"):
        psycopg2.connect(head.rsplit(":", 1)[0] + ":wrong@" + tail)
    assert (services.home / "services.secret.json").stat().st_mode & 0o077 == 0
    assert (services.home / "redis" / "redis.conf").stat().st_mode & 0o077 == 0
    assert "@" not in repr(services.ensure())


def test_services_outlive_the_command_that_started_them(services: EmbeddedServices) -> None:
    services.stop()
    script = f"from catalyst_assets.storage.embedded import EmbeddedServices; EmbeddedServices({str(services.home)!r}, 'rooms').ensure()"
    subprocess.run([sys.executable, "-c", script], check=True, cwd=PROJECT, timeout=60)
    assert state(services, "postgres")[0] == "running"
    assert state(services, "redis")[0] == "running"


def test_two_commands_at_once_share_one_server(tmp_path: Path) -> None:
    home = tmp_path / "home"
    script = (
        "from catalyst_assets.storage.embedded import EmbeddedServices\n"
        f"s = EmbeddedServices({str(home)!r}, durable=False); u = s.ensure()\n"
        "print([i.pid for i in s.status()], u.database_url)"
    )
    command = [sys.executable, "-c", script]
    processes = [subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    try:
        answers = [process.communicate(timeout=90)[0] for process in processes]
        assert [process.returncode for process in processes] == [0, 0]
        assert answers[0] == answers[1] and answers[0].strip()
    finally:
        EmbeddedServices(home).stop()


def test_killed_servers_come_back_with_their_data_at_the_same_address(services: EmbeddedServices) -> None:
    urls = services.ensure()
    connection = psycopg2.connect(urls.database_url.replace("+psycopg2", "", 1))
    with connection, connection.cursor() as cursor:
        cursor.execute("create table if not exists kept (x int); insert into kept values (7)")
    connection.close()
    for name in ("postgres", "redis"):
        pid = state(services, name)[1]
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        psutil.wait_procs([psutil.Process(pid)] if psutil.pid_exists(pid) else [], timeout=10)
    again = services.ensure()
    assert again == urls
    connection = psycopg2.connect(again.database_url.replace("+psycopg2", "", 1))
    with connection, connection.cursor() as cursor:
        cursor.execute("select x from kept")
        assert cursor.fetchone() == (7,)
    connection.close()
    client = redis.Redis.from_url(again.redis_url)
    assert client.ping()
    client.close()


def test_a_stale_pid_file_of_a_strangers_process_is_no_server(services: EmbeddedServices) -> None:
    services.ensure()
    services.stop()
    stale = f"{os.getpid()}\n{services.home}/postgres/data\n1\n5432\n\n127.0.0.1\n0 0\nready\n"
    (services.home / "postgres" / "data" / "postmaster.pid").write_text(stale)
    (services.home / "redis" / "redis.pid").write_text(str(os.getpid()))
    assert state(services, "postgres") == ("stopped", None)
    assert connects(services.ensure().database_url)


def test_an_interrupted_first_start_is_begun_again(tmp_path: Path) -> None:
    half = tmp_path / "home" / "postgres" / "data"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")
    services = EmbeddedServices(tmp_path / "home", durable=False)
    try:
        assert connects(services.ensure().database_url)
    finally:
        services.stop()


def test_lost_passwords_are_explained(tmp_path: Path) -> None:
    (tmp_path / "services.secret.json").write_text("{")
    with pytest.raises(EmbeddedUnavailable, match=r"services\.secret\.json is unreadable"):
        EmbeddedServices(tmp_path).ensure()


def test_without_any_redis_program_the_cache_is_off_and_the_rest_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded_redis, "server_binary", lambda: None)
    services = EmbeddedServices(tmp_path / "home", durable=False)
    try:
        urls = services.ensure()
        assert urls.redis_url == ""
        assert connects(urls.database_url)
    finally:
        services.stop()


def test_with_database_url_nothing_embedded_starts(tmp_path: Path, database_url: str) -> None:
    settings = load_settings(
        home=tmp_path / "home", database_url=database_url, redis_url="rediss://:pw@cache.example:6380/0"
    )
    urls = service_urls(settings)
    assert urls.database_url == database_url
    assert urls.dagster_url == f"{database_url}_dagster"
    assert connects(urls.dagster_url)
    assert urls.redis_url == "rediss://:pw@cache.example:6380/0"
    assert not (tmp_path / "home").exists()
    administrator = psycopg2.connect(database_url.replace("+psycopg2", "", 1))
    administrator.autocommit = True
    administrator.cursor().execute(f'drop database "{database_url.rsplit("/", 1)[1]}_dagster" with (force)')
    administrator.close()


def test_a_database_opened_by_settings_recovers_from_a_killed_server(services: EmbeddedServices) -> None:
    database = open_database(load_settings(home=services.home, database_name="rooms"))
    assert database.scalar("select count(*) from news_raw") == 0
    pid = state(services, "postgres")[1]
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    assert database.scalar("select count(*) from news_raw") == 0
    database.close()


def test_dagsters_own_storage_works_on_the_address(services: EmbeddedServices) -> None:
    from dagster_postgres import PostgresRunStorage

    storage = PostgresRunStorage(services.ensure().dagster_url, should_autocreate_tables=True)
    assert storage.get_runs_count() == 0
    storage.dispose()
