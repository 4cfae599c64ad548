"""From a candidate to a signal: component scores, confidence, size, entry, stop and targets, and the reasons for all of it.

Belongs here: the frame of the table ``trading_signals``. Does not belong here: how many shares (``risk.py``), sending orders
(``execution/``) and the price grid (``prices.py``). Every candidate yields exactly one row; one that may not be traded
says why.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

import pandas as pd

from catalyst_assets.trading import bars as bar_rules
from catalyst_assets.trading.bars import instants, utc
from catalyst_assets.trading.calendar import NEW_YORK, MarketState, TradingCalendar
from catalyst_assets.trading.config import SignalConfig, TradingConfig
from catalyst_assets.trading.indicators import technical_score
from catalyst_assets.trading.prices import NoGeometry, TradePlan, plan
from catalyst_assets.trading.reasons import number, or_none, plain, text, top_hits

COLUMNS: Final = (
    "signal_id",
    "decision_time",
    "symbol",
    "direction",
    "status",
    "reject_reason",
    "confidence",
    "size_fraction",
    "catalyst_component",
    "pattern_component",
    "technical_component",
    "volume_component",
    "entry",
    "stop",
    "target1",
    "target2",
    "reward_risk",
    "atr",
    "spread",
    "catalyst_type",
    "narrative_id",
    "top_news_id",
    "news_ids",
    "best_pattern",
    "strategy_version",
    "reasons",
)
"""Columns of the frame :func:`build` returns: the table ``trading_signals`` without scenario and session."""

STOP_TIMEFRAME: Final = "5min"
"""The timeframe whose ATR measures the stop."""
_STATUS: Final[Mapping[str, str]] = {MarketState.PRE: "prepared", MarketState.REGULAR: "actionable"}
"""What becomes of a good signal in each market state; in the others it is refused."""
NUMBERS: Final = (
    "confidence",
    "size_fraction",
    "catalyst_component",
    "pattern_component",
    "technical_component",
    "volume_component",
    "entry",
    "stop",
    "target1",
    "target2",
    "reward_risk",
    "atr",
    "spread",
)
"""The float64 columns."""
_FIVE: Final = ("atr", "relative_volume", "bar_ts")
_ANALYSIS: Final = (
    "score",
    "direction",
    "best_pattern",
    "best_timeframe",
    "support",
    "resistance",
    "gap_pct",
    "volume_surge",
)
_QUOTE: Final = ("ts", "bid", "ask")


def signal_id(
    scenario: str, session: date, symbol: str, decision_time: datetime, direction: str, strategy_version: str
) -> str:
    """The identity of a signal: 32 hex digits of a hash over everything that makes it that signal.

    The same decision made again has the same id, in any process. Raises ``ValueError`` for a time without a time zone.
    """
    micros = int(instants([decision_time])[0])
    identity = "\x1f".join((scenario, session.isoformat(), symbol, str(micros), direction, strategy_version))
    return hashlib.sha256(identity.encode()).hexdigest()[:32]


def size_fraction(confidence: float, config: SignalConfig) -> float:
    """Share of the full position size a confidence deserves: 1, 0.5, 0.25 or 0. The thresholds belong to the larger size."""
    for threshold, fraction in ((config.full_size, 1.0), (config.half_size, 0.5), (config.quarter_size, 0.25)):
        if confidence >= threshold:
            return fraction
    return 0.0


def volume_score(relative_volume: float, config: SignalConfig) -> float:
    """Relative volume (1 is usual) on a scale 0..100: ``100 · (1 − 2^(−v / volume_half))``.

    With ``volume_half`` 2: none 0, usual 29, twice usual 50, four times 75, saturating at 100. NaN stays NaN.
    """
    if math.isnan(relative_volume):
        return relative_volume
    return float(100 * (1 - 2 ** (-max(relative_volume, 0.0) / config.volume_half)))


def build(
    candidates: pd.DataFrame,
    indicators: pd.DataFrame,
    analysis: pd.DataFrame,
    detections: pd.DataFrame,
    quotes: pd.DataFrame,
    states: pd.Series | Mapping[Any, str],
    config: TradingConfig,
    *,
    scenario: str,
    calendar: TradingCalendar | None = None,
) -> pd.DataFrame:
    """One signal per candidate, in the order of the candidates.

    ``candidates`` are rows of ``trading_candidates``, ``indicators`` of ``technical_indicators``, ``analysis`` of
    ``pattern_analysis``, ``detections`` of ``pattern_detections``; ``quotes`` has ``decision_time, symbol, ts, bid, ask``;
    ``states`` gives the market state of each decision time (as ``TradingCalendar.states``). Scenario and session columns may
    be there and are not needed.

    Confidence = weighted sum of four components 0..100: the candidate's catalyst score; the pattern score
    (``no_pattern_score`` when there is none); the technical score over all timeframes (the scan's own when no indicator is
    known); :func:`volume_score` of the candidate's relative volume (of the session's last 5-minute bar when the scan has none).

    What is unknown is not zero: without a direction, relative volume, technical score, two-sided quote or 5-minute ATR the
    row is ``rejected``, and its missing component is stored as 0. The first reason is ``reject_reason``, all of them are in
    ``reasons["rejections"]``. Good signals are ``prepared`` before the open and ``actionable`` in regular hours; after-hours
    and closed markets reject. Prices are floats exactly on the tick, NaN where no plan exists.

    Raises ``ValueError`` when an input holds a (decision time, symbol) twice or a time has no time zone.
    """
    calendar = calendar or TradingCalendar()
    candidates = candidates.reset_index(drop=True)
    technical = technical_score(indicators, candidates[["decision_time", "symbol", "direction"]], config)
    scores, parts = technical["technical_score"].tolist(), technical["parts"].tolist()
    series = states if isinstance(states, pd.Series) else pd.Series(dict(states), dtype="str")
    state_of = dict(zip(instants(series.index).tolist(), series.tolist(), strict=True))
    at = instants(candidates["decision_time"])
    keys = list(zip(at.tolist(), candidates["symbol"].tolist(), strict=True))
    five = _beside([(*key, STOP_TIMEFRAME) for key in keys], indicators, _FIVE, "timeframe")
    pattern = _beside(keys, analysis, _ANALYSIS)
    quote = _beside(keys, quotes, _QUOTE)
    hits = top_hits(detections)
    sessions = calendar.session_dates(utc(at))
    rows = []
    for n, candidate in enumerate(candidates.to_dict("records")):
        inputs = Inputs(
            candidate=candidate,
            session=sessions[n].item(),
            state=state_of.get(keys[n][0]),
            technical=scores[n],
            technical_parts=parts[n],
            five=five[n],
            pattern=pattern[n],
            quote=quote[n],
            hits=hits.get(keys[n], []),
        )
        row = _signal(inputs, config.signal)
        row["signal_id"] = signal_id(
            scenario,
            inputs.session,
            str(candidate["symbol"]),
            candidate["decision_time"],
            row["direction"],
            config.signal.strategy_version,
        )
        rows.append(row)
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    frame["decision_time"] = utc(at)
    return frame if rows else frame.astype(dict.fromkeys(NUMBERS, "float64"))


@dataclass(frozen=True, slots=True)
class Inputs:
    """Everything one signal is decided from. ``five``, ``pattern`` and ``quote`` are ``None`` when there is no such row."""

    candidate: Mapping[Any, Any]
    session: date
    state: str | None
    technical: float
    technical_parts: Mapping[str, Any]
    five: Mapping[str, Any] | None
    pattern: Mapping[str, Any] | None
    quote: Mapping[str, Any] | None
    hits: Sequence[Mapping[str, Any]]


def _signal(inputs: Inputs, config: SignalConfig) -> dict[str, Any]:
    """One row of the table (the id apart)."""
    candidate = inputs.candidate
    toward = number(candidate["direction"])
    direction = "short" if toward < 0 else "long"
    components = _components(inputs, config)
    # What is unknown adds nothing here, and is a rejection below.
    confidence = sum(part["weight"] * (part["score"] or 0.0) for part in components.values())
    confidence = min(100.0, max(0.0, confidence))
    fraction = size_fraction(confidence, config)
    atr = number((inputs.five or {}).get("atr"))
    trade, refused = _plan(-1 if direction == "short" else 1, inputs.quote, atr, config)

    rejections = []
    if inputs.state is None:
        rejections.append("market state unknown")
    elif inputs.state not in _STATUS:
        rejections.append("no new entries after hours" if inputs.state == MarketState.AFTER else "market closed")
    if math.isnan(toward):
        rejections.append("direction unknown")
    elif abs(toward) < config.min_direction:
        rejections.append(f"direction {toward:+.2f} is below {config.min_direction:g}")
    catalyst = components["catalyst"]["score"]
    if catalyst is not None and catalyst < config.min_catalyst:
        rejections.append(f"catalyst {catalyst:.1f} is below {config.min_catalyst:g}")
    rejections += [f"{name} unknown" for name, part in components.items() if part["score"] is None]
    rejections += refused
    if fraction == 0:
        rejections.append(f"confidence {confidence:.1f} is below {config.quarter_size:g}")
    bid, ask = (number((inputs.quote or {}).get(name)) for name in ("bid", "ask"))
    return {
        "decision_time": candidate["decision_time"],
        "symbol": candidate["symbol"],
        "direction": direction,
        "status": "rejected" if rejections else _STATUS[str(inputs.state)],
        "reject_reason": rejections[0] if rejections else None,
        "confidence": confidence,
        "size_fraction": 0.0 if rejections else fraction,
        **{f"{name}_component": part["score"] or 0.0 for name, part in components.items()},
        "entry": float(trade.entry) if trade else math.nan,
        "stop": float(trade.stop) if trade else math.nan,
        "target1": float(trade.target1) if trade else math.nan,
        "target2": float(trade.target2) if trade else math.nan,
        "reward_risk": float(trade.reward_risk) if trade else math.nan,
        "atr": atr,
        "spread": round(ask - bid, 6),
        "catalyst_type": candidate["catalyst_type"],
        "narrative_id": candidate["narrative_id"],
        "top_news_id": candidate["top_news_id"],
        "news_ids": _news_ids(candidate),
        "best_pattern": text((inputs.pattern or {}).get("best_pattern")),
        "strategy_version": config.strategy_version,
        "reasons": {
            "rejections": rejections,
            "components": {name: plain(part) for name, part in components.items()},
            "inputs": _explained_inputs(inputs),
            "plan": _explained_plan(trade),
        },
    }


def _components(inputs: Inputs, config: SignalConfig) -> dict[str, dict[str, Any]]:
    """The four components: ``score`` (0..100, ``None`` when unknown), ``weight``, and where it comes from."""
    candidate, pattern, five = inputs.candidate, inputs.pattern or {}, inputs.five or {}
    pattern_score = number(pattern.get("score"))
    has_pattern = not math.isnan(pattern_score)
    technical, technical_from = inputs.technical, "indicators"
    if math.isnan(technical):
        technical, technical_from = number(candidate.get("technical_score")), "scan"
    relative, relative_from = number(candidate.get("relative_volume")), "scan"
    # A bar of an earlier session says nothing about the volume now.
    if math.isnan(relative) and five and five["bar_ts"].tz_convert(NEW_YORK).date() == inputs.session:
        relative, relative_from = number(five.get("relative_volume")), f"last {STOP_TIMEFRAME} bar"
    return {
        "catalyst": {
            "score": or_none(number(candidate["catalyst_score"])),
            "weight": config.catalyst_weight,
            "headline": text(candidate.get("headline")),
        },
        "pattern": {
            "score": pattern_score if has_pattern else config.no_pattern_score,
            "weight": config.pattern_weight,
            "from": "patterns" if has_pattern else "no pattern: the neutral score",
            "best": text(pattern.get("best_pattern")),
            "timeframe": text(pattern.get("best_timeframe")),
            "hits": list(inputs.hits),
        },
        "technical": {
            "score": or_none(technical),
            "weight": config.technical_weight,
            "from": technical_from,
            "parts": inputs.technical_parts,
        },
        "volume": {
            "score": or_none(volume_score(relative, config)),
            "weight": config.volume_weight,
            "from": relative_from,
            "relative_volume": or_none(relative),
        },
    }


def _plan(
    side: int, quote: Mapping[str, Any] | None, atr: float, config: SignalConfig
) -> tuple[TradePlan | None, list[str]]:
    """Entry, stop and targets, or why there are none."""
    if quote is None:
        return None, ["no quote"]
    bid, ask = number(quote["bid"]), number(quote["ask"])
    if not 0 < bid <= ask < math.inf:
        return None, [f"unusable quote: bid {bid:g}, ask {ask:g}"]
    if not 0 < atr < math.inf:
        return None, [f"no ATR on {STOP_TIMEFRAME} bars"]
    try:
        return plan(side, bid, ask, atr, config), []
    except NoGeometry as error:
        return None, [str(error)]


def _explained_inputs(inputs: Inputs) -> dict[str, Any]:
    candidate = inputs.candidate
    names = ("rank", "combined_score", "direction", "price", "change_pct", "spread_bps")
    return plain(
        {
            "market_state": inputs.state,
            "candidate": {name: candidate.get(name) for name in names},
            "quote": inputs.quote,
            STOP_TIMEFRAME: inputs.five,
            "pattern_analysis": inputs.pattern,
        }
    )


def _explained_plan(trade: TradePlan | None) -> dict[str, Any] | None:
    if trade is None:
        return None
    return {
        "stop_set_by": trade.rule,
        "risk_per_share": float(trade.risk),
        "risk_pct": round(float(100 * trade.risk / trade.entry), 4),
    }


def _news_ids(candidate: Mapping[Any, Any]) -> list[str]:
    """The articles behind the candidate, the top one first, each once."""
    reasons = candidate.get("reasons")
    others = reasons.get("news_ids", []) if isinstance(reasons, Mapping) else []
    return list(dict.fromkeys(str(one) for one in (candidate["top_news_id"], *others)))


def _beside(
    keys: Sequence[tuple[Any, ...]], frame: pd.DataFrame, names: Sequence[str], *more: str
) -> list[Mapping[str, Any] | None]:
    """The row of ``frame`` for each key (of ``bars.lookup``), as a mapping of ``names``; ``None`` where there is none."""
    index = bar_rules.lookup(frame, *more)
    rows = [index.get(key) for key in keys]
    needed = {row for row in rows if row is not None}
    columns = {name: frame[name] for name in names} if needed else {}
    values = {row: {name: column.iat[row] for name, column in columns.items()} for row in needed}
    return [None if row is None else values[row] for row in rows]
