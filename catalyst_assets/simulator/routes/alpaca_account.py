"""Alpaca's account over the exchange: the account, its settings, its activities, its history.

Belongs here: ``/v2/account`` and everything below it. Does not belong here: how equity is computed (``venue``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from catalyst_assets.simulator.routes.alpaca_requests import (
    BOOLEAN,
    TEXT,
    WHOLE,
    Reader,
    choice,
    flag,
    json_body,
    parse_day,
    parse_instant,
    read_fields,
    whole_number,
)
from catalyst_assets.simulator.routes.wire import NEW_YORK, Json, account_json, activity_json
from catalyst_assets.simulator.state import Simulation
from catalyst_assets.simulator.venue.admission import malformed
from catalyst_assets.simulator.venue.history import REPORTING, TIMEFRAMES, portfolio_history
from catalyst_assets.simulator.venue.ledger import Activity

MAX_ACTIVITIES = 100
_TYPES = """FILL TRANS MISC ACATC ACATS CFEE CGD CSD CSW DIV DIVCGL DIVCGS DIVFEE DIVFT DIVNRA DIVROC DIVTW DIVTXEX FEE INT INTNRA
INTTW JNL JNLC JNLS MA NC OPASN OPCA OPCSH OPEXC OPEXP OPTRD PTC PTR REORG SPIN SPLIT FOPT OCT"""
ACTIVITY_TYPES = frozenset(_TYPES.split())
"""Every type the vendor knows; an account here only ever has FILL and FEE."""

SETTINGS_FIELDS: Mapping[str, Reader] = {
    "trade_confirm_email": TEXT,
    "suspend_trade": BOOLEAN,
    "no_shorting": BOOLEAN,
    "fractional_trading": BOOLEAN,
    "max_margin_multiplier": TEXT,
    "max_options_trading_level": WHOLE,
    "ptp_no_exception_entry": BOOLEAN,
    "disable_overnight_trading": BOOLEAN,
}


class AccountRoutes:
    """Handlers of ``/v2/account``."""

    def __init__(self, state: Simulation) -> None:
        self.state = state
        self.exchange = state.exchange

    def handlers(self) -> list[tuple[str, str, Any]]:
        """Path, method and handler of each operation."""
        return [
            ("/v2/account", "GET", self.account),
            ("/v2/account/configurations", "GET", self.configurations),
            ("/v2/account/configurations", "PATCH", self.configure),
            ("/v2/account/activities", "GET", self.activities),
            ("/v2/account/activities/{kind}", "GET", self.activities),
            ("/v2/account/portfolio/history", "GET", self.history),
        ]

    async def account(self, _: Request) -> Response:
        view, exchange = self.state.view, self.exchange
        asof = view.calendar.previous(view.session_for(exchange.now).session)
        body = account_json(exchange.account_id, exchange.account(), exchange.created_at, asof)
        body["trade_suspended_by_user"] = exchange.settings.suspend_trade
        body["trading_blocked"] = exchange.trading_blocked
        body["shorting_enabled"] = body["shorting_enabled"] and not exchange.settings.no_shorting
        return Json(body)

    async def configurations(self, _: Request) -> Response:
        return Json(asdict(self.exchange.settings))

    async def configure(self, request: Request) -> Response:
        try:
            settings = self.exchange.configure(**read_fields(await json_body(request), SETTINGS_FIELDS))
        except ValueError as error:
            raise malformed(str(error)) from error
        return Json(asdict(settings))

    async def activities(self, request: Request) -> Response:
        query = request.query_params
        kinds = request.path_params.get("kind") or query.get("activity_types") or ""
        wanted = {kind for kind in kinds.upper().split(",") if kind}
        if not wanted <= ACTIVITY_TYPES:
            raise malformed(f"invalid activity type: {kinds}")  # wording guessed
        category = choice(request, "category", ("trade_activity", "non_trade_activity"), "")
        if category and query.get("activity_types"):
            raise malformed("only one of category or activity_types is accepted")  # wording guessed
        after = parse_instant(query["after"], "after") if query.get("after") else None
        until = parse_instant(query["until"], "until") if query.get("until") else None
        day = parse_day(query["date"], "date") if query.get("date") else None
        size = whole_number(request, "page_size", MAX_ACTIVITIES, MAX_ACTIVITIES)
        descending = choice(request, "direction", ("asc", "desc"), "desc") == "desc"

        def fits(activity: Activity) -> bool:
            return (
                (not wanted or activity.kind in wanted)
                and (not category or (activity.kind == "FILL") == (category == "trade_activity"))
                and (after is None or activity.at > after)
                and (until is None or activity.at < until)
                and (day is None or activity.at.astimezone(NEW_YORK).date() == day)
                and (not query.get("order_id") or activity.order_id == query["order_id"])
            )

        found = [activity for activity in self.exchange.activities() if fits(activity)]
        if descending:
            found.reverse()
        found = _after_token(found, query.get("page_token"))
        return Json([activity_json(a, self.exchange.account_id) for a in found[:size]])

    async def history(self, request: Request) -> Response:
        query = request.query_params
        flag(request, "extended_hours")
        timeframe = choice(request, "timeframe", tuple(TIMEFRAMES), "")
        reporting = choice(request, "intraday_reporting", REPORTING, "market_hours")
        if query.get("extended_hours") and flag(request, "extended_hours"):
            reporting = "extended_hours"
        return Json(
            portfolio_history(
                self.exchange,
                period=query.get("period"),
                timeframe=timeframe or None,
                start=parse_instant(query["start"], "start") if query.get("start") else None,
                end=parse_instant(query["end"], "end") if query.get("end") else None,
                reporting=reporting,
                reset_daily=choice(request, "pnl_reset", ("no_reset", "per_day"), "per_day") == "per_day",
            )
        )


def _after_token(found: list[Activity], token: str | None) -> list[Activity]:
    if not token:
        return found
    for position, activity in enumerate(found):
        if activity.activity_id == token:
            return found[position + 1 :]
    return []
