"""A stack of its own for being killed, its checkpoints, and the table of what was killed where."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from rich.console import Console
from rich.table import Table

from devstack.api_client import Access
from devstack.books import Sources
from devstack.database_setup import make_key
from devstack.receiver import Receiver
from devstack.sandbox_control import SandboxControl
from devstack.shop import Shop
from devstack.supervisor import Stack
from models.merchant import Role
from tests.books import assert_books_hold, sources_of
from tests.chaos.customer import Customer, People
from tests.chaos.matrix import Struck
from tests.chaos.sample import SEED
from tests.chaos.traps import Traps

_ENVIRONMENT = {
    "PAYCENTER_QUERY_AFTER": "2,4,8",
    "PAYCENTER_INITIATION_TIMEOUT": "PT3S",
    "PAYCENTER_FIND_OUT_AT_TILL": "PT10S",
}
_STRUCK = pytest.StashKey[list[Struck]]()


@pytest.hookimpl
def pytest_configure(config: pytest.Config) -> None:
    config.stash[_STRUCK] = []


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What was killed where, and how long it took until all was well again."""
    config = terminalreporter.config
    if not config.stash[_STRUCK]:
        return
    console = Console(width=140, force_terminal=False)
    with console.capture() as shown:
        console.print(_table(config.stash[_STRUCK]))
    terminalreporter.write_line(shown.get())
    terminalreporter.write_line(f"again: PAYCENTER_CHAOS_SEED={SEED}")


@pytest.fixture(scope="session")
def struck(request: pytest.FixtureRequest) -> list[Struck]:
    """The table for the end; whoever kills adds to it."""
    return request.config.stash[_STRUCK]


@pytest.fixture(scope="session")
def checkpoints_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("checkpoints")


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory, checkpoints_folder: Path) -> Iterator[Stack]:
    """Two workers, since one of them being killed is the usual case."""
    environment = _ENVIRONMENT | {"PAYCENTER_CHECKPOINTS_DIR": str(checkpoints_folder)}
    folder = tmp_path_factory.mktemp("chaos")
    with Stack(folder, workers=2, environment=environment) as running:
        yield running


@pytest.fixture(scope="session")
def traps(checkpoints_folder: Path) -> Traps:
    return Traps(checkpoints_folder)


@pytest_asyncio.fixture(loop_scope="session")
async def receiver() -> AsyncIterator[Receiver]:
    async with Receiver() as listening:
        yield listening


@pytest_asyncio.fixture(loop_scope="session")
async def sandbox(stack: Stack) -> AsyncIterator[SandboxControl]:
    """Payers who pay whatever they are shown."""
    async with SandboxControl(stack.sandbox_url) as control:
        await control.auto_pay({"enabled": True, "action": "pay"})
        yield control
        await control.auto_pay({"enabled": False})


@pytest_asyncio.fixture(loop_scope="session")
async def shop(stack: Stack, sandbox: SandboxControl, receiver: Receiver) -> AsyncIterator[Shop]:
    access = Access(url=stack.api_url, key=stack.admin_key)
    async with await Shop.onboard(access, sandbox, receiver) as opened:
        yield opened


@pytest_asyncio.fixture(loop_scope="session")
async def customer(
    stack: Stack, shop: Shop, receiver: Receiver, sandbox: SandboxControl
) -> AsyncIterator[Customer]:
    """On every bill, which is out at once, there is a line that nobody knows."""
    await sandbox.bill_settings(fee_bps=60, same_day=True)
    await sandbox.plant("extra_row", number="T-NOBODY-KNOWS", amount_minor=1_23)
    yield Customer(shop, receiver, sandbox, await people_of(stack))
    await sandbox.clear_plants()


@pytest_asyncio.fixture(loop_scope="session")
async def sources(stack: Stack, sandbox: SandboxControl, shop: Shop) -> AsyncIterator[Sources]:
    """Everything `books verify` looks into; after each test all of it has to be right."""
    found = await sources_of(stack, sandbox)
    yield found
    await assert_books_hold(found)


async def people_of(stack: Stack) -> People:
    url = stack.database_urls.app
    finance, ops = [
        await make_key(url, role=role, app_id=None, name=role.value)
        for role in (Role.FINANCE, Role.OPS)
    ]
    return People(
        admin=Access(url=stack.api_url, key=stack.admin_key),
        finance=Access(url=stack.api_url, key=finance),
        ops=Access(url=stack.api_url, key=ops),
    )


def _table(struck: list[Struck]) -> Table:
    table = Table(title="Killed", title_justify="left", pad_edge=False)
    for heading in ("Process", "At", "Killed", "Ended as"):
        table.add_column(heading, overflow="fold")
    for heading in ("after s", "books right after s"):
        table.add_column(heading, justify="right")
    for one in struck:
        case = one.case
        seconds = f"{one.seconds:.1f}", f"{one.quiet_seconds:.1f}"
        table.add_row(case.course, case.checkpoint, one.killed, one.end, *seconds)
    return table
