"""Trades and quotes inside a bar: one seeded tick path per bar that agrees with it.

Belongs here: how many prints a bar has, at which instants, prices and sizes, and which of them were on IEX. Does not belong here:
which of them somebody may see at an instant (``feeds``) and any vendor's format.

A bar's prints are a pure function of symbol and bar, so every request, every stream and every run sees the same ones. The first
print is the open, the last the close, the highest the high, the lowest the low; their sizes add up to the volume and their number
is the trade count, on the consolidated tape (SIP) and, with smaller numbers and the same four prices, on IEX alone.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from catalyst_assets.simulator.market import Bar
from catalyst_assets.simulator.worlds.pricepath import Floats, Ints, tick_of

NANOSECONDS = 1_000
"""Nanoseconds per microsecond."""
MARGIN_NS = 1_000_000
"""No print within a millisecond of a bar's edges: what is visible at a boundary never depends on the bar that starts there."""
LOT = 100
OTHER_EXCHANGES = ("D", "Q", "P", "K", "Z", "N", "B")
"""Where a print that was not on IEX (``V``) took place; drawn with :data:`_EXCHANGE_SHARES`."""
_EXCHANGE_SHARES = np.array([0.38, 0.24, 0.15, 0.09, 0.07, 0.05, 0.02])
QUOTES_PER_BAR = 12
"""At most this many quote updates are told per bar."""

Flags = NDArray[np.bool_]


class Counts(NamedTuple):
    """Volume (shares) and number of prints of bars, arrays of one value per bar: on the whole tape and on IEX."""

    volume: Ints
    trades: Ints
    iex_volume: Ints
    iex_trades: Ints


class BarTrades(NamedTuple):
    """The prints of one bar in order: ``ns`` since the epoch (strictly increasing), price USD, size in shares, number within
    the bar, exchange code, and whether it was on IEX."""

    ns: Ints
    price: Floats
    size: Ints
    exchange: tuple[str, ...]
    iex: Flags


def counts_of(columns: Mapping[str, Floats], iex_share: float) -> Counts:
    """Shares and prints of bars given as columns (open, high, low, close, volume, trade_count).

    A bar needs a print for each of its corners (open, then high and low where they stand out, close), and each print at least a
    share; a bar whose trade count is unknown has one print per round lot. ``iex_share`` (0–1) is IEX's part of volume and
    prints. Nothing trades where the volume is 0.
    """
    open_, high, low, close = (columns[name] for name in ("open", "high", "low", "close"))
    above, below = high > np.maximum(open_, close), low < np.minimum(open_, close)
    corners = 1 + ((close != open_) | above | below) + above + below
    some = columns["volume"] > 0
    volume = np.where(some, np.maximum(np.rint(columns["volume"]), corners), 0).astype(np.int64)
    told = columns["trade_count"]
    trades = np.where(np.isnan(told), np.rint(volume / LOT), np.nan_to_num(told))
    trades = np.where(some, np.clip(trades, corners, np.maximum(volume, 1)), 0).astype(np.int64)
    iex_trades = np.where(some, np.clip(np.rint(trades * iex_share), corners, trades), 0).astype(np.int64)
    most = volume - (trades - iex_trades)
    iex_volume = np.clip(np.rint(volume * iex_share), iex_trades, np.where(trades == iex_trades, volume, most))
    iex_volume = np.where(trades == iex_trades, volume, iex_volume).astype(np.int64)
    return Counts(volume, trades, iex_volume, iex_trades)


def generator(symbol: str, us: int, purpose: int) -> np.random.Generator:
    """Randomness that belongs to a symbol, an instant and a purpose, and to nothing else."""
    return np.random.default_rng((zlib.crc32(symbol.encode()), us, purpose))


def bar_trades(symbol: str, bar: Bar, counts: Counts, step: int) -> BarTrades:
    """The prints of ``bar`` (``step`` µs long); ``counts`` holds this one bar's numbers (:func:`counts_of`)."""
    number, iex_number = int(counts.trades[0]), int(counts.iex_trades[0])
    if number == 0:
        return BarTrades(np.empty(0, np.int64), np.empty(0), np.empty(0, np.int64), (), np.empty(0, np.bool_))
    rng = generator(symbol, bar.ts, 1)
    span = step * NANOSECONDS - 2 * MARGIN_NS - number
    offsets = np.sort(rng.integers(0, span, number)) + np.arange(number)
    price, pinned = _prices(rng, bar, offsets / (span + number))
    iex = pinned
    if iex_number > pinned.sum():
        others = rng.permutation(np.flatnonzero(~pinned))[: iex_number - int(pinned.sum())]
        iex = pinned.copy()
        iex[others] = True
    size = np.empty(number, np.int64)
    size[iex] = _sizes(rng, int(counts.iex_volume[0]), iex_number)
    size[~iex] = _sizes(rng, int(counts.volume[0] - counts.iex_volume[0]), number - iex_number)
    drawn = rng.choice(len(OTHER_EXCHANGES), number, p=_EXCHANGE_SHARES).tolist()
    exchange = tuple("V" if here else OTHER_EXCHANGES[k] for here, k in zip(iex.tolist(), drawn, strict=True))
    return BarTrades(bar.ts * NANOSECONDS + MARGIN_NS + offsets, price, size, exchange, iex)


def _prices(rng: np.random.Generator, bar: Bar, at: Floats) -> tuple[Floats, Flags]:
    """Prices at fractions of the bar along its path, and which of them are the bar's four prices."""
    rising = bar.close >= bar.open
    first, second = (bar.low, bar.high) if rising else (bar.high, bar.low)
    path = np.interp(at, (0, 1 / 3, 2 / 3, 1), (bar.open, first, second, bar.close))
    tick = tick_of(bar.close)
    noise = rng.integers(-1, 2, len(at)) * min(bar.half_spread, tick * 2)
    price = np.clip(np.round(np.rint((path + noise) / tick) * tick, 4), bar.low, bar.high)
    pinned = np.zeros(len(at), np.bool_)
    price[0], pinned[0] = bar.open, True
    lower, upper = bar.low < min(bar.open, bar.close), bar.high > max(bar.open, bar.close)
    if bar.close != bar.open or lower or upper:
        price[-1], pinned[-1] = bar.close, True
    one, two = _inner_places(at, lower and upper)
    for place, wanted, extreme in ((one, lower if rising else upper, first), (two, upper if rising else lower, second)):
        if wanted:
            price[place], pinned[place] = extreme, True
    return price, pinned


def _inner_places(at: Floats, both: bool) -> tuple[int, int]:
    """Positions of the first and the second extreme: nearest to a third and two thirds of the bar, neither first nor last."""
    last = len(at) - 2
    one, two = (int(np.clip(np.searchsorted(at, part), 1, max(last, 1))) for part in (1 / 3, 2 / 3))
    if both and one == two:
        if two < last:
            two += 1
        else:
            one -= 1
    return one, two


def _sizes(rng: np.random.Generator, total: int, number: int) -> Ints:
    """``number`` sizes of at least one share that add up to ``total``, mostly small and some large."""
    if number == 0:
        return np.empty(0, np.int64)
    weights = rng.exponential(size=number) ** 2 + 1e-9
    rest = np.floor((total - number) * weights / weights.sum()).astype(np.int64)
    rest[int(np.argmax(weights))] += total - number - int(rest.sum())
    return rest + 1


def quote_moments(symbol: str, bar: Bar, trades: int, step: int) -> Ints:
    """Instants (µs, strictly inside the bar, increasing) at which a quote update of the bar is told."""
    number = min(max(trades, 1), QUOTES_PER_BAR)
    edge = MARGIN_NS // NANOSECONDS
    offsets = generator(symbol, bar.ts, 2).integers(edge, step - edge, number)
    return bar.ts + np.unique(offsets)
