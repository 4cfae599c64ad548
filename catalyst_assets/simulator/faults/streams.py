"""Faults of the websockets: events lost, late, doubled, out of turn, a mute socket, a cut one.

Belongs here: what becomes of the frames of one connection, as pure bookkeeping on values and simulated instants. Does not belong
here: sockets, subscriptions and how a frame is written (the stream routes).

A rule's route for streams is ``STREAM /<stream>/<channel>``: ``STREAM /trading/trade_updates``, ``STREAM */bars``.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from catalyst_assets.simulator.faults.armed import Armed, Faults
from catalyst_assets.simulator.faults.request import Asked
from catalyst_assets.simulator.faults.table import Phase

_ENDING = ("stream_dropped", "stream_silent", "stream_lost")
"""Faults after which nothing is left of an event for another one to strike."""
_HOLDING = ("stream_delayed", "stream_reordered")
_COPYING = ("stream_duplicated",)


@dataclass(frozen=True, slots=True)
class Frame:
    """One event on its way to one client. ``payload`` is whatever the sender sends; it is never looked into."""

    channel: str
    """Stream and channel: ``trading/trade_updates``, ``news/news``, ``iex/bars``."""
    payload: Any
    symbol: str | None = None
    client_order_id: str | None = None


@dataclass(frozen=True, slots=True)
class Passed:
    """What is to be sent now, in this order; ``cut``: then the connection is to be cut."""

    frames: tuple[Frame, ...] = ()
    cut: bool = False


@dataclass(slots=True)
class _Held:
    frame: Frame
    at: datetime
    """Sent at this simulated instant at the latest."""
    places: int | None = None
    """Sent after so many later frames; None when only time counts."""


class StreamFaults:
    """The filter of ONE connection: make a new one for each, because a mute socket is cured by connecting again.

    Call it with every event in order, and :meth:`due` whenever time has passed. Not thread-safe: one connection, one task.
    """

    def __init__(self, faults: Faults, vendor: str = "alpaca") -> None:
        self._faults = faults
        self._vendor = vendor
        self._held: list[_Held] = []
        self._mute: Armed | None = None

    def __call__(self, frame: Frame, now: datetime) -> Passed:
        """What becomes of ``frame`` at the simulated instant ``now``, and of those that waited for it."""
        asked = self._asked(frame)
        if not self._faults.watches(self._vendor, Phase.STREAM) and self._mute is None and not self._held:
            return Passed((frame,))
        if self.is_mute(now):
            assert self._mute is not None
            self._faults.record(self._mute, asked, now, "not sent: the socket is mute")
            return Passed()
        struck = {armed.rule.fault: armed for armed in self._striking(asked, now)}
        if "stream_dropped" in struck:
            self._faults.record(struck["stream_dropped"], asked, now, "connection cut in place of the event")
            self._held.clear()
            return Passed(cut=True)
        if "stream_silent" in struck:
            self._mute = struck["stream_silent"]
            self._held.clear()
            self._faults.record(self._mute, asked, now, "not sent: mute from here on")
            return Passed()
        own = self._own(frame, struck, asked, now)
        return Passed((*own, *(self._overtaken() if own else ())))

    def due(self, now: datetime) -> tuple[Frame, ...]:
        """Held events whose time has come, oldest first. A mute socket has none."""
        if self.is_mute(now):
            return ()
        ready = sorted((held for held in self._held if held.at <= now), key=lambda held: held.at)
        self._held = [held for held in self._held if held.at > now]
        return tuple(held.frame for held in ready)

    @property
    def next_due(self) -> datetime | None:
        """When :meth:`due` will have something; None when nothing waits."""
        return min((held.at for held in self._held), default=None)

    def _asked(self, frame: Frame) -> Asked:
        return Asked(
            self._vendor,
            f"STREAM /{frame.channel}",
            frozenset([frame.symbol] if frame.symbol else ()),
            client_order_id=frame.client_order_id,
        )

    def is_mute(self, now: datetime) -> bool:
        """True while nothing at all is said. A mute socket stays so until its fault is cleared or over; having struck often enough does
        not cure it."""
        if self._mute is None:
            return False
        rule = self._mute.rule
        if not self._faults.holds(rule.id) or (rule.until is not None and now >= rule.until):
            self._mute = None
        return self._mute is not None

    def _striking(self, asked: Asked, now: datetime) -> list[Armed]:
        """The rules that strike this event: the first that ends its way alone, otherwise one that holds it and one that copies it."""
        concerned = self._faults.candidates(Phase.STREAM, asked, now)
        found: list[Armed] = []
        for kinds in (_ENDING, _HOLDING, _COPYING):
            fitting = (armed for armed in concerned if armed.rule.fault in kinds and self._faults.strikes(armed))
            found += [armed for armed in [next(fitting, None)] if armed is not None]
            if found and found[0].rule.fault in _ENDING:
                break
        return found

    def _own(self, frame: Frame, struck: dict[str, Armed], asked: Asked, now: datetime) -> list[Frame]:
        """What of the event itself is sent now; the rest is held or lost."""

        def record(name: str, did: str) -> None:
            self._faults.record(struck[name], asked, now, did)

        if "stream_lost" in struck:
            record("stream_lost", "not sent")
            return []
        copies = 1
        if "stream_duplicated" in struck:
            copies += struck["stream_duplicated"].rule["copies"]
            record("stream_duplicated", f"sent {copies} times")
        if "stream_delayed" in struck:
            seconds = struck["stream_delayed"].rule["seconds"]
            record("stream_delayed", f"held for {seconds:g} s")
            self._held += [_Held(frame, now + timedelta(seconds=seconds)) for _ in range(copies)]
            return []
        if "stream_reordered" in struck:
            rule = struck["stream_reordered"].rule
            record(
                "stream_reordered", f"held until {rule['places']} later events are sent, {rule['seconds']:g} s at most"
            )
            at = now + timedelta(seconds=rule["seconds"])
            self._held += [_Held(frame, at, rule["places"]) for _ in range(copies)]
            return []
        return [frame] * copies

    def _overtaken(self) -> list[Frame]:
        """Count one more event past those that wait to be overtaken; those overtaken often enough."""
        for held in self._held:
            if held.places is not None:
                held.places -= 1
        ready = [held for held in self._held if held.places == 0]
        self._held = [held for held in self._held if held.places != 0]
        return [held.frame for held in ready]
