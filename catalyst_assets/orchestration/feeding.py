"""Keeping the bar store fed: the session's minutes up to the decision, and history for symbols that have none.

Belongs here: what is missing, asking for it, filing it. Does not belong here: the vendor (``vendors/``), the files (``storage/bars.py``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import pandas as pd

from catalyst_assets.orchestration.cycle import CycleContext
from catalyst_assets.orchestration.frames import DAILY_HISTORY, HISTORY_TIMEFRAME, history_start
from catalyst_assets.ports import MarketData
from catalyst_assets.storage.bars import BarStore

BASE = "1min"
OVERLAP = timedelta(minutes=3)
"""The last minutes are asked for again: late trades change the newest bars."""

_asked: dict[tuple[str, date], set[str]] = {}
"""Symbols whose history was asked for, by store and session: one without any must not be asked for at every cycle."""


@dataclass(frozen=True, slots=True)
class Fed:
    """Rows that were new or changed in the store, and the symbols whose history was read for the first time."""

    minutes: int
    history: int
    new_symbols: tuple[str, ...]


def feed(cycle: CycleContext, data: MarketData, store: BarStore, symbols: Sequence[str], sessions: int) -> Fed:
    """Bring the store up to the decision time. Raises ``MarketDataUnavailable`` when the vendor cannot be asked."""
    wanted = sorted(set(symbols))
    opens, until = cycle.hours.pre_open.to_pydatetime(), cycle.decision_time.to_pydatetime()
    if not wanted:
        return Fed(0, 0, ())
    history, fresh = _history(cycle, data, store, wanted, sessions)
    if until <= opens:
        return Fed(0, history, tuple(fresh))
    stored = store.read(wanted, BASE, opens, until)
    known = set(stored["symbol"])
    minutes = 0
    if known:
        since = max(opens, stored["ts"].max().to_pydatetime() - OVERLAP)
        minutes += _write(store, cycle.session, data.bars(sorted(known), BASE, since, until))
    if missing := [symbol for symbol in wanted if symbol not in known]:
        minutes += _write(store, cycle.session, data.bars(missing, BASE, opens, until))
    return Fed(minutes, history, tuple(fresh))


def _write(store: BarStore, session: date, rows: pd.DataFrame) -> int:
    return store.write(session, BASE, rows) if len(rows) else 0


def _history(
    cycle: CycleContext, data: MarketData, store: BarStore, symbols: Sequence[str], sessions: int
) -> tuple[int, list[str]]:
    asked = _asked.setdefault((f"{store.root}/{store.namespace}", cycle.session), set())
    unknown = [symbol for symbol in symbols if symbol not in asked]
    if not unknown:
        return 0, []
    opens = cycle.hours.pre_open.to_pydatetime()
    start: datetime = history_start(cycle, sessions)
    before = cycle.calendar.hours(cycle.calendar.previous(cycle.session)).pre_open.to_pydatetime()
    have = set(store.read(unknown, HISTORY_TIMEFRAME, before, opens)["symbol"])
    missing = [symbol for symbol in unknown if symbol not in have]
    rows = 0
    if missing:
        bars = data.bars(missing, HISTORY_TIMEFRAME, start, opens)
        if len(bars):
            days = cycle.calendar.session_dates(bars["ts"])
            for day in pd.unique(days):
                rows += store.write(day.astype("datetime64[D]").item(), HISTORY_TIMEFRAME, bars[days == day])
        daily = data.bars(missing, "1day", start - DAILY_HISTORY, opens)
        if len(daily):
            rows += store.write_daily(daily)
    asked.update(unknown)
    return rows, missing
