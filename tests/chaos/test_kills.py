"""kill -9 of each part while payments are under way: every payment reaches its right end, once."""

import asyncio

import pytest

from devstack.receiver import Received, Receiver
from devstack.shop import Shop
from devstack.supervisor import Stack
from tests.chaos.customer import QR, TILL, insist
from tests.chaos.sample import sampled

pytestmark = pytest.mark.stack

# The channel is killed here alone; the others are in the matrix too.
PARTS = ["api", "worker", "sandbox", "temporal", "postgres"]
PAYMENTS = 36
AT_ONCE = 12
# The part is killed when so many of the payments have been answered: the others are on their way.
KILL_AFTER = 8
# What was never sent fails at once and takes no money. A lost QR code is asked for again; a till
# payment whose one request was lost with its worker is cancelled, and money it took is given back.
RIGHT_ENDS = {
    (QR.method, "succeeded", None),
    (QR.method, "failed", "channel_unreachable"),
    (TILL.method, "succeeded", None),
    (TILL.method, "failed", "channel_unreachable"),
    (TILL.method, "failed", "closed"),
}
# The longest road is a channel call whose worker died: 20 seconds until it is given up, and then
# the queries.
PATIENCE_SECONDS = 120


@pytest.mark.timeout(240)
@pytest.mark.usefixtures("sources")  # which looks at the books when it is over
@pytest.mark.parametrize("part", sampled(PARTS, 2, always=["sandbox"]))
async def test_nothing_is_lost_or_doubled_when_a_part_is_killed(
    stack: Stack, shop: Shop, receiver: Receiver, part: str
) -> None:
    answered: list[str] = []
    enough = asyncio.Event()
    slots = asyncio.Semaphore(AT_ONCE)

    async def pay(number: int) -> str:
        order = TILL if number % 3 == 0 else QR
        async with slots:
            payment = await insist(lambda: shop.order(order, order_no=f"{part}-{number}"))
            answered.append(payment["id"])
            if len(answered) >= KILL_AFTER:
                enough.set()
            return str(payment["id"])

    async with asyncio.TaskGroup() as everyone:
        tasks = [everyone.create_task(pay(number)) for number in range(PAYMENTS)]
        await enough.wait()
        await asyncio.to_thread(stack.kill, part)
        killed_with = PAYMENTS - len(answered)
        await asyncio.to_thread(stack.start, part)
    ids = [task.result() for task in tasks]
    async with asyncio.timeout(PATIENCE_SECONDS):
        told = [await receiver.wait_for(payment_id) for payment_id in ids]

    assert killed_with > 0, "everything was over before the kill: nothing was tested"
    assert len(set(ids)) == PAYMENTS
    assert {_end(one) for one in told} <= RIGHT_ENDS
    assert all(one.verified for one in told)


def _end(one: Received) -> tuple[str, str, str | None]:
    payment = one.body["data"]
    failure = payment["failure"]
    return str(payment["method"]), str(payment["status"]), failure and str(failure["code"])
