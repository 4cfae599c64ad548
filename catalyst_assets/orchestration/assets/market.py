"""The market: which symbols are active, and their bars.

Belongs here: asking, filtering to common stock, storing. Does not belong here: vendors, resampling, scores.
"""

# Dagster reads these annotations as objects, so this module does not postpone them.
from datetime import timedelta

import dagster as dg

from catalyst_assets.orchestration import checks
from catalyst_assets.orchestration.cycle import CycleContext
from catalyst_assets.orchestration.resources import (
    BarsResource,
    CycleResource,
    DatabaseResource,
    MarketDataResource,
    SettingsResource,
)
from catalyst_assets.orchestration.stage import Outcome, run_stage, stage_asset
from catalyst_assets.ports import TIMEFRAMES
from catalyst_assets.trading.calendar import MarketState

GROUP = "market"


@stage_asset(
    GROUP,
    kinds={"python", "postgres"},
    deps=[],
    description="The most active tradable common stocks at each decision time: what the scan looks at.",
)
def active_universe(
    context: dg.AssetExecutionContext,
    cycles: CycleResource,
    database: DatabaseResource,
    market_data: MarketDataResource,
    bars: BarsResource,
) -> dg.MaterializeResult:
    from catalyst_assets.orchestration import universe
    from catalyst_assets.storage.instruments import InstrumentRepository
    from catalyst_assets.storage.scan import ScanRepository

    def body(cycle: CycleContext) -> Outcome:
        found = (
            universe.live(cycle, market_data.get(), database.get())
            if cycle.is_live
            else universe.recorded(cycle, bars, database.get())
        )
        ScanRepository(database.get(), cycle.calendar).save_active_universe(
            found, scenario=cycle.scenario, decision_times=cycle.decision_times
        )
        symbols = sorted(set(found["symbol"]))
        instruments = InstrumentRepository(database.get(), cycle.calendar).instruments(symbols)
        last = found[found["decision_time"] == cycle.decision_time]
        return Outcome(
            counts={"universe": len(symbols)},
            table=last[["rank", "symbol", "price", "volume", "change_pct", "origin"]],
            findings={
                "universe_is_common_stock": checks.universe_is_common_stock(found, instruments),
                "universe_has_symbols": checks.universe_has_symbols(found, cycle.decision_times),
            },
        )

    return run_stage(context, cycles, body)


@stage_asset(
    GROUP,
    kinds={"python", "parquet"},
    deps=["active_universe"],
    description="Minute bars of the universe, of open positions and of the last candidates, with history, in the bar store.",
)
def market_bars(
    context: dg.AssetExecutionContext,
    cycles: CycleResource,
    database: DatabaseResource,
    market_data: MarketDataResource,
    bars: BarsResource,
    settings: SettingsResource,
) -> dg.MaterializeResult:
    from catalyst_assets.orchestration import feeding, frames, universe
    from catalyst_assets.orchestration.recording import recorded_store

    def body(cycle: CycleContext) -> Outcome:
        symbols = universe.watched(cycle, database.get())
        counts: dict[str, int] = {}
        if cycle.is_live:
            data = market_data.get()
            store = bars.get(data.feed)
            fed = feeding.feed(cycle, data, store, symbols, settings.get().history_sessions)
            counts = {"new_bars": fed.minutes, "history_bars": fed.history, "new_symbols": len(fed.new_symbols)}
        else:
            store = recorded_store(cycle, bars)
        base = frames.base_timeframe(store, cycle)
        length = TIMEFRAMES[base]
        at = cycle.decision_time.to_pydatetime()
        today = store.read(symbols or None, base, cycle.hours.pre_open.to_pydatetime(), at)
        regular = today[(today["ts"] >= cycle.hours.open) & (today["ts"] < cycle.hours.close)]
        trading = cycle.is_live and cycle.state is MarketState.REGULAR and at >= cycle.hours.open + timedelta(minutes=5)
        last = today.groupby("symbol", as_index=False).last().sort_values("volume", ascending=False)
        return Outcome(
            counts=counts | {"bars": len(today)},
            table=last[["symbol", "ts", "open", "high", "low", "close", "volume"]],
            findings={
                "bars_are_possible": checks.bars_are_possible(today),
                "bars_are_current": checks.bars_are_current(
                    today, symbols, at, timedelta(minutes=10) + length, trading=trading
                ),
                "bars_have_few_gaps": checks.bars_have_few_gaps(regular, length),
            },
            more={"feed": store.namespace, "base": base},
        )

    return run_stage(context, cycles, body)
