"""When a fault strikes: the vendor, routes and symbols it is limited to, and its script of times, counts and chance.

Belongs here: reading and checking a rule, and the old form (vendor, mode, latency, times). Does not belong here: keeping rules
and their counts (``armed``), what a fault does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any

from catalyst_assets.simulator.faults.request import Asked
from catalyst_assets.simulator.faults.table import KINDS, VENDORS, FaultKind, Parameter, Phase

Resolve = Callable[[str], datetime]
"""Reads an instant: ISO 8601 with an offset, or HH:MM New York of the tape's main session. Raises ``ValueError``."""

MODES: Mapping[str, str | None] = {
    "ok": None,
    "slow": "slow_first_byte",
    "limited": "rate_limited",
    "dead": "dropped",
    "html": "bad_gateway",
    "lost": "timeout_after",
}
"""The short names of the old form, and the faults they stand for. ``ok`` ends what was set for the vendor."""

COUNT = Parameter(
    "times", "integer", None, "it strikes so many matching requests; until cleared when not given", 1, 1_000_000_000
)
SKIP = Parameter("skip", "integer", 0, "matching requests left alone first", 0, 1_000_000_000)
PROBABILITY = Parameter("probability", "number", 1.0, "share of the matching requests it strikes", 0, 1)
LATENCY = Parameter("latency_s", "number", 0.0, "seconds before the answer", 0, 600)
RULE_KEYS = ("fault", "vendor", "route", "symbol", "from", "until", "skip", "times", "probability", "parameters", "id")


@dataclass(frozen=True, slots=True)
class Fault:
    """The old form: one vendor's present behaviour. ``times``: requests it still applies to; ``None`` = until changed."""

    mode: str = "ok"
    latency_s: float = 0.0
    times: int | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """A fault and when it strikes. ``since`` and ``until`` are simulated instants (until is exclusive)."""

    fault: str
    vendor: str
    route: str = "*"
    """``METHOD path``; either may be ``*``, and the path a glob over the simulator's paths: ``GET */v2/stocks/quotes/latest``;
    for streams ``STREAM /<stream>/<channel>``."""
    symbol: str | None = None
    """Requests that name it; faults of the body touch its objects only."""
    since: datetime | None = None
    until: datetime | None = None
    skip: int = 0
    times: int | None = None
    probability: float = 1.0
    parameters: Mapping[str, Any] = field(default_factory=dict)
    id: str = ""
    mode: str | None = None
    """The old form's name, when the rule came that way."""

    @property
    def kind(self) -> FaultKind:
        """Its row of the table."""
        return KINDS[self.fault]

    def __getitem__(self, name: str) -> Any:
        """The parameter ``name``, or its default."""
        if name in self.parameters:
            return self.parameters[name]
        return next(parameter.default for parameter in self.kind.parameters if parameter.name == name)

    def concerns(self, asked: Asked, now: datetime) -> bool:
        """True when vendor, route, time and, where the request must name it, the symbol fit."""
        if asked.vendor != self.vendor:
            return False
        if (self.since is not None and now < self.since) or (self.until is not None and now >= self.until):
            return False
        if self.symbol is not None and self.kind.phase is not Phase.BODY and self.symbol not in asked.symbols:
            return False
        return self.route == "*" or _route_fits(self.route, asked.route)

    def as_json(self) -> dict[str, Any]:
        """The rule as it may be sent again."""
        return {
            "id": self.id,
            "fault": self.fault,
            "vendor": self.vendor,
            "route": self.route,
            "symbol": self.symbol,
            "from": None if self.since is None else self.since.isoformat(),
            "until": None if self.until is None else self.until.isoformat(),
            "skip": self.skip,
            "times": self.times,
            "probability": self.probability,
            "parameters": {p.name: _plain(self[p.name]) for p in self.kind.parameters if self[p.name] != ""},
        }


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else list(value) if isinstance(value, tuple) else value


def _route_fits(pattern: str, route: str) -> bool:
    wanted_method, _, wanted_path = pattern.rpartition(" ")
    method, _, path = route.partition(" ")
    return wanted_method in ("", "*", method) and fnmatchcase(path, wanted_path)


def parse_rule(body: Any, resolve: Resolve) -> Rule:
    """A rule from JSON or TOML (keys :data:`RULE_KEYS`). Raises ``ValueError`` with one sentence naming what is wrong."""
    if not isinstance(body, Mapping):
        raise ValueError("a fault is an object with the keys fault and vendor")
    unknown = [str(key) for key in body if key not in RULE_KEYS]
    if unknown:
        raise ValueError(f"unknown keys: {', '.join(sorted(unknown))}; known: {', '.join(RULE_KEYS)}")
    kind = KINDS.get(body["fault"]) if isinstance(body.get("fault"), str) else None
    if kind is None:
        raise ValueError(f"unknown fault {body.get('fault')!r:.60}; known: {', '.join(KINDS)}")
    vendor = _vendor(body.get("vendor"))
    if vendor not in kind.vendors:
        raise ValueError(f"{kind.name} cannot happen to {vendor}; it can to: {', '.join(kind.vendors)}")
    since, until = _instant(body, "from", resolve), _instant(body, "until", resolve)
    if since is not None and until is not None and until <= since:
        raise ValueError("until must be later than from")
    return Rule(
        fault=kind.name,
        vendor=vendor,
        route=_route(body.get("route")),
        symbol=_symbol(body.get("symbol")),
        since=since,
        until=until,
        skip=_given(SKIP, body),
        times=_given(COUNT, body),
        probability=_given(PROBABILITY, body),
        parameters=_parameters(kind, body.get("parameters"), resolve),
        id=_identity(body.get("id")),
    )


def rule_of(vendor: str, fault: Fault) -> Rule | None:
    """The old form as a rule, ``None`` for a vendor that is well. Raises ``ValueError`` naming what is allowed."""
    vendor = _vendor(vendor)
    if fault.mode not in MODES:
        raise ValueError(f"unknown mode {fault.mode!r}; known: {', '.join(MODES)}")
    latency = LATENCY.check(fault.latency_s)
    times = None if fault.times is None else COUNT.check(fault.times)
    name = MODES[fault.mode] or ("slow_first_byte" if latency else None)
    if name is None:
        return None
    return Rule(name, vendor, times=times, parameters={"delay_s": latency}, id=f"vendor:{vendor}", mode=fault.mode)


def _vendor(value: Any) -> str:
    if value not in VENDORS:
        raise ValueError(f"unknown vendor {value!r:.60}; known: {', '.join(VENDORS)}")
    return str(value)


def _route(value: Any) -> str:
    if value is None:
        return "*"
    words = value.split() if isinstance(value, str) else []
    fits = len(words) in (1, 2) and words[-1].startswith(("/", "*")) and (len(words) == 1 or _is_method(words[0]))
    if not fits:
        raise ValueError(f"route must be a method and a path glob, like 'GET */v2/account', not {value!r:.60}")
    return " ".join(words)


def _is_method(word: str) -> bool:
    return word in ("*", "GET", "POST", "PUT", "PATCH", "DELETE", "STREAM")


def _symbol(value: Any) -> str | None:
    if value is not None and not (isinstance(value, str) and value.strip()):
        raise ValueError(f"symbol must be a text, not {value!r:.60}")
    return None if value is None else value.strip()


def _identity(value: Any) -> str:
    if value is not None and not (isinstance(value, str) and 0 < len(value) <= 80):
        raise ValueError("id must be a text of at most 80 characters")
    return value or ""


def _instant(body: Mapping[str, Any], name: str, resolve: Resolve) -> datetime | None:
    value = body.get(name)
    if value is None:
        return None
    if isinstance(value, datetime) and value.tzinfo is not None:  # TOML has instants of its own
        return value
    if not isinstance(value, str):
        raise ValueError(f"{name} must be an instant (ISO 8601 with an offset, or HH:MM New York), not {value!r:.60}")
    try:
        return resolve(value)
    except (ValueError, OverflowError):
        raise ValueError(
            f"{name} must be an instant (ISO 8601 with an offset, or HH:MM New York), not {value!r:.60}"
        ) from None


def _given(parameter: Parameter, body: Mapping[str, Any]) -> Any:
    value = body.get(parameter.name)
    return parameter.default if value is None else parameter.check(value)


def _parameters(kind: FaultKind, given: Any, resolve: Resolve) -> dict[str, Any]:
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise ValueError("parameters must be an object")
    known = {parameter.name: parameter for parameter in kind.parameters}
    unknown = sorted(str(name) for name in given if name not in known)
    if unknown:
        allowed = ", ".join(known) or "none"
        raise ValueError(f"{kind.name} has no parameter {', '.join(unknown)}; it has: {allowed}")
    read: dict[str, Any] = {}
    for name, value in given.items():
        if known[name].type == "instant":
            read[name] = _instant(given, name, resolve)
        else:
            read[name] = known[name].check(value)
    return read
