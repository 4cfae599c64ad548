"""Rules of the cache: exact keys, exact invalidation, and everything still working without Redis."""

from __future__ import annotations

import time
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import pytest
import redis
import structlog
from hypothesis import example, given, settings
from hypothesis import strategies as st

from catalyst_assets.storage.cache import SCAN_STEP, TTL_SECONDS, Cache, frame_from_bytes, frame_to_bytes
from catalyst_assets.storage.embedded_redis import EmbeddedRedis


def frame() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "symbol": ["A", "B"],
            "ts": pd.to_datetime(["2025-05-15T14:00Z", "2025-05-15T14:05Z"]).astype("datetime64[us, UTC]"),
            "value": [1.5, np.nan],
            "count": [1, 2],
            "session": [date(2025, 5, 15)] * 2,
            "parts": [{"a": 1, "b": [1, 2]}, {"c": None}],
            "names": [["x"], []],
            "flag": [True, False],
        }
    )


def test_a_frame_comes_back_as_it_was_put(redis_url: str) -> None:
    cache = Cache(redis_url)
    cache.put_frame("indicators", frame(), symbol="A", last_bar="14:00")
    found = cache.get_frame("indicators", last_bar="14:00", symbol="A")
    assert found is not None
    pd.testing.assert_frame_equal(found, frame())


def test_another_last_bar_feed_or_version_is_another_question(redis_url: str) -> None:
    cache = Cache(redis_url)
    depends: dict[str, Any] = {"symbol": "A", "timeframe": "5min", "last_bar": "14:00", "feed": "iex", "version": "1"}
    cache.put("patterns", [1], **depends)
    assert cache.get("patterns", **depends) == [1]
    for name, other in {"last_bar": "14:05", "feed": "sip", "version": "2", "symbol": "B", "timeframe": "1min"}.items():
        assert cache.get("patterns", **{**depends, name: other}) is None


def test_invalidation_forgets_exactly_what_depends_on_the_names(redis_url: str) -> None:
    cache = Cache(redis_url)
    for symbol in ("A", "B"):
        for timeframe in ("1min", "5min"):
            cache.put("patterns", symbol + timeframe, symbol=symbol, timeframe=timeframe)
    cache.put("indicators", "kept", symbol="A", timeframe="1min")
    assert cache.invalidate("patterns", symbol="A", timeframe="1min") == 1
    assert cache.invalidate("patterns", symbol="B") == 2
    assert cache.get("patterns", symbol="A", timeframe="5min") == "A5min"
    assert cache.get("indicators", symbol="A", timeframe="1min") == "kept"
    assert cache.invalidate("patterns") == 1
    assert cache.invalidate("patterns") == 0


@pytest.mark.parametrize(("kind", "seconds"), [("patterns", 300), ("indicators", 300), ("sentiment", 600)])
def test_values_live_as_long_as_the_specification_says(redis_url: str, kind: str, seconds: int) -> None:
    cache = Cache(redis_url)
    cache.put(kind, 1, symbol="A")
    assert cache.client is not None
    assert seconds - 2 <= cache.client.ttl(cache.key(kind, symbol="A")) <= seconds  # type: ignore[operator]
    for key in cache.client.keys("*"):  # type: ignore[union-attr]
        assert cache.client.ttl(key) > 0 or b"counters" in key  # type: ignore[operator]


def test_hits_and_misses_are_counted_over_processes(redis_url: str) -> None:
    one, two = Cache(redis_url), Cache(redis_url)
    one.get("patterns", symbol="A")
    one.put("patterns", 1, symbol="A")
    two.get("patterns", symbol="A")
    two.get("patterns", symbol="A")
    row = one.statistics().iloc[0]
    assert (row["kind"], row["hits"], row["misses"]) == ("patterns", 2, 1)
    assert row["hit_rate"] == pytest.approx(2 / 3)


def test_databases_sharing_a_redis_do_not_meet(redis_url: str) -> None:
    Cache(redis_url, namespace="one").put("scan", 1, session="x")
    assert Cache(redis_url, namespace="two").get("scan", session="x") is None


@pytest.mark.parametrize("name", ["demo", "de*o", "d[e]mo", "d?mo", "d\\emo"])
def test_clearing_a_namespace_leaves_nothing_of_it_and_everything_of_the_others(redis_url: str, name: str) -> None:
    others = [Cache(redis_url, namespace=other) for other in ("demo2", "demo_x", "xdemo", "demoo", "deXo")]
    for other in others:
        other.put("scan", other.namespace, session="x")
    cache = Cache(redis_url, namespace=name)
    for number in range(3 * SCAN_STEP):
        cache.client.set(f"{name}:budget:{number}", 1)  # type: ignore[union-attr]
    cache.put("scan", 1, session="x")
    cache.get("scan", session="x")
    assert cache.clear_namespace() == 3 * SCAN_STEP + 4  # the value, its two indexes, the counters
    assert cache.get("scan", session="x") is None
    assert cache.clear_namespace() == 1  # the counter of that miss
    assert [other.get("scan", session="x") for other in others] == [other.namespace for other in others]


def test_an_unknown_kind_is_refused(redis_url: str) -> None:
    with pytest.raises(ValueError, match="no kind of cached value"):
        Cache(redis_url).put("gossip", 1)


def exercise(cache: Cache) -> None:
    """Every method, as without Redis."""
    assert cache.get("scan", x=1) is None
    cache.put("scan", 1, x=1)
    assert cache.get_frame("scan", x=1) is None
    cache.put_frame("scan", frame(), x=1)
    assert cache.invalidate("scan", x=1) == 0
    assert cache.clear_namespace() == 0
    assert cache.statistics().empty
    cache.reset_statistics()
    assert cache.attempt(lambda client: client.incr("n"), default=None) is None


def test_without_redis_everything_works_and_nothing_is_kept() -> None:
    cache = Cache("")
    assert not cache.enabled
    assert cache.ping() is None
    exercise(cache)


def test_an_outage_costs_one_attempt_is_logged_once_and_ends_by_itself(
    redis_server: EmbeddedRedis, redis_url: str
) -> None:
    now = [0.0]
    cache = Cache(redis_url, monotonic=lambda: now[0])
    cache.put("scan", "before", x=1)
    redis_server.stop()
    with structlog.testing.capture_logs() as logs:
        started = time.perf_counter()
        exercise(cache)
        assert time.perf_counter() - started < 1.0
        assert cache.resting
        for _ in range(3):
            now[0] += 100
            exercise(cache)
        assert [line["event"] for line in logs] == ["redis is away: working without the cache"]
        port = int(redis_url.rsplit(":", 1)[1].split("/")[0])
        assert redis_server.ensure(port) is not None
        now[0] += 100
        cache.put("scan", "after", x=1)
        assert cache.get("scan", x=1) == "after"
        assert [line["event"] for line in logs][1:] == ["redis is back"]


def test_a_silent_server_costs_at_most_the_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    import socket

    with socket.socket() as deaf:  # accepts connections, never answers
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        cache = Cache(f"redis://127.0.0.1:{deaf.getsockname()[1]}/0")
        started = time.perf_counter()
        for _ in range(50):
            exercise(cache)
        assert time.perf_counter() - started < 2.0


def test_a_tls_address_is_understood() -> None:
    cache = Cache("rediss://:pw@cache.example:6380/2?ssl_cert_reqs=required")
    assert cache.client is not None
    assert issubclass(cache.client.connection_pool.connection_class, redis.SSLConnection)


@settings(max_examples=40)
@given(
    st.dictionaries(st.text(max_size=6), st.text(max_size=20), max_size=4),
    st.dictionaries(st.text(max_size=6), st.text(max_size=20), max_size=4),
)
@example({"a": "x:y"}, {"a": "x.y"})
@example({"a": "x|n1=y"}, {"a": "x", "b": "y"})
def test_different_dependencies_never_share_a_key_by_their_separators(one: dict[str, str], two: dict[str, str]) -> None:
    def names(given: dict[str, str]) -> dict[str, str]:
        return {f"n{index}": value for index, value in enumerate(given.values())}

    first, second = Cache("").key("scan", **names(one)), Cache("").key("scan", **names(two))
    assert (first == second) == (names(one) == names(two))


def test_every_kind_has_a_sensible_lifetime() -> None:
    assert all(0 < seconds <= 86_400 for seconds in TTL_SECONDS.values())


def test_empty_frames_keep_their_columns() -> None:
    empty = frame().iloc[:0]
    assert list(frame_from_bytes(frame_to_bytes(empty)).columns) == list(empty.columns)
