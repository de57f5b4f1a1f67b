"""What an app is told, when it is told again, and where we refuse to tell it."""

import base64
import hashlib
import hmac
import json
import random
from datetime import UTC, datetime, timedelta

import pytest

from activities.webhook import is_public, signed_headers
from domain.notifications import BACKOFF, payment_event, should_pause, wait_before_retry
from models.notification import Notification
from models.payment import Evidence, EvidenceKind, PaymentState, PaymentStatus, Transition
from tests.unit.test_rules import NOW, order


def moved() -> Transition:
    return Transition(
        payment_id="pay_01",
        before=PaymentState(status=PaymentStatus.PROCESSING, version=2),
        after=PaymentState(status=PaymentStatus.SUCCEEDED, version=3, notified=1),
        evidence=Evidence(kind=EvidenceKind.CALLBACK),
        at=NOW,
    )


def test_an_event_is_the_same_however_often_it_is_made() -> None:
    events = [payment_event(order(), moved(), event_type="payment.succeeded") for _ in range(2)]

    assert events[0] == events[1]
    assert events[0].id == "ntf_0101"


def test_an_event_tells_the_apps_own_order_number_and_no_secret() -> None:
    body = json.loads(payment_event(order(), moved(), event_type="payment.succeeded").body)

    assert (body["type"], body["sequence"]) == ("payment.succeeded", 1)
    assert body["data"]["order_no"] == "A-1"
    assert body["data"]["amount"] == 1999
    assert "payer_code" not in json.dumps(body)


def test_waits_grow_and_carry_at_most_a_tenth_of_jitter() -> None:
    waits = [
        wait_before_retry(n, retry_after=None, jitter=random.Random(7))
        for n in range(1, len(BACKOFF) + 1)
    ]

    assert all(step <= wait <= step * 1.1 for step, wait in zip(BACKOFF, waits, strict=True))


def test_a_receiver_may_ask_for_more_time_but_not_for_ever() -> None:
    asked = [timedelta(minutes=10), timedelta(days=9), timedelta(seconds=1)]

    waits = [wait_before_retry(1, retry_after=each, jitter=random.Random(7)) for each in asked]

    assert waits[0] == timedelta(minutes=10)
    assert waits[1] == timedelta(days=1)
    assert waits[2] >= BACKOFF[0]


def test_an_endpoint_is_paused_after_three_days_of_failing() -> None:
    assert not should_pause(NOW, NOW + timedelta(days=3))
    assert should_pause(NOW, NOW + timedelta(days=4))


def test_the_signature_is_the_one_standard_webhooks_describes() -> None:
    event = Notification(
        id="ntf_1",
        app_id="app_1",
        object_id="pay_1",
        sequence=1,
        type="payment.succeeded",
        body='{"a":1}',
        created_at=NOW,
    )
    old, new = b"o" * 32, b"n" * 32

    headers = signed_headers((new, old), event, datetime(2026, 3, 1, tzinfo=UTC))

    text = f'ntf_1.{headers["webhook-timestamp"]}.{{"a":1}}'.encode()
    expected = [
        "v1," + base64.b64encode(hmac.new(key, text, hashlib.sha256).digest()).decode()
        for key in (new, old)
    ]
    assert headers["webhook-timestamp"] == "1772323200"
    assert headers["webhook-signature"].split(" ") == expected


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.8.8.8", "0.0.0.0", "10.1.2.3", "172.16.0.1", "172.31.255.255",
        "192.168.1.1", "169.254.169.254", "100.64.0.1", "192.0.0.1", "192.0.2.1", "198.18.0.1",
        "198.51.100.7", "203.0.113.9", "224.0.0.1", "239.255.255.250", "240.0.0.1",
        "255.255.255.255", "::", "::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1",
        "::ffff:169.254.169.254", "fe80::1", "fc00::1", "fd12:3456::1", "ff02::1", "2001:db8::1",
        "64:ff9b::7f00:1", "64:ff9b::a00:1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::", "2002:a00:1::",
        "2001:0:4136:e378:8000:63bf:3fff:fdd2", "100::1", "64:ff9b:1::1", "fec0::1",
        "2002:c0a8:101::", "192.88.99.1", "5f00::1",
    ],
)  # fmt: skip
def test_no_webhook_goes_to_an_address_that_is_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c"])
def test_a_public_address_is_fine(address: str) -> None:
    assert is_public(address)
