"""Single fields of vendor JSON: instants, numbers, texts, tickers. Each reads one value or says why it cannot.

Belongs here: reading a value that any vendor may send. Does not belong here: which field of which vendor holds what (the
``parse_*`` function in the vendor's file).
"""

from __future__ import annotations

import html
import math
import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

_TICKER = re.compile(r"^[A-Z][A-Z0-9]{0,4}(?:[.](?:[A-Z]|WS))?$")
_EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)


class Unreadable(ValueError):
    """A field is missing or cannot be read; the message says which and why, and becomes the stored reason."""


def instant(value: Any, name: str, *, assume_utc: bool = False) -> datetime:
    """An ISO 8601 text with an offset as aware UTC (any number of fractional digits, cut to microseconds).

    A text without an offset is refused unless the vendor documents UTC (``assume_utc``). Raises :class:`Unreadable`.
    """
    if value is None or value == "":
        raise Unreadable(f"{name} is missing")
    if not isinstance(value, str):
        raise Unreadable(f"{name} is not a text: {value!r:.60}")
    try:
        parsed = datetime.fromisoformat(value)
    except ValueError:
        raise Unreadable(f"{name} is unreadable: {value!r:.60}") from None
    if parsed.tzinfo is None:
        if not assume_utc:
            raise Unreadable(f"{name} has no time zone: {value!r:.60}")
        if len(value) <= 10:
            raise Unreadable(f"{name} has no time of day: {value!r:.60}")
        parsed = parsed.replace(tzinfo=UTC)
    return _plausible(parsed.astimezone(UTC), name)


def unix_instant(value: Any, name: str) -> datetime:
    """Unix seconds as aware UTC. Zero and negative mean "unknown" and are refused. Raises :class:`Unreadable`."""
    if value is None:
        raise Unreadable(f"{name} is missing")
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise Unreadable(f"{name} is not a number of seconds: {value!r:.60}")
    if value <= 0:
        raise Unreadable(f"{name} is {value}: unknown, not 1970")
    try:
        return _plausible(datetime.fromtimestamp(value, UTC), name)
    except (OverflowError, OSError, ValueError):
        raise Unreadable(f"{name} is out of range: {value!r:.60}") from None


def _plausible(at: datetime, name: str) -> datetime:
    if at < _EARLIEST:
        raise Unreadable(f"{name} is implausibly early: {at.isoformat()}")
    return at


def not_in_the_future(at: datetime, now: datetime, tolerance: timedelta, name: str) -> datetime:
    """``at``, refused when it is later than ``now`` plus ``tolerance``. Raises :class:`Unreadable`."""
    if at > now + tolerance:
        raise Unreadable(f"{name} is in the future: {at.isoformat()}")
    return at


def text(value: Any) -> str:
    """A human text on one line, HTML entities resolved; empty for anything that is not a text."""
    return " ".join(html.unescape(value).replace("\x00", "").split()) if isinstance(value, str) else ""


def headline(value: Any, name: str) -> str:
    """A headline. Raises :class:`Unreadable` when it is missing, empty or the vendor's mark of a removed article."""
    read = text(value)
    if not read:
        raise Unreadable(f"{name} is empty")
    if read.casefold() == "[removed]":
        raise Unreadable("the article was removed by its publisher")
    return read


def number(value: Any) -> float | None:
    """A finite number from a number or a numeric text (``"1.5"``, ``"12%"``), else ``None``."""
    if value is None or isinstance(value, bool):
        return None
    try:
        read = float(value.strip().rstrip("%").replace(",", "") if isinstance(value, str) else value)
    except (TypeError, ValueError):
        return None
    return read if math.isfinite(read) else None


def bounded(value: Any, low: float, high: float) -> float | None:
    """:func:`number` clipped to ``[low, high]``, ``None`` when there is none."""
    read = number(value)
    return None if read is None else min(high, max(low, read))


def money(value: Any, name: str) -> Decimal:
    """An exact decimal from a vendor's text or number. Raises :class:`Unreadable`."""
    read = optional_money(value, name)
    if read is None:
        raise Unreadable(f"{name} is missing")
    return read


def optional_money(value: Any, name: str) -> Decimal | None:
    """:func:`money`, or ``None`` for null and the empty text. Raises :class:`Unreadable` for anything unreadable."""
    if value is None or value == "":
        return None
    try:
        read = Decimal(str(value))
    except InvalidOperation:
        raise Unreadable(f"{name} is not a number: {value!r:.60}") from None
    if not read.is_finite():
        raise Unreadable(f"{name} is not finite: {value!r:.60}")
    return read


def tickers(values: Iterable[Any]) -> tuple[str, ...]:
    """US stock symbols among ``values``, upper case, each once, in order. Crypto and currency codes are left out."""
    read: dict[str, None] = {}
    for value in values:
        if isinstance(value, str):
            symbol = value.strip().upper().replace("-", ".")
            if _TICKER.match(symbol):
                read[symbol] = None
    return tuple(read)
