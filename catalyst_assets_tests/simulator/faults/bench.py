"""One small market with a history, and every question our adapters ask of it.

Belongs here: setting up, and naming the questions. Does not belong here: assertions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from catalyst_assets.ports import NewsSource, OrderClass, OrderRequest, OrderSide, OrderType
from catalyst_assets.settings import Settings
from catalyst_assets.simulator.faults import VENDORS, Injection, Rule
from catalyst_assets.simulator.faults.rules import parse_rule
from catalyst_assets.simulator.instants import read_instant
from catalyst_assets.simulator.server import RunningServer, build_app, start_in_thread
from catalyst_assets.simulator.tape import NEWS_PROVIDERS, WireArticle
from catalyst_assets.vendors.connect import Vendors, connect
from catalyst_assets_tests.simulator.handmade import FRIDAY, SYMBOLS, THURSDAY, ny, tape
from catalyst_assets_tests.vendors.loopback import Unlimited

PATIENCE_SECONDS = {"patient": 8.0, "hasty": 0.35}
NOW = ny(10)
KEYS = ("sim-key", "sim-secret")
HEADERS = {"APCA-API-KEY-ID": KEYS[0], "APCA-API-SECRET-KEY": KEYS[1]}
ASKED = ["AAA", "BBB", "CCC"]


def article(number: int, *, thursday: bool = False) -> WireArticle:
    """An article of 09:50 and the minutes after it, on Thursday for the vendor that is a day late."""
    at = ny(9, 50 + number, day=THURSDAY if thursday else FRIDAY)
    return WireArticle(
        article_id=number + (100 if thursday else 0),
        story_id=-1,
        outlet="Example Wire",
        headline=f"{SYMBOLS[number % 3]} shares react to earnings, note {number}",
        summary="The stock moved.",
        body="",
        url=f"https://example.invalid/{at:%a}/{number}",
        symbols=(SYMBOLS[number % 3],),
        published_at=at,
        revisions=(),
        visible=dict.fromkeys(NEWS_PROVIDERS, at + timedelta(seconds=20)),
        sentiment=0.4,
        author="Desk",
    )


def order_request(client_order_id: str, **changes: Any) -> OrderRequest:
    """A resting bracket far from the market."""
    values: dict[str, Any] = {
        "client_order_id": client_order_id,
        "symbol": "BBB",
        "side": OrderSide.BUY,
        "qty": 10,
        "type": OrderType.LIMIT,
        "order_class": OrderClass.BRACKET,
        "limit_price": Decimal("90"),
        "stop_loss": Decimal("80"),
        "take_profit": Decimal("99"),
    }
    return OrderRequest(**{**values, **changes})


@dataclass
class Bench:
    """The market at 10:00 on Friday with a position, fills, fees, a resting bracket and articles; no limits, little patience."""

    server: RunningServer
    vendors: Vendors
    """Patient ones."""
    hasty: Vendors
    """The same, for faults that are a matter of time."""
    _sent: int = 0

    def questions(self, connected: Vendors | None = None) -> dict[str, Callable[[], Any]]:
        """Every question our adapters ask, by name."""
        return _questions(connected or self.vendors)

    @property
    def state(self) -> Any:
        return self.server.simulation

    def arm(self, **body: Any) -> Rule:
        """Arm one fault as the HTTP interface would."""
        return self.state.faults.arm(parse_rule(body, lambda text: read_instant(text, FRIDAY)))

    def heal(self) -> None:
        """No faults, an empty log."""
        self.state.faults.clear()
        self.state.faults.log.clear()

    def log(self) -> list[Injection]:
        return self.state.faults.log.entries()

    def next_id(self) -> str:
        """A client_order_id nobody used."""
        self._sent += 1
        return f"cat-{self._sent}"


def fetched(source: NewsSource) -> Any:
    return source.fetch(ny(9, 40), NOW, ASKED)


@contextmanager
def bench(home: Path) -> Iterator[Bench]:
    """A running market. Shared by the tests of a module: they leave it healed."""
    articles = [article(number, thursday=day) for day in (False, True) for number in (0, 1, 2)]
    app = build_app(
        tape(articles=articles), start=ny(9, 31), seed=7, limits={**dict.fromkeys(VENDORS, ()), "alpaca_data": ()}
    )
    server = start_in_thread(app)
    try:
        patient, hasty = (
            connect(
                Settings(
                    _env_file=None,  # type: ignore[call-arg]
                    market="simulator",
                    simulator_url=server.base_url,
                    home=home,
                    read_timeout_seconds=seconds,
                    connect_timeout_seconds=seconds,
                ),
                clock=server.simulation.clock,
                budget=Unlimited(),
            )
            for seconds in PATIENCE_SECONDS.values()
        )
        made = Bench(server, patient, hasty)
        _history(made)
        yield made
    finally:
        server.stop()


def _history(made: Bench) -> None:
    broker, clock = made.vendors.broker, made.state.clock
    market = {"type": OrderType.MARKET, "order_class": OrderClass.SIMPLE, "limit_price": None, "stop_loss": None}
    plain = {**market, "take_profit": None}
    broker.submit(order_request("bought", symbol="AAA", qty=100, **plain))
    clock.advance(timedelta(minutes=2))
    broker.submit(order_request("sold", symbol="AAA", qty=40, side=OrderSide.SELL, **plain))
    broker.submit(order_request("bought-2", symbol="CCC", qty=50, **plain))
    clock.advance(timedelta(minutes=2))
    broker.submit(order_request("resting"))
    broker.submit(
        order_request("resting-2", symbol="AAA", order_class=OrderClass.SIMPLE, stop_loss=None, take_profit=None)
    )
    clock.set(NOW)


def _questions(connected: Vendors) -> dict[str, Callable[[], Any]]:
    broker, data = connected.broker, connected.market_data.primary  # type: ignore[attr-defined]
    yahoo, movers = (dict(connected.fallbacks)[name] for name in ("yahoo", "alpha_vantage"))
    start = ny(9, 30)
    return {
        "account": broker.account,
        "positions": broker.positions,
        "open_orders": broker.open_orders,
        "orders_since": lambda: broker.orders_since(start),
        "order_by_client_id": lambda: broker.order_by_client_id("resting"),
        "fills": lambda: broker.fills(start),
        "fees": lambda: broker.fees(start),
        "broker_clock": broker.clock,
        "calendar": lambda: broker.calendar(FRIDAY, FRIDAY + timedelta(days=7)),
        "bars": lambda: data.bars(ASKED, "5min", start, NOW),
        "quotes": lambda: data.quotes(ASKED),
        "halted": lambda: data.halted(ASKED),
        "most_active": lambda: data.most_active(10),
        "assets": data.assets,
        "yahoo_bars": lambda: yahoo.bars(["AAA"], "5min", start, NOW),  # type: ignore[attr-defined]
        "yahoo_most_active": lambda: yahoo.most_active(10),
        "alpha_vantage_movers": lambda: movers.most_active(10),
        **{f"{source.name}_news": (lambda source=source: fetched(source)) for source in connected.news},
    }


VENDOR_OF = {
    "yahoo_bars": "yahoo",
    "yahoo_most_active": "yahoo",
    "alpha_vantage_movers": "alphavantage",
    "alpha_vantage_news": "alphavantage",
    "finnhub_news": "finnhub",
    "newsapi_news": "newsapi",
}
"""The simulator's vendor behind a question; Alpaca where none is given."""
