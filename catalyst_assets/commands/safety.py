"""``catalyst halt``, ``flatten``, ``resume`` and ``reconcile``: the person's hand on the brake, and a look at the books.

Belongs here: options, words and exit codes. Does not belong here: the switch (``execution/switches.py``), emptying the account
(``execution/emergency.py``). The first three need no database, no Redis and no Dagster; what can be recorded is recorded.
"""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from catalyst_assets.commands.person import who
from catalyst_assets.settings import Settings, load_settings

if TYPE_CHECKING:
    from catalyst_assets.execution.emergency import Emptied
    from catalyst_assets.ports import Broker

out = Console()
Reason = Annotated[str, typer.Argument(help="why; shown with every refused entry")]


def halt(reason: Reason = "halted by hand") -> None:
    """No new entries from now on, in every process and after restarts, until: catalyst resume. Positions stay protected."""
    from catalyst_assets.orchestration.connections import kill_switch

    settings = load_settings()
    said = f"{reason} ({who()})"
    kill_switch(settings).engage(said)
    out.print(
        "[bold yellow]halted[/]: no new entries; open positions stay protected and watched. Undo: catalyst resume"
    )
    _record(settings, "halt", said)


def resume() -> None:
    """Allow entries again after halt or flatten."""
    from catalyst_assets.orchestration.connections import kill_switch

    settings = load_settings()
    switch = kill_switch(settings)
    why = switch()
    switch.release()
    out.print("entries are allowed again" if why else "nothing was halted")
    if why:
        _record(settings, "resume", f"was: {why} ({who()})")


def flatten(
    reason: Reason = "flattened by hand",
    seconds: Annotated[float, typer.Option(min=1, help="how long to try until confirmed flat")] = 60.0,
) -> None:
    """Cancel every order and close every position of the account at the market; entries stay halted. Exit code 1 until confirmed flat."""
    from catalyst_assets.execution.emergency import empty_account
    from catalyst_assets.orchestration.connections import kill_switch
    from catalyst_assets.ports import BrokerError

    settings = load_settings()
    said = f"{reason} ({who()})"
    kill_switch(settings).engage(said, flat=True)
    out.print("[bold yellow]halted[/]: no new entries until catalyst resume; every process closes what it watches")
    broker = _broker(settings)
    try:
        clock = broker.clock()
    except BrokerError as error:
        typer.echo(f"error: the broker cannot be asked: {error}; the switch stays on, run this again", err=True)
        raise typer.Exit(1) from None
    if not clock.is_open:
        typer.echo(
            f"error: the market is closed until {clock.next_open:%Y-%m-%d %H:%M} UTC: positions keep their orders at the broker, and are "
            "closed by the watch after the open while the switch is on",
            err=True,
        )
        raise typer.Exit(1)
    result = empty_account(
        broker,
        datetime.now(UTC),
        seconds=seconds,
        pause=time.sleep,
        monotonic=time.monotonic,
        tell=lambda line: out.print(f"  {line}"),
    )
    _record(settings, "flatten", f"{said}; {_summary(result)}")
    for trouble in result.troubles:
        out.print(f"  [dim]on the way: {trouble}[/]")
    if result.flat:
        out.print(f"[bold green]flat[/]: {_summary(result)}")
        return
    typer.echo(f"error: not flat yet: {_summary(result)}; the switch stays on, run this again", err=True)
    raise typer.Exit(1)


def reconcile(as_json: Annotated[bool, typer.Option("--json", help="as JSON")] = False) -> None:
    """Make journal, trades and broker agree, protect what is unprotected, compare the rest. Exit code 1 while something blocks entries."""
    from catalyst_assets.orchestration.connections import close_connections, connections
    from catalyst_assets.storage.configuration import ConfigurationRepository
    from catalyst_assets.storage.operations import OperationsRepository

    settings = load_settings()
    opened = connections(settings)
    found = opened.desk(ConfigurationRepository(opened.database).load()).reconcile()
    words = "; ".join(difference.message for difference in found.differences)
    OperationsRepository(opened.database).record_health(
        "reconciliation",
        "ok" if found.agreed else "down",
        checked_at=datetime.now(UTC),
        message=words[:500] or "broker and journal agree",
    )
    close_connections()
    if as_json:
        out.print_json(json.dumps(found.as_json()))
    else:
        compared = ", ".join(f"{count} {what}" for what, count in found.counts.items())
        out.print(f"account {found.account_id}, session {found.session}: compared {compared}")
        for trade_id in found.protected:
            out.print(f"  [yellow]protected[/]: shares of trade {trade_id} had no stop")
        for difference in found.differences:
            mark = "[red]differs[/]" if difference.blocking else "[yellow]not ours[/]"
            out.print(f"  {mark}: {difference.message}")
        out.print(
            "[green]broker and journal agree[/]" if found.agreed else "[red]no new entries until this is settled[/]"
        )
    raise typer.Exit(0 if found.agreed else 1)


def _summary(result: Emptied) -> str:
    held = ", ".join(f"{qty} {symbol}" for symbol, qty in result.held.items())
    parts = [f"{result.cancelled} orders cancelled", f"{len(result.sent)} exits sent"]
    if not result.flat:
        parts.append(f"held: {held or 'nothing'}")
        parts.append(f"working orders in: {', '.join(result.working) or 'nothing'}")
    else:
        parts.append("the broker shows no position and no working order")
    return ", ".join(parts)


def _broker(settings: Settings) -> Broker:
    """The broker with nothing else: requests are counted in this process, by its own clock."""
    from catalyst_assets.orchestration.connections import SystemClock
    from catalyst_assets.vendors.budgets import LocalBudget, allowances
    from catalyst_assets.vendors.connect import connect_broker
    from catalyst_assets.vendors.transport import Redactor

    budget = LocalBudget(allowances(settings), SystemClock())
    return connect_broker(settings, budget=budget, redact=Redactor(settings.secrets()))


def _record(settings: Settings, action: str, message: str) -> None:
    """An entry in workflow_log when the database is there; a database that is not is never started for it."""
    from catalyst_assets.storage.database import DatabaseUnavailable, open_database
    from catalyst_assets.storage.embedded import EmbeddedServices
    from catalyst_assets.storage.embedded_postgres import EmbeddedUnavailable
    from catalyst_assets.storage.migrations import MigrationError
    from catalyst_assets.storage.operations import OperationsRepository

    running = settings.database_url or any(
        state.name == "postgres" and state.state == "running"
        for state in EmbeddedServices(settings.home, settings.database_name).status()
    )
    if running:
        try:
            database = open_database(settings, application_name="catalyst-cli")
            OperationsRepository(database).log("warning", f"switch:{action}", message, at=datetime.now(UTC))
            database.close()
            return
        except (DatabaseUnavailable, EmbeddedUnavailable, MigrationError) as error:
            typer.echo(f"warning: not recorded in workflow_log: {error}", err=True)
            return
    typer.echo("warning: not recorded in workflow_log: the database is not running", err=True)
