"""The services the program brings itself when nobody gave it a database: real PostgreSQL and real Redis, shared by
commands.

Belongs here: which services run, where, who starts and stops them. Does not belong here: how each server is run
(``embedded_postgres.py``, ``embedded_redis.py``), what is stored in them.

Everything lies below one folder (``<home>/postgres``, ``<home>/redis``, ``<home>/services.json``). Servers are
started on demand, survive the command that started them, and are shared: a file lock (released by the kernel when its
holder dies, so it cannot go stale) lets one command at a time look and start.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg2
from psycopg2 import sql

from catalyst_assets.settings import Settings
from catalyst_assets.storage.embedded_postgres import EmbeddedPostgres, EmbeddedUnavailable
from catalyst_assets.storage.embedded_redis import EmbeddedRedis, server_binary

__all__ = ["EmbeddedServices", "EmbeddedUnavailable", "ServiceState", "ServiceUrls", "service_urls"]


@dataclass(frozen=True, slots=True)
class ServiceUrls:
    """Addresses, passwords included. ``redis_url`` is empty when there is no Redis: the cache is off, everything else
    works."""

    database_url: str
    dagster_url: str
    redis_url: str

    def __repr__(self) -> str:  # addresses hold passwords
        return "ServiceUrls(...)"


@dataclass(frozen=True, slots=True)
class ServiceState:
    """One line of ``catalyst services status``: ``state`` is running, stopped, silent (alive, not answering) or
    missing."""

    name: str
    state: str
    pid: int | None
    port: int | None
    folder: Path


class EmbeddedServices:
    """PostgreSQL and Redis below ``home``. ``durable=False`` (tests) switches fsync off."""

    def __init__(self, home: Path | str, database_name: str = "catalyst", *, durable: bool = True) -> None:
        self.home = Path(home).absolute()
        self.database_name = database_name
        self._durable = durable

    def ensure(self) -> ServiceUrls:
        """Start what is not running and return the addresses. Raises :class:`EmbeddedUnavailable`."""
        with self._lock():
            postgres, redis = self._servers(create=True)
            before = (
                self._state()
            )  # same ports as last time where free: processes that know the address find the server again
            _, port = postgres.ensure(before.get("postgres_port"))
            names = (self.database_name, f"{self.database_name}_dagster")
            postgres.create_databases(port, names)
            found = redis.ensure(before.get("redis_port"))
            self._write("services.json", {"postgres_port": port, "redis_port": found[1] if found else None})
            return ServiceUrls(
                postgres.url(port, names[0]), postgres.url(port, names[1]), redis.url(found[1]) if found else ""
            )

    def status(self) -> list[ServiceState]:
        """The state of both servers; starts nothing."""
        if not (self.home / "services.secret.json").exists():
            return [ServiceState(name, "stopped", None, None, self.home / name) for name in ("postgres", "redis")]
        postgres, redis = self._servers(create=False)
        states = []
        for name, server in (("postgres", postgres), ("redis", redis)):
            found = server.running()
            if found:
                state = "running" if server.answers(found[1]) else "silent"
                states.append(ServiceState(name, state, found[0], found[1], self.home / name))
            else:
                missing = name == "redis" and server_binary() is None
                states.append(ServiceState(name, "missing" if missing else "stopped", None, None, self.home / name))
        return states

    def stop(self) -> list[str]:
        """Stop what runs; the names of the stopped services."""
        if not (self.home / "services.secret.json").exists():
            return []
        with self._lock():
            postgres, redis = self._servers(create=False)
            return [name for name, server in (("postgres", postgres), ("redis", redis)) if server.stop()]

    # ------------------------------------------------------------------------------------------------------ details

    @contextmanager
    def _lock(self) -> Iterator[None]:
        self.home.mkdir(parents=True, exist_ok=True)
        with (self.home / "services.lock").open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _servers(self, *, create: bool) -> tuple[EmbeddedPostgres, EmbeddedRedis]:
        path = self.home / "services.secret.json"
        if create and not path.exists():
            self._write(path.name, {"postgres": secrets.token_urlsafe(24), "redis": secrets.token_urlsafe(24)})
        try:
            known = json.loads(path.read_text())
            passwords = (str(known["postgres"]), str(known["redis"]))
        except (OSError, ValueError, KeyError) as error:
            raise EmbeddedUnavailable(
                f"{path} is unreadable ({error}), and the embedded servers' passwords were in it; restore it, or move {self.home} away"
            ) from error
        return (
            EmbeddedPostgres(self.home / "postgres", passwords[0], durable=self._durable),
            EmbeddedRedis(self.home / "redis", passwords[1]),
        )

    def _state(self) -> dict[str, Any]:
        try:
            loaded = json.loads((self.home / "services.json").read_text())
        except (OSError, ValueError):  # only a preferred port is lost
            return {}
        return loaded if isinstance(loaded, dict) else {}

    def _write(self, name: str, value: dict[str, Any]) -> None:
        """Write a file whole or not at all, readable by us only."""
        temporary = self.home / f".{name}.{os.getpid()}"
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump(value, file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self.home / name)


def service_urls(settings: Settings) -> ServiceUrls:
    """The addresses to use: those of the settings where given, else the embedded services, started when not running.

    With ``DATABASE_URL`` set no embedded PostgreSQL starts, with ``REDIS_URL`` set no embedded Redis; with
    ``DATABASE_URL`` alone the cache is off rather than a Redis of our own beside somebody's managed database.
    """
    if settings.database_url:
        dagster = settings.dagster_database_url or _beside(settings.database_url, "_dagster")
        if _server(dagster) == _server(settings.database_url):
            _create_if_permitted(settings.database_url, dagster)
        return ServiceUrls(settings.database_url, dagster, settings.redis_url)
    embedded = EmbeddedServices(settings.home, settings.database_name).ensure()
    return ServiceUrls(
        embedded.database_url,
        settings.dagster_database_url or embedded.dagster_url,
        settings.redis_url or embedded.redis_url,
    )


def _server(url: str) -> tuple[str | None, int]:
    parts = urlsplit(url)
    return parts.hostname, parts.port or 5432


def _beside(url: str, suffix: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(path=parts.path.rstrip("/") + suffix))


def _create_if_permitted(database_url: str, wanted_url: str) -> None:
    """Create the database of ``wanted_url`` on the server of ``database_url`` when it is missing and we may."""
    name = urlsplit(wanted_url).path.strip("/")
    try:
        connection = psycopg2.connect(database_url.replace("+psycopg2", "", 1), connect_timeout=10)
    except psycopg2.OperationalError as error:
        host = urlsplit(database_url).hostname
        raise EmbeddedUnavailable(
            f"the database at {host} (DATABASE_URL) cannot be reached: {str(error).strip().splitlines()[0]}"
        ) from None
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("select 1 from pg_database where datname = %s", (name,))
            if cursor.fetchone():
                return
            try:
                cursor.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
            except psycopg2.errors.DuplicateDatabase:  # another process was faster
                return
            except psycopg2.errors.InsufficientPrivilege:
                raise EmbeddedUnavailable(
                    f"Dagster needs a database of its own: create {name!r} on the server of DATABASE_URL, or set DAGSTER_DATABASE_URL"
                ) from None
    finally:
        connection.close()
