"""Time and matching: the part of the exchange that moves.

Belongs here: advancing the clock, matching resting orders over complete bars, immediate fills, expiry and the life of order
groups. Does not belong here: requests and questions (``exchange``), fill prices (``matching``), bookkeeping (``ledger``).

Resting orders are matched when a base bar is complete, in one fixed sequence, so results depend on when orders were sent and
never on how often somebody looked. A marketable order fills at once against the tape just after its submission, up to the
volume cap of the bar under way; its remainder rests. Fills carry the instant at which they became known (submission or end of
bar): an activity never appears with a time earlier than an answer already given.
"""

from __future__ import annotations

import random
import threading
import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from catalyst_assets.simulator.market import Bar, Hours, MarketView, Quote
from catalyst_assets.simulator.tape import MarketTape
from catalyst_assets.simulator.venue.bands import REFERENCE_WINDOW, price_band
from catalyst_assets.simulator.venue.book import OpenOrders
from catalyst_assets.simulator.venue.events import Listener, OrderFeed, Turn
from catalyst_assets.simulator.venue.groups import arm_exits, exits_of, group_of, sibling_exits
from catalyst_assets.simulator.venue.ledger import Ledger
from catalyst_assets.simulator.venue.matching import (
    Budget,
    Execution,
    execute_at_market,
    execute_in_auction,
    execute_in_bar,
    out_of_reach,
    stop_is_hit,
    volume_cap,
)
from catalyst_assets.simulator.venue.orders import ENTRY, STOP_LOSS, TAKE_PROFIT, ExchangeConfig, Order
from catalyst_assets.simulator.worlds.pricepath import Path, instant, micros, price_path

NEW_YORK = ZoneInfo("America/New_York")
CENT = Decimal("0.01")
_NAMESPACE = uuid.UUID("6f1c3c0e-5d5a-5b1e-9d3f-0a6f1f7f4c11")
_NONE = Decimal(0)
_WORK_SEQUENCE = {"stop": 0, "market": 1, "limit": 2}


class MatchingEngine:
    """The moving half of :class:`~catalyst_assets.simulator.exchange.Exchange`; not used on its own."""

    def __init__(
        self,
        tape: MarketTape,
        *,
        start: datetime,
        starting_cash: Decimal = Decimal("100000"),
        config: ExchangeConfig | None = None,
        seed: int = 0,
        view: MarketView | None = None,
    ) -> None:
        self.tape = tape
        self.view = view or MarketView(tape)
        self.config = config or ExchangeConfig()
        self.seed = seed
        self._stems: dict[str, str] = {}
        self.account_id = self._uuid("account", 0)
        self.created_at = start
        self._now = start
        self._lock = threading.RLock()
        self._feed = OrderFeed(seed)
        self._turn = Turn(self._lock, self._feed)
        self._ledger = Ledger(starting_cash, self._activity_id, fees=self.config.fees)
        self._orders: dict[str, Order] = {}
        self._by_client_id: dict[str, str] = {}
        self._open = OpenOrders()
        self._roots: list[Order] = []
        self._counter = 0
        self._used: dict[str, tuple[int, Decimal]] = {}
        self._marks: dict[str, Decimal | None] = {}
        self._booked = (start, self.view.session_for(start - timedelta(microseconds=1)).session)
        self._quotes: dict[str, Quote | None] = {}
        self._met: dict[str, tuple[Bar, float] | None] = {}
        self._looked_at = start
        self._due: tuple[int, datetime] | None = None
        self._id_prefix: tuple[datetime, str] = (start, "")
        self._close_equity: Decimal | None = None

    # ------------------------------------------------------------------------------------------------------------ ids

    def _uuid(self, kind: str, number: int) -> str:
        return str(uuid.uuid5(_NAMESPACE, f"{self.seed}:{kind}:{number}"))

    def _next_id(self, kind: str) -> str:
        """A UUID whose last twelve digits count: the same for the same seed and calls, and cheap where thousands are made."""
        self._counter += 1
        stem = self._stems.get(kind)
        if stem is None:
            stem = self._stems[kind] = self._uuid(kind, 0)[:-12]
        return f"{stem}{self._counter:012x}"

    def _activity_id(self, at: datetime) -> str:
        known, prefix = self._id_prefix
        if known != at or not prefix:
            local = at.astimezone(NEW_YORK)
            prefix = f"{local:%Y%m%d%H%M%S}{local.microsecond // 1000:03d}"
            self._id_prefix = (at, prefix)
        return f"{prefix}::{self._next_id('activity')}"

    # ----------------------------------------------------------------------------------------------------------- time

    @property
    def starting_cash(self) -> Decimal:
        """What the account began with, USD: the first row of every audit."""
        return self._ledger.starting_cash

    @property
    def lock(self) -> threading.RLock:
        """Held by every method; callers that need several answers about one instant hold it around them."""
        return self._lock

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Deliver every later :class:`~catalyst_assets.simulator.venue.events.OrderEvent` to ``listener``, in order, at the end of
        the call that caused it and inside the lock; the answer unsubscribes. A listener must not order or move time itself."""
        with self._lock:
            return self._feed.subscribe(listener)

    @property
    def events(self) -> int:
        """How many order events there were so far, heard or not."""
        return self._feed.count

    @property
    def now(self) -> datetime:
        """The instant the exchange stands at."""
        return self._now

    def advance(self, to: datetime) -> None:
        """Move to ``to``: match complete bars, expire and activate orders on the way. Raises ``ValueError`` backwards."""
        with self._turn:
            if to < self._now:
                raise ValueError(f"the exchange is at {self._now.isoformat()} and cannot go back to {to.isoformat()}")
            while (moment := self._next_event(self._now)) <= to:
                self._now = moment
                self._happen(moment)
            self._now = to

    def _next_event(self, after: datetime) -> datetime:
        """The next instant at which something can happen by itself; remembered until the open orders change."""
        if self._due is not None and self._due[0] == self._open.version and self._due[1] > after:
            return self._due[1]
        self._due = (self._open.version, self._find_event(after))
        return self._due[1]

    def _find_event(self, after: datetime) -> datetime:
        hours = self.view.session_for(after)
        if after < hours.pre_open:
            upcoming = hours.pre_open
        else:
            upcoming = min(edge for edge in hours[2:] if edge > after)
            if self._open:
                step = self.tape.step
                boundary = hours.pre_open + ((after - hours.pre_open) // step + 1) * step
                upcoming = min(upcoming, boundary)
        due = [order.cancel_due for order in self._open.cancels() if order.cancel_due and order.cancel_due > after]
        return min([upcoming, *due])

    def _happen(self, at: datetime) -> None:
        self._match_bars_ending(at)
        for order in self._open.cancels():
            if order.cancel_due and order.cancel_due <= at and order.is_open:
                self._cancel_group(order, at)
        hours = self.view.session_for(at - timedelta(microseconds=1))
        if at in (hours.open, hours.close):
            self._auction("opg" if at == hours.open else "cls", at)
        for order in self._open:
            if order.is_open and order.expires_at is not None and order.expires_at <= at:
                self._expire(self._root(order), at)
        if at == hours.close and self.config.habits.gtc_done_for_day:
            self._rest(at)
        if at == hours.close:
            self._close_equity = self._ledger.equity(self._mark)
        if at == self.view.session_for(at).pre_open and self._close_equity is not None:
            self._ledger.last_equity = self._close_equity.quantize(CENT)
            self._close_equity = None
        for order in self._open:
            if order.status == "done_for_day" and self._may_work(order, at):
                order.status = "partially_filled" if order.filled_qty else "new"
                self._feed.record("new", order, at)
            if order.status == "accepted" and not order.in_auction and self._may_work(order, at):
                if self.config.habits.recheck_at_open and self._too_dear(order):
                    self._reject(order, at)
                else:
                    self._activate(order, at)

    def _rest(self, at: datetime) -> None:
        for order in self._open:
            if (
                order.status in ("new", "partially_filled")
                and order.time_in_force == "gtc"
                and not order.extended_hours
            ):
                order.status, order.updated_at = "done_for_day", at
                self._feed.record("done_for_day", order, at)

    def _too_dear(self, order: Order) -> bool:
        """True when the account cannot pay for an opening order any more; decided by the half of the exchange that knows money."""
        raise NotImplementedError

    def _reject(self, root: Order, at: datetime) -> None:
        for member in group_of(root):
            self._finish(member, "rejected", at)

    def _auction(self, name: str, at: datetime) -> None:
        """Cross the orders of the opening or closing auction at its price; what stays over is cancelled."""
        moment = at if name == "opg" else at - self.tape.step
        for order in self._open:
            if order.in_auction != name or order.status not in ("accepted", "pending_new", "new"):
                continue
            order.status, order.updated_at = "new", at
            self._feed.record("new", order, at)
            bar = self.view.bar_at(order.symbol, moment)
            if bar is not None and not self.view.halt_at(order.symbol, moment):
                price = bar.open if name == "opg" else bar.close
                execution = execute_in_auction(order, price, self._budget(order.symbol, bar))
                if execution is not None:
                    self._apply(order, execution, bar, at)
            if order.is_open:
                self._finish(order, "canceled", at)

    def _may_work(self, order: Order, at: datetime) -> bool:
        hours = self.view.trading_session(at)
        if hours is None:
            return False
        if order.in_auction:
            return False
        return order.extended_hours or hours.open <= at < hours.close

    # ------------------------------------------------------------------------------------------------------- matching

    def _budget(self, symbol: str, bar: Bar) -> Budget:
        cap = volume_cap(bar, self.config)
        stamp, used = self._used.get(symbol, (-1, _NONE))
        return Budget(max(cap - used, _NONE) if stamp == bar.ts else Decimal(cap), cap)

    def _spend(self, symbol: str, bar: Bar, qty: Decimal) -> None:
        stamp, used = self._used.get(symbol, (-1, _NONE))
        self._used[symbol] = (bar.ts, qty + (used if stamp == bar.ts else _NONE))

    def _match_bars_ending(self, at: datetime) -> None:
        start = at - self.tape.step
        hours = self.view.session_for(start)
        if not self._open or start < hours.pre_open:
            return
        for symbol in self._open.symbols():
            bar = self.view.bar_at(symbol, start)
            if bar is not None and bar.ts == micros(start):
                self._match_symbol(symbol, bar, hours, at)

    def _match_symbol(self, symbol: str, bar: Bar, hours: Hours, at: datetime) -> None:
        waiting = [
            order for order in self._open.of(symbol) if order.armed and not out_of_reach(order, bar.high, bar.low)
        ]
        waiting.sort(key=_priority)
        whole = self._path(None, symbol, bar, hours)
        start = instant(bar.ts)
        for order in waiting:
            if not (order.is_open and order.armed and self._may_work(order, start)):
                continue
            if order.role == TAKE_PROFIT and order.target_from is not None and order.target_from >= at:
                continue
            late = order.active_from is not None and order.active_from > start
            path = self._path(order.active_from, symbol, bar, hours) if late else whole
            if path is None:
                continue
            execution = execute_in_bar(order, path, bar, self._budget(symbol, bar), self.config)
            if execution is not None and self._in_band(order, execution, start):
                self._apply(order, execution, bar, at)
                if order.role == ENTRY and order.status == "filled":
                    self._stop_in_entry_bar(order, path, bar, at)

    def _in_band(self, order: Order, execution: Execution, at: datetime) -> bool:
        """False when the price lies outside the limit-up/limit-down band (only when the venue has bands, in regular hours)."""
        if not self.config.habits.price_bands or not execution.qty:
            return True
        hours = self.view.session_for(at)
        bars = self.view.session_bars(hours.session)
        if bars is None or not hours.open <= at < hours.close:
            return True
        rows = bars.cut(order.symbol, micros(max(at - REFERENCE_WINDOW, hours.open)), micros(at))
        if rows.stop <= rows.start:
            return True
        low, high = price_band(float(bars.columns["close"][rows].mean()), at, hours.close)
        return low <= float(execution.price) <= high

    def _path(self, since: datetime | None, symbol: str, bar: Bar, hours: Hours) -> Path | None:
        """The part of the bar after ``since`` in which trading was not halted; ``None`` when nothing is left of it."""
        start, end = instant(bar.ts), instant(bar.ts) + self.tape.step
        begin = max(start, since or start)
        bars = self.view.session_bars(hours.session)
        for halt in bars.halts.get(symbol, ()) if bars else ():
            if halt.start <= begin < halt.end:
                begin = halt.end
            elif begin < halt.start < end:
                end = halt.start
        if begin >= end:
            return None
        step = self.tape.step
        return price_path(bar.open, bar.high, bar.low, bar.close, (begin - start) / step, (end - start) / step)

    def _stop_in_entry_bar(self, entry: Order, path: Path, bar: Bar, at: datetime) -> None:
        """A resting entry and its stop touched in one bar: the stop is taken to come after the entry."""
        for leg in exits_of(entry):
            if leg.role != STOP_LOSS or not leg.is_open or not stop_is_hit(leg, path):
                continue
            entered = float(entry.filled_avg_price or 0)
            after = Path(entered, max(path.high, entered), min(path.low, entered), path.end)
            execution = execute_in_bar(leg, after, bar, self._budget(leg.symbol, bar), self.config)
            if execution is not None and self._in_band(leg, execution, instant(bar.ts)):
                self._apply(leg, execution, bar, at)

    def _apply(self, order: Order, execution: Execution, bar: Bar, at: datetime) -> None:
        if execution.triggered and not order.triggered:
            order.triggered = True
            order.updated_at = at
            if order.status == "held":
                order.status = "new"
                self._feed.record("new", order, at)
            for sibling in sibling_exits(order, self._orders):
                self._finish(sibling, "canceled", at)
        if execution.qty:
            self._spend(order.symbol, bar, execution.qty)
            self._fill(order, execution.qty, execution.price, at)

    def _fill(self, order: Order, qty: Decimal, price: Decimal, at: datetime) -> None:
        order.filled_qty += qty
        order.filled_notional += price * qty
        order.updated_at = at
        order.status = "filled" if order.remaining == 0 else "partially_filled"
        if order.status == "filled":
            order.filled_at = at
            self._open.remove(order)
        else:
            self._open.revalue(order)
        cancel_was_pending, order.cancel_due = order.cancel_due, order.cancel_due if order.remaining else None
        if self._booked[0] != at:
            self._booked = (at, self.view.session_for(at - timedelta(microseconds=1)).session)
        self._ledger.book_fill(order, qty, price, at, self._booked[1])
        held = self._ledger.positions.get(order.symbol)
        name = "partial_fill" if order.remaining else "fill"
        self._feed.record(name, order, at, price, qty, held.qty if held else _NONE)
        if cancel_was_pending and not order.remaining:
            self._feed.record("order_cancel_rejected", order, at)
        for sibling in sibling_exits(order, self._orders):
            if order.remaining == 0:
                self._finish(sibling, "canceled", at)
            else:
                sibling.qty = sibling.filled_qty + order.remaining
                sibling.updated_at = at
                self._open.revalue(sibling)
                self._feed.record("restated", sibling, at)
        if order.role == ENTRY and order.remaining == 0 and order.legs:
            self._arm(order, at)

    def _arm(self, entry: Order, at: datetime) -> None:
        for leg in arm_exits(entry, at):
            self._feed.record("new", leg, at)
        for leg in exits_of(entry):
            self._open.revalue(leg)

    def _finish(self, order: Order, status: str, at: datetime) -> None:
        if not order.is_open:
            return
        order.status, order.updated_at, order.cancel_due = status, at, None
        if status == "canceled":
            order.canceled_at = at
        elif status == "expired":
            order.expired_at = at
        elif status == "replaced":
            order.replaced_at = at
        elif status == "rejected":
            order.failed_at = at
        self._open.remove(order)
        self._feed.record(status, order, at)

    def _expire(self, root: Order, at: datetime) -> None:
        self._end_group(root, "expired", at)

    def _end_group(self, root: Order, status: str, at: datetime) -> None:
        """End a whole group: exits whose entry never became a position end as ``canceled``, unless the venue keeps them for the
        shares that did fill."""
        entry_unfinished = root.role == ENTRY and root.is_open
        orphaned = entry_unfinished and root.filled_qty > 0 and root.legs
        if orphaned and self.config.habits.orphaned_legs == "activated":
            self._finish(root, status, at)
            for leg in root.legs:
                leg.qty = root.filled_qty
            self._arm(root, at)
            if status == "expired" and root.time_in_force == "day":
                following = self.view.hours(self.view.calendar.next(self.view.session_for(root.created_at).session))
                for leg in root.legs:
                    leg.expires_at = following.close
            return
        for member in group_of(root):
            self._finish(member, "canceled" if member is not root and entry_unfinished else status, at)

    def _activate(self, root: Order, at: datetime) -> None:
        """The order reaches the venue: it works from now on and fills at once as far as it is marketable."""
        arrival = at + self.config.latency
        for member in group_of(root):
            if member.armed:
                member.active_from = arrival
                if member.status in ("accepted", "pending_new"):
                    member.status = "new"
                    member.updated_at = at
                    self._feed.record("new", member, at)
        if root.type == "trailing_stop":
            self._start_trailing(root, arrival)
        if root.works_as != "stop" and self._may_work(root, arrival):
            self._cross(root, arrival, at)
        if root.time_in_force in ("ioc", "fok") and root.is_open:
            self._cancel_group(root, at)
        elif self.config.habits.queue == "position" and root.is_open and root.works_as == "limit":
            quote = self._quote(root.symbol)
            root.ahead = Decimal(int(quote.size)) if quote else _NONE

    def _start_trailing(self, root: Order, arrival: datetime) -> None:
        price = self._mark(root.symbol)
        if price is not None:
            root.trail_from(price)

    def _cross(self, root: Order, arrival: datetime, at: datetime) -> None:
        met = self._liquidity(root.symbol, arrival)
        if met is None:
            return
        bar, mid = met
        execution = execute_at_market(root, mid, bar, self._budget(root.symbol, bar), self.config)
        if execution is None or not self._in_band(root, execution, arrival):
            return
        self._apply(root, self._perhaps_partly(root, execution), bar, at)

    def _perhaps_partly(self, order: Order, execution: Execution) -> Execution:
        """Paper's random partial fill: the same for the same seed and order, whoever looks and whenever."""
        chance = self.config.habits.partial_fill_probability
        if not chance or execution.qty < 2 or order.time_in_force == "fok":
            return execution
        draw = random.Random(f"{self.seed}:{order.sequence}")
        if draw.random() >= chance:
            return execution
        return Execution(Decimal(draw.randint(1, int(execution.qty) - 1)), execution.price, execution.triggered)

    def _cancel_group(self, order: Order, at: datetime) -> None:
        root = self._root(order)
        keeps = self.config.habits.orphaned_legs == "activated" and order is root
        if keeps:
            self._end_group(root, "canceled", at)
            return
        for member in group_of(root):
            self._finish(member, "canceled", at)

    def _root(self, order: Order) -> Order:
        return self._orders[order.parent_id] if order.parent_id else order

    # What one instant looks like is looked up once per symbol, however many orders meet it.

    def _look(self) -> None:
        if self._looked_at != self._now:
            for known in (self._marks, self._quotes, self._met):
                known.clear()
            self._looked_at = self._now

    def _mark(self, symbol: str) -> Decimal | None:
        self._look()
        if symbol not in self._marks:
            price = self.view.last_price(symbol, self._now)
            self._marks[symbol] = None if price is None else Decimal(str(round(price, 2 if price >= 1 else 4)))
        return self._marks[symbol]

    def _quote(self, symbol: str) -> Quote | None:
        self._look()
        if symbol not in self._quotes:
            self._quotes[symbol] = self.view.quote(symbol, self._now)
        return self._quotes[symbol]

    def _liquidity(self, symbol: str, arrival: datetime) -> tuple[Bar, float] | None:
        """What an order sent now meets on arrival; ``None`` when nothing trades or the symbol is halted then."""
        self._look()
        if symbol not in self._met:
            halted = self.view.halt_at(symbol, arrival) is not None
            self._met[symbol] = None if halted else self.view.liquidity(symbol, arrival)
        return self._met[symbol]


def _priority(order: Order) -> tuple[int, bool, Decimal, int]:
    """Sequence in which orders meet a bar: stops, then market orders, then limits by price and then time; targets last."""
    works_as = order.works_as
    aggressive = _NONE
    if works_as == "limit" and order.limit_price is not None:
        aggressive = -order.limit_price if order.is_buy else order.limit_price
    return _WORK_SEQUENCE[works_as], order.role == TAKE_PROFIT, aggressive, order.sequence
