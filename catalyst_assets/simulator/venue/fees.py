"""Regulatory fees on sales of US shares: the rates as data, and what one order costs.

Belongs here: Section 31 (SEC) and Trading Activity Fee (FINRA) rates with the dates they apply from. Does not belong here:
when a fee is booked (``ledger``). Commissions are zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_UP, Decimal

CENT = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class FeeRate:
    """Rates in force from the session ``since``: ``sec_per_million`` USD per million USD sold, ``taf_per_share`` USD per share
    sold, at most ``taf_cap`` USD per trade."""

    since: date
    sec_per_million: Decimal
    taf_per_share: Decimal
    taf_cap: Decimal


FEE_SCHEDULE: tuple[FeeRate, ...] = (
    FeeRate(date(2000, 1, 1), Decimal("22.10"), Decimal("0.000119"), Decimal("5.95")),
    FeeRate(date(2024, 1, 1), Decimal("8.00"), Decimal("0.000166"), Decimal("8.30")),
    FeeRate(date(2024, 5, 22), Decimal("27.80"), Decimal("0.000166"), Decimal("8.30")),
    FeeRate(date(2025, 5, 14), Decimal("0.00"), Decimal("0.000166"), Decimal("8.30")),
    FeeRate(date(2026, 1, 1), Decimal("0.00"), Decimal("0.000195"), Decimal("9.79")),
    FeeRate(date(2026, 4, 4), Decimal("20.60"), Decimal("0.000195"), Decimal("9.79")),
)
"""Sources: SEC fee rate advisories (27.80 USD per million until 2025-05-13, zero from 2025-05-14: SEC announcement of
2025-04-08; 20.60 from 2026-04-04) and FINRA By-Laws Schedule A section 1 (TAF 0.000166, cap 8.30; from 2026 0.000195, cap
9.79). The row of 2000 stands for all earlier sessions and is only an order of magnitude."""


def rate_on(session: date, schedule: Sequence[FeeRate] = FEE_SCHEDULE) -> FeeRate:
    """The rates in force on ``session``. Raises ``ValueError`` when the schedule starts later."""
    current = [rate for rate in schedule if rate.since <= session]
    if not current:
        raise ValueError(f"no fee rate is known for {session}")
    return current[-1]


def sale_fees(proceeds: Decimal, shares: Decimal, rate: FeeRate) -> tuple[Decimal, Decimal]:
    """``(SEC fee, TAF)`` in USD of one sale of ``shares`` for ``proceeds`` USD, each rounded up to the cent as brokers do."""
    sec = (proceeds * rate.sec_per_million / 1_000_000).quantize(CENT, rounding=ROUND_UP)
    taf = min(shares * rate.taf_per_share, rate.taf_cap).quantize(CENT, rounding=ROUND_UP)
    return sec, taf
