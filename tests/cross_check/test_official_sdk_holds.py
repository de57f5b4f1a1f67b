"""Alipay's own SDK holds, takes and releases money at the sandbox, and judges what we send."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from urllib.parse import urlencode

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from channels.alipay import hold_requests
from channels.alipay.adapter import AlipayChannel
from channels.alipay.answers import Trade
from channels.alipay.parameters import AlipayParameters
from channels.alipay.requests import Call, signed_fields
from channels.base import Account
from channels.http import ChannelHttp
from models.channel import Approved, CaptureRequest, Declined, PayRequest, QueryRequest
from models.money import Money
from tests.cross_check.conftest import Driver, private_key_pem
from tests.sandbox.merchant import a_number, merchant_key, public_pem
from tests.sandbox.process import Control
from tests.sandbox.receiver import Receiver

pytestmark = pytest.mark.cross_check

VOUCHER = "alipay.fund.auth.order.voucher.create"
FREEZE = "alipay.fund.auth.order.freeze"
UNFREEZE = "alipay.fund.auth.order.unfreeze"
CANCEL = "alipay.fund.auth.operation.cancel"
QUERY = "alipay.fund.auth.operation.detail.query"
PAY = "alipay.trade.pay"

_NOW = datetime(2026, 11, 20, 4, 0, tzinfo=UTC)
_HELD = Money(amount_minor=19_99, currency="CNY")


class Sdk:
    """A merchant that uses the SDK. Every answer must be one that the SDK knows the fields of."""

    def __init__(self, driver: Driver, app: Mapping[str, str], notify_url: str | None) -> None:
        self._driver = driver
        self._app = app
        self._notify_url = notify_url
        self.number = a_number()

    async def call(self, method: str, **content: str) -> dict[str, str]:
        made = self._driver(
            "execute", method=method, content=content, notify_url=self._notify_url, **self._app
        )
        answer: dict[str, str] = made["answer"]
        strange = self._driver("strange_fields", method=method, answer=answer)
        assert strange == []
        return answer

    async def ask_for_a_code(self) -> dict[str, str]:
        return await self.call(
            VOUCHER,
            out_order_no=self.number,
            out_request_no=f"{self.number}_F",
            order_title="押金 & deposit = 好",
            amount="19.99",
            product_code="PRE_AUTH",
            payee_user_id=self._app["seller_id"],
            pay_timeout="15m",
        )

    async def freeze(self, code: str) -> dict[str, str]:
        return await self.call(
            FREEZE,
            auth_code=code,
            auth_code_type="bar_code",
            out_order_no=self.number,
            out_request_no=f"{self.number}_F",
            order_title="押金",
            amount="19.99",
            product_code="PRE_AUTH",
        )

    async def find(self) -> dict[str, str]:
        return await self.call(
            QUERY,
            out_order_no=self.number,
            out_request_no=f"{self.number}_F",
            operation_type="FREEZE",
        )

    async def complete(self, hold: Mapping[str, str], amount: str) -> dict[str, str]:
        return await self.call(
            PAY,
            out_trade_no=self.number,
            auth_no=hold["auth_no"],
            auth_confirm_mode="COMPLETE",
            total_amount=amount,
            subject="两晚",
            product_code="PRE_AUTH",
            buyer_id=hold["payer_user_id"],
            seller_id=self._app["seller_id"],
        )

    async def unfreeze(self, hold: Mapping[str, str], amount: str, number: str) -> dict[str, str]:
        return await self.call(
            UNFREEZE, auth_no=hold["auth_no"], out_request_no=number, amount=amount, remark="解冻"
        )


@pytest.fixture
def sdk(official_sdk: Driver, app: dict[str, str], receiver: Receiver) -> Sdk:
    return Sdk(official_sdk, app, receiver.url)


async def test_it_holds_by_a_code_and_takes_a_part(sdk: Sdk, control: Control) -> None:
    made = await sdk.ask_for_a_code()
    unopened = await sdk.find()
    await control.post("/trades/open", out_trade_no=sdk.number)
    opened = await sdk.find()
    await control.post("/trades/pay", out_trade_no=sdk.number)
    held = await sdk.find()
    taken = await sdk.complete(held, "15.00")
    over = await sdk.find()

    assert (made["code_type"], made["out_order_no"]) == ("qrCode", sdk.number)
    assert made["code_value"].startswith("http://127.0.0.1:")
    assert unopened["sub_code"] == "AUTH_ORDER_NOT_EXIST"
    assert (opened["order_status"], opened["status"]) == ("INIT", "INIT")
    assert (held["order_status"], held["rest_amount"]) == ("AUTHORIZED", "19.99")
    assert (taken["code"], taken["total_amount"]) == ("10000", "15.00")
    assert (over["order_status"], over["rest_amount"]) == ("FINISH", "0.00")
    assert over["total_pay_amount"] == "15.00"


async def test_it_holds_with_a_payers_code_and_gives_up_in_parts(sdk: Sdk) -> None:
    held = await sdk.freeze("285015833990941919")
    part = await sdk.unfreeze(held, "9.99", "U1")
    again = await sdk.unfreeze(held, "9.99", "U1")
    more = await sdk.unfreeze(held, "10.01", "U2")
    rest = await sdk.unfreeze(held, "10.00", "U2")
    late = await sdk.unfreeze(held, "0.01", "U3")

    assert (held["code"], held["status"], held["amount"]) == ("10000", "SUCCESS", "19.99")
    assert (part["status"], part["amount"]) == ("SUCCESS", "9.99")
    assert again == part
    assert more["sub_code"] == "REQUEST_AMOUNT_EXCEED"
    assert (rest["status"], rest["amount"]) == ("SUCCESS", "10.00")
    assert late["sub_code"] == "ORDER_ALREADY_CLOSED"


async def test_it_cancels_what_is_held(sdk: Sdk) -> None:
    await sdk.freeze("285015833990941919")

    canceled = await sdk.call(
        CANCEL, out_order_no=sdk.number, out_request_no=f"{sdk.number}_F", remark="不住了"
    )

    assert (canceled["code"], canceled["action"]) == ("10000", "unfreeze")
    assert (await sdk.find())["order_status"] == "CLOSED"


async def test_it_cannot_take_more_than_is_held_nor_twice(sdk: Sdk) -> None:
    held = await sdk.freeze("285015833990941919")

    more = await sdk.complete(held, "20.00")
    taken = await sdk.complete(held, "19.99")
    again = await sdk.complete(held, "19.99")
    sdk.number, first = a_number(), sdk.number
    other = await sdk.complete(held, "0.01")

    assert more["sub_code"] == "ACQ.AUTH_AMOUNT_NOT_ENOUGH"
    assert taken["code"] == "10000"
    assert again["sub_code"] == "ACQ.TRADE_HAS_SUCCESS"
    assert (first != sdk.number, other["sub_code"]) == (True, "ACQ.AUTH_ORDER_HAS_FINISHED")


async def test_it_refuses_an_answer_signed_wrongly(
    official_sdk: Driver, sdk: Sdk, app: dict[str, str], control: Control
) -> None:
    await sdk.freeze("285015833990941919")
    await control.fault("bad_signature", sdk.number)
    content = {"out_order_no": sdk.number, "out_request_no": f"{sdk.number}_F"}

    refused = official_sdk("execute", method=QUERY, content=content, **app)

    assert "sign verify failed" in refused["error"]


@pytest.mark.parametrize("end", [UNFREEZE, CANCEL])
async def test_it_verifies_the_notices_of_a_hold(
    official_sdk: Driver, app: dict[str, str], sdk: Sdk, receiver: Receiver, end: str
) -> None:
    held = await sdk.freeze("285015833990941919")
    if end == UNFREEZE:
        await sdk.unfreeze(held, "19.99", "U1")
    else:
        await sdk.call(CANCEL, out_order_no=sdk.number, out_request_no=f"{sdk.number}_F")

    for kind in ("fund_auth_freeze", end.replace("alipay.", "").replace(".order", "")):
        form = await receiver.next()
        assert form["notify_type"] == kind.replace(".", "_")
        signature = form.pop("sign")
        form.pop("sign_type")
        content = official_sdk("sign_content", params=form)
        key = app["alipay_public_key"]
        assert official_sdk("verify", public_key=key, content=content, sign=signature)
        assert not official_sdk("verify", public_key=key, content=content + "0", sign=signature)


# ---- our requests, judged ---------------------------------------------------------------------


def parameters_of(app: Mapping[str, str]) -> AlipayParameters:
    names = ("app_id", "seller_id", "app_private_key", "alipay_public_key")
    return AlipayParameters.model_validate({name: app[name] for name in names})


def a_payment(method: str) -> PayRequest:
    return PayRequest(
        payment_id="pay_01KAH3ZZZZZZZZZZZZZZZZZZZZ",
        serial="01KAH3ZZZZZZZZZZZZZZZZZZZZ01",
        method=method,
        money=_HELD,
        subject="两晚 + 押金",
        expires_at=_NOW + timedelta(minutes=15),
        notify_url="https://pay.example/callbacks/alipay/acc_1?a=1&b=2",
        payer_code="285015833990941919" if method == "alipay_buyer_code" else None,
        capture_method="manual",
    )


def our_calls(parameters: AlipayParameters) -> list[Call]:
    """Every request of ours about a hold."""
    pay = a_payment("alipay_qr")
    known = {"payment_id": pay.payment_id, "serial": pay.serial, "method": pay.method}
    query = QueryRequest(money=_HELD, expires_at=pay.expires_at, **known)
    capture = CaptureRequest(
        subject="两晚",
        notify_url=pay.notify_url,
        channel_reference=None,
        money=Money(amount_minor=15_00, currency="CNY"),
        authorized=_HELD,
        **known,
    )
    hold = Trade(
        code="10000", auth_no="2026112010002001000000000001", payer_user_id="2088000000000001"
    )
    return [
        hold_requests.freeze_call(parameters, pay, _NOW),
        hold_requests.freeze_call(parameters, a_payment("alipay_buyer_code"), _NOW),
        hold_requests.hold_query_call("query", pay.serial),
        hold_requests.trade_query_call("query", pay.serial),
        hold_requests.complete_call(parameters, capture, hold),
        hold_requests.unfreeze_call(query, hold, _HELD),
        hold_requests.cancel_call("void", query),
    ]


def test_the_sdk_knows_every_field_we_send_and_would_have_signed_the_same(
    official_sdk: Driver, app: dict[str, str]
) -> None:
    parameters = parameters_of(app)

    for call in our_calls(parameters):
        known = official_sdk("as_it_would_be_sent", method=call.method, content=call.content)
        # The product of the codes is in the interface's document, and not in the SDK's model.
        assert {**call.content, **known} == call.content
        assert call.content.keys() - known.keys() <= {"product_code"}, call.method
        fields = signed_fields(parameters, call, _NOW)
        signature = fields.pop("sign")
        content = official_sdk("sign_content", params=fields)
        key = private_key_pem(merchant_key())
        assert official_sdk("sign", private_key=key, content=content) == signature
        assert json.loads(fields["biz_content"]) == call.content


@cache
def _sdk_key() -> rsa.RSAPrivateKey:
    """What the SDK signs with here, in Alipay's place."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.mark.parametrize(
    ("notice", "outcome"),
    [
        (
            {
                "notify_type": "fund_auth_freeze",
                "operation_type": "FREEZE",
                "status": "SUCCESS",
                "amount": "19.99",
            },
            Approved,
        ),
        ({"notify_type": "fund_auth_operation_cancel", "action": "unfreeze"}, Declined),
    ],
)
async def test_we_accept_a_notice_of_a_hold_that_the_sdk_signed(
    official_sdk: Driver, app: dict[str, str], notice: dict[str, str], outcome: type
) -> None:
    fields = {
        "app_id": app["app_id"],
        "auth_no": "2026112010002001000000000001",
        "notify_id": "2026112000222120009000000000000001",
        "out_order_no": "01KAH3ZZZZZZZZZZZZZZZZZZZZ01",
        **notice,
    }
    trusted = {**app, "alipay_public_key": public_pem(_sdk_key())}
    account = Account(id="acc_1", version=1, parameters=parameters_of(trusted))

    content = official_sdk("sign_content", params=fields)
    signature = official_sdk("sign", private_key=private_key_pem(_sdk_key()), content=content)
    body = urlencode({**fields, "sign_type": "RSA2", "sign": signature}).encode()
    patience = timedelta(seconds=1)
    async with ChannelHttp(connect_timeout=patience, read_timeout=patience) as http:
        alipay = AlipayChannel(http, gateway_url="http://127.0.0.1:1/gateway.do")
        facts = alipay.parse_callback(account, {}, body, _NOW)

    assert facts is not None
    assert facts.serial == "01KAH3ZZZZZZZZZZZZZZZZZZZZ01"
    assert isinstance(facts.outcome, outcome)
