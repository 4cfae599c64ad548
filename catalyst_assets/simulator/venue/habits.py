"""What the broker does where its documents are silent, and what the customer has set on the account.

Belongs here: switches for undocumented or optional behaviour, each with a default, and the account's settings. Does not belong
here: the market's properties (``orders.ExchangeConfig``) and the code that acts on a switch.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

ORPHANED_LEGS = ("canceled", "activated")
WASH_TRADE_ANSWERS = ("403", "422")
QUEUES = ("share", "position")


@dataclass(frozen=True, slots=True)
class Habits:
    """One switch per thing Alpaca leaves open. The defaults are what the demonstration has always played.

    Raises ``ValueError`` for a value that is not offered.
    """

    orphaned_legs: str = "canceled"
    """Exits of an entry that filled partly and then ended (expired or cancelled): ``canceled`` with it, or ``activated`` for the
    shares that did fill."""
    partial_fill_probability: float = 0.0
    """Chance that an immediately marketable order of two shares or more fills only partly at first, as paper's documents say of
    about one in ten (0.1). Drawn from the seed and the order, never from a clock."""
    ignores_size: bool = False
    """True: as paper, a marketable order fills whole whatever the volume, without slippage."""
    queue: str = "share"
    """What a resting limit gets when the price only touches it: a fixed ``share`` of the cap, or what is left after the
    displayed size that stood before it (``position``) has traded."""
    price_bands: bool = False
    """True: nothing executes outside the limit-up/limit-down band around the last five minutes' average."""
    recheck_at_open: bool = False
    """True: an order accepted while closed is checked against buying power again when it reaches the market, and ``rejected``
    when that no longer suffices."""
    gtc_done_for_day: bool = False
    """True: a GTC order is ``done_for_day`` from the close until the next session."""
    wash_trade_answer: str = "403"
    """HTTP status (and with it the code) of the wash-trade refusal: ``403`` as seen in 2026, ``422`` as in 2024."""
    pattern_day_trading: bool = False
    """True: the rule that ended on 2026-07-06: below 25,000 USD a fourth day trade in five sessions is refused."""
    easy_to_borrow_served: bool = True
    """False: assets come without ``easy_to_borrow``, whose published sunset was 2026-09-22."""
    short_qty_negative: bool = True
    """The quantity of a short position is written as a negative number; False writes it without sign."""

    def __post_init__(self) -> None:
        offered = {
            "orphaned_legs": ORPHANED_LEGS,
            "wash_trade_answer": WASH_TRADE_ANSWERS,
            "queue": QUEUES,
        }
        for name, values in offered.items():
            if getattr(self, name) not in values:
                raise ValueError(f"{name} must be one of {', '.join(values)}")
        if not 0 <= self.partial_fill_probability <= 1:
            raise ValueError("partial_fill_probability must be between 0 and 1")


MARGIN_MULTIPLIERS = ("1", "2", "4")
EMAIL_CHOICES = ("all", "none")
OPTIONS_LEVELS = (0, 1, 2, 3)


@dataclass(frozen=True, slots=True)
class AccountSettings:
    """``/v2/account/configurations``: what the customer may switch. ``suspend_trade``, ``no_shorting``, ``fractional_trading`` and
    ``max_margin_multiplier`` act on later orders; the others are only kept. Raises ``ValueError`` for a value not offered."""

    trade_confirm_email: str = "all"
    suspend_trade: bool = False
    no_shorting: bool = False
    fractional_trading: bool = True
    max_margin_multiplier: str = "4"
    max_options_trading_level: int = 3
    ptp_no_exception_entry: bool = False
    disable_overnight_trading: bool = True

    def __post_init__(self) -> None:
        offered: dict[str, tuple[Any, ...]] = {
            "trade_confirm_email": EMAIL_CHOICES,
            "max_margin_multiplier": MARGIN_MULTIPLIERS,
            "max_options_trading_level": OPTIONS_LEVELS,
        }
        for setting in fields(self):
            value = getattr(self, setting.name)
            allowed = offered.get(setting.name, (True, False))
            if isinstance(value, bool) != isinstance(allowed[0], bool) or value not in allowed:
                raise ValueError(f"invalid {setting.name}")
