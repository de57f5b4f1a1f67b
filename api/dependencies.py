"""What the routes work with, made once per process and handed to them by the app."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Annotated

from fastapi import Depends, Request
from sqlalchemy.ext.asyncio import AsyncConnection
from temporalio.client import Client

from api.auth import Credentials, admit, authenticate, credentials_of
from api.checkout.watch import Watch
from api.clock import utc_now
from api.key_usage import KeyUsage
from api.passwords import Passwords
from channels.registry import ChannelRegistry
from engine.encryption import PayloadEncryption
from models.merchant import Caller, Role
from storage.database import Database
from storage.statement_files import StatementFiles
from storage.vault import Vault

# Where the console puts the person it calls for. What comes from outside is in the scope's headers
# and body; no client can put a key into the scope itself.
CALLER = "paycenter.caller"
# Ten million lines, zipped, are a third of this.
_STATEMENT_MAX_BYTES = 1024**3


@dataclass(frozen=True)
class ApiOptions:
    """What an operator may choose about the front door."""

    initiation_timeout: timedelta = timedelta(seconds=8)
    payment_expiry: timedelta = timedelta(minutes=15)
    public_url: str = "http://127.0.0.1:8000"
    temporal_ui_url: str = ""
    temporal_namespace: str = "default"
    allow_private_webhooks: bool = False
    codec_token: str | None = field(default=None, repr=False)
    statement_max_bytes: int = _STATEMENT_MAX_BYTES
    session_idle: timedelta = timedelta(minutes=30)
    session_lifetime: timedelta = timedelta(hours=12)


@dataclass(frozen=True)
class ApiDependencies:
    """Everything the routes reach for; tests hand in their own."""

    database: Database
    vault: Vault
    client: Client
    channels: ChannelRegistry
    encryption: PayloadEncryption
    statements: StatementFiles
    options: ApiOptions = field(default_factory=ApiOptions)
    watch: Watch = field(default_factory=Watch)
    passwords: Passwords = field(default_factory=Passwords)
    key_usage: KeyUsage = field(default_factory=KeyUsage)
    clock: Callable[[], datetime] = utc_now

    @asynccontextmanager
    async def session(
        self, request: Request, name: str, *roles: Role
    ) -> AsyncIterator[tuple[AsyncConnection, Caller]]:
        """The one transaction of a request, opened by proving who is calling.

        Raises Unauthorized for anything that is not a living key with one of `roles`.
        """
        proof = _proof_of(request)
        async with self.database.transaction(name) as connection:
            yield connection, await self._caller(connection, proof, roles)

    @asynccontextmanager
    async def one_write(
        self, request: Request, name: str, *roles: Role
    ) -> AsyncIterator[tuple[AsyncConnection, Caller]]:
        """Like `session`, for routes that write with one statement: see `Database.statement`."""
        proof = _proof_of(request)
        async with self.database.statement(name) as connection:
            yield connection, await self._caller(connection, proof, roles)

    async def _caller(
        self, connection: AsyncConnection, proof: Caller | Credentials, roles: tuple[Role, ...]
    ) -> Caller:
        if isinstance(proof, Caller):
            return admit(proof, roles)
        caller = await authenticate(connection, proof, roles)
        self.key_usage.note(caller.key_id, self.clock())
        return caller

    def run_url(self, workflow_id: str) -> str | None:
        """Where Temporal UI shows a run, or None when no address of a UI is set."""
        if not self.options.temporal_ui_url:
            return None
        encoded = workflow_id.replace("/", "%2F")
        base = self.options.temporal_ui_url.rstrip("/")
        return f"{base}/namespaces/{self.options.temporal_namespace}/workflows/{encoded}"


def _proof_of(request: Request) -> Caller | Credentials:
    """Who the console says is calling, from within this process; else the key that was sent."""
    caller: Caller | None = request.scope.get(CALLER)
    return caller or credentials_of(request.headers.get("authorization", ""))


async def _dependencies_of(request: Request) -> ApiDependencies:
    dependencies: ApiDependencies = request.app.state.dependencies
    return dependencies


Deps = Annotated[ApiDependencies, Depends(_dependencies_of)]
