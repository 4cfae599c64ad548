"""Stories: which articles tell the same one, how new each is, who confirmed it, and what looks coordinated.

Belongs here: text similarity between mentions of one symbol, narrative membership and the clusters as of an instant.
Does not belong here: what an article says (``articles.py``), how novelty enters a score (``catalyst_score.py``).

Everything is past-only: what an article gets depends only on mentions of the same symbol with an earlier
``(available_at, news_id)``. The vectors are hashed word counts without any fitted weights, so they cannot know the
future either.
"""

from __future__ import annotations

import hashlib
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse
from sklearn.feature_extraction.text import HashingVectorizer

from catalyst_assets.trading.config import TradingConfig
from catalyst_assets.trading.headlines import normalise

MEMBER_COLUMNS: Final = ("news_id", "symbol", "narrative_id", "similarity", "novelty", "is_echo")
CLUSTER_COLUMNS: Final = (
    "decision_time", "narrative_id", "symbol", "headline", "first_news_id", "first_at", "last_at", "articles",
    "sources", "best_tier",
    "catalyst_type", "direction", "confirmed_at", "confirmation_minutes", "coordinated",
)  # fmt: skip

SUMMARY_WEIGHT: Final = 0.5
"""Weight of the summary's words next to the headline's: echoes keep one of the two."""
SUMMARY_CHARACTERS: Final = 300
CONFIRMING_TIER: Final = 2
_BLOCK: Final = 512
_HOUR: Final = 3_600_000_000

_VECTORIZER: Final = HashingVectorizer(
    n_features=2**18,
    ngram_range=(1, 2),
    alternate_sign=False,
    norm=None,
    lowercase=False,
    token_pattern=r"[a-z0-9&']{2,}",
)


def narrative_id(first_news_id: str) -> str:
    """The identity of a story: derived from the article that began it, so an article naming several symbols begins
    one story."""
    return "n-" + hashlib.sha256(first_news_id.encode()).hexdigest()[:16]


def vectors(headlines: list[str], summaries: list[str]) -> sparse.csr_matrix:
    """Texts as unit vectors of 1 + log counts of their words and word pairs; the summary's at
    :data:`SUMMARY_WEIGHT`."""
    matrix = _damped(_VECTORIZER.transform([normalise(text) for text in headlines]))
    leads = [normalise(text[:SUMMARY_CHARACTERS]) for text in summaries]
    if any(leads):
        matrix = matrix + SUMMARY_WEIGHT * _damped(_VECTORIZER.transform(leads))
    return _unit(matrix).tocsr()


def _damped(matrix: sparse.csr_matrix) -> sparse.csr_matrix:
    matrix.data = 1.0 + np.log(matrix.data)
    return _unit(matrix)


def _unit(matrix: sparse.csr_matrix) -> sparse.csr_matrix:
    length = np.sqrt(np.asarray(matrix.multiply(matrix).sum(axis=1)).ravel())
    length[length == 0] = 1.0
    return sparse.diags(1.0 / length) @ matrix


# ------------------------------------------------------------------------------------------------------------------ members


def assign(mentions: pd.DataFrame, config: TradingConfig, *, known: pd.DataFrame | None = None) -> pd.DataFrame:
    """Narrative, similarity and novelty of every mention, columns :data:`MEMBER_COLUMNS`, in the order of
    ``available_at, news_id, symbol``.

    ``similarity`` is the largest cosine to an earlier mention of the symbol within ``catalyst.novelty_days``,
    ``novelty`` = max(floor, 1 − similarity²). A mention joins the story whose first article (leader) it resembles
    most, if by at least ``narrative.similarity`` and the leader is at most ``narrative.window_hours`` older; else it
    begins one. ``is_echo``: at least ``narrative.coordinated_similarity``, near-identical. ``known`` are members
    already stored: they are kept as they are, which makes a run over a moving window agree with earlier ones.
    """
    if mentions.empty:
        return pd.DataFrame({name: pd.Series(dtype=object) for name in MEMBER_COLUMNS})
    frame = mentions.sort_values(["available_at", "news_id", "symbol"], kind="stable", ignore_index=True)
    times = frame["available_at"].astype("datetime64[us, UTC]").astype("int64").to_numpy()
    # One article is one text however many symbols it names.
    article, first = np.unique(frame["news_id"].to_numpy(dtype=str), return_index=True)
    row_of = np.searchsorted(article, frame["news_id"].to_numpy(dtype=str))
    texts = vectors(frame["headline"].iloc[first].tolist(), frame["summary"].fillna("").iloc[first].tolist())
    ids = frame["news_id"].tolist()
    stored = _stored(known)
    similarity = np.zeros(len(frame))
    stories: list[str] = [""] * len(frame)
    for symbol, rows in frame.groupby("symbol", sort=False).indices.items():
        largest, leaders = _one_symbol(
            texts[row_of[rows]],
            times[rows],
            [stored.get((ids[row], str(symbol))) for row in rows],
            [ids[row] for row in rows],
            config,
        )
        similarity[rows] = largest
        for row, story in zip(rows, leaders, strict=True):
            stories[row] = story
    novelty = np.maximum(config.catalyst.novelty_floor, 1.0 - similarity**2)
    members = pd.DataFrame(
        {
            "news_id": frame["news_id"],
            "symbol": frame["symbol"],
            "narrative_id": stories,
            "similarity": similarity,
            "novelty": novelty,
            "is_echo": similarity >= config.narrative.coordinated_similarity,
        }
    )
    if stored:
        keys = list(zip(members["news_id"], members["symbol"], strict=True))
        for name, position in (("similarity", 1), ("novelty", 2), ("is_echo", 3)):
            members[name] = [
                stored[key][position] if key in stored else value
                for key, value in zip(keys, members[name], strict=True)
            ]
    return members


_Stored = tuple[str, float, float, bool]


def _stored(known: pd.DataFrame | None) -> dict[tuple[str, str], _Stored]:
    if known is None or known.empty:
        return {}
    return {
        (row.news_id, row.symbol): (str(row.narrative_id), float(row.similarity), float(row.novelty), bool(row.is_echo))
        for row in known[list(MEMBER_COLUMNS)].itertuples(index=False)
    }


def _one_symbol(
    texts: sparse.csr_matrix,
    times: NDArray[np.int64],
    stored: list[_Stored | None],
    ids: list[str],
    config: TradingConfig,
) -> tuple[NDArray[np.float64], list[str]]:
    """Largest similarity to an earlier mention, and the story, of the mentions of one symbol in order."""
    count = len(times)
    horizon = config.catalyst.novelty_days * 24 * _HOUR
    window = int(config.narrative.window_hours * _HOUR)
    largest = np.zeros(count)
    oldest = np.searchsorted(times, times - horizon, side="left")
    reach = np.searchsorted(times, times - max(horizon, window), side="left")
    stories: list[str] = []
    leaders = np.empty(count, dtype=np.int64)  # rows of the first articles, in order of time
    began = np.empty(count, dtype=np.int64)  # and when
    number = 0
    seen: set[str] = set()
    for start in range(0, count, _BLOCK):
        stop = min(start + _BLOCK, count)
        low = int(reach[start])
        block = (texts[start:stop] @ texts[low:stop].T).toarray()
        column = np.arange(low, stop)
        usable = (column[None, :] < np.arange(start, stop)[:, None]) & (column[None, :] >= oldest[start:stop, None])
        largest[start:stop] = np.where(usable, block, 0.0).max(axis=1, initial=0.0)
        for row in range(start, stop):
            given = stored[row]
            story = given[0] if given is not None else None
            if story is None:
                oldest_leader = int(np.searchsorted(began[:number], times[row] - window, side="left"))
                candidates = leaders[oldest_leader:number]
                if len(candidates):
                    near = block[row - start, candidates - low]
                    best = int(near.argmax())  # the oldest of equals
                    if near[best] >= config.narrative.similarity:
                        story = stories[candidates[best]]
            if story is None:
                story = narrative_id(ids[row])
            if story not in seen:
                seen.add(story)
                leaders[number], began[number] = row, times[row]
                number += 1
            stories.append(story)
    return np.clip(largest, 0.0, 1.0), stories


def join(mentions: pd.DataFrame, members: pd.DataFrame) -> pd.DataFrame:
    """Mentions with their members' columns (narrative_id, similarity, novelty, is_echo), one row per mention, sorted
    as mentions are.

    Raises ``ValueError`` when a mention has no member: a score without its novelty would be wrong, not merely rough.
    """
    columns = list(MEMBER_COLUMNS)
    own = mentions.drop(columns=[name for name in columns[2:] if name in mentions.columns])
    joined = own.merge(members[columns], on=["news_id", "symbol"], how="left", validate="one_to_one")
    if joined["narrative_id"].isna().any():
        raise ValueError(
            f"{int(joined['narrative_id'].isna().sum())} mentions have no narrative; run assign over all of them"
        )
    return joined.sort_values(["available_at", "news_id", "symbol"], kind="stable", ignore_index=True)


# ----------------------------------------------------------------------------------------------------------------- clusters


def coordination(mentions_with_members: pd.DataFrame, config: TradingConfig) -> pd.DataFrame:
    """When each story began to look coordinated and when a good outlet told it, indexed by ``narrative_id``: columns
    ``coordinated_at`` and ``good_at`` (NaT: never). It is flagged at t when ``coordinated_at <= t`` and not ``good_at
    <= t``.

    Coordinated: ``narrative.coordinated_articles`` near-identical low-tier articles within
    ``narrative.coordinated_minutes``; the moment is that of the article which completes the number.
    """
    rules = config.narrative
    frame = mentions_with_members
    found: dict[str, tuple[pd.Timestamp, pd.Timestamp]] = {}
    low = frame["source_tier"].to_numpy() >= rules.coordinated_tier
    near = frame["similarity"].to_numpy() >= rules.coordinated_similarity
    times = frame["available_at"].astype("datetime64[us, UTC]").astype("int64").to_numpy()
    order = np.lexsort((frame["news_id"].to_numpy(dtype=str), times))
    span = rules.coordinated_minutes * 60_000_000
    good = frame["source_tier"].to_numpy() <= CONFIRMING_TIER
    news = frame["news_id"].to_numpy(dtype=str)
    stories = frame["narrative_id"].to_numpy(dtype=str)
    by_story: dict[str, list[int]] = {}
    for row in order:
        by_story.setdefault(stories[row], []).append(row)
    for story, rows in by_story.items():
        suspicious: list[int] = []
        counted: set[str] = set()
        coordinated = good_at = pd.NaT
        for number, row in enumerate(rows):
            if good[row] and good_at is pd.NaT:
                good_at = pd.Timestamp(int(times[row]), unit="us", tz="UTC")
            if low[row] and (near[row] or number == 0) and news[row] not in counted:
                counted.add(news[row])
                suspicious.append(int(times[row]))
                enough = len(suspicious) >= rules.coordinated_articles
                if (
                    coordinated is pd.NaT
                    and enough
                    and suspicious[-1] - suspicious[-rules.coordinated_articles] <= span
                ):
                    coordinated = pd.Timestamp(suspicious[-1], unit="us", tz="UTC")
        found[story] = (coordinated, good_at)
    return pd.DataFrame(
        {
            name: pd.to_datetime([pair[place] for pair in found.values()], utc=True).astype("datetime64[us, UTC]")
            for place, name in enumerate(("coordinated_at", "good_at"))
        },
        index=pd.Index(list(found), name="narrative_id", dtype="str"),
    )


def as_of(mentions_with_members: pd.DataFrame, decision_times: pd.DatetimeIndex, config: TradingConfig) -> pd.DataFrame:
    """The stories as they stood at each decision time, columns :data:`CLUSTER_COLUMNS` (those of
    ``narrative_clusters`` and the instant).

    ``symbol`` is the first of the first article; ``direction`` the mean of the articles' directions weighted by tier
    weight × novelty, the type that of the heaviest articles. Confirmation: the first tier 1-2 article on a story that
    began at tier 3-5, with the delay in minutes from the story's first article. Times are UTC, sorted by
    ``decision_time, first_at, narrative_id``.
    """
    times = pd.DatetimeIndex(decision_times).tz_convert("UTC").as_unit("us")
    frame = mentions_with_members.sort_values(["available_at", "news_id", "symbol"], kind="stable", ignore_index=True)
    if frame.empty or len(times) == 0:
        return pd.DataFrame({name: pd.Series(dtype=object) for name in CLUSTER_COLUMNS})
    flags = coordination(frame, config)
    tier_weight = np.asarray(config.catalyst.tier_weights)[frame["source_tier"].to_numpy(dtype=int) - 1]
    frame["weight"] = tier_weight * frame["novelty"].to_numpy(dtype=float)
    frame["pull"] = frame["weight"] * frame["direction"].to_numpy(dtype=float)
    grouped = frame.groupby("narrative_id", sort=False)
    first = grouped.first()
    parts: list[pd.DataFrame] = []
    for instant in times:
        seen = frame[frame["available_at"] <= instant]
        if seen.empty:
            continue
        parts.append(_clusters(seen, instant, first, flags))
    if not parts:
        return pd.DataFrame({name: pd.Series(dtype=object) for name in CLUSTER_COLUMNS})
    return pd.concat(parts, ignore_index=True)[list(CLUSTER_COLUMNS)]


def _clusters(seen: pd.DataFrame, instant: pd.Timestamp, first: pd.DataFrame, flags: pd.DataFrame) -> pd.DataFrame:
    grouped = seen.groupby("narrative_id", sort=False)
    stories = grouped.agg(
        last_at=("available_at", "max"),
        articles=("news_id", "nunique"),
        sources=("source", "nunique"),
        best_tier=("source_tier", "min"),
        weight=("weight", "sum"),
        pull=("pull", "sum"),
    )
    by_type = seen.groupby(["narrative_id", "catalyst_type"], sort=False)["weight"].sum().reset_index()
    # A story some articles of which name a catalyst has one; "other" only when none does.
    by_type["named"] = by_type["catalyst_type"] != "other"
    by_type = by_type.sort_values(["named", "weight", "catalyst_type"], ascending=[False, False, True], kind="stable")
    kinds = by_type.drop_duplicates("narrative_id").set_index("narrative_id")["catalyst_type"]
    began = first.loc[stories.index]
    good_at = flags["good_at"].loc[stories.index]
    known_good = good_at.where(good_at <= instant)
    confirmed = known_good.where(began["source_tier"].to_numpy() > CONFIRMING_TIER)
    coordinated = (flags["coordinated_at"].loc[stories.index] <= instant) & known_good.isna()
    table = pd.DataFrame(
        {
            "decision_time": instant,
            "narrative_id": stories.index,
            "symbol": began["symbol"].to_numpy(),
            "headline": began["headline"].to_numpy(),
            "first_news_id": began["news_id"].to_numpy(),
            "first_at": began["available_at"].to_numpy(),
            "last_at": stories["last_at"].to_numpy(),
            "articles": stories["articles"].to_numpy(),
            "sources": stories["sources"].to_numpy(),
            "best_tier": stories["best_tier"].to_numpy(),
            "catalyst_type": kinds.loc[stories.index].to_numpy(),
            "direction": np.clip(
                stories["pull"].to_numpy() / np.maximum(stories["weight"].to_numpy(), 1e-12), -1.0, 1.0
            ),
            "confirmed_at": confirmed.to_numpy(),
            "confirmation_minutes": (confirmed.to_numpy() - began["available_at"].to_numpy()) / np.timedelta64(1, "m"),
            "coordinated": coordinated.to_numpy(),
        }
    )
    for name in ("decision_time", "first_at", "last_at", "confirmed_at"):
        table[name] = pd.to_datetime(table[name], utc=True).astype("datetime64[us, UTC]")
    return table.sort_values(["first_at", "narrative_id"], ignore_index=True)
