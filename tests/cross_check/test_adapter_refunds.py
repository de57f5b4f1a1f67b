"""Refunds and the bill: our adapter and the sandbox, two writings of one protocol, meet."""

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from urllib.parse import urlencode

import pytest

from channels.alipay.adapter import AlipayChannel
from channels.alipay.parameters import AlipayParameters
from channels.base import Account
from channels.http import ChannelHttp
from models.channel import (
    Approved,
    Declined,
    NotAttempted,
    Outcome,
    PayRequest,
    Pending,
    RefundRequest,
    Unknown,
)
from models.errors import InvalidRequest
from models.money import Money
from models.reconciliation import LineKind, StatementAvailability
from tests.sandbox.merchant import a_number
from tests.sandbox.process import Control, SandboxProcess
from tests.sandbox.receiver import Receiver

_PRICE = Money(amount_minor=19_99, currency="CNY")
_REFUND = "alipay.trade.refund"


@pytest.fixture
async def alipay(sandbox: SandboxProcess) -> AsyncIterator[AlipayChannel]:
    async with ChannelHttp(
        connect_timeout=timedelta(seconds=3), read_timeout=timedelta(seconds=5)
    ) as http:
        yield AlipayChannel(http, gateway_url=sandbox.gateway_url)


@pytest.fixture
def account(app: dict[str, str]) -> Account:
    names = ("app_id", "seller_id", "app_private_key", "alipay_public_key")
    parameters = AlipayParameters.model_validate({name: app[name] for name in names})
    return Account(id="acc_1", version=1, parameters=parameters)


def _now() -> datetime:
    return datetime.now(UTC)


async def paid(alipay: AlipayChannel, account: Account, notify_url: str) -> Approved:
    """A payment at the till; its reference tells it apart."""
    request = PayRequest(
        payment_id="pay_01KAH3ZZZZZZZZZZZZZZZZZZZZ",
        serial=a_number(),
        method="alipay_buyer_code",
        money=_PRICE,
        subject="茶, black",
        expires_at=_now() + timedelta(minutes=15),
        notify_url=notify_url,
        payer_code="285015833990941919",
    )
    answer = await alipay.pay(account, request, _now())
    assert isinstance(answer.outcome, Approved)
    return answer.outcome


@pytest.fixture
async def request_of_a_part(
    alipay: AlipayChannel, account: Account, control: Control, receiver: Receiver
) -> RefundRequest:
    """Five yuan of a payment that was made and told."""
    payment = await paid(alipay, account, receiver.url)
    number = (await receiver.next())["out_trade_no"]
    return RefundRequest(
        payment_id="pay_01KAH3ZZZZZZZZZZZZZZZZZZZZ",
        refund_id="ref_01KAH3ZZZZZZZZZZZZZZZZZZZZ",
        refund_serial=a_number(),
        serial=number,
        channel_reference=payment.channel_reference,
        money=Money(amount_minor=5_00, currency="CNY"),
        paid=_PRICE,
        reason="冷了 = cold",
    )


async def test_a_refund_from_asking_to_its_notice(
    alipay: AlipayChannel, account: Account, request_of_a_part: RefundRequest, receiver: Receiver
) -> None:
    request = request_of_a_part

    before = await alipay.query_refund(account, request, _now())
    made = await alipay.refund(account, request, _now())
    again = await alipay.refund(account, request, _now())
    after = await alipay.query_refund(account, request, _now())
    facts = alipay.parse_callback(account, {}, urlencode(await receiver.next()).encode(), _now())

    assert isinstance(before.outcome, Unknown)
    assert isinstance(made.outcome, Approved)
    assert made.outcome.money == request.money
    assert isinstance(again.outcome, Pending)
    assert after.outcome == made.outcome
    assert facts is not None
    assert (facts.about, facts.serial) == ("refund", request.refund_serial)
    assert isinstance(facts.outcome, Unknown)


async def test_more_than_is_left_is_declined(
    alipay: AlipayChannel, account: Account, request_of_a_part: RefundRequest
) -> None:
    request = request_of_a_part
    await alipay.refund(account, request, _now())
    rest = request.model_copy(update={"refund_serial": a_number(), "money": _PRICE})

    answer = await alipay.refund(account, rest, _now())

    assert isinstance(answer.outcome, Declined)
    assert answer.outcome.code == "refund_amount_invalid"


async def test_the_same_number_with_another_amount_is_unknown(
    alipay: AlipayChannel, account: Account, request_of_a_part: RefundRequest
) -> None:
    request = request_of_a_part
    await alipay.refund(account, request, _now())
    other = request.model_copy(update={"money": Money(amount_minor=5_01, currency="CNY")})

    answers = [
        await alipay.refund(account, other, _now()),
        await alipay.query_refund(account, other, _now()),
    ]

    assert [type(answer.outcome) for answer in answers] == [Unknown, Unknown]


@pytest.mark.parametrize(
    ("kind", "more", "outcome", "moved"),
    [
        ("drop_before", {}, Unknown, 0),
        ("drop_after", {}, Unknown, 5_00),
        ("http_500_after", {}, Unknown, 5_00),
        ("bad_signature", {}, Unknown, 5_00),
        ("unknown_code", {}, Unknown, 5_00),
        ("unknown_code", {"code": "20000", "sub_code": "ACQ.SYSTEM_ERROR"}, Unknown, 5_00),
        (
            "unknown_code",
            {"code": "40004", "sub_code": "ACQ.SELLER_BALANCE_NOT_ENOUGH", "executes": False},
            NotAttempted,
            0,
        ),
    ],
)
async def test_after_a_fault_the_same_number_gives_back_exactly_once(
    *,
    alipay: AlipayChannel,
    account: Account,
    request_of_a_part: RefundRequest,
    control: Control,
    kind: str,
    more: dict[str, object],
    outcome: type[Outcome],
    moved: int,
) -> None:
    request = request_of_a_part
    fault = await control.fault(kind, request.refund_serial, method=_REFUND, **more)

    struck = await alipay.refund(account, request, _now())
    meanwhile = await control.trade(request.serial)
    again = await alipay.refund(account, request, _now())
    known = await alipay.query_refund(account, request, _now())

    assert isinstance(struck.outcome, outcome)
    assert await control.fired(fault) == 1
    assert meanwhile["refunded_minor"] == moved
    assert isinstance(again.outcome, Pending if moved else Approved)
    assert isinstance(known.outcome, Approved)
    [made] = (await control.trade(request.serial))["refund_list"]
    assert (made["serial"], made["executions"]) == (request.refund_serial, 1)


@pytest.mark.parametrize("method", [_REFUND, "alipay.trade.fastpay.refund.query"])
async def test_a_wrong_amount_in_an_answer_is_never_approved_when_it_shows(
    alipay: AlipayChannel,
    account: Account,
    request_of_a_part: RefundRequest,
    control: Control,
    method: str,
) -> None:
    whole = request_of_a_part.model_copy(update={"money": _PRICE})
    await control.fault("wrong_amount", whole.serial, method=method, target="answer")

    made = await alipay.refund(account, whole, _now())
    found = await alipay.query_refund(account, whole, _now())

    assert isinstance((made if method == _REFUND else found).outcome, Unknown)


# ---- the bill ---------------------------------------------------------------------------------


def today() -> date:
    return (_now() + timedelta(hours=8)).date()


@pytest.fixture
async def same_day(control: Control) -> AsyncIterator[None]:
    await control.put("/alipay/bills/settings", same_day=True)
    yield
    await control.delete("/alipay/bills/plants")
    await control.put("/alipay/bills/settings", same_day=False)


@pytest.mark.usefixtures("same_day")
async def test_the_bill_says_what_was_paid_and_given_back(
    alipay: AlipayChannel, account: Account, request_of_a_part: RefundRequest, tmp_path: Path
) -> None:
    request = request_of_a_part
    await alipay.refund(account, request, _now())
    into = tmp_path / "bill.zip"

    availability = await alipay.fetch_statement(account, today(), into, _now())
    statement = alipay.read_statement(account, today(), into)
    payment, refund = statement.lines()

    assert availability is StatementAvailability.FETCHED
    assert (payment.kind, payment.serial) == (LineKind.PAYMENT, request.serial)
    assert (payment.amount_minor, payment.fee_minor) == (19_99, 12)
    assert payment.channel_reference == request.channel_reference
    assert abs(_now() - payment.occurred_at) < timedelta(minutes=5)
    assert (refund.kind, refund.serial) == (LineKind.REFUND, request.serial)
    assert (refund.refund_serial, refund.amount_minor) == (request.refund_serial, 5_00)
    assert (statement.totals.payments_minor, statement.totals.refunds_minor) == (19_99, 5_00)


async def test_an_empty_day_has_no_bill(
    alipay: AlipayChannel, account: Account, tmp_path: Path
) -> None:
    answers = [
        await alipay.fetch_statement(account, day, tmp_path / "bill.zip", _now())
        for day in (today() - timedelta(days=2), today())
    ]

    assert answers == [StatementAvailability.EMPTY, StatementAvailability.NOT_YET]


@pytest.mark.usefixtures("same_day")
@pytest.mark.parametrize(
    ("plant", "code"),
    [
        ("truncated", "statement-truncated"),
        ("broken_zip", "statement-truncated"),
        ("wrong_totals", "statement-wrong-totals"),
        ("wrong_merchant", "statement-wrong-merchant"),
        ("wrong_day", "statement-wrong-day"),
        ("wrong_encoding", "statement-wrong-encoding"),
    ],
)
async def test_a_bill_that_is_wrong_is_refused_and_a_retry_works(
    *,
    alipay: AlipayChannel,
    account: Account,
    request_of_a_part: RefundRequest,
    control: Control,
    tmp_path: Path,
    plant: str,
    code: str,
) -> None:
    del request_of_a_part  # it only has to be in the books
    into = tmp_path / "bill.zip"
    await control.post("/alipay/bills/plants", type=plant)

    await alipay.fetch_statement(account, today(), into, _now())
    with pytest.raises(InvalidRequest) as refused:
        list(alipay.read_statement(account, today(), into).lines())
    await control.delete("/alipay/bills/plants")
    await alipay.fetch_statement(account, today(), into, _now())

    assert refused.value.code == code
    assert len(list(alipay.read_statement(account, today(), into).lines())) == 1
