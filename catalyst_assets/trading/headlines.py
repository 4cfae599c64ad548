"""Reading a headline: normal form, which rules fire, what kind of news it is and which way it points.

Belongs here: applying the rule table of ``catalyst_rules.py`` to text. Does not belong here: the table itself, which
company the text is about (``entities.py``) or how articles are scored (``catalyst_score.py``).
"""

from __future__ import annotations

import html
import math
import re
import unicodedata
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import chain
from typing import Final

from catalyst_assets.trading import catalyst_rules as table
from catalyst_assets.trading.sieve import Sieve
from catalyst_assets.trading.source_tiers import outlet_names

SUMMARY_CHARACTERS: Final = 240
"""How much of a summary is read when the headline says nothing: the lead, before other companies are mentioned."""
SUMMARY_WEIGHT: Final = 1.4
"""A rule must be at least this sure to name the type from a summary."""
SUMMARY_TRUST: Final = 0.5
"""Directions found only in a summary count half: summaries speak of several things."""

_TRANSLATE: Final = str.maketrans(
    {
        "\u2018": "'", "\u2019": "'", "\u201a": "'", "\u201b": "'", "\u2032": "'", "\u00b4": "'", "`": "'",
        "\u201c": '"', "\u201d": '"', "\u201e": '"', "\u2033": '"',
        "\u2010": "-", "\u2011": "-", "\u2012": "-", "\u2013": "-", "\u2014": "-", "\u2015": "-", "\u2212": "-",
        "\u00ae": " ", "\u2122": " ", "\u00a9": " ", "\u200b": "", "\u200d": "", "\ufeff": "",
    }
)  # fmt: skip
_TAG = re.compile(r"<[^<>]{1,200}>")
_SUFFIX = re.compile(
    r"\s+(?:-{1,2}|\||~|::)\s+(?:" + "|".join(sorted(map(re.escape, outlet_names()), key=len, reverse=True)) + r")\s*$"
)
_SPLIT = re.compile(r"; | while | whereas ")
_SPLIT_SHARED = re.compile(r"; | while | whereas | but |, ")

_Pattern = re.Pattern[str]


def normalise(text: str) -> str:
    """Lower case, HTML entities and tags resolved, unicode compatibility forms and quotes made plain, white space
    single, trailing outlet names (" - Reuters") removed. The normal form identifies an article and is what the rules
    read."""
    for _ in range(2):  # vendors escape twice ("&amp;amp;")
        if "&" not in text:
            break
        text = html.unescape(text)
    if "<" in text:
        text = _TAG.sub(" ", text)
    if not text.isascii():
        # Quotes and dashes first: NFKC would split some of them into a space and a combining mark.
        text = unicodedata.normalize("NFKC", text.translate(_TRANSLATE))
    text = " ".join(text.casefold().split())
    if " - " in text or "|" in text or "--" in text or "~" in text or "::" in text:
        while True:
            shorter = _SUFFIX.sub("", text)
            if shorter == text or not shorter:
                break
            text = shorter
    return text


@dataclass(frozen=True, slots=True)
class Fired:
    """A rule that matched: where in the normalised text, and its direction after a negation."""

    name: str
    kind: str
    direction: float
    weight: float
    start: int
    end: int
    negated: bool


@dataclass(frozen=True, slots=True)
class Reading:
    """What a headline says by itself, before it is known whom it is about."""

    text: str
    """The normalised headline."""
    catalyst_type: str
    fired: tuple[Fired, ...]
    modifiers: tuple[tuple[str, float], ...]
    noise: str | None
    breaking: bool
    origin: str
    """``headline``, ``summary`` or ``none``: where the type comes from."""
    weight: float
    """How surely the words mean the type: the largest rule weight, 0 when none fired."""

    def direction(self, span: tuple[int, int] | None = None, *, shared: bool = False) -> float:
        """−1 ... 1 for the whole headline, or for the clause around ``span`` (start, end of a company's name) when
        the headline has several clauses and that clause says something of its own."""
        if self.noise is not None:
            return 0.0
        rules = self.fired
        if span is not None and self.origin == "headline":
            bounds = clause_of(self.text, span, shared=shared)
            inside = tuple(rule for rule in rules if bounds[0] <= rule.start < bounds[1] and rule.direction != 0.0)
            if inside:
                rules = inside
        pointing = [rule for rule in rules if rule.direction != 0.0]
        if not pointing:
            return 0.0
        total = sum(rule.weight for rule in pointing)
        value = sum(rule.weight * rule.direction for rule in pointing) / total
        if all(rule.kind == "tone" for rule in pointing):
            value *= table.TONE_ALONE
        for _, factor in self.modifiers:
            value *= factor
        if self.origin == "summary":
            value *= SUMMARY_TRUST
        return max(-1.0, min(1.0, value))


@lru_cache(maxsize=1)
def _rules() -> tuple[tuple[table.Rule, _Pattern], ...]:
    return tuple((rule, re.compile(rule.pattern)) for rule in table.RULES)


@lru_cache(maxsize=1)
def _noise() -> tuple[tuple[str, _Pattern], ...]:
    return tuple((name, re.compile(pattern)) for name, pattern in table.NOISE)


@lru_cache(maxsize=1)
def _source_noise() -> tuple[tuple[str, str, _Pattern], ...]:
    return tuple((source, name, re.compile(pattern)) for source, name, pattern in table.SOURCE_NOISE)


@lru_cache(maxsize=1)
def _vetoes() -> dict[str, _Pattern]:
    return {name: re.compile(pattern) for name, pattern in table.VETOES.items()}


@lru_cache(maxsize=1)
def _modifiers() -> tuple[tuple[table.Modifier, _Pattern], ...]:
    return tuple((row, re.compile(row.pattern)) for row in table.MODIFIERS)


@lru_cache(maxsize=1)
def _sieve() -> Sieve:
    """Of the patterns that every text is read with; the others are asked for only after one of these."""
    return Sieve(
        [
            *(rule.pattern for rule in table.RULES),
            *(pattern for _, pattern in table.NOISE),
            *(row.pattern for row in table.MODIFIERS),
            table.FIGURES,
            table.BREAKING,
        ]
    )


_NEGATION: Final = re.compile(table.NEGATION)
_NOT_NEGATION: Final = re.compile(table.NOT_NEGATION)
_FIGURES: Final = re.compile(table.FIGURES)
_BREAKING: Final = re.compile(table.BREAKING)


def clause_of(text: str, span: tuple[int, int], *, shared: bool = False) -> tuple[int, int]:
    """Start and end of the clause of ``text`` that contains ``span``. In a headline ``shared`` by several companies commas and "but"
    divide too; else what follows them speaks of the same company."""
    start, end = 0, len(text)
    for cut in (_SPLIT_SHARED if shared else _SPLIT).finditer(text):
        if cut.end() <= span[0]:
            start = cut.end()
        elif cut.start() >= span[1]:
            end = cut.start()
            break
    return start, end


def _figures(text: str) -> list[Fired]:
    """The first figure compared with an expectation, as a rule of its own: direction by sign and size of the
    surprise."""
    match = _FIGURES.search(text)
    if match is None:
        return []
    actual = float(match[2]) * (-1 if match[1] else 1)
    expected = float(match[4]) * (-1 if match[3] else 1)
    surprise = (actual - expected) / max(abs(expected), 1e-9)
    direction = table.FIGURES_DIRECTION * math.tanh(0.8 * surprise / table.FIGURES_SCALE)
    return [Fired("figures", "earnings", direction, table.FIGURES_WEIGHT, match.start(), match.end(), False)]


def _fire(text: str, possible: frozenset[str]) -> tuple[Fired, ...]:
    """The rules that match, less those vetoed or overridden; ``possible`` are the patterns of :func:`_sieve` for the text."""
    found: list[Fired] = []
    vetoes = _vetoes()
    for rule, pattern in _rules():
        match = pattern.search(text) if rule.pattern in possible else None
        if match is None:
            continue
        veto = vetoes.get(rule.name)
        if veto is not None and veto.search(text):
            continue
        before = text[max(0, match.start() - 40) : match.start()]
        negated = rule.direction != 0 and bool(_NEGATION.search(before)) and not _NOT_NEGATION.search(before)
        direction = rule.direction * table.NEGATED if negated else rule.direction
        found.append(Fired(rule.name, rule.kind, direction, rule.weight, match.start(), match.end(), negated))
    if table.FIGURES in possible:
        found.extend(_figures(text))
    beaten = frozenset[str]().union(*(table.OVERRIDES.get(rule.name, frozenset()) for rule in found))
    found = [rule for rule in found if rule.name not in beaten]
    # Tone words inside the match of a typed rule ("profit falls short") must not be counted twice.
    typed = [rule for rule in found if rule.kind != "tone"]
    return tuple(
        rule
        for rule in found
        if rule.kind != "tone" or not any(other.start <= rule.start < other.end for other in typed if other.direction)
    )


def _type_of(fired: tuple[Fired, ...]) -> tuple[str, float]:
    best: dict[str, float] = {}
    for rule in fired:
        if rule.kind != "tone":
            best[rule.kind] = max(best.get(rule.kind, 0.0), rule.weight)
    if not best:
        return "other", 0.0
    order = {kind: position for position, kind in enumerate(table.CATALYST_TYPES)}
    kind = min(best, key=lambda name: (-best[name], order[name]))
    return kind, best[kind]


def _noise_class(text: str, source: str, fired: frozenset[str] | None, possible: frozenset[str]) -> str | None:
    """The first noise class of a headline that no fired rule may break; ``fired=None``: the first there is."""
    found = chain(
        ((name, pattern) for name, pattern in _noise() if pattern.pattern in possible),
        ((name, pattern) for outlet, name, pattern in _source_noise() if outlet == source),
    )
    for name, pattern in found:
        if pattern.search(text) and (fired is None or not fired & table.NOT_SILENCED.get(name, frozenset())):
            return name
    return None


@lru_cache(maxsize=50_000)
def read(headline: str, summary: str = "", source: str = "") -> Reading:
    """Read a headline (raw or normalised), and the lead of its summary when the headline itself names no catalyst.

    ``source`` is the outlet's name as :func:`source_tiers.outlet` gives it; some outlets mark their opinion pieces by
    form.
    """
    text = normalise(headline)
    possible = _sieve().possible(text)
    noise = _noise_class(text, source, None, possible)
    if noise is not None and noise not in table.NOT_SILENCED:
        return Reading(text, "other", (), (), noise, False, "headline", 0.0)
    fired = _fire(text, possible)
    kind, weight = _type_of(fired)
    origin = "headline" if kind != "other" else "none"
    if noise is not None:
        noise = _noise_class(text, source, frozenset(rule.name for rule in fired), possible)
    if noise is not None:
        kind, origin, weight = "other", "headline", 0.0
    elif kind in ("other", "macro_sector") and summary:
        lead = normalise(summary)[:SUMMARY_CHARACTERS]
        lead_possible = _sieve().possible(lead)
        # A summary may only name the type and, at half trust, the direction; noise classes apply to it as well.
        if lead != text and not any(
            pattern.search(lead)
            for name, pattern in _noise()
            if name in ("law_firm", "fund_letter") and pattern.pattern in lead_possible
        ):
            lead_fired = tuple(rule for rule in _fire(lead, lead_possible) if rule.weight >= SUMMARY_WEIGHT)
            lead_kind, lead_weight = _type_of(lead_fired)
            if lead_kind != "other" and kind == "other":
                kind, weight, origin = lead_kind, lead_weight, "summary"
                fired = fired + lead_fired if any(rule.direction for rule in fired) else lead_fired
    modifiers = tuple(
        (row.name, row.factor)
        for row, pattern in _modifiers()
        if row.pattern in possible
        and (not row.kinds or kind in row.kinds or (kind == "other" and "tone" in row.kinds))
        and pattern.search(text)
    )
    if any(factor < 0 for _, factor in modifiers):
        # A denial turns the whole headline; a negated rule must not be turned a second time.
        fired = tuple(
            replace(rule, direction=rule.direction / table.NEGATED, negated=False) if rule.negated else rule
            for rule in fired
        )
    return Reading(
        text=text,
        catalyst_type=kind,
        fired=fired,
        modifiers=modifiers,
        noise=noise,
        breaking=table.BREAKING in possible and _BREAKING.search(text) is not None,
        origin=origin,
        weight=weight,
    )
