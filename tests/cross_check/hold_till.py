"""One hold of 19.99 yuan through our adapter, at the sandbox."""

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from channels.alipay.adapter import AlipayChannel
from channels.base import Account
from models.channel import (
    Approved,
    CallbackFacts,
    CaptureRequest,
    Declined,
    Outcome,
    PayRequest,
    QueryRequest,
    RefundRequest,
)
from models.money import Money
from tests.sandbox.merchant import a_number
from tests.sandbox.process import Control

NOBODY = "http://127.0.0.1:1/"
CODE_THAT_AGREES = "285015833990941919"


def yuan(minor: int) -> Money:
    return Money(amount_minor=minor, currency="CNY")


HELD = yuan(19_99)


class Till:
    """One hold of 19.99 yuan through the adapter."""

    def __init__(self, alipay: AlipayChannel, account: Account, control: Control) -> None:
        self._alipay = alipay
        self._account = account
        self.control = control
        self.serial = a_number()
        self.method = "alipay_qr"
        self.notify_url = NOBODY
        self.expires_at = now() + timedelta(minutes=15)

    async def hold(self, *, code: str | None = None) -> Outcome:
        self.method = "alipay_buyer_code" if code else "alipay_qr"
        request = PayRequest(
            payment_id="pay_1",
            serial=self.serial,
            method=self.method,
            money=HELD,
            subject="房间 & deposit = 好",
            expires_at=self.expires_at,
            notify_url=self.notify_url,
            payer_code=code,
            capture_method="manual",
        )
        return (await self._alipay.pay(self._account, request, now())).outcome

    async def agree(self) -> None:
        await self.control.post("/trades/pay", out_trade_no=self.serial)

    async def held(self) -> None:
        await self.hold()
        await self.agree()

    async def query(self) -> Outcome:
        return (await self._alipay.query(self._account, self._asking(), now())).outcome

    async def close(self) -> Outcome:
        return (await self._alipay.close(self._account, self._asking(), now())).outcome

    async def void(self) -> Outcome:
        return (await self._alipay.void(self._account, self._asking(), now())).outcome

    async def capture(self, minor: int, *, authorized: int = 19_99) -> Outcome:
        request = CaptureRequest(
            payment_id="pay_1",
            serial=self.serial,
            method=self.method,
            subject="Two nights",
            notify_url=self.notify_url,
            channel_reference=None,
            money=yuan(minor),
            authorized=yuan(authorized),
        )
        return (await self._alipay.capture(self._account, request, now())).outcome

    async def refund(self, minor: int, *, paid: int, reference: str) -> Outcome:
        request = RefundRequest(
            payment_id="pay_1",
            refund_id="ref_1",
            refund_serial=f"{self.serial}R",
            serial=self.serial,
            channel_reference=reference,
            money=yuan(minor),
            paid=yuan(paid),
        )
        return (await self._alipay.refund(self._account, request, now())).outcome

    def read(self, form: dict[str, str]) -> CallbackFacts | None:
        body = urlencode(form).encode()
        return self._alipay.parse_callback(self._account, {}, body, now())

    async def books(self) -> dict[str, Any]:
        shown: dict[str, Any] = await self.control.get(f"/trades/{self.serial}")
        return shown

    def _asking(self) -> QueryRequest:
        return QueryRequest(
            payment_id="pay_1",
            serial=self.serial,
            method=self.method,
            money=HELD,
            expires_at=self.expires_at,
            capture_method="manual",
        )


def now() -> datetime:
    return datetime.now(UTC)


def is_held(outcome: Outcome) -> bool:
    return isinstance(outcome, Approved) and outcome.held and outcome.money == HELD


def is_closed(outcome: Outcome) -> bool:
    return isinstance(outcome, Declined) and outcome.code == "closed"


def took(outcome: Outcome) -> int | None:
    return (
        outcome.money.amount_minor if isinstance(outcome, Approved) and not outcome.held else None
    )
