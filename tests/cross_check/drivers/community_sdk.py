"""Runs inside the environment of python-alipay-sdk: JSON orders on stdin, results on stdout."""

import json
import sys
from typing import Any

from alipay import AliPay, DCAliPay  # type: ignore[import-not-found]
from alipay.exceptions import AliPayException, AliPayValidationError  # type: ignore[import-not-found]


def _client(order: dict[str, Any]) -> Any:
    if order.get("app_certificate"):
        client = DCAliPay(
            appid=order["app_id"],
            app_private_key_string=order["app_private_key"],
            app_public_key_cert_string=order["app_certificate"],
            alipay_public_key_cert_string=order["alipay_certificate"],
            alipay_root_cert_string=order["alipay_root_certificate"],
        )
    else:
        client = AliPay(
            appid=order["app_id"],
            app_private_key_string=order["app_private_key"],
            alipay_public_key_string=order["alipay_public_key"],
        )
    client._gateway = order["gateway_url"]
    return client


def execute(order: dict[str, Any]) -> Any:
    """Call the gateway; the SDK verifies the answer and raises if its signature is wrong."""
    more = {"notify_url": order["notify_url"]} if order.get("notify_url") else {}
    try:
        return {"answer": _client(order).server_api(order["method"], order["content"], **more)}
    except AliPayValidationError:
        return {"error": "the signature is wrong"}
    except AliPayException as error:
        return {"error": str(error)}


def page_url(order: dict[str, Any]) -> Any:
    client = _client(order)
    more = {"return_url": order["return_url"]} if order.get("return_url") else {}
    return f"{order['gateway_url']}?{client.client_api(order['method'], order['content'], **more)}"


def verify(order: dict[str, Any]) -> Any:
    """Verify a notification or a return address as a merchant does, by its form."""
    form = dict(order["form"])
    signature = form.pop("sign")
    return _client(order).verify(form, signature)


def serials(order: dict[str, Any]) -> Any:
    return {
        "certificate": DCAliPay.get_cert_sn(order["certificate"]),
        "root": DCAliPay.get_root_cert_sn(order["root"]),
    }


ACTIONS = {"execute": execute, "page_url": page_url, "verify": verify, "serials": serials}

if __name__ == "__main__":
    orders = json.load(sys.stdin)
    json.dump([ACTIONS[order["action"]](order) for order in orders], sys.stdout)
