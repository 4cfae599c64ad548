"""Faults of single fields: left out, null, of another type, of an unknown value, or new.

Belongs here: what each does to the objects of an answer. Does not belong here: where objects stand (``shapes``), faults that
know about markets (``markets``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from catalyst_assets.simulator.faults.request import Asked
from catalyst_assets.simulator.faults.rules import Rule
from catalyst_assets.simulator.faults.shapes import Row, Shape, names_symbol, shaped

Chosen = tuple[Shape, Row, str]


def chosen(
    body: Any, rule: Rule, asked: Asked, names: frozenset[str] = frozenset(), rows: int | None = None
) -> list[Chosen]:
    """The objects the rule touches: of its symbol, the first ``rows`` of them (its parameter; 0 = all)."""
    found = [item for item in shaped(asked, body, names) if names_symbol(item[1], item[2], rule.symbol)]
    count = rule["rows"] if rows is None else rows
    return found[:count] if count else found


Default = Callable[[Shape, Row], tuple[str, ...]]
Change = Callable[[Row, str, Rule], None]


def _each_field(default: Default, change: Change) -> Callable[[Any, Rule, Asked], list[str]]:
    """A fault that does ``change`` to the rule's fields, or to ``default`` ones, of every object it touches."""

    def spoil(body: Any, rule: Rule, asked: Asked) -> list[str]:
        did = []
        for shape, row, key in chosen(body, rule, asked):
            present = [name for name in (rule["fields"] or default(shape, row)) if name in row]
            for name in present:
                change(row, name, rule)
            if present:
                did.append(f"{shape.name} {_label(row, key)}: {', '.join(present)}".replace(" :", ":"))
        return did

    return spoil


def _label(row: Row, key: str) -> str:
    named = key or row.get("symbol") or row.get("ticker") or row.get("id") or ""
    return str(named) if isinstance(named, str | int) else ""


def _optional(shape: Shape, _: Row) -> tuple[str, ...]:
    return shape.optional


def _enumerated(shape: Shape, _: Row) -> tuple[str, ...]:
    return shape.enums


def _first_required(shape: Shape, row: Row) -> tuple[str, ...]:
    return tuple(name for name in shape.required if name in row)[:1]


def _leave_out(row: Row, name: str, _: Rule) -> None:
    del row[name]


def _null(row: Row, name: str, _: Rule) -> None:
    row[name] = None


def _other_type(row: Row, name: str, _: Rule) -> None:
    row[name] = "not an object" if isinstance(row[name], dict | list) else {"value": row[name]}


def _unheard_of(row: Row, name: str, rule: Rule) -> None:
    row[name] = rule["value"]


def add_fields(body: Any, rule: Rule, asked: Asked) -> list[str]:
    """``new_fields``: one scalar and one nested object in every object."""
    touched = chosen(body, rule, asked)
    for _, row, _ in touched:
        row["x_simulated_number"] = 1
        row["x_simulated_object"] = {"list": [None, "text"], "symbol": "ZZZZ"}
    return [f"{len(touched)} objects with two new fields"] if touched else []


SPOILERS: Mapping[str, Callable[[Any, Rule, Asked], list[str]]] = {
    "missing_optional": _each_field(_optional, _leave_out),
    "missing_required": _each_field(_first_required, _leave_out),
    "nulls": _each_field(_first_required, _null),
    "wrong_types": _each_field(_first_required, _other_type),
    "unknown_enum": _each_field(_enumerated, _unheard_of),
    "new_fields": add_fields,
}
"""Fault → what it does to a parsed answer, in place; the sentences of what was done, none when there was nothing to do."""
