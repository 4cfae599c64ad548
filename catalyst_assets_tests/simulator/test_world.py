"""The world as a whole: reproducible, complete, and silent about its truth."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from dataclasses import fields, is_dataclass
from datetime import date, timedelta
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest

from catalyst_assets.simulator.tape import (
    DAILY_COLUMNS,
    INSTRUMENT_COLUMNS,
    TAPE_BAR_COLUMNS,
    MarketTape,
    WireArticle,
)
from catalyst_assets.simulator.world import DEFAULT_SESSION, World
from catalyst_assets.simulator.worlds.companies import Company
from catalyst_assets.simulator.worlds.stories import Story
from catalyst_assets.simulator.worlds.truth import WorldTruth
from catalyst_assets.trading.calendar import NotASession, TradingCalendar

CALENDAR = TradingCalendar()
SMALL: dict[str, Any] = {
    "symbols": 30,
    "history_sessions": 2,
    "daily_sessions": 20,
    "stories": 20,
    "history_stories": 8,
}


@cache
def small(seed: int, session: date = DEFAULT_SESSION, **options: Any) -> World:
    return World.generate(seed, session, **(SMALL | options))


def digest(world: World) -> str:
    """A checksum of everything in a world, tape and truth."""
    tape = world.tape()
    sha = hashlib.sha256()
    frames = [tape.instruments, tape.daily(), world.truth.stories, world.truth.outlets]
    frames += [tape.bars(day) for day in tape.sessions]
    for frame in frames:
        sha.update(pd.util.hash_pandas_object(frame.astype({c: "str" for c in frame.columns if frame[c].dtype == object}))
                   .to_numpy().tobytes())  # fmt: skip
    sha.update(repr([tape.halts(day) for day in tape.sessions]).encode())
    sha.update(repr(tape.articles()).encode())
    sha.update(repr(sorted(world.truth.article_story.items())).encode())
    return sha.hexdigest()


def test_the_same_seed_gives_the_same_bytes_in_another_process_with_another_hash_seed() -> None:
    program = (
        "from catalyst_assets_tests.simulator.test_world import SMALL, digest\n"
        "from catalyst_assets.simulator.world import World\n"
        "print(digest(World.generate(11, **SMALL)))"
    )
    answer = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"PYTHONHASHSEED": "4242"},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert answer.stdout.strip() == digest(small(11))


def test_another_seed_gives_another_world() -> None:
    assert digest(small(11)) != digest(small(12))
    assert set(small(11).tape().instruments["symbol"]) != set(small(12).tape().instruments["symbol"])


def test_a_longer_history_does_not_change_the_stories_of_the_main_session() -> None:
    def main_stories(world: World) -> pd.DataFrame:
        stories = world.truth.stories
        return stories[stories["session"] == world.session].reset_index(drop=True)

    longer = World.generate(11, **(SMALL | {"history_sessions": 4}))
    pd.testing.assert_frame_equal(main_stories(longer), main_stories(small(11)))


def test_the_tape_is_a_market_tape_with_the_promised_columns() -> None:
    tape = small(11).tape()
    assert isinstance(tape, MarketTape)
    assert tape.step == timedelta(minutes=1)
    assert tuple(tape.instruments.columns) == INSTRUMENT_COLUMNS
    assert tuple(tape.daily().columns) == DAILY_COLUMNS
    assert len(tape.sessions) == 3
    assert tape.sessions[-1] == DEFAULT_SESSION
    for day in tape.sessions:
        bars = tape.bars(day)
        assert tuple(bars.columns) == TAPE_BAR_COLUMNS
        assert str(bars["ts"].dtype) == "datetime64[us, UTC]"
        assert bars.equals(bars.sort_values(["symbol", "ts"], ignore_index=True))
        assert not bars.duplicated(["symbol", "ts"]).any()
        assert bars.notna().all().all()


def test_a_caller_who_edits_a_frame_does_not_edit_the_tape() -> None:
    tape = small(11).tape()
    day = tape.sessions[-1]
    before = tape.bars(day)["close"].iloc[0]
    mine = tape.bars(day)
    mine.loc[0, "close"] = -1.0
    daily = tape.daily()
    daily["close"] = 0.0
    assert tape.bars(day)["close"].iloc[0] == before
    assert (tape.daily()["close"] > 0).all()


def test_a_session_that_is_not_on_the_tape_is_a_key_error() -> None:
    tape = small(11).tape()
    with pytest.raises(KeyError):
        tape.bars(date(2020, 1, 2))
    with pytest.raises(KeyError):
        tape.halts(date(2020, 1, 2))


@pytest.mark.parametrize(
    "options",
    [{"session": date(2026, 11, 26)}, {"symbols": 5}, {"history_sessions": -1}, {"stories": -2}],
    ids=["thanksgiving", "too few companies", "negative history", "negative stories"],
)
def test_an_impossible_world_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        World.generate(1, **(SMALL | options))


def test_a_holiday_is_refused_as_not_a_session() -> None:
    with pytest.raises(NotASession):
        World.generate(1, date(2026, 12, 25))


def test_funds_warrants_and_units_trade_but_are_not_common_stock() -> None:
    tape = small(11).tape()
    others = tape.instruments[~tape.instruments["is_common_stock"]]
    assert len(others) == 8
    assert len(tape.instruments) == 38
    words = ("ETF", "Warrant", "Unit")
    assert all(any(word in name for word in words) for name in others["name"])
    volume = tape.bars(tape.sessions[-1]).groupby("symbol")["volume"].sum()
    assert set(volume.nlargest(5).index) & set(others["symbol"]), "a fund is among the most active: it must be filtered"


def test_names_and_tickers_are_unique_and_tickers_look_like_tickers() -> None:
    instruments = World.generate(3, **(SMALL | {"symbols": 120, "history_sessions": 0})).tape().instruments
    assert instruments["symbol"].is_unique
    assert instruments["name"].is_unique
    assert instruments["symbol"].str.fullmatch(r"[A-Z]{3,5}").all()
    stocks = instruments[instruments["is_common_stock"]]
    assert stocks["sector"].nunique() == 10


def test_daily_bars_reach_back_before_the_minute_history_and_join_it_without_a_break() -> None:
    tape = small(11).tape()
    daily = tape.daily()
    assert sorted(daily["session"].unique()) == CALENDAR.sessions(daily["session"].min(), DEFAULT_SESSION)
    assert daily["session"].nunique() == 23
    assert not daily.duplicated(["symbol", "session"]).any()
    stocks = tape.instruments.loc[tape.instruments["is_common_stock"], "symbol"]
    first = tape.sessions[0]
    last_before = daily[daily["session"] < first].groupby("symbol")["close"].last()[stocks]
    opening = daily[daily["session"] == first].set_index("symbol")["open"][stocks]
    assert (np.abs(np.log(opening / last_before)) < 0.7).all()
    assert np.median(np.abs(np.log(opening / last_before))) < 0.05


def test_daily_bars_of_minute_sessions_are_the_regular_session_of_the_minutes() -> None:
    tape = small(11).tape()
    day = tape.sessions[1]
    hours = CALENDAR.hours(day)
    symbol = tape.instruments.loc[tape.instruments["is_common_stock"], "symbol"].iloc[3]
    bars = tape.bars(day)
    mine = bars[(bars["symbol"] == symbol) & (bars["ts"] >= hours.open) & (bars["ts"] < hours.close)]
    daily = tape.daily()
    row = daily[(daily["symbol"] == symbol) & (daily["session"] == day)].iloc[0]
    assert row["open"] == mine["open"].iloc[0]
    assert row["close"] == mine["close"].iloc[-1]
    assert row["high"] == mine["high"].max()
    assert row["low"] == mine["low"].min()
    assert row["volume"] == mine["volume"].sum()


def _reachable(value: Any, seen: set[int], found: list[type]) -> None:
    """Types of everything reachable from ``value`` through attributes and containers (frames are leaves)."""
    if id(value) in seen or isinstance(
        value, (str, bytes, int, float, date, timedelta, pd.DataFrame, type(None), type)
    ):
        return
    seen.add(id(value))
    found.append(type(value))
    if isinstance(value, dict):
        children: list[Any] = [*value.keys(), *value.values()]
    elif isinstance(value, (list, tuple, set, frozenset)):
        children = list(value)
    else:
        children = list(getattr(value, "__dict__", {}).values())
        if is_dataclass(value):
            children += [getattr(value, field.name) for field in fields(value)]
    for child in children:
        _reachable(child, seen, found)


def test_the_truth_cannot_be_reached_from_the_tape() -> None:
    tape = small(11).tape()
    found: list[type] = []
    _reachable(tape, set(), found)
    assert WireArticle in found, "the walk must really have entered the tape"
    assert not {WorldTruth, World, Story, Company} & set(found)
    told = {name for article in tape.articles() for name in type(article).__slots__}
    assert not told & {"is_real", "kind", "impact_pct", "reliability"}
    for frame in (tape.instruments, tape.daily(), tape.bars(tape.sessions[-1])):
        assert not {"is_real", "kind", "impact_pct", "reliability", "daily_volatility"} & set(frame.columns)


def test_in_the_null_world_news_moves_no_price() -> None:
    null = World.generate(11, **SMALL, real_stories=False)
    silent = World.generate(11, **(SMALL | {"stories": 0, "history_stories": 0}))
    assert len(null.truth.stories) > 20
    assert not null.truth.stories["is_real"].any()
    assert (null.truth.stories["impact_pct"] == 0).all()
    assert (null.truth.stories["peak_pct"] == 0).all()
    for day in null.tape().sessions:
        pd.testing.assert_frame_equal(null.tape().bars(day), silent.tape().bars(day))
    assert sum(article.story_id >= 0 for article in null.tape().articles()) > 50


def test_in_the_only_real_world_every_story_is_real() -> None:
    world = World.generate(11, **SMALL, false_stories=False)
    assert world.truth.stories["is_real"].all()
    assert not world.truth.denials


def test_the_demo_sized_world_fits_its_time_and_memory() -> None:
    program = (
        "import resource, time\n"
        "from catalyst_assets.simulator.world import World\n"
        "start = time.process_time()\n"
        "world = World.generate(seed=7)\n"
        "peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024\n"
        "print(time.process_time() - start, peak, len(world.tape().articles()))"
    )
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=120)
    seconds, megabytes, articles = (float(word) for word in answer.stdout.split())
    assert seconds < 10
    assert megabytes < 700
    assert articles > 1500
