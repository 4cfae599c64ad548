"""The vendor's own specification against the simulator: Schemathesis on every served operation, and recorded answers' shapes.

``CATALYST_SCHEMATHESIS_EXAMPLES`` (default 3) is the number of requests per operation and kind of data.
"""

from __future__ import annotations

import json
import os
import warnings
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, Phase, given, seed, settings

from catalyst_assets.simulator.server import build_app, start_in_thread
from catalyst_assets_tests.simulator.explained_exceptions import EXPLAINED, NOT_SERVED, as_markdown, explain
from catalyst_assets_tests.simulator.handmade import ny, tape
from catalyst_assets_tests.simulator.test_trading_refusals import HEADERS, Customer, bracket, limit

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import schemathesis
    from schemathesis import GenerationMode

ROOT = Path(__file__).parents[2]
VENDORS = ROOT.parent / "shared" / "vendors"
SPECIFICATION = VENDORS / "specs" / "alpaca-java" / "trading-openapi.yaml"
RECORDED = VENDORS / "fixtures" / "alpaca"
EXAMPLES = int(os.environ.get("CATALYST_SCHEMATHESIS_EXAMPLES", "3"))

pytestmark = pytest.mark.skipif(not SPECIFICATION.exists(), reason="no vendor specifications on this machine")


@pytest.fixture(scope="module")
def server():
    running = start_in_thread(build_app(tape(), start=ny(10), seed=3, limits={"alpaca": ()}))
    customer = Customer(running)
    customer.order(client_order_id="held")
    customer.order(symbol="BBB", **limit("90", client_order_id="parked"))
    customer.client.post("/watchlists", {"name": "mine", "symbols": ["AAA", "BBB"]})
    yield running
    running.stop()


@pytest.fixture(scope="module")
def specification():
    return schemathesis.openapi.from_dict(yaml.safe_load(SPECIFICATION.read_text()))


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["positive", "negative"])
def test_every_served_operation_keeps_the_specification_or_is_an_explained_exception(server, specification, mode):
    unexplained: list[str] = []
    operations = 0
    for found in specification.get_all_operations():
        operation = found.ok()
        if operation.path.startswith(tuple(prefix for prefix, _ in NOT_SERVED)):
            continue
        operations += 1

        @seed(1)
        @settings(
            max_examples=EXAMPLES,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(operation.as_strategy(generation_mode=mode))
        def try_out(case):
            answer = case.call(base_url=f"{server.base_url}/alpaca/trading", headers=HEADERS)
            assert answer.status_code < 500, f"{case.operation.label}: {answer.text}"
            try:
                case.validate_response(answer)
            except BaseExceptionGroup as failures:
                for failure in failures.exceptions:
                    name = type(failure).__name__
                    if explain(name, answer.status_code, case.operation.label) is None:
                        unexplained.append(f"{case.operation.label}: {answer.status_code} {name} {failure}")

        try_out()
    assert operations == 40
    assert not unexplained, "\n\n".join(unexplained[:5])


def test_the_documentation_has_the_table_of_explained_exceptions():
    assert as_markdown() in (ROOT / "docs" / "simulator" / "trading.md").read_text()
    assert all(row.reason for row in EXPLAINED)


def kinds(value, *, leg=False):
    """The shape of a JSON value: keys and JSON types, values left out. A leg's ``expires_at`` is null in the hand-written recording,
    a string in the specification and here."""
    if isinstance(value, dict):
        return {key: kinds(item, leg=key == "legs") for key, item in value.items() if not (leg and key == "expires_at")}
    if isinstance(value, list):
        return [kinds(item, leg=leg) for item in value[:1]]
    return "null" if value is None else type(value).__name__


def recorded(name):
    return json.loads((RECORDED / "handwritten" / f"{name}.json").read_text())


def one_order(customer, **body):
    return customer.client.get(f"/orders/{customer.order(**body)['id']}")


def oto(customer):
    return customer.order(order_class="oto", stop_loss={"stop_price": "98"})


def oco(customer):
    customer.order()
    return customer.order(side="sell", **bracket("oco", type="limit"))


def canceled(customer):
    placed = customer.order(**limit("90"))
    customer.client.cancel_order_by_id(placed["id"])
    return customer.client.get(f"/orders/{placed['id']}")


def trailing(customer):
    customer.order()
    return one_order(customer, side="sell", type="trailing_stop", trail_percent="5", time_in_force="gtc")


def replaced(customer):
    placed = customer.order(**limit("90"))
    new = customer.client.patch(f"/orders/{placed['id']}", {"limit_price": "91"})
    return [customer.client.get(f"/orders/{order_id}") for order_id in (placed["id"], new["id"])]


def after(customer, path):
    customer.order(qty="5")
    return customer.client.get(path)


ANSWERS = {
    "account_2026": lambda customer: customer.client.get("/account"),
    "assets": lambda customer: customer.client.get("/assets"),
    "calendar": lambda customer: customer.client.get("/calendar", {"start": "2026-11-20", "end": "2026-11-20"}),
    "clock_open": lambda customer: customer.client.get("/clock"),
    "positions": lambda customer: after(customer, "/positions"),
    "activities_fill": lambda customer: after(customer, "/account/activities/FILL"),
    "order_market_submit": lambda customer: customer.order(),
    "order_market_filled": one_order,
    "order_bracket_submit_nested": lambda customer: customer.order(**bracket()),
    "order_oto_submit_nested": oto,
    "order_oco_submit_nested": oco,
    "order_canceled": canceled,
    "order_trailing_stop": trailing,
    "order_replaced_pair": replaced,
}
DIFFERS = {
    "account_2026": {"admin_configurations", "user_configurations"},
    "activities_fill": {"account_id"},
    "assets": {"attributes", "easy_to_borrow"},
}
"""Keys whose shape may differ: empty objects and lists, and fields only one of several recordings has."""


@pytest.fixture
def customer():
    running = start_in_thread(build_app(tape(), start=ny(10), seed=3, limits={"alpaca": ()}))
    yield Customer(running)
    running.stop()


@pytest.mark.parametrize("name", ANSWERS, ids=list(ANSWERS))
def test_answers_have_the_keys_types_and_nulls_of_the_recorded_ones(customer, name):
    ours, theirs = ANSWERS[name](customer), recorded(name)
    pairs = list(zip(ours, theirs, strict=False)) if isinstance(theirs, list) else [(ours, theirs)]
    assert pairs
    for mine, yours in pairs:
        left_out = DIFFERS.get(name, set())
        mine_kinds = {key: kind for key, kind in kinds(mine).items() if key not in left_out}
        assert mine_kinds == {key: kind for key, kind in kinds(yours).items() if key not in left_out}
