"""Every number with a meaning in the decision core: typed, with its default, its limits and its unit.

The defaults are those of the specification; the ``configuration`` table overrides single keys (``risk.per_trade``), and
``catalyst config`` shows which. The models are frozen: a decision function gets the whole of what it depends on as a value.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

Fraction = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
NonNegative = Annotated[float, Field(ge=0)]
Score = Annotated[float, Field(ge=0, le=100)]
Count = Annotated[int, Field(ge=1)]


class Group(BaseModel):
    """A group of settings: frozen, unknown keys refused, numbers finite."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class CycleConfig(Group):
    """When cycles run (minutes between two full cycles, New York time)."""

    premarket_minutes: Count = 5
    market_minutes: Count = 5
    afterhours_minutes: Count = 60
    late_after_seconds: Positive = Field(120, description="a tick older than this is skipped")
    lookback_days: Count = Field(10, description="how far back articles are read for novelty and scores")


class CatalystConfig(Group):
    """The catalyst score of an article and of a symbol."""

    tier_weights: tuple[Fraction, Fraction, Fraction, Fraction, Fraction] = (1.0, 0.8, 0.6, 0.4, 0.2)
    recency_hours: Positive = Field(4.0, description="e-folding time of an article's weight")
    type_weights: dict[str, Positive] = Field(
        default_factory=lambda: {"fda_clinical": 1.5, "merger_acquisition": 1.3, "earnings": 1.2},
        description="weight by catalyst type; every other type weighs 1.0",
    )
    premarket_multiplier: Positive = 2.0
    market_multiplier: Positive = 1.0
    afterhours_multiplier: Positive = 0.8
    closed_multiplier: Positive = Field(0.8, description="articles that arrive while the market is closed")
    novelty_floor: Fraction = 0.1
    novelty_days: Count = 10
    reliability_floor: Positive = 0.5
    reliability_cap: Positive = 1.5
    saturation: Positive = Field(2.0, description="symbol score = 100 (1 - exp(-sum / saturation))")
    coordinated_multiplier: Fraction = Field(0.3, description="score multiplier of a coordinated narrative")
    max_tickers: Count = Field(8, description="an article naming more tickers is a round-up and moves none of them")
    extended_pace: Fraction = Field(0.25, description="hours an article ages in one hour of pre-market or after-hours")
    closed_pace: Fraction = Field(0.0, description="hours an article ages in one hour while the market is closed")
    min_relevance: Fraction = Field(0.2, description="an article less about a symbol than this does not score it")


class NarrativeConfig(Group):
    """Which articles tell the same story."""

    similarity: Fraction = Field(0.55, description="cosine similarity that joins a narrative")
    window_hours: Positive = 72.0
    coordinated_articles: Count = Field(5, description="near-identical low-tier articles that look coordinated ...")
    coordinated_minutes: Positive = Field(60.0, description="... within this time, without a tier 1-2 confirmation")
    coordinated_similarity: Fraction = 0.8
    coordinated_tier: Annotated[int, Field(ge=1, le=5)] = Field(4, description="tiers from here down count as low")


class ScanConfig(Group):
    """50 → 20 → 5."""

    universe_size: Count = Field(100, description="most active symbols asked for")
    with_catalyst: Count = 50
    validated: Count = 20
    selected: Count = 5
    per_narrative: Count = 2
    min_price: Positive = 1.0
    max_price: Positive = 1000.0
    min_relative_volume: NonNegative = 1.5
    min_change_pct: NonNegative = 1.0
    max_spread_bps: Positive = 50.0
    min_dollar_volume: NonNegative = Field(
        1_000_000.0, description="USD traded so far this session, pre-market excluded"
    )
    min_premarket_dollar_volume: NonNegative = 50_000.0
    iex_share: Annotated[float, Field(gt=0, le=1)] = Field(
        0.03, description="part of all volume that the feed iex sees: the dollar volumes asked for are that part there"
    )
    catalyst_weight: Fraction = 0.6
    technical_weight: Fraction = 0.4
    relative_volume_sessions: Count = Field(20, description="sessions in the volume baseline")

    @model_validator(mode="after")
    def _funnel_narrows(self) -> ScanConfig:
        if not self.universe_size >= self.with_catalyst >= self.validated >= self.selected:
            raise ValueError("the funnel must narrow: universe_size >= with_catalyst >= validated >= selected")
        if abs(self.catalyst_weight + self.technical_weight - 1) > 1e-9:
            raise ValueError("catalyst_weight + technical_weight must be 1")
        return self


class PatternConfig(Group):
    """Candlestick patterns and their part in the score."""

    timeframes: tuple[str, ...] = ("1min", "5min", "15min", "60min", "1day")
    max_age_bars: Count = Field(3, description="a pattern older than this many bars of its timeframe no longer counts")
    aligned: Positive = 1.5
    against: Positive = 0.7
    neutral: Positive = 1.0
    volume_confirmation: Positive = Field(1.2, description="bar volume over its 20-bar mean that confirms a pattern")
    volume_surge: Positive = Field(2.0, description="relative volume that is a surge")
    gap_pct: Positive = Field(2.0, description="opening gap that counts as context, percent")
    support_bars: Count = Field(60, description="bars searched for support and resistance")
    shrinkage: Positive = Field(20.0, description="observations at which learned success weighs as much as the prior")
    timeframe_weights: dict[str, Fraction] = Field(
        default_factory=lambda: {"1min": 0.6, "5min": 0.85, "15min": 0.95, "60min": 1.0, "1day": 0.9},
        description="how much a pattern on this timeframe counts in the symbol's score",
    )
    quality_floor: Fraction = Field(0.6, description="share of the confidence an unconfirmed, weak pattern keeps")
    opposing_penalty: Fraction = Field(0.5, description="share of the best opposing pattern taken off the score")


class IndicatorConfig(Group):
    """Windows of the indicators, in bars of each timeframe."""

    timeframes: tuple[str, ...] = ("1min", "5min", "15min", "60min", "1day")
    rsi: Count = 14
    macd_fast: Count = 12
    macd_slow: Count = 26
    macd_signal: Count = 9
    sma_short: Count = 20
    sma_long: Count = 50
    ema: Count = 9
    atr: Count = 14
    bollinger: Count = 20
    bollinger_width: Positive = 2.0
    adx: Count = 14
    stochastic: Count = 14
    stochastic_smooth: Count = 3
    max_age_sessions: Count = Field(2, description="a last bar older than this many sessions gives no indicators")
    timeframe_weights: dict[str, Fraction] = Field(
        default_factory=lambda: {"1min": 0.10, "5min": 0.35, "15min": 0.25, "60min": 0.15, "1day": 0.15},
        description="weight of each timeframe in the technical score",
    )
    part_weights: dict[str, Fraction] = Field(
        default_factory=lambda: {"trend": 0.40, "momentum": 0.35, "volatility": 0.25},
        description="weight of each part in the technical score",
    )


class SignalConfig(Group):
    """Confidence, entry, stop and targets."""

    catalyst_weight: Fraction = 0.35
    pattern_weight: Fraction = 0.35
    technical_weight: Fraction = 0.20
    volume_weight: Fraction = 0.10
    no_pattern_score: Score = 30.0
    full_size: Score = 70.0
    half_size: Score = 50.0
    quarter_size: Score = 30.0
    min_direction: Fraction = Field(0.15, description="|direction| of the catalyst below which there is no trade")
    min_catalyst: Score = Field(
        10.0, description="catalyst score below which there is no trade, whatever the chart says"
    )
    stop_pct: Annotated[float, Field(gt=0, le=20)] = 2.0
    stop_atr: Positive = 2.0
    stop_min_spreads: Positive = Field(2.0, description="the stop is at least this many spreads from the entry")
    target1_r: Positive = 1.5
    target2_r: Positive = 3.0
    min_reward_risk: Positive = 1.5
    volume_half: Positive = Field(2.0, description="relative volume at which the volume component is 50")
    strategy_version: str = "1"

    @model_validator(mode="after")
    def _consistent(self) -> SignalConfig:
        total = self.catalyst_weight + self.pattern_weight + self.technical_weight + self.volume_weight
        if abs(total - 1) > 1e-9:
            raise ValueError("the four component weights must add up to 1")
        if not self.full_size > self.half_size > self.quarter_size:
            raise ValueError("full_size > half_size > quarter_size is required")
        if self.target1_r < self.min_reward_risk:
            raise ValueError("target1_r must be at least min_reward_risk, or no signal could ever pass")
        if self.target2_r < self.target1_r:
            raise ValueError("target2_r must be at least target1_r")
        return self


class RiskConfig(Group):
    """Hard limits, checked in the order step from fresh broker state."""

    max_positions: Count = 5
    position_cap: Fraction = Field(0.20, description="largest position, fraction of equity")
    premarket_position_cap: Fraction = 0.10
    per_trade: Annotated[float, Field(gt=0, le=0.05)] = Field(0.01, description="equity at risk per trade, fraction")
    per_narrative: Count = Field(2, description="positions on one story in a session, those that are over included")
    max_day_loss: Annotated[float, Field(gt=0, le=0.5)] = Field(
        0.03, description="day loss that ends entries and flattens"
    )
    max_orders_per_day: Count = 50
    max_orders_per_minute: Count = 10
    no_entry_last_minutes: NonNegative = 30.0
    max_quote_age_seconds: Positive = 90.0
    max_spread_bps: Positive = 50.0
    max_entry_drift: Positive = Field(
        0.5, description="entry refused when price moved this many R from the signal's entry"
    )
    signal_max_age_seconds: Positive = 180.0
    allow_short: bool = True
    extended_hours_entries: bool = False


class PositionConfig(Group):
    """The life of an open position."""

    trail_after_r: NonNegative = 1.0
    trail_pct: Annotated[float, Field(gt=0, le=20)] = 1.0
    time_stop_minutes: Positive = Field(120.0, description="out after this long without profit")
    contradiction_tier: Annotated[int, Field(ge=1, le=5)] = 3
    contradiction_direction: Fraction = Field(0.3, description="|direction| of an article that contradicts a position")
    flat_before_close_minutes: NonNegative = 5.0
    hold_overnight: bool = False
    entry_timeout_seconds: Positive = Field(240.0, description="an entry not filled by then is cancelled")


class OutcomeConfig(Group):
    """What happened afterwards and what is learned from it."""

    horizons_minutes: tuple[Count, Count, Count] = (15, 60, 240)
    reliability_horizon_minutes: Count = 60
    noise_sigmas: Positive = Field(1.0, description="abnormal move, in sigmas of the horizon, that is more than noise")
    half_life_sessions: Positive = 30.0
    prior_strength: Positive = Field(10.0, description="pseudo-observations of the tier prior")
    tier_prior: tuple[Fraction, Fraction, Fraction, Fraction, Fraction] = (0.60, 0.57, 0.53, 0.50, 0.47)
    credible_mass: Fraction = 0.90


class NewsConfig(Group):
    """Collection of articles."""

    overlap_minutes: Positive = Field(15.0, description="each collection re-reads this much of the past")
    future_tolerance_seconds: NonNegative = Field(120.0, description="published later than this after now: quarantined")
    max_useful_delay_minutes: Positive = Field(
        60.0, description="a source slower than this never scores live candidates"
    )
    breaking_tier: Annotated[int, Field(ge=1, le=5)] = 2
    breaking_score: Score = Field(35.0, description="symbol score at which a tier 1-2 article starts a cycle at once")


class ExecutionConfig(Group):
    """Patience of the order step with the broker."""

    lookup_attempts: Count = Field(5, description="look-ups by client_order_id when an order's fate is unknown")
    lookup_pause_seconds: NonNegative = Field(0.4, description="pause between two look-ups")
    cancel_polls: Count = Field(10, description="looks at an order until its cancel is final")
    cancel_poll_seconds: NonNegative = Field(0.15, description="pause between two looks")
    unknown_settle_seconds: Positive = Field(
        60.0, description="an order the broker still does not know by then never landed"
    )
    lock_wait_seconds: NonNegative = Field(15.0, description="longest wait for another writer on the same account")


class TradingConfig(Group):
    """All of it. ``flatten`` gives the dotted keys the ``configuration`` table uses."""

    cycle: CycleConfig = CycleConfig()
    news: NewsConfig = NewsConfig()
    catalyst: CatalystConfig = CatalystConfig()
    narrative: NarrativeConfig = NarrativeConfig()
    scan: ScanConfig = ScanConfig()
    pattern: PatternConfig = PatternConfig()
    indicator: IndicatorConfig = IndicatorConfig()
    signal: SignalConfig = SignalConfig()
    risk: RiskConfig = RiskConfig()
    position: PositionConfig = PositionConfig()
    outcome: OutcomeConfig = OutcomeConfig()
    execution: ExecutionConfig = ExecutionConfig()

    def flatten(self) -> dict[str, Any]:
        """Every value by its dotted key (``risk.per_trade``), JSON types."""
        dumped = self.model_dump(mode="json")
        return {f"{group}.{key}": value for group, values in dumped.items() for key, value in values.items()}

    @classmethod
    def from_overrides(cls, overrides: dict[str, Any]) -> TradingConfig:
        """The defaults with some dotted keys replaced. Raises ``pydantic.ValidationError`` or ``ValueError`` naming the key."""
        nested: dict[str, dict[str, Any]] = {}
        for dotted, value in overrides.items():
            group, _, key = dotted.partition(".")
            if not key:
                raise ValueError(f"{dotted!r} is not a setting: keys look like risk.per_trade")
            nested.setdefault(group, {})[key] = value
        return cls.model_validate(nested)
