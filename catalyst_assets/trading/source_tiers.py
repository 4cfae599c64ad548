"""Outlets: their tier (1 best ... 5 unknown) and the many names vendors give them. A table, plus its look-up.

Belongs here: who counts as which outlet, and how much an outlet's name alone is worth. Does not belong here: how
reliable an outlet proved to be (``outcomes.py`` learns that) or what an article says (``articles.py``).

A text such as ", WSJ reports" credits another outlet but never changes the tier of the outlet that carries it: a
rewrite can be wrong about what it rewrites.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

UNKNOWN_TIER: Final = 5

OUTLETS: Final[tuple[tuple[int, str, tuple[str, ...]], ...]] = (
    # tier, name shown, other names (compared without case, spaces, dots and punctuation; a leading www. and a final
    # .com/.co.uk/.org/.net and the like are ignored)
    (1, "Bloomberg", ("bloomberg news", "bloomberg l.p.", "bloomberg markets", "bloomberg.com")),
    (1, "Reuters", ("thomson reuters", "reuters news", "reuters.com", "reuters uk")),
    (1, "Dow Jones", ("dowjones", "dow jones newswires", "dow jones newswire", "djn", "dj")),
    (1, "Associated Press", ("ap", "ap news", "the associated press", "apnews.com")),
    (
        1,
        "SEC",
        ("sec edgar", "edgar", "sec.gov", "u.s. securities and exchange commission", "sec filing", "sec filings"),
    ),
    (1, "FDA", ("fda.gov", "u.s. food and drug administration", "us fda")),
    (1, "DOJ", ("justice.gov", "u.s. department of justice", "department of justice")),
    (1, "FTC", ("ftc.gov", "federal trade commission")),
    (1, "Federal Reserve", ("federalreserve.gov", "federal reserve board")),
    (2, "The Wall Street Journal", ("wsj", "wsj.com", "wall street journal")),
    (2, "Financial Times", ("ft", "ft.com", "the financial times")),
    (2, "CNBC", ("cnbc.com", "cnbc tv", "cnbc international")),
    (2, "MarketWatch", ("marketwatch.com", "market watch")),
    (2, "Barron's", ("barrons", "barrons.com", "barron's online")),
    (2, "The New York Times", ("new york times", "nytimes.com", "nyt")),
    (2, "The Washington Post", ("washington post", "washingtonpost.com")),
    (2, "The Economist", ("economist", "economist.com")),
    (2, "Nikkei Asia", ("nikkei", "asia.nikkei.com")),
    (2, "BBC News", ("bbc", "bbc.co.uk", "bbc.com")),
    (3, "Yahoo Finance", ("yahoo", "yahoo! finance", "finance.yahoo.com", "yahoo finance uk", "yahoo entertainment")),
    (3, "Seeking Alpha", ("seekingalpha", "seekingalpha.com", "seeking alpha news")),
    (3, "Benzinga", ("benzinga.com", "benzinga newsdesk", "benzinga insights", "benzinga newswire")),
    (3, "Investor's Business Daily", ("ibd", "investors.com", "investors business daily")),
    (3, "Business Wire", ("businesswire", "businesswire.com")),
    (3, "PR Newswire", ("prnewswire", "prnewswire.com", "pr newswire uk")),
    (3, "GlobeNewswire", ("globenewswire.com", "globe newswire", "globe newswire inc")),
    (3, "Accesswire", ("accesswire.com", "access newswire", "accessnewswire")),
    (3, "Newsfile", ("newsfile corp", "newsfilecorp.com")),
    # Finnhub as the *outlet* is its own wire: press releases and agency briefs without the agency's name.
    (3, "Finnhub", ("finnhub.io", "finnhub wire")),
    (3, "Business Insider", ("businessinsider.com", "markets insider", "insider")),
    (3, "Forbes", ("forbes.com",)),
    (3, "Fortune", ("fortune.com",)),
    (3, "Fox Business", ("foxbusiness.com", "fox business network")),
    (3, "The Guardian", ("theguardian.com", "guardian")),
    (3, "CNN", ("cnn.com", "cnn business")),
    (3, "Axios", ("axios.com",)),
    (3, "The Information", ("theinformation.com",)),
    (3, "TechCrunch", ("techcrunch.com",)),
    (3, "The Verge", ("theverge.com",)),
    (3, "STAT News", ("stat", "statnews.com")),
    (3, "Fierce Biotech", ("fiercebiotech.com", "fierce pharma", "fiercepharma.com")),
    (3, "Nasdaq", ("nasdaq.com",)),
    (3, "TheStreet", ("thestreet.com", "the street")),
    (3, "The Fly", ("thefly.com", "theflyonthewall", "the fly on the wall")),
    (4, "Zacks", ("zacks.com", "zacks investment research", "zacks commentary", "zacks equity research")),
    (4, "TipRanks", ("tipranks.com",)),
    (4, "The Motley Fool", ("motley fool", "fool.com", "motleyfool", "the motley fool uk")),
    (4, "Fintel", ("fintel.io",)),
    (4, "InvestorPlace", ("investorplace.com",)),
    (4, "Simply Wall St", ("simplywall.st", "simply wall street")),
    (4, "Insider Monkey", ("insidermonkey.com",)),
    (4, "GuruFocus", ("gurufocus.com", "gurufocus.com")),
    (4, "StockStory", ("stockstory.org",)),
    (4, "24/7 Wall St.", ("247wallst", "24/7 wall street", "247wallst.com")),
    (4, "Investing.com", ("investing",)),
    (4, "MarketBeat", ("marketbeat.com",)),
    (4, "Kiplinger", ("kiplinger.com",)),
    (4, "Stocktwits", ("stocktwits.com",)),
    (4, "Substack", ("substack.com",)),
    (4, "Medium", ("medium.com",)),
)
"""Tier, name, aliases. The order does not matter: a name belongs to one outlet (a test keeps it so)."""

PATTERNS: Final[tuple[tuple[int, str], ...]] = ((4, r"\bblogs?\b|blogspot|wordpress|substack"), (1, r"\.gov$"))
"""For names the table does not have: tier and a regular expression on the lower-case name, first match wins."""

_DOMAIN = re.compile(r"^(?:https?://)?(?:www\.)?|\.(?:com|co\.uk|org|net|io|co)/?$")
_PUNCTUATION = re.compile(r"[^0-9a-z]+")


def _key(name: str) -> str:
    return _PUNCTUATION.sub("", _DOMAIN.sub("", name.strip().casefold()))


def _table() -> Mapping[str, tuple[str, int]]:
    return {_key(alias): (name, tier) for tier, name, others in OUTLETS for alias in (name, *others)}


_BY_KEY: Final = _table()


@lru_cache(maxsize=4096)
def outlet(name: str) -> tuple[str, int]:
    """The outlet behind a vendor's name for it, and its tier 1 ... 5: ``outlet("DowJones") == ("Dow Jones", 1)``.

    A name the table does not know is kept (white space collapsed) with tier 5, or that of :data:`PATTERNS`.
    """
    plain = " ".join(name.split())
    found = _BY_KEY.get(_key(plain))
    if found is not None:
        return found
    for tier, pattern in PATTERNS:
        if re.search(pattern, plain.casefold()):
            return plain, tier
    return plain or "unknown", UNKNOWN_TIER


def tier(name: str) -> int:
    """The tier 1 ... 5 of an outlet, by any of its names."""
    return outlet(name)[1]


def outlet_names() -> frozenset[str]:
    """Every name and alias, lower case: what may follow a headline as " - Reuters"."""
    return frozenset(alias.casefold() for _, name, others in OUTLETS for alias in (name, *others))
