"""A third party made up for tests: shows QR codes, signs its callbacks, can keep us waiting."""

import asyncio
import hashlib
import hmac
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from pydantic import Field, SecretStr, field_validator

from channels.base import (
    Account,
    Acknowledgement,
    Capabilities,
    ChannelParameters,
    Method,
    Operation,
    Statement,
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
from models.errors import BadSignature, ChannelUnavailable, InvalidRequest
from models.money import Money
from models.reconciliation import (
    LineKind,
    StatementAvailability,
    StatementLine,
    StatementTotals,
)

NAME = "testpay"
SECRET = "a secret of the test channel"
SIGNATURE = "x-testpay-signature"
PARAMETERS = {"merchant_number": "m-1", "secret": SECRET}


def _noon_zone() -> str:
    """A time zone in which it is about noon, so that no test meets the end of a day."""
    ahead = 12 - datetime.now(UTC).hour
    return f"Etc/GMT{-ahead:+d}" if ahead else "Etc/GMT"


NOON_ZONE = _noon_zone()


class TestPayParameters(ChannelParameters):
    __test__ = False

    merchant_number: str = Field(min_length=1, max_length=32)
    secret: SecretStr

    def identity(self) -> dict[str, str]:
        return {"merchant_number": self.merchant_number}

    @field_validator("secret")
    @classmethod
    def _long_enough(cls, value: SecretStr) -> SecretStr:
        if len(value.get_secret_value()) < 8:
            raise ValueError("the secret has at least 8 characters")
        return value


@dataclass
class Bill:
    """What the channel says of a day. `says_count` and `says_day`: what it claims of itself."""

    lines: list[StatementLine] = field(default_factory=list)
    says_count: int | None = None
    says_day: str | None = None
    cut: bool = False
    not_before_asked: int = 0
    away_until_asked: int = 0

    def write(self, day: date, into: Path) -> None:
        into.write_bytes(self.content(day))

    def content(self, day: date) -> bytes:
        rows = [[*line[:-1], line.occurred_at.isoformat()] for line in self.lines]
        count = len(rows) if self.says_count is None else self.says_count
        text = json.dumps({"day": self.says_day or str(day), "count": count, "lines": rows})
        return text.encode()[: len(text) // 2 if self.cut else None]


class TestStatement:
    """Reads such a bill, and refuses one that is not what it says."""

    __test__ = False

    def __init__(self, path: Path, day: date) -> None:
        self._path, self._day = path, day
        self._read: list[StatementLine] = []

    @property
    def totals(self) -> StatementTotals:
        return StatementTotals(payments=len(self._read))

    def lines(self) -> Iterator[StatementLine]:
        try:
            bill = json.loads(self._path.read_bytes())
        except ValueError:
            raise InvalidRequest("it ends too early", code="statement-truncated") from None
        if bill["day"] != str(self._day):
            raise InvalidRequest(f"it is of {bill['day']}", code="statement-wrong-day")
        for row in bill["lines"]:
            line = StatementLine._make(
                (LineKind(row[0]), *row[1:-1], datetime.fromisoformat(row[-1]))
            )
            self._read.append(line)
            yield line
        if bill["count"] != len(self._read):
            raise InvalidRequest("its count is wrong", code="statement-wrong-totals")


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
        timezone=NOON_ZONE,
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
        self.bills: dict[str, Bill] = {}
        self.bill_asked = 0

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

    async def fetch_statement(
        self, account: Account, day: date, into: Path, now: datetime
    ) -> StatementAvailability:
        self.bill_asked += 1
        self.news.set()
        bill = self.bills.get(account.id)
        if bill is None:
            return StatementAvailability.EMPTY
        if bill.not_before_asked > self.bill_asked:
            return StatementAvailability.NOT_YET
        if bill.away_until_asked > self.bill_asked:
            raise ChannelUnavailable("the test channel is away")
        bill.write(day, into)
        return StatementAvailability.FETCHED

    def read_statement(self, account: Account, day: date, path: Path) -> Statement:
        return TestStatement(path, day)

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
