"""Numbered plain-SQL migrations: found, compared with what the database has run, run once.

Belongs here: the files of ``sql/`` and the table ``schema_migrations``. Does not belong here: what the tables mean.

Whichever process comes first runs them, under an advisory lock; each file is one transaction. A file that was run and
is now different or gone is refused: databases are only ever moved forward by new files.
"""

from __future__ import annotations

import hashlib
import re
import time
from dataclasses import dataclass
from pathlib import Path

import psycopg2
from psycopg2.extensions import connection as Connection

LOCK_KEY = 0x0CA7A1757
"""Number of the advisory lock; any constant no other program on the same database uses."""

_TABLE = """
create table if not exists schema_migrations (
    version     integer primary key,
    name        text not null,
    checksum    text not null,
    applied_at  timestamptz not null default now(),
    duration_ms double precision not null
)
"""


class MigrationError(Exception):
    """The migrations on disk and those the database has run do not agree; the message says which and what to do."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One file of ``sql/``."""

    version: int
    name: str
    text: str
    checksum: str


def migrations_folder() -> Path:
    """``sql/`` inside the installed package, else beside it in a source tree."""
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "sql", package.parent / "sql"):
        if folder.is_dir():
            return folder
    raise MigrationError(f"no sql/ folder in or beside {package}; reinstall the package")


def read_migrations(folder: Path) -> list[Migration]:
    """The migrations in order. Raises :class:`MigrationError` for a bad name, a gap or a number used twice."""
    found: list[Migration] = []
    for path in sorted(folder.glob("*.sql")):
        match = re.fullmatch(r"(\d{4})_([a-z0-9_]+)\.sql", path.name)
        if not match:
            raise MigrationError(f"{path.name} is no migration name; it looks like 0002_guards.sql")
        text = path.read_text(encoding="utf-8")
        digest = hashlib.sha256(text.replace("\r\n", "\n").encode()).hexdigest()
        found.append(Migration(int(match[1]), match[2], text, digest))
    versions = [migration.version for migration in found]
    if versions != list(range(1, len(versions) + 1)):
        raise MigrationError(f"migrations must be numbered 1, 2, 3 … without gap or double; {folder} has {versions}")
    return found


def applied(connection: Connection) -> dict[int, tuple[str, str]]:
    """What the database has run: version → (name, checksum). Empty for a fresh database."""
    with connection.cursor() as cursor:
        cursor.execute("select to_regclass('schema_migrations') is not null")
        row = cursor.fetchone()
        if row is None or not row[0]:
            return {}
        cursor.execute("select version, name, checksum from schema_migrations order by version")
        return {version: (name, checksum) for version, name, checksum in cursor.fetchall()}


def compare(migrations: list[Migration], done: dict[int, tuple[str, str]]) -> list[Migration]:
    """The migrations still to run. Raises :class:`MigrationError` when history does not match the files."""
    known = {migration.version: migration for migration in migrations}
    for version, (name, checksum) in done.items():
        if version not in known:
            raise MigrationError(
                f"the database has run migration {version:04d}_{name}, which this program does not have; "
                "a newer Catalyst was here: update this one, or restore the file"
            )
        if known[version].checksum != checksum:
            raise MigrationError(
                f"migration {version:04d}_{name} was edited after this database ran it; restore the file as it was and put the "
                "change into a new migration"
            )
    todo = [migration for migration in migrations if migration.version not in done]
    if todo and done and todo[0].version < max(done):
        raise MigrationError(f"migration {todo[0].version:04d}_{todo[0].name} is missing from the database's history")
    return todo


def migrate(connection: Connection, folder: Path | None = None) -> list[str]:
    """Bring the database up to date; the names of the files run now. ``connection`` is a psycopg2 one of the owner.

    Raises :class:`MigrationError`; a failing file leaves the database at the file before it.
    """
    migrations = read_migrations(folder or migrations_folder())
    connection.rollback()
    if not compare(migrations, applied(connection)):
        connection.rollback()
        return []
    connection.rollback()
    connection.autocommit = True
    ran: list[str] = []
    with connection.cursor() as cursor:
        cursor.execute("set statement_timeout = 0")
        cursor.execute("select pg_advisory_lock(%s)", (LOCK_KEY,))
        try:
            cursor.execute(_TABLE)
            for migration in compare(migrations, applied(connection)):  # again: another process may just have run them
                _run(connection, migration)
                ran.append(f"{migration.version:04d}_{migration.name}")
        finally:
            if not connection.closed:
                connection.autocommit = True
                cursor.execute("select pg_advisory_unlock(%s)", (LOCK_KEY,))
    return ran


def _run(connection: Connection, migration: Migration) -> None:
    started = time.perf_counter()
    connection.autocommit = False
    try:
        with connection.cursor() as cursor:
            cursor.execute(migration.text)
            cursor.execute(
                "insert into schema_migrations (version, name, checksum, duration_ms) values (%s, %s, %s, %s)",
                (migration.version, migration.name, migration.checksum, (time.perf_counter() - started) * 1000),
            )
        connection.commit()
    except psycopg2.Error as error:
        if not connection.closed:
            connection.rollback()
        raise MigrationError(
            f"migration {migration.version:04d}_{migration.name} failed: {str(error).strip()}"
        ) from error
    finally:
        if not connection.closed:
            connection.autocommit = True
