"""Prices, volumes and spreads of a simulated world: minute bars and the daily history before them.

Belongs here: market and sector factors, own noise with clustering volatility and fat tails, the day's shapes of volatility,
volume and spread, trades and bars. Does not belong here: what news does (``effects.py`` hands it in) and which companies
there are (``companies.py``).

The model. Log mid price = random walk + effect of stories. The walk's minute returns are ``beta · market + sector + own``;
each volatility is an AR(1) in logs over minutes and over sessions, innovations are Student t. Inside a minute the high and low
come from the law of the maximum of a Brownian bridge. Trades per minute are Poisson; a minute without one has no bar.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from catalyst_assets.simulator.tape import DAILY_COLUMNS, TAPE_BAR_COLUMNS, Halt
from catalyst_assets.simulator.worlds.companies import Company
from catalyst_assets.simulator.worlds.effects import Effects, Floats, micros
from catalyst_assets.simulator.worlds.stories import generator
from catalyst_assets.trading.calendar import SessionHours

MARKET_VOLATILITY = 0.0085
"""Daily volatility of the market factor."""
SECTOR_VOLATILITY = 0.0065
"""Daily volatility of a sector's own factor."""
VARIANCE_SHARE = {"night": 0.12, "pre": 0.07, "regular": 0.74, "after": 0.07}
"""Where a day's variance falls."""
MINUTE_MEMORY = 0.985
"""AR(1) coefficient of the log volatility from minute to minute (half-life 46 minutes)."""
MINUTE_LOG_VOLATILITY = 0.38
"""Stationary standard deviation of it."""
SESSION_MEMORY = 0.85
"""AR(1) coefficient of the log volatility from session to session."""
SESSION_LOG_VOLATILITY = 0.25
PRE_VOLUME = 0.022
"""Median share of an ordinary day's volume before the open."""
AFTER_VOLUME = 0.022
LULD_BAND = 0.10
"""Move within five minutes that pauses trading on any day; the main session pauses its largest mover at any size."""
LULD_PAUSE = timedelta(minutes=5)
REOPENING_VOLUME = 5.0
"""Volume multiplier of the minute in which trading resumes."""


@dataclass(frozen=True)
class Grid:
    """The minutes of one session."""

    hours: SessionHours
    boundaries: NDArray[np.int64]
    """Microseconds since the epoch, minutes + 1 of them."""
    state: NDArray[np.int8]
    """Per minute: 0 pre, 1 regular, 2 after."""
    into: Floats
    """Minutes since the start of that state."""
    left: Floats
    """Minutes to its end."""

    @classmethod
    def of(cls, hours: SessionHours) -> Grid:
        """The grid of one session, 04:00 to the end of after-hours."""
        start, opening, closing, end = (
            micros(at) for at in (hours.pre_open, hours.open, hours.close, hours.post_close)
        )
        boundaries = np.arange(start, end + 1, 60_000_000, dtype=np.int64)
        begin = boundaries[:-1]
        state = ((begin >= opening).astype(np.int8) + (begin >= closing)).astype(np.int8)
        edges = np.array([start, opening, closing, end])
        into = (begin - edges[state]) / 60e6
        left = (edges[state + 1] - begin) / 60e6
        return cls(hours=hours, boundaries=boundaries, state=state, into=into, left=left)

    @property
    def minutes(self) -> int:
        return len(self.state)

    def volatility_shape(self) -> Floats:
        """Standard deviation per minute of a factor with daily standard deviation 1."""
        pre, regular, after = (self.state == code for code in range(3))
        shape = np.empty(self.minutes)
        shape[pre] = 0.6 + 0.9 * (self.into / (self.into + self.left))[pre] ** 2
        shape[regular] = (1 + 1.7 * np.exp(-self.into / 16.0) + 0.35 * np.exp(-self.left / 22.0))[regular]
        shape[after] = (0.45 + np.exp(-self.into / 40.0))[after]
        shares = (VARIANCE_SHARE["pre"] / 330, VARIANCE_SHARE["regular"] / 390, VARIANCE_SHARE["after"] / 240)
        for mask, share in zip((pre, regular, after), shares, strict=True):
            shape[mask] *= np.sqrt(share / np.mean(shape[mask] ** 2))
        return shape

    def volume_shape(self) -> Floats:
        """Share of a normal day's volume per minute, before the companies' own pre-market factor."""
        pre, regular, after = (self.state == code for code in range(3))
        shape = np.empty(self.minutes)
        shape[pre] = np.exp(-self.left / 75.0)[pre]
        shape[pre] *= PRE_VOLUME / shape[pre].sum()
        shape[regular] = (1 + 2.3 * np.exp(-self.into / 20.0) + 1.5 * np.exp(-self.left / 16.0))[regular]
        length = int(regular.sum())
        shape[regular] *= 0.90 * (length / 390) ** 0.8 / shape[regular].sum()
        shape[np.flatnonzero(regular)[0]] += 0.012  # opening auction
        shape[np.flatnonzero(regular)[-1]] += 0.045  # closing auction
        shape[after] = np.exp(-self.into / 25.0)[after]
        shape[after] *= AFTER_VOLUME / shape[after].sum()
        return shape

    def spread_shape(self) -> Floats:
        """Multiplier of the quoted spread per minute: wide outside the regular session and in its first minutes."""
        shapes = (
            2.2 + 2.2 * self.left / (self.into + self.left),
            1 + 1.8 * np.exp(-self.into / 5.0),
            2.2 + 2.5 * self.into / (self.into + self.left),
        )
        return np.choose(self.state, shapes)


def _fat(rng: np.random.Generator, freedom: float, size: tuple[int, ...]) -> Floats:
    """Student t with unit variance, cut at nine standard deviations."""
    return np.clip(rng.standard_t(freedom, size=size) / np.sqrt(freedom / (freedom - 2)), -9, 9)


def _wander(rng: np.random.Generator, memory: float, spread: float, shape: tuple[int, int], start: Floats) -> Floats:
    """AR(1) along axis 1 with stationary standard deviation ``spread``, from ``start`` (one per row)."""
    # A loop over the minutes: importing scipy.signal for its filter would cost more than all of a world's loops.
    shocks = rng.standard_normal(shape) * spread * np.sqrt(1 - memory**2)
    wandering = np.empty(shape)
    state = start
    for step in range(shape[1]):
        state = memory * state + shocks[:, step]
        wandering[:, step] = state
    return wandering


class PriceModel:
    """Simulates sessions one after the other; holds the walk's level and the volatility states between them."""

    def __init__(self, seed: int, companies: Sequence[Company]) -> None:
        self._seed = seed
        self.companies = tuple(companies)
        self._symbols = pd.array([company.symbol for company in companies], dtype="str")
        count = len(self.companies)
        self._beta = np.array([company.beta for company in companies])
        self._own = np.array([company.daily_volatility for company in companies])
        self._volume = np.array([company.average_volume for company in companies])
        self._spread = np.array([company.spread_bps for company in companies])
        self._trade_size = np.array([company.trade_size for company in companies])
        names = sorted({company.sector for company in companies})
        self._sector = np.array([names.index(company.sector) for company in companies])
        # Funds follow their sector through beta and a small noise of their own; the broad fund has no sector.
        self._sector_load = np.array([0.0 if company.sector == "Broad Market Fund" else 1.0 for company in companies])
        self._sectors = len(names)
        self._walk = np.log(np.array([company.price for company in companies]))
        rng = generator(seed, "volatility-start")
        self._day_volatility = rng.standard_normal(count) * SESSION_LOG_VOLATILITY
        self._market_volatility = float(rng.standard_normal() * SESSION_LOG_VOLATILITY)
        self._pre_factor = np.exp(generator(seed, "premarket").standard_normal(count) * 0.5)

    # ----------------------------------------------------------------------------------------------- daily history

    def daily_before(self, sessions: Sequence[SessionHours]) -> pd.DataFrame:
        """Daily bars of sessions before the minute history (:data:`tape.DAILY_COLUMNS`), ending at the start prices."""
        days, count = len(sessions), len(self.companies)
        if not days:
            return pd.DataFrame(columns=list(DAILY_COLUMNS))
        rng = generator(self._seed, "daily")
        market = _fat(rng, 5, (1, days)) * MARKET_VOLATILITY
        sector = _fat(rng, 5, (self._sectors, days)) * SECTOR_VOLATILITY
        calm = np.exp(_wander(rng, SESSION_MEMORY, SESSION_LOG_VOLATILITY, (count, days), np.zeros(count)))
        own = _fat(rng, 4, (count, days)) * self._own[:, None] * calm
        moves = self._beta[:, None] * market + self._sector_load[:, None] * sector[self._sector] + own
        close = np.exp(self._walk[:, None] - moves.sum(axis=1, keepdims=True) + np.cumsum(moves, axis=1))
        before = np.concatenate([close[:, :1] * np.exp(-moves[:, :1]), close[:, :-1]], axis=1)
        sigma = np.sqrt(
            (self._beta[:, None] * MARKET_VOLATILITY) ** 2 + SECTOR_VOLATILITY**2 + (self._own[:, None] * calm) ** 2
        )
        opening = before * np.exp(rng.standard_normal((count, days)) * sigma * np.sqrt(VARIANCE_SHARE["night"]))
        start, end = np.log(opening), np.log(close)
        high = np.exp(_bridge_extreme(start, end, 0.9 * sigma, rng.uniform(size=(count, days)), 1))
        low = np.exp(_bridge_extreme(start, end, 0.9 * sigma, rng.uniform(size=(count, days)), -1))
        volume = self._volume[:, None] * np.exp(
            0.30 * rng.standard_normal((count, days)) + 0.35 * (np.abs(moves) / sigma - 0.8)
        )
        opening, high, low, close = (np.round(values, 2) for values in (opening, high, low, close))
        high = np.maximum(high, np.maximum(opening, close))
        low = np.minimum(low, np.minimum(opening, close))
        return pd.DataFrame(
            {
                "symbol": self._symbols.take(np.repeat(np.arange(count), days)),
                "session": [hours.session for hours in sessions] * count,
                "open": opening.ravel(),
                "high": high.ravel(),
                "low": np.maximum(low, 0.01).ravel(),
                "close": close.ravel(),
                "volume": np.round(volume).ravel(),
            }
        )

    # ------------------------------------------------------------------------------------------------------ sessions

    def session(
        self, grid: Grid, effects: Effects, news_halts: Sequence[Halt], *, main: bool
    ) -> tuple[pd.DataFrame, tuple[Halt, ...]]:
        """Minute bars of the next session (:data:`tape.TAPE_BAR_COLUMNS`) and all its halts, by start.

        Sessions must be asked for in order. ``main`` makes sure of at least one volatility pause.
        """
        count, minutes = len(self.companies), grid.minutes
        rng = generator(self._seed, "prices", grid.hours.session.toordinal())
        mid, sigma = self._mids(grid, effects, rng)
        halts = [*news_halts, *self._pauses(grid, mid, {halt.symbol for halt in news_halts}, main=main)]

        # Inside the minute: first trade near the start of it, last at its end, extremes of a Brownian bridge between.
        first = mid[:, :-1] + 0.15 * sigma * rng.standard_normal((count, minutes))
        last = mid[:, 1:]
        high = _bridge_extreme(first, last, 0.8 * sigma, rng.uniform(size=(count, minutes)), 1)
        low = _bridge_extreme(first, last, 0.8 * sigma, rng.uniform(size=(count, minutes)), -1)
        opening, high, low, closing = (np.exp(values) for values in (first, high, low, last))

        tension = np.clip(sigma / (self._total_volatility()[:, None] * grid.volatility_shape()), 0.4, 5.0)
        spread_bps = self._spread[:, None] * grid.spread_shape() * tension**0.6
        half_spread = np.maximum(0.005, np.round(closing * spread_bps / 2e4, 4))

        surprise = np.minimum(np.abs(last - mid[:, :-1]) / sigma, 6.0)
        trades, volume = self._trading(grid, effects, surprise, halts, rng)

        bounce = half_spread * 0.7
        opening = np.round(opening + bounce * rng.choice((-1.0, 1.0), size=(count, minutes)), 2)
        closing = np.round(closing + bounce * rng.choice((-1.0, 1.0), size=(count, minutes)), 2)
        opening, closing = np.maximum(opening, 0.01), np.maximum(closing, 0.01)
        alone = trades == 1
        opening = np.where(alone, closing, opening)
        high = np.where(alone, closing, np.maximum(np.round(high, 2), np.maximum(opening, closing)))
        low = np.where(alone, closing, np.minimum(np.maximum(np.round(low, 2), 0.01), np.minimum(opening, closing)))
        vwap = np.clip(np.round((opening + high + low + 2 * closing) / 5, 4), low, high)

        traded = trades > 0
        for halt in halts:
            row = next(row for row, company in enumerate(self.companies) if company.symbol == halt.symbol)
            begin = grid.boundaries[:-1]
            traded[row, (begin >= micros(halt.start)) & (begin < micros(halt.end))] = False
        rows, columns = np.nonzero(traded)
        picked = {
            "open": opening, "high": high, "low": low, "close": closing, "volume": volume, "vwap": vwap,
            "trade_count": trades, "half_spread": half_spread,
        }  # fmt: skip
        frame = pd.DataFrame(
            {
                "symbol": self._symbols.take(rows),
                "ts": pd.DatetimeIndex(grid.boundaries[columns].astype("datetime64[us]")).tz_localize("UTC"),
            }
            | {name: values[rows, columns].astype(np.float64) for name, values in picked.items()}
        )
        return frame[list(TAPE_BAR_COLUMNS)], tuple(sorted(halts, key=lambda halt: (halt.start, halt.symbol)))

    def _total_volatility(self) -> Floats:
        return np.sqrt(
            (self._beta * MARKET_VOLATILITY) ** 2 + (self._sector_load * SECTOR_VOLATILITY) ** 2 + self._own**2
        )

    def _mids(self, grid: Grid, effects: Effects, rng: np.random.Generator) -> tuple[Floats, Floats]:
        """Log mid at the minute boundaries and the standard deviation of each minute, moving the states on."""
        count, minutes = len(self.companies), grid.minutes
        shape = grid.volatility_shape()
        fresh = SESSION_LOG_VOLATILITY * np.sqrt(1 - SESSION_MEMORY**2)
        self._day_volatility = SESSION_MEMORY * self._day_volatility + fresh * rng.standard_normal(count)
        self._market_volatility = SESSION_MEMORY * self._market_volatility + fresh * float(rng.standard_normal())

        night = np.sqrt(VARIANCE_SHARE["night"])
        self._walk = self._walk + night * (
            self._beta * MARKET_VOLATILITY * float(_fat(rng, 5, (1,))[0])
            + self._sector_load * SECTOR_VOLATILITY * _fat(rng, 5, (self._sectors,))[self._sector]
            + self._own * np.exp(self._day_volatility) * _fat(rng, 4, (count,))
        )
        start = rng.standard_normal(count) * MINUTE_LOG_VOLATILITY
        heat = _wander(rng, MINUTE_MEMORY, MINUTE_LOG_VOLATILITY, (count, minutes), start) - MINUTE_LOG_VOLATILITY**2
        own = self._own[:, None] * np.exp(self._day_volatility[:, None] + heat) * effects.volatility * shape
        warmth = _wander(rng, MINUTE_MEMORY, 0.3, (1, minutes), np.zeros(1))[0] - 0.09
        market = MARKET_VOLATILITY * np.exp(self._market_volatility + warmth) * shape
        moves = (
            self._beta[:, None] * (market * _fat(rng, 5, (minutes,)))
            + self._sector_load[:, None]
            * (SECTOR_VOLATILITY * shape * _fat(rng, 5, (self._sectors, minutes)))[self._sector]
            + own * _fat(rng, 4, (count, minutes))
        )
        walk = self._walk[:, None] + np.concatenate([np.zeros((count, 1)), np.cumsum(moves, axis=1)], axis=1)
        self._walk = walk[:, -1].copy()
        sigma = np.sqrt(
            (self._beta[:, None] * market) ** 2 + (self._sector_load[:, None] * SECTOR_VOLATILITY * shape) ** 2 + own**2
        )
        return walk + effects.level, sigma

    def _pauses(self, grid: Grid, mid: Floats, halted: set[str], *, main: bool) -> list[Halt]:
        """Limit-up/limit-down pauses: common stocks that moved :data:`LULD_BAND` within five minutes of regular trading,
        each at most once a session; on the main session at least the largest mover."""
        window = np.flatnonzero((grid.state == 1) & (grid.into >= 5) & (grid.left > 40))
        moved = np.abs(mid[:, window] - mid[:, window - 5])
        stocks = np.array([company.kind == "stock" and company.symbol not in halted for company in self.companies])
        moved[~stocks] = 0.0
        first = np.argmax(moved >= LULD_BAND, axis=1)
        beyond = moved.max(axis=1) >= LULD_BAND
        picks = [(int(row), int(window[first[row]])) for row in np.flatnonzero(beyond)]
        if main and not picks:
            largest = np.unravel_index(int(np.argmax(moved)), moved.shape)
            picks = [(int(largest[0]), int(window[largest[1]]))]
        halts = []
        for row, column in picks:
            start = pd.Timestamp(int(grid.boundaries[column]), unit="us", tz="UTC").to_pydatetime()
            halts.append(Halt(self.companies[row].symbol, start, start + LULD_PAUSE, "LUDP"))
        return halts

    def _trading(
        self, grid: Grid, effects: Effects, surprise: Floats, halts: Sequence[Halt], rng: np.random.Generator
    ) -> tuple[Floats, Floats]:
        """Trades and shares per minute, shape (companies, minutes); whole numbers."""
        count, minutes = surprise.shape
        shape = np.tile(grid.volume_shape(), (count, 1))
        outside = grid.state != 1
        shape[:, outside] *= self._pre_factor[:, None]
        day = np.exp(0.28 * rng.standard_normal((count, 1)) - 0.04)
        mood = np.exp(_wander(rng, 0.9, 0.4, (count, minutes), np.zeros(count)) - 0.08)
        expected = self._volume[:, None] * shape * day * mood * effects.volume * (0.55 + 0.55 * surprise)
        for halt in halts:
            row = next(row for row, company in enumerate(self.companies) if company.symbol == halt.symbol)
            resumed = int(np.searchsorted(grid.boundaries, micros(halt.end)))
            if resumed < minutes:
                expected[row, resumed] *= REOPENING_VOLUME
        trades = rng.poisson(np.minimum(expected / self._trade_size[:, None], 1e6)).astype(np.float64)
        size = self._trade_size[:, None] * np.exp(0.35 * rng.standard_normal((count, minutes)) - 0.06)
        return trades, np.maximum(np.round(trades * size), trades)


def _bridge_extreme(start: Floats, end: Floats, sigma: Floats, uniform: Floats, sign: int) -> Floats:
    """Maximum (``sign`` 1) or minimum (−1) of a Brownian bridge from ``start`` to ``end`` with deviation ``sigma``.

    The maximum has the law ``(a + b + sqrt((b − a)² − 2 σ² ln U)) / 2`` with U uniform on (0, 1].
    """
    reach = np.sqrt((end - start) ** 2 - 2 * sigma**2 * np.log(1 - uniform))
    return (start + end + sign * reach) / 2


def daily_of(bars: pd.DataFrame, hours: SessionHours) -> pd.DataFrame:
    """The daily bars of one session's base bars: regular session only, as :data:`tape.DAILY_COLUMNS`."""
    regular = bars[(bars["ts"] >= hours.open) & (bars["ts"] < hours.close)]
    grouped = regular.groupby("symbol", sort=True, observed=True).agg(
        open=("open", "first"),
        high=("high", "max"),
        low=("low", "min"),
        close=("close", "last"),
        volume=("volume", "sum"),
    )
    daily = grouped.reset_index()
    daily.insert(1, "session", [hours.session] * len(daily))
    return daily[list(DAILY_COLUMNS)]
