"""Rate limits of the simulated vendors.

Belongs here: counting requests in windows of real or simulated time. Does not belong here: the vendor's words when a limit is
reached (its routes). Windows run on simulated time by default: a vendor lives in the market's time, so an accelerated day is not
starved, a played day has exactly one day's calls, and the same requests meet the same refusals in every run.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Limit:
    """At most ``count`` requests per ``seconds``; ``clock`` is ``wall`` or ``simulated``."""

    count: int
    seconds: int
    clock: str = "simulated"


MINUTE, HALF_DAY, DAY = 60, 43_200, 86_400

DEFAULT_LIMITS: dict[str, tuple[Limit, ...]] = {
    "alpaca": (Limit(200, MINUTE),),
    "alpaca_data": (Limit(200, MINUTE),),
    "finnhub": (Limit(60, MINUTE),),
    "alphavantage": (Limit(25, DAY),),
    "newsapi": (Limit(100, DAY), Limit(50, HALF_DAY)),
    "yahoo": (Limit(120, MINUTE),),
}
"""The free plans; Alpaca counts trading and market data (news and screener with it) separately. Limits per second (Alpha Vantage 1,
Finnhub 30) are left out, because a simulated second is no real one: add ``Limit(30, 1, "wall")`` to have them."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a vendor's tightest window stands after a request: ``reset`` is unix seconds (real time)."""

    allowed: bool
    limit: int
    remaining: int
    reset: int


@dataclass(slots=True)
class _Window:
    number: int = -1
    used: int = 0


@dataclass(slots=True)
class RateLimiter:
    """Fixed windows per vendor. ``simulated_now`` gives simulated unix seconds."""

    simulated_now: Callable[[], float]
    limits: dict[str, tuple[Limit, ...]] = field(default_factory=lambda: dict(DEFAULT_LIMITS))
    _windows: dict[tuple[str, int], _Window] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def count(self, vendor: str) -> Standing:
        """Count one request of ``vendor`` and say whether it is allowed. A refused request does not use up a window."""
        wall = time.time()
        with self._lock:
            current = []
            for position, limit in enumerate(self.limits.get(vendor, ())):
                now = wall if limit.clock == "wall" else self.simulated_now()
                number = int(now // limit.seconds)
                window = self._windows.setdefault((vendor, position), _Window())
                if window.number != number:
                    window.number, window.used = number, 0
                reset = int((number + 1) * limit.seconds) if limit.clock == "wall" else int(wall) + limit.seconds
                current.append((limit, window, reset))
            allowed = all(window.used < limit.count for limit, window, _ in current)
            if allowed:
                for _, window, _ in current:
                    window.used += 1
            if not current:
                return Standing(True, 0, 0, int(wall))
            limit, window, reset = current[0]
            return Standing(allowed, limit.count, max(limit.count - window.used, 0), reset)
