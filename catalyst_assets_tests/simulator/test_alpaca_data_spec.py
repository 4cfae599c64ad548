"""The data host against the vendor's specification: what is valid is answered as specified, what is not is refused.

``CATALYST_SCHEMATHESIS_EXAMPLES`` sets the number of requests per operation and kind.
"""

from __future__ import annotations

import copy
import os
import re
from pathlib import Path

import pytest
import requests
import schemathesis
import yaml
from hypothesis import HealthCheck, Phase, assume, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance

from catalyst_assets.simulator.server import build_app, start_in_thread
from catalyst_assets_tests.conftest import PROJECT, SHARED
from catalyst_assets_tests.simulator.alpaca_data_spec import DEVIATIONS, EXPLAINED, NARROWED, SERVED
from catalyst_assets_tests.simulator.handmade import ny, tape

SPEC = SHARED / "vendors" / "specs" / "alpaca-java" / "data-openapi.yaml"
EXAMPLES = int(os.environ.get("CATALYST_SCHEMATHESIS_EXAMPLES", "6"))
HEADERS = {"APCA-API-KEY-ID": "sim-key", "APCA-API-SECRET-KEY": "sim-secret"}
DOCUMENT = PROJECT / "docs" / "simulator" / "market-data.md"

pytestmark = pytest.mark.skipif(not SPEC.is_file(), reason=f"the vendor's specification is not at {SPEC}")
rounds = settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


def narrowed(raw):
    """The specification of what is served, its free text narrowed as :data:`NARROWED` says, without its key headers."""
    raw = copy.deepcopy(raw)
    raw["paths"] = {path: raw["paths"][path] for path in SERVED}
    raw.pop("security")
    known = {each.parameter: each.schema for each in NARROWED}
    shared = raw["components"]["parameters"]
    for path in raw["paths"].values():
        resolved = []
        for parameter in path["get"].get("parameters", []):
            name = parameter.get("$ref", "").rsplit("/", 1)[-1]
            parameter = dict(shared.get(name, parameter))
            key = "auction_feed" if name == "stock_auction_feed" else parameter["name"]
            if key in known and known[key] is None:
                continue
            if key in known and parameter["schema"].get("format") != "date":
                parameter.pop("examples", None)
                parameter.pop("example", None)
                parameter["schema"] = known[key]
            resolved.append(parameter)
        path["get"]["parameters"] = resolved
    for path in (each.operation for each in DEVIATIONS):
        schema = raw["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
        name = schema["$ref"].rsplit("/", 1)[-1]
        place = next(each.place for each in DEVIATIONS if each.operation == path)
        raw["components"]["schemas"][name]["properties"][place]["nullable"] = True
    return raw


@pytest.fixture(scope="module")
def schema():
    return schemathesis.openapi.from_dict(narrowed(yaml.load(SPEC.read_text(), Loader=yaml.CSafeLoader)))


@pytest.fixture(scope="module")
def ask():
    """Sends a generated case to a simulator of a free customer."""
    minutes = {"AAA": [(100, 101, 99, 100.5), (100.5, 104, 97, 103)]}
    server = start_in_thread(build_app(tape(minutes), start=ny(10, 20), limits={"alpaca_data": ()}))
    session = requests.Session()

    def call(case):
        return case.call(base_url=f"{server.base_url}/alpaca/data", headers=HEADERS, session=session)

    yield call
    session.close()
    server.stop()


def explained(response):
    return any(
        response.status_code == each.status and re.fullmatch(each.message, response.json().get("message", ""))
        for each in EXPLAINED
    )


@pytest.mark.parametrize("path", SERVED)
def test_what_the_specification_allows_is_answered_as_specified(schema, ask, path):
    @rounds
    @given(case=schema[path]["GET"].as_strategy(generation_mode=GenerationMode.POSITIVE))
    def check(case):
        response = ask(case)
        if response.status_code == 200:
            case.validate_response(
                response, checks=[not_a_server_error, content_type_conformance, response_schema_conformance]
            )
        else:
            assert explained(response), f"{response.status_code} {response.text} to {response.request.url}"

    check()


def broken(schema, value):
    """Whether a value, as it arrives in a query, is outside a listed or numeric parameter's schema (by our own reading: a mutation
    of its type may still spell a valid value)."""
    text = str(value)
    if isinstance(value, list | dict):
        return False
    if "enum" in schema:
        return text not in schema["enum"]
    if schema["type"] == "integer":
        return not (text.isascii() and text.isdigit() and schema["minimum"] <= int(text) <= schema["maximum"])
    return schema["type"] == "boolean" and text.lower() not in ("true", "false")


@pytest.mark.parametrize("path", [path for path in SERVED if path != "/v2/stocks/meta/exchanges"])
def test_what_the_specification_forbids_is_refused_with_a_reason(schema, ask, path):
    free = {each.parameter for each in NARROWED}
    strict = {each.name: each.definition["schema"] for each in schema[path]["GET"].query if each.name not in free}

    @rounds
    @given(case=schema[path]["GET"].as_strategy(generation_mode=GenerationMode.NEGATIVE))
    def check(case):
        assume(any(name in strict and broken(strict[name], value) for name, value in (case.query or {}).items()))
        response = ask(case)
        assert response.status_code in (400, 403, 404), f"{response.status_code} to {response.request.url}"
        if response.headers["content-type"] == "application/json":
            assert response.json()["message"]

    check()


def test_every_operation_named_is_served_and_in_the_specification(schema):
    assert {operation.ok().path for operation in schema.get_all_operations()} == set(SERVED)


def test_the_exceptions_are_told_in_the_documentation():
    text = Path(DOCUMENT).read_text()
    for each in (*NARROWED, *EXPLAINED, *DEVIATIONS):
        assert each.reason in text, each
    for path in SERVED:
        assert f"`{path}`" in text, path
