"""One whole cycle as a Dagster run: all assets and checks of the job, in this process, against the simulated market over HTTP.

Belongs here: the job exactly as the demo and the schedules run it. Does not belong here: a stage alone.
"""

from __future__ import annotations

import time
from pathlib import Path

import pandas as pd

from benchmarks.figures import Figure, Tell, figure, silent
from benchmarks.surroundings import SESSION, market
from catalyst_assets.definitions import build_definitions
from catalyst_assets.orchestration.connections import Connections, SimulatorClock
from catalyst_assets.orchestration.cycle import DECISION_TIME_TAG, KIND_TAG, TRIGGER_TAG
from catalyst_assets.orchestration.instance import open_instance
from catalyst_assets.orchestration.jobs import CYCLE_ASSETS
from catalyst_assets.orchestration.replay import QUIET, failures
from catalyst_assets.trading.calendar import MarketState, TradingCalendar

CALENDAR = TradingCalendar()
TARGET = 5.0
WARM_UP = (-5, 0)
"""Minutes after the open of the unmeasured cycles: they read the history of bars and the night's articles, once a day."""
MEASURED = ((5, 10, 15, 20), (120, 125, 130))
"""Minutes after the open of the measured cycles; the first of every later group catches up on bars and is not measured."""


def run(parent: Path, tell: Tell = silent) -> list[Figure]:
    """The figure of the cycle."""
    tell("starting services and simulator")
    opening = CALENDAR.hours(SESSION).open
    taken: list[float] = []
    checks: list[int] = []
    assets: list[int] = []
    with market(parent, opening + pd.Timedelta(minutes=WARM_UP[0] - 1)) as opened:
        day = Day(opened)
        for minutes in WARM_UP:
            tell("warming up")
            day.cycle(opening + pd.Timedelta(minutes=minutes))
        for number, group in enumerate(MEASURED):
            for place, minutes in enumerate(group):
                at = opening + pd.Timedelta(minutes=minutes)
                tell(f"cycle {len(taken) + 1} of {sum(map(len, MEASURED)) - len(MEASURED) + 1}")
                seconds, materialised, checked = day.cycle(at)
                if number and not place:
                    continue
                taken.append(seconds)
                checks.append(checked)
                assets.append(materialised)
        trades = int(opened.database.scalar("select count(*) from trade_records") or 0)
    if min(assets) < len(CYCLE_ASSETS):
        raise AssertionError(f"a cycle materialised {min(assets)} of {len(CYCLE_ASSETS)} assets")
    return [
        figure(
            "one whole cycle as a Dagster run, in-process, all assets and checks",
            TARGET,
            taken,
            worst=TARGET,
            note=f"{len(taken)} cycles of regular hours after {len(WARM_UP)} unmeasured ones: {min(assets)} assets, "
            f"{min(checks)} checks each; {trades} trades placed",
        )
    ]


class Day:
    """The clock's walk through a session, as in the demo."""

    def __init__(self, opened: Connections) -> None:
        if not isinstance(opened.clock, SimulatorClock):
            raise AssertionError("the cycle benchmark needs a simulated clock")
        self._opened, self._clock = opened, opened.clock
        self._instance = open_instance(opened.settings)
        self._job = build_definitions().resolve_job_def("market_cycle")

    def cycle(self, at: pd.Timestamp) -> tuple[float, int, int]:
        """Walk to ``at`` and run its cycle: seconds of the run, materialised assets, evaluated checks. Raises ``AssertionError``."""
        self._walk_to(at)
        tags = {DECISION_TIME_TAG: at.isoformat(), KIND_TAG: "cycle", TRIGGER_TAG: "benchmark"}
        begun = time.perf_counter()
        result = self._job.execute_in_process(
            instance=self._instance,
            partition_key=str(SESSION),
            tags=tags,
            raise_on_error=False,
            run_config=QUIET,
        )
        seconds = time.perf_counter() - begun
        if not result.success:
            raise AssertionError(f"the cycle of {at} failed: {'; '.join(failures(result))}")
        events = result.get_asset_materialization_events()
        return seconds, len(events), len(result.get_asset_check_evaluations())

    def _walk_to(self, at: pd.Timestamp) -> None:
        """Minute by minute, watching positions on the way."""
        now = pd.Timestamp(self._clock.now())
        while now < at:
            now = min(now.floor("min") + pd.Timedelta(minutes=1), at)
            self._clock.set(now)
            if now < at and CALENDAR.state(now) is MarketState.REGULAR:
                self._opened.watch_positions(now)
