"""The articles that may end a position: those about symbols held, lately.

Belongs here: reading them. Does not belong here: what contradicts a position (``trading/positions.py``).
"""

from __future__ import annotations

from datetime import datetime

import pandas as pd

from catalyst_assets.storage.database import Database
from catalyst_assets.trading.calendar import TradingCalendar
from catalyst_assets.trading.config import TradingConfig

LIVE_TRADES = "select distinct symbol from trade_records where scenario = 'live' and status in ('planned', 'entering', 'open', 'exiting')"


def contradicting(database: Database, config: TradingConfig, now: datetime) -> pd.DataFrame | None:
    """Mentions of symbols with a live trade that became available this session up to ``now``; ``None`` when nothing is held."""
    held = database.read(LIVE_TRADES)["symbol"].tolist()
    if not held:
        return None
    from catalyst_assets.storage.news import NewsRepository
    from catalyst_assets.trading.articles import mentions

    calendar = TradingCalendar()
    start = calendar.hours(calendar.session_for(now)).pre_open.to_pydatetime()
    articles = NewsRepository(database, calendar).articles(start, now, symbols=held)
    about = mentions(articles, config)
    return about[about["symbol"].isin(held)]
