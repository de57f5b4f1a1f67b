"""Five bugs that payment systems have had, planted in a copy of ours: `books verify` names each."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from devstack.api_client import Access
from devstack.books import BooksReport, Sources, verify
from devstack.receiver import Receiver
from devstack.sandbox_control import SandboxControl
from devstack.shop import Shop
from devstack.supervisor import Stack
from observability.checkpoints import Action
from tests.books import as_text, once_quiet, sources_of
from tests.chaos import plants
from tests.chaos.conftest import people_of
from tests.chaos.customer import QR, TILL, Customer
from tests.chaos.plants import Plant, copy_with, plant_in_database
from tests.chaos.sample import sampled
from tests.chaos.traps import Traps

pytestmark = pytest.mark.stack

_FIRES_WITHIN_SECONDS = 30.0
# What is wrong by then is wrong for good.
_QUIET_WITHIN_SECONDS = 4.0


@dataclass(frozen=True)
class Scene:
    """A stack that runs the planted code, and everybody around it."""

    stack: Stack
    customer: Customer
    sandbox: SandboxControl
    traps: Traps
    sources: Sources

    async def books(self, within_seconds: float = _QUIET_WITHIN_SECONDS) -> BooksReport:
        return await once_quiet(self.sources, within_seconds=within_seconds)


async def an_answer_is_lost_and_the_order_sent_again(scene: Scene) -> BooksReport:
    await scene.sandbox.fault("drop_after", method="alipay.trade.precreate")
    await scene.customer.shop.order(QR)
    return await scene.books()


async def a_worker_dies_when_it_has_booked(scene: Scene) -> BooksReport:
    trap = scene.traps.arm("settle: after commit settle payment", Action.DIE)
    payment = asyncio.create_task(scene.customer.pays_by_qr(""))
    await trap.fired(within_seconds=_FIRES_WITHIN_SECONDS)
    await asyncio.to_thread(scene.stack.kill, "worker")
    await asyncio.to_thread(scene.stack.start, "worker")
    assert await payment == "succeeded"
    # The run goes on where it died as soon as Temporal gives it to the new worker.
    return await scene.books(_FIRES_WITHIN_SECONDS)


async def an_answer_and_its_callback_are_lost(scene: Scene) -> BooksReport:
    await scene.sandbox.fault("drop_after", method="alipay.trade.pay")
    await scene.sandbox.fault("lose", method="alipay.trade.pay", times=None)
    await scene.customer.shop.order(TILL)
    return await scene.books()


async def a_callback_names_another_amount(scene: Scene) -> BooksReport:
    await scene.sandbox.fault("wrong_amount", target="notification")
    payment = await scene.customer.shop.order(QR)
    async with asyncio.timeout(_FIRES_WITHIN_SECONDS):
        await scene.customer.receiver.wait_for(payment["id"])
    return await scene.books()


async def all_of_it_is_refunded_twice_at_once(scene: Scene) -> BooksReport:
    """Looked at while both are on their way: the channel may still refuse one of them."""
    payment = await scene.customer.a_paid_payment()
    traps = [
        scene.traps.arm("refund: before send", Action.WAIT, occurrence=turn) for turn in (1, 2)
    ]
    refunds = [asyncio.create_task(scene.customer.shop.refund(payment, 19_99)) for _ in traps]
    for trap in traps:
        await trap.fired(within_seconds=_FIRES_WITHIN_SECONDS)
    report = await verify(scene.sources, quiet=False)
    for trap in traps:
        trap.release()
    await asyncio.gather(*refunds)
    return report


@dataclass(frozen=True)
class Bug:
    """What is planted, what brings it out, and which invariant it breaks."""

    plant: Plant
    happens: Callable[[Scene], Awaitable[BooksReport]]
    breaks: str


BUGS = {
    "a new serial on retry": Bug(
        plants.A_NEW_SERIAL_ON_RETRY, an_answer_is_lost_and_the_order_sent_again, "I4"
    ),
    "a ledger transaction posted twice": Bug(
        plants.POSTED_TWICE, a_worker_dies_when_it_has_booked, "I12"
    ),
    "unknown treated as failed": Bug(
        plants.UNKNOWN_IS_FAILED, an_answer_and_its_callback_are_lost, "I13"
    ),
    "a callback's amount not compared": Bug(
        plants.AMOUNT_NOT_COMPARED, a_callback_names_another_amount, "I21"
    ),
    "the sum of refunds not locked": Bug(
        plants.REFUND_SUM_NOT_LOCKED, all_of_it_is_refunded_twice_at_once, "I5"
    ),
}


@pytest.mark.timeout(180)
@pytest.mark.parametrize("what", sampled(list(BUGS), 2))
async def test_a_planted_bug_is_named(what: str, tmp_path: Path) -> None:
    bug = BUGS[what]

    async with _scene(bug.plant, tmp_path) as scene:
        report = await bug.happens(scene)

    assert bug.breaks in report.broken_names, as_text(report)


@asynccontextmanager
async def _scene(plant: Plant, folder: Path) -> AsyncIterator[Scene]:
    """A stack whose API and workers run a copy of our code that has the bug."""
    code = await asyncio.to_thread(copy_with, plant, folder / "code")
    checkpoints = folder / "checkpoints"
    environment = {"PYTHONPATH": str(code), "PAYCENTER_CHECKPOINTS_DIR": str(checkpoints)}
    stack = Stack(folder / "stack", environment=environment)
    try:
        await asyncio.to_thread(stack.up)
        await asyncio.to_thread(plant_in_database, plant, stack.database_urls.owner)
        access = Access(url=stack.api_url, key=stack.admin_key)
        async with (
            Receiver() as receiver,
            SandboxControl(stack.sandbox_url) as sandbox,
            await Shop.onboard(access, sandbox, receiver) as shop,
        ):
            await sandbox.auto_pay({"enabled": True, "action": "pay"})
            sources = await sources_of(stack, sandbox)
            customer = Customer(shop, receiver, sandbox, await people_of(stack))
            yield Scene(stack, customer, sandbox, Traps(checkpoints), sources)
    finally:
        await asyncio.to_thread(stack.down)
