"""``python -m benchmarks [--only NAME]``: all figures as one table; exit code 1 when a target is missed.

Belongs here: which benchmarks there are, progress and verdict. Does not belong here: any measurement.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import NoReturn

import structlog
from rich.console import Console
from rich.status import Status

from benchmarks import (
    bench_cache,
    bench_cycle,
    bench_exchange,
    bench_market,
    bench_news,
    bench_orders,
    bench_storage,
    bench_streams,
)
from benchmarks.figures import Figure, Tell, machine, notes, save, table
from catalyst_assets.settings import SettingsError, load_settings

BENCHMARKS: dict[str, Callable[[Path, Tell], list[Figure]]] = {
    "storage": bench_storage.run,
    "news": bench_news.run,
    "market": bench_market.run,
    "exchange": bench_exchange.run,
    "orders": bench_orders.run,
    "streams": bench_streams.run,
    "cycle": bench_cycle.run,
    "cache": bench_cache.run,
}
"""In the order of the issue's table."""


def main(arguments: list[str] | None = None) -> int:
    """Measure, print, keep; 0 when every target was met, 1 when one was missed, 2 when something could not be measured."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measured speed against its targets.")
    parser.add_argument(
        "--only", action="append", choices=sorted(BENCHMARKS), help="measure only this; may be repeated"
    )
    chosen = parser.parse_args(arguments).only or list(BENCHMARKS)
    console = Console()
    try:
        folder = (load_settings().home / "benchmarks").absolute()
    except SettingsError as error:
        console.print(f"[red]{error}[/]")
        return 2
    _quiet()
    signal.signal(signal.SIGTERM, _ended)  # so that the servers and simulators started here are stopped
    console.print(f"[bold]Catalyst benchmarks[/] · {machine()}")
    begun, load = time.perf_counter(), os.getloadavg()
    figures: list[Figure] = []
    broken: list[str] = []
    for name, run in BENCHMARKS.items():
        if name not in chosen:
            continue
        started = time.perf_counter()
        with console.status(name) as status:
            try:
                figures += run(folder, _teller(name, status))
            except Exception as error:  # noqa: BLE001 - told below and in the exit code; the other figures are still wanted
                broken.append(name)
                console.print(f"[red]{name} could not be measured: {type(error).__name__}: {error}[/]", highlight=False)
        console.print(f"[dim]{name}: {time.perf_counter() - started:.0f} s[/]", highlight=False)
    took = time.perf_counter() - begun
    if figures:
        console.print(table(figures))
        for line in notes(figures):
            console.print(f"[dim]{line}[/]", highlight=False)
        kept = folder / "latest.json"
        save(figures, kept, took=took, load_before=load)
        console.print(f"{took:.0f} s in all; kept in {kept}", highlight=False)
    missed = [each.what for each in figures if not each.passed]
    for what in missed:
        console.print(f"[bold red]missed:[/] {what}", highlight=False)
    return 2 if broken else int(bool(missed))


def _teller(name: str, status: Status) -> Tell:
    def tell(words: str) -> None:
        status.update(f"{name}: {words}")

    return tell


def _quiet() -> None:
    """Only the table and trouble on the terminal."""
    warnings.filterwarnings("ignore", category=FutureWarning)
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    logging.basicConfig(level=logging.WARNING)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))


def _ended(number: int, frame: FrameType | None) -> NoReturn:
    sys.exit(128 + number)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:  # everything started here has been stopped on the way
        sys.exit("stopped before all figures were measured; none were kept")
