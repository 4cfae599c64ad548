"""What the news stream tells of an interval: articles as they become visible, and again when they are edited.

Belongs here: which articles fall into an interval, in order. Does not belong here: sockets and subscriptions (``data_stream``).
"""

from __future__ import annotations

from bisect import bisect_right
from datetime import datetime

from catalyst_assets.simulator.routes.alpaca_news import article_json
from catalyst_assets.simulator.state import Simulation
from catalyst_assets.simulator.streams.frames import Message, Moment
from catalyst_assets.simulator.streams.market_events import ALL, Wanted
from catalyst_assets.simulator.tape import WireArticle
from catalyst_assets.simulator.ticks import NANOSECONDS
from catalyst_assets.simulator.worlds.pricepath import instant, micros

CHANNELS = ("news",)


class NewsEvents:
    """The messages of the news stream."""

    def __init__(self, state: Simulation) -> None:
        told: list[tuple[int, int, WireArticle]] = []
        for visible, article in state.wire("alpaca"):
            told.append((micros(visible), article.article_id, article))
            told += [(micros(r.at), article.article_id, article) for r in article.revisions if r.at > visible]
        self._told = sorted(told, key=lambda item: item[:2])
        self._instants = [item[0] for item in self._told]

    def horizon(self, after: int, until: int, wanted: Wanted) -> int:
        """An interval of news is told at once."""
        return until

    def between(self, after: int, until: int, wanted: Wanted) -> list[Message]:
        """Articles and edits of ``(after, until]`` (µs); one without symbols goes to those who want all."""
        chosen = wanted.get("news", frozenset())
        low, high = bisect_right(self._instants, after), bisect_right(self._instants, until)
        return [
            _message(at, article)
            for at, _, article in self._told[low:high]
            if ALL in chosen or chosen.intersection(article.symbols)
        ]


def _message(at: int, article: WireArticle) -> Message:
    body = article_json(article, instant(at), content=True)
    del body["images"]
    updated = article.version_at(instant(at))[2]
    moments = {"created_at": _second(article.published_at), "updated_at": _second(updated)}
    return Message(at * NANOSECONDS, "news", "", {"T": "n", **body, **moments})


def _second(at: datetime) -> Moment:
    return Moment(micros(at.replace(microsecond=0)) * NANOSECONDS)
