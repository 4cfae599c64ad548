"""Where the simulator answers a generated request otherwise than the vendor's specification says, and why: a table.

Belongs here: the explained exceptions and how they are written in the documentation. Does not belong here: running Schemathesis.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Explained:
    """``check`` of Schemathesis fails with one of ``statuses`` on operations that match ``operations`` (a regular expression)."""

    check: str
    statuses: tuple[int, ...]
    operations: str
    reason: str

    def covers(self, check: str, status: int, operation: str) -> bool:
        """True when a failure is this one."""
        matches = re.fullmatch(self.operations, operation) is not None
        return check == self.check and status in self.statuses and matches


NAMED = r".*(\{|:by_).*"
ANY = ".*"

EXPLAINED: tuple[Explained, ...] = (
    Explained(
        "UndefinedStatusCode",
        (401,),
        ANY,
        "the specification demands keys for every operation and lists 401 for none; the vendor answers 401 `unauthorized.`",
    ),
    Explained(
        "UndefinedStatusCode",
        (404,),
        NAMED,
        "the specification lists no 404 where something is looked up by id or name; the vendor answers 404 / 40410000",
    ),
    Explained(
        "UndefinedStatusCode",
        (404,),
        r"GET /v2/orders",
        "`before_order_id` and `after_order_id` name an order; one that does not exist is answered as a look-up is",
    ),
    Explained(
        "UndefinedStatusCode",
        (422,),
        ANY,
        "the specification lists no 422 beside most operations; the vendor answers 422 / 40010001 to what it cannot read",
    ),
    Explained(
        "RejectedPositiveData",
        (422,),
        ANY,
        "the schemas say `string` where a number, a symbol or one of a few words is meant, and nothing of rules between fields "
        "(quantity or notional, prices by order type); the vendor refuses with 422",
    ),
    Explained(
        "RejectedPositiveData",
        (400,),
        r"GET /v3/.*",
        "only New York's markets and the years 2000–2029 exist here; others are refused as an unknown market is",
    ),
    Explained(
        "AcceptedNegativeData",
        (200, 204, 207),
        ANY,
        "unknown query parameters and header fields, repeated parameters and unknown members of a body are ignored, as the "
        "vendor does; the specification forbids none of them, the generator does",
    ),
)

NOT_SERVED: tuple[tuple[str, str], ...] = (
    ("/v1/locates", "hard-to-borrow locates: what cannot be borrowed easily is not sold short here"),
    ("/v2beta1/events", "server-sent account events: the trade updates stream tells orders"),
    ("/v2/tokenization", "tokenized shares are out of scope"),
    ("/v2/wallets", "crypto wallets are out of scope"),
)
"""(path prefix, reason) of operations of the specification that the simulator does not have (404)."""


def explain(check: str, status: int, operation: str) -> Explained | None:
    """The exception that covers a failure, ``None`` when nobody explained it."""
    return next((row for row in EXPLAINED if row.covers(check, status, operation)), None)


def as_markdown() -> str:
    """The tables as they stand in ``docs/simulator/trading.md``."""
    lines = ["| check | answer | operations | why |", "| --- | --- | --- | --- |"]
    names = {ANY: "all", NAMED: "by id or name"}
    for row in EXPLAINED:
        statuses = ", ".join(map(str, row.statuses))
        operations = names.get(row.operations, f"`{row.operations.replace('.*', '…')}`")
        lines.append(f"| {row.check} | {statuses} | {operations} | {row.reason} |")
    lines += ["", "| not served | why |", "| --- | --- |"]
    lines += [f"| `{prefix}…` | {reason} |" for prefix, reason in NOT_SERVED]
    return "\n".join(lines)
