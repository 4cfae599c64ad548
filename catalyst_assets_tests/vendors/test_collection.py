"""All sources at once, under one deadline."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from catalyst_assets.ports import NewsBatch
from catalyst_assets.vendors.collection import collect
from catalyst_assets_tests.vendors.loopback import within

NOW = datetime(2026, 10, 8, 15, tzinfo=UTC)


class Scripted:
    """A source that waits, then answers or raises."""

    delay = timedelta(0)
    live = True

    def __init__(self, name: str, seconds: float = 0.0, defect: Exception | None = None) -> None:
        self.name = name
        self.seconds = seconds
        self.defect = defect
        self.released = threading.Event()

    def fetch(self, since: datetime, until: datetime, symbols: Sequence[str]) -> NewsBatch:
        self.released.wait(self.seconds)
        if self.defect:
            raise self.defect
        return NewsBatch(self.name, (), requests=1)


def test_a_slow_source_costs_the_deadline_and_the_others_nothing() -> None:
    slow = Scripted("slow", 5.0)
    with within(1.0):
        batches = collect([slow, Scripted("quick")], NOW, NOW, [], timeout=0.3)
    slow.released.set()
    assert [batch.provider for batch in batches] == ["slow", "quick"]
    assert batches[0].error is not None and "no answer within" in batches[0].error
    assert batches[1].error is None and batches[1].requests == 1


def test_sources_run_side_by_side() -> None:
    with within(0.9):
        batches = collect([Scripted(f"s{n}", 0.3) for n in range(6)], NOW, NOW, [], timeout=5)
    assert all(batch.error is None for batch in batches)


def test_a_source_that_raises_is_reported_redacted_and_the_rest_go_on() -> None:
    broken = Scripted("broken", defect=RuntimeError("key=K9K9K9"))
    batches = collect(
        [broken, Scripted("fine")], NOW, NOW, [], timeout=2, redact=lambda text: text.replace("K9K9K9", "***")
    )
    assert batches[0].error == "a defect of this program: RuntimeError: key=***"
    assert batches[1].error is None


def test_no_sources_no_batches() -> None:
    assert collect([], NOW, NOW, [], timeout=1) == []
