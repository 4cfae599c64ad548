"""Asset checks: what must be true of the data after each stage, each a pure function of frames.

Belongs here: the rules and their names, severities and sentences. Does not belong here: where the frames come from (the asset that
produced them hands them over, so a check costs no query of its own) or what the order step tests again by itself (``trading/risk.py``).

A check that makes trading unsafe is ``blocking`` with severity ERROR: Dagster then stops the stages after it in the same run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import dagster as dg
import numpy as np
import pandas as pd

from catalyst_assets.ports import TIMEFRAMES

ERROR, WARN = dg.AssetCheckSeverity.ERROR, dg.AssetCheckSeverity.WARN


@dataclass(frozen=True, slots=True)
class Rule:
    """A check as Dagster knows it."""

    asset: str
    name: str
    description: str
    blocking: bool = False
    severity: dg.AssetCheckSeverity = ERROR

    @property
    def spec(self) -> dg.AssetCheckSpec:
        return dg.AssetCheckSpec(self.name, asset=self.asset, description=self.description, blocking=self.blocking)


@dataclass(frozen=True, slots=True)
class Finding:
    """The answer of a check for one session: how many rows broke the rule, a sentence, and numbers worth keeping."""

    bad: int
    said: str
    numbers: Mapping[str, Any] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        return self.bad == 0


_RULES = (
    Rule("active_universe", "universe_is_common_stock", "only tradable common stocks: no funds, warrants, units or preferreds", True),
    Rule("active_universe", "universe_has_symbols", "there is something to scan", severity=WARN),
    Rule("news_raw", "article_ids_unique", "one row per article and per vendor id", True),
    Rule("news_raw", "article_times_known_and_past", "no unknown publication time and none in the future", True),
    Rule("news_raw", "articles_not_visible_early", "no article is available before it was published or first seen", True),
    Rule("news_collection_stats", "collection_is_fresh", "every live source answered lately", severity=WARN),
    Rule("news_collection_stats", "collection_adds_up", "fetched = inserted + duplicates + revisions + quarantined", severity=WARN),
    Rule("news_features", "features_complete", "every available article has features of the present rules", True),
    Rule("narrative_clusters", "narratives_look_back_only", "a narrative begins with its first article and knows no later one", True),
    Rule("market_bars", "bars_are_possible", "low ≤ open, close ≤ high, prices positive, volume not negative", True),
    Rule("market_bars", "bars_are_current", "bars of the scanned symbols reach up to the decision while the market trades", severity=WARN),
    Rule("market_bars", "bars_have_few_gaps", "minutes without a bar between a symbol's first and last are few", severity=WARN),
    Rule("scan_evaluations", "funnel_narrows", "each stage of the scan keeps no more than its limit and every cut has a reason"),
    Rule("scan_evaluations", "scores_in_range", "scores lie in 0…100 and directions in −1…1", True),
    Rule("trading_candidates", "candidates_have_past_news", "the article behind a candidate was available when it was chosen", True),
    Rule("technical_indicators", "indicators_use_complete_bars", "no indicator looks at a bar that was not complete", True),
    Rule("pattern_analysis", "patterns_use_complete_bars", "no pattern looks at a bar that was not complete", True),
    Rule("trading_signals", "stop_and_targets_on_their_side", "long: stop < entry < target 1 ≤ target 2; short: mirrored", True),
    Rule("trading_signals", "reward_pays_for_risk", "reward to risk is at least the configured minimum", True),
    Rule("trading_signals", "signals_rest_on_fresh_quotes", "no tradable signal rests on an old, missing or crossed quote", True),
    Rule("trading_signals", "signals_are_explained", "confidence is its weighted parts; a rejected signal says why"),
    Rule("trade_records", "every_signal_answered", "every tradable signal was allowed or refused with a rule"),
    Rule("trade_records", "journal_agrees_with_broker", "our journal and the broker's book tell the same story"),
    Rule("positions", "positions_are_protected", "every share held has a stop resting at the broker"),
    Rule("article_outcomes", "outcomes_complete", "articles with a mover and enough bars after them have outcomes", severity=WARN),
    Rule("source_metrics", "source_posteriors_sane", "accuracy lies inside its interval, and in 0…1"),
    Rule("pattern_metrics", "pattern_posteriors_sane", "success lies inside its interval, and in 0…1"),
    Rule("trading_cycles", "cycle_in_time", "the cycle ended before it was too late to act on it", severity=WARN),
)  # fmt: skip
RULES: Mapping[str, Rule] = {rule.name: rule for rule in _RULES}


def specs_of(asset: str) -> list[dg.AssetCheckSpec]:
    """The check specs of an asset, for ``@dg.asset(check_specs=…)``."""
    return [rule.spec for rule in _RULES if rule.asset == asset]


def result(name: str, findings: list[Finding]) -> dg.AssetCheckResult:
    """One Dagster result for the findings of all sessions of a run."""
    rule = RULES[name]
    bad = sum(finding.bad for finding in findings)
    wrong = [finding.said for finding in findings if not finding.passed]
    metadata: dict[str, Any] = {"violations": bad}
    if findings:
        metadata |= dict(findings[-1].numbers)
    sentence = "; ".join(wrong[:3]) if wrong else (findings[-1].said if findings else "nothing to check")
    return dg.AssetCheckResult(
        check_name=name, passed=bad == 0, severity=rule.severity, metadata=metadata, description=sentence
    )


def _count(mask: Any) -> int:
    return int(np.asarray(mask, dtype=bool).sum())


def _finding(bad: int, good: str, wrong: str, **numbers: Any) -> Finding:
    return Finding(bad, good if not bad else wrong, numbers)


# ---------------------------------------------------------------------------------------------------------------- universe


def universe_is_common_stock(universe: pd.DataFrame, instruments: pd.DataFrame) -> Finding:
    """``instruments``: the rows of the universe's symbols. A symbol without an instrument row is unknown, which is not common stock."""
    good = set(instruments.loc[instruments["is_common_stock"] & instruments["tradable"], "symbol"])
    strange = sorted(set(universe["symbol"]) - good)
    return _finding(
        len(strange), f"{universe['symbol'].nunique()} symbols", f"not tradable common stock: {', '.join(strange[:8])}"
    )


def universe_has_symbols(universe: pd.DataFrame, decision_times: pd.DatetimeIndex) -> Finding:
    per_time = universe.groupby("decision_time").size().reindex(decision_times, fill_value=0)
    empty = _count(per_time == 0)
    return _finding(
        empty, f"{per_time.median():.0f} symbols per decision", f"no symbols at {empty} of {len(per_time)} decisions"
    )


# -------------------------------------------------------------------------------------------------------------------- news


def article_ids_unique(raw: pd.DataFrame) -> Finding:
    with_id = raw[raw["vendor_id"].notna()]
    bad = _count(raw["news_id"].duplicated()) + _count(with_id.duplicated(["provider", "vendor_id"]))
    return _finding(bad, f"{len(raw)} articles", f"{bad} articles stored more than once")


def article_times_known_and_past(raw: pd.DataFrame, now: datetime, tolerance_seconds: float) -> Finding:
    unknown = _count(raw[["published_at", "first_seen_at", "available_at"]].isna().any(axis=1))
    future = _count(raw["published_at"] > pd.Timestamp(now) + timedelta(seconds=tolerance_seconds))
    return _finding(
        unknown + future, f"{len(raw)} articles", f"{unknown} without a time, {future} published in the future",
        unknown=unknown, future=future,
    )  # fmt: skip


def articles_not_visible_early(raw: pd.DataFrame) -> Finding:
    """Available before publication is a look into the future, whatever the vendor's clock says."""
    early = _count(raw["available_at"] < raw["published_at"])
    return _finding(early, f"{len(raw)} articles", f"{early} articles available before they were published")


def collection_is_fresh(stats: pd.DataFrame, live_sources: list[str], at: datetime, limit: timedelta) -> Finding:
    """``stats``: rows of news_collection_stats of the session. A source is fresh when a collection without error began within ``limit``."""
    good = stats[stats["error"].isna()]
    last = good.groupby("provider")["decision_time"].max()
    ages = {
        name: (pd.Timestamp(at) - last[name]).total_seconds() / 60 if name in last.index else float("inf")
        for name in live_sources
    }
    silent = sorted(name for name, age in ages.items() if age > limit.total_seconds() / 60)
    numbers = {f"minutes_since_{name}": round(age, 1) for name, age in ages.items() if np.isfinite(age)}
    return _finding(
        len(silent),
        f"{len(live_sources)} live sources answered",
        f"no answer lately from {', '.join(silent)}",
        **numbers,
    )


def collection_adds_up(stats: pd.DataFrame) -> Finding:
    parts = stats[["inserted", "duplicates", "revisions", "quarantined"]].sum(axis=1)
    bad = _count(parts != stats["fetched"])
    return _finding(bad, f"{len(stats)} collections", f"{bad} collections whose counts do not add up")


def features_complete(missing: int, articles: int) -> Finding:
    return _finding(missing, f"{articles} articles with features", f"{missing} available articles without features")


def narratives_look_back_only(members: pd.DataFrame, clusters: pd.DataFrame) -> Finding:
    """A member may not be available before its narrative began, and the narrative's first article is its earliest member.

    ``members``: mentions with their narrative, ``available_at`` included; ``clusters``: the narratives as they stand."""
    joined = members.merge(clusters[["narrative_id", "first_at", "first_news_id"]], on="narrative_id", how="inner")
    early = _count(joined["available_at"] < joined["first_at"])
    first = joined[joined["news_id"] == joined["first_news_id"]]
    other = _count(first["available_at"] != first["first_at"])
    return _finding(
        early + other, f"{clusters['narrative_id'].nunique()} narratives",
        f"{early} articles older than their narrative, {other} narratives that do not begin with their first article",
    )  # fmt: skip


# -------------------------------------------------------------------------------------------------------------------- bars


def bars_are_possible(bars: pd.DataFrame) -> Finding:
    low, high = bars["low"], bars["high"]
    slack = 1e-9 * high.abs()
    wrong = (
        (low > bars[["open", "close"]].min(axis=1) + slack)
        | (high < bars[["open", "close"]].max(axis=1) - slack)
        | (low <= 0)
        | (bars["volume"] < 0)
        | bars[["open", "high", "low", "close", "volume"]].isna().any(axis=1)
    )
    bad = _count(wrong)
    who = ", ".join(sorted(set(bars.loc[wrong, "symbol"]))[:5])
    return _finding(bad, f"{len(bars)} bars", f"{bad} impossible bars ({who})")


def bars_are_current(
    bars: pd.DataFrame, symbols: list[str], at: datetime, limit: timedelta, *, trading: bool
) -> Finding:
    """While the market trades, at most a quarter of the symbols may have no bar that began within ``limit`` of ``at``."""
    if not trading or not symbols:
        return Finding(0, "the market is not in regular hours")
    last = bars.groupby("symbol")["ts"].max().reindex(symbols)
    old = last.isna() | (last < pd.Timestamp(at) - limit)
    stale = _count(old)
    bad = stale if stale > len(symbols) / 4 else 0
    return _finding(
        bad, f"{len(symbols) - stale} of {len(symbols)} symbols current", f"{stale} of {len(symbols)} symbols have old bars",
        stale=stale,
    )  # fmt: skip


def bars_have_few_gaps(bars: pd.DataFrame, length: timedelta, limit: float = 0.25) -> Finding:
    """``bars`` of one session's regular hours. A minute without a trade has no bar, so some gaps are normal."""
    if bars.empty:
        return Finding(0, "no bars in regular hours yet")
    spans = bars.groupby("symbol")["ts"].agg(["min", "max", "count"])
    expected = (spans["max"] - spans["min"]) / length + 1
    missing = (1 - spans["count"] / expected).clip(lower=0)
    thin = sorted(missing.index[missing > limit])
    return _finding(
        len(thin), f"{missing.mean():.1%} of the bars are missing", f"many gaps in {', '.join(thin[:8])}",
        mean_missing=round(float(missing.mean()), 4),
    )  # fmt: skip


# -------------------------------------------------------------------------------------------------------------------- scan

STAGES = ("universe", "catalyst", "validated", "selected")


def funnel_narrows(evaluations: pd.DataFrame, limits: Mapping[str, int]) -> Finding:
    """``limits``: most symbols that may reach each stage at one decision time."""
    if evaluations.empty:
        return Finding(0, "nothing was evaluated")
    reached = evaluations.pivot_table(index="decision_time", columns="stage", values="symbol", aggfunc="count")
    reached = reached.reindex(columns=list(STAGES)).fillna(0)
    reached = reached[list(reversed(STAGES))].cumsum(axis=1)
    wide = sum(_count(reached[stage] > limit) for stage, limit in limits.items())
    silent = _count((evaluations["stage"] != "selected") & evaluations["cut_reason"].isna())
    last = reached.iloc[-1]
    return _finding(
        wide + silent, " → ".join(f"{int(last[stage])} {stage}" for stage in STAGES),
        f"{wide} stages wider than allowed, {silent} symbols cut without a reason",
        **{stage: int(last[stage]) for stage in STAGES},
    )  # fmt: skip


def scores_in_range(evaluations: pd.DataFrame) -> Finding:
    scores = evaluations[["catalyst_score", "technical_score", "combined_score"]].astype("float64")
    outside = ((scores < 0) | (scores > 100)).any(axis=1) | evaluations["catalyst_score"].isna()
    turned = evaluations["direction"].astype("float64").abs() > 1 + 1e-9
    bad = _count(outside | turned)
    return _finding(bad, f"{len(evaluations)} evaluations", f"{bad} evaluations with a score outside its range")


def candidates_have_past_news(candidates: pd.DataFrame, available: Mapping[str, pd.Timestamp]) -> Finding:
    """``available``: when each candidate's top article became available."""
    seen = candidates["top_news_id"].map(available)
    bad = _count(seen.isna() | (pd.to_datetime(seen, utc=True) > candidates["decision_time"])) if len(candidates) else 0
    return _finding(bad, f"{len(candidates)} candidates", f"{bad} candidates chosen on news that was not available yet")


def uses_complete_bars(rows: pd.DataFrame) -> Finding:
    """``rows``: decision_time, timeframe, bar_ts. Daily bars are labelled by midnight and complete at their session's close, so
    one labelled less than half a day before the decision would be today's."""
    lengths = rows["timeframe"].map({name: pd.Timedelta(length) for name, length in TIMEFRAMES.items()})
    daily = rows["timeframe"] == "1day"
    done = rows["bar_ts"] + pd.to_timedelta(lengths.where(~daily, pd.Timedelta(hours=13)))
    bad = _count(done > rows["decision_time"]) if len(rows) else 0
    return _finding(bad, f"{len(rows)} rows", f"{bad} rows computed on a bar that was still open")


# ----------------------------------------------------------------------------------------------------------------- signals


def _tradable(signals: pd.DataFrame) -> pd.DataFrame:
    return signals[signals["status"] != "rejected"]


def stop_and_targets_on_their_side(signals: pd.DataFrame) -> Finding:
    live = _tradable(signals)
    sign = np.where(live["direction"] == "long", 1.0, -1.0)
    entry, stop, first, second = (live[name].astype("float64") for name in ("entry", "stop", "target1", "target2"))
    right = (sign * (entry - stop) > 0) & (sign * (first - entry) > 0) & (sign * (second - first) >= 0)
    bad = _count(~right)
    return _finding(bad, f"{len(live)} tradable signals", f"{bad} signals with a stop or target on the wrong side")


def reward_pays_for_risk(signals: pd.DataFrame, minimum: float) -> Finding:
    """From the prices themselves, not from the stored ratio; rounding to the tick may cost a cent on either side."""
    live = _tradable(signals)
    entry, stop, first = (live[name].astype("float64") for name in ("entry", "stop", "target1"))
    risk, reward = (entry - stop).abs(), (first - entry).abs()
    bad = _count(~(reward + 0.011 >= minimum * (risk - 0.011)))
    return _finding(bad, f"{len(live)} tradable signals", f"{bad} signals whose target does not pay for their risk")


def signals_rest_on_fresh_quotes(signals: pd.DataFrame, quotes: pd.DataFrame, limit_seconds: float) -> Finding:
    """``quotes``: decision_time, symbol, ts, bid, ask as the signals saw them."""
    live = _tradable(signals)[["decision_time", "symbol"]].merge(quotes, on=["decision_time", "symbol"], how="left")
    age = (live["decision_time"] - live["ts"]).dt.total_seconds() if len(live) else pd.Series(dtype="float64")
    bad = _count(~(age <= limit_seconds) | ~(live["bid"] > 0) | ~(live["ask"] >= live["bid"])) if len(live) else 0
    return _finding(bad, f"{len(live)} tradable signals", f"{bad} tradable signals on an old or missing quote")


def signals_are_explained(signals: pd.DataFrame, weights: Mapping[str, float]) -> Finding:
    """``weights`` by component column."""
    blend = sum(signals[name].astype("float64") * weight for name, weight in weights.items())
    off = _count((blend - signals["confidence"].astype("float64")).abs() > 0.01) if len(signals) else 0
    mute = _count((signals["status"] == "rejected") & signals["reject_reason"].isna())
    reasons = signals.loc[signals["status"] == "rejected", "reject_reason"].value_counts().head(5)
    return _finding(
        off + mute, f"{len(signals)} signals", f"{off} confidences that are not their parts, {mute} rejections without a reason",
        **{f"rejected: {reason}": int(count) for reason, count in reasons.items()},
    )  # fmt: skip


# ----------------------------------------------------------------------------------------------------------------- trading


def every_signal_answered(signals: pd.DataFrame, decided_signal_ids: set[str], traded_signal_ids: set[str]) -> Finding:
    """Every actionable signal has a risk decision or a trade."""
    wanted = set(signals.loc[signals["status"] == "actionable", "signal_id"])
    silent = wanted - decided_signal_ids - traded_signal_ids
    return _finding(
        len(silent), f"{len(wanted)} actionable signals answered", f"{len(silent)} actionable signals without an answer"
    )


def journal_agrees_with_broker(disagreements: list[str], checked: int) -> Finding:
    """``disagreements``: sentences of the synchronisation."""
    return _finding(len(disagreements), f"{checked} orders agree", "; ".join(disagreements[:3]), orders=checked)


def positions_are_protected(uncovered: Mapping[str, int], open_positions: int) -> Finding:
    """``uncovered``: shares without a resting stop by symbol."""
    naked = {symbol: shares for symbol, shares in uncovered.items() if shares > 0}
    sentence = ", ".join(f"{shares} {symbol}" for symbol, shares in sorted(naked.items())[:5])
    return _finding(len(naked), f"{open_positions} positions, all protected", f"without a stop: {sentence}")


# ---------------------------------------------------------------------------------------------------------------- feedback


def outcomes_complete(wanted: set[tuple[str, str]], outcomes: pd.DataFrame, tolerated: float = 0.1) -> Finding:
    """``wanted``: (news_id, symbol) whose horizon ended in the session on a symbol with bars. A tenth may lack prices."""
    done = set(zip(outcomes["news_id"], outcomes["symbol"], strict=True)) if len(outcomes) else set()
    missing = wanted - done
    bad = len(missing) if len(missing) > tolerated * len(wanted) else 0
    return _finding(
        bad,
        f"{len(wanted) - len(missing)} of {len(wanted)} articles labelled",
        f"{len(missing)} of {len(wanted)} articles not labelled",
    )


def posteriors_sane(metrics: pd.DataFrame, value: str) -> Finding:
    inside = metrics[value].between(metrics["low"], metrics["high"]) & metrics[value].between(0, 1)
    bad = _count(~inside) if len(metrics) else 0
    return _finding(bad, f"{len(metrics)} posteriors", f"{bad} posteriors outside their own interval")


# -------------------------------------------------------------------------------------------------------------- operations


def cycle_in_time(decision_time: datetime, finished_at: datetime, limit_seconds: float, *, live: bool) -> Finding:
    """By the clock that rules: the simulated market's when it runs faster than ours."""
    took = (pd.Timestamp(finished_at) - pd.Timestamp(decision_time)).total_seconds()
    bad = int(live and took > limit_seconds)
    return _finding(
        bad,
        f"{took:.1f} s after its decision time",
        f"ended {took:.0f} s after its decision time",
        seconds=round(took, 2),
    )


Evaluator = Callable[..., Finding]
