"""The database of the program: pool, retried connections, bulk reads and writes of frames, migrations.

Belongs here: how rows get in and out. Does not belong here: which rows (the repositories), the tables
(``tables.py``), SQL of the schema (``sql/``).

The pool connects as the login role and then takes the role ``catalyst_app`` where it exists, which may not alter raw
rows.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, TypeVar

import pandas as pd
import psycopg2
from sqlalchemy import Connection, Engine, Table, create_engine, event, text
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt, wait_exponential_jitter

from catalyst_assets.settings import Settings
from catalyst_assets.storage import migrations
from catalyst_assets.storage.cache import Cache
from catalyst_assets.storage.embedded import EmbeddedServices, service_urls
from catalyst_assets.storage.frames import copy_text, to_frame
from catalyst_assets.storage.tables import TABLES

APP_ROLE = "catalyst_app"
CONNECT_ATTEMPTS = 6
"""Attempts to reach a lost database, with exponential waits of 0.1 to 3 s: about 7 s in all."""

_LOST_CODES = frozenset({"57P01", "57P02", "57P03", "53300"})  # shutdowns, starting up, too many connections
_Result = TypeVar("_Result")
Where = Mapping[str, Any]


class DatabaseUnavailable(Exception):
    """The database could not be reached after several attempts; the message says where and what to do."""


def is_lost(error: BaseException) -> bool:
    """True when ``error`` says the connection is gone or could not be made, so that repeating may help."""
    if isinstance(error, DBAPIError):
        if error.connection_invalidated:
            return True
        if not isinstance(error, OperationalError | InterfaceError):
            return False
        code = getattr(error.orig, "pgcode", None)
        return code is None or code in _LOST_CODES or code.startswith("08")
    return False


class Database:
    """One PostgreSQL database. Safe to share between threads; do not share across a fork.

    ``recover`` is called between attempts to reach a lost database (the embedded server is started again there).
    """

    def __init__(
        self,
        url: str,
        *,
        pool_min: int = 2,
        pool_max: int = 10,
        statement_timeout_seconds: float = 30.0,
        application_name: str = "catalyst",
        recover: Callable[[], object] | None = None,
        role: str | None = APP_ROLE,
    ) -> None:
        self.url = url
        self.cache = Cache("")
        """Where repositories keep what they read often and forget what they write; off unless set."""
        self._recover = recover
        self._role = role
        self._session_sql = (
            f"set timezone = 'UTC'; set statement_timeout = {int(statement_timeout_seconds * 1000)}; "
            f"set lock_timeout = {int(statement_timeout_seconds * 1000)}; set idle_in_transaction_session_timeout = 300000"
        )
        self.engine: Engine = create_engine(
            url,
            pool_size=pool_min,
            max_overflow=pool_max - pool_min,
            pool_timeout=30,
            pool_pre_ping=True,
            pool_recycle=1800,
            connect_args={
                "connect_timeout": 5, "client_encoding": "utf8", "application_name": application_name, "keepalives": 1,
                "keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3,
            },
        )  # fmt: skip
        event.listen(self.engine, "connect", self._on_connect)

    def __repr__(self) -> str:
        return f"Database({self.engine.url.render_as_string(hide_password=True)!r})"

    # ---------------------------------------------------------------------------------------------------- connections

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """A transaction: committed at the end, rolled back on an exception. Connecting is retried, the body never is.

        Raises :class:`DatabaseUnavailable` when no connection can be made.
        """
        connection = self._retried(self.engine.connect)
        with connection, connection.begin():
            yield connection

    def close(self) -> None:
        """Close every pooled connection; the next use opens new ones."""
        self.engine.dispose()
        self.cache.close()

    def migrate(self, folder: Path | None = None) -> list[str]:
        """Run the migrations this database has not run; their names. Raises :class:`~.migrations.MigrationError`."""
        raw = self._retried(self._owner_connection)
        try:
            ran = migrations.migrate(raw, folder)
        finally:
            raw.close()
        if ran:
            self.engine.dispose()  # pooled connections were made before the roles existed
        return ran

    def pending_migrations(self) -> list[str]:
        """Names of the migrations still to run. Raises :class:`~.migrations.MigrationError` when history does not
        match."""
        raw = self._retried(self._owner_connection)
        try:
            todo = migrations.compare(
                migrations.read_migrations(migrations.migrations_folder()), migrations.applied(raw)
            )
        finally:
            raw.close()
        return [f"{migration.version:04d}_{migration.name}" for migration in todo]

    # ----------------------------------------------------------------------------------------------------------- reads

    def read(self, sql: str, params: Where | None = None, *, decimals: bool = False) -> pd.DataFrame:
        """The rows of a query with ``:name`` parameters (lists for ``= any(:name)``), typed as
        :func:`frames.to_frame` says.

        Repeated when the connection is lost: only give it statements that change nothing.
        """

        def once() -> pd.DataFrame:
            with self.engine.connect() as connection:
                return self.read_in(connection, sql, params, decimals=decimals)

        return self._retried(once)

    def read_in(
        self, connection: Connection, sql: str, params: Where | None = None, *, decimals: bool = False
    ) -> pd.DataFrame:
        """As :meth:`read`, inside a transaction of :meth:`begin`."""
        result = connection.execute(text(sql), dict(params or {}))
        description = result.cursor.description if result.cursor is not None else []
        return to_frame([tuple(row) for row in result], description or [], decimals=decimals)

    def scalar(self, sql: str, params: Where | None = None) -> Any:
        """The first value of the first row, ``None`` without rows. Repeated when the connection is lost."""

        def once() -> Any:
            with self.engine.connect() as connection:
                return connection.execute(text(sql), dict(params or {})).scalar()

        return self._retried(once)

    # ---------------------------------------------------------------------------------------------------------- writes

    def replace(self, table: str, frame: pd.DataFrame, where: Where) -> int:
        """Delete the rows that match ``where`` and insert ``frame``, in one transaction; the number of rows inserted.

        ``where`` is equality by column, a list or tuple means any of them. Columns of ``where`` with one value that
        the frame lacks are added to it. Idempotent, so it is repeated when the connection is lost. Raises
        ``ValueError`` when a row of the frame lies outside ``where`` (a second run would then double it) or ``where``
        is empty.
        """

        def once() -> int:
            with self.engine.begin() as connection:
                return self.replace_in(connection, table, frame, where)

        return self._retried(once)

    def replace_in(self, connection: Connection, table: str, frame: pd.DataFrame, where: Where) -> int:
        """As :meth:`replace`, inside a transaction of :meth:`begin`."""
        target = TABLES[table]
        if not where:
            raise ValueError(f"replace({table}) needs a condition: it never empties a whole table")
        self.delete_in(connection, table, where)
        return self._copy(connection, target, _within(frame, where, table), target.name)

    def delete_in(self, connection: Connection, table: str, where: Where) -> int:
        """Delete the rows that match ``where`` (as in :meth:`replace`); their number."""
        target = TABLES[table]
        statement = target.delete()
        for name, value in where.items():
            column = target.c[name]
            many = isinstance(value, list | tuple | set | frozenset | pd.Index)
            statement = statement.where(column.in_(list(value)) if many else column == value)
        return connection.execute(statement).rowcount

    def append(
        self,
        table: str,
        frame: pd.DataFrame,
        on_conflict: Literal["nothing", "update", "error"] = "nothing",
        keys: Sequence[str] | None = None,
    ) -> int:
        """Insert ``frame``; the number of rows inserted or updated.

        ``nothing``: rows whose key exists are left alone; ``update``: they get the frame's values; ``error``:
        ``IntegrityError``. ``keys`` are the columns of the unique key, the primary key when not given. With keys it
        is idempotent and repeated when the connection is lost.
        """

        def once() -> int:
            with self.engine.begin() as connection:
                return self.append_in(connection, table, frame, on_conflict, keys)

        return once() if on_conflict == "error" else self._retried(once)

    def append_in(
        self,
        connection: Connection,
        table: str,
        frame: pd.DataFrame,
        on_conflict: Literal["nothing", "update", "error"] = "nothing",
        keys: Sequence[str] | None = None,
    ) -> int:
        """As :meth:`append`, inside a transaction of :meth:`begin`."""
        target = TABLES[table]
        if frame.empty:
            return 0
        if on_conflict == "error":
            return self._copy(connection, target, frame, target.name)
        columns = ", ".join(_quoted(name) for name in frame.columns)
        staging = f"staging_{target.name}"
        connection.execute(
            text(f"create temporary table {staging} on commit drop as select {columns} from {target.name} with no data")
        )
        self._copy(connection, target, frame, staging)
        key = ", ".join(_quoted(name) for name in (keys or target.primary_key.columns.keys()))
        if on_conflict == "nothing":
            action = "do nothing" if keys is None else f"({key}) do nothing"
        else:
            rest = [name for name in frame.columns if name not in (keys or target.primary_key.columns.keys())]
            changes = ", ".join(f"{_quoted(name)} = excluded.{_quoted(name)}" for name in rest)
            action = f"({key}) do update set {changes}" if rest else f"({key}) do nothing"
        done = connection.execute(
            text(f"insert into {target.name} ({columns}) select {columns} from {staging} on conflict {action}")
        ).rowcount
        connection.execute(text(f"drop table {staging}"))
        return done

    # --------------------------------------------------------------------------------------------------------- details

    def _copy(self, connection: Connection, table: Table, frame: pd.DataFrame, into: str) -> int:
        """COPY ``frame`` into ``into``, encoded by the column types of ``table``: the fastest way in (5,000 rows <
        0.3 s)."""
        if frame.empty:
            return 0
        unknown = [name for name in frame.columns if name not in table.c]
        if unknown:
            raise KeyError(f"{table.name} has no column {', '.join(unknown)}")
        lines = io.StringIO("".join(copy_text(table, frame)))
        columns = ", ".join(_quoted(str(name)) for name in frame.columns)
        driver = connection.connection.driver_connection
        if driver is None:
            raise DatabaseUnavailable("the connection was closed before the rows could be written")
        try:
            with driver.cursor() as cursor:
                cursor.copy_expert(f"copy {into} ({columns}) from stdin", lines)
        except psycopg2.Error as error:  # not executed through SQLAlchemy, so wrapped as it would have been
            raise DBAPIError.instance(
                f"copy {into}", None, error, psycopg2.Error, connection_invalidated=bool(driver.closed),
                dialect=connection.dialect,
            ) from error  # fmt: skip
        return len(frame)

    def _retried(self, work: Callable[[], _Result]) -> _Result:
        retrying = Retrying(
            retry=retry_if_exception(is_lost),
            stop=stop_after_attempt(CONNECT_ATTEMPTS),
            wait=wait_exponential_jitter(initial=0.1, max=3.0, jitter=0.1),
            before_sleep=self._before_sleep,
            reraise=True,
        )
        try:
            return retrying(work)
        except (OperationalError, InterfaceError) as error:
            if not is_lost(error):
                raise
            where = self.engine.url.render_as_string(hide_password=True)
            reason = str(error.orig).strip().splitlines()
            raise DatabaseUnavailable(
                f"the database {where} cannot be reached ({reason[0] if reason else type(error.orig).__name__}); "
                "start it, or unset DATABASE_URL to use the embedded one"
            ) from error

    def _before_sleep(self, state: RetryCallState) -> None:
        if self._recover is not None:
            self._recover()

    def _owner_connection(self) -> psycopg2.extensions.connection:
        try:
            return psycopg2.connect(
                self.url.replace("+psycopg2", "", 1), connect_timeout=5, application_name="catalyst-migrate"
            )
        except psycopg2.OperationalError as error:
            raise OperationalError("connect", None, error) from error

    def _on_connect(self, connection: psycopg2.extensions.connection, _record: object) -> None:
        """Session settings of every new connection, and the role whose rights the program works with."""
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(self._session_sql)
            if self._role:
                cursor.execute(
                    "select pg_has_role(session_user, oid, 'member') "
                    "and coalesce(has_table_privilege(oid, to_regclass('news_raw'), 'INSERT'), false) "
                    "from pg_roles where rolname = %s",
                    (self._role,),
                )
                row = cursor.fetchone()
                if row and row[0]:
                    cursor.execute(f"set role {self._role}")
        connection.autocommit = False


def _within(frame: pd.DataFrame, where: Where, table: str) -> pd.DataFrame:
    """``frame`` with the columns of ``where`` added; refuses rows that lie outside ``where``."""
    added: dict[str, Any] = {}
    for name, value in where.items():
        many = isinstance(value, list | tuple | set | frozenset | pd.Index)
        if name not in frame.columns:
            if many:
                raise ValueError(f"{table}: the frame needs the column {name} when several values are replaced")
            added[name] = value
            continue
        allowed = set(value) if many else {value}
        outside = sorted({str(item) for item in frame[name].unique() if item not in allowed})
        if outside:
            raise ValueError(f"{table}: rows with {name} {', '.join(outside[:3])} lie outside what is replaced")
    return frame.assign(**added) if added and not frame.empty else frame


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def open_database(settings: Settings, *, application_name: str = "catalyst", migrate: bool = True) -> Database:
    """The database of the settings, reachable and migrated; the embedded server is started when there is no
    ``DATABASE_URL``.

    Raises :class:`DatabaseUnavailable`, ``EmbeddedUnavailable`` or ``MigrationError``, each with a sentence for the
    user.
    """
    urls = service_urls(settings)
    recover = None
    if not settings.database_url:
        recover = EmbeddedServices(settings.home, settings.database_name).ensure
    database = Database(
        urls.database_url,
        pool_min=settings.database_pool_min,
        pool_max=settings.database_pool_max,
        statement_timeout_seconds=settings.statement_timeout_seconds,
        application_name=application_name,
        recover=recover,
    )
    database.cache = Cache(urls.redis_url, namespace=settings.database_name)
    if migrate:
        database.migrate()
    return database
