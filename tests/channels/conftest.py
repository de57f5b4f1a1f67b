"""A gateway to misbehave, and the adapter pointed at it."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from channels.alipay.adapter import AlipayChannel
from channels.http import ChannelHttp
from channels.stripe.adapter import StripeChannel
from tests.channels.faulty_server import FaultyServer
from tests.channels.stripe_listing import Listing


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


@pytest.fixture
def stripe(http: ChannelHttp, gateway: FaultyServer) -> StripeChannel:
    return StripeChannel(http, api_url=gateway.url.removesuffix("/gateway.do"))


@pytest.fixture
def listing(stripe: StripeChannel, gateway: FaultyServer, tmp_path: Path) -> Listing:
    return Listing(stripe, gateway, tmp_path)


@pytest.fixture(scope="module")
def silent_stripe() -> StripeChannel:
    """For reading webhooks, which calls nobody: no server, and no connection to close."""
    second = timedelta(seconds=1)
    http = ChannelHttp(connect_timeout=second, read_timeout=second)
    return StripeChannel(http, api_url="http://127.0.0.1")
