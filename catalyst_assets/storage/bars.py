"""Bars in Parquet: one file per feed, base timeframe and session (daily bars: per year), in a folder or any fsspec URL.

Belongs here: writing whole files, merging, reading slices, telling which file is missing or damaged. Does not belong
here: resampling or visibility (``trading/bars.py``), where bars come from.

Layout: ``<root>/<feed>/<timeframe>/<session>.parquet`` and ``<root>/<feed>/1day/<year>.parquet``. The feed is part of
the path because volumes of different feeds must never meet. Files are replaced whole (written beside, then renamed),
never changed in place.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import fsspec
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from catalyst_assets.ports import BAR_COLUMNS, TIMEFRAMES

SCHEMA_VERSION: Final = "1"
_SCHEMA: Final = pa.schema(
    [("symbol", pa.string()), ("ts", pa.timestamp("us", tz="UTC"))] + [(name, pa.float64()) for name in BAR_COLUMNS[2:]]
)
_ROW_GROUP: Final = 20_000
_KEPT_TABLES: Final = 24
"""Files kept in memory by a store, so that a day of cycles does not read its history a hundred times."""
_KEPT_ANSWERS: Final = 6
"""Slices kept in memory by a store: a cycle reads the session's bars several times, and its history as the cycle before did."""
_DAMAGE: Final = (pa.ArrowInvalid, pa.ArrowIOError, OSError, KeyError)


class BarFileError(Exception):
    """A bar file is missing or damaged; the message names it and says what to do."""


class BarStore:
    """The bars of one feed (``namespace``) below ``root``. Safe to share between threads and, on a local folder,
    processes."""

    def __init__(self, root: str | Path, namespace: str) -> None:
        if not namespace or "/" in namespace:
            raise ValueError(f"{namespace!r} is no feed name")
        self.root = str(root)
        self.namespace = namespace
        self._files, self._base = fsspec.core.url_to_fs(self.root)
        self._local = "file" in (
            self._files.protocol if isinstance(self._files.protocol, tuple) else (self._files.protocol,)
        )
        self._tables: dict[tuple[str, Any], pa.Table] = {}
        self._answers: dict[tuple[Any, ...], pd.DataFrame] = {}

    # -------------------------------------------------------------------------------------------------------- writing

    def write(self, session: date, timeframe: str, frame: pd.DataFrame) -> int:
        """Merge bars (``ports.BAR_COLUMNS``) into the file of a session; the number of rows that are new or changed.

        A bar that is already there is replaced by the given one; writing the same bars again changes nothing. Raises
        ``ValueError`` for bars that are no bars and :class:`BarFileError` when the existing file is damaged.
        """
        if timeframe == "1day":
            return self.write_daily(frame)
        return self._merge(self.path(session, timeframe), _checked(frame), session.isoformat(), timeframe)

    def write_daily(self, frame: pd.DataFrame) -> int:
        """Merge daily bars of any dates (``ts`` = New York midnight in UTC) into the files of their years."""
        table = _checked(frame)
        years = pd.DatetimeIndex(table["ts"]).tz_convert("America/New_York").year.to_numpy()
        changed = 0
        for year in np.unique(years):
            changed += self._merge(self._daily_path(int(year)), table[years == year], str(year), "1day")
        return changed

    # -------------------------------------------------------------------------------------------------------- reading

    def read(
        self,
        symbols: Sequence[str] | None,
        timeframe: str,
        start: datetime,
        end: datetime,
        *,
        sessions: Iterable[date] | None = None,
    ) -> pd.DataFrame:
        """Bars that START in ``[start, end)``, as ``ports.BAR_COLUMNS``; ``symbols=None`` is every symbol.

        Sessions without a file are simply not there, unless named in ``sessions``: then :class:`BarFileError` names
        the file.
        """
        if sessions is not None:
            missing = [session for session in sessions if not self._files.exists(self.path(session, timeframe))]
            if missing:
                raise BarFileError(
                    f"no {timeframe} bars of feed {self.namespace} for {', '.join(map(str, missing[:5]))}"
                    f"{' …' if len(missing) > 5 else ''}: {self.path(missing[0], timeframe)} is missing; collect or import them"
                )
        paths = self._paths_between(timeframe, start, end)
        names = None if symbols is None else tuple(sorted(set(symbols)))
        question = (timeframe, names, start, end, tuple((path, self._stamp(path)) for path in paths))
        answer = self._answers.pop(question, None)
        if answer is None:
            answer = self._slice(paths, names, start, end)
        self._answers[question] = answer
        while len(self._answers) > _KEPT_ANSWERS:
            self._answers.pop(next(iter(self._answers)), None)
        return answer.copy(deep=False)  # pandas copies what the caller writes to

    def _slice(
        self, paths: Iterable[str], symbols: Sequence[str] | None, start: datetime, end: datetime
    ) -> pd.DataFrame:
        parts = []
        wanted = pa.array(symbols, pa.string()) if symbols is not None else None
        low, high = (
            pa.scalar(pd.Timestamp(bound).tz_convert("UTC").as_unit("us"), _SCHEMA.field("ts").type)
            for bound in (start, end)
        )
        for path in paths:
            table = self._table(path)
            mask = pc.and_(pc.greater_equal(table["ts"], low), pc.less(table["ts"], high))
            if wanted is not None:
                mask = pc.and_(mask, pc.is_in(table["symbol"], wanted))
            parts.append(table.filter(mask))
        table = pa.concat_tables(parts) if parts else _SCHEMA.empty_table()
        return _frame(table.sort_by([("symbol", "ascending"), ("ts", "ascending")]))

    def sessions(self, timeframe: str = "1min") -> list[date]:
        """Sessions that have a file of that (intraday) timeframe, in order."""
        return [date.fromisoformat(name) for name in self._names(timeframe)] if timeframe != "1day" else []

    def timeframes(self) -> list[str]:
        """Timeframes that have any file, finest first."""
        return [timeframe for timeframe in TIMEFRAMES if self._names(timeframe)]

    def verify(self, session: date, timeframe: str) -> int:
        """Read a whole file and compare its content with the checksum written with it; its rows. Raises
        :class:`BarFileError`."""
        path = self.path(session, timeframe)
        table, metadata = self._load(path)
        if metadata.get(b"catalyst.checksum", b"").decode() != _checksum(_frame(table)):
            raise BarFileError(
                f"{path} is damaged: its content does not match its checksum; delete it and collect again"
            )
        return int(table.num_rows)

    def path(self, session: date, timeframe: str) -> str:
        """Where the bars of a session lie."""
        if timeframe not in TIMEFRAMES:
            raise ValueError(f"{timeframe!r} is no timeframe; timeframes: {', '.join(TIMEFRAMES)}")
        if timeframe == "1day":
            return self._daily_path(session.year)
        return f"{self._base}/{self.namespace}/{timeframe}/{session.isoformat()}.parquet"

    # -------------------------------------------------------------------------------------------------------- details

    def _daily_path(self, year: int) -> str:
        return f"{self._base}/{self.namespace}/1day/{year}.parquet"

    def _names(self, timeframe: str) -> list[str]:
        folder = f"{self._base}/{self.namespace}/{timeframe}"
        try:
            found = self._files.ls(folder, detail=False, refresh=True)
        except FileNotFoundError:
            return []
        return sorted(Path(path).stem for path in found if str(path).endswith(".parquet"))

    def _paths_between(self, timeframe: str, start: datetime, end: datetime) -> list[str]:
        # A session's bars lie within its own New York day; one day of slack covers the time zone.
        first, last = (start - timedelta(days=1)).date(), (end + timedelta(days=1)).date()
        folder = f"{self._base}/{self.namespace}/{timeframe}"
        names = self._names(timeframe)
        if timeframe == "1day":
            return [f"{folder}/{name}.parquet" for name in names if first.year <= int(name) <= last.year]
        return [f"{folder}/{name}.parquet" for name in names if first <= date.fromisoformat(name) <= last]

    def _table(self, path: str) -> pa.Table:
        """A file's rows, from memory when the file is the one read before."""
        stamp = self._stamp(path)
        found = self._tables.get((path, stamp))
        if found is None:
            found, _ = self._load(path)
            self._keep(path, stamp, found)
        return found

    def _stamp(self, path: str) -> tuple[Any, ...]:
        """What changes with a file's content."""
        info = self._files.info(path)
        return (info.get("size"), info.get("mtime") or info.get("LastModified") or info.get("ETag"), info.get("ino"))

    def _keep(self, path: str, stamp: tuple[Any, ...], table: pa.Table) -> None:
        for key in [key for key in self._tables if key[0] == path] + list(self._tables)[
            : len(self._tables) - _KEPT_TABLES + 1
        ]:
            self._tables.pop(key, None)
        self._tables[(path, stamp)] = table

    def _load(self, path: str) -> tuple[pa.Table, dict[bytes, bytes]]:
        try:
            with self._files.open(path, "rb") as file:
                table = pq.read_table(file, page_checksum_verification=True, partitioning=None)
        except FileNotFoundError:
            raise BarFileError(f"{path} is missing; collect or import its bars") from None
        except _DAMAGE as error:
            raise BarFileError(
                f"{path} is damaged ({str(error).splitlines()[0][:120]}); delete it and collect again"
            ) from error
        metadata = dict(table.schema.metadata or {})
        version = metadata.get(b"catalyst.schema", b"none").decode()
        if version != SCHEMA_VERSION:
            raise BarFileError(
                f"{path} has schema version {version}, this program reads {SCHEMA_VERSION}; delete it and collect again"
            )
        return table.select(list(BAR_COLUMNS)).cast(_SCHEMA), metadata

    def _merge(self, path: str, frame: pd.DataFrame, period: str, timeframe: str) -> int:
        if frame.empty:
            return 0
        fresh = frame.drop_duplicates(["symbol", "ts"], keep="last")
        with self._lock(path):
            before = self._table(path) if self._files.exists(path) else _SCHEMA.empty_table()
            replaced, changed = _compared(before, fresh)
            if not changed:
                return 0
            added = pa.Table.from_pandas(fresh, schema=_SCHEMA, preserve_index=False).replace_schema_metadata(None)
            merged = pa.concat_tables([before.filter(pa.array(~replaced)), added])
            merged = merged.sort_by([("symbol", "ascending"), ("ts", "ascending")])
            metadata = {
                "catalyst.schema": SCHEMA_VERSION, "catalyst.checksum": _checksum(_frame(merged)),
                "catalyst.feed": self.namespace, "catalyst.timeframe": timeframe, "catalyst.period": period,
                "catalyst.rows": str(merged.num_rows),
            }  # fmt: skip
            self._write_whole(path, merged.replace_schema_metadata(metadata))
            if self._local:  # under the lock the file is still the one just written; the next cycle need not read it
                self._keep(path, self._stamp(path), merged)
            return changed

    def _write_whole(self, path: str, table: pa.Table) -> None:
        """Write beside, then rename: a reader sees the old file or the new one, never half of one."""
        sink = pa.BufferOutputStream()
        # A dictionary of prices takes more time, at every cycle, than its bytes are worth.
        pq.write_table(
            table,
            sink,
            compression="zstd",
            row_group_size=_ROW_GROUP,
            use_dictionary=["symbol"],
            write_page_checksum=True,
        )
        content = sink.getvalue()
        if not self._local:  # object stores put whole objects
            self._files.pipe_file(path, content.to_pybytes())
            return
        target = Path(path)
        temporary = target.with_name(f".{target.name}.{uuid.uuid4().hex}")
        try:
            with temporary.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)

    def _lock(self, path: str) -> Any:
        """One writer per folder at a time on a local disk; object stores have one writer by the schedule's design."""
        if not self._local:
            return nullcontext()
        folder = Path(path).parent
        folder.mkdir(parents=True, exist_ok=True)
        return _locked(folder / ".lock")


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _checked(frame: pd.DataFrame) -> pd.DataFrame:
    """``frame`` as BAR_COLUMNS with their types. Raises ``ValueError`` for missing columns or values no bar can
    have."""
    absent = [name for name in BAR_COLUMNS[:7] if name not in frame.columns]
    if absent:
        raise ValueError(f"bars need the columns {', '.join(absent)}")
    if len(frame) and not isinstance(frame["ts"].dtype, pd.DatetimeTZDtype):
        raise ValueError("bars need ts with a time zone")
    typed = {name: frame[name].astype("float64") if name in frame else np.nan for name in BAR_COLUMNS[2:]}
    ts = pd.to_datetime(frame["ts"], utc=True).astype(pd.DatetimeTZDtype("us", "UTC"))
    checked = pd.DataFrame({"symbol": frame["symbol"].astype("str"), "ts": ts, **typed}, index=frame.index)
    required = checked[list(BAR_COLUMNS[:7])]
    if required.isna().to_numpy().any():
        raise ValueError("bars must have symbol, ts, open, high, low, close and volume")
    return checked.reset_index(drop=True)


def _frame(table: pa.Table) -> pd.DataFrame:
    frame: pd.DataFrame = table.replace_schema_metadata(None).to_pandas()
    return frame.astype({"symbol": "str", "ts": pd.DatetimeTZDtype("us", "UTC")})


def _checksum(frame: pd.DataFrame) -> str:
    """SHA-256 of the values in row order."""
    digest = hashlib.sha256("\n".join(frame["symbol"].to_numpy(dtype=object)).encode())
    digest.update(pd.DatetimeIndex(frame["ts"]).as_unit("us").asi8.tobytes())
    digest.update(np.ascontiguousarray(frame[list(BAR_COLUMNS[2:])].to_numpy(dtype="float64")).tobytes())
    return digest.hexdigest()


def _compared(before: pa.Table, fresh: pd.DataFrame) -> tuple[NDArray[np.bool_], int]:
    """Which rows of ``before`` have the symbol and ts of a row of ``fresh``, and how many rows of ``fresh`` are new or have other
    values (NaN equals NaN).

    Only the minutes of ``fresh`` are looked at: a cycle brings the last few of a file that holds the whole session.
    """
    replaced = np.zeros(before.num_rows, dtype=bool)
    ts = before["ts"].to_numpy().astype("datetime64[us]")
    first, last = (
        at.tz_convert("UTC").tz_localize(None).to_datetime64() for at in (fresh["ts"].min(), fresh["ts"].max())
    )
    near = np.flatnonzero((ts >= first) & (ts <= last))
    keys = ["symbol", "ts"]
    old = _frame(before.take(pa.array(near))).assign(row=near)
    joined = fresh.merge(old, on=keys, how="left", suffixes=("", "_before"))
    known = joined["row"].notna().to_numpy()
    replaced[joined.loc[known, "row"].to_numpy(dtype=np.int64)] = True
    new, given = (
        joined[[name + suffix for name in BAR_COLUMNS[2:]]].to_numpy(dtype=np.float64) for suffix in ("", "_before")
    )
    same = known & ((new == given) | (np.isnan(new) & np.isnan(given))).all(axis=1)
    return replaced, int((~same).sum())
