"""One session of one scenario, gathered from the stored rows.

Belongs here: the queries and the few sums of a day report. Does not belong here: how it looks (``console.py``, ``picture.py``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import pandas as pd

from catalyst_assets.storage.database import Database

STAGES = ("universe", "catalyst", "validated", "selected")
"""The stages of the funnel, widest first; an evaluation carries the last one it reached."""

_QUERIES: Mapping[str, str] = {
    "collection": """
        select provider, sum(requests)::int requests, sum(fetched)::int fetched, sum(inserted)::int inserted,
               sum(duplicates)::int duplicates, sum(revisions)::int revisions, sum(quarantined)::int quarantined,
               count(error) filter (where error not like 'budget: %')::int failures,
               count(error) filter (where error like 'budget: %')::int waits,
               percentile_cont(0.5) within group (order by median_delay_s) median_delay_s,
               percentile_cont(0.5) within group (order by duration_ms) median_ms
        from news_collection_stats where session = :session group by provider order by inserted desc, provider""",
    "outlets": """
        select r.source, count(*)::int articles, min(f.source_tier)::int tier,
               count(*) filter (where f.catalyst_type <> 'other')::int with_catalyst
        from news_raw r left join news_features f using (news_id)
        where r.session = :session group by r.source order by articles desc, r.source""",
    "evaluations": """
        select decision_time, stage, count(*)::int symbols from scan_evaluations
        where scenario = :scenario and session = :session group by decision_time, stage order by decision_time""",
    "cuts": """
        select stage, regexp_replace(cut_reason, '-?[0-9]+([.,][0-9]+)*', '#', 'g') reason, count(*)::int times
        from scan_evaluations where scenario = :scenario and session = :session and cut_reason is not null
        group by 1, 2 order by times desc limit 12""",
    "candidates": """
        select * from (
            select distinct on (symbol) symbol, decision_time, rank, combined_score, catalyst_score, technical_score, direction,
                   catalyst_type, headline, change_pct, relative_volume,
                   count(*) over (partition by symbol)::int cycles
            from trading_candidates where scenario = :scenario and session = :session
            order by symbol, combined_score desc, decision_time) best
        order by combined_score desc, symbol""",
    "signals": """
        select s.*, d.allowed, d.rule, d.message as risk_message, d.qty
        from trading_signals s
        left join lateral (select allowed, rule, message, qty from risk_decisions r
                           where r.signal_id = s.signal_id order by decided_at desc limit 1) d on true
        where s.scenario = :scenario and s.session = :session order by s.decision_time, s.confidence desc, s.symbol""",
    "trades": """
        select t.*, r.headline, r.source from trade_records t left join news_raw r on r.news_id = t.top_news_id
        where t.scenario = :scenario and t.session = :session order by coalesce(t.entry_time, t.created_at), t.symbol""",
    "account": """
        select at, equity, cash, open_positions, day_pnl from account_snapshots
        where scenario = :scenario and session = :session order by at""",
    "sources": """
        select source, source_tier, accuracy, low, high, observations, articles from source_metrics
        where scenario = :scenario and session = :session and catalyst_type = '*' order by observations desc, source""",
    "cycles": """
        select decision_time, mode, status, counts, timings_ms, message,
               extract(epoch from (finished_at - started_at)) * 1000 as wall_ms
        from trading_cycles where scenario = :scenario and session = :session order by decision_time""",
}


@dataclass(frozen=True)
class DayReport:
    """The rows of a day, one frame per subject (columns: the queries above). Money in USD, times UTC."""

    session: date
    scenario: str
    collection: pd.DataFrame
    outlets: pd.DataFrame
    evaluations: pd.DataFrame
    cuts: pd.DataFrame
    candidates: pd.DataFrame
    signals: pd.DataFrame
    trades: pd.DataFrame
    account: pd.DataFrame
    sources: pd.DataFrame
    cycles: pd.DataFrame

    @property
    def funnel(self) -> pd.DataFrame:
        """Symbols that reached at least each stage, by decision time: columns universe, catalyst, validated, selected."""
        if self.evaluations.empty:
            return pd.DataFrame(columns=list(STAGES))
        reached = self.evaluations.pivot_table(index="decision_time", columns="stage", values="symbols", aggfunc="sum")
        reached = reached.reindex(columns=list(STAGES)).fillna(0).astype(int)
        # a symbol that reached a later stage also passed every earlier one
        return reached[list(reversed(STAGES))].cumsum(axis=1)[list(STAGES)]

    @property
    def filled(self) -> pd.DataFrame:
        """The trades that held shares."""
        return self.trades[self.trades["filled_qty"] > 0] if len(self.trades) else self.trades

    @property
    def net_pnl(self) -> float:
        """Profit and loss of the closed trades after fees, USD."""
        return float(self.filled["pnl"].astype(float).sum()) if len(self.filled) else 0.0

    @property
    def stage_timings(self) -> pd.DataFrame:
        """Milliseconds by stage over the finished cycles: columns stage, median_ms, worst_ms, share (of the summed medians)."""
        rows = [
            {"stage": stage, "ms": float(ms)}
            for timings in self.cycles.loc[self.cycles["status"] == "finished", "timings_ms"]
            for stage, ms in (timings or {}).items()
        ]
        if not rows:
            return pd.DataFrame(columns=["stage", "median_ms", "worst_ms", "share"])
        table = (
            pd.DataFrame(rows).groupby("stage", sort=False)["ms"].agg(median_ms="median", worst_ms="max").reset_index()
        )
        table["share"] = table["median_ms"] / max(table["median_ms"].sum(), 1e-9)
        return table

    @property
    def cache(self) -> pd.DataFrame:
        """The cache over the session's cycles: columns kind, hits, misses, errors, hit_rate (hits of all that was asked)."""
        rows = [
            {"kind": kind, **tally}
            for counts in self.cycles["counts"]
            for kind, tally in ((counts or {}).get("cache") or {}).items()
        ]
        if not rows:
            return pd.DataFrame(columns=["kind", "hits", "misses", "errors", "hit_rate"])
        table = pd.DataFrame(rows).groupby("kind", as_index=False)[["hits", "misses", "errors"]].sum()
        return table.assign(hit_rate=table["hits"] / table[["hits", "misses", "errors"]].sum(axis=1))

    def empty_stages(self) -> list[str]:
        """What a whole day should have produced and did not, in words; empty when every stage produced something."""
        produced = {
            "articles": len(self.outlets),
            "evaluated symbols": len(self.evaluations),
            "candidates": len(self.candidates),
            "signals": len(self.signals),
            "trades with a fill": len(self.filled),
            "closed trades": int((self.trades["status"] == "closed").sum()) if len(self.trades) else 0,
            "account snapshots": len(self.account),
            "source reliabilities": len(self.sources),
            "cycles": len(self.cycles),
            **{f"articles of {row.provider}": row.inserted for row in self.collection.itertuples()},
        }
        return [name for name, count in produced.items() if count == 0]


def cache_line(counted: Mapping[str, Mapping[str, int]]) -> str:
    """A cache's counts (``hits, misses, errors`` by kind) in one line: ``patterns 12 of 20 (60 %), …``."""
    parts = []
    for kind, tally in counted.items():
        asked = sum(tally.values())
        errors = f", {tally['errors']} failed" if tally["errors"] else ""
        parts.append(f"{kind} {tally['hits']} of {asked} ({tally['hits'] / max(asked, 1):.0%}){errors}")
    return "; ".join(parts) or "not asked"


def gather(database: Database, session: date, scenario: str) -> DayReport:
    """The report of ``session`` in ``scenario``. Raises :class:`~catalyst_assets.storage.database.DatabaseUnavailable`."""
    params = {"session": session, "scenario": scenario}
    frames = {
        name: database.read(sql, {k: v for k, v in params.items() if f":{k}" in sql}) for name, sql in _QUERIES.items()
    }
    return DayReport(session=session, scenario=scenario, **frames)


def latest_session(database: Database, scenario: str) -> date | None:
    """The newest session with a cycle in ``scenario``, ``None`` when there is none."""
    found: date | None = database.scalar(
        "select max(session) from trading_cycles where scenario = :scenario", {"scenario": scenario}
    )
    return found
