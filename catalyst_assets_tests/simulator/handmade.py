"""A small tape made by hand: tests say what each minute does and nothing else happens.

Belongs here: building tapes, exchanges and requests for tests. Does not belong here: assertions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd

from catalyst_assets.simulator.exchange import Exchange
from catalyst_assets.simulator.tape import DAILY_COLUMNS, TAPE_BAR_COLUMNS, Halt, WireArticle
from catalyst_assets.simulator.venue.orders import ExchangeConfig, NewOrder

NEW_YORK = ZoneInfo("America/New_York")
THURSDAY, FRIDAY = date(2026, 11, 19), date(2026, 11, 20)
SYMBOLS = ("AAA", "BBB", "CCC", "DDD")
VOLUME = 10_000.0
FLAT = 100.0


def ny(hour: int, minute: int = 0, second: int = 0, day: date = FRIDAY) -> datetime:
    """An instant in New York wall time, as UTC."""
    return datetime(day.year, day.month, day.day, hour, minute, second, tzinfo=NEW_YORK).astimezone(UTC)


@dataclass
class HandTape:
    """A ``MarketTape`` of plain attributes."""

    frames: Mapping[date, pd.DataFrame]
    instruments: pd.DataFrame
    daily_frame: pd.DataFrame
    halted: tuple[Halt, ...] = ()
    wire: tuple[WireArticle, ...] = ()
    step: timedelta = timedelta(minutes=1)
    feed: str = "sip"
    sessions: tuple[date, ...] = field(default=())

    def __post_init__(self) -> None:
        self.sessions = tuple(sorted(self.frames))

    def bars(self, session: date) -> pd.DataFrame:
        return self.frames[session]

    def daily(self) -> pd.DataFrame:
        return self.daily_frame

    def halts(self, session: date) -> tuple[Halt, ...]:
        if session not in self.frames:
            raise KeyError(session)
        return tuple(h for h in self.halted if h.start.astimezone(NEW_YORK).date() == session)

    def articles(self) -> tuple[WireArticle, ...]:
        return self.wire


def instruments() -> pd.DataFrame:
    """AAA and BBB trade freely, CCC cannot be borrowed, DDD is not tradable."""
    rows = [
        {
            "symbol": symbol,
            "name": f"{symbol} Corporation Common Stock",
            "exchange": "NASDAQ",
            "asset_class": "us_equity",
            "status": "active",
            "tradable": symbol != "DDD",
            "shortable": symbol != "CCC",
            "easy_to_borrow": symbol != "CCC",
            "is_common_stock": True,
            "sector": "technology",
        }
        for symbol in SYMBOLS
    ]
    return pd.DataFrame(rows)


Minute = tuple[float, float, float, float] | tuple[float, float, float, float, float]
"""open, high, low, close and optionally volume."""


def tape(
    minutes: Mapping[str, Sequence[Minute]] | None = None,
    *,
    first: datetime | None = None,
    halts: Sequence[Halt] = (),
    articles: Sequence[WireArticle] = (),
    half_spread: float = 0.01,
    step: timedelta = timedelta(minutes=1),
) -> HandTape:
    """Two sessions, all flat at 100 from 04:00 to 20:00 except that on Friday, from ``first`` (10:00) on, each symbol of
    ``minutes`` does what its list says and then stays at the last close."""
    first = first or ny(10)
    frames = {}
    for day in (THURSDAY, FRIDAY):
        ts = pd.date_range(ny(4, day=day), ny(20, day=day), freq=step, inclusive="left").as_unit("us")
        parts = []
        for symbol in SYMBOLS:
            data: dict[str, Any] = {
                "symbol": symbol,
                "ts": ts,
                "open": FLAT,
                "high": FLAT,
                "low": FLAT,
                "close": FLAT,
                "volume": VOLUME,
                "vwap": FLAT,
                "trade_count": 50.0,
                "half_spread": half_spread,
            }
            frame = pd.DataFrame(data)
            if day == FRIDAY and minutes and symbol in minutes:
                start = int(ts.searchsorted(pd.Timestamp(first)))
                for offset, minute in enumerate(minutes[symbol]):
                    row = start + offset
                    o, h, low, c = minute[:4]
                    frame.loc[row, ["open", "high", "low", "close", "vwap"]] = [o, h, low, c, (h + low) / 2]
                    if len(minute) == 5:
                        frame.loc[row, "volume"] = minute[4]
                last = minutes[symbol][-1][3]
                rest = frame.index > start + len(minutes[symbol]) - 1
                frame.loc[rest, ["open", "high", "low", "close", "vwap"]] = last
            parts.append(frame)
        frames[day] = pd.concat(parts, ignore_index=True)[list(TAPE_BAR_COLUMNS)]
    daily_rows = [
        (symbol, day, FLAT, FLAT, FLAT, FLAT, VOLUME * 390)
        for symbol in SYMBOLS
        for day in (date(2026, 11, 17), date(2026, 11, 18), THURSDAY, FRIDAY)
    ]
    daily = pd.DataFrame(daily_rows, columns=list(DAILY_COLUMNS))
    return HandTape(frames, instruments(), daily, tuple(halts), tuple(articles), step)


def exchange(made: HandTape | None = None, *, at: datetime | None = None, **config: Any) -> Exchange:
    """An exchange on a tape (flat by default), standing at ``at`` (Friday 10:00)."""
    return Exchange(made or tape(), start=at or ny(10), config=ExchangeConfig(**config), seed=7)


def order(symbol: str = "AAA", side: str = "buy", qty: int | str = 100, **changes: Any) -> NewOrder:
    """A market DAY order unless told otherwise; prices may be strings."""
    prices = ("limit_price", "stop_price", "take_profit_limit", "stop_loss_stop", "stop_loss_limit")
    values = {k: Decimal(v) if k in prices and v is not None else v for k, v in changes.items()}
    kind = values.pop("type", "limit" if "limit_price" in values else "stop" if "stop_price" in values else "market")
    return NewOrder(
        symbol=symbol,
        side=side,
        type=kind,
        time_in_force=values.pop("time_in_force", "day"),
        qty=Decimal(qty),
        **values,
    )


def bracket(
    qty: int = 100, *, entry: str = "100.10", target: str = "103", stop: str = "98", **changes: Any
) -> NewOrder:
    """A long bracket with a limit entry."""
    return order(
        qty=qty,
        limit_price=entry,
        order_class="bracket",
        take_profit_limit=target,
        stop_loss_stop=stop,
        **changes,
    )
