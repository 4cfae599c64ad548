"""Who writes what about the stories of a simulated world, and when.

Belongs here: scoops, echoes, rewrites, confirmations, denials, follow-ups, edits, coordinated pumps and rehashed old news.
Does not belong here: whether a story is true (``stories.py``), the words (``headlines.py``), noise (``background.py``), or
which provider serves an article (``drafts.py``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import numpy as np

from catalyst_assets.simulator.tape import Revision
from catalyst_assets.simulator.worlds.companies import Company
from catalyst_assets.simulator.worlds.drafts import Draft, typed_headline
from catalyst_assets.simulator.worlds.facts import draw_facts
from catalyst_assets.simulator.worlds.headlines import (
    DENIALS,
    FOLLOW_UPS,
    HEADLINES,
    MATTERS,
    PUMP_RELEASES,
    PUMPS,
    RUMOURS,
    SUMMARIES,
    SYNONYMS,
    TOPICS,
)
from catalyst_assets.simulator.worlds.outlets import OFFICIAL_TYPES, OUTLETS, Outlet
from catalyst_assets.simulator.worlds.stories import Story, generator

_BY_NAME = {outlet.name: outlet for outlet in OUTLETS}
_GOOD = tuple(outlet for outlet in OUTLETS if outlet.tier <= 2)
_LOW = tuple(outlet for outlet in OUTLETS if outlet.tier >= 4)
_WIRES = tuple(outlet for outlet in OUTLETS if outlet.official)
_FOLLOWERS = ("Benzinga", "Yahoo Finance", "Seeking Alpha", "Zacks", "TipRanks", "The Motley Fool")


class Desk:
    """Writes every article about one story."""

    def __init__(self, seed: int, story: Story, company: Company, peers: Sequence[str], price: float) -> None:
        self._story = story
        self._rng = generator(seed, "newsroom", story.story_id)
        self._facts = draw_facts(company, story.direction, price, story.started_at.month, self._rng)
        self._facts["matter"] = MATTERS.get(story.catalyst_type, "market speculation")
        if story.catalyst_type != "merger_acquisition":
            self._facts["partner_or_acquirer"] = self._facts["co"]
        self._symbols: tuple[str, ...] = (story.symbol,)
        if story.catalyst_type == "macro_sector":
            count = min(len(peers), int(self._rng.integers(3, 6)))
            picks = self._rng.choice(len(peers), size=count, replace=False)
            self._symbols = (story.symbol, *(peers[int(pick)] for pick in picks))
        self._templates = self._choose_templates()
        self._topics = (*TOPICS.get(story.catalyst_type, ("financial_markets",)),)

    def write(self, reach: float) -> list[Draft]:
        """All drafts about the story. ``reach`` scales how many outlets join (1: a full day's coverage)."""
        story, rng = self._story, self._rng
        scoop_outlet = _BY_NAME[story.scoop_outlet]
        first = self._pick(self._templates)
        at = story.started_at + timedelta(
            seconds=round(scoop_outlet.delay_s * float(np.exp(0.4 * rng.standard_normal())))
        )
        drafts = [self._draft(scoop_outlet, first, at, scoop=True)]
        if story.kind == "pump":
            drafts += self._pump(first, at, reach)
        elif story.kind == "stale":
            drafts += self._stale(first, at)
        else:
            drafts += self._coverage(scoop_outlet, first, at, reach)
        if story.kind in ("real", "null"):
            drafts += self._follow_ups(at, reach)
        if story.denied_at is not None:
            drafts += self._denial(story.denied_at, at)
        return drafts

    # ----------------------------------------------------------------------------------------------------- coverage

    def _coverage(self, scoop: Outlet, first: str, at: datetime, reach: float) -> list[Draft]:
        """Other outlets take the story up; good ones confirm real stories and leave rumours alone."""
        story, rng = self._story, self._rng
        believed = story.kind in ("real", "null")
        drafts = []
        if believed and story.catalyst_type in OFFICIAL_TYPES and not scoop.official and rng.random() < 0.5:
            release = at + timedelta(seconds=int(rng.integers(20, 90)))
            drafts.append(self._draft(_WIRES[int(rng.integers(len(_WIRES)))], self._pick(self._templates), release))
        for outlet in OUTLETS:
            if outlet.official or outlet is scoop:
                continue
            # Liars join what is false rather than what is true; outlets of rank wait for a second source.
            willing = 0.45 + 0.65 * outlet.reliability if believed else 1.25 * (1.0 - outlet.reliability) ** 1.5
            if rng.random() >= outlet.reach * willing * reach:
                continue
            delay = outlet.delay_s * float(np.exp(0.6 * rng.standard_normal())) + float(rng.uniform(20, 200))
            if outlet.tier <= 2 and scoop.tier >= 3:
                delay = max(delay, 60 * 7.0 * float(np.exp(0.6 * rng.standard_normal())))
            rewrites = believed and outlet.tier <= 3 and rng.random() < 0.55
            headline = self._pick(self._templates) if rewrites else self._echo(first)
            drafts.append(self._draft(outlet, headline, at + timedelta(seconds=round(delay))))
        return drafts

    def _pump(self, first: str, at: datetime, reach: float) -> list[Draft]:
        """Many near-identical low-tier articles within minutes."""
        rng = self._rng
        drafts = []
        for _ in range(max(3, round(float(rng.integers(5, 12)) * reach))):
            outlet = _LOW[int(rng.choice(len(_LOW), p=_liars()))]
            later = at + timedelta(seconds=int(rng.integers(45, 40 * 60)))
            drafts.append(self._draft(outlet, self._echo(first, changes=1), later))
        return drafts

    def _stale(self, first: str, at: datetime) -> list[Draft]:
        """An old story told again: most had their first telling days ago."""
        rng = self._rng
        drafts = []
        if rng.random() < 0.7:
            earlier = at - timedelta(days=int(rng.integers(1, 5)), seconds=int(rng.integers(0, 6 * 3600)))
            outlet = OUTLETS[int(rng.integers(3, 12))]
            drafts.append(self._draft(outlet, first, earlier))
        for _ in range(int(rng.integers(0, 3))):
            outlet = _LOW[int(rng.integers(len(_LOW)))]
            drafts.append(self._draft(outlet, self._echo(first), at + timedelta(seconds=int(rng.integers(300, 7200)))))
        return drafts

    def _follow_ups(self, at: datetime, reach: float) -> list[Draft]:
        rng = self._rng
        drafts = []
        for _ in range(int(rng.binomial(3, min(0.65 * reach, 1.0)))):
            outlet = _BY_NAME[_FOLLOWERS[int(rng.integers(len(_FOLLOWERS)))]]
            later = at + timedelta(seconds=int(rng.integers(35 * 60, 4 * 3600)))
            drafts.append(self._draft(outlet, self._pick(FOLLOW_UPS[self._story.direction]), later))
        return drafts

    def _denial(self, denied_at: datetime, told_at: datetime) -> list[Draft]:
        """A good outlet (or the company, over a wire) denies it; a few repeat that."""
        rng = self._rng
        at = max(denied_at, told_at + timedelta(minutes=3)) + timedelta(seconds=int(rng.integers(3, 25)))
        first = self._pick(DENIALS[self._story.direction])
        sources = (*_GOOD, *_WIRES)
        drafts = [self._draft(sources[int(rng.integers(len(sources)))], first, at, denial=True)]
        for outlet in OUTLETS:
            if not outlet.official and outlet.tier <= 3 and rng.random() < 0.3 * outlet.reach:
                later = at + timedelta(seconds=round(outlet.delay_s + float(rng.uniform(20, 400))))
                drafts.append(self._draft(outlet, self._echo(first), later, denial=True))
        return drafts

    # -------------------------------------------------------------------------------------------------------- words

    def _choose_templates(self) -> tuple[str, ...]:
        story = self._story
        if story.kind == "pump":
            return PUMP_RELEASES if _BY_NAME[story.scoop_outlet].official else PUMPS
        key = (story.catalyst_type, story.direction)
        if story.kind == "rumour":
            return RUMOURS[key]
        return HEADLINES[key]

    def _pick(self, templates: Sequence[str]) -> str:
        return templates[int(self._rng.integers(len(templates)))].format_map(self._facts)

    def _echo(self, headline: str, changes: int = 2) -> str:
        """The same text with up to ``changes`` words exchanged."""
        found = [pair for pair in SYNONYMS if pair[0] in headline]
        self._rng.shuffle(found)
        for old, new in found[: int(self._rng.integers(0, changes + 1))]:
            headline = headline.replace(old, new, 1)
        return headline

    def _draft(
        self, outlet: Outlet, headline: str, at: datetime, *, scoop: bool = False, denial: bool = False
    ) -> Draft:
        story, rng = self._story, self._rng
        templates = SUMMARIES[story.catalyst_type]
        summary = templates[int(rng.integers(len(templates)))].format_map(self._facts) if rng.random() < 0.85 else ""
        leaning = -story.direction if denial else story.direction
        if rng.random() < 0.10:
            leaning = -leaning  # the vendor's model misreads one text in ten
        symbols = self._symbols
        draw = rng.random()
        if draw < 0.05:
            symbols = ()
        elif draw < 0.09 and story.catalyst_type != "macro_sector":
            symbols = (*symbols, "SPY")
        sentiment = float(np.clip(np.round(0.42 * leaning + 0.2 * rng.standard_normal(), 4), -1, 1))
        return Draft(
            story_id=story.story_id,
            outlet=outlet.name,
            headline=typed_headline(outlet.name, headline),
            summary=summary,
            symbols=symbols,
            published_at=at.replace(microsecond=0),
            sentiment=sentiment,
            topics=self._topics,
            revisions=self._revisions(outlet, headline, summary, at.replace(microsecond=0)),
            scoop=scoop,
            denial=denial,
        )

    def _revisions(self, outlet: Outlet, headline: str, summary: str, at: datetime) -> tuple[Revision, ...]:
        """Some articles are edited minutes later: a longer headline, a correction, a summary added."""
        rng = self._rng
        if rng.random() >= 0.12:
            return ()
        kinds = (f"UPDATE 1-{headline}", f"CORRECTED: {headline}", headline)
        edited = kinds[int(rng.integers(len(kinds)))]
        text = (summary + " " if summary else "") + "This article has been updated."
        when = at + timedelta(seconds=int(rng.integers(90, 1500)))
        return (Revision(when, typed_headline(outlet.name, edited), text),)


def _liars() -> np.ndarray:
    """How often each low-tier outlet takes part in a pump: the less reliable, the more."""
    weights = np.array([(1.0 - outlet.reliability) ** 3 for outlet in _LOW])
    return weights / weights.sum()


def cover(
    seed: int,
    stories: Sequence[Story],
    companies: Sequence[Company],
    prices: Mapping[str, float],
    reach: float,
) -> list[Draft]:
    """All drafts about ``stories``. ``prices``: symbol → last close before them (USD), for the numbers in the texts."""
    by_symbol = {company.symbol: company for company in companies}
    drafts: list[Draft] = []
    for story in stories:
        company = by_symbol[story.symbol]
        peers = [
            other.symbol
            for other in companies
            if other.kind == "stock" and other.sector == company.sector and other.symbol != company.symbol
        ]
        drafts += Desk(seed, story, company, peers, prices[story.symbol]).write(reach)
    return drafts
