"""One broker test, run on the exchange in this process and on alpaca-py against the simulator over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from catalyst_assets.ports import OrderClass, OrderRefused, OrderRequest, OrderSide, OrderStatus, OrderType
from catalyst_assets_tests.contract.venues import KINDS, Venue, made, venue
from catalyst_assets_tests.simulator.handmade import FRIDAY, ny

MINUTES = {"AAA": [(100, 101, 99, 100.5), (100.5, 104, 97, 103), (103, 103, 102, 102.5)]}
ABSENT = "00000000-0000-4000-8000-00000000ffff"


def request(client_order_id: str = "cat-1", **changes: Any) -> OrderRequest:
    values: dict[str, Any] = {
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


def resting(client_order_id: str = "cat-r", **changes: Any) -> OrderRequest:
    """A limit that does not fill."""
    plain = {"order_class": OrderClass.SIMPLE, "take_profit": None, "stop_loss": None, "limit_price": Decimal("90")}
    return request(client_order_id, **{**plain, **changes})


@pytest.mark.parametrize("kind", KINDS)
class TestBroker:
    @pytest.fixture
    def market(self, kind: str, tmp_path: Path) -> Iterator[Venue]:
        with venue(kind, made(MINUTES), tmp_path) as opened:
            yield opened

    def test_a_fresh_account_is_flat_and_may_trade(self, market: Venue) -> None:
        account = market.broker.account()
        assert account.account_id and account.status == "ACTIVE" and account.is_paper and market.broker.is_paper
        assert account.equity == account.cash == account.last_equity > 0 and account.buying_power >= account.equity
        assert account.shorting_enabled and not account.trading_blocked
        assert market.broker.positions() == [] and market.broker.open_orders() == []
        assert (
            market.broker.orders_since(ny(4)) == []
            and market.broker.fills(ny(4)) == []
            and market.broker.fees(ny(4)) == []
        )

    def test_a_bracket_is_accepted_with_its_legs_and_protects_what_it_bought(self, market: Venue) -> None:
        sent = market.broker.submit(request())
        assert sent.client_order_id == "cat-1" and sent.status is OrderStatus.PENDING and sent.order_class == "bracket"
        assert (sent.qty, sent.limit_price, sent.side) == (10, Decimal("100.1"), OrderSide.BUY)
        assert sorted((leg.type, leg.limit_price, leg.stop_price) for leg in sent.legs) == [
            ("limit", Decimal(110), None),
            ("stop", None, Decimal(98)),
        ]
        assert all(leg.parent_id == sent.order_id and leg.side is OrderSide.SELL for leg in sent.legs)
        market.to(ny(10, 0) + timedelta(seconds=30))
        (group,) = market.broker.open_orders()
        assert group.order_id == sent.order_id and group.status is OrderStatus.FILLED and group.filled_qty == 10
        assert {leg.status for leg in group.legs} <= {OrderStatus.WORKING, OrderStatus.HELD, OrderStatus.PENDING}
        assert {leg.order_id for leg in group.legs} == {leg.order_id for leg in sent.legs}
        (held,) = market.broker.positions()
        assert (held.symbol, held.qty, held.qty_available) == (
            "AAA",
            10,
            0,
        ) and held.avg_entry_price == group.filled_avg_price

    def test_a_stop_that_is_touched_closes_the_position_and_its_sister(self, market: Venue) -> None:
        sent = market.broker.submit(request())
        market.to(ny(10, 2))
        assert market.broker.positions() == [] and market.broker.open_orders() == []
        bought, sold = market.broker.fills(ny(9))
        assert (bought.order_id, bought.side, bought.qty) == (sent.order_id, OrderSide.BUY, 10)
        stop = next(leg for leg in sent.legs if leg.type == "stop")
        assert (sold.order_id, sold.side, sold.qty) == (stop.order_id, OrderSide.SELL, 10) and sold.price <= Decimal(98)
        assert market.broker.fills(bought.at) == [sold]
        found = market.broker.order_by_client_id("cat-1")
        assert found is not None and sorted(leg.status for leg in found.legs) == [
            OrderStatus.CANCELED,
            OrderStatus.FILLED,
        ]
        fees = market.broker.fees(ny(9))
        assert fees and all(fee.amount > 0 for fee in fees)
        account = market.broker.account()
        gain = (sold.price - bought.price) * 10 - sum(fee.amount for fee in fees)
        assert abs(account.equity - account.last_equity - gain) < Decimal("0.02")

    def test_an_order_is_found_by_either_id_and_an_absent_one_is_none(self, market: Venue) -> None:
        sent = market.broker.submit(request())
        for found in (market.broker.order_by_client_id("cat-1"), market.broker.order(sent.order_id)):
            assert found is not None and found.order_id == sent.order_id and len(found.legs) == 2
        assert market.broker.order_by_client_id("cat-2") is None and market.broker.order(ABSENT) is None

    @pytest.mark.parametrize(
        ("wanted", "reason"),
        [
            (request("cat-x", qty=1_000_000), "buying_power"),
            (request("cat-x", symbol="DDD"), "not_tradable"),
            (request("cat-x", symbol="NONE"), "not_tradable"),
            (request("cat-x", stop_loss=Decimal("100.20")), "price"),
            (resting("cat-x", symbol="CCC", side=OrderSide.SELL, limit_price=Decimal("101")), "not_shortable"),
            (resting("cat-1"), "duplicate_id"),
        ],
    )
    def test_a_refusal_has_its_reason_and_leaves_nothing(
        self, market: Venue, wanted: OrderRequest, reason: str
    ) -> None:
        market.broker.submit(resting("cat-1", limit_price=Decimal("80")))
        with pytest.raises(OrderRefused) as no:
            market.broker.submit(wanted)
        assert no.value.reason == reason and no.value.code is not None and no.value.body["message"] in str(no.value)
        assert [order.client_order_id for order in market.broker.open_orders()] == ["cat-1"]

    def test_shares_reserved_by_the_exits_cannot_be_sold_twice(self, market: Venue) -> None:
        market.broker.submit(request())
        market.to(ny(10, 0) + timedelta(seconds=30))
        with pytest.raises(OrderRefused) as no:
            market.broker.submit(resting("cat-s", side=OrderSide.SELL, limit_price=Decimal("105")))
        assert no.value.reason == "reserved_shares"

    def test_a_cancel_ends_the_whole_group_and_a_second_is_refused(self, market: Venue) -> None:
        sent = market.broker.submit(request(limit_price=Decimal("95"), stop_loss=Decimal("90")))
        market.to(ny(10, 0) + timedelta(seconds=5))
        market.broker.cancel(sent.order_id)
        market.to(ny(10, 0) + timedelta(seconds=10))
        found = market.broker.order(sent.order_id)
        assert (
            found is not None
            and found.status is OrderStatus.CANCELED
            and all(leg.status.is_final for leg in found.legs)
        )
        with pytest.raises(OrderRefused) as no:
            market.broker.cancel(sent.order_id)
        assert no.value.reason == "not_cancelable"
        with pytest.raises(OrderRefused) as missing:
            market.broker.cancel(ABSENT)
        assert missing.value.reason == "not_found"

    def test_a_replacement_is_a_new_order_under_the_new_id(self, market: Venue) -> None:
        old = market.broker.submit(resting("cat-a"))
        market.to(ny(10, 0) + timedelta(seconds=5))
        new = market.broker.replace(old.order_id, client_order_id="cat-b", limit_price=Decimal("91.5"))
        assert new.order_id != old.order_id and new.client_order_id == "cat-b" and new.replaces == old.order_id
        assert new.limit_price == Decimal("91.5") and new.qty == old.qty
        before = market.broker.order(old.order_id)
        assert before is not None and before.status is OrderStatus.REPLACED and before.replaced_by == new.order_id
        assert [order.client_order_id for order in market.broker.open_orders()] == ["cat-b"]

    def test_orders_since_are_all_states_oldest_first_and_strictly_later(self, market: Venue) -> None:
        first = market.broker.submit(resting("cat-a"))
        market.to(ny(10, 0) + timedelta(seconds=5))
        market.broker.cancel(first.order_id)
        market.broker.submit(resting("cat-b"))
        found = market.broker.orders_since(ny(9))
        assert [(order.client_order_id, order.status.is_final) for order in found] == [
            ("cat-a", True),
            ("cat-b", False),
        ]
        assert [order.client_order_id for order in market.broker.orders_since(first.submitted_at)] == ["cat-b"]

    def test_a_day_order_ends_with_the_day(self, market: Venue) -> None:
        sent = market.broker.submit(resting("cat-a"))
        market.to(ny(16, 1))
        found = market.broker.order(sent.order_id)
        assert found is not None and found.status is OrderStatus.EXPIRED and market.broker.open_orders() == []

    def test_a_short_position_is_negative(self, market: Venue) -> None:
        market.broker.submit(
            request(
                "cat-s",
                side=OrderSide.SELL,
                limit_price=Decimal("99.9"),
                take_profit=Decimal(90),
                stop_loss=Decimal(108),
            )
        )
        market.to(ny(10, 0) + timedelta(seconds=30))
        (held,) = market.broker.positions()
        assert held.qty == -10 and held.market_value is not None and held.market_value < 0

    def test_the_clock_and_the_calendar_are_new_york_in_utc(self, market: Venue) -> None:
        clock = market.broker.clock()
        assert clock.now == ny(10) and clock.is_open and clock.next_close == ny(16)
        assert clock.next_open == ny(9, 30, day=date(2026, 11, 23))
        days = market.broker.calendar(FRIDAY, date(2026, 11, 27))
        assert [day for day, _, _ in days] == [FRIDAY, *(date(2026, 11, n) for n in (23, 24, 25, 27))]
        assert days[0][1:] == (ny(9, 30), ny(16)) and days[-1][2] == ny(13, day=date(2026, 11, 27))
