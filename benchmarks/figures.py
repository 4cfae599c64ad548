"""One measured figure, the table of all of them, and the file they are kept in.

Belongs here: what a row is, how it is judged and shown. Does not belong here: any measurement (``bench_*.py``).
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich import box
from rich.table import Table

Tell = Callable[[str], None]
"""Takes a few words about what is being measured now."""


def silent(_: str) -> None:
    """A :data:`Tell` that says nothing."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One row: what was measured, the target and the measured value in words, and whether the target was met."""

    what: str
    target: str
    measured: str
    passed: bool
    note: str = ""
    extra: bool = False
    """True for figures beyond those the issue asks for; their targets are our own."""
    seconds: dict[str, float] = field(default_factory=dict)
    """median, worst, best and target in seconds, the number of runs, and ``cpu``: the median of this process's own time."""


@dataclass(frozen=True, slots=True)
class Series:
    """Times of repeated calls, seconds: by the wall and, where only this process works, by its own processor time."""

    wall: Sequence[float]
    cpu: Sequence[float] = ()


def figure(
    what: str,
    target: float,
    series: Series | Sequence[float],
    *,
    worst: float | None = None,
    note: str = "",
    extra: bool = False,
) -> Figure:
    """The row of a series of times, all in seconds, judged by the wall: the median is below ``target``, and every one below ``worst``
    when given."""
    taken = series.wall if isinstance(series, Series) else series
    cpu = series.cpu if isinstance(series, Series) else ()
    if not taken:
        raise ValueError(f"{what}: nothing was measured")
    median, slowest = statistics.median(taken), max(taken)
    wanted = f"< {_seconds(target)}"
    if worst is not None:
        wanted = f"all {wanted}" if worst == target else f"{wanted} / < {_seconds(worst)}"
    numbers = {"median": median, "worst": slowest, "best": min(taken), "target": target, "runs": float(len(taken))}
    if worst is not None:
        numbers["target_worst"] = worst
    if cpu:
        numbers["cpu"] = statistics.median(cpu)
    passed = median < target and (worst is None or slowest < worst)
    return Figure(what, wanted, f"{_seconds(median)} / {_seconds(slowest)}", passed, note, extra, numbers)


def timed(work: Callable[[], Any], runs: int, *, warm_up: int = 1) -> tuple[Series, Any]:
    """Times of ``runs`` calls after ``warm_up`` unmeasured ones, and the last result."""
    for _ in range(warm_up):
        work()
    wall, cpu, result = [], [], None
    for _ in range(runs):
        begun, worked = time.perf_counter(), time.process_time()
        result = work()
        wall.append(time.perf_counter() - begun)
        cpu.append(time.process_time() - worked)
    return Series(wall, cpu), result


def _seconds(value: float) -> str:
    if value < 1:
        return f"{1000 * value:.3g} ms"
    return f"{value:.2f} s" if value % 1 else f"{value:.0f} s"


def table(figures: Sequence[Figure]) -> Table:
    """All figures as one table, those the issue asks for first; the notes are :func:`notes`."""
    shown = Table(title="Targets and measured", caption=machine(), caption_justify="left", box=box.SIMPLE_HEAD)
    shown.add_column("what", ratio=1, min_width=26)  # room for words: where it is narrow the figures wrap, not these
    shown.add_column("target", justify="right")
    shown.add_column("median / worst", justify="right")
    shown.add_column("own cpu", justify="right", style="dim", no_wrap=True)
    shown.add_column("ok", no_wrap=True, min_width=6)
    asked = [each for each in figures if not each.extra]
    ours = [each for each in figures if each.extra]
    for group in (asked, ours):
        for each in group:
            cpu = _seconds(each.seconds["cpu"]) if "cpu" in each.seconds else ""
            verdict = "[green]ok[/]" if each.passed else "[bold red]MISSED[/]"
            shown.add_row(each.what, each.target, each.measured, cpu, verdict)
        shown.add_section()
    return shown


def notes(figures: Sequence[Figure]) -> list[str]:
    """One line for every figure that needs a word."""
    return [f"{each.what}: {each.note}." for each in figures if each.note]


def machine() -> str:
    """The machine and how busy it is: one line."""
    load = ", ".join(f"{value:.2f}" for value in os.getloadavg())
    return f"{os.cpu_count()} cores, load {load} (1, 5, 15 minutes), Python {platform.python_version()}"


def save(figures: Sequence[Figure], path: Path, *, took: float, load_before: tuple[float, float, float]) -> None:
    """Write the figures to ``path`` as JSON, whole or not at all. ``took``: seconds of the whole run."""
    answer = {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "took_seconds": round(took, 1),
        "machine": {
            "cores": os.cpu_count(), "platform": platform.platform(), "python": platform.python_version(),
            "load_before": load_before, "load_after": os.getloadavg(),
        },
        "figures": [asdict(each) for each in figures],
    }  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(f".{os.getpid()}")
    temporary.write_text(json.dumps(answer, indent=2) + "\n")
    temporary.replace(path)
