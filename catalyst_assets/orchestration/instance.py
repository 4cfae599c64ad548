"""Where Dagster keeps its own runs, ticks and events, and how every ``dagster`` command of this folder finds it.

Belongs here: the storage class named in ``dagster.yaml``, the folder ``DAGSTER_HOME``, the variables the standard commands need.
Does not belong here: our own tables (``storage/``).

``dagster.yaml`` names :class:`CatalystStorage` rather than an address: it is Dagster's own PostgreSQL storage whose address comes
from our settings when a process starts (``DAGSTER_DATABASE_URL``, else ``<DATABASE_URL>_dagster``, else the embedded server, which is
started when it is not running). So one file serves a laptop without configuration, a test and the containers; the embedded
server may change its port; and no password is in the file or in the reference Dagster hands to its run processes.

``DAGSTER_HOME`` is ``<home>/dagster_home``, written by :func:`prepare_dagster_home`. Dagster's commands read ``.env`` of the working
directory, so after :func:`write_dotenv` (``catalyst env --write``) they need nothing else.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

import dagster as dg
from dagster._core.instance.ref import InstanceRef
from dagster._serdes import ConfigurableClassData
from dagster_postgres import DagsterPostgresStorage

from catalyst_assets.orchestration.event_log import CatalystEventLog
from catalyst_assets.settings import ENV_FILE, Settings, load_settings

CONFIG_FILE = "dagster.yaml"
STATEMENT_MS = 30_000
RECYCLE_SECONDS = 600
UNCAUGHT = {
    "compute_logs": {"module": "dagster._core.storage.noop_compute_log_manager", "class": "NoOpComputeLogManager"}
}
MOST_CONNECTIONS = 10
"""Connections beyond the kept one that threads of one process may open at the same time, for each part of the storage."""


class CatalystStorage(DagsterPostgresStorage):
    """Dagster's PostgreSQL storage at the address of our settings. Takes no configuration."""

    @classmethod
    def config_type(cls) -> Any:
        return {}

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]) -> Self:
        from catalyst_assets.storage.embedded import service_urls

        url = _unhurried(service_urls(load_settings()).dagster_url)
        storage = cls(postgres_url=url, inst_data=inst_data)
        storage._event_log_storage = CatalystEventLog(url)
        # By default every statement opens a connection of its own: 540 of them in one cycle, five seconds on two cores. This is
        # Dagster's own switch to a kept connection; run processes are spawned, never forked, so none is shared.
        for part in (storage.event_log_storage, storage.run_storage, storage.schedule_storage):
            part.optimize_for_webserver(
                statement_timeout=STATEMENT_MS, pool_recycle=RECYCLE_SECONDS, max_overflow=MOST_CONNECTIONS
            )
        # Asked for every event whether a table or column of the schema is there: the answer does not change while a process lives.
        log: Any = storage.event_log_storage
        log.has_table = functools.cache(log.has_table)
        log.has_asset_key_col = functools.cache(log.has_asset_key_col)
        runs: Any = storage.run_storage
        runs.has_run_stats_index_cols = functools.cache(runs.has_run_stats_index_cols)
        return storage

    # Run, event and schedule storage are parts of this one: Dagster is told to make this class again in a run process, never
    # its parts, whose configuration would be an address with a password.
    @property
    def event_storage_data(self) -> ConfigurableClassData | None:
        return None

    @property
    def run_storage_data(self) -> ConfigurableClassData | None:
        return None

    @property
    def schedule_storage_data(self) -> ConfigurableClassData | None:
        return None


def _unhurried(url: str) -> str:
    """``url`` with commits that do not wait for the disk: a crash of the server may lose Dagster's last events, never make them wrong.
    Our own tables (journal, trades) keep the full guarantee."""
    parts = urlsplit(url)
    query = [*parse_qsl(parts.query), ("options", "-c synchronous_commit=off")]
    return urlunsplit(parts._replace(query=urlencode(query, quote_via=quote)))


def config_source() -> Path:
    """The ``dagster.yaml`` of the project (beside the package in a checkout, inside it in an installed wheel)."""
    package = Path(__file__).resolve().parents[1]
    for folder in (package.parent, package):
        if (folder / CONFIG_FILE).is_file():
            return folder / CONFIG_FILE
    raise FileNotFoundError(f"{CONFIG_FILE} is neither in {package.parent} nor in {package}")


def prepare_dagster_home(settings: Settings) -> Path:
    """``<home>/dagster_home`` with the project's ``dagster.yaml`` in it, made when missing or out of date; absolute."""
    folder = (settings.home / "dagster_home").absolute()
    folder.mkdir(parents=True, exist_ok=True)
    text = config_source().read_text()
    target = folder / CONFIG_FILE
    if not target.is_file() or target.read_text() != text:
        temporary = folder / f".{CONFIG_FILE}.{os.getpid()}"
        temporary.write_text(text)
        temporary.replace(target)
    return folder


def standard_variables(settings: Settings) -> dict[str, str]:
    """The variables ``dagster`` commands need to share our state and find our code.

    ``dagster asset`` and ``dagster job`` do not read ``pyproject.toml`` in 1.13, so the module is named (with ``-w`` unset it again).
    """
    return {
        "DAGSTER_HOME": str(prepare_dagster_home(settings)),
        "CATALYST_HOME": str(settings.home.absolute()),
        "CATALYST_DATABASE": settings.database_name,
        "DAGSTER_MODULE_NAME": "catalyst_assets.definitions",
    }


def write_dotenv(settings: Settings, folder: Path | None = None) -> Path:
    """Add ``DAGSTER_HOME`` to ``.env`` of ``folder`` (the working directory), other lines untouched; the file's path."""
    path = (folder or Path.cwd()) / ENV_FILE
    lines = path.read_text().splitlines() if path.is_file() else []
    kept = [line for line in lines if not line.replace("export ", "", 1).strip().startswith("DAGSTER_HOME=")]
    path.write_text("\n".join([*kept, f"DAGSTER_HOME={prepare_dagster_home(settings)}"]) + "\n")
    return path


def open_instance(settings: Settings) -> dg.DagsterInstance:
    """The Dagster instance of the settings, for commands that run jobs in their own process (demo, replay).

    Sets ``DAGSTER_HOME`` in this process when it is not set, as Dagster reads it again in places. What the jobs print stays on the
    terminal: catching it for the UI starts four processes a run, which on two cores is a noticeable part of a cycle.
    """
    home = prepare_dagster_home(settings)
    os.environ.setdefault("DAGSTER_HOME", str(home))
    return dg.DagsterInstance.from_ref(InstanceRef.from_dir(str(home), overrides=UNCAUGHT))
