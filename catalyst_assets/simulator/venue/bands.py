"""Limit-up/limit-down: the price band outside which nothing trades, as a function of a reference price and the time of day.

Belongs here: the percentages of the plan as data and the arithmetic. Does not belong here: where the reference comes from
(``engine``) and halts (the tape has them).

Source: the National Market System plan to address extraordinary market volatility, Appendix A, for Tier 1 securities; the reference
is the mean price of the preceding five minutes. Bands double in the last 25 minutes for prices up to 3 USD, as the plan has had
it since 2020 (no doubling at the open, and none at the close above 3 USD).
"""

from __future__ import annotations

from datetime import datetime, timedelta

REFERENCE_WINDOW = timedelta(minutes=5)
NEAR_CLOSE = timedelta(minutes=25)

PERCENTAGES: tuple[tuple[float, float], ...] = ((3.0, 0.05), (0.75, 0.20))
"""(reference above, width as a fraction); below the last the width is the smaller of 0.15 USD and 75 %."""


def price_band(reference: float, at: datetime, close: datetime) -> tuple[float, float]:
    """``(lowest, highest)`` price, USD, at which a trade may happen at ``at``; ``close`` is the session's regular close."""
    for above, width in PERCENTAGES:
        if reference > above or (above != PERCENTAGES[0][0] and reference >= above):
            distance = reference * width
            break
    else:
        distance = min(0.15, reference * 0.75)
    if reference <= PERCENTAGES[0][0] and close - NEAR_CLOSE <= at < close:
        distance *= 2
    return max(reference - distance, 0.0), reference + distance
