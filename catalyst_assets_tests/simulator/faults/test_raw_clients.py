"""What the client libraries themselves experience, without our adapters: ``requests``, and alpaca-py with its own repeats."""

from __future__ import annotations

import json
from typing import Any

import pytest
import requests
from alpaca.common.exceptions import APIError
from alpaca.trading.client import TradingClient
from alpaca.trading.enums import OrderSide, TimeInForce
from alpaca.trading.requests import LimitOrderRequest

from catalyst_assets_tests.simulator.faults.bench import HEADERS, KEYS, Bench

SHORT = {"slow_first_byte": {"delay_s": 1}, "silent_socket": {"hold_s": 5}, "slow_body": {"pause_s": 1}}


@pytest.mark.parametrize(
    ("fault", "experience"),
    [
        ("slow_first_byte", requests.ReadTimeout),
        ("silent_socket", requests.ReadTimeout),
        ("slow_body", requests.exceptions.ConnectionError),  # urllib3's read timeout in mid-body
        ("dropped", requests.ConnectionError),
        ("dropped_after", requests.ConnectionError),
        ("cut_body", requests.exceptions.ChunkedEncodingError),
        ("rate_limited", 429),
        ("server_error", 500),
        ("bad_gateway", 502),
        ("unavailable", 503),
        ("timeout_before", 504),
        ("timeout_after", 504),
        ("maintenance_page", 200),
        ("truncated_json", 200),
        ("wrong_content_type", 200),
    ],
)
def test_what_requests_experiences(market: Bench, fault: str, experience: Any) -> None:
    market.arm(fault=fault, vendor="alpaca", parameters=SHORT.get(fault, {}), times=1)
    url = f"{market.server.base_url}/alpaca/trading/v2/account"

    def ask() -> requests.Response:
        return requests.get(url, headers=HEADERS, timeout=0.4)

    if isinstance(experience, int):
        answer = ask()
        assert answer.status_code == experience
        assert "X-RateLimit-Limit" in answer.headers and "Date" in answer.headers
        readable = fault in ("wrong_content_type", "rate_limited", "timeout_before", "timeout_after")
        assert _is_json(answer.text) == readable
    else:
        with pytest.raises(experience):
            ask()
    assert [entry.fault for entry in market.log()] == [fault]
    assert requests.get(url, headers=HEADERS, timeout=5).json()["status"] == "ACTIVE"


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def test_the_limit_is_told_in_the_headers(market: Bench) -> None:
    market.arm(fault="rate_limited", vendor="alpaca", parameters={"retry_after_s": 30})
    answer = requests.get(f"{market.server.base_url}/alpaca/trading/v2/account", headers=HEADERS, timeout=5)
    assert answer.json() == {"code": 42910000, "message": "rate limit exceeded"}
    assert (answer.headers["X-RateLimit-Remaining"], answer.headers["Retry-After"]) == ("0", "30")
    assert int(answer.headers["X-RateLimit-Reset"]) > 1_700_000_000


def alpaca_py(market: Bench, repeats: int) -> TradingClient:
    client = TradingClient(*KEYS, raw_data=True, url_override=f"{market.server.base_url}/alpaca/trading")
    client._retry, client._retry_wait = repeats, 0
    return client


@pytest.mark.parametrize(
    ("fault", "times", "repeats", "status", "requests_sent"),
    [
        ("rate_limited", 1, 3, None, 1),
        ("rate_limited", 3, 3, None, 3),
        ("rate_limited", 4, 3, 429, 4),
        ("rate_limited", 1, 0, 429, 1),
        ("timeout_before", 2, 3, None, 2),
        ("timeout_before", 4, 3, 504, 4),
        ("bad_gateway", 1, 3, 502, 1),  # not among the codes it repeats
        ("server_error", 1, 3, 500, 1),
    ],
)
def test_alpaca_py_repeats_429_and_504_only(
    market: Bench, fault: str, times: int, repeats: int, status: int | None, requests_sent: int
) -> None:
    market.arm(fault=fault, vendor="alpaca", times=times)
    client = alpaca_py(market, repeats)
    if status is None:
        assert client.get_account()["status"] == "ACTIVE"
    else:
        with pytest.raises(APIError) as caught:
            client.get_account()
        assert caught.value.status_code == status
    assert len(market.log()) == requests_sent


def test_alpaca_py_s_own_repeat_of_a_lost_order_meets_its_own_order(market: Bench) -> None:
    """Why our adapter switches the repeats off: the second POST of the same order is refused as a duplicate."""
    market.arm(fault="timeout_after", vendor="alpaca", route="POST */v2/orders", times=1)
    wanted = LimitOrderRequest(
        symbol="BBB", qty=1, side=OrderSide.BUY, time_in_force=TimeInForce.DAY, limit_price=50, client_order_id="twice"
    )
    with pytest.raises(APIError) as caught:
        alpaca_py(market, 3).submit_order(wanted)
    assert caught.value.status_code == 422 and "must be unique" in str(caught.value)
    assert [entry.client_order_id for entry in market.log()] == ["twice"]
    assert sum(order.client_order_id == "twice" for order in market.state.exchange.orders()) == 1


def test_a_page_instead_of_json_breaks_alpaca_py_s_own_reading(market: Bench) -> None:
    market.arm(fault="bad_gateway", vendor="alpaca", times=1)
    with pytest.raises(APIError) as caught:
        alpaca_py(market, 0).get_account()
    with pytest.raises(ValueError):
        _ = caught.value.message
