"""Everything out: with the broker alone, entries before exits, until the broker shows nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import count
from pathlib import Path

import pytest

from catalyst_assets.execution.emergency import Emptied, empty_account
from catalyst_assets.ports import (
    Broker,
    BrokerOrder,
    BrokerUnavailable,
    OrderClass,
    OrderRefused,
    OrderRequest,
    OrderSide,
    OrderStateUnknown,
    OrderType,
)
from catalyst_assets_tests.contract.venues import KINDS, Venue, made, venue
from catalyst_assets_tests.simulator.handmade import ny

MINUTES = {"AAA": [(100, 101, 99.5, 100.5)], "BBB": [(50, 50.5, 49.5, 50)]}


def bracket(client_id: str, symbol: str, limit: str, *, target: str, stop: str, qty: int = 10) -> OrderRequest:
    return OrderRequest(
        client_id, symbol, OrderSide.BUY, qty, OrderType.LIMIT, order_class=OrderClass.BRACKET,
        limit_price=Decimal(limit), take_profit=Decimal(target), stop_loss=Decimal(stop),
    )  # fmt: skip


def emptied(market: Venue, broker: Broker | None = None, *, looks: int = 60) -> Emptied:
    """Empty the account; each pause is a minute of the market."""
    at: list[datetime] = [market.clock.now()]

    def pause(_: float) -> None:
        at[0] += timedelta(minutes=1)
        market.to(at[0])

    ticks: Callable[[], int] = count().__next__
    return empty_account(
        broker or market.broker, market.clock.now(), seconds=looks, pause=pause, monotonic=lambda: float(ticks())
    )


@pytest.mark.parametrize("kind", KINDS)
class TestEmptying:
    @pytest.fixture
    def market(self, kind: str, tmp_path: Path) -> Iterator[Venue]:
        with venue(kind, made(MINUTES), tmp_path) as opened:
            yield opened

    def test_brackets_parked_entries_and_a_short_all_go(self, market: Venue) -> None:
        market.broker.submit(bracket("held", "AAA", "101", target="120", stop="90"))
        market.broker.submit(OrderRequest("short", "BBB", OrderSide.SELL, 7, OrderType.MARKET))
        market.to(ny(10, 2))
        assert {p.symbol: int(p.qty) for p in market.broker.positions()} == {"AAA": 10, "BBB": -7}
        market.broker.submit(bracket("parked", "AAA", "80", target="95", stop="70"))
        result = emptied(market)
        assert result.flat and not result.troubles and sorted(result.sent) == ["AAA", "BBB"]
        assert not market.broker.positions() and not market.broker.open_orders()

    def test_an_empty_account_is_flat_at_the_first_look(self, market: Venue) -> None:
        result = emptied(market, looks=1)
        assert result.flat and result.cancelled == 0 and result.sent == []

    def test_a_second_run_sells_nothing_twice(self, market: Venue) -> None:
        market.broker.submit(bracket("held", "AAA", "101", target="120", stop="90"))
        market.to(ny(10, 2))
        assert emptied(market).flat
        assert emptied(market).flat and not market.broker.positions()


class Stubborn:
    """The in-process broker with answers of its own for the first submits."""

    def __init__(self, inner: Broker, answers: list[Exception | str]) -> None:
        self._inner, self._answers = inner, answers
        self.ids: list[str] = []

    def submit(self, request: OrderRequest) -> BrokerOrder:
        self.ids.append(request.client_order_id)
        answer = self._answers.pop(0) if self._answers else None
        if answer == "lost":
            self._inner.submit(request)
            raise OrderStateUnknown("504; it may have landed, look it up")
        if isinstance(answer, Exception):
            raise answer
        return self._inner.submit(request)

    def __getattr__(self, name: str) -> object:
        return getattr(self._inner, name)


@pytest.fixture
def held(tmp_path: Path) -> Iterator[Venue]:
    with venue("in_process", made(MINUTES), tmp_path) as opened:
        opened.broker.submit(bracket("held", "AAA", "101", target="120", stop="90"))
        opened.to(ny(10, 2))
        yield opened


@pytest.mark.parametrize("refusal", ["reserved_shares", "wash_trade"])
def test_a_refused_exit_is_tried_again_under_another_id_until_flat(held: Venue, refusal: str) -> None:
    broker = Stubborn(held.broker, [OrderRefused("no", reason=refusal), OrderRefused("no", reason=refusal)])
    result = emptied(held, broker)  # type: ignore[arg-type]
    assert result.flat and len(broker.ids) == 3 == len(set(broker.ids)) and result.troubles == ["close AAA: no"]


def test_an_exit_whose_answer_got_lost_is_looked_up_and_not_sent_twice(held: Venue) -> None:
    broker = Stubborn(held.broker, ["lost"])
    result = emptied(held, broker)  # type: ignore[arg-type]
    assert result.flat and len(broker.ids) == 1


def test_an_exit_that_never_landed_is_sent_again(held: Venue) -> None:
    broker = Stubborn(held.broker, [OrderStateUnknown("timeout")])
    result = emptied(held, broker)  # type: ignore[arg-type]
    assert result.flat and len(broker.ids) == 2


def test_a_broker_that_does_not_answer_is_no_flat_account(held: Venue) -> None:
    class Silent:
        def open_orders(self) -> list[BrokerOrder]:
            raise BrokerUnavailable("no answer")

    result = emptied(held, Silent(), looks=3)  # type: ignore[arg-type]
    assert not result.flat and result.troubles == ["no answer"]


def test_time_that_runs_out_leaves_a_list_of_what_is_held(held: Venue) -> None:
    broker = Stubborn(held.broker, [OrderRefused("no", reason="refused")] * 100)
    result = emptied(held, broker, looks=6)  # type: ignore[arg-type]
    assert not result.flat and result.held == {"AAA": "+10"}
