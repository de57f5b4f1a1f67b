"""Every problem the API can answer with: stable code, HTTP status, title.

Callers program against the codes; `/docs` lists this table. A code is never renamed.
"""

from typing import NamedTuple


class Kind(NamedTuple):
    status: int
    title: str


KINDS: dict[str, Kind] = {
    # -- the request cannot be read
    "malformed": Kind(400, "The body is not one JSON object in UTF-8"),
    "too-large": Kind(413, "The body is too large"),
    "unsupported-media-type": Kind(415, "The body must be application/json"),
    "idempotency-key-invalid": Kind(400, "The Idempotency-Key header is not usable"),
    # -- the request can be read and not taken
    "invalid-request": Kind(422, "Something in the request is not valid"),
    "pan-not-accepted": Kind(422, "Card numbers are not accepted"),
    "notify-url-forbidden": Kind(422, "Notifications cannot be sent to this address"),
    "idempotency-key-reused": Kind(422, "This Idempotency-Key was used for another request"),
    "refund-exceeds-captured": Kind(422, "This is more than what is left of the payment"),
    "channel-misconfigured": Kind(422, "The channel account's parameters cannot work"),
    # -- who is asking
    "unauthorized": Kind(401, "A valid API key is needed"),
    "bad-signature": Kind(401, "The message does not prove where it comes from"),
    "forbidden": Kind(403, "This key may not do this"),
    # -- what is asked for
    "not-found": Kind(404, "There is no such thing"),
    "channel-not-found": Kind(404, "There is no such channel"),
    "merchant-not-found": Kind(404, "There is no such merchant"),
    "payment-not-found": Kind(404, "There is no such payment"),
    "method-not-allowed": Kind(405, "This address does not take this method"),
    "conflict": Kind(409, "It clashes with what is already there"),
    "order-conflict": Kind(409, "This order number was used for another payment"),
    "refund-conflict": Kind(409, "This refund number was used for another refund"),
    "login-taken": Kind(409, "Somebody else has this login"),
    "same-person": Kind(409, "Who asked for something cannot decide on it"),
    "request-in-progress": Kind(409, "The same request is being worked on"),
    "discrepancies-open": Kind(409, "Something of the day is not resolved"),
    "invalid-state": Kind(409, "It cannot be done in the state this is in"),
    # -- us
    "rate-limited": Kind(429, "Too many requests"),
    "internal": Kind(500, "Something is wrong with us"),
    "channel-unavailable": Kind(503, "A channel is not reachable"),
    "unavailable": Kind(503, "Something we need is down; nothing was lost"),
}
