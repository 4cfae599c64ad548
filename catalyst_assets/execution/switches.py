"""The switch that stops entries, or orders everything flat: a file, so that it works when everything else is broken.

Belongs here: the file and what it says. Does not belong here: obeying it (``order_step.py``, ``desk.py``), emptying the account
(``emergency.py``).

The first line is the reason in words; a file that begins with :data:`FLAT_MARK` also orders every position closed. Every process looks
at the file in each order step and each watch, so it is obeyed within one of them and survives restarts.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

FLAT_MARK = "flatten: "
KillSwitch = Callable[[], str | None]
"""Gives the reason why new entries are stopped, ``None`` when they are not. Must not depend on anything that may be down."""


@dataclass(frozen=True, slots=True)
class KillSwitchFile:
    """``catalyst halt``, ``catalyst flatten`` and ``catalyst resume`` as one file. What cannot be read counts as a halt."""

    path: Path

    def __call__(self) -> str | None:
        """Why entries are stopped; ``None`` when they are not."""
        text = self._text()
        return None if text is None else text.removeprefix(FLAT_MARK)[:300] or f"{self.path} exists"

    def flat_ordered(self) -> str | None:
        """Why everything has to be closed; ``None`` when nothing says so."""
        text = self._text() or ""
        return text.removeprefix(FLAT_MARK)[:300] if text.startswith(FLAT_MARK) else None

    def engage(self, reason: str, *, flat: bool = False) -> None:
        """Stop all new entries, with ``flat`` also order everything closed, now and after restarts, until :meth:`release`.

        A half-written switch is never seen: the file is renamed into place. Raises ``OSError``."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=self.path.parent, prefix=".switch")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(f"{FLAT_MARK if flat else ''}{' '.join(reason.split())}\n")
                file.flush()
                os.fsync(file.fileno())
            os.chmod(name, 0o644)  # noqa: PTH101 - every process of the system must be able to read it
            os.replace(name, self.path)  # noqa: PTH105
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise

    def release(self) -> None:
        """Allow entries again."""
        self.path.unlink(missing_ok=True)

    def _text(self) -> str | None:
        try:
            return self.path.read_text(encoding="utf-8", errors="replace").strip()
        except FileNotFoundError:
            return None
        except OSError as error:
            return f"{self.path} cannot be read ({error.strerror}): treated as on"
