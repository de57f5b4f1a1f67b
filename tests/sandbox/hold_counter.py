"""A merchant that holds money, written from the protocol alone."""

from typing import Any

from tests.sandbox.merchant import Answered, Merchant, a_number
from tests.sandbox.process import Control

AGREES, WAITS = "285015833990941919", "280115833990941919"
BUYER = "2088000000000001"


class Counter:
    """A merchant that holds 19.99 yuan under a fresh number."""

    def __init__(self, merchant: Merchant, control: Control) -> None:
        self.merchant = merchant
        self.control = control
        self.number = a_number()
        self.auth_no = ""

    async def voucher(self, **changes: object) -> Answered:
        return await self.merchant.call(
            "alipay.fund.auth.order.voucher.create", **(self._order() | changes)
        )

    async def freeze(self, code: str = AGREES, **changes: object) -> Answered:
        codes = {"auth_code": code, "auth_code_type": "bar_code"}
        answered = await self.merchant.call(
            "alipay.fund.auth.order.freeze", **(self._order() | codes | changes)
        )
        self.auth_no = answered.content.get("auth_no", "")
        return answered

    async def query(self, **named: object) -> Answered:
        names = named or {"out_order_no": self.number, "out_request_no": f"{self.number}_F"}
        return await self.merchant.call("alipay.fund.auth.operation.detail.query", **names)

    async def unfreeze(
        self, amount: str = "19.99", number: str = "U1", **changes: object
    ) -> Answered:
        content = {"auth_no": self.auth_no, "out_request_no": number, "amount": amount}
        return await self.merchant.call(
            "alipay.fund.auth.order.unfreeze", **(content | {"remark": "back"} | changes)
        )

    async def cancel(self) -> Answered:
        return await self.merchant.call(
            "alipay.fund.auth.operation.cancel",
            out_order_no=self.number,
            out_request_no=f"{self.number}_F",
            remark="no",
        )

    async def capture(
        self, amount: str = "15.00", number: str | None = None, **changes: object
    ) -> Answered:
        content = {
            "out_trade_no": number or self.number,
            "total_amount": amount,
            "subject": "Two nights",
            "product_code": "PRE_AUTH",
            "auth_no": self.auth_no,
            "auth_confirm_mode": "COMPLETE",
            "seller_id": self.merchant.registered["seller_id"],
            "buyer_id": BUYER,
        }
        return await self.merchant.call("alipay.trade.pay", **(content | changes))

    async def books(self) -> dict[str, Any]:
        shown: dict[str, Any] = await self.control.trade(self.number)
        return shown

    def _order(self) -> dict[str, object]:
        return {
            "out_order_no": self.number,
            "out_request_no": f"{self.number}_F",
            "order_title": "房间 deposit",
            "amount": "19.99",
            "product_code": "PRE_AUTH",
        }


def sub_code(answered: Answered) -> str:
    return answered.content.get("sub_code", "")
