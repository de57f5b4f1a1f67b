"""A shop that takes cards through Stripe: an independent little client, and its webhook endpoint.

It encodes, signs and checks by itself; nothing here comes from the sandbox or from our adapters.
"""

import asyncio
import hashlib
import hmac
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

import httpx

_PATIENCE_SECONDS = 10
RETURN_URL = "https://shop.example/back?order=7"


@dataclass(frozen=True)
class Webhook:
    """One delivery as it came in."""

    headers: Mapping[str, str]
    body: bytes

    @property
    def event(self) -> Any:
        return json.loads(self.body)

    @property
    def type(self) -> str:
        return str(self.event["type"])

    @property
    def object(self) -> Any:
        return self.event["data"]["object"]

    def signatures(self) -> list[str]:
        parts = self.headers["stripe-signature"].split(",")
        return [part[3:] for part in parts if part.startswith("v1=")]

    def is_signed_with(self, secret: str) -> bool:
        """The way Stripe describes it: any of the codes may be the right one."""
        at = self.headers["stripe-signature"].split(",")[0].removeprefix("t=")
        code = hmac.new(secret.encode(), f"{at}.".encode() + self.body, hashlib.sha256)
        return code.hexdigest() in self.signatures()


class Endpoint:
    """Receives webhooks on a free port. `statuses` are answered first, in order, then 200."""

    def __init__(self) -> None:
        self.statuses: list[int] = []
        self._arrived: asyncio.Queue[Webhook] = asyncio.Queue()
        self._server: asyncio.Server | None = None
        self.url = ""

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{port}/hooks/stripe"
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        await self._server.wait_closed()

    async def next(self) -> Webhook:
        return await asyncio.wait_for(self._arrived.get(), _PATIENCE_SECONDS)

    def has_more(self) -> bool:
        return not self._arrived.empty()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        lines = (line.partition(":") for line in head.split("\r\n")[1:] if line)
        headers = {name.lower(): value.strip() for name, _, value in lines}
        body = await reader.readexactly(int(headers["content-length"]))
        status = self.statuses.pop(0) if self.statuses else 200
        self._arrived.put_nowait(Webhook(headers, body))
        writer.write(b"HTTP/1.1 %d X\r\nConnection: close\r\nContent-Length: 0\r\n\r\n" % status)
        await writer.drain()
        writer.close()
        await writer.wait_closed()


class CardShop:
    """Calls the API as one account."""

    def __init__(self, registered: Any, client: httpx.AsyncClient) -> None:
        self.registered = registered
        self.client = client
        self.id = str(registered["account_id"])
        self.secret = str(registered["webhook_secret"])

    async def post(
        self, path: str, *, key: object = None, version: object = None, **params: object
    ) -> httpx.Response:
        headers = self._headers(version) | ({"idempotency-key": str(key)} if key else {})
        form = dict(_flat(params))
        return await self.client.post(self._url(path), data=form, headers=headers)

    async def get(self, path: str, **params: object) -> Any:
        query = dict(_flat(params))
        answer = await self.client.get(self._url(path), params=query, headers=self._headers())
        answer.raise_for_status()
        return answer.json()

    async def get_raw(self, path: str) -> httpx.Response:
        return await self.client.get(self._url(path), headers=self._headers())

    async def try_to_pay(
        self, card: str, *, order: str, amount: object = 20_00, **more: object
    ) -> httpx.Response:
        params: dict[str, object] = {
            "amount": amount,
            "currency": "usd",
            "payment_method": card,
            "confirm": True,
            "return_url": RETURN_URL,
            "metadata": {"order": order},
        }
        return await self.post("payment_intents", **{**params, **more})

    async def pay(self, card: str, *, order: str, amount: int = 20_00, **more: object) -> Any:
        answer = await self.try_to_pay(card, order=order, amount=amount, **more)
        answer.raise_for_status()
        return answer.json()

    async def refund(self, intent: str, **params: object) -> Any:
        answer = await self.post("refunds", payment_intent=intent, **params)
        answer.raise_for_status()
        return answer.json()

    def _url(self, path: str) -> str:
        return f"{self.registered['base_url']}/v1/{path}"

    def _headers(self, version: object = None) -> dict[str, str]:
        chosen = {"stripe-version": str(version)} if version else {}
        return {"authorization": f"Bearer {self.registered['secret_key']}", **chosen}


def _flat(params: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Bracket keys, as forms of Stripe's have them."""
    for name, value in params.items():
        key = f"{prefix}[{name}]" if prefix else name
        if isinstance(value, Mapping):
            yield from _flat(value, key)
        elif isinstance(value, list):
            yield from _flat({str(index): item for index, item in enumerate(value)}, key)
        else:
            yield key, str(value).lower() if isinstance(value, bool) else str(value)
