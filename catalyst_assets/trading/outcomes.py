"""What happened afterwards: labels of articles, patterns and trades, and the reliability learned from them.

Belongs here: accuracy labels, Beta posteriors of sources and patterns, the result of a trade. Does not belong here:
abnormal moves (``abnormal.py``), or where results are used (``catalyst_score.py``, ``patterns.py``), always from the
next session on.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from catalyst_assets.ports import TIMEFRAMES
from catalyst_assets.trading.abnormal import PriceHistory
from catalyst_assets.trading.calendar import TradingCalendar
from catalyst_assets.trading.config import TradingConfig
from catalyst_assets.trading.market_clock import micros
from catalyst_assets.trading.patterns import PATTERNS

OUTCOME_COLUMNS: Final = (
    "news_id", "symbol", "horizon_minutes", "session", "source", "source_tier", "catalyst_type",
    "predicted_direction", "start_at", "end_at",
    "raw_return", "abnormal_return", "noise", "accurate",
)  # fmt: skip
SOURCE_COLUMNS: Final = (
    "source", "catalyst_type", "source_tier", "alpha", "beta", "accuracy", "low", "high", "observations", "articles",
)  # fmt: skip
PATTERN_COLUMNS: Final = ("pattern", "catalyst_type", "alpha", "beta", "success", "low", "high", "observations")
JUDGED_PATTERN_COLUMNS: Final = (
    "symbol", "timeframe", "pattern", "bar_ts", "catalyst_type", "base_confidence", "start_at", "end_at",
    "abnormal_return", "noise",
    "success",
)  # fmt: skip
ALL_TYPES: Final = "*"


# ---------------------------------------------------------------------------------------------------------------- articles


def label_articles(
    mentions: pd.DataFrame,
    bars: pd.DataFrame,
    decision_end: datetime,
    config: TradingConfig,
    *,
    calendar: TradingCalendar | None = None,
    timeframe: str = "1min",
) -> pd.DataFrame:
    """Outcomes of every mention and horizon that is complete at ``decision_end``, columns :data:`OUTCOME_COLUMNS`,
    sorted by ``news_id, symbol, horizon_minutes``. Mentions of nothing (relevance below ``catalyst.min_relevance``)
    are not predictions and get none.

    How the move is measured: :meth:`abnormal.PriceHistory.moves`. ``session`` is the session in which the outcome
    became known (``end_at``), the one that may learn from it. ``accurate`` is ``None`` when the article predicts
    nothing (|direction| below ``signal.min_direction``) or the abnormal move stays within ``outcome.noise_sigmas`` ×
    noise; else whether it went the predicted way. A symbol without bars has no outcome.
    """
    calendar = calendar or TradingCalendar()
    seen = mentions[
        (mentions["available_at"] <= decision_end) & (mentions["relevance"] >= config.catalyst.min_relevance)
    ]
    seen = seen.reset_index(drop=True)
    history = PriceHistory(bars, calendar, timeframe=timeframe)
    until = int(micros([decision_end])[0])
    horizons = np.asarray(config.outcome.horizons_minutes, dtype=np.int64)
    moves = history.moves(seen["symbol"], micros(seen["available_at"]), horizons, until)
    if moves.empty:
        return pd.DataFrame({name: pd.Series(dtype=object) for name in OUTCOME_COLUMNS})
    asked = seen.iloc[moves["request"].to_numpy(dtype=int)].reset_index(drop=True)
    table = moves.assign(
        news_id=asked["news_id"],
        symbol=asked["symbol"],
        source=asked["source"],
        source_tier=asked["source_tier"],
        catalyst_type=asked["catalyst_type"],
        predicted_direction=asked["direction"],
        session=_session_of_end(moves["end_at"], calendar),
    )
    table["accurate"] = _judged(
        table["predicted_direction"],
        table["abnormal_return"],
        table["noise"],
        config.outcome.noise_sigmas,
        config.signal.min_direction,
    )
    return table.sort_values(["news_id", "symbol", "horizon_minutes"], ignore_index=True)[list(OUTCOME_COLUMNS)]


def _session_of_end(ends: pd.Series, calendar: TradingCalendar) -> NDArray[np.object_]:
    dates: NDArray[np.object_] = calendar.session_dates(ends).astype(object)
    return dates


def _judged(
    predicted: pd.Series, move: pd.Series, noise: pd.Series, sigmas: float, least: float
) -> NDArray[np.object_]:
    said, happened = predicted.to_numpy(dtype=float), move.to_numpy(dtype=float)
    decided = (np.abs(said) >= least) & (np.abs(happened) > sigmas * noise.to_numpy(dtype=float))
    answer = np.full(len(said), None, dtype=object)
    answer[decided] = [bool(value) for value in (np.sign(said) == np.sign(happened))[decided]]
    return answer


# -------------------------------------------------------------------------------------------------------------- posteriors


def source_posteriors(
    outcomes: pd.DataFrame, previous: pd.DataFrame | None, config: TradingConfig, *, sessions_elapsed: int = 1
) -> pd.DataFrame:
    """What one session adds to the reliability of sources, columns :data:`SOURCE_COLUMNS`, sorted; the result is used
    from the next session on.

    ``outcomes`` are those that became known in the session (rows of other horizons than
    ``outcome.reliability_horizon_minutes`` are ignored); ``previous`` the frame of ``sessions_elapsed`` sessions ago.
    Per source (type ``*``) and source × type a Beta posterior: prior mean ``tier_prior`` worth ``prior_strength``
    observations; earlier evidence is multiplied by 0.5^(elapsed / half_life); each decided outcome adds one.
    ``observations`` is the evidence left, ``articles`` the outcomes ever seen, ``low`` and ``high`` the central
    ``credible_mass`` interval.
    """
    rules = config.outcome
    rows = (
        outcomes[outcomes["horizon_minutes"] == rules.reliability_horizon_minutes] if not outcomes.empty else outcomes
    )
    new: dict[tuple[str, str], list[float]] = {}
    tiers: dict[str, int] = {}
    for source, kind, tier, accurate in zip(
        *(rows[name].tolist() if len(rows) else [] for name in ("source", "catalyst_type", "source_tier", "accurate")),
        strict=True,
    ):
        tiers[source] = min(int(tier), tiers.get(source, 5))
        for key in ((source, ALL_TYPES), (source, kind)):
            counts = new.setdefault(key, [0.0, 0.0, 0.0])
            counts[2] += 1
            if accurate is not None and not pd.isna(accurate):
                counts[0 if accurate else 1] += 1
    old: dict[tuple[str, str], tuple[float, float, float]] = {}
    if previous is not None and not previous.empty:
        for row in previous.itertuples(index=False):
            tiers[row.source] = min(int(row.source_tier), tiers.get(row.source, 5))
            mean = rules.tier_prior[int(row.source_tier) - 1]
            old[(row.source, row.catalyst_type)] = (
                max(float(row.alpha) - mean * rules.prior_strength, 0.0),
                max(float(row.beta) - (1.0 - mean) * rules.prior_strength, 0.0),
                float(row.articles),
            )
    answer = []
    for key in sorted(set(new) | set(old)):
        tier = tiers[key[0]]
        posterior = _posterior(
            new.get(key, [0.0, 0.0, 0.0]),
            old.get(key, (0.0, 0.0, 0.0)),
            rules.tier_prior[tier - 1],
            config,
            sessions_elapsed,
        )
        articles = int(old.get(key, (0.0, 0.0, 0.0))[2] + new.get(key, [0.0, 0.0, 0.0])[2])
        alpha, beta, mean, low, high, observations = posterior
        answer.append((*key, tier, alpha, beta, mean, low, high, observations, articles))
    return _typed(
        pd.DataFrame(answer, columns=list(SOURCE_COLUMNS)), ("alpha", "beta", "accuracy", "low", "high", "observations")
    )


def pattern_posteriors(
    judged: pd.DataFrame, previous: pd.DataFrame | None, config: TradingConfig, *, sessions_elapsed: int = 1
) -> pd.DataFrame:
    """What one session adds to the success of patterns, columns :data:`PATTERN_COLUMNS`, sorted.

    ``judged``: ``pattern, catalyst_type, base_confidence`` (0 ... 100, the prior mean), ``success`` (True, False,
    ``None`` = undecided): from :func:`label_patterns` or closed trades. A missing ``catalyst_type`` counts only for
    ``*``. Posterior, forgetting and interval as for sources. A pattern of ``previous`` that is neither judged now nor
    in ``patterns.PATTERNS`` is no longer detected and is left out.
    """
    strength = config.outcome.prior_strength
    new: dict[tuple[str, str], list[float]] = {}
    priors = {pattern.name: pattern.base_confidence / 100.0 for pattern in PATTERNS}
    for pattern, kind, base, success in zip(
        *(
            judged[name].tolist() if len(judged) else []
            for name in ("pattern", "catalyst_type", "base_confidence", "success")
        ),
        strict=True,
    ):
        priors[pattern] = float(base) / 100.0
        keys = [(pattern, ALL_TYPES)] if kind is None or pd.isna(kind) else [(pattern, ALL_TYPES), (pattern, kind)]
        for key in keys:
            counts = new.setdefault(key, [0.0, 0.0])
            if success is not None and not pd.isna(success):
                counts[0 if success else 1] += 1
    old: dict[tuple[str, str], tuple[float, float]] = {}
    if previous is not None and not previous.empty:
        for row in previous.itertuples(index=False):
            if row.pattern not in priors:
                continue
            evidence = float(row.observations)
            gained = min(max(float(row.alpha) - priors[row.pattern] * strength, 0.0), evidence)
            old[(row.pattern, row.catalyst_type)] = (gained, evidence - gained)
    answer = [
        (
            *key,
            *_posterior(new.get(key, [0.0, 0.0]), old.get(key, (0.0, 0.0)), priors[key[0]], config, sessions_elapsed),
        )
        for key in sorted(set(new) | set(old))
    ]
    return _typed(pd.DataFrame(answer, columns=list(PATTERN_COLUMNS)), PATTERN_COLUMNS[2:])


def _posterior(
    new: list[float], old: tuple[float, ...], prior: float, config: TradingConfig, elapsed: int
) -> tuple[float, float, float, float, float, float]:
    """alpha, beta, mean, low, high, observations."""
    rules = config.outcome
    kept = 0.5 ** (elapsed / rules.half_life_sessions)
    successes, failures = old[0] * kept + new[0], old[1] * kept + new[1]
    alpha, beta = prior * rules.prior_strength + successes, (1.0 - prior) * rules.prior_strength + failures
    tail = (1.0 - rules.credible_mass) / 2.0
    low, high = (float(value) for value in stats.beta.ppf([tail, 1.0 - tail], alpha, beta))
    return alpha, beta, alpha / (alpha + beta), low, high, successes + failures


def _typed(frame: pd.DataFrame, floats: tuple[str, ...]) -> pd.DataFrame:
    return frame.astype(dict.fromkeys(floats, float))


# ----------------------------------------------------------------------------------------------------------------- patterns


def label_patterns(
    detections: pd.DataFrame,
    bars: pd.DataFrame,
    decision_end: datetime,
    config: TradingConfig,
    *,
    calendar: TradingCalendar | None = None,
    timeframe: str = "1min",
) -> pd.DataFrame:
    """Whether each detected pattern was right, columns :data:`JUDGED_PATTERN_COLUMNS`; each pattern bar is judged
    once, at its first detection.

    ``detections`` has the columns of ``pattern_detections``. A pattern is a success when the abnormal move over
    ``outcome.reliability_horizon_minutes`` from its first ``decision_time`` went its way by more than noise, a
    failure when the other way, and undecided (``None``) in between or when it has no direction.
    """
    calendar = calendar or TradingCalendar()
    if detections.empty:
        return pd.DataFrame({name: pd.Series(dtype=object) for name in JUDGED_PATTERN_COLUMNS})
    first = detections.sort_values("decision_time", kind="stable").drop_duplicates(
        ["symbol", "timeframe", "pattern", "bar_ts"]
    )
    first = first[first["decision_time"] <= decision_end].reset_index(drop=True)
    history = PriceHistory(bars, calendar, timeframe=timeframe)
    horizon = np.array([config.outcome.reliability_horizon_minutes], dtype=np.int64)
    moves = history.moves(first["symbol"], micros(first["decision_time"]), horizon, int(micros([decision_end])[0]))
    asked = first.iloc[moves["request"].to_numpy(dtype=int)].reset_index(drop=True)
    table = asked[["symbol", "timeframe", "pattern", "bar_ts", "catalyst_type", "base_confidence", "direction"]].assign(
        start_at=moves["start_at"],
        end_at=moves["end_at"],
        abnormal_return=moves["abnormal_return"],
        noise=moves["noise"],
    )
    table["success"] = _judged(
        table["direction"], table["abnormal_return"], table["noise"], config.outcome.noise_sigmas, 0.5
    )
    return table[list(JUDGED_PATTERN_COLUMNS)]


# ------------------------------------------------------------------------------------------------------------------- trades


def trade_outcome(
    trade: Mapping[str, Any],
    bars: pd.DataFrame,
    config: TradingConfig,
    *,
    calendar: TradingCalendar | None = None,
    timeframe: str = "1min",
) -> dict[str, Any]:
    """The result of a closed trade: ``pnl`` (USD, ``Decimal``, net of fees), ``r_multiple``, ``mae_r``, ``mfe_r``,
    ``catalyst_played_out``, ``pattern_completed``.

    ``trade`` has the columns of ``trade_records`` (direction, filled_qty, entry_price, entry_time, exit_price,
    exit_time, fees, risk_per_share, stop_plan, target1, pattern); ``bars`` those of the universe. MAE and MFE (in R;
    MAE <= 0 <= MFE) use the bars that lie wholly between entry and exit, plus the two prices themselves. The catalyst
    played out when the abnormal move from the entry, in the trade's direction, exceeded noise at
    ``outcome.reliability_horizon_minutes`` (``None`` while that is unknown). The pattern completed when, in the bars
    after the entry of that session, target 1 was reached before the stop; a bar that touches both counts as stopped.
    ``None`` without a pattern or an end. Raises ``ValueError`` for a trade that is not closed.
    """
    calendar = calendar or TradingCalendar()
    needed = ("entry_price", "entry_time", "exit_price", "exit_time")
    if any(trade.get(name) is None or pd.isna(trade[name]) for name in needed) or int(trade["filled_qty"]) <= 0:
        raise ValueError("a trade without entry and exit has no outcome")
    sign = 1 if trade["direction"] == "long" else -1
    qty = int(trade["filled_qty"])
    entry, leave = _decimal(trade["entry_price"]), _decimal(trade["exit_price"])
    pnl = sign * (leave - entry) * qty - _decimal(trade.get("fees") or 0)
    risk = float(trade["risk_per_share"])
    own = bars[bars["symbol"] == trade["symbol"]].sort_values("ts")
    end = own["ts"] + TIMEFRAMES[timeframe]
    entered, left = pd.Timestamp(trade["entry_time"]), pd.Timestamp(trade["exit_time"])
    during = own[(own["ts"] >= entered) & (end <= left)]
    prices = [float(entry), float(leave), *during["high"], *during["low"]]
    excursions = [sign * (price - float(entry)) / risk for price in prices]
    return {
        "pnl": pnl,
        "r_multiple": float(pnl) / (risk * qty),
        "mae_r": min(0.0, *excursions),
        "mfe_r": max(0.0, *excursions),
        "catalyst_played_out": _played_out(trade, sign, bars, calendar, config, timeframe),
        "pattern_completed": _completed(trade, sign, own[own["ts"] >= entered], end, calendar, entered),
    }


def _decimal(value: Any) -> Decimal:
    return value if isinstance(value, Decimal) else Decimal(str(value))


def _played_out(
    trade: Mapping[str, Any],
    sign: int,
    bars: pd.DataFrame,
    calendar: TradingCalendar,
    config: TradingConfig,
    timeframe: str,
) -> bool | None:
    history = PriceHistory(bars, calendar, timeframe=timeframe)
    horizon = np.array([config.outcome.reliability_horizon_minutes], dtype=np.int64)
    last = bars["ts"].max() if len(bars) else pd.NaT
    if pd.isna(last):
        return None
    until = int(micros([last + TIMEFRAMES[timeframe]])[0])
    since = micros([pd.Timestamp(trade["entry_time"])])
    moves = history.moves(pd.Series([trade["symbol"]]), since, horizon, until, np.array([float(trade["entry_price"])]))
    if moves.empty:
        return None
    return bool(sign * moves["abnormal_return"].iloc[0] > config.outcome.noise_sigmas * moves["noise"].iloc[0])


def _completed(
    trade: Mapping[str, Any],
    sign: int,
    after: pd.DataFrame,
    end: pd.Series,
    calendar: TradingCalendar,
    entered: pd.Timestamp,
) -> bool | None:
    target, stop, pattern = trade.get("target1"), trade.get("stop_plan"), trade.get("pattern")
    if pattern is None or pd.isna(pattern) or target is None or stop is None:
        return None
    close = calendar.hours(calendar.session_for(entered.to_pydatetime())).close
    session = after[end.loc[after.index] <= close]
    reached = (session["high"] >= float(target)) if sign > 0 else (session["low"] <= float(target))
    stopped = (session["low"] <= float(stop)) if sign > 0 else (session["high"] >= float(stop))
    first_target = _first(reached)
    first_stop = _first(stopped)
    if math.isinf(first_target) and math.isinf(first_stop):
        # Neither was touched: over only when the session is.
        over = len(session) > 0 and end.loc[session.index].iloc[-1] >= close
        return False if over else None
    return first_target < first_stop


def _first(hits: pd.Series) -> float:
    positions = np.flatnonzero(hits.to_numpy(dtype=bool))
    return float(positions[0]) if len(positions) else math.inf
