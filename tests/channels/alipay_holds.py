"""Alipay's side of money that is held first, for tests: answers, notices and a gateway of both."""

import asyncio
import json
from collections.abc import Mapping

from channels.alipay.adapter import AlipayChannel
from models.channel import CaptureRequest, Outcome, PayRequest, QueryRequest
from models.money import Money
from tests.channels.alipay_side import (
    APP_ID,
    NOW,
    SELLER_ID,
    SERIAL,
    TRADE_NO,
    a_pay_request,
    a_query,
    an_account,
    answer,
    notice,
)
from tests.channels.faulty_server import Behaviour, FaultyServer, replies

VOUCHER = "alipay.fund.auth.order.voucher.create"
FREEZE = "alipay.fund.auth.order.freeze"
UNFREEZE = "alipay.fund.auth.order.unfreeze"
CANCEL = "alipay.fund.auth.operation.cancel"
DETAIL = "alipay.fund.auth.operation.detail.query"
PAY = "alipay.trade.pay"
TRADE_QUERY = "alipay.trade.query"

AUTH_NO = "2026112010002001030501221111"
BUYER = "2088000000000002"
_NUMBERS = {"out_order_no": SERIAL, "out_request_no": f"{SERIAL}_F"}


def said(**fields: str) -> dict[str, str]:
    return {"code": "10000", "msg": "Success", **fields}


def refused(sub_code: str, code: str = "40004") -> dict[str, str]:
    return {"code": code, "msg": "Business Failed", "sub_code": sub_code, "sub_msg": "业务失败"}


def order(state: str = "AUTHORIZED", /, **changes: str) -> dict[str, str]:
    """What a query says of an order: on hold unless `state` and `changes` say otherwise."""
    return (
        said(
            auth_no=AUTH_NO,
            **_NUMBERS,
            order_status=state,
            operation_type="FREEZE",
            status="INIT" if state == "INIT" else "SUCCESS",
            amount="19.99",
            total_freeze_amount="0.00" if state == "INIT" else "19.99",
            total_pay_amount="0.00",
            rest_amount="19.99" if state == "AUTHORIZED" else "0.00",
            payer_user_id=BUYER,
            gmt_trans="2026-11-20 12:00:09",
        )
        | changes
    )


def frozen(**changes: str) -> dict[str, str]:
    """The answer to a freeze with the payer's code."""
    return (
        said(
            auth_no=AUTH_NO,
            **_NUMBERS,
            amount="19.99",
            status="SUCCESS",
            gmt_trans="2026-11-20 12:00:09",
            payer_user_id=BUYER,
        )
        | changes
    )


def trade(status: str | None = "TRADE_SUCCESS", /, **changes: str) -> dict[str, str]:
    """The completing trade of 15.00 yuan: as a query shows it, or with no status as pay answers."""
    shown = {} if status is None else {"trade_status": status}
    return (
        said(
            out_trade_no=SERIAL,
            trade_no=TRADE_NO,
            total_amount="15.00",
            gmt_payment="2026-11-20 13:00:00",
            **shown,
        )
        | changes
    )


def released(**changes: str) -> dict[str, str]:
    return (
        said(
            auth_no=AUTH_NO,
            out_order_no=SERIAL,
            out_request_no=f"{SERIAL}_U",
            amount="19.99",
            status="SUCCESS",
        )
        | changes
    )


def a_hold(method: str = "alipay_qr", **changes: object) -> PayRequest:
    return a_pay_request(method, capture_method="manual", **changes)


def about_a_hold(method: str = "alipay_qr", **changes: object) -> QueryRequest:
    return a_query(method, capture_method="manual", **changes)


def a_capture(minor: int = 15_00, **changes: object) -> CaptureRequest:
    request = CaptureRequest(
        payment_id="pay_01KAH3ZZZZZZZZZZZZZZZZZZZZ",
        serial=SERIAL,
        method="alipay_qr",
        subject="Two nights",
        notify_url="https://pay.example/callbacks/alipay/acc_1",
        channel_reference=AUTH_NO,
        money=Money(amount_minor=minor, currency="CNY"),
        authorized=Money(amount_minor=19_99, currency="CNY"),
    )
    return request.model_copy(update=changes)


Script = Mapping[str, Mapping[str, str] | Behaviour]


class Desk:
    """The adapter at a gateway that has one answer for each method, and knows what it was asked."""

    def __init__(self, alipay: AlipayChannel, gateway: FaultyServer, script: Script) -> None:
        self._alipay = alipay
        self._gateway = gateway
        self._script = script
        gateway.behaviour = self._behave

    @property
    def asked(self) -> list[str]:
        return [request["method"] for request in self._gateway.requests]

    def content(self, number: int = -1) -> dict[str, str]:
        content: dict[str, str] = json.loads(self._gateway.requests[number]["biz_content"])
        return content

    def fields(self, number: int = -1) -> dict[str, str]:
        return self._gateway.requests[number]

    async def pay(self, request: PayRequest | None = None) -> Outcome:
        return (await self._alipay.pay(an_account(), request or a_hold(), NOW)).outcome

    async def query(self, request: QueryRequest | None = None) -> Outcome:
        return (await self._alipay.query(an_account(), request or about_a_hold(), NOW)).outcome

    async def close(self, request: QueryRequest | None = None) -> Outcome:
        return (await self._alipay.close(an_account(), request or about_a_hold(), NOW)).outcome

    async def void(self, request: QueryRequest | None = None) -> Outcome:
        return (await self._alipay.void(an_account(), request or about_a_hold(), NOW)).outcome

    async def capture(self, request: CaptureRequest | None = None) -> Outcome:
        return (await self._alipay.capture(an_account(), request or a_capture(), NOW)).outcome

    async def _behave(self, server: FaultyServer, writer: asyncio.StreamWriter) -> None:
        method = server.requests[-1]["method"]
        scripted = self._script[method]
        behaviour = scripted if callable(scripted) else replies(answer(method, scripted))
        await behaviour(server, writer)


def hold_notice(
    changed: Mapping[str, str] | None = None, *, without: tuple[str, ...] = (), **changes: str
) -> bytes:
    """A signed notice of 19.99 yuan put on hold, by what opendocs.alipay.com/open/04ij9t says."""
    fields = {
        "app_id": APP_ID,
        "auth_app_id": APP_ID,
        "auth_no": AUTH_NO,
        "amount": "19.99",
        "charset": "utf-8",
        "gmt_create": "2026-11-20 12:00:01",
        "gmt_trans": "2026-11-20 12:00:09",
        "notify_id": "2026112000222120009000000000000002",
        "notify_time": "2026-11-20 12:00:10",
        "notify_type": "fund_auth_freeze",
        "operation_id": "20261120696407711111",
        "operation_type": "FREEZE",
        "payee_user_id": SELLER_ID,
        "payer_logon_id": "158****7723",
        "payer_user_id": BUYER,
        "rest_amount": "19.99",
        "status": "SUCCESS",
        "total_freeze_amount": "19.99",
        "total_pay_amount": "0.00",
        "total_unfreeze_amount": "0.00",
        "version": "1.0",
        **_NUMBERS,
        **changes,
        **(changed or {}),
    }
    return notice(only={name: value for name, value in fields.items() if name not in without})
