"""Trading: the order step, and the watch over what is held.

Belongs here: handing signals to the desk (live) or to the in-process exchange (replay), and reporting what it did. Does not belong
here: limits, orders, rules (``execution/``, ``trading/risk.py``, ``trading/positions.py``). Nothing here is retried by Dagster: the desk
takes up interrupted work by itself.
"""

# Dagster reads these annotations as objects, so this module does not postpone them.
import dagster as dg

from catalyst_assets.orchestration import checks
from catalyst_assets.orchestration.cycle import CycleContext
from catalyst_assets.orchestration.plots import equity_plot
from catalyst_assets.orchestration.resources import BarsResource, BrokerResource, CycleResource, DatabaseResource
from catalyst_assets.orchestration.stage import Outcome, run_stage, stage_asset

GROUP = "trading"
BROKER_POOL = "broker"
"""Dagster's pool of one: a single step at a time talks to the account."""
TRADES_SHOWN = [
    "symbol",
    "direction",
    "status",
    "filled_qty",
    "entry_price",
    "stop_now",
    "exit_price",
    "exit_reason",
    "pnl",
    "r_multiple",
]


@stage_asset(
    GROUP,
    kinds={"python", "alpaca", "postgres"},
    deps=["trading_signals"],
    description="Trades: each tradable signal sized, checked against every limit with fresh broker state, sent as a bracket or refused.",
    pool=BROKER_POOL,
)
def trade_records(
    context: dg.AssetExecutionContext,
    cycles: CycleResource,
    database: DatabaseResource,
    bars: BarsResource,
    broker: BrokerResource,
) -> dg.MaterializeResult:
    from catalyst_assets.orchestration.ordering import place_live, replay_day
    from catalyst_assets.storage.signals import SignalRepository
    from catalyst_assets.storage.trades import TradeRepository

    def body(cycle: CycleContext) -> Outcome:
        one = cycle.decision_time.to_pydatetime() if cycle.is_live else None
        signals = SignalRepository(database.get(), cycle.calendar).trading_signals(cycle.scenario, cycle.session, one)
        done = place_live(cycle, broker, signals) if cycle.is_live else replay_day(cycle, bars, database.get(), signals)
        trades = TradeRepository(database.get())
        stored = trades.trade_records(cycle.scenario, cycle.session)
        decided = set(trades.risk_decisions(cycle.scenario, cycle.session)["signal_id"])
        return Outcome(
            counts={"decisions": done.decisions, "placed": done.placed, "refused": done.refused, "trades": len(stored)},
            table=stored.iloc[::-1][TRADES_SHOWN],
            findings={
                "every_signal_answered": checks.every_signal_answered(signals, decided, set(stored["signal_id"])),
                "journal_agrees_with_broker": checks.journal_agrees_with_broker(list(done.disagreements), done.orders),
            },
            more={"refusals": ", ".join(f"{rule} {count}" for rule, count in sorted(done.refusals.items())) or "none"},
        )

    return run_stage(context, cycles, body)


@stage_asset(
    GROUP,
    kinds={"python", "alpaca", "postgres"},
    deps=["trade_records"],
    description="What is held now: synchronised with the broker, protected, trailed, ended by the rules; and the account's equity.",
    pool=BROKER_POOL,
)
def positions(
    context: dg.AssetExecutionContext, cycles: CycleResource, database: DatabaseResource, broker: BrokerResource
) -> dg.MaterializeResult:
    from catalyst_assets.orchestration.ordering import watch_live
    from catalyst_assets.storage.trades import TradeRepository

    def body(cycle: CycleContext) -> Outcome:
        watched = watch_live(cycle, broker, database.get()) if cycle.is_live else None
        trades = TradeRepository(database.get())
        held = trades.positions(cycle.scenario)
        snapshots = trades.account_snapshots(cycle.scenario, cycle.session)
        counts = {"open_positions": len(held)}
        if watched is not None:
            counts |= {"exits": watched.exits, "moved_stops": watched.moved_stops, "protected": watched.protected}
        # drawing costs more than the rest of the stage: on the hour, and once for a replayed day
        draw = not cycle.is_live or cycle.decision_time.minute == 0
        plot = equity_plot(snapshots) if draw else None
        uncovered = watched.uncovered if watched is not None else {}
        return Outcome(
            counts=counts,
            table=held[
                ["symbol", "direction", "qty", "entry_price", "stop_now", "target1", "target2", "catalyst_type"]
            ],
            findings={"positions_are_protected": checks.positions_are_protected(uncovered, len(held))},
            more={"equity": plot} if plot is not None else {},
        )

    return run_stage(context, cycles, body)
