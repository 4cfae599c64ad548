"""All news sources at once: a slow, silent or broken one costs the cycle at most its timeout.

Belongs here: running sources side by side under one deadline. Does not belong here: what a source does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from datetime import datetime, timedelta
from time import monotonic

import structlog

from catalyst_assets.ports import NewsBatch, NewsSource

log = structlog.get_logger(__name__)


def collect(
    sources: Sequence[NewsSource],
    since: datetime,
    until: datetime,
    symbols: Sequence[str],
    timeout: float,
    *,
    redact: Callable[[str], str] = lambda text: text,
) -> list[NewsBatch]:
    """One batch per source, in the order of ``sources``, within ``timeout`` seconds (plus a moment).

    A source that has not answered by then yields a batch with an ``error``; it is left to finish (its own timeouts end it)
    and refuses to be asked again until it has. A source that raises, which is a defect of this program, yields an error too.
    """
    if not sources:
        return []
    started = monotonic()
    pool = ThreadPoolExecutor(max_workers=len(sources), thread_name_prefix="news")
    try:
        futures = [pool.submit(source.fetch, since, until, tuple(symbols)) for source in sources]
        wait(futures, timeout=timeout)
        return [
            _batch(source, future, monotonic() - started, redact)
            for source, future in zip(sources, futures, strict=True)
        ]
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _batch(source: NewsSource, future: Future[NewsBatch], seconds: float, redact: Callable[[str], str]) -> NewsBatch:
    took = timedelta(seconds=seconds)
    if not future.done():
        return NewsBatch(
            source.name, (), duration=took, error=f"no answer within {seconds:.1f} s; given up for this collection"
        )
    failure = future.exception()
    if failure is not None:
        text = redact(f"{type(failure).__name__}: {failure}")[:300]
        log.error("news_source_raised", source=source.name, error=text)
        return NewsBatch(source.name, (), duration=took, error=f"a defect of this program: {text}")
    return future.result()
