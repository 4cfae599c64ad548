"""Articles: their identity, and what one article says about which company.

Belongs here: ``news_id``, the features of an article (tier, catalyst type, direction, tickers, market state), and the
mentions a score is made of. Does not belong here: the rule table (``catalyst_rules.py``), stories of several articles
(``narratives.py``), how much a mention is worth (``catalyst_score.py``), where articles come from (``vendors/``).
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final

import numpy as np
import pandas as pd

from catalyst_assets.trading import catalyst_rules as table
from catalyst_assets.trading.calendar import TradingCalendar
from catalyst_assets.trading.catalyst_rules import RULES_VERSION
from catalyst_assets.trading.config import TradingConfig
from catalyst_assets.trading.entities import NameIndex, find_company, symbols_in, tidy
from catalyst_assets.trading.headlines import Reading, normalise, read
from catalyst_assets.trading.source_tiers import outlet

FEATURE_COLUMNS: Final = (
    "news_id", "session", "source_tier", "catalyst_type", "direction", "primary_symbol", "tickers",
    "ticker_direction", "keywords",
    "market_state", "is_premarket", "is_breaking", "reasons", "rules_version", "computed_at",
)  # fmt: skip
MENTION_COLUMNS: Final = (
    "news_id", "symbol", "available_at", "published_at", "source", "source_tier", "catalyst_type", "direction",
    "relevance", "headline",
    "summary", "provider", "is_breaking", "market_state", "live_source",
)  # fmt: skip

IN_HEADLINE: Final = 1.0
IN_SUMMARY: Final = 0.5
NOT_NAMED: Final = 0.1
"""Relevance of a company the article never names: vendors tag whole sectors, such an article moves nothing."""
AS_RATER: Final = 0.1
"""Relevance for the bank whose analyst speaks about another company."""
OBJECT_DISTANCE: Final = 12
"""Characters after "to acquire" within which a name is what is acquired and not part of the purpose."""
BREAKING_DIRECTION: Final = 0.3
"""|direction| below which nothing is breaking news."""
_QUIET_TYPES: Final = frozenset({"other", "macro_sector"})
_WORD = re.compile(r"[a-z][a-z0-9&'\-]{3,}")
_STOP: Final = frozenset(
    """
    about after again against also amid among and another been before being between both but could does down during
    each even first from further have having here his how its into just like made make many more most much must near
    next not now off only other our out over own part per says said same see should since some still such than that
    the their them then there these they this those through too under until upon very was were what when where which
    while who whom why will with would you your stock stocks share shares company companies inc corp
    """.split()  # noqa: SIM905
)
_PASSIVE = re.compile(table.PASSIVE_DEAL)
_PART_SOLD = re.compile(table.PART_SOLD)
_QUOTED = re.compile(table.QUOTED)
_RATED_BY = re.compile(table.RATING_BY)
_RATINGS: Final = (
    "upgrade", "downgrade", "target_raised", "target_cut", "coverage_positive", "coverage_negative", "rating_kept",
)  # fmt: skip
_SAID_BY_ROLE: Final[Mapping[str, float]] = {
    "target": table.TARGET_DIRECTION,
    "acquirer": table.ACQUIRER_DIRECTION,
    "seller": table.SELLER_DIRECTION,
}


def news_id(headline: str, source: str, published_at: datetime) -> str:
    """The identity of an article: 32 hex digits of SHA-256 over normalised headline, outlet and UTC minute of
    publication.

    The same text from the same outlet in the same minute is the same article whichever vendor delivers it. Raises
    ``ValueError`` for a time without a zone.
    """
    if published_at.tzinfo is None:
        raise ValueError("published_at must carry a time zone")
    minute = int(published_at.timestamp() // 60)
    text = f"{normalise(headline)}\x1f{outlet(source)[0].casefold()}\x1f{minute}"
    return hashlib.sha256(text.encode()).hexdigest()[:32]


# ---------------------------------------------------------------------------------------------------------------- features


def derive_features(
    raw: pd.DataFrame,
    calendar: TradingCalendar,
    config: TradingConfig,
    company_names: Mapping[str, str] | None = None,
    *,
    computed_at: datetime | None = None,
) -> pd.DataFrame:
    """The features of articles (columns of ``news_features``), one row per row of ``raw`` in the same order.

    ``raw`` has the columns of ``news_raw``; ``company_names`` maps symbol to company name. The type comes from the
    rule table; the direction from the rules blended with the vendor's own sentiment: 0.7 · rules + 0.3 · vendor where
    both speak, half the vendor's where only it does, nothing for noise (advertisements, lists, opinion). Symbols come
    from the vendor and from ``(NASDAQ: XYZ)`` in the text, from company names only when there are none.
    ``market_state`` is that of ``available_at``: before then nobody here could act on the article. An article naming
    more than ``config.catalyst.max_tickers`` symbols is a round-up and says nothing about any of them.
    ``computed_at`` is only recorded; without it the article's own ``available_at`` is, so deriving twice gives the
    same rows.
    """
    if raw.empty:
        return pd.DataFrame({name: pd.Series(dtype=object) for name in FEATURE_COLUMNS})
    names = company_names or {}
    index: NameIndex | None = None
    states = calendar.states(pd.DatetimeIndex(raw["available_at"])).to_numpy()
    sessions = calendar.session_dates(pd.DatetimeIndex(raw["available_at"]))
    rows: list[dict[str, Any]] = []
    for position, article in enumerate(_records(raw)):
        given = tidy([*_texts(article["tickers"]), *_by_symbol(article["ticker_sentiment"])])
        written = symbols_in(f"{article['headline']} {article['summary'] or ''}")
        symbols, found_by = list(dict.fromkeys([*given, *written])), "vendor" if given else "text"
        if not symbols:
            index = index if index is not None else NameIndex(names)
            symbols, found_by = index.find(normalise(article["headline"])), "name"
        rows.append(_features(article, symbols, found_by if symbols else "none", names, config, str(states[position])))
    features = pd.DataFrame(rows)
    features["session"] = sessions.astype(object)
    features["rules_version"] = RULES_VERSION
    features["computed_at"] = (
        pd.Timestamp(computed_at).tz_convert("UTC") if computed_at is not None else raw["available_at"].to_numpy()
    )
    features["computed_at"] = pd.to_datetime(features["computed_at"], utc=True).astype("datetime64[us, UTC]")
    return features[list(FEATURE_COLUMNS)]


def _features(
    article: Mapping[str, Any],
    symbols: list[str],
    found_by: str,
    names: Mapping[str, str],
    config: TradingConfig,
    state: str,
) -> dict[str, Any]:
    source, tier = outlet(article["source"])
    summary = article["summary"] or ""
    reading = read(article["headline"], summary, source)
    noise = reading.noise
    if noise is None and len(symbols) > config.catalyst.max_tickers:
        noise = "round_up"
    by_symbol: dict[str, float] = {}
    relevance: dict[str, float] = {}
    vendor = _vendor_scores(article, symbols)
    given = _by_symbol(article["ticker_sentiment"])
    lead = normalise(summary)[:400] if summary else ""
    spans = {symbol: find_company(symbol, names.get(symbol), reading.text) for symbol in symbols}
    roles = _roles(reading, symbols, spans)
    for symbol in symbols:
        relevance[symbol] = _relevance(symbol, names, spans[symbol], lead, given.get(symbol), roles.get(symbol))
        if noise is not None:
            relevance[symbol] = 0.0
        if relevance[symbol] < config.catalyst.min_relevance:
            by_symbol[symbol] = 0.0  # says nothing about this company, so it cannot contradict a position in it either
            continue
        said = _direction(
            reading,
            symbol,
            spans[symbol],
            roles.get(symbol),
            vendor.get(symbol),
            symbol in names,
            lead,
            len(symbols) > 1,
        )
        by_symbol[symbol] = round(said, 4)
    primary = _primary(symbols, spans, relevance)
    kind = "other" if noise is not None else reading.catalyst_type
    overall = by_symbol[primary] if primary else (0.0 if noise else _blend(reading.direction(), _scaled(article)))
    strong = kind not in _QUIET_TYPES and abs(overall) >= BREAKING_DIRECTION
    breaking = strong and (
        tier <= config.news.breaking_tier or (reading.breaking and tier <= config.news.breaking_tier + 1)
    )
    return {
        "news_id": article["news_id"],
        "source_tier": tier,
        "catalyst_type": kind,
        "direction": round(overall, 4),
        "primary_symbol": primary,
        "tickers": symbols,
        "ticker_direction": by_symbol,
        "keywords": _keywords(reading),
        "market_state": state,
        "is_premarket": state == "pre",
        "is_breaking": breaking,
        "reasons": {
            "source": source,
            "noise": noise,
            "rules": {rule.name: round(rule.direction, 3) for rule in reading.fired},
            "negated": [rule.name for rule in reading.fired if rule.negated],
            "modifiers": dict(reading.modifiers),
            "type_from": reading.origin,
            "type_weight": reading.weight,
            "tickers_from": found_by,
            "relevance": relevance,
            "roles": roles,
            "vendor": vendor,
        },
    }


def _direction(
    reading: Reading,
    symbol: str,
    span: tuple[int, int] | None,
    role: str | None,
    vendor: float | None,
    known: bool,
    lead: str,
    shared: bool,
) -> float:
    if role == "rater":
        return 0.0
    if role is not None:
        said = _SAID_BY_ROLE[role]
        for _, factor in reading.modifiers:
            said *= factor
    elif reading.origin == "summary" and known and span is None and find_company(symbol, None, lead) is None:
        said = 0.0  # the summary speaks of somebody else
    else:
        said = reading.direction(span, shared=shared)
    return _blend(said, vendor)


def _blend(said: float, vendor: float | None) -> float:
    """Rules and the vendor's sentiment: 0.7 and 0.3 where the rules point somewhere, else half the vendor's."""
    if vendor is None:
        return said
    if said == 0.0:
        return table.VENDOR_ALONE * vendor
    return (1 - table.VENDOR_WEIGHT) * said + table.VENDOR_WEIGHT * vendor


def _scaled(article: Mapping[str, Any]) -> float | None:
    return _scale(article["sentiment"], str(article["provider"]))


def _scale(value: Any, provider: str) -> float | None:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    return max(-1.0, min(1.0, float(value) / table.VENDOR_SCALE.get(provider, 1.0)))


def _vendor_scores(article: Mapping[str, Any], symbols: Iterable[str]) -> dict[str, float]:
    """The vendor's sentiment by symbol, scaled to −1 ... 1: the symbol's own where given, else the article's."""
    given = _by_symbol(article["ticker_sentiment"])
    overall = _scaled(article)
    scores: dict[str, float] = {}
    for symbol in symbols:
        own = _scale(given.get(symbol, {}).get("score"), str(article["provider"]))
        value = own if own is not None else overall
        if value is not None:
            scores[symbol] = round(value, 4)
    return scores


def _by_symbol(given: Any) -> dict[str, Mapping[str, Any]]:
    """``ticker_sentiment`` with our spelling of the symbols; anything that is no mapping counts as absent."""
    if not isinstance(given, Mapping):
        return {}
    return {
        symbols[0]: value
        for key, value in given.items()
        if (symbols := tidy([str(key)])) and isinstance(value, Mapping)
    }


def _relevance(
    symbol: str,
    names: Mapping[str, str],
    span: tuple[int, int] | None,
    lead: str,
    given: Mapping[str, Any] | None,
    role: str | None,
) -> float:
    """How much the article is about the symbol, 0 ... 1: the vendor's figure where it has one, else where the company
    is named."""
    if role == "rater":
        return AS_RATER
    stated = given.get("relevance") if given is not None else None
    if stated is not None and not math.isnan(float(stated)):
        return max(0.0, min(1.0, float(stated)))
    if span is not None or symbol not in names:
        return IN_HEADLINE  # a company whose name is not known gets the benefit of the doubt
    if lead and find_company(symbol, names[symbol], lead) is not None:
        return IN_SUMMARY
    return NOT_NAMED


def _roles(reading: Reading, symbols: Iterable[str], spans: Mapping[str, tuple[int, int] | None]) -> dict[str, str]:
    """Who buys whom, who rates whom, from the order of the words: ``acquirer``, ``target``, ``seller`` (of a
    part of itself) or ``rater`` by symbol."""
    fired = {rule.name: rule for rule in reading.fired}
    roles: dict[str, str] = {}
    rating = next((fired[name] for name in _RATINGS if name in fired), None)
    passive = _PASSIVE.search(reading.text)
    for symbol in symbols:
        span = spans[symbol]
        if span is None:
            continue
        before = reading.text[max(0, span[0] - 12) : span[0]]
        if before.endswith(", ") and _QUOTED.match(reading.text[span[1] :]):
            roles[symbol] = "rater"  # "Recession is near, Harlow says"
            continue
        if reading.catalyst_type == "merger_acquisition" and "deal_terminated" not in fired:
            if passive is not None:
                roles[symbol] = "acquirer" if span[0] >= passive.end() else "target"
            elif "deal_target" in fired:
                # "X gets buyout offer from Y": the one named first is wanted
                roles[symbol] = "target" if span[0] <= fired["deal_target"].start else "acquirer"
            elif "deal_acquirer" in fired:
                if span[1] <= fired["deal_acquirer"].start:
                    roles[symbol] = "acquirer"
                elif span[0] - fired["deal_acquirer"].end <= OBJECT_DISTANCE:
                    part = _PART_SOLD.match(reading.text[span[1] : span[1] + 60])
                    roles[symbol] = "seller" if part is not None else "target"
        elif reading.catalyst_type == "analyst_rating" and rating is not None:
            if _RATED_BY.search(before):
                roles[symbol] = "rater"
            elif span[1] <= rating.start and len(list(symbols)) > 1:
                # "Goldman upgrades Deere": only when another company of the article comes after the verb
                after = any(
                    other is not None and other[0] >= rating.start for key, other in spans.items() if key != symbol
                )
                if after:
                    roles[symbol] = "rater"
    return roles


def _primary(
    symbols: list[str], spans: Mapping[str, tuple[int, int] | None], relevance: Mapping[str, float]
) -> str | None:
    """The symbol the article is most about: by relevance, then named first, then listed first."""
    if not symbols:
        return None
    position = {symbol: (spans[symbol] or (10_000, 0))[0] for symbol in symbols}
    return min(symbols, key=lambda symbol: (-relevance[symbol], position[symbol], symbols.index(symbol)))


def _keywords(reading: Reading) -> list[str]:
    words = dict.fromkeys(word for word in _WORD.findall(reading.text) if word not in _STOP)
    return list(words)[:12]


def _texts(value: Any) -> list[str]:
    return [] if value is None or isinstance(value, float) else [str(item) for item in value]


def _records(frame: pd.DataFrame) -> Iterable[Mapping[str, Any]]:
    columns = ["news_id", "provider", "source", "headline", "summary", "tickers", "sentiment", "ticker_sentiment"]
    # Texts lie in Arrow arrays, which are slow to go through one by one.
    for values in zip(*(frame[name].to_numpy(dtype=object) for name in columns), strict=True):
        record = dict(zip(columns, values, strict=True))
        if not isinstance(record["summary"], str):
            record["summary"] = ""
        yield record


# ---------------------------------------------------------------------------------------------------------------- mentions


def mentions(articles: pd.DataFrame, config: TradingConfig) -> pd.DataFrame:
    """One row per (article, symbol), columns :data:`MENTION_COLUMNS`, sorted by ``available_at, news_id, symbol``.

    ``articles`` is raw ⋈ features. ``direction`` is that for the symbol, ``relevance`` 0 ... 1 how much the article
    is about it (0: noise or a round-up of more than ``config.catalyst.max_tickers`` symbols, kept because its text
    still makes later articles less new), ``source`` the outlet's one name.
    """
    if articles.empty:
        return pd.DataFrame({name: pd.Series(dtype=object) for name in MENTION_COLUMNS})
    counts = np.array([len(_texts(value)) for value in articles["tickers"]])
    picked = np.repeat(np.arange(len(articles)), counts)
    symbols = [symbol for value in articles["tickers"] for symbol in _texts(value)]
    directions = articles["ticker_direction"].tolist()
    reasons = articles["reasons"].tolist()
    overall = articles["direction"].tolist()
    copied = [name for name in MENTION_COLUMNS if name not in ("symbol", "direction", "relevance", "source")]
    frame = articles[copied].iloc[picked].reset_index(drop=True)
    frame["symbol"] = symbols
    names = {name: outlet(name)[0] for name in articles["source"].unique()}
    frame["source"] = articles["source"].map(names).iloc[picked].to_numpy()
    frame["direction"] = [
        float((directions[row] or {}).get(symbol, overall[row])) for row, symbol in zip(picked, symbols, strict=True)
    ]
    frame["relevance"] = [
        0.0
        if counts[row] > config.catalyst.max_tickers
        else float((reasons[row] or {}).get("relevance", {}).get(symbol, 1.0))
        for row, symbol in zip(picked, symbols, strict=True)
    ]
    frame["summary"] = frame["summary"].fillna("")
    ordered = frame.sort_values(["available_at", "news_id", "symbol"], kind="stable", ignore_index=True)
    return ordered[list(MENTION_COLUMNS)]
