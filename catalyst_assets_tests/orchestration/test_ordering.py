"""Shares without a stop are seen from the broker's own book, independent of our journal."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from catalyst_assets.orchestration.ordering import uncovered_shares
from catalyst_assets.ports import BrokerOrder, BrokerPosition, OrderSide, OrderStatus

AT = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)


def order(
    qty: int,
    *,
    side: OrderSide = OrderSide.SELL,
    stop: str | None = None,
    status: OrderStatus = OrderStatus.WORKING,
    filled: int = 0,
    kind: str = "simple",
    legs: tuple[BrokerOrder, ...] = (),
) -> BrokerOrder:
    return BrokerOrder(
        order_id="o", client_order_id="c", symbol="ACME", side=side, type="stop" if stop else "limit", order_class=kind, status=status,
        raw_status=status.value, qty=Decimal(qty), filled_qty=Decimal(filled), filled_avg_price=None, limit_price=None,
        stop_price=Decimal(stop) if stop else None, submitted_at=AT, updated_at=AT, filled_at=None, legs=legs,
    )  # fmt: skip


def held(qty: int) -> BrokerPosition:
    return BrokerPosition("ACME", Decimal(qty), Decimal(qty), Decimal(10), None, None, None)


def bracket(qty: int, filled: int) -> BrokerOrder:
    stop = order(qty, stop="9", status=OrderStatus.HELD)
    return order(qty, side=OrderSide.BUY, kind="bracket", filled=filled, legs=(order(qty), stop))


@pytest.mark.parametrize(
    ("positions", "orders", "expected"),
    [
        ([held(100)], [], {"ACME": 100}),
        ([held(100)], [order(100, stop="9")], {}),
        ([held(100)], [order(60, stop="9")], {"ACME": 40}),
        ([held(100)], [order(100, stop="9", status=OrderStatus.CANCELED)], {"ACME": 100}),
        ([held(100)], [order(100, stop="9", side=OrderSide.BUY)], {"ACME": 100}),
        ([held(-50)], [order(50, stop="11", side=OrderSide.BUY)], {}),
        ([held(40)], [bracket(100, 40)], {"ACME": 40}),
        ([held(100)], [bracket(100, 100)], {}),
        ([held(100)], [order(100, kind="oco", legs=(order(100, stop="9", status=OrderStatus.HELD),))], {}),
        ([], [order(100, stop="9")], {}),
    ],
    ids=[
        "no stop", "a stop for all", "a stop for some", "a dead stop", "a stop on the wrong side", "a short with its stop",
        "a bracket protects only once its entry is complete", "a complete bracket", "an OCO protects at once", "nothing held",
    ],
)  # fmt: skip
def test_shares_without_a_resting_stop(
    positions: list[BrokerPosition], orders: list[BrokerOrder], expected: dict[str, int]
) -> None:
    assert uncovered_shares(positions, orders) == expected
