"""kill -9 under load, then both books: who loses or doubles money gets no rate.

A client sends each order until it is answered, as an app does. Meanwhile processes are killed one
after the other, and started again. When everything is quiet, every payment that the client was told
of has ended and its app knows; each order the channel took money for is booked once, with the same
amount; and nothing is booked that the channel knows nothing of.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg

from bench.sides import Arrivals
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

_BOOKED = """
SELECT replace(ledger_transaction_id, 'ltx_capture_', '') AS serial,
       sum(amount_minor) FILTER (WHERE amount_minor > 0) AS amount, sum(amount_minor) AS rest
FROM ledger_entry GROUP BY ledger_transaction_id
"""


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


@dataclass
class Verdict:
    """What was found. Everything but the counts must be empty."""

    kills: list[str] = field(default_factory=list)
    told: int = 0
    tries: int = 0
    not_ended: list[str] = field(default_factory=list)
    ended_otherwise: list[str] = field(default_factory=list)
    taken_twice: list[str] = field(default_factory=list)
    taken_not_booked: list[str] = field(default_factory=list)
    booked_not_taken: list[str] = field(default_factory=list)
    unbalanced: list[str] = field(default_factory=list)

    @property
    def is_passed(self) -> bool:
        wrong = (
            self.not_ended,
            self.ended_otherwise,
            self.taken_twice,
            self.taken_not_booked,
            self.booked_not_taken,
            self.unbalanced,
        )
        return bool(self.told) and not any(wrong)

    def in_words(self) -> str:
        faults = {
            "did not end": self.not_ended,
            "ended otherwise than the channel says": self.ended_otherwise,
            "taken twice": self.taken_twice,
            "taken and not booked": self.taken_not_booked,
            "booked and not taken": self.booked_not_taken,
            "not balanced": self.unbalanced,
        }
        found = [f"{len(ids)} {what} ({ids[0]}, …)" for what, ids in faults.items() if ids]
        return "; ".join(found) or "nothing lost, nothing doubled"


class Gate:
    """One contender under load while its processes are killed."""

    def __init__(
        self, contender: Contender, arrivals: Arrivals, sandbox: SandboxControl, at_once: int
    ) -> None:
        self._contender = contender
        self._arrivals = arrivals
        self._sandbox = sandbox
        self._at_once = at_once
        self._verdict = Verdict()
        self._told: list[str] = []
        self._over = False

    async def judge(self, *, kills: int, every_seconds: float) -> Verdict:
        """Load it, kill it, let it come to rest, and compare the books."""
        clients = [asyncio.create_task(self._client(number)) for number in range(self._at_once)]
        for number in range(kills):
            await asyncio.sleep(every_seconds)
            part = number % self._contender.stops
            self._verdict.kills.append(await asyncio.to_thread(self._contender.kill, part))
        await asyncio.sleep(every_seconds)
        self._over = True
        await asyncio.gather(*clients)
        ends = await self._ends()
        await self._sandbox.quiesce()
        await self._compare(ends)
        return self._verdict

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
            shop = shops[(number + self._verdict.tries) % len(shops)]
            self._verdict.tries += 1
            try:
                answer = await shop.order(Order(), order_no=order_no)
            except ApiProblem as problem:
                if problem.status not in _TRY_AGAIN:
                    raise
                await asyncio.sleep(_PAUSE_SECONDS)
            else:
                return str(answer["id"])

    async def _ends(self) -> dict[str, str]:
        """How each payment that the client was told of ended."""
        until = time.monotonic() + _QUIET_WITHIN_SECONDS
        ends: dict[str, str] = {}
        for payment_id in self._told:
            try:
                async with asyncio.timeout(max(until - time.monotonic(), 0.01)):
                    ends[payment_id] = await self._arrivals.end_of(payment_id)
            except TimeoutError:
                self._verdict.not_ended.append(payment_id)
        return ends

    async def _compare(self, ends: dict[str, str]) -> None:
        verdict, trades = self._verdict, await self._trades()
        booked, verdict.unbalanced = _booked(self._contender.database_url)
        taken = {one["out_trade_no"]: one for one in trades if one["status"] == "paid"}
        amounts = {serial: int(one["amount_minor"]) for serial, one in taken.items()}
        verdict.told = len(self._told)
        verdict.taken_twice = [s for s, one in taken.items() if int(one["executions"]) != 1]
        verdict.taken_not_booked = [s for s, sum_ in amounts.items() if booked.get(s) != sum_]
        verdict.booked_not_taken = [s for s, sum_ in booked.items() if amounts.get(s) != sum_]
        paid = {f"pay_{serial[:-2]}" for serial in taken}
        verdict.ended_otherwise = [
            payment_id
            for payment_id, end in ends.items()
            if (end == "payment.succeeded") != (payment_id in paid)
        ]

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


def _booked(database_url: str) -> tuple[dict[str, int], list[str]]:
    """What was captured, by serial; and the ledger transactions that do not sum to nothing."""
    with psycopg.connect(database_url) as connection:
        rows = connection.execute(_BOOKED).fetchall()
    return {row[0]: int(row[1]) for row in rows}, [row[0] for row in rows if row[2] != 0]
