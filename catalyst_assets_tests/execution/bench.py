"""A desk on a handmade tape with a real database: tests say what the market does and look at rows.

Belongs here: building signals, desks and brokers that misbehave on request. Does not belong here: assertions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pandas as pd

from catalyst_assets.execution.desk import TradingDesk
from catalyst_assets.ports import BrokerOrder, FixedClock, OrderRequest
from catalyst_assets.simulator.exchange import Exchange
from catalyst_assets.simulator.venue.broker import InProcessBroker, TapeMarketData
from catalyst_assets.simulator.venue.orders import ExchangeConfig
from catalyst_assets.storage.database import Database
from catalyst_assets.storage.trades import TradeRepository
from catalyst_assets.trading.calendar import TradingCalendar
from catalyst_assets.trading.config import TradingConfig
from catalyst_assets_tests.simulator.handmade import FRIDAY, HandTape, ny, tape

SCENARIO = "replay:test"
NEWS_ID = "news-1"


def store_article(database: Database, news_id: str = NEWS_ID) -> None:
    """The one article every test signal stands on."""
    at = pd.Timestamp(ny(9, 0)).as_unit("us")
    row = {
        "news_id": news_id, "provider": "import", "vendor_id": None, "source": "Test Wire", "headline": "AAA wins", "summary": "",
        "url": None, "published_at": at, "provider_updated_at": None, "first_seen_at": at, "available_at": at, "session": FRIDAY,
        "tickers": ["AAA"], "sentiment": None, "ticker_sentiment": {}, "live_source": True, "payload": {},
    }  # fmt: skip
    database.append("news_raw", pd.DataFrame([row]))


def signal_frame(
    symbol: str = "AAA", at: datetime | None = None, *, scenario: str = SCENARIO, **changes: Any
) -> pd.DataFrame:
    """One actionable long signal at 100.01 with stop 98, targets 103.03 and 106.04 (USD)."""
    at = at or ny(10)
    short = changes.get("direction") == "short"
    row: dict[str, Any] = {
        "signal_id": f"{scenario}-{symbol}-{at:%H%M%S}", "scenario": scenario, "session": FRIDAY,
        "decision_time": pd.Timestamp(at).as_unit("us"), "symbol": symbol, "direction": "long", "status": "actionable",
        "reject_reason": None, "confidence": 80.0, "size_fraction": 1.0, "catalyst_component": 80.0, "pattern_component": 80.0,
        "technical_component": 80.0, "volume_component": 80.0, "entry": 99.99 if short else 100.01,
        "stop": 102.0 if short else 98.0, "target1": 97.0 if short else 103.03, "target2": 94.0 if short else 106.04,
        "reward_risk": 1.5, "atr": 1.0, "spread": 0.02, "catalyst_type": "earnings", "narrative_id": f"story-{symbol}",
        "top_news_id": NEWS_ID, "news_ids": [NEWS_ID], "best_pattern": None, "strategy_version": "1", "reasons": {},
    }  # fmt: skip
    return pd.DataFrame([{**row, **changes}])


def mention(symbol: str, at: datetime, direction: float, *, tier: int = 1, **changes: Any) -> pd.DataFrame:
    """One mention row."""
    row = {
        "news_id": f"m-{symbol}-{at:%H%M%S}", "symbol": symbol, "available_at": pd.Timestamp(at).as_unit("us"),
        "published_at": pd.Timestamp(at).as_unit("us"), "source": "Reuters", "source_tier": tier, "catalyst_type": "legal",
        "direction": direction, "headline": "the opposite", "live_source": True,
    }  # fmt: skip
    return pd.DataFrame([{**row, **changes}])


class FaultyBroker(InProcessBroker):
    """The in-process broker with one-shot faults: each entry of ``faults`` is called once before (or instead of) a submit."""

    def __init__(self, exchange: Exchange) -> None:
        super().__init__(exchange)
        self.faults: list[Callable[[FaultyBroker, OrderRequest], BrokerOrder | None]] = []
        self.submitted: list[str] = []
        self.hidden_looks = 0

    def really_submit(self, request: OrderRequest) -> BrokerOrder:
        self.submitted.append(request.client_order_id)
        return super().submit(request)

    def submit(self, request: OrderRequest) -> BrokerOrder:
        if self.faults:
            answer = self.faults.pop(0)(self, request)
            if answer is not None:
                return answer
        return self.really_submit(request)

    def order_by_client_id(self, client_order_id: str) -> BrokerOrder | None:
        if self.hidden_looks > 0:
            self.hidden_looks -= 1
            return None
        return super().order_by_client_id(client_order_id)


@dataclass
class Bench:
    """A desk at Friday 10:00 on a tape, with everything around it."""

    database: Database
    made: HandTape = field(default_factory=tape)
    at: datetime = field(default_factory=lambda: ny(10))
    config: TradingConfig = field(default_factory=TradingConfig)
    cash: Decimal = Decimal(100_000)
    venue: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.clock = FixedClock(self.at)
        config = ExchangeConfig(**self.venue)
        self.exchange = Exchange(self.made, start=self.at, starting_cash=self.cash, config=config, seed=7)
        self.broker = FaultyBroker(self.exchange)
        self.trades = TradeRepository(self.database)
        self.waits: list[float] = []
        self.desk = self.new_desk()
        store_article(self.database)

    def new_desk(self, **changes: Any) -> TradingDesk:
        """A desk as a restarted process would have it: same database, same broker, no memory."""
        values: dict[str, Any] = {"scenario": SCENARIO, "pause": self.waits.append, **changes}
        data = TapeMarketData(self.made, self.clock)
        return TradingDesk(self.broker, self.trades, data, self.clock, TradingCalendar(), self.config, **values)

    def store(self, signals: pd.DataFrame) -> pd.DataFrame:
        self.database.append("trading_signals", signals)
        return signals

    def enter(self, symbol: str = "AAA", **changes: Any) -> Any:
        """Store and place one signal now."""
        signals = self.store(signal_frame(symbol, self.clock.at, **changes))
        return self.desk.place(signals, self.clock.at)

    def go(
        self, to: datetime, mentions: pd.DataFrame | None = None, *, every: timedelta = timedelta(minutes=1)
    ) -> None:
        """Move market and clock to ``to``, watching at every step."""
        while self.clock.at < to:
            self.clock.at = min(self.clock.at + every, to)
            self.exchange.advance(self.clock.at)
            self.desk.watch(self.clock.at, mentions)

    def trade(self, symbol: str = "AAA") -> dict[str, Any]:
        frame = self.trades.trade_records(SCENARIO)
        row = frame[frame["symbol"] == symbol].iloc[-1].to_dict()
        return {name: None if isinstance(value, float) and value != value else value for name, value in row.items()}

    def journal(self, **equal: Any) -> pd.DataFrame:
        frame = self.trades.order_journal(SCENARIO)
        for name, value in equal.items():
            frame = frame[frame[name] == value]
        return frame

    def kinds(self) -> list[str]:
        return list(self.trades.trade_events(SCENARIO)["kind"])

    def shares(self, symbol: str = "AAA") -> int:
        return next((int(p.qty) for p in self.broker.positions() if p.symbol == symbol), 0)

    def resting_stop_qty(self, symbol: str = "AAA") -> int:
        """Shares that armed stop orders at the exchange would sell or buy back."""
        return sum(
            order.remaining
            for order in self.exchange._open.values()
            if order.symbol == symbol and order.type == "stop" and order.armed
        )


def half_day_tape(day: date = date(2026, 11, 27)) -> HandTape:
    """A flat tape on the day after Thanksgiving (close 13:00 New York)."""
    base = tape()
    source = base.frames[FRIDAY]
    shift = datetime(day.year, day.month, day.day, tzinfo=UTC) - datetime(
        FRIDAY.year, FRIDAY.month, FRIDAY.day, tzinfo=UTC
    )
    frame = source.assign(ts=source["ts"] + shift)
    frame = frame[frame["ts"] < pd.Timestamp(ny(17, day=day))].reset_index(drop=True)
    return HandTape({day: frame}, base.instruments, base.daily_frame)
