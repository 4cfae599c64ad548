"""The switch is a file that every process sees, survives anything, and counts as on when it cannot be read."""

from __future__ import annotations

from pathlib import Path

import pytest

from catalyst_assets.execution.switches import KillSwitchFile
from catalyst_assets.storage.database import Database
from catalyst_assets_tests.execution.bench import Bench
from catalyst_assets_tests.simulator.handmade import ny


@pytest.mark.parametrize("flat", [False, True])
def test_an_engaged_switch_gives_its_reason_to_everybody_and_only_flat_orders_flat(tmp_path: Path, flat: bool) -> None:
    mine, other = (KillSwitchFile(tmp_path / "there" / "SWITCH") for _ in range(2))
    assert mine() is None and mine.flat_ordered() is None
    mine.engage("news I do not\nunderstand", flat=flat)
    assert other() == "news I do not understand"
    assert other.flat_ordered() == ("news I do not understand" if flat else None)
    other.release()
    assert mine() is None and mine.flat_ordered() is None
    other.release()  # twice is fine


def test_halting_after_flattening_takes_the_order_back_and_leaves_no_scraps(tmp_path: Path) -> None:
    switch = KillSwitchFile(tmp_path / "SWITCH")
    switch.engage("out", flat=True)
    switch.engage("wait")
    assert switch() == "wait" and switch.flat_ordered() is None
    assert [path.name for path in tmp_path.iterdir()] == ["SWITCH"]


def test_an_empty_file_made_by_hand_is_on_and_an_unreadable_one_too(tmp_path: Path) -> None:
    path = tmp_path / "SWITCH"
    path.touch()
    assert KillSwitchFile(path)() == f"{path} exists"
    path.unlink()
    path.mkdir()
    assert "treated as on" in (KillSwitchFile(path)() or "") and KillSwitchFile(path).flat_ordered() is None


def test_the_watch_closes_everything_while_flat_is_ordered_and_enters_nothing(
    database: Database, tmp_path: Path
) -> None:
    bench = Bench(database)
    switch = KillSwitchFile(tmp_path / "SWITCH")
    bench.desk = bench.new_desk(kill_switch=switch, flat_ordered=switch.flat_ordered)
    bench.enter()
    assert bench.shares() > 0
    switch.engage("out", flat=True)
    bench.go(ny(10, 4))
    trade = bench.trade()
    assert bench.shares() == 0 and trade["status"] == "closed" and trade["exit_reason"] == "flatten"
    assert not bench.enter("BBB").placed
