"""A simulated market to play in, beside the real data and never touching it: databases, bars and a simulator process of its own.

Belongs here: making it anew, starting and stopping its simulator. Does not belong here: what is played
(``demo.py``, ``dev.py``).

A sandbox is named (``demo``, ``dev``) and made anew at each start: the simulated broker's account starts empty, so rows about an earlier
one would disagree with it.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit, urlunsplit

import psutil
import psycopg2
import requests
from psycopg2 import sql

from catalyst_assets.settings import Settings, load_settings, mask_url
from catalyst_assets.storage.cache import Cache
from catalyst_assets.storage.embedded import EmbeddedServices, service_urls
from catalyst_assets.storage.embedded_postgres import free_port

START_SECONDS = 90.0
"""How long the simulator may take to make its world and answer."""
STOP_SECONDS = 10.0


class SandboxFailed(Exception):
    """The sandbox could not be made; the message says what to do."""


@dataclass(slots=True)
class Sandbox:
    """An open sandbox: ``settings`` point into it. Use as a context manager; leaving stops the simulator."""

    settings: Settings
    process: subprocess.Popen[bytes]
    log: Path

    @classmethod
    def open(
        cls,
        base: Settings,
        name: str,
        *,
        seed: int,
        session: date,
        symbols: int,
        start: datetime,
        speed: float = 0.0,
        port: int | None = None,
    ) -> Self:
        """Make the sandbox anew and start its simulator with the clock at ``start`` (``speed`` 0: standing still).

        Changes this process's environment, so that everything that reads the settings (Dagster's resources, child processes) is in
        the sandbox. Raises :class:`SandboxFailed`.
        """
        port = port or free_port()
        _enter(base, name, port)
        settings = load_settings()
        shutil.rmtree(settings.home / settings.database_name, ignore_errors=True)
        if "://" in settings.bars_root and settings.bars_url:
            raise SandboxFailed(
                "CATALYST_BARS names a shared store; unset it, a sandbox keeps its bars below CATALYST_HOME"
            )
        log = settings.home / "logs" / f"simulator_{name}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        command = [
            sys.executable, "-m", "catalyst_assets.cli", "simulate", "--seed", str(seed), "--session", session.isoformat(),
            "--symbols", str(symbols), "--speed", str(speed), "--port", str(port), "--start", start.isoformat(),
            "--plan", "plus",
        ]  # fmt: skip
        with log.open("wb") as output:
            process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, start_new_session=True)
        opened = cls(settings, process, log)
        try:
            _make_databases(settings)
            _forget_hot_values(settings)
            opened._wait()
        except BaseException:
            opened.close()
            raise
        return opened

    def _wait(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise SandboxFailed(
                    f"the simulator ended with code {self.process.returncode}; its last words are in {self.log}"
                )
            try:
                if requests.get(f"{self.settings.simulator_url}/simulator/health", timeout=2).ok:
                    return
            except requests.RequestException:
                time.sleep(0.2)
        raise SandboxFailed(f"the simulator did not answer within {START_SECONDS:.0f} s; its words are in {self.log}")

    def simulator_mib(self) -> float:
        """Memory the simulator holds now, MiB; 0 when it has ended."""
        try:
            return psutil.Process(self.process.pid).memory_info().rss / 2**20
        except psutil.NoSuchProcess:
            return 0.0

    def selector(self) -> str:
        """The variable that points another command into this sandbox, as one types it before the command."""
        if self.settings.database_url:
            return f"DATABASE_URL={mask_url(self.settings.database_url)}"
        return f"CATALYST_DATABASE={self.settings.database_name}"

    def close(self) -> None:
        """Stop the simulator: politely, then not."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGTERM)
            try:
                self.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait(STOP_SECONDS)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _enter(base: Settings, name: str, port: int) -> None:
    """Point this process's environment into the sandbox."""
    os.environ["CATALYST_HOME"] = str(base.home.absolute())
    os.environ["CATALYST_MARKET"] = "simulator"
    os.environ["ALPACA_FEED"] = "sip"  # the scan's volumes are those of the whole tape, of which IEX sees a few percent
    os.environ["CATALYST_SIMULATOR_URL"] = f"http://127.0.0.1:{port}"
    if base.database_url:
        url = urlsplit(base.database_url)
        os.environ["DATABASE_URL"] = urlunsplit(url._replace(path=f"{url.path.rstrip('/')}_{name}"))
        os.environ.pop("DAGSTER_DATABASE_URL", None)
        os.environ["CATALYST_DATABASE"] = f"{url.path.strip('/')}_{name}"
    else:
        os.environ["CATALYST_DATABASE"] = f"{base.database_name}_{name}"


def _forget_hot_values(settings: Settings) -> None:
    """Clear what Redis kept for the sandbox's database: spent request budgets and cached results of a day that is played anew."""
    cache = Cache(service_urls(settings).redis_url, namespace=settings.database_name)
    cache.clear_namespace()
    cache.close()


def _make_databases(settings: Settings) -> None:
    """Drop the sandbox's two databases and create them empty."""
    if settings.database_url:
        url = settings.database_url
    else:
        url = EmbeddedServices(settings.home, settings.database_name).ensure().database_url
    parts = urlsplit(url.replace("+psycopg2", "", 1))
    names = (parts.path.strip("/"), f"{parts.path.strip('/')}_dagster")
    try:
        connection = psycopg2.connect(urlunsplit(parts._replace(path="/postgres")), connect_timeout=10)
    except psycopg2.OperationalError as error:
        raise SandboxFailed(f"the database server cannot be reached: {str(error).strip()}") from None
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            for name in names:
                cursor.execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name)))
                cursor.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
    except psycopg2.errors.InsufficientPrivilege:
        raise SandboxFailed(
            f"the sandbox needs databases of its own ({' and '.join(names)}): allow this database user to create them"
        ) from None
    finally:
        connection.close()
