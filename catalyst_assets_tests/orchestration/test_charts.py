"""Rules of the charts' cache: a hit is exactly what a computation gives, a changed input never hits, Redis only buys time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from functools import cache as once
from typing import Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from catalyst_assets.orchestration import charts
from catalyst_assets.orchestration.cycle import CycleContext
from catalyst_assets.storage import cache_keys
from catalyst_assets.storage.cache import Cache
from catalyst_assets.storage.embedded_redis import EmbeddedRedis
from catalyst_assets.trading import bars as bar_rules
from catalyst_assets.trading import indicators, patterns
from catalyst_assets.trading.calendar import TradingCalendar
from catalyst_assets.trading.config import TradingConfig
from catalyst_assets_tests.trading import random_bars

CALENDAR = TradingCalendar()
CONFIG = TradingConfig()
SESSION = date(2025, 5, 15)
SYMBOLS = ("AAA", "BBB", "CCC")

KINDS = {"indicators": charts.computed_indicators, "patterns": charts.detected_patterns}


@once
def everything() -> pd.DataFrame:
    return random_bars.sessions(("2025-05-13", "2025-05-14", "2025-05-15"), symbols=SYMBOLS)


def bars_until(at: pd.Timestamp, symbols: tuple[str, ...] = SYMBOLS) -> dict[str, pd.DataFrame]:
    """What a cycle at ``at`` reads: 5-minute bars that began before it, and longer ones made of them, the last unfinished."""
    seen = everything()
    seen = seen[(seen["ts"] < at) & seen["symbol"].isin(symbols)].reset_index(drop=True)
    return bar_rules.by_timeframe(seen, "5min")


def cycle_at(at: pd.Timestamp, config: TradingConfig = CONFIG) -> CycleContext:
    now = datetime(2025, 5, 15, tzinfo=UTC)
    return CycleContext(
        scenario="live", session=SESSION, decision_times=pd.DatetimeIndex([at]).as_unit("us"), trigger="test", run_id="r",
        started_at=now, wall_started_at=now, hours=CALENDAR.hours(SESSION), calendar=CALENDAR, config=config,
    )  # fmt: skip


def computed(
    kind: str, at: pd.Timestamp, bars: dict[str, pd.DataFrame], config: TradingConfig = CONFIG
) -> pd.DataFrame:
    times = pd.DatetimeIndex([at]).as_unit("us")
    if kind == "indicators":
        return indicators.compute(bars, times, config, feed="iex", calendar=CALENDAR)
    return patterns.detect(bars, times, config, calendar=CALENDAR)


def time(text: str) -> pd.Timestamp:
    return pd.Timestamp(f"2025-05-15 {text}", tz="America/New_York").tz_convert("UTC").as_unit("us")


OPENING = time("09:30")


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.integers(-60, 380), st.sets(st.sampled_from(SYMBOLS), min_size=1)), min_size=2, max_size=5)
)
def test_what_comes_from_the_cache_is_what_a_computation_gives(
    redis_url: str, kind: str, visits: list[tuple[int, set[str]]]
) -> None:
    """At any minutes, in any order (a cycle may be repeated), with any candidates, with what earlier visits left."""
    cache = Cache(redis_url)
    for minutes, symbols in [*visits, visits[0]]:
        at = OPENING + pd.Timedelta(minutes=minutes)
        bars = bars_until(at, tuple(sorted(symbols)))
        found = KINDS[kind](cycle_at(at), bars, "iex", cache)
        pd.testing.assert_frame_equal(found, computed(kind, at, bars))
    assert cache.counts()[kind]["hits"] > 0


def hits(cache: Cache, kind: str, ask: Callable[[], Any]) -> tuple[int, int]:
    before = cache.counts()
    ask()
    grown = cache.counts_since(before)[kind]
    assert grown["errors"] == 0
    return grown["hits"], grown["misses"]


@pytest.mark.parametrize(("kind", "lengths"), [("indicators", 4), ("patterns", 3)])
def test_bars_that_did_not_change_are_not_computed_again(redis_url: str, kind: str, lengths: int) -> None:
    """From 10:30 to 10:35 only the 5-minute bars are new; patterns do not even ask for those."""
    cache, chart = Cache(redis_url), KINDS[kind]
    for at, expected in (("10:30", 0), ("10:35", 3)):
        found = hits(cache, kind, lambda at=time(at): chart(cycle_at(at), bars_until(at), "iex", cache))
        assert found == (expected * len(SYMBOLS), (lengths - expected) * len(SYMBOLS))


def corrected_bar(bars: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """An old bar of one symbol was corrected by one share."""
    changed = {name: frame.copy() for name, frame in bars.items()}
    for frame in changed.values():
        frame.loc[frame.index[frame["symbol"] == "BBB"][0], "volume"] += 1
    return changed


@pytest.mark.parametrize("kind", KINDS)
def test_a_corrected_bar_is_another_question_for_its_symbol_alone(redis_url: str, kind: str) -> None:
    cache, chart, cycle, bars = Cache(redis_url), KINDS[kind], cycle_at(time("10:30")), bars_until(time("10:30"))
    asked = sum(hits(cache, kind, lambda: chart(cycle, bars, "iex", cache)))
    others = asked * (len(SYMBOLS) - 1) // len(SYMBOLS)
    assert hits(cache, kind, lambda: chart(cycle, corrected_bar(bars), "iex", cache)) == (others, asked - others)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("changed", ["feed", "configuration", "code"])
def test_another_feed_configuration_or_code_never_hits(
    redis_url: str, kind: str, changed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache, chart, at = Cache(redis_url), KINDS[kind], time("10:30")
    bars, feed, config = bars_until(at), "iex", CONFIG
    chart(cycle_at(at), bars, feed, cache)
    if changed == "feed":
        feed = "sip"
    elif changed == "configuration":
        config = CONFIG.model_copy(update={"scan": CONFIG.scan.model_copy(update={"relative_volume_sessions": 3})})
    else:
        monkeypatch.setattr(cache_keys, "code_version", lambda: "another")
    found, misses = hits(cache, kind, lambda: chart(cycle_at(at, config), bars, feed, cache))
    assert (found, misses > 0) == (0, True)


@pytest.mark.parametrize("kind", KINDS)
def test_feeds_do_not_meet_in_one_value(redis_url: str, kind: str) -> None:
    """The same prices with another feed's volumes."""
    cache, chart, cycle, bars = Cache(redis_url), KINDS[kind], cycle_at(time("10:30")), bars_until(time("10:30"))
    chart(cycle, bars, "iex", cache)
    consolidated = {name: frame.assign(volume=frame["volume"] * 30) for name, frame in bars.items()}
    found = chart(cycle, consolidated, "iex", cache)  # even under the wrong name
    expected = computed(kind, cycle.decision_time, consolidated)
    pd.testing.assert_frame_equal(found, expected)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("happens", ["stopped", "flushed", "spoiled"])
def test_redis_stopped_flushed_or_spoiled_between_two_stages_changes_nothing(
    redis_server: EmbeddedRedis, redis_url: str, kind: str, happens: str
) -> None:
    cache, chart, at = Cache(redis_url), KINDS[kind], time("10:30")
    cycle, bars = cycle_at(at), bars_until(at)
    first = chart(cycle, bars, "iex", cache)
    assert cache.client is not None
    if happens == "stopped":
        redis_server.stop()
    elif happens == "flushed":
        cache.client.flushall()
    else:
        for name in cache.client.keys(f"*:{kind}:*"):  # type: ignore[union-attr]
            cache.client.set(name, b"\x80\x04" + cache.client.get(name))  # type: ignore[operator]
    before = cache.counts()
    pd.testing.assert_frame_equal(chart(cycle, bars, "iex", cache), first)
    grown = cache.counts_since(before)[kind]
    assert grown["hits"] == 0
    assert (grown["errors"] > 0) == (happens != "flushed")


@pytest.mark.parametrize("kind", KINDS)
def test_a_replay_asks_no_cache(redis_url: str, kind: str) -> None:
    cache, at = Cache(redis_url), time("10:30")
    live = cycle_at(at)
    replay = CycleContext(
        **{name: getattr(live, name) for name in live.__dataclass_fields__} | {"scenario": "replay:x"}
    )
    pd.testing.assert_frame_equal(KINDS[kind](replay, bars_until(at), "iex", cache), computed(kind, at, bars_until(at)))
    assert cache.counts() == {}
