"""Who writes the news of a simulated world: outlets with a planted reliability, delay and reach, and who carries them.

Belongs here: the table of outlets and of providers. Does not belong here: what they write (``newsroom.py``). The reliability
is part of the truth: it reaches tests and the demo's summary through ``truth.WorldTruth``, never the tape.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Outlet:
    """One outlet of news."""

    name: str
    tier: int
    """1 (best) … 5 (unknown), as spec.md ranks them."""
    reliability: float
    """Share of its scoops that are real."""
    delay_s: float
    """Median seconds from an event to its first article about it."""
    reach: float
    """Probability that it covers a story another outlet broke."""
    scoops: float
    """Relative frequency of being first."""
    domain: str
    carried: Mapping[str, float]
    """Provider → probability that it carries an article of this outlet."""
    official: bool = False
    """A wire for companies' own announcements: only what a company announces itself, word for word."""
    rehash: float = 0.3
    """Among its false scoops, the share that is merely old (``stale``) …"""
    pump: float = 0.0
    """… and the share that is a pump; the rest are rumours."""
    beats: Mapping[str, float] = field(default_factory=dict)
    """Catalyst type → how much more (or less) often than usual it scoops that type."""


_PROFESSIONAL = {"finnhub": 0.85, "alpha_vantage": 0.35, "newsapi": 0.6, "alpaca": 0.0, "yahoo": 0.4}
_PORTAL = {"finnhub": 0.9, "alpha_vantage": 0.5, "newsapi": 0.6, "alpaca": 0.0, "yahoo": 0.9}
_BENZINGA = {"finnhub": 0.6, "alpha_vantage": 0.6, "newsapi": 0.3, "alpaca": 1.0, "yahoo": 0.3}
_WIRE = {"finnhub": 0.6, "alpha_vantage": 0.4, "newsapi": 0.5, "alpaca": 0.6, "yahoo": 0.6}
_MAGAZINE = {"finnhub": 0.7, "alpha_vantage": 0.7, "newsapi": 0.5, "alpaca": 0.0, "yahoo": 0.7}
_BLOG = {"finnhub": 0.65, "alpha_vantage": 0.4, "newsapi": 0.7, "alpaca": 0.0, "yahoo": 0.15}

_OFFICIAL_BEATS = {
    "merger_acquisition": 0.5,
    "analyst_rating": 0.0,
    "legal_regulatory": 0.0,
    "short_report": 0.0,
    "macro_sector": 0.0,
    "bankruptcy": 0.5,
    "other": 0.5,
    "fda_clinical": 1.8,
    "contract_partnership": 1.6,
}

OUTLETS: tuple[Outlet, ...] = (
    Outlet("Reuters", 1, 0.96, 25, 0.50, 0.085, "reuters.example", _PROFESSIONAL, rehash=0.2),
    Outlet("Bloomberg", 1, 0.95, 20, 0.45, 0.075, "bloomberg.example", _PROFESSIONAL, rehash=0.1),
    Outlet("Dow Jones", 1, 0.95, 20, 0.40, 0.060, "dowjones.example", _PROFESSIONAL, rehash=0.2),
    Outlet("CNBC", 2, 0.88, 70, 0.38, 0.050, "cnbc.example", _PROFESSIONAL, rehash=0.4, beats={"macro_sector": 2.0}),
    Outlet("MarketWatch", 2, 0.86, 110, 0.35, 0.040, "marketwatch.example", _PROFESSIONAL, rehash=0.6),
    Outlet(
        "Benzinga", 3, 0.74, 30, 0.62, 0.130, "benzinga.example", _BENZINGA, rehash=0.5, beats={"analyst_rating": 2.5}
    ),
    Outlet("GlobeNewswire", 3, 0.85, 5, 0.0, 0.080, "globenewswire.example", _WIRE, True, 0.45, 0.45, _OFFICIAL_BEATS),
    Outlet("PR Newswire", 3, 0.82, 5, 0.0, 0.080, "prnewswire.example", _WIRE, True, 0.45, 0.45, _OFFICIAL_BEATS),
    Outlet("Seeking Alpha", 3, 0.64, 150, 0.45, 0.060, "seekingalpha.example", _PORTAL, rehash=0.6),
    Outlet("Yahoo Finance", 3, 0.68, 180, 0.55, 0.050, "yahoofinance.example", _PORTAL, rehash=0.5),
    Outlet("Zacks", 4, 0.52, 600, 0.30, 0.060, "zacks.example", _MAGAZINE, rehash=0.85, beats={"analyst_rating": 2.0}),
    Outlet("TipRanks", 4, 0.48, 480, 0.30, 0.050, "tipranks.example", _MAGAZINE, rehash=0.8),
    Outlet("The Motley Fool", 4, 0.46, 1500, 0.25, 0.040, "fool.example", _MAGAZINE, rehash=0.9),
    Outlet("Tickertape Blog", 4, 0.40, 420, 0.25, 0.050, "tickertapeblog.example", _BLOG, rehash=0.5, pump=0.1),
    Outlet("Deal Chatter", 5, 0.28, 200, 0.20, 0.070, "dealchatter.example", _BLOG, rehash=0.1, pump=0.1),
    Outlet("SmallCap Sentinel", 5, 0.22, 240, 0.20, 0.060, "smallcapsentinel.example", _BLOG, rehash=0.2, pump=0.6),
    Outlet("Momentum Wire Daily", 5, 0.12, 120, 0.18, 0.055, "momentumwire.example", _BLOG, rehash=0.05, pump=0.8),
    Outlet("Hot Stock Radar", 5, 0.08, 120, 0.18, 0.050, "hotstockradar.example", _BLOG, rehash=0.05, pump=0.85),
)
"""Every outlet. With these rates about 62 % of all scoops are real."""

OFFICIAL_TYPES = frozenset(
    {
        "earnings", "guidance", "fda_clinical", "merger_acquisition", "offering_dilution", "contract_partnership", "product",
        "management", "buyback_dividend", "split", "bankruptcy",
    }
)  # fmt: skip
"""Catalyst types a company announces itself over a wire."""


@dataclass(frozen=True, slots=True)
class Carriage:
    """How late a provider serves what it carries: log-normal, with ``median_s`` and ``spread`` (of the log)."""

    median_s: float
    spread: float
    floor_s: float = 0.0


CARRIAGE: Mapping[str, Carriage] = {
    "alpaca": Carriage(6.0, 0.6, 1.0),
    "finnhub": Carriage(35.0, 0.5, 5.0),
    "alpha_vantage": Carriage(330.0, 0.5, 60.0),
    "yahoo": Carriage(150.0, 0.6, 20.0),
    "newsapi": Carriage(900.0, 0.7, 86_400.0),
}
"""Provider → delay between an article's publication and the provider serving it (NewsAPI's free plan: 24 hours late)."""
