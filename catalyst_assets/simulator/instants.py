"""Instants as people write them: an ISO instant with its offset, or HH:MM New York of the session that is played.

Belongs here: reading those. Does not belong here: vendors' formats (``routes``).
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from datetime import time as time_of_day

from catalyst_assets.simulator.routes.wire import NEW_YORK

_WALL_TIME = re.compile(r"^\d{2}:\d{2}(:\d{2})?$")


def read_instant(text: str, session: date) -> datetime:
    """``HH:MM`` or ``HH:MM:SS`` as New York time of ``session``, anything longer as an ISO instant; UTC. Raises ``ValueError``."""
    if _WALL_TIME.match(text):
        return datetime.combine(session, time_of_day.fromisoformat(text), tzinfo=NEW_YORK).astimezone(UTC)
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            raise ValueError(f"{text!r:.60} has no offset from UTC")
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError(f"{text!r:.60} is out of range") from None
