"""When a fault strikes: what a rule may say, and that times, counts, chance and limits do what they say."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalyst_assets.simulator.faults import KINDS, VENDORS, Asked, Fault, Faults, Phase, parse_rule
from catalyst_assets.simulator.faults.log import FaultLog
from catalyst_assets.simulator.instants import read_instant
from catalyst_assets_tests.simulator.handmade import FRIDAY, ny

ORDER = Asked("alpaca", "POST /alpaca/trading/v2/orders", frozenset({"AAA"}), number=1, client_order_id="cat-1")


def rule(**body: Any) -> Any:
    return parse_rule(body, lambda text: read_instant(text, FRIDAY))


@pytest.mark.parametrize("name", KINDS)
def test_every_fault_can_be_armed_with_its_defaults_and_sent_again(name: str) -> None:
    for vendor in KINDS[name].vendors:
        made = rule(fault=name, vendor=vendor)
        body = made.as_json()
        assert rule(**{key: value for key, value in body.items() if key != "id"}).as_json() == body


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, "unknown fault None"),
        ({"fault": "nothing"}, "unknown fault 'nothing'; known: slow_first_byte"),
        ({"fault": ["dropped"]}, "unknown fault"),
        ({"fault": "dropped"}, "unknown vendor None"),
        ({"fault": "dropped", "vendor": "reuters"}, "unknown vendor 'reuters'"),
        ({"fault": "zero_quotes", "vendor": "finnhub"}, "zero_quotes cannot happen to finnhub; it can to: alpaca"),
        ({"fault": "dropped", "vendor": "alpaca", "when": "now"}, "unknown keys: when"),
        ({"fault": "dropped", "vendor": "alpaca", "times": 0}, "times must be between 1"),
        ({"fault": "dropped", "vendor": "alpaca", "times": 1.5}, "times must be a whole number, not 1.5"),
        ({"fault": "dropped", "vendor": "alpaca", "times": True}, "times must be a whole number, not True"),
        ({"fault": "dropped", "vendor": "alpaca", "skip": -1}, "skip must be between 0"),
        ({"fault": "dropped", "vendor": "alpaca", "probability": 1.01}, "probability must be between 0 and 1"),
        ({"fault": "dropped", "vendor": "alpaca", "probability": "1"}, "probability must be a number"),
        ({"fault": "dropped", "vendor": "alpaca", "from": "noon"}, "from must be an instant"),
        ({"fault": "dropped", "vendor": "alpaca", "from": "11"}, "from must be an instant"),
        ({"fault": "dropped", "vendor": "alpaca", "from": "2026-11-20T10:00:00"}, "from must be an instant"),
        ({"fault": "dropped", "vendor": "alpaca", "from": "10:00", "until": "10:00"}, "until must be later than from"),
        ({"fault": "dropped", "vendor": "alpaca", "route": "HEAD /x"}, "route must be a method and a path glob"),
        ({"fault": "dropped", "vendor": "alpaca", "symbol": ""}, "symbol must be a text"),
        ({"fault": "dropped", "vendor": "alpaca", "id": "x" * 81}, "id must be a text of at most 80"),
        (
            {"fault": "dropped", "vendor": "alpaca", "parameters": {"speed": 1}},
            "dropped has no parameter speed; it has: delay_s",
        ),
        ({"fault": "stream_lost", "vendor": "alpaca", "parameters": {"x": 1}}, "it has: none"),
        ({"fault": "dropped", "vendor": "alpaca", "parameters": []}, "parameters must be an object"),
        (
            {"fault": "zero_quotes", "vendor": "alpaca", "parameters": {"side": "x"}},
            "side must be one of both, bid, ask",
        ),
        ({"fault": "nulls", "vendor": "alpaca", "parameters": {"fields": "c"}}, "fields must be a list of field names"),
        (
            {"fault": "slow_body", "vendor": "alpaca", "parameters": {"pause_s": float("nan")}},
            "pause_s must be a number",
        ),
    ],
)
def test_a_rule_that_cannot_be_is_refused_in_one_sentence(body: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError) as refused:
        rule(**body)
    assert str(refused.value).startswith(words) or words in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("limits", "concerned"),
    [
        ({}, True),
        ({"route": "POST */v2/orders"}, True),
        ({"route": "* */v2/orders"}, True),
        ({"route": "*/v2/orders"}, True),
        ({"route": "POST *"}, True),
        ({"route": "GET */v2/orders"}, False),
        ({"route": "POST */v2/orders/*"}, False),
        ({"route": "STREAM *"}, False),
        ({"symbol": "AAA"}, True),
        ({"symbol": "BBB"}, False),
        ({"from": "10:00"}, True),
        ({"from": "10:00:01"}, False),
        ({"until": "10:00:01"}, True),
        ({"until": "10:00"}, False),
        ({"vendor": "finnhub"}, False),
    ],
)
def test_a_rule_concerns_what_it_is_limited_to(limits: dict[str, Any], concerned: bool) -> None:
    assert rule(**{"fault": "dropped", "vendor": "alpaca", **limits}).concerns(ORDER, ny(10)) is concerned


def struck(faults: Faults, requests: int, phase: Phase = Phase.BEFORE) -> list[int]:
    """Which of so many equal requests are struck, from 1."""
    return [number for number in range(1, requests + 1) if next(faults.due(phase, ORDER, ny(10)), None)]


@given(skip=st.integers(0, 6), times=st.none() | st.integers(1, 6), requests=st.integers(0, 20))
def test_skip_and_times_count_matching_requests(skip: int, times: int | None, requests: int) -> None:
    faults = Faults()
    faults.arm(rule(fault="dropped", vendor="alpaca", skip=skip, times=times))
    expected = list(range(skip + 1, requests + 1))
    assert struck(faults, requests) == expected[: times if times is not None else len(expected)]


@given(seed=st.integers(0, 2**40), probability=st.floats(0, 1))
def test_chance_is_the_seed_s_and_the_order_of_requests_alone(seed: int, probability: float) -> None:
    def run() -> list[int]:
        faults = Faults(seed)
        faults.arm(rule(fault="dropped", vendor="alpaca", probability=probability))
        return struck(faults, 60)

    first = run()
    assert first == run()
    assert (probability < 1) or len(first) == 60
    assert (probability > 0) or not first


def test_chance_meets_its_share_and_depends_on_the_seed() -> None:
    runs = []
    for seed in (1, 2):
        faults = Faults(seed)
        faults.arm(rule(fault="dropped", vendor="alpaca", probability=0.3))
        runs.append(struck(faults, 4000))
        assert len(runs[-1]) / 4000 == pytest.approx(0.3, abs=0.03)
    assert runs[0] != runs[1]


def test_of_several_faults_the_first_armed_strikes_and_the_others_are_not_used_up() -> None:
    faults = Faults()
    for name in ("server_error", "dropped"):
        faults.arm(rule(fault=name, vendor="alpaca", times=1))
    order = [next(faults.due(Phase.BEFORE, ORDER, ny(10))).rule.fault for _ in range(2)]
    assert order == ["server_error", "dropped"]
    assert next(faults.due(Phase.BEFORE, ORDER, ny(10)), None) is None
    assert [(armed.seen, armed.struck, armed.spent) for armed in faults.armed()] == [(1, 1, True)] * 2


def test_an_id_replaces_and_disarms() -> None:
    faults = Faults()
    faults.arm(rule(fault="dropped", vendor="alpaca", id="mine"))
    faults.arm(rule(fault="server_error", vendor="alpaca", id="mine"))
    assert [armed.rule.fault for armed in faults.armed()] == ["server_error"]
    assert faults.disarm("mine") and not faults.disarm("mine")


def test_unnamed_rules_never_share_an_id() -> None:
    faults = Faults()
    faults.arm(rule(fault="dropped", vendor="alpaca", id="fault-2"))
    names = {faults.arm(rule(fault="dropped", vendor="alpaca")).id for _ in range(3)}
    assert len(names) == 3 and len(faults.armed()) == 4


def test_there_is_an_end_to_rules() -> None:
    faults = Faults()
    for number in range(1_000):
        faults.arm(rule(fault="dropped", vendor="alpaca", id=str(number)))
    with pytest.raises(ValueError, match="at most 1000 faults"):
        faults.arm(rule(fault="dropped", vendor="alpaca"))


# --------------------------------------------------------------------------------------------------------- the old form


@pytest.mark.parametrize(
    ("mode", "fault"),
    [
        ("slow", "slow_first_byte"),
        ("limited", "rate_limited"),
        ("dead", "dropped"),
        ("html", "bad_gateway"),
        ("lost", "timeout_after"),
    ],
)
def test_the_old_form_is_a_rule_of_the_vendor(mode: str, fault: str) -> None:
    faults = Faults()
    faults.set("alpaca", Fault(mode, 0.5, 2))
    (armed,) = faults.armed()
    assert (armed.rule.fault, armed.rule["delay_s"], armed.rule.times) == (fault, 0.5, 2)
    phase = KINDS[fault].phase
    assert struck(faults, 1, phase) and faults.all()["alpaca"] == Fault(mode, 0.5, 1)
    assert struck(faults, 1, phase) and faults.all()["alpaca"] == Fault()
    faults.set("alpaca", Fault("html"))
    faults.set("alpaca", Fault())
    assert not faults.watches("alpaca") and set(faults.all()) == set(VENDORS)


@pytest.mark.parametrize(
    ("vendor", "fault", "words"),
    [
        ("x", Fault("html"), "unknown vendor"),
        ("alpaca", Fault("broken"), "unknown mode"),
        ("alpaca", Fault("slow", 601), "latency_s must be between 0 and 600"),
        ("alpaca", Fault("slow", 1, 0), "times must be between"),
    ],
)
def test_the_old_form_says_what_is_allowed(vendor: str, fault: Fault, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Faults().set(vendor, fault)


# ---------------------------------------------------------------------------------------------------------------- the log


def test_the_log_tells_what_struck_whom_and_when_in_bounded_memory() -> None:
    log = FaultLog(entries=3)
    for number in range(5):
        log.write("rule", "dropped", ORDER, ny(10) + timedelta(seconds=number), "connection cut")
    assert [entry.id for entry in log.entries()] == [3, 4, 5] and log.forgotten == 2
    assert [entry.id for entry in log.entries(after=3, limit=1)] == [4]
    written = log.entries()[-1].as_json()
    assert written["simulated_at"] == (ny(10) + timedelta(seconds=4)).isoformat()
    assert datetime.fromisoformat(written["real_at"]) <= datetime.now(UTC)
    assert (written["client_order_id"], written["request"]) == ("cat-1", 1)
    log.clear()
    assert log.entries() == [] and log.write("rule", "dropped", ORDER, ny(10), "").id == 6
