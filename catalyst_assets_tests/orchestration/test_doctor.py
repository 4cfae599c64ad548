"""Rules of the doctor: every dependency answered for, in bounded time, and unsafe means exit code 1."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
from rich.console import Console

from catalyst_assets.orchestration import doctor as doctor_module
from catalyst_assets.orchestration.doctor import Doctor, DoctorReport, Finding, examine, show
from catalyst_assets.ports import Account, BrokerClock, BrokerUnavailable, NewsBatch
from catalyst_assets.settings import load_settings
from catalyst_assets.storage.cache import Cache
from catalyst_assets.storage.database import Database
from catalyst_assets.storage.operations import OperationsRepository
from catalyst_assets.trading.calendar import TradingCalendar

NOW = datetime(2025, 5, 15, 14, 0, tzinfo=UTC)
ACCOUNT = Account(
    "acct-1234",
    "ACTIVE",
    Decimal(100_000),
    Decimal(100_000),
    Decimal(100_000),
    Decimal(400_000),
    True,
    False,
    Decimal(4),
    True,
)


class World:
    """Connections to dependencies that are what a test says."""

    def __init__(self, database: Database, tmp_path: Path) -> None:
        self.settings = load_settings(home=tmp_path)
        self.database = database
        self.cache = Cache("")
        self.account = ACCOUNT
        self.broker_now = NOW
        self.sessions = self._sessions()
        self.clock = SimpleNamespace(now=lambda: NOW)
        self.broker = SimpleNamespace(
            name="fake", account=lambda: self.account, clock=lambda: BrokerClock(self.broker_now, True, NOW, NOW),
            calendar=lambda start, end: self.sessions,
        )  # fmt: skip
        self.market_data = SimpleNamespace(feed="iex", most_active=lambda top: pd.DataFrame({"symbol": ["A"]}))
        self.news_sources = [self.source("finnhub")]
        self.vendors = SimpleNamespace(absent={})

    @staticmethod
    def _sessions() -> list[tuple[date, datetime, datetime]]:
        calendar = TradingCalendar()
        days = calendar.sessions(NOW.date(), NOW.date() + timedelta(days=14))
        return [
            (day, calendar.hours(day).open.to_pydatetime(), calendar.hours(day).close.to_pydatetime()) for day in days
        ]

    @staticmethod
    def source(name: str, error: str | None = None, live: bool = True) -> Any:
        return SimpleNamespace(
            name=name,
            live=live,
            delay=timedelta(0),
            fetch=lambda since, until, symbols: NewsBatch(name, (), error=error),
        )


@pytest.fixture
def world(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    made = World(database, tmp_path)
    monkeypatch.setattr(doctor_module, "connections", lambda settings: made)
    monkeypatch.setattr(Doctor, "dagster", lambda self: Finding("dagster storage", "ok", "0 runs"))
    return made


def run(world: World, **more: Any) -> tuple[DoctorReport, dict[str, Finding]]:
    report = examine(world.settings, **more)
    return report, {finding.name: finding for finding in report.findings}


def test_with_everything_well_trading_is_safe_and_every_check_answers(world: World) -> None:
    report, found = run(world)
    assert report.safe, report
    assert set(found) == {
        "database", "redis", "disk", "dagster storage", "broker", "positions", "clock", "calendar", "market data",
        "news finnhub",
    }  # fmt: skip
    assert {name for name, finding in found.items() if finding.state != "ok"} == {"redis"}
    assert found["positions"].message == "none open"
    assert found["redis"].state == "off" and found["redis"].affects and found["redis"].advice
    assert report.as_json()["safe"] is True


def break_broker(world: World) -> None:
    def refuse() -> None:
        raise BrokerUnavailable("401 unauthorised")

    world.broker.account = refuse


def block_account(world: World) -> None:
    world.account = replace(ACCOUNT, trading_blocked=True)


def use_another_real_account(world: World) -> None:
    world.account = replace(ACCOUNT, is_paper=False)


def skew_clock(world: World) -> None:
    world.broker_now = NOW + timedelta(minutes=3)


def lose_a_session(world: World) -> None:
    world.sessions = world.sessions[1:]


def close_early(world: World) -> None:
    day, start, end = world.sessions[0]
    world.sessions[0] = (day, start, end - timedelta(hours=3))


def break_prices(world: World) -> None:
    world.market_data.most_active = lambda top: 1 / 0


@pytest.mark.parametrize(
    ("spoil", "name"),
    [
        (break_broker, "broker"), (block_account, "broker"), (use_another_real_account, "broker"), (skew_clock, "clock"),
        (lose_a_session, "calendar"), (close_early, "calendar"), (break_prices, "market data"),
    ],
)  # fmt: skip
def test_what_makes_trading_unsafe_is_down_and_says_what_to_do(
    world: World, spoil: Callable[[World], None], name: str
) -> None:
    spoil(world)
    report, found = run(world)
    assert not report.safe
    assert found[name].state == "down" and found[name].affects and found[name].advice
    assert [finding.name for finding in report.findings if finding.unsafe] == [name]


def test_a_failing_source_is_named_but_the_rest_carries_on(world: World) -> None:
    world.news_sources = [world.source("finnhub", error="HTTP 429"), world.source("alpaca")]
    report, found = run(world)
    assert report.safe
    assert found["news finnhub"].message == "HTTP 429" and found["news alpaca"].state == "ok"


def test_no_source_fast_enough_is_degraded(world: World) -> None:
    world.news_sources = [world.source("newsapi", live=False), world.source("finnhub", error="gone")]
    _, found = run(world)
    assert found["news"].state == "degraded"


def test_a_check_that_never_answers_is_down_in_time(world: World) -> None:
    world.market_data.most_active = lambda top: time.sleep(30)
    started = time.monotonic()
    report, found = run(world, timeout_seconds=1.0)
    assert time.monotonic() - started < 10
    assert found["market data"].message == "no answer in 1 s" and not report.safe
    assert found["broker"].state == "ok"


def test_scarce_daily_budgets_are_not_spent_on_a_check(world: World) -> None:
    object.__setattr__(world.settings, "market", "vendors")
    asked: list[str] = []
    source = world.source("alpha_vantage")
    source.fetch = lambda since, until, symbols: asked.append("x") or NewsBatch("alpha_vantage", ())
    world.news_sources = [source, world.source("finnhub")]
    OperationsRepository(world.database).record_health(
        "news.alpha_vantage", "down", checked_at=NOW, message="limit reached"
    )
    _, found = run(world)
    assert asked == []
    assert found["news alpha_vantage"].state == "down" and "limit reached" in found["news alpha_vantage"].message
    run(world, probe_all=True)
    assert asked == ["x"]


def test_the_hit_rate_of_each_kind_is_shown_for_redis(world: World, redis_url: str) -> None:
    world.cache = Cache(redis_url)
    world.cache.put("patterns", 1, symbol="A")
    world.cache.get_many("patterns", [{"symbol": "A"}, {"symbol": "B"}])
    _, found = run(world)
    assert found["redis"].state == "ok" and "patterns 50% of 2" in found["redis"].message


def test_a_vendor_without_a_key_is_shown_as_off_with_what_to_set(world: World) -> None:
    world.vendors.absent = {"finnhub": "set FINNHUB_API_KEY"}
    report, found = run(world)
    assert found["vendor finnhub"].state == "off" and found["vendor finnhub"].advice == "set FINNHUB_API_KEY"
    assert report.safe


def test_what_several_dependencies_say_alike_is_shown_once_and_each_consequence_stays() -> None:
    said, remedy = "the market does not answer", "start it"
    findings = tuple(
        Finding(name, "down", said, affects=f"no {name}", advice=remedy, unsafe=True)
        for name in ("broker", "clock", "news")
    )
    text = io.StringIO()
    show(DoctorReport((Finding("disk", "ok", "plenty"), *findings), "simulator"), Console(file=text, width=80))
    shown = text.getvalue()
    assert shown.count(said) == 1 == shown.count(f"what to do: {remedy}")
    assert all(f"because of it: no {name}" in shown for name in ("broker", "clock", "news"))
    assert "trading would be unsafe: broker, clock, news" in shown
