"""Yahoo Finance as yfinance asks for it, over the tape: ``/yahoo/<host>/…``.

Belongs here: cookie, crumb, chart, screener, news and search in Yahoo's formats. Does not belong here: what is visible.
"""

from __future__ import annotations

import json
import math
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from catalyst_assets.simulator.market import Hours, resample_chunk
from catalyst_assets.simulator.routes.limits import Standing
from catalyst_assets.simulator.routes.wire import NEW_YORK, Json
from catalyst_assets.simulator.state import Simulation, visible_articles
from catalyst_assets.simulator.venue.broker import active_frame
from catalyst_assets.simulator.worlds.pricepath import MICROSECOND, instant, micros

CRUMB = "sim.crumb"
INTERVALS = {"1m": 1, "2m": 2, "5m": 5, "15m": 15, "30m": 30, "60m": 60, "1h": 60, "90m": 90}
HISTORY = {"1m": 30, "60m": 730, "1h": 730}
"""Days back an interval reaches; the other intraday ones reach 60."""
RANGES = {
    "1d": 1,
    "5d": 7,
    "1mo": 31,
    "3mo": 92,
    "6mo": 183,
    "1y": 365,
    "2y": 730,
    "5y": 1826,
    "10y": 3652,
    "max": 36500,
}
VALID_RANGES = ["1d", "5d", "1mo", "3mo", "6mo", "1y", "2y", "5y", "10y", "ytd", "max"]
_ITEMS = uuid.UUID("b1a1f9c2-7a55-5a7e-8a53-2f1f7f1f6b10")


class YahooRoutes:
    """Handlers; ``host`` in the path is the host the client meant."""

    def __init__(self, state: Simulation) -> None:
        self.state = state

    def routes(self) -> list[Route]:
        """All routes."""

        def route(path: str, handler: Any, method: str = "GET") -> Route:
            guarded = self.state.route("yahoo", handler, limited=self._limited, refuse=lambda _: None)
            return Route(f"/yahoo/{{host}}{path}", guarded, methods=[method])

        return [
            route("/v1/test/getcrumb", self.crumb),
            route("/v8/finance/chart/{symbol}", self.chart),
            route("/v1/finance/screener/predefined/saved", self.screener),
            route("/v1/finance/search", self.search),
            route("/xhr/ncp", self.news, "POST"),
            route("/", self.cookie),
        ]

    @staticmethod
    def _limited(_: Standing) -> Response:
        return PlainTextResponse("Too Many Requests\r\n", 429, media_type="text/html")

    async def cookie(self, _: Request) -> Response:
        response = PlainTextResponse("", 404)
        response.set_cookie("A3", "d=simulated", max_age=31_536_000)
        return response

    async def crumb(self, _: Request) -> Response:
        return PlainTextResponse(CRUMB)

    def _unauthorized(self, request: Request) -> Response | None:
        if request.query_params.get("crumb", CRUMB) == CRUMB:
            return None
        error = {"code": "Unauthorized", "description": "Invalid Crumb"}
        return Json({"finance": {"result": None, "error": error}}, 401)

    # ---------------------------------------------------------------------------------------------------------- chart

    @staticmethod
    def _chart_error(status: int, code: str, description: str) -> Response:
        return Json({"chart": {"result": None, "error": {"code": code, "description": description}}}, status)

    def _window(self, request: Request, now: datetime) -> tuple[datetime, datetime]:
        query = request.query_params
        if query.get("period1"):
            end = datetime.fromtimestamp(int(query.get("period2") or now.timestamp()), UTC)
            return datetime.fromtimestamp(int(query["period1"]), UTC), end
        name = query.get("range", "1d")
        local = now.astimezone(NEW_YORK)
        if name == "ytd":
            return datetime(local.year, 1, 1, tzinfo=NEW_YORK).astimezone(UTC), now
        midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
        return (midnight - timedelta(days=RANGES.get(name, 1) - 1)).astimezone(UTC), now

    async def chart(self, request: Request) -> Response:
        denied = self._unauthorized(request)
        if denied is not None:
            return denied
        symbol, now, query = request.path_params["symbol"], self.state.exchange.now, request.query_params
        if symbol not in self.state.view.instruments:
            return self._chart_error(404, "Not Found", "No data found, symbol may be delisted")
        interval = query.get("interval", "1d")
        extended = query.get("includePrePost", "false").lower() == "true"
        try:
            start, end = self._window(request, now)
        except (ValueError, OverflowError):
            return self._chart_error(400, "Bad Request", "invalid period")
        if interval in INTERVALS:
            reach = HISTORY.get(interval, 60)
            if start < now - timedelta(days=reach):
                return self._chart_error(
                    422,
                    "Unprocessable Entity",
                    f"{interval} data not available for startTime={int(start.timestamp())} and "
                    f"endTime={int(end.timestamp())}. The requested range must be within the last {reach} days.",
                )
            columns = self._intraday(symbol, interval, start, end, extended)
        elif interval in ("1d", "1wk", "1mo"):
            columns = self._daily(symbol, start, end)
        else:
            return self._chart_error(
                422, "Unprocessable Entity", f"Invalid input - interval={interval} is not supported"
            )
        result = self._result(symbol, interval, query.get("range", ""), columns, extended)
        return Json({"chart": {"result": [result], "error": None}})

    def _intraday(
        self, symbol: str, interval: str, start: datetime, end: datetime, extended: bool
    ) -> dict[str, list[Any]]:
        view, now = self.state.view, micros(self.state.exchange.now)
        size = max(timedelta(minutes=INTERVALS[interval]), self.state.tape.step) // MICROSECOND
        rows: dict[str, list[Any]] = {name: [] for name in ("timestamp", "open", "high", "low", "close", "volume")}
        for chunk in view.chunks([symbol], micros(start), micros(end), now):
            if not extended:
                inside = np.zeros(len(chunk.ts), dtype=bool)
                for session in view.tape.sessions:
                    hours = view.hours(session)
                    inside |= (chunk.ts >= micros(hours.open)) & (chunk.ts < micros(hours.close))
                chunk = chunk._replace(
                    ts=chunk.ts[inside], columns={name: values[inside] for name, values in chunk.columns.items()}
                )
            chunk = resample_chunk(chunk, size)
            rows["timestamp"] = (chunk.ts // 1_000_000).tolist()
            for name in ("open", "high", "low", "close"):
                rows[name] = np.round(chunk.columns[name], 6).tolist()
            rows["volume"] = chunk.columns["volume"].astype(np.int64).tolist()
        return rows

    def _daily(self, symbol: str, start: datetime, end: datetime) -> dict[str, list[Any]]:
        view, now = self.state.view, self.state.exchange.now
        rows: dict[str, list[Any]] = {name: [] for name in ("timestamp", "open", "high", "low", "close", "volume")}
        bars = view.daily().get(symbol)
        for position, session in enumerate(bars.sessions if bars else ()):
            hours = view.hours(session)
            if bars is None or hours.close <= start or hours.open >= end or hours.open > now:
                continue
            if hours.close <= now:
                values = {name: float(column[position]) for name, column in bars.columns.items()}
            else:
                running = view.session_totals(symbol, hours, micros(now), regular=True)
                if running is None:
                    continue
                values = {name: getattr(running, name) for name in ("open", "high", "low", "close", "volume")}
            rows["timestamp"].append(int(hours.open.timestamp()))
            for name, value in values.items():
                rows[name].append(int(value) if name == "volume" else round(value, 6))
        return rows

    def _result(
        self, symbol: str, interval: str, range_: str, rows: dict[str, list[Any]], extended: bool
    ) -> dict[str, Any]:
        view, now = self.state.view, self.state.exchange.now
        row, hours = view.instruments[symbol], view.session_for(now)
        price = view.last_price(symbol, now)
        offset = _offset(now)
        meta = {
            "currency": "USD",
            "symbol": symbol,
            "exchangeName": "NMS" if row["exchange"] == "NASDAQ" else "NYQ",
            "fullExchangeName": str(row["exchange"]),
            "instrumentType": "EQUITY" if row.get("is_common_stock", True) else "ETF",
            "firstTradeDate": 0,
            "regularMarketTime": int(min(now, hours.close).timestamp()),
            "hasPrePostMarketData": True,
            "gmtoffset": offset,
            "timezone": f"{now.astimezone(NEW_YORK):%Z}",
            "exchangeTimezoneName": "America/New_York",
            "regularMarketPrice": price,
            "longName": str(row["name"]),
            "shortName": str(row["name"]),
            "chartPreviousClose": view.previous_close(symbol, hours.session),
            "priceHint": 2,
            "currentTradingPeriod": _trading_period(hours, offset),
            "dataGranularity": interval,
            "range": range_,
            "validRanges": VALID_RANGES,
        }
        if interval in INTERVALS:
            meta["tradingPeriods"] = self._trading_periods(rows["timestamp"], extended)
        quote = {name: rows[name] for name in ("open", "high", "low", "close", "volume")}
        indicators: dict[str, Any] = {"quote": [quote]}
        if interval in ("1d", "1wk", "1mo"):
            indicators["adjclose"] = [{"adjclose": rows["close"]}]
        return {"meta": meta, "timestamp": rows["timestamp"], "indicators": indicators}

    def _trading_periods(self, stamps: list[int], extended: bool) -> Any:
        """Hours of every session with bars: regular ones only, or pre, regular and post when those were asked for."""
        view = self.state.view
        days = sorted({view.session_for(datetime.fromtimestamp(stamp, UTC)).session for stamp in stamps})
        periods = [_trading_period(view.hours(day), _offset(view.hours(day).open)) for day in days]
        if not extended:
            return [[period["regular"]] for period in periods]
        return {name: [[period[name]] for period in periods] for name in ("pre", "post", "regular")}

    # ------------------------------------------------------------------------------------------------ lists and news

    async def screener(self, request: Request) -> Response:
        denied = self._unauthorized(request)
        if denied is not None:
            return denied
        query, view, now = request.query_params, self.state.view, self.state.exchange.now
        name = query.get("scrIds", "most_actives")
        frame = active_frame(view, now)
        if name == "day_gainers":
            frame = frame[frame["change_pct"] > 0].sort_values("change_pct", ascending=False)
        elif name == "day_losers":
            frame = frame[frame["change_pct"] < 0].sort_values("change_pct")
        elif name != "most_actives":
            error = {"code": "Not Found", "description": f"No screener {name}"}
            return Json({"finance": {"result": None, "error": error}}, 404)
        count = min(int(query.get("count") or 25), 250)
        hours = view.session_for(now)
        quotes = []
        for row in frame.head(count).to_dict("records"):
            symbol, price, change = str(row["symbol"]), float(row["price"]), float(row["change_pct"])
            previous = view.previous_close(symbol, hours.session)
            instrument = view.instruments[symbol]
            quotes.append(
                {
                    "symbol": symbol,
                    "quoteType": "EQUITY" if instrument.get("is_common_stock", True) else "ETF",
                    "exchange": "NMS" if instrument["exchange"] == "NASDAQ" else "NYQ",
                    "shortName": str(instrument["name"]),
                    "marketState": "REGULAR" if hours.open <= now < hours.close else "CLOSED",
                    "regularMarketPrice": round(price, 4),
                    "regularMarketChange": None if previous is None else round(price - previous, 4),
                    "regularMarketChangePercent": None if math.isnan(change) else round(change, 4),
                    "regularMarketVolume": int(row["volume"]),
                    "regularMarketPreviousClose": previous,
                    "regularMarketTime": int(now.timestamp()),
                    "exchangeTimezoneName": "America/New_York",
                }
            )
        result = {
            "id": name,
            "title": name.replace("_", " ").title(),
            "canonicalName": name.upper(),
            "start": 0,
            "count": len(quotes),
            "total": len(frame),
            "quotes": quotes,
        }
        return Json({"finance": {"result": [result], "error": None}})

    async def news(self, request: Request) -> Response:
        try:
            service = json.loads(await request.body() or b"{}").get("serviceConfig", {})
        except (ValueError, AttributeError):
            return Json({"data": None, "errors": [{"message": "bad body"}]}, 400)
        wanted, count = set(service.get("s") or ()), int(service.get("snippetCount") or 10)
        found = [
            (article, texts)
            for article, texts in visible_articles(self.state, "yahoo", self.state.exchange.now)
            if not wanted or wanted.intersection(article.symbols)
        ]
        found.sort(key=lambda item: item[0].published_at, reverse=True)
        stream = []
        for article, texts in found[:count]:
            item_id = str(uuid.uuid5(_ITEMS, str(article.article_id)))
            published = f"{instant(micros(article.published_at)):%Y-%m-%dT%H:%M:%SZ}"
            stream.append(
                {
                    "id": item_id,
                    "content": {
                        "id": item_id,
                        "contentType": "STORY",
                        "title": texts[0],
                        "description": "",
                        "summary": texts[1],
                        "pubDate": published,
                        "displayTime": published,
                        "thumbnail": None,
                        "provider": {"displayName": article.outlet, "url": ""},
                        "canonicalUrl": {"url": article.url},
                        "clickThroughUrl": None,
                    },
                }
            )
        return Json({"data": {"tickerStream": {"stream": stream}}, "status": "OK"})

    async def search(self, request: Request) -> Response:
        text = request.query_params.get("q", "").lower()
        quotes = [
            {
                "exchange": "NMS" if row["exchange"] == "NASDAQ" else "NYQ",
                "shortname": str(row["name"]),
                "quoteType": "EQUITY",
                "symbol": symbol,
                "longname": str(row["name"]),
                "isYahooFinance": True,
            }
            for symbol, row in self.state.view.instruments.items()
            if text and (text in symbol.lower() or text in str(row["name"]).lower())
        ]
        return Json({"explains": [], "count": len(quotes), "quotes": quotes[:8], "news": [], "nav": [], "lists": []})


def _offset(at: datetime) -> int:
    """New York's offset from UTC at an instant, seconds."""
    return int((at.astimezone(NEW_YORK).utcoffset() or timedelta(0)).total_seconds())


def _trading_period(hours: Hours, offset: int) -> dict[str, Any]:
    edges = {"pre": hours[1:3], "regular": hours[2:4], "post": hours[3:5]}
    return {
        name: {
            "timezone": "EST" if offset == -18_000 else "EDT",
            "start": int(start.timestamp()),
            "end": int(end.timestamp()),
            "gmtoffset": offset,
        }
        for name, (start, end) in edges.items()
    }
