"""A part is missing for a while: callers get a clear answer, and nothing is lost."""

import asyncio
import time
from collections.abc import Iterator

import pytest

from devstack.api_client import ApiProblem
from devstack.receiver import Mode, Receiver
from devstack.sandbox_control import SandboxControl
from devstack.shop import Order, Shop, new_order_number
from devstack.supervisor import Stack

pytestmark = pytest.mark.stack

# PAYCENTER_INITIATION_TIMEOUT of this stack is 3 seconds; the rest is the request itself.
DEADLINE_SECONDS = 5.0


@pytest.fixture
def by_hand(stack: Stack) -> Iterator[Stack]:
    """The stack, restarting nothing by itself; whatever a test stopped is started afterwards."""
    stack.auto_restart = False
    yield stack
    for part in stack.components:
        if not part.is_running:
            stack.start(part.name)
    stack.auto_restart = True


async def test_without_workers_a_payment_is_accepted_and_completes_when_they_are_back(
    by_hand: Stack, shop: Shop, receiver: Receiver, sandbox: SandboxControl
) -> None:
    await asyncio.to_thread(by_hand.stop, "worker")
    began = time.monotonic()

    accepted = await shop.order(Order())
    took = time.monotonic() - began
    await asyncio.to_thread(by_hand.start, "worker")
    repeated = await _ready_to_pay(shop, accepted["order_no"])
    await sandbox.pay(await shop.serial_of(accepted["id"]))
    told = await asyncio.wait_for(receiver.wait_for(accepted["id"]), timeout=30)

    assert accepted["status"] in {"created", "processing"}
    assert took < DEADLINE_SECONDS
    assert repeated["id"] == accepted["id"]
    assert told.type == "payment.succeeded"


async def test_without_temporal_a_payment_is_accepted_and_started_by_the_sweeper(
    by_hand: Stack, shop: Shop, receiver: Receiver, sandbox: SandboxControl
) -> None:
    await sandbox.auto_pay({"enabled": True, "action": "pay"})
    await asyncio.to_thread(by_hand.kill, "temporal")

    accepted = await shop.order(Order())
    await asyncio.to_thread(by_hand.start, "temporal")
    told = await asyncio.wait_for(receiver.wait_for(accepted["id"]), timeout=60)
    await sandbox.auto_pay({"enabled": False})

    assert accepted["status"] in {"created", "processing"}
    assert told.type == "payment.succeeded"


async def test_without_postgres_a_caller_is_told_to_come_back_and_nothing_was_done(
    by_hand: Stack, shop: Shop, sandbox: SandboxControl
) -> None:
    order_no = new_order_number()
    await asyncio.to_thread(by_hand.kill, "postgres")

    with pytest.raises(ApiProblem) as refused:
        await shop.order(Order(), order_no=order_no)
    await asyncio.to_thread(by_hand.start, "postgres")
    again = await shop.order(Order(), order_no=order_no)

    assert (refused.value.status, refused.value.code) == (503, "unavailable")
    assert again["order_no"] == order_no


async def test_an_app_that_is_down_gets_its_event_when_it_is_back(
    stack: Stack, shop: Shop, receiver: Receiver, sandbox: SandboxControl
) -> None:
    receiver.mode = Mode.ERROR
    payment = await shop.order(Order())
    serial = await shop.serial_of(payment["id"])
    refused = asyncio.create_task(receiver.wait_until_refused())
    await sandbox.pay(serial, wait=True)
    await asyncio.wait_for(refused, timeout=30)

    receiver.mode = Mode.OK
    told = await asyncio.wait_for(receiver.wait_for(payment["id"]), timeout=60)

    assert told.verified
    assert told.sequence == 1


async def _ready_to_pay(shop: Shop, order_no: str) -> dict[str, object]:
    """Send the order again until its first answer is there: each POST waits for it by itself."""
    for _ in range(10):
        answer = await shop.order(Order(), order_no=order_no)
        if answer["status"] == "requires_action":
            return answer
    raise AssertionError(f"{order_no} never became payable")
