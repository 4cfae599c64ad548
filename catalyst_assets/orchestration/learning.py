"""What a finished session taught: outcomes of articles, labels of trades, success of patterns.

Belongs here: which rows are judged, on which bars. Does not belong here: the judging (``trading/outcomes.py``).
"""

from __future__ import annotations

import pandas as pd

from catalyst_assets.orchestration import frames
from catalyst_assets.orchestration.charts import store_of
from catalyst_assets.orchestration.cycle import CycleContext
from catalyst_assets.orchestration.resources import BarsResource, MarketDataResource
from catalyst_assets.orchestration.scanning import learning_scenario
from catalyst_assets.storage.analysis import AnalysisRepository
from catalyst_assets.storage.database import Database
from catalyst_assets.storage.outcomes import OutcomeRepository
from catalyst_assets.storage.trades import TradeRepository
from catalyst_assets.trading import outcomes as rules


def session_bars(
    cycle: CycleContext, database: Database, market_data: MarketDataResource, bars: BarsResource, history_sessions: int
) -> tuple[pd.DataFrame, str]:
    """Bars of the session's universe with history, to the end of after-hours, and their timeframe."""
    symbols = database.read(
        "select distinct symbol from active_universe where scenario = :scenario and session = :session "
        "union select symbol from trade_records where scenario = :scenario and session = :session order by 1",
        {"scenario": cycle.scenario, "session": cycle.session},
    )["symbol"].tolist()
    store = store_of(cycle, market_data, bars)
    end = cycle.hours.post_close.to_pydatetime()
    read = frames.bars(cycle, store, symbols, history_sessions, until=end)
    name = frames.history_timeframe(read)
    return read[name], name


def label(
    cycle: CycleContext, database: Database, market_data: MarketDataResource, bars: BarsResource, history_sessions: int
) -> tuple[pd.DataFrame, set[tuple[str, str]]]:
    """Outcomes that became known in the session, and the (news_id, symbol) that should have one."""
    known, timeframe = session_bars(cycle, database, market_data, bars, history_sessions)
    mentions = frames.mentions(cycle, database)
    end = cycle.hours.post_close.to_pydatetime()
    labelled = rules.label_articles(mentions, known, end, cycle.config, calendar=cycle.calendar, timeframe=timeframe)
    labelled = labelled[labelled["session"] == cycle.session].reset_index(drop=True)
    early = cycle.hours.close - pd.Timedelta(minutes=2 * cycle.config.outcome.reliability_horizon_minutes)
    due = mentions[
        (mentions["available_at"] >= cycle.hours.open)
        & (mentions["available_at"] < early)
        & (mentions["relevance"] >= cycle.config.catalyst.min_relevance)
        & mentions["symbol"].isin(set(known["symbol"]))
    ]
    return labelled, set(zip(due["news_id"], due["symbol"], strict=True))


def label_trades(
    cycle: CycleContext, database: Database, market_data: MarketDataResource, bars: BarsResource, history_sessions: int
) -> int:
    """Store whether the catalyst played out and the pattern completed for each closed trade of the session; their number."""
    trades = TradeRepository(database)
    stored = trades.trade_records(cycle.scenario, cycle.session)
    closed = stored[(stored["status"] == "closed") & (stored["filled_qty"] > 0)]
    if closed.empty:
        return 0
    known, timeframe = session_bars(cycle, database, market_data, bars, history_sessions)
    for trade in closed.to_dict("records"):
        found = rules.trade_outcome(trade, known, cycle.config, calendar=cycle.calendar, timeframe=timeframe)
        trades.save_outcome(
            str(trade["trade_id"]),
            catalyst_played_out=found["catalyst_played_out"],
            pattern_completed=found["pattern_completed"],
        )
    return len(closed)


def learn_patterns(
    cycle: CycleContext, database: Database, market_data: MarketDataResource, bars: BarsResource, history_sessions: int
) -> pd.DataFrame:
    """The pattern posteriors after the session."""
    known, timeframe = session_bars(cycle, database, market_data, bars, history_sessions)
    detections = AnalysisRepository(database, cycle.calendar).pattern_detections(cycle.scenario, cycle.session)
    end = cycle.hours.post_close.to_pydatetime()
    judged = rules.label_patterns(detections, known, end, cycle.config, calendar=cycle.calendar, timeframe=timeframe)
    before = OutcomeRepository(database, cycle.calendar).pattern_metrics(learning_scenario(cycle), cycle.session)
    return rules.pattern_posteriors(judged, before, cycle.config)
