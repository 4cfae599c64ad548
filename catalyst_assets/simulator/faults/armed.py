"""The faults a simulator is told to have, their counts, and the record of those that struck.

Belongs here: which rule strikes which request, deterministically. Does not belong here: what a fault does (``answers``,
``spoiling``, ``markets``, ``streams``).
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from catalyst_assets.simulator.faults.log import FaultLog, Injection
from catalyst_assets.simulator.faults.request import Asked
from catalyst_assets.simulator.faults.rules import Fault, Rule, rule_of
from catalyst_assets.simulator.faults.table import VENDORS, Phase

MOST_RULES = 1_000


@dataclass(slots=True)
class Armed:
    """A rule with its counts. ``memory`` is what its fault keeps between two strikes."""

    rule: Rule
    seen: int = 0
    """Requests it could have struck."""
    struck: int = 0
    memory: dict[str, Any] = field(default_factory=dict)

    @property
    def spent(self) -> bool:
        """True when it has struck as often as it may."""
        return self.rule.times is not None and self.struck >= self.rule.times


class Faults:
    """All armed rules, in the order they were armed. Thread-safe.

    Chance is drawn from ``seed``, the rule's id and the number of the matching request, so the same requests in the same order
    meet the same faults in every run.
    """

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed
        self.log = FaultLog()
        self._lock = threading.Lock()
        self._armed: dict[str, Armed] = {}
        self._named = 0
        self._requests = 0

    # ---------------------------------------------------------------------------------------------------------- arming

    def arm(self, rule: Rule) -> Rule:
        """Arm ``rule``; one with the same id is replaced. The rule with its id. Raises ``ValueError`` when there are too many."""
        with self._lock:
            return self._arm(rule)

    def arm_all(self, rules: Iterable[Rule], seed: int | None = None) -> list[Rule]:
        """Arm several rules in place of all there are. Raises ``ValueError`` when there are too many."""
        listed = list(rules)
        if len(listed) > MOST_RULES:
            raise ValueError(f"at most {MOST_RULES} faults at a time")
        with self._lock:
            self._clear()
            self.seed = self.seed if seed is None else seed
            return [self._arm(rule) for rule in listed]

    def _arm(self, rule: Rule) -> Rule:
        if not rule.id:
            self._named += 1
            while (identity := f"fault-{self._named}") in self._armed:
                self._named += 1
            rule = replace(rule, id=identity)
        if rule.id not in self._armed and len(self._armed) >= MOST_RULES:
            raise ValueError(f"at most {MOST_RULES} faults at a time")
        self._armed.pop(rule.id, None)
        self._armed[rule.id] = Armed(rule)
        return rule

    def set(self, vendor: str, fault: Fault) -> None:
        """The old form: a vendor's behaviour until changed. Raises ``ValueError`` naming what is allowed."""
        rule = rule_of(vendor, fault)
        with self._lock:
            self._armed.pop(f"vendor:{vendor}", None)
            if rule is not None:
                self._arm(rule)

    def all(self) -> dict[str, Fault]:
        """What is left of the old form, by vendor."""
        with self._lock:
            return {vendor: _old(self._armed.get(f"vendor:{vendor}")) for vendor in VENDORS}

    def disarm(self, identity: str) -> bool:
        """Take one rule away; False when there is none of that id."""
        with self._lock:
            return self._armed.pop(identity, None) is not None

    def clear(self) -> None:
        """Take all rules away. The log stays."""
        with self._lock:
            self._clear()

    def _clear(self) -> None:
        self._armed.clear()
        self._named = 0

    def armed(self) -> list[Armed]:
        """Every rule with its counts, as copies."""
        with self._lock:
            return [replace(armed, memory={}) for armed in self._armed.values()]

    # -------------------------------------------------------------------------------------------------------- striking

    def next_request(self) -> int:
        """The number of a request that came in, from 1."""
        with self._lock:
            self._requests += 1
            return self._requests

    def watches(self, vendor: str, phase: Phase | None = None) -> bool:
        """True when a rule (of ``phase``) may still strike ``vendor``."""
        with self._lock:
            return any(
                armed.rule.vendor == vendor and not armed.spent and phase in (None, armed.rule.kind.phase)
                for armed in self._armed.values()
            )

    def holds(self, identity: str) -> bool:
        """True while a rule of that id is armed, spent or not."""
        with self._lock:
            return identity in self._armed

    def candidates(self, phase: Phase, asked: Asked, now: datetime) -> list[Armed]:
        """Rules of ``phase`` that this request concerns, not counted yet (see :meth:`strikes`)."""
        with self._lock:
            return [
                armed
                for armed in self._armed.values()
                if armed.rule.kind.phase is phase and not armed.spent and armed.rule.concerns(asked, now)
            ]

    def strikes(self, armed: Armed) -> bool:
        """Count a matching request and say whether the rule strikes it."""
        with self._lock:
            if armed.spent:
                return False
            armed.seen += 1
            if armed.seen <= armed.rule.skip or not self._chance(armed):
                return False
            armed.struck += 1
            return True

    def due(self, phase: Phase, asked: Asked, now: datetime) -> Iterator[Armed]:
        """Rules of ``phase`` that strike this request; each is counted when it is yielded."""
        return (armed for armed in self.candidates(phase, asked, now) if self.strikes(armed))

    def _chance(self, armed: Armed) -> bool:
        if armed.rule.probability >= 1:
            return True
        drawn = hashlib.sha256(f"{self.seed}|{armed.rule.id}|{armed.seen}".encode()).digest()[:8]
        return int.from_bytes(drawn) / 2**64 < armed.rule.probability

    def record(self, armed: Armed, asked: Asked, now: datetime, did: str) -> Injection:
        """Write a strike into the log."""
        return self.log.write(armed.rule.id, armed.rule.fault, asked, now, did)


def _old(armed: Armed | None) -> Fault:
    if armed is None or armed.spent or armed.rule.mode is None:
        return Fault()
    left = None if armed.rule.times is None else armed.rule.times - armed.struck
    return Fault(armed.rule.mode, armed.rule["delay_s"], left)
