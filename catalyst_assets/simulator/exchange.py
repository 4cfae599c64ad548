"""The exchange: what a broker's customer can ask for. The only matching engine; the server and the replay both use it.

Belongs here: taking, cancelling and replacing orders, and answering questions about orders, positions, account and activities.
Does not belong here: moving time and matching (``engine``), what may be ordered (``admission``), wire formats (``server``).
"""

from __future__ import annotations

from copy import copy
from dataclasses import replace
from datetime import date, timedelta
from decimal import ROUND_DOWN, Decimal
from typing import Any

from catalyst_assets.simulator.venue import admission
from catalyst_assets.simulator.venue.engine import CENT, MatchingEngine
from catalyst_assets.simulator.venue.groups import group_of, make_group
from catalyst_assets.simulator.venue.habits import AccountSettings, Habits
from catalyst_assets.simulator.venue.ledger import AccountState, Activity, Position
from catalyst_assets.simulator.venue.orders import ENTRY, ExchangeRefusal, NewOrder, Order
from catalyst_assets.simulator.venue.selection import OrderQuery, select

GTC_LIFE = timedelta(days=90)
NO_SHARES = Decimal(0)
OPG_CUTOFF, CLS_CUTOFF = timedelta(minutes=2), timedelta(minutes=10)
EVENING = timedelta(hours=3)
"""From three hours after the close (19:00) the next session's auction orders are taken."""


class Exchange(MatchingEngine):
    """One simulated venue with one account. Thread-safe; time only moves by ``advance``.

    ``Exchange(tape, start=..., starting_cash=Decimal("100000"), config=ExchangeConfig(), seed=0, view=None)``; ``start`` is the
    first instant (aware UTC). Ids are derived from ``seed`` and a counter, so the same calls give the same ids. ``view`` shares an
    existing :class:`~catalyst_assets.simulator.market.MarketView` of the same tape.
    """

    settings: AccountSettings = AccountSettings()
    trading_blocked: bool = False
    """True: the broker has blocked the account; every order is refused."""

    # --------------------------------------------------------------------------------------------------------- orders

    def submit(self, request: NewOrder) -> Order:
        """Take an order. The answer is the order as accepted, before it met the market (as Alpaca answers); ask again for
        fills. Raises :class:`ExchangeRefusal`; a refused request consumes nothing, not even its client_order_id."""
        with self._turn:
            admission.check_form(request)
            self._check_client_id(request.client_order_id)
            context = self._context(request)
            intent = admission.admit(request, context)
            root = self._make(request, intent, context)
            answer = root.snapshot()
            if root.status == "pending_new":
                self._activate(root, self._now)
            elif root.time_in_force in ("ioc", "fok"):
                self._cancel_group(root, self._now)
            return answer

    def _check_client_id(self, client_order_id: str | None) -> None:
        prior = self._by_client_id.get(client_order_id) if client_order_id else None
        if prior is not None:
            code = admission.UNPROCESSABLE if self._orders[prior].is_open else admission.MALFORMED
            raise ExchangeRefusal(code, 422, "client_order_id must be unique")

    def _context(self, request: NewOrder) -> admission.MarketContext:
        symbol, position = request.symbol, self._ledger.positions.get(request.symbol)
        # A wash trade needs an order of the other side, an exit one that claims the same shares: nobody else is looked at.
        rivals = self._open.of(symbol, "sell" if request.side == "buy" else "buy")
        if position is not None and (position.qty > 0) == (request.side == "sell"):
            rivals += self._open.of(symbol, request.side)
        state = self.account()
        return admission.MarketContext(
            instrument=self.view.instruments.get(symbol),
            quote=self._quote(symbol),
            last_price=self._mark(symbol),
            position=position.qty if position else NO_SHARES,
            open_orders=[order for order in rivals if order.armed],
            buying_power=state.buying_power,
            config=self.config,
            settings=self.settings,
            trading_blocked=self.trading_blocked,
            auctions=self._auctions(),
            day_trade=position is not None and self._day_trade_refused(position, state.equity),
        )

    def _auctions(self) -> frozenset[str]:
        """Auctions that take orders now: the opening one from 19:00 until 09:28, the closing one from 19:00 until 15:50 (or ten
        minutes before an early close)."""
        hours, now = self.view.session_for(self._now), self._now
        takes = set()
        if not hours.open - OPG_CUTOFF <= now < hours.close + EVENING:
            takes.add("opg")
        if not hours.close - CLS_CUTOFF <= now < hours.close + EVENING:
            takes.add("cls")
        return frozenset(takes)

    def _day_trade_refused(self, position: Position, equity: Decimal) -> bool:
        if not self.config.habits.pattern_day_trading or equity >= admission.PDT_EQUITY:
            return False
        session = self.session()
        window = set(self.view.calendar.sessions(session - timedelta(days=10), session)[-5:])
        recent = sum(day in window for day in self._ledger.day_trades)
        return position.opened_in == session and recent >= admission.PDT_TRADES

    def configure(self, **changes: Any) -> AccountSettings:
        """Change the customer's settings; they act on later orders. Raises ``ValueError`` (a value that is not offered) and
        ``TypeError`` (no such setting)."""
        with self._turn:
            self.settings = replace(self.settings, **changes)
            return self.settings

    def adopt(self, habits: Habits) -> None:
        """Let the venue behave differently from now on where the vendor's documents are silent."""
        with self._turn:
            self.config = replace(self.config, habits=habits)

    def _make(self, request: NewOrder, intent: str, context: admission.MarketContext) -> Order:
        now, hours = self._now, self.view.session_for(self._now)
        trading = hours.pre_open <= now < hours.post_close
        working = trading and (request.extended_hours or hours.open <= now < hours.close)
        end = hours.post_close if request.extended_hours else hours.close
        if now >= end:
            following = self.view.hours(self.view.calendar.next(hours.session))
            end = following.post_close if request.extended_hours else following.close
        if request.time_in_force == "opg" and hours.open <= now < hours.post_close:
            end = self.view.hours(self.view.calendar.next(hours.session)).close
        if request.time_in_force in ("opg", "cls"):
            working = False
        orders = make_group(
            request,
            intent,
            qty=admission.shares_wanted(request, context),
            now=now,
            expires_at=now + GTC_LIFE if request.time_in_force == "gtc" else end,
            status="pending_new" if working else "accepted",
            new_id=lambda: self._next_id("order"),
            sequence=self._counter,
        )
        for order in orders:
            self._register(order)
            self._feed.record(order.status, order, now)
        self._roots.append(orders[0])
        return orders[0]

    def _register(self, order: Order) -> None:
        self._orders[order.order_id] = order
        self._by_client_id[order.client_order_id] = order.order_id
        self._open.add(order)

    def cancel(self, order_id: str) -> Order:
        """Ask for a cancel of an order and its whole group. Raises :class:`ExchangeRefusal` (404, or 422 when it is final)."""
        with self._turn:
            order = self._existing(order_id)
            if not order.is_open:
                raise admission.unprocessable(f'order is already in "{order.status}" state')
            if self.config.cancel_delay > timedelta(0):
                self._open.cancel_at(order, order.cancel_due or self._now + self.config.cancel_delay)
                order.status = "pending_cancel"
                order.updated_at = self._now
                self._feed.record("pending_cancel", order, self._now)
            else:
                self._cancel_group(order, self._now)
            return order.snapshot()

    def replace(
        self,
        order_id: str,
        *,
        qty: Decimal | int | None = None,
        limit_price: Decimal | None = None,
        stop_price: Decimal | None = None,
        trail: Decimal | None = None,
        time_in_force: str | None = None,
        client_order_id: str | None = None,
    ) -> Order:
        """Change a working order: a NEW order takes its place (also inside its group), the old one becomes ``replaced``.

        Shares already filled are carried over, so ``qty`` is the order's whole quantity. Raises :class:`ExchangeRefusal`.
        """
        with self._turn:
            old = self._existing(order_id)
            if not old.is_open:
                raise admission.unprocessable(f'order is already in "{old.status}" state')
            if old.status not in ("new", "partially_filled", "held"):
                raise admission.unprocessable("unable to replace order in current state")
            self._check_client_id(client_order_id)
            self._check_terms(old, trail, time_in_force)
            self._check_replacement(old, None if qty is None else Decimal(qty), limit_price, stop_price)
            new = old.snapshot()
            new.legs = old.legs
            new.order_id = self._next_id("order")
            new.client_order_id = client_order_id or self._next_id("client")
            new.sequence = self._counter
            new.replaces, old.replaced_by = old.order_id, new.order_id
            new.created_at = new.submitted_at = new.updated_at = self._now
            new.qty = Decimal(qty) if qty is not None else old.qty
            new.limit_price = limit_price if limit_price is not None else old.limit_price
            new.stop_price = stop_price if stop_price is not None else old.stop_price
            new.time_in_force = time_in_force or old.time_in_force
            if trail is not None:
                new.trail_price = trail if old.trail_price is not None else None
                new.trail_percent = trail if old.trail_percent is not None else None
                if new.hwm is not None:
                    best, new.hwm = new.hwm, None
                    new.trail_from(best)
            if time_in_force == "gtc":
                new.expires_at = self._now + GTC_LIFE
            elif time_in_force == "day" and old.time_in_force == "gtc":
                hours = self.view.session_for(self._now)
                new.expires_at = hours.post_close if new.extended_hours else hours.close
            if new.armed:
                new.active_from = self._now + self.config.latency
            self._feed.record("pending_replace", old, self._now)
            self._finish(old, "replaced", self._now)
            self._swap(old, new)
            self._register(new)
            self._feed.record(new.status if new.status == "held" else "new", new, self._now)
            answer = new.snapshot()
            if new.armed and new.status in ("new", "partially_filled") and self._may_work(new, self._now):
                self._activate(new, self._now)
            return answer

    def _swap(self, old: Order, new: Order) -> None:
        if old.parent_id:
            legs = self._orders[old.parent_id].legs
            legs[legs.index(old)] = new
            return
        old.legs = []
        for leg in new.legs:
            leg.parent_id = new.order_id
            if leg.status == "held" and new.role == ENTRY:
                leg.qty = new.qty
        self._roots.append(new)

    def _check_terms(self, old: Order, trail: Decimal | None, time_in_force: str | None) -> None:
        if trail is not None and old.type != "trailing_stop":
            raise admission.malformed(f"{old.type} orders require no trail")  # wording guessed
        if trail is not None and (not trail.is_finite() or trail <= 0):
            raise admission.unprocessable("trail must be greater than zero")  # wording guessed
        if time_in_force is None or time_in_force == old.time_in_force:
            return
        if time_in_force not in ("day", "gtc") or old.time_in_force not in ("day", "gtc"):
            raise admission.malformed(f'invalid time_in_force "{time_in_force}"')  # wording guessed

    def _check_replacement(
        self, old: Order, qty: Decimal | None, limit_price: Decimal | None, stop_price: Decimal | None
    ) -> None:
        admission.check_price("limit_price", limit_price)
        admission.check_price("stop_price", stop_price)
        if limit_price is not None and old.limit_price is None:
            raise admission.malformed(f"{old.type} orders require no limit price")
        if stop_price is not None and old.stop_price is None:
            raise admission.malformed(f"{old.type} orders require no stop price")
        if qty is not None and qty != old.qty and (old.notional is not None or old.qty % 1 or qty % 1):
            raise admission.unprocessable("fractional quantities cannot be changed")  # wording guessed
        if qty is not None and qty <= old.filled_qty:
            raise admission.unprocessable("qty must be greater than filled qty")
        if stop_price is not None and not old.triggered and old.armed:
            admission.check_stop_side(old.side, stop_price, self._mark(old.symbol))
        others = [order for order in self._open.of(old.symbol) if order is not old]
        wanted = (qty if qty is not None else old.qty) - old.filled_qty
        if old.armed and not old.opens:
            position = self._ledger.positions.get(old.symbol)
            claimed = [order for order in others if order.order_id not in self._group_ids(old)]
            admission.check_available(old.symbol, wanted, position.qty if position else NO_SHARES, claimed)
        elif old.opens:
            price = limit_price or old.limit_price or stop_price or old.stop_price or self._mark(old.symbol)
            cost = ((price or Decimal(0)) * wanted).quantize(CENT)
            power = self.account().buying_power + self._order_value(old)
            if cost > power:
                raise admission.forbidden(
                    "insufficient buying power", buying_power=admission.plain(power), cost_basis=admission.plain(cost)
                )

    def _group_ids(self, order: Order) -> frozenset[str]:
        return frozenset(member.order_id for member in group_of(self._root(order)))

    def _existing(self, order_id: str) -> Order:
        order = self._orders.get(order_id)
        if order is None:
            raise ExchangeRefusal(admission.NOT_FOUND, 404, "order not found")
        return order

    # ------------------------------------------------------------------------------------------------------ questions

    def order(self, order_id: str) -> Order:
        """The order with this id, as it is now. Raises :class:`ExchangeRefusal` (404)."""
        with self._lock:
            return self._existing(order_id).snapshot()

    def order_by_client_id(self, client_order_id: str) -> Order:
        """The order with this client id. Raises :class:`ExchangeRefusal` (404)."""
        with self._lock:
            order_id = self._by_client_id.get(client_order_id)
            if order_id is None:
                raise ExchangeRefusal(admission.NOT_FOUND, 404, f"order not found for {client_order_id}")
            return self._orders[order_id].snapshot()

    def orders(self) -> list[Order]:
        """Every order group by its parent (a copy), oldest first; legs are on ``legs``."""
        with self._lock:
            return [root.snapshot() for root in self._roots]

    def find(self, query: OrderQuery) -> list[Order]:
        """The orders a query chooses (copies), in its direction. An unknown order id as a bound raises a refusal (404)."""
        with self._lock:
            after = self._existing(query.after_order_id).sequence if query.after_order_id else None
            before = self._existing(query.before_order_id).sequence if query.before_order_id else None
            roots = self._roots
            if query.status == "open":
                # Only groups with an open member: their parents, in the order they came.
                parents = {order.parent_id or order.order_id: None for order in self._open}
                roots = sorted((self._orders[key] for key in parents), key=lambda order: order.sequence)
            return [order.snapshot() for order in select(roots, query, after, before)]

    def open_orders(self) -> list[Order]:
        """Groups with at least one member that can still fill, by their parent (a copy), oldest first."""
        with self._lock:
            parents = {order.parent_id or order.order_id: None for order in self._open}
            roots = sorted((self._orders[key] for key in parents), key=lambda order: order.sequence)
            return [root.snapshot() for root in roots]

    def positions(self) -> list[Position]:
        """Positions by symbol (copies)."""
        with self._lock:
            return [copy(p) for p in sorted(self._ledger.positions.values(), key=lambda position: position.symbol)]

    def position(self, symbol: str) -> Position | None:
        """The position in a symbol (a copy), ``None`` when flat."""
        with self._lock:
            held = self._ledger.positions.get(symbol)
            return copy(held) if held else None

    def available(self, symbol: str) -> Decimal:
        """Shares of a position (absolute) that no resting exit order claims."""
        with self._lock:
            position = self._ledger.positions.get(symbol)
            qty = position.qty if position else NO_SHARES
            mine = self._open.of(symbol, "sell" if qty > 0 else "buy")
            return abs(qty) - admission.reserved_shares(qty, mine)

    def trades_in_parts(self, symbol: str) -> bool:
        """True when parts of shares of the asset trade on this account."""
        row = self.view.instruments.get(symbol)
        return row is not None and self.settings.fractional_trading and admission.fractionable(row)

    @property
    def starting_cash(self) -> Decimal:
        """Cash the account began with, USD."""
        return self._ledger.starting_cash

    def activities(self) -> list[Activity]:
        """Every FILL and FEE so far, oldest first."""
        with self._lock:
            return list(self._ledger.activities)

    def price(self, symbol: str) -> Decimal | None:
        """The last price visible now, USD on the tick; ``None`` when the tape has none."""
        with self._lock:
            return self._mark(symbol)

    def _order_value(self, order: Order) -> Decimal:
        if order.notional is not None and order.is_buy:
            return max(order.notional - order.filled_notional, Decimal(0))
        price = order.limit_price or order.stop_price or self._mark(order.symbol) or Decimal(0)
        if not order.is_buy:
            price = max(price, (self._mark(order.symbol) or price) * self.config.short_price_buffer)
        return price * order.remaining

    def account(self) -> AccountState:
        """The account now, USD; positions at the last visible prices, buying power net of open orders."""
        with self._lock:
            ledger = self._ledger
            long, short = ledger.values(self._mark)
            equity = ledger.cash + long + short
            gross = long - short
            offered = min(self.config.multiplier, Decimal(self.settings.max_margin_multiplier))
            multiplier = offered if equity >= self.config.margin_minimum else Decimal(1)
            reserved = self._open.reserved(self._order_value)

            def power(times: Decimal) -> Decimal:
                free = ledger.cash + short if times == 1 else times * equity - gross
                return max(free - reserved, Decimal(0)).quantize(CENT, rounding=ROUND_DOWN)

            return AccountState(
                cash=ledger.cash,
                equity=equity.quantize(CENT),
                last_equity=ledger.last_equity,
                long_market_value=long,
                short_market_value=short,
                initial_margin=(gross / 2).quantize(CENT),
                maintenance_margin=(gross * self.config.maintenance).quantize(CENT),
                multiplier=multiplier,
                buying_power=power(multiplier),
                regt_buying_power=power(min(multiplier, Decimal(2))),
                non_marginable_buying_power=power(Decimal(1)),
                fees_paid=ledger.fees_paid,
            )

    def _too_dear(self, order: Order) -> bool:
        # The account's buying power already has this order's own claim taken off.
        return order.opens and self._order_value(order) > self.account().buying_power + self._order_value(order)

    @property
    def realized(self) -> Decimal:
        """Profit of closed shares so far, USD, before fees."""
        with self._lock:
            return self._ledger.realized

    def session(self) -> date:
        """The session the present instant belongs to."""
        return self.view.session_for(self._now).session
