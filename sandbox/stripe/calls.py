"""A request once it is verified, and what is answered to it."""

from collections.abc import Callable
from dataclasses import dataclass

from sandbox.stripe.accounts import Account
from sandbox.stripe.form import Fields
from sandbox.stripe.models import Intent, Origin
from sandbox.stripe.words import Shown


@dataclass(frozen=True, slots=True)
class Call:
    """One verified request: whose, about what, with which parameters."""

    account: Account
    object_id: str
    fields: Fields
    origin: Origin


@dataclass(frozen=True, slots=True)
class Result:
    """What is answered, and the intent it is about when it is about one."""

    body: Shown
    intent: Intent | None = None
    status: int = 200


@dataclass(frozen=True, slots=True)
class Operation:
    name: str
    run: Callable[[Call], Result]
