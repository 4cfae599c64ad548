"""One market data source with stand-ins for its most active list.

Belongs here: who answers when the first does not. Does not belong here: any vendor. Only the list of active symbols has
stand-ins: bars and quotes of two feeds never meet, because their volumes differ by a factor of thirty.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

import pandas as pd
import structlog

from catalyst_assets.ports import MarketData, MarketDataUnavailable

log = structlog.get_logger(__name__)


class ActiveList(Protocol):
    """Anything that can name the most active symbols."""

    def most_active(self, top: int) -> pd.DataFrame: ...


class FallbackMarketData:
    """A :class:`ports.MarketData`: everything from ``primary``, the most active list from the first that has one."""

    def __init__(self, primary: MarketData, stand_ins: Sequence[tuple[str, ActiveList]]) -> None:
        self.feed = primary.feed
        self.primary = primary
        self.stand_ins = tuple(stand_ins)

    def bars(self, symbols: Sequence[str], timeframe: str, start: datetime, end: datetime) -> pd.DataFrame:
        """See :class:`ports.MarketData`."""
        return self.primary.bars(symbols, timeframe, start, end)

    def quotes(self, symbols: Sequence[str]) -> pd.DataFrame:
        """See :class:`ports.MarketData`."""
        return self.primary.quotes(symbols)

    def most_active(self, top: int) -> pd.DataFrame:
        """The first list that is not empty; ``origin`` says whose. Raises :class:`ports.MarketDataUnavailable` with every
        source's reason when none has one."""
        reasons = []
        for name, source in (("alpaca", self.primary), *self.stand_ins):
            try:
                frame = source.most_active(top)
            except MarketDataUnavailable as error:
                reasons.append(str(error))
            else:
                if len(frame):
                    if reasons:
                        log.warning("most_active_from_stand_in", source=name, because=reasons)
                    return frame
                reasons.append(f"{name}: an empty list")
        raise MarketDataUnavailable("no list of active symbols: " + "; ".join(reasons))

    def assets(self) -> pd.DataFrame:
        """See :class:`ports.MarketData`."""
        return self.primary.assets()

    def halted(self, symbols: Sequence[str]) -> frozenset[str]:
        """See :class:`ports.MarketData`."""
        return self.primary.halted(symbols)

    def quotes_and_halts(self, symbols: Sequence[str]) -> tuple[pd.DataFrame, frozenset[str]]:
        """See :class:`ports.MarketData`."""
        return self.primary.quotes_and_halts(symbols)
