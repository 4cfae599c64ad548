"""A scenario: a named list of faults in a file, so that a bad day can be played again.

Belongs here: reading TOML and JSON, and checking. Does not belong here: what a rule means (``rules``).

A file has ``name``, optionally ``description`` and ``seed``, and ``faults``, a list of rules. The scenarios that come with the
program stand in ``simulator/scenarios`` and are known by their file's name.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path
from typing import Any

from catalyst_assets.simulator.faults.armed import MOST_RULES, Faults
from catalyst_assets.simulator.faults.rules import Resolve, Rule, parse_rule

KEYS = ("name", "description", "seed", "faults")
SEED_LIMIT = 2**63


@dataclass(frozen=True, slots=True)
class Scenario:
    """A list of rules with a name. The same scenario and the same requests in the same order meet the same faults."""

    name: str
    description: str
    seed: int
    rules: tuple[Rule, ...]

    def play(self, faults: Faults) -> None:
        """Put the scenario's rules in place of all that are armed."""
        faults.arm_all(self.rules, self.seed)


def parse_scenario(body: Any, resolve: Resolve) -> Scenario:
    """A scenario from parsed JSON or TOML. Raises ``ValueError`` with one sentence naming the fault and what is wrong."""
    if not isinstance(body, Mapping):
        raise ValueError("a scenario is an object with the keys name and faults")
    unknown = sorted(str(key) for key in body if key not in KEYS)
    if unknown:
        raise ValueError(f"unknown keys: {', '.join(unknown)}; known: {', '.join(KEYS)}")
    name, listed, seed = body.get("name"), body.get("faults"), body.get("seed", 0)
    if not isinstance(name, str) or not name or len(name) > 60:
        raise ValueError("name must be a text of at most 60 characters")
    if not isinstance(listed, list) or len(listed) > MOST_RULES:
        raise ValueError(f"faults must be a list of at most {MOST_RULES} faults")
    if not isinstance(seed, int) or isinstance(seed, bool) or abs(seed) >= SEED_LIMIT:
        raise ValueError("seed must be a whole number of at most 63 bits")
    if not isinstance(body.get("description", ""), str):
        raise ValueError("description must be a text")
    rules: list[Rule] = []
    for place, item in enumerate(listed, start=1):
        try:
            rule = parse_rule(item, resolve)
        except ValueError as error:
            raise ValueError(f"fault {place}: {error}") from None
        rules.append(rule if rule.id else replace(rule, id=f"{name}:{place}"))
    if len({rule.id for rule in rules}) < len(rules):
        raise ValueError("two faults of a scenario have the same id")
    return Scenario(name, str(body.get("description", "")).strip(), seed, tuple(rules))


def read_scenario(source: str | Path, resolve: Resolve) -> Scenario:
    """A scenario from a file (``.toml`` or ``.json``) or of the shipped ones by name. Raises ``ValueError`` with one sentence."""
    path = Path(source)
    shipped = shipped_scenarios()
    if not path.suffix and str(source) in shipped:
        text, name = shipped[str(source)], f"{source}.toml"
    else:
        try:
            text, name = path.read_text(encoding="utf-8"), path.name
        except (OSError, UnicodeDecodeError) as error:
            known = ", ".join(shipped)
            reason = getattr(error, "strerror", None) or "it is not a text"
            raise ValueError(f"cannot read the scenario {source}: {reason}; shipped scenarios: {known}") from None
    try:
        body = tomllib.loads(text) if name.endswith(".toml") else json.loads(text)
    except ValueError as error:  # both libraries' errors are
        raise ValueError(
            f"the scenario {name} is not {'TOML' if name.endswith('.toml') else 'JSON'}: {error}"
        ) from None
    try:
        return parse_scenario(body, resolve)
    except ValueError as error:
        raise ValueError(f"the scenario {name}: {error}") from None


def shipped_scenarios() -> dict[str, str]:
    """The scenarios that come with the program: name → TOML text."""
    folder = files("catalyst_assets.simulator") / "scenarios"
    found = sorted((item for item in folder.iterdir() if item.name.endswith(".toml")), key=lambda item: item.name)
    return {item.name.removesuffix(".toml"): item.read_text(encoding="utf-8") for item in found}
