"""The ``catalyst`` command: thin, each command calls one function below.

Belongs here: options, tables on the terminal, one clear sentence for an expected error. Does not belong here: any work. Imports are made
inside the commands, so that ``catalyst --help`` answers at once.
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from catalyst_assets.commands import safety
from catalyst_assets.commands.person import who
from catalyst_assets.settings import Settings, load_settings, mask_url, unknown_variables

if TYPE_CHECKING:
    from catalyst_assets.storage.database import Database
    from catalyst_assets.storage.imports import ImportReport, Progress

app = typer.Typer(
    name="catalyst",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="News-driven day trading: articles in, explained orders out.",
)
config_app = typer.Typer(help="Settings and the numbers of the decision core: shown, changed, with their history.")
services_app = typer.Typer(no_args_is_help=True, help="The embedded PostgreSQL and Redis.")
database_app = typer.Typer(no_args_is_help=True, help="The database's schema.")
import_app = typer.Typer(no_args_is_help=True, help="Recorded bars and articles from CSV or Parquet files.")
app.add_typer(config_app, name="config")
app.add_typer(services_app, name="services")
app.add_typer(database_app, name="database")
app.add_typer(import_app, name="import")
for command in (safety.halt, safety.flatten, safety.resume, safety.reconcile):
    app.command()(command)

out = Console()
_state = {"debug": False}

Why = Annotated[str, typer.Option("--why", help="the reason; kept in the history")]
Session = Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="trading day")]


@app.callback()
def _options(debug: Annotated[bool, typer.Option("--debug", help="show the traceback of an error")] = False) -> None:
    _state["debug"] = debug


def _settings() -> Settings:
    """The settings, with logging set up by them and a warning for variables nobody reads."""
    from catalyst_assets.logs import configure_logging
    from catalyst_assets.vendors.transport import Redactor

    settings = load_settings()
    configure_logging(settings.log_level, Redactor(settings.secrets()))
    for sentence in unknown_variables():
        typer.echo(f"warning: {sentence}", err=True)
    return settings


def _database(settings: Settings) -> Database:
    from catalyst_assets.storage.database import open_database

    return open_database(settings, application_name="catalyst-cli")


# ------------------------------------------------------------------------------------------------------------------ config


@config_app.callback(invoke_without_command=True)
def config(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="as JSON")] = False,
    database: Annotated[bool, typer.Option(help="also the numbers of the decision core, from the database")] = True,
) -> None:
    """Every setting, its value, where it came from; secrets masked."""
    if context.invoked_subcommand:
        return
    from catalyst_assets.storage.configuration import ConfigurationRepository

    settings = _settings()
    rows = settings.rows()
    numbers = None
    if database:
        opened = _database(settings)
        numbers = ConfigurationRepository(opened).rows()
        opened.close()
    if as_json:
        shown = [{"name": row.name, "env": row.env, "value": row.value, "origin": row.origin} for row in rows]
        keys = [] if numbers is None else numbers.to_dict("records")
        out.print_json(json.dumps({"settings": shown, "configuration": keys}, default=str))
        return
    table = _table(
        "Settings (environment, else .env, else default)", "environment variable", "value", "origin", "meaning"
    )
    for row in rows:
        table.add_row(row.env, row.value, _origin(row.origin), row.description)
    out.print(table)
    if numbers is not None:
        table = _table(
            "Decision core (change with: catalyst config set KEY VALUE --why …)", "key", "value", "default", "origin"
        )
        for number in numbers.itertuples():
            value = json.dumps(number.value)
            table.add_row(
                str(number.key),
                value,
                "" if number.origin == "default" else json.dumps(number.default),
                _origin(str(number.origin)),
            )
        out.print(table)


@config_app.command("set")
def config_set(key: str, value: str, why: Why) -> None:
    """Change one number of the decision core, validated and recorded with who and why."""
    from catalyst_assets.storage.configuration import ConfigurationRepository

    try:
        parsed: Any = json.loads(value)
    except ValueError:
        parsed = value  # a plain word is a text
    database = _database(_settings())
    stored = ConfigurationRepository(database).set(key, parsed, who=who(), why=why)
    database.close()
    out.print(f"{key} is now {json.dumps(stored)}")


@config_app.command("reset")
def config_reset(key: str, why: Why) -> None:
    """Go back to the default."""
    from catalyst_assets.storage.configuration import ConfigurationRepository

    database = _database(_settings())
    changed = ConfigurationRepository(database).reset(key, who=who(), why=why)
    database.close()
    out.print(f"{key} is back at its default" if changed else f"{key} was at its default already")


@config_app.command("history")
def config_history(key: Annotated[str | None, typer.Argument()] = None) -> None:
    """Who changed what when, newest first."""
    from catalyst_assets.storage.configuration import ConfigurationRepository

    database = _database(_settings())
    frame = ConfigurationRepository(database).history(key)
    database.close()
    table = _table("Changes", "when (UTC)", "key", "from", "to", "who", "why")
    for row in frame.itertuples():
        table.add_row(f"{row.changed_at:%Y-%m-%d %H:%M:%S}", str(row.key), json.dumps(row.old_value), json.dumps(row.new_value),
                      str(row.changed_by), str(row.reason))  # fmt: skip
    out.print(table)


# ---------------------------------------------------------------------------------------------------------------- services


@services_app.command("start")
def services_start() -> None:
    """Start the embedded PostgreSQL and Redis (commands do it themselves when they need them)."""
    from catalyst_assets.storage.embedded import EmbeddedServices

    settings = _settings()
    if settings.database_url:
        out.print(f"DATABASE_URL is set ({mask_url(settings.database_url)}): nothing embedded is started")
        return
    EmbeddedServices(settings.home, settings.database_name).ensure()
    services_status()


@services_app.command("status")
def services_status(as_json: Annotated[bool, typer.Option("--json", help="as JSON")] = False) -> None:
    """Which embedded services run, and where."""
    from catalyst_assets.storage.embedded import EmbeddedServices

    settings = load_settings()
    states = EmbeddedServices(settings.home, settings.database_name).status()
    if as_json:
        out.print_json(json.dumps([{"name": s.name, "state": s.state, "pid": s.pid, "port": s.port} for s in states]))
        return
    table = _table(f"Embedded services in {settings.home}", "service", "state", "pid", "port")
    for state in states:
        table.add_row(state.name, state.state, str(state.pid or ""), str(state.port or ""))
    out.print(table)
    for name, url in (("DATABASE_URL", settings.database_url), ("REDIS_URL", settings.redis_url)):
        if url:
            out.print(f"{name} is set and used instead: {mask_url(url)}")


@services_app.command("stop")
def services_stop() -> None:
    """Stop the embedded services; their data stays."""
    from catalyst_assets.storage.embedded import EmbeddedServices

    settings = load_settings()
    stopped = EmbeddedServices(settings.home, settings.database_name).stop()
    out.print(f"stopped: {', '.join(stopped)}" if stopped else "nothing was running")


# ---------------------------------------------------------------------------------------------------------------- database


@database_app.command("migrate")
def database_migrate() -> None:
    """Bring the database up to date (other commands do it when they open it)."""
    from catalyst_assets.storage.database import open_database

    database = open_database(_settings(), application_name="catalyst-cli", migrate=False)
    ran = database.migrate()
    database.close()
    out.print(f"ran {', '.join(ran)}" if ran else "the database is up to date")


@database_app.command("status")
def database_status() -> None:
    """Which migrations have run and how large the tables are."""
    from catalyst_assets.storage.database import open_database

    database = open_database(_settings(), application_name="catalyst-cli", migrate=False)
    pending = database.pending_migrations()
    out.print(f"{database.engine.url.render_as_string(hide_password=True)}")
    out.print(f"to run: {', '.join(pending)}" if pending else "up to date")
    sizes = database.read(
        "select relname as name, n_live_tup as rows, pg_total_relation_size(relid) / 1024 as kib from pg_stat_user_tables "
        "where n_live_tup > 0 order by 3 desc"
    )
    table = _table("Tables", "table", "rows (estimate)", "KiB")
    for row in sizes.itertuples():
        table.add_row(str(row.name), f"{row.rows:,}", f"{row.kib:,}")
    out.print(table)
    database.close()


# ------------------------------------------------------------------------------------------------------------------ doctor


@app.command()
def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="as JSON")] = False,
    probe_all: Annotated[bool, typer.Option(help="also ask the vendors whose daily request budget is small")] = False,
) -> None:
    """Every dependency: state, latency, what is degraded because of it, what to do. Exit code 1 when trading would be unsafe."""
    from catalyst_assets.orchestration.doctor import examine, show

    report = examine(_settings(), probe_all=probe_all)
    if as_json:
        out.print_json(json.dumps(report.as_json()))
    else:
        show(report, out)
    raise typer.Exit(0 if report.safe else 1)


# ------------------------------------------------------------------------------------------------------------------ import


@import_app.command("bars")
def import_bars_command(
    file: Path,
    timeframe: Annotated[str, typer.Option(help="1min, 5min, 15min, 60min or 1day")],
    feed: Annotated[
        str, typer.Option(help="feed the bars are kept under; volumes of different feeds never meet")
    ] = "recorded",
    stamps: Annotated[str, typer.Option(help="start or end: which end of a bar its time marks")] = "start",
) -> None:
    """Import bars (columns symbol, ts_utc, open, high, low, close, volume[, vwap, transactions]); twice changes nothing."""
    from catalyst_assets.storage.bars import BarStore
    from catalyst_assets.storage.imports import import_bars

    if stamps not in ("start", "end"):
        raise typer.BadParameter(f"{stamps!r}; allowed: start, end", param_hint="--stamps")
    settings = _settings()
    database = _database(settings)
    with _Bar(file.name) as progress:
        report = import_bars(
            file, timeframe, bars=BarStore(settings.bars_root, feed), database=database, seen_at=datetime.now(UTC),
            stamps="end" if stamps == "end" else "start", progress=progress,
        )  # fmt: skip
    database.close()
    _show_import(report)


@import_app.command("news")
def import_news_command(file: Path) -> None:
    """Import articles (columns ts_utc, tickers, headline, summary, source, vendor, url, vendor_id); twice changes nothing."""
    from catalyst_assets.storage.configuration import ConfigurationRepository
    from catalyst_assets.storage.imports import import_news

    settings = _settings()
    database = _database(settings)
    news = ConfigurationRepository(database).load().news
    minutes = {
        "alpaca": settings.alpaca_delay_minutes, "finnhub": settings.finnhub_delay_minutes, "newsapi": settings.newsapi_delay_minutes,
        "alpha_vantage": settings.alpha_vantage_delay_minutes, "import": settings.import_delay_minutes,
    }  # fmt: skip
    with _Bar(file.name) as progress:
        report = import_news(
            file,
            database=database,
            delays={name: timedelta(minutes=delay) for name, delay in minutes.items()},
            live_sources={name for name, delay in minutes.items() if delay <= news.max_useful_delay_minutes},
            seen_at=datetime.now(UTC),
            config=news,
            progress=progress,
        )
    database.close()
    _show_import(report)


# --------------------------------------------------------------------------------------------------------- running things


@app.command()
def simulate(
    seed: Annotated[int, typer.Option(help="the same seed is the same market")] = 7,
    session: Session = None,
    start: Annotated[
        str | None, typer.Option(help="when the clock begins: HH:MM New York or an ISO instant; 04:00 when not given")
    ] = None,
    speed: Annotated[float, typer.Option(help="simulated seconds per second; 0 stands still")] = 1.0,
    symbols: Annotated[int, typer.Option(help="common stocks in the market")] = 80,
    plan: Annotated[
        str, typer.Option(help="Alpaca data plan: free (IEX, SIP after 15 minutes) or plus (SIP at once)")
    ] = "free",
    host: Annotated[str, typer.Option(help="address to listen on")] = "127.0.0.1",
    port: Annotated[int | None, typer.Option(help="port; that of CATALYST_SIMULATOR_URL when not given")] = None,
    scenario: Annotated[
        str | None, typer.Option(help="faults to play: a TOML or JSON file, or a shipped scenario's name")
    ] = None,
    with_truth: Annotated[bool, typer.Option("--with-truth", help="serve the planted truth too; for tests")] = False,
) -> None:
    """Run the market in a box, the vendors' HTTP interfaces over a simulated market, until Ctrl-C."""
    from urllib.parse import urlsplit

    from catalyst_assets.simulator.server import serve

    listening = port or urlsplit(_settings().simulator_url).port or 8900
    try:
        serve(
            seed=seed,
            session=_day(session),
            start=start,
            speed=speed,
            symbols=symbols,
            plan=plan,
            host=host,
            port=listening,
            scenario=scenario,
            with_truth=with_truth,
        )
    except OSError as error:
        typer.echo(
            f"error: cannot listen on {host}:{listening}: {error.strerror}; another simulator may run there", err=True
        )
        raise typer.Exit(1) from None
    except ValueError as error:  # an option the market cannot be made from
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from None


@app.command()
def demo(
    seed: Annotated[int, typer.Option(help="the same seed gives the same trades")] = 7,
    session: Session = None,
    symbols: Annotated[int, typer.Option(help="common stocks in the market")] = 80,
) -> None:
    """Play a whole simulated market day through the Dagster job and tell what happened."""
    from catalyst_assets.definitions import build_definitions
    from catalyst_assets.orchestration.demo import run_demo

    raise typer.Exit(run_demo(_settings(), build_definitions, seed=seed, session=_day(session), symbols=symbols) or 0)


@app.command()
def dev(
    seed: Annotated[int, typer.Option(help="seed of the simulated market")] = 7,
    speed: Annotated[float, typer.Option(help="simulated seconds per second")] = 4.0,
) -> None:
    """Embedded services, simulator and the Dagster UI on 127.0.0.1, until Ctrl-C."""
    from catalyst_assets.orchestration.dev import run_dev

    raise typer.Exit(run_dev(_settings(), seed=seed, speed=speed) or 0)


@app.command()
def replay(
    session: Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="recorded trading day to run")],
    name: Annotated[str | None, typer.Option(help="scenario; replay:<session> when not given")] = None,
) -> None:
    """Run a recorded day (see: catalyst import) through the same assets with the in-process exchange."""
    from catalyst_assets.definitions import build_definitions
    from catalyst_assets.orchestration.replay import run_replay

    raise typer.Exit(run_replay(_settings(), build_definitions, session=session.date(), scenario=name) or 0)


@app.command()
def report(
    session: Session = None,
    scenario: Annotated[str, typer.Option(help="live, or the name of a replay")] = "live",
    picture: Annotated[Path | None, typer.Option(help="also draw it as a PNG")] = None,
) -> None:
    """What happened on a day: articles, funnel, candidates, signals, trades, learning, timings; from stored rows alone."""
    from catalyst_assets.reporting.console import show
    from catalyst_assets.reporting.day import gather, latest_session
    from catalyst_assets.reporting.picture import draw

    database = _database(_settings())
    day = _day(session) or latest_session(database, scenario)
    if day is None:
        typer.echo(f"error: nothing is stored for scenario {scenario!r} yet; try: catalyst demo", err=True)
        raise typer.Exit(1)
    gathered = gather(database, day, scenario)
    show(gathered, out, picture=str(draw(gathered, picture)) if picture else None)


@app.command()
def ui(
    port: Annotated[int | None, typer.Option(help="port on 127.0.0.1")] = None,
    read_only: Annotated[bool, typer.Option("--read-only", help="nothing can be changed from it")] = False,
) -> None:
    """The Dagster web UI alone, on what is stored."""
    from catalyst_assets.orchestration.ui import run_ui

    run_ui(_settings(), port=port, read_only=read_only)


@app.command()
def env(
    write: Annotated[bool, typer.Option("--write", help="put DAGSTER_HOME into .env of this folder")] = False,
) -> None:
    """The variables the standard ``dagster`` commands need here."""
    from catalyst_assets.orchestration.instance import standard_variables, write_dotenv

    settings = _settings()
    if write:
        out.print(f"written: {write_dotenv(settings)}")
        return
    for key, value in standard_variables(settings).items():
        typer.echo(f"export {key}={value}")


# ----------------------------------------------------------------------------------------------------------------- details


class _Bar:
    """A progress bar as a context: yields the function imports call with 0…1."""

    def __init__(self, title: str) -> None:
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        self._progress = Progress(
            TextColumn(title), BarColumn(), TextColumn("{task.percentage:>3.0f}%"), TimeElapsedColumn(), console=out
        )

    def __enter__(self) -> Progress:
        self._progress.start()
        task = self._progress.add_task("", total=1.0)

        def moved(share: float) -> None:
            self._progress.update(task, completed=share)

        return moved

    def __exit__(self, *_: object) -> None:
        self._progress.stop()


def _show_import(report: ImportReport) -> None:
    refused = sum(report.refused.values())
    period = f", {report.first} to {report.last}" if report.first else ""
    out.print(
        f"{report.path.name}: {report.read:,} rows read, {report.stored:,} stored, {report.unchanged:,} unchanged, {refused:,} refused; "
        f"{len(report.symbols)} symbols{period}"
    )
    if refused:
        table = _table("Refused (kept in import_quarantine)", "reason", "rows", "first lines")
        for reason, count in report.refused.most_common():
            table.add_row(reason, f"{count:,}", ", ".join(str(line) for line, why in report.examples if why == reason))
        out.print(table)


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _origin(origin: str) -> str:
    return origin if origin == "default" else f"[bold]{origin}[/]"


def _day(given: datetime | None) -> date | None:
    return given.date() if given else None


EXPECTED_ERRORS = (
    ("settings", "SettingsError"),
    ("ports", "MarketDataUnavailable", "BrokerError"),
    ("trading.calendar", "NotASession"),
    ("storage.bars", "BarFileError"),
    ("storage.configuration", "ConfigurationError"),
    ("storage.database", "DatabaseUnavailable"),
    ("storage.embedded_postgres", "EmbeddedUnavailable"),
    ("storage.import_source", "ImportFileError"),
    ("storage.migrations", "MigrationError"),
    ("orchestration.connections", "ClockUnavailable"),
    ("orchestration.demo", "DemoFailed"),
    ("orchestration.sandbox", "SandboxFailed"),
    ("vendors.alpaca_broker", "LiveTradingRefused"),
    ("orchestration.dev", "DevFailed"),
    ("orchestration.replay", "ReplayFailed"),
)
"""Errors whose message is a sentence for the user: module below catalyst_assets, class names."""


def expected_errors() -> tuple[type[Exception], ...]:
    """The classes of EXPECTED_ERRORS, of modules that are loaded: no other can be on its way."""
    loaded = [(sys.modules.get(f"catalyst_assets.{module}"), names) for module, *names in EXPECTED_ERRORS]
    return tuple(getattr(module, name) for module, names in loaded if module for name in names if hasattr(module, name))


def main() -> None:
    """The entry point: an expected error is one sentence on stderr and exit code 1, a traceback only with ``--debug``."""
    try:
        app()
    except SystemExit:
        raise
    except expected_errors() as error:
        if _state["debug"]:
            raise
        for line in str(error).splitlines():
            typer.echo(f"error: {line.strip()}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
