"""Everything the simulator's routes share: tape, exchange, clock, faults, limits, keys.

Belongs here: the one object behind the HTTP interfaces, and what every request goes through (time moves, fault, limit).
Does not belong here: any vendor's words.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from starlette.requests import Request
from starlette.responses import Response

from catalyst_assets.simulator.clock import SimulatedClock
from catalyst_assets.simulator.exchange import Exchange
from catalyst_assets.simulator.faults import Faults, Handler, answer_with
from catalyst_assets.simulator.feeds import FeedView
from catalyst_assets.simulator.market import MarketView
from catalyst_assets.simulator.routes.limits import RateLimiter, Standing
from catalyst_assets.simulator.routes.wire import refused
from catalyst_assets.simulator.streams.hub import StreamHub
from catalyst_assets.simulator.tape import MarketTape, WireArticle
from catalyst_assets.simulator.venue.orders import ExchangeRefusal

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
            fault = self.faults.take(vendor)
            standing = Standing(True, 0, 0, 0)

            async def healthy(inner: Request) -> Response:
                nonlocal standing
                denied = refuse(inner)
                if denied is not None:
                    return denied
                standing = self.limiter.count(plan or vendor)
                if not standing.allowed:
                    return limited(standing)
                self.tick()
                try:
                    return await handler(inner)
                except ExchangeRefusal as error:
                    return refused(error)

            response = await answer_with(fault, request, healthy, lambda: limited(self.limiter.count(plan or vendor)))
            if headers:
                response.headers[f"{headers}-Limit"] = str(standing.limit)
                response.headers[f"{headers}-Remaining"] = str(standing.remaining)
                response.headers[f"{headers}-Reset"] = str(standing.reset)
            return response

        return endpoint


def visible_articles(
    state: Simulation, provider: str, now: datetime, delay: timedelta = timedelta(0)
) -> Iterator[tuple[WireArticle, Texts]]:
    """Articles ``provider`` serves at ``now`` as they read then, oldest first; ``delay`` holds each back after publication."""
    for visible, article in state.wire(provider):
        if visible > now:
            break
        if article.published_at + delay <= now:
            yield article, article.version_at(now)
