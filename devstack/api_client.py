"""Calls our public API, the way any business app would."""

from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from devstack.secret_file import ADMIN_KEY, read_secrets
from devstack.state import read_state

_TIMEOUT_SECONDS = 20.0  # longer than the API waits before it answers 202


class ApiProblem(Exception):
    """The API said no, or did not answer; the message is what it said."""

    def __init__(self, status: int, code: str, detail: str) -> None:
        super().__init__(f"{detail} ({code}, HTTP {status})" if status else detail)
        self.status = status
        self.code = code


@dataclass(frozen=True)
class Access:
    """Where an API is and a key that opens it; empty when unknown."""

    url: str
    key: str = field(repr=False)


def local_access(data_directory: Path) -> Access:
    """The stack that uses this folder, with its admin key."""
    addresses = read_state(data_directory).addresses
    key = read_secrets(data_directory / "secrets.env").get(ADMIN_KEY, "")
    return Access(url=addresses.get("api", ""), key=key)


class ApiClient:
    """One API key's view of the API. Raises ApiProblem for anything but success."""

    def __init__(self, url: str, key: str) -> None:
        self._http = httpx.AsyncClient(
            base_url=url,
            headers={"authorization": f"Bearer {key}"},
            timeout=_TIMEOUT_SECONDS,
            trust_env=False,
        )

    async def get(self, path: str, query: dict[str, str] | None = None) -> dict[str, Any]:
        return await self._send("GET", path, params=query)

    async def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        return await self._send("POST", path, json=body)

    async def patch(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        return await self._send("PATCH", path, json=body)

    async def upload(self, path: str, query: dict[str, str], content: bytes) -> dict[str, Any]:
        """POST a file as it is."""
        return await self._send("POST", path, params=query, content=content)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._http.aclose()

    async def _send(self, method: str, path: str, **what: Any) -> dict[str, Any]:
        try:
            response = await self._http.request(method, path, **what)
        except httpx.TransportError as error:
            address = self._http.base_url
            raise ApiProblem(0, "unreachable", f"no answer from {address} ({error})") from error
        if response.is_success:
            answer: dict[str, Any] = response.json()
            return answer
        raise _problem(response)


def _problem(response: httpx.Response) -> ApiProblem:
    try:
        said = response.json()
    except ValueError:
        said = {}
    return ApiProblem(
        response.status_code,
        str(said.get("code", "unknown")),
        str(said.get("detail") or response.text[:200]),
    )
