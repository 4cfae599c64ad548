"""Dagster's resources: thin, configurable, and each hands out one plain object when a stage asks for it.

Belongs here: the names the assets ask by. Does not belong here: how things are opened (``connections.py``). Nothing is opened and
no environment is read when definitions load; the first use in a run does both.

Tests and the demo replace single resources in ``build_definitions(resources=…)`` or give settings by name in
``SettingsResource(overrides=…)``.
"""

# Dagster and pydantic read these annotations as objects, so this module does not postpone them.
from datetime import datetime
from typing import TYPE_CHECKING, Any

import dagster as dg

from catalyst_assets.orchestration.connections import (
    ClockUnavailable,
    Connections,
    SystemClock,
    connections,
    current_settings,
    fresh,
)
from catalyst_assets.orchestration.cycle import (
    DECISION_TIME_TAG,
    LIVE,
    RUNS,
    SCENARIO_TAG,
    CycleContext,
    CycleRefused,
    contexts,
)
from catalyst_assets.settings import Settings

if TYPE_CHECKING:
    from catalyst_assets.execution.desk import TradingDesk
    from catalyst_assets.ports import Broker, Clock, MarketData, NewsSource
    from catalyst_assets.storage.bars import BarStore
    from catalyst_assets.storage.cache import Cache
    from catalyst_assets.storage.database import Database


class SettingsResource(dg.ConfigurableResource):
    """The program's settings; ``overrides`` by attribute name, for tests and tools (never for secrets: it is shown in the UI)."""

    overrides: dict[str, Any] = {}  # noqa: RUF012 - pydantic copies defaults, and Dagster reads this one

    def get(self) -> Settings:
        return current_settings(self.overrides)

    def connections(self) -> Connections:
        return connections(self.get())


class DatabaseResource(dg.ConfigurableResource):
    """Our PostgreSQL, migrated."""

    settings: dg.ResourceDependency[SettingsResource]

    def get(self) -> "Database":
        return self.settings.connections().database


class CacheResource(dg.ConfigurableResource):
    """Redis, which may be away."""

    settings: dg.ResourceDependency[SettingsResource]

    def get(self) -> "Cache":
        return self.settings.connections().cache


class ClockResource(dg.ConfigurableResource):
    """The clock that rules: the machine's, or the simulated market's."""

    settings: dg.ResourceDependency[SettingsResource]

    def get(self) -> "Clock":
        return self.settings.connections().clock


class NewsSourcesResource(dg.ConfigurableResource):
    """The vendors of articles."""

    settings: dg.ResourceDependency[SettingsResource]

    def get(self) -> "tuple[NewsSource, ...]":
        return tuple(self.settings.connections().news_sources)


class MarketDataResource(dg.ConfigurableResource):
    """Bars, quotes and lists: the main vendor first, then the fallbacks."""

    settings: dg.ResourceDependency[SettingsResource]

    def get(self) -> "MarketData":
        return self.settings.connections().market_data


class BarsResource(dg.ConfigurableResource):
    """The bar store (Parquet) of one feed."""

    settings: dg.ResourceDependency[SettingsResource]

    def get(self, feed: str) -> "BarStore":
        return self.settings.connections().bars(feed)


class BrokerResource(dg.ConfigurableResource):
    """The trading desk: our order step around the broker account. Only a live cycle gets one."""

    settings: dg.ResourceDependency[SettingsResource]

    def desk(self, cycle: CycleContext) -> "TradingDesk":
        """Raises :class:`CycleRefused` for any scenario but ``live``: a replay never learns the broker's address."""
        if not cycle.is_live:
            raise CycleRefused(f"scenario {cycle.scenario} may not reach a broker")
        return self.settings.connections().desk(cycle.config)

    def now(self) -> datetime:
        """Now, by the clock that rules."""
        return self.settings.connections().clock.now()

    def account_book(self) -> "Broker":
        """The broker itself, for reading only (checks compare its book with ours)."""
        return self.settings.connections().broker


class CycleResource(dg.ConfigurableResource):
    """What a run is: scenario, session, decision times, configuration."""

    settings: dg.ResourceDependency[SettingsResource]
    database: dg.ResourceDependency[DatabaseResource]
    clock: dg.ResourceDependency[ClockResource]

    def of(
        self,
        context: dg.AssetExecutionContext | dg.OpExecutionContext,
        *,
        afterwards: bool = False,
        at_present: bool = False,
    ) -> list[CycleContext]:
        """The frames of the run, made by the first stage that asks. Raises :class:`CycleRefused`.

        ``afterwards``: for stages that only look back (see :func:`cycle.contexts`). ``at_present``: for protective work (the watch, the
        close), which is done for now however late the run that was asked for it begins.
        """
        name = f"{context.run_id}{':afterwards' if afterwards else ''}"
        found = RUNS.get(name)
        if found is not None:
            return found
        from catalyst_assets.storage.configuration import ConfigurationRepository
        from catalyst_assets.trading.calendar import TradingCalendar

        made = contexts(
            run_id=context.run_id,
            tags={
                key: value for key, value in context.run.tags.items() if not (at_present and key == DECISION_TIME_TAG)
            },
            partition_keys=list(context.partition_keys)
            if context.has_partition_key or context.has_partition_key_range
            else [],
            now=self._now(context),
            calendar=TradingCalendar(),
            config=ConfigurationRepository(self.database.get()).load(),
            afterwards=afterwards,
        )
        for cycle in made:
            if cycle.is_live:
                cycle.memo["cache_before"] = self.settings.connections().cache.counts()
        return RUNS.keep(name, made)

    def _now(self, context: dg.AssetExecutionContext | dg.OpExecutionContext) -> datetime:
        """Now by the clock that rules; a replay needs no simulated market to be running."""
        if context.run.tags.get(SCENARIO_TAG, LIVE) != LIVE:
            return SystemClock().now()
        try:
            return fresh(self.clock.get()).now()
        except ClockUnavailable:
            if not (context.has_partition_key or context.has_partition_key_range) or SCENARIO_TAG in context.run.tags:
                raise
            return SystemClock().now()


def default_resources(settings: SettingsResource | None = None) -> dict[str, Any]:
    """Every resource by the name the assets ask with."""
    base = settings or SettingsResource()
    database, clock = DatabaseResource(settings=base), ClockResource(settings=base)
    return {
        "settings": base,
        "database": database,
        "cache": CacheResource(settings=base),
        "clock": clock,
        "news_sources": NewsSourcesResource(settings=base),
        "market_data": MarketDataResource(settings=base),
        "bars": BarsResource(settings=base),
        "broker": BrokerResource(settings=base),
        "cycles": CycleResource(settings=base, database=database, clock=clock),
    }
