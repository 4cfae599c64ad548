"""What our adapters make of connections, statuses and deliveries that fail: their declared error, never wrong data; and what
was really done, by the exchange's own books."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from catalyst_assets.ports import BrokerUnavailable, MarketDataUnavailable, NewsBatch, OrderStateUnknown
from catalyst_assets.simulator.faults import KINDS, VENDORS, Phase
from catalyst_assets_tests.simulator.faults.bench import VENDOR_OF, Bench, bench, order_request

DECLARED = (BrokerUnavailable, MarketDataUnavailable)


@dataclass(frozen=True)
class Case:
    """A fault with the parameters that make it short. ``asked``: how often a read is sent; ``done``: a write was done."""

    fault: str
    asked: int = 1
    done: bool = False
    hasty: bool = False
    parameters: tuple[tuple[str, Any], ...] = ()
    write: type[Exception] = OrderStateUnknown


CASES = (
    Case("slow_first_byte", done=True, hasty=True, parameters=(("delay_s", 0.8),)),
    Case("silent_socket", hasty=True, parameters=(("hold_s", 5),)),
    Case("slow_body", done=True, hasty=True, parameters=(("pause_s", 0.4),)),
    Case("dropped", asked=2),
    Case("dropped_after", asked=2, done=True),
    Case("cut_body", asked=2, done=True),
    Case("rate_limited", write=BrokerUnavailable),
    Case("server_error"),
    Case("bad_gateway", asked=2),
    Case("unavailable", asked=2),
    Case("timeout_before", asked=2),
    Case("timeout_after", asked=2, done=True),
    Case("truncated_json", done=True),
    Case("maintenance_page"),
)
HARMLESS = {"wrong_content_type"}
"""A fault a client may read through; its own test says how."""


def test_every_fault_of_the_connection_has_a_case() -> None:
    phases = {Phase.DELAY, Phase.BEFORE, Phase.AFTER, Phase.DELIVERY}
    assert {case.fault for case in CASES} | HARMLESS == {name for name, kind in KINDS.items() if kind.phase in phases}


def arm(market: Bench, case: Case, **limits: Any) -> None:
    """The case's fault, at every vendor unless limited."""
    for vendor in [limits.pop("vendor")] if "vendor" in limits else VENDORS:
        market.arm(fault=case.fault, vendor=vendor, parameters=dict(case.parameters), **limits)


def failed(question: Callable[[], Any]) -> str:
    """How the question failed, in the adapter's words. An answer, or an undeclared error, fails the test."""
    try:
        answer = question()
    except DECLARED as error:
        return str(error)
    assert isinstance(answer, NewsBatch) and answer.error and not answer.articles, answer
    return answer.error


@pytest.fixture
def market(market: Bench, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    """The module's market; one of its own for a case whose clients give up, because a busy simulator reads what they asked only
    later, and would count it with the next case."""
    params = request.node.callspec.params if hasattr(request.node, "callspec") else {}
    if not (isinstance(params.get("case"), Case) and params["case"].hasty):
        yield market
        return
    with bench(tmp_path) as alone:
        yield alone


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.fault)
def test_no_question_is_answered_through_a_failed_connection(market: Bench, case: Case) -> None:
    arm(market, case)
    questions = market.questions(market.hasty if case.hasty else market.vendors)
    if case.hasty:
        del questions["yahoo_most_active"]  # one at a time, for twice its patience each
    with ThreadPoolExecutor(len(questions)) as pool:
        errors = dict(zip(questions, pool.map(failed, questions.values()), strict=True))
    for name, error in errors.items():
        assert "sim-key" not in error and "sim-secret" not in error, name
    asked = Counter(VENDOR_OF.get(name, "alpaca") for name in questions)
    yahoo = asked.pop("yahoo")  # its library asks several addresses for one answer
    expected = Counter({vendor: count * case.asked for vendor, count in asked.items()})
    if case.hasty:  # the clients may have given up before the simulator has read what they asked
        wait_for(lambda: expected + Counter(yahoo=yahoo) <= struck_by_vendor(market))
    struck = struck_by_vendor(market)
    assert struck.pop("yahoo") >= yahoo and struck == expected
    assert {entry.fault for entry in market.log()} == {case.fault}


def struck_by_vendor(market: Bench) -> Counter[str]:
    """How often each vendor's faults struck."""
    return Counter(entry.vendor for entry in market.log())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.fault)
def test_a_write_is_sent_once_and_its_fate_is_never_guessed(market: Bench, case: Case) -> None:
    broker = (market.hasty if case.hasty else market.vendors).broker
    identity = market.next_id()
    arm(market, case, vendor="alpaca", route="POST */v2/orders")
    with pytest.raises(case.write):
        broker.submit(order_request(identity))
    wait_for(lambda: len(market.log()) > 0)
    (struck,) = market.log()
    assert (struck.fault, struck.client_order_id, struck.route) == (
        case.fault,
        identity,
        "POST /alpaca/trading/v2/orders",
    )
    market.heal()
    if case.fault == "slow_first_byte":
        wait_for(lambda: market.vendors.broker.order_by_client_id(identity) is not None)
    found = market.vendors.broker.order_by_client_id(identity)
    assert (found is not None) == case.done
    assert sum(order.client_order_id == identity for order in market.state.exchange.orders()) == int(case.done)
    if found is not None:
        market.vendors.broker.cancel(found.order_id)


def wait_for(condition: Callable[[], bool]) -> None:
    """Until the simulator has done what it was asked after the client gave up; the deadline is a defect."""
    ends = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < ends
        time.sleep(0.05)


@pytest.mark.parametrize("write", ["cancel", "replace"])
@pytest.mark.parametrize("fault", ["timeout_after", "timeout_before", "dropped_after"])
def test_a_lost_change_is_unknown_and_the_order_tells(market: Bench, fault: str, write: str) -> None:
    broker, identity = market.vendors.broker, market.next_id()
    sent = broker.submit(order_request(identity))
    market.state.clock.advance(market.state.exchange.config.latency * 10)
    market.arm(fault=fault, vendor="alpaca", symbol="BBB", times=1)
    with pytest.raises(OrderStateUnknown):
        if write == "cancel":
            broker.cancel(sent.order_id)
        else:
            broker.replace(sent.order_id, client_order_id=f"{identity}-r", limit_price=Decimal("91"))
    (struck,) = market.log()
    assert (struck.fault, struck.client_order_id) == (fault, identity)
    found = broker.order(sent.order_id)
    assert found is not None and found.status.is_final == (fault != "timeout_before")
    latest = broker.order_by_client_id(f"{identity}-r") or found
    if not latest.status.is_final:
        broker.cancel(latest.order_id)


def test_an_answer_of_another_declared_type_is_read_or_refused_but_never_empty(market: Bench) -> None:
    healthy = market.questions()
    expected = {name: healthy[name]() for name in ("account", "fills", "alpaca_news", "finnhub_news", "newsapi_news")}
    for vendor in VENDORS:
        market.arm(fault="wrong_content_type", vendor=vendor)
    assert healthy["account"]() == expected["account"] and healthy["fills"]() == expected["fills"]
    for name in ("alpaca_news", "newsapi_news"):
        assert [a.vendor_id for a in healthy[name]().articles] == [a.vendor_id for a in expected[name].articles]
    refused = healthy["finnhub_news"]()  # its library insists on the declared type
    assert refused.error and not refused.articles
    assert {entry.did for entry in market.log()} == {"declared as text/html; charset=utf-8"}


def test_rate_limited_a_few_times_then_served(market: Bench) -> None:
    market.arm(fault="rate_limited", vendor="alpaca", route="GET */v2/account", times=3)
    for _ in range(3):
        with pytest.raises(BrokerUnavailable, match="429"):
            market.vendors.broker.account()
    assert market.vendors.broker.account().status == "ACTIVE"
    assert [entry.did for entry in market.log()] == ["answered 429, limit used up"] * 3


def test_one_gateway_error_of_a_read_is_repeated_away(market: Bench) -> None:
    market.arm(fault="bad_gateway", vendor="alpaca", times=1)
    assert market.vendors.broker.account().status == "ACTIVE"
    assert len(market.log()) == 1
