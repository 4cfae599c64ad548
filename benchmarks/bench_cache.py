"""What each kind of cached value saves: the cycles' own questions, answered through Redis and without it, side by side.

Belongs here: the callers of the cache inside real cycles, on real inputs in the order a morning brings them. Does not belong here:
whether the answers are equal (tests).
"""

from __future__ import annotations

import functools
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import pandas as pd

from benchmarks.bench_cycle import CALENDAR, Day
from benchmarks.figures import Figure, Tell, silent
from benchmarks.surroundings import SESSION, market
from catalyst_assets.orchestration import charts, scanning, sensors
from catalyst_assets.orchestration.connections import Connections
from catalyst_assets.storage.cache import Cache
from catalyst_assets.storage.operations import OperationsRepository
from catalyst_assets.storage.scan import ScanRepository
from catalyst_assets.storage.trades import TradeRepository
from catalyst_assets.trading import articles
from catalyst_assets.trading.config import TradingConfig

MINUTES = (-5, 0, 5, 10, 15, 20, 25, 30, 35)
WARM_UP = 2
OFF = Cache("")
NOTES = {
    "indicators": "scan and candidates, per symbol, timeframe and last bar",
    "patterns": "15 and 60 minutes and the day; shorter bars are not asked for",
    "scan": "the stored candidates, four reads a cycle",
    "positions": "one read a cycle, after the watch has usually changed them",
    "health": "one read by the doctor; every cycle's writes invalidate it",
    "sentiment": "the second look of the breaking-news sensor at the same articles",
    "invalidations": "what telling the cache about writes costs a cycle",
}


def run(parent: Path, tell: Tell = silent) -> list[Figure]:
    """Milliseconds saved per cycle by kind, negative when the cache costs more than it saves. No targets: for information."""
    opening = CALENDAR.hours(SESSION).open
    saved: dict[str, list[float]] = defaultdict(list)
    with market(parent, opening + pd.Timedelta(minutes=MINUTES[0] - 1)) as opened:
        day = Day(opened)
        for number, minutes in enumerate(MINUTES):
            tell(f"cycle {number + 1} of {len(MINUTES)}")
            taken: dict[str, float] = defaultdict(float)
            with _watched(opened, taken):
                day.cycle(opening + pd.Timedelta(minutes=minutes))
            taken["health"] += _repeated(opened, lambda: OperationsRepository(opened.database).service_health())
            taken["sentiment"] += _sentiment(opened, opening + pd.Timedelta(minutes=minutes))
            if number >= WARM_UP:
                for kind in NOTES:
                    saved[kind].append(taken[kind] * 1000)
        rates = opened.cache.statistics().set_index("kind")["hit_rate"].to_dict()
    return [_figure(kind, saved[kind], rates.get(kind)) for kind in NOTES]


def _figure(kind: str, saved: list[float], rate: float | None) -> Figure:
    middle = statistics.median(saved)
    hits = "" if rate is None else f", {rate:.0%} hits"
    return Figure(
        f"cache: {kind}", "for information", f"{middle:+.1f} ms a cycle{hits}", True,
        f"{NOTES[kind]}; {min(saved):+.1f} to {max(saved):+.1f}", True,
    )  # fmt: skip


def _clocked(work: Callable[[], Any]) -> tuple[float, Any]:
    begun = time.perf_counter()
    answer = work()
    return time.perf_counter() - begun, answer


@contextmanager
def _without(opened: Connections) -> Iterator[None]:
    with mock.patch.object(opened.database, "cache", OFF):
        yield


@contextmanager
def _watched(opened: Connections, taken: dict[str, float]) -> Iterator[None]:
    """Ask every cached question of a cycle a second time without a cache; the difference goes into ``taken``."""

    def twice(owner: Any, name: str, kind: str, plain: Callable[..., Any]) -> Any:
        original = getattr(owner, name)

        @functools.wraps(original)
        def both(*args: Any, **kwargs: Any) -> Any:
            with _without(opened):
                bare, _ = _clocked(lambda: plain(original, *args, **kwargs))
            cached, answer = _clocked(lambda: original(*args, **kwargs))
            taken[kind] += bare - cached
            return answer

        return mock.patch.object(owner, name, both)

    def same(original: Any, *args: Any, **kwargs: Any) -> Any:
        return original(*args, **kwargs)

    def without_argument(original: Any, *args: Any, **kwargs: Any) -> Any:
        return original(*(OFF if isinstance(value, Cache) else value for value in args), **kwargs)

    invalidate = Cache.invalidate

    def counted(self: Cache, kind: str, **scope: Any) -> None:
        spent, _ = _clocked(lambda: invalidate(self, kind, **scope))
        taken["invalidations"] -= spent

    with ExitStack() as stack:
        for patch in (
            twice(charts, "computed_indicators", "indicators", without_argument),
            twice(scanning, "computed_indicators", "indicators", without_argument),
            twice(charts, "detected_patterns", "patterns", without_argument),
            twice(ScanRepository, "trading_candidates", "scan", same),
            twice(TradeRepository, "positions", "positions", same),
            mock.patch.object(Cache, "invalidate", counted),
        ):
            stack.enter_context(patch)
        yield


def _repeated(opened: Connections, read: Callable[[], Any]) -> float:
    """What the second of two reads saves."""
    with _without(opened):
        bare, _ = _clocked(read)
    read()
    return bare - _clocked(read)[0]


def _sentiment(opened: Connections, at: pd.Timestamp) -> float:
    """What the sensor's second look at the stories of the five most written-about symbols saves."""
    from catalyst_assets.storage.news import NewsRepository

    config = TradingConfig()
    start = at - pd.Timedelta(days=config.cycle.lookback_days)
    stored = NewsRepository(opened.database, CALENDAR).articles(start.to_pydatetime(), at.to_pydatetime())
    mentions = articles.mentions(stored, config)
    busiest = mentions["symbol"].value_counts().index[:5]
    about = mentions[mentions["symbol"].isin(busiest)]
    bare, _ = _clocked(lambda: sensors.stories(OFF, about, config))
    sensors.stories(opened.cache, about, config)
    return bare - _clocked(lambda: sensors.stories(opened.cache, about, config))[0]
