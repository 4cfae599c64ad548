"""A recorded day through the same assets, and what came of it on the terminal.

Belongs here: running the job ``session_replay`` in this process and showing the report. Does not belong here: any stage
(``assets/``), the exchange (``replay/``).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import dagster as dg
from rich.console import Console

from catalyst_assets.orchestration.connections import connections
from catalyst_assets.orchestration.cycle import KIND_TAG, LIVE, SCENARIO_TAG, TRIGGER_TAG
from catalyst_assets.orchestration.failures import failure_line
from catalyst_assets.orchestration.instance import open_instance
from catalyst_assets.orchestration.partitions import NoSuchPartition, partition_key
from catalyst_assets.reporting.console import show
from catalyst_assets.reporting.day import gather
from catalyst_assets.settings import Settings

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
"""Run configuration of jobs run on a terminal: the run's events go to Dagster's storage, not between the lines of our output."""


class ReplayFailed(Exception):
    """The day could not be replayed; the message says why."""


def run_replay(
    settings: Settings,
    definitions: Callable[[], dg.Definitions],
    *,
    session: date,
    scenario: str | None = None,
    console: Console | None = None,
    instance: dg.DagsterInstance | None = None,
) -> int:
    """Replay ``session`` as ``scenario`` (``replay:<session>``) and print it; 0 when it ran.

    Earlier rows of the scenario are deleted first. ``definitions`` composes what Dagster loads. Raises :class:`ReplayFailed`.
    """
    console = console or Console()
    name = scenario or f"replay:{session}"
    if name == LIVE:
        raise ReplayFailed("a replay cannot be called live: those rows are the real ones")
    try:
        key = partition_key(session)
    except NoSuchPartition as error:
        raise ReplayFailed(str(error)) from error
    from catalyst_assets.storage.operations import OperationsRepository

    opened = connections(settings)
    OperationsRepository(opened.database).clear_replay(name)
    job = definitions().resolve_job_def("session_replay")
    with console.status(f"replaying {session} as {name}"):
        result = job.execute_in_process(
            instance=instance or open_instance(settings),
            partition_key=key,
            tags={SCENARIO_TAG: name, TRIGGER_TAG: "replay", KIND_TAG: "backfill"},
            raise_on_error=False,
            run_config=QUIET,
        )
    if not result.success:
        raise ReplayFailed(f"the replay of {session} failed: {'; '.join(failures(result))}; its run is {result.run_id}")
    show(gather(opened.database, session, name), console)
    return 0


def failures(result: dg.ExecuteInProcessResult) -> list[str]:
    """One line per failed step: its name and the innermost error."""
    return [failure_line(event) for event in result.all_events if event.is_step_failure]
