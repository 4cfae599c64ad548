"""Stories and articles of invented worlds: planted effects, planted reliability, a believable newsroom."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import UTC, date, datetime, timedelta
from functools import cache

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalyst_assets.simulator.tape import NEWS_PROVIDERS, WireArticle
from catalyst_assets.simulator.world import World
from catalyst_assets.simulator.worlds.catalysts import CATALYSTS, FALSE_KINDS
from catalyst_assets.simulator.worlds.companies import invent_companies
from catalyst_assets.simulator.worlds.effects import NewsClock, attention, course, micros
from catalyst_assets.simulator.worlds.facts import draw_facts
from catalyst_assets.simulator.worlds.headlines import (
    DENIALS,
    FOLLOW_UPS,
    HEADLINES,
    MATTERS,
    PUMP_RELEASES,
    PUMPS,
    RUMOURS,
    SUMMARIES,
)
from catalyst_assets.simulator.worlds.outlets import OUTLETS
from catalyst_assets.simulator.worlds.stories import Story, draw_stories, generator
from catalyst_assets.trading.calendar import TradingCalendar

CALENDAR = TradingCalendar()
SESSION = date(2026, 11, 20)


@cache
def demo(seed: int = 7) -> World:
    return World.generate(seed, history_sessions=4)


@cache
def many_stories() -> tuple[Story, ...]:
    """Stories of 150 sessions of one market."""
    companies = invent_companies(80, generator(1, "companies"))
    drawn: list[Story] = []
    for day in CALENDAR.sessions(date(2026, 1, 5), date(2026, 8, 10)):
        drawn += draw_stories(1, companies, CALENDAR.hours(CALENDAR.previous(day)), CALENDAR.hours(day), 34)
    return tuple(drawn)


def by_story(world: World) -> dict[int, list[WireArticle]]:
    told: dict[int, list[WireArticle]] = defaultdict(list)
    for article in world.tape().articles():
        if article.story_id >= 0 and article.article_id not in world.truth.denials:
            told[article.story_id].append(article)
    return told


# ------------------------------------------------------------------------------------------------------------- stories


def test_stories_of_every_catalyst_type_and_kind_appear() -> None:
    assert {story.catalyst_type for story in many_stories()} == set(CATALYSTS)
    assert {story.kind for story in many_stories()} == {"real", *FALSE_KINDS}
    few = [story for seed in range(4) for story in World.generate(seed, history_sessions=2).truth.stories.itertuples()]
    assert len({story.catalyst_type for story in few}) >= 14


def test_planted_reliability_can_be_recovered_from_the_stories() -> None:
    real = defaultdict(list)
    for story in many_stories():
        real[story.scoop_outlet].append(story.is_real)
    for outlet in OUTLETS:
        seen = real[outlet.name]
        assert len(seen) >= 60
        error = np.sqrt(outlet.reliability * (1 - outlet.reliability) / len(seen))
        assert abs(np.mean(seen) - outlet.reliability) < 4 * error + 0.02, outlet.name
    overall = np.mean([story.is_real for story in many_stories()])
    assert 0.55 < overall < 0.70


def test_a_session_has_enough_stories_at_the_right_times() -> None:
    stories = demo().truth.stories
    main = stories[stories["session"] == SESSION]
    assert 25 <= len(main) <= 40
    assert main["symbol"].is_unique
    before = CALENDAR.hours(CALENDAR.previous(SESSION))
    hours = CALENDAR.hours(SESSION)
    starts = pd.Series([pd.Timestamp(story.started_at) for story in many_stories()])
    sessions = [CALENDAR.hours(story.session) for story in many_stories()]
    early = np.mean([start < at.open for start, at in zip(starts, sessions, strict=True)])
    two_hours = np.mean(
        [at.open <= start < at.open + timedelta(hours=2) for start, at in zip(starts, sessions, strict=True)]
    )
    assert 0.5 < early < 0.85
    assert two_hours > 0.12
    assert ((main["started_at"] > before.close) & (main["started_at"] < hours.close)).all()


def test_stories_stay_inside_a_half_day() -> None:
    half = date(2026, 11, 27)
    companies = invent_companies(60, generator(2, "companies"))
    hours = CALENDAR.hours(half)
    for seed in range(20):
        for story in draw_stories(seed, companies, CALENDAR.hours(CALENDAR.previous(half)), hours, 30):
            assert story.started_at < hours.close - timedelta(minutes=20)


def test_sizes_and_signs_of_effects_follow_the_text() -> None:
    for story in many_stories():
        if story.is_real:
            assert np.sign(story.peak) == story.direction
            assert np.sign(story.lasting) == story.direction
            assert abs(story.jump) > 0
        elif story.kind == "stale":
            assert story.peak == 0
            assert story.lasting == 0
        else:
            assert np.sign(story.peak) == story.direction
            assert np.sign(story.lasting) == -story.direction
        assert abs(story.peak) < 2.0
    assert all(story.direction == 1 for story in many_stories() if story.kind == "pump")
    real = [story for story in many_stories() if story.is_real]
    fda = np.median([abs(story.lasting) for story in real if story.catalyst_type == "fda_clinical"])
    other = np.median([abs(story.lasting) for story in real if story.catalyst_type == "other"])
    assert fda > 4 * other
    assert all(story.direction == -1 for story in real if story.catalyst_type in ("offering_dilution", "bankruptcy"))


# ------------------------------------------------------------------------------------------------------------- effects

CLOCK = NewsClock([CALENDAR.hours(CALENDAR.previous(SESSION)), CALENDAR.hours(SESSION)])


def story_at(kind: str, at: datetime, *, lasting: float, peak: float, jump: float = 0.0, denied: bool = False) -> Story:
    return Story(1, SESSION, "AAA", "merger_acquisition", kind, 1, at, lasting, peak, jump,
                 at + timedelta(minutes=30) if denied else None, "Reuters")  # fmt: skip


@given(minutes=st.integers(0, 380))
@settings(max_examples=30, deadline=None)
def test_a_story_has_no_effect_before_it_starts_and_all_of_it_long_after(minutes: int) -> None:
    opening = CALENDAR.hours(SESSION).open.to_pydatetime()
    start = opening + timedelta(minutes=minutes)
    story = story_at("real", start, lasting=0.1, peak=0.1, jump=0.06)
    instants = np.array([micros(start) + 60_000_000 * offset for offset in range(-30, 5)], dtype=np.int64)
    path = course(story, CLOCK, instants)
    assert (path[:31] == 0).all()
    assert (np.diff(path[30:]) > 0).all()
    assert (attention(story, CLOCK, instants)[:30] == 0).all()
    later = CALENDAR.hours(CALENDAR.next(SESSION))
    long_clock = NewsClock([CALENDAR.hours(SESSION), later, CALENDAR.hours(CALENDAR.next(later.session))])
    end = np.array([micros(CALENDAR.hours(CALENDAR.next(later.session)).post_close)])
    assert course(story, long_clock, end)[0] == pytest.approx(0.1, abs=0.002)


def test_a_false_story_rises_fades_and_ends_on_the_other_side() -> None:
    start = CALENDAR.hours(SESSION).open.to_pydatetime()
    instants = np.array([micros(start) + 60_000_000 * minute for minute in range(390)], dtype=np.int64)
    path = course(story_at("pump", start, lasting=-0.02, peak=0.08), CLOCK, instants)
    top = int(np.argmax(path))
    assert 3 < top < 40
    assert 0.03 < path[top] < 0.08
    assert path[-1] == pytest.approx(-0.02, abs=0.003)


def test_a_denial_ends_a_rumour_within_minutes() -> None:
    start = CALENDAR.hours(SESSION).open.to_pydatetime()
    later = np.array([micros(start) + 45 * 60_000_000])
    believed = course(story_at("rumour", start, lasting=-0.004, peak=0.04), CLOCK, later)[0]
    denied = course(story_at("rumour", start, lasting=-0.004, peak=0.04, denied=True), CLOCK, later)[0]
    assert denied < 0.25 * believed


def test_news_enters_prices_slower_outside_the_regular_session() -> None:
    hours = CALENDAR.hours(SESSION)
    in_hours = CLOCK.read(micros(hours.open) + 60_000_000 * 30) - CLOCK.read(micros(hours.open))
    before = CLOCK.read(micros(hours.open)) - CLOCK.read(micros(hours.open) - 60_000_000 * 30)
    assert in_hours == pytest.approx(30)
    assert 0 < before < 0.3 * in_hours


def test_real_stories_move_prices_their_way_more_than_false_ones_after_an_hour() -> None:
    moves: dict[bool, list[float]] = {True: [], False: []}
    for seed in (1, 2, 3):
        world = World.generate(seed, history_sessions=4)
        tape = world.tape()
        for day in tape.sessions:
            hours = CALENDAR.hours(day)
            close = tape.bars(day).pivot(index="ts", columns="symbol", values="close").ffill()
            stories = world.truth.stories
            inside = (stories["started_at"] >= hours.open) & (
                stories["started_at"] < hours.close - timedelta(minutes=65)
            )
            for story in stories[(stories["session"] == day) & inside].itertuples():
                before = close.index.searchsorted(story.started_at) - 2
                after = close.index.searchsorted(story.started_at + timedelta(minutes=60))
                market = np.log(close.iloc[after] / close.iloc[before]).median()
                own = np.log(close[story.symbol].iloc[after] / close[story.symbol].iloc[before])
                moves[bool(story.is_real)].append(story.direction * (own - market))
    assert min(len(values) for values in moves.values()) >= 20
    assert np.mean(moves[True]) > 0.02
    assert np.mean([move > 0 for move in moves[True]]) > 0.7
    assert np.mean(moves[True]) > np.mean(moves[False]) + 0.01


def test_false_stories_fade_after_their_peak() -> None:
    late, early = [], []
    for seed in (1, 2, 3, 4):
        world = World.generate(seed, history_sessions=4, symbols=60)
        tape = world.tape()
        stories = world.truth.stories
        for story in stories[stories["kind"].isin(["pump", "rumour"])].itertuples():
            if story.session not in tape.sessions:
                continue
            hours = CALENDAR.hours(story.session)
            if not hours.open <= story.started_at < hours.close - timedelta(minutes=130):
                continue
            bars = tape.bars(story.session)
            close = bars.loc[bars["symbol"] == story.symbol].set_index("ts")["close"]
            at = [close.index.searchsorted(story.started_at + timedelta(minutes=m)) for m in (-2, 12, 120)]
            base, soon, end = (float(close.iloc[min(position, len(close) - 1)]) for position in at)
            early.append(story.direction * np.log(soon / base))
            late.append(story.direction * np.log(end / soon))
    assert len(late) >= 10
    assert np.mean(early) > 0.01
    assert np.mean(late) < -0.01


def test_real_news_brings_abnormal_volume() -> None:
    world = demo()
    tape = world.tape()
    hours = CALENDAR.hours(SESSION)
    stories = world.truth.stories
    large = stories[
        (stories["session"] == SESSION) & stories["is_real"] & (stories["peak_pct"].abs() > 4)
        & (stories["started_at"] < hours.open)
    ]  # fmt: skip
    assert len(large) >= 3

    def volume(day: date) -> pd.Series:
        bars = tape.bars(day)
        at = CALENDAR.hours(day)
        return (
            bars[(bars["ts"] >= at.open) & (bars["ts"] < at.open + timedelta(hours=1))]
            .groupby("symbol")["volume"]
            .sum()
        )

    usual = pd.concat([volume(day) for day in tape.sessions[:-1]], axis=1).median(axis=1)
    assert (volume(SESSION) / usual)[large["symbol"]].median() > 1.8


# ------------------------------------------------------------------------------------------------------------ articles


def test_no_article_is_visible_before_it_is_published_and_newsapi_is_a_day_late() -> None:
    delays = defaultdict(list)
    for article in demo().tape().articles():
        assert set(article.visible) <= set(NEWS_PROVIDERS)
        for provider, at in article.visible.items():
            assert at > article.published_at
            delays[provider].append((at - article.published_at).total_seconds())
        assert all(revision.at > article.published_at for revision in article.revisions)
    assert set(delays) == set(NEWS_PROVIDERS)
    assert min(delays["newsapi"]) >= 86_400
    assert np.median(delays["alpaca"]) < 20
    assert 10 < np.median(delays["finnhub"]) < 90
    assert 120 < np.median(delays["alpha_vantage"]) < 900


def test_articles_about_a_story_come_after_it_began() -> None:
    world = demo()
    started = world.truth.stories.set_index("story_id")["started_at"]
    stale = set(world.truth.stories.loc[world.truth.stories["kind"] == "stale", "story_id"])
    for story_id, articles in by_story(world).items():
        if story_id not in stale:  # a rehash repeats an older article on purpose
            assert min(article.published_at for article in articles) >= started[story_id] - timedelta(seconds=1)


def test_the_main_day_has_hundreds_of_articles_most_of_them_noise() -> None:
    articles = demo().tape().articles()
    start = CALENDAR.hours(CALENDAR.previous(SESSION)).close
    main = [article for article in articles if article.published_at >= start]
    assert 600 <= len(main) <= 1200
    about = sum(article.story_id >= 0 for article in main)
    assert 0.2 < about / len(main) < 0.6
    days = Counter(article.published_at.date() for article in articles)
    assert days[date(2026, 11, 18)] >= 70
    assert list(articles) == sorted(articles, key=lambda article: (article.published_at, article.article_id))
    assert len({article.article_id for article in articles}) == len(articles)
    assert len({article.url for article in articles}) == len(articles)


def test_the_noise_has_every_nuisance_the_system_must_survive() -> None:
    world = demo()
    known = set(world.tape().instruments["symbol"])
    noise = [article for article in world.tape().articles() if article.story_id < 0]
    assert any(len(article.symbols) >= 9 for article in noise), "round-ups"
    assert any(not article.symbols for article in noise), "unsymbolised"
    assert any(set(article.symbols) - known for article in noise), "outside the universe"
    assert any("&amp;" in article.headline or "&#39;" in article.headline for article in noise), "HTML entities"
    assert any("INVESTOR ALERT" in article.headline for article in noise), "law-firm advertisements"
    about = [article for article in world.tape().articles() if article.story_id >= 0]
    assert any(not article.symbols for article in about), "a story's article without its ticker"
    assert any(article.revisions for article in about), "edits"
    assert any(len(article.visible) >= 3 for article in about), "the same article through several providers"
    assert any(not article.visible or set(article.visible) == {"newsapi"} for article in about), "too late to trade on"


def test_echoes_are_near_identical_and_confirmations_come_from_good_outlets_later() -> None:
    tier = {outlet.name: outlet.tier for outlet in OUTLETS}
    identical, confirmed, delays = 0, 0, []
    for seed in (7, 8):
        world = demo(seed)
        real = set(world.truth.stories.loc[world.truth.stories["is_real"], "story_id"])
        for story_id, articles in by_story(world).items():
            headlines = [article.headline for article in articles]
            identical += len(headlines) - len(set(headlines))
            first = min(articles, key=lambda article: article.published_at)
            good = [article.published_at for article in articles if tier[article.outlet] <= 2]
            if story_id in real and tier[first.outlet] >= 3 and good:
                confirmed += 1
                delays.append((min(good) - first.published_at).total_seconds() / 60)
    assert identical >= 15
    assert confirmed >= 10
    assert np.median(delays) > 2


def test_good_outlets_rarely_repeat_rumours_and_low_ones_do() -> None:
    tier = {outlet.name: outlet.tier for outlet in OUTLETS}
    share: dict[bool, list[int]] = {True: [0, 0], False: [0, 0]}
    for seed in (7, 8, 9):
        world = demo(seed)
        real = set(world.truth.stories.loc[world.truth.stories["is_real"], "story_id"])
        for story_id, articles in by_story(world).items():
            for article in articles:
                counts = share[tier[article.outlet] <= 2]
                counts[0] += story_id in real
                counts[1] += 1
    good, others = (share[key][0] / share[key][1] for key in (True, False))
    assert good > 0.85
    assert good > others + 0.1


def test_pumps_are_many_low_tier_articles_within_the_hour_without_confirmation() -> None:
    tier = {outlet.name: outlet.tier for outlet in OUTLETS}
    pumps = 0
    for seed in (7, 8, 9):
        world = demo(seed)
        stories = world.truth.stories
        for story in stories[(stories["kind"] == "pump") & (stories["session"] == SESSION)].itertuples():
            articles = by_story(world)[story.story_id]
            low = [article for article in articles if tier[article.outlet] >= 4]
            assert len(low) >= 5
            assert not any(tier[article.outlet] <= 2 for article in articles)
            times = [article.published_at for article in low]
            assert max(times) - min(times) < timedelta(hours=1)
            pumps += 1
    assert pumps >= 3


def test_denials_contradict_false_stories_after_they_were_told() -> None:
    world = demo()
    stories = world.truth.stories.set_index("story_id")
    by_id = {article.article_id: article for article in world.tape().articles()}
    first = {story: min(article.published_at for article in told) for story, told in by_story(world).items()}
    assert len(world.truth.denials) >= 3
    for article_id in world.truth.denials:
        article = by_id[article_id]
        assert not stories.loc[article.story_id, "is_real"]
        assert article.published_at > first[article.story_id]


def test_the_vendors_sentiment_is_right_more_often_than_not_but_not_always() -> None:
    right = []
    for seed in (7, 8):
        world = demo(seed)
        direction = world.truth.stories.set_index("story_id")["direction"]
        for story_id, articles in by_story(world).items():
            right += [np.sign(article.sentiment) == direction[story_id] for article in articles]
    assert all(-1 <= article.sentiment <= 1 for article in demo().tape().articles())
    assert 0.7 < np.mean(right) < 0.97


def test_an_article_reads_as_it_did_at_the_time() -> None:
    edited = next(article for article in demo().tape().articles() if article.revisions)
    revision = edited.revisions[0]
    just_before = revision.at - timedelta(seconds=1)
    assert edited.version_at(just_before) == (edited.headline, edited.summary, edited.published_at)
    assert edited.version_at(revision.at) == (revision.headline, revision.summary, revision.at)


# ------------------------------------------------------------------------------------------------------------ template


def test_every_template_of_every_type_and_direction_can_be_filled() -> None:
    companies = invent_companies(30, generator(4, "companies"))
    texts = [*PUMPS, *PUMP_RELEASES]
    for family in (HEADLINES, RUMOURS, DENIALS, FOLLOW_UPS, SUMMARIES):
        texts += [text for templates in family.values() for text in templates]
    for number, company in enumerate(companies):
        direction = 1 if number % 2 else -1
        facts = draw_facts(company, direction, 20.0, 11, np.random.default_rng(number)) | {"matter": "takeover talks"}
        for text in texts:
            filled = text.format_map(facts)
            assert "{" not in filled
            assert filled.strip() == filled
        assert (float(facts["eps"]) > float(facts["eps_est"])) == (direction > 0)
        assert (float(facts["rev"]) > float(facts["rev_est"])) == (direction > 0)


def test_every_story_that_can_be_drawn_has_words() -> None:
    for story in many_stories():
        key = (story.catalyst_type, story.direction)
        assert key in (RUMOURS if story.kind == "rumour" else HEADLINES) or story.kind == "pump"
        assert story.catalyst_type in SUMMARIES
        if story.kind in ("rumour", "pump"):
            assert story.catalyst_type in MATTERS


def test_times_are_utc_to_the_second() -> None:
    for article in demo().tape().articles():
        assert article.published_at.tzinfo is UTC
        assert type(article.published_at) is datetime
        assert article.published_at.microsecond == 0
