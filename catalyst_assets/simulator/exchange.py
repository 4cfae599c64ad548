"""The exchange: what a broker's customer can ask for. The only matching engine; the server and the replay both use it.

Belongs here: taking, cancelling and replacing orders, and answering questions about orders, positions, account and activities.
Does not belong here: moving time and matching (``engine``), what may be ordered (``admission``), wire formats (``server``).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from decimal import ROUND_DOWN, Decimal

from catalyst_assets.simulator.venue import admission
from catalyst_assets.simulator.venue.engine import CENT, MatchingEngine
from catalyst_assets.simulator.venue.groups import group_of, make_group
from catalyst_assets.simulator.venue.ledger import AccountState, Activity, Position
from catalyst_assets.simulator.venue.orders import ENTRY, ExchangeRefusal, NewOrder, Order

GTC_LIFE = timedelta(days=90)


class Exchange(MatchingEngine):
    """One simulated venue with one account. Thread-safe; time only moves by ``advance``.

    ``Exchange(tape, start=..., starting_cash=Decimal("100000"), config=ExchangeConfig(), seed=0, view=None)``; ``start`` is the
    first instant (aware UTC). Ids are derived from ``seed`` and a counter, so the same calls give the same ids. ``view`` shares an
    existing :class:`~catalyst_assets.simulator.market.MarketView` of the same tape.
    """

    # --------------------------------------------------------------------------------------------------------- orders

    def submit(self, request: NewOrder) -> Order:
        """Take an order. The answer is the order as accepted, before it met the market (as Alpaca answers); ask again for
        fills. Raises :class:`ExchangeRefusal`; a refused request consumes nothing, not even its client_order_id."""
        with self._turn:
            admission.check_form(request)
            self._check_client_id(request.client_order_id)
            intent = admission.admit(request, self._context(request.symbol))
            root = self._make(request, intent)
            answer = root.snapshot()
            if root.status == "pending_new":
                self._activate(root, self._now)
            elif root.time_in_force == "ioc":
                self._cancel_group(root, self._now)
            return answer

    def _check_client_id(self, client_order_id: str | None) -> None:
        prior = self._by_client_id.get(client_order_id) if client_order_id else None
        if prior is not None:
            code = admission.UNPROCESSABLE if self._orders[prior].is_open else admission.MALFORMED
            raise ExchangeRefusal(code, 422, "client_order_id must be unique")

    def _context(self, symbol: str) -> admission.MarketContext:
        position = self._ledger.positions.get(symbol)
        return admission.MarketContext(
            instrument=self.view.instruments.get(symbol),
            quote=self.view.quote(symbol, self._now),
            last_price=self._mark(symbol),
            position=position.qty if position else 0,
            open_orders=[order for order in self._open.values() if order.symbol == symbol and order.armed],
            buying_power=self.account().buying_power,
            config=self.config,
        )

    def _make(self, request: NewOrder, intent: str) -> Order:
        now, hours = self._now, self.view.session_for(self._now)
        trading = hours.pre_open <= now < hours.post_close
        working = trading and (request.extended_hours or hours.open <= now < hours.close)
        end = hours.post_close if request.extended_hours else hours.close
        if now >= end:
            following = self.view.hours(self.view.calendar.next(hours.session))
            end = following.post_close if request.extended_hours else following.close
        orders = make_group(
            request,
            intent,
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
        self._open[order.order_id] = order

    def cancel(self, order_id: str) -> Order:
        """Ask for a cancel of an order and its whole group. Raises :class:`ExchangeRefusal` (404, or 422 when it is final)."""
        with self._turn:
            order = self._existing(order_id)
            if not order.is_open:
                raise admission.unprocessable(f'order is already in "{order.status}" state')
            if self.config.cancel_delay > timedelta(0):
                order.cancel_due = order.cancel_due or self._now + self.config.cancel_delay
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
        qty: int | None = None,
        limit_price: Decimal | None = None,
        stop_price: Decimal | None = None,
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
            self._check_replacement(old, qty, limit_price, stop_price)
            new = old.snapshot()
            new.legs = old.legs
            new.order_id = self._next_id("order")
            new.client_order_id = client_order_id or self._next_id("client")
            new.sequence = self._counter
            new.replaces, old.replaced_by = old.order_id, new.order_id
            new.created_at = new.submitted_at = new.updated_at = self._now
            new.qty = qty if qty is not None else old.qty
            new.limit_price = limit_price if limit_price is not None else old.limit_price
            new.stop_price = stop_price if stop_price is not None else old.stop_price
            new.time_in_force = time_in_force or old.time_in_force
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

    def _check_replacement(
        self, old: Order, qty: int | None, limit_price: Decimal | None, stop_price: Decimal | None
    ) -> None:
        admission.check_price("limit_price", limit_price)
        admission.check_price("stop_price", stop_price)
        if limit_price is not None and old.limit_price is None:
            raise admission.malformed(f"{old.type} orders require no limit price")
        if stop_price is not None and old.stop_price is None:
            raise admission.malformed(f"{old.type} orders require no stop price")
        if qty is not None and qty <= old.filled_qty:
            raise admission.unprocessable("qty must be greater than filled qty")
        if stop_price is not None and not old.triggered and old.armed:
            admission.check_stop_side(old.side, stop_price, self._mark(old.symbol))
        others = [order for order in self._open.values() if order.symbol == old.symbol and order is not old]
        wanted = (qty if qty is not None else old.qty) - old.filled_qty
        if old.armed and not old.opens:
            position = self._ledger.positions.get(old.symbol)
            claimed = [order for order in others if order.order_id not in self._group_ids(old)]
            admission.check_available(old.symbol, wanted, position.qty if position else 0, claimed)
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

    def open_orders(self) -> list[Order]:
        """Groups with at least one member that can still fill, by their parent (a copy), oldest first."""
        with self._lock:
            return [root.snapshot() for root in self._roots if any(member.is_open for member in group_of(root))]

    def positions(self) -> list[Position]:
        """Positions by symbol (copies)."""
        with self._lock:
            held = sorted(self._ledger.positions.values(), key=lambda position: position.symbol)
            return [Position(p.symbol, p.qty, p.avg_entry_price, p.opened_at) for p in held]

    def available(self, symbol: str) -> int:
        """Shares of a position (absolute) that no resting exit order claims."""
        with self._lock:
            position = self._ledger.positions.get(symbol)
            qty = position.qty if position else 0
            mine = [order for order in self._open.values() if order.symbol == symbol]
            return abs(qty) - admission.reserved_shares(qty, mine)

    def activities(self) -> list[Activity]:
        """Every FILL and FEE so far, oldest first."""
        with self._lock:
            return list(self._ledger.activities)

    def price(self, symbol: str) -> Decimal | None:
        """The last price visible now, USD on the tick; ``None`` when the tape has none."""
        with self._lock:
            return self._mark(symbol)

    def _order_value(self, order: Order) -> Decimal:
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
            multiplier = self.config.multiplier if equity >= self.config.margin_minimum else Decimal(1)
            reserved = sum((self._order_value(order) for order in self._opening_orders()), Decimal(0))

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

    def _opening_orders(self) -> Iterable[Order]:
        return (order for order in self._open.values() if order.armed and order.opens)

    @property
    def realized(self) -> Decimal:
        """Profit of closed shares so far, USD, before fees."""
        with self._lock:
            return self._ledger.realized

    def session(self) -> date:
        """The session the present instant belongs to."""
        return self.view.session_for(self._now).session
