"""One market data test, run on the tape in this process and on alpaca-py against the simulator over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from catalyst_assets.ports import ACTIVE_COLUMNS, ASSET_COLUMNS, BAR_COLUMNS, QUOTE_COLUMNS, TIMEFRAMES
from catalyst_assets.simulator.tape import Halt
from catalyst_assets_tests.contract.venues import KINDS, Venue, made, venue
from catalyst_assets_tests.simulator.handmade import SYMBOLS, THURSDAY, ny

MINUTES = {"AAA": [(100, 101, 99, 100.5), (100.5, 104, 97, 103), (103, 103, 102, 102.5)]}
HALT = Halt("BBB", ny(9, 58), ny(10, 30), "T1")


@pytest.mark.parametrize("kind", KINDS)
class TestMarketData:
    @pytest.fixture
    def market(self, kind: str, tmp_path: Path) -> Iterator[Venue]:
        with venue(kind, made(MINUTES, halts=[HALT]), tmp_path) as opened:
            yield opened

    @pytest.mark.parametrize("timeframe", TIMEFRAMES)
    def test_bars_are_complete_typed_and_sorted(self, market: Venue, timeframe: str) -> None:
        market.to(ny(10, 7))
        frame = market.data.bars(["BBB", "AAA"], timeframe, ny(4, day=THURSDAY) - timedelta(days=1), ny(20))
        assert tuple(frame.columns) == BAR_COLUMNS and len(frame) > 0
        assert str(frame["ts"].dtype) == "datetime64[us, UTC]"
        assert all(frame[name].dtype == np.float64 for name in BAR_COLUMNS[2:])
        assert not frame.duplicated(["symbol", "ts"]).any()
        assert frame[["symbol", "ts"]].equals(frame[["symbol", "ts"]].sort_values(["symbol", "ts"], ignore_index=True))
        if timeframe != "1day":
            assert (frame["ts"] + TIMEFRAMES[timeframe] <= pd.Timestamp(ny(10, 7))).all()

    def test_both_kinds_tell_the_same_minutes(self, market: Venue) -> None:
        market.to(ny(10, 3))
        frame = market.data.bars(["AAA"], "1min", ny(10), ny(10, 10))
        assert list(frame["close"]) == [100.5, 103, 102.5] and list(frame["low"]) == [99, 97, 102]
        assert list(frame["ts"]) == [pd.Timestamp(ny(10, n)) for n in range(3)]

    def test_start_is_included_and_end_is_not(self, market: Venue) -> None:
        market.to(ny(10, 9))
        frame = market.data.bars(["AAA"], "1min", ny(10, 1), ny(10, 3))
        assert list(frame["ts"]) == [pd.Timestamp(ny(10, 1)), pd.Timestamp(ny(10, 2))]

    def test_todays_daily_bar_appears_with_the_close(self, market: Venue) -> None:
        asked = ("1day", ny(0, day=THURSDAY), ny(23))
        assert list(market.data.bars(["AAA"], *asked)["ts"]) == [pd.Timestamp(ny(0, day=THURSDAY))]
        market.to(ny(16, 0))
        assert list(market.data.bars(["AAA"], *asked)["ts"]) == [pd.Timestamp(ny(0, day=THURSDAY)), pd.Timestamp(ny(0))]

    def test_an_unknown_symbol_has_no_bars_and_does_not_cost_the_others(self, market: Venue) -> None:
        frame = market.data.bars(["AAA", "NOSUCH"], "1min", ny(9, 50), ny(10))
        assert set(frame["symbol"]) == {"AAA"} and len(frame) == 10
        assert market.data.bars(["NOSUCH"], "1min", ny(9, 50), ny(10)).empty

    def test_quotes_are_two_sided_and_not_from_the_future(self, market: Venue) -> None:
        frame = market.data.quotes(["AAA", "NOSUCH"])
        assert tuple(frame.columns) == QUOTE_COLUMNS and list(frame["symbol"]) == ["AAA"]
        row = frame.iloc[0]
        assert 0 < row["bid"] < row["ask"] and row["bid_size"] > 0 and row["ts"] <= pd.Timestamp(ny(10))

    def test_a_halted_symbol_is_known_as_halted_or_has_no_quote(self, market: Venue) -> None:
        halted = market.data.halted(["AAA", "BBB"])
        quoted = set(market.data.quotes(["AAA", "BBB"])["symbol"])
        assert "BBB" in halted or "BBB" not in quoted
        assert "AAA" not in halted and "AAA" in quoted

    def test_quotes_and_halts_together_are_what_each_says_alone(self, market: Venue) -> None:
        quotes, halted = market.data.quotes_and_halts(["AAA", "BBB", "NOSUCH"])
        pd.testing.assert_frame_equal(quotes, market.data.quotes(["AAA", "BBB", "NOSUCH"]))
        assert halted == market.data.halted(["AAA", "BBB", "NOSUCH"])

    def test_the_active_list_is_ranked_and_unknown_is_nan(self, market: Venue) -> None:
        frame = market.data.most_active(3)
        assert tuple(frame.columns) == ACTIVE_COLUMNS and list(frame["rank"]) == [1, 2, 3]
        assert frame["symbol"].is_unique and set(frame["symbol"]) <= set(SYMBOLS)
        assert (frame["origin"].str.len() > 0).all() and not (frame["volume"] == 0).any()

    def test_assets_say_what_may_be_traded_and_shorted(self, market: Venue) -> None:
        frame = market.data.assets()
        assert tuple(frame.columns) == ASSET_COLUMNS and set(SYMBOLS) == set(frame["symbol"])
        flags = frame.set_index("symbol")
        assert (
            not flags.loc["DDD", "tradable"]
            and not flags.loc["CCC", "shortable"]
            and flags.loc["AAA", "easy_to_borrow"]
        )
