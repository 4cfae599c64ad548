"""Tables of the news: news_raw, news_revisions, news_quarantine, news_features, narratives, news_collection_stats.

Belongs here: storing articles once, when they count as available, and reading them as of an instant. Does not belong
here: what an article means (``trading/articles.py``, ``trading/narratives.py``), where it comes from (``vendors/``).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

import pandas as pd

from catalyst_assets.ports import NewsBatch, RawArticle, RefusedItem
from catalyst_assets.storage.frames import to_json
from catalyst_assets.storage.repository import Repository
from catalyst_assets.trading.articles import news_id
from catalyst_assets.trading.calendar import TradingCalendar
from catalyst_assets.trading.config import NewsConfig

_RAW_WITHOUT_PAYLOAD = """
    r.news_id, r.provider, r.vendor_id, r.source, r.headline, r.summary, r.url, r.published_at, r.provider_updated_at, r.first_seen_at,
    r.available_at, r.session, r.sentiment, r.ticker_sentiment, r.live_source
"""


@dataclass(frozen=True, slots=True)
class StoreCounts:
    """What became of a batch: ``fetched = inserted + duplicates + revisions + quarantined``."""

    fetched: int = 0
    inserted: int = 0
    duplicates: int = 0
    revisions: int = 0
    quarantined: int = 0
    median_delay_s: float | None = None
    """Median seconds from publication to first sight, of the inserted articles."""

    def __add__(self, other: StoreCounts) -> StoreCounts:
        mine, theirs = self.median_delay_s, other.median_delay_s
        return StoreCounts(
            self.fetched + other.fetched,
            self.inserted + other.inserted,
            self.duplicates + other.duplicates,
            self.revisions + other.revisions,
            self.quarantined + other.quarantined,
            theirs if mine is None else mine,
        )


class NewsRepository(Repository):
    """Articles: raw rows written once, derived rows written again whenever the rules change."""

    # --------------------------------------------------------------------------------------------------------- storing

    def store(
        self,
        articles: Sequence[RawArticle],
        *,
        first_seen_at: datetime,
        delays: Mapping[str, timedelta],
        live_sources: Iterable[str],
        collected_live: bool,
        calendar: TradingCalendar | None = None,
        config: NewsConfig | None = None,
        origin_file: str | None = None,
        origin_lines: Sequence[int] | None = None,
    ) -> StoreCounts:
        """Store a batch once; storing it again changes nothing.

        ``available_at`` is ``first_seen_at`` when ``collected_live``, else publication plus the provider's delay in
        ``delays``. ``live_sources`` are the providers fast enough to score live candidates. An article dated later
        than ``first_seen_at`` plus the tolerance of ``config``, without a headline, or with a sentiment outside −1…1
        goes to news_quarantine; one whose vendor id is known with other words becomes a revision of the first
        version.
        """
        if calendar is not None:
            self._calendar = calendar
        if not articles:
            return StoreCounts()
        limit = first_seen_at + timedelta(seconds=(config or NewsConfig()).future_tolerance_seconds)
        live = frozenset(live_sources)
        refused: list[tuple[RefusedItem, int | None]] = []
        good: list[tuple[str, RawArticle]] = []
        for index, article in enumerate(articles):
            reason = _refusal(article, limit, delays, collected_live)
            if reason is None:
                good.append((news_id(article.headline, article.source, article.published_at), article))
            else:
                item = RefusedItem(article.provider, article.vendor_id, reason, article.payload)
                refused.append((item, origin_lines[index] if origin_lines else None))
        first, edits = self._split_revisions(good)
        unique: dict[str, RawArticle] = {}
        for ident, article in first:
            unique[ident] = _joined(unique[ident], article) if ident in unique else article
        revisions = _revision_rows(edits, first_seen_at)
        with self.database.begin() as connection:
            known = self.database.read_in(
                connection, "select news_id from news_raw where news_id = any(:ids)", {"ids": list(unique)}
            )
            # Collections overlap, so most are known: only the others go to the table, which still refuses a second one.
            stored = set(known["news_id"].tolist())
            fresh = {ident: article for ident, article in unique.items() if ident not in stored}
            rows = self._raw_rows(fresh, first_seen_at, delays, live, collected_live)
            inserted = self.database.append_in(connection, "news_raw", rows)
            key = ("provider", "vendor_id", "content_hash")
            revised = self.database.append_in(connection, "news_revisions", revisions, keys=key)
            self._quarantine(connection, refused, first_seen_at, origin_file)
        delays_s = pd.Series(
            [(first_seen_at - article.published_at).total_seconds() for article in fresh.values()], dtype=float
        )
        return StoreCounts(
            fetched=len(articles),
            inserted=inserted,
            duplicates=len(articles) - inserted - revised - len(refused),
            revisions=revised,
            quarantined=len(refused),
            median_delay_s=float(delays_s.median()) if len(delays_s) else None,
        )

    def quarantine(self, refused: Sequence[RefusedItem], *, seen_at: datetime) -> int:
        """Store items that could not become articles; the number that were new."""
        with self.database.begin() as connection:
            return self._quarantine(connection, [(item, None) for item in refused], seen_at, None)

    def record_collections(
        self,
        done: Sequence[tuple[NewsBatch, StoreCounts]],
        *,
        session: date,
        decision_time: datetime,
        started_at: datetime,
    ) -> None:
        """Add a row for each source of a collection to news_collection_stats; refused items count as fetched and
        quarantined."""
        rows = [{
            "session": session, "decision_time": decision_time, "provider": batch.provider, "started_at": started_at,
            "duration_ms": batch.duration.total_seconds() * 1000, "requests": batch.requests,
            "fetched": len(batch.articles) + len(batch.refused), "inserted": counts.inserted, "duplicates": counts.duplicates,
            "revisions": counts.revisions, "quarantined": counts.quarantined + len(batch.refused), "truncated": batch.truncated,
            "median_delay_s": counts.median_delay_s, "error": batch.error,
        } for batch, counts in done]  # fmt: skip
        self.database.append("news_collection_stats", pd.DataFrame(rows), "error")

    # --------------------------------------------------------------------------------------------------------- reading

    def raw(
        self,
        available_from: datetime | None = None,
        available_to: datetime | None = None,
        *,
        news_ids: Sequence[str] | None = None,
    ) -> pd.DataFrame:
        """Rows of news_raw with ``available_from < available_at <= available_to``, or of ``news_ids``; by
        availability."""
        return self.database.read(
            """
            select * from news_raw
            where (cast(:start as timestamptz) is null or available_at > :start)
              and (cast(:end as timestamptz) is null or available_at <= :end)
              and (cast(:ids as text[]) is null or news_id = any(:ids))
            order by available_at, news_id
            """,
            {"start": available_from, "end": available_to, "ids": None if news_ids is None else list(news_ids)},
        )

    def stamps(self, available_from: datetime, available_to: datetime) -> pd.DataFrame:
        """As :meth:`raw`, only identities and times: what a check of the collected articles looks at."""
        return self.database.read(
            """
            select news_id, provider, vendor_id, published_at, first_seen_at, available_at from news_raw
            where available_at > :start and available_at <= :end order by available_at, news_id
            """,
            {"start": available_from, "end": available_to},
        )

    def articles(
        self,
        available_from: datetime,
        available_to: datetime,
        *,
        symbols: Sequence[str] | None = None,
        payload: bool = False,
    ) -> pd.DataFrame:
        """Raw ⋈ features with ``available_from < available_at <= available_to``, by availability.

        ``tickers`` are those of the features; the vendor's own list is ``vendor_tickers``. ``symbols``: only articles that name one of
        them. The payload is left out unless asked for.
        """
        return self.database.read(
            f"""
            select {_RAW_WITHOUT_PAYLOAD}, r.tickers as vendor_tickers, {"r.payload," if payload else ""}
                   f.source_tier, f.catalyst_type, f.direction, f.primary_symbol, f.tickers, f.ticker_direction, f.keywords,
                   f.market_state, f.is_premarket, f.is_breaking, f.reasons, f.rules_version, f.computed_at
            from news_raw r join news_features f using (news_id)
            where r.available_at > :start and r.available_at <= :end
              and (cast(:symbols as text[]) is null or f.tickers && cast(:symbols as text[]))
            order by r.available_at, r.news_id
            """,
            {"start": available_from, "end": available_to, "symbols": None if symbols is None else list(symbols)},
        )

    def without_features(
        self, until: datetime, *, rules_version: str | None = None, since: datetime | None = None
    ) -> pd.DataFrame:
        """Rows of news_raw available by ``until`` that have no features, or features of another ``rules_version``."""
        return self.database.read(
            """
            select r.* from news_raw r left join news_features f using (news_id)
            where r.available_at <= :until and (cast(:since as timestamptz) is null or r.available_at > :since)
              and (f.news_id is null or f.rules_version <> cast(:version as text))
            order by r.available_at, r.news_id
            """,
            {"until": until, "since": since, "version": rules_version},
        )

    def revisions(self, seen_from: datetime, seen_to: datetime) -> pd.DataFrame:
        """Edits seen in ``(seen_from, seen_to]``."""
        return self.database.read(
            "select * from news_revisions where seen_at > :start and seen_at <= :end order by revision_id",
            {"start": seen_from, "end": seen_to},
        )

    def collection_stats(self, session: date) -> pd.DataFrame:
        return self.database.read(
            "select * from news_collection_stats where session = :session order by id", {"session": session}
        )

    # --------------------------------------------------------------------------------------------------------- derived

    def save_features(self, features: pd.DataFrame) -> int:
        """Write features; an article has one row, that of the latest rules."""
        if features.empty:
            return 0
        if "session" not in features.columns:
            features = features.merge(self._sessions(features["news_id"]), on="news_id", validate="one_to_one")
        return self.database.append("news_features", self.fitted("news_features", features), "update")

    def save_narratives(self, scenario: str, members: pd.DataFrame, clusters: pd.DataFrame) -> int:
        """Write clusters (the last row of each narrative, when given at several decision times) and their members."""
        if members.empty and clusters.empty:
            return 0
        if "decision_time" in clusters.columns:
            clusters = clusters.sort_values("decision_time", kind="stable")
        clusters = clusters.drop_duplicates("narrative_id", keep="last")
        if "session" not in clusters.columns:
            sessions = self._sessions(clusters["first_news_id"]).rename(columns={"news_id": "first_news_id"})
            clusters = clusters.merge(sessions, on="first_news_id", how="left")
        members = members.drop_duplicates(["news_id", "symbol"], keep="last")
        if "session" not in members.columns:
            members = members.merge(self._sessions(members["news_id"]), on="news_id", how="left")
        with self.database.begin() as connection:
            self.database.append_in(
                connection,
                "narrative_clusters",
                self.fitted("narrative_clusters", clusters, scenario=scenario),
                "update",
            )
            return self.database.append_in(
                connection, "narrative_members", self.fitted("narrative_members", members, scenario=scenario), "update"
            )

    def members(
        self, scenario: str, available_from: datetime | None = None, available_to: datetime | None = None
    ) -> pd.DataFrame:
        """Narrative members whose article has ``available_from < available_at <= available_to``, with
        ``available_at``."""
        return self.database.read(
            """
            select m.news_id, m.symbol, m.narrative_id, m.similarity, m.novelty, m.is_echo, m.session, r.available_at
            from narrative_members m join news_raw r using (news_id)
            where m.scenario = :scenario
              and (cast(:start as timestamptz) is null or r.available_at > :start)
              and (cast(:end as timestamptz) is null or r.available_at <= :end)
            order by r.available_at, m.news_id, m.symbol
            """,
            {"scenario": scenario, "start": available_from, "end": available_to},
        )

    def narrative_clusters(self, scenario: str, session: date) -> pd.DataFrame:
        return self.of_session("narrative_clusters", scenario, session, None, "first_at, narrative_id")

    # --------------------------------------------------------------------------------------------------------- details

    def _sessions(self, ids: pd.Series) -> pd.DataFrame:
        return self.database.read(
            "select news_id, session from news_raw where news_id = any(:ids)", {"ids": ids.drop_duplicates().tolist()}
        )

    def _split_revisions(
        self, good: Sequence[tuple[str, RawArticle]]
    ) -> tuple[list[tuple[str, RawArticle]], list[tuple[str, RawArticle]]]:
        """First versions, and edits as (news_id of the first version, edited article)."""
        pairs = {(article.provider, article.vendor_id) for _, article in good if article.vendor_id}
        stored = self.database.read(
            """
            select provider, vendor_id, news_id, headline, summary from news_raw
            where (provider, vendor_id) in (select * from unnest(cast(:providers as text[]), cast(:ids as text[])))
            order by first_seen_at desc, news_id
            """,
            {"providers": [pair[0] for pair in pairs], "ids": [pair[1] for pair in pairs]},
        )
        versions = {
            (row.provider, row.vendor_id): (row.news_id, _content(row.headline, row.summary))
            for row in stored.itertuples()
        }
        first: list[tuple[str, RawArticle]] = []
        edits: list[tuple[str, RawArticle]] = []
        for ident, article in sorted(good, key=lambda item: item[1].provider_updated_at or item[1].published_at):
            if not article.vendor_id:
                first.append((ident, article))
                continue
            key = (article.provider, article.vendor_id)
            content = _content(article.headline, article.summary)
            if key not in versions:
                versions[key] = (ident, content)
                first.append((ident, article))
            elif versions[key][1] == content:
                first.append((versions[key][0], article))
            else:
                edits.append((versions[key][0], article))
        return first, edits

    def _raw_rows(
        self,
        unique: Mapping[str, RawArticle],
        first_seen_at: datetime,
        delays: Mapping[str, timedelta],
        live: frozenset[str],
        collected_live: bool,
    ) -> pd.DataFrame:
        rows: list[dict[str, Any]] = []
        for ident, article in unique.items():
            available = first_seen_at if collected_live else article.published_at + delays[article.provider]
            rows.append(
                {
                    "news_id": ident, "provider": article.provider, "vendor_id": article.vendor_id or None, "source": article.source,
                    "headline": article.headline, "summary": article.summary, "url": article.url,
                    "published_at": article.published_at, "provider_updated_at": article.provider_updated_at,
                    "first_seen_at": first_seen_at, "available_at": available, "tickers": list(article.tickers),
                    "sentiment": article.sentiment,
                    "ticker_sentiment": {
                        symbol: {"relevance": given.relevance, "score": given.score}
                        for symbol, given in article.ticker_sentiment.items()
                    },
                    "live_source": article.provider in live, "payload": dict(article.payload),
                }
            )  # fmt: skip
        frame = pd.DataFrame(rows)
        if rows:
            sessions = self.sessions_of(row["available_at"] for row in rows)
            frame["session"] = [sessions[pd.Timestamp(row["available_at"])] for row in rows]
        return frame

    def _quarantine(
        self,
        connection: Any,
        refused: Sequence[tuple[RefusedItem, int | None]],
        seen_at: datetime,
        origin_file: str | None,
    ) -> int:
        rows = [
            {
                "provider": item.provider, "vendor_id": item.vendor_id, "reason": item.reason, "payload": item.payload,
                "payload_hash": hashlib.sha256(to_json(item.payload).encode()).hexdigest(), "origin_file": origin_file,
                "origin_line": line, "seen_at": seen_at,
            }
            for item, line in refused
        ]  # fmt: skip
        key = ("provider", "payload_hash", "reason")
        frame = pd.DataFrame(rows)
        if rows:  # jsonb null is a value, SQL NULL is not allowed
            frame["payload"] = [{"value": None} if item.payload is None else item.payload for item, _ in refused]
        return self.database.append_in(connection, "news_quarantine", frame, keys=key)


def _refusal(article: RawArticle, limit: datetime, delays: Mapping[str, timedelta], collected_live: bool) -> str | None:
    """Why an article cannot be stored, or ``None``."""
    if article.published_at.tzinfo is None:
        return "published time has no time zone"
    if article.published_at > limit:
        return "published in the future"
    if not article.headline.strip():
        return "no headline"
    if article.sentiment is not None and not -1 <= article.sentiment <= 1:
        return "sentiment outside -1..1"
    if not collected_live and article.provider not in delays:
        raise ValueError(f"no delay is declared for provider {article.provider!r}, so when it was available is unknown")
    return None


def _joined(first: RawArticle, again: RawArticle) -> RawArticle:
    """The first of two equal articles, with the symbols of both (vendors asked by symbol send one article once per symbol)."""
    return replace(
        first,
        tickers=tuple(dict.fromkeys((*first.tickers, *again.tickers))),
        ticker_sentiment={**again.ticker_sentiment, **first.ticker_sentiment},
    )


def _content(headline: str, summary: str) -> str:
    """What makes two versions of an article different: their words, not their white space or NULs."""
    words = " ".join((headline + "\n" + summary).replace("\0", "").split())
    return hashlib.sha256(words.encode()).hexdigest()


def _revision_rows(edits: Sequence[tuple[str, RawArticle]], seen_at: datetime) -> pd.DataFrame:
    rows = [
        {
            "news_id": ident, "provider": article.provider, "vendor_id": article.vendor_id,
            "provider_updated_at": article.provider_updated_at, "seen_at": seen_at, "headline": article.headline,
            "summary": article.summary, "content_hash": _content(article.headline, article.summary), "payload": dict(article.payload),
        }
        for ident, article in edits
    ]  # fmt: skip
    return pd.DataFrame(rows)
