"""The payer's pages."""

import re

import httpx
import pytest

from tests.sandbox.merchant import Merchant, a_number
from tests.sandbox.process import Control
from tests.sandbox.receiver import Receiver


async def test_the_page_shows_what_is_paid_and_to_whom(
    merchant: Merchant, browser: httpx.AsyncClient
) -> None:
    number = a_number()
    answer = await merchant.precreate(number, "1234.50")

    page = await browser.get(answer.content["qr_code"])

    assert page.status_code == 200
    assert "1234.50" in page.text
    assert "咖啡豆 500g / beans" in page.text
    assert number in page.text
    assert not re.search(r"""(src|href)=["']?https?:""", page.text)


async def test_a_person_can_pay_on_it(
    merchant: Merchant, control: Control, browser: httpx.AsyncClient, receiver: Receiver
) -> None:
    number = a_number()
    url = (await merchant.precreate(number)).content["qr_code"]

    paid = await browser.post(f"{url}/pay", follow_redirects=True)
    again = await browser.post(f"{url}/pay", follow_redirects=True)

    assert "支付成功" in paid.text
    assert "支付成功" in again.text
    assert (await receiver.next())["out_trade_no"] == number
    assert (await control.trade(number))["executions"] == 1


async def test_a_person_can_refuse_on_it(merchant: Merchant, browser: httpx.AsyncClient) -> None:
    number = a_number()
    url = (await merchant.precreate(number)).content["qr_code"]

    refused = await browser.post(f"{url}/refuse", follow_redirects=True)

    assert "交易已关闭" in refused.text
    assert (await merchant.query(number)).content["trade_status"] == "TRADE_CLOSED"


async def test_what_the_merchant_wrote_is_text_on_the_page(
    merchant: Merchant, browser: httpx.AsyncClient
) -> None:
    answer = await merchant.call(
        "alipay.trade.precreate",
        out_trade_no=a_number(),
        total_amount="1.00",
        subject="<script>alert(1)</script>",
    )

    page = await browser.get(answer.content["qr_code"])

    assert "<script>" not in page.text


@pytest.mark.parametrize("method", ["alipay.trade.page.pay", "alipay.trade.wap.pay"])
async def test_a_browser_pays_and_comes_back_signed(
    merchant: Merchant, browser: httpx.AsyncClient, method: str
) -> None:
    number = a_number()
    url = merchant.page_url(number, method=method, return_url="http://127.0.0.1:1/done?mine=1")

    to_cashier = await browser.get(url)
    cashier = to_cashier.headers["location"]
    await browser.get(cashier)
    back = await browser.post(f"{cashier}/pay")

    form = merchant.accepts_url(back.headers["location"])
    assert back.headers["location"].startswith("http://127.0.0.1:1/done?mine=1&")
    assert form["out_trade_no"] == number
    assert form["total_amount"] == "88.00"
    assert "trade_status" not in form


async def test_a_browser_may_submit_a_form(merchant: Merchant, browser: httpx.AsyncClient) -> None:
    content = {"out_trade_no": a_number(), "total_amount": "5.00", "subject": "Form"}
    params = merchant.signed("alipay.trade.page.pay", content)

    page = await browser.post(
        merchant.registered["gateway_url"], data=params, follow_redirects=True
    )

    assert "5.00" in page.text


async def test_a_browser_gets_a_page_for_a_wrong_request(
    merchant: Merchant, browser: httpx.AsyncClient
) -> None:
    url = merchant.page_url(a_number(), method="alipay.trade.page.pay", return_url=None)

    page = await browser.get(url.replace("88.00", "87.00"))

    assert "isv.invalid-signature" in page.text


async def test_an_unknown_code_is_not_found(merchant: Merchant, browser: httpx.AsyncClient) -> None:
    url = merchant.registered["gateway_url"].replace("gateway.do", "cashier/baxnothing")

    page = await browser.get(url)

    assert page.status_code == 404
