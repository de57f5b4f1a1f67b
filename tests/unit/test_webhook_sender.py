"""What the sender of webhooks connects to, and what it makes of an answer."""

from urllib.parse import urlsplit

import pytest

from activities.webhook import WebhookSender, is_public
from models.notification import Endpoint
from tests.channels.faulty_server import FaultyServer, hangs_up, replies
from tests.factories import a_merchant, a_notification, an_app, an_order

NOTIFICATION = a_notification(an_order(a_merchant(an_app())))


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_an_address_that_is_not_public_is_never_connected_to(host: str) -> None:
    async with FaultyServer() as server, WebhookSender() as sender:
        endpoint = _endpoint(f"http://{host}:{urlsplit(server.url).port}/")

        result = await sender.send(endpoint, NOTIFICATION)

    assert not result.delivered
    assert result.error == "the endpoint's address is not public"
    assert server.heads == []


async def test_a_name_that_no_resolver_takes_is_a_failed_try() -> None:
    async with WebhookSender() as sender:
        result = await sender.send(_endpoint("https://a..b.example/"), NOTIFICATION)

    assert not result.delivered


def test_an_ipv4_address_inside_an_old_ipv6_form_is_not_public() -> None:
    assert not is_public("::127.0.0.1")


@pytest.mark.parametrize(("status", "delivered"), [(200, True), (204, True), (302, False)])
async def test_only_a_2xx_is_delivered_and_no_redirect_is_followed(
    status: int, delivered: bool
) -> None:
    async with FaultyServer() as server, WebhookSender(allow_private=True) as sender:
        server.behaviour = replies(b"", status=status, headers="Location: /elsewhere\r\n")

        result = await sender.send(_endpoint(server.url), NOTIFICATION)

    assert (result.delivered, result.status_code) == (delivered, status)
    assert len(server.heads) == 1


async def test_a_connection_closed_without_a_word_is_a_failed_try_and_is_not_repeated() -> None:
    async with FaultyServer() as server, WebhookSender(allow_private=True) as sender:
        server.behaviour = hangs_up

        result = await sender.send(_endpoint(server.url), NOTIFICATION)

    assert not result.delivered
    assert result.status_code is None
    assert len(server.heads) == 1


async def test_the_wait_a_receiver_asks_for_is_passed_on() -> None:
    async with FaultyServer() as server, WebhookSender(allow_private=True) as sender:
        server.behaviour = replies(b"", status=429, headers="Retry-After: 7\r\n")

        result = await sender.send(_endpoint(server.url), NOTIFICATION)

    assert (result.delivered, result.retry_after_seconds) == (False, 7)


def _endpoint(url: str) -> Endpoint:
    return Endpoint(app_id="app_1", url=url, secrets=(b"secret",))
