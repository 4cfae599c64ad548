"""Who may trade where: scenario and broker, real money, the kill switch.

Belongs here: the tests that stand before any order. Does not belong here: limits of a single entry (``trading/risk.py``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from catalyst_assets.ports import Account, Broker

LIVE = "live"
IN_PROCESS_BROKERS = frozenset({"in-process", "in_process", "inprocess"})
"""Names of brokers that live inside this process: the replay's exchange. Every other broker is external."""

KillSwitch = Callable[[], str | None]
"""Gives the reason why new entries are stopped, ``None`` when they are not. Must not depend on anything that may be down."""


class TradingForbidden(Exception):
    """This scenario, broker or account may not trade; nothing was sent."""


def is_external(broker: Broker) -> bool:
    """True unless the broker is the in-process exchange."""
    return broker.name not in IN_PROCESS_BROKERS


def check_pairing(broker: Broker, scenario: str) -> None:
    """A backfill or a replay only ever reaches the in-process exchange, and the live scenario never does.

    Raises :class:`TradingForbidden`.
    """
    if is_external(broker) and scenario != LIVE:
        raise TradingForbidden(
            f"scenario {scenario!r} may not reach the broker {broker.name!r}: only 'live' trades there"
        )
    if not is_external(broker) and scenario == LIVE:
        raise TradingForbidden(
            "scenario 'live' may not trade on the in-process exchange: replays have their own scenario"
        )


@dataclass(frozen=True, slots=True)
class AccountGuard:
    """The two explicit switches real money needs (``CATALYST_LIVE_TRADING`` and ``CATALYST_LIVE_ACCOUNT``)."""

    live_trading: bool = False
    live_account_id: str = ""

    def check(self, account: Account, broker: Broker) -> None:
        """Raises :class:`TradingForbidden` for a real-money account unless both switches name it."""
        if account.is_paper and broker.is_paper:
            return
        if not self.live_trading:
            raise TradingForbidden("this is a real-money account and CATALYST_LIVE_TRADING is not switched on")
        if not self.live_account_id or self.live_account_id != account.account_id:
            raise TradingForbidden("this real-money account is not the one named by CATALYST_LIVE_ACCOUNT")


@dataclass(frozen=True, slots=True)
class KillSwitchFile:
    """A kill switch that works when everything else is broken: the file exists, entries stop. Its text is the reason."""

    path: Path

    def __call__(self) -> str | None:
        try:
            text = self.path.read_text(encoding="utf-8", errors="replace").strip()
        except FileNotFoundError:
            return None
        except OSError as error:
            return f"{self.path} cannot be read ({error.strerror}): treated as on"
        return text[:300] or f"{self.path} exists"

    def engage(self, reason: str) -> None:
        """Stop all new entries, now and after restarts, until :meth:`release`."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text(reason + "\n", encoding="utf-8")

    def release(self) -> None:
        """Allow entries again."""
        self.path.unlink(missing_ok=True)
