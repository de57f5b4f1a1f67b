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
}


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
    name = _REQUESTS[order["method"]]
    kind = getattr(
        importlib.import_module(f"alipay.aop.api.request.{name}Request"), name + "Request"
    )
    model = getattr(importlib.import_module(f"alipay.aop.api.domain.{name}Model"), name + "Model")
    request = kind(biz_model=model.from_alipay_dict(order["content"]))
    request.notify_url = order.get("notify_url")
    request.return_url = order.get("return_url")
    return request


def _class_in(package: str, name: str) -> Any:
    return getattr(importlib.import_module(f"alipay.aop.api.{package}.{name}"), name)


def execute(order: dict[str, Any]) -> Any:
    """Call the gateway; the SDK verifies the answer and raises if its signature is wrong."""
    try:
        return {"answer": json.loads(_client(order).execute(_request(order)))}
    except Exception as error:  # every failure of the SDK is a plain Exception
        return {"error": str(error)}


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
    "page_url": page_url,
    "sign_content": sign_content,
    "sign": sign,
    "verify": verify,
}

if __name__ == "__main__":
    orders = json.load(sys.stdin)
    json.dump([ACTIONS[order["action"]](order) for order in orders], sys.stdout)
