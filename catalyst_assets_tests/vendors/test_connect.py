"""What the settings connect, and what they leave out."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from catalyst_assets.ports import FixedClock, MarketData
from catalyst_assets.settings import Settings
from catalyst_assets.vendors.alpaca_broker import LiveTradingRefused
from catalyst_assets.vendors.connect import Vendors, connect
from catalyst_assets.vendors.transport import RedactingFilter

CLOCK = FixedClock(datetime(2026, 10, 8, 15, tzinfo=UTC))
NOBODY = {"alpaca_trading_url": "http://127.0.0.1:1", "alpaca_data_url": "http://127.0.0.1:1"}


def connected(home: Path, **values: Any) -> Vendors:
    return connect(Settings(_env_file=None, home=home, **values), clock=CLOCK)


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "ALPACA_API_KEY",
        "ALPACA_SECRET_KEY",
        "FINNHUB_API_KEY",
        "ALPHA_VANTAGE_API_KEY",
        "NEWSAPI_KEY",
        "CATALYST_MARKET",
    ):
        monkeypatch.delenv(name, raising=False)


def test_the_simulator_connects_everything(tmp_path: Path) -> None:
    made = connected(tmp_path, market="simulator")
    assert [source.name for source in made.news] == ["alpaca", "finnhub", "alpha_vantage", "newsapi"]
    assert made.absent == {} and [name for name, _ in made.fallbacks] == ["yahoo", "alpha_vantage"]
    assert made.market_data.feed == "iex" and made.broker.is_paper
    data: MarketData = made.market_data
    assert data.halted([]) == frozenset()


def test_a_vendor_without_a_key_is_absent_with_what_to_set(tmp_path: Path) -> None:
    made = connected(
        tmp_path, market="vendors", alpaca_api_key="AKxxxxxxxx", alpaca_secret_key="SKxxxxxxxx", yahoo_enabled=False
    )
    assert [source.name for source in made.news] == ["alpaca"]
    assert made.absent == {
        "finnhub": "set FINNHUB_API_KEY",
        "alpha_vantage": "set ALPHA_VANTAGE_API_KEY",
        "newsapi": "set NEWSAPI_KEY",
        "yahoo": "set CATALYST_YAHOO=true",
    }


def test_the_plans_delay_decides_whether_a_source_is_live(tmp_path: Path) -> None:
    by_name = {source.name: source for source in connected(tmp_path, market="simulator").news}
    assert not by_name["newsapi"].live and by_name["newsapi"].delay == timedelta(days=1)
    paid = {source.name: source for source in connected(tmp_path, market="simulator", newsapi_delay_minutes=0).news}
    assert paid["newsapi"].live


def test_real_money_without_the_account_id_never_connects(tmp_path: Path) -> None:
    settings = Settings(
        _env_file=None,
        home=tmp_path,
        market="vendors",
        alpaca_api_key="AKxxxxxxxx",
        alpaca_secret_key="SKxxxxxxxx",
        alpaca_paper=False,
        live_trading=True,
        live_account_id="acc",
        **NOBODY,
    )
    object.__setattr__(settings, "live_trading", False)  # even a setting that slipped past the settings' own check
    with pytest.raises(LiveTradingRefused):
        connect(settings, clock=CLOCK)


def test_the_keys_are_kept_out_of_the_libraries_logs(tmp_path: Path) -> None:
    connected(
        tmp_path,
        market="vendors",
        alpaca_api_key="AKrecognisable",
        alpaca_secret_key="SKrecognisable",
        newsapi_key="NKrecognisable",
    )
    guards = [item for item in logging.getLogger("urllib3.connectionpool").filters if isinstance(item, RedactingFilter)]
    assert len(guards) == 1
    record = logging.LogRecord("x", logging.DEBUG, "", 0, "GET /v2?key=%s", ("NKrecognisable",), None)
    assert guards[0].filter(record) and "NKrecognisable" not in record.getMessage()
