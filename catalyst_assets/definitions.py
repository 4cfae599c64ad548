"""What Dagster loads: every asset, check, job, schedule, sensor and resource, put together explicitly.

Belongs here: composition, nothing else. Loading does no input or output and reads no environment: resources open when a run first
uses them. ``dagster`` finds it by ``workspace.yaml`` and ``[tool.dagster]``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import dagster as dg

from catalyst_assets.orchestration.assets import analysis, feedback, market, news, operations, scan, signals, trading
from catalyst_assets.orchestration.jobs import JOBS
from catalyst_assets.orchestration.resources import SettingsResource, default_resources
from catalyst_assets.orchestration.schedules import SCHEDULES
from catalyst_assets.orchestration.sensors import SENSORS

ASSETS = (
    market.active_universe,
    news.news_raw,
    news.news_collection_stats,
    news.news_features,
    news.narrative_clusters,
    market.market_bars,
    scan.scan_evaluations,
    scan.trading_candidates,
    analysis.technical_indicators,
    analysis.pattern_analysis,
    signals.trading_signals,
    trading.trade_records,
    trading.positions,
    feedback.article_outcomes,
    feedback.source_metrics,
    feedback.pattern_metrics,
    operations.trading_cycles,
)
"""In the order the data flows."""


def build_definitions(
    *, resources: Mapping[str, Any] | None = None, settings: Mapping[str, Any] | None = None
) -> dg.Definitions:
    """The whole of it. ``resources`` replaces single resources by name; ``settings`` gives settings by attribute name to all of them."""
    base = default_resources(SettingsResource(overrides=dict(settings or {})))
    return dg.Definitions(
        assets=list(ASSETS),
        jobs=list(JOBS),
        schedules=list(SCHEDULES),
        sensors=list(SENSORS),
        resources=base | dict(resources or {}),
        executor=dg.in_process_executor,
    )


defs = build_definitions()
