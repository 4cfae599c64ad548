"""The tape: what a simulated market is made from, whether invented (``world.py``) or recorded (``recorded.py``).

Belongs here: the ``MarketTape`` protocol and the plain values on it (bars, halts, articles). Does not belong here: how
a tape is made, who is shown which part of it at what time (``exchange``, ``server``), and above all not the truth
behind an invented world (``truth.py``): a tape holds only what a market participant could have seen.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Protocol, runtime_checkable

import pandas as pd

from catalyst_assets.ports import ASSET_COLUMNS, BAR_COLUMNS

TAPE_BAR_COLUMNS = (*BAR_COLUMNS, "half_spread")
"""Columns of a tape's bars: :data:`ports.BAR_COLUMNS` plus ``half_spread``, half the quoted spread around the bar's
close, in USD per share (never below half a cent). ``ts`` is ``datetime64[us, UTC]``, the START of the bar."""

INSTRUMENT_COLUMNS = (*ASSET_COLUMNS, "is_common_stock", "sector")
"""Columns of a tape's instruments: :data:`ports.ASSET_COLUMNS` plus ``is_common_stock`` (bool; False for funds,
warrants, units) and ``sector`` (text, empty when unknown)."""

DAILY_COLUMNS = ("symbol", "session", "open", "high", "low", "close", "volume")
"""Columns of a tape's daily frame: ``session`` is a Python ``date``, prices USD, ``volume`` shares, regular session
only (open = first print of the regular session, close = last). Sorted by ``symbol, session``."""

NEWS_PROVIDERS = ("newsapi", "alpha_vantage", "finnhub", "alpaca", "yahoo")
"""The services that may carry an article; the keys of :attr:`WireArticle.visible`."""


@dataclass(frozen=True, slots=True)
class Halt:
    """Trading in ``symbol`` stands still in ``[start, end)`` (UTC). ``reason`` is the tape code: ``T1`` news pending,
    ``LUDP`` limit-up/limit-down pause."""

    symbol: str
    start: datetime
    end: datetime
    reason: str

    def active(self, at: datetime) -> bool:
        """True while the halt lasts at ``at`` (UTC)."""
        return self.start <= at < self.end


@dataclass(frozen=True, slots=True)
class Revision:
    """An edit of an article: from ``at`` (UTC) on its headline and summary read like this."""

    at: datetime
    headline: str
    summary: str


@dataclass(frozen=True, slots=True)
class WireArticle:
    """One article of one outlet, before any vendor's JSON.

    ``headline`` and ``summary`` are the first version. ``symbols`` is what the outlet tagged (may be empty, may name
    symbols outside the universe). ``sentiment`` (−1…1) is a vendor model's noisy reading of the text, not the truth.
    ``story_id`` groups the articles the generator wrote about one event (−1: background noise or unknown); a vendor
    never serves it.
    """

    article_id: int
    story_id: int
    outlet: str
    headline: str
    summary: str
    body: str
    url: str
    symbols: tuple[str, ...]
    published_at: datetime
    revisions: tuple[Revision, ...] = ()
    visible: Mapping[str, datetime] = field(default_factory=dict)
    """From when each of :data:`NEWS_PROVIDERS` serves it (UTC, never before ``published_at``); absent = never."""
    sentiment: float = 0.0
    author: str = ""
    topics: tuple[str, ...] = ()

    def version_at(self, at: datetime) -> tuple[str, str, datetime]:
        """``(headline, summary, updated_at)`` as they read at ``at`` (UTC): the last revision by then, if any."""
        headline, summary, updated = self.headline, self.summary, self.published_at
        for revision in self.revisions:
            if revision.at <= at:
                headline, summary, updated = revision.headline, revision.summary, revision.at
        return headline, summary, updated


@runtime_checkable
class MarketTape(Protocol):
    """A market's record over some sessions, the future included: whoever serves it must cut by the clock."""

    @property
    def step(self) -> timedelta:
        """Length of the base bars: 1 minute for invented worlds, 5 minutes for recorded 5-minute data."""
        ...

    @property
    def feed(self) -> str:
        """Name of the feed the volumes belong to (``sip``, ``iex``, ``recorded`` …)."""
        ...

    @property
    def sessions(self) -> tuple[date, ...]:
        """Sessions with base bars, oldest first; the last one is the main session."""
        ...

    @property
    def instruments(self) -> pd.DataFrame:
        """Every instrument, as :data:`INSTRUMENT_COLUMNS`, sorted by symbol."""
        ...

    def bars(self, session: date) -> pd.DataFrame:
        """Base bars of all symbols of one session, 04:00–20:00 New York, as :data:`TAPE_BAR_COLUMNS`, by symbol and ts.
        A minute without a trade has no row. Raises ``KeyError`` for a session that is not on the tape."""
        ...

    def daily(self) -> pd.DataFrame:
        """Daily bars as :data:`DAILY_COLUMNS`: all of :attr:`sessions` and earlier ones that have no base bars."""
        ...

    def halts(self, session: date) -> tuple[Halt, ...]:
        """Halts of one session, by start. Empty for a session that has none. Raises ``KeyError`` as :meth:`bars`."""
        ...

    def articles(self) -> tuple[WireArticle, ...]:
        """Every article, sorted by ``published_at`` then ``article_id``."""
        ...
