"""Invented listed companies, funds, warrants and units of a simulated world.

Belongs here: names, tickers, sectors and the constants of each instrument (price level, volume, beta, spread). Does not
belong here: how prices move (``prices.py``) and what happens to a company (``stories.py``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from catalyst_assets.ports import ASSET_COLUMNS
from catalyst_assets.simulator.tape import INSTRUMENT_COLUMNS


@dataclass(frozen=True, slots=True)
class Sector:
    """How companies of a sector are named and how they behave."""

    suffixes: tuple[str, ...]
    """Second words of company names."""
    weight: float
    """Share of the universe."""
    daily_volatility: float
    """Typical own (idiosyncratic) daily volatility, fraction."""
    beta: float
    """Typical sensitivity to the market."""


SECTORS: Mapping[str, Sector] = {
    "Biotechnology": Sector(("Therapeutics", "Biosciences", "Pharma", "Genomics", "Oncology"), 0.15, 0.034, 1.1),
    "Health Care": Sector(("Medical", "Health", "Diagnostics", "Surgical"), 0.10, 0.019, 0.8),
    "Semiconductors": Sector(("Semiconductor", "Devices", "Photonics", "Microsystems"), 0.10, 0.026, 1.5),
    "Software": Sector(("Software", "Cloud", "Analytics", "Networks", "Cybersecurity"), 0.14, 0.025, 1.3),
    "Consumer": Sector(("Brands", "Apparel", "Foods", "Restaurants", "Retail"), 0.12, 0.021, 0.9),
    "Industrials": Sector(("Industries", "Aerospace", "Logistics", "Robotics"), 0.11, 0.019, 1.0),
    "Energy": Sector(("Energy", "Petroleum", "Midstream", "Solar"), 0.09, 0.024, 1.1),
    "Financials": Sector(("Bancorp", "Financial", "Capital", "Insurance"), 0.09, 0.017, 1.0),
    "Materials": Sector(("Mining", "Metals", "Chemicals", "Lithium"), 0.05, 0.027, 1.1),
    "Communications": Sector(("Media", "Telecom", "Entertainment", "Interactive"), 0.05, 0.022, 1.0),
}
"""Sector name → how its companies are built. Weights are relative."""

THIN_SHARE = 0.05
"""Share of companies that trade thinly at wide spreads: the market has names that must be left alone."""

_HEADS = (
    "Alder Bram Cald Corv Dorn Elm Fenn Gar Hal Isk Jor Kest Lark Mar Nor Oak Pell Quill Rav Sel Tarn Ulv Vex Wren "
    "Yar Zel Ash Brent Cor Dun Ebon Falk Gren Hollow Iron Kel Lun Mont Nim Orr Pike Red Stav Thorn Umber Vale West"
)
_TAILS = (
    "moor brook ridge field gate mere wick stead haven crest point vale ton ford worth dale mark bridge stone light "
    "harbor path wood fall spire"
)

LEGAL_ENDINGS = (", Inc.", " Inc.", " Corp.", " Corporation", " Holdings, Inc.", " Group, Inc.", " plc", " Ltd.")
"""How company names end; headlines leave it off."""

_RESERVED_WORDS = (
    "ALL ANY ARE BIG CAN CEO CFO CIA EPS ETF FAST FBI FDA FOR GDP HAS HE IPO IT ITS LOW NEW NOW ON ONE OPEN OR OUT REAL "
    "RUN SEC SEE SO THE TO UK US USA USD WELL YOU AI ARM CAR CASH COST DAY EAT EYE FUN GO GOOD HOME KEY LIFE LINE LOVE "
    "MAN MOVE NET NICE PEAK PLAY POST SAFE SAVE SITE TEAM TRUE TWO VERY WORK WELD WOLF FALL FORD MARK WEST"
)
"""Letter groups that are words or abbreviations in headlines and so would make ambiguous tickers."""


@dataclass(frozen=True, slots=True)
class Company:
    """One instrument. ``kind`` is ``stock``, ``fund``, ``warrant`` or ``unit``."""

    symbol: str
    name: str
    short_name: str
    sector: str
    kind: str
    price: float
    """Price level at the start of the minute history, USD."""
    shares: int
    """Shares outstanding."""
    average_volume: float
    """Shares traded on an ordinary day."""
    beta: float
    daily_volatility: float
    """Own daily volatility, fraction."""
    spread_bps: float
    """Full quoted spread in calm regular hours, basis points of price (the cent tick may force it wider)."""
    trade_size: float
    """Average shares per trade."""
    exchange: str
    tradable: bool
    shortable: bool
    easy_to_borrow: bool


def _ticker(name: str, taken: set[str], rng: np.random.Generator) -> str:
    """A ticker of 3–4 letters that reads like ``name`` and is not in ``taken``."""
    letters = [character for character in name.upper() if character.isalpha()]
    for _ in range(200):
        length = int(rng.choice((3, 4), p=(0.35, 0.65)))
        rest = sorted(rng.choice(np.arange(1, len(letters)), size=length - 1, replace=False))
        ticker = letters[0] + "".join(letters[position] for position in rest)
        if ticker not in taken and ticker not in _RESERVED_WORDS.split():
            return ticker
    raise ValueError(f"no free ticker for {name!r}")


def _stock(root: str, symbol: str, sector_name: str, rng: np.random.Generator) -> Company:
    sector = SECTORS[sector_name]
    name = f"{root} {rng.choice(sector.suffixes)}{rng.choice(LEGAL_ENDINGS)}"
    price = float(np.round(np.clip(np.exp(rng.normal(np.log(38.0), 1.05)), 3.2, 600.0), 2))
    # Small prices go with small, volatile, thinly traded companies.
    size = (np.log(price) - np.log(38.0)) / 1.05
    dollar_volume = float(np.exp(rng.normal(np.log(110e6), 0.8) + 0.45 * size))
    volatility = float(np.clip(sector.daily_volatility * np.exp(rng.normal(0.0, 0.22) - 0.16 * size), 0.009, 0.075))
    average_volume = float(np.clip(dollar_volume / price, 4e5, 6e7))
    thin = bool(rng.random() < THIN_SHARE)
    if thin:
        average_volume = max(average_volume * 0.12, 6e4)
    spread_bps = float(np.clip(3.2 * (80e6 / (average_volume * price)) ** 0.5 * rng.uniform(0.7, 1.5), 0.8, 32.0)) * (
        7.0 if thin else 1.0
    )
    return Company(
        symbol=symbol,
        name=name,
        short_name=root,
        sector=sector_name,
        kind="stock",
        price=price,
        shares=int(average_volume * rng.uniform(40, 220)),
        average_volume=average_volume,
        beta=float(np.clip(sector.beta * rng.uniform(0.6, 1.4), 0.2, 2.4)),
        daily_volatility=volatility,
        spread_bps=spread_bps,
        trade_size=float(np.clip(6000.0 / price, 25, 260)),
        exchange=str(rng.choice(("NASDAQ", "NYSE"), p=(0.6, 0.4))),
        tradable=bool(rng.random() > 0.02),
        shortable=bool(rng.random() < (0.97 if price > 8 else 0.7)),
        easy_to_borrow=bool(rng.random() < (0.95 if price > 8 else 0.45)),
    )


def _others(stocks: Sequence[Company], taken: set[str], rng: np.random.Generator) -> list[Company]:
    """Funds, warrants and units: they trade, some of them heavily, and the system must leave them alone."""
    made: list[Company] = []
    funds = (
        ("QXMK", "Meridian Broad Market ETF", "Broad Market Fund", 412.0, 5.2e7, 1.0, 0.0006),
        ("QXTK", "Meridian Software Select ETF", "Software", 168.0, 9.5e6, 1.25, 0.003),
        ("QXBT", "Palisade Biotechnology ETF Trust", "Biotechnology", 88.0, 7.0e6, 1.1, 0.004),
        ("QXUL", "Palisade Daily Semiconductor Bull 3X Shares ETF", "Semiconductors", 31.0, 3.6e7, 3.4, 0.012),
    )
    for symbol, name, sector, price, volume, beta, volatility in funds:
        made.append(
            Company(
                symbol, name, name, sector, "fund", price, int(volume * 8), volume, beta, volatility, 0.9, 180.0,
                "ARCA", True, True, True,
            )
        )  # fmt: skip
    for parent in rng.choice(np.arange(len(stocks)), size=2, replace=False):
        stock = stocks[int(parent)]
        symbol = f"{stock.symbol}W" if len(stock.symbol) < 5 else f"{stock.symbol[:4]}W"
        made.append(
            Company(
                symbol, f"{stock.name} Warrants", stock.short_name, stock.sector, "warrant",
                float(np.round(rng.uniform(0.4, 3.0), 2)), 4_000_000, float(rng.uniform(2e5, 3e6)), stock.beta, 0.09,
                180.0, 400.0, stock.exchange, True, False, False,
            )
        )  # fmt: skip
    for root in ("Copperline", "Silverlake"):
        symbol = _ticker(f"{root} Acquisition", taken, rng)[:4] + "U"
        made.append(
            Company(
                symbol, f"{root} Acquisition Corp. Units, each consisting of one share and one-third of one warrant",
                root, "Financials", "unit", float(np.round(rng.uniform(9.9, 10.6), 2)), 20_000_000,
                float(rng.uniform(5e4, 6e5)), 0.1, 0.003, 40.0, 300.0, "NASDAQ", True, False, False,
            )
        )  # fmt: skip
    return made


def invent_companies(count: int, rng: np.random.Generator) -> tuple[Company, ...]:
    """``count`` common stocks in the sectors of :data:`SECTORS`, and eight funds, warrants and units; sorted by symbol.

    Raises ``ValueError`` when ``count`` is outside 20…200.
    """
    if not 20 <= count <= 200:
        raise ValueError(f"a world has 20 to 200 common stocks, not {count}")
    roots = [head + tail for head in _HEADS.split() for tail in _TAILS.split()]
    chosen = [roots[int(position)] for position in rng.choice(len(roots), size=count, replace=False)]
    names = list(SECTORS)
    weights = np.array([SECTORS[name].weight for name in names])
    # At least two companies a sector, so that every sector has peers; the rest by weight.
    sectors = [name for name in names for _ in range(2)][:count]
    picks = rng.choice(len(names), size=count - len(sectors), p=weights / weights.sum())
    sectors += [names[int(pick)] for pick in picks]
    taken: set[str] = set()
    stocks: list[Company] = []
    for root, sector in zip(chosen, sectors, strict=True):
        symbol = _ticker(root, taken, rng)
        taken.add(symbol)
        stocks.append(_stock(root, symbol, sector, rng))
    return tuple(sorted([*stocks, *_others(stocks, taken, rng)], key=lambda company: company.symbol))


def instrument_frame(companies: Sequence[Company]) -> pd.DataFrame:
    """The public side of ``companies``: :data:`tape.INSTRUMENT_COLUMNS`, one row per symbol, sorted by symbol."""
    frame = pd.DataFrame(
        {
            "symbol": [company.symbol for company in companies],
            "name": [company.name for company in companies],
            "exchange": [company.exchange for company in companies],
            "asset_class": "us_equity",
            "status": "active",
            "tradable": [company.tradable for company in companies],
            "shortable": [company.shortable for company in companies],
            "easy_to_borrow": [company.easy_to_borrow for company in companies],
            "is_common_stock": [company.kind == "stock" for company in companies],
            "sector": [company.sector for company in companies],
        }
    )
    assert set(ASSET_COLUMNS) < set(INSTRUMENT_COLUMNS)
    return frame[list(INSTRUMENT_COLUMNS)].sort_values("symbol", ignore_index=True)
