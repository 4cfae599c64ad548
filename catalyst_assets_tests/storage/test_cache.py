"""Rules of the cache: exact keys, exact invalidation, and everything still working without Redis."""

from __future__ import annotations

import json
import shutil
import time
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import redis
import structlog
from hypothesis import example, given, settings
from hypothesis import strategies as st

from catalyst_assets.storage import cache_keys
from catalyst_assets.storage.cache import SCAN_STEP, Cache
from catalyst_assets.storage.cache_keys import SCOPES, TTL_SECONDS, key
from catalyst_assets.storage.cache_values import frame_from_bytes, frame_to_bytes, packed, unpacked
from catalyst_assets.storage.embedded_redis import EmbeddedRedis


def frame() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "symbol": ["A", "B"],
            "ts": pd.to_datetime(["2025-05-15T14:00Z", None]).astype("datetime64[us, UTC]"),
            "value": [1.5, np.nan],
            "large": [np.inf, 0.1 + 0.2],
            "count": [1, 2],
            "session": [date(2025, 5, 15)] * 2,
            "parts": [{"a": 1, "b": [1, 2]}, None],
            "names": [["x"], []],
            "flag": [True, False],
            "perhaps": pd.Series([True, None], dtype="boolean"),
            "text": pd.Series(["ü|:=", None], dtype="str"),
        }
    )


DEPENDS: dict[str, Any] = {"symbol": "A", "timeframe": "5min", "last_bar": "14:00", "feed": "iex", "version": "1"}


def test_a_frame_comes_back_as_it_was_put() -> None:
    pd.testing.assert_frame_equal(frame_from_bytes(frame_to_bytes(frame())), frame())


@settings(max_examples=40)
@given(
    st.lists(st.floats(allow_nan=True, allow_infinity=True), min_size=1, max_size=12),
    st.integers(1, 4),
    st.lists(st.text(max_size=5), min_size=12, max_size=12),
)
def test_rows_taken_apart_and_joined_are_the_frame_again(numbers: list[float], step: int, texts: list[str]) -> None:
    rows = len(numbers)
    whole = pd.DataFrame(
        {
            "number": numbers,
            "text": pd.Series(texts[:rows], dtype="str"),
            "at": pd.date_range("2025-05-15T14:00Z", periods=rows, freq="7s").as_unit("us"),
            "flag": [n > 0 for n in numbers],
        }
    )
    parts = packed(whole, [range(start, min(start + step, rows)) for start in range(0, rows, step)])
    carried = [json.loads(json.dumps(part)) for part in parts]
    pd.testing.assert_frame_equal(unpacked(carried, whole.iloc[:0]), whole)


def test_values_come_back_in_the_order_asked_and_misses_are_none(redis_url: str) -> None:
    cache = Cache(redis_url)
    cache.put_many("patterns", [({"symbol": name}, {"is": name}) for name in "ACB"])
    assert cache.get_many("patterns", [{"symbol": name} for name in "BXA"]) == [{"is": "B"}, None, {"is": "A"}]


@pytest.mark.parametrize("kind", ["patterns", "indicators", "sentiment"])
def test_another_last_bar_feed_or_version_is_another_question(redis_url: str, kind: str) -> None:
    cache = Cache(redis_url)
    cache.put(kind, [1], **DEPENDS)
    assert cache.get(kind, **DEPENDS) == [1]
    for name, other in {"last_bar": "14:05", "feed": "sip", "version": "2", "symbol": "B", "timeframe": "1min"}.items():
        assert cache.get(kind, **{**DEPENDS, name: other}) is None


@pytest.mark.parametrize(
    ("kind", "seconds"),
    [("patterns", 300), ("indicators", 300), ("sentiment", 600), ("positions", 60), ("health", 120), ("scan", 300)],
)
def test_values_live_as_long_as_the_specification_says(redis_url: str, kind: str, seconds: int) -> None:
    cache = Cache(redis_url)
    cache.put(kind, 1, symbol="A")
    cache.remembered("health", frame)
    assert cache.client is not None
    assert seconds - 2 <= cache.client.ttl(key(cache.namespace, kind, {"symbol": "A"})) <= seconds  # type: ignore[operator]
    for name in cache.client.keys("*"):  # type: ignore[union-attr]
        assert cache.client.ttl(name) > 0 or b"counters" in name  # type: ignore[operator]


def spoil(raw: bytes, how: str) -> bytes:
    middle = len(raw) // 2
    return {
        "cut": raw[:-1],
        "emptied": b"",
        "only a seal": raw[:7],
        "one bit": raw[:middle] + bytes([raw[middle] ^ 1]) + raw[middle + 1 :],
        "a pickle": b"cos\nsystem\n(S'true'\ntR.",
        "longer": raw + b" ",
        "plain JSON": b'{"value": 1}',
    }[how]


@pytest.mark.parametrize("how", ["cut", "emptied", "only a seal", "one bit", "a pickle", "longer", "plain JSON"])
def test_bytes_that_are_not_what_was_put_are_a_miss_and_counted_as_an_error(redis_url: str, how: str) -> None:
    cache = Cache(redis_url)
    cache.put("patterns", {"value": 1}, **DEPENDS)
    name = key(cache.namespace, "patterns", DEPENDS)
    raw = cache.client.get(name)  # type: ignore[union-attr]
    cache.client.set(name, spoil(raw, how))  # type: ignore[union-attr, arg-type]
    assert cache.get("patterns", **DEPENDS) is None
    assert cache.counts()["patterns"] == {"hits": 0, "misses": 0, "errors": 1}
    cache.put("patterns", {"value": 2}, **DEPENDS)
    assert cache.get("patterns", **DEPENDS) == {"value": 2}


def test_a_value_under_another_key_is_a_miss(redis_url: str) -> None:
    cache = Cache(redis_url)
    cache.put("patterns", 1, symbol="A")
    raw = cache.client.get(key(cache.namespace, "patterns", {"symbol": "A"}))  # type: ignore[union-attr]
    cache.client.set(key(cache.namespace, "patterns", {"symbol": "B"}), raw)  # type: ignore[union-attr, arg-type]
    assert cache.get("patterns", symbol="B") is None


def test_hits_and_misses_are_counted_over_processes_and_for_each(redis_url: str) -> None:
    one, two = Cache(redis_url), Cache(redis_url)
    one.get("patterns", symbol="A")
    one.put("patterns", 1, symbol="A")
    two.get("patterns", symbol="A")
    before = two.counts()
    two.get_many("patterns", [{"symbol": "A"}, {"symbol": "B"}])
    row = one.statistics().iloc[0]
    assert (row["kind"], row["hits"], row["misses"], row["errors"]) == ("patterns", 2, 2, 0)
    assert row["hit_rate"] == pytest.approx(1 / 2)
    assert one.counts() == {"patterns": {"hits": 0, "misses": 1, "errors": 0}}
    assert two.counts_since(before) == {"patterns": {"hits": 1, "misses": 1, "errors": 0}}
    assert two.counts_since(two.counts()) == {}


def test_databases_sharing_a_redis_do_not_meet(redis_url: str) -> None:
    Cache(redis_url, namespace="one").put("scan", 1, session="x")
    assert Cache(redis_url, namespace="two").get("scan", session="x") is None


# ----------------------------------------------------------------------------------------------------- stored rows


class Rows:
    """Rows of a table that change, and how often they were read."""

    def __init__(self) -> None:
        self.now, self.reads = 1, 0

    def read(self) -> pd.DataFrame:
        self.reads += 1
        return pd.DataFrame({"value": [self.now]})


def test_stored_rows_are_read_once_by_all_processes_until_a_write(redis_url: str) -> None:
    one, two, rows = Cache(redis_url), Cache(redis_url), Rows()
    for cache in (one, two, one, two):
        assert cache.remembered("positions", rows.read, scenario="live")["value"].tolist() == [1]
    assert rows.reads == 1
    rows.now = 2
    two.invalidate("positions", scenario="live")
    for cache in (one, two, one):
        assert cache.remembered("positions", rows.read, scenario="live")["value"].tolist() == [2]
    assert rows.reads == 2
    assert one.counts()["positions"] == {"hits": 2, "misses": 2, "errors": 0}


def test_a_write_makes_its_scope_unreadable_and_nothing_else(redis_url: str) -> None:
    cache = Cache(redis_url)
    asked = [("scan", {"scenario": "live", "n": 1}), ("scan", {"scenario": "live", "n": 2}),
             ("scan", {"scenario": "other", "n": 1}), ("positions", {"scenario": "live"}), ("health", {})]  # fmt: skip
    rows = [Rows() for _ in asked]
    for _ in range(2):
        for (kind, depends), each in zip(asked, rows, strict=True):
            cache.remembered(kind, each.read, **depends)
        cache.invalidate("scan", scenario="live")
    assert [each.reads for each in rows] == [2, 2, 1, 1, 1]
    with pytest.raises(ValueError, match="invalidated by scenario"):
        cache.invalidate("scan", session="x")


def test_rows_read_before_a_write_and_put_after_it_are_never_read(redis_url: str) -> None:
    slow, other, rows = Cache(redis_url), Cache(redis_url), Rows()

    def read_and_be_overtaken() -> pd.DataFrame:
        found = rows.read()
        rows.now = 2
        other.invalidate("health")
        return found

    assert slow.remembered("health", read_and_be_overtaken)["value"].tolist() == [1]
    assert slow.remembered("health", rows.read)["value"].tolist() == [2]
    assert other.remembered("health", rows.read)["value"].tolist() == [2]


def test_changing_an_answer_changes_no_later_one(redis_url: str) -> None:
    cache, rows = Cache(redis_url), Rows()
    for _ in range(3):
        found = cache.remembered("health", rows.read)
        assert found["value"].tolist() == [1]
        found.loc[0, "value"] = 99


def test_a_write_while_redis_is_stopped_is_made_up_for_and_a_restart_forgets_what_was_kept(
    redis_server: EmbeddedRedis, redis_url: str
) -> None:
    now = [0.0]
    writer, reader = (Cache(redis_url, monotonic=lambda: now[0]) for _ in range(2))
    rows = Rows()
    reader.remembered("positions", rows.read, scenario="live")
    writer.remembered("positions", rows.read, scenario="live")
    redis_server.stop()
    rows.now = 2
    writer.invalidate("positions", scenario="live")
    for cache in (writer, reader):
        assert cache.remembered("positions", rows.read, scenario="live")["value"].tolist() == [2]
        assert cache.counts()["positions"]["errors"] == 1
    redis_server.ensure(int(redis_url.rsplit(":", 1)[1].split("/")[0]))  # with its append-only file: old keys are back
    now[0] += 40
    for cache in (reader, writer, reader):  # the reader first: the writer has not made up for its write yet
        assert cache.remembered("positions", rows.read, scenario="live")["value"].tolist() == [2]


def test_a_write_that_could_not_be_told_is_read_from_the_database_by_its_writer(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache, rows = Cache(redis_url), Rows()
    cache.remembered("health", rows.read)
    with monkeypatch.context() as patch:
        patch.setattr(cache, "attempt", lambda work, default: default)  # this process alone cannot reach Redis
        rows.now = 2
        cache.invalidate("health")
    assert cache.remembered("health", rows.read)["value"].tolist() == [2]
    assert Cache(redis_url).remembered("health", rows.read)["value"].tolist() == [2]


def test_a_flushed_redis_is_a_miss(redis_url: str) -> None:
    cache, rows = Cache(redis_url), Rows()
    cache.remembered("health", rows.read)
    rows.now = 2
    cache.client.flushall()  # type: ignore[union-attr]
    assert cache.remembered("health", rows.read)["value"].tolist() == [2]


# ---------------------------------------------------------------------------------------------------------- keys


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
    cache.invalidate("health")
    assert cache.clear_namespace() == 3 * SCAN_STEP + 3  # the value, the counters, the generation
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
    pd.testing.assert_frame_equal(cache.remembered("scan", frame, scenario="live"), frame())
    cache.invalidate("scan", scenario="live")
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

    first, second = key("c", "scan", names(one)), key("c", "scan", names(two))
    assert (first == second) == (names(one) == names(two))


def test_every_kind_has_a_sensible_lifetime() -> None:
    assert all(0 < seconds <= 86_400 for seconds in TTL_SECONDS.values())


def test_every_stored_kind_has_a_lifetime() -> None:
    assert set(SCOPES) < set(TTL_SECONDS)


def test_empty_frames_keep_their_columns() -> None:
    empty = frame().iloc[:0]
    assert list(frame_from_bytes(frame_to_bytes(empty)).columns) == list(empty.columns)


def test_the_code_version_is_the_content_of_the_decision_core(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original = cache_keys.code_version()
    copied = Path(shutil.copytree(Path(cache_keys.decision_core.__file__ or "").parent, tmp_path / "trading"))
    monkeypatch.setattr(cache_keys.decision_core, "__file__", str(copied / "__init__.py"))
    assert cache_keys.code_version.__wrapped__() == original
    source = copied / "patterns.py"
    source.write_text(source.read_text().replace("65.0", "66.0", 1))
    assert cache_keys.code_version.__wrapped__() != original
