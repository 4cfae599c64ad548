"""The description of the controls: every operation as data, and the OpenAPI document made from it.

Belongs here: what is there, what it takes and what it answers. Does not belong here: doing it (``controls``, which makes its
routes from this list, so nothing is served that is not described) and showing it (``control_page``).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from catalyst_assets.simulator.faults.log import LOG_ENTRIES
from catalyst_assets.simulator.faults.rules import MODES
from catalyst_assets.simulator.faults.scenario import SEED_LIMIT
from catalyst_assets.simulator.faults.table import KINDS, VENDORS, FaultKind, Parameter
from catalyst_assets.simulator.routes.control_habits import habit_parameters

PREFIX = "/simulator"
Schema = dict[str, Any]


def _object(
    required: Mapping[str, Schema], optional: Mapping[str, Schema] | None = None, *, open_: bool = False
) -> Schema:
    properties = {**required, **(optional or {})}
    return {"type": "object", "properties": properties, "required": list(required), "additionalProperties": open_}


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def _maybe(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


TEXT: Schema = {"type": "string"}
INSTANT: Schema = {"type": "string", "format": "date-time"}
COUNT: Schema = {"type": "integer", "minimum": 0}
MONEY: Schema = {"type": "string", "pattern": r"^-?\d+(\.\d+)?$", "description": "US dollars"}
_TIME = r"([01]\d|2[0-3]):[0-5]\d"
_DATE = r"20\d\d-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])"
_DAY_AND_TIME = rf"^({_TIME}(:[0-5]\d)?|{_DATE}T{_TIME}:[0-5]\d(\.\d{{1,6}})?(Z|[+-](0\d|1[0-3]):[0-5]\d))$"
WHEN: Schema = {
    "type": "string",
    "description": "an ISO 8601 instant with its offset, or HH:MM New York of the tape's main session",
    "pattern": _DAY_AND_TIME,
    "examples": ["2026-11-20T15:00:00+00:00", "10:00"],
}
ROW: Schema = {"type": "object"}

_TYPES: Mapping[str, Schema] = {
    "number": {"type": "number"},
    "integer": {"type": "integer"},
    "text": {"type": "string", "minLength": 1},
    "boolean": {"type": "boolean"},
    "names": _list({"type": "string", "minLength": 1}),
    "instant": WHEN,
}


def _parameter_schema(parameter: Parameter) -> Schema:
    schema = {**_TYPES[parameter.type], "description": parameter.meaning}
    if parameter.default not in (None, "", ()):
        schema["default"] = parameter.default
    if parameter.choices:
        schema["enum"] = list(parameter.choices)
    if parameter.low is not None:
        schema["minimum"] = parameter.low
    if parameter.high is not None:
        schema["maximum"] = parameter.high
    return schema


def _rule_schema(kind: FaultKind) -> Schema:
    """The body that arms a fault of this kind."""
    optional: dict[str, Schema] = {
        "route": {
            "type": "string",
            "description": "METHOD and a glob over the simulator's paths, either may be *; STREAM /<stream>/<channel> for websockets",
            "examples": ["GET */v2/stocks/quotes/latest"],
            "pattern": r"^((\*|GET|POST|PUT|PATCH|DELETE|STREAM) )?[/*][!-~]*$",
        },
        "symbol": {
            "type": "string",
            "pattern": "^[A-Z.]{1,10}$",
            "description": "requests, or objects, of this symbol only",
        },
        "from": {**WHEN, "description": "simulated instant from which it strikes: " + WHEN["description"]},
        "until": {
            **WHEN,
            "description": "simulated instant until which it strikes (exclusive): " + WHEN["description"],
        },
        "skip": {**COUNT, "maximum": 10**9, "default": 0, "description": "matching requests left alone first"},
        "times": {
            "type": "integer",
            "minimum": 1,
            "maximum": 10**9,
            "description": "how many matching requests it strikes",
        },
        "probability": {"type": "number", "minimum": 0, "maximum": 1, "default": 1, "description": "share it strikes"},
        "parameters": _object({}, {p.name: _parameter_schema(p) for p in kind.parameters}),
        "id": {"type": "string", "minLength": 1, "maxLength": 80, "description": "replaces a fault of the same id"},
    }
    required: dict[str, Schema] = {"fault": {"const": kind.name}, "vendor": {"enum": list(kind.vendors)}}
    return {**_object(required, optional), "title": kind.name, "description": f"{kind.does}. Expected: {kind.expected}"}


_OLD_FORM = {
    **_object(
        {"vendor": {"enum": list(VENDORS)}},
        {
            "mode": {"enum": list(MODES), "default": "ok"},
            "latency_s": {"type": "number", "minimum": 0, "maximum": 600},
            "times": {"type": "integer", "minimum": 1, "maximum": 10**9},
        },
    ),
    "title": "short form",
    "description": "one vendor's behaviour until changed; ok ends it",
}

_ARMED = _object(
    {
        "id": TEXT,
        "fault": {"enum": list(KINDS)},
        "vendor": {"enum": list(VENDORS)},
        "route": TEXT,
        "symbol": _maybe(TEXT),
        "from": _maybe(INSTANT),
        "until": _maybe(INSTANT),
        "skip": COUNT,
        "times": _maybe(COUNT),
        "probability": {"type": "number"},
        "parameters": ROW,
        "seen": {**COUNT, "description": "matching requests so far"},
        "struck": {**COUNT, "description": "strikes so far"},
        "spent": {"type": "boolean", "description": "it will not strike again"},
    }
)

_FAULTS: dict[str, Schema] = {
    "vendors": {
        "type": "object",
        "additionalProperties": _object(
            {"mode": {"enum": list(MODES)}, "latency_s": {"type": "number"}, "times": _maybe(COUNT)}
        ),
    },
    "faults": _list(_ref("ArmedFault")),
    "seed": {"type": "integer"},
}

_LEDGER_ROWS = _object({name: _list(ROW) for name in ("orders", "fills", "fees", "positions", "cash")})

SCHEMAS: Mapping[str, Schema] = {
    "Problem": _object({"message": {**TEXT, "description": "one sentence"}}),
    "Clock": _object(
        {
            "now": INSTANT,
            "speed": {"type": "number", "minimum": 0, "description": "simulated seconds per second"},
            "paused": {"type": "boolean"},
            "session": {"type": "string", "format": "date"},
            "market_state": {"enum": ["closed", "pre", "regular", "after"]},
            "hours": _object(dict.fromkeys(("pre_open", "open", "close", "post_close"), INSTANT)),
            "tape_sessions": _list({"type": "string", "format": "date"}),
        }
    ),
    "ClockChange": _object(
        {},
        {
            "now": {**WHEN, "description": "jump forward to: " + WHEN["description"]},
            "advance_s": {"type": "number", "minimum": 0, "description": "step forward by so many simulated seconds"},
            "speed": {"type": "number", "minimum": 0, "maximum": 1_000_000, "description": "0 stands still"},
            "paused": {"type": "boolean", "description": "true stands still, false goes on at the last speed"},
        },
    ),
    "FaultRule": {"oneOf": [_rule_schema(kind) for kind in KINDS.values()]},
    "ArmFault": {"oneOf": [*(_rule_schema(kind) for kind in KINDS.values()), _OLD_FORM]},
    "ArmedFault": _ARMED,
    "Faults": _object(_FAULTS),
    "Injection": _object(
        {
            "id": COUNT,
            "rule": TEXT,
            "fault": {"enum": list(KINDS)},
            "vendor": {"enum": list(VENDORS)},
            "route": TEXT,
            "simulated_at": INSTANT,
            "real_at": INSTANT,
            "did": {**TEXT, "description": "what was done, in words"},
            "request": {**COUNT, "description": "number of the request; 0 for a frame of a stream"},
            "request_id": _maybe(TEXT),
            "client_order_id": _maybe(TEXT),
        }
    ),
    "FaultLog": _object(
        {"entries": _list(_ref("Injection")), "forgotten": {**COUNT, "description": "entries that had to go"}}
    ),
    "Scenario": _object(
        {"name": {"type": "string", "minLength": 1, "maxLength": 60}},
        {
            "description": {**TEXT, "description": "what happens, for people"},
            "seed": {
                "description": "of the chance in its faults; 0 when not given",
                "type": "integer",
                "exclusiveMinimum": -SEED_LIMIT,
                "exclusiveMaximum": SEED_LIMIT,
            },
            "faults": {
                "type": "array",
                "maxItems": 1000,
                "description": "as POST /faults takes them",
                "items": _ref("FaultRule"),
            },
        },
    ),
    "PlayedScenario": _object({"name": TEXT, "description": TEXT, **_FAULTS}),
    "Scenarios": _object({"scenarios": _list(_object({"name": TEXT, "description": TEXT}))}),
    "Ledger": _object(
        {
            "now": INSTANT,
            **dict.fromkeys(("cash", "equity", "last_equity", "buying_power", "fees", "realized"), MONEY),
            "positions": {"type": "object", "additionalProperties": {"type": "number"}},
            "orders": COUNT,
            "open_orders": COUNT,
            "fills": COUNT,
        },
        {"rows": _LEDGER_ROWS},
    ),
    "Truth": _object(
        {
            "stories": _list(ROW),
            "outlets": _list(ROW),
            "article_story": {"type": "object", "additionalProperties": {"type": "integer"}},
            "denials": _list({"type": "integer"}),
        }
    ),
    "Habits": _object({name: _parameter_schema(switch) for name, switch in habit_parameters().items()}),
    "HabitsChange": _object({}, {name: _parameter_schema(switch) for name, switch in habit_parameters().items()}),
    "Health": _object({"status": {"const": "ok"}, "now": INSTANT, "rss_mb": {"type": "number"}, "armed_faults": COUNT}),
}


EXAMPLES: Mapping[str, Any] = {
    "ClockChange": {"now": "09:45", "speed": 10},
    "ArmFault": {
        "fault": "timeout_after",
        "vendor": "alpaca",
        "route": "POST */v2/orders",
        "times": 1,
    },
    "HabitsChange": {"orphaned_legs": "activated", "partial_fill_probability": 0.1},
    "Scenario": {
        "name": "quotes go bad",
        "seed": 7,
        "faults": [
            {"fault": "zero_quotes", "vendor": "alpaca", "symbol": "AAA", "from": "09:40", "until": "09:50"},
            {"fault": "bad_gateway", "vendor": "finnhub", "probability": 0.2},
        ],
    },
}
"""A body for each operation that takes one; tests send them."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing the controls do. ``query`` maps parameters to their schemas; ``problems`` the statuses a refusal may have."""

    method: str
    path: str
    handler: str
    summary: str
    description: str
    answer: str | None
    """Name of the schema of a good answer; None for a web page or a document."""
    body: str | None = None
    query: Mapping[str, Schema] = field(default_factory=dict)
    problems: Mapping[int, str] = field(default_factory=dict)
    content: str = "application/json"


_BAD = {400: "the request is refused, and nothing changed"}

OPERATIONS: tuple[Operation, ...] = (
    Operation("GET", "/clock", "clock", "Read the clock", "Where the market stands, and its hours.", "Clock"),
    Operation(
        "POST", "/clock", "set_clock", "Set, step, pause or speed up the clock",
        "Any of the keys; all are checked before any is done. The clock never goes back, and not further than 30 days after the "
        "tape's last session.",
        "Clock", "ClockChange", problems=_BAD,
    ),
    Operation("GET", "/faults", "faults", "List the armed faults", "With their counts, in the order they are tried.", "Faults"),
    Operation(
        "POST", "/faults", "arm_fault", "Arm a fault",
        "A fault of the table with its limits and script, or the short form (vendor and mode).",
        "Faults", "ArmFault", problems=_BAD,
    ),
    Operation("DELETE", "/faults", "clear_faults", "Clear all faults", "The log stays.", "Faults"),
    Operation(
        "GET", "/faults/log", "fault_log", "Read what struck",
        "Every fault that struck, oldest first, in bounded memory. Ask again with after = the last id seen.",
        "FaultLog",
        query={
            "after": {"type": "integer", "minimum": 0, "maximum": 2**53, "default": 0, "description": "entries above this id"},
            "limit": {"type": "integer", "minimum": 1, "maximum": LOG_ENTRIES, "default": LOG_ENTRIES, "description": "at most"},
        },
        problems=_BAD,
    ),
    Operation("DELETE", "/faults/log", "clear_fault_log", "Clear the log", "Ids go on.", "FaultLog"),
    Operation(
        "DELETE", "/faults/{id}", "clear_fault", "Clear one fault", "By its id.", "Faults",
        problems={404: "there is no fault of that id"},
    ),
    Operation(
        "GET", "/scenario", "scenarios", "List the scenarios", "Those that come with the program.", "Scenarios",
    ),
    Operation(
        "POST", "/scenario", "play_scenario", "Play a scenario",
        "Its faults take the place of all armed ones. The name alone plays one that comes with the program.",
        "PlayedScenario", "Scenario", problems=_BAD,
    ),
    Operation(
        "GET", "/ledger", "ledger", "Read the books",
        "The account of the simulated broker; with full=true every order, fill, fee, position and movement of cash as rows.",
        "Ledger",
        query={"full": {"type": "boolean", "default": False, "description": "with all rows"}},
        problems=_BAD,
    ),
    Operation(
        "GET", "/truth", "truth", "Read the planted truth",
        "Which story is real, and what it is worth. For tests: served only by a server started with --with-truth.",
        "Truth", problems={404: "this server keeps the truth to itself"},
    ),
    Operation(
        "GET", "/habits", "habits", "Read the exchange's habits", "Its switches for what the vendor's documents leave open.", "Habits",
    ),
    Operation(
        "POST", "/habits", "set_habits", "Change the exchange's habits",
        "The switches given; the others stay. They act on what happens from now on.",
        "Habits", "HabitsChange", problems=_BAD,
    ),
    Operation("GET", "/health", "health", "Ask whether it lives", "", "Health"),
    Operation("GET", "/openapi.json", "openapi", "Read this description", "OpenAPI 3.1.", None),
    Operation("GET", "/docs", "page", "Read this description as a page", "", None, content="text/html"),
)  # fmt: skip
"""Everything below ``/simulator``. The order matters to the router: ``/faults/log`` before ``/faults/{id}``."""


def _operation(operation: Operation) -> dict[str, Any]:
    schema: Schema = _ref(operation.answer) if operation.answer else {"type": "object"}
    if operation.content != "application/json":
        schema = TEXT
    parameters: list[dict[str, Any]] = [
        {"name": name, "in": "query", "required": False, "schema": schema} for name, schema in operation.query.items()
    ]
    if "{id}" in operation.path:
        parameters.append({"name": "id", "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}})
    described: dict[str, Any] = {
        "operationId": operation.handler,
        "summary": operation.summary,
        "description": operation.description,
        "responses": {
            "200": {"description": "done", "content": {operation.content: {"schema": schema}}},
            **{
                str(status): {"description": words, "content": {"application/json": {"schema": _ref("Problem")}}}
                for status, words in operation.problems.items()
            },
        },
    }
    if parameters:
        described["parameters"] = parameters
    if operation.body:
        described["requestBody"] = {
            "required": False,
            "content": {"application/json": {"schema": _ref(operation.body)}},
        }
    return described


@cache
def _document() -> str:
    paths: dict[str, dict[str, Any]] = {}
    for operation in OPERATIONS:
        paths.setdefault(PREFIX + operation.path, {})[operation.method.lower()] = _operation(operation)
    return json.dumps(
        {
            "openapi": "3.1.0",
            "info": {
                "title": "Catalyst's simulated market: controls",
                "version": "1",
                "description": "The clock, the faults and the books of the market in a box. No authentication: it listens on "
                "the local machine. The vendors' own interfaces are described by the vendors.",
            },
            "paths": paths,
            "components": {"schemas": dict(SCHEMAS)},
        }
    )


def openapi_document() -> dict[str, Any]:
    """The OpenAPI 3.1 document of the controls."""
    document: dict[str, Any] = json.loads(_document())
    return document
