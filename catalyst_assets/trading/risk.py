"""Sizing and limits: intents in, allowed intents and reasons out.

Belongs here: the money rules of an entry, each as one named check with its value and its limit, and the size of a position.
Does not belong here: where the account, the quotes or the open positions come from (``execution/``), or what happens to a
position afterwards (``positions.py``).

Every check is evaluated and recorded even when an earlier one failed, so a refusal can be read whole; the first failing check
in the order of :data:`RULES` names it. An unknown value (no quote, no equity) fails its check: unknown is not zero.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from catalyst_assets.trading.config import RiskConfig, TradingConfig
from catalyst_assets.trading.prices import round_down, round_up, tick

RULES: tuple[str, ...] = (
    "account",
    "kill_switch",
    "mode",
    "entry_window",
    "signal_age",
    "levels",
    "quote",
    "quote_age",
    "spread",
    "price_drift",
    "halted",
    "short",
    "in_symbol",
    "max_positions",
    "narrative",
    "day_loss",
    "orders_per_day",
    "orders_per_minute",
    "size",
    "buying_power",
)
"""The checks in the order they are made; the first that fails names the refusal."""

SHORT_MARGIN_MARKUP = 1.03
"""A short entry is charged against buying power at this multiple of the ask (Alpaca: max(limit, ask × 1.03))."""

FUTURE_TOLERANCE = timedelta(seconds=5)
"""A decision time or a quote this far ahead of our clock is clock skew between two machines, further ahead is an error."""


@dataclass(frozen=True, slots=True)
class Quote:
    """A two-sided quote: USD per share, time in UTC."""

    bid: float
    ask: float
    ts: datetime

    @property
    def mid(self) -> float:
        return (self.bid + self.ask) / 2

    @property
    def usable(self) -> bool:
        """True when both sides are positive finite prices and not crossed."""
        return math.isfinite(self.bid) and math.isfinite(self.ask) and 0 < self.bid <= self.ask


@dataclass(frozen=True, slots=True)
class TradeIntent:
    """What a signal asks for: prices in USD per share as the signal named them."""

    signal_id: str
    symbol: str
    direction: str
    """``long`` or ``short``."""
    decision_time: datetime
    entry: float
    stop: float
    target1: float
    target2: float
    size_fraction: float
    narrative_id: str | None = None

    @property
    def sign(self) -> int:
        return 1 if self.direction == "long" else -1

    @property
    def risk_per_share(self) -> float:
        """Distance from the planned entry to the stop: one R, USD per share."""
        return (self.entry - self.stop) * self.sign

    @property
    def consistent(self) -> bool:
        """True when the stop is on the losing side of the entry and both targets on the winning side."""
        prices = (self.entry, self.stop, self.target1, self.target2, self.size_fraction)
        if not all(math.isfinite(value) and value > 0 for value in prices) or self.direction not in ("long", "short"):
            return False
        sign = self.sign
        return self.stop * sign < self.entry * sign < self.target1 * sign <= self.target2 * sign


@dataclass(frozen=True, slots=True)
class Exposure:
    """Something already held or on its way in one symbol: a position, an entering trade, a foreign order."""

    symbol: str
    narrative_id: str | None
    what: str
    """In a person's words: ``a position of 40 shares``, ``a working order``, ``an order whose fate is unknown``."""


@dataclass(frozen=True, slots=True)
class RiskContext:
    """Everything the limits are checked against, fresh from the broker. Money in USD, times in UTC."""

    now: datetime
    market_state: str
    """``closed``, ``pre``, ``regular`` or ``after``."""
    open: datetime
    close: datetime
    """Open and close of the regular session."""
    equity: float
    day_base: float
    """Equity the day's profit and loss is counted from (previous close)."""
    buying_power: float
    account_block: str | None = None
    """Why the account may not trade, ``None`` when it may."""
    kill_switch: str | None = None
    """Why all new entries are stopped, ``None`` when they are not."""
    shorting_enabled: bool = False
    shortable: frozenset[str] = frozenset()
    halted: frozenset[str] = frozenset()
    quotes: Mapping[str, Quote] = field(default_factory=dict)
    exposures: tuple[Exposure, ...] = ()
    ended_stories: tuple[str, ...] = ()
    """The narrative of each trade of this session that held shares and is over: a story that was traded twice is traded out."""
    orders_today: int = 0
    orders_last_minute: int = 0

    @property
    def day_pnl(self) -> float:
        """Profit and loss of the day, USD, open positions included."""
        return self.equity - self.day_base


@dataclass(frozen=True, slots=True)
class RiskCheck:
    """One check: what was seen, what is allowed, whether it passed, and a sentence with both."""

    name: str
    value: float | str | None
    limit: float | str | None
    passed: bool
    message: str

    def as_json(self) -> dict[str, Any]:
        """JSON types, as stored in ``risk_decisions.checks``."""
        return {
            "name": self.name, "value": self.value, "limit": self.limit, "passed": self.passed, "message": self.message,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class RiskDecision:
    """The answer to one intent. ``qty`` is 0 when refused; ``limit_price`` is the worst price the entry may pay."""

    intent: TradeIntent
    allowed: bool
    rule: str | None
    message: str
    qty: int
    limit_price: Decimal | None
    checks: tuple[RiskCheck, ...]


@dataclass(frozen=True, slots=True)
class Sizing:
    """The three ceilings of a position in whole shares, and the prices they come from (USD per share)."""

    by_risk: int
    by_cap: int
    by_buying_power: int
    limit_price: Decimal
    cost_per_share: float

    @property
    def qty(self) -> int:
        return min(self.by_risk, self.by_cap, self.by_buying_power)


def legs_of(qty: int) -> tuple[int, ...]:
    """Shares of the bracket orders of a position: target 1 takes half (the larger half), target 2 the rest; one share, one leg."""
    if qty < 2:
        return (qty,)
    return (qty - qty // 2, qty // 2)


def entry_limit(intent: TradeIntent, quote: Quote, config: RiskConfig) -> Decimal:
    """The limit of a marketable entry, USD: through the far side of the quote by one spread at most, never beyond the allowed
    drift from the planned entry, on the tick."""
    spread = quote.ask - quote.bid
    drift = config.max_entry_drift * intent.risk_per_share
    if intent.sign > 0:
        return max(round_down(min(quote.ask + spread, intent.entry + drift)), round_up(quote.ask))
    return min(round_up(max(quote.bid - spread, intent.entry - drift)), round_down(quote.bid))


def position_cap(intent: TradeIntent, context: RiskContext, config: RiskConfig) -> float:
    """Largest position as a fraction of equity: the pre-market cap up to and including the opening cycle, else the normal one."""
    opening = intent.decision_time <= context.open
    return min(config.premarket_position_cap, config.position_cap) if opening else config.position_cap


def size(intent: TradeIntent, quote: Quote, context: RiskContext, config: RiskConfig, buying_power: float) -> Sizing:
    """Shares allowed by risk, by position cap and by buying power, all at the worst entry price the order permits."""
    limit = entry_limit(intent, quote, config)
    worst = float(limit)
    risk = max((worst - intent.stop) * intent.sign, float(tick(limit)))
    cost = worst if intent.sign > 0 else max(worst, quote.ask * SHORT_MARGIN_MARKUP)
    equity = max(context.equity, 0.0)
    return Sizing(
        by_risk=_floor(equity * config.per_trade * intent.size_fraction, risk),
        by_cap=_floor(equity * position_cap(intent, context, config), max(worst, quote.ask)),
        by_buying_power=_floor(max(buying_power, 0.0), cost),
        limit_price=limit,
        cost_per_share=cost,
    )


def _floor(amount: float, per_share: float) -> int:
    """Whole shares whose cost does not exceed ``amount``, also after float rounding."""
    if not math.isfinite(amount) or not math.isfinite(per_share) or per_share <= 0:
        return 0
    shares = max(int(amount // per_share), 0)
    return shares - 1 if shares and shares * per_share > amount else shares


def evaluate(intents: Sequence[TradeIntent], context: RiskContext, config: TradingConfig) -> list[RiskDecision]:
    """One decision per intent, in the order given; every allowed intent counts against those after it.

    Pure. ``context`` describes the account before the first intent.
    """
    decisions: list[RiskDecision] = []
    for intent in intents:
        decision, cost = _decide(intent, context, config.risk)
        decisions.append(decision)
        if decision.allowed:
            orders = len(legs_of(decision.qty))
            taken = Exposure(intent.symbol, intent.narrative_id, f"an entry of {decision.qty} shares just allowed")
            context = replace(
                context,
                exposures=(*context.exposures, taken),
                buying_power=context.buying_power - cost,
                orders_today=context.orders_today + orders,
                orders_last_minute=context.orders_last_minute + orders,
            )
    return decisions


def _decide(intent: TradeIntent, context: RiskContext, config: RiskConfig) -> tuple[RiskDecision, float]:
    quote = context.quotes.get(intent.symbol)
    usable = quote if quote is not None and quote.usable else None
    sizing = size(intent, usable, context, config, context.buying_power) if usable and intent.consistent else None
    checks = (
        *_account_checks(intent, context, config),
        *_price_checks(intent, usable, context, config),
        *_exposure_checks(intent, context, config),
        *_order_checks(sizing, context, config),
        *_size_checks(intent, sizing, context, config),
    )
    failed = next((check for check in checks if not check.passed), None)
    if failed is not None or sizing is None:
        rule = failed.name if failed else "size"
        message = failed.message if failed else "the position could not be sized"
        return RiskDecision(intent, False, rule, message, 0, sizing.limit_price if sizing else None, checks), 0.0
    message = (
        f"{sizing.qty} {intent.symbol} {intent.direction} at {sizing.limit_price} or better, stop {intent.stop:.2f}: "
        f"risk allows {sizing.by_risk}, position cap {sizing.by_cap}, buying power {sizing.by_buying_power}"
    )
    decision = RiskDecision(intent, True, None, message, sizing.qty, sizing.limit_price, checks)
    return decision, sizing.qty * sizing.cost_per_share


def _account_checks(intent: TradeIntent, context: RiskContext, config: RiskConfig) -> tuple[RiskCheck, ...]:
    funded = math.isfinite(context.equity) and context.equity > 0 and math.isfinite(context.buying_power)
    block = context.account_block or (None if funded else f"the account's equity is {context.equity}")
    last_entry = context.close - timedelta(minutes=config.no_entry_last_minutes)
    age = (context.now - intent.decision_time).total_seconds()
    young = -FUTURE_TOLERANCE.total_seconds() <= age <= config.signal_max_age_seconds
    return (
        RiskCheck("account", block or "active", "active", block is None,
                  f"the account may not trade: {block}" if block else "the account may trade"),
        RiskCheck("kill_switch", context.kill_switch or "off", "off", context.kill_switch is None,
                  f"the kill switch is on: {context.kill_switch}" if context.kill_switch else "the kill switch is off"),
        RiskCheck("mode", context.market_state, "regular", context.market_state == "regular",
                  f"the market is in its {context.market_state} state; entries need the regular session, where stops can rest"),
        RiskCheck("entry_window", context.now.isoformat(), f"{context.open.isoformat()}..{last_entry.isoformat()}",
                  context.open <= context.now < last_entry,
                  f"{context.now:%H:%M:%S} UTC; entries are made from {context.open:%H:%M} to {last_entry:%H:%M} UTC"),
        RiskCheck("signal_age", age, config.signal_max_age_seconds, young,
                  f"the signal is {age:.0f} s old; at most {config.signal_max_age_seconds:.0f} s are allowed"),
    )  # fmt: skip


def _price_checks(
    intent: TradeIntent, quote: Quote | None, context: RiskContext, config: RiskConfig
) -> tuple[RiskCheck, ...]:
    levels = f"entry {intent.entry} stop {intent.stop} targets {intent.target1} {intent.target2}"
    checks = [
        RiskCheck("levels", levels, f"stop, entry, targets in order for a {intent.direction}", intent.consistent,
                  f"the signal's prices: {levels}"),
    ]  # fmt: skip
    if quote is None:
        unknown = f"{intent.symbol} has no usable quote: not traded"
        checks.append(RiskCheck("quote", None, "bid and ask", False, unknown))
        for name, limit in (
            ("quote_age", config.max_quote_age_seconds), ("spread", config.max_spread_bps), ("price_drift", config.max_entry_drift),
        ):  # fmt: skip
            checks.append(RiskCheck(name, None, limit, False, unknown))
        return tuple(checks)
    age = (context.now - quote.ts).total_seconds()
    fresh = -FUTURE_TOLERANCE.total_seconds() <= age <= config.max_quote_age_seconds
    spread_bps = (quote.ask - quote.bid) / quote.mid * 10_000
    touch = quote.ask if intent.sign > 0 else quote.bid
    drift = abs(touch - intent.entry) / intent.risk_per_share if intent.consistent else math.inf
    return (
        *checks,
        RiskCheck("quote", f"{quote.bid} / {quote.ask}", "bid and ask", True, f"{intent.symbol} is quoted {quote.bid} / {quote.ask}"),
        RiskCheck("quote_age", age, config.max_quote_age_seconds, fresh,
                  f"the quote of {intent.symbol} is {age:.0f} s old; at most {config.max_quote_age_seconds:.0f} s are allowed"),
        RiskCheck("spread", spread_bps, config.max_spread_bps, spread_bps <= config.max_spread_bps,
                  f"the spread of {intent.symbol} is {spread_bps:.1f} bps; at most {config.max_spread_bps:.1f} bps are allowed"),
        RiskCheck("price_drift", drift if math.isfinite(drift) else None, config.max_entry_drift,
                  drift <= config.max_entry_drift,
                  f"{intent.symbol} is at {touch:.4f}, {drift:.2f} R from the planned entry {intent.entry:.4f}; "
                  f"at most {config.max_entry_drift:.2f} R are allowed"),
    )  # fmt: skip


def _exposure_checks(intent: TradeIntent, context: RiskContext, config: RiskConfig) -> tuple[RiskCheck, ...]:
    halted = intent.symbol in context.halted
    may_short, why_not = _may_short(intent, context, config)
    here = next((exposure for exposure in context.exposures if exposure.symbol == intent.symbol), None)
    held = len({exposure.symbol for exposure in context.exposures})
    same_story = {
        exposure.symbol
        for exposure in context.exposures
        if intent.narrative_id is not None and exposure.narrative_id == intent.narrative_id
    }
    on_story = len(same_story) + context.ended_stories.count(intent.narrative_id or "")
    loss = -context.day_pnl / context.day_base if context.day_base > 0 else math.inf
    return (
        RiskCheck("halted", "halted" if halted else "trading", "trading", not halted,
                  f"trading in {intent.symbol} is halted" if halted else f"{intent.symbol} trades"),
        RiskCheck("short", intent.direction, why_not or "allowed", may_short, why_not or "the direction is allowed"),
        RiskCheck("in_symbol", here.what if here else "nothing", "nothing", here is None,
                  f"there is already {here.what} in {intent.symbol}" if here else f"nothing is held in {intent.symbol}"),
        RiskCheck("max_positions", held, config.max_positions, held < config.max_positions,
                  f"{held} positions are open or entering; at most {config.max_positions} are allowed"),
        RiskCheck("narrative", on_story, config.per_narrative, on_story < config.per_narrative,
                  f"{on_story} positions stand or stood today on the same story; at most {config.per_narrative} are allowed"),
        RiskCheck("day_loss", loss if math.isfinite(loss) else None, config.max_day_loss, loss < config.max_day_loss,
                  f"the day's result is {context.day_pnl:+,.2f} USD ({-loss:+.2%}); entries end at -{config.max_day_loss:.2%}"),
    )  # fmt: skip


def _may_short(intent: TradeIntent, context: RiskContext, config: RiskConfig) -> tuple[bool, str | None]:
    if intent.direction == "long":
        return True, None
    if not config.allow_short:
        return False, "short selling is switched off in the configuration"
    if not context.shorting_enabled:
        return False, "the account may not sell short"
    if intent.symbol not in context.shortable:
        return False, f"{intent.symbol} is not known to be shortable and easy to borrow"
    return True, None


def _order_checks(sizing: Sizing | None, context: RiskContext, config: RiskConfig) -> tuple[RiskCheck, ...]:
    new = len(legs_of(max(sizing.qty, 1))) if sizing else 1
    day, minute = context.orders_today + new, context.orders_last_minute + new
    return (
        RiskCheck("orders_per_day", day, config.max_orders_per_day, day <= config.max_orders_per_day,
                  f"this would be order {day} of the day; at most {config.max_orders_per_day} are allowed"),
        RiskCheck("orders_per_minute", minute, config.max_orders_per_minute, minute <= config.max_orders_per_minute,
                  f"this would be order {minute} within a minute; at most {config.max_orders_per_minute} are allowed"),
    )  # fmt: skip


def _size_checks(
    intent: TradeIntent, sizing: Sizing | None, context: RiskContext, config: RiskConfig
) -> tuple[RiskCheck, ...]:
    if sizing is None:
        unknown = "without a usable quote and consistent prices the position cannot be sized"
        return (RiskCheck("size", None, 1, False, unknown), RiskCheck("buying_power", None, 1, False, unknown))
    wanted = min(sizing.by_risk, sizing.by_cap)
    return (
        RiskCheck("size", wanted, 1, wanted >= 1,
                  f"{config.per_trade * intent.size_fraction:.3%} of {context.equity:,.2f} USD at risk allows {sizing.by_risk} shares, "
                  f"the position cap {sizing.by_cap}"),
        RiskCheck("buying_power", sizing.by_buying_power, 1, sizing.by_buying_power >= 1,
                  f"buying power of {context.buying_power:,.2f} USD pays for {sizing.by_buying_power} shares at "
                  f"{sizing.cost_per_share:,.2f}"),
    )  # fmt: skip
