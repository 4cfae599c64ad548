"""Who may trade where: scenario and broker, real money.

Belongs here: the tests that stand before any order. Does not belong here: limits of a single entry (``trading/risk.py``),
the switch that stops entries (``switches.py``).
"""

from __future__ import annotations

from dataclasses import dataclass

from catalyst_assets.ports import Account, Broker

LIVE = "live"
IN_PROCESS_BROKERS = frozenset({"in-process", "in_process", "inprocess"})
"""Names of brokers that live inside this process: the replay's exchange. Every other broker is external."""


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
