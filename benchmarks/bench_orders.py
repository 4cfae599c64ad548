"""From a stored signal to the order accepted at the simulator's broker, over HTTP and journalled in PostgreSQL.

Belongs here: the order step as a cycle calls it, with the program's own desk, broker client, market data and request budget. Does not
belong here: the rest of a cycle (``bench_cycle.py``). Positions are closed after every five signals, as many as may be held; the only
limit that is raised is the number of orders per day.
"""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.figures import Figure, Tell, figure, silent
from benchmarks.surroundings import SESSION, market
from catalyst_assets.orchestration.connections import Connections, SimulatorClock
from catalyst_assets.ports import Broker, BrokerOrder, MarketData, OrderClass, OrderRequest, OrderStatus, RawArticle
from catalyst_assets.storage.news import NewsRepository
from catalyst_assets.storage.signals import SignalRepository
from catalyst_assets.storage.trades import TradeRepository
from catalyst_assets.trading.calendar import TradingCalendar
from catalyst_assets.trading.config import TradingConfig

CALENDAR = TradingCalendar()
ROUNDS = 4
"""Rounds of five order steps with one signal (two bracket orders) each; the first step of a round meets an account without positions."""
TOGETHER = 2
"""Order steps with five signals."""
AT_ONCE = 5
"""Positions that may be held at once by the limits as they are."""
MOST_SPREAD_BPS = 15.0
LEAVE_MINUTES = 10
RAISED = {"risk.max_orders_per_day": 1000}
TARGET, TARGET_WORST = 0.050, 0.500


@dataclass
class _Watched:
    """The broker, with the instant of every entry it answered noted."""

    broker: Broker
    accepted: list[float] = field(default_factory=list)
    """Since the last :meth:`forget`."""
    alone: list[float] = field(default_factory=list)
    """Seconds of each entry's request by itself, since the beginning."""
    bad: list[str] = field(default_factory=list)

    def submit(self, request: OrderRequest) -> BrokerOrder:
        begun = time.perf_counter()
        order = self.broker.submit(request)
        answered = time.perf_counter()
        if request.order_class is not OrderClass.BRACKET:  # a stop for a partial fill, an exit: not what is measured
            return order
        self.accepted.append(answered)
        self.alone.append(answered - begun)
        if order.status in (OrderStatus.REJECTED, OrderStatus.CANCELED, OrderStatus.EXPIRED):
            self.bad.append(f"{order.symbol}: {order.raw_status}")
        return order

    def forget(self) -> None:
        self.accepted.clear()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.broker, name)


def run(parent: Path, tell: Tell = silent) -> list[Figure]:
    """The figures of the order step."""
    tell("starting services and simulator")
    begin = CALENDAR.hours(SESSION).open + pd.Timedelta(minutes=60)
    with market(parent, begin) as opened:
        desk = _Desk(opened)
        symbols = desk.easy_symbols()
        wanted = 1 + AT_ONCE * (ROUNDS + TOGETHER)
        if len(symbols) < wanted:
            raise AssertionError(f"only {len(symbols)} symbols have a narrow spread, {wanted} are needed")
        desk.step([symbols.pop(0)])  # opens connections and reads what is read once
        single, together = [], []
        for number in range(ROUNDS):
            tell(f"placing signals one by one, round {number + 1} of {ROUNDS}")
            desk.leave_all()
            for _ in range(AT_ONCE):
                single += desk.step([symbols.pop(0)])
        for _ in range(TOGETHER):
            tell("placing five signals together")
            desk.leave_all()
            together += desk.step([symbols.pop(0) for _ in range(AT_ONCE)])
        desk.check_journal()
        alone = 1000 * statistics.median(desk.requests_alone)
    return [
        figure(
            "signal → accepted at the simulator's broker",
            TARGET,
            single,
            worst=TARGET_WORST,
            note=f"{len(single)} bracket orders of {AT_ONCE * ROUNDS} signals, one by one: from the start of place() to the broker's "
            "answer, checks with fresh broker state and journal in PostgreSQL included (the request alone: "
            f"{alone:.1f} ms); limit of orders per day raised",
        ),
        figure(
            "five signals in one order step → each accepted",
            TARGET_WORST,
            together,
            worst=TARGET_WORST,
            extra=True,
            note=f"{len(together)} orders, one after the other",
        ),
    ]


class _Desk:
    """The program's desk of the live scenario on a simulated market, and signals for it."""

    def __init__(self, opened: Connections) -> None:
        if not isinstance(opened.clock, SimulatorClock):
            raise AssertionError("the order benchmark needs a simulated clock")
        self._opened, self._clock = opened, opened.clock
        config = TradingConfig.from_overrides(RAISED)
        self._broker = _Watched(opened.broker)
        opened.vendors.__dict__["broker"] = self._broker
        self._desk = opened.desk(config)
        self._signals = SignalRepository(opened.database, CALENDAR)
        self._data: MarketData = opened.market_data
        self._news_id = self._article()
        self._orders = 0

    def easy_symbols(self) -> list[str]:
        """Tradable symbols with a fresh, narrow quote, cheapest spread first."""
        assets = self._data.assets()
        names = assets.loc[assets["tradable"].astype(bool), "symbol"].tolist()
        quotes = self._data.quotes(names)
        middle = (quotes["bid"] + quotes["ask"]) / 2
        quotes = quotes.assign(bps=(quotes["ask"] - quotes["bid"]) / middle * 1e4, middle=middle)
        quotes = quotes[(quotes["bps"].between(0, MOST_SPREAD_BPS)) & (quotes["middle"].between(5, 400))]
        fresh = pd.Timestamp(self._clock.now()) - quotes["ts"] < pd.Timedelta(seconds=60)
        return quotes[fresh].sort_values(["bps", "symbol"])["symbol"].tolist()

    def step(self, symbols: list[str]) -> list[float]:
        """One order step with a signal for each symbol, a simulated minute after the last; seconds to each order's acceptance."""
        now = pd.Timestamp(self._clock.now()).floor("min") + pd.Timedelta(minutes=1)
        self._clock.set(now.to_pydatetime())
        frame = self._signals_for(symbols, now)
        self._signals.save_trading_signals(frame, scenario="live")
        stored = self._signals.trading_signals("live", SESSION, now.to_pydatetime())
        self._broker.forget()
        begun = time.perf_counter()
        with self._desk.exclusive():
            result = self._desk.place(stored, now.to_pydatetime())
        if self._broker.bad or len(result.placed) != len(symbols):
            said = [f"{each.intent.symbol}: {each.message}" for each in result.decisions if not each.allowed]
            raise AssertionError(f"orders were refused: {'; '.join([*said, *self._broker.bad]) or result}")
        self._orders += len(self._broker.accepted)
        return [at - begun for at in self._broker.accepted]

    def leave_all(self) -> None:
        """Leave every position and wait, in simulated minutes, until nothing is live. Raises ``AssertionError``."""
        self._desk.flatten("the next round of the benchmark")
        for _ in range(LEAVE_MINUTES):
            self._clock.advance(60)
            if self._desk.watch().live == 0:
                return
        raise AssertionError(f"positions were still live {LEAVE_MINUTES} minutes after they were told to leave")

    @property
    def requests_alone(self) -> list[float]:
        """Seconds of each entry's request by itself."""
        return self._broker.alone

    def check_journal(self) -> None:
        """Every accepted order is journalled with the broker's id. Raises ``AssertionError``."""
        journal = TradeRepository(self._opened.database).order_journal("live")
        entries = journal[(journal["purpose"] == "entry") & journal["broker_order_id"].notna()]
        if len(entries) != self._orders:
            raise AssertionError(f"{self._orders} orders were accepted, {len(entries)} are in the journal")

    def _signals_for(self, symbols: list[str], at: pd.Timestamp) -> pd.DataFrame:
        quotes = self._data.quotes(symbols).set_index("symbol")
        rows = []
        for symbol in symbols:
            entry = float(quotes.loc[symbol, "ask"])
            rows.append(
                {
                    "signal_id": f"bench-{symbol}-{at:%H%M}", "session": SESSION, "decision_time": at, "symbol": symbol,
                    "direction": "long", "status": "actionable", "reject_reason": None, "confidence": 80.0, "size_fraction": 1.0,
                    "catalyst_component": 80.0, "pattern_component": 80.0, "technical_component": 80.0, "volume_component": 80.0,
                    "entry": entry, "stop": round(entry * 0.98, 2), "target1": round(entry * 1.03, 2),
                    "target2": round(entry * 1.06, 2), "reward_risk": 1.5, "atr": entry * 0.01, "spread": 0.01,
                    "catalyst_type": "earnings", "narrative_id": f"story-{symbol}", "top_news_id": self._news_id,
                    "news_ids": [self._news_id], "best_pattern": None, "strategy_version": "1", "reasons": {},
                }
            )  # fmt: skip
        return pd.DataFrame(rows)

    def _article(self) -> str:
        """The article the signals name: their table insists on one that is stored."""
        at = self._clock.now() - timedelta(minutes=5)
        article = RawArticle(
            "finnhub", "bench", "Bench Corp beats estimates", "", "Reuters", None, at, None, (), None, {}, {}
        )
        repository = NewsRepository(self._opened.database, CALENDAR)
        repository.store([article], first_seen_at=self._clock.now(), delays={}, live_sources=(), collected_live=True)
        return str(repository.raw()["news_id"].iloc[0])
