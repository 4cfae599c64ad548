"""The particulars of a story: numbers, names and places that fill the templates, drawn once per story.

Belongs here: invented people, brokers, buyers, drugs, products and amounts. Does not belong here: the sentences.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from catalyst_assets.simulator.worlds.companies import LEGAL_ENDINGS, Company

BROKERS = (
    "Halden Securities", "Northgate Partners", "Brightwater Capital Markets", "Ostrander & Co.", "Pemberton Research",
    "Larchmont Securities", "Castellan Markets", "Fairlane Brothers",
)  # fmt: skip
BUYERS = (
    "Harrowgate Capital", "Consolidated Meridian", "Titanport Holdings", "Blackmere Partners", "Omnidyne Group",
    "Vantage Continental", "Summit & Rhodes", "Eastbourne Equity",
)  # fmt: skip
PARTNERS = (
    "the U.S. Army", "NASA", "Vantage Continental", "Omnidyne Group", "the Department of Energy", "Titanport Holdings",
    "Globalink Telecom", "Northstar Automotive", "Pacifica Retail", "the U.S. Navy",
)  # fmt: skip
SELLERS = ("Gryphon Point", "Sable Ridge", "Kestrel Insight", "Mudlark", "Cinder Peak")
PEOPLE = (
    "Dana Whitlock", "Marcus Oyelaran", "Priya Venkataraman", "Ellen Sorensen", "Tomas Ruiz", "Grace Kowalczyk",
    "Henry Abernathy", "Lena Fischer", "Victor Chang", "Amara Nwosu",
)  # fmt: skip
DRUGS = (
    "velotinib",
    "corsumab",
    "ardaxaban",
    "mirolimus",
    "zentorvir",
    "palibrutin",
    "oxelumab",
    "taravimod",
    "lucistat",
)
INDICATIONS = (
    "ulcerative colitis", "non-small cell lung cancer", "migraine", "type 2 diabetes", "psoriasis", "heart failure",
    "multiple myeloma", "Alzheimer's disease",
)  # fmt: skip
PRODUCTS: Mapping[str, tuple[str, ...]] = {
    "Biotechnology": ("gene-editing platform", "diagnostic panel", "cell therapy kit"),
    "Health Care": ("insulin pump", "surgical robot", "glucose monitor"),
    "Semiconductors": ("AI accelerator chip", "optical switch", "power module"),
    "Software": ("AI assistant", "security suite", "data platform"),
    "Consumer": ("running shoe line", "plant-based menu", "smart speaker"),
    "Industrials": ("delivery drone", "warehouse robot", "turbine system"),
    "Energy": ("solar inverter", "battery pack", "drilling system"),
    "Financials": ("payments app", "digital wallet", "insurance platform"),
    "Materials": ("lithium process", "alloy line", "coating technology"),
    "Communications": ("streaming service", "satellite handset", "mobile game"),
}
PLACES = ("Ohio", "Texas", "Malaysia", "Ireland", "Arizona", "Mexico")
MACRO_UP = ("tariffs are paused", "bond yields slip", "demand data beats forecasts", "new subsidies are announced")
MACRO_DOWN = (
    "new tariffs are announced",
    "bond yields climb",
    "demand data misses forecasts",
    "export curbs are widened",
)
QUARTERS = ("first-quarter", "second-quarter", "third-quarter", "fourth-quarter")


def display_name(company: Company) -> str:
    """The company as a headline calls it: the name without its legal ending."""
    name = company.name
    for ending in sorted(LEGAL_ENDINGS, key=len, reverse=True):
        if name.endswith(ending):
            return name[: -len(ending)]
    return name


def draw_facts(company: Company, direction: int, price: float, month: int, rng: np.random.Generator) -> dict[str, str]:
    """Every field of the templates for one story, as text; numbers agree with ``direction``.

    ``price`` is the share price around the story (USD), ``month`` 1–12 decides which quarter is being reported.
    """

    def one(choices: tuple[str, ...]) -> str:
        return choices[int(rng.integers(len(choices)))]

    quarter = ((month - 1) // 3 - 1) % 4
    estimate = float(np.round(rng.uniform(0.15, 2.6), 2))
    surprise = rng.uniform(0.04, 0.35) * direction
    revenue = float(np.round(np.exp(rng.normal(np.log(480.0), 0.9)), 1))
    # A new target lies where the rating says: above the price for an upgrade, at or below it for a downgrade.
    target_old = price * rng.uniform(1.0, 1.2)
    target_new = max(target_old * (1 + direction * rng.uniform(0.08, 0.3)), 1.0)
    premium = int(rng.integers(12, 60))
    buyer, partner = one(BUYERS), one(PARTNERS)
    return {
        "co": display_name(company),
        "full": company.name,
        "tk": company.symbol,
        "ex": company.exchange,
        "sector": company.sector,
        "quarter": QUARTERS[quarter],
        "q": str(quarter + 1),
        "eps": f"{estimate * (1 + surprise):.2f}",
        "eps_est": f"{estimate:.2f}",
        "rev": f"{revenue * (1 + direction * rng.uniform(0.01, 0.08)):.1f}",
        "rev_est": f"{revenue:.1f}",
        "growth": str(int(rng.integers(4, 38))),
        "drug": one(DRUGS),
        "indication": one(INDICATIONS),
        "acquirer": buyer,
        "partner": partner,
        "partner_or_acquirer": buyer,
        "price": f"{price * (1 + (premium / 100 if direction > 0 else -0.06)):.2f}",
        "premium": str(premium),
        "deal": f"{max(company.shares * price * (1 + premium / 100) / 1e9, 0.1):.1f}",
        "amount": str(int(np.round(np.exp(rng.normal(np.log(120), 0.7))))),
        "years": str(int(rng.integers(2, 9))),
        "broker": one(BROKERS),
        "rating_up": one(("Buy", "Overweight", "Outperform")),
        "rating_down": one(("Sell", "Underweight", "Underperform", "Neutral")),
        "pt_new": f"{target_new:.0f}",
        "pt_old": f"{target_old:.0f}",
        "product": one(PRODUCTS.get(company.sector, ("flagship product",))),
        "units": f"{int(rng.integers(8, 240)) * 1000:,}",
        "executive": one(PEOPLE),
        "dividend": f"{rng.uniform(0.25, 4.0):.2f}",
        "ratio": str(int(rng.choice((2, 3, 4, 5, 10)) if direction > 0 else rng.choice((8, 10, 15, 20, 25)))),
        "seller": one(SELLERS),
        "macro_up": one(MACRO_UP),
        "macro_down": one(MACRO_DOWN),
        "place": one(PLACES),
    }
