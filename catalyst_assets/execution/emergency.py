"""Everything out, with nothing but the broker: no database, no Redis, no Dagster.

Belongs here: cancelling every order and closing every position of the account until the broker shows none. Does not belong here: the
switch that keeps others from opening new ones (``switches.py``; it is on before this runs), the ordered exit of a trade with its
journal (``leaving.py``).

Entries are cancelled before exits (a parked entry makes an exit a wash trade), an exit waits until the orders that reserve its shares
are final, a refused exit is tried again, and an order whose answer got lost is looked up before another is sent. The broker itself
refuses to sell shares twice, so this may run beside a watch that does the same.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from catalyst_assets.ports import (
    Broker,
    BrokerError,
    BrokerOrder,
    BrokerPosition,
    OrderRefused,
    OrderRequest,
    OrderSide,
    OrderStateUnknown,
    OrderStatus,
    OrderType,
)

LOOK_SECONDS = 0.5
"""Between two looks at the account."""
_LEAVING = frozenset({OrderStatus.PENDING_CANCEL})


@dataclass(slots=True)
class Emptied:
    """What an emergency exit reached."""

    flat: bool = False
    """True when the broker showed no position and no working order."""
    cancelled: int = 0
    """Orders asked to cancel."""
    sent: list[str] = field(default_factory=list)
    """Symbols for which an exit was sent."""
    held: dict[str, str] = field(default_factory=dict)
    """Symbols still held at the end and how many shares, signed."""
    working: list[str] = field(default_factory=list)
    """Symbols with a working order at the end."""
    troubles: list[str] = field(default_factory=list)
    """What the broker refused or left unanswered, newest last, each once."""

    def trouble(self, text: str) -> None:
        if text not in self.troubles:
            self.troubles.append(text)


def empty_account(
    broker: Broker,
    started: datetime,
    *,
    seconds: float,
    pause: Callable[[float], None],
    monotonic: Callable[[], float],
    tell: Callable[[str], None] = lambda line: None,
) -> Emptied:
    """Cancel every order and close every position at the market, until confirmed flat or ``seconds`` are over.

    ``started`` (aware) makes the ids of the exits: a second run at another time has ids of its own. Whole and fractional shares, long
    and short. Outside regular hours a market order would wait for the open: the caller asks the broker's clock first. Never raises for
    what the broker says; everything is in the result.
    """
    run = _Run(broker, started, tell)
    deadline = monotonic() + seconds
    while True:
        if run.look() or monotonic() >= deadline:
            return run.result
        pause(LOOK_SECONDS)


class _Run:
    def __init__(self, broker: Broker, started: datetime, tell: Callable[[str], None]) -> None:
        self.result = Emptied()
        self._broker = broker
        self._prefix = f"flat-{started:%Y%m%d%H%M%S}"
        self._tell = tell
        self._attempts: dict[str, int] = {}
        self._unsure: dict[str, str] = {}
        """Symbol → id of an exit whose fate is unknown."""
        self._asked: set[str] = set()

    def look(self) -> bool:
        """One look and what follows from it; ``True`` when the account is empty."""
        result = self.result
        try:
            orders = [part for order in self._broker.open_orders() for part in _alive(order)]
            positions = {position.symbol: position for position in self._broker.positions() if position.qty}
        except BrokerError as error:
            result.trouble(str(error))
            return False
        result.held = {symbol: f"{position.qty:+}" for symbol, position in positions.items()}
        result.working = sorted({order.symbol for order in orders})
        result.flat = not orders and not positions
        if result.flat:
            return True
        entries = [order for order in orders if not _closes(order, positions)]
        exits = [order for order in orders if _closes(order, positions)]
        for order in entries or [order for order in exits if order.type != OrderType.MARKET]:
            self._cancel(order)
        busy = {order.symbol for order in orders}
        for symbol, position in positions.items():
            if symbol not in busy and not entries:
                self._close(position)
        return False

    def _cancel(self, order: BrokerOrder) -> None:
        if order.status in _LEAVING:
            return
        try:
            self._broker.cancel(order.order_id)
        except OrderRefused as error:
            if error.reason not in (
                "not_cancelable",
                "not_found",
            ):  # those went with their group: the next look shows it
                self.result.trouble(f"cancel {order.symbol}: {error}")
            return
        except BrokerError as error:
            self.result.trouble(f"cancel {order.symbol}: {error}")
            return
        if order.order_id not in self._asked:
            self._asked.add(order.order_id)
            self.result.cancelled += 1
            self._tell(f"cancelling {order.side.value} {order.qty} {order.symbol} ({order.type})")

    def _close(self, position: BrokerPosition) -> None:
        symbol = position.symbol
        unsure = self._unsure.get(symbol)
        if unsure is not None:
            try:
                found = self._broker.order_by_client_id(unsure)
            except BrokerError as error:
                self.result.trouble(f"close {symbol}: {error}")
                return
            del self._unsure[symbol]
            if found is not None and not found.status.is_final:
                return
        attempt = self._attempts[symbol] = self._attempts.get(symbol, 0) + 1
        client_id = f"{self._prefix}-{symbol}-{attempt}"
        whole = int(abs(position.qty))
        if whole < 1:
            self.result.trouble(f"close {symbol}: {position.qty} shares are less than one; close them at the broker")
            return
        side = OrderSide.SELL if position.qty > 0 else OrderSide.BUY
        try:
            self._broker.submit(OrderRequest(client_id, symbol, side, whole, OrderType.MARKET))
        except OrderStateUnknown as error:
            self._unsure[symbol] = client_id
            self.result.trouble(f"close {symbol}: {error}")
        except BrokerError as error:
            self.result.trouble(f"close {symbol}: {error}")
        else:
            self.result.sent.append(symbol)
            self._tell(f"closing {symbol}: {side.value} {whole} at the market")


def _alive(order: BrokerOrder) -> list[BrokerOrder]:
    """An order and its legs, those that can still fill; a leg that waits for its entry goes with the entry."""
    if order.status.is_final:
        return [leg for leg in order.legs if not leg.status.is_final]
    entry_works = order.order_class == "bracket" and order.filled_qty < order.qty
    return [order, *(leg for leg in order.legs if not leg.status.is_final and not entry_works)]


def _closes(order: BrokerOrder, positions: dict[str, BrokerPosition]) -> bool:
    """True for an order that can only make its position smaller."""
    position = positions.get(order.symbol)
    if position is None:
        return False
    return order.side is (OrderSide.SELL if position.qty > 0 else OrderSide.BUY)
