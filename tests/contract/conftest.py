"""One suite for all channels: each scenario runs for every method that declares what it needs."""

import socket
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from importlib import import_module
from pathlib import Path

import httpx
import pytest

from channels.base import Account
from channels.http import ChannelHttp
from channels.registry import ChannelRegistry, build_registry
from sandbox.providers import interface_paths
from tests.channels.faulty_server import FaultyServer
from tests.contract.features import SCENARIOS, Case, features_of
from tests.contract.inbox import Inbox
from tests.contract.operations import OPERATIONS
from tests.contract.shop import Shop
from tests.contract.sides.base import Side
from tests.sandbox.process import Control, SandboxProcess

TIME_SCALE = 0.0001  # a callback that was not taken comes again after milliseconds
CONNECT_TIMEOUT = timedelta(seconds=3)
READ_TIMEOUT = timedelta(seconds=5)
# For channels that say nothing, or not enough.
SHORT_READ_TIMEOUT = timedelta(seconds=0.2)
SHORT_TOTAL_TIMEOUT = timedelta(seconds=0.5)
# What a busy machine may add to a deadline before a test says that it was missed.
SLACK_SECONDS = 2


# ---- what runs for whom -----------------------------------------------------------------------


def side_of(channel: str) -> Side:
    side: Side = import_module(f"tests.contract.sides.{channel}").SIDE
    return side


def registry_at(http: ChannelHttp, address: Callable[[str], str]) -> ChannelRegistry:
    """All channels, each at the address that belongs to its name."""
    names = build_registry(http).names()
    return build_registry(http, urls={name: address(name) for name in names})


def all_cases() -> tuple[Case, ...]:
    """Every method of every channel, with what it declares."""
    nowhere = ChannelHttp(connect_timeout=CONNECT_TIMEOUT, read_timeout=READ_TIMEOUT)
    registry = registry_at(nowhere, lambda _: "http://127.0.0.1:1/")
    cases = []
    for name in registry.names():
        channel, side = registry.get(name), side_of(name)
        for method in channel.capabilities.methods:
            features = features_of(
                channel,
                method,
                sends=method.name in side.sends,
                stays_open=method.name in side.stays_open,
            )
            cases.append(Case(name, method.name, frozenset(features)))
    return tuple(cases)


CASES = all_cases()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    name = f"{metafunc.module.__name__}.{metafunc.function.__name__}"
    scenario = SCENARIOS.get(name)
    if scenario is None:
        return
    if "operation" not in metafunc.fixturenames:
        metafunc.parametrize("case", scenario.cases(CASES), ids=str)
        return
    pairs = [
        (case, operation)
        for operation in OPERATIONS
        for case in replace(scenario, needs=scenario.needs | operation.needs).cases(CASES)
    ]
    metafunc.parametrize(("case", "operation"), pairs, ids=str)


# ---- the sandbox ------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxProcess]:
    folder: Path = tmp_path_factory.mktemp("sandbox")
    process = SandboxProcess(folder, "--time-scale", str(TIME_SCALE)).start()
    yield process
    process.stop()


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(trust_env=False, timeout=20) as client:
        yield client


@pytest.fixture
async def control(sandbox: SandboxProcess, browser: httpx.AsyncClient) -> AsyncIterator[Control]:
    control = Control(sandbox.base_url, browser)
    yield control
    await control.delete("/faults")


# ---- the channels -----------------------------------------------------------------------------


@pytest.fixture
async def http() -> AsyncIterator[ChannelHttp]:
    async with ChannelHttp(connect_timeout=CONNECT_TIMEOUT, read_timeout=READ_TIMEOUT) as http:
        yield http


@pytest.fixture
async def hasty_http() -> AsyncIterator[ChannelHttp]:
    async with ChannelHttp(
        connect_timeout=CONNECT_TIMEOUT,
        read_timeout=SHORT_READ_TIMEOUT,
        total_timeout=SHORT_TOTAL_TIMEOUT,
    ) as http:
        yield http


@pytest.fixture
def make_registry(sandbox: SandboxProcess) -> Callable[[ChannelHttp], ChannelRegistry]:
    """All channels in the sandbox, through a client of one's own."""
    paths = interface_paths()

    def address(channel: str) -> str:
        return f"{sandbox.base_url}{paths[channel]}"

    return lambda http: registry_at(http, address)


@pytest.fixture
def registry(
    http: ChannelHttp, make_registry: Callable[[ChannelHttp], ChannelRegistry]
) -> ChannelRegistry:
    return make_registry(http)


@pytest.fixture
async def inbox(registry: ChannelRegistry, case: Case) -> AsyncIterator[Inbox]:
    channel = registry.get(case.channel)
    async with Inbox(lambda accepted: channel.acknowledgement(accepted=accepted)) as inbox:
        yield inbox


async def open_account(
    registry: ChannelRegistry, case: Case, control: Control, notify_url: str, name: str = "acc_1"
) -> Account:
    """A fresh account at the channel, as the registry makes it ready."""
    entered = await side_of(case.channel).open_account(control, notify_url)
    return registry.account(name, 1, case.channel, entered)


@pytest.fixture
async def shop(
    case: Case,
    registry: ChannelRegistry,
    control: Control,
    inbox: Inbox,
    browser: httpx.AsyncClient,
) -> Shop:
    return Shop(
        case=case,
        channel=registry.get(case.channel),
        side=side_of(case.channel),
        account=await open_account(registry, case, control, inbox.url),
        inbox=inbox,
        control=control,
        browser=browser,
    )


@pytest.fixture
async def stranger(
    case: Case, registry: ChannelRegistry, control: Control, inbox: Inbox
) -> Account:
    """Another merchant's account at the same channel."""
    return await open_account(registry, case, control, inbox.url, "acc_2")


# ---- the same channels at places where nobody, or somebody else, answers ------------------------


@pytest.fixture
def unreachable(shop: Shop, http: ChannelHttp) -> Iterator[Shop]:
    """The channel is down: nobody listens on its port."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{unused.getsockname()[1]}/"
        shop.channel = registry_at(http, lambda _: address).get(shop.case.channel)
        yield shop


@pytest.fixture
async def faulty() -> AsyncIterator[FaultyServer]:
    async with FaultyServer() as server:
        yield server


@pytest.fixture
def disturbed(shop: Shop, faulty: FaultyServer, http: ChannelHttp) -> Shop:
    """Where the channel should be is something that answers as `faulty` is told."""
    shop.channel = registry_at(http, lambda _: faulty.url).get(shop.case.channel)
    return shop


@pytest.fixture
def disturbed_in_a_hurry(shop: Shop, faulty: FaultyServer, hasty_http: ChannelHttp) -> Shop:
    """The same for who waits no longer than `SHORT_TOTAL_TIMEOUT`."""
    shop.channel = registry_at(hasty_http, lambda _: faulty.url).get(shop.case.channel)
    return shop
