"""One recorded session through the trading desk and the in-process exchange.

Belongs here: moving the clock from pre-market to after-hours, letting the desk place and watch, and what came of it. Does not belong
here: deciding (the signals of all decision times come in as one frame), orders (``execution/``), matching (``simulator/``).

The same inputs give the same rows: the clock is an argument, the exchange's ids come from ``seed``, nothing is random.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

import pandas as pd

from catalyst_assets.execution.desk import TradingDesk
from catalyst_assets.execution.guards import LIVE, TradingForbidden
from catalyst_assets.ports import FixedClock
from catalyst_assets.simulator.exchange import Exchange
from catalyst_assets.simulator.market import MarketView
from catalyst_assets.simulator.tape import MarketTape
from catalyst_assets.simulator.venue.broker import InProcessBroker, TapeMarketData
from catalyst_assets.simulator.venue.orders import ExchangeConfig
from catalyst_assets.storage.trades import TradeRepository
from catalyst_assets.trading.calendar import SessionHours, TradingCalendar
from catalyst_assets.trading.config import PositionConfig, TradingConfig

DEFAULT_CASH = Decimal(100_000)


@dataclass(frozen=True, slots=True)
class SessionResult:
    """What a replayed session came to. Money in USD."""

    scenario: str
    session: date
    trades: pd.DataFrame
    """Rows of ``trade_records``."""
    equity_curve: pd.DataFrame
    """Rows of ``account_snapshots``."""
    starting_equity: Decimal
    ending_equity: Decimal
    decisions: int
    """Signals the risk step judged."""
    refusals: dict[str, int]
    """Refused signals by rule."""
    left_open: tuple[str, ...]
    """Trades that could not be closed by the end of the session (halted into the close); empty when it ended flat."""

    @property
    def closed(self) -> pd.DataFrame:
        """The trades that were closed."""
        return self.trades[self.trades["status"] == "closed"]

    @property
    def pnl(self) -> Decimal:
        """Result of the session after fees."""
        return self.ending_equity - self.starting_equity


def run_session(
    *,
    tape: MarketTape,
    session: date,
    signals: pd.DataFrame,
    mentions: pd.DataFrame | None,
    calendar: TradingCalendar,
    config: TradingConfig,
    trades: TradeRepository,
    scenario: str,
    starting_cash: Decimal = DEFAULT_CASH,
    exchange_config: ExchangeConfig | None = None,
    seed: int = 0,
    view: MarketView | None = None,
    progress: Callable[[datetime], None] | None = None,
) -> SessionResult:
    """Replay ``session``: every signal at its decision time, positions watched at every step of the tape, flat at the end.

    ``signals`` are rows of ``trading_signals`` of ``scenario``, already stored (trades refer to them); ``mentions`` the session's mention
    rows, from which contradicting articles are taken as they become available. The scenario's earlier trading rows of the session are
    deleted first. ``progress`` is called with each decision time. Raises :class:`TradingForbidden` for scenario ``live``.
    """
    if scenario == LIVE:
        raise TradingForbidden("a replay has its own scenario; the rows of 'live' are never touched")
    hours = calendar.hours(session)
    trades.clear_replay(scenario, session)
    start = hours.pre_open.to_pydatetime()
    clock = FixedClock(start)
    view = view or MarketView(tape, calendar)
    exchange = Exchange(
        tape, start=start, starting_cash=starting_cash, config=exchange_config or ExchangeConfig(), seed=seed, view=view
    )
    desk = TradingDesk(
        InProcessBroker(exchange),
        trades,
        TapeMarketData(tape, clock, view),
        clock,
        calendar,
        config,
        scenario=scenario,
        pause=_no_waiting,
    )
    signals = signals.assign(decision_time=pd.to_datetime(signals["decision_time"], utc=True).dt.as_unit("us"))
    by_time = {at.to_pydatetime(): rows for at, rows in signals.groupby("decision_time", sort=True)}
    decided_at = {at.to_pydatetime() for at in calendar.decision_times(session, config.cycle)} | set(by_time)
    contradicting = _worth_watching(mentions, config.position, hours)
    decisions, refusals = 0, dict[str, int]()
    with desk.exclusive():
        live = False
        for moment in _moments(tape, hours, decided_at):
            clock.at = moment
            exchange.advance(moment)
            if live:
                live = desk.watch(moment, contradicting).live > 0
            if moment in by_time:
                placed = desk.place(by_time[moment], moment)
                live = live or bool(placed.placed)
                decisions += len(placed.decisions)
                for decision in placed.decisions:
                    if decision.rule is not None:
                        refusals[decision.rule] = refusals.get(decision.rule, 0) + 1
            if moment in decided_at:
                desk.record_account()
                if progress is not None:
                    progress(moment)
        desk.synchronise(force=True)
        last = desk.record_account()
    stored = trades.trade_records(scenario, session)
    left = stored.loc[~stored["status"].isin(["closed", "cancelled", "refused"]), "trade_id"]
    return SessionResult(
        scenario=scenario,
        session=session,
        trades=stored,
        equity_curve=trades.account_snapshots(scenario, session),
        starting_equity=starting_cash,
        ending_equity=last.equity,
        decisions=decisions,
        refusals=refusals,
        left_open=tuple(str(trade_id) for trade_id in left),
    )


def _no_waiting(_seconds: float) -> None:
    """A replay's clock only moves between steps: there is nothing to wait for inside one."""


def _moments(tape: MarketTape, hours: SessionHours, decided_at: set[datetime]) -> list[datetime]:
    """Every instant something may happen: the tape's steps and the decision times, in order, until just before the session ends."""
    steps = pd.date_range(hours.pre_open, hours.post_close, freq=pd.Timedelta(tape.step), inclusive="left")
    return sorted({at.to_pydatetime() for at in steps} | {at for at in decided_at if at < hours.post_close})


def _worth_watching(mentions: pd.DataFrame | None, config: PositionConfig, hours: SessionHours) -> pd.DataFrame | None:
    """The mentions that could contradict any position of the session, so that each watch looks through few rows."""
    if mentions is None or mentions.empty:
        return None
    keep = (
        (mentions["source_tier"] <= config.contradiction_tier)
        & (mentions["direction"].abs() >= config.contradiction_direction)
        & (mentions["available_at"] >= hours.pre_open)
        & (mentions["available_at"] < hours.post_close)
    )
    return mentions[keep]
