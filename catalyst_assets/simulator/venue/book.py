"""The open orders of the account, found without looking through all of them: by symbol and side, and what they claim.

Belongs here: indices that are kept up to date order by order. Does not belong here: any change of an order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from decimal import Decimal

from catalyst_assets.simulator.venue.orders import Order

Value = Callable[[Order], Decimal]


class OpenOrders:
    """Open orders in the order they came. Iterating gives a copy's worth: changes while iterating are safe.

    ``value`` prices an opening order without a limit or stop price (it depends on the market and is asked each time); the others
    are summed up as they come and go, so ``reserved`` does not grow with the book.
    """

    def __init__(self) -> None:
        self._orders: dict[str, Order] = {}
        self._sides: dict[tuple[str, str], dict[str, Order]] = {}
        self._fixed: dict[str, Decimal] = {}
        self._moving: dict[str, Order] = {}
        self._cancels: dict[str, Order] = {}
        self._fixed_sum = Decimal(0)
        self.version = 0

    def __len__(self) -> int:
        return len(self._orders)

    def __iter__(self) -> Iterator[Order]:
        return iter(list(self._orders.values()))

    def __contains__(self, order: Order) -> bool:
        return order.order_id in self._orders

    def values(self) -> Iterator[Order]:
        """The same as iterating."""
        return iter(self)

    def add(self, order: Order) -> None:
        """The order is open from now on."""
        self._orders[order.order_id] = order
        self._sides.setdefault((order.symbol, order.side), {})[order.order_id] = order
        self.revalue(order)

    def remove(self, order: Order) -> None:
        """The order is not open any more; nothing happens when it was not."""
        if self._orders.pop(order.order_id, None) is None:
            return
        side = self._sides[(order.symbol, order.side)]
        del side[order.order_id]
        if not side:
            del self._sides[(order.symbol, order.side)]
        self._fixed_sum -= self._fixed.pop(order.order_id, Decimal(0))
        self._moving.pop(order.order_id, None)
        self._cancels.pop(order.order_id, None)
        self.version += 1

    def revalue(self, order: Order) -> None:
        """Quantity, price or armed state changed: count anew what the order claims of buying power."""
        self.version += 1
        self._fixed_sum -= self._fixed.pop(order.order_id, Decimal(0))
        self._moving.pop(order.order_id, None)
        if not (order.armed and order.opens):
            return
        price = order.limit_price or order.stop_price
        if order.notional is not None and order.is_buy:
            claim = max(order.notional - order.filled_notional, Decimal(0))
        elif order.is_buy and price is not None and order.type != "trailing_stop":
            claim = price * order.remaining
        else:
            self._moving[order.order_id] = order
            return
        self._fixed[order.order_id] = claim
        self._fixed_sum += claim

    def reserved(self, value: Value) -> Decimal:
        """USD of buying power that open opening orders claim."""
        return self._fixed_sum + sum((value(order) for order in self._moving.values()), Decimal(0))

    def of(self, symbol: str, side: str | None = None) -> list[Order]:
        """Open orders of a symbol, oldest first; of one side when given."""
        if side is not None:
            return list(self._sides.get((symbol, side), {}).values())
        both = [*self._sides.get((symbol, "buy"), {}).values(), *self._sides.get((symbol, "sell"), {}).values()]
        return sorted(both, key=lambda order: order.sequence)

    def symbols(self) -> list[str]:
        """Symbols with an open order, sorted."""
        return sorted({symbol for symbol, _ in self._sides})

    def cancel_at(self, order: Order, due: datetime) -> None:
        """The order will be cancelled at ``due``."""
        order.cancel_due = due
        self._cancels[order.order_id] = order
        self.version += 1

    def cancels(self) -> list[Order]:
        """Orders whose cancel is under way."""
        return list(self._cancels.values())
