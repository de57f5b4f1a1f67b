"""kill -9 under load, then both books: who loses or doubles money gets no rate.

A client sends each order until it is answered, as an app does. Meanwhile processes are killed one
after the other, and started again. What must hold when everything is quiet is in `bench.verdict`.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from bench.sides import Arrivals
from bench.verdict import Verdict, read_books
from devstack.api_client import ApiProblem
from devstack.sandbox_control import SandboxControl
from devstack.shop import Order, Shop, new_order_number

_TRY_AGAIN = {0, 500, 502, 503, 504}
_PAUSE_SECONDS = 0.2
# A client that has waited so long for a webhook orders the next thing; all are checked at the end.
_WEBHOOK_WITHIN_SECONDS = 2.0
# A callback that was lost with a process is made up for by a query after 30 seconds.
_QUIET_WITHIN_SECONDS = 180.0
_PAGE = 1000


@dataclass(frozen=True)
class Contender:
    """A system that takes payments. `kill` ends one process, which comes back by itself.

    `stops` says how many different processes there are to kill.
    """

    name: str
    shops: Sequence[Shop]
    alipay_app_id: str
    database_url: str
    kill: Callable[[int], str]
    stops: int


class Gate:
    """One contender under load while its processes are killed."""

    def __init__(
        self, contender: Contender, arrivals: Arrivals, sandbox: SandboxControl, at_once: int
    ) -> None:
        self._contender = contender
        self._arrivals = arrivals
        self._sandbox = sandbox
        self._at_once = at_once
        self._tries = 0
        self._told: list[str] = []
        self._over = False

    async def judge(self, *, kills: int, every_seconds: float) -> Verdict:
        """Load it, kill it, let it come to rest, and compare the books."""
        killed: list[str] = []
        clients = [asyncio.create_task(self._client(number)) for number in range(self._at_once)]
        for number in range(kills):
            await asyncio.sleep(every_seconds)
            part = number % self._contender.stops
            killed.append(await asyncio.to_thread(self._contender.kill, part))
        await asyncio.sleep(every_seconds)
        self._over = True
        await asyncio.gather(*clients)
        ends = await self._ends()
        await self._sandbox.quiesce()
        return Verdict.of(
            kills=killed,
            told=self._told,
            ends=ends,
            trades=await self._trades(),
            books=read_books(self._contender.database_url),
        )

    async def _client(self, number: int) -> None:
        while not self._over:
            payment_id = await self._order_until_answered(number)
            self._told.append(payment_id)
            try:
                await asyncio.wait_for(self._arrivals.end_of(payment_id), _WEBHOOK_WITHIN_SECONDS)
            except TimeoutError:
                continue

    async def _order_until_answered(self, number: int) -> str:
        order_no, shops = new_order_number(), self._contender.shops
        while True:
            shop = shops[(number + self._tries) % len(shops)]
            self._tries += 1
            try:
                answer = await shop.order(Order(), order_no=order_no)
            except ApiProblem as problem:
                if problem.status not in _TRY_AGAIN:
                    raise
                await asyncio.sleep(_PAUSE_SECONDS)
            else:
                return str(answer["id"])

    async def _ends(self) -> dict[str, str]:
        """How each payment that the client was told of ended, as far as its app was told."""
        until = time.monotonic() + _QUIET_WITHIN_SECONDS
        ends: dict[str, str] = {}
        for payment_id in self._told:
            with suppress(TimeoutError):
                async with asyncio.timeout(max(until - time.monotonic(), 0.01)):
                    ends[payment_id] = await self._arrivals.end_of(payment_id)
        return ends

    async def _trades(self) -> list[dict[str, Any]]:
        """All of this contender's, from the channel's own books."""
        found: list[dict[str, Any]] = []
        while True:
            after = str(found[-1]["trade_no"]) if found else ""
            page = await self._sandbox.trades(
                app_id=self._contender.alipay_app_id, after=after, limit=str(_PAGE)
            )
            found += page
            if len(page) < _PAGE:
                return found
