"""Sends one notification: signed, to a public address only, reading little of the answer.

Signatures follow Standard Webhooks 1.0.0: HMAC-SHA256 over `id.timestamp.body`, one `v1,…` for
each secret of the endpoint, so that a secret can be rotated.
"""

import asyncio
import base64
import hashlib
import hmac
import ipaddress
import socket
from collections.abc import Iterable
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

import aiohttp

from models.notification import DeliveryResult, Endpoint, Notification
from observability.checkpoints import reached

# A receiver that needs longer has not taken it. Bounds the whole exchange, slow headers included.
DEADLINE_SECONDS = 15.0
# Nobody needs more of an answer than its status; the rest is not read.
_ANSWER_MAX_BYTES = 64 * 1024
_RETRY_AFTER_MAX_SECONDS = 86_400
_OK, _REDIRECT, _HTTP_GONE = 200, 300, 410
_CONNECTIONS_MAX = 100


# Set aside by IANA, yet "global" to the ipaddress module of some Python versions: local NAT64,
# old site-local, 6to4 relays, segment routing (Source: IANA special-purpose registries, 2026-11).
_SET_ASIDE = tuple(
    ipaddress.ip_network(network)
    for network in ("::/96", "64:ff9b:1::/48", "fec0::/10", "192.88.99.0/24", "5f00::/16")
)


class ForbiddenAddress(Exception):
    """The endpoint's name leads to an address that is not public."""


class WebhookSender:
    """One pooled client. `allow_private` is for development alone."""

    def __init__(self, *, allow_private: bool = False) -> None:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=_CONNECTIONS_MAX,
                # Called for every address that is about to be connected to, whatever it came from.
                socket_factory=_open_socket if allow_private else _open_public_socket,
                happy_eyeballs_delay=None,
            ),
            timeout=aiohttp.ClientTimeout(total=DEADLINE_SECONDS),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,  # the answer is not read, so nothing in it can blow up
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._session.close()

    async def send(self, endpoint: Endpoint, notification: Notification) -> DeliveryResult:
        """Try once. Only a 2xx is delivered; whatever else happens is in the result."""
        try:
            async with asyncio.timeout(DEADLINE_SECONDS):
                return await self._send(endpoint, notification)
        except ForbiddenAddress as error:
            return DeliveryResult(delivered=False, error=str(error))
        except TimeoutError:
            return DeliveryResult(delivered=False, error="no answer in time")
        except (aiohttp.ClientError, OSError, UnicodeError) as error:  # the last: no name at all
            return DeliveryResult(delivered=False, error=type(error).__name__)

    async def _send(self, endpoint: Endpoint, notification: Notification) -> DeliveryResult:
        headers = signed_headers(endpoint.secrets, notification, datetime.now(UTC))
        body = notification.body.encode()
        await reached("before send webhook")
        async with self._session.post(
            endpoint.url, data=body, headers=headers, allow_redirects=False
        ) as answer:
            await _read_a_little(answer)
            await reached("after answer webhook")
            delivered = _OK <= answer.status < _REDIRECT
            return DeliveryResult(
                delivered=delivered,
                status_code=answer.status,
                error=None if delivered else f"answered {answer.status}",
                retry_after_seconds=_retry_after(answer),
                gone=answer.status == _HTTP_GONE,
            )


def signed_headers(
    secrets: Iterable[bytes], notification: Notification, now: datetime
) -> dict[str, str]:
    """The headers of one try; the id stays the same over all tries, the timestamp is this one's."""
    timestamp = str(int(now.timestamp()))
    signed = f"{notification.id}.{timestamp}.{notification.body}".encode()
    signatures = (
        "v1," + base64.b64encode(hmac.new(secret, signed, hashlib.sha256).digest()).decode()
        for secret in secrets
    )
    return {
        "content-type": "application/json",
        "user-agent": "paycenter-webhooks/1",
        "webhook-id": notification.id,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(signatures),
    }


def _open_public_socket(found: aiohttp.AddrInfoType) -> socket.socket:
    """A socket to connect to an address that was found for the endpoint, if it is public.

    It is the very address that is connected to, so a name cannot point elsewhere in between.
    """
    if not is_public(str(found[4][0])):
        raise ForbiddenAddress("the endpoint's address is not public")
    return _open_socket(found)


def _open_socket(found: aiohttp.AddrInfoType) -> socket.socket:
    family, kind, protocol, *_ = found
    return socket.socket(family, kind, protocol)


def is_public(address: str) -> bool:
    """Whether an address is on the open internet, also inside IPv6 forms that carry an IPv4 one."""
    parsed = ipaddress.ip_address(address)
    if isinstance(parsed, ipaddress.IPv6Address):
        inner = parsed.ipv4_mapped or parsed.sixtofour or _nat64(parsed)
        if inner is not None:
            return is_public(str(inner))
        if parsed.teredo is not None:
            return False
    if any(parsed in network for network in _SET_ASIDE):
        return False
    return parsed.is_global and not parsed.is_multicast


def _nat64(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    if address in ipaddress.IPv6Network("64:ff9b::/96"):
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return None


async def _read_a_little(answer: aiohttp.ClientResponse) -> None:
    """Take up to 64 KiB so that the connection can be used again; more is cut off."""
    taken = 0
    async for chunk in answer.content.iter_any():
        taken += len(chunk)
        if taken > _ANSWER_MAX_BYTES:
            return


def _retry_after(answer: aiohttp.ClientResponse) -> int | None:
    value = answer.headers.get("retry-after", "")
    return (
        min(int(value), _RETRY_AFTER_MAX_SECONDS) if value.isascii() and value.isdigit() else None
    )
