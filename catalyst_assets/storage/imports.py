"""Recorded bars and articles from CSV or Parquet files into the stores, every refused row kept with its line and
reason.

Belongs here: which rows are good, where they go. Does not belong here: reading files (``import_source.py``), the
layout of the stores (``bars.py``, ``news.py``).

Columns are those of recorded-data files: bars ``symbol, ts_utc, open, high, low, close, volume[, vwap,
transactions]`` (daily bars may have ``date`` instead of ``ts_utc``), articles ``ts_utc, tickers, headline, summary,
source, vendor, url, vendor_id``. Importing a file twice changes nothing. Memory is bounded by one chunk, or one
session, whichever is larger.
"""

from __future__ import annotations

import hashlib
import json
import re
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from catalyst_assets.ports import TIMEFRAMES, RawArticle
from catalyst_assets.storage.bars import BarStore
from catalyst_assets.storage.database import Database
from catalyst_assets.storage.frames import plain, to_json
from catalyst_assets.storage.import_source import CHUNK_ROWS, ImportFileError, read_chunks
from catalyst_assets.storage.instruments import InstrumentRepository
from catalyst_assets.storage.news import NewsRepository, StoreCounts
from catalyst_assets.trading.calendar import NEW_YORK, TradingCalendar
from catalyst_assets.trading.config import NewsConfig

__all__ = ["ImportFileError", "ImportReport", "import_bars", "import_news"]

Progress = Callable[[float], None]
"""Called with how far the import is, 0…1."""

_SYMBOL = re.compile(r"^[A-Z][A-Z0-9]{0,9}([./-][A-Z0-9]{1,4})?$")
_ZONE = re.compile(r"(?:Z|[+-]\d{2}:?\d{2})$")
_PRICES = ["open", "high", "low", "close"]
_PROVIDERS = {
    "finnhub": "finnhub",
    "alpaca": "alpaca",
    "benzinga": "alpaca",
    "alpha": "alpha_vantage",
    "newsapi": "newsapi",
}
"""How a file's vendor begins → the provider whose articles and vendor ids they are."""
_EXAMPLES = 8


@dataclass(slots=True)
class ImportReport:
    """What became of a file: ``read = stored + unchanged + refused``."""

    path: Path
    kind: Literal["bars", "news"]
    read: int = 0
    stored: int = 0
    """Rows that are new (bars: or different from what was there; articles: or a revision)."""
    refused: Counter[str] = field(default_factory=Counter)
    """Rows refused, by reason; each is in import_quarantine with its line."""
    examples: list[tuple[int, str]] = field(default_factory=list)
    """The first refused rows: (line, reason)."""
    symbols: set[str] = field(default_factory=set)
    first: date | None = None
    last: date | None = None

    @property
    def unchanged(self) -> int:
        return self.read - self.stored - sum(self.refused.values())

    def saw(self, days: Iterable[date]) -> None:
        for day in days:
            self.first = day if self.first is None else min(self.first, day)
            self.last = day if self.last is None else max(self.last, day)


class _Quarantine:
    """Refused rows of one file on their way into import_quarantine and the report."""

    def __init__(self, database: Database, report: ImportReport, seen_at: datetime) -> None:
        self._database, self._report, self._seen_at = database, report, seen_at

    def add(self, rows: Iterable[tuple[int, str, Any]]) -> None:
        """Store (line, reason, row) of refused rows."""
        listed = list(rows)
        if not listed:
            return
        texts = [to_json(row) for _, _, row in listed]
        frame = pd.DataFrame(
            {
                "origin_file": str(self._report.path.resolve()),
                "origin_line": [line for line, _, _ in listed],
                "kind": self._report.kind,
                "reason": [reason for _, reason, _ in listed],
                "row": [json.loads(text) for text in texts],
                "row_hash": [hashlib.sha256(text.encode()).hexdigest() for text in texts],
                "seen_at": self._seen_at,
            }
        )
        self._database.append("import_quarantine", frame, keys=("origin_file", "origin_line", "row_hash"))
        self._report.refused.update(reason for _, reason, _ in listed)
        self._report.examples.extend((line, reason) for line, reason, _ in listed)
        del self._report.examples[_EXAMPLES:]


# -------------------------------------------------------------------------------------------------------------------
# bars


def import_bars(
    path: Path,
    timeframe: str,
    *,
    bars: BarStore,
    database: Database,
    seen_at: datetime,
    calendar: TradingCalendar | None = None,
    stamps: Literal["start", "end"] = "start",
    progress: Progress | None = None,
    chunk_rows: int = CHUNK_ROWS,
) -> ImportReport:
    """Import recorded bars. ``stamps="end"`` for files whose stamps mark the END of the bar.

    Unknown symbols become instruments. Raises :class:`ImportFileError` when the file cannot be read or lacks columns.
    """
    if timeframe not in TIMEFRAMES:
        raise ImportFileError(f"{timeframe!r} is no timeframe; allowed: {', '.join(TIMEFRAMES)}")
    calendar = calendar or TradingCalendar()
    report = ImportReport(Path(path), "bars")
    quarantine = _Quarantine(database, report, seen_at)
    daily = timeframe == "1day"
    with tempfile.TemporaryDirectory(prefix="catalyst-import-") as spool:
        # Files are sorted by symbol, stores by session: chunks are cut into sessions on disk first, so that each
        # session's file is
        # written once and memory never holds more than one chunk or one session.
        for number, chunk in enumerate(read_chunks(report.path, lambda names: _bar_columns(names, daily), chunk_rows)):
            report.read += len(chunk.rows) + len(chunk.broken)
            quarantine.add((line, "wrong number of values", {"line": text}) for line, text in chunk.broken)
            good, reasons = _judge_bars(chunk.rows, timeframe, stamps, calendar)
            bad = reasons[reasons != ""]
            quarantine.add((int(line), reason, plain(chunk.rows.loc[line].to_dict())) for line, reason in bad.items())
            for period, rows in good.groupby("period"):
                folder = Path(spool) / str(period)
                folder.mkdir(exist_ok=True)
                rows.drop(columns="period").to_feather(folder / f"{number:08d}")
            if progress:
                progress(chunk.position * 0.6)
        folders = sorted(Path(spool).iterdir())
        for done, folder in enumerate(folders, start=1):
            rows = pd.concat([pd.read_feather(part) for part in sorted(folder.iterdir())], ignore_index=True)
            double = rows.duplicated(["symbol", "ts"], keep="first")
            quarantine.add(
                (int(row.line), "second bar of this symbol and time", {"symbol": row.symbol, "ts": row.ts})
                for row in rows[double].itertuples()
            )
            rows = rows[~double].drop(columns="line")
            if daily:
                report.stored += bars.write_daily(rows)
                report.saw(pd.DatetimeIndex([rows["ts"].min(), rows["ts"].max()]).tz_convert(NEW_YORK).date)
            else:
                session = date.fromisoformat(folder.name)
                report.stored += bars.write(session, timeframe, rows)
                report.saw([session])
            report.symbols.update(rows["symbol"].unique())
            if progress:
                progress(0.6 + 0.4 * done / len(folders))
    InstrumentRepository(database, calendar).ensure_symbols(report.symbols, seen_at=seen_at)
    return report


def _bar_columns(names: list[str], daily: bool) -> list[str]:
    required = ["symbol", *_PRICES, "volume"]
    time = next((name for name in (("ts_utc", "date") if daily else ("ts_utc",)) if name in names), None)
    absent = [name for name in required if name not in names] + ([] if time else ["ts_utc"])
    if absent:
        raise ImportFileError(f"the file lacks the column {', '.join(absent)}; it has {', '.join(names)}")
    return [*required, str(time), *(name for name in ("vwap", "transactions", "trade_count") if name in names)]


def _judge_bars(
    rows: pd.DataFrame, timeframe: str, stamps: str, calendar: TradingCalendar
) -> tuple[pd.DataFrame, pd.Series]:
    """Good bars (with ``line`` and ``period``: session, or year for daily bars) and per row the reason it is refused,
    or ""."""
    reasons = pd.Series("", index=rows.index, dtype="object")

    def refuse(mask: Any, reason: str) -> None:
        reasons[np.asarray(mask, dtype=bool) & (reasons == "").to_numpy()] = reason

    symbols = rows["symbol"].astype("str").str.strip().str.upper()
    refuse(symbols.isna() | (symbols == ""), "no symbol")
    refuse(~symbols.fillna("").str.match(_SYMBOL), "not a symbol")
    time_column = "ts_utc" if "ts_utc" in rows else "date"
    ts, time_reasons = _times(rows[time_column], zone_needed=time_column == "ts_utc")
    for reason in ("no time", "unreadable time", "time without zone"):
        refuse(time_reasons == reason, reason)
    numbers: dict[str, pd.Series] = {}
    for name in [*_PRICES, "volume"]:
        numbers[name] = pd.to_numeric(rows[name], errors="coerce").astype("float64")
        refuse(rows[name].isna(), f"no {name}")
        refuse(~np.isfinite(numbers[name]), f"{name} is not a number")
    opened, high, low, close = (numbers[name] for name in _PRICES)
    refuse(pd.concat([opened, high, low, close], axis=1).min(axis=1) <= 0, "price not above zero")
    refuse((high < low) | (high < opened) | (high < close) | (low > opened) | (low > close), "impossible high and low")
    refuse(numbers["volume"] < 0, "negative volume")

    if timeframe == "1day":
        days, whole = _days(ts)
        refuse(~whole, "daily bar whose time is no midnight")
        sessions = {day: calendar.is_session(day) for day in set(days[(reasons == "").to_numpy()])}
        refuse(
            [reason == "" and not sessions[day] for day, reason in zip(days, reasons, strict=True)], "not a trading day"
        )
        ts = pd.Series(pd.DatetimeIndex(days), index=rows.index).dt.tz_localize(NEW_YORK).dt.tz_convert("UTC")
        ts = ts.astype(pd.DatetimeTZDtype("us", "UTC"))
        period = ts.dt.tz_convert(NEW_YORK).dt.year.astype("Int64").astype("str")
    else:
        if stamps == "end":
            ts = ts - pd.Timedelta(TIMEFRAMES[timeframe])
        minutes = min(int(TIMEFRAMES[timeframe].total_seconds() // 60), 30)  # hour bars start at :00 or at :30
        refuse(ts != ts.dt.floor(f"{minutes}min"), f"time is not the start of a {timeframe} bar")
        known = (reasons == "").to_numpy()
        period = pd.Series("", index=rows.index, dtype="object")
        if known.any():
            located = pd.DatetimeIndex(ts[known])
            closed = np.zeros(len(rows), dtype=bool)
            closed[known] = calendar.locate(located).state == 0
            refuse(closed, "outside trading hours")
            period[known] = calendar.session_dates(located).astype(str)
    trades = next((rows[name] for name in ("transactions", "trade_count") if name in rows), None)
    bars = pd.DataFrame({"symbol": symbols, "ts": ts, **numbers, "period": period}, index=rows.index)
    bars["vwap"] = pd.to_numeric(rows["vwap"], errors="coerce") if "vwap" in rows else np.nan
    bars["trade_count"] = pd.to_numeric(trades, errors="coerce") if trades is not None else np.nan
    bars["line"] = rows.index
    return bars[reasons == ""], reasons


def _times(column: pd.Series, *, zone_needed: bool) -> tuple[pd.Series, pd.Series]:
    """Times in UTC (NaT where unknown) and per row "", "no time", "unreadable time" or "time without zone"."""
    reasons = pd.Series("", index=column.index, dtype="object")
    if isinstance(column.dtype, pd.DatetimeTZDtype):
        times = column.dt.tz_convert("UTC")
    elif pd.api.types.is_datetime64_dtype(column.dtype):
        if zone_needed:
            reasons[:] = "time without zone"
        times = column.dt.tz_localize("UTC")
    elif pd.api.types.is_numeric_dtype(column.dtype):
        reasons[:] = "unreadable time"  # seconds, milliseconds, nanoseconds? never guessed
        times = pd.Series(pd.NaT, index=column.index, dtype=pd.DatetimeTZDtype("us", "UTC"))
    else:
        text = column.astype("str").str.strip()
        times = pd.to_datetime(text, utc=True, errors="coerce", format="ISO8601")
        if zone_needed:
            reasons[times.notna() & ~text.fillna("").str.contains(_ZONE)] = "time without zone"
    reasons[times.isna() & (reasons == "")] = "unreadable time"
    reasons[column.isna()] = "no time"
    return times.astype(pd.DatetimeTZDtype("us", "UTC")), reasons


def _days(ts: pd.Series) -> tuple[pd.Series, pd.Series]:
    """The day a daily stamp means (midnight UTC or midnight New York), and whether it is a midnight at all."""
    utc, local = ts.dt.tz_localize(None), ts.dt.tz_convert(NEW_YORK).dt.tz_localize(None)
    is_utc, is_local = utc == utc.dt.normalize(), local == local.dt.normalize()
    days = utc.where(is_utc, local).dt.normalize()
    return days.dt.date, (is_utc | is_local) & ts.notna()


# -------------------------------------------------------------------------------------------------------------------
# news


def import_news(
    path: Path,
    *,
    database: Database,
    delays: Mapping[str, timedelta],
    live_sources: Iterable[str],
    seen_at: datetime,
    calendar: TradingCalendar | None = None,
    config: NewsConfig | None = None,
    progress: Progress | None = None,
    chunk_rows: int = 5_000,
) -> ImportReport:
    """Import recorded articles; each counts as available from publication plus its provider's delay (``delays``, by
    provider, ``import`` for vendors this program does not know).

    Raises :class:`ImportFileError` when the file cannot be read or lacks columns.
    """
    config = config or NewsConfig()
    calendar = calendar or TradingCalendar()
    live = frozenset(live_sources)
    report = ImportReport(Path(path), "news")
    quarantine = _Quarantine(database, report, seen_at)
    news = NewsRepository(database, calendar)
    latest = pd.Timestamp(seen_at) + pd.Timedelta(seconds=config.future_tolerance_seconds)
    for chunk in read_chunks(report.path, _news_columns, chunk_rows):
        report.read += len(chunk.rows) + len(chunk.broken)
        quarantine.add((line, "wrong number of values", {"line": text}) for line, text in chunk.broken)
        published, reasons = _times(chunk.rows["ts_utc"], zone_needed=True)
        reasons[(reasons == "") & (published > latest)] = "published in the future"
        headlines = chunk.rows["headline"].astype("str").str.strip()
        reasons[(reasons == "") & (headlines.isna() | (headlines == ""))] = "no headline"
        bad = reasons[reasons != ""]
        quarantine.add((int(line), reason, plain(chunk.rows.loc[line].to_dict())) for line, reason in bad.items())
        good = reasons == ""
        rows = [{str(key): value for key, value in row.items()} for row in chunk.rows[good].to_dict("records")]
        articles = [_article(row, at.to_pydatetime()) for row, at in zip(rows, published[good], strict=True)]
        counts: StoreCounts = news.store(
            articles,
            first_seen_at=seen_at,
            delays=delays,
            live_sources=live,
            collected_live=False,
            config=config,
            origin_file=str(report.path.resolve()),
            origin_lines=[int(line) for line in chunk.rows[good].index],
        )
        report.stored += counts.inserted + counts.revisions
        if counts.quarantined:
            report.refused.update({"refused by the news store": counts.quarantined})
        report.symbols.update(symbol for article in articles for symbol in article.tickers)
        report.saw(published[good].dt.tz_convert(NEW_YORK).dt.date.unique())
        if progress:
            progress(chunk.position)
    InstrumentRepository(database, calendar).ensure_symbols(report.symbols, seen_at=seen_at)
    return report


def _news_columns(names: list[str]) -> list[str]:
    absent = [name for name in ("ts_utc", "headline", "source") if name not in names]
    if absent:
        raise ImportFileError(f"the file lacks the column {', '.join(absent)}; it has {', '.join(names)}")
    return names  # everything: the untouched row is the payload


def _article(row: Mapping[str, Any], published_at: datetime) -> RawArticle:
    def words(name: str) -> str:
        value = row.get(name)
        return "" if value is None or value != value else str(value).strip()

    vendor = words("vendor").lower()
    provider = next((known for begins, known in _PROVIDERS.items() if vendor.startswith(begins)), "import")
    sentiment = pd.to_numeric(words("sentiment") or "nan", errors="coerce")
    return RawArticle(
        provider=provider,
        vendor_id=words("vendor_id") or None,
        headline=words("headline"),
        summary=words("summary"),
        source=words("source") or "unknown",
        url=words("url") or None,
        published_at=published_at,
        provider_updated_at=None,
        tickers=_tickers(row.get("tickers")),
        sentiment=float(sentiment) if -1 <= sentiment <= 1 else None,
        ticker_sentiment={},
        payload=plain(row),
    )


def _tickers(value: Any) -> tuple[str, ...]:
    """Symbols of a list, a JSON list or a text separated by commas, semicolons, bars or spaces; each once, in order."""
    if isinstance(value, str):
        listed: list[Any] = re.split(r"[,;|\s]+", value.strip().strip("[]").replace('"', "").replace("'", ""))
    elif isinstance(value, list | tuple | np.ndarray):
        listed = list(value)
    else:
        return ()
    symbols = (str(item).strip().lstrip("$").upper() for item in listed)
    return tuple(dict.fromkeys(symbol for symbol in symbols if _SYMBOL.match(symbol)))
