"""Rules of imports: every row accounted for, bad rows kept with line and reason, twice changes nothing, times never guessed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from catalyst_assets.storage.bars import BarStore
from catalyst_assets.storage.database import Database
from catalyst_assets.storage.imports import ImportFileError, ImportReport, import_bars, import_news
from catalyst_assets.storage.instruments import InstrumentRepository
from catalyst_assets.storage.news import NewsRepository

SEEN = datetime(2026, 1, 5, tzinfo=UTC)
DELAYS = {"finnhub": timedelta(minutes=1), "import": timedelta(minutes=2)}
MAY = (datetime(2025, 5, 1, tzinfo=UTC), datetime(2025, 6, 1, tzinfo=UTC))

GOOD = ["ACME,2025-05-15T13:30:00Z,10,11,9,10.5,100", "ACME,2025-05-15T13:35:00+00:00,10.5,11,10,10.6,0"]
BAD = {
    ",2025-05-15T13:40:00Z,10,11,9,10,1": "no symbol",
    "??,2025-05-15T13:40:00Z,10,11,9,10,1": "not a symbol",
    "ACME,,10,11,9,10,1": "no time",
    "ACME,yesterday,10,11,9,10,1": "unreadable time",
    "ACME,2025-05-15T13:40:00,10,11,9,10,1": "time without zone",
    "ACME,2025-05-15T13:41:00Z,10,11,9,10,1": "time is not the start of a 5min bar",
    "ACME,2025-05-17T13:40:00Z,10,11,9,10,1": "outside trading hours",
    "ACME,2025-05-15T07:55:00Z,10,11,9,10,1": "outside trading hours",
    "ACME,2025-05-15T13:40:00Z,10,11,9,,1": "no close",
    "ACME,2025-05-15T13:40:00Z,ten,11,9,10,1": "open is not a number",
    "ACME,2025-05-15T13:40:00Z,inf,inf,9,10,1": "open is not a number",
    "ACME,2025-05-15T13:40:00Z,0,11,0,10,1": "price not above zero",
    "ACME,2025-05-15T13:40:00Z,10,9,11,10,1": "impossible high and low",
    "ACME,2025-05-15T13:40:00Z,10,11,9,12,1": "impossible high and low",
    "ACME,2025-05-15T13:40:00Z,10,11,9,10,-1": "negative volume",
    "ACME,2025-05-15T13:40:00Z,10,11,9,10": "wrong number of values",
    "ACME,2025-05-15T13:30:00Z,10,11,9,10.5,999": "second bar of this symbol and time",
}
HEADER = "symbol,ts_utc,open,high,low,close,volume"


@pytest.fixture
def bars(tmp_path: Path) -> BarStore:
    return BarStore(tmp_path / "bars", "recorded")


def run(path: Path, bars: BarStore, database: Database, timeframe: str = "5min", **more: object) -> ImportReport:
    return import_bars(path, timeframe, bars=bars, database=database, seen_at=SEEN, **more)  # type: ignore[arg-type]


def csv(tmp_path: Path, *lines: str, name: str = "bars.csv") -> Path:
    path = tmp_path / name
    path.write_text("\n".join(lines) + "\n")
    return path


def test_every_bad_row_is_kept_with_its_line_and_reason_and_good_rows_are_stored(
    tmp_path: Path, bars: BarStore, database: Database
) -> None:
    path = csv(tmp_path, HEADER, *GOOD, *BAD)
    report = run(path, bars, database)
    assert (report.read, report.stored, report.unchanged) == (len(GOOD) + len(BAD), 2, 0)
    stored = database.read("select origin_line, reason, kind from import_quarantine order by origin_line")
    assert stored["reason"].tolist() == list(BAD.values())
    assert stored["origin_line"].tolist() == list(range(4, 4 + len(BAD)))
    assert bars.read(["ACME"], "5min", *MAY)["close"].tolist() == [10.5, 10.6]


def test_importing_twice_changes_nothing(tmp_path: Path, bars: BarStore, database: Database) -> None:
    path = csv(tmp_path, HEADER, *GOOD, *BAD)
    run(path, bars, database)
    again = run(path, bars, database)
    assert (again.stored, again.unchanged) == (0, 2)
    assert sum(again.refused.values()) == len(BAD)
    assert database.scalar("select count(*) from import_quarantine") == len(BAD)


def test_small_chunks_give_the_same_result(tmp_path: Path, bars: BarStore, database: Database) -> None:
    ts = pd.date_range("2025-05-14T13:30Z", periods=60, freq="5min")
    rows = [frame for symbol in ("A", "B") for frame in [pd.DataFrame({"symbol": symbol, "ts_utc": ts})]]
    path = tmp_path / "bars.parquet"
    frame = pd.concat(rows).assign(open=1.0, high=2.0, low=0.5, close=1.5, volume=10, transactions=3)
    frame.to_parquet(path, index=False)
    report = run(path, bars, database, chunk_rows=7)
    assert report.stored == 120
    found = bars.read(None, "5min", *MAY)
    assert len(found) == 120 and set(found["trade_count"]) == {3.0} and found["vwap"].isna().all()


def test_stamps_that_mark_the_end_of_a_bar_are_moved_to_its_start(
    tmp_path: Path, bars: BarStore, database: Database
) -> None:
    run(csv(tmp_path, HEADER, GOOD[0]), bars, database, stamps="end")
    assert bars.read(["ACME"], "5min", *MAY)["ts"].tolist() == [pd.Timestamp("2025-05-15T13:25Z")]


@pytest.mark.parametrize("stamp", ["2025-05-15", "2025-05-15 00:00:00"])
def test_daily_bars_are_stamped_at_new_york_midnight(
    tmp_path: Path, bars: BarStore, database: Database, stamp: str
) -> None:
    path = csv(tmp_path, HEADER.replace("ts_utc", "date"), f"ACME,{stamp},10,11,9,10,5", "ACME,2025-05-17,10,11,9,10,5")
    report = run(path, bars, database, "1day")
    assert dict(report.refused) == {"not a trading day": 1}
    assert bars.read(["ACME"], "1day", *MAY)["ts"].tolist() == [pd.Timestamp("2025-05-15T04:00Z")]


def test_unseen_symbols_become_instruments(tmp_path: Path, bars: BarStore, database: Database) -> None:
    run(csv(tmp_path, HEADER, *GOOD, GOOD[0].replace("ACME", "spy")), bars, database)
    instruments = InstrumentRepository(database).instruments().set_index("symbol")
    assert instruments["is_common_stock"].to_dict() == {"ACME": True, "SPY": False}


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("absent.csv", None, "does not exist"),
        ("empty.csv", "", "is empty"),
        ("bars.xlsx", "x", "neither .csv nor .parquet"),
        ("bars.csv", "symbol,when\nA,1\n", "lacks the column open, high, low, close, volume, ts_utc"),
        ("bars.parquet", "not parquet", "cannot be read as Parquet"),
    ],
)
def test_a_file_that_cannot_be_imported_is_explained(
    tmp_path: Path, bars: BarStore, database: Database, name: str, content: str | None, message: str
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_text(content)
    with pytest.raises(ImportFileError, match=message):
        run(path, bars, database)


NEWS_HEADER = "ts_utc,tickers,headline,summary,source,vendor,url,vendor_id"


def news(path: Path, database: Database, **more: object) -> ImportReport:
    return import_news(path, database=database, delays=DELAYS, live_sources={"finnhub"}, seen_at=SEEN, **more)  # type: ignore[arg-type]


def test_articles_are_imported_with_their_providers_delay_and_bad_rows_kept(tmp_path: Path, database: Database) -> None:
    path = csv(
        tmp_path,
        NEWS_HEADER,
        '2025-05-15T12:00:00Z,"ACME,BETA","Acme, Beta merge",Both agree.,Reuters,finnhub_company,http://x,1',
        "2025-05-15T12:00:00Z,ACME;GAMMA,Second,,,,,",
        ",ACME,No time,,Reuters,finnhub,,2",
        "2025-05-15T12:00:00Z,ACME,,,Reuters,finnhub,,3",
        "2027-05-15T12:00:00Z,ACME,Tomorrow,,Reuters,finnhub,,4",
        "2025-05-15T12:00:00,ACME,No zone,,Reuters,finnhub,,5",
    )
    report = news(path, database)
    assert (report.read, report.stored) == (6, 2)
    assert dict(report.refused) == {
        "no time": 1,
        "no headline": 1,
        "published in the future": 1,
        "time without zone": 1,
    }
    assert sorted(report.symbols) == ["ACME", "BETA", "GAMMA"]
    rows = NewsRepository(database).raw().set_index("headline")
    assert rows.loc["Acme, Beta merge", "available_at"] == pd.Timestamp("2025-05-15T12:01Z")
    assert rows.loc["Second", "available_at"] == pd.Timestamp("2025-05-15T12:02Z")
    assert rows.loc["Second", "provider"] == "import" and rows.loc["Second", "source"] == "unknown"
    assert rows.loc["Acme, Beta merge", "tickers"] == ["ACME", "BETA"]
    assert rows.loc["Acme, Beta merge", "payload"]["vendor"] == "finnhub_company"
    again = news(path, database)
    assert (again.stored, again.unchanged) == (0, 2)
    assert database.scalar("select count(*) from import_quarantine where kind = 'news'") == 4


def test_line_breaks_inside_quotes_are_part_of_the_text(tmp_path: Path, database: Database) -> None:
    path = csv(tmp_path, NEWS_HEADER, '2025-05-15T12:00:00Z,ACME,"Two\nlines",x,Reuters,finnhub,,1')
    assert news(path, database).stored == 1
    assert NewsRepository(database).raw()["headline"].tolist() == ["Two\nlines"]


def test_progress_reaches_the_end(tmp_path: Path, bars: BarStore, database: Database) -> None:
    seen: list[float] = []
    run(csv(tmp_path, HEADER, *GOOD), bars, database, progress=seen.append)
    assert seen == sorted(seen) and seen[-1] == 1.0


def test_recorded_bars_import_whole(shared_data: Path, tmp_path: Path, bars: BarStore, database: Database) -> None:
    report = run(shared_data / "bars" / "lean_1min_ext.parquet", bars, database, "1min")
    assert report.read == 21_258 and report.stored == report.read and not report.refused
    assert run(shared_data / "bars" / "lean_1min_ext.parquet", bars, database, "1min").stored == 0


def test_recorded_articles_import_whole_and_the_wrong_vendor_time_is_not_used(
    shared_data: Path, database: Database
) -> None:
    report = news(shared_data / "news" / "finnhub_2025.parquet", database)
    assert report.read == 5_256 and not report.refused
    raw = NewsRepository(database).raw()
    assert len(raw) == report.stored
    assert (raw["available_at"] - raw["published_at"] == pd.Timedelta("1min")).all()
    assert raw["published_at"].max() <= pd.Timestamp("2025-07-30T00:00Z")
