"""How stories act on prices, volatility and volume of a simulated world, and which of them halt trading.

Belongs here: the clock by which news enters prices, the course of one story's effect, spill-over, attention, news halts.
Does not belong here: the noise around it (``prices.py``) and the sizes (``catalysts.py``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from catalyst_assets.simulator.tape import Halt
from catalyst_assets.simulator.worlds.catalysts import (
    CATALYSTS,
    DENIAL_MINUTES,
    FALSE_KINDS,
    JUMP_MINUTES,
    OVERNIGHT_MINUTES,
    TRADING_SPEED,
)
from catalyst_assets.simulator.worlds.companies import Company
from catalyst_assets.simulator.worlds.stories import Story, generator
from catalyst_assets.trading.calendar import SessionHours

Floats = NDArray[np.float64]


def micros(at: datetime) -> int:
    """Microseconds since the epoch of a UTC instant."""
    return round(at.timestamp() * 1_000_000)


class NewsClock:
    """Turns instants into "minutes of regular trading": the pace at which prices take in news.

    A minute of the regular session counts 1, one of the extended hours :data:`TRADING_SPEED`, a closed night
    :data:`OVERNIGHT_MINUTES` in all.
    """

    def __init__(self, sessions: Sequence[SessionHours]) -> None:
        instants: list[int] = []
        readings: list[float] = []
        reading = 0.0
        for hours in sessions:
            bounds = [micros(at) for at in (hours.pre_open, hours.open, hours.close, hours.post_close)]
            if instants:
                reading += OVERNIGHT_MINUTES
            instants.append(bounds[0])
            readings.append(reading)
            for state, start, end in zip(("pre", "regular", "after"), bounds[:-1], bounds[1:], strict=True):
                reading += TRADING_SPEED[state] * (end - start) / 60e6
                instants.append(end)
                readings.append(reading)
        self._instants = np.array(instants, dtype=np.float64)
        self._readings = np.array(readings)

    def read(self, at: NDArray[np.int64] | int) -> Floats:
        """The reading at instants given in microseconds since the epoch."""
        return np.interp(np.asarray(at, dtype=np.float64), self._instants, self._readings)


def course(story: Story, clock: NewsClock, at: NDArray[np.int64]) -> Floats:
    """The story's effect on its own symbol (log return since before it) at instants ``at`` (µs since the epoch).

    Real: ``jump · (1 − e^(−t/τ₁)) + (lasting − jump) · (1 − e^(−t/τ₂))``. False: up with ``1 − e^(−t/rise)``, then from the
    peak to the (overshot) end with ``e^(−t/fade)``; a denial sends what is left to the end within minutes.
    """
    elapsed = np.maximum(clock.read(at) - clock.read(micros(story.started_at)), 0.0)
    if story.kind == "real":
        profile = CATALYSTS[story.catalyst_type]
        jumped = -np.expm1(-elapsed / JUMP_MINUTES)
        drifted = -np.expm1(-elapsed / profile.drift_minutes)
        return story.jump * jumped + (story.lasting - story.jump) * drifted
    if story.peak == 0.0:
        return np.zeros(len(at))
    false = FALSE_KINDS[story.kind]
    share = np.exp(-elapsed / false.fade_minutes)
    if story.denied_at is not None:
        since = np.maximum(clock.read(at) - clock.read(micros(story.denied_at)), 0.0)
        share = share * np.exp(-since / DENIAL_MINUTES)
    return -np.expm1(-elapsed / false.rise_minutes) * (story.lasting + (story.peak - story.lasting) * share)


def attention(story: Story, clock: NewsClock, at: NDArray[np.int64]) -> Floats:
    """How much the story is on traders' minds (0…1) at instants ``at`` (µs): a burst, then a long tail of the same day."""
    elapsed = clock.read(at) - clock.read(micros(story.started_at))
    later = np.maximum(elapsed, 0.0)
    return np.where(elapsed >= 0, 0.55 * np.exp(-later / 25.0) + 0.45 * np.exp(-later / 260.0), 0.0)


@dataclass(frozen=True)
class Effects:
    """The joint effect of all stories on one session, one row per company."""

    level: Floats
    """Log-price effect at the minute boundaries, shape (companies, minutes + 1)."""
    volatility: Floats
    """Multiplier of the own volatility per minute, shape (companies, minutes)."""
    volume: Floats
    """Multiplier of the volume per minute, shape (companies, minutes)."""


def effects_on(
    seed: int, stories: Sequence[Story], companies: Sequence[Company], clock: NewsClock, boundaries: NDArray[np.int64]
) -> Effects:
    """Sum of the courses of ``stories`` at the minute ``boundaries`` (µs since the epoch, one more than minutes).

    A story also moves its sector by its type's spill-over, each company by its own draw around it.
    """
    rows = {company.symbol: row for row, company in enumerate(companies)}
    minutes = len(boundaries) - 1
    level = np.zeros((len(companies), minutes + 1))
    volatility = np.ones((len(companies), minutes))
    volume = np.ones((len(companies), minutes))
    middles = boundaries[:-1] + 30_000_000
    for story in stories:
        if story.peak == 0.0 or micros(story.started_at) > boundaries[-1]:
            continue
        row = rows[story.symbol]
        own = companies[row]
        path = course(story, clock, boundaries)
        level[row] += path
        surprise = abs(story.peak) / own.daily_volatility
        mind = attention(story, clock, middles)
        loudness = 2.2 if story.kind == "pump" else 1.0
        volatility[row] += min(0.28 * surprise, 1.6) * mind
        volume[row] += np.clip(2.6 * surprise * loudness, 0.8, 22.0) * mind
        spillover = CATALYSTS[story.catalyst_type].spillover if story.is_real else 0.0
        if spillover:
            peers = [other for other, company in enumerate(companies) if company.sector == own.sector and other != row]
            draws = generator(seed, "spillover", story.story_id).uniform(0.4, 1.6, size=len(peers))
            for other, draw in zip(peers, draws, strict=True):
                share = 0.15 if companies[other].kind != "stock" else float(draw)
                level[other] += spillover * share * path
                volume[other] += 1.5 * abs(spillover) * mind
    return Effects(level=level, volatility=volatility, volume=volume)


def news_halts(seed: int, stories: Sequence[Story], hours: SessionHours) -> tuple[Halt, ...]:
    """At most one news-pending halt (``T1``): the largest real story of the session that breaks in regular hours.

    It must move the price by 5 % or more, after the first five minutes and an hour or more before the close. The halt
    starts with the minute of the story and lasts 10–30 whole minutes.
    """
    candidates = [
        story
        for story in stories
        if story.is_real
        and abs(story.lasting) >= 0.05
        and hours.open + timedelta(minutes=5) <= story.started_at <= hours.close - timedelta(minutes=60)
    ]
    if not candidates:
        return ()
    story = max(candidates, key=lambda candidate: (abs(candidate.lasting), candidate.story_id))
    start = story.started_at.replace(second=0, microsecond=0)
    minutes = int(generator(seed, "halts", hours.session.toordinal()).integers(10, 31))
    return (Halt(story.symbol, start, start + timedelta(minutes=minutes), "T1"),)
