"""What the four news vendors have in common: one ``fetch`` that never raises for vendor trouble.

Belongs here: the frame around a vendor's pages (time, budget, window, duplicates, refusals, the error sentence). Does not
belong here: a vendor's requests and fields.
"""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from catalyst_assets.ports import Clock, NewsBatch, RawArticle, RefusedItem
from catalyst_assets.trading.config import NewsConfig
from catalyst_assets.vendors.budgets import Budget, BudgetSpent
from catalyst_assets.vendors.fields import Unreadable
from catalyst_assets.vendors.transport import Redactor, VendorSession, sentence

BUDGET_PREFIX = "budget: "
"""How the error of a batch begins when the vendor was not (or not fully) asked because of its plan: not a failure."""
MAX_REFUSED = 500
"""Refused items kept per batch; more than that is one broken vendor, and the count is what matters."""


def is_budget_pause(batch: NewsBatch) -> bool:
    """True when the batch is short because the plan's allowance said so, not because the vendor failed."""
    return batch.error is not None and batch.error.startswith(BUDGET_PREFIX)


@dataclass(frozen=True, slots=True)
class Manners:
    """How a source behaves towards its vendor.

    ``delay``: publication to availability on this plan. ``max_pages``: requests per fetch at most. ``patience_seconds``: no
    further request is started after this long.
    """

    delay: timedelta
    max_pages: int
    patience_seconds: float = 30.0


class VendorNewsSource(ABC):
    """A :class:`ports.NewsSource`; a vendor adds its requests (``_pages``) and its one reading of an item (``parse``).

    The window is widened backwards by the plan's delay and, for vendors asked rarely, by the time between two turns:
    otherwise what became available in between would never be asked for. Articles seen twice are recognised by their id.
    """

    name: str = ""
    bucket: str = ""
    """Name of the vendor's allowance in the budget."""

    def __init__(
        self,
        session: VendorSession,
        *,
        budget: Budget,
        clock: Clock,
        redact: Redactor,
        manners: Manners,
        config: NewsConfig,
    ) -> None:
        self.delay = manners.delay
        self.live = manners.delay <= timedelta(minutes=config.max_useful_delay_minutes)
        self.redact = redact
        self._session = session
        self._budget = budget
        self._clock = clock
        self._manners = manners
        self._tolerance = timedelta(seconds=config.future_tolerance_seconds)
        self._busy = threading.Lock()
        self._deadline = 0.0
        self._truncated = False

    @abstractmethod
    def parse(self, item: Any, now: datetime, tolerance: timedelta) -> RawArticle:
        """The vendor's item as an article. Raises :class:`Unreadable` when it cannot become one."""

    @abstractmethod
    def _pages(self, since: datetime, until: datetime, symbols: Sequence[str]) -> Iterator[Sequence[Any]]:
        """The vendor's items, page by page, for the widened window. May raise; what was yielded before is kept."""

    def widened(self, since: datetime, until: datetime, symbols: Sequence[str]) -> datetime:
        """The start of the window that is really asked for: ``since`` less the declared delay."""
        return since - self._manners.delay

    def fetch(self, since: datetime, until: datetime, symbols: Sequence[str]) -> NewsBatch:
        """See :class:`ports.NewsSource`. Never raises for vendor trouble; raises ``ValueError`` for naive times.

        An ``error`` that begins with :data:`BUDGET_PREFIX` means the plan's allowance, not a failure."""
        if since.tzinfo is None or until.tzinfo is None:
            raise ValueError("since and until must be time-zone aware")
        if not self._busy.acquire(blocking=False):
            return NewsBatch(self.name, (), error="the previous request to this vendor is still running")
        started, sent = time.monotonic(), self._session.sent
        self._deadline, self._truncated = started + self._manners.patience_seconds, False
        found: dict[tuple[str, datetime | None], RawArticle] = {}
        refused: list[RefusedItem] = []
        error: str | None = None
        try:
            start = self.widened(since, until, symbols)
            for page in self._pages(start, until, symbols):
                for item in page:
                    self._take(item, start, until, found, refused)
        except BudgetSpent as pause:
            error = BUDGET_PREFIX + str(pause)
        except Exception as trouble:  # noqa: BLE001 - nothing is swallowed: it becomes the batch's error, which is stored
            error = sentence(trouble, self.redact, self._session.patience)
        finally:
            self._busy.release()
        return NewsBatch(
            provider=self.name,
            articles=tuple(found.values()),
            refused=tuple(refused[:MAX_REFUSED]),
            requests=self._session.sent - sent,
            duration=timedelta(seconds=time.monotonic() - started),
            error=error,
            truncated=self._truncated,
        )

    def _take(
        self,
        item: Any,
        start: datetime,
        until: datetime,
        found: dict[tuple[str, datetime | None], RawArticle],
        refused: list[RefusedItem],
    ) -> None:
        read = self.read(item)
        if isinstance(read, RefusedItem):
            refused.append(read)
            return
        last = read.provider_updated_at or read.published_at
        if last < start or read.published_at > until:
            return
        key = (read.vendor_id or f"{read.source}|{read.headline}|{read.published_at}", read.provider_updated_at)
        twin = found.get(key)
        if twin is None:
            found[key] = read
        else:  # the same article under another symbol: one article that names both
            found[key] = replace(twin, tickers=tuple(dict.fromkeys((*twin.tickers, *read.tickers))))

    def read(self, item: Any) -> RawArticle | RefusedItem:
        """One item as an article, or as a refusal with its reason. Never raises for what a vendor may send."""
        try:
            if not isinstance(item, dict):
                raise Unreadable(f"the item is not an object: {item!r:.60}")
            return self.parse(item, self._clock.now(), self._tolerance)
        except Unreadable as reason:
            vendor_id = item.get("id", item.get("url")) if isinstance(item, dict) else None
            return RefusedItem(self.name, None if vendor_id is None else str(vendor_id), self.redact(str(reason)), item)

    def _spend(self) -> None:
        """Before every request: the time and the allowance. Raises ``TimeoutError`` or :class:`BudgetSpent`."""
        if time.monotonic() >= self._deadline:
            raise TimeoutError("out of time")
        if not self._budget.acquire(self.bucket):
            raise BudgetSpent(f"the {self.name} allowance is spent or its turn has not come")
