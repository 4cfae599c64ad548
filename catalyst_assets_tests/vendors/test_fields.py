"""Single fields: times are never guessed, unknown is never a value."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalyst_assets.vendors import fields
from catalyst_assets.vendors.fields import Unreadable

AT = datetime(2026, 10, 8, 15, 10, 18, tzinfo=UTC)
ANYTHING = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=30)
    | st.lists(st.integers(), max_size=2)
    | st.dictionaries(st.text(), st.integers(), max_size=1)
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-10-08T15:10:18Z", AT),
        ("2026-10-08T15:10:18.1234567Z", AT.replace(microsecond=123456)),
        ("2026-10-08T15:10:18.094153596Z", AT.replace(microsecond=94153)),
        ("2026-10-08T11:10:18-04:00", AT),
        ("2026-10-08T11:10:18.123456789-04:00", AT.replace(microsecond=123456)),
    ],
)
def test_an_instant_keeps_its_moment_whatever_its_offset_and_digits(text: str, expected: datetime) -> None:
    assert fields.instant(text, "t") == expected
    assert fields.instant(text, "t").tzinfo is UTC


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "missing"),
        ("", "missing"),
        (1790000000, "not a text"),
        ("yesterday", "unreadable"),
        ("2026-13-08T15:10:18Z", "unreadable"),
        ("2026-10-08T15:10:18", "no time zone"),
        ("0001-01-01T00:00:00Z", "implausibly early"),
        ("1970-01-01T00:00:00Z", "implausibly early"),
    ],
)
def test_a_missing_or_unreadable_instant_is_refused_with_the_reason(value: Any, reason: str) -> None:
    with pytest.raises(Unreadable, match=reason):
        fields.instant(value, "published_at")


def test_a_documented_utc_time_without_zone_is_read_but_a_bare_date_is_not() -> None:
    assert fields.instant("20261008T151018", "t", assume_utc=True) == AT
    with pytest.raises(Unreadable, match="no time of day"):
        fields.instant("20261008", "t", assume_utc=True)


@pytest.mark.parametrize("value", [0, -5, None, "1790000000", True, float("nan"), 1e30])
def test_unix_seconds_that_mean_unknown_are_refused(value: Any) -> None:
    with pytest.raises(Unreadable):
        fields.unix_instant(value, "datetime")


@given(st.integers(1_000_000_000, 2_200_000_000), st.integers(0, 999_999), st.integers(-14, 14))
@settings(max_examples=50)
def test_an_instant_survives_any_offset(seconds: int, micros: int, hours: int) -> None:
    aware = datetime.fromtimestamp(seconds, timezone(timedelta(hours=hours))) + timedelta(microseconds=micros)
    assert fields.instant(aware.isoformat(), "t") == aware


@given(ANYTHING)
@settings(max_examples=100)
def test_no_value_of_any_kind_escapes_as_another_error(value: Any) -> None:
    for read in (fields.instant, fields.unix_instant, fields.headline, fields.money, fields.optional_money):
        try:
            read(value, "field")
        except Unreadable as refused:
            assert "field" in str(refused) or "removed" in str(refused)
    assert isinstance(fields.text(value), str)
    number = fields.number(value)
    assert number is None or (number == number and abs(number) != float("inf"))


@pytest.mark.parametrize("value", [None, "", "   ", "\n\t", 5, ["x"]])
def test_an_empty_headline_is_refused(value: Any) -> None:
    with pytest.raises(Unreadable, match="empty"):
        fields.headline(value, "title")


def test_a_removed_article_is_refused_and_entities_are_resolved() -> None:
    with pytest.raises(Unreadable, match="removed"):
        fields.headline("[Removed]", "title")
    assert fields.headline("AT&amp;T  &quot;wins&quot;\n big", "title") == 'AT&T "wins" big'


def test_the_future_begins_after_the_tolerance() -> None:
    tolerance = timedelta(minutes=2)
    assert fields.not_in_the_future(AT + tolerance, AT, tolerance, "t") == AT + tolerance
    with pytest.raises(Unreadable, match="future"):
        fields.not_in_the_future(AT + tolerance + timedelta(microseconds=1), AT, tolerance, "t")


def test_tickers_are_us_symbols_once_each() -> None:
    read = fields.tickers(
        ["aapl", "AAPL", "BRK-B", "CRYPTO:BTC", "FOREX:USD", "BTCUSD", "7203.T", "", None, 5, "A", "GOOGL"]
    )
    assert read == ("AAPL", "BRK.B", "A", "GOOGL")


@pytest.mark.parametrize(
    ("value", "expected"),
    [("1.5", 1.5), ("17900.0%", 17900.0), ("1,234", 1234.0), ("nan", None), ("x", None), (True, None)],
)
def test_numbers_come_from_texts_or_not_at_all(value: Any, expected: float | None) -> None:
    assert fields.number(value) == expected


def test_money_is_exact() -> None:
    assert fields.money("100.05", "price") == Decimal("100.05")
    assert fields.money(0.1, "price") == Decimal("0.1")
    with pytest.raises(Unreadable):
        fields.money("NaN", "price")
