"""What a business app does with us, over and over until it is done, whatever breaks meanwhile."""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import httpx

from devstack.api_client import Access, ApiClient, ApiProblem
from devstack.receiver import Receiver
from devstack.sandbox_control import SandboxControl
from devstack.shop import Order, Shop, new_order_number

Answer = dict[str, Any]

# What an app waits before it sends the same again, and how often it does that.
_PAUSE_SECONDS = 0.3
_TRIES = 300
_TRY_AGAIN = {0, 500, 502, 503, 504}
# The longest road is a channel call whose worker died: 20 seconds until it is given up, and the
# queries after that, while another worker is killed for the next case.
_PATIENCE_SECONDS = 120.0

QR = Order(amount=19_99)
# Money is taken at once for a code that begins with 28: its answer is worth the most to lose.
TILL = Order(amount=8_80, method="alipay_buyer_code", payer_code="280000000000000001")
CARD = Order(amount=25_00, currency="USD", method="stripe_card", payer_code="pm_card_visa",
             return_url="https://shop.example/back")  # fmt: skip
HELD_CARD = Order(amount=25_00, currency="USD", method="stripe_card", payer_code="pm_card_visa",
                  return_url="https://shop.example/back", capture_method="manual")  # fmt: skip

HELD_QR = Order(amount=19_99, capture_method="manual")
AT_THE_DESK = Order(amount=19_99, method=None)

_STATE = re.compile(r'data-state="([a-z]+)"')
_NUMBER = re.compile(r'name="number" value="([0-9])"')

_PAYMENT_ENDS = {"succeeded", "partially_captured", "failed", "canceled", "expired"}
_REFUND_ENDS = {"succeeded", "failed", "rejected", "canceled"}
_DAY_ENDS = {"balanced", "discrepancies", "failed"}
_DECIDED = {"approved", "resolved"}


@dataclass(frozen=True)
class People:
    """Those of our own house: who onboards apps, and the two who repair a day together."""

    admin: Access
    finance: Access
    ops: Access


@dataclass(frozen=True)
class Customer:
    """One app on a stack whose payers pay, and the people who look after its days."""

    shop: Shop
    receiver: Receiver
    sandbox: SandboxControl
    people: People

    # ---- what is there before a case begins ------------------------------------------------------

    async def nothing(self) -> str:
        return ""

    async def a_paid_payment(self) -> str:
        return await self.pay(QR, _PAYMENT_ENDS)

    async def a_held_card(self) -> str:
        return await self.pay(HELD_CARD, {"requires_capture"})

    async def frozen_money(self) -> str:
        return await self.pay(HELD_QR, {"requires_capture"})

    async def a_day_of_its_own(self) -> str:
        """An account of a new app with one payment; on its bill there is a line more."""
        name = new_order_number()
        opened = await Shop.onboard(self.people.admin, self.sandbox, self.receiver, name=name)
        async with opened as shop:
            await replace(self, shop=shop).a_paid_payment()
        return shop.account_id

    async def a_discrepancy(self) -> str:
        account_id = await self.a_day_of_its_own()
        await self.reconciles(account_id)
        async with ApiClient(self.people.finance.url, self.people.finance.key) as finance:
            found = await insist(
                lambda: finance.get("/v1/discrepancies", {"account_id": account_id})
            )
        return str(found["items"][0]["id"])

    # ---- the cases -------------------------------------------------------------------------------

    async def pays_by_qr(self, _: str) -> str:
        return await self._pays(QR)

    async def pays_at_a_till(self, _: str) -> str:
        return await self._pays(TILL)

    async def pays_by_card(self, _: str) -> str:
        return await self._pays(CARD)

    async def pays_at_the_cash_desk(self, _: str) -> str:
        """The payer begins on Alipay's page, turns back, and pays by a code."""
        number = new_order_number()
        payment = await insist(lambda: self.shop.order(AT_THE_DESK, order_no=number))
        path = f"/v1/payments/{payment['id']}"
        await self.until(path, {"requires_action"} | _PAYMENT_ENDS)
        action = (await insist(lambda: self.shop.payment(payment["id"])))["next_action"]
        async with httpx.AsyncClient(timeout=20, trust_env=False) as browser:
            await _choose_twice(browser, action["url"])
        return await self.until(path, _PAYMENT_ENDS)

    async def refunds(self, payment_id: str) -> str:
        number = new_order_number()
        refund = await insist(lambda: self.shop.refund(payment_id, 5_00, refund_no=number))
        return await self.until(f"/v1/refunds/{refund['id']}", _REFUND_ENDS)

    async def captures(self, payment_id: str) -> str:
        await insist(lambda: self.shop.capture(payment_id, 18_00), done=self._is_over(payment_id))
        return await self.until(f"/v1/payments/{payment_id}", _PAYMENT_ENDS)

    async def cancels(self, payment_id: str) -> str:
        await insist(lambda: self.shop.cancel(payment_id), done=self._is_over(payment_id))
        return await self.until(f"/v1/payments/{payment_id}", _PAYMENT_ENDS)

    async def reconciles(self, account_id: str) -> str:
        asked = {"account_id": account_id, "business_day": str(_today())}
        async with ApiClient(self.people.finance.url, self.people.finance.key) as finance:
            day = await insist(lambda: finance.post("/v1/reconciliations", asked))
            return await _until(finance, f"/v1/reconciliations/{day['id']}", _DAY_ENDS)

    async def repairs(self, discrepancy_id: str) -> str:
        """Two people put what nobody knows of into suspense."""
        path = f"/v1/discrepancies/{discrepancy_id}"
        wish = {"action": "suspense", "reason": "nobody knows it"}
        people = self.people
        async with (
            ApiClient(people.finance.url, people.finance.key) as finance,
            ApiClient(people.ops.url, people.ops.key) as ops,
        ):

            async def is_proposed() -> bool:
                return bool((await insist(lambda: ops.get(path)))["status"] != "open")

            async def is_decided() -> bool:
                return bool((await insist(lambda: ops.get(path)))["status"] in _DECIDED)

            await insist(lambda: finance.post(f"{path}/repair", wish), done=is_proposed)
            await insist(lambda: ops.post(f"{path}/approve", {"reason": "agreed"}), done=is_decided)
            return await _until(ops, path, {"resolved"})

    # ---- its steps -------------------------------------------------------------------------------

    async def _pays(self, order: Order) -> str:
        payment_id = await self.pay(order, _PAYMENT_ENDS)
        return await self.until(f"/v1/payments/{payment_id}", _PAYMENT_ENDS)

    async def pay(self, order: Order, until: set[str]) -> str:
        """Order until it is taken, and wait until it is where it should be; gives its id."""
        number = new_order_number()
        payment = await insist(lambda: self.shop.order(order, order_no=number))
        await self.until(f"/v1/payments/{payment['id']}", until | _PAYMENT_ENDS)
        return str(payment["id"])

    async def until(self, path: str, statuses: set[str]) -> str:
        return await _until(self.shop.api, path, statuses)

    def _is_over(self, payment_id: str) -> Callable[[], Awaitable[bool]]:
        """A command that was carried out while its answer was lost is refused the second time."""

        async def look() -> bool:
            payment = await insist(lambda: self.shop.payment(payment_id))
            return payment["status"] in _PAYMENT_ENDS

        return look


async def _choose_twice(browser: httpx.AsyncClient, url: str) -> None:
    """First Alipay's page, then a code; and the code again where it brought nothing."""
    origin = {"origin": url.rpartition("/checkout/")[0]}
    until = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < until:
        try:
            page = (await browser.get(url)).text
            state = _STATE.search(page)
            number = _NUMBER.search(page)
            if state and state[1] not in ("choose", "waiting", "unknown"):
                return
            if state and number and (state[1] == "choose" or number[1] == "2"):
                method = "alipay_page" if number[1] == "1" else "alipay_qr"
                chosen = {"method": method, "number": number[1]}
                await browser.post(f"{url}/pay", data=chosen, headers=origin)
        except httpx.HTTPError:
            pass  # it is down; a payer loads the page again
        await asyncio.sleep(_PAUSE_SECONDS)
    raise AssertionError(f"the cash desk came to no end in {_PATIENCE_SECONDS:.0f} s")


async def _until(api: ApiClient, path: str, statuses: set[str]) -> str:
    """The status of the thing at `path`, as soon as it is one of these."""
    async with asyncio.timeout(_PATIENCE_SECONDS):
        while True:
            status = str((await insist(lambda: api.get(path)))["status"])
            if status in statuses:
                return status
            await asyncio.sleep(_PAUSE_SECONDS)


def _today() -> date:
    """By Alipay's own clock."""
    return datetime.now(ZoneInfo("Asia/Shanghai")).date()


async def insist(
    ask: Callable[[], Awaitable[Answer]], *, done: Callable[[], Awaitable[bool]] | None = None
) -> Answer:
    """Ask until there is an answer, as an app does; a refusal is one, unless it was `done`."""
    for _ in range(_TRIES):
        try:
            return await ask()
        except ApiProblem as problem:
            if problem.status not in _TRY_AGAIN:
                if done is not None and await done():
                    return {}
                raise
            await asyncio.sleep(_PAUSE_SECONDS)
    raise AssertionError(f"no answer in {_TRIES} tries")


@dataclass(frozen=True)
class Course:
    """One business process: what it needs, what is done while something is killed, how it ends.

    What was never sent fails at once and takes no money. A till payment whose one request was lost
    with its worker is cancelled, and money it took is given back. All else is taken up again.
    """

    prepare: Callable[[Customer], Awaitable[str]]
    run: Callable[[Customer, str], Awaitable[str]]
    ends: frozenset[str]


COURSES: Mapping[str, Course] = {
    "pay by QR code": Course(
        Customer.nothing, Customer.pays_by_qr, frozenset({"succeeded", "failed"})
    ),
    "pay at a till": Course(
        Customer.nothing, Customer.pays_at_a_till, frozenset({"succeeded", "failed"})
    ),
    "pay at the cash desk": Course(
        Customer.nothing, Customer.pays_at_the_cash_desk, frozenset({"succeeded"})
    ),
    "pay by card": Course(
        Customer.nothing, Customer.pays_by_card, frozenset({"succeeded", "failed"})
    ),
    "refund": Course(Customer.a_paid_payment, Customer.refunds, frozenset({"succeeded"})),
    "capture": Course(Customer.a_held_card, Customer.captures, frozenset({"partially_captured"})),
    "reconcile a day": Course(
        Customer.a_day_of_its_own, Customer.reconciles, frozenset({"discrepancies"})
    ),
    "repair by two people": Course(
        Customer.a_discrepancy, Customer.repairs, frozenset({"resolved"})
    ),
    "capture at Alipay": Course(
        Customer.frozen_money, Customer.captures, frozenset({"partially_captured"})
    ),
    "void at Alipay": Course(Customer.frozen_money, Customer.cancels, frozenset({"canceled"})),
    "void": Course(Customer.a_held_card, Customer.cancels, frozenset({"canceled"})),
}
