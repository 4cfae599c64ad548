"""How many requests each vendor's plan allows, counted across processes.

Belongs here: the allowances (from settings) and the two counters, in Redis and in this process. Does not belong here: what
is worth a request (each vendor's file).

Time is the given clock's: with the real market that is the real time, with a simulated one a day that is played in minutes has
exactly one day's calls and each of its minutes one minute's. A clock that stands still therefore refills nothing.
Algorithm: sliding windows of pyrate-limiter, one bucket per vendor with several rates.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import redis
import structlog
from pyrate_limiter import InMemoryBucket, Rate, RateItem, RedisBucket

from catalyst_assets.ports import Clock
from catalyst_assets.settings import Settings

log = structlog.get_logger(__name__)

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS
SESSION_HOURS = 16
"""Hours in which articles matter: 04:00-20:00 New York. A day's allowance is spread over these."""
LIST_CALLS = 2
"""Alpha Vantage calls a day kept for its list of movers, the last fallback of the universe."""
REDIS_PAUSE_SECONDS = 30.0
"""After a Redis failure the counter in this process is used this long before Redis is tried again."""

TIDY_SECONDS = 1.0
"""Entries that have left their window are removed, and the key's expiry is moved, at most this often."""


class BudgetSpent(Exception):
    """The vendor may not be asked now: the plan's allowance is used up, or its turn has not come. Not a failure."""


@runtime_checkable
class Budget(Protocol):
    """Counts requests against the vendors' plans."""

    def acquire(self, vendor: str, cost: int = 1, *, wait: float = 0.0) -> bool:
        """Take ``cost`` requests of ``vendor``'s allowance, waiting at most ``wait`` real seconds for room.

        ``True``: taken. ``False``: nothing was taken. A vendor without an allowance is always allowed."""
        ...


Allowances = Mapping[str, Sequence[Rate]]


def spread(per_day: int, calls: int = 1) -> list[Rate]:
    """An allowance of ``per_day`` requests spent evenly over the session: ``calls`` at a time, then a pause.

    Half of it at most in any 12 hours when it is a large one (NewsAPI counts so).
    """
    calls = max(1, min(calls, per_day))
    pause = round(SESSION_HOURS * HOUR_MS / per_day * calls)
    return [Rate(calls, pause), Rate(max(per_day, calls + 1), max(DAY_MS, pause + 1))]


def pause_between(per_day: int, calls: int = 1) -> float:
    """Seconds between two turns of an allowance made by :func:`spread`."""
    return spread(per_day, calls)[0].interval / 1000


def allowances(settings: Settings, *, newsapi_pages: int = 1) -> dict[str, Sequence[Rate]]:
    """The plans' allowances by bucket name. Alpaca's market data and its trading are limited separately by Alpaca."""
    lists = min(LIST_CALLS, max(1, settings.alpha_vantage_per_day - 1))
    return {
        "alpaca_data": [Rate(settings.alpaca_per_minute, MINUTE_MS)],
        "alpaca_trading": [Rate(settings.alpaca_per_minute, MINUTE_MS)],
        "finnhub": [Rate(settings.finnhub_per_minute, MINUTE_MS)],
        "yahoo": [Rate(settings.yahoo_per_minute, MINUTE_MS)],
        "newsapi": spread(settings.newsapi_per_day, newsapi_pages),
        "alpha_vantage": spread(max(1, settings.alpha_vantage_per_day - lists)),
        "alpha_vantage_lists": [Rate(lists, DAY_MS)],
    }


def _milliseconds(clock: Clock) -> int:
    return int(clock.now().timestamp() * 1000)


class LocalBudget:
    """Counts in this process only: tests, one-off commands, and whenever Redis is away."""

    def __init__(self, limits: Allowances, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._buckets = {vendor: InMemoryBucket(list(rates)) for vendor, rates in limits.items()}
        self._latest = dict.fromkeys(limits, 0)

    def acquire(self, vendor: str, cost: int = 1, *, wait: float = 0.0) -> bool:
        """See :class:`Budget`."""
        return _patiently(lambda: self._take(vendor, cost), wait)

    def _take(self, vendor: str, cost: int) -> bool:
        bucket = self._buckets.get(vendor)
        if bucket is None:
            return True
        with self._lock:
            now = _milliseconds(self._clock)
            if now < self._latest[vendor] - MINUTE_MS:  # the simulated clock was set back: "later" was another day
                bucket.flush()
            self._latest[vendor] = now
            bucket.leak(now)
            return bool(bucket.put(RateItem(vendor, now, weight=cost)))


class RedisBudget:
    """Counts in Redis, for every process together; survives Redis being away by counting in this process.

    Keys: ``<namespace>:budget:<vendor>``, sorted sets that expire with the longest window.
    """

    def __init__(self, client: redis.Redis, limits: Allowances, clock: Clock, *, namespace: str = "catalyst") -> None:
        self._client = client
        self._limits = dict(limits)
        self._clock = clock
        self._namespace = namespace
        self._buckets: dict[str, RedisBucket] = {}
        self._local = LocalBudget(limits, clock)
        self._tidied: dict[str, float] = {}
        self._lock = threading.Lock()
        self._away_until = 0.0

    def acquire(self, vendor: str, cost: int = 1, *, wait: float = 0.0) -> bool:
        """See :class:`Budget`."""
        return _patiently(lambda: self._take(vendor, cost), wait)

    def _key(self, vendor: str) -> str:
        return f"{self._namespace}:budget:{vendor}"

    def _take(self, vendor: str, cost: int) -> bool:
        rates = self._limits.get(vendor)
        if rates is None:
            return True
        if time.monotonic() < self._away_until:
            return self._local.acquire(vendor, cost)
        try:
            try:
                return self._put(vendor, rates, cost)
            except redis.exceptions.NoScriptError:  # Redis was restarted or flushed: load the script again
                self._buckets.pop(vendor, None)
                return self._put(vendor, rates, cost)
        except redis.exceptions.RedisError as error:
            self._away_until = time.monotonic() + REDIS_PAUSE_SECONDS
            self._buckets.clear()
            log.warning("budget_counted_locally", reason=type(error).__name__, for_seconds=REDIS_PAUSE_SECONDS)
            return self._local.acquire(vendor, cost)

    def _put(self, vendor: str, rates: Sequence[Rate], cost: int) -> bool:
        with self._lock:
            bucket = self._buckets.get(vendor)
            if bucket is None:
                made: Any = RedisBucket.init(list(rates), self._client, self._key(vendor))
                bucket = self._buckets[vendor] = made
            now = _milliseconds(self._clock)
            taken = bool(bucket.put(RateItem(vendor, now, weight=cost)))
            due = time.monotonic()
            # The count looks at its window only: entries that left it just take room.
            if due - self._tidied.get(vendor, -math.inf) > TIDY_SECONDS:
                self._tidied[vendor] = due
                bucket.leak(now)
                longest = max(int(rate.interval) for rate in rates)
                self._client.pexpire(self._key(vendor), longest + int(1000 * TIDY_SECONDS))
            return taken


def _patiently(take: Any, wait: float) -> bool:
    """Try until it is taken or ``wait`` real seconds are over."""
    deadline = time.monotonic() + wait
    while not take():
        left = deadline - time.monotonic()
        if left <= 0:
            return False
        time.sleep(min(0.1, left))
    return True
