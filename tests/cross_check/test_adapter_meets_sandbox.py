"""Two independent writings of one protocol: our adapter talks to the sandbox, over the wire."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

import pytest

from channels.alipay.adapter import AlipayChannel
from channels.alipay.parameters import AlipayParameters
from channels.base import Account
from channels.http import ChannelHttp
from models.channel import (
    Approved,
    Declined,
    PayRequest,
    Pending,
    QueryRequest,
    ShowQrCode,
    Unknown,
)
from models.errors import BadSignature
from models.money import Money
from tests.sandbox.merchant import a_number
from tests.sandbox.process import Control, SandboxProcess
from tests.sandbox.receiver import Receiver

_PRICE = Money(amount_minor=19_99, currency="CNY")
_KEY_MODE = ("alipay_public_key",)
_CERTIFICATE_MODE = ("app_certificate", "alipay_certificate", "alipay_root_certificate")


@pytest.fixture
async def alipay(sandbox: SandboxProcess) -> AsyncIterator[AlipayChannel]:
    async with ChannelHttp(
        connect_timeout=timedelta(seconds=3), read_timeout=timedelta(seconds=5)
    ) as http:
        yield AlipayChannel(http, gateway_url=sandbox.gateway_url)


@pytest.fixture(params=["key mode", "certificate mode"])
def account(
    request: pytest.FixtureRequest, app: dict[str, str], certified_app: dict[str, str]
) -> Account:
    chosen, names = (
        (app, _KEY_MODE) if request.param == "key mode" else (certified_app, _CERTIFICATE_MODE)
    )
    wanted = ("app_id", "seller_id", "app_private_key", *names)
    parameters = AlipayParameters.model_validate({name: chosen[name] for name in wanted})
    return Account(id="acc_1", version=1, parameters=parameters)


def _now() -> datetime:
    return datetime.now(UTC)


def _pay(serial: str, notify_url: str, *, code: str | None = None) -> PayRequest:
    return PayRequest(
        payment_id="pay_01KAH3ZZZZZZZZZZZZZZZZZZZZ",
        serial=serial,
        method="alipay_buyer_code" if code else "alipay_qr",
        money=_PRICE,
        subject="两杯咖啡 & cake = 好",
        expires_at=_now() + timedelta(minutes=15),
        notify_url=notify_url,
        payer_code=code,
    )


def _query(request: PayRequest) -> QueryRequest:
    return QueryRequest(
        payment_id=request.payment_id,
        serial=request.serial,
        method=request.method,
        money=request.money,
        expires_at=request.expires_at,
    )


async def test_a_qr_payment_from_order_to_callback(
    alipay: AlipayChannel, account: Account, control: Control, receiver: Receiver
) -> None:
    request = _pay(a_number(), receiver.url)

    made = await alipay.pay(account, request, _now())
    unopened = await alipay.query(account, _query(request), _now())
    await control.post("/trades/pay", out_trade_no=request.serial)
    paid = await alipay.query(account, _query(request), _now())
    form = await receiver.next()
    facts = alipay.parse_callback(account, {}, urlencode(form).encode(), _now())

    assert isinstance(made.outcome, Pending)
    assert isinstance(made.outcome.next_action, ShowQrCode)
    assert isinstance(unopened.outcome, Pending)
    assert isinstance(paid.outcome, Approved)
    assert facts is not None
    assert isinstance(facts.outcome, Approved)
    assert (paid.outcome.money, facts.outcome.money) == (_PRICE, _PRICE)
    assert facts.outcome.channel_reference == paid.outcome.channel_reference
    assert facts.channel_event_id == form["notify_id"]


@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        ("285015833990941919", Approved),
        ("280115833990941919", Pending),
        ("280215833990941919", Declined),
        ("280315833990941919", Declined),
        ("280415833990941919", Unknown),
    ],
)
async def test_a_payers_code_ends_as_the_sandbox_decides(
    alipay: AlipayChannel, account: Account, code: str, outcome: type
) -> None:
    request = _pay(a_number(), "http://127.0.0.1:1/", code=code)

    answer = await alipay.pay(account, request, _now())

    assert isinstance(answer.outcome, outcome)


async def test_a_closed_trade_is_declined_for_good(
    alipay: AlipayChannel, account: Account, control: Control
) -> None:
    request = _pay(a_number(), "http://127.0.0.1:1/")
    await alipay.pay(account, request, _now())
    await control.post("/trades/open", out_trade_no=request.serial)

    closed = await alipay.close(account, _query(request), _now())
    seen = await alipay.query(account, _query(request), _now())

    assert isinstance(closed.outcome, Declined)
    assert isinstance(seen.outcome, Declined)


@pytest.mark.parametrize(
    "kind", ["drop_after", "http_500_after", "unknown_code", "bad_signature", "drop_before"]
)
async def test_whatever_the_sandbox_does_wrong_is_unknown(
    alipay: AlipayChannel, account: Account, control: Control, kind: str
) -> None:
    request = _pay(a_number(), "http://127.0.0.1:1/")
    fault = await control.fault(kind, request.serial)

    answer = await alipay.pay(account, request, _now())

    assert isinstance(answer.outcome, Unknown)
    assert await control.fired(fault) == 1


async def test_a_forged_callback_is_refused(
    alipay: AlipayChannel, account: Account, control: Control, receiver: Receiver
) -> None:
    request = _pay(a_number(), receiver.url)
    await control.fault("bad_signature", request.serial, target="notification")
    await alipay.pay(account, request, _now())

    await control.post("/trades/pay", out_trade_no=request.serial)
    body = urlencode(await receiver.next()).encode()

    with pytest.raises(BadSignature):
        alipay.parse_callback(account, {}, body, _now())
