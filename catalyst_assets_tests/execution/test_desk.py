"""The desk on the in-process exchange: a trade from signal to exit, and what each fault does to it."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from itertools import pairwise

import pandas as pd
import pytest

from catalyst_assets.execution.guards import AccountGuard, TradingForbidden
from catalyst_assets.execution.journal import TRANSITIONS, IllegalTransition, check_transition
from catalyst_assets.execution.switches import KillSwitchFile
from catalyst_assets.ports import OrderRefused, OrderStateUnknown
from catalyst_assets.storage.database import Database
from catalyst_assets.storage.trades import AccountBusy, LiveRowsAreKept, TradeRepository
from catalyst_assets.trading.config import TradingConfig
from catalyst_assets_tests.execution.bench import SCENARIO, Bench, half_day_tape, mention, signal_frame
from catalyst_assets_tests.simulator.handmade import FRIDAY, ny, tape

FLAT_MINUTE = (100.0, 100.0, 100.0, 100.0)
UP = [FLAT_MINUTE] * 3 + [(100.0, 103.5, 100.0, 103.5), (103.5, 107.0, 103.5, 107.0)]
DOWN = [FLAT_MINUTE] * 3 + [(100.0, 100.0, 97.0, 97.0)]


def cash_balances(bench: Bench) -> bool:
    """Profit of the closed trades is what the account gained, to the cent."""
    trades = bench.trades.trade_records(SCENARIO)
    gained = bench.broker.account().equity - bench.cash
    return abs(Decimal(str(round(float(trades["pnl"].sum()), 4))) - gained) < Decimal("0.005")


# ------------------------------------------------------------------------------------------------------------- life of a trade


def test_an_allowed_signal_becomes_two_brackets_with_one_stop(database: Database):
    bench = Bench(database)
    result = bench.enter()
    assert [decision.allowed for decision in result.decisions] == [True]
    entries = bench.journal(purpose="entry").set_index("leg")
    assert list(entries["order_class"]) == ["bracket", "bracket"]
    assert float(entries.loc["a", "take_profit"]) == 103.03 and float(entries.loc["b", "take_profit"]) == 106.04
    assert set(entries["stop_loss"].astype(float)) == {98.0}
    trade = bench.trade()
    assert trade["status"] == "open" and trade["filled_qty"] == trade["planned_qty"] == bench.shares()
    assert bench.resting_stop_qty() == bench.shares()
    # 20 % of 100,000 at 100.03 is the tighter limit: 1 % at risk over 2.03 would allow 492
    assert trade["planned_qty"] == 199


def test_both_targets_are_reached_and_the_money_adds_up(database: Database):
    bench = Bench(database, tape({"AAA": UP}))
    bench.enter()
    bench.go(ny(10, 8))
    trade = bench.trade()
    assert (trade["status"], trade["exit_reason"]) == ("closed", "target2")
    assert bench.shares() == 0
    assert trade["r_multiple"] > 1.5 and trade["mfe_r"] > 2.5
    assert trade["fees"] > 0
    assert cash_balances(bench)


def test_a_stop_ends_the_trade_at_about_minus_one_r(database: Database):
    bench = Bench(database, tape({"AAA": DOWN}))
    bench.enter()
    bench.go(ny(10, 6))
    trade = bench.trade()
    assert (trade["status"], trade["exit_reason"]) == ("closed", "stop")
    assert -1.2 < trade["r_multiple"] <= -1.0
    assert cash_balances(bench)


def test_a_short_is_the_mirror_image(database: Database):
    bench = Bench(database, tape({"AAA": [FLAT_MINUTE] * 3 + [(100.0, 100.0, 93.0, 93.0), (93.0, 93.0, 93.0, 93.0)]}))
    bench.enter(direction="short")
    assert bench.shares() < 0 and bench.resting_stop_qty() == -bench.shares()
    bench.go(ny(10, 8))
    trade = bench.trade()
    assert (trade["status"], trade["direction"], trade["exit_reason"]) == ("closed", "short", "target2")
    assert trade["pnl"] > 0 and bench.shares() == 0
    assert cash_balances(bench)


def test_one_share_is_one_leg(database: Database):
    bench = Bench(database, cash=Decimal(900))
    bench.enter()
    assert list(bench.journal(purpose="entry")["leg"]) == ["a"]
    assert bench.trade()["planned_qty"] == 1


def test_the_stop_trails_the_high_water_mark_and_is_never_loosened(database: Database):
    rise = [FLAT_MINUTE] * 2 + [
        (100.0, 102.5, 100.0, 102.5),
        (102.5, 102.5, 102.0, 102.0),
        (102.0, 102.0, 101.0, 101.0),
    ]
    bench = Bench(database, tape({"AAA": rise}))
    bench.enter()
    stops = []
    for minute in range(1, 7):
        bench.go(ny(10, minute))
        stops.append(float(bench.trade()["stop_now"]))
    assert stops == sorted(stops) and stops[0] == 98.0
    trade = bench.trade()
    assert trade["exit_reason"] == "trail" and trade["status"] == "closed"
    assert trade["r_multiple"] > 0.5
    assert set(bench.journal(purpose="trail")["leg"]) == {"a.stop", "b.stop"}
    assert cash_balances(bench)


def test_moved_stops_do_not_use_up_the_days_orders(database: Database):
    rise = [FLAT_MINUTE] * 2 + [(100.0 + i / 10, 100.1 + i / 10, 100.0 + i / 10, 100.1 + i / 10) for i in range(29)]
    config = TradingConfig.from_overrides({"risk.max_orders_per_day": 4})
    bench = Bench(database, tape({"AAA": rise}), config=config)
    bench.enter()
    bench.go(ny(10, 30))
    assert len(bench.journal(purpose="trail")) > 4
    assert bench.enter("BBB").decisions[0].allowed
    assert bench.enter("CCC").decisions[0].rule == "orders_per_day"


def test_labels_of_the_feedback_loop_survive_later_steps(database: Database):
    bench = Bench(database)
    bench.enter()
    with bench.desk.exclusive():
        bench.desk.watch()
        bench.trades.save_outcome(bench.trade()["trade_id"], catalyst_played_out=True, pattern_completed=None)
        bench.desk.flatten("end")
    assert bool(bench.trade()["catalyst_played_out"]) and bench.trade()["status"] == "closed"
    with pytest.raises(KeyError):
        bench.trades.save_outcome("nobody", catalyst_played_out=True, pattern_completed=None)


def test_a_failed_step_within_an_exclusive_block_leaves_no_half_memory(database: Database):
    class Crash(Exception):
        pass

    def crash(_broker, _request):
        raise Crash

    bench = Bench(database)
    bench.store(signal_frame())
    with bench.desk.exclusive():
        bench.broker.faults = [lambda broker, request: None, crash]
        with pytest.raises(Crash):
            bench.desk.place(signal_frame(), ny(10))
        bench.desk.place(signal_frame(), ny(10))
    assert bench.shares() == 199 == bench.resting_stop_qty()
    assert len(bench.broker.submitted) == 2 == len(set(bench.broker.submitted))


def test_two_hours_without_profit_is_enough(database: Database):
    bench = Bench(database)
    bench.enter()
    bench.go(ny(11, 59), every=timedelta(minutes=7))
    assert bench.trade()["status"] == "open"
    bench.go(ny(12, 1))
    assert (bench.trade()["status"], bench.trade()["exit_reason"]) == ("closed", "time")
    assert bench.shares() == 0 and bench.resting_stop_qty() == 0
    assert cash_balances(bench)


@pytest.mark.parametrize(
    ("article", "reason"),
    [
        (mention("AAA", ny(10, 2), -0.8, tier=3), "news"),
        (mention("AAA", ny(10, 2), -0.8, tier=4), None),
        (mention("AAA", ny(10, 2), +0.8), None),
        (mention("AAA", ny(10, 2), -0.2), None),
        (mention("AAA", ny(9, 59), -0.8), None),
        (mention("BBB", ny(10, 2), -0.8), None),
        (mention("AAA", ny(10, 2), -0.8, live_source=False), None),
    ],
    ids=["contradicts", "low tier", "agrees", "faint", "older than the entry", "other symbol", "research only source"],
)
def test_only_a_later_clear_article_of_a_good_source_contradicts(
    database: Database, article: pd.DataFrame, reason: str | None
):
    bench = Bench(database)
    bench.enter()
    bench.go(ny(10, 1), article)
    assert bench.trade()["status"] == "open"
    bench.go(ny(10, 3), article)
    assert bench.trade()["exit_reason"] == reason
    assert (bench.shares() == 0) == (reason is not None)


def test_everything_is_flat_before_a_half_day_closes(database: Database):
    day = date(2026, 11, 27)
    bench = Bench(database, half_day_tape(day), at=ny(12, 20, day=day))
    bench.store(signal_frame("AAA", ny(12, 20, day=day), session=day))
    bench.desk.place(signal_frame("AAA", ny(12, 20, day=day), session=day), ny(12, 20, day=day))
    bench.go(ny(12, 54, day=day))
    assert bench.shares() > 0
    bench.go(ny(12, 56, day=day))
    assert bench.shares() == 0
    assert bench.trade()["exit_reason"] == "close"
    assert list(bench.journal(purpose="flatten")["state"]) == ["filled"]


def test_the_days_loss_flattens_and_ends_entries(database: Database):
    config = TradingConfig.from_overrides({"risk.max_day_loss": 0.002, "signal.stop_pct": 5})
    crash = [FLAT_MINUTE] * 2 + [(100.0, 100.0, 98.5, 98.5)]
    bench = Bench(database, tape({"AAA": crash}), config=config)
    bench.enter()
    bench.go(ny(10, 4))
    assert (bench.trade()["status"], bench.trade()["exit_reason"]) == ("closed", "flatten")
    result = bench.enter("BBB")
    assert [decision.rule for decision in result.decisions] == ["day_loss"]


def test_flatten_leaves_everything_and_cancels_entries(database: Database):
    bench = Bench(database)
    bench.enter("AAA")
    bench.enter("BBB")
    result = bench.desk.flatten("a person asked for it")
    assert len(result.leaving) == 2 and not bench.broker.positions() and not bench.broker.open_orders()
    assert set(bench.trades.trade_records(SCENARIO)["exit_reason"]) == {"flatten"}


# -------------------------------------------------------------------------------------------------------------------- protection


def test_the_filled_part_of_an_entry_gets_its_own_stop(database: Database):
    thin = [(100.0, 100.0, 100.0, 100.0, 700.0)] * 5
    bench = Bench(database, tape({"AAA": thin}))
    bench.enter()
    held = bench.shares()
    assert 0 < held < 199
    assert bench.resting_stop_qty() == held, "every filled share has a stop when place returns"
    assert set(bench.journal(purpose="entry")["state"]) <= {"canceled", "filled"}
    assert len(bench.journal(order_class="oco")) == 2
    bench.go(ny(10, 6))
    assert bench.shares() == held == bench.resting_stop_qty()
    bench.desk.flatten("end")
    bench.go(ny(10, 12))
    assert bench.shares() == 0 and bench.trade()["status"] == "closed"
    assert cash_balances(bench)


def test_a_position_that_cannot_be_protected_is_sold(database: Database):
    def no_oco(_broker, request):
        raise OrderRefused("stop price must be less than current price", code=42210000, reason="price")

    thin = [(100.0, 100.0, 100.0, 100.0, 700.0)] * 2 + [(100.0, 100.0, 100.0, 100.0, 9000.0)] * 3
    bench = Bench(database, tape({"AAA": thin}))
    send = bench.broker.really_submit
    bench.broker.really_submit = lambda r: no_oco(None, r) if r.order_class == "oco" else send(r)
    bench.enter()
    bench.go(ny(10, 6))
    assert bench.shares() == 0
    assert bench.trade()["exit_reason"] == "unprotected"
    refused = bench.journal(order_class="oco", state="refused")
    assert len(refused) >= 1 and refused.iloc[0]["refusal"]["reason"] == "price"


def test_an_entry_that_does_not_fill_in_time_is_cancelled(database: Database):
    away = [(101.0, 101.0, 101.0, 101.0)] * 10
    bench = Bench(database, tape({"AAA": away}))
    bench.enter()
    assert bench.trade()["status"] == "entering"
    bench.go(ny(10, 3))
    assert bench.trade()["status"] == "entering"
    bench.go(ny(10, 5))
    assert bench.trade()["status"] == "cancelled" and bench.trade()["filled_qty"] == 0
    assert set(bench.journal()["state"]) == {"canceled"}


def test_a_stop_cancelled_by_somebody_else_is_replaced(database: Database):
    bench = Bench(database)
    bench.enter()
    for order in list(bench.exchange._open.values()):
        if order.type == "stop" and order.is_open:
            bench.exchange.cancel(order.order_id)
    assert bench.resting_stop_qty() == 0
    bench.go(ny(10, 1))
    assert bench.resting_stop_qty() == bench.shares() > 0


# ------------------------------------------------------------------------------------------------------------------------ faults


def test_a_refusal_is_stored_and_not_repeated(database: Database):
    def refuse(_broker, _request):
        raise OrderRefused("insufficient buying power", code=40310000, reason="buying_power")

    bench = Bench(database)
    bench.broker.faults = [refuse, refuse]
    result = bench.enter()
    assert len(result.refused) == 1 and bench.broker.submitted == []
    journal = bench.journal()
    assert set(journal["state"]) == {"refused"}
    assert journal.iloc[0]["refusal"] == {
        "reason": "buying_power", "code": 40310000, "message": "insufficient buying power",
    }  # fmt: skip
    assert bench.trade()["status"] == "refused"
    bench.desk.place(signal_frame(), ny(10))
    assert bench.broker.submitted == []


def test_one_refused_leg_leaves_the_other_protected(database: Database):
    def refuse(_broker, _request):
        raise OrderRefused("rate", reason="refused")

    bench = Bench(database)
    bench.broker.faults = [lambda broker, request: None, refuse]
    bench.enter()
    assert bench.trade()["status"] == "open"
    assert bench.shares() == bench.trade()["filled_qty"] == bench.resting_stop_qty() == 100


def test_a_timeout_after_the_order_landed_is_resolved_by_looking(database: Database):
    def landed(broker, request):
        broker.really_submit(request)
        raise OrderStateUnknown("504 request timed out")

    bench = Bench(database)
    bench.broker.faults = [landed]
    bench.broker.hidden_looks = 2
    bench.enter()
    assert len(bench.broker.submitted) == 2 == len(set(bench.broker.submitted))
    assert bench.trade()["status"] == "open"
    assert bench.waits.count(bench.config.execution.lookup_pause_seconds) == 2


def test_an_order_of_unknown_fate_blocks_its_symbol_until_it_is_known(database: Database):
    def lost(_broker, _request):
        raise OrderStateUnknown("connection reset")

    bench = Bench(database)
    bench.broker.faults = [lost, lost]
    bench.enter()
    assert set(bench.journal()["state"]) == {"unknown"}
    bench.clock.at += timedelta(seconds=20)
    again = bench.enter()
    assert [decision.rule for decision in again.decisions] == ["in_symbol"]
    assert "unknown" in again.decisions[0].message
    bench.go(ny(10, 3))
    assert set(bench.journal()["refusal"].map(lambda r: r["reason"])) == {"never_landed"}
    assert bench.trade()["status"] == "refused"
    assert bench.enter().decisions[0].allowed


def test_a_used_id_means_the_order_landed(database: Database):
    def twice(broker, request):
        broker.really_submit(request)
        raise OrderRefused("client_order_id must be unique", code=40010001, reason="duplicate_id")

    bench = Bench(database)
    bench.broker.faults = [twice]
    bench.enter()
    assert set(bench.journal(purpose="entry")["state"]) == {"filled"}
    assert bench.shares() == bench.trade()["filled_qty"] == 199


def test_a_crash_between_journal_and_send_is_taken_up_and_sends_once(database: Database):
    class Crash(Exception):
        pass

    def crash(_broker, _request):
        raise Crash

    bench = Bench(database)
    bench.broker.faults = [crash]
    with pytest.raises(Crash):
        bench.enter()
    assert set(bench.journal()["state"]) == {"planned"} and bench.broker.submitted == []
    bench.clock.at += timedelta(seconds=30)
    bench.exchange.advance(bench.clock.at)
    bench.desk = bench.new_desk()
    result = bench.desk.place(signal_frame(), ny(10))
    assert len(result.resumed) == 2
    assert len(bench.broker.submitted) == 2 == len(set(bench.broker.submitted))
    assert bench.shares() == 199 == bench.resting_stop_qty()
    assert bench.trade()["status"] == "open"
    assert len(bench.trades.trade_records(SCENARIO)) == 1


def test_a_crash_after_the_send_adopts_the_order(database: Database):
    class Crash(Exception):
        pass

    def crash_after(broker, request):
        broker.really_submit(request)
        raise Crash

    bench = Bench(database)
    bench.broker.faults = [crash_after]
    with pytest.raises(Crash):
        bench.enter()
    bench.desk = bench.new_desk()
    bench.desk.place(signal_frame(), ny(10))
    assert len(bench.broker.submitted) == 2 == len(set(bench.broker.submitted))
    assert bench.shares() == 199 == bench.resting_stop_qty()


def test_a_crash_at_the_second_bracket_forgets_no_answer_of_the_first(database: Database):
    """Both answers of a trade are committed together: until then the rows are planned, and recovery asks the broker for them."""

    class Crash(Exception):
        pass

    def crash_before(broker, request):
        raise Crash

    bench = Bench(database)
    bench.broker.faults = [lambda broker, request: None, crash_before]
    with pytest.raises(Crash):
        bench.enter()
    assert list(bench.journal(purpose="entry")["state"]) == ["planned", "planned"]
    bench.desk = bench.new_desk()
    bench.desk.place(signal_frame(), ny(10))
    assert len(bench.broker.submitted) == 2 == len(set(bench.broker.submitted))
    assert bench.shares() == 199 == bench.resting_stop_qty()


def test_an_interrupted_entry_that_is_too_old_is_abandoned(database: Database):
    class Crash(Exception):
        pass

    def crash(_broker, _request):
        raise Crash

    bench = Bench(database)
    bench.broker.faults = [crash]
    with pytest.raises(Crash):
        bench.enter()
    bench.desk = bench.new_desk()
    bench.go(ny(10, 10), every=timedelta(minutes=5))
    assert bench.broker.submitted == []
    assert bench.trade()["status"] == "cancelled" and set(bench.journal()["state"]) == {"canceled"}


def test_an_exit_refused_for_reserved_shares_is_tried_again_until_flat(database: Database):
    def reserved(_broker, _request):
        raise OrderRefused("insufficient qty available for order", code=40310000, reason="reserved_shares")

    bench = Bench(database)
    bench.enter()
    bench.broker.faults = [reserved]
    bench.desk.flatten("now")
    assert bench.shares() == 199 and bench.trade()["status"] == "exiting"
    bench.go(ny(10, 1))
    assert bench.shares() == 0 and bench.trade()["status"] == "closed"
    assert list(bench.journal(purpose="flatten")["attempt"]) == [1, 2]


def test_slow_cancels_never_lead_to_a_second_sale(database: Database):
    bench = Bench(database, venue={"cancel_delay": timedelta(seconds=90)})
    bench.enter()
    bench.desk.flatten("now")
    assert bench.shares() == 199 and len(bench.journal(purpose="flatten")) == 0
    bench.go(ny(10, 4))
    assert bench.shares() == 0 and len(bench.journal(purpose="flatten")) == 1


# ------------------------------------------------------------------------------------------------------------------- idempotence


def everything(bench: Bench) -> str:
    """All rows of the order step as text."""
    frames = [bench.trades.trade_records(SCENARIO), bench.trades.order_journal(SCENARIO), bench.trades.order_fills(SCENARIO),
              bench.trades.trade_events(SCENARIO)]  # fmt: skip
    return "\n".join(frame.to_json(date_format="iso") for frame in frames)


def test_running_anything_twice_changes_nothing(database: Database):
    bench = Bench(database, tape({"AAA": UP}))
    signals = bench.store(signal_frame())
    bench.desk.place(signals, ny(10))
    before = everything(bench)
    bench.desk.place(signals, ny(10))
    bench.desk.synchronise()
    bench.desk.protect()
    assert everything(bench) == before
    bench.go(ny(10, 8))
    before = everything(bench)
    bench.desk.synchronise()
    bench.desk.watch()
    assert everything(bench) == before
    assert len(bench.broker.submitted) == 2


def test_every_state_change_of_an_order_is_an_event(database: Database):
    bench = Bench(database, tape({"AAA": UP}))
    bench.enter()
    bench.go(ny(10, 8))
    events = bench.trades.trade_events(SCENARIO)
    for _, row in bench.journal().iterrows():
        mine = events[events["client_order_id"] == row["client_order_id"]]
        states = [kind.removeprefix("order_") for kind in mine["kind"] if kind.removeprefix("order_") in TRANSITIONS]
        assert states[-1] == row["state"]
        assert all(b in TRANSITIONS[a] for a, b in pairwise(states) if a != b)
    trade_kinds = [k for k, c in zip(events["kind"], events["client_order_id"], strict=True) if pd.isna(c)]
    assert [k for k in trade_kinds if k in ("planned", "entering", "open", "closed")] == [
        "planned",
        "entering",
        "open",
        "closed",
    ]


# ---------------------------------------------------------------------------------------------------------------- who may trade


def test_a_replay_never_reaches_an_outside_broker_and_live_never_the_inside_one(database: Database):
    bench = Bench(database)
    with pytest.raises(TradingForbidden, match="in-process"):
        bench.new_desk(scenario="live")
    bench.broker.name = "alpaca"
    with pytest.raises(TradingForbidden, match="only 'live'"):
        bench.new_desk()


def test_real_money_needs_both_switches(database: Database):
    bench = Bench(database)
    real = replace(bench.broker.account(), is_paper=False)
    for guard in (
        AccountGuard(),
        AccountGuard(live_trading=True),
        AccountGuard(live_trading=True, live_account_id="other"),
    ):
        with pytest.raises(TradingForbidden):
            guard.check(real, bench.broker)
    AccountGuard(live_trading=True, live_account_id=real.account_id).check(real, bench.broker)


def test_the_kill_switch_stops_entries_but_not_exits(database: Database, tmp_path):
    switch = KillSwitchFile(tmp_path / "STOP")
    bench = Bench(database)
    bench.desk = bench.new_desk(kill_switch=switch)
    bench.enter("AAA")
    switch.engage("the operator is worried")
    result = bench.enter("BBB")
    assert result.decisions[0].rule == "kill_switch" and "worried" in result.decisions[0].message
    bench.desk.flatten("out")
    assert bench.shares("AAA") == 0
    switch.release()
    assert bench.enter("CCC").decisions[0].allowed


def test_an_old_signal_is_refused_and_the_refusal_stored(database: Database):
    bench = Bench(database)
    signals = bench.store(signal_frame())
    bench.clock.at = ny(10, 20)
    bench.exchange.advance(bench.clock.at)
    result = bench.desk.place(signals, ny(10))
    assert [decision.rule for decision in result.decisions] == ["signal_age"]
    stored = bench.trades.risk_decisions(SCENARIO).iloc[0]
    assert (bool(stored["allowed"]), stored["rule"]) == (False, "signal_age")
    assert {check["name"] for check in stored["checks"]} >= {"spread", "size", "buying_power"}
    assert bench.broker.submitted == []


def test_every_signal_gets_an_answer_also_those_the_decision_rejected(database: Database):
    bench = Bench(database)
    signals = pd.concat([
        signal_frame("AAA"),
        signal_frame("BBB", status="rejected", reject_reason="confidence 20 is below 30"),
        signal_frame("CCC", status="prepared"),
    ])  # fmt: skip
    bench.desk.place(bench.store(signals), ny(10))
    stored = bench.trades.risk_decisions(SCENARIO).set_index("signal_id")
    rules = stored["rule"].fillna("")
    answers = {signal.split("-")[1]: (bool(stored.loc[signal, "allowed"]), rules[signal]) for signal in stored.index}
    assert answers == {"AAA": (True, ""), "BBB": (False, "signal"), "CCC": (False, "signal")}
    assert any("below 30" in message for message in stored["message"])
    assert set(bench.trades.trade_records(SCENARIO)["symbol"]) == {"AAA"}


def test_shares_bought_by_hand_block_the_symbol_and_are_left_alone(database: Database):
    from catalyst_assets_tests.simulator.handmade import order

    bench = Bench(database)
    bench.exchange.submit(order("AAA", qty=10))
    result = bench.enter()
    assert result.decisions[0].rule == "in_symbol"
    assert bench.desk.flatten("all").foreign == ("AAA",)
    assert bench.shares() == 10


def test_shares_sold_by_hand_close_the_trade_as_manual(database: Database):
    from catalyst_assets_tests.simulator.handmade import order

    bench = Bench(database)
    bench.enter()
    for entry in bench.broker.open_orders():
        for leg in entry.legs:
            if not leg.status.is_final:
                bench.broker.cancel(leg.order_id)
                break
    bench.exchange.submit(order("AAA", "sell", 199))
    bench.go(ny(10, 1))
    assert (bench.trade()["status"], bench.trade()["exit_reason"]) == ("closed", "manual")
    assert cash_balances(bench)


def test_only_one_process_works_on_an_account(database: Database):
    bench = Bench(database, config=TradingConfig.from_overrides({"execution.lock_wait_seconds": 0.1}))
    account = bench.broker.account().account_id
    with TradeRepository(database).account_lock(SCENARIO, account), pytest.raises(AccountBusy):
        bench.enter()
    assert bench.new_desk().watch().live == 0


def test_live_rows_are_never_deleted(database: Database):
    with pytest.raises(LiveRowsAreKept):
        TradeRepository(database).clear_replay("live", FRIDAY)


def test_the_transition_table_has_no_way_out_of_a_final_state():
    for state in ("filled", "canceled", "expired", "replaced", "refused"):
        for other in TRANSITIONS:
            with pytest.raises(IllegalTransition):
                check_transition("x", state, other)
    assert {s for following in TRANSITIONS.values() for s in following} <= set(TRANSITIONS)


def test_the_account_is_recorded_once_per_instant(database: Database):
    bench = Bench(database)
    bench.desk.record_account()
    bench.desk.record_account()
    curve = bench.trades.account_snapshots(SCENARIO)
    assert len(curve) == 1 and float(curve.iloc[0]["equity"]) == 100_000
