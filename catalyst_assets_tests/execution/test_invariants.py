"""Random markets, thin volume and a moody broker: what must hold after every watch, whatever happens."""

from __future__ import annotations

import random
from datetime import timedelta
from decimal import Decimal

import pandas as pd
import pytest

from catalyst_assets.execution import journal
from catalyst_assets.ports import OrderRefused, OrderStateUnknown
from catalyst_assets.storage.database import Database
from catalyst_assets_tests.execution.bench import SCENARIO, Bench, mention, signal_frame
from catalyst_assets_tests.simulator.handmade import ny, tape

MINUTES = 50


def walk(dice: random.Random) -> list[tuple[float, float, float, float, float]]:
    """A random walk of one-minute bars that reaches stops, targets and trailing stops, with volumes that fill orders in parts."""
    minutes, price = [(100.0, 100.0, 100.0, 100.0, dice.choice([300.0, 900.0, 20_000.0]))], 100.0
    for _ in range(MINUTES):
        close = round(max(price * (1 + dice.gauss(0.0002, 0.004)), 5), 2)
        high = round(max(price, close) * (1 + abs(dice.gauss(0, 0.001))), 2)
        low = round(min(price, close) * (1 - abs(dice.gauss(0, 0.001))), 2)
        minutes.append((price, high, low, close, dice.choice([0.0 + 300, 1_500.0, 20_000.0])))
        price = close
    return minutes


def lost(_broker, _request):
    raise OrderStateUnknown("504")


def landed_but_silent(broker, request):
    broker.really_submit(request)
    raise OrderStateUnknown("504")


def refused(_broker, _request):
    raise OrderRefused("insufficient qty available", code=40310000, reason="reserved_shares")


def fine(_broker, _request):
    return None


@pytest.mark.parametrize("seed", range(3))
def test_shares_are_always_covered_exactly_and_the_money_adds_up(database: Database, seed: int):
    dice = random.Random(seed)
    made = tape({"AAA": walk(dice), "BBB": walk(dice)})
    venue = {"cancel_delay": timedelta(seconds=dice.choice([0, 0, 45]))}
    bench = Bench(database, made, venue=venue)
    story = pd.concat([mention("AAA", ny(10, 35), -0.9), mention("BBB", ny(10, 50), 0.9)])
    for minute in range(MINUTES):
        bench.clock.at = ny(10) + timedelta(minutes=minute)
        bench.exchange.advance(bench.clock.at)
        bench.broker.faults = [
            dice.choice([fine, fine, fine, fine, lost, landed_but_silent, refused]) for _ in range(3)
        ]
        bench.desk.watch(bench.clock.at, story)
        check_invariants(bench, exact=venue["cancel_delay"] == timedelta(0))
        if minute % 15 == 0:
            bench.broker.faults = [dice.choice([fine, fine, lost, landed_but_silent]) for _ in range(3)]
            for symbol in ("AAA", "BBB"):
                side = dice.choice(["long", "short"])
                price = float(bench.exchange.price(symbol) or 100)
                sign = 1 if side == "long" else -1
                levels = {"entry": price + sign * 0.01, "stop": price * (1 - sign * 0.012), "target1": price * (1 + sign * 0.018),
                          "target2": price * (1 + sign * 0.036)}  # fmt: skip
                rounded = {name: round(value, 2) for name, value in levels.items()}
                bench.store(signal_frame(symbol, bench.clock.at, direction=side, **rounded))
                bench.desk.place(signal_frame(symbol, bench.clock.at, direction=side, **rounded), bench.clock.at)
    bench.broker.faults = []
    bench.desk.flatten("end of the test")
    bench.go(bench.clock.at + timedelta(minutes=15))
    assert not bench.broker.positions()
    trades = bench.trades.trade_records(SCENARIO)
    assert len(trades) >= 3 and not set(trades["status"]) & {"planned", "entering", "open", "exiting"}
    gained = bench.broker.account().equity - bench.cash
    assert abs(Decimal(str(round(float(trades["pnl"].sum()), 4))) - gained) < Decimal("0.01")
    assert len(bench.broker.submitted) == len(set(bench.broker.submitted))
    assert "oversold" not in bench.kinds() and "disagreement" not in bench.kinds()
    assert all(row["state"] in journal.FINAL_STATES for _, row in bench.journal().iterrows())


def check_invariants(bench: Bench, *, exact: bool) -> None:
    trades = bench.trades.trade_records(SCENARIO)
    live = trades[trades["status"].isin(["planned", "entering", "open", "exiting"])] if len(trades) else trades
    for symbol in ("AAA", "BBB"):
        held = bench.shares(symbol)
        mine = live[live["symbol"] == symbol] if len(live) else live
        booked = sum(
            int(t["filled_qty"] - t["exited_qty"]) * (1 if t["direction"] == "long" else -1) for _, t in mine.iterrows()
        )
        assert booked == held, f"the journal holds {booked} {symbol}, the broker {held}"
        open_orders = [o for o in bench.exchange._open.values() if o.symbol == symbol and o.armed]
        leaving = sum(o.remaining for o in open_orders if o.role == "entry" and o.type == "market")
        covered = bench.resting_stop_qty(symbol) + leaving
        if exact:
            assert covered == abs(held), f"{held} {symbol} held, {covered} covered at {bench.clock.at}"
        else:
            assert covered <= abs(held), "never more is for sale than is held"
