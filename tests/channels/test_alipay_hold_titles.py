"""Titles of money held first: at most 100 letters, or half as many Chinese characters."""

import pytest

from channels.alipay.adapter import AlipayChannel
from tests.channels.alipay_holds import FREEZE, Desk, a_hold, frozen
from tests.channels.faulty_server import FaultyServer


@pytest.mark.parametrize(
    ("subject", "title"),
    [
        ("a" * 100, "a" * 100),
        ("a" * 101, "a" * 100),
        ("房" * 50, "房" * 50),
        ("房" * 51, "房" * 50),
        ("a" + "房" * 50, "a" + "房" * 49),
        ("两晚 & deposit = 好", "两晚 ＆ deposit ＝ 好"),
    ],
)
async def test_a_title_is_cut_to_what_alipay_takes(
    alipay: AlipayChannel, gateway: FaultyServer, subject: str, title: str
) -> None:
    desk = Desk(alipay, gateway, {FREEZE: frozen()})

    await desk.pay(a_hold("alipay_buyer_code", subject=subject))

    assert desk.content()["order_title"] == title
