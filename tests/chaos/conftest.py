"""A stack of its own for being killed, and an app that asks again until it gets an answer."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from devstack.api_client import Access, ApiProblem
from devstack.receiver import Receiver
from devstack.sandbox_control import SandboxControl
from devstack.shop import Order, Shop
from devstack.supervisor import Stack

_ENVIRONMENT = {
    "PAYCENTER_QUERY_AFTER": "2,4,8",
    "PAYCENTER_INITIATION_TIMEOUT": "PT3S",
    "PAYCENTER_FIND_OUT_AT_TILL": "PT10S",
}
# What an app waits before it sends the same order again, and how often it does that.
_PAUSE_SECONDS = 0.3
_TRIES = 200
_TRY_AGAIN = {0, 500, 502, 503, 504}


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Two workers, since one of them being killed is the usual case."""
    folder = tmp_path_factory.mktemp("chaos")
    with Stack(folder, workers=2, environment=_ENVIRONMENT) as running:
        yield running


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


async def order_until_answered(shop: Shop, order: Order, order_no: str) -> str:
    """Send one order until the API takes it, as an app does; gives the payment's id."""
    for _ in range(_TRIES):
        try:
            answer = await shop.order(order, order_no=order_no)
        except ApiProblem as problem:
            if problem.status not in _TRY_AGAIN:
                raise
            await asyncio.sleep(_PAUSE_SECONDS)
        else:
            return str(answer["id"])
    raise AssertionError(f"{order_no} was not taken in {_TRIES} tries")
