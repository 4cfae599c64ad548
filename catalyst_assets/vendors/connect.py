"""Every vendor the settings allow, connected: the one place where keys and addresses become objects.

Belongs here: which vendors there are, with which keys, plans and addresses. Does not belong here: any vendor's interface.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import redis

from catalyst_assets.ports import Broker, Clock, MarketData, NewsSource
from catalyst_assets.settings import Settings
from catalyst_assets.trading.config import NewsConfig
from catalyst_assets.vendors.alpaca_broker import AlpacaBroker
from catalyst_assets.vendors.alpaca_data import AlpacaMarketData
from catalyst_assets.vendors.alpaca_news import AlpacaNews
from catalyst_assets.vendors.alpha_vantage import AlphaVantageClient, AlphaVantageMovers, AlphaVantageNews
from catalyst_assets.vendors.budgets import LIST_CALLS, Budget, LocalBudget, RedisBudget, allowances, pause_between
from catalyst_assets.vendors.finnhub import FinnhubNews
from catalyst_assets.vendors.market_data import ActiveList, FallbackMarketData
from catalyst_assets.vendors.news_source import Manners
from catalyst_assets.vendors.newsapi import NewsApiNews
from catalyst_assets.vendors.transport import Patience, Redactor, VendorSession, guard_logs
from catalyst_assets.vendors.yahoo import YahooMarketData

NEWSAPI_FREE_PAGES = 1
NEWSAPI_PAGES = 5
"""Pages of one NewsAPI search: a developer plan, told by its delay, serves only the first hundred articles."""
ALPACA_NEWS_PAGES = 10
FINNHUB_SPACING_SECONDS = 1 / 25
"""Finnhub allows 30 requests a second on every plan."""


@dataclass(frozen=True)
class Vendors:
    """All that is connected. ``absent`` names what is not, and what to set."""

    news: tuple[NewsSource, ...]
    market_data: MarketData
    fallbacks: tuple[tuple[str, ActiveList], ...]
    broker: Broker
    budget: Budget
    redact: Redactor
    absent: Mapping[str, str] = field(default_factory=dict)


def connect(
    settings: Settings,
    *,
    clock: Clock,
    redis_client: redis.Redis | None = None,
    budget: Budget | None = None,
    budget_namespace: str = "",
    config: NewsConfig = NewsConfig(),
) -> Vendors:
    """Connect what ``settings`` allow. Nothing is asked of anybody here, except the account's id before real money.

    ``redis_client``: the counter of requests is shared through it; without it each process counts alone.
    ``budget_namespace``: of the counter's keys; default ``<database>:<market>``, so that they go when the database's keys go (a
    simulated day that is played twice). Raises :class:`alpaca_broker.LiveTradingRefused` and
    :class:`ports.BrokerUnavailable` with real money only."""
    redact = Redactor(settings.secrets())
    guard_logs(redact)
    patience = Patience(settings.connect_timeout_seconds, settings.read_timeout_seconds)
    free_newsapi = settings.newsapi_delay_minutes > config.max_useful_delay_minutes
    pages = min(NEWSAPI_FREE_PAGES if free_newsapi else NEWSAPI_PAGES, settings.newsapi_per_day)
    if budget is None:
        limits = allowances(settings, newsapi_pages=pages)
        namespace = budget_namespace or f"{settings.database_name}:{settings.market}"
        budget = (
            LocalBudget(limits, clock)
            if redis_client is None
            else RedisBudget(redis_client, limits, clock, namespace=namespace)
        )

    def manners(delay_minutes: float, max_pages: int = 1) -> Manners:
        return Manners(delay=timedelta(minutes=delay_minutes), max_pages=max_pages)

    shared: dict[str, Any] = {"budget": budget, "clock": clock, "redact": redact, "config": config}
    keys = (settings.alpaca_api_key.get_secret_value(), settings.alpaca_secret_key.get_secret_value())
    news: list[NewsSource] = [
        AlpacaNews(
            *keys,
            settings.alpaca_data_url,
            VendorSession(patience),
            manners=manners(settings.alpaca_delay_minutes, ALPACA_NEWS_PAGES),
            **shared,
        )
    ]
    absent: dict[str, str] = {}
    stand_ins: list[tuple[str, ActiveList]] = []
    if settings.yahoo_enabled:
        yahoo = YahooMarketData(
            clock=clock,
            budget=budget,
            redact=redact,
            patience=patience,
            base_url=settings.yahoo_url,
            cache_folder=str(settings.home / "yahoo"),
        )
        stand_ins.append(("yahoo", yahoo))
    else:
        absent["yahoo"] = "set CATALYST_YAHOO=true"
    if key := settings.finnhub_api_key.get_secret_value():
        spacing = 0.0 if settings.uses_simulator else FINNHUB_SPACING_SECONDS
        per_fetch = max(1, settings.finnhub_per_minute - 1)
        news.append(
            FinnhubNews(
                key,
                settings.finnhub_url,
                VendorSession(patience, spacing=spacing),
                per_fetch=per_fetch,
                manners=manners(settings.finnhub_delay_minutes),
                **shared,
            )
        )
    else:
        absent["finnhub"] = "set FINNHUB_API_KEY"
    if key := settings.alpha_vantage_api_key.get_secret_value():
        session = VendorSession(patience)
        client = AlphaVantageClient(key, settings.alpha_vantage_url, session)
        pause = timedelta(seconds=pause_between(max(1, settings.alpha_vantage_per_day - LIST_CALLS)))
        news.append(
            AlphaVantageNews(
                client, session, pause=pause, manners=manners(settings.alpha_vantage_delay_minutes), **shared
            )
        )
        stand_ins.append(("alpha_vantage", AlphaVantageMovers(client, budget, redact)))
    else:
        absent["alpha_vantage"] = "set ALPHA_VANTAGE_API_KEY"
    if key := settings.newsapi_key.get_secret_value():
        pause = timedelta(seconds=pause_between(settings.newsapi_per_day, pages))
        news.append(
            NewsApiNews(
                key,
                settings.newsapi_url,
                VendorSession(patience),
                pause=pause,
                manners=manners(settings.newsapi_delay_minutes, pages),
                **shared,
            )
        )
    else:
        absent["newsapi"] = "set NEWSAPI_KEY"

    alpaca = AlpacaMarketData(
        *keys,
        feed=settings.alpaca_feed,
        clock=clock,
        budget=budget,
        redact=redact,
        patience=patience,
        data_url=settings.alpaca_data_url,
        trading_url=settings.alpaca_trading_url,
        paper=settings.alpaca_paper,
    )
    return Vendors(
        news=tuple(news),
        market_data=FallbackMarketData(alpaca, stand_ins),
        fallbacks=tuple(stand_ins),
        broker=connect_broker(settings, budget=budget, redact=redact),
        budget=budget,
        redact=redact,
        absent=absent,
    )


def connect_broker(settings: Settings, *, budget: Budget, redact: Redactor) -> AlpacaBroker:
    """The broker alone. Raises :class:`alpaca_broker.LiveTradingRefused` unless every switch agrees on real money."""
    return AlpacaBroker(
        settings.alpaca_api_key.get_secret_value(),
        settings.alpaca_secret_key.get_secret_value(),
        paper=settings.alpaca_paper,
        budget=budget,
        redact=redact,
        patience=Patience(settings.connect_timeout_seconds, settings.read_timeout_seconds),
        url=settings.alpaca_trading_url,
        live_trading=settings.live_trading,
        live_account_id=settings.live_account_id,
    )
