"""The life of an open position: trail, time stop, contradicting news, flat before the close, flat on the day's loss.

Belongs here: which positions must change now and why. Does not belong here: how a change reaches the broker (``execution/``).
The rules are mirrored for shorts. A stop is only ever tightened, never loosened. Without a quote neither the trail nor the time
stop is judged (the stop resting at the broker still protects); the close and the day's loss need no quote.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

import pandas as pd

from catalyst_assets.trading.config import PositionConfig, TradingConfig
from catalyst_assets.trading.prices import round_down, round_up
from catalyst_assets.trading.risk import Quote


@dataclass(frozen=True, slots=True)
class OpenPosition:
    """A position as the rules see it: prices in USD per share, times in UTC."""

    trade_id: str
    symbol: str
    direction: str
    """``long`` or ``short``."""
    entry_price: float
    entry_time: datetime
    stop_now: float
    risk_per_share: float
    best_price: float
    """The best price seen since entry that the position could have been closed at: the high-water mark (short: low-water)."""

    @property
    def sign(self) -> int:
        return 1 if self.direction == "long" else -1


@dataclass(frozen=True, slots=True)
class PositionContext:
    """What the rules look at besides the positions. ``mentions`` has the mention columns ``news_id, symbol, available_at,
    source_tier, direction, headline`` (and ``live_source`` where known); ``None`` when no articles were read."""

    now: datetime
    open: datetime
    close: datetime
    """Open and close of the regular session."""
    equity: float
    day_base: float
    quotes: Mapping[str, Quote]
    mentions: pd.DataFrame | None = None


@dataclass(frozen=True, slots=True)
class PositionAction:
    """What to do with one position: ``kind`` ``trail`` (move the stop to ``stop``) or ``exit``.

    ``reason`` is the exit reason stored with the trade: ``trail``, ``time``, ``news``, ``close`` or ``flatten``.
    """

    trade_id: str
    symbol: str
    kind: str
    reason: str
    message: str
    stop: Decimal | None = None
    news_id: str | None = None


def exit_price(direction: str, quote: Quote) -> float:
    """What closing would get now, USD per share: the bid for a long, the ask for a short."""
    return quote.bid if direction == "long" else quote.ask


def manage(positions: Sequence[OpenPosition], context: PositionContext, config: TradingConfig) -> list[PositionAction]:
    """At most one action per position, in the order given. Pure.

    Rules in order of precedence: day loss, close, contradicting article, time stop, trail.
    """
    loss = _day_loss(context, config)
    actions: list[PositionAction] = []
    for position in positions:
        action = (
            _exit(position, "flatten", loss)
            or _exit(position, "close", _before_close(position, context, config.position))
            or _contradicted(position, context, config.position)
            or _exit(position, "time", _time_stop(position, context, config.position))
            or _trail(position, context, config.position)
        )
        if action is not None:
            actions.append(action)
    return actions


def _exit(position: OpenPosition, reason: str, message: str | None) -> PositionAction | None:
    return PositionAction(position.trade_id, position.symbol, "exit", reason, message) if message else None


def _day_loss(context: PositionContext, config: TradingConfig) -> str | None:
    if not context.day_base > 0:
        return None
    loss = (context.day_base - context.equity) / context.day_base
    if loss < config.risk.max_day_loss:
        return None
    return f"the day's loss is {loss:.2%}; from {config.risk.max_day_loss:.2%} everything is closed"


def _before_close(position: OpenPosition, context: PositionContext, config: PositionConfig) -> str | None:
    if config.hold_overnight:
        return None
    if position.entry_time < context.open <= context.now:
        return "left over from an earlier session (it could not be closed in time)"
    if context.now < context.close - timedelta(minutes=config.flat_before_close_minutes):
        return None
    return f"flat {config.flat_before_close_minutes:g} minutes before the close at {context.close:%H:%M} UTC"


def _time_stop(position: OpenPosition, context: PositionContext, config: PositionConfig) -> str | None:
    held = (context.now - position.entry_time).total_seconds() / 60
    quote = context.quotes.get(position.symbol)
    if held < config.time_stop_minutes or quote is None or not quote.usable:
        return None
    gain = (exit_price(position.direction, quote) - position.entry_price) * position.sign
    if gain > 0:
        return None
    return (
        f"no profit after {held:.0f} minutes ({gain:+.2f} USD per share); the limit is {config.time_stop_minutes:.0f}"
    )


def _contradicted(position: OpenPosition, context: PositionContext, config: PositionConfig) -> PositionAction | None:
    mentions = context.mentions
    if mentions is None or mentions.empty:
        return None
    hit = mentions[
        (mentions["symbol"] == position.symbol)
        & (mentions["available_at"] > pd.Timestamp(position.entry_time))
        & (mentions["available_at"] <= pd.Timestamp(context.now))
        & (mentions["source_tier"] <= config.contradiction_tier)
        & (mentions["direction"] * position.sign <= -config.contradiction_direction)
        & (mentions["direction"] * position.sign < 0)
    ]
    if "live_source" in hit.columns:
        hit = hit[hit["live_source"].astype(bool)]
    if hit.empty:
        return None
    first = hit.sort_values(["available_at", "news_id"], kind="stable").iloc[0]
    message = (
        f"an article of tier {int(first['source_tier'])} with direction {float(first['direction']):+.2f} contradicts the "
        f"{position.direction}: {first['headline']}"
    )
    return PositionAction(position.trade_id, position.symbol, "exit", "news", message, news_id=str(first["news_id"]))


def _trail(position: OpenPosition, context: PositionContext, config: PositionConfig) -> PositionAction | None:
    quote = context.quotes.get(position.symbol)
    sign = position.sign
    gained = (position.best_price - position.entry_price) * sign / position.risk_per_share
    if gained < config.trail_after_r or quote is None or not quote.usable:
        return None
    distance = config.trail_pct / 100
    if sign > 0:
        stop = round_down(position.best_price * (1 - distance))
    else:
        stop = round_up(position.best_price * (1 + distance))
    if (float(stop) - position.stop_now) * sign <= 0:
        return None
    now = exit_price(position.direction, quote)
    if (now - float(stop)) * sign <= 0:
        message = f"the price {now:.2f} is already through the trailing stop {stop} (best {position.best_price:.2f})"
        return PositionAction(position.trade_id, position.symbol, "exit", "trail", message, stop=stop)
    message = f"{gained:.2f} R at best ({position.best_price:.2f}): stop from {position.stop_now:.2f} to {stop}"
    return PositionAction(position.trade_id, position.symbol, "trail", "trail", message, stop=stop)
