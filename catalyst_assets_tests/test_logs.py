"""Rules of logging: JSON lines, no secrets however deep."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator

import pytest
import structlog

from catalyst_assets.logs import configure_logging


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    yield io.StringIO()
    structlog.reset_defaults()


def test_a_secret_is_taken_out_of_every_text_of_an_event(stream: io.StringIO) -> None:
    configure_logging("info", lambda text: text.replace("hunter22", "***"), stream=stream)
    try:
        raise ValueError("bad key hunter22")
    except ValueError:
        structlog.get_logger().error(
            "key hunter22", nested={"list": ["x hunter22", 3]}, thing=ValueError("hunter22"), exc_info=True
        )
    line = json.loads(stream.getvalue())
    assert "hunter22" not in stream.getvalue()
    assert line["event"] == "key ***" and line["nested"] == {"list": ["x ***", 3]}
    assert "ValueError: bad key ***" in line["exception"]
    assert line["level"] == "error" and line["timestamp"].endswith("Z")


def test_lines_below_the_level_are_left_out(stream: io.StringIO) -> None:
    configure_logging("warning", lambda text: text, stream=stream)
    structlog.get_logger().info("not this")
    structlog.get_logger().warning("this")
    assert [json.loads(line)["event"] for line in stream.getvalue().splitlines()] == ["this"]
