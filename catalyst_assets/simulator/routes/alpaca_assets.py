"""Alpaca's assets, clocks and calendars over the tape.

Belongs here: ``/v2/assets``, ``/v2/clock``, ``/v2/calendar`` and their successors ``/v3/clock``, ``/v3/calendar/{market}``. Does not
belong here: which days are sessions (``trading.calendar``; before 2000 the exchange's published calendar).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from functools import lru_cache
from typing import Any, NamedTuple

import exchange_calendars
from starlette.requests import Request
from starlette.responses import Response

from catalyst_assets.simulator.market import Hours
from catalyst_assets.simulator.routes.alpaca_requests import NOT_FOUND, choice, parse_day, parse_instant
from catalyst_assets.simulator.routes.wire import NEW_YORK, Json, asset_id, asset_json, eastern, stamp
from catalyst_assets.simulator.state import Simulation
from catalyst_assets.simulator.venue.admission import fractionable, malformed
from catalyst_assets.simulator.venue.broker import broker_clock
from catalyst_assets.simulator.venue.orders import ExchangeRefusal

FIRST_DAY, LAST_DAY = date(1970, 1, 1), date(2029, 12, 31)
"""What the vendor's calendar covers."""

SETTLEMENT: tuple[tuple[date, int], ...] = (
    (date(2024, 5, 28), 1),
    (date(2017, 9, 5), 2),
    (date(1995, 6, 7), 3),
    (date(1970, 1, 1), 5),
)
"""(trades from, settle after so many sessions). Source: SEC Rule 15c6-1 and its amendments."""


_ATTRIBUTES = "ptp_no_exception ptp_with_exception ipo has_options options_late_close fractional_eh_enabled"
ATTRIBUTES = frozenset([*_ATTRIBUTES.split(), "overnight_tradable", "overnight_halted"])


class Market(NamedTuple):
    """A market as version 3 names it."""

    acronym: str
    mic: str
    name: str


NASDAQ, NYSE = Market("NASDAQ", "XNAS", "Nasdaq Stock Market"), Market("NYSE", "XNYS", "New York Stock Exchange")
MARKETS: Mapping[str, Market] = {"NASDAQ": NASDAQ, "XNAS": NASDAQ, "NYSE": NYSE, "XNYS": NYSE}
"""Markets the simulator has; the vendor knows thirty more, which are refused here."""


class Day(NamedTuple):
    """One session of the calendar, New York wall clock."""

    session: date
    open: time
    close: time


@lru_cache(maxsize=1)
def trading_days() -> tuple[Day, ...]:
    """Every session of the vendor's range, oldest first (about 15,000; made on first use)."""
    schedule = exchange_calendars.get_calendar("XNYS", start=str(FIRST_DAY), end="2030-01-31").schedule
    opens = schedule["open"].dt.tz_convert(NEW_YORK)
    closes = schedule["close"].dt.tz_convert(NEW_YORK)
    return tuple(
        Day(day.date(), opened.time(), closed.time())
        for day, opened, closed in zip(schedule.index, opens, closes, strict=True)
    )


@lru_cache(maxsize=1)
def _positions() -> dict[date, int]:
    return {day.session: index for index, day in enumerate(trading_days())}


def settlement_date(session: date) -> date:
    """When a trade of ``session`` settles."""
    after = next(sessions for since, sessions in SETTLEMENT if session >= since)
    return trading_days()[_positions()[session] + after].session


class AssetRoutes:
    """Handlers of assets, clocks and calendars."""

    def __init__(self, state: Simulation) -> None:
        self.state = state
        self.exchange = state.exchange
        self._by_id = {asset_id(symbol): symbol for symbol in state.view.instruments}

    def handlers(self) -> list[tuple[str, str, Any]]:
        """Path, method and handler of each operation."""
        return [
            ("/v2/clock", "GET", self.clock),
            ("/v2/calendar", "GET", self.calendar),
            ("/v2/assets", "GET", self.assets),
            ("/v2/assets/{symbol:path}", "GET", self.asset),
            ("/v3/clock", "GET", self.clocks),
            ("/v3/calendar/{market}", "GET", self.market_calendar),
        ]

    # --------------------------------------------------------------------------------------------------------- assets

    def asset_body(self, symbol: str) -> dict[str, Any]:
        """One asset as the vendor writes it now."""
        row = self.state.view.instruments[symbol]
        body = asset_json(row, fractionable=fractionable(row))
        if not self.exchange.config.habits.easy_to_borrow_served:
            del body["easy_to_borrow"]
        return body

    def find(self, symbol_or_id: str) -> str | None:
        """The symbol of a symbol or asset id, ``None`` when there is none."""
        symbol = self._by_id.get(symbol_or_id, symbol_or_id)
        return symbol if symbol in self.state.view.instruments else None

    async def assets(self, request: Request) -> Response:
        query = request.query_params
        attributes = {name for name in query.get("attributes", "").split(",") if name}
        if not attributes <= ATTRIBUTES:
            raise malformed(f"invalid attributes: {query['attributes']}")  # wording guessed
        rows = [
            self.asset_body(symbol)
            for symbol, row in self.state.view.instruments.items()
            if query.get("status", "") in ("", "all", row["status"])
            and query.get("asset_class", "us_equity") == "us_equity"
            and query.get("exchange", row["exchange"]) == row["exchange"]
        ]
        return Json([row for row in rows if not attributes or attributes & set(row["attributes"])])

    async def asset(self, request: Request) -> Response:
        wanted = request.path_params["symbol"]
        symbol = self.find(wanted)
        if symbol is None:
            raise ExchangeRefusal(NOT_FOUND, 404, f"asset not found for {wanted}")
        return Json(self.asset_body(symbol))

    # ---------------------------------------------------------------------------------------------- clock and calendar

    async def clock(self, _: Request) -> Response:
        clock = broker_clock(self.state.view, self.exchange.now)
        return Json(
            {
                "timestamp": eastern(clock.now),
                "is_open": clock.is_open,
                "next_open": eastern(clock.next_open),
                "next_close": eastern(clock.next_close),
            }
        )

    async def calendar(self, request: Request) -> Response:
        query = request.query_params
        start = parse_day(query["start"], "start") if query.get("start") else FIRST_DAY
        end = parse_day(query["end"], "end") if query.get("end") else LAST_DAY
        by_settlement = choice(request, "date_type", ("TRADING", "SETTLEMENT"), "TRADING") == "SETTLEMENT"
        rows = []
        for day in trading_days():
            if day.session > LAST_DAY:
                break
            if not by_settlement and not start <= day.session <= end:
                continue
            settles = settlement_date(day.session)
            if by_settlement and not start <= settles <= end:
                continue
            late = day.close.hour < 16
            rows.append(
                {
                    "date": day.session.isoformat(),
                    "open": f"{day.open:%H:%M}",
                    "close": f"{day.close:%H:%M}",
                    "session_open": "0400",
                    "session_close": "1700" if late else "2000",
                    "settlement_date": settles.isoformat(),
                }
            )
        return Json(rows)

    def _market(self, name: str) -> Market:
        market = MARKETS.get(name)
        if market is None:
            raise ExchangeRefusal(40010000, 400, f"invalid market: {name}")  # code and wording guessed
        return market

    async def clocks(self, request: Request) -> Response:
        names = [name for name in request.query_params.get("markets", "NYSE").split(",") if name]
        given = request.query_params.get("time")
        view = self.state.view
        try:
            at = parse_instant(given, "time") if given else self.exchange.now
        except ExchangeRefusal as error:
            raise ExchangeRefusal(error.code, 400, error.message) from error
        if not date(2000, 1, 5) <= at.date() <= LAST_DAY:
            raise ExchangeRefusal(40010000, 400, f"invalid time: {given}")
        hours = view.session_for(at)
        clock = broker_clock(view, at)
        phase, until = _phase(hours, at)
        return Json(
            {
                "clocks": [
                    {
                        "market": _market_json(self._market(name)),
                        "timestamp": stamp(at),
                        "is_market_day": hours.session == at.astimezone(NEW_YORK).date(),
                        "next_market_open": stamp(clock.next_open),
                        "next_market_close": stamp(clock.next_close),
                        "phase": phase,
                        "phase_until": stamp(until),
                    }
                    for name in names
                ]
            }
        )

    async def market_calendar(self, request: Request) -> Response:
        query, view = request.query_params, self.state.view
        market = self._market(request.path_params["market"])
        today = self.exchange.now.astimezone(NEW_YORK).date()
        zone = query.get("timezone")
        if zone not in (None, "UTC"):
            raise ExchangeRefusal(40010000, 400, f"invalid timezone: {zone}")
        try:
            start = date.fromisoformat(query["start"]) if query.get("start") else today
            end = date.fromisoformat(query["end"]) if query.get("end") else date(today.year, 12, 31)
        except ValueError as error:
            raise ExchangeRefusal(40010000, 400, "invalid date") from error
        known = (max(start, date(2000, 1, 4)), min(end, LAST_DAY))

        def written(at: datetime) -> str:
            return at.astimezone(UTC if zone else NEW_YORK).isoformat()

        rows = []
        for day in view.calendar.sessions(*known) if known[0] <= known[1] else []:
            hours = view.hours(day)
            rows.append(
                {
                    "date": day.isoformat(),
                    "pre_start": written(hours.pre_open),
                    "pre_end": written(hours.open),
                    "core_start": written(hours.open),
                    "core_end": written(hours.close),
                    "post_start": written(hours.close),
                    "post_end": written(hours.post_close),
                    "settlement_date": settlement_date(day).isoformat(),
                }
            )
        return Json({"market": _market_json(market), "calendar": rows})


def _market_json(market: Market) -> dict[str, str]:
    return {"acronym": market.acronym, "mic": market.mic, "name": market.name, "timezone": "America/New_York"}


def _phase(hours: Hours, at: datetime) -> tuple[str, datetime]:
    """``(phase, until when)`` at ``at``; ``hours`` are of the first session that has not ended."""
    edges = (("closed", hours.pre_open), ("pre", hours.open), ("core", hours.close), ("post", hours.post_close))
    return next((name, edge) for name, edge in edges if at < edge)
