"""The exchange's habits, the switches for what the vendor's documents leave open, as parameters of a control.

Belongs here: reading and checking a change. Does not belong here: the switches themselves (``venue.habits``, whose fields, defaults
and explanations are used as they stand there).
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Mapping
from dataclasses import asdict, fields, replace
from functools import cache
from typing import Any

from catalyst_assets.simulator.faults.table import Parameter
from catalyst_assets.simulator.venue.habits import ORPHANED_LEGS, QUEUES, WASH_TRADE_ANSWERS, Habits

_TYPES = {bool: "boolean", float: "number", str: "text"}
_CHOICES = {"orphaned_legs": ORPHANED_LEGS, "wash_trade_answer": WASH_TRADE_ANSWERS, "queue": QUEUES}


@cache
def habit_parameters() -> Mapping[str, Parameter]:
    """Every switch by name, explained by the text below its field."""
    usual, meanings = Habits(), _meanings()
    found = {}
    for switch in fields(Habits):
        default = getattr(usual, switch.name)
        kind = _TYPES[type(default)]
        low, high = (0, 1) if kind == "number" else (None, None)
        meaning, choices = meanings[switch.name], _CHOICES.get(switch.name, ())
        found[switch.name] = Parameter(switch.name, kind, default, meaning, low, high, choices)
    return found


def _meanings() -> dict[str, str]:
    """The text below each field of the class, on one line."""
    body = ast.parse(inspect.getsource(Habits)).body[0]
    assert isinstance(body, ast.ClassDef)
    found: dict[str, str] = {}
    for field, text in zip(body.body, body.body[1:], strict=False):
        if not (isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)):
            continue
        told = isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant)
        found[field.target.id] = " ".join(str(text.value.value).split()) if told else ""  # type: ignore[attr-defined]
    return found


def changed(habits: Habits, body: Mapping[str, Any]) -> Habits:
    """``habits`` with the switches of ``body``. Raises ``ValueError`` with one sentence."""
    known = habit_parameters()
    unknown = sorted(str(name) for name in body if name not in known)
    if unknown:
        raise ValueError(f"unknown habits: {', '.join(unknown):.200}; known: {', '.join(known)}")
    return replace(habits, **{name: known[name].check(value) for name, value in body.items()})


def told(habits: Habits) -> dict[str, Any]:
    """Every switch and how it stands."""
    return asdict(habits)
