"""A market in a box: from one seed a reproducible world of companies, prices, stories and articles.

Belongs here: putting the parts together. Does not belong here: the parts (``companies``, ``stories``, ``effects``, ``prices``,
``newsroom``, ``background``, ``drafts``). The truth is a separate attribute: :meth:`World.tape` returns what a market
participant could see, and nothing on it leads back to the world or its truth.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import pandas as pd

from catalyst_assets.simulator.tape import Halt, WireArticle
from catalyst_assets.simulator.worlds.background import draw_background
from catalyst_assets.simulator.worlds.companies import instrument_frame, invent_companies
from catalyst_assets.simulator.worlds.drafts import Draft, publish
from catalyst_assets.simulator.worlds.effects import NewsClock, effects_on, news_halts
from catalyst_assets.simulator.worlds.newsroom import cover
from catalyst_assets.simulator.worlds.outlets import OUTLETS
from catalyst_assets.simulator.worlds.prices import Grid, PriceModel, daily_of
from catalyst_assets.simulator.worlds.stories import Story, draw_stories, generator, story_frame
from catalyst_assets.simulator.worlds.truth import OUTLET_COLUMNS, WorldTruth
from catalyst_assets.trading.calendar import TradingCalendar

DEFAULT_SESSION = date(2026, 11, 20)
"""Main session when none is given: an ordinary Friday. A constant, so that a world never depends on the day it is made."""

HISTORY_REACH = 0.40
"""How widely stories of history sessions are covered, relative to the main session: less to store, enough to learn from."""
BACKGROUND_ARTICLES = 520
"""Background articles from the previous close to the main session's close …"""
BACKGROUND_ARTICLES_HISTORY = 60
"""… and before a history session."""
EVENING_BACKGROUND_ARTICLES = 45
"""Background articles after the main session's close."""


@dataclass(frozen=True)
class InventedTape:
    """The public side of a world: a :class:`tape.MarketTape`. Frames are returned as copies-on-write: callers may edit them."""

    sessions: tuple[date, ...]
    instruments: pd.DataFrame
    _bars: Mapping[date, pd.DataFrame]
    _daily: pd.DataFrame
    _halts: Mapping[date, tuple[Halt, ...]]
    _articles: tuple[WireArticle, ...]
    step: timedelta = timedelta(minutes=1)
    feed: str = "sip"

    def bars(self, session: date) -> pd.DataFrame:
        """See :meth:`tape.MarketTape.bars`."""
        return self._bars[session].copy(deep=False)

    def daily(self) -> pd.DataFrame:
        """See :meth:`tape.MarketTape.daily`."""
        return self._daily.copy(deep=False)

    def halts(self, session: date) -> tuple[Halt, ...]:
        """See :meth:`tape.MarketTape.halts`."""
        return self._halts[session]

    def articles(self) -> tuple[WireArticle, ...]:
        """See :meth:`tape.MarketTape.articles`."""
        return self._articles


@dataclass(frozen=True)
class World:
    """A generated world. Give servers and brokers :meth:`tape` only; ``truth`` is for tests and summaries."""

    seed: int
    session: date
    truth: WorldTruth
    _tape: InventedTape

    def tape(self) -> InventedTape:
        """What a market participant could see."""
        return self._tape

    @classmethod
    def generate(
        cls,
        seed: int,
        session: date | None = None,
        *,
        symbols: int = 80,
        history_sessions: int = 10,
        daily_sessions: int = 60,
        stories: int = 34,
        history_stories: int = 20,
        real_stories: bool = True,
        false_stories: bool = True,
        calendar: TradingCalendar | None = None,
    ) -> World:
        """The world of ``seed``: ``history_sessions`` sessions and the main one with minute bars, stories and articles.

        ``session`` is the main session (default :data:`DEFAULT_SESSION`); ``symbols`` the number of common stocks (eight
        funds, warrants and units come on top); ``daily_sessions`` earlier sessions have daily bars only; ``stories`` and
        ``history_stories`` the number of stories per session. ``real_stories=False`` makes the null world: the same kinds of
        texts, but no story touches a price. ``false_stories=False``: every story is real. The same arguments give the same
        world, byte for byte, in every process.

        Raises ``ValueError`` for a day that is not a session (:class:`calendar.NotASession`), a negative count, or ``symbols``
        outside 20…200.
        """
        if min(history_sessions, daily_sessions, stories, history_stories) < 0:
            raise ValueError("history_sessions, daily_sessions, stories and history_stories cannot be negative")
        calendar = calendar or TradingCalendar()
        main = session or DEFAULT_SESSION
        calendar.hours(main)
        earlier = _sessions_before(main, history_sessions + daily_sessions + 1, calendar)
        days = (*earlier[len(earlier) - history_sessions :], main)
        daily_only = earlier[1 : len(earlier) - history_sessions]

        companies = invent_companies(symbols, generator(seed, "companies"))
        told: dict[date, tuple[Story, ...]] = {}
        # The evening after the main session already belongs to the next one: its first stories break before the tape ends.
        following = calendar.next(main)
        for day in (*days, following):
            told[day] = draw_stories(
                seed, companies, calendar.hours(calendar.previous(day)), calendar.hours(day),
                stories if day in (main, following) else history_stories,
                real_stories=real_stories, false_stories=false_stories,
            )  # fmt: skip
        end = calendar.hours(main).post_close.to_pydatetime()
        told[following] = tuple(story for story in told[following] if story.started_at < end)
        every_story = [story for day in told for story in told[day]]

        clock = NewsClock([calendar.hours(day) for day in (calendar.previous(days[0]), *days)])
        model = PriceModel(seed, companies)
        bars: dict[date, pd.DataFrame] = {}
        halts: dict[date, tuple[Halt, ...]] = {}
        daily = [model.daily_before([calendar.hours(day) for day in daily_only])]
        last = {company.symbol: company.price for company in companies}
        drafts: list[Draft] = []
        for day in days:
            hours = calendar.hours(day)
            grid = Grid.of(hours)
            effects = effects_on(seed, every_story, companies, clock, grid.boundaries)
            pending = news_halts(seed, told[day], hours)
            bars[day], halts[day] = model.session(grid, effects, pending, main=day == main)
            drafts += cover(seed, told[day], companies, last, 1.0 if day == main else HISTORY_REACH)
            start = calendar.hours(calendar.previous(day)).close.to_pydatetime()
            count = BACKGROUND_ARTICLES if day == main else BACKGROUND_ARTICLES_HISTORY
            drafts += draw_background(seed, companies, start, hours.close.to_pydatetime(), count)
            daily.append(daily_of(bars[day], hours))
            last |= dict(zip(daily[-1]["symbol"], daily[-1]["close"], strict=True))
        drafts += cover(seed, told[following], companies, last, 1.0)
        close = calendar.hours(main).close.to_pydatetime()
        drafts += draw_background(seed, companies, close, end, EVENING_BACKGROUND_ARTICLES)

        articles, denials = publish(seed, drafts, end)
        tape = InventedTape(
            sessions=days,
            instruments=instrument_frame(companies),
            _bars=bars,
            _daily=pd.concat([part for part in daily if len(part)]).sort_values(
                ["symbol", "session"], ignore_index=True
            ),
            _halts=halts,
            _articles=articles,
        )
        truth = WorldTruth(
            stories=story_frame(every_story),
            outlets=_outlet_frame(),
            article_story={article.article_id: article.story_id for article in articles if article.story_id >= 0},
            denials=denials,
        )
        return cls(seed=seed, session=main, truth=truth, _tape=tape)


def _sessions_before(session: date, count: int, calendar: TradingCalendar) -> tuple[date, ...]:
    """The ``count`` sessions before ``session``, oldest first."""
    days: list[date] = []
    day = session
    for _ in range(count):
        day = calendar.previous(day)
        days.append(day)
    return tuple(reversed(days))


def _outlet_frame() -> pd.DataFrame:
    rows: Sequence[tuple[str, int, float, float, float]] = [
        (outlet.name, outlet.tier, outlet.reliability, outlet.delay_s, outlet.reach) for outlet in OUTLETS
    ]
    frame = pd.DataFrame(rows, columns=["outlet", "tier", "reliability", "delay_s", "reach"])
    return frame[list(OUTLET_COLUMNS)].sort_values(["tier", "outlet"], ignore_index=True)
