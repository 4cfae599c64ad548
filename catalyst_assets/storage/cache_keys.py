"""What the cache keeps, for how long, and the names that say exactly what a value depends on.

Belongs here: kinds, lifetimes, scopes, keys and the digests in them. Does not belong here: Redis (``cache.py``), encoding
(``cache_values.py``), what is worth caching (its callers).

Two families of kinds. A **computed** value is named by everything it was computed from: symbol, timeframe, last bar, feed,
a digest of the bars or articles, of the configuration and of the code, so a changed input is another question and nothing
has to be forgotten. A **stored** one mirrors database rows that change in place; its key carries the present generation of
its scope, which every write of such rows replaces.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import quote

import numpy as np
import pandas as pd

import catalyst_assets.trading as decision_core
from catalyst_assets.ports import BAR_COLUMNS
from catalyst_assets.trading.bars import Ints, blocks, completes, instants
from catalyst_assets.trading.calendar import TradingCalendar
from catalyst_assets.trading.config import TradingConfig

TTL_SECONDS: Final[Mapping[str, int]] = {
    "patterns": 300,
    "indicators": 300,
    "sentiment": 600,
    "scan": 300,
    "positions": 60,
    "health": 120,
}
"""Lifetime of each kind of value, seconds. A kind that is not listed has no place in the cache."""

SCOPES: Final[Mapping[str, tuple[str, ...]]] = {"scan": ("scenario",), "positions": ("scenario",), "health": ()}
"""The stored kinds, and the names their generations are told apart by: a write makes all values of its scope unreadable."""

GENERATION_SECONDS: Final = 86_400
"""Lifetime of a generation. It outlives every value named by it; when it expires the next reader begins a new one."""

_LIBRARIES: Final = ("numpy", "pandas", "TA-Lib", "exchange-calendars", "scikit-learn")


def key(namespace: str, kind: str, depends: Mapping[str, Any]) -> str:
    """The key of a value and everything it depends on, in one order: ``catalyst:indicators:feed=iex|symbol=ACME|…``.

    Raises ``ValueError`` for an unknown kind.
    """
    if kind not in TTL_SECONDS:
        raise ValueError(f"{kind!r} is no kind of cached value; kinds: {', '.join(TTL_SECONDS)}")
    return f"{namespace}:{kind}:{named(depends)}"


def generation_key(namespace: str, kind: str, server: str, scope: Mapping[str, Any]) -> str:
    """Where the present generation of a stored kind's scope is kept. ``server`` names one life of the Redis server: what it
    read back from its disk after a restart may be older than the last write, so generations do not outlive it.

    Raises ``ValueError`` when ``scope`` is not the kind's.
    """
    if set(scope) != set(SCOPES[kind]):
        raise ValueError(
            f"{kind} is invalidated by {', '.join(SCOPES[kind]) or 'nothing but its kind'}, not by {scope}"
        )
    return f"{namespace}:generation:{server}:{kind}:{named(scope)}"


def named(depends: Mapping[str, Any]) -> str:
    """``name=value`` pairs in the order of their names; a separator inside a value does not look like one between values."""
    return "|".join(f"{name}={_text(value)}" for name, value in sorted(depends.items()))


def _text(value: Any) -> str:
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, list | tuple | set | frozenset):
        return ",".join(sorted(_text(item) for item in value))
    return quote(str(value), safe="")


# ------------------------------------------------------------------------------------------------------------- digests


class CompleteBars(NamedTuple):
    """A symbol's complete bars: the start of the last, and a digest of every value of every one."""

    symbol: str
    ts: Ints
    digest: str

    @property
    def last(self) -> pd.Timestamp:
        return pd.Timestamp(int(self.ts[-1]), unit="us", tz="UTC")


def complete_bars(
    frame: pd.DataFrame, timeframe: str, decision_time: pd.Timestamp, calendar: TradingCalendar
) -> list[CompleteBars]:
    """The bars of each symbol that are complete at ``decision_time``; symbols without any are left out.

    ``frame`` is a bar frame sorted by symbol and ts. Raises ``ValueError`` for unsorted bars.
    """
    rows = blocks(frame)
    done, at = completes(rows.ts, timeframe, calendar), instants([decision_time])[0]
    values = np.column_stack([frame[name].to_numpy(dtype=np.float64) for name in BAR_COLUMNS[2:]])
    found = []
    for symbol, start, end in zip(rows.symbols, rows.starts, rows.stops, strict=True):
        stop = start + int(np.searchsorted(done[start:end], at, side="right"))
        if stop > start:
            ts = rows.ts[start:stop]
            found.append(CompleteBars(symbol, ts, _digest([ts.tobytes(), values[start:stop].tobytes()])))
    return found


def rows_of(frame: pd.DataFrame) -> str:
    """A digest of every value of a frame, in its order of rows and columns."""
    return _digest(
        [repr(list(frame.columns)).encode(), *(repr(frame[name].tolist()).encode() for name in frame.columns)]
    )


def inputs_of(config: TradingConfig) -> str:
    """A digest of the whole configuration: a changed number changes every question, wanted or not."""
    return _digest([config.model_dump_json().encode()])


@lru_cache(maxsize=1)
def code_version() -> str:
    """A digest of the decision core's sources and of the numerical libraries' versions: a changed rule reads no value of
    the old one, and nobody has to remember to raise a number."""
    folder = Path(str(decision_core.__file__)).parent
    sources = (path.name.encode() + path.read_bytes() for path in sorted(folder.glob("*.py")))
    return _digest([*sources, *(f"{name}={version(name)}".encode() for name in _LIBRARIES)])


def _digest(parts: Iterable[bytes]) -> str:
    """96 bits of SHA-256 over the parts and their lengths, in hexadecimal."""
    total = hashlib.sha256()
    for part in parts:
        total.update(len(part).to_bytes(8, "big"))
        total.update(part)
    return total.hexdigest()[:24]
