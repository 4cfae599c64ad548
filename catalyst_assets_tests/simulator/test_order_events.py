"""The order event feed: every change of an order is told once, in order, as it stood then."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from catalyst_assets.simulator.venue.events import EVENTS
from catalyst_assets_tests.simulator.handmade import bracket, exchange, ny, order, tape


def listening(venue):
    heard = []
    venue.subscribe(heard.append)
    return heard


def told(heard):
    return [(event.event, event.order.role) for event in heard]


def test_a_bracket_tells_its_life_from_submit_to_stop_out():
    venue = exchange(tape({"AAA": [(100, 100, 100, 100), (100, 100, 97, 98)]}))
    heard = listening(venue)
    venue.submit(bracket(100))
    venue.advance(ny(10, 2))
    assert told(heard) == [
        ("pending_new", "entry"),
        ("held", "take_profit"),
        ("held", "stop_loss"),
        ("new", "entry"),
        ("fill", "entry"),
        ("new", "take_profit"),
        ("new", "stop_loss"),
        ("canceled", "take_profit"),
        ("fill", "stop_loss"),
    ]
    bought, sold = (event for event in heard if event.event == "fill")
    assert (bought.price, bought.qty, bought.position_qty) == (Decimal("100.02"), 100, 100)
    assert (sold.qty, sold.position_qty, sold.order.status) == (100, 0, "filled")
    assert [event.number for event in heard] == list(range(1, len(heard) + 1))
    assert len({event.event_id for event in heard}) == len(heard)
    assert {event.event for event in heard} <= EVENTS


def test_an_event_keeps_the_order_as_it_stood_then():
    venue = exchange()
    heard = listening(venue)
    venue.submit(order(qty=1500))
    venue.advance(ny(10, 2))
    assert [(e.event, e.order.status, e.order.filled_qty, e.position_qty) for e in heard[2:]] == [
        ("partial_fill", "partially_filled", 1000, 1000),
        ("fill", "filled", 1500, 1500),
    ]


def test_cancels_replacements_and_expiries_are_told():
    venue = exchange(cancel_delay=timedelta(seconds=1))
    first, second = (venue.submit(order(limit_price=price)) for price in ("90", "91"))
    heard = listening(venue)
    venue.cancel(first.order_id)
    venue.replace(second.order_id, limit_price=Decimal("92"))
    venue.advance(ny(16))
    assert told(heard) == [
        (name, "entry") for name in ("pending_cancel", "pending_replace", "replaced", "new", "canceled", "expired")
    ]


def test_a_cancel_overtaken_by_the_fill_is_told_as_rejected():
    venue = exchange(tape({"AAA": [(100, 100, 100, 100), (100, 100, 98, 99)]}), cancel_delay=timedelta(minutes=5))
    resting = venue.submit(order(limit_price="99"))
    heard = listening(venue)
    venue.cancel(resting.order_id)
    venue.advance(ny(10, 10))
    assert [event.event for event in heard] == ["pending_cancel", "fill", "order_cancel_rejected"]


def test_who_listens_changes_neither_ids_nor_trades_and_may_stop_listening():
    quiet, loud = exchange(), exchange()
    first, second = [], []
    leave = loud.subscribe(first.append)
    loud.submit(order(qty=10))
    quiet.submit(order(qty=10))
    leave()
    leave()
    quiet.subscribe(second.append)
    loud.subscribe(first.append)
    for venue in (quiet, loud):
        venue.submit(order(qty=20))
    assert quiet.activities() == loud.activities()
    assert first[3:] == second


def test_a_listener_that_fails_leaves_the_exchange_whole_and_the_others_informed():
    venue = exchange()

    def failing(event):
        raise RuntimeError(f"cannot take {event.event}")

    venue.subscribe(failing)
    heard = listening(venue)
    with pytest.raises(RuntimeError, match="cannot take pending_new"):
        venue.submit(order(qty=10))
    assert [event.event for event in heard] == ["pending_new", "new", "fill"]
    assert venue.positions()[0].qty == 10
