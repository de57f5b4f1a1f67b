"""The DBOS side beside a running stack: its database, its processes, its shop."""

import asyncio
import base64
import hashlib
import os
import secrets
import signal
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit, urlunsplit

import psycopg

from bench.dbos_side.books import TABLE
from bench.dbos_side.environment import DBOS
from bench.dbos_side.settings import Settings
from devstack.api_client import ApiClient
from devstack.children import answers
from devstack.ports import choose_ports
from devstack.receiver import Receiver
from devstack.sandbox_control import SandboxControl
from devstack.shop import Shop, make_key_pair
from devstack.supervisor import Stack
from storage.migrate import upgrade

_DATABASE = "dbos_side"
_PROJECT = Path(__file__).resolve().parent.parent.parent
_POOL_SIZE = 20
_START_TIMEOUT_SECONDS = 60.0
_LOOK_EVERY_SECONDS = 0.02
_APP_ID, _MERCHANT_ID = "app_dbos", "mer_dbos"


class DbosSide:
    """Some processes of `bench.dbos_side.app` on the PostgreSQL and the sandbox of `stack`."""

    def __init__(self, stack: Stack, folder: Path, processes: int) -> None:
        self._stack = stack
        self._folder = folder
        self._key = secrets.token_urlsafe(24)
        ports = choose_ports([f"dbos-{n}" for n in range(processes)], wished={}, remembered={})
        self._ports = list(ports.values())
        self._running: list[subprocess.Popen[bytes]] = []
        self._template: Settings | None = None
        self.alipay_app_id = ""
        self.database_url = _another_database(stack.database_urls.owner)

    async def prepare(self, sandbox: SandboxControl, receiver: Receiver) -> None:
        """Tables, an app at Alipay, and the processes, all of them ready."""
        self._make_database()
        private, public = make_key_pair()
        alipay = await sandbox.register_app(public)
        self.alipay_app_id = alipay["app_id"]
        secret = "whsec_" + base64.b64encode(secrets.token_bytes(24)).decode()
        receiver.trust(_APP_ID, secret)
        self._template = Settings(
            database_url=self.database_url,
            executor_id="",
            port=0,
            pool_size=_POOL_SIZE,
            gateway_url=f"{self._stack.sandbox_url}/alipay/gateway.do",
            notify_url="",
            webhook_url=receiver.url_for(_APP_ID),
            webhook_secret=secret,
            api_key_sha256=hashlib.sha256(self._key.encode()).hexdigest(),
            app_id=_APP_ID,
            account_id="acc_dbos",
            channel_parameters={
                "app_id": alipay["app_id"],
                "seller_id": alipay["seller_id"],
                "app_private_key": private,
                "alipay_public_key": alipay["alipay_public_key"],
            },
        )
        # One after the other: the first one makes DBOS's tables.
        for number in range(len(self._ports)):
            self._running.append(self._spawn(number))
            await self._wait_ready(number)

    def shops(self) -> list[Shop]:
        """One for each process, as a load balancer would have it."""
        return [
            Shop(ApiClient(self._url(number), self._key), _APP_ID, _MERCHANT_ID, "acc_dbos")
            for number in range(len(self._ports))
        ]

    def pids(self) -> Mapping[str, int]:
        return {f"dbos {n + 1}": process.pid for n, process in enumerate(self._running)}

    def kill(self, number: int) -> None:
        """SIGKILL one process and start it again at once."""
        self._end(self._running[number])
        self._running[number] = self._spawn(number)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for process in self._running:
            self._end(process)

    def _url(self, number: int) -> str:
        return f"http://127.0.0.1:{self._ports[number]}"

    def _log(self, number: int) -> Path:
        return self._folder / f"dbos-{number + 1}.log"

    def _spawn(self, number: int) -> subprocess.Popen[bytes]:
        if self._template is None:
            raise RuntimeError("the DBOS side was not prepared")
        settings = self._template.model_copy(
            update={
                "executor_id": f"executor-{number}",
                "port": self._ports[number],
                "notify_url": f"{self._url(number)}/callbacks/alipay",
            }
        )
        environment = os.environ | {
            "DBOS_BENCH": settings.model_dump_json(),
            "PYTHONPATH": str(_PROJECT),
        }
        with self._log(number).open("ab") as log:
            return subprocess.Popen(
                [str(DBOS.python), "-m", "bench.dbos_side.app"],
                env=environment,
                stdout=log,
                stderr=log,
                cwd=self._folder,
                start_new_session=True,
            )

    async def _wait_ready(self, number: int) -> None:
        async with asyncio.timeout(_START_TIMEOUT_SECONDS):
            while not await asyncio.to_thread(answers, f"{self._url(number)}/readyz"):
                if self._running[number].poll() is not None:
                    raise RuntimeError(self._log(number).read_text()[-2000:])
                await asyncio.sleep(_LOOK_EVERY_SECONDS)

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def _make_database(self) -> None:
        with psycopg.connect(self._stack.database_urls.owner, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {_DATABASE}")
        upgrade(self.database_url)
        with psycopg.connect(self.database_url) as connection:
            connection.execute(TABLE)
            connection.execute(
                "INSERT INTO app (id, name, status, webhook_secret, late_success, created_at)"
                " VALUES (%s, 'dbos', 'active', '', 'accept', %s)",
                (_APP_ID, datetime.now(UTC)),
            )


def _another_database(url: str) -> str:
    return urlunsplit(urlsplit(url)._replace(path=f"/{_DATABASE}"))
