"""Timeouts, the hard deadline, repeats only where repeating is safe, and secrets out of every text."""

from __future__ import annotations

import logging
import socket
import time

import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st

from catalyst_assets.vendors.transport import (
    REDACTED,
    Patience,
    RedactingFilter,
    Redactor,
    VendorAnswerError,
    VendorSession,
    certainly_not_sent,
    sentence,
)
from catalyst_assets_tests.vendors.loopback import HTML, Answer, Asked, serving, within

QUICK = Patience(connect=0.3, read=0.3)
KEY = "KEY-u8Zq2/xW+7=plain"


def test_a_silent_vendor_costs_at_most_the_timeout() -> None:
    with serving(Answer(silent=5)) as vendor, within(1.0), pytest.raises(requests.ReadTimeout):
        VendorSession(QUICK).get(vendor.url)


def test_a_dripping_body_ends_at_the_deadline_although_each_byte_is_in_time() -> None:
    with (
        serving(Answer(body={"news": "x" * 500}, drip=0.05)) as vendor,
        within(1.5),
        pytest.raises(requests.ReadTimeout),
    ):
        VendorSession(QUICK).get(vendor.url)


def test_the_library_cannot_give_a_longer_timeout() -> None:
    with serving(Answer(silent=5)) as vendor, within(1.0), pytest.raises(requests.ReadTimeout):
        VendorSession(QUICK).get(vendor.url, timeout=30)


@pytest.mark.parametrize("method", ["POST", "PATCH", "DELETE", "PUT"])
@pytest.mark.parametrize("answer", [HTML, Answer(504, {}), Answer(hang_up=True)])
def test_an_unsafe_request_is_never_sent_twice(method: str, answer: Answer) -> None:
    session = VendorSession(QUICK, repeats=3)
    with serving(answer) as vendor:
        if answer.hang_up:
            with pytest.raises(requests.ConnectionError):
                session.request(method, vendor.url, json={})
        else:
            assert session.request(method, vendor.url, json={}).status_code == answer.status
        assert len(vendor.asked) == session.sent == 1


def test_a_read_is_repeated_once_after_a_gateway_error_or_a_lost_connection() -> None:
    for first in (HTML, Answer(503, {}), Answer(hang_up=True)):
        script = iter([first, Answer(body={"ok": True})])
        with serving(lambda asked, script=script: next(script)) as vendor:
            assert VendorSession(Patience(1, 1)).get(vendor.url).json() == {"ok": True}
            assert len(vendor.asked) == 2


def test_a_rate_limit_and_an_ordinary_error_are_not_repeated() -> None:
    for status in (400, 401, 403, 404, 422, 429, 500):
        with serving(Answer(status, {})) as vendor:
            assert VendorSession(QUICK).get(vendor.url).status_code == status
            assert len(vendor.asked) == 1


def test_a_repeated_gateway_error_is_handed_on_after_one_repeat() -> None:
    with serving(HTML) as vendor:
        assert VendorSession(Patience(1, 1)).get(vendor.url).status_code == 502
        assert len(vendor.asked) == 2


def test_the_body_and_keep_alive_survive_reading_it_piece_by_piece() -> None:
    body = {"text": "ä" * 200_000}
    session = VendorSession(QUICK)
    with serving(Answer(body=body)) as vendor:
        assert session.get(vendor.url).json() == body
        assert session.get(vendor.url).json() == body


def test_an_answer_larger_than_allowed_is_refused_and_not_asked_again() -> None:
    with serving(Answer(body="x" * 5000)) as vendor:
        with pytest.raises(VendorAnswerError, match="larger"):
            VendorSession(QUICK, max_bytes=1000).get(vendor.url)
        assert len(vendor.asked) == 1


def test_routes_move_a_fixed_address_to_another_base() -> None:
    with serving(Answer(body=[])) as vendor:
        VendorSession(QUICK, routes={"https://vendor.invalid/v2": f"{vendor.url}/sim"}).get(
            "https://vendor.invalid/v2/x?q=1"
        )
        assert vendor.asked[0].path == "/sim/x" and vendor.asked[0].query == {"q": "1"}


def test_spacing_keeps_requests_apart() -> None:
    session = VendorSession(QUICK, spacing=0.1)
    with serving(Answer()) as vendor:
        started = time.monotonic()
        for _ in range(3):
            session.get(vendor.url)
        assert time.monotonic() - started >= 0.2


def test_a_refused_connection_was_certainly_not_sent_and_a_lost_one_may_have_been() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    with pytest.raises(requests.ConnectionError) as refused:
        VendorSession(QUICK).post(f"http://127.0.0.1:{port}/")
    assert certainly_not_sent(refused.value)
    with serving(Answer(hang_up=True)) as vendor, pytest.raises(requests.ConnectionError) as lost:
        VendorSession(QUICK).post(vendor.url)
    assert not certainly_not_sent(lost.value)
    with serving(Answer(silent=3)) as vendor, pytest.raises(requests.ReadTimeout) as late:
        VendorSession(QUICK).post(vendor.url)
    assert not certainly_not_sent(late.value)


@given(st.text(max_size=40), st.text(max_size=40))
@settings(max_examples=50)
def test_a_known_secret_never_survives_whatever_stands_around_it(before: str, after: str) -> None:
    redact = Redactor([KEY])
    for form in (KEY, requests.utils.quote(KEY, safe="")):
        assert form not in redact(f"{before}{form}{after}")


@pytest.mark.parametrize(
    "text",
    [
        "GET /query?function=X&apikey=unknownkey99&datatype=json failed",
        "https://host/api/v1/news?token=unknownkey99",
        "{'APCA-API-SECRET-KEY': 'unknownkey99'}",
        "We have detected your API key as unknownkey99 and our standard API rate limit is 25",
        "Authorization: unknownkey99",
    ],
)
def test_a_secret_this_program_does_not_know_is_found_by_where_it_stands(text: str) -> None:
    redacted = Redactor()(text)
    assert "unknownkey99" not in redacted and REDACTED in redacted


def test_json_is_redacted_inside() -> None:
    assert Redactor([KEY]).value({"a": [KEY, 1, None], "b": {"c": f"x{KEY}"}}) == {
        "a": [REDACTED, 1, None],
        "b": {"c": f"x{REDACTED}"},
    }


def test_a_log_line_of_the_http_library_does_not_show_the_key(caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("urllib3.connectionpool")
    guard = RedactingFilter(Redactor([KEY]))
    logger.addFilter(guard)
    try:
        with caplog.at_level(logging.DEBUG), serving(Answer(body={})) as vendor:
            VendorSession(QUICK).get(vendor.url, params={"apikey": KEY})
    finally:
        logger.removeFilter(guard)
    assert "GET" in caplog.text and requests.utils.quote(KEY, safe="") not in caplog.text and KEY not in caplog.text


def test_a_sentence_is_one_line_bounded_and_redacted() -> None:
    said = sentence(ValueError(f"line\n{KEY}\n" + "x" * 5000), Redactor([KEY]))
    assert "\n" not in said and len(said) <= 300 and KEY not in said


def test_the_stub_hears_what_was_sent() -> None:
    def echo(asked: Asked) -> Answer:
        return Answer(body={"method": asked.method, "body": asked.body})

    with serving(echo) as vendor:
        assert VendorSession(QUICK).post(vendor.url, json={"a": 1}).json() == {"method": "POST", "body": {"a": 1}}


def test_the_proxy_of_the_environment_is_used_and_looked_up_once_per_host(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    monkeypatch.setenv("NO_PROXY", "inside.example")
    session = VendorSession()
    first = session.merge_environment_settings("https://data.example/a", {}, True, None, None)
    monkeypatch.setenv("HTTPS_PROXY", "http://other.example:3128")
    again = session.merge_environment_settings("https://data.example/b", {}, True, None, None)
    inside = session.merge_environment_settings("https://inside.example/b", {}, True, None, None)
    given = session.merge_environment_settings("https://data.example/b", {"https": "http://mine:1"}, True, None, None)
    assert first["proxies"]["https"] == again["proxies"]["https"] == "http://proxy.example:3128"
    assert "https" not in inside["proxies"] and given["proxies"]["https"] == "http://mine:1"
