"""Tables of the running system: trading_cycles, workflow_log, service_health; and clearing a replay.

Belongs here: what happened to the program itself. Does not belong here: what it decided or traded.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

import pandas as pd
from sqlalchemy import text

from catalyst_assets.storage.frames import to_json
from catalyst_assets.storage.repository import LIVE, Repository
from catalyst_assets.storage.tables import metadata


class OperationsRepository(Repository):
    """Cycles, log and health."""

    # ---------------------------------------------------------------------------------------------------------- cycles

    def save_cycle(
        self,
        *,
        scenario: str,
        session: date,
        decision_time: datetime,
        mode: str,
        status: str,
        started_at: datetime,
        finished_at: datetime | None = None,
        trigger: str = "schedule",
        run_id: str | None = None,
        counts: Mapping[str, Any] | None = None,
        timings_ms: Mapping[str, Any] | None = None,
        message: str = "",
    ) -> str:
        """Write or update the cycle of one decision time; its id. Counts and timings given later join the earlier
        ones."""
        cycle_id = f"{scenario}:{decision_time:%Y-%m-%dT%H:%M:%S}"
        statement = text(
            """
            insert into trading_cycles (cycle_id, scenario, session, decision_time, mode, trigger, status, run_id, started_at,
                                        finished_at, counts, timings_ms, message)
            values (:cycle_id, :scenario, :session, :decision_time, :mode, :trigger, :status, :run_id, :started_at, :finished_at,
                    cast(:counts as jsonb), cast(:timings_ms as jsonb), :message)
            on conflict (scenario, decision_time) do update set
                mode = excluded.mode, trigger = excluded.trigger, status = excluded.status,
                run_id = coalesce(excluded.run_id, trading_cycles.run_id), started_at = excluded.started_at,
                finished_at = excluded.finished_at, counts = trading_cycles.counts || excluded.counts,
                timings_ms = trading_cycles.timings_ms || excluded.timings_ms, message = excluded.message
            """
        )
        values = {
            "cycle_id": cycle_id, "scenario": scenario, "session": session, "decision_time": decision_time, "mode": mode,
            "trigger": trigger, "status": status, "run_id": run_id, "started_at": started_at, "finished_at": finished_at,
            "counts": to_json(counts or {}), "timings_ms": to_json(timings_ms or {}), "message": message,
        }  # fmt: skip
        with self.database.begin() as connection:
            connection.execute(statement, values)
        return cycle_id

    def cycles(self, scenario: str, session: date) -> pd.DataFrame:
        return self.of_session("trading_cycles", scenario, session)

    def last_cycle(self, scenario: str) -> dict[str, Any] | None:
        """The latest cycle of a scenario by decision time, or ``None``."""
        frame = self.database.read(
            "select * from trading_cycles where scenario = :scenario order by decision_time desc limit 1",
            {"scenario": scenario},
        )
        return {str(key): value for key, value in frame.iloc[0].items()} if len(frame) else None

    # ------------------------------------------------------------------------------------------------------------- log

    def log(
        self, level: str, component: str, message: str, context: Mapping[str, Any] | None = None, *, at: datetime
    ) -> None:
        """Add a line to workflow_log: level debug, info, warning or error. The caller redacts secrets."""
        row = {
            "at": [at],
            "level": [level],
            "component": [component],
            "message": [message],
            "context": [dict(context or {})],
        }
        self.database.append("workflow_log", pd.DataFrame(row), "error")

    def workflow_log(self, since: datetime, limit: int = 500) -> pd.DataFrame:
        """Log lines since an instant, newest first."""
        return self.database.read(
            "select * from workflow_log where at >= :since order by at desc, id desc limit :limit",
            {"since": since, "limit": limit},
        )

    # ---------------------------------------------------------------------------------------------------------- health

    def record_health(
        self,
        service: str,
        state: str,
        *,
        checked_at: datetime,
        latency_ms: float | None = None,
        message: str = "",
    ) -> int:
        """Write a service's state (ok, degraded, down, off); the number of failures in a row, counted by the
        database."""
        statement = text(
            """
            insert into service_health (service, state, checked_at, latency_ms, failures_in_row, last_ok_at, message)
            values (:service, :state, :at, :latency, case when :state = 'down' then 1 else 0 end,
                    case when :state in ('ok', 'degraded') then cast(:at as timestamptz) end, :message)
            on conflict (service) do update set
                state = excluded.state, checked_at = excluded.checked_at, latency_ms = excluded.latency_ms,
                failures_in_row = case when excluded.state = 'down' then service_health.failures_in_row + 1 else 0 end,
                last_ok_at = coalesce(excluded.last_ok_at, service_health.last_ok_at), message = excluded.message
            returning failures_in_row
            """
        )
        values = {"service": service, "state": state, "at": checked_at, "latency": latency_ms, "message": message}
        with self.database.begin() as connection:
            failures = int(connection.execute(statement, values).scalar_one())
        self.database.cache.invalidate("health")
        return failures

    def service_health(self) -> pd.DataFrame:
        """The last state of every service, by name; from the cache until one is written."""
        return self.database.cache.remembered(
            "health", lambda: self.database.read("select * from service_health order by service")
        )

    # --------------------------------------------------------------------------------------------------------- replays

    def clear_replay(self, scenario: str) -> int:
        """Delete every row of a replay, so it can run again; their number. Raises ``ValueError`` for the live
        scenario."""
        if scenario == LIVE:
            raise ValueError("rows of the live scenario are never deleted")
        deleted = 0
        with self.database.begin() as connection:
            for table in reversed(metadata.sorted_tables):
                if "scenario" in table.c:
                    deleted += self.database.delete_in(connection, table.name, {"scenario": scenario})
        return deleted
