"""Everything a step of the desk works with, in one value: broker, data, clock, calendar, configuration, guards.

Belongs here: the fresh reads every step starts from (account, quotes, halts, shortable symbols). Does not belong here: decisions
and orders.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from catalyst_assets.execution.guards import AccountGuard, KillSwitch
from catalyst_assets.ports import Account, Broker, Clock, MarketData, MarketDataUnavailable
from catalyst_assets.trading.calendar import SessionHours, TradingCalendar
from catalyst_assets.trading.config import ExecutionConfig, TradingConfig
from catalyst_assets.trading.risk import Quote


def _never() -> str | None:
    return None


@dataclass(slots=True)
class Station:
    """What the steps of one desk share. ``pause`` waits some seconds (a replay's does nothing)."""

    broker: Broker
    market_data: MarketData
    clock: Clock
    calendar: TradingCalendar
    config: TradingConfig
    scenario: str
    pause: Callable[[float], None]
    guard: AccountGuard = field(default_factory=AccountGuard)
    kill_switch: KillSwitch = _never
    _shortable: frozenset[str] | None = None
    _hours: SessionHours | None = None

    @property
    def patience(self) -> ExecutionConfig:
        return self.config.execution

    def now(self) -> datetime:
        return self.clock.now()

    def hours(self, session: date) -> SessionHours:
        """Hours of a session, remembered: a desk asks for the same one all day."""
        if self._hours is None or self._hours.session != session:
            self._hours = self.calendar.hours(session)
        return self._hours

    def account(self) -> Account:
        """The broker's account, allowed by the guard. Raises :class:`~.guards.TradingForbidden`."""
        account = self.broker.account()
        self.guard.check(account, self.broker)
        return account

    def quotes(self, symbols: Sequence[str], now: datetime) -> dict[str, Quote]:
        """Usable quotes not older than ``risk.max_quote_age_seconds``; what is missing is unknown."""
        oldest = self.config.risk.max_quote_age_seconds
        return {
            symbol: quote
            for symbol, quote in self.raw_quotes(symbols).items()
            if quote.usable and (now - quote.ts).total_seconds() <= oldest
        }

    def raw_quotes(self, symbols: Sequence[str]) -> dict[str, Quote]:
        """The latest quotes whatever their age, for the risk step, which checks and reports the age itself. A vendor that cannot be
        asked gives none."""
        if not symbols:
            return {}
        try:
            frame = self.market_data.quotes(list(symbols))
        except MarketDataUnavailable:
            return {}
        return {
            str(row.symbol): Quote(float(row.bid), float(row.ask), row.ts.to_pydatetime())
            for row in frame.itertuples(index=False)
        }

    def halted(self, symbols: Sequence[str]) -> frozenset[str]:
        """Symbols not to be entered: known halted, or all of them when the vendor cannot be asked."""
        try:
            return self.market_data.halted(list(symbols))
        except MarketDataUnavailable:
            return frozenset(symbols)

    def shortable(self) -> frozenset[str]:
        """Symbols the vendor lists as tradable, shortable and easy to borrow; read once per desk, empty when it cannot be asked."""
        if self._shortable is None:
            try:
                assets = self.market_data.assets()
            except MarketDataUnavailable:
                return frozenset()
            allowed = assets[
                assets["tradable"].astype(bool)
                & assets["shortable"].astype(bool)
                & assets["easy_to_borrow"].astype(bool)
            ]
            self._shortable = frozenset(str(symbol) for symbol in allowed["symbol"])
        return self._shortable
