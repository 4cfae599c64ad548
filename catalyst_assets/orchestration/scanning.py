"""The scan's inputs put together: scores of the news, the market as it stands, technicals of what the news moves.

Belongs here: reading and joining. Does not belong here: scores and cuts (``trading/scanner.py``).
"""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from catalyst_assets.orchestration import frames
from catalyst_assets.orchestration.charts import computed_indicators, store_of
from catalyst_assets.orchestration.cycle import CycleContext
from catalyst_assets.orchestration.recording import quotes as recorded_quotes
from catalyst_assets.orchestration.resources import BarsResource, MarketDataResource
from catalyst_assets.storage.bars import BarStore
from catalyst_assets.storage.database import Database
from catalyst_assets.storage.outcomes import OutcomeRepository
from catalyst_assets.storage.scan import ScanRepository
from catalyst_assets.trading import bars as bar_rules
from catalyst_assets.trading import indicators, scanner

TECHNICAL_TIMEFRAMES = ("5min", "15min", "60min")
"""Timeframes of the scan's technical score; the candidates get all of them afterwards."""


def scan(
    cycle: CycleContext,
    database: Database,
    market_data: MarketDataResource,
    bars: BarsResource,
    history_sessions: int,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Evaluations and candidates of every decision time of the cycle."""
    store = store_of(cycle, market_data, bars)
    universe = universe_of(cycle, database)
    told = frames.told_mentions(cycle, database)
    told = told[told["symbol"].isin(universe["symbol"])]
    reliability = OutcomeRepository(database, cycle.calendar).source_metrics(learning_scenario(cycle), cycle.session)
    symbol_scores, _ = scanner.catalyst_scores(told, cycle.decision_times, cycle.calendar, reliability, cycle.config)
    moved = sorted(set(symbol_scores["symbol"]))
    symbols = sorted(set(universe["symbol"]))
    by_timeframe = frames.bars(cycle, store, symbols, history_sessions, longer=False)
    longest = frames.history_timeframe(by_timeframe)
    quotes, halted = market_now(cycle, database, market_data, store, moved)
    snapshot = scanner.market_snapshot(
        by_timeframe[longest], by_timeframe["1day"], quotes, halted, cycle.decision_times, cycle.calendar, cycle.config,
        timeframe=longest, symbols=symbols,
    )  # fmt: skip
    # Technicals only decide among the validated, so only theirs are made: a first scan without them says which those are.
    feed = store.namespace
    first, _ = scanner.scan(universe, symbol_scores, snapshot, None, cycle.config, feed=feed)
    validated = sorted(set(first.loc[first["stage"].isin(("validated", "selected")), "symbol"]))
    chosen = bar_rules.by_timeframe(
        frames.of_symbols(by_timeframe, validated)[longest],
        longest,
        timeframes=[name for name in TECHNICAL_TIMEFRAMES if name in cycle.config.indicator.timeframes],
        calendar=cycle.calendar,
    )
    computed = computed_indicators(cycle, chosen, feed, database.cache, TECHNICAL_TIMEFRAMES)
    directions = symbol_scores.loc[symbol_scores["symbol"].isin(validated), ["decision_time", "symbol", "direction"]]
    technical = indicators.technical_score(computed, directions, cycle.config)
    return scanner.scan(universe, symbol_scores, snapshot, technical, cycle.config, feed=feed)


def universe_of(cycle: CycleContext, database: Database) -> pd.DataFrame:
    """The stored universe of the cycle's decision times."""
    stored = ScanRepository(database, cycle.calendar).active_universe(cycle.scenario, cycle.session)
    return stored[stored["decision_time"].isin(cycle.decision_times)].reset_index(drop=True)


def learning_scenario(cycle: CycleContext) -> str:
    """Whose lessons count: the live system's own; a replay uses them too, from before its session."""
    return "live"


def market_now(
    cycle: CycleContext, database: Database, market_data: MarketDataResource, store: BarStore, symbols: Sequence[str]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Quotes (``decision_time, symbol, ts, bid, ask, …``) and halts (``decision_time, symbol``) at the decision times.

    An old quote is no quote, live as in a replay: it is left out.
    """
    wanted = sorted(set(symbols))
    if not wanted:
        return _no_quotes(), _no_halts()
    if not cycle.is_live:
        return _recent(cycle, recorded_quotes(cycle, store, database, wanted)), _no_halts()
    data = market_data.get()
    quotes, halted = frames.kept(cycle, f"quotes:{','.join(wanted)}", lambda: data.quotes_and_halts(wanted))
    at = cycle.decision_time
    halts = pd.DataFrame({"decision_time": [at] * len(halted), "symbol": sorted(halted)}) if halted else _no_halts()
    # Quotes are taken some seconds into the cycle and count as of its decision time, as everything it collects does; the order step
    # asks for new ones and refuses when the price has moved.
    quotes = quotes.assign(decision_time=at, ts=quotes["ts"].clip(upper=at))
    return _recent(cycle, quotes), halts


def _recent(cycle: CycleContext, quotes: pd.DataFrame) -> pd.DataFrame:
    if quotes.empty:
        return quotes
    age = (quotes["decision_time"] - quotes["ts"]).dt.total_seconds()
    return quotes[age <= cycle.config.risk.max_quote_age_seconds].reset_index(drop=True)


def available_at(database: Database, news_ids: Sequence[str]) -> dict[str, pd.Timestamp]:
    """When each article became available."""
    if not news_ids:
        return {}
    frame = database.read(
        "select news_id, available_at from news_raw where news_id = any(:ids)", {"ids": list(news_ids)}
    )
    return dict(zip(frame["news_id"], frame["available_at"], strict=True))


def _no_halts() -> pd.DataFrame:
    return pd.DataFrame({"decision_time": pd.Series(dtype="datetime64[us, UTC]"), "symbol": pd.Series(dtype="str")})


def _no_quotes() -> pd.DataFrame:
    times = {name: pd.Series(dtype="datetime64[us, UTC]") for name in ("decision_time", "ts")}
    numbers = {name: pd.Series(dtype="float64") for name in ("bid", "ask", "bid_size", "ask_size")}
    return pd.DataFrame({"symbol": pd.Series(dtype="str"), **times, **numbers})
