"""The command line: `paycenter …`, the same as `python -m cli …`.

Every command ends through `leave`, so that its exit status is right whatever libraries left
running. What a command needs is imported inside it: most need little of all there is.
"""

import asyncio
import logging
import os
import subprocess
import sys
import traceback
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from devstack.accounts_command import accounts, apps, keys, merchants
from devstack.books_command import books
from devstack.check_command import check
from devstack.discrepancies_command import discrepancies
from devstack.operators_command import operators
from devstack.payments_command import payments
from devstack.queues_command import callbacks, queues
from devstack.reconcile_command import reconcile
from devstack.reports_command import reports
from devstack.schedules_command import schedules
from models.errors import ProcessorError
from models.merchant import Role
from settings import SettingsError, load_settings

_WRONG_SETTINGS = 2
_INTERRUPTED = 130
_SERVER_GRACE_SECONDS = 10

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Paycenter: one durable service between business apps and every third party that moves "
    "money.",
    epilog="Ends with 0 when all is well, 1 when something was found wrong, refused or not there, "
    "2 when the command or the settings are wrong. With --json standard output is JSON alone.",
)
settings_commands = typer.Typer(no_args_is_help=True, help="The environment of this process.")
app.add_typer(apps, name="apps")
app.add_typer(merchants, name="merchants")
app.add_typer(accounts, name="accounts")
app.add_typer(keys, name="keys")
app.add_typer(payments, name="payments")
app.add_typer(settings_commands, name="settings")
app.add_typer(books, name="books")
app.add_typer(schedules, name="schedules")
app.add_typer(discrepancies, name="discrepancies")
app.add_typer(operators, name="operators")
app.add_typer(callbacks, name="callbacks")
app.command("queues")(queues)
app.command("check")(check)
app.command("reconcile")(reconcile)
app.add_typer(reports, name="reports")

DataFolder = Annotated[
    Path, typer.Option("--data", help="Folder that keeps databases, ports, secrets and logs.")
]
_DATA = Path(".data")


# -- the stack on one machine -------------------------------------------------------------------


@app.command()
def up(
    data: DataFolder = _DATA,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Worker processes.")] = 1,
    port: Annotated[
        list[str] | None, typer.Option(help="A fixed port, as api=8000 or temporal_ui=8233.")
    ] = None,
) -> None:
    """Start the whole stack and keep it running until Ctrl-C.

    PAYCENTER_DATABASE_URL and PAYCENTER_TEMPORAL_ADDRESS, when set, name servers to use instead of
    the embedded ones; all other settings are handed on to API and workers.
    """
    from devstack.foreground import run_until_interrupted

    raise typer.Exit(run_until_interrupted(data, workers=workers, ports=_ports(port or [])))


@app.command()
def demo(
    data: DataFolder = _DATA / "demo",
    keep: Annotated[
        bool, typer.Option("--keep", envvar="KEEP", help="Leave the stack running afterwards.")
    ] = False,
) -> None:
    """Run the main job on a stack of its own and show what happened; 0 only if all is right."""
    from devstack.demo import run_demo

    raise typer.Exit(run_demo(data, keep=keep))


# -- the processes of a real run ----------------------------------------------------------------


@app.command()
def api() -> None:
    """Serve the API."""
    import uvicorn

    settings = load_settings()
    uvicorn.run(
        "api.app:create_app",
        factory=True,
        host=settings.api_host,
        port=settings.api_port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=_SERVER_GRACE_SECONDS,
    )


@app.command()
def worker() -> None:
    """Run workflows and activities."""
    import worker as worker_process

    raise typer.Exit(worker_process.main())


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def sandbox(context: typer.Context) -> None:
    """Serve the channels' sandbox; its options are those of `python -m sandbox --help`."""
    command = [sys.executable, "-m", "sandbox", *context.args]
    raise typer.Exit(subprocess.run(command, check=False).returncode)  # noqa: S603


@app.command()
def migrate(
    database: Annotated[bool, typer.Option(help="Bring the tables up to date.")] = True,
    temporal: Annotated[bool, typer.Option(help="Register search attributes.")] = True,
) -> None:
    """Prepare PostgreSQL and Temporal for this version of the code. Harmless twice."""
    settings = load_settings()
    if database:
        from sqlalchemy.exc import OperationalError

        from storage.migrate import upgrade

        url = settings.owner_database_url or settings.database_url
        try:
            upgrade(url.get_secret_value())
        except OperationalError as error:
            _give_up(f"{error.orig}: look at PAYCENTER_OWNER_DATABASE_URL")
        typer.echo("the database is up to date")
    if temporal:
        from devstack.reach import register_search_attributes

        try:
            asyncio.run(register_search_attributes(settings))
        except RuntimeError as error:
            _give_up(f"{error}: look at PAYCENTER_TEMPORAL_ADDRESS")
        typer.echo("search attributes are registered")


@keys.command("create")
def create_key(
    role: Annotated[Role, typer.Option(help="What the key may do.")],
    app_id: Annotated[str, typer.Option("--app", help="The app, for the role app.")] = "",
    name: Annotated[str, typer.Option(help="Whose key it is, for the list of keys.")] = "",
) -> None:
    """Make an API key and show it, once."""
    if (role is Role.APP) != bool(app_id):
        raise typer.BadParameter(
            "give --app for the role app, and for no other", param_hint="--app"
        )
    from devstack.database_setup import make_key

    url = load_settings().database_url.get_secret_value()
    text = asyncio.run(make_key(url, role=role, app_id=app_id or None, name=name))
    typer.echo(text)


@settings_commands.command("check")
def check_settings(
    connect: Annotated[
        bool, typer.Option("--connect", help="Also connect to PostgreSQL and Temporal.")
    ] = False,
) -> None:
    """Say whether the environment is usable, and what to set if not."""
    settings = load_settings()
    if connect:
        from devstack.reach import unreachable

        problems = asyncio.run(unreachable(settings))
        for problem in problems:
            typer.echo(problem, err=True)
        if problems:
            raise typer.Exit(1)
    typer.echo("settings are usable" + (", PostgreSQL and Temporal answer" if connect else ""))


@app.command()
def version() -> None:
    """Print the version."""
    import tomllib

    project = tomllib.loads((Path(__file__).parent / "pyproject.toml").read_text())["project"]
    typer.echo(project["version"])


def _give_up(advice: str) -> NoReturn:
    typer.echo(advice, err=True)
    raise typer.Exit(1)


def _ports(wishes: list[str]) -> dict[str, int]:
    ports: dict[str, int] = {}
    for wish in wishes:
        name, _, number = wish.partition("=")
        if not number.isdecimal():
            raise typer.BadParameter(f"write a port as api=8000, not {wish!r}", param_hint="--port")
        ports[name] = int(number)
    return ports


# -- in and out ---------------------------------------------------------------------------------


def main() -> NoReturn:
    leave(_status())


def leave(status: int) -> NoReturn:
    """End this process at once with `status`, everything written.

    Threads of the Temporal client can abort a process while the interpreter shuts down (a race
    that CPython 3.14 mended), which would turn a success into signal 6 or 11. So we do not let it
    shut down.
    """
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            continue  # whoever read it is gone
    os._exit(status)


def _status() -> int:
    try:
        app(prog_name="paycenter")
    except SettingsError as advice:
        typer.echo(str(advice), err=True)
        return _WRONG_SETTINGS
    except ProcessorError as refusal:
        typer.echo(str(refusal), err=True)
        return 1
    except KeyboardInterrupt:
        return _INTERRUPTED
    except SystemExit as ending:
        return ending.code if isinstance(ending.code, int) else int(ending.code is not None)
    except Exception:  # the last frame: whatever it is, show it and fail
        traceback.print_exc()
        return 1
    return 0


if __name__ == "__main__":
    main()
