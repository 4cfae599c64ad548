"""Cached values as bytes, and back: JSON, sealed. Never pickle: who can write to Redis must not run code here.

Belongs here: encodings and the seal. Does not belong here: keys, Redis.

The seal is a checksum over key and content. Bytes that were cut, changed or put under another key do not open, and what
does not open is a miss. (Arrow was tried: for these small frames its decoding costs more than the query it saves.)
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any, Final

import numpy as np
import pandas as pd

_SEAL: Final = b"CC1"
_MICROSECONDS: Final = "datetime64[us, UTC]"
_DAY: Final = "day"
"""Type of an object column that holds dates."""

Columns = Mapping[str, list[Any]]
"""Columns of a frame as JSON lists; which types they had is known elsewhere."""


def sealed(key: str, content: bytes) -> bytes:
    """``content`` with the checksum that binds it to ``key``."""
    return _SEAL + _checksum(key, content) + content


def unsealed(key: str, raw: bytes) -> bytes | None:
    """The content sealed under ``key``; ``None`` when the bytes are not exactly those."""
    start = len(_SEAL) + 4
    content = raw[start:]
    return content if raw[:start] == _SEAL + _checksum(key, content) else None


def _checksum(key: str, content: bytes) -> bytes:
    return zlib.crc32(content, zlib.crc32(key.encode())).to_bytes(4, "big")


# --------------------------------------------------------------------------------------------- parts of one known frame


def packed(frame: pd.DataFrame, parts: Iterable[Sequence[int]]) -> list[Columns]:
    """The rows at each of ``parts`` (row positions), as JSON lists by column."""
    columns = {str(name): _values(frame[name]) for name in frame.columns}
    return [{name: [values[row] for row in rows] for name, values in columns.items()} for rows in parts]


def unpacked(parts: Sequence[Columns], like: pd.DataFrame) -> pd.DataFrame:
    """One frame of the packed ones, in their order, with the columns and types of the (empty) frame ``like``."""
    return pd.DataFrame(
        {
            name: _column([value for part in parts for value in part[name]], str(like[name].dtype))
            for name in like.columns
        },
        columns=list(like.columns),
    )


# ---------------------------------------------------------------------------------------------------------- whole frames


def frame_to_bytes(frame: pd.DataFrame) -> bytes:
    """A frame and its types: instants (UTC, microseconds), numbers, booleans, texts, days, and whatever else is JSON.

    The index is not kept. Raises ``TypeError`` for a value JSON does not know.
    """
    columns = {}
    for name in frame.columns:
        values, kind = _values(frame[name]), str(frame[name].dtype)
        if any(isinstance(value, date) for value in values):
            values, kind = [None if value is None else value.isoformat() for value in values], _DAY
        columns[str(name)] = [kind, values]
    return json.dumps(columns).encode()


def frame_from_bytes(content: bytes) -> pd.DataFrame:
    """The inverse of :func:`frame_to_bytes`."""
    columns = json.loads(content)
    return pd.DataFrame(
        {name: _column(values, kind) for name, (kind, values) in columns.items()}, columns=list(columns)
    )


def _values(column: pd.Series) -> list[Any]:
    if isinstance(column.dtype, pd.DatetimeTZDtype):
        instants: list[Any] = column.to_numpy(dtype="datetime64[us]").view(np.int64).tolist()
        return instants
    return [None if value is pd.NA else value for value in column.tolist()]


def _column(values: list[Any], kind: str) -> Any:
    if kind == _MICROSECONDS:
        return pd.DatetimeIndex(np.array(values, dtype=np.int64).view("datetime64[us]")).tz_localize("UTC")
    if kind == _DAY:
        return pd.Series([None if value is None else date.fromisoformat(value) for value in values], dtype="object")
    return pd.Series(values, dtype=kind)
