"""What went wrong in a run, in one line.

Belongs here: finding the innermost error of a failed step. Does not belong here: what is done about it.
"""

from __future__ import annotations

import dagster as dg


def failure_line(event: dg.DagsterEvent) -> str:
    """A failed step: its name and the first line of the error it began with."""
    error = event.step_failure_data.error
    while error is not None and error.cause is not None:
        error = error.cause
    lines = error.message.strip().splitlines() if error is not None else []
    return f"{event.step_key}: {lines[0] if lines else 'unknown'}"
