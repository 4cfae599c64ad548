"""Reading requests to Alpaca's hosts: credentials, instants, numbers, and JSON bodies checked against a table of fields.

Belongs here: what several of Alpaca's route modules read in the same way. Does not belong here: any answer but a refusal.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from catalyst_assets.simulator.routes.limits import Standing
from catalyst_assets.simulator.routes.wire import NEW_YORK, Json
from catalyst_assets.simulator.state import Simulation
from catalyst_assets.simulator.venue.admission import malformed

NOT_FOUND = 40410000
LARGEST = Decimal(10) ** 15
"""Numbers beyond this are nonsense in an order and refused (USD or shares)."""


def rate_limited(_: Standing) -> Response:
    """Alpaca's 429."""
    return Json({"code": 42910000, "message": "rate limit exceeded"}, 429)


def credentials_checker(state: Simulation, message: str) -> Any:
    """A function that answers 401 when the two key headers are missing or wrong."""

    def refuse(request: Request) -> Response | None:
        given = (request.headers.get("APCA-API-KEY-ID"), request.headers.get("APCA-API-SECRET-KEY"))
        return None if given == (state.key, state.secret) else Json({"message": message}, 401)

    return refuse


def parse_instant(text: str, name: str) -> datetime:
    """An RFC 3339 instant or a date (midnight New York), as UTC. A naive instant is UTC. Raises a 422 refusal."""
    try:
        if len(text) == 10:
            day = date.fromisoformat(text)
            return datetime(day.year, day.month, day.day, tzinfo=NEW_YORK).astimezone(UTC)
        parsed = datetime.fromisoformat(text.replace(" ", "+"))
        return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise malformed(f"invalid {name}: {text}") from error


def parse_day(text: str, name: str) -> date:
    """The date of an instant (New York) or a plain date. Raises a 422 refusal."""
    return parse_instant(text, name).astimezone(NEW_YORK).date()


def is_true(value: str | None) -> bool:
    """Query booleans arrive as ``True`` or ``true``."""
    return (value or "").lower() == "true"


def flag(request: Request, name: str) -> bool:
    """A boolean query parameter, false when absent. Raises a 422 refusal for anything but true and false."""
    text = request.query_params.get(name)
    if text is None or text.lower() in ("true", "false", "1", "0", "t", "f"):
        return (text or "").lower() in ("true", "1", "t")
    raise malformed(f"invalid {name}: {text}")


def choice(request: Request, name: str, offered: tuple[str, ...], default: str) -> str:
    """A query parameter out of a few words. Raises a 422 refusal."""
    text = request.query_params.get(name)
    if text is None:
        return default
    if text not in offered:
        raise malformed(f"invalid {name}: {text}")
    return text


def whole_number(request: Request, name: str, default: int, highest: int) -> int:
    """A positive integer query parameter, capped. Raises a 422 refusal."""
    text = request.query_params.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit()) or int(text) < 1:
        raise malformed(f"invalid {name}: {text}")
    return min(int(text), highest)


def decimal(value: Any, name: str) -> Decimal:
    """A number given as a JSON number or string. Raises a 422 refusal, also for NaN, infinities and nonsense sizes."""
    if isinstance(value, bool) or not isinstance(value, (str, int, float, Decimal)):
        raise malformed(f"invalid {name}: {value}")
    text = str(value)
    try:
        number = Decimal(text) if text.isascii() and "_" not in text and text == text.strip() else Decimal("NaN")
    except InvalidOperation as error:
        raise malformed(f"invalid {name}: {text}") from error
    if not number.is_finite() or abs(number) > LARGEST or (number and number.adjusted() < -15):
        raise malformed(f"invalid {name}: {text}")
    return number


def _text(value: Any, name: str) -> str:
    if not isinstance(value, str) or "\x00" in value:
        raise malformed(f"invalid {name}")
    return value


def _boolean(value: Any, name: str) -> bool:
    if not isinstance(value, bool):
        raise malformed(f"invalid {name}")
    return value


def _number(value: Any, name: str) -> Decimal | None:
    return None if value == "" else decimal(value, name)


def _object(value: Any, name: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise malformed(f"invalid {name}")
    return value


def _texts(value: Any, name: str) -> list[str]:
    if not isinstance(value, list):
        raise malformed(f"invalid {name}")
    return [_text(item, name) for item in value if item is not None]


def _whole(value: Any, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise malformed(f"invalid {name}")
    return value


Reader = Callable[[Any, str], Any]
TEXT, BOOLEAN, NUMBER, OBJECT, TEXTS, WHOLE = _text, _boolean, _number, _object, _texts, _whole


def read_fields(values: Mapping[str, Any], fields: Mapping[str, Reader], inside: str = "") -> dict[str, Any]:
    """The known fields of a JSON object, each by its reader; ``null`` reads as absent, unknown fields are ignored as Alpaca does.
    Raises a 422 refusal naming the field."""
    return {name: read(values[name], inside + name) for name, read in fields.items() if values.get(name) is not None}


def _not_json(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")


async def json_body(request: Request) -> Mapping[str, Any]:
    """The JSON object of a request; numbers as they were written, so a float's noise is seen. Raises a 422 refusal."""
    raw = await request.body()
    try:
        body = json.loads(raw or b"{}", parse_float=Decimal, parse_constant=_not_json)
    except (ValueError, RecursionError) as error:
        raise malformed("request body format is invalid") from error
    if not isinstance(body, dict):
        raise malformed("request body format is invalid")
    return body
