"""What each kind of news is worth in a simulated world: a table of sizes, drifts and decays by catalyst type.

Belongs here: numbers per type. Does not belong here: which company they befall (``stories.py``), the words they are told in
(``headlines.py``), or how the trading system guesses a type from a text (``trading/catalyst_rules.py`` has its own rules, on purpose).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CatalystProfile:
    """Size and course of the effect of one catalyst type when it is real."""

    weight: float
    """Relative frequency among stories."""
    up: float
    """Probability that it is good news."""
    impact: float
    """Median expected effect on the price, fraction, for a company of 2.5 % daily volatility."""
    dispersion: float
    """Standard deviation of the log of the effect's size."""
    jump: float
    """Share of the effect that comes at once; the rest drifts in."""
    drift_minutes: float
    """E-folding time of the drift, minutes of regular trading."""
    spillover: float
    """Effect on the other companies of the sector, fraction of the own effect (negative: rivals move the other way)."""
    scheduled: bool
    """Told by the company at round times outside the regular session most of the time."""
    sectors: tuple[str, ...] = ()
    """Sectors it can befall; empty: all."""


CATALYSTS: Mapping[str, CatalystProfile] = {
    "earnings": CatalystProfile(0.17, 0.58, 0.058, 0.50, 0.70, 60.0, 0.10, True),
    "guidance": CatalystProfile(0.09, 0.50, 0.060, 0.45, 0.68, 60.0, 0.12, True),
    "fda_clinical": CatalystProfile(0.09, 0.55, 0.130, 0.55, 0.72, 60.0, 0.03, True, ("Biotechnology", "Health Care")),
    "merger_acquisition": CatalystProfile(0.07, 0.88, 0.160, 0.45, 0.88, 40.0, 0.08, False),
    "offering_dilution": CatalystProfile(0.06, 0.0, 0.075, 0.40, 0.70, 60.0, 0.0, True),
    "analyst_rating": CatalystProfile(0.12, 0.50, 0.030, 0.40, 0.60, 55.0, 0.05, False),
    "contract_partnership": CatalystProfile(0.09, 0.96, 0.050, 0.50, 0.68, 60.0, 0.0, False),
    "product": CatalystProfile(0.06, 0.72, 0.032, 0.45, 0.62, 60.0, -0.04, False),
    "legal_regulatory": CatalystProfile(0.06, 0.20, 0.055, 0.50, 0.68, 75.0, 0.06, False),
    "management": CatalystProfile(0.05, 0.30, 0.038, 0.45, 0.65, 60.0, 0.0, False),
    "buyback_dividend": CatalystProfile(0.05, 0.85, 0.027, 0.40, 0.65, 55.0, 0.0, True),
    "split": CatalystProfile(0.03, 0.70, 0.030, 0.40, 0.60, 55.0, 0.0, True),
    "bankruptcy": CatalystProfile(0.015, 0.0, 0.320, 0.35, 0.80, 70.0, 0.02, False),
    "short_report": CatalystProfile(0.03, 0.0, 0.085, 0.40, 0.62, 90.0, 0.0, False),
    "macro_sector": CatalystProfile(0.04, 0.50, 0.020, 0.35, 0.50, 90.0, 0.8, False),
    "other": CatalystProfile(0.03, 0.50, 0.015, 0.40, 0.50, 60.0, 0.0, False),
}
"""Catalyst type → its effect. The names are those of ``news_features.catalyst_type``."""


@dataclass(frozen=True, slots=True)
class FalseProfile:
    """Course of a story that is not true or not new: up (or down) quickly, then back."""

    impact: float
    """Median height of the move before it fades, fraction, for a company of 2.5 % daily volatility; 0: no move at all."""
    dispersion: float
    """Standard deviation of the log of the height."""
    rise_minutes: float
    """E-folding time of the way up, minutes of regular trading."""
    fade_minutes: float
    """E-folding time of the fade, minutes of regular trading."""
    overshoot: float
    """Where it ends, as a fraction of the height on the other side."""
    denial: float
    """Probability that a good outlet denies it."""
    types: Mapping[str, float]
    """Catalyst types it pretends to be → relative frequency."""


FALSE_KINDS: Mapping[str, FalseProfile] = {
    "rumour": FalseProfile(
        0.034,
        0.40,
        2.5,
        45.0,
        0.10,
        0.60,
        {
            "merger_acquisition": 0.36,
            "contract_partnership": 0.18,
            "fda_clinical": 0.12,
            "legal_regulatory": 0.14,
            "management": 0.08,
            "guidance": 0.12,
        },
    ),
    "pump": FalseProfile(
        0.080,
        0.45,
        6.0,
        35.0,
        0.30,
        0.15,
        {"contract_partnership": 0.40, "product": 0.30, "merger_acquisition": 0.20, "other": 0.10},
    ),
    "stale": FalseProfile(
        0.0,
        0.0,
        1.0,
        30.0,
        0.0,
        0.0,
        {
            "earnings": 0.22,
            "analyst_rating": 0.24,
            "product": 0.16,
            "contract_partnership": 0.12,
            "buyback_dividend": 0.12,
            "management": 0.06,
            "legal_regulatory": 0.08,
        },
    ),
}
"""Kind of a false story → its course. ``stale``: an old or empty item told as news; nobody trades on it."""

JUMP_MINUTES = 1.6
"""E-folding time of the jump, minutes of regular trading."""

DRIFT_MEAN = 0.9
"""Mean of the share of the expected drift that really comes …"""
DRIFT_DEVIATION = 0.9
"""… its standard deviation …"""
DRIFT_LIMITS = (-0.8, 2.5)
"""… and its limits: below 0 the first reaction was too strong."""

DENIAL_MINUTES = 6.0
"""E-folding time at which what is left of a false move goes after a denial, minutes of regular trading."""

TRADING_SPEED: Mapping[str, float] = {"pre": 0.12, "regular": 1.0, "after": 0.12}
"""How fast information enters prices outside the regular session: minutes of regular trading per minute."""

OVERNIGHT_MINUTES = 5.0
"""Minutes of regular trading that one closed night, weekend or holiday is worth for the drift of a story."""

REFERENCE_VOLATILITY = 0.025
"""Daily volatility for which the sizes above hold; others scale with its square root."""
