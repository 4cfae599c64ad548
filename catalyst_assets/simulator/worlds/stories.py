"""What happens in a simulated world: the stories of a session, real and false, before anyone has written a word.

Belongs here: which company, which type, how large, when, who breaks it, whether it is true. Does not belong here: the effect
on prices (``prices.py``) and the articles (``newsroom.py``). Stories are drawn per session from their own seed, so a longer
history changes nothing in the sessions it is added before.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import numpy as np
import pandas as pd

from catalyst_assets.simulator.worlds.catalysts import (
    CATALYSTS,
    DRIFT_DEVIATION,
    DRIFT_LIMITS,
    DRIFT_MEAN,
    FALSE_KINDS,
    REFERENCE_VOLATILITY,
)
from catalyst_assets.simulator.worlds.companies import Company
from catalyst_assets.simulator.worlds.outlets import OFFICIAL_TYPES, OUTLETS, Outlet
from catalyst_assets.simulator.worlds.truth import STORY_COLUMNS
from catalyst_assets.trading.calendar import SessionHours


def generator(seed: int, subject: str, *keys: int) -> np.random.Generator:
    """The random generator of one subject of a world (and of one session, story … of it), independent of all others.

    Built on ``SeedSequence`` with a checksum of the subject's name, so it is the same in every process and on every platform.
    """
    return np.random.default_rng(np.random.SeedSequence([seed, zlib.crc32(subject.encode()), *keys]))


@dataclass(frozen=True, slots=True)
class Story:
    """One event (or invention) about one company. Effects are log returns, signed."""

    story_id: int
    session: date
    """The session whose news it is: it starts after the previous close and before this one."""
    symbol: str
    catalyst_type: str
    kind: str
    """``real``, ``rumour``, ``pump``, ``stale``, or ``null`` in a world where no news matters."""
    direction: int
    """What the text says: 1 good, −1 bad."""
    started_at: datetime
    """When the market begins to know (UTC)."""
    lasting: float
    """Effect that stays."""
    peak: float
    """Largest effect on the way."""
    jump: float
    """Part of a real story's effect that comes at once; the rest drifts in (or partly back)."""
    denied_at: datetime | None
    scoop_outlet: str

    @property
    def is_real(self) -> bool:
        return self.kind == "real"


_PARTS_OF_DAY: Mapping[str, tuple[float, float]] = {
    # name: (share of unscheduled stories, share of scheduled announcements)
    "evening": (0.14, 0.32),
    "night": (0.04, 0.0),
    "premarket": (0.36, 0.52),
    "first_hours": (0.26, 0.10),
    "rest": (0.20, 0.06),
}
"""When stories start: in the evening after the previous close, at night, before the open, in the first two hours, later."""

_LAST_STORY_BEFORE_CLOSE = timedelta(minutes=25)


def _started_at(scheduled: bool, previous: SessionHours, hours: SessionHours, rng: np.random.Generator) -> datetime:
    """A start time between the previous close and this close; scheduled announcements come at round times."""
    names = list(_PARTS_OF_DAY)
    shares = np.array([_PARTS_OF_DAY[name][int(scheduled)] for name in names])
    part = names[int(rng.choice(len(names), p=shares / shares.sum()))]
    first_hours_end = min(hours.open + timedelta(hours=2), hours.close - timedelta(hours=1))
    ranges: dict[str, tuple[pd.Timestamp, pd.Timestamp]] = {
        "evening": (previous.close + timedelta(minutes=3), previous.post_close),
        "night": (previous.post_close, hours.pre_open),
        "premarket": (hours.pre_open + timedelta(minutes=20), hours.open - timedelta(minutes=5)),
        "first_hours": (hours.open + timedelta(minutes=2), first_hours_end),
        "rest": (first_hours_end, hours.close - _LAST_STORY_BEFORE_CLOSE),
    }
    start, end = (bound.to_pydatetime() for bound in ranges[part])
    span = (end - start).total_seconds()
    if part == "evening":
        fraction = rng.beta(1.0, 3.5)  # most of the evening's news comes soon after the close
    elif part == "premarket":
        fraction = rng.beta(2.4, 1.5)  # most of the morning's news comes after six
    else:
        fraction = rng.uniform()
    moment = start + timedelta(seconds=float(np.round(span * fraction)))
    if scheduled and part in ("evening", "premarket"):
        step = 5 if part == "evening" else 15
        rounded = moment.replace(second=0, microsecond=0) - timedelta(minutes=moment.minute % step)
        moment = max(rounded, start) + timedelta(seconds=int(rng.integers(0, 25)))
    return moment


def _kind(outlet: Outlet, rng: np.random.Generator) -> str:
    if rng.random() < outlet.reliability:
        return "real"
    draw = rng.random()
    if draw < outlet.rehash:
        return "stale"
    # A wire carries no rumours: what is not real there is old or empty.
    if draw < outlet.rehash + outlet.pump or outlet.official:
        return "pump"
    return "rumour"


def _catalyst_type(outlet: Outlet, kind: str, rng: np.random.Generator) -> str:
    if kind == "real":
        weights = {name: profile.weight for name, profile in CATALYSTS.items()}
    else:
        weights = dict(FALSE_KINDS[kind].types)
    for name in weights:
        weights[name] *= outlet.beats.get(name, 1.0)
        if outlet.official and name not in OFFICIAL_TYPES:
            weights[name] = 0.0
    names = list(weights)
    shares = np.array([weights[name] for name in names])
    return names[int(rng.choice(len(names), p=shares / shares.sum()))]


def _company(
    catalyst_type: str, kind: str, companies: Sequence[Company], used: set[str], rng: np.random.Generator
) -> Company | None:
    """A company not in the news yet that the story suits, or ``None`` when there is none left."""
    profile = CATALYSTS[catalyst_type]
    free = [
        company
        for company in companies
        if company.kind == "stock"
        and company.symbol not in used
        and (not profile.sectors or company.sector in profile.sectors)
    ]
    if not free:
        return None
    price = np.array([company.price for company in free])
    if kind == "pump" or catalyst_type in ("bankruptcy", "offering_dilution"):
        weights = 1.0 / price  # small, cheap companies
    elif catalyst_type == "short_report":
        weights = np.array([company.daily_volatility for company in free])
    else:
        # Well-known companies are written about more.
        weights = np.array([(company.average_volume * company.price) ** 0.4 for company in free])
    return free[int(rng.choice(len(free), p=weights / weights.sum()))]


def _effect(catalyst_type: str, kind: str, company: Company, rng: np.random.Generator) -> tuple[float, float, float]:
    """``(lasting, peak, jump)``, log returns in the direction of the text (``lasting`` negative when it overshoots back).

    A real story's drift is uncertain (:data:`catalysts.DRIFT_MEAN`, ``DRIFT_DEVIATION``): markets sometimes overreact at first.
    """
    scale = float(np.sqrt(company.daily_volatility / REFERENCE_VOLATILITY))
    if kind == "real":
        profile = CATALYSTS[catalyst_type]
        size = min(profile.impact * scale * float(np.exp(profile.dispersion * rng.standard_normal())), 0.6)
        jump = profile.jump * size
        confidence = float(np.clip(DRIFT_MEAN + DRIFT_DEVIATION * rng.standard_normal(), *DRIFT_LIMITS))
        lasting = jump + (size - jump) * confidence
        return lasting, max(lasting, jump), jump
    false = FALSE_KINDS[kind]
    height = min(false.impact * scale * float(np.exp(false.dispersion * rng.standard_normal())), 0.5)
    return -false.overshoot * height, height, 0.0


def draw_stories(
    seed: int,
    companies: Sequence[Company],
    previous: SessionHours,
    hours: SessionHours,
    count: int,
    *,
    real_stories: bool = True,
    false_stories: bool = True,
) -> tuple[Story, ...]:
    """About ``count`` stories of one session (fewer when companies run out), sorted by ``started_at``.

    ``real_stories=False`` is the null world: the same texts, but no story has any effect (kind ``null``).
    ``false_stories=False`` makes every story real.
    """
    day = hours.session
    rng = generator(seed, "stories", day.toordinal())
    rates = np.array([outlet.scoops for outlet in OUTLETS])
    used: set[str] = set()
    drawn: list[Story] = []
    for number in range(count):
        outlet = OUTLETS[int(rng.choice(len(OUTLETS), p=rates / rates.sum()))]
        kind = _kind(outlet, rng)
        if not false_stories:
            kind = "real"
        catalyst_type = _catalyst_type(outlet, kind, rng)
        company = _company(catalyst_type, kind, companies, used, rng)
        if company is None:
            continue
        used.add(company.symbol)
        profile = CATALYSTS[catalyst_type]
        direction = 1 if kind == "pump" or rng.random() < profile.up else -1
        started_at = _started_at(profile.scheduled and kind in ("real", "stale"), previous, hours, rng)
        lasting, peak, jump = _effect(catalyst_type, kind, company, rng)
        denied_at = None
        if kind in FALSE_KINDS and rng.random() < FALSE_KINDS[kind].denial:
            denied_at = started_at + timedelta(seconds=float(np.round(rng.uniform(20 * 60, 100 * 60))))
        if not real_stories:
            kind, lasting, peak, jump, denied_at = "null", 0.0, 0.0, 0.0, None
        drawn.append(
            Story(
                story_id=day.toordinal() * 100 + number,
                session=day,
                symbol=company.symbol,
                catalyst_type=catalyst_type,
                kind=kind,
                direction=direction,
                started_at=started_at,
                lasting=direction * lasting,
                peak=direction * peak,
                jump=direction * jump,
                denied_at=denied_at,
                scoop_outlet=outlet.name,
            )
        )
    return tuple(sorted(drawn, key=lambda story: (story.started_at, story.story_id)))


def story_frame(stories: Sequence[Story]) -> pd.DataFrame:
    """The stories as :data:`truth.STORY_COLUMNS`, sorted by ``started_at``; moves in percent."""
    frame = pd.DataFrame(
        {
            "story_id": [story.story_id for story in stories],
            "session": [story.session for story in stories],
            "symbol": [story.symbol for story in stories],
            "catalyst_type": [story.catalyst_type for story in stories],
            "kind": [story.kind for story in stories],
            "is_real": [story.is_real for story in stories],
            "direction": [story.direction for story in stories],
            "impact_pct": [float(np.expm1(story.lasting) * 100) + 0.0 for story in stories],
            "peak_pct": [float(np.expm1(story.peak) * 100) + 0.0 for story in stories],
            "started_at": pd.to_datetime([story.started_at for story in stories], utc=True).as_unit("us"),
            "denied_at": pd.to_datetime([story.denied_at for story in stories], utc=True).as_unit("us"),
            "scoop_outlet": [story.scoop_outlet for story in stories],
        }
    )
    return frame[list(STORY_COLUMNS)].sort_values(["started_at", "story_id"], ignore_index=True)
