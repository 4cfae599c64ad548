"""``catalyst doctor``: every dependency asked at once, with what its absence costs and what to do.

Belongs here: the checks and their thresholds. Does not belong here: repairing anything. No check raises: what it finds is its answer, and
one that does not answer in time is down.
"""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from catalyst_assets.orchestration.connections import Connections, connections
from catalyst_assets.ports import NewsSource
from catalyst_assets.settings import Settings
from catalyst_assets.storage.operations import OperationsRepository
from catalyst_assets.storage.repository import LIVE
from catalyst_assets.trading.calendar import TradingCalendar
from catalyst_assets.vendors.transport import Redactor

State = Literal["ok", "degraded", "down", "off"]

CHECK_TIMEOUT_SECONDS: Final = 20.0
DISK_LOW_GIB: Final = 5.0
DISK_FULL_GIB: Final = 1.0
SKEW_NOTICED_SECONDS: Final = 2.0
SKEW_UNSAFE_SECONDS: Final = 10.0
"""A clock that is wrong by more reads old quotes as fresh and cycles as late."""
HEARTBEAT_SECONDS: Final = 90.0
SLOW_DATABASE_MS: Final = 100.0
SMALL_BUDGETS: Final = frozenset({"alpha_vantage", "newsapi"})
"""Sources with a budget per day: asked only with ``--probe-all`` (the simulator costs nothing and is always asked)."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One row of the doctor's report."""

    name: str
    state: State
    message: str
    latency_ms: float | None = None
    affects: str = ""
    """What is degraded because of it; empty when nothing is."""
    advice: str = ""
    unsafe: bool = False
    """True when trading in this state would be unsafe."""


@dataclass(frozen=True, slots=True)
class DoctorReport:
    findings: tuple[Finding, ...]
    market: str

    @property
    def safe(self) -> bool:
        return not any(finding.unsafe for finding in self.findings)

    def as_json(self) -> dict[str, Any]:
        return {"safe": self.safe, "market": self.market, "checks": [asdict(finding) for finding in self.findings]}


Check = Callable[[], Finding | Sequence[Finding]]


def examine(
    settings: Settings, *, probe_all: bool = False, timeout_seconds: float = CHECK_TIMEOUT_SECONDS
) -> DoctorReport:
    """Run every check at the same time; takes as long as the slowest, at most ``timeout_seconds``."""
    doctor = Doctor(connections(settings), probe_all=probe_all)
    redact = Redactor(settings.secrets())
    results: dict[str, Sequence[Finding]] = {}
    threads: list[threading.Thread] = []

    def run(name: str, check: Check) -> None:
        try:
            found = check()
            results[name] = [found] if isinstance(found, Finding) else found
        except Exception as error:  # noqa: BLE001 - whatever a dependency throws is the finding, nothing is lost
            affects, unsafe = doctor.stakes.get(name, ("", False))
            ours = type(error).__module__.startswith("catalyst_assets")  # then the message is a sentence by itself
            sentence = redact(
                (str(error) if ours else f"{type(error).__name__}: {error}").strip().splitlines()[0][:300]
            )
            results[name] = [
                Finding(name, "down", sentence, affects=affects, advice=doctor.advice(name), unsafe=unsafe)
            ]

    # The database first: the other checks read from it, and opening it may start the embedded server.
    for group in ({"database": doctor.database}, {n: c for n, c in doctor.checks().items() if n != "database"}):
        started = [
            threading.Thread(target=run, args=item, name=f"doctor-{item[0]}", daemon=True) for item in group.items()
        ]
        deadline = time.monotonic() + timeout_seconds
        for thread in started:
            thread.start()
        for thread in started:
            thread.join(max(0.0, deadline - time.monotonic()))
        threads += started
    findings: list[Finding] = []
    for name in doctor.checks():
        if name in results:
            findings.extend(results[name])
        else:
            affects, unsafe = doctor.stakes.get(name, ("", False))
            silent = f"no answer in {timeout_seconds:.0f} s"
            findings.append(Finding(name, "down", silent, affects=affects, advice=doctor.advice(name), unsafe=unsafe))
    return DoctorReport(tuple(findings), settings.market)


class Doctor:
    """The checks, over one process's connections."""

    stakes: Final = {
        "database": ("everything: no decision can be stored, so none is made", True),
        "redis": ("speed, and request budgets are per process instead of shared", False),
        "disk": ("new bars and articles cannot be written", True),
        "broker": ("no orders can be sent, positions cannot be watched", True),
        "clock": ("data ages and decision times would be wrong", True),
        "calendar": ("cycles could run at the wrong hours", True),
        "market data": ("no prices: nothing is scanned, entries are refused", True),
        "news": ("no new articles", False),
        "dagster": ("no run can be recorded, so no cycle runs", True),
    }
    """What the absence of each costs, and whether trading would then be unsafe."""

    def __init__(self, opened: Connections, *, probe_all: bool = False) -> None:
        self._opened = opened
        self._settings = opened.settings
        self._probe_all = probe_all

    def checks(self) -> dict[str, Check]:
        return {
            "database": self.database,
            "redis": self.redis,
            "disk": self.disk,
            "dagster": self.dagster,
            "broker": self.broker,
            "positions": self.positions,
            "clock": self.clock,
            "calendar": self.calendar,
            "market data": self.market_data,
            "news": self.news,
        }

    def advice(self, name: str) -> str:
        """What to do when ``name`` is down."""
        if name in ("broker", "clock", "calendar", "market data", "news") and self._settings.uses_simulator:
            return "start the simulated market: catalyst simulate (catalyst dev and catalyst demo start it themselves)"
        return {
            "database": "check DATABASE_URL, or unset it to use the embedded server (log in <home>/postgres/postgres.log)",
            "redis": "check REDIS_URL; without it everything works, slower",
            "dagster": "check DAGSTER_DATABASE_URL and that the database exists",
            "broker": "check ALPACA_API_KEY and ALPACA_SECRET_KEY, then status.alpaca.markets",
            "market data": "check the Alpaca keys and ALPACA_FEED",
        }.get(name, "")

    # ----------------------------------------------------------------------------------------------------- our own side

    def database(self) -> Finding:
        database = self._opened.database  # opening runs migrations, or refuses with the reason
        started = time.perf_counter()
        version = database.scalar("select current_setting('server_version')")
        latency = (time.perf_counter() - started) * 1000
        kind = "DATABASE_URL" if self._settings.database_url else "embedded"
        slow = latency > SLOW_DATABASE_MS
        return Finding(
            "database", "degraded" if slow else "ok", f"PostgreSQL {version}, {kind}, schema up to date", latency,
            "every stage is slower" if slow else "", "move the database closer, or look for long statements" if slow else "",
        )  # fmt: skip

    def redis(self) -> Finding:
        cache = self._opened.cache
        affects, _ = self.stakes["redis"]
        if not cache.enabled:
            why = "set REDIS_URL, or install redis-server (Python 3.13 has no embedded one)"
            return Finding("redis", "off", "no Redis: the cache is off", affects=affects, advice=why)
        latency = cache.ping()
        if latency is None:
            return Finding("redis", "down", "does not answer", affects=affects, advice=self.advice("redis"))
        kind = "REDIS_URL" if self._settings.redis_url else "embedded"
        rates = ", ".join(
            f"{row.kind} {row.hit_rate:.0%} of {row.hits + row.misses + row.errors:,}"
            + (f" ({row.errors:,} unreadable)" if row.errors else "")
            for row in cache.statistics().itertuples()
        )
        return Finding("redis", "ok", f"{kind}; hits: {rates or 'nothing asked yet'}", latency)

    def positions(self) -> Finding:
        """What is held by our books, as last recorded: shown, not judged (synchronising is the desk's work)."""
        from catalyst_assets.storage.trades import TradeRepository

        held = TradeRepository(self._opened.database).positions(LIVE)
        each = ", ".join(f"{row.symbol} {row.direction} {row.qty:.0f}" for row in held.itertuples())
        return Finding("positions", "ok", f"{len(held)} open: {each}" if each else "none open")

    def disk(self) -> Finding:
        folder = self._settings.home.absolute()
        while not folder.exists():
            folder = folder.parent
        free = shutil.disk_usage(folder).free / 2**30
        state: State = "down" if free < DISK_FULL_GIB else "degraded" if free < DISK_LOW_GIB else "ok"
        affects, _ = self.stakes["disk"]
        return Finding(
            "disk", state, f"{free:.1f} GiB free at {folder}", affects="" if state == "ok" else affects,
            advice="" if state == "ok" else "free some space, or move CATALYST_HOME", unsafe=state == "down",
        )  # fmt: skip

    def dagster(self) -> list[Finding]:
        from catalyst_assets.orchestration.instance import open_instance

        started = time.perf_counter()
        with open_instance(self._settings) as instance:
            runs = instance.get_runs_count()
            latency = (time.perf_counter() - started) * 1000
            beats = instance.get_daemon_heartbeats()
        storage = Finding("dagster storage", "ok", f"{runs:,} runs recorded", latency)
        youngest = max((beat.timestamp for beat in beats.values()), default=0.0)
        age = time.time() - youngest
        if beats and age < HEARTBEAT_SECONDS:
            return [storage, Finding("dagster daemon", "ok", f"heartbeat {max(age, 0):.0f} s ago")]
        held = int(
            self._opened.database.scalar("select count(*) from positions where scenario = :live", {"live": LIVE}) or 0
        )
        since = f"last heartbeat {age / 60:.0f} minutes ago" if beats else "never ran here"
        message = f"not running, {since}" + (f", {held} positions are open" if held else "")
        daemon = Finding(
            "dagster daemon", "down" if held else "off", message,
            affects="open positions are not watched (their exits rest at the broker)" if held else "no cycle is started",
            advice="start it: catalyst dev, or dagster-daemon run", unsafe=held > 0,
        )  # fmt: skip
        return [storage, daemon]

    # ------------------------------------------------------------------------------------------------------- the market

    def broker(self) -> Finding:
        broker = self._opened.broker
        started = time.perf_counter()
        account = broker.account()
        latency = (time.perf_counter() - started) * 1000
        kind = "paper" if account.is_paper else "REAL MONEY"
        message = f"{broker.name}, {kind}, account {account.account_id[-4:]} {account.status.lower()}, equity {account.equity:,.2f} USD"
        if account.trading_blocked or account.status.upper() != "ACTIVE":
            affects, _ = self.stakes["broker"]
            return Finding(
                "broker", "down", f"{message}, trading is blocked", latency, affects, "ask the broker why", True
            )
        if not account.is_paper and account.account_id != self._settings.live_account_id:
            advice = "set CATALYST_LIVE_ACCOUNT to the id of the account that may trade, or ALPACA_PAPER=true"
            return Finding(
                "broker",
                "down",
                f"{message}: not the account of CATALYST_LIVE_ACCOUNT",
                latency,
                "no orders",
                advice,
                True,
            )
        return Finding("broker", "ok", message, latency)

    def clock(self) -> Finding:
        before = self._opened.clock.now()
        started = time.perf_counter()
        theirs = self._opened.broker.clock().now
        travel = time.perf_counter() - started
        after = self._opened.clock.now()
        skew = max((before - theirs).total_seconds(), (theirs - after).total_seconds(), 0.0)
        state: State = "down" if skew > SKEW_UNSAFE_SECONDS else "degraded" if skew > SKEW_NOTICED_SECONDS else "ok"
        affects, _ = self.stakes["clock"]
        return Finding(
            "clock", state, f"{skew:.1f} s apart from the broker's", travel * 1000, "" if state == "ok" else affects,
            "" if state == "ok" else "synchronise this machine's clock (chrony, systemd-timesyncd)", state == "down",
        )  # fmt: skip

    def calendar(self) -> Finding:
        ours = TradingCalendar()
        today = self._opened.clock.now().date()
        until = today + timedelta(days=14)
        started = time.perf_counter()
        theirs = {day: (start, end) for day, start, end in self._opened.broker.calendar(today, until)}
        latency = (time.perf_counter() - started) * 1000
        differences = sorted(set(theirs) ^ set(ours.sessions(today, until)))
        for day, (start, end) in theirs.items():
            if day not in differences and not _same_hours(ours, day, start, end):
                differences.append(day)
        if differences:
            affects, _ = self.stakes["calendar"]
            days = ", ".join(map(str, differences[:4]))
            advice = "update the package exchange_calendars; trade nothing on these days until they agree"
            return Finding("calendar", "down", f"differs from the broker's on {days}", latency, affects, advice, True)
        return Finding("calendar", "ok", f"agrees with the broker's for {len(theirs)} sessions", latency)

    def market_data(self) -> Finding:
        started = time.perf_counter()
        market = self._opened.market_data
        active = market.most_active(1)
        latency = (time.perf_counter() - started) * 1000
        if active.empty:
            affects, _ = self.stakes["market data"]
            return Finding(
                "market data", "degraded", f"feed {market.feed} answers, but with no active symbols", latency, affects
            )
        return Finding("market data", "ok", f"feed {market.feed}", latency)

    def news(self) -> list[Finding]:
        sources = self._opened.news_sources
        if not sources:
            affects, _ = self.stakes["news"]
            return [
                Finding(
                    "news",
                    "off",
                    "no source is configured",
                    affects=affects,
                    advice="set a vendor key, see .env.example",
                )
            ]
        now = self._opened.clock.now()
        findings = [self._source(source, now) for source in sources]
        if not any(
            finding.state in ("ok", "degraded") and source.live
            for finding, source in zip(findings, sources, strict=True)
        ):
            affects = "nothing new can be traded: no source fast enough to trade on answers"
            findings.append(
                Finding("news", "degraded", "no live source works", affects=affects, advice=self.advice("news"))
            )
        return [*findings, *self._absent()]

    def _absent(self) -> list[Finding]:
        """Vendors that are not connected, and what to set."""
        absent = self._opened.vendors.absent
        return [
            Finding(f"vendor {name}", "off", "not configured", affects=f"nothing is asked of {name}", advice=advice)
            for name, advice in sorted(absent.items())
        ]

    def _source(self, source: NewsSource, now: datetime) -> Finding:
        name = f"news {source.name}"
        research = "" if source.live else f", {source.delay.total_seconds() / 3600:.0f} h late: research only"
        if source.name in SMALL_BUDGETS and not (self._settings.uses_simulator or self._probe_all):
            return self._remembered(source.name, name, research)
        started = time.perf_counter()
        batch = source.fetch(now - timedelta(minutes=15) - source.delay, now, ["AAPL"])
        latency = (time.perf_counter() - started) * 1000
        if batch.error:
            advice = self.advice("news") or "check its key and plan; the other sources carry on"
            return Finding(name, "down", batch.error, latency, f"no articles of {source.name}", advice)
        return Finding(name, "ok", f"{len(batch.articles)} articles{research}", latency)

    def _remembered(self, service: str, name: str, research: str) -> Finding:
        """What the last collection found, for sources whose requests are too few to spend on a check."""
        known = OperationsRepository(self._opened.database).service_health()
        health = known[known["service"] == f"news.{service}"]
        if health.empty:
            return Finding(name, "ok", f"configured, not asked yet (--probe-all asks){research}")
        row = health.iloc[0]
        state: State = row["state"]
        message = f"{row['message'] or 'answered'} at {row['checked_at']:%Y-%m-%d %H:%M} UTC{research}"
        return Finding(name, state, message, affects="" if state == "ok" else f"no articles of {service}")


def _same_hours(calendar: TradingCalendar, day: Any, start: datetime, end: datetime) -> bool:
    hours = calendar.hours(day)
    return bool(hours.open == start and hours.close == end)


_COLOURS = {"ok": "green", "degraded": "yellow", "down": "red", "off": "dim"}


def show(report: DoctorReport, console: Console) -> None:
    """Print the report, one dependency a line with its consequence and remedy under it, and a verdict.

    What several of them say alike is said once, at the last of them that says it."""
    console.print(f"[bold]Catalyst on the market: {report.market}[/]")
    table = Table.grid(padding=(0, 2))
    for name in ("state", "what", "ms", "found"):
        table.add_column(name, no_wrap=name != "found", justify="right" if name == "ms" else "left")
    findings = report.findings
    for at, finding in enumerate(findings):
        following = findings[at + 1 :]
        latency = "" if finding.latency_ms is None else f"{finding.latency_ms:.0f} ms"
        repeated = any(other.message == finding.message for other in following)
        found = Text("as below" if repeated else finding.message)
        if finding.affects:
            found.append(f"\nbecause of it: {finding.affects}", style="yellow")
        if finding.advice and not any(other.advice == finding.advice for other in following):
            found.append(f"\nwhat to do: {finding.advice}", style="cyan")
        table.add_row(Text(finding.state, style=_COLOURS[finding.state]), finding.name, latency, found)
    console.print(Padding(table, (0, 0, 1, 1)))
    if report.safe:
        console.print("[green]nothing found that makes trading unsafe[/]")
    else:
        causes = ", ".join(finding.name for finding in report.findings if finding.unsafe)
        console.print(f"[red]trading would be unsafe: {causes}[/]")
