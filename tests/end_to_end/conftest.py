"""One running stack for all tests that need everything, and a way to be a business app on it."""

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from devstack.api_client import Access
from devstack.receiver import Mode, Receiver
from devstack.sandbox_control import SandboxControl
from devstack.shop import Shop
from devstack.supervisor import Stack
from tests.books import assert_books_hold, sources_of

# Silence is short, so that what only a query finds out is found within a test's patience; so is
# the life of an order that names no expiry.
_ENVIRONMENT = {
    "PAYCENTER_PAYMENT_EXPIRY": "PT6S",
    "PAYCENTER_QUERY_AFTER": "1,2,3",
    "PAYCENTER_INITIATION_TIMEOUT": "PT3S",
}


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Everything, started once. A test that stops a part starts it again before it ends."""
    with Stack(tmp_path_factory.mktemp("stack"), environment=_ENVIRONMENT) as running:
        yield running


@pytest.fixture(scope="session")
def admin(stack: Stack) -> Access:
    return Access(url=stack.api_url, key=stack.admin_key)


@pytest_asyncio.fixture(loop_scope="session")
async def receiver() -> AsyncIterator[Receiver]:
    """The app's own server, which gets our webhooks."""
    async with Receiver() as listening:
        yield listening


@pytest_asyncio.fixture(loop_scope="session")
async def sandbox(stack: Stack) -> AsyncIterator[SandboxControl]:
    """The payer and the channel. Faults do not outlive the test that made them."""
    async with SandboxControl(stack.sandbox_url) as control:
        yield control
        await control.clear_faults()


@pytest_asyncio.fixture(loop_scope="session")
async def shop(admin: Access, sandbox: SandboxControl, receiver: Receiver) -> AsyncIterator[Shop]:
    """A freshly onboarded app with a merchant and an Alipay account."""
    async with await Shop.onboard(admin, sandbox, receiver) as opened:
        yield opened


@pytest_asyncio.fixture(loop_scope="session", autouse=True)
async def books(stack: Stack, sandbox: SandboxControl, receiver: Receiver) -> AsyncIterator[None]:
    """After each test everything settles, our books are right, and the channel's say the same."""
    sources = await sources_of(stack, sandbox)
    yield
    await sandbox.clear_faults()
    receiver.mode = Mode.OK
    await assert_books_hold(sources, swept=False)


@pytest_asyncio.fixture(scope="session", loop_scope="session", autouse=True)
async def books_at_the_end(stack: Stack) -> AsyncIterator[None]:
    """After all tests nothing is left for the sweeper either."""
    yield
    async with SandboxControl(stack.sandbox_url) as control:
        await assert_books_hold(await sources_of(stack, control))
