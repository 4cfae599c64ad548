"""Which symbols a cycle looks at: the vendor's most active, or those of a recording; and everything held or lately chosen.

Belongs here: asking, keeping common stock, ranking. Does not belong here: what makes a common stock (``storage/instruments.py``).
"""

from __future__ import annotations

from typing import Any

import pandas as pd

from catalyst_assets.orchestration.cycle import CycleContext
from catalyst_assets.orchestration.recording import recorded_store
from catalyst_assets.orchestration.resources import BarsResource
from catalyst_assets.ports import MarketData
from catalyst_assets.storage.database import Database
from catalyst_assets.storage.instruments import InstrumentRepository

COLUMNS = ("decision_time", "symbol", "rank", "price", "volume", "change_pct", "origin")
OVERSAMPLING = 2
"""Twice as many symbols are asked for as are kept: funds and warrants fill a part of every most-active list."""
LONGEST_LIST = 100
"""The most symbols one list holds at the vendors."""


def live(cycle: CycleContext, data: MarketData, database: Database) -> pd.DataFrame:
    """The most active tradable common stocks now. Raises ``MarketDataUnavailable`` when no list can be had."""
    refresh_instruments(cycle, data, database)
    limits = cycle.config.scan
    asked = min(max(limits.universe_size * OVERSAMPLING, 50), LONGEST_LIST)
    active = data.most_active(asked)
    common = InstrumentRepository(database, cycle.calendar).instruments(active["symbol"].tolist(), tradable_common=True)
    kept = active[active["symbol"].isin(common["symbol"])]
    price = kept["price"].astype("float64")
    kept = (
        kept[price.isna() | price.between(limits.min_price, limits.max_price)]
        .drop_duplicates("symbol")
        .head(limits.universe_size)
    )
    return _ranked(kept.assign(decision_time=cycle.decision_time))


def refresh_instruments(cycle: CycleContext, data: MarketData, database: Database) -> int:
    """Read the vendor's instruments once per session; the number of rows written."""
    start = cycle.hours.pre_open - pd.Timedelta(hours=8)
    seen = database.scalar("select max(seen_at) from instruments where name <> symbol")
    if seen is not None and pd.Timestamp(seen) >= start:
        return 0
    seen_at = cycle.decision_time.to_pydatetime()
    return InstrumentRepository(database, cycle.calendar).save_instruments(data.assets(), seen_at=seen_at)


def recorded(cycle: CycleContext, bars: BarsResource, database: Database) -> pd.DataFrame:
    """Common stocks of the recording at each decision time, ranked by dollar volume so far, then by move."""
    from catalyst_assets.trading import bars as rules

    store = recorded_store(cycle, bars)
    from catalyst_assets.orchestration.frames import base_timeframe

    base = base_timeframe(store, cycle)
    today = store.read(None, base, cycle.hours.pre_open.to_pydatetime(), cycle.hours.post_close.to_pydatetime())
    repository = InstrumentRepository(database, cycle.calendar)
    repository.ensure_symbols(set(today["symbol"]), seen_at=cycle.started_at)
    common = repository.instruments(sorted(set(today["symbol"])), tradable_common=True)["symbol"]
    today = today[today["symbol"].isin(common)].reset_index(drop=True)
    if today.empty:
        return pd.DataFrame({name: pd.Series(dtype="object") for name in COLUMNS})
    before = cycle.hours.pre_open.to_pydatetime()
    closes = _previous_close(cycle, store, before)
    grouped = today.groupby("symbol")
    today = today.assign(
        running=grouped["volume"].cumsum(), dollars=(today["close"] * today["volume"]).groupby(today["symbol"]).cumsum()
    )
    seen = rules.as_of(today, base, cycle.decision_times, calendar=cycle.calendar)
    seen["change_pct"] = (seen["close"] / seen["symbol"].map(closes) - 1) * 100
    seen = seen.assign(
        price=seen["close"], volume=seen["running"], origin=store.namespace, move=seen["change_pct"].abs().fillna(0)
    )
    seen = seen.sort_values(["decision_time", "dollars", "move", "symbol"], ascending=[True, False, False, True])
    kept = seen.groupby("decision_time", sort=False).head(cycle.config.scan.universe_size)
    return _ranked(kept)


def _previous_close(cycle: CycleContext, store: Any, before: Any) -> pd.Series:
    from datetime import timedelta

    from catalyst_assets.orchestration.frames import base_timeframe
    from catalyst_assets.trading import bars as rules

    daily = store.read(None, "1day", before - timedelta(days=15), before)
    if daily.empty:
        daily = rules.daily_from(
            store.read(None, base_timeframe(store, cycle), before - timedelta(days=6), before), cycle.calendar
        )
    return daily.groupby("symbol")["close"].last() if len(daily) else pd.Series(dtype="float64")


def _ranked(frame: pd.DataFrame) -> pd.DataFrame:
    ranked = frame.assign(rank=frame.groupby("decision_time").cumcount() + 1)
    return ranked[list(COLUMNS)].reset_index(drop=True)


def watched(cycle: CycleContext, database: Database) -> list[str]:
    """Symbols whose bars the cycle needs: its universe, open positions, and the candidates of the session so far."""
    frame = database.read(
        """
        select symbol from active_universe where scenario = :scenario and decision_time = any(:times)
        union select symbol from trading_candidates where scenario = :scenario and session = :session
        union select symbol from trade_records where scenario = :scenario and status in ('planned', 'entering', 'open', 'exiting')
        order by symbol
        """,
        {
            "scenario": cycle.scenario,
            "session": cycle.session,
            "times": [at.to_pydatetime() for at in cycle.decision_times],
        },
    )
    return [str(symbol) for symbol in frame["symbol"]]
