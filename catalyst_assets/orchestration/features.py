"""Deriving the features of articles that have none yet (or those of older rules).

Belongs here: which articles, read and save. Does not belong here: the rules (``trading/articles.py``).
"""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from catalyst_assets.orchestration.cycle import CycleContext
from catalyst_assets.orchestration.frames import forget
from catalyst_assets.storage.database import Database
from catalyst_assets.storage.instruments import InstrumentRepository
from catalyst_assets.storage.news import NewsRepository
from catalyst_assets.trading import articles as rules


@dataclass(frozen=True, slots=True)
class Derived:
    """``features`` are those written now, ``missing`` the available articles still without, ``available`` the articles looked at."""

    features: pd.DataFrame
    missing: int
    available: int


def derive_missing(cycle: CycleContext, database: Database) -> Derived:
    """Write features for every article available in the cycle's window that lacks them."""
    repository = NewsRepository(database, cycle.calendar)
    start, until = cycle.lookback_start.to_pydatetime(), cycle.decision_time.to_pydatetime()
    raw = repository.without_features(until, rules_version=rules.RULES_VERSION, since=start)
    if raw.empty:
        features = raw.iloc[:0].assign(catalyst_type=pd.Series(dtype="str"))
    else:
        names = InstrumentRepository(database, cycle.calendar).company_names()
        features = rules.derive_features(raw, cycle.calendar, cycle.config, names)
        repository.save_features(features)
        forget(cycle, "articles", "mentions", "told_mentions")
    written = set(features["news_id"]) if len(features) else set()
    missing = int((~raw["news_id"].isin(written)).sum())
    return Derived(features=features, missing=missing, available=len(raw))
