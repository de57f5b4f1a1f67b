"""Back to the app, with a hint of how it went.

The hint is signed with the app's webhook secret, so that an app's page may say "thank you" before
the webhook arrives. It is no proof that money arrived: goods are handed out on the webhook, or
after GET /v1/payments/{id}.
"""

import base64
import hashlib
import hmac
from datetime import datetime
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from models.payment import PaymentOrder, PaymentStatus


def return_address(
    order: PaymentOrder, status: PaymentStatus, *, secret: bytes, now: datetime
) -> str | None:
    """The order's return address with `payment_id`, `order_no`, `status`, `timestamp`, `signature`.

    `signature` is `v1,` and the base64 of HMAC-SHA256 over
    `{payment_id}.{order_no}.{status}.{timestamp}`. None when the order names no address.
    """
    if order.return_url is None:
        return None
    parts = urlsplit(order.return_url)
    if parts.scheme not in ("https", "http") or not parts.netloc:
        return None
    timestamp = int(now.timestamp())
    signed = f"{order.payment_id}.{order.order_no}.{status}.{timestamp}"
    digest = hmac.digest(secret, signed.encode(), hashlib.sha256)
    hint = {
        "payment_id": order.payment_id,
        "order_no": order.order_no,
        "status": status.value,
        "timestamp": str(timestamp),
        "signature": f"v1,{base64.b64encode(digest).decode()}",
    }
    # What the app put there stays; a name of ours in it would be ours twice, so it goes.
    kept = [(name, value) for name, value in parse_qsl(parts.query, True) if name not in hint]
    query = urlencode([*kept, *hint.items()])
    return urlunsplit((parts.scheme, parts.netloc, parts.path, query, parts.fragment))
