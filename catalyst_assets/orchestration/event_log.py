"""Dagster's event log with fewer round trips: what a run plans is written at once, and a step asks once what it has just materialised.

Belongs here: only how often the database is asked; what is stored and answered stays Dagster's. Does not belong here: where the
database is (``instance.py``).

A cycle of seconds pays for every statement. Of its 240 events 39 say what the run intends (14 assets, 25 checks), written one by one in
three statements each; and each check asks twice which materialisation it judges, which the same process wrote a moment before.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from dagster import AssetKey, AssetRecordsFilter, DagsterEventType, EventRecordsResult
from dagster._core.events import ASSET_CHECK_EVENTS, ASSET_EVENTS, AssetCheckEvaluationPlanned
from dagster._core.events.log import EventLogEntry
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus
from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable, SqlEventLogStorageTable
from dagster._serdes import serialize_value
from dagster_postgres import PostgresEventLogStorage

BATCH_VARIABLE = "DAGSTER_EVENT_BATCH_SIZE"
LARGEST_BATCH = 500
_PLANNED = {DagsterEventType.ASSET_MATERIALIZATION_PLANNED, DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED}
_STEP_ENDS = {DagsterEventType.STEP_SUCCESS, DagsterEventType.STEP_FAILURE}


class CatalystEventLog(PostgresEventLogStorage):
    """Dagster's PostgreSQL event log, in fewer statements."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._materialised: dict[AssetKey, dict[tuple[str, ...], EventRecordsResult]] = {}
        """By asset the present step materialised: the answers about it, kept until the step ends."""
        os.environ.setdefault(BATCH_VARIABLE, str(LARGEST_BATCH))  # without it Dagster never calls store_event_batch

    def store_event(self, event: EventLogEntry) -> None:
        kind = event.dagster_event_type
        if kind in ASSET_EVENTS or kind in ASSET_CHECK_EVENTS:
            super().store_event(event)
        else:  # only a line of the log; Dagster would also NOTIFY, to which none of its processes of this version listens
            with self._connect() as connection:
                connection.execute(self.prepare_insert_event(event))
        if kind is DagsterEventType.ASSET_MATERIALIZATION and (key := event.get_dagster_event().asset_key) is not None:
            self._materialised[key] = {}
        elif kind in _STEP_ENDS:
            self._materialised.clear()

    def store_event_batch(self, events: Sequence[EventLogEntry]) -> None:
        if not {event.get_dagster_event().event_type for event in events} <= _PLANNED:
            super().store_event_batch(events)
            return
        with self._connect() as connection:
            written = connection.execute(
                self.prepare_insert_event_batch(events).returning(SqlEventLogStorageTable.c.id)
            ).fetchall()
        by_id = [(int(row[0]), event) for row, event in zip(written, events, strict=True)]
        checks = [row for number, event in by_id for row in self._planned_checks(number, event)]
        with self.index_transaction() as connection:
            for number, event in by_id:
                if event.dagster_event_type is DagsterEventType.ASSET_MATERIALIZATION_PLANNED:
                    self._store_asset_event(connection, event, number)
            if checks:
                connection.execute(sa.insert(AssetCheckExecutionsTable).values(checks))

    def _planned_checks(self, number: int, event: EventLogEntry) -> list[dict[str, Any]]:
        """The rows ``_store_asset_check_evaluation_planned`` writes for an event."""
        planned = event.get_dagster_event().event_specific_data
        if not isinstance(planned, AssetCheckEvaluationPlanned):
            return []
        partitions = planned.partitions_subset.get_partition_keys() if planned.partitions_subset else [None]
        return [
            {
                "asset_key": planned.asset_key.to_string(),
                "check_name": planned.check_name,
                "partition": partition,
                "run_id": event.run_id,
                "execution_status": AssetCheckExecutionRecordStatus.PLANNED.value,
                "evaluation_event": serialize_value(event),
                "evaluation_event_timestamp": self._event_insert_timestamp(event),
                "evaluation_event_storage_id": number,
            }
            for partition in partitions
        ]

    def fetch_materializations(
        self,
        records_filter: AssetKey | AssetRecordsFilter,
        limit: int,
        cursor: str | None = None,
        ascending: bool = False,
    ) -> EventRecordsResult:
        def asked() -> EventRecordsResult:
            return super(CatalystEventLog, self).fetch_materializations(records_filter, limit, cursor, ascending)

        if not isinstance(records_filter, AssetRecordsFilter) or limit != 1 or cursor or ascending:
            return asked()
        partitions = tuple(records_filter.asset_partitions or ())
        known = self._materialised.get(records_filter.asset_key)
        if known is None or records_filter != AssetRecordsFilter(records_filter.asset_key, list(partitions)):
            return asked()
        if partitions not in known:
            known[partitions] = asked()
        return known[partitions]
