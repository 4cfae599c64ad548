"""Tables of the analysis: technical_indicators, pattern_detections, pattern_analysis.

Belongs here: saving and reading them. Does not belong here: how they are computed (``trading/indicators.py``,
``trading/patterns.py``).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime

import pandas as pd

from catalyst_assets.storage.repository import Repository


class AnalysisRepository(Repository):
    """Indicators and patterns by decision time. Saving replaces the rows of the decision times given (else the
    frame's)."""

    def save_technical_indicators(
        self,
        frame: pd.DataFrame,
        *,
        scenario: str,
        feed: str | None = None,
        decision_times: Iterable[datetime] | None = None,
    ) -> int:
        """``feed`` names the feed of the bars behind the indicators when the frame has no such column."""
        more = {"feed": feed} if feed is not None and "feed" not in frame.columns else {}
        return self.replace_decisions("technical_indicators", frame, scenario, decision_times, **more)

    def save_pattern_detections(
        self, frame: pd.DataFrame, *, scenario: str, decision_times: Iterable[datetime] | None = None
    ) -> int:
        return self.replace_decisions("pattern_detections", frame, scenario, decision_times)

    def save_pattern_analysis(
        self, frame: pd.DataFrame, *, scenario: str, decision_times: Iterable[datetime] | None = None
    ) -> int:
        return self.replace_decisions("pattern_analysis", frame, scenario, decision_times)

    def technical_indicators(self, scenario: str, session: date, decision_time: datetime | None = None) -> pd.DataFrame:
        order = "decision_time, symbol, timeframe"
        return self.of_session("technical_indicators", scenario, session, decision_time, order)

    def pattern_detections(self, scenario: str, session: date, decision_time: datetime | None = None) -> pd.DataFrame:
        order = "decision_time, symbol, timeframe, bar_ts, pattern"
        return self.of_session("pattern_detections", scenario, session, decision_time, order)

    def pattern_analysis(self, scenario: str, session: date, decision_time: datetime | None = None) -> pd.DataFrame:
        return self.of_session("pattern_analysis", scenario, session, decision_time, "decision_time, symbol")
