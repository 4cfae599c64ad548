"""Everything a step of the desk works with, in one value: broker, data, clock, calendar, configuration, guards.

Belongs here: the fresh reads every step starts from (account, quotes, halts, shortable symbols). Does not belong here: decisions
and orders.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from catalyst_assets.execution.guards import AccountGuard, is_external
from catalyst_assets.execution.switches import KillSwitch
from catalyst_assets.ports import Account, Broker, Clock, MarketData, MarketDataUnavailable
from catalyst_assets.trading.calendar import SessionHours, TradingCalendar
from catalyst_assets.trading.config import ExecutionConfig, TradingConfig
from catalyst_assets.trading.risk import Quote

_READERS = ThreadPoolExecutor(max_workers=3, thread_name_prefix="desk")
"""Kept for the life of the process: each thread has its own connections to the broker, which stay open."""


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
    flat_ordered: KillSwitch = _never
    """Why everything has to be closed; ``None`` when nothing says so."""
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
            for symbol, quote in self.quotes_and_halts(symbols)[0].items()
            if quote.usable and (now - quote.ts).total_seconds() <= oldest
        }

    def quotes_and_halts(self, symbols: Sequence[str]) -> tuple[dict[str, Quote], frozenset[str]]:
        """For the risk step: the latest quotes whatever their age (it checks and reports the age itself), and the symbols not to be
        entered because they are halted. A vendor that cannot be asked gives no quote and counts every symbol as halted."""
        if not symbols:
            return {}, frozenset()
        try:
            frame, halted = self.market_data.quotes_and_halts(list(symbols))
        except MarketDataUnavailable:
            return {}, frozenset(symbols)
        quotes = {
            str(symbol): Quote(float(bid), float(ask), ts.to_pydatetime())
            for symbol, bid, ask, ts in zip(frame["symbol"], frame["bid"], frame["ask"], frame["ts"], strict=True)
        }
        return quotes, halted

    def together(self, *asks: Callable[[], Any]) -> list[Any]:
        """The answers of several reads, in order; side by side where the broker is reached over a network, because an order waits for
        them. Raises the first failure, after all have ended."""
        if not is_external(self.broker):
            return [ask() for ask in asks]
        first, *others = asks
        pending = [_READERS.submit(ask) for ask in others]
        try:
            mine = first()
        finally:
            wait(pending)
        return [mine, *(answer.result() for answer in pending)]

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
