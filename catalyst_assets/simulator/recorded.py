"""Recorded market data served as a tape.

Belongs here: cutting recorded bars into sessions, the assumed spread (a bar record has no quotes), the daily bars. Does not
belong here: reading files (``storage/imports.py``) and judging rows (the import quarantines bad ones; here they are refused).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta

import numpy as np
import pandas as pd

from catalyst_assets.ports import TIMEFRAMES
from catalyst_assets.simulator.tape import DAILY_COLUMNS, INSTRUMENT_COLUMNS, TAPE_BAR_COLUMNS, Halt, WireArticle
from catalyst_assets.simulator.worlds.prices import daily_of
from catalyst_assets.trading.calendar import NEW_YORK, SessionHours, TradingCalendar

ASSUMED_SPREAD_BPS = 4.0
"""Full quoted spread assumed in regular hours, basis points of price. Recorded minute quotes of AAPL, AIG, IBM, TWX, GOOG and
others (2013–2015, QuantConnect's sample) have medians of 1.4–5 bps there, so this is on the dear side of ordinary."""
OPENING_MULTIPLE = 2.5
"""Spread multiple in the first :data:`OPENING_PERIOD` (the same quotes: 1.4–3.5)."""
OPENING_PERIOD = timedelta(minutes=10)
EXTENDED_MULTIPLE = 8.0
"""Spread multiple outside the regular session (the same quotes: 2 for the most liquid, 10–20 and more for others)."""
MINIMUM_HALF_SPREAD = 0.005
"""Half a cent, USD: no quote is tighter than the tick."""

_REQUIRED = ("symbol", "ts", "open", "high", "low", "close", "volume")


class RecordedTape:
    """A :class:`tape.MarketTape` over recorded bars.

    Parameters
    ----------
    bars
        Columns ``symbol, ts, open, high, low, close, volume`` (:data:`ports.BAR_COLUMNS`; ``vwap`` and ``trade_count`` may be
        missing and become NaN); ``ts`` time-zone aware, the START of the bar. A column ``half_spread`` (USD) is used where it
        is not NaN. Bars outside 04:00 to the end of after-hours, or on days without any regular bar, are left out
        (``left_out`` counts them).
    base
        Length of the bars, a key of :data:`ports.TIMEFRAMES` (``1min``, ``5min`` …, not ``1day``).
    instruments
        :data:`tape.INSTRUMENT_COLUMNS` (missing columns get defaults); symbols without a row are taken to be tradable,
        shortable common stocks named like their symbol.
    daily
        Recorded daily bars (:data:`tape.DAILY_COLUMNS`) of the same feed and adjustment as ``bars``: they win over those
        derived from ``bars`` and reach further back.
    articles, halts
        What else was recorded.
    assumed_spread_bps
        Full spread in calm regular hours; the module's multiples apply to the rest of the day.
    feed
        Name of the feed the volumes belong to.

    Raises ``ValueError`` for an unknown base, missing columns, times without zone, duplicate (symbol, ts), impossible OHLC, a
    negative spread, or when nothing is left.
    """

    def __init__(
        self,
        bars: pd.DataFrame,
        base: str,
        instruments: pd.DataFrame | None = None,
        articles: Iterable[WireArticle] = (),
        *,
        daily: pd.DataFrame | None = None,
        halts: Iterable[Halt] = (),
        assumed_spread_bps: float = ASSUMED_SPREAD_BPS,
        feed: str = "recorded",
        calendar: TradingCalendar | None = None,
    ) -> None:
        if base not in TIMEFRAMES or base == "1day":
            raise ValueError(f"base must be an intraday timeframe of {tuple(TIMEFRAMES)}, not {base!r}")
        if not assumed_spread_bps >= 0:
            raise ValueError(f"assumed_spread_bps must be 0 or more, not {assumed_spread_bps!r}")
        self._step = TIMEFRAMES[base]
        self._feed = feed
        self._calendar = calendar or TradingCalendar()
        frame = _checked(bars)
        local = frame["ts"].dt.tz_convert(NEW_YORK).dt.date.to_numpy()
        self._bars: dict[date, pd.DataFrame] = {}
        for day in sorted(set(local)):
            if not self._calendar.is_session(day):
                continue
            hours = self._calendar.hours(day)
            rows = frame[local == day]
            rows = rows[(rows["ts"] >= hours.pre_open) & (rows["ts"] + self._step <= hours.post_close)]
            if not ((rows["ts"] >= hours.open) & (rows["ts"] < hours.close)).any():
                continue
            self._bars[day] = _with_spread(rows, hours, assumed_spread_bps).reset_index(drop=True)
        if not self._bars:
            raise ValueError("no bar lies in the regular hours of a session")
        self.left_out = len(frame) - sum(len(rows) for rows in self._bars.values())
        """Rows of ``bars`` that lie outside sessions."""
        symbols = sorted({symbol for rows in self._bars.values() for symbol in rows["symbol"].unique()})
        self._instruments = _instruments(symbols, instruments)
        self._daily = self._daily_bars(daily)
        self._halts = tuple(sorted(halts, key=lambda halt: (halt.start, halt.symbol)))
        self._articles = tuple(sorted(articles, key=lambda article: (article.published_at, article.article_id)))

    @property
    def step(self) -> timedelta:
        """Length of the base bars."""
        return self._step

    @property
    def feed(self) -> str:
        """Name of the feed the volumes belong to."""
        return self._feed

    @property
    def sessions(self) -> tuple[date, ...]:
        """Sessions with base bars, oldest first."""
        return tuple(self._bars)

    @property
    def instruments(self) -> pd.DataFrame:
        """See :attr:`tape.MarketTape.instruments`."""
        return self._instruments.copy(deep=False)

    def bars(self, session: date) -> pd.DataFrame:
        """See :meth:`tape.MarketTape.bars`."""
        return self._bars[session].copy(deep=False)

    def daily(self) -> pd.DataFrame:
        """See :meth:`tape.MarketTape.daily`."""
        return self._daily.copy(deep=False)

    def halts(self, session: date) -> tuple[Halt, ...]:
        """See :meth:`tape.MarketTape.halts`. A record without halts has none: that is not proof that there were none."""
        if session not in self._bars:
            raise KeyError(session)
        hours = self._calendar.hours(session)
        return tuple(halt for halt in self._halts if hours.pre_open <= halt.start < hours.post_close)

    def articles(self) -> tuple[WireArticle, ...]:
        """See :meth:`tape.MarketTape.articles`."""
        return self._articles

    def _daily_bars(self, recorded: pd.DataFrame | None) -> pd.DataFrame:
        derived = pd.concat(
            [daily_of(rows, self._calendar.hours(day)) for day, rows in self._bars.items()], ignore_index=True
        )
        if recorded is None:
            frame = derived
        else:
            missing = set(DAILY_COLUMNS) - set(recorded.columns)
            if missing:
                raise ValueError(f"daily bars lack the columns {sorted(missing)}")
            frame = pd.concat([recorded[list(DAILY_COLUMNS)], derived], ignore_index=True)
            frame = frame.drop_duplicates(["symbol", "session"], keep="first")
        return frame.sort_values(["symbol", "session"], ignore_index=True)


def _checked(bars: pd.DataFrame) -> pd.DataFrame:
    """``bars`` with our columns and types, sorted; raises ``ValueError`` naming what is wrong."""
    missing = set(_REQUIRED) - set(bars.columns)
    if missing:
        raise ValueError(f"bars lack the columns {sorted(missing)}")
    if bars["ts"].dt.tz is None:
        raise ValueError("bars.ts must carry a time zone: which hour a bar belongs to is never guessed")
    frame = bars[[column for column in TAPE_BAR_COLUMNS if column in bars.columns]].copy()
    frame["ts"] = frame["ts"].dt.tz_convert("UTC").dt.as_unit("us")
    for column in TAPE_BAR_COLUMNS:
        if column not in frame.columns:
            frame[column] = np.nan
    numbers = [column for column in TAPE_BAR_COLUMNS if column not in ("symbol", "ts")]
    frame[numbers] = frame[numbers].astype(np.float64)
    frame["symbol"] = frame["symbol"].astype("str")
    repeated = int(frame.duplicated(["symbol", "ts"]).sum())
    if repeated:
        raise ValueError(f"{repeated} bars repeat a symbol and time")
    low, high = frame[["open", "close"]].min(axis=1), frame[["open", "close"]].max(axis=1)
    # min and max skip NaN, so an unknown price must be asked for by name.
    known = frame[list(_REQUIRED)].notna().all(axis=1)
    possible = known & (frame["low"] <= low) & (frame["high"] >= high) & (frame["low"] > 0) & (frame["volume"] >= 0)
    if not possible.all():
        raise ValueError(f"{int((~possible).sum())} bars have impossible prices or volumes")
    return frame[list(TAPE_BAR_COLUMNS)].sort_values(["symbol", "ts"], ignore_index=True)


def _with_spread(rows: pd.DataFrame, hours: SessionHours, spread_bps: float) -> pd.DataFrame:
    """``rows`` with ``half_spread`` where the record has none: assumed, wider at the open and outside regular hours."""
    ts = rows["ts"]
    multiple = np.where(ts < hours.open + OPENING_PERIOD, OPENING_MULTIPLE, 1.0)
    multiple = np.where((ts < hours.open) | (ts >= hours.close), EXTENDED_MULTIPLE, multiple)
    assumed = np.maximum(MINIMUM_HALF_SPREAD, np.round(rows["close"] * spread_bps * multiple / 2e4, 4))
    return rows.assign(half_spread=rows["half_spread"].fillna(assumed).clip(lower=MINIMUM_HALF_SPREAD))


def _instruments(symbols: list[str], given: pd.DataFrame | None) -> pd.DataFrame:
    """One row per symbol, from ``given`` where it has one, else the assumption of a plain common stock."""
    defaults = pd.DataFrame(
        {
            "symbol": pd.array(symbols, dtype="str"),
            "name": pd.array(symbols, dtype="str"),
            "exchange": "",
            "asset_class": "us_equity",
            "status": "active",
            "tradable": True,
            "shortable": True,
            "easy_to_borrow": True,
            "is_common_stock": True,
            "sector": "",
        }
    )[list(INSTRUMENT_COLUMNS)]
    if given is None:
        return defaults
    if "symbol" not in given.columns:
        raise ValueError("instruments lack the column symbol")
    known = given[given["symbol"].isin(symbols)].drop_duplicates("symbol").set_index("symbol")
    for column in INSTRUMENT_COLUMNS[1:]:
        if column in known.columns:
            told = defaults["symbol"].map(known[column])
            values = told.where(told.notna(), defaults[column])
            defaults[column] = values.astype(defaults[column].dtype)
    return defaults
