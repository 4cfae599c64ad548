"""The matching engine, rule by rule, on tapes made by hand."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from catalyst_assets.simulator.tape import Halt
from catalyst_assets.simulator.venue.orders import ExchangeRefusal
from catalyst_assets_tests.simulator.handmade import FRIDAY, THURSDAY, bracket, exchange, ny, order, tape

MINUTE = timedelta(minutes=1)


def fills(venue):
    return [(a.qty, a.price, a.at) for a in venue.activities() if a.kind == "FILL"]


def test_a_market_order_fills_at_the_ask_plus_slippage_by_size():
    small, large = exchange(), exchange()
    small.submit(order(qty=1))
    large.submit(order(qty=1000))  # the whole cap: 10 % of 10,000
    assert fills(small)[0][1] == Decimal("100.02")  # ask 100.01, slippage rounded up to the next cent
    assert fills(large)[0][1] == Decimal("100.02")
    assert fills(exchange_after_sale())[-1][1] == Decimal("99.98")


def exchange_after_sale():
    venue = exchange()
    venue.submit(order(qty=10))
    venue.submit(order(qty=10, side="sell"))
    return venue


def test_the_answer_to_a_submit_is_the_order_before_it_met_the_market():
    venue = exchange()
    answer = venue.submit(order(qty=10, client_order_id="x"))
    assert (answer.status, answer.filled_qty) == ("pending_new", 0)
    assert venue.order_by_client_id("x").status == "filled"


def test_fills_are_capped_by_bar_volume_and_the_rest_waits_for_the_next_bar():
    venue = exchange()
    answer = venue.submit(order(qty=1500))
    assert venue.order(answer.order_id).filled_qty == 1000
    venue.advance(ny(10, 1))
    assert venue.order(answer.order_id).filled_qty == 1000
    venue.advance(ny(10, 2))
    assert venue.order(answer.order_id).status == "filled"
    assert [qty for qty, _, _ in fills(venue)] == [1000, 500]


def test_two_orders_share_one_bars_volume():
    venue = exchange()
    venue.submit(order(qty=800))
    second = venue.submit(order(qty=800))
    assert venue.order(second.order_id).filled_qty == 200


@pytest.mark.parametrize(
    ("low", "filled"),
    [(99.01, 0), (99.00, 250), (98.99, 1000)],
    ids=["above", "a touch gets a quarter of the cap", "a trade through gets the cap"],
)
def test_a_resting_limit_needs_a_trade_through_or_gets_little(low, filled):
    venue = exchange(tape({"AAA": [(100, 100, 100, 100), (100, 100, low, 100)]}))
    resting = venue.submit(order(qty=1000, limit_price="99"))
    venue.advance(ny(10, 2))
    now = venue.order(resting.order_id)
    assert now.filled_qty == filled
    assert now.filled_avg_price in (None, Decimal(99))


def test_a_limit_the_market_opens_beyond_fills_at_the_market_not_at_the_limit():
    venue = exchange(tape({"AAA": [(100, 100, 100, 100), (95, 96, 94, 95)]}))
    venue.submit(order(qty=10, limit_price="99"))
    venue.advance(ny(10, 2))
    assert fills(venue)[0][1] == Decimal("95.02")


def test_a_stop_triggers_on_a_touch_and_pays_spread_and_slippage():
    venue = exchange(tape({"AAA": [(100, 100, 100, 100), (100, 100, 99, 99.5)]}))
    venue.submit(order(qty=10))
    venue.submit(order(qty=10, side="sell", stop_price="99"))
    venue.advance(ny(10, 2))
    assert fills(venue)[-1] == (10, Decimal("98.98"), ny(10, 2))


def test_a_stop_that_the_market_gaps_over_fills_at_the_open():
    venue = exchange(tape({"AAA": [(100, 100, 100, 100), (90, 92, 89, 91)]}))
    venue.submit(order(qty=10))
    venue.submit(order(qty=10, side="sell", stop_price="99"))
    venue.advance(ny(10, 2))
    assert fills(venue)[-1][1] == Decimal("89.98")


def test_a_stop_limit_that_the_market_gaps_over_does_not_fill_below_its_limit():
    venue = exchange(tape({"AAA": [(100, 100, 100, 100), (90, 92, 89, 91)]}))
    venue.submit(order(qty=10))
    venue.submit(order(qty=10, side="sell", type="stop_limit", stop_price="99", limit_price="98.50"))
    venue.advance(ny(12))
    assert len(fills(venue)) == 1


def test_bracket_exits_are_held_until_the_entry_is_completely_filled():
    venue = exchange()
    entry = venue.submit(bracket(1500))
    group = venue.order(entry.order_id)
    assert (group.filled_qty, [leg.status for leg in group.legs]) == (1000, ["held", "held"])
    assert not any(leg.armed for leg in group.legs)
    venue.advance(ny(10, 2))
    group = venue.order(entry.order_id)
    assert [(leg.role, leg.status, leg.armed) for leg in group.legs] == [
        ("take_profit", "new", True),
        ("stop_loss", "held", True),
    ]
    assert venue.available("AAA") == 0


def test_when_stop_and_target_are_touched_in_one_bar_the_stop_wins():
    venue = exchange(tape({"AAA": [(100, 100, 100, 100), (100, 104, 97, 103)]}))
    entry = venue.submit(bracket())
    venue.advance(ny(10, 2))
    target, stop = venue.order(entry.order_id).legs
    assert (target.status, stop.status) == ("canceled", "filled")
    assert venue.positions() == []


def test_a_stop_touched_in_the_bar_that_fills_the_resting_entry_is_taken():
    venue = exchange(tape({"AAA": [(100, 100, 100, 100), (100, 104, 97, 103)]}))
    entry = venue.submit(bracket(entry="99", stop="98"))
    venue.advance(ny(10, 2))
    group = venue.order(entry.order_id)
    assert (group.status, [leg.status for leg in group.legs]) == ("filled", ["canceled", "filled"])


def test_a_target_is_never_filled_in_the_bar_that_fills_the_resting_entry():
    venue = exchange(tape({"AAA": [(100, 100, 100, 100), (100, 104, 98.5, 103), (103, 103.5, 102, 103)]}))
    entry = venue.submit(bracket(entry="99", stop="98", target="103"))
    venue.advance(ny(10, 2))
    assert [leg.status for leg in venue.order(entry.order_id).legs] == ["new", "held"]
    venue.advance(ny(10, 3))
    assert [leg.status for leg in venue.order(entry.order_id).legs] == ["filled", "canceled"]


def test_a_partial_target_fill_shrinks_the_stop():
    venue = exchange(tape({"AAA": [(100, 100, 100, 100), (100, 103, 100, 102)]}))
    entry = venue.submit(bracket(1000))
    venue.advance(ny(10, 2))
    target, stop = venue.order(entry.order_id).legs
    assert (target.filled_qty, stop.qty, stop.status) == (250, 750, "held")


def test_cancelling_any_member_cancels_the_group():
    venue = exchange()
    entry = venue.submit(bracket())
    venue.cancel(venue.order(entry.order_id).legs[0].order_id)
    group = venue.order(entry.order_id)
    assert (group.status, [leg.status for leg in group.legs]) == ("filled", ["canceled", "canceled"])
    assert venue.available("AAA") == 100


def test_an_oco_protects_a_position_and_one_exit_cancels_the_other():
    venue = exchange(tape({"AAA": [(100, 100, 100, 100), (100, 104, 100, 103)]}))
    venue.submit(order(qty=100))
    oco = venue.submit(
        order(
            side="sell",
            type="limit",
            order_class="oco",
            take_profit_limit="102",
            stop_loss_stop="98",
        )
    )
    assert [leg.status for leg in oco.legs] == ["held"]
    assert venue.available("AAA") == 0
    venue.advance(ny(10, 2))
    group = venue.order(oco.order_id)
    assert (group.status, group.legs[0].status) == ("filled", "canceled")


def test_an_oto_stop_starts_after_the_entry():
    venue = exchange(tape({"AAA": [(100, 100, 100, 100), (100, 100, 97, 98)]}))
    oto = venue.submit(order(order_class="oto", stop_loss_stop="98"))
    assert venue.order(oto.order_id).legs[0].status == "new"
    venue.advance(ny(10, 2))
    assert venue.order(oto.order_id).legs[0].status == "filled"


def test_a_day_order_before_the_open_waits_for_the_open_and_fills_at_its_price():
    venue = exchange(tape({"AAA": [(110, 110, 110, 110)]}, first=ny(9, 30)), at=ny(8))
    waiting = venue.submit(order(qty=10))
    assert waiting.status == "accepted"
    venue.advance(ny(9, 29, 59))
    assert venue.order(waiting.order_id).status == "accepted"
    venue.advance(ny(9, 30))
    assert fills(venue) == [(10, Decimal("110.02"), ny(9, 30))]


def test_day_orders_expire_at_the_close_with_their_group_and_gtc_orders_stay():
    venue = exchange()
    day = venue.submit(order(limit_price="90"))
    stay = venue.submit(order(limit_price="91", time_in_force="gtc"))
    held = venue.submit(bracket(target="150", stop="50"))
    venue.advance(ny(15, 59, 59))
    assert venue.order(day.order_id).status == "new"
    venue.advance(ny(16))
    assert venue.order(day.order_id).status == "expired"
    assert venue.order(stay.order_id).status == "new"
    assert [leg.status for leg in venue.order(held.order_id).legs] == ["expired", "expired"]


def test_a_day_order_sent_after_the_close_is_for_the_next_session():
    venue = exchange(at=ny(16, 30, day=THURSDAY))
    waiting = venue.submit(order(qty=10))
    assert (waiting.status, waiting.expires_at) == ("accepted", ny(16, day=FRIDAY))
    venue.advance(ny(9, 30, day=FRIDAY))
    assert venue.order(waiting.order_id).status == "filled"


def test_only_limit_day_orders_trade_in_extended_hours():
    venue = exchange(at=ny(8))
    with pytest.raises(ExchangeRefusal, match="extended hours order must be DAY limit orders"):
        venue.submit(order(extended_hours=True))
    early = venue.submit(order(qty=10, limit_price="100.05", extended_hours=True))
    assert venue.order(early.order_id).status == "filled"


def test_what_an_ioc_order_cannot_fill_at_once_is_cancelled():
    venue = exchange()
    ioc = venue.submit(order(qty=1500, time_in_force="ioc"))
    after = venue.order(ioc.order_id)
    assert (after.filled_qty, after.status) == (1000, "canceled")


def test_nothing_fills_in_a_halt_and_the_reopening_gap_counts():
    minutes = [(100, 100, 100, 100), (100, 100, 90, 90), (80, 81, 79, 80)]
    halt = Halt("AAA", ny(10, 1), ny(10, 2), "T1")
    venue = exchange(tape({"AAA": minutes}, halts=[halt]))
    venue.submit(order(qty=10))
    venue.submit(order(qty=10, side="sell", stop_price="99"))
    venue.advance(ny(10, 1))
    assert venue.view.quote("AAA", ny(10, 1, 30)) is None
    venue.advance(ny(10, 2))
    assert len(fills(venue)) == 1
    venue.advance(ny(10, 3))
    assert fills(venue)[-1][1] == Decimal("79.98")


def test_an_order_during_a_halt_rests():
    venue = exchange(tape(halts=[Halt("AAA", ny(10), ny(10, 5), "LUDP")]))
    resting = venue.submit(order(qty=10))
    venue.advance(ny(10, 5))
    assert venue.order(resting.order_id).filled_qty == 0
    venue.advance(ny(10, 6))
    assert venue.order(resting.order_id).status == "filled"


def test_replacing_makes_a_new_order_in_the_same_place():
    venue = exchange()
    entry = venue.submit(bracket())
    stop = venue.order(entry.order_id).legs[1]
    changed = venue.replace(stop.order_id, stop_price=Decimal("99"), client_order_id="tighter")
    assert changed.replaces == stop.order_id
    group = venue.order(entry.order_id)
    assert [leg.order_id for leg in group.legs] == [group.legs[0].order_id, changed.order_id]
    old = venue.order(stop.order_id)
    assert (old.status, old.replaced_by) == ("replaced", changed.order_id)
    assert venue.order_by_client_id("tighter").stop_price == Decimal("99")


def test_a_replaced_limit_that_becomes_marketable_fills():
    venue = exchange()
    resting = venue.submit(order(qty=10, limit_price="99"))
    changed = venue.replace(resting.order_id, limit_price=Decimal("100.05"))
    assert venue.order(changed.order_id).status == "filled"


def test_a_delayed_cancel_is_pending_until_it_is_due():
    venue = exchange(cancel_delay=timedelta(seconds=2))
    resting = venue.submit(order(limit_price="90"))
    assert venue.cancel(resting.order_id).status == "pending_cancel"
    venue.advance(ny(10, 0, 1))
    assert venue.order(resting.order_id).status == "pending_cancel"
    venue.advance(ny(10, 0, 2))
    assert venue.order(resting.order_id).status == "canceled"


def test_last_equity_is_the_equity_at_the_previous_close():
    venue = exchange(at=ny(15, day=THURSDAY))
    venue.submit(order(qty=100))
    venue.advance(ny(17, day=THURSDAY))
    assert venue.account().last_equity == Decimal("100000")
    venue.advance(ny(4, day=FRIDAY))
    assert venue.account().last_equity == Decimal("99998.00")  # bought at 100.02, marked at 100.00


def test_sales_pay_regulatory_fees_once_per_order():
    venue = exchange()
    venue.submit(order(qty=1500))
    venue.advance(ny(10, 2))
    venue.submit(order(qty=1500, side="sell"))
    venue.advance(ny(10, 4))
    fees = [-a.net_amount for a in venue.activities() if a.kind == "FEE"]
    # 1500 × 99.98 × 20.60 per million = 3.0894 → 3.09; 1500 × 0.000195 = 0.2925 → 0.30
    assert sum(fees) == Decimal("3.39") or sum(fees) == Decimal("3.40")
    assert venue.account().fees_paid == sum(fees)


def test_the_same_calls_give_the_same_ids_fills_and_money():
    def day():
        venue = exchange(tape({"AAA": [(100, 101, 99, 100), (100, 104, 97, 103)]}))
        venue.submit(bracket(300))
        venue.submit(order("BBB", qty=20))
        venue.advance(ny(16))
        return venue.activities(), venue.account(), [o.order_id for o in venue.orders()]

    assert day() == day()


def test_how_often_somebody_looks_changes_nothing():
    made = tape({"AAA": [(100, 101, 99, 100), (100, 104, 97, 103), (103, 103, 96, 97)]})
    often, seldom = exchange(made), exchange(made)
    for venue in (often, seldom):
        venue.submit(bracket(300, entry="99.5", stop="97"))
    for second in range(1, 600):
        often.advance(ny(10) + timedelta(seconds=second))
    seldom.advance(ny(10) + timedelta(seconds=599))
    assert often.activities() == seldom.activities()


def test_time_does_not_go_back():
    venue = exchange()
    with pytest.raises(ValueError, match="cannot go back"):
        venue.advance(ny(9, 59))


def test_a_decision_on_a_boundary_sees_the_last_close_and_its_order_meets_the_next_open():
    venue = exchange(tape({"AAA": [(100, 100, 100, 100), (120, 120, 120, 120)]}), at=ny(10, 1))
    seen = venue.view.quote("AAA", ny(10, 1))
    assert (seen.bid, seen.ask) == (99.99, 100.01)
    venue.submit(order(qty=10))
    assert fills(venue)[0][1] == Decimal("120.02")


def test_an_order_that_arrives_in_the_next_bar_uses_the_next_bars_volume_only():
    venue = exchange()
    venue.advance(ny(10, 0, 59) + timedelta(milliseconds=950))
    first = venue.submit(order(qty=1500))  # 150 ms later it is 10:01
    assert venue.order(first.order_id).filled_qty == 1000
    venue.advance(ny(10, 1))
    second = venue.submit(order(qty=500))
    assert venue.order(first.order_id).filled_qty + venue.order(second.order_id).filled_qty == 1000
