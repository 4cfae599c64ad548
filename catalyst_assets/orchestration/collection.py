"""Collecting articles for one decision time: every source at once, stored once, with what happened to each source.

Belongs here: since when each source is asked, filing batches, statistics and health. Does not belong here: the vendors, the scores.

An article collected for a decision time counts as first seen AT it: the cycle decides on what it collected, and no article published
later is taken, so the decision can be repeated exactly from the stored rows. How long collecting took is in the statistics.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pandas as pd
import structlog

from catalyst_assets.orchestration.cycle import CycleContext
from catalyst_assets.ports import NewsBatch, NewsSource
from catalyst_assets.storage.database import Database
from catalyst_assets.storage.news import NewsRepository, StoreCounts
from catalyst_assets.storage.operations import OperationsRepository
from catalyst_assets.vendors.collection import collect
from catalyst_assets.vendors.news_source import is_budget_pause

log = structlog.get_logger(__name__)
LONGEST_SECONDS = 45.0
"""What a silent source may cost a cycle; the cycle is late after two minutes."""


@dataclass(frozen=True, slots=True)
class Collected:
    """One source's part of a collection."""

    batch: NewsBatch
    counts: StoreCounts


def asked_since(database: Database, cycle: CycleContext, sources: Sequence[NewsSource]) -> dict[str, datetime]:
    """From when each source is asked: its last collection without error less the overlap, or the close of the session before."""
    last = database.read(
        "select provider, max(decision_time) as at from news_collection_stats where provider = any(:providers) and error is null "
        "and not truncated and decision_time <= :now group by provider",
        {"providers": [source.name for source in sources], "now": cycle.decision_time.to_pydatetime()},
    )
    collected = dict(zip(last["provider"], [at.to_pydatetime() for at in last["at"]], strict=True))
    earliest: datetime = cycle.calendar.hours(cycle.calendar.previous(cycle.session)).close.to_pydatetime()
    overlap = timedelta(minutes=cycle.config.news.overlap_minutes)
    return {source.name: max(collected.get(source.name, earliest), earliest) - overlap for source in sources}


def collect_articles(
    cycle: CycleContext, sources: Sequence[NewsSource], database: Database, symbols: Sequence[str]
) -> list[Collected]:
    """Ask every source and store what they answer; one row per source in news_collection_stats and service_health."""
    at = cycle.decision_time.to_pydatetime()
    began = datetime.now(UTC)
    since = asked_since(database, cycle, sources)
    batches = collect(sources, min(since.values(), default=at), at, symbols, LONGEST_SECONDS)
    repository, operations = NewsRepository(database, cycle.calendar), OperationsRepository(database, cycle.calendar)
    delays = {source.name: source.delay for source in sources}
    live = [source.name for source in sources if source.live]
    done: list[Collected] = []
    for batch in batches:
        counts = repository.store(
            batch.articles,
            first_seen_at=at,
            delays=delays,
            live_sources=live,
            collected_live=True,
            config=cycle.config.news,
        )
        if batch.refused:
            repository.quarantine(batch.refused, seen_at=at)
        operations.record_health(
            f"news.{batch.provider}",
            "ok" if batch.error is None else "degraded" if is_budget_pause(batch) or batch.articles else "down",
            checked_at=began,
            latency_ms=batch.duration.total_seconds() * 1000,
            message=batch.error or "",
        )
        if batch.error and not is_budget_pause(batch):
            log.warning("news_source_failed", source=batch.provider, error=batch.error)
        done.append(Collected(batch, counts))
    if done:
        repository.record_collections(
            [(each.batch, each.counts) for each in done], session=cycle.session, decision_time=at, started_at=began
        )
    return done


def summary(done: Sequence[Collected]) -> pd.DataFrame:
    """One row per source, for the asset's table."""
    return pd.DataFrame(
        [
            {
                "source": each.batch.provider, "fetched": each.counts.fetched + len(each.batch.refused), "new": each.counts.inserted,
                "known": each.counts.duplicates, "edited": each.counts.revisions,
                "refused": each.counts.quarantined + len(each.batch.refused), "requests": each.batch.requests,
                "seconds": round(each.batch.duration.total_seconds(), 2), "error": each.batch.error or "",
            }
            for each in done
        ]
    )  # fmt: skip
