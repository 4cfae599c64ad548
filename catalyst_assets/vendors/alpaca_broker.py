"""A brokerage account at Alpaca through alpaca-py's ``TradingClient``.

Belongs here: asking, and telling apart "no", "could not ask" and "may or may not have happened". Does not belong here: reading
the answers (``alpaca_orders.py``), deciding what to order (``trading/``), the journal (``execution/``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, TypeVar
from urllib.parse import urlsplit
from uuid import UUID

import structlog
from alpaca.common.enums import Sort
from alpaca.common.exceptions import APIError
from alpaca.trading.client import TradingClient
from alpaca.trading.enums import QueryOrderStatus
from alpaca.trading.requests import GetOrderByIdRequest, GetOrdersRequest

from catalyst_assets.ports import (
    Account,
    BrokerClock,
    BrokerOrder,
    BrokerPosition,
    BrokerUnavailable,
    Fee,
    Fill,
    OrderRefused,
    OrderRequest,
    OrderStateUnknown,
)
from catalyst_assets.vendors import alpaca_orders as reading
from catalyst_assets.vendors.alpaca_client import PerThread, connect_client, read_api_error
from catalyst_assets.vendors.budgets import Budget
from catalyst_assets.vendors.fields import Unreadable
from catalyst_assets.vendors.transport import Patience, Redactor, VendorSession, certainly_not_sent, sentence

log = structlog.get_logger(__name__)
Read = TypeVar("Read")

LIVE_HOST = "api.alpaca.markets"
ORDERS_PER_PAGE = 500
ACTIVITIES_PER_PAGE = 100
MAX_PAGES = 200
"""Pages of one question at most; more raises, because half an account is not an account."""
NOT_OUR_FAULT = frozenset({401, 429})
"""Answers about the key or the rate, not about the order: nothing changed."""
REQUEST_TIMEOUT = 408
BUDGET_WAIT_SECONDS = 5.0
_GROUPS = frozenset({"bracket", "oco", "oto"})


class LiveTradingRefused(Exception):
    """Real money was asked for without every switch saying so."""


class AlpacaBroker:
    """:class:`ports.Broker` on one Alpaca account. Safe to share between threads (one client each).

    Refusal, by Alpaca's practice: a 4xx with a numeric code that is neither 401 nor 429. Any other 4xx means it could not be
    asked. A 5xx, a timeout, a lost connection or an unreadable answer to a write means it may have happened.

    Reads take from the request budget and stop when it is spent, which leaves room in the plan for writes; writes are never
    held back, because they protect positions.
    """

    name = "alpaca"

    def __init__(
        self,
        key: str,
        secret: str,
        *,
        paper: bool,
        budget: Budget,
        redact: Redactor,
        patience: Patience,
        url: str = "",
        live_trading: bool = False,
        live_account_id: str = "",
    ) -> None:
        """Raises :class:`LiveTradingRefused` for real money unless ``live_trading`` is set and the account's id is
        ``live_account_id`` (asked here), and for the live address declared as paper."""
        self.is_paper = paper
        self._budget = budget
        self._redact = redact
        self._patience = patience
        self._clients = PerThread(
            lambda: connect_client(
                TradingClient(key, secret, paper=paper, raw_data=True, url_override=url or None),
                VendorSession(patience),
            )
        )
        if paper and urlsplit(url).hostname == LIVE_HOST:
            raise LiveTradingRefused(f"ALPACA_PAPER is true but the address is {LIVE_HOST}, which is real money")
        if not paper:
            self._refuse_unless_meant(live_trading, live_account_id)

    def _refuse_unless_meant(self, live_trading: bool, live_account_id: str) -> None:
        if not live_trading:
            raise LiveTradingRefused("real money needs CATALYST_LIVE_TRADING=true")
        if not live_account_id:
            raise LiveTradingRefused("real money needs CATALYST_LIVE_ACCOUNT=<the account's id>")
        if (found := self.account().account_id) != live_account_id:
            raise LiveTradingRefused(
                f"CATALYST_LIVE_ACCOUNT is {live_account_id}, but the keys belong to account {found}"
            )

    # ------------------------------------------------------------------------------------------------------------ reads

    def account(self) -> Account:
        """See :class:`ports.Broker`."""
        return self._read("account", lambda client: reading.parse_account(client.get_account(), is_paper=self.is_paper))

    def positions(self) -> list[BrokerPosition]:
        """See :class:`ports.Broker`; stocks only."""
        return self._read("positions", lambda client: _stocks(client.get_all_positions(), reading.parse_position))

    def open_orders(self) -> list[BrokerOrder]:
        """See :class:`ports.Broker`. Whether Alpaca lists the open legs of a filled entry under it is not documented, so the flat
        list is read too; a leg that is missing from the nested one brings its whole group, or stands alone."""
        nested = self._orders(QueryOrderStatus.OPEN, nested=True)
        flat = self._orders(QueryOrderStatus.OPEN, nested=False)
        orphans = [order for order in flat if order.order_id not in set(_ids(nested))]
        if orphans:
            earliest = min(order.submitted_at for order in orphans) - timedelta(seconds=1)
            missing = {order.order_id for order in orphans}
            groups = self._orders(QueryOrderStatus.ALL, nested=True, after=earliest)
            homes = [group for group in groups if missing.intersection(leg.order_id for leg in group.legs)]
            nested += homes
            nested += [order for order in orphans if order.order_id not in set(_ids(homes))]
        return sorted(nested, key=lambda order: (order.submitted_at, order.order_id))

    def orders_since(self, after: datetime) -> list[BrokerOrder]:
        """See :class:`ports.Broker`."""
        found = self._orders(QueryOrderStatus.ALL, nested=True, after=after)
        return sorted(
            (order for order in found if order.submitted_at > after),
            key=lambda order: (order.submitted_at, order.order_id),
        )

    def _orders(self, status: QueryOrderStatus, *, nested: bool, after: datetime | None = None) -> list[BrokerOrder]:
        """All pages, newest first. ``until`` is exclusive and whole microseconds are all we can ask for, so each page begins one
        microsecond after the oldest seen and what is seen twice is dropped."""
        found: dict[str, BrokerOrder] = {}
        until: datetime | None = None
        for _ in range(MAX_PAGES):
            question = GetOrdersRequest(
                status=status, limit=ORDERS_PER_PAGE, after=after, until=until, direction=Sort.DESC, nested=nested
            )
            raw, page = self._read("orders", lambda client, question=question: _order_page(client.get_orders(question)))  # type: ignore[misc]
            fresh = [order for order in page if order.order_id not in found]
            found.update({order.order_id: order for order in fresh})
            if raw < ORDERS_PER_PAGE or not page:
                return list(found.values())
            oldest = min(order.submitted_at for order in page)
            until = oldest + timedelta(microseconds=1) if fresh else oldest
        raise BrokerUnavailable(f"Alpaca orders: more than {MAX_PAGES} pages")

    def order_by_client_id(self, client_order_id: str) -> BrokerOrder | None:
        """See :class:`ports.Broker`."""
        found = self._read_or_none(
            "order by client id", lambda client: reading.parse_order(client.get_order_by_client_id(client_order_id))
        )
        if found is not None and found.order_class in _GROUPS and not found.legs:
            return self.order(found.order_id) or found  # this endpoint has no "nested"
        return found

    def order(self, order_id: str) -> BrokerOrder | None:
        """See :class:`ports.Broker`; legs nested."""
        if not _is_order_id(order_id):
            return None
        return self._read_or_none(
            "order",
            lambda client: reading.parse_order(client.get_order_by_id(order_id, GetOrderByIdRequest(nested=True))),
        )

    def fills(self, after: datetime) -> list[Fill]:
        """See :class:`ports.Broker`; executions later than ``after``, oldest first."""
        found = [self._parsed(reading.parse_fill, row) for row in self._activities("FILL", after)]
        return sorted((fill for fill in found if fill.at > after), key=lambda fill: (fill.at, fill.activity_id))

    def fees(self, after: datetime) -> list[Fee]:
        """See :class:`ports.Broker`; fees later than ``after``, oldest first. Alpaca dates most of them by day only: those of
        ``after``'s day are included."""
        day = after.astimezone(reading.NEW_YORK).replace(hour=0, minute=0, second=0, microsecond=0)
        rows = list(self._activities("FEE", day - timedelta(days=1)))
        found = [(self._parsed(reading.parse_fee, row), row) for row in rows]
        kept = [fee for fee, row in found if fee.at > after or (_dated_by_day(row) and fee.at >= day)]
        return sorted(kept, key=lambda fee: (fee.at, fee.activity_id))

    def _activities(self, kind: str, after: datetime) -> Iterator[Any]:
        question: dict[str, Any] = {"after": after.isoformat(), "direction": "asc", "page_size": ACTIVITIES_PER_PAGE}
        for _ in range(MAX_PAGES):
            page = self._read(
                f"{kind} activities",
                lambda client: _list(client.get(f"/account/activities/{kind}", dict(question))),
            )
            yield from page
            if len(page) < ACTIVITIES_PER_PAGE:
                return
            last = page[-1].get("id") if isinstance(page[-1], dict) else None
            if not last or last == question.get("page_token"):
                raise BrokerUnavailable(f"Alpaca {kind} activities: the pages do not go on")
            question["page_token"] = last
        raise BrokerUnavailable(f"Alpaca {kind} activities: more than {MAX_PAGES} pages")

    def clock(self) -> BrokerClock:
        """See :class:`ports.Broker`."""
        return self._read("clock", lambda client: reading.parse_clock(client.get_clock()))

    def calendar(self, start: date, end: date) -> list[tuple[date, datetime, datetime]]:
        """See :class:`ports.Broker`."""
        question = {"start": start.isoformat(), "end": end.isoformat()}
        days = self._read(
            "calendar",
            lambda client: [reading.parse_calendar_day(row) for row in _list(client.get("/calendar", question))],
        )
        return sorted(day for day in days if start <= day[0] <= end)

    # ----------------------------------------------------------------------------------------------------------- writes

    def submit(self, request: OrderRequest) -> BrokerOrder:
        """See :class:`ports.Broker`. Sent exactly once, whatever happens."""
        try:
            wanted = reading.to_alpaca(request)
        except (
            ValueError
        ) as error:  # alpaca-py's own checks (pydantic's error is a ValueError): it never left this machine
            raise OrderRefused(f"not sent: {sentence(error, self._redact)}", reason="refused") from None
        return self._write("submit", lambda client: reading.parse_order(client.submit_order(wanted)))

    def replace(
        self,
        order_id: str,
        *,
        client_order_id: str,
        qty: int | None = None,
        limit_price: Decimal | None = None,
        stop_price: Decimal | None = None,
    ) -> BrokerOrder:
        """See :class:`ports.Broker`. An answer does not prove that the old order is gone: look at both."""
        _refuse_foreign_id(order_id)
        try:
            wanted = reading.to_alpaca_change(client_order_id, qty, limit_price, stop_price)
        except ValueError as error:
            raise OrderRefused(f"not sent: {sentence(error, self._redact)}", reason="refused") from None
        return self._write("replace", lambda client: reading.parse_order(client.replace_order_by_id(order_id, wanted)))

    def cancel(self, order_id: str) -> None:
        """See :class:`ports.Broker`."""
        _refuse_foreign_id(order_id)
        self._write("cancel", lambda client: client.cancel_order_by_id(order_id))

    # ---------------------------------------------------------------------------------------------------------- asking

    def _read(self, what: str, question: Callable[[Any], Read]) -> Read:
        if not self._budget.acquire("alpaca_trading", wait=BUDGET_WAIT_SECONDS):
            raise BrokerUnavailable(f"Alpaca {what}: the request budget of this minute is spent")
        try:
            return question(self._clients.get())
        except APIError as error:
            status, _, message, _ = read_api_error(error)
            raise _Answered(self._redact(f"Alpaca {what}: HTTP {status}: {message}"), status, error) from None
        except (OSError, ValueError) as error:
            raise BrokerUnavailable(f"Alpaca {what}: {sentence(error, self._redact, self._patience)}") from None

    def _read_or_none(self, what: str, question: Callable[[Any], Read]) -> Read | None:
        try:
            return self._read(what, question)
        except _Answered as answer:
            if answer.status == 404 and answer.code is not None:
                return None
            raise

    def _write(self, what: str, question: Callable[[Any], Read]) -> Read:
        try:
            return question(self._clients.get())
        except APIError as error:
            raise self._failed_write(what, error) from None
        except (OSError, ValueError) as error:
            text = f"Alpaca {what}: {sentence(error, self._redact, self._patience)}"
            if certainly_not_sent(error):
                raise BrokerUnavailable(f"{text}; nothing was sent") from None
            raise OrderStateUnknown(f"{text}; it may have landed, look it up") from None

    def _failed_write(self, what: str, error: APIError) -> OrderRefused | OrderStateUnknown | BrokerUnavailable:
        status, code, message, body = read_api_error(error)
        text = self._redact(f"Alpaca {what}: HTTP {status}: {message}")
        if status is None or status >= 500 or status == REQUEST_TIMEOUT:
            return OrderStateUnknown(f"{text}; it may have landed, look it up")
        if status in NOT_OUR_FAULT or code is None:
            return BrokerUnavailable(text)
        return OrderRefused(text, code=code, reason=reading.refusal_reason(message), body=self._redact.value(body))

    def _parsed(self, parse: Callable[[Any], Read], row: Any) -> Read:
        try:
            return parse(row)
        except Unreadable as error:
            raise BrokerUnavailable(f"Alpaca's answer: {sentence(error, self._redact)}") from None


class _Answered(BrokerUnavailable):
    """A read that was answered with an error."""

    def __init__(self, message: str, status: int | None, error: APIError) -> None:
        super().__init__(message)
        self.status = status
        self.code = read_api_error(error)[1]


def _is_order_id(order_id: str) -> bool:
    """Alpaca's order ids are UUIDs; alpaca-py raises a bare ``ValueError`` for anything else."""
    try:
        UUID(order_id)
    except ValueError:
        return False
    return True


def _refuse_foreign_id(order_id: str) -> None:
    if not _is_order_id(order_id):
        raise OrderRefused(f"not sent: {order_id!r:.60} is not an order id of Alpaca's", reason="not_found")


def _list(body: Any) -> list[Any]:
    if not isinstance(body, list):
        raise Unreadable("the answer is not a list")
    return body


def _stocks(body: Any, parse: Callable[[Any], Read]) -> list[Read]:
    """The rows that are stocks. Options and crypto of the same account are somebody else's business."""
    found = []
    for row in _list(body):
        try:
            found.append(parse(row))
        except reading.NotAStock as skipped:
            log.debug("not_a_stock", reason=str(skipped))
    return found


def _order_page(body: Any) -> tuple[int, list[BrokerOrder]]:
    return len(_list(body)), _stocks(body, reading.parse_order)


def _ids(orders: list[BrokerOrder]) -> Iterator[str]:
    for order in orders:
        yield order.order_id
        yield from (leg.order_id for leg in order.legs)


def _dated_by_day(row: Any) -> bool:
    return isinstance(row, dict) and not row.get("transaction_time") and not row.get("created_at")
