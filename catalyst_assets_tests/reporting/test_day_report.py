"""The day report says what the stored rows say."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest
from rich.console import Console

from catalyst_assets.reporting.console import show
from catalyst_assets.reporting.day import cache_line, gather
from catalyst_assets.reporting.picture import draw
from catalyst_assets.storage.database import Database
from catalyst_assets.storage.operations import OperationsRepository

SESSION = date(2026, 11, 20)
OPEN = datetime(2026, 11, 20, 14, 30, tzinfo=UTC)
SCENARIO = "live"


def _fill(database: Database) -> None:
    """One session with one article, two evaluated symbols, one signal, one winning trade."""
    at = OPEN + timedelta(minutes=5)
    common = {"scenario": SCENARIO, "session": SESSION}
    database.append("news_raw", pd.DataFrame([{
        "news_id": "n1", "provider": "finnhub", "source": "Reuters", "headline": "Acme beats estimates", "published_at": OPEN,
        "first_seen_at": OPEN, "available_at": OPEN, "session": SESSION, "live_source": True, "payload": {}, "tickers": ["ACME"],
    }]))  # fmt: skip
    database.append("news_collection_stats", pd.DataFrame([{
        "session": SESSION, "decision_time": at, "provider": "finnhub", "started_at": at, "duration_ms": 12.0, "requests": 2, "fetched": 3,
        "inserted": 1, "duplicates": 2, "median_delay_s": 40.0,
    }]))  # fmt: skip
    score = {"catalyst_score": 80.0, "direction": 0.9}
    database.append("scan_evaluations", pd.DataFrame([
        {**common, **score, "decision_time": at, "symbol": "ACME", "stage": "selected"},
        {**common, **score, "decision_time": at, "symbol": "BETA", "stage": "catalyst", "cut_reason": "relative volume 0.8 < 1.5"},
    ]))  # fmt: skip
    database.append("trading_candidates", pd.DataFrame([{
        **common, **score, "decision_time": at, "symbol": "ACME", "rank": 1, "combined_score": 75.0, "technical_score": 60.0,
        "catalyst_type": "earnings", "narrative_id": "s1", "top_news_id": "n1", "headline": "Acme beats estimates", "price": 50.0,
        "change_pct": 4.2, "relative_volume": 3.0,
    }]))  # fmt: skip
    database.append("trading_signals", pd.DataFrame([{
        **common, "signal_id": "sig1", "decision_time": at, "symbol": "ACME", "direction": "long", "status": "actionable",
        "confidence": 72.0, "size_fraction": 1.0, "catalyst_component": 80.0, "pattern_component": 60.0, "technical_component": 70.0,
        "volume_component": 80.0, "entry": 50.0, "stop": 49.0, "target1": 51.5, "target2": 53.0, "reward_risk": 1.5,
        "catalyst_type": "earnings", "narrative_id": "s1", "top_news_id": "n1", "strategy_version": "1",
    }]))  # fmt: skip
    database.append("risk_decisions", pd.DataFrame([{
        **common, "signal_id": "sig1", "decided_at": at, "allowed": True, "message": "100 shares", "qty": 100, "checks": {},
    }]))  # fmt: skip
    database.append("trade_records", pd.DataFrame([{
        **common, "trade_id": "t1", "signal_id": "sig1", "account_id": "a", "symbol": "ACME", "direction": "long", "status": "closed",
        "planned_qty": 100, "filled_qty": 100, "exited_qty": 100, "entry_plan": 50.0, "stop_plan": 49.0, "risk_per_share": 1.0,
        "entry_price": 50.0, "entry_time": at, "exit_price": 51.5, "exit_time": at + timedelta(minutes=30), "exit_reason": "target1",
        "fees": 0.25, "pnl": 149.75, "r_multiple": 1.4975, "top_news_id": "n1", "created_at": at, "updated_at": at,
    }]))  # fmt: skip
    database.append("account_snapshots", pd.DataFrame([
        {**common, "at": at + timedelta(minutes=5 * i), "account_id": "a", "equity": equity, "cash": equity, "buying_power": equity,
         "open_positions": 0, "day_pnl": equity - 100_000}
        for i, equity in enumerate((100_000.0, 100_149.75))
    ]))  # fmt: skip
    database.append("source_metrics", pd.DataFrame([{
        **common, "source": "Reuters", "source_tier": 1, "alpha": 7.0, "beta": 4.0, "accuracy": 0.64, "low": 0.4, "high": 0.8,
        "observations": 1.0, "articles": 1,
    }]))  # fmt: skip
    database.append("trading_cycles", pd.DataFrame([{
        **common, "cycle_id": "c1", "decision_time": at, "mode": "regular", "status": "finished", "started_at": at,
        "finished_at": at + timedelta(seconds=2), "timings_ms": {"news_raw": 300.0, "scan_evaluations": 100.0},
    }]))  # fmt: skip


def test_a_symbol_counts_in_every_stage_it_passed(database: Database) -> None:
    _fill(database)
    funnel = gather(database, SESSION, SCENARIO).funnel
    assert funnel.iloc[0].to_dict() == {"universe": 2, "catalyst": 2, "validated": 1, "selected": 1}


def test_a_day_in_which_everything_happened_has_no_empty_stage(database: Database) -> None:
    _fill(database)
    report = gather(database, SESSION, SCENARIO)
    assert report.empty_stages() == []
    assert report.net_pnl == pytest.approx(149.75)


def test_a_day_without_rows_names_every_stage_that_produced_nothing(database: Database) -> None:
    empty = gather(database, SESSION, SCENARIO).empty_stages()
    assert "articles" in empty and "closed trades" in empty and "cycles" in empty


def test_a_vendor_that_was_asked_all_day_and_gave_nothing_is_named(database: Database) -> None:
    _fill(database)
    report = gather(database, SESSION, SCENARIO)
    silent = replace(report, collection=report.collection.assign(inserted=0))
    assert silent.empty_stages() == [f"articles of {name}" for name in report.collection["provider"]]


def test_the_report_shows_headline_trade_reason_and_planted_reliability(database: Database, tmp_path: Path) -> None:
    _fill(database)
    report = gather(database, SESSION, SCENARIO)
    truth = pd.DataFrame({"outlet": ["Reuters"], "reliability": [0.91]})
    text = io.StringIO()
    show(report, Console(file=text, width=200), truth=truth)
    shown = text.getvalue()
    for expected in ("Acme beats estimates", "target1", "0.91", "ordered 100", "+149.75", "finnhub", "news_raw"):
        assert expected in shown
    assert draw(report, tmp_path / "day.png", truth=truth).stat().st_size > 20_000


@pytest.mark.parametrize("width", [72, 80, 100])
def test_on_a_narrow_terminal_headlines_stand_whole_below_their_table(database: Database, width: int) -> None:
    _fill(database)
    text = io.StringIO()
    show(gather(database, SESSION, SCENARIO), Console(file=text, width=width, force_terminal=True, no_color=True))
    lines = re.sub(r"\x1b\[[0-9;]*m", "", text.getvalue()).splitlines()
    assert max(len(line) for line in lines) <= width
    named = [line for line in lines if "Acme beats estimates" in line]
    assert len(named) == 2 and all("ACME" in line for line in named), "once under the candidates, once under the trades"
    assert any("ordered 100" in line and "ACME" in line for line in lines)


def test_output_that_is_no_terminal_has_room_for_every_column(database: Database) -> None:
    _fill(database)
    text = io.StringIO()
    show(gather(database, SESSION, SCENARIO), Console(file=text, width=80))
    assert "exit reason" in text.getvalue() and "rel. vol." in text.getvalue()


def test_the_report_sums_the_cache_over_the_cycles(database: Database) -> None:
    for minutes, counts in ((5, {"hits": 3, "misses": 5, "errors": 0}), (10, {"hits": 6, "misses": 1, "errors": 1})):
        OperationsRepository(database).save_cycle(
            scenario=SCENARIO, session=SESSION, decision_time=OPEN + timedelta(minutes=minutes), mode="regular",
            status="finished", started_at=OPEN, counts={"signals": 1, "cache": {"patterns": counts}},
        )  # fmt: skip
    OperationsRepository(database).save_cycle(
        scenario=SCENARIO, session=SESSION, decision_time=OPEN, mode="regular", status="failed", started_at=OPEN
    )
    report = gather(database, SESSION, SCENARIO)
    assert report.cache.to_dict("records") == [
        {"kind": "patterns", "hits": 9, "misses": 6, "errors": 1, "hit_rate": 9 / 16}
    ]
    text = io.StringIO()
    show(report, Console(file=text, width=160))
    assert "Cache over the cycles" in text.getvalue() and "56%" in text.getvalue()


@pytest.mark.parametrize(
    ("counted", "line"),
    [
        ({}, "not asked"),
        ({"scan": {"hits": 3, "misses": 1, "errors": 0}}, "scan 3 of 4 (75%)"),
        (
            {"health": {"hits": 0, "misses": 0, "errors": 2}, "scan": {"hits": 1, "misses": 0, "errors": 0}},
            "health 0 of 2 (0%), 2 failed; scan 1 of 1 (100%)",
        ),
    ],
)
def test_a_cycles_cache_in_one_line(counted: dict[str, dict[str, int]], line: str) -> None:
    assert cache_line(counted) == line


def test_a_report_of_a_day_without_trades_can_be_shown_and_drawn(database: Database, tmp_path: Path) -> None:
    report = gather(database, SESSION, SCENARIO)
    text = io.StringIO()
    show(report, Console(file=text, width=160))
    assert "Trades: none" in text.getvalue()
    assert draw(report, tmp_path / "day.png").is_file()
