"""Closing an order to hold money before anybody agreed to it."""

import pytest

from channels.alipay.adapter import AlipayChannel
from models.channel import Declined, Pending, Unknown
from tests.channels.alipay_holds import AUTH_NO, CANCEL, Desk, refused, said
from tests.channels.alipay_side import SERIAL
from tests.channels.faulty_server import FaultyServer


@pytest.mark.parametrize("action", ["close", "unfreeze"])
async def test_an_order_is_cancelled_by_the_number_of_its_freeze(
    alipay: AlipayChannel, gateway: FaultyServer, action: str
) -> None:
    cancelled = said(auth_no=AUTH_NO, out_order_no=SERIAL, action=action)
    desk = Desk(alipay, gateway, {CANCEL: cancelled})

    outcome = await desk.close()

    assert outcome == Declined(code="closed", detail="closed on request", channel_code=action)
    content = desk.content()
    assert (content["out_order_no"], content["out_request_no"]) == (SERIAL, f"{SERIAL}_F")


@pytest.mark.parametrize(
    "told",
    [
        refused("ORDER_ALREADY_FINISH"),
        refused("CANCEL_OPERATION_TIME_OUT"),
        refused("SYSTEM_ERROR"),
        said(out_order_no=SERIAL, action="maybe"),
        said(out_order_no="another", action="close"),
    ],
)
async def test_a_cancel_that_proves_nothing_is_unknown(
    alipay: AlipayChannel, gateway: FaultyServer, told: dict[str, str]
) -> None:
    assert isinstance(await Desk(alipay, gateway, {CANCEL: told}).close(), Unknown)


async def test_cancelling_what_nobody_opened_says_that_it_was_not(
    alipay: AlipayChannel, gateway: FaultyServer
) -> None:
    desk = Desk(alipay, gateway, {CANCEL: refused("AUTH_ORDER_NOT_EXIST")})

    assert await desk.close() == Pending(detail="the payer has not opened it yet")
