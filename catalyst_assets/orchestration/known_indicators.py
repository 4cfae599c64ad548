"""Indicators of a live cycle without computing again what an earlier stage or cycle of this process computed on the same bars.

Belongs here: telling whether a symbol's complete bars are the ones an answer was made of. Does not belong here: the mathematics
(``trading/indicators.py``), what other processes know (``charts.py`` asks Redis).

The scan computes three timeframes of some twenty symbols every five minutes; an hour bar changes once an hour, and the candidates'
indicators are asked for again two stages later. An answer is kept under everything it depends on: the symbol's complete bars (a
digest of every one of them), timeframe, feed, session and settings. Indicators are causal, so bars that are not complete yet are
no part of it.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from catalyst_assets.orchestration.cycle import CycleContext
from catalyst_assets.trading import bars as bar_rules
from catalyst_assets.trading import indicators

KEPT = 5_000
"""Answers kept: a few hundred symbols on every timeframe, and the bars before them."""
_PRICES = ("open", "high", "low", "close", "volume", "vwap")
Key = tuple[str, ...]
Row = tuple[Any, ...] | None
"""The values of ``indicators.COLUMNS``; ``None``: the symbol's last bar is too old to say anything."""

_known: OrderedDict[Key, Row] = OrderedDict()
_lock = threading.Lock()


def compute(
    cycle: CycleContext, bars: Mapping[str, pd.DataFrame], *, timeframes: Iterable[str], feed: str
) -> pd.DataFrame:
    """As ``indicators.compute`` at the one decision time of a live cycle, equal to the last bit."""
    wanted = [name for name in indicators.TIMEFRAMES if name in set(timeframes)]
    settings = hashlib.sha256(
        (cycle.config.indicator.model_dump_json() + str(cycle.config.scan.relative_volume_sessions)).encode()
    ).hexdigest()
    found: list[tuple[Any, ...]] = []
    for timeframe in wanted:
        frame = bars.get(timeframe)
        if frame is None or frame.empty:
            continue
        keys = {
            symbol: (symbol, timeframe, digest, feed, str(cycle.session), settings)
            for symbol, digest in _digests(frame, timeframe, cycle).items()
        }
        answers = _answers(cycle, frame, timeframe, feed, keys)
        found += [row for row in answers if row is not None]
    empty = indicators.compute({}, cycle.decision_times, cycle.config, calendar=cycle.calendar)
    if not found:
        return empty
    table = pd.DataFrame.from_records(found, columns=list(indicators.COLUMNS)).astype(empty.dtypes)
    table["decision_time"] = bar_rules.utc(np.repeat(bar_rules.instants(cycle.decision_times), len(table)))
    # By symbol, and by length of the timeframe, in which order the parts came: the sort is stable.
    return table.sort_values("symbol", kind="stable", ignore_index=True)


def _answers(cycle: CycleContext, frame: pd.DataFrame, timeframe: str, feed: str, keys: Mapping[str, Key]) -> list[Row]:
    with _lock:
        answers: dict[str, Row] = {symbol: _known[key] for symbol, key in keys.items() if key in _known}
    unknown = [symbol for symbol in keys if symbol not in answers]
    if unknown:
        computed = indicators.compute(
            {timeframe: frame[frame["symbol"].isin(unknown)].reset_index(drop=True)},
            cycle.decision_times,
            cycle.config,
            timeframes=(timeframe,),
            feed=feed,
            calendar=cycle.calendar,
        )
        rows = dict(zip(computed["symbol"], computed.itertuples(index=False, name=None), strict=True))
        answers |= {symbol: rows.get(symbol) for symbol in unknown}
    with _lock:
        for symbol, key in keys.items():
            _known[key] = answers[symbol]
            _known.move_to_end(key)
        while len(_known) > KEPT:
            _known.popitem(last=False)
    return [answers[symbol] for symbol in keys]


def _digests(frame: pd.DataFrame, timeframe: str, cycle: CycleContext) -> dict[str, str]:
    """A digest of the complete bars of each symbol; symbols without one are left out."""
    rows = bar_rules.blocks(frame)
    complete = bar_rules.completes(rows.ts, timeframe, cycle.calendar) <= bar_rules.instants(cycle.decision_times)[-1]
    prices = np.ascontiguousarray(frame[list(_PRICES)].to_numpy(dtype=np.float64))
    digests: dict[str, str] = {}
    for symbol, start, stop in zip(rows.symbols, rows.starts, rows.stops, strict=True):
        end = start + int(complete[start:stop].sum())  # bars are complete in order
        if end > start:
            digest = hashlib.sha256(rows.ts[start:end].tobytes())
            digest.update(prices[start:end].tobytes())
            digests[symbol] = digest.hexdigest()
    return digests
