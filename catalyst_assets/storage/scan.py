"""Tables of the scan: active_universe, scan_evaluations, trading_candidates.

Belongs here: saving and reading them. Does not belong here: how symbols are scored (``trading/scanner.py``).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime

import pandas as pd

from catalyst_assets.storage.repository import LIVE, Repository


class ScanRepository(Repository):
    """The funnel of every decision time. Saving replaces the rows of the decision times given (else those of the
    frame)."""

    def save_active_universe(
        self, frame: pd.DataFrame, *, scenario: str, decision_times: Iterable[datetime] | None = None
    ) -> int:
        return self.replace_decisions("active_universe", frame, scenario, decision_times)

    def save_scan_evaluations(
        self, frame: pd.DataFrame, *, scenario: str, decision_times: Iterable[datetime] | None = None
    ) -> int:
        return self.replace_decisions("scan_evaluations", frame, scenario, decision_times)

    def save_trading_candidates(
        self, frame: pd.DataFrame, *, scenario: str, decision_times: Iterable[datetime] | None = None
    ) -> int:
        saved = self.replace_decisions("trading_candidates", frame, scenario, decision_times)
        if scenario == LIVE:
            self.database.cache.invalidate("scan", scenario=scenario)
        return saved

    def active_universe(self, scenario: str, session: date, decision_time: datetime | None = None) -> pd.DataFrame:
        return self.of_session("active_universe", scenario, session, decision_time, "decision_time, rank")

    def scan_evaluations(self, scenario: str, session: date, decision_time: datetime | None = None) -> pd.DataFrame:
        order = "decision_time, rank nulls last, catalyst_score desc, symbol"
        return self.of_session("scan_evaluations", scenario, session, decision_time, order)

    def trading_candidates(self, scenario: str, session: date, decision_time: datetime | None = None) -> pd.DataFrame:
        """Candidates by decision time and rank; those of one live decision time come from the cache until the next scan."""

        def read() -> pd.DataFrame:
            return self.of_session("trading_candidates", scenario, session, decision_time, "decision_time, rank")

        if scenario != LIVE or decision_time is None:
            return read()
        return self.database.cache.remembered(
            "scan", read, scenario=scenario, session=session, decision_time=decision_time
        )
