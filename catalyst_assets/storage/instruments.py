"""The instruments table: which symbols exist, their names, and which of them are common stocks.

Belongs here: saving and reading instruments, the rule table that tells common stock from everything else. Does not
belong here: which symbols are active or worth trading (``trading/scanner.py``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import datetime

import pandas as pd

from catalyst_assets.ports import ASSET_COLUMNS
from catalyst_assets.storage.repository import Repository

NOT_COMMON_NAMES: tuple[tuple[str, str], ...] = (
    ("fund", r"\b(etf|etn|etp|exchange[- ]traded|index fund|closed[- ]end|mutual fund|fund of funds)\b"),
    ("fund family", r"\b(ishares|proshares|spdr|direxion|graniteshares|wisdomtree|yieldmax|powershares|xtrackers|roundhill|tuttle)\b"),
    ("fund family", r"\b(vanguard|invesco|first trust|global x|vaneck|ark|defiance|t-rex|rex|leverage shares|wedbush)\b.*"
                    r"\b(fund|trust|etf|index|shares|qqq|2x|long|short|daily)\b"),
    ("leveraged", r"\b(ultra(pro|short)?|bull|bear|daily|leveraged|inverse)\b.*\b[123](\.\d+)?x\b|\b[-+]?[123]x\b"),
    ("commodity or currency trust", r"\b(gold|silver|platinum|palladium|oil|gas|bitcoin|ether(eum)?|crypto|currency)\b.*"
                                    r"\b(trust|fund)\b"),
    ("warrant", r"\bwarrants?\b"),
    ("right", r"\brights?\b(?! holdings)"),
    ("unit", r"\bunits?\b(?!ed)"),
    ("preferred", r"\b(preferred|preference|pfd|depositary shares? .*(preferred|series)|perpetual|cumulative)\b"),
    ("debt", r"\b(notes?|bonds?|debentures?|subordinated|senior) (due|notes?)\b|\b\d+(\.\d+)?% .*\b(due|notes?)\b"),
)  # fmt: skip
"""Names (any letter case) of what is not a common stock: kind, regular expression. First match decides."""

NOT_COMMON_SYMBOLS: tuple[tuple[str, str], ...] = (
    ("warrant, unit or right", r"^[A-Z]{1,5}[./](WS|W|WT|U|UN|R|RT)(\.?[A-Z])?$"),
    ("preferred", r"^[A-Z]{1,5}[./-]P(R)?([./-]?[A-Z])?$"),
    ("when issued", r"^[A-Z]{1,5}[./](WI|WD|CL)$"),
    ("warrant, unit or right (Nasdaq fifth letter)", r"^[A-Z]{4}[WUR]$"),
    ("test", r"^Z[VWXYB]ZZT$|^TEST$"),
)
"""Symbols of what is not a common stock; Nasdaq's fifth letter counts only where the name says nothing to the
contrary."""

KNOWN_FUNDS = frozenset(
    [
        "SPY",
        "QQQ",
        "DIA",
        "IWM",
        "VOO",
        "VTI",
        "IVV",
        "GLD",
        "SLV",
        "USO",
        "UNG",
        "TLT",
        "HYG",
        "LQD",
        "EEM",
        "EFA",
        "TQQQ",
        "SQQQ",
        "SOXL",
        "SOXS",
        "UVXY",
        "VXX",
        "ARKK",
        "XLB",
        "XLC",
        "XLE",
        "XLF",
        "XLI",
        "XLK",
        "XLP",
        "XLRE",
        "XLU",
        "XLV",
        "XLY",
        "SMH",
        "XBI",
        "KRE",
        "GDX",
        "IBIT",
    ]
)
"""Funds so common in recorded data without names that they are named here."""

_NAMES = [(kind, re.compile(pattern, re.IGNORECASE)) for kind, pattern in NOT_COMMON_NAMES]
_SYMBOLS = [(kind, re.compile(pattern)) for kind, pattern in NOT_COMMON_SYMBOLS]
_SAYS_COMMON = re.compile(r"\b(common (stock|shares?)|ordinary shares?|class [a-c]\b)", re.IGNORECASE)
_SAYS_UNIT_TOO = re.compile(r"\b(units?|warrants?|rights?)\b", re.IGNORECASE)


def not_common(symbol: str, name: str) -> str | None:
    """Why ``symbol`` is not a common stock (fund, warrant, unit …), or ``None`` when it is one as far as can be
    told."""
    if symbol in KNOWN_FUNDS:
        return "fund"
    for kind, pattern in _SYMBOLS:
        fifth_letter = "fifth letter" in kind
        if pattern.match(symbol) and not (
            fifth_letter and _SAYS_COMMON.search(name) and not _SAYS_UNIT_TOO.search(name)
        ):
            return kind
    says_common = _SAYS_COMMON.search(name) is not None
    for kind, pattern in _NAMES:
        # "Preferred Bank Common Stock" is common; "Acme Corp. Warrants, each for one share of common stock" is not.
        if pattern.search(name) and not (says_common and kind not in ("warrant", "right", "unit")):
            return kind
        if kind in ("warrant", "right", "unit") and says_common:
            continue
    return None


class InstrumentRepository(Repository):
    """Instruments by symbol."""

    def save_instruments(self, assets: pd.DataFrame, *, seen_at: datetime) -> int:
        """Write the vendor's list (``ports.ASSET_COLUMNS``); known symbols are updated."""
        if assets.empty:
            return 0
        rows = assets[list(ASSET_COLUMNS)].drop_duplicates("symbol").copy()
        rows["name"] = rows["name"].fillna(rows["symbol"])
        pairs = zip(rows["symbol"].tolist(), rows["name"].tolist(), strict=True)
        rows["is_common_stock"] = [not_common(symbol, name) is None for symbol, name in pairs]
        return self.database.append("instruments", rows.assign(seen_at=seen_at), "update")

    def ensure_symbols(self, symbols: Iterable[str], *, seen_at: datetime) -> int:
        """Add symbols that are not known yet (imports of recorded data, which carry no names); the number added."""
        wanted = sorted(set(symbols))
        if not wanted:
            return 0
        rows = pd.DataFrame({"symbol": wanted, "name": wanted}).assign(
            status="active", tradable=True, shortable=True, easy_to_borrow=True, seen_at=seen_at
        )
        rows["is_common_stock"] = [not_common(symbol, "") is None for symbol in wanted]
        return self.database.append("instruments", rows)

    def instruments(self, symbols: Sequence[str] | None = None, *, tradable_common: bool = False) -> pd.DataFrame:
        """Instruments by symbol; ``tradable_common`` keeps active, tradable common stocks."""
        return self.database.read(
            """
            select * from instruments
            where (cast(:symbols as text[]) is null or symbol = any(:symbols))
              and (not :common or (is_common_stock and tradable and status = 'active'))
            order by symbol
            """,
            {"symbols": None if symbols is None else list(symbols), "common": tradable_common},
        )

    def company_names(self) -> dict[str, str]:
        """Company name by symbol, of common stocks whose name is more than the symbol."""
        frame = self.database.read("select symbol, name from instruments where is_common_stock and name <> symbol")
        return dict(zip(frame["symbol"].tolist(), frame["name"].tolist(), strict=True))
