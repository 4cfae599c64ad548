"""Between data frames and PostgreSQL: rows to COPY text, results to typed frames.

Belongs here: encoding of one value or column. Does not belong here: connections and statements (``database.py``).
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from typing import Any

import numpy as np
import pandas as pd
from sqlalchemy import ARRAY, Boolean, Date, DateTime, Float, Integer, Numeric, SmallInteger, Table
from sqlalchemy.dialects.postgresql import JSONB

_NULL = "\\N"
_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r", "\0": None})
"""COPY text escapes. NUL is dropped: PostgreSQL cannot hold it in text, and vendors send it now and then."""

# PostgreSQL type numbers of result columns (pg_type.oid, fixed by the server).
_OID_BOOL, _OID_INTS, _OID_FLOATS, _OID_NUMERIC = 16, {20, 21, 23}, {700, 701}, 1700
_OID_TIMESTAMPTZ, _OID_TEXTS = 1184, {18, 19, 25, 1042, 1043}
UTC_MICROSECONDS = pd.DatetimeTZDtype("us", "UTC")


def is_missing(value: Any) -> bool:
    """True for None, NaN, NaT and pandas NA (never for containers)."""
    if value is None or value is pd.NaT or value is pd.NA:
        return True
    return isinstance(value, float | np.floating) and math.isnan(value)


def plain(value: Any) -> Any:
    """``value`` with numpy, pandas, Decimal and enum leaves turned into JSON types; NaN and NaT become None."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return [plain(item) for item in value.tolist()]
    if isinstance(value, list | tuple | set | frozenset):
        items = sorted(value, key=str) if isinstance(value, set | frozenset) else value
        return [plain(item) for item in items]
    if is_missing(value):
        return None
    if isinstance(value, Enum):
        return plain(value.value)
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, np.integer):
        return int(value)
    if isinstance(value, float | np.floating):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, datetime | date):
        return value.isoformat()
    return value if isinstance(value, str | int) else str(value)


def to_json(value: Any) -> str:
    """JSON text PostgreSQL's jsonb accepts (no NaN, no NUL)."""
    try:  # nearly everything is made of JSON types already; what is not has to be turned into them
        text = _encoded(value)
    except (TypeError, ValueError):
        text = _encoded(plain(value))
    return text.replace("\\u0000", "")


_encoded = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode


def copy_text(table: Table, frame: pd.DataFrame) -> Iterable[str]:
    """The rows of ``frame`` as lines of COPY's text format, columns in the frame's order. Raises ``KeyError`` for an
    unknown column and ``ValueError`` for an unaware time."""
    columns = [_encode(table.c[name].type, frame[name], f"{table.name}.{name}") for name in frame.columns]
    return ("\t".join(row) + "\n" for row in zip(*columns, strict=True))


def _encode(kind: Any, column: pd.Series, label: str) -> list[str]:
    if isinstance(kind, DateTime):
        return _encode_times(column, label)
    if isinstance(kind, Float):
        values = pd.to_numeric(column).to_numpy(dtype=float, na_value=np.nan)
        return [_NULL if value != value else repr(value) for value in values.tolist()]
    objects = column.to_numpy(dtype=object)  # going through a text column itself asks Arrow for each value
    if isinstance(kind, JSONB):
        return [_NULL if is_missing(value) else to_json(value).translate(_ESCAPES) for value in objects]
    if isinstance(kind, ARRAY):
        return [_NULL if is_missing(value) else _array(value).translate(_ESCAPES) for value in objects]
    if isinstance(kind, Integer | SmallInteger):
        return [_NULL if is_missing(value) else _integer(value, label) for value in objects]
    if isinstance(kind, Numeric):
        return [_NULL if is_missing(value) else _number(value) for value in objects]
    if isinstance(kind, Boolean):
        return [_NULL if is_missing(value) else ("t" if value else "f") for value in objects]
    if isinstance(kind, Date):
        return [_NULL if is_missing(value) else _day(value, label) for value in objects]
    values_of_text: list[str] = []
    for value in objects:
        if is_missing(value):
            values_of_text.append(_NULL)
        else:
            values_of_text.append(str(value.value if isinstance(value, Enum) else value).translate(_ESCAPES))
    return values_of_text


def _encode_times(column: pd.Series, label: str) -> list[str]:
    if not isinstance(column.dtype, pd.DatetimeTZDtype):
        for value in column:
            if not is_missing(value) and (not isinstance(value, datetime) or value.tzinfo is None):
                raise ValueError(f"{label}: {value!r} is not a time with a time zone")
    times = pd.DatetimeIndex(pd.to_datetime(column, utc=True)).tz_localize(None).to_numpy(dtype="datetime64[us]")
    return [_NULL if value == "NaT" else value + "Z" for value in np.datetime_as_string(times).tolist()]


def _integer(value: Any, label: str) -> str:
    number = int(value)
    if number != value:
        raise ValueError(f"{label}: {value!r} is not a whole number")
    return str(number)


def _number(value: Any) -> str:
    return str(value) if isinstance(value, Decimal | int) else repr(float(value))


def _day(value: Any, label: str) -> str:
    if isinstance(value, pd.Timestamp):
        if value != value.normalize():
            raise ValueError(f"{label}: {value!r} is a time, not a day")
        value = value.date()
    return value.isoformat() if isinstance(value, date) else str(date.fromisoformat(str(value)))


def _array(values: Sequence[Any]) -> str:
    quoted = ('"' + str(value).replace("\\", "\\\\").replace('"', '\\"') + '"' for value in values)
    return "{" + ",".join(quoted) + "}"


def to_frame(rows: Sequence[Sequence[Any]], description: Sequence[Any], *, decimals: bool = False) -> pd.DataFrame:
    """Result rows as a frame: timestamptz → ``datetime64[us, UTC]``, numbers → float64 (integers int64 unless a NULL
    is among them, then float64), boolean → bool (or ``boolean`` with NULLs), text → ``str``, date/jsonb/arrays →
    Python objects.

    ``decimals=True`` leaves ``numeric`` as ``Decimal``.
    """
    columns: dict[str, pd.Series] = {}
    by_column = list(zip(*rows, strict=True)) if rows else [()] * len(description)
    for described, values in zip(description, by_column, strict=True):
        columns[described.name] = _typed(described.type_code, values, decimals)
    return pd.DataFrame(columns)


def _typed(oid: int, values: Sequence[Any], decimals: bool) -> pd.Series:
    if oid == _OID_TIMESTAMPTZ:
        return pd.Series(pd.DatetimeIndex(pd.to_datetime(list(values), utc=True)).as_unit("us"), dtype=UTC_MICROSECONDS)
    if oid in _OID_FLOATS or (oid == _OID_NUMERIC and not decimals):
        return pd.Series([math.nan if value is None else float(value) for value in values], dtype="float64")
    if oid in _OID_INTS:
        has_null = any(value is None for value in values)
        return pd.Series([math.nan if v is None else v for v in values] if has_null else list(values),
                         dtype="float64" if has_null else "int64")  # fmt: skip
    if oid == _OID_BOOL:
        return pd.Series(list(values), dtype="boolean" if any(value is None for value in values) else "bool")
    if oid in _OID_TEXTS:
        return pd.Series(list(values), dtype="str")
    return pd.Series(list(values), dtype="object")
