"""The audit trail of account management, and what runs out."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Literal

from models.channel import Frozen

# From so long before its end something is said to be expiring.
WARNING = timedelta(days=30)


class Change(Frozen):
    """One change to an app, merchant, account, key or person. Holds no secret.

    `actor` is the id of the key or person that asked for it. `before` and `after` hold the fields
    that differ.
    """

    id: str
    at: datetime
    actor: str
    object_kind: Literal["app", "merchant", "channel_account", "key", "operator"]
    object_id: str
    action: str
    reason: str | None
    before: dict[str, Any]
    after: dict[str, Any]


class ExpiringKind(StrEnum):
    KEY = "key"
    WEBHOOK_SECRET = "webhook_secret"  # noqa: S105  # the name of a kind
    CERTIFICATE = "certificate"
    CHANNEL_SECRET = "channel_secret"  # noqa: S105  # the name of a kind


class Expiring(Frozen):
    """One thing that runs out. `what` says which of the object's, in words."""

    kind: ExpiringKind
    object_id: str
    what: str
    expires_at: datetime


def warning_of(expires_at: datetime, now: datetime) -> Literal["expiring", "expired"] | None:
    """What to say of something that ends at `expires_at`, if anything."""
    if expires_at <= now:
        return "expired"
    return "expiring" if expires_at - now <= WARNING else None
