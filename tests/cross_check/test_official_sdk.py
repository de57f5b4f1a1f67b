"""Alipay's own SDK (alipay-sdk-python) as a merchant of the sandbox."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.cross_check.conftest import Driver
from tests.sandbox.merchant import a_number
from tests.sandbox.process import Control, SandboxProcess
from tests.sandbox.receiver import Receiver

pytestmark = pytest.mark.cross_check


def _call(sdk: Driver, app: Mapping[str, str], method: str, **content: str) -> Any:
    return sdk("execute", method=method, content=content, **app)


async def test_it_goes_through_the_life_of_a_qr_payment(
    official_sdk: Driver, app: dict[str, str], control: Control
) -> None:
    number = a_number()
    order = {"out_trade_no": number, "total_amount": "19.99", "subject": "茶 & tea = 好"}

    made = _call(official_sdk, app, "alipay.trade.precreate", **order)
    unopened = _call(official_sdk, app, "alipay.trade.query", out_trade_no=number)
    await control.post("/trades/pay", out_trade_no=number)
    paid = _call(official_sdk, app, "alipay.trade.query", out_trade_no=number)

    assert made["answer"]["qr_code"].startswith("http://127.0.0.1:")
    assert unopened["answer"]["sub_code"] == "ACQ.TRADE_NOT_EXIST"
    assert paid["answer"]["trade_status"] == "TRADE_SUCCESS"
    assert paid["answer"]["total_amount"] == "19.99"


async def test_it_pays_by_a_payers_code_closes_and_cancels(
    official_sdk: Driver, app: dict[str, str], control: Control
) -> None:
    paid_number, closed_number = a_number(), a_number()
    order = {"total_amount": "5.00", "subject": "Tea"}
    pay = {**order, "scene": "bar_code", "auth_code": "285015833990941919"}

    paid = _call(official_sdk, app, "alipay.trade.pay", out_trade_no=paid_number, **pay)
    cancelled = _call(official_sdk, app, "alipay.trade.cancel", out_trade_no=paid_number)
    _call(official_sdk, app, "alipay.trade.precreate", out_trade_no=closed_number, **order)
    await control.post("/trades/open", out_trade_no=closed_number)
    closed = _call(official_sdk, app, "alipay.trade.close", out_trade_no=closed_number)

    assert paid["answer"]["code"] == "10000"
    assert cancelled["answer"]["action"] == "refund"
    assert closed["answer"]["code"] == "10000"


async def test_it_refunds_in_parts_and_asks_about_each(
    official_sdk: Driver, app: dict[str, str]
) -> None:
    number = a_number()
    pay = {"total_amount": "5.00", "subject": "Tea", "scene": "bar_code"}
    part = {"out_trade_no": number, "out_request_no": "R1", "refund_amount": "1.50"}
    _call(
        official_sdk,
        app,
        "alipay.trade.pay",
        out_trade_no=number,
        auth_code="285015833990941919",
        **pay,
    )

    made = _call(official_sdk, app, "alipay.trade.refund", refund_reason="冷了 & cold", **part)
    again = _call(official_sdk, app, "alipay.trade.refund", **part)
    more = part | {"out_request_no": "R2", "refund_amount": "3.51"}
    too_much = _call(official_sdk, app, "alipay.trade.refund", **more)
    query = "alipay.trade.fastpay.refund.query"
    found = _call(official_sdk, app, query, out_trade_no=number, out_request_no="R1")
    absent = _call(official_sdk, app, query, out_trade_no=number, out_request_no="R2")

    assert (made["answer"]["fund_change"], made["answer"]["refund_fee"]) == ("Y", "1.50")
    assert again["answer"]["fund_change"] == "N"
    assert too_much["answer"]["sub_code"] == "ACQ.REFUND_AMT_NOT_EQUAL_TOTAL"
    assert found["answer"]["refund_status"] == "REFUND_SUCCESS"
    assert (found["answer"]["refund_amount"], found["answer"]["refund_reason"]) == (
        "1.50",
        "冷了 & cold",
    )
    assert "refund_status" not in absent["answer"]


async def test_it_is_told_where_the_bill_lies(
    official_sdk: Driver, app: dict[str, str], control: Control, browser: httpx.AsyncClient
) -> None:
    pay = {"total_amount": "5.00", "subject": "Tea", "scene": "bar_code"}
    code = "285015833990941919"
    _call(official_sdk, app, "alipay.trade.pay", out_trade_no=a_number(), auth_code=code, **pay)
    today = (datetime.now(UTC) + timedelta(hours=8)).date().isoformat()
    method = "alipay.data.dataservice.bill.downloadurl.query"

    early = _call(official_sdk, app, method, bill_type="trade", bill_date=today)
    await control.put("/alipay/bills/settings", same_day=True)
    told = _call(official_sdk, app, method, bill_type="trade", bill_date=today)
    bill = await browser.get(told["answer"]["bill_download_url"])

    assert early["answer"]["sub_code"] == "BILL_NOT_EXIST"
    assert bill.content.startswith(b"PK")


async def test_its_address_opens_the_cashier(
    official_sdk: Driver, app: dict[str, str], sandbox: SandboxProcess, browser: httpx.AsyncClient
) -> None:
    content = {"out_trade_no": a_number(), "total_amount": "88.88", "subject": "测试 A+B&C=D%"}

    url = official_sdk(
        "page_url",
        method="alipay.trade.page.pay",
        content=content,
        return_url="http://127.0.0.1:1/return?a=1&b=2",
        **app,
    )
    page = await browser.get(
        url.replace("http://127.0.0.1/", f"{sandbox.base_url}/"), follow_redirects=True
    )

    assert page.status_code == 200
    assert "88.88" in page.text


async def test_it_refuses_an_answer_signed_wrongly(
    official_sdk: Driver, app: dict[str, str], control: Control
) -> None:
    number = a_number()
    fault = await control.fault("bad_signature", number)

    refused = _call(official_sdk, app, "alipay.trade.query", out_trade_no=number)

    assert "sign verify failed" in refused["error"]
    assert await control.fired(fault) == 1


async def test_it_verifies_a_notification(
    official_sdk: Driver, app: dict[str, str], control: Control, receiver: Receiver
) -> None:
    number = a_number()
    content = {"out_trade_no": number, "total_amount": "19.99", "subject": "Tea"}
    official_sdk(
        "execute",
        method="alipay.trade.precreate",
        content=content,
        notify_url=receiver.url,
        **app,
    )

    await control.post("/trades/pay", out_trade_no=number)
    form = await receiver.next()
    signature = form.pop("sign")
    form.pop("sign_type")
    signed = official_sdk("sign_content", params=form)
    key = app["alipay_public_key"]

    assert official_sdk("verify", public_key=key, content=signed, sign=signature)
    assert not official_sdk("verify", public_key=key, content=signed + "0", sign=signature)
