"""What headlines say: normal form, types, directions, negation, noise. All headlines are invented."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalyst_assets.trading import catalyst_rules as table
from catalyst_assets.trading.headlines import clause_of, normalise, read


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("Zenvora&#39;s profit &amp;amp; sales  rise ", "zenvora's profit & sales rise"),
        ("Zenvora\u2019s \u201cbig\u201d deal \u2013 at last", 'zenvora\'s "big" deal - at last'),
        ("Zenvora wins order - Reuters", "zenvora wins order"),
        ("Zenvora wins order | Yahoo Finance", "zenvora wins order"),
        ("Zenvora wins order - Bloomberg News - Reuters", "zenvora wins order"),
        ("<b>Zenvora</b> wins", "zenvora wins"),
        ("Zenvora wins, WSJ reports", "zenvora wins, wsj reports"),
        ("Well-known - unknown outlet", "well-known - unknown outlet"),
    ],
)
def test_normal_form_removes_what_is_not_the_text(text: str, plain: str) -> None:
    assert normalise(text) == plain


@given(st.text(max_size=120))
@settings(max_examples=50)
def test_normal_form_is_a_fixed_point_without_entities(text: str) -> None:
    once = normalise(text.replace("&", " ").replace("<", " "))
    assert normalise(once) == once


CASES = [
    # headline, type, sign
    ("Zenvora under criminal probe for possible insurance fraud, newspaper reports", "legal_regulatory", -1),
    ("Justice Department drops antitrust case against Zenvora", "legal_regulatory", 1),
    ("Zenvora wins dismissal of patent lawsuit", "legal_regulatory", 1),
    ("Zenvora sued over data practices", "legal_regulatory", -1),
    ("Zenvora beats quarterly estimates as cloud demand holds", "earnings", 1),
    ("Zenvora misses third-quarter revenue estimates", "earnings", -1),
    ("Zenvora Q3 EPS $1.31 vs. $1.10 expected", "earnings", 1),
    ("Zenvora Q3 EPS $0.91 vs. $1.10 expected", "earnings", -1),
    ("Zenvora's loss narrows in second quarter", "earnings", 1),
    ("Zenvora raises full-year guidance", "guidance", 1),
    ("Zenvora cuts annual profit forecast, citing tariffs", "guidance", -1),
    ("Zenvora beats estimates but cuts full-year outlook", "guidance", -1),
    ("FDA approves Quartix drug for migraine", "fda_clinical", 1),
    ("Quartix receives complete response letter from FDA", "fda_clinical", -1),
    ("Quartix drug meets main goal in late-stage trial", "fda_clinical", 1),
    ("Quartix drug fails to meet main goal in late-stage trial", "fda_clinical", -1),
    ("FDA places clinical hold on Quartix study", "fda_clinical", -1),
    ("Brellan prices $200 million public offering of common stock", "offering_dilution", -1),
    ("Brellan to sell convertible notes", "offering_dilution", -1),
    ("Castellan Securities upgrades Brellan to buy", "analyst_rating", 1),
    ("Brellan downgraded to sell at Castellan Securities", "analyst_rating", -1),
    ("Castellan lifts Brellan price target to $90 from $75", "analyst_rating", 1),
    ("Brellan wins $400 million army contract", "contract_partnership", 1),
    ("Brellan loses supply contract with largest customer", "contract_partnership", -1),
    ("Brellan recalls 40,000 cars over brake defect", "product", -1),
    ("Brellan CEO resigns abruptly", "management", -1),
    ("Brellan announces $2 billion share buyback", "buyback_dividend", 1),
    ("Brellan suspends dividend", "buyback_dividend", -1),
    ("Brellan announces 1-for-20 reverse stock split", "split", -1),
    ("Brellan board approves 4-for-1 stock split", "split", 1),
    ("Brellan files for chapter 11 bankruptcy protection", "bankruptcy", -1),
    ("Brellan emerges from bankruptcy", "bankruptcy", 1),
    ("Short seller Grizzly alleges Brellan inflated sales", "short_report", -1),
    ("Brellan agrees to be acquired by rival in $9 billion deal", "merger_acquisition", 1),
    ("Harlow walks away from Brellan takeover talks", "merger_acquisition", -1),
]


@pytest.mark.parametrize(("headline", "kind", "sign"), CASES)
def test_headline_has_its_type_and_direction(headline: str, kind: str, sign: int) -> None:
    reading = read(headline)
    assert reading.noise is None
    assert reading.catalyst_type == kind, [rule.name for rule in reading.fired]
    assert reading.direction() * sign > 0.1, [(rule.name, rule.direction) for rule in reading.fired]


@pytest.mark.parametrize(
    ("headline", "noise"),
    [
        ("Should I buy Zenvora stock now that it has halved?", "question_buy"),
        ("Is Zenvora a buy after earnings?", "question_buy"),
        ("3 stocks to buy before the boom", "question_buy"),
        ("Pemberton Law Firm reminds investors with losses in Zenvora of class action deadline", "law_firm"),
        ("Hollis LLP announces investigation of Zenvora on behalf of shareholders", "law_firm"),
        ("If you invested $1000 in Zenvora ten years ago, this is what you would have", "hypothetical"),
        ("Zenvora Q2 2025 earnings call transcript", "transcript"),
        ("Larkspur Growth Fund Q1 2025 commentary", "fund_letter"),
        ("Dow's 200-point rally led by gains for Zenvora", "market_wrap"),
        ("Zenvora stock outperforms competitors on strong trading day", "zacks_template"),
        ("Zenvora earnings preview: what to expect", "preview"),
        ("Why Zenvora is down 30% this month", "explainer"),
        ("Widget market size to reach $9 billion by 2031, CAGR 7%", "market_research"),
    ],
)
def test_noise_says_nothing(headline: str, noise: str) -> None:
    reading = read(headline)
    assert reading.noise == noise
    assert (reading.catalyst_type, reading.direction()) == ("other", 0.0)


def test_outlets_own_form_of_opinion_is_noise_only_there() -> None:
    headline = "Zenvora: Robust Growth But Expensive"
    assert read(headline, "", "Seeking Alpha").noise == "opinion"
    assert read(headline, "", "Reuters").noise is None


@pytest.mark.parametrize(
    ("plain", "changed"),
    [
        ("Zenvora wins $90 million contract", "Zenvora denies report it wins $90 million contract"),
        ("Zenvora raises full-year guidance", "Zenvora did not raise full-year guidance"),
        ("Zenvora files for bankruptcy", "Zenvora has no plans to file for bankruptcy"),
    ],
)
def test_negation_and_denial_turn_the_direction(plain: str, changed: str) -> None:
    assert read(plain).direction() * read(changed).direction() <= 0


@pytest.mark.parametrize(
    ("plain", "weaker"),
    [
        ("Harlow offers to be acquired by Brellan", "Harlow reportedly in talks to be acquired by Brellan"),
        ("Zenvora beats estimates", "Zenvora beats estimates?"),
        ("Zenvora under criminal investigation", "Zenvora not been notified of supposed criminal investigation"),
    ],
)
def test_rumour_question_and_no_comment_weaken_but_keep_the_sign(plain: str, weaker: str) -> None:
    strong, weak = read(plain).direction(), read(weaker).direction()
    assert 0 < abs(weak) < abs(strong)
    assert strong * weak > 0


def test_price_words_alone_count_half() -> None:
    assert read("Zenvora shares soar").catalyst_type == "other"
    assert 0 < read("Zenvora shares soar").direction() <= table.TONE_ALONE


def test_company_gets_the_direction_of_its_own_clause() -> None:
    text = "Zenvora wins army contract; Brellan recalls cars"
    reading = read(text)
    zenvora, brellan = reading.text.index("zenvora"), reading.text.index("brellan")
    assert reading.direction((zenvora, zenvora + 7)) > 0 > reading.direction((brellan, brellan + 7))
    assert clause_of(reading.text, (brellan, brellan + 7))[0] > zenvora


def test_but_divides_only_a_headline_shared_by_companies() -> None:
    reading = read("Zenvora sees tariff hit but raises full-year guidance")
    assert reading.direction((0, 7)) > reading.direction((0, 7), shared=True)


def test_summary_names_the_type_only_when_the_headline_does_not() -> None:
    summary = "The company said it files for chapter 11 bankruptcy protection."
    assert read("Brellan statement", summary).catalyst_type == "bankruptcy"
    assert abs(read("Brellan statement", summary).direction()) <= 0.5
    assert read("Brellan wins army contract", summary).catalyst_type == "contract_partnership"


@given(st.lists(st.sampled_from(" ".join(case[0] for case in CASES).split()), max_size=14))
@settings(max_examples=50)
def test_direction_is_within_bounds_for_any_words(words: list[str]) -> None:
    reading = read(" ".join(words))
    assert -1 <= reading.direction() <= 1
    assert reading.catalyst_type in table.CATALYST_TYPES


def test_rule_table_is_consistent() -> None:
    names = [rule.name for rule in table.RULES]
    assert len(names) == len(set(names))
    assert {rule.kind for rule in table.RULES} <= {*table.CATALYST_TYPES, "tone"}
    assert all(-1 <= rule.direction <= 1 and rule.weight > 0 for rule in table.RULES)
    for rule in table.RULES:
        assert not re.compile(rule.pattern).search(""), rule.name
    known = set(names)
    assert set(table.VETOES) <= known
    assert set(table.OVERRIDES) <= known
    assert set().union(*table.OVERRIDES.values()) <= known
    assert set().union(*table.NOT_SILENCED.values()) <= known
    assert set(table.NOT_SILENCED) <= {name for name, _ in table.NOISE}
