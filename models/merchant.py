"""Who we work for: apps, merchants, and the keys that open the API."""

from datetime import datetime
from enum import StrEnum

from models.channel import Frozen
from models.payment import LateSuccessPolicy


class Role(StrEnum):
    """What a key may do: `app` its own payments, `admin` onboarding, `ops` and `finance` look.

    A person has one of the last three.
    """

    APP = "app"
    ADMIN = "admin"
    OPS = "ops"
    FINANCE = "finance"


class Caller(Frozen):
    """Who is calling, as proven by their key. `app_id` is set for the role `app` alone."""

    key_id: str
    role: Role
    app_id: str | None = None


class App(Frozen):
    """A business application. Its webhook secret is encrypted at rest and shown once.

    Refunds of more than `refund_approval_above_minor` wait for a second person; None is never. From
    the cash desk payers go back to what lies under one of `return_urls` and nowhere else.
    """

    id: str
    name: str
    status: str
    webhook_url: str | None
    webhook_paused_at: datetime | None
    late_success: LateSuccessPolicy
    payment_limit_minor: int | None
    refund_approval_above_minor: int | None = None
    return_urls: tuple[str, ...] = ()
    version: int = 1
    created_at: datetime


class Merchant(Frozen):
    """Who the money is for. Belongs to one app."""

    id: str
    app_id: str
    name: str
    status: str
    version: int = 1
    created_at: datetime


class ApiKey(Frozen):
    """A key as people see it: never its secret. `last_used_at` is right to an hour."""

    id: str
    role: Role
    app_id: str | None
    name: str
    created_at: datetime
    last_used_at: datetime | None = None
    expires_at: datetime | None = None
    disabled_at: datetime | None = None
    disabled_reason: str | None = None
