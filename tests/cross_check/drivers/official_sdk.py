"""Runs inside the environment of alipay-sdk-python: JSON orders on stdin, results on stdout."""

import http.client
import importlib
import json
import sys
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

from alipay.aop.api.AlipayClientConfig import AlipayClientConfig  # type: ignore[import-not-found]
from alipay.aop.api.DefaultAlipayClient import DefaultAlipayClient  # type: ignore[import-not-found]
from alipay.aop.api.util import SignatureUtils, WebUtils  # type: ignore[import-not-found]

_REQUESTS = {
    "alipay.trade.precreate": "AlipayTradePrecreate",
    "alipay.trade.pay": "AlipayTradePay",
    "alipay.trade.query": "AlipayTradeQuery",
    "alipay.trade.close": "AlipayTradeClose",
    "alipay.trade.cancel": "AlipayTradeCancel",
    "alipay.trade.page.pay": "AlipayTradePagePay",
    "alipay.trade.wap.pay": "AlipayTradeWapPay",
    "alipay.trade.refund": "AlipayTradeRefund",
    "alipay.trade.fastpay.refund.query": "AlipayTradeFastpayRefundQuery",
    "alipay.data.dataservice.bill.downloadurl.query": "AlipayDataDataserviceBillDownloadurlQuery",
    "alipay.fund.auth.order.voucher.create": "AlipayFundAuthOrderVoucherCreate",
    "alipay.fund.auth.order.freeze": "AlipayFundAuthOrderFreeze",
    "alipay.fund.auth.order.unfreeze": "AlipayFundAuthOrderUnfreeze",
    "alipay.fund.auth.operation.cancel": "AlipayFundAuthOperationCancel",
    "alipay.fund.auth.operation.detail.query": "AlipayFundAuthOperationDetailQuery",
}

# Every answer has these.
_HEAD = ("code", "msg", "sub_code", "sub_msg")


def _client(order: dict[str, Any]) -> Any:
    address = urlsplit(order["gateway_url"])
    _lead_to(address.port or 80)
    config = AlipayClientConfig()
    # It cannot read an address with a port: it is told one without, and led to the right port.
    config.server_url = f"http://{address.hostname}{address.path}"
    config.app_id = order["app_id"]
    config.app_private_key = order["app_private_key"]
    config.alipay_public_key = order["alipay_public_key"]
    return DefaultAlipayClient(config)


def _lead_to(port: int) -> None:
    def connect(host: str, timeout: float, **_: int) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(host, port, timeout=timeout)

    WebUtils.httplib = SimpleNamespace(HTTPConnection=connect)


def _request(order: dict[str, Any]) -> Any:
    kind = _class_in("request", f"{_REQUESTS[order['method']]}Request")
    request = kind(biz_model=_model(order))
    request.notify_url = order.get("notify_url")
    request.return_url = order.get("return_url")
    return request


def _model(order: dict[str, Any]) -> Any:
    model = _class_in("domain", f"{_REQUESTS[order['method']]}Model")
    return model.from_alipay_dict(order["content"])


def _class_in(package: str, name: str) -> Any:
    return getattr(importlib.import_module(f"alipay.aop.api.{package}.{name}"), name)


def execute(order: dict[str, Any]) -> Any:
    """Call the gateway; the SDK verifies the answer and raises if its signature is wrong."""
    try:
        return {"answer": json.loads(_client(order).execute(_request(order)))}
    except Exception as error:  # every failure of the SDK is a plain Exception
        return {"error": str(error)}


def as_it_would_be_sent(order: dict[str, Any]) -> Any:
    """The content again, as the SDK's own model of the method writes it: what it knows of it."""
    return _model(order).to_alipay_dict()


def strange_fields(order: dict[str, Any]) -> Any:
    """The fields of an answer that the SDK's own class for it does not know."""
    known = {*_HEAD, *dir(_class_in("response", f"{_REQUESTS[order['method']]}Response"))}
    return sorted(order["answer"].keys() - known)


def page_url(order: dict[str, Any]) -> Any:
    return _client(order).page_execute(_request(order), http_method="GET")


def sign_content(order: dict[str, Any]) -> Any:
    return SignatureUtils.get_sign_content(order["params"])


def sign(order: dict[str, Any]) -> Any:
    return SignatureUtils.sign_with_rsa2(order["private_key"], order["content"], "utf-8")


def verify(order: dict[str, Any]) -> Any:
    try:
        return SignatureUtils.verify_with_rsa(
            order["public_key"], order["content"].encode(), order["sign"]
        )
    except Exception:  # it raises for a wrong signature
        return False


ACTIONS = {
    "execute": execute,
    "as_it_would_be_sent": as_it_would_be_sent,
    "strange_fields": strange_fields,
    "page_url": page_url,
    "sign_content": sign_content,
    "sign": sign,
    "verify": verify,
}

if __name__ == "__main__":
    orders = json.load(sys.stdin)
    json.dump([ACTIONS[order["action"]](order) for order in orders], sys.stdout)
