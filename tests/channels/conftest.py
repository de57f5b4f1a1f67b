"""A gateway to misbehave, and the adapter pointed at it."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from channels.alipay.adapter import AlipayChannel
from channels.http import ChannelHttp
from tests.channels.faulty_server import FaultyServer


@pytest.fixture
async def gateway() -> AsyncIterator[FaultyServer]:
    async with FaultyServer() as server:
        yield server


@pytest.fixture
async def http() -> AsyncIterator[ChannelHttp]:
    async with ChannelHttp(
        connect_timeout=timedelta(seconds=1), read_timeout=timedelta(seconds=0.2)
    ) as client:
        yield client


@pytest.fixture
def alipay(http: ChannelHttp, gateway: FaultyServer) -> AlipayChannel:
    return AlipayChannel(http, gateway_url=gateway.url)
