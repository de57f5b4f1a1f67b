"""kill -9 of each part while payments are under way: every payment reaches its right end, once."""

import asyncio

import pytest

from devstack.receiver import Received, Receiver
from devstack.sandbox_control import SandboxControl
from devstack.shop import Order, Shop, new_order_number
from devstack.supervisor import Stack
from tests.chaos.conftest import order_until_answered
from tests.chaos.invariants import is_settling, violations

PAYMENTS = 36
AT_ONCE = 12
# The part is killed when so many of the payments have been answered: the others are on their way.
KILL_AFTER = 8
# Money is taken at once for a code that begins with 28: its answer is worth the most to lose.
AT_THE_TILL = Order(amount=8_80, method="alipay_buyer_code", payer_code="280000000000000001")
BY_QR = Order(amount=19_99)
# What was never sent fails at once and takes no money. A lost QR code is asked for again; a till
# payment whose one request was lost with its worker is cancelled, and money it took is given back.
RIGHT_ENDS = {
    (BY_QR.method, "succeeded", None),
    (BY_QR.method, "failed", "channel_unreachable"),
    (AT_THE_TILL.method, "succeeded", None),
    (AT_THE_TILL.method, "failed", "channel_unreachable"),
    (AT_THE_TILL.method, "failed", "closed"),
}
# The longest road is a channel call whose worker died: 20 seconds until it is given up, and then
# the queries.
PATIENCE_SECONDS = 120
# The sweeper goes round every five seconds and picks up what is older than ten.
SWEEP_SECONDS = 5
SWEEPS_MAX = 12


@pytest.mark.timeout(240)
@pytest.mark.parametrize("part", ["api", "worker", "sandbox", "temporal", "postgres"])
async def test_nothing_is_lost_or_doubled_when_a_part_is_killed(
    stack: Stack, shop: Shop, receiver: Receiver, sandbox: SandboxControl, part: str
) -> None:
    answered: list[str] = []
    enough = asyncio.Event()
    slots = asyncio.Semaphore(AT_ONCE)

    async def pay(number: int) -> str:
        async with slots:
            order = AT_THE_TILL if number % 3 == 0 else BY_QR
            payment_id = await order_until_answered(shop, order, new_order_number())
            answered.append(payment_id)
            if len(answered) >= KILL_AFTER:
                enough.set()
            return payment_id

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
    assert await _once_quiet(stack, sandbox) == {}


def _end(one: Received) -> tuple[str, str, str | None]:
    payment = one.body["data"]
    failure = payment["failure"]
    return payment["method"], payment["status"], failure and failure["code"]


async def _once_quiet(stack: Stack, sandbox: SandboxControl) -> dict[str, list[object]]:
    """What does not hold once the channel has told all it has and the sweeper went round."""
    await sandbox.quiesce()
    found: dict[str, list[object]] = {}
    for _ in range(SWEEPS_MAX):
        found = violations(stack.database_urls.owner, await sandbox.trades(limit="5000"))
        if not is_settling(found):
            break
        await asyncio.sleep(SWEEP_SECONDS)
    return found
