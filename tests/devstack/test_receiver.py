"""The receiver believes only what is signed with its secret, unchanged and fresh."""

import asyncio
import base64
import hashlib
import hmac
import json

import httpx
import pytest

from devstack.receiver import Mode, Receiver, is_authentic

_KEY = bytes(range(32))
_SECRET = "whsec_" + base64.b64encode(_KEY).decode()
_BODY = json.dumps({"type": "payment.succeeded", "sequence": 1, "data": {"id": "pay_1"}}).encode()
_NOW = 1_800_000_000


def _headers(body: bytes = _BODY, *, at: int = _NOW, key: bytes = _KEY) -> dict[str, str]:
    signature = hmac.new(key, f"ntf_1.{at}.".encode() + body, hashlib.sha256).digest()
    return {
        "webhook-id": "ntf_1",
        "webhook-timestamp": str(at),
        "webhook-signature": f"v1,{base64.b64encode(signature).decode()}",
    }


def test_a_delivery_signed_with_the_secret_is_authentic() -> None:
    assert is_authentic(_SECRET, _headers(), _BODY, now=_NOW)


def test_one_fitting_signature_among_several_is_enough() -> None:
    headers = _headers()
    headers["webhook-signature"] = f"v1,AAAA v1a,BBBB {headers['webhook-signature']}"

    assert is_authentic(_SECRET, headers, _BODY, now=_NOW)


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        (_headers(), _BODY + b" "),
        (_headers(key=b"x" * 32), _BODY),
        (_headers(at=_NOW - 301), _BODY),
        (_headers(at=_NOW + 301), _BODY),
        (_headers() | {"webhook-id": "ntf_2"}, _BODY),
        (_headers() | {"webhook-timestamp": "soon"}, _BODY),
        ({}, _BODY),
    ],
    ids=["changed body", "other key", "old", "from the future", "other id", "no time", "unsigned"],
)
def test_anything_else_is_not(headers: dict[str, str], body: bytes) -> None:
    assert not is_authentic(_SECRET, headers, body, now=_NOW)


async def test_what_is_received_can_be_waited_for_by_the_object_it_speaks_of() -> None:
    async with Receiver() as receiver, httpx.AsyncClient() as sender:
        receiver.trust("shop", _SECRET)

        waiting = asyncio.create_task(receiver.wait_for("pay_1"))
        answer = await sender.post(receiver.url_for("shop"), content=_BODY, headers=_headers())

        assert answer.status_code == 200
        assert (await waiting).type == "payment.succeeded"
        assert receiver.about("pay_2") == []


@pytest.mark.parametrize(("mode", "status"), [(Mode.ERROR, 500), (Mode.GONE, 410)])
async def test_an_app_in_trouble_says_so_and_keeps_nothing(mode: Mode, status: int) -> None:
    async with Receiver(mode=mode) as receiver, httpx.AsyncClient() as sender:
        answer = await sender.post(receiver.url_for("shop"), content=_BODY, headers=_headers())

        assert answer.status_code == status
        assert receiver.received == []


async def test_an_app_that_hangs_never_answers() -> None:
    async with Receiver(mode=Mode.HANG) as receiver, httpx.AsyncClient(timeout=0.2) as sender:
        with pytest.raises(httpx.ReadTimeout):
            await sender.post(receiver.url_for("shop"), content=_BODY, headers=_headers())
