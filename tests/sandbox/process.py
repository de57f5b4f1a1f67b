"""The sandbox as its own process, started, killed and started again on the same folder."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, Self

import httpx

_ROOT = Path(__file__).parent.parent.parent


class SandboxProcess:
    """`python -m sandbox` on a folder. `control` talks to its control API."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder = folder
        self._options = options
        self._process: subprocess.Popen[str] | None = None
        self.base_url = ""

    @property
    def gateway_url(self) -> str:
        return f"{self.base_url}/alipay/gateway.do"

    def start(self) -> Self:
        """Return once it accepts connections, on the same port as before if there was one."""
        port = self.base_url.rpartition(":")[2] or "0"
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-m", "sandbox", "--data", str(self.folder), "--port", port),
                *self._options,
            ],
            cwd=_ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the sandbox ended before it was ready"
        self.base_url = f"http://127.0.0.1:{line.split()[-1]}"
        return self

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def _end(self, how: signal.Signals) -> None:
        if self._process is None or self._process.stdout is None:
            return
        os.kill(self._process.pid, how)
        self._process.wait(timeout=10)
        self._process.stdout.close()
        self._process = None


class Control:
    """The control API, one method per thing the tests ask for."""

    def __init__(
        self, base_url: str, client: httpx.AsyncClient, *, token: str | None = None
    ) -> None:
        self._base_url = base_url
        self._client = client
        self._headers = {"authorization": f"Bearer {token}"} if token else {}

    async def get(self, path: str, **query: str) -> Any:
        return self._read(await self._send("GET", path, params=query))

    async def post(self, path: str, **body: object) -> Any:
        return self._read(await self._send("POST", path, json=body))

    async def put(self, path: str, **body: object) -> Any:
        return self._read(await self._send("PUT", path, json=body))

    async def delete(self, path: str) -> Any:
        return self._read(await self._send("DELETE", path))

    async def post_raw(self, path: str, **body: object) -> httpx.Response:
        return await self._send("POST", path, json=body)

    async def trade(self, number: str) -> Any:
        return await self.get(f"/trades/{number}")

    async def fault(self, kind: str, number: str, **more: object) -> str:
        """Ask for a fault that strikes one trade; returns its id."""
        faults = await self.post("/faults", type=kind, out_trade_no=number, **more)
        return str(faults["faults"][0]["id"])

    async def fired(self, fault_id: str) -> int:
        faults = (await self.get("/faults"))["faults"]
        return int(next(fault["fired"] for fault in faults if fault["id"] == fault_id))

    async def _send(self, verb: str, path: str, **content: Any) -> httpx.Response:
        url = f"{self._base_url}/control{path}"
        return await self._client.request(verb, url, headers=self._headers, **content)

    @staticmethod
    def _read(response: httpx.Response) -> Any:
        response.raise_for_status()
        return response.json()
