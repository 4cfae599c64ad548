"""The day report as one picture: equity, trades, funnel and source reliability.

Belongs here: drawing. Does not belong here: the numbers (``day.py``).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import matplotlib.dates as mdates
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from catalyst_assets.reporting.console import NEW_YORK
from catalyst_assets.reporting.day import STAGES, DayReport

INK, FAINT, UP, DOWN, MARK = "#1d2733", "#9aa5b1", "#1a7f5a", "#b3382c", "#2b5fad"


def draw(report: DayReport, path: Path, *, truth: pd.DataFrame | None = None) -> Path:
    """Write the picture as PNG to ``path`` (its folder is made) and return it. ``truth``: columns outlet, reliability."""
    figure = Figure(figsize=(13, 8.2), layout="constrained", facecolor="white")
    figure.suptitle(
        f"Catalyst · {report.session:%a %d %b %Y} · {report.scenario} · net {report.net_pnl:+,.2f} USD, {len(report.filled)} trades",
        x=0.01, ha="left", fontsize=14, color=INK, fontweight="bold",
    )  # fmt: skip
    grid = figure.add_gridspec(2, 3, height_ratios=[1.15, 1])
    _equity(figure.add_subplot(grid[0, :2]), report)
    _r_multiples(figure.add_subplot(grid[0, 2]), report)
    _funnel(figure.add_subplot(grid[1, :2]), report)
    _reliability(figure.add_subplot(grid[1, 2]), report, truth)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    return path


def _dress(axes: Any, title: str) -> None:
    axes.set_title(title, loc="left", fontsize=10.5, color=INK)
    axes.tick_params(labelsize=8.5, colors=INK)
    axes.grid(axis="y", color="#e6e9ed", linewidth=0.7)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _nothing(axes: Any, text: str) -> None:
    axes.text(0.5, 0.5, text, ha="center", va="center", color=FAINT, transform=axes.transAxes)


def _times(axes: Any) -> None:
    axes.xaxis.set_major_formatter(mdates.DateFormatter("%H:%M", tz=NEW_YORK))
    axes.set_xlabel("New York time", fontsize=8.5, color=INK)


def _equity(axes: Any, report: DayReport) -> None:
    _dress(axes, "Equity (USD) and fills")
    if report.account.empty:
        return _nothing(axes, "no account snapshots")
    account = report.account
    axes.plot(account["at"], account["equity"], color=INK, linewidth=1.4)
    axes.fill_between(account["at"], account["equity"], account["equity"].iloc[0], color=MARK, alpha=0.10)
    axes.axhline(account["equity"].iloc[0], color=FAINT, linewidth=0.8, linestyle="--")
    for trade in report.filled.itertuples():
        for moment, marker in ((trade.entry_time, "^" if trade.direction == "long" else "v"), (trade.exit_time, "x")):
            if moment is pd.NaT or moment is None:
                continue
            near = account["equity"].iloc[
                int(np.argmin(np.abs((account["at"] - moment).dt.total_seconds().to_numpy())))
            ]
            won = (trade.pnl or 0) > 0
            axes.plot([moment], [near], marker, color=UP if won else DOWN, markersize=6)
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    _times(axes)


def _r_multiples(axes: Any, report: DayReport) -> None:
    _dress(axes, "Trades in R (profit over initial risk)")
    rows = report.filled.dropna(subset=["r_multiple"]) if len(report.filled) else report.filled
    if rows.empty:
        return _nothing(axes, "no closed trades")
    rows = rows.iloc[::-1]
    labels = [f"{t.symbol} · {t.exit_reason or t.status}" for t in rows.itertuples()]
    values = rows["r_multiple"].astype(float)
    axes.barh(range(len(rows)), values, color=[UP if value > 0 else DOWN for value in values], height=0.65)
    axes.set_yticks(range(len(rows)), labels)
    axes.axvline(0, color=INK, linewidth=0.8)
    axes.grid(axis="x", color="#e6e9ed", linewidth=0.7)
    axes.grid(axis="y", visible=False)
    return None


def _funnel(axes: Any, report: DayReport) -> None:
    _dress(axes, "Funnel by cycle (symbols)")
    funnel = report.funnel
    if funnel.empty:
        return _nothing(axes, "nothing was evaluated")
    for stage, color in zip(STAGES, ("#dfe4ea", "#a9bfdc", "#5f8cc4", "#1c4587"), strict=True):
        axes.fill_between(
            funnel.index,
            funnel[stage],
            step="post",
            color=color,
            label=f"{stage} (median {funnel[stage].median():.0f})",
        )
    axes.legend(fontsize=8, frameon=False, loc="upper left", ncols=4)
    axes.set_ylim(0, max(1, funnel["universe"].max()) * 1.18)
    return _times(axes)


def _reliability(axes: Any, report: DayReport, truth: pd.DataFrame | None) -> None:
    _dress(axes, "Source reliability: learned" + (" and planted (×)" if truth is not None else ""))
    rows = report.sources.head(14).iloc[::-1]
    if rows.empty:
        return _nothing(axes, "nothing learned")
    at = np.arange(len(rows))
    axes.hlines(at, rows["low"], rows["high"], color="#a9bfdc", linewidth=4)
    axes.plot(rows["accuracy"], at, "o", color=MARK, markersize=5)
    if truth is not None:
        planted = dict(zip(truth["outlet"], truth["reliability"], strict=True))
        known = [(planted[source], y) for source, y in zip(rows["source"], at, strict=True) if source in planted]
        if known:
            axes.plot(*zip(*known, strict=True), "x", color=DOWN, markersize=6)
    axes.set_yticks(at, rows["source"])
    axes.set_xlim(0, 1)
    axes.axvline(0.5, color=FAINT, linewidth=0.8, linestyle="--")
    axes.grid(axis="y", visible=False)
    return None
