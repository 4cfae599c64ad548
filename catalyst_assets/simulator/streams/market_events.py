"""What the market data streams tell of an interval: trades, quotes, bars, halts, price bands, corrections.

Belongs here: which messages fall into an interval of simulated time, in order. Does not belong here: sockets and subscriptions
(``data_stream``), prints and quotes themselves (``feeds``).

Messages are a pure function of tape, feed and interval: cutting an interval differently gives the same messages in the same order.
Beside what the tape says, some prints arrive late and some are wrong first and corrected (:data:`LATE_SHARE`,
:data:`CORRECTED_SHARE`), as in life; what REST answers is the final state.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from catalyst_assets.simulator.feeds import SIP, FeedView, Print, midnight
from catalyst_assets.simulator.market import Bar, Chunk
from catalyst_assets.simulator.routes.alpaca_points import (
    bar_texts,
    conditions_of,
    quote_json,
    tape_of,
    trade_id,
    trade_json,
)
from catalyst_assets.simulator.streams.frames import Message, Moment
from catalyst_assets.simulator.streams.tape_codes import PRICE_BANDS, REASONS, RESUMPTION, STATUSES
from catalyst_assets.simulator.tape import Halt
from catalyst_assets.simulator.ticks import NANOSECONDS, generator
from catalyst_assets.simulator.worlds.pricepath import instant, micros, tick_of

TICK_CHANNELS = ("trades", "quotes", "corrections", "cancelErrors")
CHANNELS = ("trades", "quotes", "bars", "updatedBars", "dailyBars", "statuses", "lulds", "corrections", "cancelErrors")
"""All channels of a stock stream, in the order in which messages of the same instant are told."""
LATE_SHARE, CORRECTED_SHARE = 0.01, 0.01
"""Part of the bars with a print that is reported late, and with one that is corrected."""
LATE_NS, CORRECTED_AFTER_NS = 10_000_000_000, 3_000_000_000
"""A late print arrives so long after its bar's end; a correction so long after its print (or its bar's end, the later of both)."""
UPDATED_US = 30_000_000
"""A bar with a late print is told again so long after its end."""
BUSY_US, QUIET_US = 5_000_000, 60_000_000
"""Longest interval told at once with and without ticks."""
LOOK_BACK_US = 2 * UPDATED_US
ALL = "*"

Wanted = Mapping[str, frozenset[str]]
"""Subscribed symbols by channel; :data:`ALL` stands for every symbol."""


class Afterthoughts(NamedTuple):
    """Numbers of a bar's print that is reported late, and of the one that is corrected; −1 for none."""

    late: int
    corrected: int


class MarketEvents:
    """The messages of one feed; the shares (0–1) say how many bars have a late and a corrected print."""

    def __init__(
        self, feed: FeedView, *, late_share: float = LATE_SHARE, corrected_share: float = CORRECTED_SHARE
    ) -> None:
        self.feed = feed
        self.late_share, self.corrected_share = late_share, corrected_share
        self.view = feed.view
        self.step = feed.step
        self.symbols = tuple(sorted(self.view.instruments))
        self._afterthoughts = lru_cache(maxsize=4096)(self._think)

    def horizon(self, after: int, until: int, wanted: Wanted) -> int:
        """Where the next piece of ``(after, until]`` (µs) ends: short while ticks are told, the whole rest when nothing is."""
        if not any(wanted.values()):
            return until
        hours = self.view.session_for(instant(after))
        opens = micros(hours.pre_open)
        if after < opens - 1:
            return min(until, opens - 1)
        ticks = any(wanted.get(channel) for channel in TICK_CHANNELS)
        return min(until, after + (BUSY_US if ticks else QUIET_US))

    def between(self, after: int, until: int, wanted: Wanted) -> list[Message]:
        """Messages of ``(after, until]`` (µs) for the wanted channels and symbols, by instant, channel and symbol."""
        found: list[tuple[int, int, str, int, Message]] = []
        for symbol in self._symbols(wanted):
            channels = frozenset(name for name, chosen in wanted.items() if symbol in chosen or ALL in chosen)
            for message in self._of_symbol(symbol, after, until, channels):
                rank = CHANNELS.index(message.channel)
                found.append((message.ns, rank, symbol, len(found), message))
        found.sort(key=lambda item: item[:4])
        return [item[-1] for item in found]

    def _symbols(self, wanted: Wanted) -> tuple[str, ...]:
        if any(ALL in chosen for chosen in wanted.values()):
            return self.symbols
        return tuple(sorted({symbol for chosen in wanted.values() for symbol in chosen} & set(self.symbols)))

    def _of_symbol(self, symbol: str, after: int, until: int, channels: frozenset[str]) -> Iterator[Message]:
        if "statuses" in channels:
            yield from self._statuses(symbol, after, until)
        ticks = bool(channels & set(TICK_CHANNELS))
        ended = after // self.step != until // self.step
        updated = (after - UPDATED_US) // self.step != (until - UPDATED_US) // self.step
        if not (ticks or ended or updated):
            return
        for session, row, bar in self.feed.rows(symbol, after - LOOK_BACK_US - self.step, until):
            end = bar.ts + self.step
            if ticks and end + LOOK_BACK_US > after:
                yield from self._ticks(symbol, session, row, bar, (after, until), channels)
            if after < end <= until:
                yield from self._bar_ended(symbol, session, row, bar, channels)
            if "updatedBars" in channels and after < end + UPDATED_US <= until:
                late = self._afterthoughts(symbol, session, row).late
                if late >= 0:
                    yield self._bar(symbol, "updatedBars", "u", self._told(symbol, session, row), end + UPDATED_US)

    # ---------------------------------------------------------------------------------------------------------- ticks

    def _think(self, symbol: str, session: date, row: int) -> Afterthoughts:
        bars = self.view.session_bars(session)
        assert bars is not None
        bar = bars.bar(row)
        rng = generator(symbol, bar.ts, 3)
        chances = rng.random(2)
        if chances[0] >= self.late_share and chances[1] >= self.corrected_share:
            return Afterthoughts(-1, -1)
        made = self.feed.prints_of(symbol, session, row)
        told = np.ones(len(made.ns), np.bool_) if self.feed.feed == SIP else made.iex
        inner = told & (made.price > bar.low) & (made.price < bar.high)
        inner[:1] = inner[-1:] = False
        places = np.flatnonzero(inner)
        if len(places) < 2:
            return Afterthoughts(-1, -1)
        late, corrected = (int(place) for place in rng.choice(places, 2, replace=False))
        return Afterthoughts(
            late if chances[0] < self.late_share else -1, corrected if chances[1] < self.corrected_share else -1
        )

    def _ticks(
        self, symbol: str, session: date, row: int, bar: Bar, span: tuple[int, int], channels: frozenset[str]
    ) -> Iterator[Message]:
        after, until = span
        end = bar.ts + self.step
        if not self.view.intrabar and end > until:
            return
        if "quotes" in channels and bar.ts <= until and end > after:
            for moment in self.feed.quote_moments(symbol, bar).tolist():
                quote = self.view.quote(symbol, instant(moment)) if after < moment <= until else None
                if quote is not None:
                    ns = moment * NANOSECONDS
                    body = quote_json(self.feed, symbol, quote._replace(ts=moment), timestamp=Moment(ns))
                    yield Message(ns, "quotes", symbol, {"T": "q", "S": symbol, **body})
        if not channels & {"trades", "corrections"}:
            return
        thoughts = self._afterthoughts(symbol, session, row)
        low, high = after * NANOSECONDS, until * NANOSECONDS
        if "trades" in channels:
            for made in self._prints(symbol, bar, low, high):
                if made.number != thoughts.late:
                    yield self._trade(symbol, bar, made, made.ns, wrong=made.number == thoughts.corrected)
        whole = {made.number: made for made in self._whole(symbol, bar)} if max(thoughts) >= 0 else {}
        late_ns = end * NANOSECONDS + LATE_NS
        if "trades" in channels and thoughts.late >= 0 and low < late_ns <= high:
            yield self._trade(symbol, bar, whole[thoughts.late], late_ns)
        if "corrections" in channels and thoughts.corrected >= 0:
            told_ns = max(whole[thoughts.corrected].ns + CORRECTED_AFTER_NS, end * NANOSECONDS + CORRECTED_AFTER_NS)
            if low < told_ns <= high:
                yield self._correction(symbol, bar, whole[thoughts.corrected], told_ns)

    def _whole(self, symbol: str, bar: Bar) -> Iterator[Print]:
        start, end = bar.ts * NANOSECONDS, (bar.ts + self.step) * NANOSECONDS
        return self.feed.prints(symbol, start, end - 1, bar.ts + self.step)

    def _prints(self, symbol: str, bar: Bar, after_ns: int, until_ns: int) -> Iterator[Print]:
        """Prints of the bar that become known in the interval: as they happen, or all at the end of a bar of unknown ways."""
        if not self.view.intrabar:
            yield from (made for made in self._whole(symbol, bar) if after_ns < (bar.ts + self.step) * NANOSECONDS)
            return
        start, end = bar.ts * NANOSECONDS, (bar.ts + self.step) * NANOSECONDS
        low, high = max(after_ns + 1, start), min(until_ns, end - 1)
        if low <= high:
            yield from self.feed.prints(symbol, low, high, until_ns // NANOSECONDS + 1)

    def _trade(self, symbol: str, bar: Bar, made: Print, ns: int, *, wrong: bool = False) -> Message:
        told = made._replace(price=_wrong(made.price)) if wrong else made
        if not self.view.intrabar:
            ns = max(ns, (bar.ts + self.step) * NANOSECONDS)
        body = trade_json(self.feed, symbol, told, timestamp=Moment(made.ns))
        return Message(ns, "trades", symbol, {"T": "t", "S": symbol, **body})

    def _correction(self, symbol: str, bar: Bar, made: Print, ns: int) -> Message:
        codes = conditions_of(self.feed, self.view.session_for(instant(bar.ts)), symbol, made)
        body = {
            "T": "c",
            "S": symbol,
            "x": made.exchange,
            "oi": trade_id(made),
            "op": round(_wrong(made.price), 4),
            "os": made.size,
            "oc": codes,
            "ci": trade_id(made),
            "cp": round(made.price, 4),
            "cs": made.size,
            "cc": codes,
            "z": tape_of(self.feed, symbol),
            "t": Moment(ns),
        }
        return Message(ns, "corrections", symbol, body)

    # ----------------------------------------------------------------------------------------------------------- bars

    def _told(self, symbol: str, session: date, row: int) -> Chunk:
        bars = self.view.session_bars(session)
        assert bars is not None
        return self.feed.told(
            Chunk(
                symbol, bars.ts[row : row + 1], {name: values[row : row + 1] for name, values in bars.columns.items()}
            )
        )

    def _bar_ended(self, symbol: str, session: date, row: int, bar: Bar, channels: frozenset[str]) -> Iterator[Message]:
        end = bar.ts + self.step
        hours = self.view.hours(session)
        if "bars" in channels:
            chunk = self._told(symbol, session, row)
            late = self._afterthoughts(symbol, session, row).late
            if late >= 0:
                made = self.feed.prints_of(symbol, session, row)
                missing = {"volume": float(made.size[late]), "trade_count": 1.0}
                columns = {name: values - missing.get(name, 0.0) for name, values in chunk.columns.items()}
                chunk = Chunk(symbol, chunk.ts, columns)
            yield self._bar(symbol, "bars", "b", chunk, end)
        if "dailyBars" in channels and hours.open < instant(end) <= hours.close:
            day = self.feed.running_day(symbol, hours, end)
            if day is not None:
                columns = {name: np.array([value]) for name, value in day.items()}
                label = np.array([midnight(session)], dtype=np.int64)
                yield self._bar(symbol, "dailyBars", "d", Chunk(symbol, label, columns), end)
        if "lulds" in channels and hours.open < instant(end) < hours.close:
            yield from self._bands(symbol, hours.session, end)

    def _bar(self, symbol: str, channel: str, kind: str, chunk: Chunk, at: int) -> Message:
        body = json.loads(bar_texts(chunk)[0]) | {"t": Moment(int(chunk.ts[0]) * NANOSECONDS)}
        return Message(at * NANOSECONDS, channel, symbol, {"T": kind, "S": symbol, **body})

    # -------------------------------------------------------------------------------------------- halts, price bands

    def _statuses(self, symbol: str, after: int, until: int) -> Iterator[Message]:
        first = instant(after).date() - timedelta(days=1)
        for session in self.view.tape.sessions:
            bars = self.view.session_bars(session) if first <= session <= instant(until).date() else None
            for halt in bars.halts.get(symbol, ()) if bars is not None else ():
                for halted, at in ((True, halt.start), (False, halt.end)):
                    if after < micros(at) <= until:
                        yield self._status(symbol, halt, at, halted)

    def _status(self, symbol: str, halt: Halt, at: datetime, halted: bool) -> Message:
        tape = tape_of(self.feed, symbol)
        code, words = STATUSES[tape][halted]
        reason, reason_words = REASONS[tape].get(halt.reason, (halt.reason, "")) if halted else RESUMPTION[tape]
        ns = micros(at) * NANOSECONDS
        body: dict[str, Any] = {"T": "s", "S": symbol, "sc": code, "sm": words, "rc": reason, "rm": reason_words}
        return Message(ns, "statuses", symbol, {**body, "t": Moment(ns), "z": tape})

    def _bands(self, symbol: str, session: date, at: int) -> Iterator[Message]:
        now, before = self._limits(symbol, session, at), self._limits(symbol, session, at - self.step)
        if now is not None and now != before:
            ns = at * NANOSECONDS
            body = {"T": "l", "S": symbol, "u": now[0], "d": now[1], "i": "B", "t": Moment(ns)}
            yield Message(ns, "lulds", symbol, {**body, "z": tape_of(self.feed, symbol)})

    def _limits(self, symbol: str, session: date, at: int) -> tuple[float, float] | None:
        """Upper and lower limit at ``at``: around the mean of the last five closes of the regular session."""
        hours, bars = self.view.hours(session), self.view.session_bars(session)
        assert bars is not None
        rows = bars.cut(symbol, micros(hours.open), at - self.step + 1)
        if rows.stop <= rows.start:
            return None
        reference = float(bars.columns["close"][max(rows.start, rows.stop - 5) : rows.stop].mean())
        width = next(band.width(reference) for band in PRICE_BANDS if reference > band.above)
        tick = tick_of(reference)
        return (round(round((reference + width) / tick) * tick, 4), round(round((reference - width) / tick) * tick, 4))


def _wrong(price: float) -> float:
    """The price of a print as it was reported before its correction."""
    return price + 5 * tick_of(price)
