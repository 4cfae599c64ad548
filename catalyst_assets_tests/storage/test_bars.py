"""Rules of the bar store: whole files, merged once, damage named."""

from __future__ import annotations

import threading
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from catalyst_assets.ports import BAR_COLUMNS
from catalyst_assets.storage.bars import BarFileError, BarStore

SESSION = date(2025, 5, 15)
OPEN = pd.Timestamp("2025-05-15T13:30Z")
DAY = (datetime(2025, 5, 15, tzinfo=UTC), datetime(2025, 5, 16, tzinfo=UTC))


def bars(*symbols: str, count: int = 5, close: float = 10.0, start: pd.Timestamp = OPEN) -> pd.DataFrame:
    ts = pd.date_range(start, periods=count, freq="1min").astype("datetime64[us, UTC]")
    frames = [
        pd.DataFrame({"symbol": symbol, "ts": ts, "open": close, "high": close + 1, "low": close - 1, "close": close, "volume": 100.0,
                      "vwap": np.nan, "trade_count": np.nan})
        for symbol in symbols
    ]  # fmt: skip
    return pd.concat(frames, ignore_index=True)


@pytest.fixture
def store(tmp_path: Path) -> BarStore:
    return BarStore(tmp_path / "bars", "iex")


def test_bars_come_back_as_written_in_the_columns_of_the_port(store: BarStore) -> None:
    assert store.write(SESSION, "1min", bars("B", "A")) == 10
    found = store.read(None, "1min", *DAY)
    pd.testing.assert_frame_equal(found, bars("A", "B").astype({"symbol": "str"}))
    assert tuple(found.columns) == BAR_COLUMNS
    assert str(found["ts"].dtype) == "datetime64[us, UTC]"


def test_reading_takes_bars_that_start_in_the_interval_of_the_symbols_asked(store: BarStore) -> None:
    store.write(SESSION, "1min", bars("A", "B", "C"))
    start, end = OPEN + pd.Timedelta("1min"), OPEN + pd.Timedelta("3min")
    found = store.read(["C", "A", "nobody"], "1min", start.to_pydatetime(), end.to_pydatetime())
    assert found["symbol"].tolist() == ["A", "A", "C", "C"]
    assert found["ts"].min() == start and found["ts"].max() == end - pd.Timedelta("1min")


def test_writing_twice_changes_nothing_not_even_the_file(store: BarStore) -> None:
    store.write(SESSION, "1min", bars("A"))
    before = Path(store.path(SESSION, "1min")).stat().st_mtime_ns
    assert store.write(SESSION, "1min", bars("A")) == 0
    assert Path(store.path(SESSION, "1min")).stat().st_mtime_ns == before


def test_new_bars_join_and_changed_bars_replace(store: BarStore) -> None:
    store.write(SESSION, "1min", bars("A"))
    assert store.write(SESSION, "1min", bars("A", count=1, close=20.0)) == 1
    assert store.write(SESSION, "1min", bars("A", count=2, start=OPEN + pd.Timedelta("1h"))) == 2
    found = store.read(["A"], "1min", *DAY)
    assert len(found) == 7
    assert found["close"].iloc[0] == 20.0


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    parts=st.lists(
        st.tuples(st.sampled_from("AB"), st.integers(0, 8), st.integers(1, 4), st.integers(1, 3)),
        min_size=1,
        max_size=6,
    )
)
def test_any_order_of_writes_ends_in_the_last_value_of_each_bar(
    tmp_path_factory: pytest.TempPathFactory, parts: list
) -> None:
    store = BarStore(tmp_path_factory.mktemp("bars"), "iex")
    expected: dict[tuple[str, pd.Timestamp], float] = {}
    for symbol, offset, count, close in parts:
        frame = bars(symbol, count=count, close=10.0 + close, start=OPEN + pd.Timedelta(minutes=offset))
        store.write(SESSION, "1min", frame)
        expected.update({(symbol, ts): 10.0 + close for ts in frame["ts"]})
    found = store.read(None, "1min", *DAY)
    assert dict(zip(zip(found["symbol"], found["ts"], strict=True), found["close"], strict=True)) == expected
    assert found[["symbol", "ts"]].values.tolist() == sorted(found[["symbol", "ts"]].values.tolist())


def test_feeds_never_meet(tmp_path: Path) -> None:
    BarStore(tmp_path, "iex").write(SESSION, "1min", bars("A"))
    assert BarStore(tmp_path, "sip").read(None, "1min", *DAY).empty
    assert BarStore(tmp_path, "sip").sessions("1min") == []


def test_daily_bars_of_many_years_are_read_together(store: BarStore) -> None:
    ts = pd.to_datetime(["2024-12-31T05:00Z", "2025-01-02T05:00Z", "2025-05-15T04:00Z"]).astype("datetime64[us, UTC]")
    daily = pd.concat([bars("A", count=1).assign(ts=at) for at in ts])
    assert store.write_daily(daily) == 3
    assert sorted(path.name for path in Path(store.root, "iex", "1day").glob("*.parquet")) == [
        "2024.parquet",
        "2025.parquet",
    ]
    found = store.read(["A"], "1day", datetime(2024, 12, 1, tzinfo=UTC), datetime(2025, 3, 1, tzinfo=UTC))
    assert found["ts"].tolist() == list(ts[:2])


def test_a_missing_session_is_named_when_it_must_be_there(store: BarStore) -> None:
    store.write(SESSION, "1min", bars("A"))
    assert len(store.read(["A"], "1min", *DAY, sessions=[SESSION])) == 5
    with pytest.raises(BarFileError, match=r"2025-05-16: .*2025-05-16\.parquet is missing"):
        store.read(["A"], "1min", *DAY, sessions=[SESSION, date(2025, 5, 16)])


@pytest.mark.parametrize("damage", ["cut", "garbage", "flipped"])
def test_a_damaged_file_is_named_and_never_half_read(store: BarStore, damage: str) -> None:
    store.write(SESSION, "1min", bars("A", "B", count=300))
    path = Path(store.path(SESSION, "1min"))
    content = bytearray(path.read_bytes())
    if damage == "cut":
        content = content[: len(content) // 2]
    elif damage == "garbage":
        content = bytearray(b"not parquet")
    else:
        content[60] ^= 0xFF
    path.write_bytes(bytes(content))
    with pytest.raises(BarFileError, match=r"2025-05-15\.parquet is damaged"):
        store.read(None, "1min", *DAY)


def test_content_that_does_not_match_its_checksum_is_found(store: BarStore) -> None:
    import pyarrow.parquet as pq

    store.write(SESSION, "1min", bars("A"))
    assert store.verify(SESSION, "1min") == 5
    path = store.path(SESSION, "1min")
    table = pq.read_table(path)
    pq.write_table(table.slice(1), path)
    with pytest.raises(BarFileError, match="checksum"):
        store.verify(SESSION, "1min")


def test_a_file_of_another_schema_is_refused(store: BarStore) -> None:
    path = Path(store.path(SESSION, "1min"))
    path.parent.mkdir(parents=True)
    bars("A").to_parquet(path)
    with pytest.raises(BarFileError, match="schema version none"):
        store.read(None, "1min", *DAY)


@pytest.mark.parametrize("spoil", ["naive", "missing", "column"])
def test_what_is_no_bar_is_refused(store: BarStore, spoil: str) -> None:
    frame = bars("A")
    if spoil == "naive":
        frame["ts"] = frame["ts"].dt.tz_localize(None)
    elif spoil == "missing":
        frame.loc[2, "close"] = np.nan
    else:
        frame = frame.drop(columns="volume")
    with pytest.raises(ValueError, match="bars"):
        store.write(SESSION, "1min", frame)


def test_readers_see_whole_files_while_a_writer_works(store: BarStore) -> None:
    store.write(SESSION, "1min", bars("A", count=50, close=10.0))
    problems: list[str] = []
    stop = threading.Event()

    def reader() -> None:
        own = BarStore(store.root, "iex")
        while not stop.is_set():
            closes = own.read(["A"], "1min", *DAY)["close"]
            if len(closes) != 50 or closes.nunique() != 1:
                problems.append(f"{len(closes)} rows, {closes.nunique()} values")

    thread = threading.Thread(target=reader)
    thread.start()
    for number in range(20):
        store.write(SESSION, "1min", bars("A", count=50, close=11.0 + number))
    stop.set()
    thread.join()
    assert problems == []
    assert list(Path(store.path(SESSION, "1min")).parent.glob(".*.parquet.*")) == []


def test_an_fsspec_address_works_like_a_folder() -> None:
    store = BarStore("memory://bars", "iex")
    store.write(SESSION, "1min", bars("A"))
    assert store.write(SESSION, "1min", bars("A")) == 0
    assert len(store.read(["A"], "1min", *DAY)) == 5
    assert store.sessions("1min") == [SESSION]
    assert store.timeframes() == ["1min"]


def test_what_a_caller_does_to_the_bars_it_read_is_not_seen_by_the_next_reader(store: BarStore) -> None:
    store.write(SESSION, "1min", bars("A"))
    first = store.read(None, "1min", *DAY)
    first["close"] = 0.0
    first.loc[0, "open"] = -1.0
    pd.testing.assert_frame_equal(store.read(None, "1min", *DAY), bars("A").astype({"symbol": "str"}))


def test_new_and_changed_bars_are_counted_and_a_second_store_sees_them(store: BarStore) -> None:
    assert store.write(SESSION, "1min", bars("A", "B", count=5)) == 10
    later = bars("A", "C", count=4, start=OPEN + pd.Timedelta(minutes=3))
    later.loc[later["ts"] == OPEN + pd.Timedelta(minutes=4), "close"] = 10.5
    assert store.write(SESSION, "1min", later) == 1 + 2 + 4, "one of A changed, two of A and four of C are new"
    assert store.write(SESSION, "1min", later) == 0
    assert store.verify(SESSION, "1min") == 16
    pd.testing.assert_frame_equal(store.read(None, "1min", *DAY), BarStore(store.root, "iex").read(None, "1min", *DAY))
