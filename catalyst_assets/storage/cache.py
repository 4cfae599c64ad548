"""Hot results in Redis: optional, quick, never stale.

Belongs here: reading, writing, invalidating, counting, surviving Redis being away. Does not belong here: names and lifetimes
(``cache_keys.py``), encoding (``cache_values.py``), what is worth caching.

Without Redis every read finds nothing and every write does nothing.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final, TypeVar
from uuid import uuid4

import pandas as pd
import redis
import structlog
from redis.backoff import NoBackoff
from redis.retry import Retry

from catalyst_assets.storage.cache_keys import GENERATION_SECONDS, SCOPES, TTL_SECONDS, generation_key, key
from catalyst_assets.storage.cache_values import frame_from_bytes, frame_to_bytes, sealed, unsealed

CONNECT_TIMEOUT_SECONDS: Final = 0.25
ANSWER_TIMEOUT_SECONDS: Final = 0.5
FIRST_PAUSE_SECONDS: Final = 2.0
LONGEST_PAUSE_SECONDS: Final = 60.0
NEAR_FRAMES: Final = 16
"""Stored frames a process keeps, the latest."""
SCAN_STEP: Final = 500
"""Keys per round trip when a namespace is cleared."""

OUTCOMES: Final = ("hits", "misses", "errors")
"""What a question to the cache can come to."""
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
        self._counted: dict[str, list[int]] = {}
        self._owed: set[tuple[str, tuple[tuple[str, Any], ...]]] = set()
        self._life: str | None = None
        self._near: dict[str, tuple[float, pd.DataFrame]] = {}
        self._redis: redis.Redis | None = None
        if url:
            self._redis = redis.Redis.from_url(
                url,
                socket_connect_timeout=CONNECT_TIMEOUT_SECONDS,
                socket_timeout=ANSWER_TIMEOUT_SECONDS,
                retry=Retry(NoBackoff(), 0),
                health_check_interval=30,
                redis_connect_func=self._connected,
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

    def get_many(self, kind: str, asked: Sequence[Mapping[str, Any]]) -> list[Any | None]:
        """The JSON values named by each of ``asked``, in their order, in one round trip; ``None`` for a miss."""
        return [None if raw is None else json.loads(raw) for raw in self._read(kind, self._keys(kind, asked))]

    def put_many(self, kind: str, values: Sequence[tuple[Mapping[str, Any], Any]]) -> None:
        """Keep JSON values under their names for the kind's lifetime, in one round trip."""
        keys = self._keys(kind, [depends for depends, _ in values])
        self._write(kind, {key: json.dumps(value).encode() for key, (_, value) in zip(keys, values, strict=True)})

    def get(self, kind: str, **depends: Any) -> Any | None:
        """A JSON value, or ``None`` on a miss."""
        return self.get_many(kind, [depends])[0]

    def put(self, kind: str, value: Any, **depends: Any) -> None:
        """Keep a JSON value for the kind's lifetime."""
        self.put_many(kind, [(depends, value)])

    def remembered(self, kind: str, make: Callable[[], pd.DataFrame], **depends: Any) -> pd.DataFrame:
        """The frame ``make()`` reads from the database, from the cache while nothing of its scope was written since.

        ``kind`` is one of :data:`~.cache_keys.SCOPES` and ``depends`` names its scope among other things. A frame read
        before a write and put after it lands in the old generation, where nobody looks.
        """
        scope = {name: depends[name] for name in SCOPES[kind]}
        generation = self._generation(kind, scope)
        if generation is None:
            self._tally(kind, errors=1)
            return make()
        key = self._keys(kind, [{**depends, "generation": generation}])[0]
        near = self._near.get(key)
        if near is not None and self._monotonic() < near[0]:
            self._tally(kind, hits=1)
            return near[1].copy()
        raw = self._read(kind, [key])[0]
        if raw is None:
            made = make()
            self._write(kind, {key: frame_to_bytes(made)})
        else:
            made = frame_from_bytes(raw)
        self._keep_near(key, kind, made)
        return made

    def _keep_near(self, key: str, kind: str, frame: pd.DataFrame) -> None:
        """Keep a stored frame in this process too: building one costs more than asking for its generation."""
        with self._lock:
            self._near[key] = (self._monotonic() + TTL_SECONDS[kind], frame.copy())
            while len(self._near) > NEAR_FRAMES:
                del self._near[next(iter(self._near))]

    def invalidate(self, kind: str, **scope: Any) -> None:
        """Make every value of a stored kind's scope unreadable, by a new generation. Call after the write is committed.

        While Redis cannot be reached the change is owed: this process reads that scope from the database until it is made
        up for; others may read values up to the kind's lifetime old, unless the server itself was restarted.
        """
        if not self.enabled:
            return
        with self._lock:
            self._owed.add((kind, tuple(sorted(scope.items()))))
        self._settle()

    def _settle(self) -> None:
        """Write the generations that are owed."""
        with self._lock:
            owed = sorted(self._owed)

        def work(client: redis.Redis) -> bool:
            pipeline = client.pipeline(transaction=False)
            for kind, scope in owed:
                name = generation_key(self.namespace, kind, self._server_life(client), dict(scope))
                pipeline.set(name, uuid4().hex, ex=GENERATION_SECONDS)
            pipeline.execute()
            return True

        if not owed:
            return
        if self.attempt(work, default=False):
            with self._lock:
                self._owed.difference_update(owed)

    def _generation(self, kind: str, scope: Mapping[str, Any]) -> str | None:
        """The present generation of a scope, begun when there is none; ``None`` when Redis cannot say."""
        if self._owed:
            self._settle()
            if (kind, tuple(sorted(scope.items()))) in self._owed:
                return None

        def work(client: redis.Redis) -> str:
            name = generation_key(self.namespace, kind, self._server_life(client), scope)
            if (found := client.get(name)) is None:
                client.set(name, uuid4().hex, ex=GENERATION_SECONDS, nx=True)
                found = client.get(name)
            return found.decode() if isinstance(found, bytes) else ""

        return self.attempt(work, default=None) or None

    def _server_life(self, client: redis.Redis) -> str:
        """Redis's name for the present run of its server, asked again after each new connection."""
        client.ping()  # a connection that has ended is noticed here, not after the name was used
        if self._life is None:
            try:
                about: Any = client.info("server")
                self._life = str(about["run_id"])
            except redis.ResponseError:  # a managed server may keep INFO to itself: then lifetimes bound a restart
                self._life = "unknown"
        return self._life

    def _connected(self, connection: redis.connection.Connection) -> None:
        self._life = None
        connection.on_connect()

    def clear_namespace(self) -> int:
        """Forget everything under this namespace (values, generations, counters, budgets); how many keys. A database made
        anew must not read what an earlier one of its name left. Walks with SCAN, so a shared Redis goes on answering
        others meanwhile, and touches no other namespace, whatever characters the name holds."""
        literal = re.sub(r"([*?\[\]\\^])", r"\\\1", self.namespace)  # MATCH takes glob patterns

        def work(client: redis.Redis) -> int:
            found = client.scan_iter(match=f"{literal}:*", count=SCAN_STEP)
            return sum(int(client.unlink(*keys)) for keys in _batches(found, SCAN_STEP))

        return int(self.attempt(work, default=0))

    # ------------------------------------------------------------------------------------------------------- counters

    def counts(self) -> dict[str, dict[str, int]]:
        """``hits``, ``misses`` and ``errors`` by kind, of this process since it began. An error is a question Redis could
        not answer, or an answer that could not be read."""
        with self._lock:
            return {kind: dict(zip(OUTCOMES, tally, strict=True)) for kind, tally in sorted(self._counted.items())}

    def counts_since(self, before: Mapping[str, Mapping[str, int]]) -> dict[str, dict[str, int]]:
        """What :meth:`counts` grew by since it answered ``before``; kinds that were not asked for are left out."""
        grown = {
            kind: {name: count - before.get(kind, {}).get(name, 0) for name, count in tally.items()}
            for kind, tally in self.counts().items()
        }
        return {kind: tally for kind, tally in grown.items() if any(tally.values())}

    def statistics(self) -> pd.DataFrame:
        """``kind, hits, misses, errors, hit_rate`` since they were last reset, over all processes; empty when Redis is
        away. What fails while Redis is away cannot be counted here, only in :meth:`counts`."""
        raw: dict[bytes, bytes] = self.attempt(lambda client: client.hgetall(f"{self.namespace}:counters"), default={})
        counted = {key.decode(): int(value) for key, value in raw.items()}
        kinds = sorted({name.rpartition(":")[0] for name in counted})
        columns = {name: [counted.get(f"{kind}:{name}", 0) for kind in kinds] for name in OUTCOMES}
        frame = pd.DataFrame({"kind": kinds} | columns)
        return frame.assign(hit_rate=frame["hits"] / frame[list(OUTCOMES)].sum(axis=1))

    def reset_statistics(self) -> None:
        self.attempt(lambda client: client.delete(f"{self.namespace}:counters"), default=None)

    def close(self) -> None:
        if self._redis is not None:
            self._redis.close()

    # -------------------------------------------------------------------------------------------------------- details

    def _keys(self, kind: str, asked: Sequence[Mapping[str, Any]]) -> list[str]:
        return [key(self.namespace, kind, depends) for depends in asked]

    def _read(self, kind: str, keys: Sequence[str]) -> list[bytes | None]:
        """The contents under ``keys``, ``None`` where there is none that can be read; counted."""
        if not keys or not self.enabled:
            return [None] * len(keys)
        answer: list[bytes | None] | None = self.attempt(lambda client: client.mget(list(keys)), default=None)
        if answer is None:
            self._tally(kind, errors=len(keys))
            return [None] * len(keys)
        found = [None if raw is None else unsealed(key, raw) for key, raw in zip(keys, answer, strict=True)]
        hits, absent = sum(content is not None for content in found), sum(raw is None for raw in answer)
        self._tally(kind, hits, absent, len(keys) - hits - absent)
        return found

    def _write(self, kind: str, contents: Mapping[str, bytes]) -> None:
        ttl = TTL_SECONDS[kind]

        def work(client: redis.Redis) -> None:
            pipeline = client.pipeline(transaction=False)
            for name, content in contents.items():
                pipeline.set(name, sealed(name, content), ex=ttl)
            pipeline.execute()

        if contents:
            self.attempt(work, default=None)

    def _tally(self, kind: str, hits: int = 0, misses: int = 0, errors: int = 0) -> None:
        """Count in this process, and in Redis for all of them."""
        if not self.enabled:
            return
        news = dict(zip(OUTCOMES, (hits, misses, errors), strict=True))
        with self._lock:
            tally = self._counted.setdefault(kind, [0, 0, 0])
            for position, count in enumerate(news.values()):
                tally[position] += count

        def work(client: redis.Redis) -> None:
            pipeline = client.pipeline(transaction=False)
            for name, count in news.items():
                if count:
                    pipeline.hincrby(f"{self.namespace}:counters", f"{kind}:{name}", count)
            pipeline.execute()

        self.attempt(work, default=None)

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
