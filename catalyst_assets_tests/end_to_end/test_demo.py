"""The demo, shortened to its first minutes of trading, as a user's process runs it: twice, on servers of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from catalyst_assets.settings import Settings, env_name
from catalyst_assets.storage.embedded import EmbeddedServices

pytestmark = pytest.mark.end_to_end

PLAY = """
import json, sys
from datetime import timedelta
from pathlib import Path
from catalyst_assets.definitions import build_definitions
from catalyst_assets.orchestration.demo import run_demo
from catalyst_assets.settings import load_settings
from catalyst_assets.simulator.world import DEFAULT_SESSION
from catalyst_assets.storage.database import open_database
from catalyst_assets.trading.calendar import TradingCalendar

opening = TradingCalendar().hours(DEFAULT_SESSION).open
code = run_demo(
    load_settings(), build_definitions, seed=7, symbols=40, picture=Path(sys.argv[1]),
    only=(opening - timedelta(minutes=10), opening + timedelta(minutes=10)),
)
frame = open_database(load_settings()).read(
    "select trade_id, symbol, direction, filled_qty, entry_price, entry_time, exit_price, exit_reason, status from trade_records order by 1"
)
cycles = open_database(load_settings()).read("select status, count(*)::int n from trading_cycles group by status")
news = open_database(load_settings()).read("select provider, count(*)::int n from news_raw group by provider order by 1")
print("RESULT " + json.dumps({
    "code": code, "trades": frame.astype(str).to_dict("records"), "cycles": dict(zip(cycles["status"], cycles["n"])),
    "articles": dict(zip(news["provider"], news["n"])),
}))
"""


def play(home: Path) -> tuple[dict[str, Any], str]:
    """What a played day left behind, and what it printed."""
    known = {env_name(name, info) for name, info in Settings.model_fields.items()} | {"DAGSTER_HOME"}
    environment = {key: value for key, value in os.environ.items() if key not in known} | {"CATALYST_HOME": str(home)}
    done = subprocess.run(
        [sys.executable, "-c", PLAY, str(home / "day.png")],
        env=environment, cwd=home, capture_output=True, text=True, timeout=150, check=False,
    )  # fmt: skip
    line = next((line for line in done.stdout.splitlines() if line.startswith("RESULT ")), None)
    assert line is not None, done.stdout[-2000:] + done.stderr[-2000:]
    return json.loads(line.removeprefix("RESULT ")), done.stdout


@pytest.mark.timeout(320)
def test_the_same_seed_gives_the_same_day_and_an_unfinished_day_is_no_success(tmp_path: Path) -> None:
    services = EmbeddedServices(tmp_path)
    try:
        day, shown = play(tmp_path)
        again, _ = play(tmp_path)
    finally:
        services.stop()
    assert day["cycles"] == {"finished": 4}
    assert sum(float(trade["filled_qty"]) > 0 for trade in day["trades"]) >= 2
    assert set(day["articles"]) == {"alpaca", "alpha_vantage", "finnhub", "newsapi"}
    assert again == day, "what the first day left in Redis (request budgets, hot values) must not reach the second"
    assert day["code"] == 1 and "source reliabilities" in shown, (
        "a day cut short learned nothing, and the exit code says so"
    )
    assert (tmp_path / "day.png").stat().st_size > 20_000
