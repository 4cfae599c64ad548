"""Articles: collected, understood, grouped into stories.

Belongs here: the order of reading, deciding and saving. Does not belong here: what an article means (``trading/articles.py``) or which
tell the same story (``trading/narratives.py``).
"""

# Dagster reads these annotations as objects, so this module does not postpone them.
from datetime import timedelta

import dagster as dg
import pandas as pd

from catalyst_assets.orchestration import checks
from catalyst_assets.orchestration.cycle import CycleContext
from catalyst_assets.orchestration.resources import CycleResource, DatabaseResource, NewsSourcesResource
from catalyst_assets.orchestration.stage import Outcome, run_stage, stage_asset

GROUP = "news"


@stage_asset(
    GROUP,
    kinds={"python", "postgres"},
    deps=["active_universe"],
    description="Articles as the vendors gave them, stored once and never changed. A live cycle collects; a replay reads what is stored.",
)
def news_raw(
    context: dg.AssetExecutionContext,
    cycles: CycleResource,
    database: DatabaseResource,
    news_sources: NewsSourcesResource,
) -> dg.MaterializeResult:
    from catalyst_assets.orchestration.collection import collect_articles, summary
    from catalyst_assets.storage.news import NewsRepository
    from catalyst_assets.storage.scan import ScanRepository

    def body(cycle: CycleContext) -> Outcome:
        table, counts = None, {}
        if cycle.is_live:
            universe = ScanRepository(database.get(), cycle.calendar).active_universe(
                cycle.scenario, cycle.session, cycle.decision_time.to_pydatetime()
            )
            done = collect_articles(cycle, news_sources.get(), database.get(), universe["symbol"].tolist())
            cycle.memo["collected"], table = done, summary(done)
            counts = {
                "collected": sum(each.counts.fetched for each in done),
                "new_articles": sum(each.counts.inserted for each in done),
            }
        start = cycle.decision_times[0].floor("D") - pd.Timedelta(days=1)
        raw = NewsRepository(database.get(), cycle.calendar).stamps(
            start.to_pydatetime(), cycle.decision_time.to_pydatetime()
        )
        tolerance = cycle.config.news.future_tolerance_seconds
        return Outcome(
            counts=counts | {"articles": len(raw)},
            table=table,
            findings={
                "article_ids_unique": checks.article_ids_unique(raw),
                "article_times_known_and_past": checks.article_times_known_and_past(
                    raw, cycle.decision_time, tolerance
                ),
                "articles_not_visible_early": checks.articles_not_visible_early(raw),
            },
        )

    return run_stage(context, cycles, body)


@stage_asset(
    GROUP,
    kinds={"postgres"},
    deps=["news_raw"],
    description="What each source gave at each collection: requests, new, known, edited, refused, delay and errors.",
)
def news_collection_stats(
    context: dg.AssetExecutionContext,
    cycles: CycleResource,
    database: DatabaseResource,
    news_sources: NewsSourcesResource,
) -> dg.MaterializeResult:
    from catalyst_assets.storage.news import NewsRepository

    def body(cycle: CycleContext) -> Outcome:
        stats = NewsRepository(database.get(), cycle.calendar).collection_stats(cycle.session)
        live = [source.name for source in news_sources.get() if source.live] if cycle.is_live else []
        limit = timedelta(minutes=3 * cycle.config.cycle.market_minutes)
        at = cycle.decision_time.to_pydatetime()
        now = stats[stats["decision_time"] == cycle.decision_time]
        shown = now[
            ["provider", "fetched", "inserted", "duplicates", "quarantined", "median_delay_s", "duration_ms", "error"]
        ]
        return Outcome(
            counts={"sources": len(now), "failed_sources": int(now["error"].notna().sum())},
            table=shown,
            findings={
                "collection_is_fresh": checks.collection_is_fresh(stats, live, at, limit),
                "collection_adds_up": checks.collection_adds_up(stats),
            },
        )

    return run_stage(context, cycles, body)


@stage_asset(
    GROUP,
    kinds={"python", "postgres"},
    deps=["news_raw"],
    description="What an article means: tier of its source, catalyst type, direction per ticker, pre-market and breaking flags.",
)
def news_features(
    context: dg.AssetExecutionContext, cycles: CycleResource, database: DatabaseResource
) -> dg.MaterializeResult:
    from catalyst_assets.orchestration.features import derive_missing

    def body(cycle: CycleContext) -> Outcome:
        derived = derive_missing(cycle, database.get())
        types = derived.features["catalyst_type"].value_counts() if len(derived.features) else pd.Series(dtype="int64")
        shown = derived.features.head(10)
        columns = [
            name
            for name in ("news_id", "source_tier", "catalyst_type", "direction", "primary_symbol", "is_breaking")
            if name in shown
        ]
        return Outcome(
            counts={"features": len(derived.features)},
            table=shown[columns],
            findings={"features_complete": checks.features_complete(derived.missing, derived.available)},
            more={
                "catalyst types": ", ".join(f"{name} {count}" for name, count in types.head(8).items()) or "none new"
            },
        )

    return run_stage(context, cycles, body)


@stage_asset(
    GROUP,
    kinds={"python", "scikitlearn", "postgres"},
    deps=["news_features"],
    description="Stories: articles that tell the same thing about a symbol, with confirmation and signs of coordination.",
)
def narrative_clusters(
    context: dg.AssetExecutionContext, cycles: CycleResource, database: DatabaseResource
) -> dg.MaterializeResult:
    from catalyst_assets.orchestration import frames
    from catalyst_assets.storage.news import NewsRepository
    from catalyst_assets.trading import narratives

    def body(cycle: CycleContext) -> Outcome:
        repository = NewsRepository(database.get(), cycle.calendar)
        mentions = frames.mentions(cycle, database.get())
        window = (cycle.lookback_start.to_pydatetime(), cycle.decision_time.to_pydatetime())
        known = repository.members(cycle.scenario, *window)
        unread = mentions[~_pairs(mentions).isin(_pairs(known))]
        # Stories are per symbol: only symbols with an unread article are looked at again.
        about = mentions[mentions["symbol"].isin(unread["symbol"])]
        members = narratives.assign(about, cycle.config, known=known)
        new = members[~_pairs(members).isin(_pairs(known))]
        told = narratives.join(mentions, pd.concat([known[list(members.columns)], new], ignore_index=True))
        touched = told[told["narrative_id"].isin(new["narrative_id"])]
        clusters = narratives.as_of(touched, cycle.decision_times[-1:], cycle.config)
        repository.save_narratives(cycle.scenario, new, clusters)
        cycle.memo["told_mentions"] = told
        shown = clusters.sort_values("articles", ascending=False)
        columns = [
            "symbol",
            "headline",
            "articles",
            "sources",
            "best_tier",
            "catalyst_type",
            "direction",
            "coordinated",
        ]
        return Outcome(
            counts={
                "mentions": len(told),
                "new_mentions": len(new),
                "narratives": int(told["narrative_id"].nunique()),
                "coordinated": int(clusters["coordinated"].astype(bool).sum()),
            },
            table=shown[columns],
            findings={"narratives_look_back_only": checks.narratives_look_back_only(touched, clusters)},
        )

    return run_stage(context, cycles, body)


def _pairs(members: pd.DataFrame) -> pd.Series:
    return members["news_id"].astype("str") + "|" + members["symbol"].astype("str")
