"""Faults that know what they talk about: quotes, volumes, articles and time stamps that are well formed and wrong.

Belongs here: what each does to a parsed answer. Does not belong here: faults of single fields (``spoiling``).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from catalyst_assets.simulator.faults.armed import Armed
from catalyst_assets.simulator.faults.request import Asked
from catalyst_assets.simulator.faults.shapes import names_symbol, shaped
from catalyst_assets.simulator.faults.spoiling import SPOILERS, chosen

QUOTES, BARS, ARTICLES = frozenset({"quote"}), frozenset({"bar"}), frozenset({"article"})


@dataclass(frozen=True, slots=True)
class Market:
    """What faults may know of the market: its instant, and a quote as it was (``t``, ``bp``, ``ap``)."""

    now: datetime
    quote_at: Callable[[str, datetime], Mapping[str, Any] | None]


Spoiler = Callable[[Any, Armed, Asked, Market], list[str]]

# ------------------------------------------------------------------------------------------------------------------- times

_INSTANT = re.compile(r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})$")
_COMPACT = re.compile(r"^\d{8}T\d{4,6}$")
_UNIX_KEYS = frozenset({"datetime", "t", "timestamp", "regularMarketTime", "start", "end"})
_UNIX = range(10**9, 4 * 10**9)


def shifted(value: Any, by: timedelta) -> Any:
    """A time stamp as the vendors write them (RFC 3339, ``20261120T150000``, unix seconds), moved; None when it is none."""
    if isinstance(value, str) and (match := _INSTANT.match(value)):
        base = value[:19]
        moved = datetime.fromisoformat(base).replace(tzinfo=UTC) + by
        rest = value[19:]
        return f"{moved:%Y-%m-%dT%H:%M:%S}{rest}" if match else value
    if isinstance(value, str) and _COMPACT.match(value):
        form = "%Y%m%dT%H%M%S" if len(value) == 15 else "%Y%m%dT%H%M"
        return f"{datetime.strptime(value, form).replace(tzinfo=UTC) + by:{form}}"
    if isinstance(value, int) and not isinstance(value, bool) and value in _UNIX:
        return value + int(by.total_seconds())
    return None


def read_stamp(value: Any) -> datetime | None:
    """A vendor's time stamp as an instant, None when it is none."""
    if isinstance(value, str) and _INSTANT.match(value):
        return datetime.fromisoformat(value)
    if isinstance(value, str) and _COMPACT.match(value):
        return datetime.strptime(value, "%Y%m%dT%H%M%S" if len(value) == 15 else "%Y%m%dT%H%M").replace(tzinfo=UTC)
    if isinstance(value, int) and not isinstance(value, bool) and value in _UNIX:
        return datetime.fromtimestamp(value, UTC)
    return None


def _skew(body: Any, armed: Armed, asked: Asked, market: Market) -> list[str]:
    seconds = armed.rule["seconds"]
    count = _shift_all(body, timedelta(seconds=seconds))
    return [f"{count} time stamps and the Date header {seconds:+g} s"]


def _shift_all(value: Any, by: timedelta, key: str = "") -> int:
    """Move every time stamp below ``value`` in place; numbers only under keys that are known to hold unix seconds."""
    count = 0
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, item in list(items):
        own = str(name) if isinstance(value, dict) else key
        if isinstance(item, dict | list):
            count += _shift_all(item, by, own)
        elif isinstance(item, str) or own in _UNIX_KEYS:
            moved = shifted(item, by)
            if moved is not None:
                value[name] = moved
                count += 1
    return count


# ------------------------------------------------------------------------------------------------------------------ quotes


def _zero(body: Any, armed: Armed, asked: Asked, market: Market) -> list[str]:
    side = armed.rule["side"]
    keys = {"both": ("bp", "bs", "ap", "as"), "bid": ("bp", "bs"), "ask": ("ap", "as")}[side]
    did = []
    for _, row, key in chosen(body, armed.rule, asked, QUOTES, rows=0):
        row |= dict.fromkeys(keys, 0)
        did.append(f"{key} {side}")
    return did


def _cross(body: Any, armed: Armed, asked: Asked, market: Market) -> list[str]:
    did = []
    for _, row, key in chosen(body, armed.rule, asked, QUOTES, rows=0):
        if row.get("ap"):
            row["bp"] = round(row["ap"] + armed.rule["by"], 4)
            did.append(f"{key} bid {row['bp']} ask {row['ap']}")
    return did


def _freeze(body: Any, armed: Armed, asked: Asked, market: Market) -> list[str]:
    at = armed.rule["at"] or armed.rule.since or armed.memory.setdefault("at", market.now)
    did = []
    for _, row, key in chosen(body, armed.rule, asked, QUOTES, rows=0):
        old = market.quote_at(key, at)
        if old is not None:
            row |= old
            did.append(f"{key} of {old['t']}")
    return did


def _mix_feeds(body: Any, armed: Armed, asked: Asked, market: Market) -> list[str]:
    if asked.query.get("feed") != "iex":
        return []
    touched = chosen(body, armed.rule, asked, BARS, rows=0)
    for _, row, _ in touched:
        for name in ("v", "n"):
            if isinstance(row.get(name), int | float):
                row[name] = int(row[name] * armed.rule["factor"])
    return [f"{len(touched)} bars with {armed.rule['factor']:g} times their volume"] if touched else []


# ---------------------------------------------------------------------------------------------------------------- articles


def _filter_articles(body: Any, keep: Callable[[dict[str, Any]], list[dict[str, Any]]]) -> None:
    """Replace every list item below ``body`` that is an object by what ``keep`` makes of it (identity decides whose turn it is)."""
    items = list(body.values()) if isinstance(body, dict) else body if isinstance(body, list) else []
    if isinstance(body, list):
        body[:] = [new for item in items for new in (keep(item) if isinstance(item, dict) else [item])]
    for item in items:
        if isinstance(item, dict | list):
            _filter_articles(item, keep)


def _hold_back(body: Any, armed: Armed, asked: Asked, market: Market) -> list[str]:
    limit = market.now - timedelta(seconds=armed.rule["seconds"])
    late: dict[int, str] = {}
    for shape, row, key in shaped(asked, body, ARTICLES):
        published = read_stamp(row.get(shape.times[0]))
        if published is not None and published > limit and names_symbol(row, key, armed.rule.symbol):
            late[id(row)] = str(row.get(shape.identity[0]))
    if not late:
        return []
    # Yahoo wraps its articles: the item to leave out is the one around the article.
    _filter_articles(body, lambda item: [] if id(item) in late or id(item.get("content")) in late else [item])
    return [f"held back: {', '.join(late.values())}"]


def _postdate(body: Any, armed: Armed, asked: Asked, market: Market) -> list[str]:
    did = []
    for shape, row, _ in chosen(body, armed.rule, asked, ARTICLES):
        for name in shape.times:
            moved = shifted(row.get(name), timedelta(seconds=armed.rule["seconds"]))
            if moved is not None:
                row[name] = moved
        did.append(f"{row.get(shape.identity[0])} dated {row.get(shape.times[0])}")
    return did


def _double(body: Any, armed: Armed, asked: Asked, market: Market) -> list[str]:
    twins: dict[int, tuple[str, ...]] = {}
    did = []
    for shape, row, _ in chosen(body, armed.rule, asked, ARTICLES):
        twins[id(row)] = shape.identity
        did.append(str(row.get(shape.identity[0])))
    renamed = armed.rule["new_identity"]

    def twice(item: dict[str, Any]) -> list[dict[str, Any]]:
        inner = item if id(item) in twins else item.get("content")
        if not isinstance(inner, dict) or id(inner) not in twins:
            return [item]
        copy = deepcopy(item)
        if renamed:
            target = copy if inner is item else copy["content"]
            for name in twins[id(inner)]:
                if name in target:
                    target[name] = target[name] + 10**9 if isinstance(target[name], int) else f"{target[name]}-again"
        return [item, copy]

    if did:
        _filter_articles(body, twice)
    return [f"twice: {', '.join(did)}"] if did else []


def _plain(name: str) -> Spoiler:
    return lambda body, armed, asked, market: SPOILERS[name](body, armed.rule, asked)


BODY_FAULTS: Mapping[str, Spoiler] = {
    **{name: _plain(name) for name in SPOILERS},
    "clock_skew": _skew,
    "stale_quotes": _freeze,
    "zero_quotes": _zero,
    "crossed_quotes": _cross,
    "feed_mix_up": _mix_feeds,
    "late_articles": _hold_back,
    "future_articles": _postdate,
    "duplicate_articles": _double,
}
"""Every fault of the body → what it does to a parsed answer, in place, and the words of what was done (none: nothing to do)."""
