"""The two sides of the comparison, as steps a load can run: our whole path, the bare workflow."""

import asyncio
import subprocess
import sys
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

from temporalio.client import Client

from bench import bare
from devstack.receiver import Received
from devstack.sandbox_control import SandboxControl
from devstack.shop import Order, Shop


class Arrivals:
    """Wakes whoever waits for the webhook of a payment."""

    def __init__(self) -> None:
        self._ends: dict[str, asyncio.Future[str]] = {}

    async def end_of(self, payment_id: str) -> str:
        """Which event told the app of the payment's end, as soon as one did."""
        return await asyncio.shield(self._of(payment_id))

    def note(self, one: Received) -> None:
        """Called for each delivery; a repeat of one is nothing new."""
        if not one.verified:
            raise RuntimeError(f"a webhook with a wrong signature: {one}")
        end = self._of(str(one.body["data"]["id"]))
        if not end.done():
            end.set_result(one.type)

    def _of(self, payment_id: str) -> asyncio.Future[str]:
        if payment_id not in self._ends:
            self._ends[payment_id] = asyncio.get_running_loop().create_future()
        return self._ends[payment_id]


class WholePath:
    """A payment through an API like ours, from POST to the app's webhook.

    With several shops their addresses are used in turn, as a load balancer does.
    """

    def __init__(self, shops: Sequence[Shop], arrivals: Arrivals) -> None:
        self._shops = shops
        self._arrivals = arrivals

    async def initiate(self, number: int) -> None:
        answer = await self._order(number)
        if answer["status"] not in {"requires_action", "succeeded"}:
            raise RuntimeError(f"the payment was not initiated: {answer}")

    async def whole(self, number: int) -> None:
        answer = await self._order(number)
        end = await self._arrivals.end_of(answer["id"])
        if end != "payment.succeeded":
            raise RuntimeError(f"{answer['id']} ended with {end}")

    async def _order(self, number: int) -> dict[str, Any]:
        return await self._shops[number % len(self._shops)].order(Order())


class BarePath:
    """The bare workflow, with a worker process of its own."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._run = uuid4().hex[:8]

    async def __aenter__(self) -> Self:
        self._worker = subprocess.Popen(  # noqa: ASYNC220  # before the measuring begins
            [sys.executable, "-m", "bench.bare", self._address], stdout=subprocess.PIPE, text=True
        )
        ready = await asyncio.to_thread(self._worker.stdout.readline) if self._worker.stdout else ""
        if ready.strip() != "ready":
            raise RuntimeError("the bare worker did not start")
        self._client = await Client.connect(self._address)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._worker.kill()
        self._worker.wait()

    @property
    def worker_pid(self) -> int:
        return self._worker.pid

    async def initiate(self, _: int) -> None:
        await bare.initiate(self._client, f"{self._run}-{uuid4().hex[:12]}")

    async def whole(self, _: int) -> None:
        order = f"{self._run}-{uuid4().hex[:12]}"
        await bare.initiate(self._client, order)
        await bare.complete(self._client, order)


async def pay_all(sandbox: SandboxControl) -> None:
    """Every payer pays who was shown a code and has not paid yet."""
    for status in ("prepared", "waiting"):
        for trade in await sandbox.trades(status=status, limit="5000"):
            await sandbox.pay(str(trade["out_trade_no"]))
