"""A home of the benchmarks' own: PostgreSQL, Redis and simulator that start empty and are gone afterwards.

Belongs here: keeping the measurements away from the user's database, keys and settings. Does not belong here: any measurement.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pandas as pd

from catalyst_assets.orchestration.connections import Connections, close_connections, connections
from catalyst_assets.orchestration.sandbox import Sandbox
from catalyst_assets.settings import Settings, load_settings
from catalyst_assets.simulator.world import DEFAULT_SESSION
from catalyst_assets.storage.embedded import EmbeddedServices

SESSION = DEFAULT_SESSION
SEED = 7
SYMBOLS = 80
_OWN_PREFIXES = ("CATALYST_", "ALPACA_", "FINNHUB_", "ALPHA_VANTAGE_", "NEWSAPI_", "YAHOO_", "DAGSTER_")
_OWN_NAMES = ("DATABASE_URL", "REDIS_URL")


@contextlib.contextmanager
def private_home(parent: Path) -> Iterator[Settings]:
    """Settings of an empty home below ``parent``, with nothing taken from the environment or ``.env``.

    Servers started in it are stopped, the folder removed and the environment restored at the end.
    """
    parent.mkdir(parents=True, exist_ok=True)
    before = dict(os.environ)
    with tempfile.TemporaryDirectory(prefix="home-", dir=parent) as folder:
        home = Path(folder).resolve()
        home.chmod(0o755)  # temporary folders are 0700, and PostgreSQL runs as another account when we are root
        for name in before:
            if name in _OWN_NAMES or name.startswith(_OWN_PREFIXES):
                del os.environ[name]
        os.environ["CATALYST_HOME"] = str(home)
        os.environ["CATALYST_MARKET"] = "simulator"
        try:
            with contextlib.chdir(home):  # the project's .env is not here
                settings = load_settings()
                try:
                    yield settings
                finally:
                    close_connections()
                    EmbeddedServices(home, settings.database_name).stop()
        finally:
            os.environ.clear()
            os.environ.update(before)


@contextlib.contextmanager
def market(parent: Path, start: datetime | pd.Timestamp) -> Iterator[Connections]:
    """A simulated market in a process of its own, its clock standing at ``start``, and everything connected to it over HTTP."""
    with (
        private_home(parent) as settings,
        Sandbox.open(
            settings, "bench", seed=SEED, session=SESSION, symbols=SYMBOLS, start=pd.Timestamp(start).to_pydatetime()
        ) as sandbox,
    ):
        try:
            yield connections(sandbox.settings)
        finally:
            close_connections()
