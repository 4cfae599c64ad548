"""The plain objects behind the resources: opened when first used, once per process and settings.

Belongs here: building database, cache, vendors, broker, clock and bars from the settings. Does not belong here: Dagster
(``resources.py`` hands these out), what is done with them.

Opened once because a process may run many cycles (the demo runs a hundred): connections, pools and the bars in memory are kept.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from catalyst_assets.settings import Settings, load_settings

if TYPE_CHECKING:
    from catalyst_assets.execution.desk import TradingDesk
    from catalyst_assets.execution.switches import KillSwitchFile
    from catalyst_assets.execution.watch import WatchResult
    from catalyst_assets.ports import Broker, Clock, MarketData, NewsSource
    from catalyst_assets.storage.bars import BarStore
    from catalyst_assets.storage.cache import Cache
    from catalyst_assets.storage.database import Database
    from catalyst_assets.storage.embedded import ServiceUrls
    from catalyst_assets.trading.config import TradingConfig
    from catalyst_assets.vendors.connect import Vendors


class ClockUnavailable(Exception):
    """The simulator, whose clock rules, could not be asked what time it is."""


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)


class SimulatorClock:
    """The clock of the market in a box, over HTTP. Raises :class:`ClockUnavailable`.

    It is asked hundreds of times a cycle, so an answer is kept for ``keep_seconds`` of real time and carried on at the clock's own speed;
    a clock that stands still is moved by :meth:`set` and :meth:`advance` of this very object.
    """

    def __init__(self, url: str, *, timeout_seconds: float = 10.0, keep_seconds: float = 0.5) -> None:
        import requests

        self.url = f"{url}/simulator/clock"
        self._timeout = timeout_seconds
        self._keep = keep_seconds
        self._session = requests.Session()
        self._session.trust_env = False  # a proxy of the environment must not stand between us and our own machine
        self._lock = threading.Lock()
        self._known: tuple[float, datetime, float] | None = None
        """When it was asked (``time.monotonic``), what it said, and its speed."""

    def now(self) -> datetime:
        with self._lock:
            known = self._known
            if known is None or time.monotonic() - known[0] > self._keep:
                known = self._remember(self._ask("GET"))
            asked, said, speed = known
        return said + timedelta(seconds=(time.monotonic() - asked) * speed) if speed else said

    def state(self) -> dict[str, object]:
        """The clock's whole answer (now, speed, session …), asked afresh."""
        with self._lock:
            answer = self._ask("GET")
            self._remember(answer)
        return answer

    @property
    def stands_still(self) -> bool:
        """True when the clock moves only by :meth:`set` and :meth:`advance`."""
        self.now()
        return self._known is not None and self._known[2] == 0

    def set(self, at: datetime) -> None:
        """Move the clock to ``at``."""
        self._move({"now": at.isoformat()})

    def advance(self, seconds: float) -> None:
        """Move the clock on by ``seconds`` of market time."""
        self._move({"advance_s": seconds})

    def forget(self) -> None:
        """Ask again at the next look."""
        with self._lock:
            self._known = None

    def _move(self, body: dict[str, object]) -> None:
        with self._lock:
            self._remember(self._ask("POST", body))

    def _remember(self, answer: dict[str, object]) -> tuple[float, datetime, float]:
        said = datetime.fromisoformat(str(answer["now"])).astimezone(UTC)
        self._known = (time.monotonic(), said, float(str(answer["speed"])))
        return self._known

    def _ask(self, method: str, body: dict[str, object] | None = None) -> dict[str, object]:
        import requests

        try:
            answer = self._session.request(method, self.url, json=body, timeout=self._timeout)
            answer.raise_for_status()
            return dict(answer.json())
        except (requests.RequestException, ValueError) as error:
            raise ClockUnavailable(
                f"the simulated market does not answer at {self.url} ({type(error).__name__}); start it with `catalyst simulate`"
            ) from error


def fresh(clock: Clock) -> Clock:
    """``clock``, with nothing remembered: the first look of a run or a tick is always a real one."""
    if isinstance(clock, SimulatorClock):
        clock.forget()
    return clock


def kill_switch(settings: Settings) -> KillSwitchFile:
    """The file whose existence stops all new entries; its text is the reason."""
    from catalyst_assets.execution.switches import KillSwitchFile

    return KillSwitchFile(settings.home / settings.database_name / "KILL_SWITCH")


class Connections:
    """Everything a run may need, opened lazily. Make one with :func:`connections`, which keeps one per settings."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._desk: tuple[TradingConfig, TradingDesk] | None = None

    @cached_property
    def urls(self) -> ServiceUrls:
        """Addresses of the services; starts the embedded ones when none are configured."""
        from catalyst_assets.storage.embedded import service_urls

        return service_urls(self.settings)

    @cached_property
    def database(self) -> Database:
        from catalyst_assets.storage.database import open_database

        database = open_database(self.settings, application_name="catalyst-dagster")
        database.cache = self.cache  # one cache per process, one set of counts
        return database

    @cached_property
    def cache(self) -> Cache:
        from catalyst_assets.storage.cache import Cache

        return Cache(self.urls.redis_url, namespace=self.settings.database_name)

    @cached_property
    def clock(self) -> Clock:
        return SimulatorClock(self.settings.simulator_url) if self.settings.uses_simulator else SystemClock()

    @cached_property
    def vendors(self) -> Vendors:
        from catalyst_assets.vendors.connect import connect

        return connect(self.settings, clock=self.clock, redis_client=self.cache.client)

    @property
    def news_sources(self) -> tuple[NewsSource, ...]:
        return self.vendors.news

    @property
    def market_data(self) -> MarketData:
        return self.vendors.market_data

    @property
    def broker(self) -> Broker:
        return self.vendors.broker

    def desk(self, config: TradingConfig) -> TradingDesk:
        """The trading desk of the live scenario on the account of the settings, with its guards; one per configuration."""
        if self._desk is None or self._desk[0] != config:
            self._desk = (config, self._make_desk(config))
        return self._desk[1]

    def _make_desk(self, config: TradingConfig) -> TradingDesk:
        from catalyst_assets.execution.desk import TradingDesk
        from catalyst_assets.execution.guards import AccountGuard
        from catalyst_assets.storage.trades import TradeRepository
        from catalyst_assets.trading.calendar import TradingCalendar

        switch = kill_switch(self.settings)
        return TradingDesk(
            self.broker,
            TradeRepository(self.database),
            self.market_data,
            self.clock,
            TradingCalendar(),
            config,
            scenario="live",
            guard=AccountGuard(self.settings.live_trading, self.settings.live_account_id),
            kill_switch=switch,
            flat_ordered=switch.flat_ordered,
            pause=self._pause,
        )

    def _pause(self, seconds: float) -> None:
        """Wait between two looks at the broker. A simulated clock that stands still is moved on by as much: waiting must let the
        market go on, and by the same amount in every run of the same day."""
        if isinstance(self.clock, SimulatorClock) and self.clock.stands_still:
            self.clock.advance(seconds)
        else:
            time.sleep(seconds)

    def watch_positions(self, now: datetime | None = None) -> WatchResult:
        """One watch over the live positions at ``now`` (the clock's when not given): synchronised, ended by the rules, protected.

        Raises what the desk raises (:mod:`catalyst_assets.ports` errors). Without a live trade it costs one query.
        """
        from catalyst_assets.orchestration.watching import contradicting
        from catalyst_assets.storage.configuration import ConfigurationRepository

        at = now or self.clock.now()
        config = ConfigurationRepository(self.database).load()
        return self.desk(config).watch(at, contradicting(self.database, config, at))

    def bars(self, feed: str) -> BarStore:
        """The bar store of one feed, the same object each time (it keeps what it read)."""
        from catalyst_assets.storage.bars import BarStore

        with _lock:
            return self._bar_stores.setdefault(feed, BarStore(self.settings.bars_root, feed))

    @cached_property
    def _bar_stores(self) -> dict[str, BarStore]:
        return {}

    def close(self) -> None:
        """Close what was opened; the next use opens it again."""
        self._desk = None
        for name in ("database", "cache"):
            opened = self.__dict__.pop(name, None)
            if opened is not None:
                opened.close()
        for name in ("vendors", "clock", "urls", "_bar_stores"):
            self.__dict__.pop(name, None)


def current_settings(overrides: Mapping[str, Any]) -> Settings:
    """The settings of the environment with ``overrides``, read again only when the environment, ``.env`` or the folder changed."""
    dotenv = Path(".env")
    stamp = dotenv.stat().st_mtime_ns if dotenv.is_file() else 0
    key = (str(Path.cwd()), stamp, repr(sorted(overrides.items())), hash(frozenset(os.environ.items())))
    with _lock:
        if _read.get("key") != key:
            _read.update(key=key, settings=load_settings(**overrides))
        found: Settings = _read["settings"]
        return found


_read: dict[str, Any] = {}
_lock = threading.RLock()
_opened: dict[Settings, Connections] = {}


def connections(settings: Settings | None = None) -> Connections:
    """The connections of these settings (those of the environment when not given), one object per process."""
    wanted = settings or load_settings()
    with _lock:
        found = _opened.get(wanted)
        if found is None:
            found = _opened[wanted] = Connections(wanted)
        return found


def close_connections() -> None:
    """Close everything this process opened (tests, the end of the demo)."""
    with _lock:
        for opened in _opened.values():
            opened.close()
        _opened.clear()
