"""Stories: membership, novelty, confirmation, coordination, and that none of it knows the future."""

from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalyst_assets.trading.narratives import (
    CLUSTER_COLUMNS,
    MEMBER_COLUMNS,
    as_of,
    assign,
    coordination,
    join,
    narrative_id,
)
from catalyst_assets_tests.trading.news_frames import CONFIG, at, mention, mention_frame

START = at("2025-05-15 13:00")
NARRATIVE = ["narrative_id", "similarity", "novelty", "is_echo"]
TEXTS = (
    "Zenvora wins 400 million dollar army satellite contract",
    "Zenvora wins $400 million army satellite contract",
    "Army picks Zenvora for satellite contract worth 400 million dollar",
    "Zenvora recalls home routers over fire risk",
    "Zenvora names new finance chief",
)


def _plain(rows: list[dict[str, object]]) -> pd.DataFrame:
    return mention_frame(mention(**row) for row in rows).drop(columns=NARRATIVE)


def _row(number: int, text: str, minutes: float, **more: object) -> dict[str, object]:
    return {
        "news_id": f"id{number:03d}",
        "headline": text,
        "available_at": START + pd.Timedelta(minutes=minutes),
        **more,
    }


def _told(rows: list[dict[str, object]]) -> pd.DataFrame:
    plain = _plain(rows)
    return join(plain, assign(plain, CONFIG))


def test_identical_text_joins_the_story_and_is_hardly_new() -> None:
    told = _told([_row(1, TEXTS[0], 0), _row(2, TEXTS[0], 5)])
    first, second = told.iloc[0], told.iloc[1]
    assert first["narrative_id"] == second["narrative_id"] == narrative_id("id001")
    assert (first["similarity"], first["novelty"], first["is_echo"]) == (0, 1, False)
    assert second["similarity"] == pytest.approx(1)
    assert (second["novelty"], second["is_echo"]) == (CONFIG.catalyst.novelty_floor, True)


def test_rewrite_joins_and_another_subject_does_not() -> None:
    told = _told([_row(1, TEXTS[0], 0), _row(2, TEXTS[1], 5), _row(3, TEXTS[3], 6)])
    assert told["narrative_id"].iloc[0] == told["narrative_id"].iloc[1] != told["narrative_id"].iloc[2]
    assert told["novelty"].iloc[1] == pytest.approx(1 - told["similarity"].iloc[1] ** 2)


def test_story_of_another_symbol_is_another_matter() -> None:
    told = _told([_row(1, TEXTS[0], 0), _row(2, TEXTS[0], 5, symbol="BRLN")])
    assert told["novelty"].tolist() == [1.0, 1.0]
    assert told["narrative_id"].nunique() == 2


def test_article_naming_two_symbols_begins_one_story_for_both() -> None:
    told = _told([_row(1, TEXTS[0], 0), _row(1, TEXTS[0], 0, symbol="BRLN"), _row(2, TEXTS[1], 3, symbol="BRLN")])
    assert told["narrative_id"].nunique() == 1


def test_old_text_is_new_again_after_the_window() -> None:
    days = CONFIG.catalyst.novelty_days
    told = _told([_row(1, TEXTS[0], 0), _row(2, TEXTS[0], (days - 1) * 1440), _row(3, TEXTS[0], (2 * days + 1) * 1440)])
    assert told["is_echo"].tolist() == [False, True, False]
    assert told["narrative_id"].nunique() == 3  # the story's window of hours is over each time


def test_known_members_are_kept_and_new_ones_join_them() -> None:
    rows = [_row(1, TEXTS[0], 0), _row(2, TEXTS[1], 5), _row(3, TEXTS[1], 9)]
    known = assign(_plain(rows[:2]), CONFIG).assign(narrative_id="n-stored", novelty=0.77)
    members = assign(_plain(rows), CONFIG, known=known).set_index("news_id")
    assert members["narrative_id"].tolist() == ["n-stored"] * 3
    assert members["novelty"].iloc[:2].tolist() == [0.77, 0.77]
    assert members["novelty"].iloc[2] == CONFIG.catalyst.novelty_floor


def test_mention_without_narrative_is_refused() -> None:
    plain = _plain([_row(1, TEXTS[0], 0), _row(2, TEXTS[3], 5)])
    with pytest.raises(ValueError, match="1 mentions have no narrative"):
        join(plain, assign(plain.iloc[:1], CONFIG))


stories = st.lists(
    st.tuples(
        st.sampled_from(TEXTS),
        st.integers(0, 6000),
        st.sampled_from(["ZNVR", "BRLN"]),
        st.integers(1, 5),
        st.floats(-1, 1),
    ),
    min_size=1,
    max_size=25,
)


def _rows(drawn: list[tuple[str, int, str, int, float]]) -> list[dict[str, object]]:
    return [
        _row(number, text, minutes, symbol=symbol, source_tier=tier, source=f"s{tier}", direction=direction)
        for number, (text, minutes, symbol, tier, direction) in enumerate(drawn)
    ]


@given(drawn=stories, cut=st.integers(0, 6000))
@settings(max_examples=40, deadline=None)
def test_the_future_never_changes_what_was_said(drawn: list[tuple[str, int, str, int, float]], cut: int) -> None:
    whole = _plain(_rows(drawn))
    instant = START + pd.Timedelta(minutes=cut)
    past = whole[whole["available_at"] <= instant]
    if past.empty:
        return
    members, before = assign(whole, CONFIG), assign(past, CONFIG)
    kept = members.merge(before[["news_id", "symbol"]], on=["news_id", "symbol"])
    pd.testing.assert_frame_equal(kept, before)
    times = pd.DatetimeIndex([instant - pd.Timedelta(hours=5), instant])
    pd.testing.assert_frame_equal(as_of(join(whole, members), times, CONFIG), as_of(join(past, before), times, CONFIG))


@given(drawn=stories, seed=st.integers(0, 99))
@settings(max_examples=25, deadline=None)
def test_order_of_rows_does_not_matter(drawn: list[tuple[str, int, str, int, float]], seed: int) -> None:
    frame = _plain(_rows(drawn))
    pd.testing.assert_frame_equal(assign(frame, CONFIG), assign(frame.sample(frac=1, random_state=seed), CONFIG))


@given(drawn=stories)
@settings(max_examples=25, deadline=None)
def test_members_and_clusters_stay_within_bounds(drawn: list[tuple[str, int, str, int, float]]) -> None:
    told = _told(_rows(drawn))
    assert told["similarity"].between(0, 1).all()
    assert told["novelty"].between(CONFIG.catalyst.novelty_floor, 1).all()
    clusters = as_of(told, pd.DatetimeIndex([told["available_at"].max()]), CONFIG)
    assert tuple(clusters.columns) == CLUSTER_COLUMNS
    assert clusters["articles"].sum() >= told["narrative_id"].nunique()
    assert clusters["direction"].between(-1, 1).all()
    assert (clusters["first_at"] <= clusters["last_at"]).all()
    assert tuple(assign(_plain(_rows(drawn)), CONFIG).columns) == MEMBER_COLUMNS


# ------------------------------------------------------------------------------------------------------------- confirmation


def test_first_good_outlet_confirms_a_low_tier_story_with_its_delay() -> None:
    told = _told(
        [
            _row(1, TEXTS[0], 0, source_tier=5),
            _row(2, TEXTS[1], 20, source_tier=2),
            _row(3, TEXTS[0], 30, source_tier=1),
        ]
    )
    before, after = (as_of(told, pd.DatetimeIndex([START + pd.Timedelta(minutes=m)]), CONFIG).iloc[0] for m in (19, 60))
    assert pd.isna(before["confirmed_at"])
    assert pd.isna(before["confirmation_minutes"])
    assert after["confirmed_at"] == START + pd.Timedelta(minutes=20)
    assert after["confirmation_minutes"] == 20
    assert (after["articles"], after["best_tier"], before["best_tier"]) == (3, 1, 5)


def test_story_broken_by_a_good_outlet_needs_no_confirmation() -> None:
    told = _told([_row(1, TEXTS[0], 0, source_tier=1), _row(2, TEXTS[1], 20, source_tier=2)])
    assert pd.isna(as_of(told, pd.DatetimeIndex([START + pd.Timedelta(hours=2)]), CONFIG).iloc[0]["confirmed_at"])


# ------------------------------------------------------------------------------------------------------------- coordination


def _campaign(count: int, gap: float, tier: int = 5, confirmed_after: float | None = None) -> pd.DataFrame:
    rows = [_row(number, TEXTS[0], number * gap, source_tier=tier, source=f"blog{number}") for number in range(count)]
    if confirmed_after is not None:
        rows.append(_row(900, TEXTS[0], confirmed_after, source_tier=1))
    return _told(rows)


def _flagged(told: pd.DataFrame, minutes: float) -> bool:
    return bool(as_of(told, pd.DatetimeIndex([START + pd.Timedelta(minutes=minutes)]), CONFIG)["coordinated"].any())


def test_many_echoes_of_low_outlets_look_coordinated_from_the_last_needed_on() -> None:
    told = _campaign(CONFIG.narrative.coordinated_articles, 10)
    assert not _flagged(told, 39)
    assert _flagged(told, 40)


def test_slow_few_good_or_confirmed_echoes_do_not_look_coordinated() -> None:
    needed = CONFIG.narrative.coordinated_articles
    assert not _flagged(_campaign(needed, 60), 400)
    assert not _flagged(_campaign(needed - 1, 1), 400)
    assert not _flagged(_campaign(needed, 1, tier=3), 400)
    assert not _flagged(_campaign(needed, 1, confirmed_after=2.5), 400)


def test_late_confirmation_takes_the_flag_away_again() -> None:
    told = _campaign(CONFIG.narrative.coordinated_articles, 1, confirmed_after=90)
    assert _flagged(told, 89)
    assert not _flagged(told, 90)
    assert coordination(told, CONFIG)["good_at"].iloc[0] == START + pd.Timedelta(minutes=90)
