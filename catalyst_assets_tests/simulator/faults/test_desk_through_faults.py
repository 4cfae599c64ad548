"""The order code of the running system, over HTTP, with the first order's answer lost in every way: bought once, protected."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from catalyst_assets.settings import Settings
from catalyst_assets.simulator.clock import SimulatedClock
from catalyst_assets.simulator.faults import Rule
from catalyst_assets.simulator.server import create_app, start_in_thread
from catalyst_assets.storage.database import Database
from catalyst_assets.vendors.connect import connect_broker
from catalyst_assets.vendors.transport import Redactor
from catalyst_assets_tests.execution.bench import Bench
from catalyst_assets_tests.simulator.handmade import ny
from catalyst_assets_tests.vendors.loopback import Unlimited

ORDERS = "POST /alpaca/trading/v2/orders"
UNLIMITED = {"alpaca": (), "alpaca_data": ()}


class OverHttp(Bench):
    """The bench of the execution tests with the vendor's client in place of the in-process broker; scenario ``live``."""

    @contextmanager
    def connected(self, home: Path, faults: list[Rule]) -> Iterator[None]:
        self.market = SimulatedClock(self.at)
        self.server = start_in_thread(create_app(self.made, self.exchange, self.market, limits=UNLIMITED))
        settings = Settings(_env_file=None, market="simulator", simulator_url=self.server.base_url, home=home)  # type: ignore[call-arg]
        self.broker = connect_broker(settings, budget=Unlimited(), redact=Redactor())  # type: ignore[assignment]
        self.desk = self.new_desk(scenario="live")
        for rule in faults:
            self.server.simulation.faults.arm(rule)
        try:
            yield
        finally:
            self.server.stop()

    def minutes(self, count: int) -> None:
        """Let the market go on, watching every minute, as the running system does."""
        for _ in range(count):
            self.clock.at = self.market.set(self.clock.at.replace(second=0) + (ny(10, 1) - ny(10)))
            self.server.simulation.tick()
            self.desk.watch(self.clock.at, None)


@pytest.mark.parametrize(
    "fault",
    ["timeout_after", "timeout_before", "dropped_after", "cut_body", "truncated_json", "wrong_types"],
)
def test_an_order_whose_answer_is_lost_is_placed_once_and_protected(
    database: Database, tmp_path: Path, fault: str
) -> None:
    bench = OverHttp(database)
    landed = fault != "timeout_before"
    with bench.connected(tmp_path, [Rule(fault, "alpaca", route=ORDERS, times=1)]):
        bench.enter(scenario="live")
        bench.minutes(3)
        (struck,) = bench.server.simulation.faults.log.entries()
        roots = [order for order in bench.exchange.orders() if order.side == "buy"]
        ids = [order.client_order_id for order in roots]
        assert len(ids) == len(set(ids)) == 1 + landed, "one trade is two brackets, each sent once and never again"
        assert struck.client_order_id in bench.trades.order_journal("live")["client_order_id"].tolist()
        assert (struck.client_order_id in ids) == landed
        held = sum(position.qty for position in bench.exchange.positions())
        assert held == bench.resting_stop_qty() > 0
        assert bench.trades.trade_records("live").iloc[-1]["filled_qty"] == held
