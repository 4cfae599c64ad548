"""The noise of a simulated newsroom: articles that are about nothing new.

Belongs here: opinion pieces, lists, round-ups, law-firm advertisements, chatter, macro headlines, companies outside the
universe. Does not belong here: articles about stories (``newsroom.py``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from catalyst_assets.simulator.worlds.companies import Company
from catalyst_assets.simulator.worlds.drafts import Draft, typed_headline
from catalyst_assets.simulator.worlds.facts import draw_facts
from catalyst_assets.simulator.worlds.stories import generator

_NEW_YORK = ZoneInfo("America/New_York")


@dataclass(frozen=True, slots=True)
class Chatter:
    """One kind of background article."""

    weight: float
    outlets: tuple[str, ...]
    headlines: tuple[str, ...]
    summaries: tuple[str, ...]
    symbols: str
    """``one`` company, ``few`` (3–5), ``many`` (9–15), ``none``, ``fund``, ``foreign`` (a symbol outside the universe)."""
    lean: float = 0.0
    """Mean of the vendor model's sentiment."""


CHATTER: tuple[Chatter, ...] = (
    Chatter(
        0.20,
        ("The Motley Fool", "Zacks", "Seeking Alpha", "TipRanks"),
        (
            "Is {co} Stock a Buy Now?", "3 Reasons to Love {co}", "Better Buy: {co} vs. the Market",
            "{co}: Still Room to Run", "{co}: Valuation Looks Stretched", "1 Thing to Know Before You Buy {co} Stock",
            "Where Will {co} Be in 5 Years?", "Should Value Investors Consider {co} ({tk})?",
        ),
        ("Here is how we think about the shares of {full} ({ex}: {tk}).", "Our author looks at {co} for the long term."),
        "one",
        0.08,
    ),
    Chatter(
        0.12,
        ("Benzinga", "MarketWatch", "Yahoo Finance"),
        (
            "Top {n} Stocks Moving In {phase} Session", "{n} Stocks To Watch Today", "Mid-Day Movers: {co} And Other Names",
            "Stocks making the biggest moves: {co}, {other} and more", "{sector} movers: {co}, {other} and others",
        ),
        ("A look at the names on traders' screens: {list}.",),
        "many",
    ),
    Chatter(
        0.07,
        ("Benzinga", "CNBC", "Seeking Alpha"),
        ("{sector} names in focus: {co}, {other}", "How {co} and {other} compare", "Hedge fund letters mention {co}, {other}"),
        ("Companies mentioned: {list}.",),
        "few",
    ),
    Chatter(
        0.11,
        ("GlobeNewswire", "PR Newswire"),
        (
            "INVESTOR ALERT: Pomerance & Stull Investigates Claims on Behalf of Investors of {co} - {tk}",
            "SHAREHOLDER NOTICE: Bragar Lowe Reminds {co} Investors of Upcoming Deadline",
            "{tk} DEADLINE NOTICE: Hollis Law Firm Encourages {co} Shareholders to Contact the Firm",
        ),
        ("The law firm encourages investors who suffered losses in {full} ({ex}: {tk}) to make contact.",),
        "one",
        -0.1,
    ),
    Chatter(
        0.12,
        ("Benzinga", "TipRanks", "Zacks"),
        (
            "{broker} Maintains Neutral on {co}, Maintains ${pt_old} Price Target",
            "{broker} Reiterates Hold Rating for {co}", "{co} ({tk}) Price Target Adjusted to ${pt_old} at {broker}",
            "What {n} Analyst Ratings Have To Say About {co}",
        ),
        ("{broker} keeps its view of {full} ({ex}: {tk}).",),
        "one",
    ),
    Chatter(
        0.09,
        ("Benzinga", "TipRanks", "Tickertape Blog"),
        (
            "{co} Unusual Options Activity", "{co} Crosses Its 200-Day Moving Average", "Short interest update: {co}",
            "{co} director sells shares under prearranged plan", "{co} ({tk}) shares: technical levels to watch",
        ),
        ("Technical notes on {full} ({ex}: {tk}).",),
        "one",
    ),
    Chatter(
        0.05,
        ("GlobeNewswire", "PR Newswire"),
        (
            "{co} to Present at Investor Conference", "{co} Publishes Annual Sustainability Report",
            "{co} Schedules {quarter} Results Conference Call", "{co} Opens New Office in {place}",
        ),
        ("{full} ({ex}: {tk}) made the announcement today.",),
        "one",
        0.1,
    ),
    Chatter(
        0.11,
        ("Reuters", "CNBC", "MarketWatch", "Dow Jones", "Yahoo Finance"),
        (
            "Stocks edge higher as traders weigh data", "Treasury yields little changed before auction",
            "Oil steady as supply worries ease", "Dollar slips against major currencies", "Fed officials see gradual path",
            "Wall Street ends mixed in quiet trade", "Europe shares flat at the open", "Gold holds near recent high",
        ),
        ("Markets were quiet.", "Traders await further data later this week."),
        "none",
    ),
    Chatter(
        0.05,
        ("Yahoo Finance", "CNBC", "MarketWatch"),
        (
            "5 best credit cards for travel this month", "How much should you save by 40?", "The cities where rent falls",
            "My neighbor wants to borrow my car. What should I do?", "Mortgage rates today",
        ),
        ("Personal finance.",),
        "none",
    ),
    Chatter(
        0.05,
        ("Benzinga", "Reuters", "GlobeNewswire"),
        (
            "Zephyr Continental Beats Quarterly Estimates", "Orinoco Gold Files Technical Report",
            "Nippon Kaisei to Acquire Swedish Rival", "Bluefin Acquisition Announces Extension", "Yarra Minerals Raises Output",
        ),
        ("The company is listed abroad or over the counter.",),
        "foreign",
        0.1,
    ),
    Chatter(
        0.03,
        ("Zacks", "Seeking Alpha"),
        ("Is {co} a Strong ETF Right Now?", "{co}: inflows continue", "What is inside {co}?"),
        ("A look at {full} ({tk}).",),
        "fund",
    ),
)  # fmt: skip
"""Kinds of background articles; weights are relative."""

_FOREIGN = ("ZPHYF", "ORNGF", "NPKSY", "BLFAU", "YRRAF", "BTC", "EURUSD")

_HOURLY = (1, 1, 1, 1, 2, 3, 6, 9, 10, 10, 8, 7, 6, 5, 5, 6, 8, 6, 4, 3, 3, 2, 2, 1)
"""Relative number of background articles by New York hour."""


def _times(start: datetime, end: datetime, count: int, rng: np.random.Generator) -> list[datetime]:
    """``count`` instants in ``[start, end)``, denser when newsrooms are busy, thin on weekends."""
    slots = int((end - start).total_seconds() // 600)
    weights = np.empty(slots)
    for slot in range(slots):
        local = (start + timedelta(minutes=10 * slot)).astimezone(_NEW_YORK)
        weights[slot] = _HOURLY[local.hour] * (0.15 if local.weekday() >= 5 else 1.0)
    picks = np.sort(rng.choice(slots, size=count, p=weights / weights.sum()))
    seconds = rng.integers(0, 600, size=count)
    return [start + timedelta(seconds=int(600 * pick + second)) for pick, second in zip(picks, seconds, strict=True)]


def draw_background(seed: int, companies: Sequence[Company], start: datetime, end: datetime, count: int) -> list[Draft]:
    """``count`` background drafts published in ``[start, end)`` (UTC)."""
    rng = generator(seed, "background", int(start.timestamp()))
    stocks = [company for company in companies if company.kind == "stock"]
    funds = [company for company in companies if company.kind == "fund"]
    weights = np.array([kind.weight for kind in CHATTER])
    size = np.array([(company.average_volume * company.price) ** 0.3 for company in stocks])
    drafts = []
    for at in _times(start, end, count, rng):
        kind = CHATTER[int(rng.choice(len(CHATTER), p=weights / weights.sum()))]
        wanted = {"few": int(rng.integers(3, 6)), "many": int(rng.integers(9, 16))}.get(kind.symbols, 2)
        picks = rng.choice(len(stocks), size=wanted, replace=False, p=size / size.sum())
        named = [stocks[int(pick)] for pick in picks]
        if kind.symbols == "fund":
            named[0] = funds[int(rng.integers(len(funds)))]
        facts = draw_facts(named[0], 1, named[0].price, at.month, rng)
        facts |= {
            "n": str(wanted if kind.symbols == "many" else int(rng.integers(3, 12))),
            "other": named[1].short_name,
            "list": ", ".join(company.short_name for company in named),
            "phase": "Pre-Market" if at.astimezone(_NEW_YORK).hour < 9 else "Today's",
        }
        if kind.symbols == "none":
            symbols: tuple[str, ...] = ()
        elif kind.symbols == "foreign":
            symbols = (_FOREIGN[int(rng.integers(len(_FOREIGN)))],)
        elif kind.symbols in ("one", "fund"):
            symbols = (named[0].symbol,) if rng.random() > 0.08 else ()
        else:
            symbols = tuple(company.symbol for company in named)
        outlet = kind.outlets[int(rng.integers(len(kind.outlets)))]
        headline = kind.headlines[int(rng.integers(len(kind.headlines)))].format_map(facts)
        drafts.append(
            Draft(
                story_id=-1,
                outlet=outlet,
                headline=typed_headline(outlet, headline),
                summary=kind.summaries[int(rng.integers(len(kind.summaries)))].format_map(facts),
                symbols=symbols,
                published_at=at,
                sentiment=float(np.clip(np.round(kind.lean + 0.18 * rng.standard_normal(), 4), -1, 1)),
                topics=("financial_markets",),
            )
        )
    return drafts
