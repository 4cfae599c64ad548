"""The sieve holds no pattern back that matches: reading with it and without it is the same."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalyst_assets.trading import catalyst_rules as table
from catalyst_assets.trading import headlines
from catalyst_assets.trading.sieve import Sieve, needs

PATTERNS = [
    *(rule.pattern for rule in table.RULES), *(pattern for _, pattern in table.NOISE),
    *(row.pattern for row in table.MODIFIERS), table.FIGURES, table.BREAKING,
]  # fmt: skip
COMPILED = [re.compile(pattern) for pattern in PATTERNS]
SIEVE = Sieve(PATTERNS)
LITERALS = sorted({literal for pattern in PATTERNS for need in needs(pattern) for choice in need for literal in choice})


@pytest.mark.parametrize(
    ("pattern", "needed"),
    [
        (r"\bprofit warning\b", [["profit warning"]]),
        (r"\bbeats?\b.{0,9}\bviews\b", [["beat", "views"]]),
        (r"\bprofits? up\b|\bloss\b", [["profit", " up"], ["loss"]]),
        (r"\b(?:wins|lands)\b.{0,50}(?:order|deal)", [["lands/wins", "deal/order"]]),
        (r"(?:abc|\d+)xyz", [["xyz"]]),  # a branch that needs nothing takes the whole choice out
        (r"(?:abc)?xyz", [["xyz"]]),
        (r"(?:abc)+xyz", [["abc", "xyz"]]),
        (r"(?!abc)xyz(?=def)", [["xyz"]]),
        (r"(?i)abc", [[]]),
        (r"(?i:abc)xyz", [["xyz"]]),
        (r"\?\s*$", [[]]),
        (r"[ab]c", [[]]),
    ],
)
def test_a_pattern_needs_the_letters_it_cannot_match_without(pattern: str, needed: list[list[str]]) -> None:
    assert [["/".join(sorted(choice)) for choice in need] for need in needs(pattern)] == needed


def test_most_patterns_of_the_table_need_something() -> None:
    assert sum(() in needs(pattern) for pattern in PATTERNS) <= 2
    assert len(SIEVE.possible("acme opens a plant")) < len(PATTERNS) / 10


@given(
    st.lists(st.sampled_from([*LITERALS, "acme", "q3", "$1.20", "5%", "the", "1-for-10", "?"]), max_size=12),
    st.sampled_from(["", " ", "s ", "ed "]),
)
def test_what_matches_is_possible(words: list[str], between: str) -> None:
    text = between.join(words)
    matching = {pattern.pattern for pattern in COMPILED if pattern.search(text)}
    assert matching <= SIEVE.possible(text)


class _Everything(Sieve):
    """A sieve that lets everything through: the plain reading."""

    def possible(self, text: str) -> frozenset[str]:
        return frozenset(PATTERNS)


def _plain(headline: str, summary: str, source: str) -> headlines.Reading:
    with patch.object(headlines, "_sieve", lambda: _Everything(())):
        return headlines.read.__wrapped__(headline, summary, source)


def _texts(shared: Path) -> Iterator[tuple[str, str, str]]:
    news = pd.read_parquet(shared / "news" / "finnhub_2025.parquet").iloc[::6]
    for row in news.itertuples():
        yield row.headline, row.summary or "", "Seeking Alpha"
    for title in pd.read_csv(shared / "labelled" / "SEntFiN.csv")["Title"].iloc[::12]:
        yield title, "", ""


def test_recorded_articles_read_the_same_with_and_without_the_sieve(shared_data: Path) -> None:
    texts = list(_texts(shared_data))
    assert len(texts) > 1500
    assert [text for text in texts if headlines.read(*text) != _plain(*text)] == []
