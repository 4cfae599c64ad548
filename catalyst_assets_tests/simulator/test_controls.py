"""The controls below ``/simulator``: what they do, that they are what their own description says, and how they refuse."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    positive_data_acceptance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)
from starlette.testclient import TestClient

from catalyst_assets.simulator.faults import KINDS
from catalyst_assets.simulator.faults.scenario import shipped_scenarios
from catalyst_assets.simulator.routes.control_document import EXAMPLES, OPERATIONS, openapi_document
from catalyst_assets.simulator.server import build_app
from catalyst_assets.simulator.venue.habits import Habits
from catalyst_assets.simulator.world import World
from catalyst_assets_tests.simulator.handmade import bracket, ny, order, tape


@pytest.fixture
def app() -> Any:
    return build_app(tape(), start=ny(10), seed=7)


@pytest.fixture
def client(app: Any) -> Iterator[TestClient]:
    with TestClient(app, base_url="http://simulator") as made:
        yield made


# ----------------------------------------------------------------------------------------------------------- description

DOCUMENT = openapi_document()
SCHEMA = schemathesis.openapi.from_dict(DOCUMENT)
SCHEMA.app = build_app(tape(), start=ny(10), seed=7)
MEANT_ONLY = {"set_clock", "arm_fault", "play_scenario"}
"""Operations that may refuse what their schema allows: a schema cannot say "later than from" or "not in the past"."""


@SCHEMA.parametrize()
@settings(
    max_examples=25, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), phases=[Phase.generate]
)
def test_the_controls_are_what_their_description_says(case: schemathesis.Case) -> None:
    checks = [
        not_a_server_error,
        status_code_conformance,
        content_type_conformance,
        response_schema_conformance,
        negative_data_rejection,
        unsupported_method,
    ]
    if case.operation.definition.raw["operationId"] not in {*MEANT_ONLY, "clear_fault", "truth"}:
        checks.append(positive_data_acceptance)
    answer = case.call_and_validate(checks=checks)
    if answer.status_code >= 400:
        assert set(answer.json()) == {"message"} and "\n" not in answer.json()["message"]


def test_every_route_is_described_and_every_description_served(app: Any) -> None:
    served = {
        (method, route.path)
        for route in app.routes
        if route.path.startswith("/simulator")
        for method in route.methods - {"HEAD"}
    }
    described = {(method.upper(), path) for path, methods in DOCUMENT["paths"].items() for method in methods}
    assert served == described == {(operation.method, f"/simulator{operation.path}") for operation in OPERATIONS}


@pytest.mark.parametrize("body", EXAMPLES)
def test_the_examples_of_the_page_work(client: TestClient, body: str) -> None:
    (operation,) = [operation for operation in OPERATIONS if operation.body == body]
    sent = EXAMPLES[body] | ({"now": "10:45"} if body == "ClockChange" else {})
    answer = client.request(operation.method, f"/simulator{operation.path}", json=sent)
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.name)
def test_every_fault_can_be_armed_as_described(client: TestClient, kind: Any) -> None:
    parameters = {
        parameter.name: parameter.default for parameter in kind.parameters if parameter.default not in ("", ())
    }
    body = {"fault": kind.name, "vendor": kind.vendors[0], "parameters": parameters}
    (armed,) = client.post("/simulator/faults", json=body).json()["faults"]
    assert armed["parameters"] | parameters == armed["parameters"]


def test_the_page_shows_everything_and_asks_nobody_else(client: TestClient) -> None:
    page = client.get("/simulator/docs").text
    assert all(f"/simulator{operation.path}" in page for operation in OPERATIONS)
    assert all(f"<code>{name}</code>" in page for name in KINDS)
    assert not re.search(r"<script|src=|href=\"(?!openapi\.json)|url\(|@import", page)
    assert client.get("/simulator/openapi.json").json() == DOCUMENT


# ----------------------------------------------------------------------------------------------------------------- clock


@pytest.mark.parametrize(
    ("body", "now", "speed"),
    [
        ({"now": "10:30"}, ny(10, 30), 0),
        ({"now": ny(10, 30).isoformat()}, ny(10, 30), 0),
        ({"advance_s": 90}, ny(10, 1, 30), 0),
        ({"speed": 0}, ny(10), 0),
        ({}, ny(10), 0),
        ({"now": None, "paused": True}, ny(10), 0),
    ],
)
def test_the_clock_is_set_stepped_and_stopped(client: TestClient, body: Any, now: Any, speed: float) -> None:
    answer = client.post("/simulator/clock", json=body).json()
    assert (answer["now"], answer["speed"], answer["paused"]) == (now.isoformat(), speed, True)


def test_the_clock_goes_on_at_the_speed_it_had(client: TestClient) -> None:
    assert client.post("/simulator/clock", json={"speed": 0.5}).json()["speed"] == 0.5
    assert client.post("/simulator/clock", json={"paused": True}).json()["paused"]
    assert client.post("/simulator/clock", json={"paused": False}).json()["speed"] == 0.5


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"now": "09:59"}, "does not go back"),
        ({"now": "2026-11-20T10:00:00"}, "no offset"),
        ({"now": "9999-12-31T23:59:59+00:00"}, "the tape has ended"),
        ({"now": 5}, "now must be an instant"),
        ({"advance_s": -1}, "advance_s must be between"),
        ({"advance_s": "60"}, "advance_s must be a number"),
        ({"now": "10:30", "advance_s": 60}, "not both"),
        ({"speed": -1}, "speed must be between"),
        ({"speed": 2, "paused": True}, "not both"),
        ({"paused": "yes"}, "paused must be true or false"),
        ({"hour": 10}, "unknown keys: hour"),
        ([1], "the body must be a JSON object"),
    ],
)
def test_a_bad_time_is_refused_and_the_clock_stands_where_it_stood(client: TestClient, body: Any, words: str) -> None:
    answer = client.post("/simulator/clock", json=body)
    assert answer.status_code == 400 and words in answer.json()["message"]
    assert client.get("/simulator/clock").json()["now"] == ny(10).isoformat()


def test_what_is_not_json_is_refused(client: TestClient) -> None:
    for path in ("/clock", "/faults", "/scenario"):
        answer = client.post(f"/simulator{path}", content=b"{")
        assert (answer.status_code, answer.json()["message"]) == (400, "the body is not JSON")


# ---------------------------------------------------------------------------------------------------------------- faults


def ask(client: TestClient) -> int:
    keys = {"APCA-API-KEY-ID": "sim-key", "APCA-API-SECRET-KEY": "sim-secret", "X-Request-ID": "mine"}
    return client.get("/alpaca/trading/v2/account", headers=keys).status_code


def test_faults_are_armed_listed_recorded_and_cleared(client: TestClient) -> None:
    body = {"fault": "server_error", "vendor": "alpaca", "times": 1, "skip": 1, "id": "mine"}
    assert client.post("/simulator/faults", json=body).status_code == 200
    assert [ask(client) for _ in range(3)] == [200, 500, 200]
    (armed,) = client.get("/simulator/faults").json()["faults"]
    assert (armed["id"], armed["seen"], armed["struck"], armed["spent"]) == ("mine", 2, 1, True)
    (entry,) = client.get("/simulator/faults/log").json()["entries"]
    assert (entry["rule"], entry["fault"], entry["route"], entry["request"], entry["request_id"]) == (
        "mine",
        "server_error",
        "GET /alpaca/trading/v2/account",
        2,
        "mine",
    )
    assert entry["simulated_at"] == ny(10).isoformat()
    assert client.get("/simulator/faults/log", params={"after": entry["id"]}).json()["entries"] == []
    assert client.delete("/simulator/faults/mine").json()["faults"] == []
    assert client.delete("/simulator/faults/mine").status_code == 404
    client.post("/simulator/faults", json=body)
    assert client.delete("/simulator/faults").json()["faults"] == []
    assert client.delete("/simulator/faults/log").json() == {"entries": [], "forgotten": 0}


def test_a_refused_fault_leaves_what_is_armed(client: TestClient) -> None:
    client.post("/simulator/faults", json={"vendor": "alpaca", "mode": "html"})
    before = client.get("/simulator/faults").json()
    for body in (
        {"fault": "x", "vendor": "alpaca"},
        {"vendor": "alpaca", "mode": "x"},
        {"vendor": "x"},
        {"vendor": []},
    ):
        answer = client.post("/simulator/faults", json=body)
        assert answer.status_code == 400 and answer.json()["message"].startswith("unknown")
    assert client.get("/simulator/faults").json() == before
    assert before["vendors"]["alpaca"]["mode"] == "html"


@pytest.mark.parametrize("query", [{"after": "x"}, {"limit": "0"}, {"limit": "-1"}, {"after": "²"}])
def test_a_bad_question_for_the_log_is_refused(client: TestClient, query: dict[str, str]) -> None:
    answer = client.get("/simulator/faults/log", params=query)
    assert answer.status_code == 400 and "must be a whole number" in answer.json()["message"]


def test_a_scenario_takes_the_place_of_all_faults(client: TestClient) -> None:
    client.post("/simulator/faults", json={"vendor": "alpaca", "mode": "html"})
    played = client.post("/simulator/scenario", json=EXAMPLES["Scenario"]).json()
    assert [fault["id"] for fault in played["faults"]] == ["quotes go bad:1", "quotes go bad:2"]
    assert played["faults"][0]["from"] == ny(9, 40).isoformat() and played["seed"] == 7
    listed = client.get("/simulator/scenario").json()["scenarios"]
    assert [item["name"] for item in listed] == list(shipped_scenarios())
    for item in listed:
        assert client.post("/simulator/scenario", json={"name": item["name"]}).json()["faults"]
    refused = client.post("/simulator/scenario", json={"name": "x", "faults": [{"fault": "dropped"}]})
    assert refused.json()["message"].startswith("fault 1: unknown vendor")


# ------------------------------------------------------------------------------------------------------ ledger and truth


def test_the_full_ledger_adds_up(app: Any, client: TestClient) -> None:
    state = app.state.simulation
    state.exchange.submit(bracket(100))
    state.exchange.submit(order(qty=70, symbol="BBB"))
    state.clock.advance(timedelta(minutes=3))
    state.tick()
    state.exchange.submit(order(side="sell", qty=30, symbol="BBB"))
    state.clock.advance(timedelta(minutes=3))
    books = client.get("/simulator/ledger", params={"full": "true"}).json()
    rows = books["rows"]
    assert len(rows["fills"]) == books["fills"] == 3 and rows["fees"]
    cash = rows["cash"]
    assert cash[0] | {"at": ""} == {
        "at": "",
        "kind": "OPENING",
        "activity_id": None,
        "amount": "100000",
        "balance": "100000",
    }
    assert sum(Decimal(row["amount"]) for row in cash) == Decimal(cash[-1]["balance"]) == Decimal(books["cash"])
    fees = sum(-Decimal(row["net_amount"]) for row in rows["fees"])
    assert fees == Decimal(books["fees"]) > 0
    assert {row["symbol"]: row["qty"] for row in rows["positions"]} == books["positions"] == {"AAA": 100, "BBB": 40}
    roots = [row for row in rows["orders"] if row["parent_id"] is None]
    assert len(roots) == books["orders"] == 3 and len(rows["orders"]) == 5
    bought = sum(int(row["qty"]) for row in rows["fills"] if row["side"] == "buy")
    assert bought == sum(int(row["filled_qty"]) for row in rows["orders"] if row["side"] == "buy")
    assert "rows" not in client.get("/simulator/ledger").json()
    assert client.get("/simulator/ledger", params={"full": "yes"}).status_code == 400


def test_the_truth_is_kept_unless_the_server_was_started_for_tests(client: TestClient) -> None:
    kept = client.get("/simulator/truth")
    assert kept.status_code == 404 and "--with-truth" in kept.json()["message"]
    world = World.generate(3, symbols=20, history_sessions=1, daily_sessions=3, stories=4, history_stories=2)
    app = build_app(world.tape(), start=ny(10), truth=world.truth)
    with TestClient(app) as told:
        truth = told.get("/simulator/truth").json()
    assert len(truth["stories"]) == len(world.truth.stories) and truth["stories"][0]["kind"]
    assert {int(key): value for key, value in truth["article_story"].items()} == dict(world.truth.article_story)
    assert truth["denials"] == sorted(world.truth.denials)


def test_the_system_never_asks_for_the_truth() -> None:
    """No code of the system starts the simulator with it: only the command line, for a person, may."""
    from pathlib import Path

    import catalyst_assets

    folder = Path(catalyst_assets.__file__).parent
    naming = {path.relative_to(folder).as_posix() for path in folder.rglob("*.py") if "with_truth" in path.read_text()}
    assert naming == {"cli.py", "simulator/server.py"}


def test_habits_are_told_changed_and_acted_on(app: Any, client: TestClient) -> None:
    usual = client.get("/simulator/habits").json()
    assert set(usual) == {field.name for field in dataclasses.fields(Habits)} and Habits(**usual) == Habits()
    changed = client.post("/simulator/habits", json={"orphaned_legs": "activated", "price_bands": True}).json()
    assert changed == usual | {"orphaned_legs": "activated", "price_bands": True}
    assert app.state.simulation.exchange.config.habits == Habits(**changed)
    properties = DOCUMENT["components"]["schemas"]["Habits"]["properties"]
    assert all(len(properties[name]["description"]) > 20 for name in usual)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"mood": "good"}, "unknown habits: mood; known: orphaned_legs"),
        ({"orphaned_legs": "x"}, "orphaned_legs must be one of canceled, activated"),
        ({"partial_fill_probability": 2}, "partial_fill_probability must be between 0 and 1"),
        ({"price_bands": 1}, "price_bands must be true or false"),
        ({"queue": None}, "queue must be a text"),
    ],
)
def test_a_habit_nobody_offers_is_refused(client: TestClient, body: Any, words: str) -> None:
    before = client.get("/simulator/habits").json()
    answer = client.post("/simulator/habits", json=body)
    assert answer.status_code == 400 and answer.json()["message"].startswith(words)
    assert client.get("/simulator/habits").json() == before


def test_health_tells_how_many_faults_are_armed(client: TestClient) -> None:
    client.post("/simulator/faults", json={"vendor": "alpaca", "mode": "html"})
    health = client.get("/simulator/health").json()
    assert (health["status"], health["armed_faults"]) == ("ok", 1) and health["rss_mb"] > 1
