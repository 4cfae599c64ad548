"""Tables of what was learned: article_outcomes, source_metrics, pattern_metrics.

Belongs here: saving and reading them. Does not belong here: how reliability is estimated (``trading/outcomes.py``).
"""

from __future__ import annotations

from datetime import date

import pandas as pd

from catalyst_assets.storage.repository import Repository


class OutcomeRepository(Repository):
    """Outcomes of articles, and the reliability learned from them, by the session that learned it."""

    def save_article_outcomes(self, frame: pd.DataFrame, *, scenario: str, session: date | None = None) -> int:
        """Write outcomes; an article's outcome at a horizon is one row however often it is labelled."""
        if frame.empty:
            return 0
        more = {"session": session} if session is not None and "session" not in frame.columns else {}
        if "session" not in frame.columns and session is None:
            frame = frame.assign(session=frame["start_at"].map(self.sessions_of(frame["start_at"])))
        rows = self.fitted("article_outcomes", frame, scenario=scenario, **more)
        return self.database.append("article_outcomes", rows, "update")

    def save_source_metrics(self, frame: pd.DataFrame, *, scenario: str, session: date) -> int:
        """Replace what ``session`` learned about sources."""
        return self._save_metrics("source_metrics", frame, scenario, session)

    def save_pattern_metrics(self, frame: pd.DataFrame, *, scenario: str, session: date) -> int:
        """Replace what ``session`` learned about patterns."""
        return self._save_metrics("pattern_metrics", frame, scenario, session)

    def article_outcomes(self, scenario: str, session: date) -> pd.DataFrame:
        return self.of_session("article_outcomes", scenario, session, None, "news_id, symbol, horizon_minutes")

    def source_metrics(self, scenario: str, before: date) -> pd.DataFrame:
        """What was known about sources at the start of session ``before``: the latest session strictly earlier."""
        return self._latest("source_metrics", scenario, before, "source, catalyst_type")

    def pattern_metrics(self, scenario: str, before: date) -> pd.DataFrame:
        """What was known about patterns at the start of session ``before``: the latest session strictly earlier."""
        return self._latest("pattern_metrics", scenario, before, "pattern, catalyst_type")

    def source_metrics_of(self, scenario: str, session: date) -> pd.DataFrame:
        """What ``session`` itself learned about sources."""
        return self.of_session("source_metrics", scenario, session, None, "source, catalyst_type")

    def pattern_metrics_of(self, scenario: str, session: date) -> pd.DataFrame:
        """What ``session`` itself learned about patterns."""
        return self.of_session("pattern_metrics", scenario, session, None, "pattern, catalyst_type")

    def _save_metrics(self, table: str, frame: pd.DataFrame, scenario: str, session: date) -> int:
        rows = self.fitted(table, frame, scenario=scenario, session=session)
        return self.database.replace(table, rows, {"scenario": scenario, "session": session})

    def _latest(self, table: str, scenario: str, before: date, order: str) -> pd.DataFrame:
        return self.database.read(
            f"select * from {table} where scenario = :scenario and session = "
            f"(select max(session) from {table} where scenario = :scenario and session < :before) order by {order}",
            {"scenario": scenario, "before": before},
        )
