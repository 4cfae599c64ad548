"""The configuration table: single keys of :class:`TradingConfig` that differ from their defaults.

Belongs here: loading, validated setting, history. Does not belong here: the keys and limits (``trading/config.py``);
the audit row is written by a trigger, so no way of changing the table can skip it.
"""

from __future__ import annotations

import difflib
from typing import Any

import pandas as pd
from pydantic import ValidationError
from sqlalchemy import text

from catalyst_assets.storage.frames import to_json
from catalyst_assets.storage.repository import Repository
from catalyst_assets.trading.config import TradingConfig


class ConfigurationError(Exception):
    """A configuration key or value is not allowed; one sentence with key, value seen and what is allowed."""


class ConfigurationRepository(Repository):
    """Overrides of the decision core's numbers."""

    def overrides(self) -> dict[str, Any]:
        """Stored values by dotted key."""
        frame = self.database.read("select key, value from configuration order by key")
        return dict(zip(frame["key"].tolist(), frame["value"].tolist(), strict=True))

    def load(self) -> TradingConfig:
        """The defaults with the stored overrides. Raises :class:`ConfigurationError` when a stored value is not
        allowed."""
        return _validated(self.overrides())

    def rows(self) -> pd.DataFrame:
        """Every key with ``value``, ``default`` and ``origin`` (default or database), for ``catalyst config``."""
        stored = self.overrides()
        now = _validated(stored).flatten()
        defaults = TradingConfig().flatten()
        return pd.DataFrame(
            {
                "key": list(now),
                "value": list(now.values()),
                "default": [defaults.get(key) for key in now],
                "origin": ["database" if key in stored else "default" for key in now],
            }
        )

    def set(self, key: str, value: Any, *, who: str, why: str) -> Any:
        """Store one override; the value as validated. Raises :class:`ConfigurationError`."""
        if not why.strip():
            raise ConfigurationError(f"{key} was not changed: say why (--why), it goes into the history")
        known = TradingConfig().flatten()
        if key not in known:
            close = difflib.get_close_matches(key, known, n=1)
            raise ConfigurationError(
                f"{key} is no configuration key" + (f"; did you mean {close[0]}?" if close else "")
            )
        validated = _validated({**self.overrides(), key: value}).flatten()[key]
        statement = text(
            """
            insert into configuration (key, value, updated_at, updated_by, reason)
            values (:key, cast(:value as jsonb), now(), :who, :why)
            on conflict (key) do update set value = excluded.value, updated_at = now(), updated_by = excluded.updated_by,
                                            reason = excluded.reason
            """
        )
        with self.database.begin() as connection:
            connection.execute(statement, {"key": key, "value": to_json(validated), "who": who, "why": why})
        return validated

    def reset(self, key: str, *, who: str, why: str) -> bool:
        """Go back to the default; False when the key was not overridden."""
        with self.database.begin() as connection:
            connection.execute(
                text("select set_config('catalyst.who', :who, true), set_config('catalyst.why', :why, true)"),
                {"who": who, "why": why},
            )
            return connection.execute(text("delete from configuration where key = :key"), {"key": key}).rowcount > 0

    def history(self, key: str | None = None, limit: int = 100) -> pd.DataFrame:
        """Changes, newest first: key, old_value, new_value, changed_at, changed_by, reason."""
        return self.database.read(
            "select * from configuration_history where cast(:key as text) is null or key = :key order by id desc limit :limit",
            {"key": key, "limit": limit},
        )


def _validated(overrides: dict[str, Any]) -> TradingConfig:
    try:
        return TradingConfig.from_overrides(overrides)
    except ValidationError as error:
        sentences = []
        for item in error.errors(include_url=False):
            key = ".".join(str(part) for part in item["loc"])
            message = item["msg"].removeprefix("Value error, ")
            sentences.append(f"{key} is {item['input']!r}; allowed: {message[:1].lower()}{message[1:]}"
                             if len(item["loc"]) > 1 else f"{key}: {message}")  # fmt: skip
        raise ConfigurationError("\n".join(sentences)) from None
    except ValueError as error:
        raise ConfigurationError(str(error)) from None
