"""What every repository does: fit a stage's frame to its table, find sessions, replace the rows of decision times.

Belongs here: rules all table families share. Does not belong here: SQL of one family.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from typing import Any

import pandas as pd

from catalyst_assets.storage.database import Database
from catalyst_assets.storage.tables import TABLES
from catalyst_assets.trading.calendar import TradingCalendar

LIVE = "live"
"""The scenario of the running system."""


class Repository:
    """Base of the repositories: a database and the trading calendar that tells which session an instant belongs to."""

    def __init__(self, database: Database, calendar: TradingCalendar | None = None) -> None:
        self.database = database
        self._calendar = calendar

    @property
    def calendar(self) -> TradingCalendar:
        if self._calendar is None:
            self._calendar = TradingCalendar()
        return self._calendar

    def sessions_of(self, instants: Iterable[Any]) -> dict[pd.Timestamp, date]:
        """The session each instant belongs to, by instant (UTC)."""
        index = pd.DatetimeIndex(pd.to_datetime(list(instants), utc=True)).unique()
        return dict(zip(index, self.calendar.session_dates(index).tolist(), strict=True))

    def fitted(self, table: str, frame: pd.DataFrame, **constants: Any) -> pd.DataFrame:
        """The columns of ``frame`` that ``table`` has, plus ``constants``, plus ``session`` from ``decision_time``
        when missing.

        Frames may carry columns for the next stage; only those of the table are stored.
        """
        columns = TABLES[table].c
        kept = frame[[name for name in frame.columns if name in columns and name not in constants]]
        if kept.empty:
            return kept.assign(**dict.fromkeys(constants))
        if "session" in columns and "session" not in kept.columns and "session" not in constants:
            by_instant = self.sessions_of(kept["decision_time"])
            constants["session"] = kept["decision_time"].map(by_instant)
        return kept.assign(**constants)

    def replace_decisions(
        self,
        table: str,
        frame: pd.DataFrame,
        scenario: str,
        decision_times: Iterable[datetime] | None = None,
        **more: Any,
    ) -> int:
        """Replace the rows of ``scenario`` at ``decision_times`` (those of the frame when not given) by ``frame``.

        Give the decision times whenever a stage may find nothing: an empty answer must clear an earlier one.
        """
        rows = self.fitted(table, frame, scenario=scenario, **more)
        if decision_times is None:
            decision_times = frame["decision_time"].unique() if len(frame) else []
        times = [pd.Timestamp(instant).to_pydatetime() for instant in decision_times]
        if not times:
            return 0
        return self.database.replace(table, rows, {"scenario": scenario, "decision_time": times})

    def of_session(
        self,
        table: str,
        scenario: str,
        session: date,
        decision_time: datetime | None = None,
        order: str = "decision_time",
    ) -> pd.DataFrame:
        """The rows of one session, or of one decision time of it."""
        moment = " and decision_time = :decision_time" if decision_time is not None else ""
        return self.database.read(
            f"select * from {table} where scenario = :scenario and session = :session{moment} order by {order}",
            {"scenario": scenario, "session": session, "decision_time": decision_time},
        )
