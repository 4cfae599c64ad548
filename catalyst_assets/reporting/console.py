"""The day report as tables on a terminal.

Belongs here: layout and wording. Does not belong here: the numbers (``day.py``). Times are shown in New York.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import pandas as pd
from rich import box
from rich.console import Console
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from catalyst_assets.reporting.day import STAGES, DayReport

NEW_YORK = "America/New_York"


def show(report: DayReport, console: Console, *, truth: pd.DataFrame | None = None, picture: str | None = None) -> None:
    """Print the whole report. ``truth`` (columns outlet, reliability) adds a simulated market's planted reliabilities."""
    console.rule(f"[bold]{report.session:%A %d %B %Y}[/] · {report.scenario}")
    for part in (
        _collection(report),
        _funnel(report),
        _candidates(report),
        _signals(report),
        _trades(report),
        _sources(report, truth),
        _timings(report),
    ):
        if part is not None:
            console.print(part)
    console.print(_bottom_line(report))
    if picture:
        console.print(f"picture: [bold]{picture}[/]")


def _table(title: str, *columns: str, numbers: tuple[str, ...] = ()) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column, justify="right" if column in numbers else "left", overflow="fold")
    return table


def _collection(report: DayReport) -> Table | None:
    rows = report.collection
    if rows.empty:
        if report.outlets.empty:
            return None
        table = _table(
            "Articles", "outlet", "tier", "articles", "with a catalyst", numbers=("tier", "articles", "with a catalyst")
        )
        for row in report.outlets.head(12).itertuples():
            table.add_row(row.source, _whole(row.tier), str(row.articles), str(row.with_catalyst))
        return table
    numbers = (
        "requests",
        "fetched",
        "new",
        "duplicates",
        "edits",
        "refused",
        "failures",
        "median delay",
        "median call",
    )
    table = _table("Articles by vendor", "vendor", *numbers, numbers=numbers)
    for row in rows.itertuples():
        table.add_row(
            row.provider, str(row.requests), str(row.fetched), str(row.inserted), str(row.duplicates), str(row.revisions),
            str(row.quarantined), str(row.failures), _duration(row.median_delay_s), f"{row.median_ms:,.0f} ms",
        )  # fmt: skip
    return table


def _funnel(report: DayReport) -> Table | None:
    funnel = report.funnel
    if funnel.empty:
        return None
    table = _table("Funnel (symbols a cycle)", "", *STAGES, numbers=STAGES)
    table.add_row("median", *(f"{funnel[stage].median():.0f}" for stage in STAGES))
    table.add_row("most", *(str(funnel[stage].max()) for stage in STAGES))
    for row in report.cuts.head(6).itertuples():
        table.add_row(
            Text(f"cut: {row.reason}", style="dim"), *("" if s != row.stage else f"{row.times:,}" for s in STAGES)
        )
    return table


def _candidates(report: DayReport) -> Table | None:
    if report.candidates.empty:
        return None
    numbers = ("score", "catalyst", "technical", "move", "rel. vol.", "cycles")
    table = _table("Candidates at their best, and the headline that moved them",
                   "symbol", "when", *numbers, "type", "headline", numbers=numbers)  # fmt: skip
    for row in report.candidates.head(10).itertuples():
        table.add_row(
            _arrow(row.direction) + f" {row.symbol}", _clock(row.decision_time), f"{row.combined_score:.0f}", f"{row.catalyst_score:.0f}",
            f"{row.technical_score:.0f}", _percent(row.change_pct), _ratio(row.relative_volume), str(row.cycles),
            row.catalyst_type.replace("_", " "), row.headline,
        )  # fmt: skip
    return table


def _signals(report: DayReport) -> Table | None:
    rows = report.signals
    if rows.empty:
        return None
    counts = rows["status"].value_counts().to_dict()
    sent = int(rows["allowed"].fillna(False).astype(bool).sum())
    title = f"Signals: {len(rows)} ({', '.join(f'{n} {name}' for name, n in counts.items())}); {sent} became orders"
    numbers = ("confidence", "catalyst", "pattern", "technical", "volume", "entry", "stop", "target", "R/R")
    table = _table(title, "when", "symbol", *numbers, "decision", numbers=numbers)
    tradeable = rows[rows["status"] == "actionable"]
    chosen = tradeable.sort_values(["allowed", "confidence"], ascending=False, na_position="last").head(10)
    for row in chosen.sort_values("decision_time").itertuples():
        decision = f"ordered {row.qty:.0f}" if row.allowed is True else str(_present(row.risk_message) or "not sent")
        table.add_row(
            _clock(row.decision_time), f"{'▲' if row.direction == 'long' else '▼'} {row.symbol}", f"{row.confidence:.0f}",
            f"{row.catalyst_component:.0f}", f"{row.pattern_component:.0f}", f"{row.technical_component:.0f}",
            f"{row.volume_component:.0f}", _price(row.entry), _price(row.stop), _price(row.target1), f"{row.reward_risk:.2f}", decision,
        )  # fmt: skip
    reasons = pd.concat([rows["reject_reason"], rows.loc[rows["allowed"].eq(False), "risk_message"]]).dropna()
    if len(reasons):
        general = reasons.astype(str).str.replace(r"-?\d+([.,]\d+)*", "#", regex=True)
        for reason, times in general.value_counts().head(5).items():
            table.add_row(Text(f"{times}×", style="dim"), *[""] * (len(numbers) + 1), Text(str(reason), style="dim"))
    return table


def _trades(report: DayReport) -> Table | Text:
    rows = report.trades
    if rows.empty:
        return Text("Trades: none\n", style="bold")
    filled = report.filled
    title = f"Trades: {len(filled)} filled of {len(rows)}, net {_money(report.net_pnl)}"
    numbers = ("shares", "entry", "exit", "P&L", "R", "fees")
    table = _table(title, "symbol", "in", "out", *numbers, "exit reason", "headline", numbers=numbers)
    for row in filled.itertuples():
        pnl = _present(row.pnl)
        table.add_row(
            f"{'▲' if row.direction == 'long' else '▼'} {row.symbol}", _clock(row.entry_time), _clock(row.exit_time),
            f"{row.filled_qty:.0f}", _price(row.entry_price), _price(row.exit_price),
            Text(_money(pnl), style="green" if (pnl or 0) > 0 else "red"), _number(row.r_multiple, "{:+.2f}"),
            _number(row.fees, "{:.2f}"), str(_present(row.exit_reason) or row.status), str(_present(row.headline) or ""),
        )  # fmt: skip
    return table


def _sources(report: DayReport, truth: pd.DataFrame | None) -> Table | None:
    rows = report.sources
    if rows.empty:
        return None
    numbers = ["tier", "articles", "learned", "90 % interval"] + (["planted"] if truth is not None else [])
    table = _table(
        "Source reliability learned (used from the next session on)", "source", *numbers, numbers=tuple(numbers)
    )
    planted: Mapping[str, float] = (
        dict(zip(truth["outlet"], truth["reliability"], strict=True)) if truth is not None else {}
    )
    for row in rows.head(16).itertuples():
        cells = [
            row.source,
            _whole(row.source_tier),
            str(row.articles),
            f"{row.accuracy:.2f}",
            f"{row.low:.2f} … {row.high:.2f}",
        ]
        if truth is not None:
            cells.append(_number(planted.get(row.source), "{:.2f}"))
        table.add_row(*cells)
    return table


def _timings(report: DayReport) -> Table | None:
    rows = report.stage_timings
    if rows.empty:
        return None
    finished = report.cycles[report.cycles["status"] == "finished"]
    title = f"{len(finished)} cycles, median {finished['wall_ms'].median() / 1000:.2f} s, worst {finished['wall_ms'].max() / 1000:.2f} s"
    table = _table(title, "stage", "median ms", "worst ms", "share", numbers=("median ms", "worst ms", "share"))
    for row in rows.itertuples():
        table.add_row(row.stage, f"{row.median_ms:,.0f}", f"{row.worst_ms:,.0f}", f"{row.share:.0%}")
    return table


def _bottom_line(report: DayReport) -> Panel:
    filled = report.filled
    closed = filled[filled["status"] == "closed"] if len(filled) else filled
    lines = []
    if len(closed):
        pnl = closed["pnl"].astype(float)
        wins = int((pnl > 0).sum())
        lines.append(
            f"{len(closed)} closed trades, {wins} won; net {_money(float(pnl.sum()))}, "
            f"mean {closed['r_multiple'].astype(float).mean():+.2f} R, fees {closed['fees'].astype(float).sum():,.2f} USD"
        )
    if len(report.account):
        first, last = report.account.iloc[0], report.account.iloc[-1]
        lines.append(
            f"equity {first['equity']:,.2f} → {last['equity']:,.2f} USD, open positions at the end: {last['open_positions']:.0f}"
        )
    lines.append("one day says nothing about an edge: compare many sessions before believing any of it")
    return Panel("\n".join(lines), title="the day", expand=False)


def _present(value: Any) -> Any:
    """``value``, or ``None`` when it is missing (NaN, NaT, NA)."""
    return None if value is None or value is pd.NA or value is pd.NaT or value != value else value


def _clock(value: Any) -> str:
    moment = _present(value)
    return pd.Timestamp(moment).tz_convert(NEW_YORK).strftime("%H:%M") if isinstance(moment, datetime) else ""


def _number(value: Any, form: str) -> str:
    return "" if _present(value) is None else form.format(float(value))


def _whole(value: Any) -> str:
    return _number(value, "{:.0f}")


def _price(value: Any) -> str:
    return _number(value, "{:,.2f}")


def _percent(value: Any) -> str:
    return _number(value, "{:+.1f} %")


def _ratio(value: Any) -> str:
    return _number(value, "{:.1f}×")


def _money(value: float | None) -> str:
    return "" if _present(value) is None else f"{value:+,.2f} USD"


def _duration(seconds: Any) -> str:
    value = _present(seconds)
    if value is None:
        return ""
    return f"{value:.0f} s" if value < 120 else f"{value / 60:.0f} min" if value < 7200 else f"{value / 3600:.0f} h"


def _arrow(direction: float) -> str:
    return "▲" if direction > 0 else "▼" if direction < 0 else "•"
