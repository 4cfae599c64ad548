"""Start-up is recovery: whatever happened, books and broker agree afterwards, or the difference is told in words and stops entries."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import text

from catalyst_assets.ports import BrokerPosition, OrderRequest, OrderSide, OrderType
from catalyst_assets.storage.database import Database
from catalyst_assets_tests.execution.bench import Bench, signal_frame
from catalyst_assets_tests.simulator.handmade import ny, tape


def test_a_running_trade_and_a_closed_one_agree_and_a_second_look_changes_nothing(database: Database) -> None:
    bench = Bench(database)
    bench.enter()
    first = bench.desk.reconcile()
    rows = bench.journal(), bench.trades.trade_records("replay:test")
    again = bench.desk.reconcile()
    assert first.agreed and not first.differences and first.counts["executions"] == 2
    assert replace(again, at=first.at) == first
    assert bench.journal().equals(rows[0]) and bench.trades.trade_records("replay:test").equals(rows[1])
    bench.desk.flatten("over")
    bench.go(ny(10, 3))
    closed = bench.desk.reconcile()
    assert bench.trade()["status"] == "closed" and closed.agreed and not closed.differences


def test_shares_whose_stop_vanished_are_protected_before_anything_is_compared(database: Database) -> None:
    bench = Bench(database)
    bench.enter()
    for order in bench.broker.open_orders():
        for part in (order, *order.legs):
            if not part.status.is_final:
                bench.broker.cancel(part.order_id)
                break
    bench.exchange.advance(ny(10, 1))
    bench.clock.at = ny(10, 1)
    assert bench.resting_stop_qty() < bench.shares()
    found = bench.desk.reconcile()
    assert found.protected and bench.resting_stop_qty() == bench.shares() and found.agreed


def test_an_order_and_shares_of_somebody_else_are_told_and_block_nothing(database: Database) -> None:
    bench = Bench(database)
    bench.enter()
    bench.broker.submit(OrderRequest("by-hand", "BBB", OrderSide.BUY, 5, OrderType.MARKET))
    bench.broker.submit(OrderRequest("parked", "CCC", OrderSide.BUY, 5, OrderType.LIMIT, limit_price=Decimal("1.00")))
    bench.clock.at = ny(10, 2)
    bench.exchange.advance(ny(10, 2))
    found = bench.desk.reconcile()
    assert found.agreed
    assert {(d.subject, d.symbol) for d in found.differences if d.subject != "fees"} == {
        ("shares", "BBB"),
        ("order", "CCC"),
    }
    assert "no trade of ours explains" in " ".join(d.message for d in found.differences)


def _positions_lie(bench: Bench, monkeypatch: pytest.MonkeyPatch, change: int) -> None:
    real = bench.broker.positions

    def lying() -> list[BrokerPosition]:
        return [replace(position, qty=position.qty + change) for position in real()]

    monkeypatch.setattr(bench.broker, "positions", lying)


@pytest.mark.parametrize("change", [-199, -1, 1])
def test_shares_the_broker_counts_otherwise_block_every_entry_and_are_told_in_numbers(
    database: Database, monkeypatch: pytest.MonkeyPatch, change: int
) -> None:
    bench = Bench(database)
    bench.enter()
    _positions_lie(bench, monkeypatch, change)
    found = bench.desk.reconcile()
    (difference,) = [d for d in found.differences if d.subject == "shares"]
    assert not found.agreed and difference.message == f"our trades hold 199 shares of AAA, the account {199 + change}"
    bench.clock.at = ny(10, 1)
    bench.exchange.advance(ny(10, 1))
    result = bench.enter("BBB")
    (decision,) = result.decisions
    assert not decision.allowed and decision.rule == "account" and "the account" in decision.message
    assert not result.placed


@pytest.mark.parametrize(
    ("damage", "subject"),
    [
        ("update order_fills set qty = qty + 1 where side = 'buy'", "executions"),
        ("update order_fills set price = price + 0.01", "executions"),
        ("update trade_records set pnl = pnl + 0.01", "profit"),
    ],
)
def test_a_changed_book_is_found_to_the_cent(database: Database, damage: str, subject: str) -> None:
    bench = Bench(database)
    bench.enter()
    bench.desk.flatten("over")
    bench.go(ny(10, 3))
    with database.begin() as connection:
        connection.execute(text(damage))
    found = bench.desk.reconcile()
    assert not found.agreed and subject in {difference.subject for difference in found.differences}


def test_what_fills_between_two_reads_is_looked_at_again_and_blocks_nothing(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    minutes = {"AAA": [(100, 100.5, 99.9, 100)] * 2 + [(100, 100, 90, 91)] * 5}
    bench = Bench(database, made=tape(minutes))
    bench.enter()
    real: Any = bench.broker.positions

    def market_moves_first() -> list[BrokerPosition]:
        bench.clock.at = ny(10, 5)
        bench.exchange.advance(ny(10, 5))  # the stop is hit after the synchronisation, before the positions are read
        return real()

    signals = bench.store(signal_frame("BBB", bench.clock.at))
    monkeypatch.setattr(bench.broker, "positions", market_moves_first)
    result = bench.desk.place(signals, ny(10))
    assert [decision.rule for decision in result.decisions] != ["account"]
    assert bench.trade("AAA")["status"] == "closed"
