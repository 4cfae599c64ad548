"""Rules of the decision repositories: replaced together, evidence kept, learned before used."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pandas as pd
import pytest

from catalyst_assets.storage.analysis import AnalysisRepository
from catalyst_assets.storage.configuration import ConfigurationError, ConfigurationRepository
from catalyst_assets.storage.database import Database
from catalyst_assets.storage.instruments import InstrumentRepository, not_common
from catalyst_assets.storage.operations import OperationsRepository
from catalyst_assets.storage.outcomes import OutcomeRepository
from catalyst_assets.storage.scan import ScanRepository
from catalyst_assets.storage.signals import SignalRepository
from catalyst_assets_tests.storage.test_migrations import raw_row

AT = datetime(2025, 5, 15, 14, 0, tzinfo=UTC)
LATER = AT + timedelta(minutes=5)
SESSION = date(2025, 5, 15)


def universe(*symbols: str, at: datetime = AT) -> pd.DataFrame:
    return pd.DataFrame(
        {"decision_time": [pd.Timestamp(at)] * len(symbols), "symbol": list(symbols), "rank": range(1, len(symbols) + 1), "origin": "list",
         "extra": 1}
    )  # fmt: skip


def signals(*symbols: str, at: datetime = AT, **changes: object) -> pd.DataFrame:
    values = {
        "decision_time": pd.Timestamp(at), "direction": "long", "status": "actionable", "confidence": 60.0, "size_fraction": 0.5,
        "catalyst_component": 50.0, "pattern_component": 50.0, "technical_component": 50.0, "volume_component": 50.0, "entry": 10.0,
        "stop": 9.0, "target1": 11.5, "target2": 13.0, "catalyst_type": "other", "narrative_id": "n", "top_news_id": "n1",
        "strategy_version": "1",
    }  # fmt: skip
    frame = pd.DataFrame({"signal_id": [f"{symbol}-{at:%H%M}" for symbol in symbols], "symbol": list(symbols)})
    return frame.assign(**{**values, **changes})


def test_rows_of_a_decision_time_are_replaced_together_and_the_session_is_derived(database: Database) -> None:
    scan = ScanRepository(database)
    scan.save_active_universe(universe("A", "B"), scenario="live")
    scan.save_active_universe(universe("C", at=LATER), scenario="live")
    scan.save_active_universe(universe("D"), scenario="live")
    scan.save_active_universe(universe("Z"), scenario="replay:x")
    stored = scan.active_universe("live", SESSION)
    assert stored["symbol"].tolist() == ["D", "C"]
    assert scan.active_universe("live", SESSION, LATER)["symbol"].tolist() == ["C"]


def test_a_decision_that_finds_nothing_clears_what_it_found_before(database: Database) -> None:
    scan = ScanRepository(database)
    scan.save_active_universe(universe("A"), scenario="live")
    scan.save_active_universe(universe().iloc[:0], scenario="live", decision_times=[AT])
    assert scan.active_universe("live", SESSION).empty


def test_indicators_carry_the_feed_of_their_bars(database: Database) -> None:
    frame = pd.DataFrame(
        {
            "decision_time": [AT],
            "symbol": ["A"],
            "timeframe": ["5min"],
            "bar_ts": [AT - timedelta(minutes=5)],
            "close": [10.0],
        }
    )
    AnalysisRepository(database).save_technical_indicators(frame, scenario="live", feed="iex")
    stored = AnalysisRepository(database).technical_indicators("live", SESSION, AT)
    assert stored["feed"].tolist() == ["iex"] and stored["rsi"].isna().all()


def test_a_signal_acted_on_stays_as_it_was(database: Database) -> None:
    database.append("news_raw", raw_row())
    repository = SignalRepository(database)
    assert repository.save_trading_signals(signals("A", "B"), scenario="live") == 2
    decision = pd.DataFrame(
        {"signal_id": ["A-1400"], "decided_at": [AT], "allowed": [True], "message": ["ok"], "checks": [{"x": 1}]}
    )
    assert repository.save_risk_decisions(decision, scenario="live") == 1
    assert repository.save_risk_decisions(decision, scenario="live") == 0
    changed = signals("A", "C", confidence=99.0, at=AT)
    assert repository.save_trading_signals(changed, scenario="live") == 1
    stored = repository.trading_signals("live", SESSION).set_index("symbol")["confidence"]
    assert stored.to_dict() == {"C": 99.0, "A": 60.0}
    assert repository.risk_decisions("live", SESSION)["checks"][0] == {"x": 1}


def test_signals_are_read_best_first_and_by_status(database: Database) -> None:
    database.append("news_raw", raw_row())
    repository = SignalRepository(database)
    repository.save_trading_signals(
        pd.concat([signals("A"), signals("B", confidence=80.0, status="rejected")]), scenario="live"
    )
    assert repository.trading_signals("live", SESSION)["symbol"].tolist() == ["B", "A"]
    assert repository.trading_signals("live", SESSION, status="rejected")["symbol"].tolist() == ["B"]


def test_metrics_are_used_from_the_next_session_on_never_in_the_same_one(database: Database) -> None:
    outcomes = OutcomeRepository(database)
    metrics = pd.DataFrame({"source": ["Reuters"], "catalyst_type": ["*"], "source_tier": [1], "alpha": [6.0], "beta": [4.0],
                            "accuracy": [0.6], "low": [0.4], "high": [0.8], "observations": [10.0]})  # fmt: skip
    for day, accuracy in ((13, 0.6), (14, 0.7), (15, 0.8)):
        outcomes.save_source_metrics(metrics.assign(accuracy=accuracy), scenario="live", session=date(2025, 5, day))
    assert outcomes.source_metrics("live", date(2025, 5, 15))["accuracy"].tolist() == [0.7]
    assert outcomes.source_metrics("live", date(2025, 5, 13)).empty
    assert outcomes.source_metrics("replay:x", date(2025, 5, 15)).empty


def test_failures_in_a_row_are_counted_and_end_with_a_success(database: Database) -> None:
    operations = OperationsRepository(database)
    assert [operations.record_health("finnhub", state, checked_at=AT) for state in ("down", "down", "ok", "down")] == [
        1,
        2,
        0,
        1,
    ]
    row = operations.service_health().iloc[0]
    assert row["state"] == "down" and row["last_ok_at"] == pd.Timestamp(AT)


def test_a_cycle_is_one_row_from_start_to_end(database: Database) -> None:
    operations = OperationsRepository(database)
    cycle = {"scenario": "live", "session": SESSION, "decision_time": AT, "mode": "regular", "started_at": AT}
    operations.save_cycle(**cycle, status="running", run_id="r1", counts={"articles": 3})  # type: ignore[arg-type]
    operations.save_cycle(
        **cycle, status="finished", finished_at=LATER, counts={"signals": 1}, timings_ms={"scan": 12.5}
    )  # type: ignore[arg-type]
    last = operations.last_cycle("live")
    assert last is not None
    assert (last["status"], last["run_id"], last["counts"]) == ("finished", "r1", {"articles": 3, "signals": 1})
    assert len(operations.cycles("live", SESSION)) == 1


def test_log_lines_are_kept_newest_first(database: Database) -> None:
    operations = OperationsRepository(database)
    for number in range(3):
        operations.log("info", "test", f"line {number}", {"n": number}, at=AT + timedelta(seconds=number))
    assert operations.workflow_log(AT + timedelta(seconds=1))["message"].tolist() == ["line 2", "line 1"]


def test_only_a_replay_can_be_cleared(database: Database) -> None:
    database.append("news_raw", raw_row())
    operations, repository = OperationsRepository(database), SignalRepository(database)
    repository.save_trading_signals(signals("A"), scenario="live")
    repository.save_trading_signals(signals("A").assign(signal_id="other"), scenario="replay:x")
    assert operations.clear_replay("replay:x") == 1
    assert len(repository.trading_signals("live", SESSION)) == 1
    with pytest.raises(ValueError, match="never deleted"):
        operations.clear_replay("live")


def test_configuration_is_validated_stored_and_its_history_kept(database: Database) -> None:
    repository = ConfigurationRepository(database)
    assert repository.load().risk.per_trade == 0.01
    assert repository.set("risk.per_trade", 0.02, who="ann", why="braver") == 0.02
    repository.set("risk.per_trade", 0.02, who="bob", why="again")
    repository.set("risk.per_trade", 0.015, who="bob", why="less so")
    assert repository.load().risk.per_trade == 0.015
    assert repository.reset("risk.per_trade", who="cat", why="enough")
    history = repository.history("risk.per_trade")
    changes = history[["old_value", "new_value", "changed_by", "reason"]].values.tolist()
    assert changes == [[0.015, None, "cat", "enough"], [0.02, 0.015, "bob", "less so"], [None, 0.02, "ann", "braver"]]


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("risk.per_trade", 0.5, r"risk\.per_trade is 0\.5; allowed: input should be less than or equal to 0\.05"),
        ("risk.per_trad", 0.01, r"did you mean risk\.per_trade\?"),
        ("signal.catalyst_weight", 0.9, "must add up to 1"),
        ("scan.selected", "many", r"scan\.selected is 'many'"),
    ],
)
def test_a_configuration_that_is_not_allowed_is_refused_with_a_sentence(
    database: Database, key: str, value: object, message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        ConfigurationRepository(database).set(key, value, who="ann", why="test")
    assert ConfigurationRepository(database).overrides() == {}


def test_a_change_without_a_reason_is_refused(database: Database) -> None:
    with pytest.raises(ConfigurationError, match="say why"):
        ConfigurationRepository(database).set("risk.per_trade", 0.02, who="ann", why=" ")


COMMON = [
    ("AAPL", "Apple Inc. Common Stock"), ("BRK.B", "Berkshire Hathaway Inc. Class B"), ("PFBC", "Preferred Bank Common Stock"),
    ("UNH", "UnitedHealth Group Incorporated"), ("SHOP", "Shopify Inc. Class A Subordinate Voting Shares"), ("UNIT", "Uniti Group Inc."),
    ("TSM", "Taiwan Semiconductor Manufacturing Company Ltd."), ("GOLD", "Barrick Gold Corporation"), ("BLUW", "Blue Whale Common Stock"),
]  # fmt: skip
OTHERS = [
    ("SPY", "SPDR S&P 500 ETF Trust"), ("QQQ", ""), ("TQQQ", "ProShares UltraPro QQQ"), ("GLD", "SPDR Gold Shares"),
    ("ACMEW", "Acme Acquisition Corp. Warrants, each exercisable for one share of Class A common stock"),
    ("ACMEU", "Acme Acquisition Corp. Units, each consisting of one Class A share and one half of one warrant"),
    ("BAC.PRK", "Bank of America Corporation Depositary Shares, Series K Preferred"), ("ACM.WS", "Acme Warrants"),
    ("NVDL", "GraniteShares 2x Long NVDA Daily ETF"), ("ZVZZT", "Nasdaq test"), ("BND", "Vanguard Total Bond Market Index Fund"),
]  # fmt: skip


@pytest.mark.parametrize(("symbol", "name"), COMMON)
def test_common_stocks_are_recognised(symbol: str, name: str) -> None:
    assert not_common(symbol, name) is None


@pytest.mark.parametrize(("symbol", "name"), OTHERS)
def test_funds_warrants_units_and_preferred_are_no_common_stocks(symbol: str, name: str) -> None:
    assert not_common(symbol, name) is not None


def test_instruments_are_updated_and_imports_do_not_overwrite_names(database: Database) -> None:
    repository = InstrumentRepository(database)
    assets = pd.DataFrame(
        {"symbol": ["AAPL", "SPY"], "name": ["Apple Inc.", "SPDR S&P 500 ETF Trust"], "exchange": "NASDAQ", "asset_class": "us_equity",
         "status": "active", "tradable": True, "shortable": True, "easy_to_borrow": True}
    )  # fmt: skip
    repository.save_instruments(assets, seen_at=AT)
    assert repository.ensure_symbols(["AAPL", "NEW", "NEW"], seen_at=AT) == 1
    assert repository.company_names() == {"AAPL": "Apple Inc."}
    assert repository.instruments(tradable_common=True)["symbol"].tolist() == ["AAPL", "NEW"]
    repository.save_instruments(assets.assign(tradable=False), seen_at=AT)
    assert repository.instruments(["AAPL"])["tradable"].tolist() == [False]
