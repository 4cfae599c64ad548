"""The whole system on one machine in one command: services, a simulated market on a running clock, Dagster's UI and daemon.

Belongs here: starting, saying where to look, stopping everything it started. Does not belong here: any work; the sensor
``simulated_clock`` starts cycles as the simulated clock passes their times.

The market day begins a little before the open whatever the hour here, so a cycle appears within a minute. It is a sandbox (database
``<name>_dev``), made anew at each start; real data are never touched.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import date, datetime, timedelta
from pathlib import Path
from types import FrameType

import psutil
import requests
from rich.console import Console

from catalyst_assets.orchestration.due import clock_time
from catalyst_assets.orchestration.instance import prepare_dagster_home
from catalyst_assets.orchestration.sandbox import Sandbox, SandboxFailed
from catalyst_assets.settings import Settings
from catalyst_assets.simulator.world import DEFAULT_SESSION
from catalyst_assets.storage.embedded import EmbeddedServices
from catalyst_assets.trading.calendar import NotASession, TradingCalendar

BEFORE_OPEN = timedelta(seconds=40)
"""How long before the open the clock starts to run once the UI is up, in simulated time."""
UI_SECONDS = 120.0
STOP_SECONDS = 20.0
LOOK_EVERY = 0.5


class DevFailed(Exception):
    """The system could not be started, or a part of it ended; the message says what to do."""


def run_dev(
    settings: Settings,
    *,
    seed: int = 7,
    speed: float = 1.0,
    port: int | None = None,
    session: date | None = None,
    symbols: int = 80,
    console: Console | None = None,
) -> int:
    """Run until Ctrl-C (or SIGTERM); the exit code. ``speed``: simulated seconds per second. Raises :class:`DevFailed`."""
    console = console or Console()
    ui = port or settings.ui_port
    must_be_free(ui)
    try:
        hours = TradingCalendar().hours(session or DEFAULT_SESSION)
    except NotASession as error:
        raise DevFailed(str(error)) from error
    start = hours.open.to_pydatetime() - max(BEFORE_OPEN, BEFORE_OPEN * speed)
    with ExitStack() as stack:
        stack.enter_context(_interruptible())
        try:
            stack.callback(_stop_services, settings, _running_services(settings))
            with console.status("starting PostgreSQL, Redis and the simulated market"):
                sandbox = stack.enter_context(
                    Sandbox.open(settings, "dev", seed=seed, session=hours.session, symbols=symbols, start=start)
                )
            log = settings.home.absolute() / "logs" / "dagster_dev.log"
            with console.status("starting Dagster"):
                dagster = stack.enter_context(_dagster(sandbox.settings, ui, log))
                _wait_for_ui(ui, dagster, log)
            _set_speed(sandbox, speed)
            _say(console, sandbox, ui, speed, hours.session, log)
            _watch(dagster, sandbox, log)
        except KeyboardInterrupt:
            console.print("\nstopping")
        except SandboxFailed as error:
            raise DevFailed(str(error)) from error
    console.print("stopped: Dagster, simulator and services started here")
    return 0


def must_be_free(port: int) -> None:
    """Raises :class:`DevFailed` when something listens on ``port`` of 127.0.0.1, naming it where the system tells."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise DevFailed(
                f"port {port} on 127.0.0.1 is in use{_holder(port)}; stop what uses it, or choose another: CATALYST_UI_PORT={port + 1}"
            ) from error


def _holder(port: int) -> str:
    """Who listens on the port, where the system tells."""
    try:
        found = psutil.net_connections(kind="tcp")
        pids = {c.pid for c in found if c.laddr and c.laddr.port == port and c.status == psutil.CONN_LISTEN and c.pid}
        return f" by {psutil.Process(pids.pop()).name()} " if pids else ""
    except (psutil.Error, PermissionError):
        return ""


@contextmanager
def _interruptible() -> Iterator[None]:
    """SIGTERM ends as Ctrl-C does, so that whoever stops us stops what we started."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _running_services(settings: Settings) -> set[str]:
    if settings.database_url:
        return set()
    states = EmbeddedServices(settings.home, settings.database_name).status()
    return {state.name for state in states if state.state == "running"}


def _stop_services(settings: Settings, before: set[str]) -> None:
    """Stop the embedded services when none of them ran before we came."""
    if not settings.database_url and not before:
        EmbeddedServices(settings.home, settings.database_name).stop()


@contextmanager
def _dagster(settings: Settings, port: int, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """``dagster dev`` (UI, daemon and code server) in a process group of its own."""
    environment = {**os.environ, "DAGSTER_HOME": str(prepare_dagster_home(settings)), "PYTHONUNBUFFERED": "1"}
    command = [
        sys.executable, "-m", "dagster", "dev", "--module-name", "catalyst_assets.definitions",
        "--host", "127.0.0.1", "--port", str(port), "--log-level", "warning",
    ]  # fmt: skip
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=subprocess.STDOUT, env=environment, start_new_session=True
        )
    try:
        yield process
    finally:
        stop_group(process)


def stop_group(process: subprocess.Popen[bytes], grace: float = STOP_SECONDS) -> None:
    """End a process and everything in its group: asked, then told, then killed."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
        members = _group(process.pid)
        if not members:
            break
        try:
            # asked through its head, which stops its own children in order; told and killed all at once
            os.kill(process.pid, number) if number is signal.SIGINT and process.poll() is None else os.killpg(
                process.pid, number
            )
        except ProcessLookupError:
            break
        deadline = time.monotonic() + grace
        while time.monotonic() < deadline and _group(process.pid):
            process.poll()
            time.sleep(0.1)
    process.wait(1)


def _group(leader: int) -> list[int]:
    """Processes of the group that are alive."""
    found = []
    for process in psutil.process_iter(["pid", "status"]):
        try:
            if os.getpgid(process.pid) == leader and process.info["status"] != psutil.STATUS_ZOMBIE:
                found.append(process.pid)
        except (ProcessLookupError, PermissionError):
            continue
    return found


def _wait_for_ui(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + UI_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise DevFailed(f"Dagster ended with code {process.returncode}; its last words are in {log}")
        try:
            if requests.get(f"http://127.0.0.1:{port}/server_info", timeout=2).ok:
                return
        except requests.RequestException:
            time.sleep(LOOK_EVERY)
    raise DevFailed(f"the Dagster UI did not answer on port {port} within {UI_SECONDS:.0f} s; see {log}")


def _set_speed(sandbox: Sandbox, speed: float) -> None:
    answer = requests.post(f"{sandbox.settings.simulator_url}/simulator/clock", json={"speed": speed}, timeout=10)
    if not answer.ok:
        raise DevFailed(f"the simulated clock refused the speed {speed:g}: {answer.text[:200]}")


def _say(console: Console, sandbox: Sandbox, port: int, speed: float, session: date, log: Path) -> None:
    clock = requests.get(f"{sandbox.settings.simulator_url}/simulator/clock", timeout=10).json()
    console.print(
        f"[bold green]running[/] · {session:%A %d %B %Y}, {clock_time(datetime.fromisoformat(clock['now']))} New York, at {speed:g}× speed"
    )
    for what, where in (
        ("Dagster UI", f"http://127.0.0.1:{port}"),
        ("assets", f"http://127.0.0.1:{port}/asset-groups"),
        ("runs (a cycle every five simulated minutes)", f"http://127.0.0.1:{port}/runs"),
        ("simulated market", f"{sandbox.settings.simulator_url}/simulator/clock"),
        ("the day so far", f"{sandbox.selector()} catalyst report"),
        ("logs", f"{log} and {sandbox.log}"),
    ):
        console.print(f"  {what}: [bold]{where}[/]")
    console.print("Ctrl-C stops all of it")


def _watch(dagster: subprocess.Popen[bytes], sandbox: Sandbox, log: Path) -> None:
    """Return never; raise when a part ends by itself."""
    while True:
        if dagster.poll() is not None:
            raise DevFailed(f"Dagster ended with code {dagster.returncode}; its last words are in {log}")
        if sandbox.process.poll() is not None:
            raise DevFailed(
                f"the simulator ended with code {sandbox.process.returncode}; its last words are in {sandbox.log}"
            )
        time.sleep(LOOK_EVERY)
