"""What every asset body has in common: go through the sessions of the run, time each, and tell Dagster what came out.

Belongs here: the frame around a stage, and how its rows are shown. Does not belong here: any stage.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import dagster as dg
import pandas as pd

from catalyst_assets.orchestration import checks
from catalyst_assets.orchestration.cycle import CycleContext, CycleRefused
from catalyst_assets.orchestration.partitions import SESSIONS
from catalyst_assets.orchestration.resources import CycleResource
from catalyst_assets.trading.calendar import NEW_YORK

OWNERS = ["team:catalyst"]
SHOWN_ROWS = 10
SINGLE_RUN = dg.BackfillPolicy.single_run()


@dataclass(slots=True)
class Outcome:
    """What a stage did for one session: counts (kept in trading_cycles), a table of its best rows, findings of its checks."""

    counts: dict[str, Any] = field(default_factory=dict)
    table: pd.DataFrame | None = None
    findings: dict[str, checks.Finding] = field(default_factory=dict)
    more: dict[str, Any] = field(default_factory=dict)
    """Further metadata values (text, numbers, ``dg.MetadataValue``)."""


Body = Callable[[CycleContext], Outcome]


def stage_asset(
    group: str, *, kinds: set[str], deps: list[str | dg.AssetDep], description: str, **more: Any
) -> Callable[..., Any]:
    """``@dg.asset`` with what all stages share: session partitions, owners, group, checks of :mod:`checks`, one run per range."""

    def decorate(function: Callable[..., Any]) -> Any:
        return dg.asset(
            group_name=group,
            kinds=kinds,
            deps=deps,
            description=description,
            owners=OWNERS,
            partitions_def=SESSIONS,
            backfill_policy=SINGLE_RUN,
            check_specs=checks.specs_of(function.__name__),
            tags={"catalyst/stage": group},
            **more,
        )(function)

    return decorate


def run_stage(
    context: dg.AssetExecutionContext, cycles: CycleResource, body: Body, *, afterwards: bool = False
) -> dg.MaterializeResult:
    """Run ``body`` for each session of the run and report. A refused run fails with its reason and is not tried again."""
    name = context.asset_key.path[-1]
    try:
        frames = cycles.of(context, afterwards=afterwards)
    except CycleRefused as refusal:
        raise dg.Failure(description=str(refusal), allow_retries=False, metadata={"refused": str(refusal)}) from refusal
    outcomes: list[tuple[CycleContext, Outcome]] = []
    for cycle in frames:
        with cycle.timed(name):
            outcome = body(cycle)
        cycle.counts.update(
            {f"{name}.{key}" if key in cycle.counts else key: value for key, value in outcome.counts.items()}
        )
        outcomes.append((cycle, outcome))
    findings: dict[str, list[checks.Finding]] = defaultdict(list)
    for _, outcome in outcomes:
        for check, finding in outcome.findings.items():
            findings[check].append(finding)
    declared = [spec.name for spec in checks.specs_of(name)]
    return dg.MaterializeResult(
        metadata=_metadata(name, outcomes),
        check_results=[checks.result(check, findings.get(check, [])) for check in declared],
    )


def _metadata(name: str, outcomes: list[tuple[CycleContext, Outcome]]) -> dict[str, Any]:
    cycle, last = outcomes[-1]
    totals: dict[str, Any] = defaultdict(int)
    for _, outcome in outcomes:
        for key, value in outcome.counts.items():
            totals[key] = (
                totals[key] + value if isinstance(value, int | float) and not isinstance(value, bool) else value
            )
    shown: dict[str, Any] = {
        "scenario": cycle.scenario,
        "decision time": f"{cycle.decision_time.tz_convert(NEW_YORK):%Y-%m-%d %H:%M} New York"
        + (f" (the last of {len(cycle.decision_times)})" if len(cycle.decision_times) > 1 else ""),
        **totals,
        "milliseconds": round(sum(each.timings_ms.get(name, 0.0) for each, _ in outcomes), 1),
        **last.more,
    }
    if len(outcomes) > 1:
        shown["sessions"] = len(outcomes)
    if last.table is not None and len(last.table):
        shown["rows"] = table_value(last.table)
    return shown


def table_value(frame: pd.DataFrame, rows: int = SHOWN_ROWS) -> dg.MetadataValue:
    """The first rows as a markdown table: New York clock times, numbers short, long text cut."""
    shown = frame.head(rows)
    header = "| " + " | ".join(str(name) for name in shown.columns) + " |"
    line = "| " + " | ".join("---" for _ in shown.columns) + " |"
    body = [
        "| " + " | ".join(_cell(value) for value in values) + " |"
        for values in shown.itertuples(index=False, name=None)
    ]
    return dg.MetadataValue.md("\n".join([header, line, *body]))


def _cell(value: Any) -> str:
    if isinstance(value, pd.Timestamp):
        return f"{value.tz_convert(NEW_YORK):%H:%M:%S}" if value.tzinfo else f"{value:%Y-%m-%d}"
    if value is None or value is pd.NaT or (isinstance(value, float) and value != value):
        return "·"
    if isinstance(value, float):
        return f"{value:,.3g}" if abs(value) < 1 else f"{value:,.2f}"
    if isinstance(value, Mapping):
        value = ", ".join(f"{key} {_cell(item)}" for key, item in list(value.items())[:4])
    return str(value).replace("|", "\\|").replace("\n", " ")[:120]
