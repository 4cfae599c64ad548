"""``make bench`` can run every benchmark it lists."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest

from benchmarks.__main__ import BENCHMARKS
from benchmarks.figures import silent


@pytest.mark.parametrize("name", BENCHMARKS)
def test_every_benchmark_takes_what_the_command_gives_it(name: str, tmp_path: Path) -> None:
    inspect.signature(BENCHMARKS[name]).bind(tmp_path, silent)
