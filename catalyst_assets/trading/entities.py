"""Which companies an article is about: symbols in the text, company names, and who does what to whom.

Belongs here: symbols and names. Does not belong here: what the news means (``headlines.py``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Final

from catalyst_assets.trading.headlines import normalise

_SYMBOL = re.compile(r"^[A-Z]{1,5}(?:\.[A-Z]{1,2})?$")
_EXCHANGE = re.compile(
    r"\(?\b(?:NASDAQ|Nasdaq|NasdaqGS|NasdaqGM|NasdaqCM|NYSE|NYSEAMERICAN|NYSE American|NYSE MKT|NYSE Arca|AMEX|BATS|CBOE)"
    r"(?:\s?(?:GS|GM|CM))?\s?:\s?([A-Z]{1,5}(?:[.\-][A-Z])?)\b"
)

_LEGAL_FORM: Final = frozenset(
    """
    inc incorporated corp corporation company companies co ltd limited plc llc lp sa nv ag se ab asa spa group
    holdings holding trust bancorp bancshares partners the class a b c common stock ordinary shares share
    capital adr ads american depositary depository each representing new de cl com
    """.split()  # noqa: SIM905
)
_AMBIGUOUS: Final = frozenset(
    """
    american general united first national international global standard advanced applied digital data energy
    health life home best target gap block match zoom snap unity square visa box open door dream live love good
    great royal western southern northern eastern pacific atlantic central city community capital financial
    public service union state street five below dollar world universal premier select liberty progress
    progressive progressives travelers discovery carrier constellation air delta southwest spirit frontier sun
    blue green red black white gold silver vital core edge light power water fire rocket planet star path key
    next one two three news fox apple's ford gates compass root ball cross crown eagle lamb masco nice now prime
    pure real rush sprout sprouts stone sweet trade twist under upwork us vertex wave wise ally arm bill boot
    cable cars chase clear electronic marathon monster motor oracle palo ross shift ship simply sonos source
    technology texas toll tri valley allied alliance associated automatic bank big bio brown business cal
    campbell church clean coast consolidated credit day diamond direct duke eastman emerson equity essential
    every extra federal fifth fresh harbor high host independent industrial innovative integrated intelligent
    intercontinental interactive iron jack j lincoln mid modern new norwegian old omega otis pool principal
    regions republic rock simon south steel summit super synergy take thermo tractor trans ultra valero veritas
    virgin vulcan warner waste welltower
    """.split()  # noqa: SIM905
)
"""First words or whole names that are everyday words: never enough to find a company in a text on their own."""

_WORDS: Final = frozenset(
    """
    a all am an and any are as at be best big boot bill bro by can car cars cash cat cost de do ear east eat edit ever eye fast
    five flow for fun gain go good grow has he heal hear here hi hope hot how in is it joe jobs key kind land leg less life live
    loan lot love low ma main man max me mind mo moon more my net new next nice no now of oil on one open or out pay peak per
    plan play pool pro rare real ride road rock run safe sail save see seed ship site so soon spot star stay step sun tap team
    tech tell the to trip true two up us vs wash we well west when wish wing wire with work you
    """.split()  # noqa: SIM905
)
"""Symbols that are words: in a text without capitals they mean the word."""

ALIASES: Final[Mapping[str, tuple[str, ...]]] = {
    # Names the press uses that are not in the company's own.
    "GOOGL": ("google", "alphabet"), "GOOG": ("google", "alphabet"),
    "META": ("facebook", "meta", "instagram", "zuckerberg"), "JNJ": ("j&j", "johnson & johnson"),
    "AXP": ("amex", "american express"), "IBM": ("ibm",), "MMM": ("3m",), "GM": ("gm", "general motors"),
    "GE": ("ge",), "PG": ("p&g", "procter & gamble"), "JPM": ("jpmorgan", "jp morgan", "j.p. morgan"),
    "BAC": ("bofa", "bank of america"), "GS": ("goldman",), "MS": ("morgan stanley",),
    "C": ("citi", "citigroup"), "BRK.B": ("berkshire",), "BRK.A": ("berkshire",), "KO": ("coke", "coca-cola"),
    "PEP": ("pepsi", "pepsico"), "MCD": ("mcdonald's", "mcdonalds", "mcdonald", "mcd's"), "T": ("at&t",),
    "HD": ("home depot",), "UNH": ("unitedhealth", "optum"), "DIS": ("disney",), "WMT": ("walmart",),
    "XOM": ("exxon",), "HPE": ("hpe", "hewlett packard"), "HPQ": ("hp",), "AMD": ("amd",), "TSM": ("tsmc",),
    "UPS": ("ups",), "SHW": ("sherwin-williams", "sherwin williams"), "TRV": ("travelers",), "V": ("visa",),
    "CAT": ("caterpillar",), "BA": ("boeing",), "AAPL": ("apple", "iphone"), "AMZN": ("amazon", "aws"),
    "MSFT": ("microsoft",), "BMY": ("bristol myers", "bristol-myers"), "LLY": ("eli lilly", "lilly"),
    "LMT": ("lockheed",), "WFC": ("wells fargo",),
}  # fmt: skip
"""Symbol → further names, normalised; used where the symbol is among the company names given."""


def clean_symbol(symbol: str) -> str | None:
    """A US equity symbol in our spelling (``BRK-B`` → ``BRK.B``), or ``None`` for anything else (``CRYPTO:BTC``,
    empty)."""
    plain = symbol.strip().upper().replace("-", ".").replace("/", ".").lstrip("$")
    return plain if _SYMBOL.match(plain) else None


def symbols_in(text: str) -> list[str]:
    """Symbols written with their exchange, ``(NASDAQ: XYZ)``, in order of appearance."""
    found = [clean_symbol(match) for match in _EXCHANGE.findall(text)]
    return list(dict.fromkeys(symbol for symbol in found if symbol))


@lru_cache(maxsize=20_000)
def core_name(name: str) -> tuple[str, ...]:
    """The words of a company's name that tell it apart: ``UnitedHealth Group Incorporated Common Stock`` →
    ``unitedhealth``."""
    words = normalise(name).replace(",", " ").replace(".com", " ").replace("(the)", " ").split()
    words = [word.strip(".()") for word in words]
    kept = [word for word in words if word]
    while kept and kept[0] == "the":
        kept = kept[1:]
    end = len(kept)
    while end > 1 and (kept[end - 1] in _LEGAL_FORM or kept[end - 1] in {"&", "-", "/"}):
        end -= 1
    for position in range(1, end):  # "alphabet inc class c capital stock": the legal form ends the name
        if kept[position] in {"inc", "incorporated", "corp", "corporation", "plc", "ltd", "limited", "co", "company"}:
            end = position
            break
    while end > 1 and kept[end - 1] in _LEGAL_FORM | {"&", "-"}:
        end -= 1
    return tuple(kept[:end])


@lru_cache(maxsize=20_000)
def _name_pattern(symbol: str, name: str) -> re.Pattern[str] | None:
    """How a company that is known to be meant may be written; lenient, because the vendor already named it."""
    core = core_name(name)
    forms = {" ".join(core)} if core else set()
    forms.update(ALIASES.get(symbol, ()))
    if core and len(core) > 1:
        if len(core[0]) >= 4 and core[0] not in _AMBIGUOUS:
            forms.add(core[0])
        if len(core) > 2 and core[1] not in {"&", "of", "and"}:
            forms.add(" ".join(core[:2]))
    forms = {form for form in forms if len(form) >= 2}
    if len(symbol) >= 2 and symbol.lower() not in _WORDS:
        forms.add(symbol.lower())
    if not forms:
        return None
    alternatives = "|".join(re.escape(form) for form in sorted(forms, key=len, reverse=True))
    return re.compile(
        rf"(?<![\w&])(?:{alternatives})(?:'s|s')?(?![\w&])|\((?:nasdaq\w*|nyse\w*)?:? ?{re.escape(symbol.lower())}\)"
    )


def find_company(symbol: str, name: str | None, text: str) -> tuple[int, int] | None:
    """Start and end of the first mention of a company in a normalised text, by name, alias or symbol; ``None`` when
    absent."""
    pattern = _name_pattern(symbol, name or "")
    match = pattern.search(text) if pattern is not None else None
    return match.span() if match is not None else None


class NameIndex:
    """Finds companies in texts nobody tagged. Strict: whole names only, no everyday words, nothing shorter than five
    letters."""

    def __init__(self, company_names: Mapping[str, str]) -> None:
        self._by_first: dict[str, list[tuple[tuple[str, ...], str]]] = {}
        seen: dict[tuple[str, ...], str] = {}
        for symbol, name in company_names.items():
            core = core_name(name)
            if not core or (len(core) == 1 and (len(core[0]) < 5 or core[0] in _AMBIGUOUS)):
                continue
            if core in seen and len(seen[core]) <= len(symbol):
                continue  # share classes: the shorter symbol stands for the company
            seen[core] = symbol
        for core, symbol in seen.items():
            self._by_first.setdefault(core[0], []).append((core, symbol))
        for entries in self._by_first.values():
            entries.sort(key=lambda entry: -len(entry[0]))

    def find(self, text: str) -> list[str]:
        """Symbols of the companies named in a normalised text, in order of appearance."""
        words = [word.strip(".,:;!?()\"'") for word in text.split()]
        words = [word[:-2] if word.endswith("'s") else word for word in words]
        found: list[str] = []
        position = 0
        while position < len(words):
            step = 1
            for core, symbol in self._by_first.get(words[position], ()):
                if tuple(words[position : position + len(core)]) == core:
                    found.append(symbol)
                    step = len(core)
                    break
            position += step
        return list(dict.fromkeys(found))


def tidy(symbols: Iterable[str]) -> list[str]:
    """Symbols in our spelling, each once, in order; what is no US equity symbol is left out."""
    return list(dict.fromkeys(symbol for symbol in map(clean_symbol, symbols) if symbol))
