"""What the gateway checks of every request, and how it signs its answers."""

from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

import httpx
import pytest

from tests.sandbox.merchant import Merchant, a_number, beijing, merchant_key, public_pem
from tests.sandbox.process import Control


async def test_an_answer_is_signed_over_its_own_bytes(merchant: Merchant) -> None:
    answer = await merchant.precreate(a_number())

    assert answer.signed
    assert answer.content["code"] == "10000"
    assert answer.name == "alipay_trade_precreate_response"


async def test_a_business_failure_is_signed_too(merchant: Merchant) -> None:
    answer = await merchant.query(a_number())

    assert answer.signed
    assert (answer.content["code"], answer.content["sub_code"]) == (
        "40004",
        "ACQ.TRADE_NOT_EXIST",
    )


async def test_parameters_may_come_in_the_query_the_body_or_both(
    merchant: Merchant, browser: httpx.AsyncClient
) -> None:
    params = merchant.signed("alipay.trade.query", {"out_trade_no": a_number()})
    body = {"biz_content": params.pop("biz_content")}
    gateway = merchant.registered["gateway_url"]
    everything = f"{gateway}?{urlencode(params | body)}"

    split = await browser.post(f"{gateway}?{urlencode(params)}", data=body)
    by_get = await browser.get(everything)

    assert merchant.read(split.content).content["sub_code"] == "ACQ.TRADE_NOT_EXIST"
    assert merchant.read(by_get.content).content["sub_code"] == "ACQ.TRADE_NOT_EXIST"


async def test_gbk_is_spoken_both_ways(merchant: Merchant, browser: httpx.AsyncClient) -> None:
    content = {"out_trade_no": a_number(), "total_amount": "1.00", "subject": "茶叶"}
    params = merchant.signed("alipay.trade.precreate", content, charset="gbk")
    body = urlencode(params, encoding="gbk").encode()

    response = await browser.post(merchant.registered["gateway_url"], content=body)
    again = await merchant.send(
        merchant.signed("alipay.trade.query", {"out_trade_no": "none"}, charset="gbk")
    )

    assert merchant.read(response.content, "gbk").content["code"] == "10000"
    assert again.signed
    assert again.content["sub_msg"] == "交易不存在"


@pytest.mark.parametrize(
    ("change", "code", "sub_code"),
    [
        ({"method": ""}, "40001", "isv.missing-method"),
        ({"method": "alipay.trade.teleport"}, "40002", "isv.invalid-method"),
        ({"app_id": ""}, "40001", "isv.missing-app-id"),
        ({"app_id": "2021999999999999"}, "40002", "isv.invalid-app-id"),
        ({"sign": ""}, "40001", "isv.missing-signature"),
        ({"sign": "AAAA"}, "40002", "isv.invalid-signature"),
        ({"sign": "nót base64"}, "40002", "isv.invalid-signature"),
        ({"sign_type": ""}, "40001", "isv.missing-signature-type"),
        ({"sign_type": "RSA"}, "40002", "isv.invalid-signature-type"),
        ({"timestamp": ""}, "40001", "isv.missing-timestamp"),
        ({"timestamp": "yesterday"}, "40002", "isv.invalid-timestamp"),
        ({"version": ""}, "40001", "isv.missing-version"),
        ({"version": "2.0"}, "40002", "isv.invalid-version"),
        ({"format": "XML"}, "40002", "isv.invalid-format"),
        ({"charset": "latin-9"}, "40002", "isv.invalid-charset"),
        ({"biz_content": '{"out_trade_no":"other"}'}, "40002", "isv.invalid-signature"),
    ],
)
async def test_a_request_that_is_not_in_order_is_refused_unsigned(
    merchant: Merchant, change: dict[str, str], code: str, sub_code: str
) -> None:
    params = merchant.signed("alipay.trade.query", {"out_trade_no": "T1"}) | change

    answer = await merchant.send(params)

    assert (answer.content["code"], answer.content["sub_code"]) == (code, sub_code)
    assert not answer.signed


async def test_a_request_two_days_old_is_refused(merchant: Merchant) -> None:
    old = beijing(datetime.now(UTC) - timedelta(days=2))

    answer = await merchant.send(
        merchant.signed("alipay.trade.query", {"out_trade_no": "T1"}, timestamp=old)
    )

    assert answer.content["sub_code"] == "isv.invalid-timestamp"


async def test_a_body_no_honest_merchant_sends_is_refused(
    merchant: Merchant, browser: httpx.AsyncClient
) -> None:
    response = await browser.post(merchant.registered["gateway_url"], content=b"a=" * 200_000)

    assert response.status_code == 413


async def test_certificate_mode_names_certificates_both_ways(
    control: Control, browser: httpx.AsyncClient
) -> None:
    registered = await control.post(
        "/alipay/apps", public_key=public_pem(merchant_key()), issue_certificate=True
    )
    names = {
        "app_cert_sn": registered["app_cert_sn"],
        "alipay_root_cert_sn": registered["alipay_root_cert_sn"],
    }
    merchant = Merchant(registered, browser, "http://127.0.0.1:1/", names)

    answer = await merchant.precreate(a_number())

    assert answer.signed
    assert answer.content["code"] == "10000"
    assert answer.certificate_sn == registered["alipay_cert_sn"]


@pytest.mark.parametrize(
    ("change", "sub_code"),
    [
        ({"app_cert_sn": "0" * 32}, "isv.invalid-app-cert-sn"),
        ({"alipay_root_cert_sn": "0" * 32}, "isv.invalid-root-cert-sn"),
        ({"app_cert_sn": ""}, "isv.missing-app-cert-sn"),
    ],
)
async def test_a_wrong_certificate_name_is_refused(
    control: Control, browser: httpx.AsyncClient, change: dict[str, str], sub_code: str
) -> None:
    registered = await control.post(
        "/alipay/apps", public_key=public_pem(merchant_key()), issue_certificate=True
    )
    names = {
        "app_cert_sn": registered["app_cert_sn"],
        "alipay_root_cert_sn": registered["alipay_root_cert_sn"],
    }
    merchant = Merchant(registered, browser, "http://127.0.0.1:1/", names | change)

    answer = await merchant.query("T1")

    assert answer.content["sub_code"] == sub_code
