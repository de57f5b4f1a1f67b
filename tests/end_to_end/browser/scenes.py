"""A cash desk in each of its states, and a day with something for everybody to look at."""

import asyncio
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import httpx

from devstack.api_client import Access, ApiClient
from devstack.receiver import Receiver
from devstack.reconciling import reconciled
from devstack.sandbox_control import SandboxControl
from devstack.shop import RETURN_URL, Order, Shop, new_order_number

_SUBJECT = "Two tickets for the harbour cruise, Saturday 14:30"


@dataclass(frozen=True)
class Desk:
    """Where a desk is, and the state that its page comes to show."""

    url: str
    state: str


class Desks:
    """Orders payments without a method, and plays their payers."""

    def __init__(self, shop: Shop, sandbox: SandboxControl, receiver: Receiver) -> None:
        self._shop = shop
        self._sandbox = sandbox
        self._receiver = receiver

    async def in_every_state(self) -> dict[str, Desk]:
        """One desk per picture a payer may see, by a name for the picture."""
        made = {
            "choose": self._desk("choose"),
            "choose-again": self._refused_once(),
            "waiting-code": self._desk("waiting", method="alipay_qr"),
            "waiting-redirect": self._desk("waiting", method="alipay_page"),
            "paid": self._paid("paid"),
            "held": self._paid("held", capture_method="manual"),
            "unknown": self._unknown(),
            "expired": self._expired(),
            "canceled": self._canceled(),
        }
        return dict(zip(made, await asyncio.gather(*made.values()), strict=True))

    async def _order(self, **fields: Any) -> tuple[str, str]:
        given: dict[str, Any] = {
            "amount": 328_50,
            "subject": _SUBJECT,
            "return_url": RETURN_URL,
            "method": None,
        }
        created = await self._shop.order(Order(**(given | fields)))
        return created["id"], created["next_action"]["url"]

    async def _choose(self, url: str, method: str) -> None:
        """Send the desk's form, as its page would."""
        parts = urlsplit(url)
        origin = {"origin": f"{parts.scheme}://{parts.netloc}"}
        async with httpx.AsyncClient(trust_env=False, timeout=30) as http:
            form = {"method": method, "number": "1"}
            answer = await http.post(f"{url}/pay", data=form, headers=origin)
        assert answer.is_redirect, answer.text

    async def _desk(self, state: str, *, method: str | None = None, **fields: Any) -> Desk:
        _, url = await self._order(**fields)
        if method is not None:
            await self._choose(url, method)
        return Desk(url, state)

    async def _refused_once(self) -> Desk:
        payment_id, url = await self._order()
        await self._choose(url, "alipay_page")
        action = (await self._shop.payment(payment_id))["next_action"]
        async with httpx.AsyncClient(trust_env=False, follow_redirects=True) as http:
            cashier = await http.get(action["url"])
            refused = await http.post(f"{cashier.url}/refuse")
        assert refused.is_success, refused.text
        return Desk(url, "choose")

    async def _paid(self, state: str, **fields: Any) -> Desk:
        payment_id, url = await self._order(**fields)
        await self._choose(url, "alipay_qr")
        await self._sandbox.pay(await self._shop.serial_of(payment_id))
        return Desk(url, state)

    async def _unknown(self) -> Desk:
        """The channel took the order, and neither its answer nor a later one arrives."""
        payment_id, url = await self._order()
        serial = f"{payment_id.removeprefix('pay_')}01"
        await self._sandbox.fault("drop_after", out_trade_no=serial, times=None)
        await self._choose(url, "alipay_qr")
        return Desk(url, "unknown")

    async def _expired(self) -> Desk:
        payment_id, url = await self._order(expires_in=None)
        await self._receiver.wait_for(payment_id)
        return Desk(url, "expired")

    async def _canceled(self) -> Desk:
        payment_id, url = await self._order()
        await self._shop.cancel(payment_id)
        return Desk(url, "canceled")


@dataclass(frozen=True)
class Day:
    """A channel account's day of which the bill says more than the books."""

    account_id: str
    on: date
    payment_id: str


async def a_busy_day(
    shop: Shop, sandbox: SandboxControl, receiver: Receiver, *, ops: Access, finance: Access
) -> Day:
    """A refund and a repair that wait for a second person, a false callback, a day that differs."""
    payment = await shop.order(Order(amount=19_99))
    await sandbox.pay(await shop.serial_of(payment["id"]))
    await receiver.wait_for(payment["id"])
    refund = {"payment_id": payment["id"], "refund_no": new_order_number(), "amount": 5_00}
    async with ApiClient(ops.url, ops.key) as api:
        await api.post("/v1/refunds", refund | {"reason": "Came too late"})
    async with httpx.AsyncClient(trust_env=False) as stranger:
        await stranger.post(f"{ops.url}/callbacks/alipay/{shop.account_id}", data={"sign": "no"})
    today = datetime.now(ZoneInfo("Asia/Shanghai")).date()
    await sandbox.bill_settings(fee_bps=60, same_day=True)
    await sandbox.plant("extra_row", number="T-NOBODY-KNOWS", amount_minor=1_23)
    await sandbox.plant("extra_row", number="T-NOBODY-KNOWS-2", amount_minor=8_00)
    found = await reconciled(finance, shop.account_id, today)
    await sandbox.clear_plants()
    await sandbox.bill_settings(fee_bps=60, same_day=False)
    strange = found.discrepancies[0]["id"]
    repair = {"action": "suspense", "reason": "Nobody knows it"}
    async with ApiClient(ops.url, ops.key) as api:
        await api.post(f"/v1/discrepancies/{strange}/repair", repair)
    return Day(account_id=shop.account_id, on=today, payment_id=payment["id"])
