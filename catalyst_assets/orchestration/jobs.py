"""The jobs: one cycle, the minute's watch, the close, the night, and a range of old sessions.

Belongs here: what runs together, on which executor, under which tags. Does not belong here: when (``schedules.py``, ``sensors.py``).

Every job runs in one process: a cycle has to end within seconds, and a process per step would take half a minute. Nothing is retried.
"""

# Dagster reads these annotations as objects, so this module does not postpone them.
from datetime import timedelta

import dagster as dg

from catalyst_assets.orchestration.assets.trading import BROKER_POOL
from catalyst_assets.orchestration.cycle import KIND_TAG, CycleContext, CycleRefused
from catalyst_assets.orchestration.partitions import SESSIONS
from catalyst_assets.orchestration.resources import (
    BrokerResource,
    ClockResource,
    CycleResource,
    DatabaseResource,
    NewsSourcesResource,
)

CYCLE_ASSETS = (
    "active_universe", "news_raw", "news_collection_stats", "news_features", "narrative_clusters", "market_bars",
    "scan_evaluations", "trading_candidates", "technical_indicators", "pattern_analysis", "trading_signals",
    "trade_records", "positions", "trading_cycles",
)  # fmt: skip
NIGHT_ASSETS = ("article_outcomes", "source_metrics", "pattern_metrics")
MAX_RUNTIME_TAG = "dagster/max_runtime"
KEEP_RUNS = timedelta(days=3)
"""How long cycle and watch runs stay in Dagster's log; their results stay in our own tables for good."""
PRUNE_BATCH = 500

market_cycle = dg.define_asset_job(
    "market_cycle",
    selection=dg.AssetSelection.assets(*CYCLE_ASSETS),
    description="One full cycle: articles, scan, charts, signals, orders, positions.",
    partitions_def=SESSIONS,
    executor_def=dg.in_process_executor,
    tags={KIND_TAG: "cycle", MAX_RUNTIME_TAG: "300"},
)

night_work = dg.define_asset_job(
    "night_work",
    selection=dg.AssetSelection.assets(*NIGHT_ASSETS),
    description="After the session: what became of each article, and what that says about sources and patterns.",
    partitions_def=SESSIONS,
    executor_def=dg.in_process_executor,
    tags={KIND_TAG: "night", MAX_RUNTIME_TAG: "1500"},
)

session_replay = dg.define_asset_job(
    "session_replay",
    selection=dg.AssetSelection.assets(*CYCLE_ASSETS, *NIGHT_ASSETS),
    description="A past session from stored articles and bars, through the in-process exchange; also over a range of sessions.",
    partitions_def=SESSIONS,
    executor_def=dg.in_process_executor,
    tags={KIND_TAG: "backfill", "dagster/priority": "-10"},
)


@dg.op(pool=BROKER_POOL, description="New articles from the quick sources, then one watch over the positions.")
def watch(
    context: dg.OpExecutionContext,
    cycles: CycleResource,
    database: DatabaseResource,
    news_sources: NewsSourcesResource,
    broker: BrokerResource,
) -> None:
    from catalyst_assets.orchestration.collection import collect_articles
    from catalyst_assets.orchestration.features import derive_missing
    from catalyst_assets.orchestration.ordering import watch_live
    from catalyst_assets.orchestration.universe import watched

    cycle = _live_cycle(context, cycles)
    quick = [source for source in news_sources.get() if source.live and source.name in QUICK_SOURCES]
    done = collect_articles(cycle, quick, database.get(), watched(cycle, database.get()))
    derive_missing(cycle, database.get())
    result = watch_live(cycle, broker, database.get())
    context.add_output_metadata(
        {
            "new articles": sum(each.counts.inserted for each in done),
            "exits": result.exits,
            "moved stops": result.moved_stops,
            "protected": result.protected,
            "shares without a stop": sum(result.uncovered.values()),
            "disagreements": "; ".join(result.disagreements) or "none",
        }
    )
    if result.uncovered:
        raise dg.Failure(f"shares without a resting stop: {dict(result.uncovered)}", allow_retries=False)


QUICK_SOURCES = frozenset({"alpaca"})
"""Sources whose plan allows a question every minute; the others are asked once per cycle."""


@dg.op(
    pool=BROKER_POOL,
    description="Flat before the close unless configured otherwise; afterwards everything settled and recorded.",
)
def settle(
    context: dg.OpExecutionContext,
    cycles: CycleResource,
    broker: BrokerResource,
    database: DatabaseResource,
    clock: ClockResource,
) -> None:
    from catalyst_assets.orchestration.ordering import uncovered_shares

    cycle = _live_cycle(context, cycles)
    desk = broker.desk(cycle)
    before_close = clock.get().now() < cycle.hours.close
    leaving: tuple[str, ...] = ()
    with desk.exclusive():
        synced = desk.synchronise(force=True)
        if before_close and not cycle.config.position.hold_overnight:
            leaving = desk.flatten("flat before the close", code="close").leaving
        desk.protect()
        desk.record_account()
    book = broker.account_book()
    held = book.positions()
    context.add_output_metadata(
        {"leaving": len(leaving), "still held": len(held), "disagreements": "; ".join(synced.disagreements) or "none"}
    )
    naked = uncovered_shares(held, book.open_orders())
    if naked and (before_close or not cycle.config.position.hold_overnight) and not leaving:
        raise dg.Failure(f"shares without a resting stop: {naked}", allow_retries=False)


@dg.op(description="Old cycle and watch runs leave Dagster's log; their results are in our own tables.")
def prune_runs(context: dg.OpExecutionContext) -> None:
    from datetime import UTC, datetime

    before = datetime.now(UTC) - KEEP_RUNS
    deleted = 0
    for kind in ("cycle", "watch"):
        finished = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]
        records = context.instance.get_run_records(
            dg.RunsFilter(tags={KIND_TAG: kind}, statuses=finished, created_before=before), limit=PRUNE_BATCH
        )
        for record in records:
            context.instance.delete_run(record.dagster_run.run_id)
            deleted += 1
    context.add_output_metadata({"deleted runs": deleted})


def _live_cycle(context: dg.OpExecutionContext, cycles: CycleResource) -> CycleContext:
    try:
        return cycles.of(context, at_present=True)[-1]
    except CycleRefused as refusal:
        raise dg.Failure(str(refusal), allow_retries=False) from refusal


@dg.job(
    executor_def=dg.in_process_executor,
    tags={KIND_TAG: "watch", MAX_RUNTIME_TAG: "120", "dagster/priority": "5"},
    description="Every minute: new articles, positions synchronised, protected, trailed, ended by the rules.",
)
def watch_positions() -> None:
    watch()


@dg.job(
    partitions_def=SESSIONS,
    executor_def=dg.in_process_executor,
    tags={KIND_TAG: "close", MAX_RUNTIME_TAG: "300", "dagster/priority": "10"},
    description="Around the close: flat before it, settled after it.",
)
def close_session() -> None:
    settle()


@dg.job(executor_def=dg.in_process_executor, tags={KIND_TAG: "prune"}, description="Maintenance of Dagster's own log.")
def prune() -> None:
    prune_runs()


JOBS = (market_cycle, night_work, session_replay, watch_positions, close_session, prune)
