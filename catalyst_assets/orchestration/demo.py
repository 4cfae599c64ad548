"""A whole simulated market day, cycle by cycle, through the same Dagster job that runs unattended.

Belongs here: moving the simulated clock from cycle to cycle, running the job at each, watching positions every minute in between,
progress on the terminal. Does not belong here: any stage (``assets/``), the report (``reporting/``).

The day runs in a sandbox of its own (database ``<name>_demo``, its own bars and Dagster storage), made anew each time, so the same seed
meets the same past. The simulator is a process of its own; everything goes to it through the vendors' client libraries over HTTP.
"""

from __future__ import annotations

import gc
import resource
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

import dagster as dg
import pandas as pd
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from catalyst_assets.orchestration.connections import Connections, SimulatorClock, close_connections, connections
from catalyst_assets.orchestration.cycle import DECISION_TIME_TAG, KIND_TAG, LIVE, TRIGGER_TAG
from catalyst_assets.orchestration.due import clock_time
from catalyst_assets.orchestration.instance import open_instance
from catalyst_assets.orchestration.replay import QUIET, failures
from catalyst_assets.orchestration.sandbox import Sandbox, SandboxFailed
from catalyst_assets.reporting.console import show
from catalyst_assets.reporting.day import DayReport, gather
from catalyst_assets.reporting.picture import draw
from catalyst_assets.settings import Settings
from catalyst_assets.simulator.world import DEFAULT_SESSION, World
from catalyst_assets.trading.calendar import MarketState, SessionHours, TradingCalendar
from catalyst_assets.trading.config import CycleConfig

PATIENT_COLLECTION = (100_000, 50, 100)
"""Garbage collection thresholds of a process that makes millions of short-lived objects beside large frames."""
PREMARKET_FROM = timedelta(hours=1, minutes=30)
"""The demo's pre-market starts this long before the open: the small hours add cycles, not trades."""
PREMARKET_EVERY = 3
"""Of the pre-market decision times, every n-th is run (and the last one before the open)."""


class DemoFailed(Exception):
    """The demo could not be played; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What the day cost: seconds by part, and the largest memory of this process and of its children, MiB."""

    seconds: dict[str, float]
    cycles: int
    peak_mib: float
    simulator_mib: float


def run_demo(
    settings: Settings,
    definitions: Callable[[], dg.Definitions],
    *,
    seed: int = 7,
    session: date | None = None,
    symbols: int = 80,
    console: Console | None = None,
    picture: Path | None = None,
    only: tuple[datetime, datetime] | None = None,
) -> int:
    """Play ``session`` of the world of ``seed`` and print the report; the exit code (0: every stage produced something).

    ``definitions`` composes what Dagster loads; it is called inside the sandbox. ``only`` limits the cycles to a span of instants (tests).
    Raises :class:`DemoFailed`.
    """
    console = console or Console()
    calendar = TradingCalendar()
    day = session or DEFAULT_SESSION
    if not calendar.is_session(day):
        raise DemoFailed(f"{day} is no trading day: choose another with --session")
    hours = calendar.hours(day)
    timings: dict[str, float] = {}
    console.print(f"[bold]Catalyst demo[/] · seed {seed} · {day:%A %d %B %Y} · {symbols} stocks · simulated market")
    try:
        with (
            _timed(timings, "services and simulator"),
            console.status("starting PostgreSQL, Redis and the simulated market"),
        ):
            sandbox = Sandbox.open(settings, "demo", seed=seed, session=day, symbols=symbols, start=_first(hours))
    except SandboxFailed as error:
        raise DemoFailed(str(error)) from error
    gc.set_threshold(*PATIENT_COLLECTION)
    with sandbox:
        opened = connections(sandbox.settings)
        day_run = _Day(opened, open_instance(sandbox.settings), calendar, hours, definitions())
        day_run.play(console, timings, only)
        with _timed(timings, "report"):
            report = gather(opened.database, day, LIVE)
            truth = World.generate(seed, day, symbols=symbols, calendar=calendar).truth.outlets
            target = picture or settings.home / "demo" / f"market_day_{day}_seed{seed}.png"
            draw(report, target, truth=truth)
        show(report, console, truth=truth, picture=str(target))
        _show_figures(
            console, Figures(timings, day_run.cycles, _peak_mib(resource.RUSAGE_SELF), sandbox.simulator_mib())
        )
        _show_next(console, sandbox)
        close_connections()
    return _verdict(console, report)


class _Day:
    """The clock's walk through one session."""

    def __init__(
        self,
        opened: Connections,
        instance: dg.DagsterInstance,
        calendar: TradingCalendar,
        hours: SessionHours,
        definitions: dg.Definitions,
    ) -> None:
        from catalyst_assets.storage.configuration import ConfigurationRepository

        if not isinstance(opened.clock, SimulatorClock):
            raise DemoFailed("the demo needs a simulated clock")
        self._opened, self._clock, self._instance = opened, opened.clock, instance
        self._calendar, self._hours = calendar, hours
        self._config = ConfigurationRepository(opened.database).load()
        self._cycle_job = definitions.resolve_job_def("market_cycle")
        self._close_job = definitions.resolve_job_def("close_session")
        self._night_job = definitions.resolve_job_def("night_work")
        self.cycles = 0

    def play(self, console: Console, timings: dict[str, float], only: tuple[datetime, datetime] | None) -> None:
        moments = [at for at in chosen_times(self._calendar, self._hours, self._config.cycle)
                   if only is None or only[0] <= at <= only[1]]  # fmt: skip
        with _progress(console) as progress:
            task = progress.add_task("market day", total=len(moments), at="", note="")
            with _timed(timings, "cycles"):
                for at in moments:
                    self._walk_to(at)
                    begun = time.perf_counter()
                    self._run(self._cycle_job, at, "cycle")
                    self.cycles += 1
                    note = f"{time.perf_counter() - begun:4.1f} s · {self._standing()}"
                    progress.update(task, advance=1, at=f"{clock_time(at)} {self._calendar.state(at).value}", note=note)
            if only is None:
                self._settle(progress, timings)

    def _settle(self, progress: Progress, timings: dict[str, float]) -> None:
        with _timed(timings, "night work"):
            end = pd.Timestamp(self._hours.post_close) - pd.Timedelta(minutes=1)
            task = progress.add_task("close and night work", total=2, at=clock_time(end), note="")
            self._walk_to(end)
            self._run(self._close_job, end, "close")
            progress.advance(task)
            self._run(self._night_job, end, "night")
            progress.advance(task)

    def _walk_to(self, at: pd.Timestamp) -> None:
        """Minute by minute to ``at``, watching positions on the way as the watch does when the program runs unattended."""
        now = pd.Timestamp(self._clock.now())
        while now < at:
            now = min(now.floor("min") + pd.Timedelta(minutes=1), at)
            self._clock.set(now)
            if now < at and self._calendar.state(now) is MarketState.REGULAR:
                self._opened.watch_positions(now)
        if self._hours.close <= at:
            self._opened.watch_positions(at)

    def _run(self, job: dg.JobDefinition, at: pd.Timestamp, kind: str) -> None:
        tags = {DECISION_TIME_TAG: at.isoformat(), KIND_TAG: kind, TRIGGER_TAG: "demo"}
        result = job.execute_in_process(
            instance=self._instance,
            partition_key=str(self._hours.session),
            tags=tags,
            raise_on_error=False,
            run_config=QUIET,
        )
        if not result.success:
            said = "; ".join(failures(result)) or "see the run"
            raise DemoFailed(f"the {kind} of {clock_time(at)} failed ({said}); its run is {result.run_id}")

    def _standing(self) -> str:
        frame = self._opened.database.read(
            "select equity, open_positions from account_snapshots where scenario = :scenario and session = :session "
            "order by at desc limit 1",
            {"scenario": LIVE, "session": self._hours.session},
        )
        if frame.empty:
            return "no account yet"
        return f"equity {frame['equity'].iloc[0]:,.0f} USD, {frame['open_positions'].iloc[0]:.0f} open"


def chosen_times(calendar: TradingCalendar, hours: SessionHours, cycle: CycleConfig) -> list[pd.Timestamp]:
    """The decision times the demo runs: a thinned pre-market, then every one of the session and of the hours after it.

    The running system runs every one of them; positions are watched every minute here as there.
    """
    times = calendar.decision_times(hours.session, cycle)
    early = [at for at in times if hours.open - PREMARKET_FROM <= at < hours.open]
    kept = early[::PREMARKET_EVERY]
    if early and early[-1] not in kept:
        kept.append(early[-1])
    return [*kept, *(at for at in times if at >= hours.open)]


def _first(hours: SessionHours) -> datetime:
    """Where the simulated clock starts."""
    return (hours.open - PREMARKET_FROM - timedelta(minutes=1)).to_pydatetime()


@contextmanager
def _timed(timings: dict[str, float], part: str) -> Iterator[None]:
    begun = time.perf_counter()
    try:
        yield
    finally:
        timings[part] = timings.get(part, 0.0) + time.perf_counter() - begun


def _progress(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"), BarColumn(bar_width=28), TextColumn("{task.completed:.0f}/{task.total:.0f}"),
        TextColumn("{task.fields[at]}"), TextColumn("[dim]{task.fields[note]}[/]"), TimeElapsedColumn(), TimeRemainingColumn(),
        console=console,
    )  # fmt: skip


def _peak_mib(who: int) -> float:
    return resource.getrusage(who).ru_maxrss / 1024


def _show_figures(console: Console, figures: Figures) -> None:
    parts = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in figures.seconds.items())
    total = sum(figures.seconds.values())
    console.print(
        f"[bold]{total:.0f} s in all[/] ({parts}); {figures.cycles} cycles; "
        f"peak memory {figures.peak_mib:,.0f} MiB here, {figures.simulator_mib:,.0f} MiB in the simulator"
    )


def _show_next(console: Console, sandbox: Sandbox) -> None:
    inside = sandbox.selector()
    console.print(
        f"Where to look next: [bold]{inside} catalyst ui[/] shows this day's runs, assets and checks on "
        f"127.0.0.1:{sandbox.settings.ui_port}; [bold]{inside} catalyst report[/] prints this again; "
        "[bold]make dev[/] runs the system on a running clock."
    )


def _verdict(console: Console, report: DayReport) -> int:
    empty = report.empty_stages()
    if empty:
        console.print(f"[red]these stages produced nothing: {', '.join(empty)}[/]")
        return 1
    return 0
