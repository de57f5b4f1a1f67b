"""The two sides of the comparison, as steps a load can run: our whole path, the bare workflow."""

import asyncio
import subprocess
import sys
from types import TracebackType
from typing import Self
from uuid import uuid4

from temporalio.client import Client

from bench import bare
from devstack.receiver import Received
from devstack.shop import Order, Shop


class Arrivals:
    """Wakes whoever waits for the webhook of a payment."""

    def __init__(self) -> None:
        self._events: dict[str, asyncio.Event] = {}

    def of(self, payment_id: str) -> asyncio.Event:
        return self._events.setdefault(payment_id, asyncio.Event())

    def note(self, one: Received) -> None:
        if not one.verified or one.type != "payment.succeeded":
            raise RuntimeError(f"not the webhook of a paid payment: {one}")
        self.of(str(one.body["data"]["id"])).set()


class OurPath:
    """A payment through the public API, from POST to the app's webhook."""

    def __init__(self, shop: Shop, arrivals: Arrivals) -> None:
        self._shop = shop
        self._arrivals = arrivals

    async def initiate(self, _: int) -> None:
        answer = await self._shop.order(Order())
        if answer["status"] not in {"requires_action", "succeeded"}:
            raise RuntimeError(f"the payment was not initiated: {answer}")

    async def whole(self, _: int) -> None:
        answer = await self._shop.order(Order())
        await self._arrivals.of(answer["id"]).wait()


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
