"""Small pictures inside metadata, drawn as text so that they cost nothing in a cycle; and one real plot for the account.

Belongs here: turning a handful of numbers into a picture. Does not belong here: the day's report (``reporting/picture.py``).
"""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from typing import Any

import dagster as dg
import pandas as pd

BAR_WIDTH = 40


def funnel_plot(stages: Mapping[str, Any]) -> dg.MetadataValue:
    """The funnel as horizontal bars, widest first."""
    counts = {name: int(value) for name, value in stages.items()}
    widest = max([*counts.values(), 1])
    lines = [
        f"{name:>10}  {'█' * max(1 if count else 0, round(BAR_WIDTH * count / widest))} {count}"
        for name, count in counts.items()
    ]
    return dg.MetadataValue.md("```\n" + "\n".join(lines) + "\n```")


def equity_plot(snapshots: pd.DataFrame) -> dg.MetadataValue | None:
    """The account's equity over the session as a picture, ``None`` with fewer than two points."""
    if len(snapshots) < 2:
        return None
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5, 1.6), dpi=80, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    times = snapshots["at"].dt.tz_convert("America/New_York").dt.tz_localize(None)
    axes.step(times, snapshots["equity"].astype("float64"), where="post", linewidth=1.2)
    axes.tick_params(labelsize=7)
    axes.set_ylabel("equity, USD", fontsize=7)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return dg.MetadataValue.md(f"![equity](data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()})")
