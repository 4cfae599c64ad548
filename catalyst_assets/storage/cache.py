"""Hot results in Redis: optional, quick, never stale.

Belongs here: keys, lifetimes, encoding, counters, surviving Redis being away. Does not belong here: what is worth
caching.

A key names everything its value depends on (symbol, timeframe, last bar, feed, code version), so a stale value cannot
be read: the question has changed. Invalidation is by the same names. Without Redis every read is a miss and every
write does nothing.
"""

from __future__ import annotations

import io
import json
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from itertools import islice
from typing import Any, Final, TypeVar
from urllib.parse import quote

import pandas as pd
import pyarrow as pa
import redis
import structlog
from redis.backoff import NoBackoff
from redis.retry import Retry

from catalyst_assets.storage.frames import to_json

TTL_SECONDS: Final[Mapping[str, int]] = {
    "patterns": 300,
    "indicators": 300,
    "sentiment": 600,
    "narratives": 600,
    "scan": 300,
    "positions": 60,
    "health": 120,
    "quotes": 15,
    "actives": 120,
    "assets": 86_400,
    "calendar": 86_400,
}
"""Lifetime of each kind of value, seconds. A kind that is not listed has no place in the cache."""

CONNECT_TIMEOUT_SECONDS: Final = 0.25
ANSWER_TIMEOUT_SECONDS: Final = 0.5
FIRST_PAUSE_SECONDS: Final = 2.0
LONGEST_PAUSE_SECONDS: Final = 60.0
SCAN_STEP: Final = 500
"""Keys per round trip when a namespace is cleared."""

_OBJECTS = b"catalyst.json_columns"
_Result = TypeVar("_Result")
_log = structlog.get_logger("catalyst.cache")


class Cache:
    """A Redis cache that may be away. ``url`` empty: off for good. Safe to share between threads.

    After a failure nothing is asked for a pause (2 s, doubling up to 60 s), so an outage costs one timeout per pause;
    it is logged once when it begins and once when it ends. ``namespace`` keeps databases that share a Redis apart.
    """

    def __init__(
        self, url: str, *, namespace: str = "catalyst", monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self.namespace = namespace
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._pause = 0.0
        self._closed_until = 0.0
        self._redis: redis.Redis | None = None
        if url:
            self._redis = redis.Redis.from_url(
                url,
                socket_connect_timeout=CONNECT_TIMEOUT_SECONDS,
                socket_timeout=ANSWER_TIMEOUT_SECONDS,
                retry=Retry(NoBackoff(), 0),
                health_check_interval=30,
            )

    # ---------------------------------------------------------------------------------------------------------- state

    @property
    def enabled(self) -> bool:
        """False when there is no Redis at all."""
        return self._redis is not None

    @property
    def resting(self) -> bool:
        """True during an outage's pause: nothing is asked."""
        return self._monotonic() < self._closed_until

    @property
    def client(self) -> redis.Redis | None:
        """The Redis client for uses of its own (rate budgets); guard its errors, or use :meth:`attempt`."""
        return self._redis

    def ping(self) -> float | None:
        """Milliseconds of a round trip now, ``None`` when Redis is off or away. Asks even during a pause."""
        self._closed_until = 0.0
        started = time.perf_counter()
        answered = self.attempt(lambda client: client.ping(), default=False)
        return (time.perf_counter() - started) * 1000 if answered else None

    def attempt(self, work: Callable[[redis.Redis], Any], default: _Result) -> Any | _Result:
        """``work(client)``, or ``default`` when Redis is off, resting or fails now. Never raises a Redis error."""
        if self._redis is None or self.resting:
            return default
        try:
            result = work(self._redis)
        except (redis.RedisError, OSError) as error:
            self._failed(error)
            return default
        if self._pause:
            self._recovered()
        return result

    # --------------------------------------------------------------------------------------------------------- values

    def key(self, kind: str, **depends: Any) -> str:
        """The key of a value and everything it depends on, in one order:
        ``catalyst:indicators:feed=iex|symbol=ACME|…``."""
        if kind not in TTL_SECONDS:
            raise ValueError(f"{kind!r} is no kind of cached value; kinds: {', '.join(TTL_SECONDS)}")
        return f"{self.namespace}:{kind}:" + "|".join(self._tags(depends))

    def get(self, kind: str, **depends: Any) -> Any | None:
        """A JSON value, or ``None`` on a miss."""
        raw = self._get(kind, depends)
        return None if raw is None else json.loads(raw)

    def put(self, kind: str, value: Any, **depends: Any) -> None:
        """Keep a JSON value for the kind's lifetime."""
        self._put(kind, to_json(value).encode(), depends)

    def get_frame(self, kind: str, **depends: Any) -> pd.DataFrame | None:
        """A frame as it was put, types included, or ``None`` on a miss."""
        raw = self._get(kind, depends)
        return None if raw is None else frame_from_bytes(raw)

    def put_frame(self, kind: str, frame: pd.DataFrame, **depends: Any) -> None:
        """Keep a frame for the kind's lifetime."""
        if self._redis is not None and not self.resting:
            self._put(kind, frame_to_bytes(frame), depends)

    def invalidate(self, kind: str, **depends: Any) -> int:
        """Forget every value of ``kind`` that depends on all of ``depends``; how many. Without names: the whole
        kind."""
        sets = [self._tag_key(kind, tag) for tag in (self._tags(depends) or [""])]

        def work(client: redis.Redis) -> int:
            keys: set[bytes] = client.sinter(sets)  # type: ignore[assignment]  # sync client
            if not keys:
                return 0
            pipeline = client.pipeline(transaction=True)
            pipeline.delete(*keys)
            for name in sets:
                pipeline.srem(name, *keys)
            return int(pipeline.execute()[0])

        return int(self.attempt(work, default=0))

    def clear_namespace(self) -> int:
        """Forget everything under this namespace (values, their indexes, counters); how many keys. A database made
        anew must not read what an earlier one of its name left. Walks with SCAN, so a shared Redis goes on answering
        others meanwhile, and touches no other namespace, whatever characters the name holds."""
        literal = re.sub(r"([*?\[\]\\^])", r"\\\1", self.namespace)  # MATCH takes glob patterns

        def work(client: redis.Redis) -> int:
            found = client.scan_iter(match=f"{literal}:*", count=SCAN_STEP)
            return sum(int(client.unlink(*keys)) for keys in _batches(found, SCAN_STEP))  # type: ignore[arg-type]

        return int(self.attempt(work, default=0))

    # ------------------------------------------------------------------------------------------------------- counters

    def statistics(self) -> pd.DataFrame:
        """Hits, misses and hit rate per kind since they were last reset, over all processes; empty when Redis is
        away."""
        raw: dict[bytes, bytes] = self.attempt(lambda client: client.hgetall(f"{self.namespace}:counters"), default={})
        counts = {key.decode(): int(value) for key, value in raw.items()}
        kinds = sorted({name.rpartition(":")[0] for name in counts})
        frame = pd.DataFrame(
            {
                "kind": kinds,
                "hits": [counts.get(f"{kind}:hit", 0) for kind in kinds],
                "misses": [counts.get(f"{kind}:miss", 0) for kind in kinds],
            }
        )
        return frame.assign(hit_rate=frame["hits"] / (frame["hits"] + frame["misses"]))

    def reset_statistics(self) -> None:
        self.attempt(lambda client: client.delete(f"{self.namespace}:counters"), default=None)

    def close(self) -> None:
        if self._redis is not None:
            self._redis.close()

    # -------------------------------------------------------------------------------------------------------- details

    def _get(self, kind: str, depends: Mapping[str, Any]) -> bytes | None:
        key = self.key(kind, **depends)

        def work(client: redis.Redis) -> bytes | None:
            value: bytes | None = client.get(key)  # type: ignore[assignment]  # sync client
            client.hincrby(f"{self.namespace}:counters", f"{kind}:{'miss' if value is None else 'hit'}", 1)
            return value

        return self.attempt(work, default=None)

    def _put(self, kind: str, value: bytes, depends: Mapping[str, Any]) -> None:
        key, ttl = self.key(kind, **depends), TTL_SECONDS[kind]

        def work(client: redis.Redis) -> None:
            pipeline = client.pipeline(transaction=True)
            pipeline.set(key, value, ex=ttl)
            for tag in ["", *self._tags(depends)]:
                name = self._tag_key(kind, tag)
                pipeline.sadd(name, key)
                pipeline.expire(name, ttl + 60)  # every value in the set is gone by then
            pipeline.execute()

        self.attempt(work, default=None)

    def _tags(self, depends: Mapping[str, Any]) -> list[str]:
        return [f"{name}={_text(value)}" for name, value in sorted(depends.items())]

    def _tag_key(self, kind: str, tag: str) -> str:
        return f"{self.namespace}:tag:{kind}:{tag}"

    def _failed(self, error: Exception) -> None:
        with self._lock:
            first = self._pause == 0.0
            self._pause = FIRST_PAUSE_SECONDS if first else min(self._pause * 2, LONGEST_PAUSE_SECONDS)
            self._closed_until = self._monotonic() + self._pause
        if first:
            _log.warning("redis is away: working without the cache", error=type(error).__name__)

    def _recovered(self) -> None:
        with self._lock:
            was_away, self._pause = self._pause > 0, 0.0
        if was_away:
            _log.info("redis is back")


def _batches(keys: Iterable[bytes], size: int) -> Iterator[list[bytes]]:
    remaining = iter(keys)
    while batch := list(islice(remaining, size)):
        yield batch


def _text(value: Any) -> str:
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, list | tuple | set | frozenset):
        return ",".join(sorted(_text(item) for item in value))
    return quote(str(value), safe="")  # a separator inside a value must not look like one between values


def frame_to_bytes(frame: pd.DataFrame) -> bytes:
    """A frame as Arrow bytes; columns of dicts and lists as JSON text, so that they come back exactly."""
    nested = [name for name in frame.columns if frame[name].dtype == object and _holds_containers(frame[name])]
    flat = frame.assign(
        **{name: [None if value is None else to_json(value) for value in frame[name]] for name in nested}
    )
    table = pa.Table.from_pandas(flat, preserve_index=False)
    table = table.replace_schema_metadata({**(table.schema.metadata or {}), _OBJECTS: json.dumps(nested).encode()})
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression="lz4")) as writer:
        writer.write_table(table)
    return sink.getvalue()


def frame_from_bytes(raw: bytes) -> pd.DataFrame:
    """The inverse of :func:`frame_to_bytes`."""
    with pa.ipc.open_stream(raw) as reader:
        table = reader.read_all()
    nested: Sequence[str] = json.loads((table.schema.metadata or {}).get(_OBJECTS, b"[]"))
    frame: pd.DataFrame = table.to_pandas()
    for name in nested:
        values = [json.loads(value) if isinstance(value, str) else None for value in frame[name]]
        frame[name] = pd.Series(values, index=frame.index, dtype="object")
    return frame


def _holds_containers(column: pd.Series) -> bool:
    return any(isinstance(value, dict | list | tuple) for value in column)
