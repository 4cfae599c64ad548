"""Values read from frames and written as reasons: unknown stays unknown, and everything fits into JSON.

Belongs here: reading one value of a frame row and turning decision inputs into plain JSON values. Does not belong here: any rule.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

import numpy as np
import pandas as pd

from catalyst_assets.trading.bars import instants

TOP_DETECTIONS: Final = 5
"""Pattern detections written out in a signal's reasons, most confident first."""


def number(value: Any) -> float:
    """A number or NaN: ``None``, NaN and pandas' missing values are unknown. Decimals become floats."""
    return math.nan if value is None or value is pd.NA or value is pd.NaT else float(value)


def or_none(value: float) -> float | None:
    """The number, ``None`` when it is unknown."""
    return value if math.isfinite(value) else None


def text(value: Any) -> str | None:
    """The text, ``None`` for anything that is none."""
    return value if isinstance(value, str) else None


def plain(value: Any) -> Any:
    """The value in JSON's types: times as ISO text, unknown as null, numbers rounded to what a reader can use."""
    if isinstance(value, Mapping):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    if value is None or value is pd.NaT or value is pd.NA:
        return None
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, (int, np.integer)):
        return int(value)
    if isinstance(value, (float, np.floating, Decimal)):
        number = float(value)
        return round(number, 6) if math.isfinite(number) else None
    return str(value)


def top_hits(detections: pd.DataFrame) -> dict[tuple[int, str], list[dict[str, Any]]]:
    """The most confident detections of each (decision time, symbol), as plain values."""
    if detections.empty:
        return {}
    names = ["pattern", "timeframe", "direction", "alignment", "confidence", "strength"]
    records = detections[names].to_dict("records")
    groups: dict[tuple[int, str], list[dict[str, Any]]] = {}
    for at, symbol, record in zip(
        instants(detections["decision_time"]).tolist(), detections["symbol"].tolist(), records, strict=True
    ):
        groups.setdefault((at, symbol), []).append({str(name): value for name, value in record.items()})
    for found in groups.values():
        found.sort(key=lambda one: (-one["confidence"], one["timeframe"], one["pattern"]))
    return {key: found[:TOP_DETECTIONS] for key, found in groups.items()}
