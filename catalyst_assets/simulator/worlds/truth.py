"""The truth behind an invented world: which story was real, what it was worth, who is reliable.

Belongs here: the planted facts, for tests and for the demo's summary. Does not belong here: anything the trading system may
read. A tape never refers to this module's values, and the vendors' server is given the tape only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

STORY_COLUMNS = (
    "story_id", "session", "symbol", "catalyst_type", "kind", "is_real", "direction", "impact_pct", "peak_pct", "started_at",
    "denied_at", "scoop_outlet",
)  # fmt: skip
"""Columns of :attr:`WorldTruth.stories`. ``kind``: ``real``, ``rumour``, ``pump``, ``stale`` or ``null`` (null worlds).
``direction`` (−1, 1) is what the text says. ``impact_pct`` is the planted lasting move in percent, signed; ``peak_pct`` the
largest planted move on the way (they agree for real stories). ``started_at`` (UTC) is when the market begins to know;
``session`` the session whose news it is; ``denied_at`` is NaT when nobody denies it."""

OUTLET_COLUMNS = ("outlet", "tier", "reliability", "delay_s", "reach")
"""Columns of :attr:`WorldTruth.outlets`. ``reliability``: planted share of the outlet's scoops that are real."""


@dataclass(frozen=True)
class WorldTruth:
    """What was planted, beside the tape."""

    stories: pd.DataFrame
    """:data:`STORY_COLUMNS`, sorted by ``started_at``."""
    outlets: pd.DataFrame
    """:data:`OUTLET_COLUMNS`, best tier first."""
    article_story: Mapping[int, int]
    """``article_id`` → ``story_id`` for articles that tell a story (denials too); background noise is absent."""
    denials: frozenset[int]
    """``article_id`` of the articles that deny a false story: their text points against the story's direction."""
