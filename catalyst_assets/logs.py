"""Logging of the program: one JSON line per event on stderr, secrets taken out.

Belongs here: how lines look and what never leaves in them. Does not belong here: what is logged, Dagster's own logs, workflow_log.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any, TextIO

import structlog

Redact = Callable[[str], str]


def configure_logging(level: str, redact: Redact, *, stream: TextIO | None = None, lines: bool = False) -> None:
    """Send every structlog event at ``level`` or above to ``stream`` (stderr) as JSON, or as readable ``lines``.

    ``redact`` is applied to every text of the event, tracebacks included.
    """
    processors: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        redacting(redact),
        structlog.dev.ConsoleRenderer(colors=False)
        if lines
        else structlog.processors.JSONRenderer(ensure_ascii=False, default=str),
    ]
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        # stderr is looked up at each line: whoever replaces it (tests, daemons) may close the one of now
        logger_factory=lambda *_: structlog.PrintLogger(stream or sys.stderr),
        cache_logger_on_first_use=False,
    )


def redacting(redact: Redact) -> structlog.types.Processor:
    """A structlog processor that runs ``redact`` over every text of an event, however deep."""

    def process(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        return {key: _clean(value, redact) for key, value in event.items()}

    return process


def _clean(value: Any, redact: Redact) -> Any:
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, Mapping):
        return {key: _clean(item, redact) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_clean(item, redact) for item in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    return redact(str(value))
