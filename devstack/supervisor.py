"""The whole stack on one machine: started in order, watched, stopped in reverse order.

    with Stack(Path(".data")) as stack:
        httpx.get(f"{stack.api_url}/readyz")

All it knows is kept in the data folder: databases, ports, secrets, logs. A start after kill -9 of
everything finds the same data again.
"""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from devstack.children import ChildProcess, Component, Interrupted
from devstack.database_setup import prepare_database
from devstack.external import register_search_attributes
from devstack.leftovers import FolderLock, ProcessRecords
from devstack.plan import NAMESPACE, External, StackPlan
from devstack.ports import choose_ports
from devstack.postgres_component import PostgresComponent
from devstack.secret_file import ADMIN_KEY, read_or_make_secrets
from devstack.state import StackState, read_state, write_state
from devstack.temporal_server import EmbeddedTemporal, TemporalPlan
from devstack.watcher import Watcher

_API_PORT = "PAYCENTER_API_PORT"


@dataclass(frozen=True)
class DatabaseUrls:
    """`owner` may change tables, `app` is what API and workers use."""

    owner: str
    app: str


def _silent(_: str) -> None:
    """Nobody wants to hear of it."""


class Stack:
    """One running stack. Not started until `up` (or `with`); every operation is harmless twice.

    `environment` holds settings of API and workers (names of settings.py with their prefix) that
    replace the stack's own. Operations take the name of a part: postgres, temporal, sandbox, api,
    worker-1, … or worker for all of them.
    """

    def __init__(
        self,
        data_directory: Path,
        *,
        workers: int = 1,
        environment: Mapping[str, str] | None = None,
        ports: Mapping[str, int] | None = None,
        external: External | None = None,
        announce: Callable[[str], None] = _silent,
    ) -> None:
        self.data_directory = data_directory.resolve()
        self._workers = workers
        self._environment = dict(environment or {})
        self._ports = dict(ports or {})
        self._external = external or External()
        self._announce_to = announce
        self._lock = threading.RLock()
        self._interrupted = threading.Event()
        self._hurry = threading.Event()
        self._folder_lock: FolderLock | None = None
        self._plan: StackPlan | None = None
        self._components: list[Component] = []
        self._postgres: PostgresComponent | None = None
        self._watcher: Watcher | None = None

    # -- the whole ------------------------------------------------------------------------------

    def up(self) -> None:
        """Start everything and wait until it works.

        Raises AlreadyRunning, PortTaken, StartFailed, PostgresFailed or Interrupted; whatever was
        started by then is stopped again.
        """
        self.data_directory.mkdir(parents=True, exist_ok=True)
        lock = FolderLock(self.data_directory)
        lock.acquire()
        self._folder_lock = lock
        try:
            self._up()
        except BaseException:
            self.down()
            raise

    def down(self) -> None:
        """Stop everything in reverse order. What does not end in time is killed."""
        if self._watcher is not None:
            self._watcher.end()
            self._watcher = None
        with self._lock, ExitStack() as steps:
            steps.callback(self._release_folder)
            # Each step is taken even if one before it fails.
            for component in self._components:
                steps.callback(self._end, component)
            self._components = []

    def interrupt(self) -> None:
        """Stop waiting (first call), stop being polite (second). For signal handlers."""
        if self._interrupted.is_set():
            self._hurry.set()
        self._interrupted.set()

    def wait_for_interrupt(self) -> None:
        self._interrupted.wait()

    def __enter__(self) -> Self:
        self.up()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.down()

    # -- parts ----------------------------------------------------------------------------------

    def kill(self, name: str) -> None:
        """SIGKILL to its process group. It comes back by itself unless `auto_restart` is off."""
        with self._lock:
            for component in self._named(name):
                component.kill()
                if not self.auto_restart:
                    self._watching.wanted.discard(component.name)

    def stop(self, name: str) -> None:
        """End it in order; it stays down until `start`."""
        with self._lock:
            for component in self._named(name):
                self._watching.wanted.discard(component.name)
                component.stop(self._hurry)

    def start(self, name: str) -> None:
        """Start it and wait until it works. Raises StartFailed with the end of its log."""
        for component in self._named(name):
            with self._lock:
                component.spawn()
                self._watching.wanted.add(component.name)
            component.wait_ready(self._interrupted)

    def restart(self, name: str) -> None:
        self.stop(name)
        self.start(name)

    def is_running(self, name: str) -> bool:
        return all(component.is_running for component in self._named(name))

    @property
    def auto_restart(self) -> bool:
        """Whether a part that ends by itself, or is killed, is started again."""
        return self._watching.enabled

    @auto_restart.setter
    def auto_restart(self, enabled: bool) -> None:
        self._watching.enabled = enabled

    @property
    def components(self) -> tuple[Component, ...]:
        """In the order they were started."""
        return tuple(self._components)

    # -- addresses ------------------------------------------------------------------------------

    @property
    def plan(self) -> StackPlan:
        if self._plan is None:
            raise RuntimeError("the stack was not started, so it has no addresses yet")
        return self._plan

    @property
    def api_url(self) -> str:
        return self.plan.url("api")

    @property
    def sandbox_url(self) -> str:
        return self.plan.url("sandbox")

    @property
    def temporal_address(self) -> str:
        return self.plan.temporal_address

    @property
    def temporal_ui_url(self) -> str:
        return self.plan.temporal_ui_url

    @property
    def temporal_namespace(self) -> str:
        return self._environment.get("PAYCENTER_TEMPORAL_NAMESPACE", NAMESPACE)

    @property
    def admin_key(self) -> str:
        return self.plan.secrets[ADMIN_KEY]

    @property
    def database_urls(self) -> DatabaseUrls:
        external = self._external
        if external.database_url:
            owner = external.owner_database_url or external.database_url
            return DatabaseUrls(owner=owner, app=external.database_url)
        if self._postgres is None:
            raise RuntimeError("the stack was not started, so it has no database yet")
        server = self._postgres.server
        return DatabaseUrls(owner=server.owner_url, app=server.app_url)

    @property
    def environment(self) -> dict[str, str]:
        """What API and workers run with, for a process that wants to be one of them."""
        return self.plan.application_environment(self.database_urls.app)

    # -- steps of up ----------------------------------------------------------------------------

    def _up(self) -> None:
        records = ProcessRecords(self.data_directory / "processes")
        for name in records.end_leftovers():
            self._announce(f"ended a {name} that an earlier stack had left behind")
        self._plan = self._make_plan()
        servers = self._servers(self._plan, records)
        for server in servers:
            self._spawn(server)
        urls = self.database_urls
        self._announce("bringing the database up to date")
        prepare_database(owner_url=urls.owner, app_url=urls.app, admin_key=self.admin_key)
        self._wait_for(servers)
        if self._external.temporal_address:
            register_search_attributes(self.environment)
        ours = self._our_processes(self._plan, records, urls.app)
        for process in ours:
            self._spawn(process)
        self._wait_for(ours)
        self._watcher = Watcher(self._components, self._lock, self._announce)
        self._watcher.wanted = {component.name for component in self._components}
        self._watcher.start()

    def _make_plan(self) -> StackPlan:
        wished = dict(self._ports)
        if self._environment.get(_API_PORT):
            wished.setdefault("api", int(self._environment[_API_PORT]))
        names = ["postgres", "temporal", "temporal_ui", "sandbox", "api", *self._worker_names()]
        remembered = read_state(self.data_directory).ports
        plan = StackPlan(
            data_directory=self.data_directory,
            ports=choose_ports(names, wished=wished, remembered=remembered),
            secrets=read_or_make_secrets(self.data_directory / "secrets.env"),
            overrides=self._environment,
            external=self._external,
        )
        self._remember(plan)
        return plan

    def _servers(self, plan: StackPlan, records: ProcessRecords) -> list[Component]:
        servers: list[Component] = []
        if not self._external.temporal_address:
            servers.append(EmbeddedTemporal(_temporal_plan(plan), records))
        servers.append(ChildProcess(plan.sandbox(), records))
        if not self._external.database_url:
            folder = self.data_directory / "postgres"
            self._postgres = PostgresComponent(folder, plan.ports["postgres"])
            servers.append(self._postgres)
        return servers

    def _our_processes(
        self, plan: StackPlan, records: ProcessRecords, database_url: str
    ) -> list[Component]:
        programs = [plan.api(database_url)]
        programs += [plan.worker(n, database_url) for n in range(1, self._workers + 1)]
        return [ChildProcess(program, records) for program in programs]

    def _end(self, component: Component) -> None:
        if component.is_running:
            self._announce(f"stopping {component.name}")
        component.stop(self._hurry)

    def _release_folder(self) -> None:
        if self._folder_lock is not None:
            self._folder_lock.release()
            self._folder_lock = None

    def _spawn(self, component: Component) -> None:
        if self._interrupted.is_set():
            raise Interrupted
        self._announce(f"starting {component.name}")
        self._components.append(component)
        component.spawn()

    def _wait_for(self, components: list[Component]) -> None:
        for component in components:
            component.wait_ready(self._interrupted)

    def _remember(self, plan: StackPlan) -> None:
        addresses = {
            "api": plan.url("api"),
            "sandbox": plan.url("sandbox"),
            "temporal": plan.temporal_address,
            "temporal_ui": plan.temporal_ui_url,
        }
        write_state(self.data_directory, StackState(ports=dict(plan.ports), addresses=addresses))

    # -- small things ---------------------------------------------------------------------------

    @property
    def _watching(self) -> Watcher:
        if self._watcher is None:
            raise RuntimeError("the stack is not running")
        return self._watcher

    def _worker_names(self) -> list[str]:
        return [f"worker-{number}" for number in range(1, self._workers + 1)]

    def _named(self, name: str) -> Iterator[Component]:
        found = [c for c in self._components if name in (c.name, c.name.partition("-")[0])]
        if not found:
            known = ", ".join(component.name for component in self._components)
            raise ValueError(f"no part of the stack is called {name!r}; there are {known}")
        return iter(found)

    def _announce(self, text: str) -> None:
        log = self.data_directory / "logs" / "supervisor.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("a") as file:
            file.write(f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())} {text}\n")
        with suppress(OSError):  # whoever listened is gone: a closed terminal stops nothing
            self._announce_to(text)


def _temporal_plan(plan: StackPlan) -> TemporalPlan:
    return TemporalPlan(
        data_directory=plan.data_directory / "temporal",
        port=plan.ports["temporal"],
        ui_port=plan.ports["temporal_ui"],
        namespace=NAMESPACE,
        codec_endpoint=plan.codec_endpoint,
        log_file=plan.log_file("temporal"),
    )
