"""Tables of the decision to trade: trading_signals and risk_decisions.

Belongs here: saving and reading them. Does not belong here: scoring (``trading/signals.py``), limits
(``trading/risk.py``), what became of a signal (``trades.py``).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime

import pandas as pd

from catalyst_assets.storage.repository import Repository

_ACTED_ON = """
    exists (select from risk_decisions r where r.signal_id = s.signal_id)
    or exists (select from trade_records t where t.signal_id = s.signal_id)
    or exists (select from order_journal o where o.signal_id = s.signal_id)
"""


class SignalRepository(Repository):
    """Signals of every decision time, tradable or not, and what the risk module said to them."""

    def save_trading_signals(
        self, frame: pd.DataFrame, *, scenario: str, decision_times: Iterable[datetime] | None = None
    ) -> int:
        """Replace the signals of the decision times, except those already acted on; the number of rows written.

        A signal with a risk decision, a trade or an order is evidence: it stays as it was when it was acted on.
        """
        rows = self.fitted("trading_signals", frame, scenario=scenario)
        if decision_times is None:
            decision_times = frame["decision_time"].unique() if len(frame) else []
        times = [pd.Timestamp(instant).to_pydatetime() for instant in decision_times]
        if not times:
            return 0
        with self.database.begin() as connection:
            kept = self.database.read_in(
                connection,
                "select signal_id from trading_signals s where scenario = :scenario and decision_time = any(:times) "
                f"and ({_ACTED_ON})",
                {"scenario": scenario, "times": times},
            )
            gone = self.database.read_in(
                connection,
                "select signal_id from trading_signals s where scenario = :scenario and decision_time = any(:times) "
                "and not (signal_id = any(:kept))",
                {"scenario": scenario, "times": times, "kept": kept["signal_id"].tolist()},
            )
            if len(gone):
                self.database.delete_in(connection, "trading_signals", {"signal_id": gone["signal_id"].tolist()})
            return self.database.append_in(connection, "trading_signals", rows)

    def trading_signals(
        self, scenario: str, session: date, decision_time: datetime | None = None, *, status: str | None = None
    ) -> pd.DataFrame:
        """Signals of a session, best first within a decision time; ``status`` keeps actionable, prepared or
        rejected."""
        frame = self.of_session(
            "trading_signals", scenario, session, decision_time, "decision_time, confidence desc, symbol"
        )
        return frame if status is None else frame[frame["status"] == status].reset_index(drop=True)

    def save_risk_decisions(self, frame: pd.DataFrame, *, scenario: str) -> int:
        """Add risk decisions (columns of the table; ``session`` from ``decided_at``); the same decision twice is one
        row."""
        if frame.empty:
            return 0
        if "session" not in frame.columns:
            frame = frame.assign(session=frame["decided_at"].map(self.sessions_of(frame["decided_at"])))
        rows = self.fitted("risk_decisions", frame, scenario=scenario)
        return self.database.append("risk_decisions", rows, keys=("signal_id", "decided_at"))

    def risk_decisions(self, scenario: str, session: date) -> pd.DataFrame:
        return self.of_session("risk_decisions", scenario, session, None, "decided_at, id")
