"""From a draft to an article on the tape: identity, address, author, and which provider serves it when.

Belongs here: what every article needs, whatever it says. Does not belong here: what it says (``newsroom.py``,
``background.py``).
"""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from catalyst_assets.simulator.tape import NEWS_PROVIDERS, Revision, WireArticle
from catalyst_assets.simulator.worlds.outlets import CARRIAGE, OUTLETS
from catalyst_assets.simulator.worlds.stories import generator

FIRST_ARTICLE_ID = 41_000_000
LIVE_PROVIDERS = ("finnhub", "alpaca")
"""Providers that serve within a minute."""

_BY_NAME = {outlet.name: outlet for outlet in OUTLETS}
_AUTHORS = (
    "Ada Lindqvist", "Ben Okafor", "Carla Mendes", "Derek Shaw", "Eun-ji Park", "Farah Haddad", "Gus Whitman", "Hana Novak",
)  # fmt: skip
_ESCAPING_OUTLETS = frozenset({"Benzinga"})
"""Outlets whose headlines reach the wire with HTML entities in them."""
_LATE = 0.012
"""Share of deliveries that are forty times as slow as usual."""


@dataclass(frozen=True, slots=True)
class Draft:
    """An article before it has an identity. Times UTC."""

    story_id: int
    outlet: str
    headline: str
    summary: str
    symbols: tuple[str, ...]
    published_at: datetime
    sentiment: float
    topics: tuple[str, ...]
    revisions: tuple[Revision, ...] = ()
    scoop: bool = False
    denial: bool = False


def typed_headline(outlet: str, headline: str) -> str:
    """The headline as the outlet's system sends it: some send ``&amp;`` and ``&#39;``."""
    if outlet in _ESCAPING_OUTLETS:
        return html.escape(headline, quote=True).replace("&#x27;", "&#39;")
    return headline


def _visible(draft: Draft, rng: np.random.Generator) -> dict[str, datetime]:
    """From when each provider serves the article; draws the same amount of randomness for every article."""
    outlet = _BY_NAME[draft.outlet]
    carried = rng.random(len(NEWS_PROVIDERS))
    speed = rng.standard_normal(len(NEWS_PROVIDERS))
    late = rng.random(len(NEWS_PROVIDERS)) < _LATE
    visible: dict[str, datetime] = {}
    for position, provider in enumerate(NEWS_PROVIDERS):
        if carried[position] >= outlet.carried.get(provider, 0.0):
            continue
        carriage = CARRIAGE[provider]
        delay = carriage.median_s * float(np.exp(carriage.spread * speed[position])) * (40.0 if late[position] else 1.0)
        visible[provider] = draft.published_at + timedelta(seconds=round(carriage.floor_s + delay))
    # A scoop that no quick provider carried would be a story nobody can trade on: the portal picks most of them up.
    if draft.scoop and not any(provider in visible for provider in LIVE_PROVIDERS) and rng.random() < 0.8:
        visible["finnhub"] = draft.published_at + timedelta(seconds=round(CARRIAGE["finnhub"].median_s * 2))
    return visible


def publish(seed: int, drafts: Sequence[Draft], until: datetime) -> tuple[tuple[WireArticle, ...], frozenset[int]]:
    """The articles of ``drafts`` published before ``until`` (UTC), numbered by time, and the ids of denials among them."""
    rng = generator(seed, "wire")
    kept = sorted(
        (draft for draft in drafts if draft.published_at < until),
        key=lambda draft: (draft.published_at, draft.outlet, draft.headline),
    )
    articles = []
    denials = set()
    for number, draft in enumerate(kept):
        article_id = FIRST_ARTICLE_ID + number
        if draft.denial:
            denials.add(article_id)
        outlet = _BY_NAME[draft.outlet]
        slug = "-".join(re.findall(r"[a-z0-9]+", html.unescape(draft.headline).lower())[:9])
        text = draft.summary or html.unescape(draft.headline)
        articles.append(
            WireArticle(
                article_id=article_id,
                story_id=draft.story_id,
                outlet=draft.outlet,
                headline=draft.headline,
                summary=draft.summary,
                body=f"<p>{text}</p><p>{outlet.name} has not verified forward-looking statements by third parties.</p>",
                url=f"https://{outlet.domain}/{draft.published_at:%Y/%m/%d}/{slug}-{article_id}",
                symbols=draft.symbols,
                published_at=draft.published_at,
                revisions=draft.revisions,
                visible=_visible(draft, rng),
                sentiment=draft.sentiment,
                author=f"{outlet.name} staff" if outlet.official else _AUTHORS[int(rng.integers(len(_AUTHORS)))],
                topics=draft.topics,
            )
        )
    return tuple(articles), frozenset(denials)
