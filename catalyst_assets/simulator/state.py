"""Everything the simulator's routes share: tape, exchange, clock, faults, limits, keys.

Belongs here: the one object behind the HTTP interfaces, and what every request goes through (time moves, fault, limit).
Does not belong here: any vendor's words.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from email.utils import format_datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from catalyst_assets.simulator.clock import SimulatedClock
from catalyst_assets.simulator.exchange import Exchange
from catalyst_assets.simulator.faults import Faults, Handler, answer_with
from catalyst_assets.simulator.faults.markets import Market
from catalyst_assets.simulator.faults.request import read_request
from catalyst_assets.simulator.feeds import FeedView
from catalyst_assets.simulator.market import MarketView
from catalyst_assets.simulator.routes.limits import RateLimiter, Standing
from catalyst_assets.simulator.routes.wire import refused, stamp
from catalyst_assets.simulator.streams.hub import StreamHub
from catalyst_assets.simulator.tape import MarketTape, WireArticle
from catalyst_assets.simulator.venue.orders import ExchangeRefusal
from catalyst_assets.simulator.worlds.pricepath import instant
from catalyst_assets.simulator.worlds.truth import WorldTruth

Texts = tuple[str, str, datetime]
"""Headline, summary and time of the last update of an article, as they read at an instant."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What the simulated customer has paid for (the free plans)."""

    sip: bool = False
    """Alpaca Algo Trader Plus: SIP data in real time, streams without a symbol limit."""
    sip_delay: timedelta = timedelta(minutes=15)
    """Alpaca Basic: SIP data younger than this is refused."""
    iex_share: float = 0.03
    """IEX's part of the consolidated volume and number of trades."""
    stream_symbols: int = 30
    """Most trade and quote subscriptions of a stock stream without :attr:`sip`; bars are not limited."""
    stream_connections: int = 1
    """Most connections of an account to one stream."""
    live: bool = False
    """Order updates arrive in text frames as on the live host; in binary frames, as on the paper host, when false."""
    newsapi_delay: timedelta = timedelta(hours=24)
    newsapi_history: timedelta = timedelta(days=30)
    newsapi_results: int = 100


PLANS = {"free": Plan(), "plus": Plan(sip=True)}
"""Alpaca's Basic plan, and Algo Trader Plus; the other vendors' plans are free in both."""


@dataclass(slots=True)
class Simulation:
    """The shared state of one simulator process."""

    tape: MarketTape
    exchange: Exchange
    clock: SimulatedClock
    key: str
    secret: str
    plan: Plan = field(default_factory=Plan)
    faults: Faults = field(default_factory=Faults)
    truth: WorldTruth | None = None
    """What was planted; None unless a test wants it served."""
    limiter: RateLimiter = field(init=False)
    streams: StreamHub = field(init=False)
    _wires: dict[str, list[tuple[datetime, WireArticle]]] = field(default_factory=dict)
    _feeds: dict[str, FeedView] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.limiter = RateLimiter(lambda: self.clock.now().timestamp())
        self.streams = StreamHub(self.tick, lambda: self.clock.speed)

    @property
    def view(self) -> MarketView:
        """The tape as it reads at an instant."""
        return self.exchange.view

    def feed(self, name: str) -> FeedView:
        """The tape as feed ``name`` (``iex`` or ``sip``) tells it."""
        known = self._feeds.get(name)
        if known is None:
            known = self._feeds[name] = FeedView(self.view, name, self.plan.iex_share)
        return known

    def tick(self) -> datetime:
        """Bring the exchange up to the clock; the instant it now stands at. Streams are told when it moved."""
        with self.exchange.lock:
            before = self.exchange.now
            now = max(self.clock.now(), before)
            self.exchange.advance(now)
        if now > before:
            self.streams.moved()
        return now

    def wire(self, provider: str) -> list[tuple[datetime, WireArticle]]:
        """Articles ``provider`` ever serves with the instant from which it does, oldest first."""
        known = self._wires.get(provider)
        if known is None:
            known = [(a.visible[provider], a) for a in self.tape.articles() if provider in a.visible]
            known.sort(key=lambda item: (item[0], item[1].article_id))
            self._wires[provider] = known
        return known

    def route(
        self,
        vendor: str,
        handler: Handler,
        *,
        limited: Callable[[Standing], Response],
        refuse: Callable[[Request], Response | None],
        headers: str = "",
        plan: str = "",
    ) -> Handler:
        """A vendor's endpoint: authenticate, move time, apply fault and rate limit, then ``handler``.

        ``refuse`` answers a request without valid credentials (it does not count against the limit); ``headers`` is the prefix
        of the rate headers, empty when the vendor sends none; ``plan`` names the limit to count against (the vendor's own name when
        empty).
        """

        async def endpoint(request: Request) -> Response:
            standing = Standing(True, 0, 0, 0)

            async def healthy() -> Response:
                nonlocal standing
                response = refuse(request)
                if response is None:
                    standing = self.limiter.count(plan or vendor)
                    response = await self._served(request, handler) if standing.allowed else limited(standing)
                response.headers["Date"] = self._date()
                return response

            def used_up() -> Response:
                nonlocal standing
                standing = replace(self.limiter.count(plan or vendor), allowed=False, remaining=0)
                return limited(standing)

            number = self.faults.next_request()
            if self.faults.watches(vendor):
                asked = await read_request(request, vendor, number, self._order_named)
                response = await answer_with(self.faults, asked, self._market(), healthy, used_up)
            else:
                response = await healthy()
            response.headers.setdefault("Date", self._date())
            if headers:
                response.headers[f"{headers}-Limit"] = str(standing.limit)
                response.headers[f"{headers}-Remaining"] = str(standing.remaining)
                response.headers[f"{headers}-Reset"] = str(standing.reset)
            return response

        return endpoint

    async def _served(self, request: Request, handler: Handler) -> Response:
        self.tick()
        try:
            return await handler(request)
        except ExchangeRefusal as error:
            return refused(error)

    def _date(self) -> str:
        """The Date header: a vendor lives in the market's time."""
        return format_datetime(self.clock.now(), usegmt=True)

    def _order_named(self, order_id: str) -> tuple[str, str] | None:
        """Symbol and client_order_id of an order that is spoken of by its id."""
        try:
            order = self.exchange.order(order_id)
        except ExchangeRefusal:
            return None
        return order.symbol, order.client_order_id

    def _market(self) -> Market:
        return Market(self.clock.now(), self._quote_at)

    def _quote_at(self, symbol: str, at: datetime) -> dict[str, Any] | None:
        """Time and prices of a quote as Alpaca writes them."""
        quote = self.view.quote(symbol, at)
        return None if quote is None else {"t": stamp(instant(quote.ts)), "bp": quote.bid, "ap": quote.ask}


def visible_articles(
    state: Simulation, provider: str, now: datetime, delay: timedelta = timedelta(0)
) -> Iterator[tuple[WireArticle, Texts]]:
    """Articles ``provider`` serves at ``now`` as they read then, oldest first; ``delay`` holds each back after publication."""
    for visible, article in state.wire(provider):
        if visible > now:
            break
        if article.published_at + delay <= now:
            yield article, article.version_at(now)
