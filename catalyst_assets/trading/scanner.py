"""The scan, 50 → 20 → 5: which symbols are worth a trader's attention at each decision time, and why the others are
not.

Belongs here: the gates of the funnel, the ranking, and the reason for every cut. Does not belong here: the catalyst
score (``catalyst_score.py``) and the market's state (``market_snapshot.py``), offered here too because the scan is
made of them.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from catalyst_assets.trading.catalyst_score import catalyst_scores
from catalyst_assets.trading.config import ScanConfig, TradingConfig
from catalyst_assets.trading.market_snapshot import market_snapshot, volume_baseline

__all__ = ["CANDIDATE_COLUMNS", "EVALUATION_COLUMNS", "catalyst_scores", "market_snapshot", "scan", "volume_baseline"]

EVALUATION_COLUMNS: Final = (
    "decision_time", "symbol", "stage", "cut_reason", "rank", "catalyst_score", "direction", "technical_score",
    "combined_score", "price",
    "change_pct", "relative_volume", "spread_bps", "dollar_volume", "halted", "articles", "narrative_id",
    "top_news_id", "components",
)  # fmt: skip
CANDIDATE_COLUMNS: Final = (
    "decision_time", "symbol", "rank", "combined_score", "catalyst_score", "technical_score", "direction",
    "catalyst_type", "narrative_id",
    "top_news_id", "headline", "price", "change_pct", "relative_volume", "spread_bps", "reasons",
)  # fmt: skip

NEUTRAL_TECHNICAL: Final = 50.0
"""Technical score where none is known: neither for nor against."""
_STAGES: Final = ("universe", "catalyst", "validated", "selected")
_DETAILS: Final = (
    "dollar_volume",
    "market_state",
    "segment",
    "previous_close",
    "quote_age_s",
    "bid",
    "ask",
    "fresh_news",
)


def scan(
    universe: pd.DataFrame,
    symbol_scores: pd.DataFrame,
    snapshot: pd.DataFrame,
    technical: pd.DataFrame | None,
    config: TradingConfig,
    *,
    feed: str = "sip",
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The funnel at each decision time: ``(evaluations, candidates)``, columns of ``scan_evaluations`` and
    ``trading_candidates`` without scenario and session, sorted by ``decision_time, rank``.

    ``universe``: ``decision_time, symbol`` (optional ``is_common_stock``, else all are; ``rank``); ``symbol_scores``
    from :func:`catalyst_scores`; ``snapshot`` from :func:`market_snapshot`; ``technical``: ``decision_time, symbol,
    technical_score`` 0 ... 100 (optional ``parts``), a missing one counts :data:`NEUTRAL_TECHNICAL`.

    Gates in order: common stock, price range, any catalyst, the ``with_catalyst`` best catalyst scores; not halted,
    quote, spread, relative volume, |change|, dollar volume (unknown fails: unknown is not zero); the ``validated``
    best catalyst scores; the ``selected`` best combined scores (``catalyst_weight`` · catalyst + ``technical_weight``
    · technical), at most ``per_narrative`` of one story. Before the open symbols with news since the last close come
    first at every ranking, and volume is measured on pre-market volume. ``stage`` is the furthest a symbol came,
    ``cut_reason`` what stopped it there, ``None`` when selected. ``feed`` is the one the snapshot's volumes are of: on
    ``iex`` the dollar volumes asked for are the part that this exchange sees (``scan.iex_share``).
    """
    rules = config.scan
    if universe.empty:
        return _empty(EVALUATION_COLUMNS), _empty(CANDIDATE_COLUMNS)
    frame = _gathered(universe, symbol_scores, snapshot, technical, rules)
    stage = np.zeros(len(frame), dtype=np.int64)
    reason = np.full(len(frame), None, dtype=object)
    alive = np.ones(len(frame), dtype=bool)

    def cut(failed: NDArray[np.bool_], why: Any) -> None:
        """Stop those of the living that failed; ``why`` is a text or a function of the row."""
        rows = np.flatnonzero(alive & failed)
        for row in rows:
            reason[row] = why(row) if callable(why) else why
        alive[rows] = False

    value = {
        name: frame[name].to_numpy(dtype=float)
        for name in ("price", "catalyst_score", "spread_bps", "relative_volume", "change_pct", "dollar_volume")
    }
    keys = _keys(frame)
    pre = frame["segment"].to_numpy(dtype=object) == "pre"
    first = pre & (frame["fresh_news"].to_numpy(dtype=float) > 0)
    cut(~frame["is_common_stock"].to_numpy(dtype=bool), "not a common stock")
    cut(~(value["catalyst_score"] > 0), "no catalyst")
    cut(np.isnan(value["price"]), "no price")
    cut(value["price"] < rules.min_price, lambda row: f"price {value['price'][row]:.2f} < {rules.min_price:g}")
    cut(value["price"] > rules.max_price, lambda row: f"price {value['price'][row]:.2f} > {rules.max_price:g}")
    place = _places(keys, alive, first, value["catalyst_score"])
    cut(place > rules.with_catalyst, lambda row: f"catalyst rank {place[row]} > {rules.with_catalyst}")
    stage[alive] = 1

    share = rules.iex_share if feed == "iex" else 1.0
    floor = share * np.where(pre, rules.min_premarket_dollar_volume, rules.min_dollar_volume)
    cut(frame["halted"].to_numpy(dtype=bool), "halted")
    cut(np.isnan(value["spread_bps"]), "no quote")
    cut(
        value["spread_bps"] > rules.max_spread_bps,
        lambda row: f"spread {value['spread_bps'][row]:.0f} bps > {rules.max_spread_bps:g}",
    )
    cut(np.isnan(value["relative_volume"]), "relative volume unknown")
    cut(
        value["relative_volume"] < rules.min_relative_volume,
        lambda row: f"relative volume {value['relative_volume'][row]:.2f} < {rules.min_relative_volume:g}",
    )
    cut(np.isnan(value["change_pct"]), "change unknown")
    cut(
        np.abs(value["change_pct"]) < rules.min_change_pct,
        lambda row: f"|change| {abs(value['change_pct'][row]):.2f} % < {rules.min_change_pct:g} %",
    )
    cut(np.isnan(value["dollar_volume"]), "dollar volume unknown")
    cut(
        value["dollar_volume"] < floor,
        lambda row: f"dollar volume {value['dollar_volume'][row]:,.0f} < {floor[row]:,.0f}",
    )
    place = _places(keys, alive, first, value["catalyst_score"])
    cut(place > rules.validated, lambda row: f"validated rank {place[row]} > {rules.validated}")
    stage[alive] = 2

    combined = frame["combined_score"].to_numpy(dtype=float)
    place = _places(keys, alive, first, combined)
    told = _told_before(frame, keys[0], alive, place)
    cut(told >= rules.per_narrative, lambda row: f"already {rules.per_narrative} candidates of this narrative")
    place = _places(keys, alive, first, combined)
    cut(place > rules.selected, lambda row: f"combined rank {place[row]} > {rules.selected}")
    stage[alive] = 3

    frame["stage"] = np.asarray(_STAGES, dtype=object)[stage]
    frame["cut_reason"] = pd.Series(reason, index=frame.index, dtype=object)  # None, not NaN, when nothing cut it
    frame["_stage"], frame["_first"] = stage, first
    frame["_order"] = np.where(stage >= 2, combined, value["catalyst_score"])
    frame = frame.sort_values(
        ["decision_time", "_stage", "_first", "_order", "symbol"],
        ascending=[True, False, False, False, True],
        kind="stable",
        ignore_index=True,
    )
    frame["rank"] = frame.groupby("decision_time").cumcount() + 1
    frame["components"] = _components(frame, rules)
    selected = frame[frame["stage"] == "selected"]
    candidates = selected.assign(reasons=selected["components"])[list(CANDIDATE_COLUMNS)].reset_index(drop=True)
    return frame[list(EVALUATION_COLUMNS)], candidates


def _empty(columns: tuple[str, ...]) -> pd.DataFrame:
    return pd.DataFrame({name: pd.Series(dtype=object) for name in columns})


def _gathered(
    universe: pd.DataFrame,
    scores: pd.DataFrame,
    snapshot: pd.DataFrame,
    technical: pd.DataFrame | None,
    rules: ScanConfig,
) -> pd.DataFrame:
    """One row per decision time and symbol of the universe with everything known about it."""
    keys = ["decision_time", "symbol"]
    kept = [*keys, *(["is_common_stock"] if "is_common_stock" in universe else [])]
    frame = universe[kept].drop_duplicates(keys)
    if "is_common_stock" not in frame:
        frame = frame.assign(is_common_stock=True)
    frame = frame.assign(is_common_stock=frame["is_common_stock"].fillna(False).astype(bool))
    for other in (scores, snapshot):
        columns = [name for name in other.columns if name not in frame.columns or name in keys]
        frame = frame.merge(_aligned(other[columns]), on=keys, how="left", validate="one_to_one")
    if technical is not None and not technical.empty:
        columns = [*keys, "technical_score", *(["parts"] if "parts" in technical else [])]
        frame = frame.merge(_aligned(technical[columns]), on=keys, how="left", validate="one_to_one")
    else:
        frame["technical_score"] = np.nan
    frame["technical_score"] = frame["technical_score"].astype(float)
    for name, empty in (("catalyst_score", 0.0), ("direction", 0.0), ("articles", 0), ("fresh_news", 0)):
        frame[name] = pd.to_numeric(frame[name]).fillna(empty)
    frame["articles"] = frame["articles"].astype(int)
    frame["halted"] = frame["halted"].eq(True)
    known = frame["technical_score"].fillna(NEUTRAL_TECHNICAL)
    frame["technical_known"] = frame["technical_score"].notna()
    frame["technical_score"] = known
    frame["combined_score"] = rules.catalyst_weight * frame["catalyst_score"] + rules.technical_weight * known
    frame["catalyst_components"] = frame.pop("components") if "components" in frame else None
    return frame.reset_index(drop=True)


def _aligned(other: pd.DataFrame) -> pd.DataFrame:
    """Keys with the types of a filled frame, so an empty one merges too."""
    return other.astype({"decision_time": "datetime64[us, UTC]", "symbol": "str"}) if other.empty else other


def _keys(frame: pd.DataFrame) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Decision times and symbols as numbers in the same order, for sorting several times: columns of text sort slowly."""
    time, symbol = (pd.factorize(frame[name], sort=True)[0] for name in ("decision_time", "symbol"))
    return time.astype(np.int64), symbol.astype(np.int64)


def _counted(size: int, rows: NDArray[np.int64], group: NDArray[np.int64]) -> NDArray[np.int64]:
    """For ``rows``, in the order to be counted, 0, 1, ... within a run of the same ``group``; 0 for all others of ``size``."""
    number = np.zeros(size, dtype=np.int64)
    begins = np.flatnonzero(np.diff(group, prepend=-1))
    number[rows] = np.arange(len(rows)) - np.repeat(begins, np.diff(np.append(begins, len(rows))))
    return number


def _places(
    keys: tuple[NDArray[np.int64], NDArray[np.int64]],
    alive: NDArray[np.bool_],
    first: NDArray[np.bool_],
    score: NDArray[np.float64],
) -> NDArray[np.int64]:
    """1, 2, ... within a decision time among the living: those marked ``first`` before the others, then by score,
    ties by symbol."""
    time, symbol = keys
    rows = np.flatnonzero(alive)
    order = np.lexsort((symbol[rows], -score[rows], ~first[rows], time[rows]))
    return _counted(len(alive), rows[order], time[rows[order]]) + alive


def _told_before(
    frame: pd.DataFrame, time: NDArray[np.int64], alive: NDArray[np.bool_], place: NDArray[np.int64]
) -> NDArray[np.int64]:
    """How many living symbols of the same narrative rank better, by decision time."""
    story = pd.factorize(frame["narrative_id"])[0].astype(np.int64)
    rows = np.flatnonzero(alive & (story >= 0))
    order = rows[np.lexsort((place[rows], story[rows], time[rows]))]
    return _counted(len(frame), order, time[order] * len(frame) + story[order])


def _components(frame: pd.DataFrame, rules: ScanConfig) -> list[dict[str, Any]]:
    """Every part of each row's score, JSON types (NaN becomes ``None``)."""
    details = {name: frame[name].tolist() if name in frame else [None] * len(frame) for name in _DETAILS}
    parts = frame["parts"].tolist() if "parts" in frame else [None] * len(frame)
    rows = zip(
        frame["catalyst_components"].tolist(), frame["catalyst_score"].tolist(), frame["technical_score"].tolist(),
        frame["technical_known"].tolist(), parts, frame["combined_score"].tolist(), strict=True,
    )  # fmt: skip
    return [
        {
            "catalyst": catalyst if isinstance(catalyst, dict) else None,
            "technical": {
                "score": round(technical, 4),
                "known": known,
                "parts": part if isinstance(part, dict) else None,
            },
            "combined": {
                "score": round(combined, 4),
                "catalyst_part": round(rules.catalyst_weight * score, 4),
                "technical_part": round(rules.technical_weight * technical, 4),
            },
            "market": {name: _plain(values[position]) for name, values in details.items()},
        }
        for position, (catalyst, score, technical, known, part, combined) in enumerate(rows)
    ]


def _plain(value: Any) -> Any:
    if value is None or (isinstance(value, float) and not np.isfinite(value)) or value is pd.NaT:
        return None
    return round(value, 6) if isinstance(value, float) else value
