"""Scenario files: what they may say, that the documented one does what its page says, and that they play the same way twice."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import requests

from catalyst_assets.ports import OrderStateUnknown
from catalyst_assets.simulator.faults import Faults, read_scenario
from catalyst_assets.simulator.faults.scenario import parse_scenario, shipped_scenarios
from catalyst_assets.simulator.faults.table import markdown_table
from catalyst_assets.simulator.instants import read_instant
from catalyst_assets.simulator.server import build_app
from catalyst_assets_tests.simulator.faults.bench import HEADERS, Bench, fetched, order_request
from catalyst_assets_tests.simulator.handmade import FRIDAY, ny, tape

PAGE = Path(__file__).parents[3] / "docs" / "simulator" / "faults.md"


def resolve(text: str) -> Any:
    return read_instant(text, FRIDAY)


def test_the_documented_table_is_the_table() -> None:
    (shown,) = re.findall(r"<!-- begin: .*?-->\n(.*?)\n<!-- end -->", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)
    assert shown == markdown_table()


@pytest.fixture
def documented(tmp_path: Path) -> Path:
    """The example of the page as a file."""
    (example,) = re.findall(r"```toml\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)
    path = tmp_path / "example.toml"
    path.write_text(example, encoding="utf-8")
    return path


def test_the_documented_scenario_does_what_its_page_says(market: Bench, documented: Path) -> None:
    read_scenario(documented, resolve).play(market.state.faults)
    broker = market.vendors.broker
    identity = market.next_id()
    with pytest.raises(OrderStateUnknown):
        broker.submit(order_request(identity))
    found = broker.order_by_client_id(identity)
    assert found is not None
    broker.cancel(found.order_id)
    finnhub = next(source for source in market.hasty.news if source.name == "finnhub")
    assert "no complete answer in time" in str(fetched(finnhub).error)
    rows = [len(market.vendors.market_data.quotes(["AAA", "BBB"])) for _ in range(25)]
    zeros = sum(count == 1 for count in rows)
    assert 1 <= zeros <= 12 and set(rows) == {1, 2}
    struck = [entry.fault for entry in market.log()]
    assert struck == ["timeout_after", "silent_socket", *["zero_quotes"] * zeros]
    market.state.clock.set(ny(10, 10))
    assert fetched(finnhub).error is None


def quotes_struck(scenario: str, requests_made: int = 60) -> list[bool]:
    """Which of so many equal requests for quotes an application with this scenario strikes."""
    from starlette.testclient import TestClient

    app = build_app(tape(), start=ny(10), scenario=read_scenario(scenario, resolve))
    with TestClient(app) as client:
        answers = [
            client.get("/alpaca/data/v2/stocks/quotes/latest", params={"symbols": "AAA"}, headers=HEADERS)
            for _ in range(requests_made)
        ]
    return [answer.json()["quotes"]["AAA"]["bp"] != 99.99 for answer in answers]


def test_a_scenario_plays_the_same_way_twice() -> None:
    first = quotes_struck("bad_data")
    assert first == quotes_struck("bad_data") and 0 < sum(first) < 40


@pytest.mark.parametrize("name", shipped_scenarios())
def test_a_shipped_scenario_has_its_file_s_name_and_says_what_happens(name: str) -> None:
    scenario = read_scenario(name, resolve)
    assert scenario.name == name and scenario.description and scenario.rules


def test_json_says_the_same_as_toml(documented: Path, tmp_path: Path) -> None:
    told = read_scenario(documented, resolve)
    body = {
        "name": told.name,
        "description": told.description,
        "seed": told.seed,
        "faults": [{key: value for key, value in rule.as_json().items() if value is not None} for rule in told.rules],
    }
    path = tmp_path / "example.json"
    path.write_text(json.dumps(body), encoding="utf-8")
    assert [rule.as_json() for rule in read_scenario(path, resolve).rules] == [rule.as_json() for rule in told.rules]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ([], "a scenario is an object"),
        ({}, "name must be a text"),
        ({"name": "x"}, "faults must be a list"),
        ({"name": "x", "faults": {}}, "faults must be a list"),
        ({"name": "x", "faults": [], "speed": 1}, "unknown keys: speed"),
        ({"name": "x", "faults": [], "seed": 1.5}, "seed must be a whole number"),
        ({"name": "x", "faults": [], "description": 1}, "description must be a text"),
        ({"name": "x", "faults": [1]}, "fault 1: a fault is an object"),
        (
            {"name": "x", "faults": [{"fault": "dropped", "vendor": "alpaca"}, {"fault": "dropped"}]},
            "fault 2: unknown vendor",
        ),
        ({"name": "x", "faults": [{"fault": "dropped", "vendor": "alpaca", "id": "a"}] * 2}, "the same id"),
    ],
)
def test_a_scenario_that_cannot_be_is_refused_in_one_sentence(body: Any, words: str) -> None:
    with pytest.raises(ValueError) as refused:
        parse_scenario(body, resolve)
    assert words in str(refused.value) and "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        (
            "nowhere.toml",
            None,
            "cannot read the scenario .*nowhere.toml: No such file.*; shipped scenarios: bad_data, rough_open",
        ),
        ("bad.toml", "name = ", "the scenario bad.toml is not TOML"),
        ("bad.json", "{", "the scenario bad.json is not JSON"),
        ("wrong.toml", 'name = "x"', "the scenario wrong.toml: faults must be a list"),
        ("binary.toml", b"\xff\xfe", "it is not a text"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, name: str, text: str | bytes | None, words: str) -> None:
    path = tmp_path / name
    if text is not None:
        path.write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(ValueError, match=words):
        read_scenario(path, resolve)


def test_a_refused_scenario_leaves_what_is_armed(market: Bench) -> None:
    market.arm(fault="dropped", vendor="yahoo", id="mine")
    url = f"{market.server.base_url}/simulator/scenario"
    assert requests.post(url, json={"name": "x", "faults": [{"fault": "x"}]}, timeout=5).status_code == 400
    assert [armed.rule.id for armed in market.state.faults.armed()] == ["mine"]


def test_toml_instants_are_read_as_they_are() -> None:
    import tomllib

    body = tomllib.loads(
        'name = "x"\n[[faults]]\nfault = "dropped"\nvendor = "alpaca"\nfrom = 2026-11-20T15:00:00Z\nuntil = "10:30"\n'
    )
    (rule,) = parse_scenario(body, resolve).rules
    assert (rule.since, rule.until) == (ny(10), ny(10, 30))
    faults = Faults()
    faults.arm_all([rule], 3)
    assert faults.seed == 3
