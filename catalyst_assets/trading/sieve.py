"""Which of many regular expressions can match a text at all, told from the words they cannot do without.

Belongs here: the literals a pattern needs, and looking them all up in one pass. Does not belong here: any pattern
(``catalyst_rules.py``), what a match means (``headlines.py``).

A headline is read by some 140 patterns, of which three or four match: searching with all of them was most of the cost of
reading an article. A match of ``\\b(?:wins?|won)\\b.{0,50}\\bcontracts?\\b`` has to contain "win" or "won", and "contract".
Such needs are derived from the pattern itself by Python's own parser of regular expressions, so they cannot fall behind the
table; where nothing can be derived, a pattern needs nothing and is always searched. The sieve may therefore let a pattern
through that does not match, and never holds one back that does.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from re import _constants as op  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any, Final

Need = tuple[frozenset[str], ...]
"""Sets of literals of each of which a match contains at least one; empty: nothing is known."""

_SHORTEST: Final = 2
"""Shorter literals are in nearly every headline."""
_KEY: Final = 3
"""Literals are looked up by their first letters."""


def needs(pattern: str) -> tuple[Need, ...]:
    """The alternatives of a pattern, each as what it needs: a match meets every set of at least one alternative."""
    parsed = parser.parse(pattern)
    if parsed.state.flags & re.IGNORECASE:
        return ((),)
    items = [item for item in parsed if item[0] not in _WITHOUT_WIDTH]
    while len(items) == 1 and items[0][0] is op.SUBPATTERN and not items[0][1][1]:
        items = [item for item in items[0][1][3] if item[0] not in _WITHOUT_WIDTH]
    if len(items) == 1 and items[0][0] is op.BRANCH:
        return tuple(_of_sequence(branch) for branch in items[0][1][1])
    return (_of_sequence(parsed),)


_WITHOUT_WIDTH: Final = (op.AT, op.ASSERT, op.ASSERT_NOT)


def _of_sequence(items: Iterable[Any]) -> Need:
    """What a sequence needs: its runs of letters, and what its parts need."""
    found: list[frozenset[str]] = []
    run = ""

    def end_of_run() -> None:
        nonlocal run
        if len(run) >= _SHORTEST:
            found.append(frozenset({run}))
        run = ""

    for kind, value in items:
        if kind is op.LITERAL:
            run += chr(value)
        elif kind not in _WITHOUT_WIDTH:  # those leave their neighbours side by side
            end_of_run()
            if kind is op.BRANCH:
                found.extend(_of_choice(value[1]))
            elif kind is op.SUBPATTERN and not value[1]:  # value[1]: flags changed inside, such as (?i:...)
                found.extend(_of_sequence(value[3]))
            elif kind is op.MAX_REPEAT and value[0] >= 1:
                found.extend(_of_sequence(value[2]))
    end_of_run()
    return tuple(found)


def _of_choice(branches: Iterable[Any]) -> Need:
    """One set for a choice in the middle of a pattern: of every branch its rarest need, taken to be the one whose shortest
    literal is longest."""
    literals: set[str] = set()
    for branch in branches:
        need = _of_sequence(branch)
        if not need:
            return ()
        literals |= max(need, key=lambda choice: min(map(len, choice)))
    return (frozenset(literals),)


class Sieve:
    """Looks the literals of many patterns up in a text at once."""

    def __init__(self, patterns: Iterable[str]) -> None:
        self._pattern: list[str] = []
        self._full: list[int] = []
        """By alternative: its pattern, and a bit for every set it needs."""
        uses: dict[str, list[tuple[int, int]]] = {}
        always: set[str] = set()
        for pattern in dict.fromkeys(patterns):
            for need in needs(pattern):
                if not need:
                    always.add(pattern)
                for place, choice in enumerate(need):
                    for literal in choice:
                        uses.setdefault(literal, []).append((len(self._pattern), 1 << place))
                self._pattern.append(pattern)
                self._full.append((1 << len(need)) - 1)
        self._always = frozenset(always)
        self._uses = {literal: tuple(where) for literal, where in uses.items()}
        self._short = tuple(literal for literal in uses if len(literal) < _KEY)
        self._by_key: dict[str, tuple[str, ...]] = {}
        for literal in uses:
            if len(literal) >= _KEY:
                self._by_key[literal[:_KEY]] = (*self._by_key.get(literal[:_KEY], ()), literal)
        self._keys = frozenset(self._by_key)

    def possible(self, text: str) -> frozenset[str]:
        """The patterns that may match ``text``; no other does."""
        met: dict[int, int] = {}
        keys = self._keys.intersection([text[place : place + _KEY] for place in range(len(text) - _KEY + 1)])
        literals = [literal for key in keys for literal in self._by_key[key] if literal in text]
        literals += [literal for literal in self._short if literal in text]
        for literal in literals:
            for alternative, bit in self._uses[literal]:
                met[alternative] = met.get(alternative, 0) | bit
        full, pattern = self._full, self._pattern
        return self._always.union([pattern[each] for each, bits in met.items() if bits == full[each]])
