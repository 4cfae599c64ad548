"""Dagster's web UI alone, on what is stored: to look at a played day or at the running system.

Belongs here: finding the port free and becoming the web server. Does not belong here: daemon and simulator (``dev.py``).
"""

from __future__ import annotations

import os
import sys
from typing import NoReturn

from rich.console import Console

from catalyst_assets.orchestration.dev import must_be_free
from catalyst_assets.orchestration.instance import standard_variables
from catalyst_assets.settings import Settings


def run_ui(settings: Settings, *, port: int | None = None, read_only: bool = False) -> NoReturn:
    """Become the web server on 127.0.0.1 until Ctrl-C. Raises :class:`~.dev.DevFailed` when the port is taken."""
    chosen = port or settings.ui_port
    must_be_free(chosen)
    Console().print(
        f"Dagster UI on [bold]http://127.0.0.1:{chosen}[/] (database {settings.database_name}); Ctrl-C stops it"
    )
    command = [
        sys.executable, "-m", "dagster_webserver", "--host", "127.0.0.1",
        "--port", str(chosen), "--log-level", "warning", *(["--read-only"] if read_only else []),
    ]  # fmt: skip
    os.execve(sys.executable, command, {**os.environ, **standard_variables(settings)})
