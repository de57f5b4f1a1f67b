"""One Temporal server for the session; per module a database, workers, and the API over them."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
import uvicorn
from pydantic import SecretStr
from temporalio.client import Client
from temporalio.common import SearchAttributeKey
from temporalio.service import RPCError
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from activities.first_delivery import FirstDelivery
from activities.webhook import WebhookSender
from api.app import build_app
from api.dependencies import ApiDependencies, ApiOptions
from channels.registry import ChannelRegistry
from devstack.temporal_server import temporal_binary
from engine import search_attributes
from engine.client import data_converter
from engine.encryption import PayloadEncryption
from settings import Settings
from storage.database import Database
from storage.statement_files import StatementFiles
from storage.vault import Vault
from tests.api import testpay
from tests.api.world import World
from worker import Parts, build_workers

PAYLOAD_KEYS = {"k1": b"1" * 32}
CODEC_TOKEN = "a-token-of-the-tests"
UI_URL = "http://ui.example:8233"
# What the workers are told; the database and the keys they use are those of the API under test.
_SETTINGS = Settings(
    _env_file=None,
    database_url=SecretStr("postgresql://unused"),
    payload_keys={},
    vault_keys={},
    public_url="http://api.example",
    query_after=(30, 60),
    worker_roles=("payments", "channels", "notifications", "reconciliation"),
    workflow_sandbox=True,
)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def temporal() -> AsyncIterator[Client]:
    """A development server of our own, with our search attributes."""
    kinds: dict[str, Any] = {
        "Keyword": SearchAttributeKey.for_keyword,
        "Int": SearchAttributeKey.for_int,
    }
    async with await WorkflowEnvironment.start_local(
        dev_server_existing_path=temporal_binary(),
        search_attributes=[
            kinds[kind](name) for name, kind in search_attributes.REGISTERED.items()
        ],
        dev_server_extra_args=[
            "--dynamic-config-value",
            "history.transferProcessorMaxPollRPS=2000",
        ],
        data_converter=data_converter(PAYLOAD_KEYS),
        dev_server_startup_timeout=timedelta(seconds=30),
    ) as server:
        yield server.client


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def world(
    temporal: Client, database: Database, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[World]:
    """The API and the workers of one module; no sweeper, so that nothing happens by itself."""
    statements = tmp_path_factory.mktemp("statements")
    channel = testpay.TestPay()
    deps = ApiDependencies(
        database=database,
        vault=Vault({"v1": b"2" * 32}, active="v1"),
        client=temporal,
        channels=ChannelRegistry((channel,)),
        encryption=PayloadEncryption(PAYLOAD_KEYS, active="k1"),
        statements=StatementFiles(statements),
        options=ApiOptions(
            initiation_timeout=timedelta(seconds=20),
            temporal_ui_url=UI_URL,
            codec_token=CODEC_TOKEN,
        ),
    )
    async with AsyncExitStack() as stack:
        for worker in await _workers(stack, deps, statements):
            await stack.enter_async_context(worker)
        app = build_app(deps)
        http = await stack.enter_async_context(
            httpx.AsyncClient(
                transport=httpx.ASGITransport(app), base_url="http://api.example", timeout=60
            )
        )
        yield World(app=app, deps=deps, http=http, channel=channel)
        await _end_all_runs(temporal)


async def _end_all_runs(temporal: Client) -> None:
    """The next module has another database: a run that went on there would look for its rows."""
    async for run in temporal.list_workflows("ExecutionStatus = 'Running'"):
        handle = temporal.get_workflow_handle(run.id, run_id=run.run_id)
        with suppress(RPCError):  # it has ended meanwhile
            await handle.terminate("the module is over")


async def _workers(stack: AsyncExitStack, deps: ApiDependencies, statements: Path) -> list[Worker]:
    """The workers of a real run, over the test channel."""
    sender = await stack.enter_async_context(WebhookSender())
    first_delivery = FirstDelivery(deps.database, deps.vault, sender)
    stack.push_async_callback(first_delivery.drain)
    parts = Parts(
        client=deps.client,
        database=deps.database,
        vault=deps.vault,
        registry=deps.channels,
        sender=sender,
        settings=_SETTINGS.model_copy(update={"statement_dir": statements}),
    )
    return build_workers(parts, first_delivery)


@pytest.fixture
async def address(world: World) -> AsyncIterator[str]:
    """Where the API can be reached, for programs that go through the network."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(world.app, lifespan="off", log_config=None))
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        server.should_exit = True
        await serving
