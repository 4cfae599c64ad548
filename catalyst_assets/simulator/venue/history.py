"""The account's equity at past instants, from its activities and the tape; and the vendor's portfolio history made of it.

Belongs here: valuing the past. Does not belong here: the account now (``exchange``) and query parameters (``routes``).
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from catalyst_assets.simulator.exchange import Exchange
from catalyst_assets.simulator.market import Hours
from catalyst_assets.simulator.venue.admission import malformed

TIMEFRAMES = {
    "1Min": timedelta(minutes=1),
    "5Min": timedelta(minutes=5),
    "15Min": timedelta(minutes=15),
    "1H": timedelta(hours=1),
    "1D": timedelta(days=1),
}
REPORTING = ("market_hours", "extended_hours", "continuous")
PERIOD_DAYS = {"D": 1, "W": 7, "M": 30, "A": 365}
MAX_POINTS = 10_000


def equity_at(exchange: Exchange, instants: Sequence[datetime]) -> list[Decimal]:
    """Equity, USD, at each of the ascending ``instants`` (UTC): cash after all activities by then, positions at the last price
    that was visible. Before the account existed it is zero."""
    activities = exchange.activities()
    cash, held, done = exchange.starting_cash, defaultdict[str, Decimal](Decimal), 0
    result = []
    for at in instants:
        while done < len(activities) and activities[done].at <= at:
            activity = activities[done]
            if activity.kind == "FILL":
                signed = activity.qty if activity.side == "buy" else -activity.qty
                cash -= activity.price * signed
                held[activity.symbol] += signed
            cash += activity.net_amount
            done += 1
        value = sum((qty * _price(exchange, symbol, at) for symbol, qty in held.items() if qty), Decimal(0))
        result.append(cash + value if at >= exchange.created_at else Decimal(0))
    return result


def _price(exchange: Exchange, symbol: str, at: datetime) -> Decimal:
    price = exchange.view.last_price(symbol, at)
    return Decimal(0) if price is None else Decimal(str(round(price, 4)))


def _length(period: str) -> timedelta:
    """``1D``, ``2W``, ``3M``, ``1A`` as a length; a month counts 30 days. Raises a 422 refusal."""
    match = re.fullmatch(r"([1-9][0-9]{0,3})([DWMA])", period)
    if match is None:
        raise malformed(f"invalid period: {period}")
    return timedelta(days=int(match[1]) * PERIOD_DAYS[match[2]])


def portfolio_history(
    exchange: Exchange,
    *,
    period: str | None,
    timeframe: str | None,
    start: datetime | None,
    end: datetime | None,
    reporting: str,
    reset_daily: bool,
) -> dict[str, Any]:
    """The vendor's object: parallel arrays ``timestamp`` (unix seconds), ``equity``, ``profit_loss``, ``profit_loss_pct``.

    Without a timeframe it is 1Min below 7 days, 15Min below 30, else 1D. Profit is since the previous session's close
    (``reset_daily``) or since the beginning of the range. Raises a 422 refusal for a range that makes no sense.
    """
    if period is not None and start is not None and end is not None:
        raise malformed("only two of period, start and end are accepted")  # wording guessed
    last = min(end or exchange.now, exchange.now)
    length = _length(period or "1M")
    try:
        first = start if start is not None else last - length
        if start is not None and end is None and period is not None:
            last = min(start + length, exchange.now)
    except OverflowError as error:
        raise malformed("invalid range") from error
    if end is not None and first > end:
        raise malformed("start must be before end")  # wording guessed
    span = last - first
    if timeframe is None:
        timeframe = "1Min" if span < timedelta(days=7) else "15Min" if span < timedelta(days=30) else "1D"
    sessions = [
        exchange.view.hours(day)
        for day in exchange.view.calendar.sessions(max(first.date(), _EARLIEST.date()), max(last, _EARLIEST).date())
    ]
    if timeframe == "1D":
        points = [(hours.close, min(hours.close, exchange.now)) for hours in sessions if hours.open <= last]
    else:
        step = TIMEFRAMES[timeframe]
        points = [(at, at) for hours in sessions for at in _grid(hours, step, reporting) if first <= at <= last]
    points = points[-MAX_POINTS:]
    equity = equity_at(exchange, [at for _, at in points])
    base = exchange.starting_cash if first < exchange.created_at else equity_at(exchange, [first])[0]
    profits = _profits(exchange, points, equity, base, daily=timeframe == "1D", reset=reset_daily)
    stamps = [
        int(exchange.view.hours(exchange.view.session_for(at - timedelta(microseconds=1)).session).pre_open.timestamp())
        if timeframe == "1D"
        else int(at.timestamp())
        for at, _ in points
    ]
    return {
        "timestamp": stamps,
        "equity": [round(float(value), 4) for value in equity],
        "profit_loss": [round(float(profit), 4) for profit, _ in profits],
        "profit_loss_pct": [round(float(profit / of), 6) if of else 0.0 for profit, of in profits],
        "base_value": round(float(base), 4),
        "base_value_asof": max(first, _EARLIEST).date().isoformat(),
        "timeframe": timeframe,
        "cashflow": {},
    }


_EARLIEST = datetime.fromisoformat("2000-01-03T00:00:00+00:00")


def _grid(hours: Hours, step: timedelta, reporting: str) -> list[datetime]:
    begin, end = (hours.open, hours.close) if reporting == "market_hours" else (hours.pre_open, hours.post_close)
    return [begin + number * step for number in range(int((end - begin) / step) + 1)]


def _profits(
    exchange: Exchange,
    points: Sequence[tuple[datetime, datetime]],
    equity: Sequence[Decimal],
    base: Decimal,
    *,
    daily: bool,
    reset: bool,
) -> list[tuple[Decimal, Decimal]]:
    """``(profit, what it is a part of)`` of each point, USD."""
    if not reset:
        return [(value - base if value else Decimal(0), base) for value in equity]
    result: list[tuple[Decimal, Decimal]] = []
    reference, session = base, None
    previous = base
    for (at, _), value in zip(points, equity, strict=True):
        today = exchange.view.session_for(at - timedelta(microseconds=1)).session
        if session is not None and today != session:
            reference = previous
        session = today
        result.append((value - reference if value else Decimal(0), reference))
        previous = value or previous
    return result
