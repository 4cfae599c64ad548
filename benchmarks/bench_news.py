"""Speed of reading articles, finding stories and scanning.

Belongs here: the pure part. Does not belong here: storing (``bench_storage.py``). Articles are put together from a seed out of
invented phrases, no two alike, and the cache of readings is emptied before every run.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.figures import Figure, Tell, figure, silent, timed
from catalyst_assets.trading import headlines
from catalyst_assets.trading.articles import derive_features, mentions, news_id
from catalyst_assets.trading.calendar import TradingCalendar
from catalyst_assets.trading.config import TradingConfig
from catalyst_assets.trading.narratives import assign, join
from catalyst_assets.trading.scanner import catalyst_scores, market_snapshot, scan, volume_baseline

CALENDAR = TradingCalendar()
CONFIG = TradingConfig()
SESSION = "2025-05-15"
AT = pd.DatetimeIndex(["2025-05-15 15:00"], tz="UTC").as_unit("us")
RUNS = 5

_WHAT = (
    "beats quarterly estimates as {a} demand holds", "cuts full-year guidance citing {a} costs", "wins ${n} million {a} contract",
    "under investigation over {a} accounting", "recalls {n} {a} units over defect", "names new finance chief after {a} review",
    "announces ${n} million share buyback", "shares jump {n} percent on {a} optimism", "drug meets main goal in late-stage {a} trial",
    "prices ${n} million public offering of common stock", "upgraded to buy at {a} Securities", "says it opened a plant in {a}",
    "faces questions about {a} strategy", "to acquire {a} rival for ${n} million", "launches {a} platform number {n}",
)  # fmt: skip
_WORDS = (
    "northern",
    "cloud",
    "battery",
    "coastal",
    "satellite",
    "dental",
    "harbor",
    "turbine",
    "copper",
    "retail",
    "velvet",
    "orbit",
)
_OUTLETS = (
    "Reuters",
    "Bloomberg",
    "CNBC",
    "Yahoo",
    "Benzinga",
    "SeekingAlpha",
    "Zacks Commentary",
    "Moon Rocket Alerts",
)


def _symbol(number: int) -> str:
    return "Q" + "".join(chr(65 + (number // 26**place) % 26) for place in range(3))


SYMBOLS = [_symbol(number) for number in range(100)]
NAMES = {symbol: f"{symbol.title()}ora Systems, Inc." for symbol in SYMBOLS}


def articles(count: int, seed: int = 11) -> pd.DataFrame:
    """Rows of news_raw over the ten days before :data:`AT`."""
    rng = np.random.default_rng(seed)
    minutes = np.sort(rng.integers(0, 10 * 1440, count))
    rows = []
    for position in range(count):
        symbol = SYMBOLS[int(rng.integers(len(SYMBOLS)))]
        company = NAMES[symbol].split()[0]
        told = _WHAT[int(rng.integers(len(_WHAT)))].format(
            a=_WORDS[int(rng.integers(len(_WORDS)))], n=int(rng.integers(2, 900))
        )
        filler = " ".join(_WORDS[int(word)] for word in rng.integers(0, len(_WORDS), 25))
        published = AT[0] - pd.Timedelta(minutes=int(minutes[-1] - minutes[position]))
        source = _OUTLETS[int(rng.integers(len(_OUTLETS)))]
        headline = f"{company} {told}"
        rows.append(
            {
                "news_id": f"{position:06d}", "provider": "finnhub", "source": source, "headline": headline, "url": None,
                "summary": f"{company} {told}, the company said. {filler}", "published_at": published, "available_at": published,
                "tickers": [symbol], "sentiment": None, "ticker_sentiment": {}, "live_source": True,
            }
        )  # fmt: skip
    frame = pd.DataFrame(rows)
    for name in ("published_at", "available_at"):
        frame[name] = pd.to_datetime(frame[name], utc=True).astype("datetime64[us, UTC]")
    return frame


def understand(raw: pd.DataFrame) -> pd.DataFrame:
    """Identity, features, mentions and stories of raw articles: all that happens to them besides being stored."""
    headlines.read.cache_clear()
    ids = {news_id(h, s, t) for h, s, t in zip(raw["headline"], raw["source"], raw["published_at"], strict=True)}
    if len(ids) > len(raw):
        raise AssertionError("identities exceed articles")
    features = derive_features(raw, CALENDAR, CONFIG, NAMES).drop(columns=["session"])
    plain = mentions(raw.drop(columns=["tickers"]).merge(features, on="news_id"), CONFIG)
    return join(plain, assign(plain, CONFIG))


def market(seed: int = 5) -> pd.DataFrame:
    """Minute bars of 100 symbols over five sessions, half of them busy on the last."""
    rng = np.random.default_rng(seed)
    days = CALENDAR.sessions("2025-05-01", SESSION)[-5:]
    ts = np.concatenate(
        [
            pd.date_range(
                CALENDAR.hours(day).pre_open, CALENDAR.hours(day).post_close, freq="min", inclusive="left"
            ).as_unit("us")
            for day in days
        ]
    )
    frames = []
    for number, symbol in enumerate(SYMBOLS):
        close = 40 * np.exp(rng.normal(0, 0.0012, len(ts)).cumsum())
        volume = rng.integers(100, 3000, len(ts)).astype(float)
        volume[-960:] *= 3 if number % 2 else 1
        frames.append(
            pd.DataFrame(
                {
                    "symbol": symbol,
                    "ts": pd.DatetimeIndex(ts),
                    "open": close,
                    "high": close,
                    "low": close,
                    "close": close,
                    "volume": volume,
                    "vwap": close,
                }
            )
        )
    bars = pd.concat(frames, ignore_index=True)
    return bars[bars["ts"] < AT[0]].reset_index(drop=True)


def run(_: Path | None = None, tell: Tell = silent) -> list[Figure]:
    """The figures of reading, scanning and finding stories."""
    tell("reading 1,000 articles")
    thousand = articles(1000)
    reading, _result = timed(lambda: understand(thousand), RUNS)

    tell("scanning 100 symbols")
    told = understand(articles(5000, seed=12))
    bars = market()
    today = bars[bars["ts"] >= CALENDAR.hours(SESSION).pre_open]
    baseline = volume_baseline(bars, CALENDAR.hours(SESSION).session, CALENDAR, CONFIG)
    last = bars.drop_duplicates("symbol", keep="last")
    quotes = pd.DataFrame({"decision_time": AT[0], "symbol": last["symbol"], "ts": AT[0]})
    quotes = quotes.assign(bid=last["close"] - 0.01, ask=last["close"] + 0.01)
    universe = pd.DataFrame({"decision_time": AT[0], "symbol": SYMBOLS})

    def scanned(history: pd.DataFrame, means: pd.DataFrame | None) -> pd.DataFrame:
        scores, _ = catalyst_scores(told, AT, CALENDAR, None, CONFIG)
        snapshot = market_snapshot(history, None, quotes, (), AT, CALENDAR, CONFIG, baseline=means, symbols=SYMBOLS)
        # The previous close comes from daily bars in the pipeline; here every symbol has moved.
        snapshot["change_pct"] = snapshot["change_pct"].fillna(2.0)
        return scan(universe, scores, snapshot, None, CONFIG)[1]

    scanning, top = timed(lambda: scanned(today, baseline), RUNS)
    if len(top) != CONFIG.scan.selected:
        raise AssertionError(f"the scan selected {len(top)} symbols")
    anew, _result = timed(lambda: scanned(bars, None), 3, warm_up=0)
    tell("finding the stories of 5,000 articles")
    stories, _result = timed(lambda: assign(told, CONFIG), 3, warm_up=0)
    return [
        figure("scan: 100 symbols, 5,000 articles, top 5", 0.5, scanning),
        figure("1,000 articles: identity, features, stories, without storing", 1.0, reading, extra=True),
        figure("the scan with the volume baseline made anew (480,000 bars)", 1.0, anew, extra=True),
        figure("stories of 5,000 articles from nothing", 2.0, stories, extra=True),
    ]
