"""The market the fault tests share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from catalyst_assets_tests.simulator.faults.bench import Bench, bench


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """A market for the tests of one module."""
    with bench(tmp_path_factory.mktemp("bench")) as made:
        yield made


@pytest.fixture
def market(running: Bench) -> Iterator[Bench]:
    """The module's market, without faults and with an empty log before and after."""
    running.heal()
    yield running
    running.heal()
