"""A recorded tape serves what was recorded, in the right sessions, and says what it assumed."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from catalyst_assets.simulator.recorded import ASSUMED_SPREAD_BPS, EXTENDED_MULTIPLE, OPENING_MULTIPLE, RecordedTape
from catalyst_assets.simulator.tape import (
    DAILY_COLUMNS,
    INSTRUMENT_COLUMNS,
    TAPE_BAR_COLUMNS,
    Halt,
    MarketTape,
    WireArticle,
)
from catalyst_assets.trading.calendar import TradingCalendar

CALENDAR = TradingCalendar()
DAY = date(2025, 7, 2)
HALF_DAY = date(2025, 7, 3)
DATA = Path(__file__).parents[2].parent / "shared" / "data"


def bars(
    *days: date, symbols: tuple[str, ...] = ("BBB", "AAA"), minutes: int = 5, price: float = 100.0
) -> pd.DataFrame:
    """Bars over the whole extended day, in no particular order of symbols."""
    rows = []
    for day in days:
        hours = CALENDAR.hours(day)
        for symbol in symbols:
            for ts in pd.date_range(hours.pre_open, hours.post_close, freq=f"{minutes}min", inclusive="left"):
                rows.append((symbol, ts, price, price + 1, price - 1, price + 0.5, 1000))
    return pd.DataFrame(rows, columns=["symbol", "ts", "open", "high", "low", "close", "volume"])


def test_it_is_a_market_tape_with_the_promised_columns() -> None:
    tape = RecordedTape(bars(DAY, HALF_DAY), "5min")
    assert isinstance(tape, MarketTape)
    assert tape.step == timedelta(minutes=5)
    assert tape.feed == "recorded"
    assert tape.sessions == (DAY, HALF_DAY)
    assert tuple(tape.bars(DAY).columns) == TAPE_BAR_COLUMNS
    assert tuple(tape.daily().columns) == DAILY_COLUMNS
    assert tuple(tape.instruments.columns) == INSTRUMENT_COLUMNS
    assert tape.left_out == 0
    assert tape.articles() == ()
    assert tape.halts(DAY) == ()
    served = tape.bars(DAY)
    assert served.equals(served.sort_values(["symbol", "ts"], ignore_index=True))
    assert served["vwap"].isna().all(), "what was not recorded is unknown, not invented"
    assert served["trade_count"].isna().all()


def test_bars_outside_sessions_are_left_out_and_counted() -> None:
    saturday = bars(DAY).assign(ts=lambda frame: frame["ts"] + timedelta(days=3))
    hours = CALENDAR.hours(HALF_DAY)
    late = bars(HALF_DAY).iloc[:1].assign(ts=hours.post_close)
    tape = RecordedTape(pd.concat([bars(HALF_DAY), saturday, late], ignore_index=True), "5min")
    assert tape.sessions == (HALF_DAY,)
    assert tape.left_out == len(saturday) + 1
    assert tape.bars(HALF_DAY)["ts"].max() + timedelta(minutes=5) == hours.post_close


def test_a_day_with_extended_hours_only_is_no_session() -> None:
    frame = pd.concat([bars(DAY), bars(HALF_DAY)], ignore_index=True)
    close = CALENDAR.hours(DAY).close
    tape = RecordedTape(frame[frame["ts"] >= close], "5min")
    assert tape.sessions == (HALF_DAY,)


def test_the_assumed_spread_is_wider_at_the_open_and_outside_regular_hours() -> None:
    served = RecordedTape(bars(DAY), "5min").bars(DAY).query("symbol == 'AAA'").set_index("ts")
    hours = CALENDAR.hours(DAY)
    calm = 100.5 * ASSUMED_SPREAD_BPS / 2e4
    assert served.loc[hours.open + timedelta(hours=1), "half_spread"] == pytest.approx(calm, abs=1e-4)
    assert served.loc[hours.open, "half_spread"] == pytest.approx(calm * OPENING_MULTIPLE, abs=1e-4)
    assert served.loc[hours.pre_open, "half_spread"] == pytest.approx(calm * EXTENDED_MULTIPLE, abs=1e-4)
    assert served.loc[hours.close, "half_spread"] == pytest.approx(calm * EXTENDED_MULTIPLE, abs=1e-4)


@pytest.mark.parametrize("spread", [0.0, 4.0, 50.0])
def test_no_half_spread_is_below_half_a_cent(spread: float) -> None:
    tape = RecordedTape(bars(DAY, price=3.0), "5min", assumed_spread_bps=spread)
    assert (tape.bars(DAY)["half_spread"] >= 0.005).all()


def test_a_recorded_spread_wins_over_the_assumed_one() -> None:
    frame = bars(DAY).assign(half_spread=0.25)
    frame.loc[0, "half_spread"] = np.nan
    served = RecordedTape(frame, "5min").bars(DAY)["half_spread"]
    assert (served == 0.25).sum() == len(frame) - 1


def test_daily_bars_cover_the_regular_session_only() -> None:
    frame = bars(DAY)
    hours = CALENDAR.hours(DAY)
    outside = (frame["ts"] < hours.open) | (frame["ts"] >= hours.close)
    frame.loc[outside, ["open", "high", "low", "close"]] *= 2
    daily = RecordedTape(frame, "5min").daily()
    assert list(daily["symbol"]) == ["AAA", "BBB"]
    assert (daily["high"] == 101).all()
    assert (daily["volume"] == 78 * 1000).all()


def test_recorded_daily_bars_win_and_reach_further_back() -> None:
    given = pd.DataFrame(
        [("AAA", date(2025, 6, 2), 90, 91, 89, 90.5, 5), ("AAA", DAY, 1.0, 2.0, 0.5, 1.5, 7)],
        columns=list(DAILY_COLUMNS),
    )
    daily = RecordedTape(bars(DAY), "5min", daily=given).daily().set_index(["symbol", "session"])
    assert daily.loc[("AAA", DAY), "volume"] == 7
    assert daily.loc[("AAA", date(2025, 6, 2)), "close"] == 90.5
    assert daily.loc[("BBB", DAY), "volume"] == 78 * 1000


def test_unknown_instruments_are_plain_common_stocks_and_known_ones_keep_what_is_known() -> None:
    given = pd.DataFrame({"symbol": ["BBB", "ZZZ"], "name": ["B Fund ETF", "Z"], "is_common_stock": [False, True]})
    instruments = RecordedTape(bars(DAY), "5min", given).instruments.set_index("symbol")
    assert list(instruments.index) == ["AAA", "BBB"]
    assert bool(instruments.loc["AAA", "is_common_stock"])
    assert not bool(instruments.loc["BBB", "is_common_stock"])
    assert instruments.loc["BBB", "name"] == "B Fund ETF"
    assert bool(instruments.loc["BBB", "tradable"])
    assert instruments["is_common_stock"].dtype == bool


def test_articles_and_halts_are_served_in_order() -> None:
    at = datetime(2025, 7, 2, 14, 0, tzinfo=UTC)
    later, earlier = (
        WireArticle(number, -1, "Reuters", f"h{number}", "", "", "", ("AAA",), at + timedelta(minutes=number))
        for number in (9, 3)
    )
    halt = Halt("AAA", at, at + timedelta(minutes=5), "LUDP")
    tape = RecordedTape(bars(DAY, HALF_DAY), "5min", articles=[later, earlier], halts=[halt])
    assert [article.article_id for article in tape.articles()] == [3, 9]
    assert tape.halts(DAY) == (halt,)
    assert tape.halts(HALF_DAY) == ()
    assert halt.active(at)
    assert not halt.active(halt.end)


def test_a_session_that_was_not_recorded_is_a_key_error() -> None:
    tape = RecordedTape(bars(DAY), "5min")
    with pytest.raises(KeyError):
        tape.bars(HALF_DAY)
    with pytest.raises(KeyError):
        tape.halts(HALF_DAY)


def _broken(change: str) -> dict[str, Any]:
    frame = bars(DAY)
    base, options = "5min", {}
    if change == "zone":
        frame["ts"] = frame["ts"].dt.tz_localize(None)
    elif change == "repeat":
        frame = pd.concat([frame, frame.iloc[:1]], ignore_index=True)
    elif change == "high":
        frame.loc[3, "high"] = 1.0
    elif change == "negative volume":
        frame.loc[3, "volume"] = -1
    elif change == "nan":
        frame["close"] = frame["close"].astype(float)
        frame.loc[3, "close"] = np.nan
    elif change == "columns":
        frame = frame.drop(columns="volume")
    elif change == "base":
        base = "7min"
    elif change == "daily base":
        base = "1day"
    elif change == "spread":
        options["assumed_spread_bps"] = -1.0
    elif change == "nothing left":
        frame["ts"] += timedelta(days=3)
    return {"bars": frame, "base": base, **options}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("zone", "time zone"),
        ("repeat", "repeat"),
        ("high", "impossible"),
        ("negative volume", "impossible"),
        ("nan", "impossible"),
        ("columns", "volume"),
        ("base", "7min"),
        ("daily base", "1day"),
        ("spread", "assumed_spread_bps"),
        ("nothing left", "regular hours"),
    ],
)
def test_a_record_that_cannot_be_right_is_refused_by_name(change: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        RecordedTape(**_broken(change))


def test_real_five_minute_bars_become_sessions_half_day_included() -> None:
    path = DATA / "bars" / "polygon_2025_5min_ext.parquet"
    if not path.exists():
        pytest.skip(f"real data is not here: {path}")
    frame = pd.read_parquet(path).rename(columns={"ts_utc": "ts", "transactions": "trade_count"})
    tape = RecordedTape(frame, "5min", feed="sip")
    assert date(2025, 5, 15) in tape.sessions
    assert set(tape.sessions) <= set(CALENDAR.sessions(tape.sessions[0], tape.sessions[-1]))
    shock = tape.bars(date(2025, 5, 15))
    assert (shock["vwap"].notna() & shock["trade_count"].notna()).all()
    daily = tape.daily()
    unh = daily[daily["symbol"] == "UNH"].set_index("session")["close"]
    assert unh[date(2025, 5, 15)] / unh[date(2025, 5, 14)] < 0.95, "the day the probe was reported"
    half = tape.bars(HALF_DAY)["ts"]
    assert half.max() + tape.step <= CALENDAR.hours(HALF_DAY).post_close
