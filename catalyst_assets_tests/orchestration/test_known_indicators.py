"""Kept indicators equal computed ones, and are only used for the bars they were made of."""

from __future__ import annotations

from collections.abc import Iterator
from unittest.mock import patch

import pandas as pd
import pytest

from catalyst_assets.orchestration import known_indicators
from catalyst_assets.orchestration.cycle import CycleContext
from catalyst_assets.trading import bars as bar_rules
from catalyst_assets.trading import indicators
from catalyst_assets_tests.orchestration.test_cycle import CALENDAR, made
from catalyst_assets_tests.trading.random_bars import sessions

SESSION = "2026-11-20"
DAYS = ["2026-11-17", "2026-11-18", "2026-11-19", SESSION]
FRAMES = ("5min", "15min", "60min")


@pytest.fixture(autouse=True)
def nothing_known() -> Iterator[None]:
    known_indicators._known.clear()
    yield
    known_indicators._known.clear()


def _cycle(clock: str) -> CycleContext:
    (cycle,) = made([SESSION], now=pd.Timestamp(f"{SESSION} {clock}", tz="America/New_York").to_pydatetime())
    return cycle


def _bars(seed: int = 7) -> dict[str, pd.DataFrame]:
    every = sessions(DAYS, symbols=("AAA", "BBB", "CCC"), seed=seed)
    every = every[(every["symbol"] != "CCC") | (every["ts"] < pd.Timestamp("2026-11-18", tz="UTC"))]  # CCC: too old
    return bar_rules.by_timeframe(every.reset_index(drop=True), "5min", timeframes=FRAMES, calendar=CALENDAR)


def _plain(cycle: CycleContext, bars: dict[str, pd.DataFrame]) -> pd.DataFrame:
    return indicators.compute(
        bars, cycle.decision_times, cycle.config, timeframes=FRAMES, feed="iex", calendar=cycle.calendar
    )


@pytest.mark.parametrize("clocks", [("10:00", "10:05", "10:15", "11:00"), ("09:30", "16:00", "16:05")])
def test_cycle_after_cycle_they_are_the_computed_ones(clocks: tuple[str, ...]) -> None:
    bars = _bars()
    for clock in clocks:
        cycle = _cycle(clock)
        expected = _plain(cycle, bars)
        assert set(expected["symbol"]) == {"AAA", "BBB"}
        for _ in range(2):
            found = known_indicators.compute(cycle, bars, timeframes=FRAMES, feed="iex")
            pd.testing.assert_frame_equal(found, expected, check_exact=True)


def test_only_timeframes_with_a_new_complete_bar_are_computed_again() -> None:
    bars = _bars()
    known_indicators.compute(_cycle("10:05"), bars, timeframes=FRAMES, feed="iex")
    with patch.object(indicators, "compute", wraps=indicators.compute) as computed:
        known_indicators.compute(_cycle("10:10"), bars, timeframes=FRAMES, feed="iex")
    assert [list(call.args[0]) for call in computed.call_args_list if call.args[0]] == [["5min"]]


def test_a_corrected_bar_another_feed_and_other_settings_are_other_questions() -> None:
    cycle, bars = _cycle("10:05"), _bars()
    known_indicators.compute(cycle, bars, timeframes=FRAMES, feed="iex")
    corrected = {name: frame.copy() for name, frame in bars.items()}
    corrected["60min"].loc[3, "close"] += 0.01
    found = known_indicators.compute(cycle, corrected, timeframes=FRAMES, feed="iex")
    pd.testing.assert_frame_equal(found, _plain(cycle, corrected), check_exact=True)
    assert set(known_indicators.compute(cycle, bars, timeframes=FRAMES, feed="sip")["feed"]) == {"sip"}


def test_the_memory_is_bounded() -> None:
    with patch.object(known_indicators, "KEPT", 4):
        known_indicators.compute(_cycle("10:05"), _bars(), timeframes=FRAMES, feed="iex")
    assert len(known_indicators._known) == 4


def test_without_bars_there_is_nothing() -> None:
    cycle = _cycle("10:05")
    found = known_indicators.compute(cycle, {}, timeframes=FRAMES, feed="iex")
    pd.testing.assert_frame_equal(found, _plain(cycle, {}), check_exact=True)
