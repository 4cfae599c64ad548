"""A tape as it reads at an instant: bars complete by then, quotes of that moment, halts, daily bars, marks.

Belongs here: cutting a :class:`~catalyst_assets.simulator.tape.MarketTape` by the clock, and the one path a price takes inside a
bar. Does not belong here: orders and money (``exchange``), wire formats (``server``), frames for decisions (``broker``).

Two prices exist at an instant, on purpose. What a participant can *see* (:meth:`MarketView.quote`) never uses a bar that starts
at that instant: on a bar boundary it is the last complete close. What an order *meets* (:meth:`MarketView.liquidity`) is the
tape just after the instant. A decision can therefore never trade at a price from before the news it reacts to.

Times inside this module are integer microseconds since the epoch, UTC (``micros`` / ``instant`` convert).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

import numpy as np
import pandas as pd

from catalyst_assets.simulator.tape import Halt, MarketTape
from catalyst_assets.simulator.worlds.pricepath import MICROSECOND, Floats, Ints, micros, price_path, quote_prices
from catalyst_assets.trading.calendar import TradingCalendar

DISPLAYED_SHARE = 0.01
"""Displayed size at the touch as a fraction of the last bar's volume, rounded to round lots of 100, at least one lot."""

_FIELDS = ("open", "high", "low", "close", "volume", "vwap", "trade_count", "half_spread")


class Hours(NamedTuple):
    """Hours of one session as plain UTC datetimes (the calendar's are pandas Timestamps, slower to compare)."""

    session: date
    pre_open: datetime
    open: datetime
    close: datetime
    post_close: datetime


class Quote(NamedTuple):
    """A two-sided quote: ``ts`` when it was last updated (µs), prices USD, sizes in shares."""

    ts: int
    bid: float
    ask: float
    size: float

    @property
    def mid(self) -> float:
        """Middle of bid and ask, USD."""
        return (self.bid + self.ask) / 2


class Bar(NamedTuple):
    """One base bar: ``ts`` its start (µs), prices USD, volume in shares."""

    ts: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    half_spread: float


@dataclass(frozen=True, slots=True)
class SessionBars:
    """The base bars of one session as arrays, all symbols one after another; ``rows[symbol]`` is the symbol's slice."""

    session: date
    hours: Hours
    rows: Mapping[str, slice]
    ts: Ints
    columns: Mapping[str, Floats]
    halts: Mapping[str, tuple[Halt, ...]]

    def cut(self, symbol: str, start: int, end: int) -> slice:
        """Rows of ``symbol`` whose bars start in ``[start, end)`` (µs); an empty slice when there are none."""
        rows = self.rows.get(symbol)
        if rows is None:
            return slice(0, 0)
        ts = self.ts[rows]
        low, high = np.searchsorted(ts, (start, end), side="left")
        return slice(rows.start + int(low), rows.start + int(high))

    def last(self, symbol: str, at: int) -> int:
        """Row of the last bar of ``symbol`` that starts at or before ``at`` (µs), −1 when there is none."""
        rows = self.rows.get(symbol)
        if rows is None:
            return -1
        found = int(np.searchsorted(self.ts[rows], at, side="right")) - 1
        return rows.start + found if found >= 0 else -1

    def bar(self, row: int) -> Bar:
        """The bar of one row."""
        c = self.columns
        return Bar(
            int(self.ts[row]),
            float(c["open"][row]),
            float(c["high"][row]),
            float(c["low"][row]),
            float(c["close"][row]),
            float(c["volume"][row]),
            float(c["half_spread"][row]),
        )


@dataclass(frozen=True, slots=True)
class DailyBars:
    """Daily bars of one symbol, regular sessions, oldest first."""

    sessions: tuple[date, ...]
    columns: Mapping[str, Floats]

    def before(self, session: date) -> int:
        """How many bars are of sessions earlier than ``session``."""
        return int(np.searchsorted(np.array(self.sessions, dtype="datetime64[D]"), np.datetime64(session), side="left"))


class Chunk(NamedTuple):
    """Bars of one symbol as arrays: ``ts`` (µs, start) and the columns of :data:`_FIELDS`."""

    symbol: str
    ts: Ints
    columns: Mapping[str, Floats]


class MarketView:
    """What a tape shows at an instant. Sessions are read on first use and kept.

    ``intrabar`` lets quotes move inside a bar along :func:`price_path`. That is the truth of an invented one-minute world; for
    recorded bars longer than a minute the path would be made up from the bar's future, so there the default is off.
    """

    def __init__(
        self, tape: MarketTape, calendar: TradingCalendar | None = None, *, intrabar: bool | None = None
    ) -> None:
        self.tape = tape
        self.calendar = calendar or TradingCalendar()
        self.step = tape.step // MICROSECOND
        self.intrabar = tape.step <= timedelta(minutes=1) if intrabar is None else intrabar
        self.instruments: dict[str, dict[str, object]] = {
            str(row["symbol"]): {str(key): value for key, value in row.items()}
            for row in tape.instruments.to_dict("records")
        }
        self._on_tape = frozenset(tape.sessions)
        self._sessions: dict[date, SessionBars] = {}
        self._daily: dict[str, DailyBars] | None = None
        self._hours: dict[date, Hours] = {}

    # ------------------------------------------------------------------------------------------------------- sessions

    def hours(self, session: date) -> Hours:
        """Hours of a session, remembered."""
        hours = self._hours.get(session)
        if hours is None:
            found = self.calendar.hours(session)
            edges = (found.pre_open, found.open, found.close, found.post_close)
            pre_open, open_, close, post_close = (edge.to_pydatetime().astimezone(UTC) for edge in edges)
            hours = self._hours[session] = Hours(session, pre_open, open_, close, post_close)
        return hours

    def session_for(self, at: datetime) -> Hours:
        """Hours of the first session whose post-close is later than ``at``."""
        for hours in (*self._hours.values(),):
            if hours.pre_open <= at < hours.post_close:
                return hours
        return self.hours(self.calendar.session_for(at))

    def trading_session(self, at: datetime) -> Hours | None:
        """Hours of the session whose 04:00–20:00 (or 17:00) contains ``at``, else ``None``."""
        hours = self.session_for(at)
        return hours if hours.pre_open <= at < hours.post_close else None

    def session_bars(self, session: date) -> SessionBars | None:
        """Arrays of one session, ``None`` when the tape has no base bars of it."""
        if session not in self._on_tape:
            return None
        known = self._sessions.get(session)
        if known is None:
            known = self._sessions[session] = self._read(session)
        return known

    def _read(self, session: date) -> SessionBars:
        frame = self.tape.bars(session)
        symbols = frame["symbol"].to_numpy(dtype=object)
        ts = frame["ts"].dt.tz_convert("UTC").dt.tz_localize(None).to_numpy(dtype="datetime64[us]").astype(np.int64)
        changes = np.flatnonzero(symbols[1:] != symbols[:-1]) + 1 if len(symbols) else np.empty(0, dtype=np.int64)
        starts = [0, *changes.tolist()] if len(symbols) else []
        ends = [*changes.tolist(), len(symbols)] if len(symbols) else []
        rows = {str(symbols[a]): slice(int(a), int(b)) for a, b in zip(starts, ends, strict=True)}
        columns = {name: frame[name].to_numpy(dtype=np.float64, copy=True) for name in _FIELDS}
        halts: dict[str, list[Halt]] = {}
        for halt in self.tape.halts(session):
            halts.setdefault(halt.symbol, []).append(halt)
        return SessionBars(
            session, self.hours(session), rows, ts, columns, {symbol: tuple(items) for symbol, items in halts.items()}
        )

    # ----------------------------------------------------------------------------------------------- halts and quotes

    def halt_at(self, symbol: str, at: datetime) -> Halt | None:
        """The halt of ``symbol`` that lasts at ``at``, else ``None``."""
        hours = self.trading_session(at)
        bars = self.session_bars(hours.session) if hours else None
        for halt in bars.halts.get(symbol, ()) if bars else ():
            if halt.active(at):
                return halt
        return None

    def _visible_row(self, bars: SessionBars, symbol: str, at: int) -> tuple[int, bool]:
        """``(row, inside)``: the row a visible price at ``at`` comes from, and whether ``at`` is inside that bar."""
        row = bars.last(symbol, at)
        if row < 0:
            return -1, False
        ts = int(bars.ts[row])
        if at >= ts + self.step:
            return row, False
        if at > ts and self.intrabar:
            return row, True
        return (row - 1, False) if row > bars.rows[symbol].start else (-1, False)

    def _visible_mid(self, bars: SessionBars, symbol: str, at: int) -> tuple[int, float, int] | None:
        """``(row, mid, updated µs)`` of the price visible at ``at``; ``None`` before the session's first price."""
        row, inside = self._visible_row(bars, symbol, at)
        if row < 0:
            return None
        bar = bars.bar(row)
        if inside:
            fraction = (at - bar.ts) / self.step
            return row, price_path(bar.open, bar.high, bar.low, bar.close, fraction, fraction).start, at
        return row, bar.close, min(at, bar.ts + self.step)

    def quote(self, symbol: str, at: datetime) -> Quote | None:
        """The quote a participant sees at ``at``; ``None`` while closed, halted, or before the session's first trade."""
        hours = self.trading_session(at)
        bars = self.session_bars(hours.session) if hours else None
        if bars is None or any(halt.active(at) for halt in bars.halts.get(symbol, ())):
            return None
        found = self._visible_mid(bars, symbol, micros(at))
        if found is None:
            return None
        row, mid, updated = found
        bid, ask = quote_prices(np.float64(mid), bars.columns["half_spread"][row])  # type: ignore[arg-type]
        return Quote(updated, float(bid), float(ask), self._displayed(float(bars.columns["volume"][row])))

    @staticmethod
    def _displayed(volume: float) -> float:
        return 100.0 * max(1.0, round(volume * DISPLAYED_SHARE / 100))

    def quotes_at(self, symbols: Sequence[str], decision_times: pd.DatetimeIndex) -> pd.DataFrame:
        """Quotes visible at each of ``decision_times`` (UTC), vectorised over times: columns ``decision_time, symbol, ts, bid,
        ask, bid_size, ask_size``; no row where there is no quote. Sorted by decision_time, symbol."""
        pieces: list[pd.DataFrame] = []
        by_session: dict[date, list[pd.Timestamp]] = {}
        for moment in decision_times:
            hours = self.trading_session(moment.to_pydatetime())
            if hours is not None:
                by_session.setdefault(hours.session, []).append(moment)
        for session, moments in by_session.items():
            bars = self.session_bars(session)
            if bars is None:
                continue
            index = pd.DatetimeIndex(moments).as_unit("us")
            at = index.tz_localize(None).to_numpy(dtype="datetime64[us]").astype(np.int64)
            for symbol in symbols:
                piece = self._symbol_quotes(bars, symbol, index, at)
                if piece is not None:
                    pieces.append(piece)
        if not pieces:
            return empty_quotes().assign(decision_time=pd.DatetimeIndex([], dtype="datetime64[us, UTC]"))[
                ["decision_time", *empty_quotes().columns]
            ]
        frame = pd.concat(pieces, ignore_index=True)
        return frame.sort_values(["decision_time", "symbol"], kind="stable", ignore_index=True)

    def _symbol_quotes(self, bars: SessionBars, symbol: str, index: pd.DatetimeIndex, at: Ints) -> pd.DataFrame | None:
        rows = bars.rows.get(symbol)
        if rows is None:
            return None
        ts = bars.ts[rows]
        row = np.searchsorted(ts, at, side="right") - 1
        within = np.maximum(row, 0)
        inside = (row >= 0) & (at > ts[within]) & (at < ts[within] + self.step)
        complete = (row >= 0) & (at >= ts[within] + self.step)
        row = np.where(complete | (inside & self.intrabar), row, row - 1)
        inside &= self.intrabar
        keep = row >= 0
        for halt in bars.halts.get(symbol, ()):
            keep &= ~((at >= micros(halt.start)) & (at < micros(halt.end)))
        if not keep.any():
            return None
        row, inside, when = row[keep] + rows.start, inside[keep], at[keep]
        c = bars.columns
        mid = c["close"][row].copy()
        for k in np.flatnonzero(inside):
            bar = bars.bar(int(row[k]))
            fraction = (int(when[k]) - bar.ts) / self.step
            mid[k] = price_path(bar.open, bar.high, bar.low, bar.close, fraction, fraction).start
        bid, ask = quote_prices(mid, c["half_spread"][row])
        size = 100.0 * np.maximum(1.0, np.round(c["volume"][row] * DISPLAYED_SHARE / 100))
        updated = np.where(inside, when, np.minimum(when, bars.ts[row] + self.step))
        return pd.DataFrame(
            {
                "decision_time": index[keep],
                "symbol": symbol,
                "ts": utc_index(updated),
                "bid": bid,
                "ask": ask,
                "bid_size": size,
                "ask_size": size,
            }
        )

    def bar_at(self, symbol: str, at: datetime) -> Bar | None:
        """The bar that is under way at ``at`` (it starts at or before and ends after), else ``None``."""
        hours = self.trading_session(at)
        bars = self.session_bars(hours.session) if hours else None
        if bars is None:
            return None
        moment = micros(at)
        row = bars.last(symbol, moment)
        return bars.bar(row) if row >= 0 and moment < int(bars.ts[row]) + self.step else None

    def liquidity(self, symbol: str, at: datetime) -> tuple[Bar, float] | None:
        """``(bar under way, mid at this moment of its path)``: what an order arriving at ``at`` meets; ``None`` when nothing
        trades. Halts are the caller's business."""
        bar = self.bar_at(symbol, at)
        if bar is None:
            return None
        fraction = (micros(at) - bar.ts) / self.step
        return bar, price_path(bar.open, bar.high, bar.low, bar.close, fraction, fraction).start

    # ------------------------------------------------------------------------------------------------ marks and daily

    def daily(self) -> Mapping[str, DailyBars]:
        """Daily bars by symbol."""
        if self._daily is None:
            self._daily = {}
            frame = self.tape.daily()
            for symbol, part in frame.groupby("symbol", sort=True):
                columns = {
                    name: part[name].to_numpy(dtype=np.float64) for name in ("open", "high", "low", "close", "volume")
                }
                sessions = tuple(pd.Timestamp(value).date() for value in part["session"])
                self._daily[str(symbol)] = DailyBars(sessions, columns)
        return self._daily

    def previous_close(self, symbol: str, session: date) -> float | None:
        """Regular close of the session before ``session``, USD, ``None`` when the tape has none."""
        bars = self.daily().get(symbol)
        count = bars.before(session) if bars else 0
        return float(bars.columns["close"][count - 1]) if bars and count else None

    def last_price(self, symbol: str, at: datetime) -> float | None:
        """The last price visible at ``at``, USD: of this session, else the latest earlier one, else the last daily close."""
        moment = micros(at)
        current = self.session_for(at).session
        for session in (current, *reversed([day for day in self.tape.sessions if day < current])):
            bars = self.session_bars(session)
            found = self._visible_mid(bars, symbol, moment) if bars else None
            if found is not None:
                return found[1]
        return self.previous_close(symbol, current)

    # ----------------------------------------------------------------------------------------------------------- bars

    def chunks(self, symbols: Sequence[str], start: int, end: int, now: int) -> Iterator[Chunk]:
        """Base bars that start in ``[start, end)`` and are complete at ``now`` (µs), one chunk per symbol that has any."""
        until = min(end, now - self.step + 1)
        overlapping = []
        for session in self.tape.sessions:
            hours = self.hours(session)
            if micros(hours.pre_open) < until and micros(hours.post_close) > start:
                bars = self.session_bars(session)
                if bars is not None:
                    overlapping.append(bars)
        for symbol in symbols:
            parts = [(bars, bars.cut(symbol, start, until)) for bars in overlapping]
            parts = [(bars, rows) for bars, rows in parts if rows.stop > rows.start]
            if not parts:
                continue
            if len(parts) == 1:
                bars, rows = parts[0]
                yield Chunk(symbol, bars.ts[rows], {name: bars.columns[name][rows] for name in _FIELDS})
            else:
                yield Chunk(
                    symbol,
                    np.concatenate([bars.ts[rows] for bars, rows in parts]),
                    {name: np.concatenate([bars.columns[name][rows] for bars, rows in parts]) for name in _FIELDS},
                )

    def session_totals(self, symbol: str, hours: Hours, now: int, *, regular: bool) -> Bar | None:
        """One bar over the session so far (complete base bars only), regular hours or from 04:00; ``None`` without a trade."""
        bars = self.session_bars(hours.session)
        if bars is None:
            return None
        start, end = (hours.open, hours.close) if regular else (hours.pre_open, hours.post_close)
        rows = bars.cut(symbol, micros(start), min(micros(end), now - self.step + 1))
        if rows.stop <= rows.start:
            return None
        c = bars.columns
        return Bar(
            int(bars.ts[rows.start]),
            float(c["open"][rows.start]),
            float(c["high"][rows].max()),
            float(c["low"][rows].min()),
            float(c["close"][rows.stop - 1]),
            float(c["volume"][rows].sum()),
            float(c["half_spread"][rows.stop - 1]),
        )


def resample_chunk(chunk: Chunk, length: int) -> Chunk:
    """Bars of ``length`` µs from shorter ones, on the epoch's grid (whole clock minutes and hours); the last may be unfinished.

    Volume and trades are summed, vwap is volume-weighted (the close where nothing traded).
    """
    return gather_chunk(chunk, chunk.ts // length * length)


def gather_chunk(chunk: Chunk, bucket: Ints) -> Chunk:
    """One bar for each run of equal values of ``bucket`` (µs, one value per bar of the chunk), labelled by that value; otherwise as
    :func:`resample_chunk`."""
    if not len(chunk.ts):
        return chunk
    first = np.flatnonzero(np.r_[True, bucket[1:] != bucket[:-1]])
    last = np.r_[first[1:], len(bucket)] - 1
    c = chunk.columns
    volume = np.add.reduceat(c["volume"], first)
    price = np.where(np.isnan(c["vwap"]), c["close"], c["vwap"])
    turnover = np.add.reduceat(price * c["volume"], first)
    close = c["close"][last]
    columns = {
        "open": c["open"][first],
        "high": np.maximum.reduceat(c["high"], first),
        "low": np.minimum.reduceat(c["low"], first),
        "close": close,
        "volume": volume,
        "vwap": np.where(volume > 0, turnover / np.where(volume > 0, volume, 1), close),
        "trade_count": np.add.reduceat(c["trade_count"], first),
    }
    if "half_spread" in c:
        columns["half_spread"] = c["half_spread"][last]
    return Chunk(chunk.symbol, bucket[first], columns)


def utc_index(us: Ints) -> pd.DatetimeIndex:
    """Microseconds since the epoch as ``datetime64[us, UTC]``."""
    return pd.DatetimeIndex(us.astype("datetime64[us]")).tz_localize("UTC")


def empty_quotes() -> pd.DataFrame:
    """A quote frame without rows, with the right types."""
    floats = {name: pd.Series([], dtype="float64") for name in ("bid", "ask", "bid_size", "ask_size")}
    return pd.DataFrame(
        {"symbol": pd.Series([], dtype="str"), "ts": pd.DatetimeIndex([], dtype="datetime64[us, UTC]"), **floats}
    )
