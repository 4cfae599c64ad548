"""Fresh reads of a step: side by side at an outside broker, one after the other at the in-process exchange."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any, cast

import pandas as pd
import pytest

from catalyst_assets.execution.station import Station
from catalyst_assets.ports import BrokerUnavailable, MarketDataUnavailable
from catalyst_assets.trading.calendar import TradingCalendar
from catalyst_assets.trading.config import TradingConfig


def station(broker: str, market_data: Any = None) -> Station:
    return Station(
        broker=cast(Any, SimpleNamespace(name=broker)),
        market_data=market_data,
        clock=cast(Any, None),
        calendar=TradingCalendar(),
        config=TradingConfig(),
        scenario="live",
        pause=lambda seconds: None,
    )


def test_reads_of_an_outside_broker_run_side_by_side_and_answer_in_order():
    meet = threading.Barrier(3, timeout=5)  # nobody passes it alone: three reads one after the other would never end

    def ask(number: int) -> int:
        meet.wait()
        return number

    assert station("alpaca").together(lambda: ask(1), lambda: ask(2), lambda: ask(3)) == [1, 2, 3]


def test_reads_of_the_in_process_exchange_stay_in_this_thread():
    seen = station("in-process").together(threading.get_ident, threading.get_ident)
    assert seen == [threading.get_ident()] * 2


@pytest.mark.parametrize("position", [0, 1, 2])
def test_one_failed_read_fails_them_all_after_the_others_have_ended(position: int):
    ended: list[int] = []

    def ask(number: int) -> int:
        if number == position:
            raise BrokerUnavailable("no answer")
        ended.append(number)
        return number

    with pytest.raises(BrokerUnavailable):
        station("alpaca").together(lambda: ask(0), lambda: ask(1), lambda: ask(2))
    assert sorted(ended) == sorted({0, 1, 2} - {position})


class _Market:
    def __init__(self, fails: bool = False) -> None:
        self.asked = 0
        self.fails = fails

    def quotes_and_halts(self, symbols: list[str]) -> tuple[pd.DataFrame, frozenset[str]]:
        self.asked += 1
        if self.fails:
            raise MarketDataUnavailable("no answer")
        ts = pd.to_datetime(["2026-11-20T15:00:00Z"])
        return pd.DataFrame({"symbol": ["AAA"], "bid": [9.99], "ask": [10.01], "ts": ts}), frozenset({"BBB"})


def test_quotes_and_halts_of_a_step_cost_one_request():
    market = _Market()
    quotes, halted = station("alpaca", market).quotes_and_halts(["AAA", "BBB"])
    assert market.asked == 1 and quotes["AAA"].ask == 10.01 and set(quotes) == {"AAA"} and halted == {"BBB"}


def test_a_vendor_that_cannot_be_asked_halts_every_symbol():
    assert station("alpaca", _Market(fails=True)).quotes_and_halts(["AAA", "BBB"]) == ({}, frozenset({"AAA", "BBB"}))
