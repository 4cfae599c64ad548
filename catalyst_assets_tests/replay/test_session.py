"""One session replayed: from signals to a flat account, the same every time, and never near live rows."""

from __future__ import annotations

from decimal import Decimal

import pandas as pd
import pytest

from catalyst_assets.execution.guards import TradingForbidden
from catalyst_assets.replay.session import run_session
from catalyst_assets.simulator.tape import Halt
from catalyst_assets.storage.database import Database
from catalyst_assets.storage.trades import TradeRepository
from catalyst_assets.trading.calendar import TradingCalendar
from catalyst_assets.trading.config import TradingConfig
from catalyst_assets_tests.execution.bench import SCENARIO, mention, signal_frame, store_article
from catalyst_assets_tests.simulator.handmade import FRIDAY, ny, tape

FLAT = (100.0, 100.0, 100.0, 100.0)
WAVE = [FLAT] * 3 + [(100.0, 101.2, 100.0, 101.2), (101.2, 103.5, 101.2, 103.5), (103.5, 103.6, 101.0, 101.0)] * 4
FALL = [FLAT] * 5 + [(100.0, 100.0, 97.5, 97.5)]


@pytest.fixture
def signals(database: Database) -> pd.DataFrame:
    store_article(database)
    frames = [
        signal_frame("AAA", ny(9, 30)),
        signal_frame("AAA", ny(10)),
        signal_frame("BBB", ny(10)),
        signal_frame("CCC", ny(10, 5), direction="short"),
        signal_frame("BBB", ny(14)),
        signal_frame("AAA", ny(15, 35)),
    ]
    frame = pd.concat(frames, ignore_index=True)
    database.append("trading_signals", frame)
    return frame


def run(database: Database, signals: pd.DataFrame, made=None, **changes):
    values = {
        "tape": made or tape({"AAA": WAVE, "BBB": FALL}), "session": FRIDAY, "signals": signals, "mentions": None,
        "calendar": TradingCalendar(), "config": TradingConfig(), "trades": TradeRepository(database), "scenario": SCENARIO,
        **changes,
    }  # fmt: skip
    return run_session(**values)


def rows(database: Database) -> str:
    """Every row of the order step as text, without the database's own running numbers."""
    trades = TradeRepository(database)
    frames = [
        trades.trade_records(SCENARIO), trades.order_journal(SCENARIO), trades.order_fills(SCENARIO),
        trades.trade_events(SCENARIO).drop(columns="id"), trades.risk_decisions(SCENARIO).drop(columns="id"),
        trades.account_snapshots(SCENARIO),
    ]  # fmt: skip
    return "\n".join(frame.to_json(date_format="iso", orient="records") for frame in frames)


def test_a_session_ends_flat_and_its_money_adds_up(database: Database, signals: pd.DataFrame):
    result = run(database, signals)
    assert result.left_open == () and result.decisions == 6
    assert len(result.closed) >= 2
    assert abs(Decimal(str(round(float(result.closed["pnl"].sum()), 4))) - result.pnl) < Decimal("0.005")
    assert result.refusals.get("entry_window") == 1 and result.refusals.get("short") == 1
    assert set(result.closed["exit_reason"]) >= {"stop"}
    assert float(result.equity_curve.iloc[-1]["equity"]) == float(result.ending_equity)
    assert int(result.equity_curve.iloc[-1]["open_positions"]) == 0


def test_the_same_inputs_give_the_same_rows_and_replace_the_earlier_ones(database: Database, signals: pd.DataFrame):
    run(database, signals)
    first = rows(database)
    run(database, signals)
    assert rows(database) == first


def test_other_sessions_and_scenarios_are_not_touched(database: Database, signals: pd.DataFrame):
    run(database, signals)
    other = signals.assign(scenario="replay:other", signal_id=signals["signal_id"] + "-other")
    database.append("trading_signals", other)
    before = rows(database)
    run(database, other, scenario="replay:other")
    assert rows(database) == before


def test_a_day_without_signals_is_a_day_without_trades(database: Database, signals: pd.DataFrame):
    result = run(database, signals.iloc[:0])
    assert result.trades.empty and result.pnl == 0 and len(result.equity_curve) > 100


def test_a_replay_is_never_live(database: Database, signals: pd.DataFrame):
    with pytest.raises(TradingForbidden):
        run(database, signals, scenario="live")


def test_a_contradicting_article_ends_a_position_in_the_minute_it_becomes_available(
    database: Database, signals: pd.DataFrame
):
    result = run(database, signals, tape(), mentions=mention("AAA", ny(9, 40), -0.9))
    trade = result.trades[result.trades["symbol"] == "AAA"].iloc[0]
    assert trade["exit_reason"] == "news" and trade["exit_time"] == pd.Timestamp(ny(9, 40))


def test_the_opening_cycle_uses_the_premarket_cap(database: Database, signals: pd.DataFrame):
    result = run(database, signals, tape())
    first = result.trades.iloc[0]
    assert first["planned_qty"] == 99  # 10 % of 100,000 at 100.03, rounded down


def test_a_symbol_halted_into_the_close_is_reported_as_left_open(database: Database, signals: pd.DataFrame):
    halt = Halt("BBB", ny(14, 30), ny(20), "T1")
    result = run(database, signals, tape(halts=[halt]))
    left = result.trades.set_index("trade_id").loc[list(result.left_open)]
    assert list(left["symbol"]) == ["BBB"] and list(left["status"]) == ["exiting"]
    assert result.equity_curve.iloc[-1]["open_positions"] == 1
