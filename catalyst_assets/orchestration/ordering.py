"""Where a cycle's signals go: to the desk when live, to the in-process exchange when replayed; and the watch over positions.

Belongs here: choosing between the two, and counting what happened. Does not belong here: anything the desk decides.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

import pandas as pd

from catalyst_assets.orchestration import frames
from catalyst_assets.orchestration.cycle import CycleContext
from catalyst_assets.orchestration.recording import recorded_store, tape, view
from catalyst_assets.orchestration.resources import BarsResource, BrokerResource
from catalyst_assets.orchestration.watching import contradicting
from catalyst_assets.ports import BrokerOrder, BrokerPosition, OrderSide
from catalyst_assets.storage.database import Database
from catalyst_assets.storage.trades import TradeRepository


@dataclass(frozen=True, slots=True)
class Placed:
    """What became of the signals of a cycle (or of a replayed day)."""

    decisions: int
    placed: int
    refused: int
    refusals: Mapping[str, int] = field(default_factory=dict)
    disagreements: tuple[str, ...] = ()
    orders: int = 0


@dataclass(frozen=True, slots=True)
class Watched:
    """What a watch did; ``uncovered``: shares without a resting stop by symbol, from the broker's own book."""

    exits: int
    moved_stops: int
    protected: int
    uncovered: Mapping[str, int]
    disagreements: tuple[str, ...]


def place_live(cycle: CycleContext, broker: BrokerResource, signals: pd.DataFrame) -> Placed:
    """Synchronise, then decide on the cycle's signals and send what is allowed."""
    desk = broker.desk(cycle)
    with desk.exclusive():
        synced = desk.synchronise(force=True)
        result = desk.place(signals, cycle.decision_time.to_pydatetime())
    refusals = Counter(decision.rule for decision in result.decisions if decision.rule)
    return Placed(
        decisions=len(result.decisions),
        placed=len(result.placed),
        refused=len(result.refused) + sum(not decision.allowed for decision in result.decisions),
        refusals=dict(refusals),
        disagreements=synced.disagreements,
        orders=len(result.placed),
    )


def replay_day(cycle: CycleContext, bars: BarsResource, database: Database, signals: pd.DataFrame) -> Placed:
    """Trade the whole session's signals on the in-process exchange."""
    from catalyst_assets.replay.session import run_session

    store = recorded_store(cycle, bars)
    done = run_session(
        tape=tape(cycle, store, database),
        session=cycle.session,
        signals=signals,
        mentions=frames.told_mentions(cycle, database),
        calendar=cycle.calendar,
        config=cycle.config,
        trades=TradeRepository(database),
        scenario=cycle.scenario,
        view=view(cycle, store, database),
    )
    return Placed(
        decisions=done.decisions, placed=len(done.trades), refused=sum(done.refusals.values()), refusals=done.refusals
    )


def watch_live(cycle: CycleContext, broker: BrokerResource, database: Database, now: datetime | None = None) -> Watched:
    """One watch: positions synchronised, ended by the rules, protected; the account recorded."""
    desk = broker.desk(cycle)
    at = now or broker.now()
    recent = contradicting(database, cycle.config, at)
    with desk.exclusive():
        result = desk.watch(at, recent)
        desk.record_account()
    account = broker.account_book()
    kinds = Counter(action.kind for action in result.actions)
    return Watched(
        exits=kinds.get("exit", 0),
        moved_stops=sum(count for kind, count in kinds.items() if kind != "exit"),
        protected=len(result.protected),
        uncovered=uncovered_shares(account.positions(), account.open_orders()),
        disagreements=result.disagreements,
    )


def uncovered_shares(positions: list[BrokerPosition], open_orders: list[BrokerOrder]) -> dict[str, int]:
    """Shares of each position beyond those a resting stop would sell (or buy back).

    Independent of our own journal. A bracket's stop counts once its entry is completely filled, an OCO's at once.
    """
    covered: Counter[tuple[str, OrderSide]] = Counter()
    for order in open_orders:
        entry_open = order.order_class == "bracket" and order.filled_qty < order.qty
        for leg in (order, *order.legs):
            if leg.stop_price is None or leg.status.is_final or (leg is not order and entry_open):
                continue
            covered[(leg.symbol, leg.side)] += int(leg.qty - leg.filled_qty)
    naked = {}
    for held in positions:
        side = OrderSide.SELL if held.qty > 0 else OrderSide.BUY
        missing = abs(int(held.qty)) - covered[(held.symbol, side)]
        if missing > 0:
            naked[held.symbol] = missing
    return naked
