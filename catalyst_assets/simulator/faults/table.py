"""The table of faults: every name, what it does, what a careful client makes of it, and its parameters.

Belongs here: the data, and checking a value against a parameter. Does not belong here: doing any of it (``answers``,
``spoiling``, ``markets``, ``streams``) and when it strikes (``rules``). ``docs/simulator/faults.md`` shows this table; a test
compares them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

VENDORS = ("alpaca", "finnhub", "alphavantage", "newsapi", "yahoo")
NEWS_VENDORS = VENDORS
ALPACA = ("alpaca",)


class Phase(StrEnum):
    """Where in a request's life, or on a stream, a fault strikes."""

    DELAY = "delay"
    """Before anything is done; what was asked is done all the same, later."""
    BEFORE = "before"
    """Instead of doing what was asked: nothing changed."""
    AFTER = "after"
    """What was asked is done, and the answer is lost."""
    BODY = "body"
    """The answer's JSON says something else."""
    DELIVERY = "delivery"
    """The answer is right and does not arrive as it should."""
    STREAM = "stream"
    """A frame of a websocket."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a fault. ``type`` is ``number``, ``integer``, ``text``, ``boolean``, ``names`` (a list of field names) or
    ``instant`` (ISO 8601 with an offset, or HH:MM New York)."""

    name: str
    type: str
    default: Any
    meaning: str
    low: float | None = None
    high: float | None = None
    choices: tuple[Any, ...] = ()

    def check(self, value: Any) -> Any:
        """``value`` as this parameter holds it. Raises ``ValueError`` with one sentence."""
        read = _READERS[self.type](value)
        if read is None:
            raise ValueError(f"{self.name} must be {_WORDS[self.type]}, not {value!r:.60}")
        if self.choices and read not in self.choices:
            raise ValueError(f"{self.name} must be one of {', '.join(map(str, self.choices))}, not {value!r:.60}")
        low, high = self.low, self.high
        if (low is not None and read < low) or (high is not None and read > high):
            raise ValueError(f"{self.name} must be between {low:g} and {high:g}, not {read:g}")
        return read


def _number(value: Any) -> float | None:
    fits = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e18 and math.isfinite(value)
    return float(value) if fits else None


def _integer(value: Any) -> int | None:
    return int(value) if (read := _number(value)) is not None and read.is_integer() else None


def _names(value: Any) -> tuple[str, ...] | None:
    listed = isinstance(value, list | tuple) and all(isinstance(name, str) and name for name in value)
    return tuple(value) if listed else None


_READERS: Mapping[str, Any] = {
    "number": _number,
    "integer": _integer,
    "text": lambda value: value if isinstance(value, str) and value else None,
    "boolean": lambda value: value if isinstance(value, bool) else None,
    "names": _names,
    "instant": lambda value: value if isinstance(value, str) and value else None,
}
_WORDS: Mapping[str, str] = {
    "number": "a number",
    "integer": "a whole number",
    "text": "a text",
    "boolean": "true or false",
    "names": "a list of field names",
    "instant": "an instant (ISO 8601 with an offset, or HH:MM New York)",
}


@dataclass(frozen=True, slots=True)
class FaultKind:
    """A row of the table. ``vendors`` are those it can happen to."""

    name: str
    phase: Phase
    does: str
    expected: str
    """What a careful client makes of it."""
    parameters: tuple[Parameter, ...] = ()
    vendors: tuple[str, ...] = VENDORS


DELAY = Parameter("delay_s", "number", 0.0, "seconds of silence first", 0, 600)
ROWS = Parameter("rows", "integer", 1, "how many objects of the answer are touched, from the first; 0 = all", 0, 10_000)
SECONDS_BACK = 86_400.0 * 30


def _fields(default: str) -> Parameter:
    return Parameter("fields", "names", (), f"names of the fields; {default} when empty")


_READ_OR_UNKNOWN = "a read: could not be asked; a write: its fate is unknown, look it up"
_NOT_ASKED = "could not be asked; nothing changed"
_NO_ANSWER = "an error within the client's own timeout; a write: its fate is unknown"

KINDS: Mapping[str, FaultKind] = {
    kind.name: kind
    for kind in (
        # ------------------------------------------------------------------------------------------------ the connection
        FaultKind(
            "slow_first_byte", Phase.DELAY, "answers after `delay_s` seconds; what was asked is done all the same",
            _NO_ANSWER,
            (Parameter("delay_s", "number", 5.0, "seconds until the first byte", 0, 600),),
        ),
        FaultKind(
            "silent_socket", Phase.BEFORE, "accepts the connection and the request and never says a word",
            _NO_ANSWER,
            (Parameter("hold_s", "number", 600.0, "the connection is cut after so many seconds", 0, 3600),),
        ),
        FaultKind("dropped", Phase.BEFORE, "cuts the connection without an answer; nothing was done", _READ_OR_UNKNOWN, (DELAY,)),
        FaultKind("dropped_after", Phase.AFTER, "does what was asked, then cuts the connection", _READ_OR_UNKNOWN, (DELAY,)),
        FaultKind(
            "slow_body", Phase.DELIVERY, "sends the head at once and the body drop by drop",
            _NO_ANSWER,
            (
                Parameter("piece", "integer", 1, "bytes in a drop", 1, 65_536),
                Parameter("pause_s", "number", 0.1, "seconds between two drops", 0, 60),
            ),
        ),
        FaultKind(
            "cut_body", Phase.DELIVERY, "promises the whole body and cuts the connection in the middle of it",
            "the connection was lost; never the part that arrived",
            (Parameter("share", "number", 0.5, "part of the body that arrives", 0, 0.999),),
        ),
        # --------------------------------------------------------------------------------------------------- the status
        FaultKind(
            "rate_limited", Phase.BEFORE,
            "answers in the vendor's words that the limit is used up (429 with its rate headers; Alpha Vantage says it in a 200)",
            _NOT_ASKED + "; asked less from now on",
            (DELAY, Parameter("retry_after_s", "integer", 0, "seconds in a Retry-After header; 0 = no header", 0, 86_400)),
        ),
        FaultKind(
            "server_error", Phase.BEFORE, "answers 500 with a web page; nothing was done", _READ_OR_UNKNOWN, (DELAY,),
        ),
        FaultKind("bad_gateway", Phase.BEFORE, "answers 502 with a web page; nothing was done", _READ_OR_UNKNOWN, (DELAY,)),
        FaultKind("unavailable", Phase.BEFORE, "answers 503 with a web page; nothing was done", _READ_OR_UNKNOWN, (DELAY,)),
        FaultKind("timeout_before", Phase.BEFORE, "answers 504; nothing was done", _READ_OR_UNKNOWN, (DELAY,)),
        FaultKind(
            "timeout_after", Phase.AFTER, "does what was asked, an order stands, and then answers 504",
            "the fate of a write is unknown; found by its client_order_id, never sent twice", (DELAY,),
        ),
        # --------------------------------------------------------------------------------------------- the body as a text
        FaultKind(
            "truncated_json", Phase.DELIVERY, "a complete HTTP answer whose JSON ends in the middle",
            "unreadable, so an error; never an empty list",
            (Parameter("share", "number", 0.5, "part of the text that is sent", 0, 0.999),),
        ),
        FaultKind(
            "wrong_content_type", Phase.DELIVERY, "the right JSON, declared as something else",
            "the right data or an error, never an empty answer",
            (Parameter("content_type", "text", "text/html; charset=utf-8", "the declared type"),),
        ),
        FaultKind(
            "maintenance_page", Phase.BEFORE, "answers 200 with a web page instead of JSON; nothing was done",
            "unreadable, so an error; never an empty list", (DELAY,),
        ),
        # ---------------------------------------------------------------------------------------------- fields of the JSON
        FaultKind(
            "missing_optional", Phase.BODY, "leaves out fields the interface does not promise",
            "the same data without them", (_fields("all optional ones of the object"), ROWS),
        ),
        FaultKind(
            "missing_required", Phase.BODY, "leaves out fields nothing can be understood without",
            "the object is refused with a reason, never completed by a guess", (_fields("the first required one"), ROWS),
        ),
        FaultKind(
            "nulls", Phase.BODY, "sends null in fields that always have a value",
            "the object is refused with a reason, never zero", (_fields("the first required one"), ROWS),
        ),
        FaultKind(
            "wrong_types", Phase.BODY, "sends an object where a number or a text belongs, and a text where an object does",
            "the object is refused with a reason", (_fields("the first required one"), ROWS),
        ),
        FaultKind(
            "unknown_enum", Phase.BODY, "sends a value nobody has heard of where a fixed set is documented",
            "the other objects of the listing are read; this one is unknown, not wrong",
            (_fields("all enumerated ones of the object"), ROWS, Parameter("value", "text", "brand_new_value", "the value sent")),
        ),
        FaultKind(
            "new_fields", Phase.BODY, "adds fields nobody has heard of", "nothing changes",
            (Parameter("rows", "integer", 0, ROWS.meaning, 0, 10_000),),
        ),
        # ------------------------------------------------------------------------------------------------------- the times
        FaultKind(
            "clock_skew", Phase.BODY, "every time stamp of the answer, and its Date header, is off",
            "future articles and unfinished bars are refused; times are not corrected",
            (Parameter("seconds", "integer", 120, "vendor's clock minus the market's", -SECONDS_BACK, SECONDS_BACK),),
        ),
        # ------------------------------------------------------------------------------------------------------ the market
        FaultKind(
            "stale_quotes", Phase.BODY, "serves quotes as they were at one instant, time stamp included, whatever the clock says",
            "an old quote has an old time: the order step distrusts it",
            (Parameter("at", "instant", "", "the instant; the rule's `from`, or its first strike, when not given"),), ALPACA,
        ),
        FaultKind(
            "zero_quotes", Phase.BODY, "zeros in place of prices and sizes", "no row: unknown is not zero",
            (Parameter("side", "text", "both", "which side", choices=("both", "bid", "ask")),), ALPACA,
        ),
        FaultKind(
            "crossed_quotes", Phase.BODY, "the bid is above the ask", "no row",
            (Parameter("by", "number", 0.05, "bid minus ask in US dollars", 0.0001, 1_000),), ALPACA,
        ),
        FaultKind(
            "feed_mix_up", Phase.BODY, "bars asked for as IEX carry the volume of the whole market",
            "not to be seen in the answer: the volumes of one symbol jump by the factor",
            (Parameter("factor", "number", 30.0, "consolidated volume per IEX volume", 0.001, 10_000),), ALPACA,
        ),
        # ---------------------------------------------------------------------------------------------------- the articles
        FaultKind(
            "late_articles", Phase.BODY, "serves articles only so long after their publication",
            "they are found when they come, and count as known only then",
            (Parameter("seconds", "number", 600.0, "seconds after publication", 0, SECONDS_BACK),), NEWS_VENDORS,
        ),
        FaultKind(
            "future_articles", Phase.BODY, "dates articles into the future", "each is refused with a reason",
            (Parameter("seconds", "integer", 3600, "seconds added to the time of publication", 1, SECONDS_BACK), ROWS),
            NEWS_VENDORS,
        ),
        FaultKind(
            "duplicate_articles", Phase.BODY, "serves articles twice in one answer", "each article is one article",
            (
                Parameter("rows", "integer", 0, ROWS.meaning, 0, 10_000),
                Parameter("new_identity", "boolean", False, "the second has another id and address"),
            ),
            NEWS_VENDORS,
        ),
        # --------------------------------------------------------------------------------------------------------- streams
        FaultKind(
            "stream_dropped", Phase.STREAM, "cuts the websocket in place of a frame", "connects again and asks what it missed",
            (), ALPACA,
        ),
        FaultKind(
            "stream_silent", Phase.STREAM, "stays connected and says nothing more", "notices the silence, asks over HTTP",
            (), ALPACA,
        ),
        FaultKind("stream_lost", Phase.STREAM, "leaves an event out", "found when the broker is asked", (), ALPACA),
        FaultKind(
            "stream_duplicated", Phase.STREAM, "sends an event more than once", "counts once",
            (Parameter("copies", "integer", 1, "additional copies", 1, 100),), ALPACA,
        ),
        FaultKind(
            "stream_reordered", Phase.STREAM, "sends an event after those that follow it", "the later state stands",
            (
                Parameter("places", "integer", 1, "how many later events overtake it", 1, 100),
                Parameter("seconds", "number", 30.0, "seconds of simulated time it is held back at most", 0, 86_400),
            ),
            ALPACA,
        ),
        FaultKind(
            "stream_delayed", Phase.STREAM, "sends an event late, its time stamp unchanged", "the same result, later",
            (Parameter("seconds", "number", 5.0, "seconds of simulated time", 0, 86_400),), ALPACA,
        ),
    )
}  # fmt: skip
"""Every fault by name."""

HTTP_KINDS = tuple(name for name, kind in KINDS.items() if kind.phase is not Phase.STREAM)
STREAM_KINDS = tuple(name for name, kind in KINDS.items() if kind.phase is Phase.STREAM)


def markdown_table() -> str:
    """The table as it stands in the documentation."""
    lines = [
        "| fault | strikes | what happens | what a careful client makes of it | parameters |",
        "| --- | --- | --- | --- | --- |",
    ]
    for kind in KINDS.values():
        where = "" if kind.vendors == VENDORS else f" ({', '.join(kind.vendors)})"
        listed = "<br>".join(f"`{p.name}` = {shown(p.default)}: {p.meaning}{_range(p)}" for p in kind.parameters)
        lines.append(f"| `{kind.name}`{where} | {kind.phase} | {kind.does} | {kind.expected} | {listed or 'none'} |")
    return "\n".join(lines)


def shown(default: Any) -> str:
    """A default as people read it."""
    if isinstance(default, bool):
        return str(default).lower()
    if isinstance(default, float):
        return f"{default:g}"
    return "none" if default in ("", ()) else str(default)


def _range(parameter: Parameter) -> str:
    if parameter.choices:
        return f" ({', '.join(parameter.choices)})"
    if parameter.low is None or parameter.high is None:
        return ""
    return f" ({parameter.low:.12g} to {parameter.high:.12g})"
