"""What happened afterwards: prices never from before, noise, Beta posteriors, results of trades."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from catalyst_assets.trading.outcomes import (
    JUDGED_PATTERN_COLUMNS,
    OUTCOME_COLUMNS,
    PATTERN_COLUMNS,
    SOURCE_COLUMNS,
    label_articles,
    label_patterns,
    pattern_posteriors,
    source_posteriors,
    trade_outcome,
)
from catalyst_assets_tests.trading.news_frames import CALENDAR, CONFIG, at, mention, mention_frame
from catalyst_assets_tests.trading.test_market_snapshot import session_bars

DAYS = ("2025-05-13", "2025-05-14", "2025-05-15", "2025-05-16")
END = at("2025-05-16 23:00")


def _universe(seed: int = 3, sigma: float = 0.0005) -> pd.DataFrame:
    """Four quiet symbols of 5-minute bars, a small random walk each."""
    rng = np.random.default_rng(seed)
    frames = []
    for symbol in ("ZNVR", "BRLN", "QRTX", "HRLW"):
        bars = pd.concat([session_bars(day, symbol) for day in DAYS], ignore_index=True)
        close = 50 * np.exp(rng.normal(0, sigma, len(bars)).cumsum())
        bars["close"] = close
        bars["open"] = np.concatenate(([50.0], close[:-1]))
        bars["high"], bars["low"] = bars[["open", "close"]].max(axis=1), bars[["open", "close"]].min(axis=1)
        frames.append(bars)
    return pd.concat(frames, ignore_index=True)


def _shock(bars: pd.DataFrame, since: str, size: float, symbol: str = "ZNVR") -> pd.DataFrame:
    """``size`` more from ``since`` on: the bar that starts then opens at the old price and closes at the new one."""
    bars = bars.copy()
    later = (bars["symbol"] == symbol) & (bars["ts"] > at(since))
    now = (bars["symbol"] == symbol) & (bars["ts"] == at(since))
    bars.loc[later, ["open", "high", "low", "close"]] *= 1 + size
    bars.loc[now, ["close", "high" if size > 0 else "low"]] *= 1 + size
    return bars


def _label(bars: pd.DataFrame, end: pd.Timestamp = END, **given_: Any) -> pd.DataFrame:
    return label_articles(mention_frame([mention(**given_)]), bars, end, CONFIG, calendar=CALENDAR, timeframe="5min")


def test_right_article_is_accurate_and_wrong_one_is_not() -> None:
    bars = _shock(_universe(), "2025-05-15 14:05", -0.05)
    right, wrong = (_label(bars, direction=direction) for direction in (-0.8, 0.8))
    assert tuple(right.columns) == OUTCOME_COLUMNS
    assert right["horizon_minutes"].tolist() == [15, 60, 240]
    assert right["accurate"].tolist() == [True] * 3
    assert wrong["accurate"].tolist() == [False] * 3
    assert right["abnormal_return"].tolist() == pytest.approx([-0.05] * 3, abs=0.01)


def test_move_within_noise_or_article_without_direction_is_undecided() -> None:
    loud = _shock(_universe(), "2025-05-15 14:05", 0.05)
    assert _label(loud, direction=0.05)["accurate"].tolist() == [None] * 3
    tiny = _shock(_universe(sigma=0.004), "2025-05-15 14:05", 0.0001)
    row = _label(tiny, direction=0.8).set_index("horizon_minutes").loc[60]
    assert (row["accurate"] is None) == (abs(row["abnormal_return"]) <= row["noise"])


def test_start_price_is_never_from_before_the_article() -> None:
    bars = _shock(_universe(), "2025-05-15 14:00", 0.08)  # it moved in the bar during which the article came
    row = _label(bars, available_at=at("2025-05-15 14:02")).iloc[0]
    assert row["start_at"] == at("2025-05-15 14:05")
    assert abs(row["raw_return"]) < 0.02


@pytest.mark.parametrize(
    ("available", "start", "end60"),
    [
        ("2025-05-15 14:00", "2025-05-15 14:00", "2025-05-15 15:00"),
        ("2025-05-14 19:45", "2025-05-14 19:45", "2025-05-15 14:15"),  # a quarter of an hour today, the rest tomorrow
        ("2025-05-14 23:17", "2025-05-14 23:20", "2025-05-15 14:30"),  # after-hours: the gap counts, and the first hour
        ("2025-05-15 02:00", "2025-05-15 08:00", "2025-05-15 14:30"),  # closed: the first trade of the pre-market
        ("2025-05-15 12:00", "2025-05-15 12:00", "2025-05-15 14:30"),
    ],
)
def test_horizon_counts_regular_trading_from_availability(available: str, start: str, end60: str) -> None:
    row = _label(_universe(), available_at=at(available)).set_index("horizon_minutes").loc[60]
    assert (row["start_at"], row["end_at"]) == (at(start), at(end60))
    assert str(row["session"]) == str(CALENDAR.session_for(at(end60)))


def test_incomplete_horizon_has_no_outcome_yet() -> None:
    rows = _label(_universe(), at("2025-05-15 15:00"))
    assert rows["horizon_minutes"].tolist() == [15, 60]
    assert _label(_universe(), at("2025-05-15 13:00")).empty


def test_market_move_is_taken_out() -> None:
    bars = _universe()
    for symbol in ("ZNVR", "BRLN", "QRTX", "HRLW"):
        bars = _shock(bars, "2025-05-15 14:05", 0.04, symbol)
    row = _label(bars).set_index("horizon_minutes").loc[60]
    assert row["raw_return"] == pytest.approx(0.04, abs=0.01)
    assert abs(row["abnormal_return"]) < 0.01


def test_night_adds_to_the_noise() -> None:
    day, night = (
        _label(_universe(), available_at=at(time)).set_index("horizon_minutes").loc[60, "noise"]
        for time in ("2025-05-15 14:00", "2025-05-14 22:00")
    )
    assert night > 1.2 * day


def test_future_bars_do_not_change_noise_or_finished_outcomes() -> None:
    bars = _universe()
    cut = at("2025-05-15 16:00")
    known = bars[bars["ts"] + pd.Timedelta(minutes=5) <= cut]
    pd.testing.assert_frame_equal(_label(bars, cut), _label(known, cut))


def test_symbol_without_bars_or_irrelevant_mention_has_no_outcome() -> None:
    assert _label(_universe(), symbol="NONE").empty
    assert _label(_universe(), relevance=0.1).empty
    assert label_articles(mention_frame([mention()]).iloc[:0], _universe(), END, CONFIG, timeframe="5min").empty


# -------------------------------------------------------------------------------------------------------------- posteriors


def _outcomes(*rows: tuple[str, str, int, bool | None], horizon: int = 60) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {"source": s, "catalyst_type": k, "source_tier": t, "accurate": a, "horizon_minutes": horizon}
            for s, k, t, a in rows
        ]
    ).astype({"accurate": object})


def test_posterior_is_prior_plus_counts_with_its_interval() -> None:
    table = source_posteriors(
        _outcomes(("Reuters", "earnings", 1, True), ("Reuters", "earnings", 1, True), ("Reuters", "product", 1, False),
                  ("Reuters", "product", 1, None)),
        None, CONFIG,
    ).set_index("catalyst_type")  # fmt: skip
    assert tuple(table.reset_index()[list(SOURCE_COLUMNS)].columns) == SOURCE_COLUMNS
    row = table.loc["*"]
    assert (row["alpha"], row["beta"], row["observations"], row["articles"]) == pytest.approx((8.0, 5.0, 3.0, 4))
    assert row["accuracy"] == pytest.approx(8 / 13)
    assert row["low"] == pytest.approx(stats.beta.ppf(0.05, 8, 5))
    assert row["high"] == pytest.approx(stats.beta.ppf(0.95, 8, 5))
    assert table.loc["earnings", "alpha"] == pytest.approx(8.0)
    assert table.loc["product", "beta"] == pytest.approx(5.0)


def test_other_horizons_teach_nothing() -> None:
    assert source_posteriors(_outcomes(("Reuters", "earnings", 1, True), horizon=15), None, CONFIG).empty


def test_evidence_halves_in_a_half_life_and_the_prior_does_not() -> None:
    first = source_posteriors(_outcomes(*[("Blog", "product", 5, True)] * 20), None, CONFIG)
    elapsed = int(CONFIG.outcome.half_life_sessions)
    later = source_posteriors(_outcomes(("Other", "product", 1, None)), first, CONFIG, sessions_elapsed=elapsed)
    row = later[(later["source"] == "Blog") & (later["catalyst_type"] == "*")].iloc[0]
    assert row["observations"] == pytest.approx(10.0)
    assert row["alpha"] + row["beta"] == pytest.approx(CONFIG.outcome.prior_strength + 10.0)
    assert row["alpha"] == pytest.approx(0.47 * 10 + 10.0)


def test_source_silent_today_is_carried_on() -> None:
    first = source_posteriors(_outcomes(("Blog", "product", 5, True)), None, CONFIG)
    second = source_posteriors(_outcomes(("Reuters", "earnings", 1, True)), first, CONFIG)
    assert set(second["source"]) == {"Blog", "Reuters"}
    assert source_posteriors(pd.DataFrame(), first, CONFIG)["source"].unique().tolist() == ["Blog"]


judgements = st.lists(
    st.tuples(
        st.sampled_from(["Reuters", "Blog"]),
        st.sampled_from(["earnings", "product"]),
        st.sampled_from([True, False, None]),
    ),
    max_size=25,
)


@given(drawn=judgements, seed=st.integers(0, 9))
@settings(max_examples=30, deadline=None)
def test_posteriors_are_bounded_and_do_not_depend_on_order(
    drawn: list[tuple[str, str, bool | None]], seed: int
) -> None:
    rows = [(source, kind, 1 if source == "Reuters" else 5, accurate) for source, kind, accurate in drawn]
    if not rows:
        return
    table = source_posteriors(_outcomes(*rows), None, CONFIG)
    assert ((table["low"] <= table["accuracy"]) & (table["accuracy"] <= table["high"])).all()
    assert table["accuracy"].between(0, 1).all()
    whole = table[table["catalyst_type"] == "*"]["observations"].sum()
    assert whole == pytest.approx(sum(accurate is not None for *_, accurate in rows))
    shuffled = [rows[position] for position in np.random.default_rng(seed).permutation(len(rows))]
    pd.testing.assert_frame_equal(table, source_posteriors(_outcomes(*shuffled), None, CONFIG))


@given(drawn=judgements)
@settings(max_examples=20, deadline=None)
def test_one_more_accurate_article_never_lowers_the_accuracy(drawn: list[tuple[str, str, bool | None]]) -> None:
    rows = [(source, kind, 3, accurate) for source, kind, accurate in drawn]
    before = source_posteriors(_outcomes(*rows), None, CONFIG) if rows else None
    after = source_posteriors(_outcomes(*rows, ("Reuters", "earnings", 3, True)), None, CONFIG).set_index(
        ["source", "catalyst_type"]
    )
    prior = 0.53
    if before is not None:
        match = before[(before["source"] == "Reuters") & (before["catalyst_type"] == "*")]
        prior = float(match["accuracy"].iloc[0]) if len(match) else prior
    assert after.loc[("Reuters", "*"), "accuracy"] > prior


def _judged(*rows: tuple[str, str | None, float, bool | None]) -> pd.DataFrame:
    return pd.DataFrame(list(rows), columns=["pattern", "catalyst_type", "base_confidence", "success"]).astype(
        {"success": object}
    )


def test_pattern_posterior_starts_at_its_base_confidence() -> None:
    table = pattern_posteriors(
        _judged(("custom", "earnings", 70.0, True), ("custom", None, 70.0, False), ("custom", "earnings", 70.0, None)),
        None,
        CONFIG,
    )
    assert tuple(table.columns) == PATTERN_COLUMNS
    rows = table.set_index("catalyst_type")
    assert (rows.loc["*", "alpha"], rows.loc["*", "beta"], rows.loc["*", "observations"]) == pytest.approx(
        (8.0, 4.0, 2.0)
    )
    assert (rows.loc["earnings", "alpha"], rows.loc["earnings", "beta"]) == pytest.approx((8.0, 3.0))


def test_pattern_evidence_is_forgotten_at_the_same_rate() -> None:
    first = pattern_posteriors(_judged(*[("hammer", "earnings", 60.0, True)] * 8), None, CONFIG)
    second = pattern_posteriors(_judged(), first, CONFIG, sessions_elapsed=int(CONFIG.outcome.half_life_sessions))
    assert second["observations"].tolist() == pytest.approx([4.0, 4.0])
    assert pattern_posteriors(_judged(), None, CONFIG).empty


def test_pattern_bar_is_judged_once_from_its_first_detection() -> None:
    bars = _shock(_universe(), "2025-05-15 14:10", 0.05)
    row = {
        "symbol": "ZNVR",
        "timeframe": "5min",
        "pattern": "hammer",
        "bar_ts": at("2025-05-15 14:00"),
        "catalyst_type": "earnings",
        "base_confidence": 60.0,
    }
    detections = pd.DataFrame(
        [row | {"decision_time": at("2025-05-15 14:10"), "direction": 1}, row | {"decision_time": at("2025-05-15 14:15"), "direction": 1},
         row | {"decision_time": at("2025-05-15 14:10"), "direction": -1, "pattern": "shooting_star"},
         row | {"decision_time": at("2025-05-15 14:10"), "direction": 0, "pattern": "doji"}]
    )  # fmt: skip
    judged = label_patterns(detections, bars, END, CONFIG, calendar=CALENDAR, timeframe="5min")
    assert tuple(judged.columns) == JUDGED_PATTERN_COLUMNS
    assert dict(zip(judged["pattern"], judged["success"], strict=True)) == {
        "hammer": True,
        "shooting_star": False,
        "doji": None,
    }


# ------------------------------------------------------------------------------------------------------------------ trades


def _trade(**given_: Any) -> dict[str, Any]:
    trade: dict[str, Any] = {
        "symbol": "ZNVR", "direction": "long", "filled_qty": 100, "entry_price": Decimal("50.00"), "entry_time": at("2025-05-15 14:00"),
        "exit_price": Decimal("51.50"), "exit_time": at("2025-05-15 15:00"), "fees": Decimal("0.37"), "risk_per_share": Decimal("1.00"),
        "stop_plan": Decimal("49.00"), "target1": Decimal("51.50"), "pattern": "hammer",
    }  # fmt: skip
    return trade | given_


def _path(*prices: tuple[str, float, float]) -> pd.DataFrame:
    bars = _universe(sigma=0.0)
    for time, low, high in prices:
        bars.loc[(bars["symbol"] == "ZNVR") & (bars["ts"] == at(time)), ["low", "high", "close"]] = [
            low,
            high,
            (low + high) / 2,
        ]
    return bars


def _result(bars: pd.DataFrame, **given_: Any) -> dict[str, Any]:
    return trade_outcome(_trade(**given_), bars, CONFIG, calendar=CALENDAR, timeframe="5min")


def test_pnl_is_exact_and_net_of_fees() -> None:
    result = _result(_universe(sigma=0.0))
    assert result["pnl"] == Decimal("149.63")
    assert result["r_multiple"] == pytest.approx(1.4963)
    short = _result(_universe(sigma=0.0), direction="short", stop_plan=Decimal("51"), target1=Decimal("48.5"))
    assert short["pnl"] == Decimal("-150.37")


def test_excursions_use_only_bars_between_entry_and_exit() -> None:
    bars = _path(("2025-05-15 13:55", 40, 60), ("2025-05-15 14:10", 49.4, 51.8), ("2025-05-15 15:00", 30, 70))
    result = _result(bars)
    assert (result["mae_r"], result["mfe_r"]) == pytest.approx((-0.6, 1.8))
    mirrored = _result(bars, direction="short")
    assert (mirrored["mae_r"], mirrored["mfe_r"]) == pytest.approx((-1.8, 0.6))


@pytest.mark.parametrize(
    ("prices", "completed"),
    [
        ([("2025-05-15 14:10", 49.9, 51.6), ("2025-05-15 14:20", 48.0, 50.0)], True),
        ([("2025-05-15 14:10", 48.9, 50.0), ("2025-05-15 14:20", 50.0, 52.0)], False),
        ([("2025-05-15 14:10", 48.9, 51.6)], False),  # both in one bar: the stop came first
        ([("2025-05-15 16:00", 50.0, 51.6)], True),  # after our exit, before the stop
        ([], False),
    ],
)
def test_pattern_completes_when_the_target_comes_before_the_stop(
    prices: list[tuple[str, float, float]], completed: bool
) -> None:
    assert _result(_path(*prices))["pattern_completed"] is completed


def test_trade_without_pattern_has_no_pattern_result() -> None:
    assert _result(_path(), pattern=None)["pattern_completed"] is None


def test_catalyst_played_out_when_the_abnormal_move_exceeds_noise() -> None:
    bars = _shock(_universe(), "2025-05-15 14:05", 0.05)
    assert _result(bars)["catalyst_played_out"] is True
    assert _result(bars, direction="short")["catalyst_played_out"] is False
    early = bars[bars["ts"] < at("2025-05-15 14:20")]
    assert _result(early)["catalyst_played_out"] is None


@pytest.mark.parametrize("missing", [{"exit_price": None}, {"entry_time": pd.NaT}, {"filled_qty": 0}])
def test_open_trade_has_no_outcome(missing: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="no outcome"):
        _result(_universe(), **missing)
