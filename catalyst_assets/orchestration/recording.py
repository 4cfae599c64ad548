"""A stored session as a market: the tape, view and quotes a replay decides and trades on.

Belongs here: building the tape from the bar store, once per run. Does not belong here: replaying (``replay/session.py``).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

import pandas as pd

from catalyst_assets.orchestration.cycle import CycleContext
from catalyst_assets.orchestration.frames import RECORDED_FEED, base_timeframe, kept
from catalyst_assets.orchestration.resources import BarsResource
from catalyst_assets.ports import TIMEFRAMES
from catalyst_assets.simulator.market import MarketView
from catalyst_assets.simulator.recorded import RecordedTape
from catalyst_assets.simulator.tape import DAILY_COLUMNS
from catalyst_assets.storage.bars import BarFileError, BarStore
from catalyst_assets.storage.database import Database
from catalyst_assets.storage.instruments import InstrumentRepository
from catalyst_assets.trading.calendar import NEW_YORK

FEEDS = (RECORDED_FEED, "sip", "iex", "delayed_sip", "yahoo")
"""Feeds looked through for a session's bars, best first."""


def recorded_store(cycle: CycleContext, bars: BarsResource) -> BarStore:
    """The store of the first feed that has intraday bars of the session. Raises :class:`BarFileError`."""

    def find() -> BarStore:
        for feed in FEEDS:
            store = bars.get(feed)
            if any(cycle.session in store.sessions(timeframe) for timeframe in TIMEFRAMES if timeframe != "1day"):
                return store
        raise BarFileError(
            f"no bars of {cycle.session} are stored under {bars.get(RECORDED_FEED).root}; import some: "
            "catalyst import bars FILE --timeframe 5min"
        )

    return kept(cycle, "recorded_store", find)


def tape(cycle: CycleContext, store: BarStore, database: Database) -> RecordedTape:
    """The session as a tape of its finest bars, with the daily bars before it."""

    def make() -> RecordedTape:
        base = base_timeframe(store, cycle)
        start, end = cycle.hours.pre_open.to_pydatetime(), cycle.hours.post_close.to_pydatetime()
        rows = store.read(None, base, start, end)
        instruments = InstrumentRepository(database, cycle.calendar).instruments(sorted(set(rows["symbol"])))
        return RecordedTape(
            rows, base, instruments, daily=daily(cycle, store), feed=store.namespace, calendar=cycle.calendar
        )

    return kept(cycle, "tape", make)


def view(cycle: CycleContext, store: BarStore, database: Database) -> MarketView:
    return kept(cycle, "view", lambda: MarketView(tape(cycle, store, database), cycle.calendar))


def quotes(cycle: CycleContext, store: BarStore, database: Database, symbols: Iterable[str]) -> pd.DataFrame:
    """Quotes visible at each decision time: ``decision_time, symbol, ts, bid, ask, bid_size, ask_size``."""
    return view(cycle, store, database).quotes_at(sorted(set(symbols)), cycle.decision_times)


def daily(cycle: CycleContext, store: BarStore) -> pd.DataFrame | None:
    """Stored daily bars before the session as tape rows; made of intraday bars of the days before where none are stored."""
    end = cycle.hours.pre_open.to_pydatetime()
    rows = store.read(None, "1day", end - timedelta(days=60), end)
    if rows.empty:
        from catalyst_assets.trading.bars import daily_from

        older = store.read(None, base_timeframe(store, cycle), end - timedelta(days=8), end)
        rows = daily_from(older, cycle.calendar)
    if rows.empty:
        return None
    return rows.assign(session=rows["ts"].dt.tz_convert(NEW_YORK).dt.date)[list(DAILY_COLUMNS)]
