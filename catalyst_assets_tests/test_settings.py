"""Rules of the settings: typed, explained when wrong, secret where secret."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from catalyst_assets.settings import Settings, SettingsError, env_name, load_settings, mask, mask_url, unknown_variables


def test_with_nothing_set_the_market_is_the_simulator_and_no_real_key_is_used() -> None:
    settings = load_settings()
    assert settings.uses_simulator
    assert settings.alpaca_api_key.get_secret_value() == "sim-key"
    assert settings.alpaca_secret_key.get_secret_value() == "sim-secret"
    assert settings.alpaca_trading_url == "http://127.0.0.1:8900/alpaca/trading"
    assert settings.newsapi_url == "http://127.0.0.1:8900/newsapi/v2"
    assert settings.bars_root == ".catalyst/catalyst/bars"


def test_alpaca_keys_switch_to_the_vendors_with_their_own_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALPACA_API_KEY", "PKABCDEFGHIJKLMNOP")
    monkeypatch.setenv("ALPACA_SECRET_KEY", "abcdefghijklmnopqrstuvwxyz")
    settings = load_settings()
    assert settings.market == "vendors"
    assert settings.alpaca_trading_url == ""
    assert not settings.finnhub_api_key
    assert not settings.real_money


def test_real_keys_never_go_to_the_simulator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALPACA_API_KEY", "PKABCDEFGHIJKLMNOP")
    monkeypatch.setenv("ALPACA_SECRET_KEY", "abcdefghijklmnopqrstuvwxyz")
    monkeypatch.setenv("CATALYST_MARKET", "simulator")
    settings = load_settings()
    assert settings.alpaca_api_key.get_secret_value() == "sim-key"


def test_home_is_not_read_from_the_users_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/somewhere/else")
    assert load_settings().home == Path(".catalyst")


REFUSED = {
    "CATALYST_UI_PORT": ("99999", "65535"),
    "ALPACA_FEED": ("tape", "'iex'"),
    "REDIS_URL": ("http://cache", "rediss://"),
    "DATABASE_URL": ("mysql://u:p@h/d", "postgresql://"),
    "ALPACA_PAPER": ("perhaps", "boolean"),
    "CATALYST_DATABASE": ("My-DB", "pattern"),
    "FINNHUB_URL": ("finnhub.io", "https://"),
    "CATALYST_STATEMENT_TIMEOUT_SECONDS": ("0", "greater than 0"),
    "CATALYST_LOG_LEVEL": ("loud", "'info'"),
}


@pytest.mark.parametrize(("name", "value", "allowed"), [(name, *pair) for name, pair in REFUSED.items()])
def test_an_invalid_setting_is_named_with_the_value_seen_and_what_is_allowed(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, allowed: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    message = str(caught.value)
    assert message.startswith(f"{name} is ")
    assert mask_url(value) in message
    assert allowed in message
    assert len(message.splitlines()) == 1


def test_every_invalid_setting_gets_its_own_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, (value, _) in REFUSED.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert len(str(caught.value).splitlines()) == len(REFUSED)


@pytest.mark.parametrize("extra", [{}, {"live_trading": True}, {"live_account_id": "A1"}])
def test_real_money_needs_both_switches(extra: dict[str, object]) -> None:
    with pytest.raises(SettingsError, match="real money"):
        load_settings(alpaca_api_key="k" * 12, alpaca_secret_key="s" * 12, alpaca_paper=False, **extra)


def test_real_money_with_both_switches_is_accepted() -> None:
    settings = load_settings(
        alpaca_api_key="k" * 12, alpaca_secret_key="s" * 12, alpaca_paper=False, live_trading=True, live_account_id="A1"
    )
    assert settings.real_money


def test_vendors_without_both_keys_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALPACA_API_KEY", "PKABCDEFGHIJKLMNOP")
    with pytest.raises(SettingsError, match="ALPACA_SECRET_KEY not set"):
        load_settings()


@pytest.mark.parametrize(
    ("given_url", "kept"),
    [
        ("postgres://u:p@h/d", "postgresql+psycopg2://u:p@h/d"),
        ("postgresql://u:p@h:6432/d?sslmode=require", "postgresql+psycopg2://u:p@h:6432/d?sslmode=require"),
        ("postgresql+psycopg2://u:p@h/d?sslrootcert=/ca.pem&sslmode=verify-full",
         "postgresql+psycopg2://u:p@h/d?sslrootcert=/ca.pem&sslmode=verify-full"),
    ],
)  # fmt: skip
def test_any_postgresql_address_is_normalised_to_our_driver_and_keeps_its_tls(given_url: str, kept: str) -> None:
    assert load_settings(database_url=given_url).database_url == kept


def test_redis_over_tls_is_accepted() -> None:
    assert load_settings(redis_url="rediss://:pw@cache.example:6380/1").redis_url.startswith("rediss://")


def test_origins_are_environment_before_file_before_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text("ALPACA_FEED=sip\nCATALYST_UI_PORT=3001\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(Settings.model_config, "env_file", ".env")
    monkeypatch.setenv("CATALYST_UI_PORT", "3002")
    rows = {row.name: row for row in load_settings().rows()}
    assert (rows["ui_port"].value, rows["ui_port"].origin) == ("3002", "environment")
    assert (rows["alpaca_feed"].value, rows["alpaca_feed"].origin) == ("sip", ".env")
    assert (rows["log_level"].value, rows["log_level"].origin) == ("info", "default")
    assert rows["finnhub_url"].origin == "simulator"
    assert all(row.description for row in rows.values())


@given(st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=8, max_size=40))
def test_a_secret_never_shows_in_rows_or_repr(secret: str) -> None:
    settings = Settings(
        alpaca_api_key=SecretStr("A1" + secret),
        alpaca_secret_key=SecretStr("B2" + secret),
        database_url=f"postgresql://u:{secret}@h/d",
    )
    shown = repr(settings) + "".join(row.value for row in settings.rows())
    assert "A1" + secret not in shown
    assert f":{secret}@" not in shown
    assert "B2" + secret in settings.secrets()


def test_short_secrets_show_nothing_at_all() -> None:
    assert mask("finnhub_api_key", SecretStr("abc")) == "****"
    assert mask("finnhub_api_key", SecretStr("")) == ""


def test_a_bad_secret_setting_is_not_repeated_in_the_message() -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(finnhub_api_key=12345678)
    assert "12345678" not in str(caught.value)


def test_a_misspelt_variable_is_pointed_out() -> None:
    assert unknown_variables({"CATALYST_LIVE_TRADNG": "1"}) == [
        "CATALYST_LIVE_TRADNG is set but no setting reads it; did you mean CATALYST_LIVE_TRADING?"
    ]
    assert unknown_variables({"CATALYST_LIVE_TRADING": "1", "PATH": "x"}) == []


def test_env_example_names_every_setting() -> None:
    text = (Path(__file__).parents[1] / ".env.example").read_text()
    missing = [env_name(name) for name in Settings.model_fields if f"#{env_name(name)}=" not in text]
    assert missing == []
