"""A third party made up for tests: shows QR codes, signs its callbacks, can keep us waiting."""

import asyncio
import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic import Field, SecretStr, field_validator

from channels.base import (
    Account,
    Acknowledgement,
    Capabilities,
    ChannelParameters,
    Method,
    Operation,
)
from models.channel import (
    Answer,
    Approved,
    CallbackFacts,
    CaptureRequest,
    Declined,
    Outcome,
    PayRequest,
    Pending,
    QueryRequest,
    RefundRequest,
    ShowQrCode,
)
from models.errors import BadSignature, InvalidRequest
from models.money import Money

NAME = "testpay"
SECRET = "a secret of the test channel"
SIGNATURE = "x-testpay-signature"
PARAMETERS = {"merchant_number": "m-1", "secret": SECRET}


class TestPayParameters(ChannelParameters):
    __test__ = False

    merchant_number: str = Field(min_length=1, max_length=32)
    secret: SecretStr

    @field_validator("secret")
    @classmethod
    def _long_enough(cls, value: SecretStr) -> SecretStr:
        if len(value.get_secret_value()) < 8:
            raise ValueError("the secret has at least 8 characters")
        return value


class TestPay:
    """Fulfils the Channel protocol. `test_slow` waits for `may_answer`."""

    __test__ = False

    name = NAME
    parameters: type[ChannelParameters] = TestPayParameters
    capabilities = Capabilities(
        methods=(
            Method(name="test_qr", title="QR code", repeat_safe=True),
            Method(
                name="test_hold",
                title="Held at once",
                repeat_safe=True,
                manual_capture=True,
                hold_seconds=7 * 86_400,
            ),
            Method(
                name="test_hold_qr",
                title="Held when the payer confirms",
                repeat_safe=True,
                manual_capture=True,
                hold_seconds=7 * 86_400,
            ),
            Method(name="test_slow", title="QR code, after a while", repeat_safe=True),
            Method(
                name="test_code",
                title="Payer's code",
                repeat_safe=False,
                payer_present=True,
                needs_payer_code=True,
            ),
        ),
        operations=frozenset(Operation),
        currencies=frozenset({"CNY"}),
        amount_min_minor=1,
        amount_max_minor=10_000_000,
        expiry_max_seconds=86_400,
        timezone="Asia/Shanghai",
    )

    def __init__(self) -> None:
        self.may_answer = asyncio.Event()
        self.waiting = 0
        self.news = asyncio.Event()
        self.pay_calls: list[str] = []
        self.asked: dict[str, int] = {}
        self.says: dict[str, Outcome] = {}
        self.captured: list[Money] = []
        self.released: list[str] = []
        self.capture_says: dict[str, Outcome] = {}
        self.refund_calls: list[str] = []
        self.refund_says: dict[str, Outcome] = {}
        self.may_refund: dict[str, asyncio.Event] = {}

    async def pay(self, account: Account, request: PayRequest, now: datetime) -> Answer:
        self.pay_calls.append(request.serial)
        if request.method == "test_slow":
            self.waiting += 1
            self.news.set()
            await self.may_answer.wait()
            self.waiting -= 1
        if request.method == "test_hold" and request.capture_method == "manual":
            return Answer(outcome=self._hold(request.money))
        if request.method == "test_code":
            return Answer(outcome=Approved(channel_reference="till-1", money=request.money))
        code = ShowQrCode(
            content=f"https://qr.example/{request.serial}", expires_at=request.expires_at
        )
        return Answer(outcome=Pending(next_action=code))

    def _hold(self, money: Money) -> Approved:
        return Approved(channel_reference="auth-1", money=money, held=True)

    async def capture(self, account: Account, request: CaptureRequest, now: datetime) -> Answer:
        """Takes at once, unless the serial was told to say something else."""
        self.captured.append(request.money)
        taken = Approved(channel_reference="trade-1", money=request.money)
        return Answer(outcome=self.capture_says.get(request.serial, taken))

    async def void(self, account: Account, request: QueryRequest, now: datetime) -> Answer:
        self.released.append(request.serial)
        self.says[request.serial] = Declined(code="closed", detail="released")
        return Answer(outcome=self.says[request.serial])

    async def query(self, account: Account, request: QueryRequest, now: datetime) -> Answer:
        self.asked[request.serial] = self.asked.get(request.serial, 0) + 1
        self.news.set()
        return Answer(outcome=self.says.get(request.serial, Pending()))

    async def close(self, account: Account, request: QueryRequest, now: datetime) -> Answer:
        return Answer(outcome=Declined(code="closed", detail="closed on request"))

    async def refund(self, account: Account, request: RefundRequest, now: datetime) -> Answer:
        """Gives back at once; what it says and when can be told by the payment's serial."""
        self.refund_calls.append(request.refund_serial)
        if request.serial in self.may_refund:
            self.waiting += 1
            self.news.set()
            await self.may_refund[request.serial].wait()
            self.waiting -= 1
        given_back = Approved(channel_reference="back-1", money=request.money)
        return Answer(outcome=self.refund_says.get(request.serial, given_back))

    async def query_refund(self, account: Account, request: RefundRequest, now: datetime) -> Answer:
        self.asked[request.refund_serial] = self.asked.get(request.refund_serial, 0) + 1
        self.news.set()
        return Answer(outcome=self.says.get(request.refund_serial, Pending()))

    def parse_callback(
        self, account: Account, headers: Mapping[str, str], body: bytes, now: datetime
    ) -> CallbackFacts | None:
        secret = account.parameters.secret.get_secret_value()
        if not hmac.compare_digest(sign(body, secret), headers.get(SIGNATURE, "")):
            raise BadSignature("the signature is not the account's")
        try:
            news: dict[str, Any] = json.loads(body)
            if news["event"] == "about somebody else":
                return None
            return CallbackFacts(
                channel_event_id=news["event"],
                serial=news["serial"],
                outcome=_outcome(news),
                channel_reference=news.get("reference"),
                about=news.get("about", "payment"),
            )
        except (ValueError, KeyError):
            raise InvalidRequest("the callback cannot be read") from None

    def acknowledgement(self, *, accepted: bool) -> Acknowledgement:
        return Acknowledgement(
            status_code=200, content_type="text/plain", body="got it" if accepted else "again"
        )


def sign(body: bytes, secret: str = SECRET) -> str:
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def _outcome(news: dict[str, Any]) -> Outcome:
    if news["state"] in ("paid", "held"):
        money = Money(amount_minor=news["amount"], currency=news["currency"])
        held = news["state"] == "held"
        return Approved(channel_reference=news["reference"], money=money, held=held)
    if news["state"] == "refused":
        return Declined(code="refused", detail="the payer's bank refused")
    return Pending()
