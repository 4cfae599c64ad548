"""The in-process broker and market data: what the ports promise, honest by the clock."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from catalyst_assets.ports import (
    ACTIVE_COLUMNS,
    BAR_COLUMNS,
    QUOTE_COLUMNS,
    FixedClock,
    OrderClass,
    OrderRefused,
    OrderRequest,
    OrderSide,
    OrderStatus,
    OrderType,
)
from catalyst_assets.simulator.clock import SimulatedClock
from catalyst_assets.simulator.tape import Halt
from catalyst_assets.simulator.venue.broker import InProcessBroker, TapeMarketData
from catalyst_assets_tests.simulator.handmade import FRIDAY, THURSDAY, exchange, ny, tape

MINUTES = {"AAA": [(100, 101, 99, 100.5), (100.5, 104, 97, 103), (103, 103, 102, 102.5)]}


def request(client_order_id="cat-1", **changes):
    values = {
        "client_order_id": client_order_id,
        "symbol": "AAA",
        "side": OrderSide.BUY,
        "qty": 10,
        "type": OrderType.LIMIT,
        "order_class": OrderClass.BRACKET,
        "limit_price": Decimal("100.10"),
        "take_profit": Decimal("110"),
        "stop_loss": Decimal("98"),
    }
    return OrderRequest(**{**values, **changes})


def test_a_bracket_through_the_port():
    broker = InProcessBroker(exchange(tape(MINUTES)))
    sent = broker.submit(request())
    assert (sent.status, [leg.status for leg in sent.legs]) == (OrderStatus.PENDING, [OrderStatus.HELD] * 2)
    (group,) = broker.open_orders()
    assert (group.status, [leg.raw_status for leg in group.legs]) == (OrderStatus.FILLED, ["new", "held"])
    assert all(leg.parent_id == group.order_id for leg in group.legs)
    (held,) = broker.positions()
    assert (held.qty, held.qty_available) == (10, 0)
    broker.exchange.advance(ny(10, 2))
    assert broker.open_orders() == []
    bought, sold = broker.fills(ny(9))
    assert (bought.side, sold.side, sold.order_id) == (OrderSide.BUY, OrderSide.SELL, group.legs[1].order_id)
    assert broker.fills(bought.at) == [sold]
    assert {fee.amount for fee in broker.fees(ny(9))} == {Decimal("0.01"), Decimal("0.03")}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"qty": 100_000}, "buying_power"),
        ({"symbol": "DDD"}, "not_tradable"),
        ({"symbol": "ZZZZ"}, "not_tradable"),
        ({"limit_price": Decimal("100.001")}, "price"),
        ({"stop_loss": Decimal("100.10")}, "price"),
        (
            {
                "symbol": "CCC",
                "side": OrderSide.SELL,
                "take_profit": Decimal("90"),
                "stop_loss": Decimal("105"),
            },
            "not_shortable",
        ),
    ],
)
def test_refusals_carry_our_class_of_reason(changes, reason):
    broker = InProcessBroker(exchange())
    with pytest.raises(OrderRefused) as refused:
        broker.submit(request(**changes))
    assert refused.value.reason == reason
    assert broker.order_by_client_id("cat-1") is None
    broker.submit(request())  # a refused request did not use up its id


def test_duplicates_reserved_shares_and_wash_trades_are_told_apart():
    broker = InProcessBroker(exchange())
    broker.submit(request())
    simple = {"order_class": OrderClass.SIMPLE, "take_profit": None, "stop_loss": None}
    exit_ = {"side": OrderSide.SELL, "type": OrderType.MARKET, "limit_price": None, **simple}
    cases = {
        "duplicate_id": request(),
        "reserved_shares": request("cat-2", **exit_),
        "wash_trade": request("cat-3", symbol="BBB", **exit_),
    }
    broker.submit(request("parked", symbol="BBB", limit_price=Decimal("90"), **simple))
    for reason, wanted in cases.items():
        with pytest.raises(OrderRefused) as refused:
            broker.submit(wanted)
        assert refused.value.reason == reason


def test_replace_and_cancel_through_the_port():
    broker = InProcessBroker(exchange())
    broker.submit(request())
    stop = broker.order_by_client_id("cat-1").legs[1]
    new = broker.replace(stop.order_id, client_order_id="tighter", stop_price=Decimal("99"))
    assert broker.order(stop.order_id).replaced_by == new.order_id
    broker.cancel(new.order_id)
    assert broker.order(new.order_id).status == OrderStatus.CANCELED
    with pytest.raises(OrderRefused) as refused:
        broker.cancel(new.order_id)
    assert refused.value.reason == "not_cancelable"
    assert broker.order("nothing") is None


def test_account_clock_and_calendar():
    broker = InProcessBroker(exchange(at=ny(17, day=FRIDAY)))
    assert broker.account().buying_power == Decimal(400_000)
    clock = broker.clock()
    assert (clock.is_open, clock.next_open.isoformat()) == (False, "2026-11-23T14:30:00+00:00")
    assert broker.calendar(THURSDAY, FRIDAY + timedelta(days=1)) == [
        (THURSDAY, ny(9, 30, day=THURSDAY), ny(16, day=THURSDAY)),
        (FRIDAY, ny(9, 30), ny(16)),
    ]


# -------------------------------------------------------------------------------------------------------- market data


def market(at, **more):
    return TapeMarketData(tape(MINUTES, **more), FixedClock(at))


def test_only_complete_bars_are_shown():
    data = market(ny(10, 1, 59))
    frame = data.bars(["AAA"], "1min", ny(10), ny(11))
    assert tuple(frame.columns) == BAR_COLUMNS
    assert list(frame["ts"]) == [pd.Timestamp(ny(10))]
    assert str(frame["ts"].dtype) == "datetime64[us, UTC]"
    assert data.bars(["AAA"], "5min", ny(10), ny(11)).empty
    (row,) = market(ny(10, 5)).bars(["AAA"], "5min", ny(10), ny(11)).to_dict("records")
    assert (row["open"], row["high"], row["low"], row["close"], row["volume"]) == (100, 104, 97, 102.5, 50_000)


def test_a_daily_bar_is_shown_after_its_close_only():
    def days(at):
        return list(market(at).bars(["AAA"], "1day", ny(0) - timedelta(days=9), ny(23))["ts"])

    assert days(ny(15, 59))[-1] == pd.Timestamp("2026-11-19 05:00", tz="UTC")
    assert days(ny(16))[-1] == pd.Timestamp("2026-11-20 05:00", tz="UTC")


def test_the_end_of_a_request_is_exclusive():
    frame = market(ny(12)).bars(["AAA", "BBB"], "1min", ny(10), ny(10, 2))
    assert list(frame["symbol"]) == ["AAA", "AAA", "BBB", "BBB"]


def test_no_quote_while_closed_or_halted():
    halted = {"halts": [Halt("AAA", ny(10, 30), ny(10, 35), "LUDP")]}
    assert list(market(ny(10, 31), **halted).quotes(["AAA", "BBB"])["symbol"]) == ["BBB"]
    assert market(ny(10, 31), **halted).halted(["AAA", "BBB"]) == frozenset({"AAA"})
    assert market(ny(3)).quotes(["AAA"]).empty
    assert market(ny(20)).quotes(["AAA"]).empty
    assert tuple(market(ny(10)).quotes(["AAA"]).columns) == QUOTE_COLUMNS


def test_quotes_at_many_times_are_the_quotes_of_each_time():
    times = [ny(3), ny(4), ny(10), ny(10, 0, 30), ny(10, 1), ny(10, 1, 7), ny(10, 31), ny(15), ny(19, 59), ny(20, 30)]
    halts = [Halt("BBB", ny(10, 30), ny(10, 35), "T1")]
    every = market(ny(21), halts=halts).quotes_at(["AAA", "BBB"], pd.DatetimeIndex(times))
    pieces = [market(at, halts=halts).quotes(["AAA", "BBB"]).assign(decision_time=pd.Timestamp(at)) for at in times]
    one_by_one = pd.concat([piece for piece in pieces if len(piece)], ignore_index=True)[list(every.columns)]
    pd.testing.assert_frame_equal(every, one_by_one.astype(every.dtypes.to_dict()))
    assert len(every) == 13  # none at 03:00, 04:00 and 20:30, one at 10:31


def test_what_is_seen_at_an_instant_does_not_depend_on_bars_that_start_then_or_later():
    times = pd.DatetimeIndex([ny(9, 59), ny(10), ny(10, 1), ny(10, 2)])
    changed = {"AAA": [*MINUTES["AAA"][:2], (500, 600, 400, 550)]}
    first = TapeMarketData(tape(MINUTES), FixedClock(ny(10, 2)))
    second = TapeMarketData(tape(changed), FixedClock(ny(10, 2)))
    symbols = ["AAA", "BBB"]
    pd.testing.assert_frame_equal(first.quotes_at(symbols, times), second.quotes_at(symbols, times))
    pd.testing.assert_frame_equal(first.quotes(symbols), second.quotes(symbols))
    pd.testing.assert_frame_equal(first.most_active(9), second.most_active(9))
    window = (symbols, "1min", ny(9), ny(16))
    pd.testing.assert_frame_equal(first.bars(*window), second.bars(*window))


def test_bars_longer_than_a_minute_give_no_made_up_quote_inside_them():
    data = TapeMarketData(tape({"AAA": [(100, 130, 90, 120)]}, step=timedelta(minutes=5)), FixedClock(ny(10, 3)))
    (quote,) = data.quotes(["AAA"]).to_dict("records")
    assert (quote["ts"], quote["bid"]) == (pd.Timestamp(ny(10)), 99.99)


def test_most_active_ranks_by_dollar_volume_and_counts_the_day_before_only_before_the_open():
    frame = market(ny(10, 3)).most_active(2)
    assert tuple(frame.columns) == ACTIVE_COLUMNS
    assert list(frame["symbol"]) == ["AAA", "BBB"]
    assert frame["change_pct"].iloc[0] == pytest.approx(2.5)
    assert frame["volume"].iloc[0] == (6 * 60 + 3) * 10_000
    early = market(ny(4, 1)).most_active(1)
    assert early["volume"].iloc[0] == 10_000 * 391


def test_quote_spread_is_the_tapes_and_on_the_tick():
    (quote,) = market(ny(11), half_spread=0.034).quotes(["BBB"]).to_dict("records")
    assert np.isclose(quote["ask"] - quote["bid"], 0.07)
    assert np.isclose(quote["bid"] * 100, round(quote["bid"] * 100))


# -------------------------------------------------------------------------------------------------------------- clock


def test_a_paused_clock_stands_and_a_running_one_never_goes_back():
    clock = SimulatedClock(ny(10))
    assert clock.now() == clock.now() == ny(10)
    clock.advance(timedelta(minutes=1))
    assert clock.now() == ny(10, 1)
    with pytest.raises(ValueError, match="does not go back"):
        clock.set(ny(10))
    with pytest.raises(ValueError, match="only moves forward"):
        clock.advance(timedelta(seconds=-1))
    clock.set_speed(3600)
    seen = [clock.now() for _ in range(200)]
    assert seen == sorted(seen)
    assert seen[-1] > ny(10, 1)
    clock.set_speed(0)
    assert clock.now() == clock.now()
    with pytest.raises(ValueError, match="no time zone"):
        SimulatedClock(ny(10).replace(tzinfo=None))
