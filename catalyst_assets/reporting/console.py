"""The day report as tables on a terminal.

Belongs here: layout and wording. Does not belong here: the numbers (``day.py``). Times are shown in New York.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pandas as pd
from rich import box
from rich.console import Console, Group
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from catalyst_assets.reporting.day import STAGES, DayReport

NEW_YORK = "America/New_York"
WIDE = 140
"""Columns of a terminal from which the whole tables are shown."""
PIPED = 150
"""Columns assumed where the output is no terminal: a file or a log has no edge to be cut at."""


def show(report: DayReport, console: Console, *, truth: pd.DataFrame | None = None, picture: str | None = None) -> None:
    """Print the whole report. ``truth`` (columns outlet, reliability) adds a simulated market's planted reliabilities."""
    if not console.is_terminal and console.width < PIPED:
        console.width = PIPED
    console.rule(f"[bold]{report.session:%A %d %B %Y}[/] · {report.scenario}")
    width = console.width
    for part in (
        _collection(report, width),
        _funnel(report, width),
        _candidates(report, width),
        _signals(report, width),
        _trades(report, width),
        _sources(report, truth, width),
        _timings(report, width),
        _cache(report, width),
    ):
        if part is not None:
            console.print(part)
    console.print(_bottom_line(report))
    if picture:
        console.print(f"picture: [bold]{picture}[/]")


@dataclass(frozen=True, slots=True)
class _Column:
    """``number``: right-aligned; ``wide``: left out on a narrow terminal; ``prose``: may be cut, all other columns are shown whole;
    ``below``: prose that on a narrow terminal stands under the table."""

    name: str
    number: bool = False
    wide: bool = False
    prose: bool = False
    below: bool = False


class _Grid:
    """A table whose less important columns leave when the terminal is narrow, with lines of text under it."""

    def __init__(self, title: str, columns: Sequence[_Column], width: int) -> None:
        wide = width >= WIDE
        self._kept = [index for index, column in enumerate(columns) if wide or not (column.wide or column.below)]
        self._below = [] if wide else [index for index, column in enumerate(columns) if column.below]
        self._notes: dict[tuple[str, str], None] = {}
        self._title = Text(title, style="bold")
        self.table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        for column in (columns[index] for index in self._kept):
            prose = column.prose or column.below
            self.table.add_column(
                column.name,
                justify="right" if column.number else "left",
                no_wrap=not (prose and wide),
                overflow="ellipsis",
            )

    def add(self, *cells: str | Text) -> None:
        """A row; ``cells`` of every column, shown or not."""
        self.table.add_row(*(cells[index] for index in self._kept))
        for index in self._below:
            self.note(str(cells[0]), str(cells[index]))

    def note(self, label: str, text: str) -> None:
        """A line under the table, once however often it is given."""
        if text:
            self._notes[(label, text)] = None

    @property
    def whole(self) -> Group:
        """Title, table and lines. The title stands apart because a table breaks its own at its width."""
        lines = Table.grid(padding=(0, 1))
        lines.add_column(no_wrap=True, style="dim")
        lines.add_column(style="dim")
        for label, text in self._notes:
            lines.add_row(Text(label), Text(text))
        below = [Padding(lines, (0, 0, 1, 1))] if self._notes else []
        return Group(self._title, self.table, *below)


def _columns(spec: str) -> list[_Column]:
    """``name`` text, ``name#`` number, ``name~`` prose, ``name>`` prose for below; a leading ``+`` only on wide terminals; parted by
    commas."""
    return [
        _Column(
            word.strip("+#~> "),
            number=word.endswith("#"),
            wide=word.startswith("+"),
            prose=word.endswith("~"),
            below=word.endswith(">"),
        )
        for word in (part.strip() for part in spec.split(","))
    ]


def _collection(report: DayReport, width: int) -> Group | None:
    rows = report.collection
    if rows.empty:
        if report.outlets.empty:
            return None
        grid = _Grid("Articles", _columns("outlet, tier#, articles#, with a catalyst#"), width)
        for row in report.outlets.head(12).itertuples():
            grid.add(row.source, _whole(row.tier), str(row.articles), str(row.with_catalyst))
        return grid.whole
    spec = "vendor, +requests#, +fetched#, new#, duplicates#, edits#, refused#, failures#, +waits#, median delay#, +median call#"
    grid = _Grid("Articles by vendor", _columns(spec), width)
    for row in rows.itertuples():
        grid.add(
            row.provider, str(row.requests), str(row.fetched), str(row.inserted), str(row.duplicates), str(row.revisions),
            str(row.quarantined), str(row.failures), str(row.waits), _duration(row.median_delay_s), f"{row.median_ms:,.0f} ms",
        )  # fmt: skip
    return grid.whole


def _funnel(report: DayReport, width: int) -> Group | None:
    funnel = report.funnel
    if funnel.empty:
        return None
    grid = _Grid("Funnel (symbols a cycle)", _columns(", " + ", ".join(f"{stage}#" for stage in STAGES)), width)
    grid.add("median", *(f"{funnel[stage].median():.0f}" for stage in STAGES))
    grid.add("most", *(str(funnel[stage].max()) for stage in STAGES))
    for row in report.cuts.head(6).itertuples():
        times = ("" if stage != row.stage else f"{row.times:,}" for stage in STAGES)
        grid.add(Text(f"cut: {row.reason}", style="dim"), *times)
    return grid.whole


def _candidates(report: DayReport, width: int) -> Group | None:
    if report.candidates.empty:
        return None
    spec = "symbol, when, score#, +catalyst#, +technical#, move#, +rel. vol.#, +cycles#, +type, headline>"
    grid = _Grid("Candidates at their best, and the headline that moved them", _columns(spec), width)
    for row in report.candidates.head(10).itertuples():
        grid.add(
            _arrow(row.direction) + f" {row.symbol}", _clock(row.decision_time), f"{row.combined_score:.0f}",
            f"{row.catalyst_score:.0f}", f"{row.technical_score:.0f}", _percent(row.change_pct), _ratio(row.relative_volume),
            str(row.cycles), row.catalyst_type.replace("_", " "), row.headline,
        )  # fmt: skip
    return grid.whole


def _signals(report: DayReport, width: int) -> Group | None:
    rows = report.signals
    if rows.empty:
        return None
    counts = rows["status"].value_counts().to_dict()
    sent = int(rows["allowed"].fillna(False).astype(bool).sum())
    title = f"Signals: {len(rows)} ({', '.join(f'{n} {name}' for name, n in counts.items())}); {sent} became orders"
    spec = "when, symbol, confidence#, +catalyst#, +pattern#, +technical#, +volume#, entry#, stop#, target#, +R/R#, decision~"
    grid = _Grid(title, _columns(spec), width)
    tradeable = rows[rows["status"] == "actionable"]
    chosen = tradeable.sort_values(["allowed", "confidence"], ascending=False, na_position="last").head(10)
    for row in chosen.sort_values("decision_time").itertuples():
        decision = f"ordered {row.qty:.0f}" if row.allowed is True else str(_present(row.risk_message) or "not sent")
        grid.add(
            _clock(row.decision_time), f"{'▲' if row.direction == 'long' else '▼'} {row.symbol}", f"{row.confidence:.0f}",
            f"{row.catalyst_component:.0f}", f"{row.pattern_component:.0f}", f"{row.technical_component:.0f}",
            f"{row.volume_component:.0f}", _price(row.entry), _price(row.stop), _price(row.target1), f"{row.reward_risk:.2f}",
            decision,
        )  # fmt: skip
    reasons = pd.concat([rows["reject_reason"], rows.loc[rows["allowed"].eq(False), "risk_message"]]).dropna()
    general = reasons.astype(str).str.replace(r"-?\d+([.,]\d+)*", "#", regex=True)
    for reason, times in general.value_counts().head(5).items():
        grid.note(f"{times}×", str(reason))
    return grid.whole


def _trades(report: DayReport, width: int) -> Group | Text:
    rows = report.trades
    if rows.empty:
        return Text("Trades: none\n", style="bold")
    filled = report.filled
    title = f"Trades: {len(filled)} filled of {len(rows)}, net {_money(report.net_pnl)}"
    spec = "symbol, in, out, +shares#, entry#, exit#, P&L#, R#, +fees#, exit reason, headline>"
    grid = _Grid(title, _columns(spec), width)
    for row in filled.itertuples():
        pnl = _present(row.pnl)
        grid.add(
            f"{'▲' if row.direction == 'long' else '▼'} {row.symbol}", _clock(row.entry_time), _clock(row.exit_time),
            f"{row.filled_qty:.0f}", _price(row.entry_price), _price(row.exit_price),
            Text(_number(pnl, "{:+,.2f}"), style="green" if (pnl or 0) > 0 else "red"), _number(row.r_multiple, "{:+.2f}"),
            _number(row.fees, "{:.2f}"), str(_present(row.exit_reason) or row.status), str(_present(row.headline) or ""),
        )  # fmt: skip
    return grid.whole


def _sources(report: DayReport, truth: pd.DataFrame | None, width: int) -> Group | None:
    rows = report.sources
    if rows.empty:
        return None
    spec = "source, tier#, articles#, learned#, 90 % interval#" + (", planted#" if truth is not None else "")
    grid = _Grid("Source reliability learned (used from the next session on)", _columns(spec), width)
    planted: Mapping[str, float] = {}
    if truth is not None:
        planted = dict(zip(truth["outlet"], truth["reliability"], strict=True))
    for row in rows.head(16).itertuples():
        cells = [row.source, _whole(row.source_tier), str(row.articles), f"{row.accuracy:.2f}"]
        cells.append(f"{row.low:.2f} … {row.high:.2f}")
        if truth is not None:
            cells.append(_number(planted.get(row.source), "{:.2f}"))
        grid.add(*cells)
    if truth is not None:
        grid.table.caption = (
            "learned: share of articles the price agreed with; planted: share of the outlet's scoops that are true"
        )
    return grid.whole


def _timings(report: DayReport, width: int) -> Group | None:
    rows = report.stage_timings
    if rows.empty:
        return None
    finished = report.cycles[report.cycles["status"] == "finished"]
    seconds = finished["wall_ms"] / 1000
    title = f"{len(finished)} cycles, median {seconds.median():.2f} s, worst {seconds.max():.2f} s"
    grid = _Grid(title, _columns("stage, median ms#, worst ms#, share#"), width)
    for row in rows.itertuples():
        grid.add(row.stage, f"{row.median_ms:,.0f}", f"{row.worst_ms:,.0f}", f"{row.share:.0%}")
    return grid.whole


def _cache(report: DayReport, width: int) -> Group | None:
    rows = report.cache
    if rows.empty:
        return None
    grid = _Grid("Cache over the cycles", _columns("kind, asked#, hits#, misses#, errors#, hit rate#"), width)
    for row in rows.itertuples():
        asked = row.hits + row.misses + row.errors
        grid.add(row.kind, f"{asked:,}", f"{row.hits:,}", f"{row.misses:,}", f"{row.errors:,}", f"{row.hit_rate:.0%}")
    return grid.whole


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
