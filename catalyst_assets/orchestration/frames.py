"""The inputs stages share, read once per run: articles, mentions, bars on every timeframe.

Belongs here: which slice of the stored rows a decision looks at. Does not belong here: decisions. Each function keeps its answer in
the cycle's memo; a stage that writes what another reads calls :func:`forget`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

import pandas as pd

from catalyst_assets.orchestration.cycle import CycleContext
from catalyst_assets.ports import BAR_COLUMNS, TIMEFRAMES
from catalyst_assets.storage.bars import BarStore
from catalyst_assets.storage.database import Database

HISTORY_TIMEFRAME = "5min"
DAILY_HISTORY = timedelta(days=130)
"""About 90 sessions of daily bars: the 50-day average and what MACD needs to settle."""
RECORDED_FEED = "recorded"
"""Feed of imported bars."""


def kept(cycle: CycleContext, name: str, make: Callable[[], Any]) -> Any:
    """The value ``name`` of this run, made at the first call."""
    if name not in cycle.memo:
        cycle.memo[name] = make()
    return cycle.memo[name]


def forget(cycle: CycleContext, *names: str) -> None:
    """Drop values that were made before a stage changed what they are made of."""
    for name in names:
        cycle.memo.pop(name, None)


def articles(cycle: CycleContext, database: Database) -> pd.DataFrame:
    """Articles (raw ⋈ features) available from the lookback's start up to the last decision time, by availability."""
    from catalyst_assets.storage.news import NewsRepository

    def read() -> pd.DataFrame:
        repository = NewsRepository(database, cycle.calendar)
        return repository.articles(cycle.lookback_start.to_pydatetime(), cycle.decision_time.to_pydatetime())

    return kept(cycle, "articles", read)


def mentions(cycle: CycleContext, database: Database) -> pd.DataFrame:
    """One row per (article, symbol) of :func:`articles`."""
    from catalyst_assets.trading import articles as rules

    return kept(cycle, "mentions", lambda: rules.mentions(articles(cycle, database), cycle.config))


def told_mentions(cycle: CycleContext, database: Database) -> pd.DataFrame:
    """:func:`mentions` with the narrative each belongs to: ``narrative_id, similarity, novelty, is_echo``."""
    from catalyst_assets.storage.news import NewsRepository

    def join() -> pd.DataFrame:
        stored = NewsRepository(database, cycle.calendar).members(
            cycle.scenario, cycle.lookback_start.to_pydatetime(), cycle.decision_time.to_pydatetime()
        )
        columns = ["news_id", "symbol", "narrative_id", "similarity", "novelty", "is_echo"]
        return mentions(cycle, database).merge(
            stored[columns], on=["news_id", "symbol"], how="inner", validate="one_to_one"
        )

    return kept(cycle, "told_mentions", join)


# -------------------------------------------------------------------------------------------------------------------- bars


def base_timeframe(store: BarStore, cycle: CycleContext) -> str:
    """The finest timeframe stored for the session, ``1min`` when there is none yet."""
    for timeframe in TIMEFRAMES:
        if timeframe != "1day" and cycle.session in store.sessions(timeframe):
            return timeframe
    return "1min"


def history_start(cycle: CycleContext, sessions: int) -> datetime:
    """The beginning of pre-market ``sessions`` sessions before the cycle's."""
    day = cycle.session
    for _ in range(sessions):
        day = cycle.calendar.previous(day)
    start: datetime = cycle.calendar.hours(day).pre_open.to_pydatetime()
    return start


def bars(
    cycle: CycleContext,
    store: BarStore,
    symbols: Iterable[str],
    history_sessions: int,
    *,
    until: datetime | None = None,
    longer: bool = True,
) -> dict[str, pd.DataFrame]:
    """Bars of ``symbols`` on every timeframe, with ``history_sessions`` sessions before this one, up to ``until`` (the last decision
    time when not given); without ``longer`` only on the timeframe of the history and daily.

    The session itself comes from its finest stored bars; the history is read as 5-minute bars (or made of the base where it was
    recorded so). Daily bars are the stored ones, and those made of the session's bars where none are stored.
    """
    wanted = sorted(set(symbols))
    end = until or cycle.decision_time.to_pydatetime()
    name = f"bars:{end.isoformat()}:{longer}:{','.join(wanted)}"
    return kept(cycle, name, lambda: _bars(cycle, store, wanted, history_sessions, end, longer))


def _bars(
    cycle: CycleContext, store: BarStore, symbols: Sequence[str], history_sessions: int, end: datetime, longer: bool
) -> dict[str, pd.DataFrame]:
    from catalyst_assets.trading import bars as rules

    base = base_timeframe(store, cycle)
    opens = cycle.hours.pre_open.to_pydatetime()
    start = history_start(cycle, history_sessions)
    today = store.read(symbols, base, opens, end)
    history = store.read(symbols, HISTORY_TIMEFRAME, start, opens)
    if history.empty and base != HISTORY_TIMEFRAME:
        older = store.read(symbols, base, start, opens)
        history = rules.resample(older, base, HISTORY_TIMEFRAME, calendar=cycle.calendar) if _fits(base) else older
    daily = store.read(symbols, "1day", start - DAILY_HISTORY, opens)
    made: dict[str, pd.DataFrame] = {}
    if base == "1min":
        made["1min"] = today
        recent = rules.resample(today, base, HISTORY_TIMEFRAME, calendar=cycle.calendar)
    else:
        recent = today
    joined = _sorted(history, recent)
    middle = HISTORY_TIMEFRAME if _fits(base) else base
    wanted = cycle.config.indicator.timeframes
    if not longer:
        finest = next(name for name in TIMEFRAMES if name in wanted and TIMEFRAMES[name] >= TIMEFRAMES[middle])
        wanted = tuple(name for name in wanted if name in (finest, "1day"))
    return made | rules.by_timeframe(
        joined,
        middle,
        None if daily.empty else daily,
        timeframes=wanted,
        calendar=cycle.calendar,
    )


def _fits(base: str) -> bool:
    return TIMEFRAMES[base] <= TIMEFRAMES[HISTORY_TIMEFRAME]


def _sorted(*parts: pd.DataFrame) -> pd.DataFrame:
    filled = [part for part in parts if len(part)]
    if not filled:
        return parts[0]
    if len(filled) == 1:
        return filled[0]
    return pd.concat(filled, ignore_index=True)[list(BAR_COLUMNS)].sort_values(["symbol", "ts"], ignore_index=True)


def history_timeframe(frames: dict[str, pd.DataFrame]) -> str:
    """The finest intraday timeframe that reaches back over earlier sessions (1-minute bars are kept for the session only)."""
    return next(name for name in TIMEFRAMES if name in frames and name not in ("1min", "1day"))


def of_symbols(frames: dict[str, pd.DataFrame], symbols: Iterable[str]) -> dict[str, pd.DataFrame]:
    """The rows of some symbols, order kept."""
    wanted = set(symbols)
    return {name: frame[frame["symbol"].isin(wanted)].reset_index(drop=True) for name, frame in frames.items()}
