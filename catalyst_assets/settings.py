"""Every environment variable of the program: typed, validated, documented, secrets masked.

Belongs here: what differs between machines (addresses, keys, folders, pool sizes, plan budgets). Does not belong
here: numbers of the decision core, which live in :mod:`catalyst_assets.trading.config` and in the ``configuration``
table.

A value comes from the environment, else from ``.env`` in the working directory, else from the default.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit, urlunsplit

from dotenv import dotenv_values
from pydantic import AfterValidator, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, SettingsConfigDict

ENV_FILE = ".env"
NO_SECRET = SecretStr("")
_POSTGRES_SCHEMES = ("postgresql+psycopg2://", "postgresql://", "postgres://")
_REDIS_SCHEMES = ("redis://", "rediss://", "unix://")


class SettingsError(Exception):
    """A setting is invalid; the message has one sentence per bad setting: name, value seen, what is allowed."""


def _http_url(value: str) -> str:
    if value and not value.startswith(("http://", "https://")):
        raise ValueError("allowed: an address that starts with http:// or https://, or empty for the default")
    return value.rstrip("/")


HttpUrl = Annotated[str, AfterValidator(_http_url)]
Seconds = Annotated[float, Field(gt=0, le=600)]
Budget = Annotated[int, Field(ge=1, le=100_000)]
Delay = Annotated[float, Field(ge=0, le=100_000)]


class Settings(BaseSettings):
    """All settings. Built by :func:`load_settings`; tests pass fields by name (``Settings(home=tmp_path)``).

    After validation ``market`` is ``simulator`` or ``vendors`` (``auto`` is resolved), and with the simulator every
    vendor address that is not set explicitly points below ``simulator_url`` and every key is a simulator key, so real
    keys never leave for the simulator.
    """

    model_config = SettingsConfigDict(
        env_prefix="CATALYST_",
        env_file=ENV_FILE,
        extra="ignore",
        frozen=True,
        populate_by_name=True,
        env_ignore_empty=True,
    )

    # where things are
    home: Path = Field(
        Path(".catalyst"), validation_alias="CATALYST_HOME", description="folder of everything the program keeps"
    )
    database_url: str = Field(
        "", validation_alias="DATABASE_URL", repr=False, description="PostgreSQL to use; empty: embedded PostgreSQL"
    )
    dagster_database_url: str = Field(
        "",
        validation_alias="DAGSTER_DATABASE_URL",
        repr=False,
        description="Dagster's own storage; empty: database <name>_dagster on the same server",
    )
    redis_url: str = Field(
        "", validation_alias="REDIS_URL", repr=False, description="Redis to use; empty: embedded Redis"
    )
    database_name: str = Field(
        "catalyst",
        validation_alias="CATALYST_DATABASE",
        pattern=r"^[a-z][a-z0-9_]{0,50}$",
        description="database of the embedded PostgreSQL; Dagster's is <name>_dagster",
    )
    bars_url: str = Field(
        "",
        validation_alias="CATALYST_BARS",
        description="folder or fsspec URL of the bars; empty: <home>/<database>/bars",
    )

    # which market
    market: Literal["auto", "simulator", "vendors"] = Field(
        "auto",
        validation_alias="CATALYST_MARKET",
        description="auto: vendors when ALPACA_API_KEY is set, else simulator",
    )
    simulator_url: HttpUrl = Field(
        "http://127.0.0.1:8900",
        validation_alias="CATALYST_SIMULATOR_URL",
        description="where the market in a box listens",
    )
    alpaca_api_key: SecretStr = Field(NO_SECRET, validation_alias="ALPACA_API_KEY", description="Alpaca key id")
    alpaca_secret_key: SecretStr = Field(NO_SECRET, validation_alias="ALPACA_SECRET_KEY", description="Alpaca secret")
    alpaca_paper: bool = Field(True, validation_alias="ALPACA_PAPER", description="paper account; false is real money")
    alpaca_feed: Literal["iex", "sip", "delayed_sip"] = Field(
        "iex", validation_alias="ALPACA_FEED", description="stock data feed of the Alpaca plan"
    )
    alpaca_trading_url: HttpUrl = Field("", validation_alias="ALPACA_TRADING_URL", description="empty: the real one")
    alpaca_data_url: HttpUrl = Field("", validation_alias="ALPACA_DATA_URL", description="empty: the real one")
    live_trading: bool = Field(
        False, validation_alias="CATALYST_LIVE_TRADING", description="first of two switches real money needs"
    )
    live_account_id: str = Field(
        "", validation_alias="CATALYST_LIVE_ACCOUNT", description="second switch: the id of the account that may trade"
    )
    finnhub_api_key: SecretStr = Field(NO_SECRET, validation_alias="FINNHUB_API_KEY", description="Finnhub key")
    finnhub_url: HttpUrl = Field("", validation_alias="FINNHUB_URL", description="empty: the real one")
    alpha_vantage_api_key: SecretStr = Field(
        NO_SECRET, validation_alias="ALPHA_VANTAGE_API_KEY", description="Alpha Vantage key"
    )
    alpha_vantage_url: HttpUrl = Field("", validation_alias="ALPHA_VANTAGE_URL", description="empty: the real one")
    newsapi_key: SecretStr = Field(NO_SECRET, validation_alias="NEWSAPI_KEY", description="NewsAPI key")
    newsapi_url: HttpUrl = Field("", validation_alias="NEWSAPI_URL", description="empty: the real one")
    yahoo_enabled: bool = Field(
        True, validation_alias="CATALYST_YAHOO", description="Yahoo as a stand-in for the list of most active stocks"
    )
    yahoo_url: HttpUrl = Field("", validation_alias="YAHOO_URL", description="empty: the real one")

    # manners towards vendors
    connect_timeout_seconds: Seconds = Field(3.05, description="longest wait for a vendor to accept a connection")
    read_timeout_seconds: Seconds = Field(10.0, description="longest wait for a vendor's answer")
    alpaca_per_minute: Budget = Field(180, description="request budget of the Alpaca plan")
    finnhub_per_minute: Budget = Field(55, description="request budget of the Finnhub plan")
    alpha_vantage_per_day: Budget = Field(25, description="request budget of the Alpha Vantage plan")
    newsapi_per_day: Budget = Field(100, description="request budget of the NewsAPI plan")
    yahoo_per_minute: Budget = Field(20, description="requests to Yahoo we allow ourselves")
    alpaca_delay_minutes: Delay = Field(0.0, description="publication to availability on this plan")
    finnhub_delay_minutes: Delay = Field(1.0, description="publication to availability on this plan")
    alpha_vantage_delay_minutes: Delay = Field(1.0, description="publication to availability on this plan")
    newsapi_delay_minutes: Delay = Field(1440.0, description="publication to availability; the free plan is a day late")
    import_delay_minutes: Delay = Field(1.0, description="publication to availability of imported articles")

    # machinery
    database_pool_min: Annotated[int, Field(ge=1, le=50)] = Field(2, description="connections kept open")
    database_pool_max: Annotated[int, Field(ge=1, le=100)] = Field(10, description="connections at most")
    statement_timeout_seconds: Seconds = Field(30.0, description="a statement running longer is ended by the database")
    history_sessions: Annotated[int, Field(ge=1, le=250)] = Field(
        10, description="sessions of bars read before a decision"
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="least important line logged")
    ui_port: Annotated[int, Field(ge=1, le=65535)] = Field(3000, description="port of the Dagster UI on 127.0.0.1")

    @field_validator("database_url", "dagster_database_url")
    @classmethod
    def _postgres(cls, value: str) -> str:
        """Any spelling of PostgreSQL, normalised to the driver this program uses (bare means psycopg 3 in SQLAlchemy
        2.1)."""
        if not value:
            return value
        for scheme in _POSTGRES_SCHEMES:
            if value.startswith(scheme):
                if not urlsplit(value).path.strip("/"):
                    raise ValueError(
                        "allowed: an address that names a database, postgresql://user:password@host/database"
                    )
                return "postgresql+psycopg2://" + value.removeprefix(scheme)
        raise ValueError(
            "allowed: postgresql://user:password@host:port/database[?sslmode=require], or empty for embedded"
        )

    @field_validator("redis_url")
    @classmethod
    def _redis(cls, value: str) -> str:
        if value and not value.startswith(_REDIS_SCHEMES):
            raise ValueError("allowed: redis://, rediss:// (TLS) or unix://, or empty for embedded")
        return value

    @field_validator("log_level", "market", mode="before")
    @classmethod
    def _lower(cls, value: Any) -> Any:
        return value.lower() if isinstance(value, str) else value

    @model_validator(mode="after")
    def _consistent(self) -> Settings:
        if self.database_pool_min > self.database_pool_max:
            raise ValueError(
                f"CATALYST_DATABASE_POOL_MIN is {self.database_pool_min} and CATALYST_DATABASE_POOL_MAX {self.database_pool_max}; "
                "allowed: a minimum not above the maximum"
            )
        market = self.market
        if market == "auto":
            market = "vendors" if self.alpaca_api_key else "simulator"
        if market == "vendors":
            self._refuse_half_set_up_vendors()
            filled: dict[str, Any] = {}
        else:
            base = self.simulator_url
            defaults = {
                "alpaca_trading_url": f"{base}/alpaca/trading",
                "alpaca_data_url": f"{base}/alpaca/data",
                "finnhub_url": f"{base}/finnhub/api/v1",
                "alpha_vantage_url": f"{base}/alphavantage/query",
                "newsapi_url": f"{base}/newsapi/v2",
                "yahoo_url": f"{base}/yahoo",
            }
            filled = {name: url for name, url in defaults.items() if not getattr(self, name)}
            for name in ("alpaca_api_key", "finnhub_api_key", "alpha_vantage_api_key", "newsapi_key"):
                filled[name] = SecretStr("sim-key")
            filled |= {"alpaca_secret_key": SecretStr("sim-secret"), "alpaca_paper": True, "live_trading": False}
        for name, value in {**filled, "market": market}.items():
            object.__setattr__(self, name, value)
        return self

    def _refuse_half_set_up_vendors(self) -> None:
        missing = [
            env
            for env, key in (("ALPACA_API_KEY", self.alpaca_api_key), ("ALPACA_SECRET_KEY", self.alpaca_secret_key))
            if not key
        ]
        if missing:
            raise ValueError(
                f"{' and '.join(missing)} not set, but the market is vendors; allowed: both Alpaca keys set, or CATALYST_MARKET=simulator"
            )
        if not self.alpaca_paper and not (self.live_trading and self.live_account_id):
            raise ValueError(
                "ALPACA_PAPER is false, which is real money; allowed only together with CATALYST_LIVE_TRADING=true and "
                "CATALYST_LIVE_ACCOUNT=<the account's id>"
            )

    @property
    def uses_simulator(self) -> bool:
        return self.market == "simulator"

    @property
    def real_money(self) -> bool:
        """True only with the real vendors and both switches set."""
        return self.market == "vendors" and not self.alpaca_paper and self.live_trading

    @property
    def bars_root(self) -> str:
        """Where bars are kept: a folder or an fsspec URL."""
        return self.bars_url or str(self.home / self.database_name / "bars")

    def secrets(self) -> tuple[str, ...]:
        """Every secret value in use, for redaction. Simulator keys are not secret."""
        found = [
            value.get_secret_value()
            for name in type(self).model_fields
            if isinstance(value := getattr(self, name), SecretStr)
        ]
        for url in (self.database_url, self.dagster_database_url, self.redis_url):
            if url and (password := urlsplit(url).password):
                found.append(password)
        return tuple(sorted({secret for secret in found if secret and secret not in ("sim-key", "sim-secret")}))

    def rows(self, env_file: Path | None = None) -> list[SettingRow]:
        """One row per setting for ``catalyst config``, secrets masked."""
        in_file = _file_values(env_file)
        rows = []
        for name, info in type(self).model_fields.items():
            env = env_name(name, info)
            value = getattr(self, name)
            raw_default = info.default
            origin = _origin(env, in_file)
            if origin == "default" and value != raw_default:
                origin = "simulator" if self.uses_simulator else "argument"
                if name == "market":
                    origin = "default"
            rows.append(SettingRow(name, env, mask(name, value), origin, info.description or ""))
        return rows


@dataclass(frozen=True, slots=True)
class SettingRow:
    """One line of ``catalyst config``; ``origin`` is default, .env, environment, simulator, argument or database."""

    name: str
    env: str
    value: str
    origin: str
    description: str


def env_name(field: str, info: FieldInfo | None = None) -> str:
    """The environment variable a setting is read from."""
    alias = (info or Settings.model_fields[field]).validation_alias
    return alias if isinstance(alias, str) else f"CATALYST_{field.upper()}"


def mask(name: str, value: Any) -> str:
    """``value`` as it may be shown: secrets as their last two characters, passwords in addresses as stars."""
    if isinstance(value, SecretStr):
        secret = value.get_secret_value()
        if not secret:
            return ""
        return secret if secret in ("sim-key", "sim-secret") else f"****{secret[-2:] if len(secret) >= 12 else ''}"
    if name in ("database_url", "dagster_database_url", "redis_url"):
        return mask_url(str(value))
    return str(value)


def mask_url(url: str) -> str:
    """``url`` with its password replaced by stars."""
    parts = urlsplit(url)
    if not parts.password:
        return url
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{parts.username or ''}:****@{host}"))


def load_settings(**overrides: Any) -> Settings:
    """The settings of this process. Raises :class:`SettingsError` with one sentence per bad setting."""
    try:
        return Settings(**overrides)
    except ValidationError as error:
        raise SettingsError("\n".join(_sentences(error))) from None


def unknown_variables(environment: Mapping[str, str] | None = None, env_file: Path | None = None) -> list[str]:
    """One sentence per ``CATALYST_`` variable that no setting reads (a misspelling does nothing silently)."""
    known = {env_name(name, info) for name, info in Settings.model_fields.items()}
    seen = set(environment if environment is not None else os.environ) | set(_file_values(env_file))
    sentences = []
    for name in sorted(seen):
        if name.startswith("CATALYST_") and name.upper() not in known:
            close = difflib.get_close_matches(name.upper(), known, n=1)
            sentences.append(
                f"{name} is set but no setting reads it" + (f"; did you mean {close[0]}?" if close else ".")
            )
    return sentences


def _file_values(env_file: Path | None) -> dict[str, str | None]:
    path = env_file or Path(ENV_FILE)
    return dict(dotenv_values(path)) if path.is_file() else {}


def _origin(env: str, in_file: Mapping[str, str | None]) -> str:
    if any(key.upper() == env and value for key, value in os.environ.items()):
        return "environment"
    if any(key.upper() == env and value for key, value in in_file.items()):
        return ENV_FILE
    return "default"


_SECRET_FIELDS = frozenset(name for name, info in Settings.model_fields.items() if info.annotation is SecretStr)


def _sentences(error: ValidationError) -> list[str]:
    sentences = []
    for item in error.errors(include_url=False):
        message = item["msg"].removeprefix("Value error, ")
        if not item["loc"]:
            sentences.append(message + ".")
            continue
        given = str(item["loc"][0])
        field = next(
            (name for name, info in Settings.model_fields.items() if given in (name, env_name(name, info))), None
        )
        if field is None:
            sentences.append(f"{given} is not a setting of this program.")
            continue
        seen = "****" if field in _SECRET_FIELDS else mask(field, item["input"])
        allowed = message if message.startswith("allowed:") else "allowed: " + message[:1].lower() + message[1:]
        sentences.append(f"{env_name(field)} is {seen!r}; {allowed}.")
    return sentences
