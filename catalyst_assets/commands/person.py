"""Who typed the command, for every record of what a person did.

Belongs here: the name. Does not belong here: what is recorded under it.
"""

from __future__ import annotations

import getpass
import os


def who() -> str:
    """The user's name, or the number where the system has no name for it."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # containers without a passwd entry
        return f"uid {os.getuid()}"
