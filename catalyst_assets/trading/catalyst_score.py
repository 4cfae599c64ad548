"""The catalyst score: what one article is worth at an instant, and what the articles on a symbol are worth together.

Belongs here: the formula and its parts. Does not belong here: novelty and coordination (``narratives.py``),
reliability (``outcomes.py``), which symbols are traded (``scanner.py``).
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from catalyst_assets.trading.calendar import TradingCalendar
from catalyst_assets.trading.config import TradingConfig
from catalyst_assets.trading.market_clock import MarketClock, instants, micros
from catalyst_assets.trading.narratives import coordination

ARTICLE_SCORE_COLUMNS: Final = (
    "decision_time", "news_id", "symbol", "narrative_id", "source", "source_tier", "catalyst_type", "direction",
    "score", "tier_weight",
    "age_hours", "recency", "type_weight", "state_multiplier", "novelty", "reliability", "coordinated", "available_at",
)  # fmt: skip
SYMBOL_SCORE_COLUMNS: Final = (
    "decision_time", "symbol", "catalyst_score", "direction", "articles", "catalyst_type", "narrative_id",
    "top_news_id", "headline",
    "fresh_news", "components",
)  # fmt: skip

NEGLIGIBLE: Final = 1e-4
"""Recency below which an article is left out: over nine e-foldings old, a thousand of them move a symbol score by
less than 5."""
TOP_ARTICLES: Final = 5
"""Articles listed by name in ``components``."""


def catalyst_scores(
    mentions: pd.DataFrame,
    decision_times: pd.DatetimeIndex,
    calendar: TradingCalendar,
    reliability: pd.DataFrame | None,
    config: TradingConfig,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Scores at each decision time: ``(symbol_scores, article_scores)``, columns :data:`SYMBOL_SCORE_COLUMNS`,
    :data:`ARTICLE_SCORE_COLUMNS`.

    ``mentions`` carry their narrative columns (``narratives.join``). Per article (spec.md): tier weight × recency ×
    catalyst weight × market-state multiplier × novelty × reliability, × ``coordinated_multiplier`` while its story
    looks coordinated. Per symbol: 100 · (1 − exp(−Σ / saturation)); the direction is the score-weighted mean of the
    articles' directions, so contradictions pull it to 0. Type and top article are those most of the score comes from;
    ``fresh_news`` counts the articles since the previous session's close.

    *State multiplier*: that of the state in which the article became available (pre-market ×2.0 ...), a property of
    the news.

    *Recency* exp(−hours / 4) counts hours as the market spends them: an hour of regular trading is one, of pre-market
    or after-hours ``extended_pace`` (0.25: a few percent of the day's volume is traded there, so little of the news
    is), of a closed market ``closed_pace`` (0: nobody can trade on it, so nothing of it enters the price). By the
    wall clock an article of 19:17 would be worth 3 % at the next open and the system blind to everything that happens
    overnight. Both paces at 1 give the wall clock.

    *Reliability* = 2 × posterior accuracy clipped to its floor and cap: of (source, type) once ``prior_strength``
    observations stand behind it, else of the source ('*'), 1.0 without observations. ``reliability`` has the columns
    of ``source_metrics``.

    An article counts only when ``available_at <= t``, its source is live, it is about the symbol (``min_relevance``)
    and it is a catalyst at all: type ``other`` with |direction| below ``signal.min_direction`` is news of nothing and
    scores no one.
    """
    times = pd.DatetimeIndex(decision_times).tz_convert("UTC").as_unit("us")
    usable = _usable(mentions, config)
    if usable.empty or len(times) == 0:
        return _empty(SYMBOL_SCORE_COLUMNS), _empty(ARTICLE_SCORE_COLUMNS)
    weight = _static_weight(usable, reliability, config)
    which, row, age = _pairs(usable, times, calendar, config)
    recency = np.exp(-age / config.catalyst.recency_hours)
    kept = recency >= NEGLIGIBLE
    which, row, age, recency = which[kept], row[kept], age[kept], recency[kept]
    coordinated = _coordinated(mentions, usable, times, which, row, config)
    score = (
        weight["weight"].to_numpy()[row] * recency * np.where(coordinated, config.catalyst.coordinated_multiplier, 1.0)
    )
    articles = usable.iloc[row].reset_index(drop=True)
    articles["decision_time"] = times[which]
    for name in ("tier_weight", "type_weight", "state_multiplier", "reliability"):
        articles[name] = weight[name].to_numpy()[row]
    articles["age_hours"], articles["recency"], articles["score"], articles["coordinated"] = (
        age,
        recency,
        score,
        coordinated,
    )
    articles["_fresh"] = micros(articles["available_at"]) >= _previous_closes(times, calendar)[which]
    articles = articles.sort_values(
        ["decision_time", "symbol", "score", "available_at", "news_id"],
        ascending=[True, True, False, False, True],
        ignore_index=True,
    )
    return _by_symbol(articles, config), articles[list(ARTICLE_SCORE_COLUMNS)]


def _empty(columns: tuple[str, ...]) -> pd.DataFrame:
    return pd.DataFrame({name: pd.Series(dtype=object) for name in columns})


def _usable(mentions: pd.DataFrame, config: TradingConfig) -> pd.DataFrame:
    missing = {"narrative_id", "similarity", "novelty"} - set(mentions.columns)
    if missing and not mentions.empty:
        raise ValueError(f"mentions lack {sorted(missing)}: join their narratives first")
    if mentions.empty:
        return mentions
    direction = mentions["direction"].to_numpy(dtype=float)
    nothing = (mentions["catalyst_type"].to_numpy(dtype=str) == "other") & (
        np.abs(direction) < config.signal.min_direction
    )
    about = mentions["relevance"].to_numpy(dtype=float) >= config.catalyst.min_relevance
    live = mentions["live_source"].to_numpy(dtype=bool)
    return mentions[live & about & ~nothing].sort_values(
        ["available_at", "news_id", "symbol"], kind="stable", ignore_index=True
    )


def _static_weight(usable: pd.DataFrame, reliability: pd.DataFrame | None, config: TradingConfig) -> pd.DataFrame:
    """The parts of an article's score that no decision time changes, and their product ``weight``."""
    rules = config.catalyst
    states = {
        "pre": rules.premarket_multiplier,
        "regular": rules.market_multiplier,
        "after": rules.afterhours_multiplier,
        "closed": rules.closed_multiplier,
    }
    parts = pd.DataFrame(
        {
            "tier_weight": np.asarray(rules.tier_weights)[usable["source_tier"].to_numpy(dtype=int) - 1],
            "type_weight": [rules.type_weights.get(kind, 1.0) for kind in usable["catalyst_type"]],
            "state_multiplier": [states[state] for state in usable["market_state"]],
            "reliability": reliability_of(usable["source"], usable["catalyst_type"], reliability, config),
        }
    )
    parts["weight"] = parts.prod(axis=1) * usable["novelty"].to_numpy(dtype=float)
    return parts


def reliability_of(
    sources: pd.Series, kinds: pd.Series, reliability: pd.DataFrame | None, config: TradingConfig
) -> NDArray[np.float64]:
    """The reliability multiplier of each (source, type), as :func:`catalyst_scores` explains."""
    if reliability is None or reliability.empty:
        return np.ones(len(sources))
    rules = config.catalyst
    known = {
        (row.source, row.catalyst_type): (float(row.accuracy), float(row.observations))
        for row in reliability[["source", "catalyst_type", "accuracy", "observations"]].itertuples(index=False)
    }

    def multiplier(source: str, kind: str) -> float:
        own, overall = known.get((source, kind)), known.get((source, "*"))
        if own is not None and own[1] >= config.outcome.prior_strength:
            chosen = own
        elif overall is not None and overall[1] > 0:
            chosen = overall
        else:
            return 1.0
        return min(max(2.0 * chosen[0], rules.reliability_floor), rules.reliability_cap)

    pairs = list(zip(sources, kinds, strict=True))
    values = {pair: multiplier(*pair) for pair in set(pairs)}
    return np.array([values[pair] for pair in pairs])


def _pairs(
    usable: pd.DataFrame, times: pd.DatetimeIndex, calendar: TradingCalendar, config: TradingConfig
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Every (decision time, article) with the article available and within the look-back: positions, positions, age
    in hours."""
    rules = config.catalyst
    available = micros(usable["available_at"])
    at = micros(times)
    lookback = config.cycle.lookback_days * 24 * 3_600_000_000
    first = np.searchsorted(available, at - lookback, side="left")
    last = np.searchsorted(available, at, side="right")
    counts = np.maximum(last - first, 0)
    which = np.repeat(np.arange(len(at)), counts)
    within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    row = first[which] + within
    start = min(int(available.min()), int(at.min()))
    end = max(int(available.max()), int(at.max()))
    span = instants(np.array([start, end]))
    clock = MarketClock(calendar, span[0], span[1], regular=1.0, extended=rules.extended_pace, closed=rules.closed_pace)
    age = clock.read(at)[which] - clock.read(available)[row]
    return which, row, np.maximum(age, 0.0)


def _coordinated(
    mentions: pd.DataFrame,
    usable: pd.DataFrame,
    times: pd.DatetimeIndex,
    which: NDArray[np.int64],
    row: NDArray[np.int64],
    config: TradingConfig,
) -> NDArray[np.bool_]:
    low = mentions["source_tier"].to_numpy(dtype=int) >= config.narrative.coordinated_tier
    sizes = mentions.loc[low, "narrative_id"].value_counts()
    suspects = sizes.index[sizes >= config.narrative.coordinated_articles]
    if len(suspects) == 0:
        return np.zeros(len(row), dtype=bool)
    flags = coordination(mentions[mentions["narrative_id"].isin(suspects)], config).reindex(
        usable["narrative_id"].unique()
    )
    never = np.iinfo(np.int64).max
    since = (
        flags["coordinated_at"]
        .astype("datetime64[us, UTC]")
        .astype("int64")
        .where(flags["coordinated_at"].notna(), never)
    )
    until = flags["good_at"].astype("datetime64[us, UTC]").astype("int64").where(flags["good_at"].notna(), never)
    at = micros(times)[which]
    stories = usable["narrative_id"]
    return (stories.map(since).to_numpy()[row] <= at) & (stories.map(until).to_numpy()[row] > at)


def _previous_closes(times: pd.DatetimeIndex, calendar: TradingCalendar) -> NDArray[np.int64]:
    """The close of the session before each decision time's, microseconds."""
    days = calendar.session_dates(times)
    closes = {day: int(calendar.hours(calendar.previous(day.item())).close.value // 1000) for day in np.unique(days)}
    return np.array([closes[day] for day in days], dtype=np.int64)


def _by_symbol(articles: pd.DataFrame, config: TradingConfig) -> pd.DataFrame:
    """Symbol scores from article scores sorted by decision time, symbol, score (best first)."""
    articles = articles.assign(_pull=articles["score"] * articles["direction"])
    grouped = articles.groupby(["decision_time", "symbol"], sort=False)
    total = grouped.agg(
        total=("score", "sum"), pull=("_pull", "sum"), articles=("news_id", "size"), fresh_news=("_fresh", "sum")
    ).reset_index()
    # The symbol's type is the one most of its score comes from; its top article the best one of that type.
    by_type = articles.groupby(["decision_time", "symbol", "catalyst_type"], sort=False)["score"].transform("sum")
    heaviest = by_type.groupby([articles["decision_time"], articles["symbol"]], sort=False).transform("max")
    top = articles[by_type == heaviest].groupby(["decision_time", "symbol"], sort=False).head(1)
    value = total["total"].to_numpy()
    result = pd.DataFrame(
        {
            "decision_time": total["decision_time"],
            "symbol": total["symbol"],
            "catalyst_score": 100.0 * -np.expm1(-value / config.catalyst.saturation),
            "direction": np.clip(total["pull"].to_numpy() / np.maximum(value, 1e-300), -1.0, 1.0),
            "articles": total["articles"].astype(int),
            "catalyst_type": top["catalyst_type"].to_numpy(),
            "narrative_id": top["narrative_id"].to_numpy(),
            "top_news_id": top["news_id"].to_numpy(),
            "headline": top["headline"].to_numpy(),
            "fresh_news": total["fresh_news"].astype(int),
        }
    )
    result["components"] = _components(grouped.head(TOP_ARTICLES), total)
    return result[list(SYMBOL_SCORE_COLUMNS)]


_PARTS: Final = (
    "news_id", "source", "source_tier", "catalyst_type", "direction", "score", "tier_weight", "age_hours", "recency",
    "type_weight",
    "state_multiplier", "novelty", "reliability", "coordinated",
)  # fmt: skip


def _components(best: pd.DataFrame, total: pd.DataFrame) -> list[dict[str, Any]]:
    """Per symbol the sum and its heaviest articles with every factor, JSON types."""
    columns = [best[name].round(4).tolist() if best[name].dtype.kind == "f" else best[name].tolist() for name in _PARTS]
    listed = [dict(zip(_PARTS, values, strict=True)) for values in zip(*columns, strict=True)]
    sizes = np.minimum(total["articles"].to_numpy(), TOP_ARTICLES)
    ends = np.cumsum(sizes)
    return [
        {"sum": round(float(value), 4), "articles": listed[end - size : end]}
        for value, size, end in zip(total["total"], sizes, ends, strict=True)
    ]
