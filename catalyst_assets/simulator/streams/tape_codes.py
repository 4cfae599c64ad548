"""Codes of halts, and the widths of price bands. Data only.

Source: public code lists of the consolidated tapes (CTA: A and B, UTP: C) and the LULD plan's percentages for Tier 2 securities.
"""

from __future__ import annotations

from dataclasses import dataclass

_CTA_STATUS = {True: ("2", "Trading Halt"), False: ("3", "Resume")}
STATUSES: dict[str, dict[bool, tuple[str, str]]] = {
    "A": _CTA_STATUS,
    "B": _CTA_STATUS,
    "C": {True: ("H", "Trading Halt"), False: ("T", "Trading Resumption")},
}
"""By tape: code and words of a halt (``True``) and of the resumption."""

_CTA_REASONS = {"T1": ("P", "News Pending"), "LUDP": ("M", "Volatility Trading Pause")}
REASONS: dict[str, dict[str, tuple[str, str]]] = {
    "A": _CTA_REASONS,
    "B": _CTA_REASONS,
    "C": {"T1": ("T1", "Halt News Pending"), "LUDP": ("LUDP", "Volatility Trading Pause")},
}
"""By tape and the tape's halt reason: code and words."""

RESUMPTION: dict[str, tuple[str, str]] = {
    "A": (" ", "No Reason"),
    "B": (" ", "No Reason"),
    "C": ("T3", "News and Resumption Times"),
}


@dataclass(frozen=True, slots=True)
class Band:
    """Limits of prices above ``above`` USD: a part of the reference price, at most ``most`` USD."""

    above: float
    part: float
    most: float = float("inf")

    def width(self, reference: float) -> float:
        """Distance of the limits from the reference price, USD."""
        return min(reference * self.part, self.most)


PRICE_BANDS = (Band(3.0, 0.10), Band(0.75, 0.20), Band(0.0, 0.75, 0.15))
"""Tier 2; the widest prices first. Not doubled near the close."""
