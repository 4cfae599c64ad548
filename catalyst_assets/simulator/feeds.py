"""The tape as one data feed tells it: bars, days, prints and quotes of the consolidated tape (SIP) or of IEX.

Belongs here: which bars, prints and quotes a feed has and which of them exist by an instant. Does not belong here: who may ask for a
feed (``routes/alpaca_query``), formats, and how a bar's prints are made (``ticks``).

Both feeds have the same prices; IEX has its share of the volume and of the prints (:func:`ticks.counts_of`). Times are µs since
the epoch unless a name ends in ``ns``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np

from catalyst_assets.simulator import ticks
from catalyst_assets.simulator.market import Bar, Chunk, Hours, MarketView, Quote
from catalyst_assets.simulator.ticks import NANOSECONDS, BarTrades, bar_trades, counts_of
from catalyst_assets.simulator.worlds.pricepath import Floats, Ints, instant, micros

NEW_YORK = ZoneInfo("America/New_York")
SIP, IEX = "sip", "iex"
CACHED_BARS = 1024
"""Bars whose prints are kept, and days."""
_ONE = ("open", "high", "low", "close", "volume", "trade_count")


class Print(NamedTuple):
    """One trade: ``ns`` since the epoch, price USD, size in shares, number within its bar, exchange code, start of its bar (µs)."""

    ns: int
    price: float
    size: int
    number: int
    exchange: str
    bar: int


class FeedView:
    """What ``feed`` (``sip`` or ``iex``) tells of a market. ``iex_share``: IEX's part of the tape's volume, 0–1.

    A tape that is IEX's own (``tape.feed == "iex"``) has no other feed behind it: both names tell the same.
    """

    def __init__(self, view: MarketView, feed: str, iex_share: float) -> None:
        self.view = view
        self.feed = feed
        self.step = view.step
        self.share = 1.0 if view.tape.feed == IEX else iex_share
        hours = [view.hours(session) for session in view.tape.sessions]
        self._spans = [(micros(each.pre_open), micros(each.post_close), each.session) for each in hours]
        self.prints_of = lru_cache(maxsize=CACHED_BARS)(self._make_prints)
        self._closed_days = lru_cache(maxsize=CACHED_BARS)(self.running_day)

    # ----------------------------------------------------------------------------------------------------------- bars

    def told(self, chunk: Chunk) -> Chunk:
        """A chunk of the tape's base bars with this feed's volume, number of trades and (never unknown) average price."""
        counts = counts_of(chunk.columns, self.share)
        volume, trades = (counts.iex_volume, counts.iex_trades) if self.feed == IEX else (counts.volume, counts.trades)
        c = chunk.columns
        vwap = np.where(np.isnan(c["vwap"]), _typical(c), c["vwap"])
        return Chunk(
            chunk.symbol,
            chunk.ts,
            {**c, "volume": volume.astype(float), "trade_count": trades.astype(float), "vwap": vwap},
        )

    def bars(self, symbols: Sequence[str], start: int, end: int, now: int) -> Iterator[Chunk]:
        """Base bars that start in ``[start, end)`` and are complete at ``now``, one chunk per symbol that has any."""
        for chunk in self.view.chunks(symbols, start, end, now):
            yield self.told(chunk)

    def last_bar(self, symbol: str, now: datetime) -> Chunk | None:
        """The last complete base bar of the running session, one row; of an earlier session when it has none yet."""
        at = micros(now)
        for session in reversed(self.view.tape.sessions):
            hours = self.view.hours(session)
            if hours.pre_open >= now:
                continue
            for chunk in self.bars([symbol], micros(hours.pre_open), micros(hours.post_close), at):
                return Chunk(symbol, chunk.ts[-1:], {name: values[-1:] for name, values in chunk.columns.items()})
        return None

    # ----------------------------------------------------------------------------------------------------------- days

    def days(self, symbol: str, start: int, end: int, now: datetime) -> Chunk:
        """Daily bars labelled by New York midnight in ``[start, end]``, the running session's so far included."""
        rows: list[tuple[int, dict[str, float]]] = []
        known = self.view.daily().get(symbol)
        for position, session in enumerate(known.sessions if known else ()):
            label = midnight(session)
            if not start <= label <= end:
                continue
            hours = self.view.hours(session)
            if hours.close <= now and known is not None:
                rows.append(
                    (label, self._closed_day(symbol, hours, {n: v[position] for n, v in known.columns.items()}))
                )
            elif hours.open <= now:
                running = self.running_day(symbol, hours, micros(now))
                if running is not None:
                    rows.append((label, running))
        names = ("open", "high", "low", "close", "volume", "vwap", "trade_count")
        return Chunk(
            symbol,
            np.array([ts for ts, _ in rows], dtype=np.int64),
            {name: np.array([row[name] for _, row in rows], dtype=np.float64) for name in names},
        )

    def _closed_day(self, symbol: str, hours: Hours, daily: dict[str, float]) -> dict[str, float]:
        """A finished day: prices of the daily frame; volume, trades and average of the base bars where the tape has them."""
        made = self._closed_days(symbol, hours, micros(hours.post_close))
        if made is None:
            columns = {name: np.array([value]) for name, value in daily.items()}
            columns |= {"trade_count": np.array([np.nan]), "vwap": np.array([np.nan])}
            made = {
                name: float(v[0])
                for name, v in self.told(Chunk(symbol, np.zeros(1, np.int64), columns)).columns.items()
            }
        prices = {name: float(daily[name]) for name in ("open", "high", "low", "close")}
        volume = made["volume"] if self.feed == IEX and self.share < 1 else float(daily["volume"])
        return {**made, **prices, "volume": volume}

    def running_day(self, symbol: str, hours: Hours, now: int) -> dict[str, float] | None:
        """The regular session so far from complete base bars; ``None`` without a trade."""
        for chunk in self.bars([symbol], micros(hours.open), micros(hours.close), now):
            c = chunk.columns
            volume = float(c["volume"].sum())
            return {
                "open": float(c["open"][0]),
                "high": float(c["high"].max()),
                "low": float(c["low"].min()),
                "close": float(c["close"][-1]),
                "volume": volume,
                "vwap": float((c["vwap"] * c["volume"]).sum() / volume) if volume else float(c["close"][-1]),
                "trade_count": float(c["trade_count"].sum()),
            }
        return None

    # --------------------------------------------------------------------------------------------- prints and quotes

    def _make_prints(self, symbol: str, session: date, row: int) -> BarTrades:
        """Prints of the bar in a row of a session; kept as ``prints_of``."""
        bars = self.view.session_bars(session)
        assert bars is not None
        counts = counts_of({name: bars.columns[name][row : row + 1] for name in _ONE}, self.share)
        return bar_trades(symbol, bars.bar(row), counts, self.step)

    def rows(self, symbol: str, start: int, end: int, way: int = 1) -> Iterator[tuple[date, int, Bar]]:
        """Base bars of ``symbol`` that overlap ``[start, end]``, in order (``way`` −1: the last first)."""
        for opens, closes, session in self._spans[::way]:
            if closes <= start or opens > end:
                continue
            bars = self.view.session_bars(session)
            if bars is None:
                continue
            rows = bars.cut(symbol, start - self.step + 1, end + 1)
            for row in range(rows.start, rows.stop)[::way]:
                yield session, row, bars.bar(row)

    def prints(self, symbol: str, start_ns: int, end_ns: int, now: int, *, descending: bool = False) -> Iterator[Print]:
        """Trades of this feed with ``start_ns ≤ ns ≤ end_ns`` that happened by ``now``, in order (or the last first).

        On a tape of bars longer than a minute the way inside a bar is not known before its end: its prints exist once it is complete.
        """
        end_ns = min(end_ns, now * NANOSECONDS)
        way = -1 if descending else 1
        for session, row, bar in self.rows(symbol, start_ns // NANOSECONDS, end_ns // NANOSECONDS, way):
            if not self.view.intrabar and bar.ts + self.step > now:
                continue
            made = self.prints_of(symbol, session, row)
            low, high = np.searchsorted(made.ns, start_ns), np.searchsorted(made.ns, end_ns, side="right")
            for k in range(int(low), int(high))[::way]:
                if self.feed == SIP or made.iex[k]:
                    yield Print(int(made.ns[k]), float(made.price[k]), int(made.size[k]), k, made.exchange[k], bar.ts)

    def last_print(self, symbol: str, now: datetime) -> Print | None:
        """The last trade by ``now``, of an earlier session when this one has none yet."""
        at = micros(now)
        for session in reversed(self.view.tape.sessions):
            bars = self.view.session_bars(session)
            row = bars.last(symbol, at) if bars is not None else -1
            while bars is not None and row >= 0 and row >= bars.rows[symbol].start:
                ts = int(bars.ts[row])
                found = list(self.prints(symbol, ts * NANOSECONDS, (ts + self.step) * NANOSECONDS - 1, at))
                if found:
                    return found[-1]
                row -= 1
        return None

    def quotes(self, symbol: str, start: int, end: int, now: int, *, descending: bool = False) -> Iterator[Quote]:
        """Quote updates with ``start ≤ ts ≤ end`` by ``now``, in order (or the last first): each is what was visible at that moment
        (none in a halt)."""
        end, way = min(end, now), -1 if descending else 1
        for _, _, bar in self.rows(symbol, start, end, way):
            for moment in self.quote_moments(symbol, bar)[::way]:
                if start <= moment <= end:
                    quote = self.view.quote(symbol, instant(int(moment)))
                    if quote is not None:
                        yield quote._replace(ts=int(moment))

    def quote_moments(self, symbol: str, bar: Bar) -> Ints:
        """When quote updates of a bar are told (µs, increasing): inside the bar, or at its end where the way inside is unknown."""
        if not self.view.intrabar:
            return np.array([bar.ts + self.step - 1], dtype=np.int64)
        return ticks.quote_moments(symbol, bar, int(bar.volume // 100), self.step)


def midnight(session: date) -> int:
    """New York midnight of a session, µs since the epoch: the label of its daily bar."""
    return micros(datetime(session.year, session.month, session.day, tzinfo=NEW_YORK))


def _typical(c: Mapping[str, Floats]) -> Floats:
    return np.round((c["open"] + c["high"] + c["low"] + c["close"]) / 4, 6)
