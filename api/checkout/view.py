"""What the cash desk shows: a payment as it stands in, a finished picture out. No decisions."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from domain.routing import offers
from models.channel import Capabilities, Method, NextAction, Redirect, SubmitForm
from models.payment import AttemptStatus, PaymentState, PaymentStatus
from storage.checkout import Checkout

# The result can be looked at for so long after the payer's time is up.
SHOWN_AFTER = timedelta(hours=24)
_WEB = re.compile(r"https?://[A-Za-z0-9.:\[\]-]+(/|$|\?)")


class DeskState(StrEnum):
    """What the payer sees. `held` is paid for the payer: the app takes the money later."""

    CHOOSE = "choose"
    WAITING = "waiting"
    UNKNOWN = "unknown"
    PAID = "paid"
    HELD = "held"
    REFUSED = "refused"
    EXPIRED = "expired"
    CANCELED = "canceled"


_ENDS = {
    PaymentStatus.SUCCEEDED: DeskState.PAID,
    PaymentStatus.PARTIALLY_CAPTURED: DeskState.PAID,
    PaymentStatus.REQUIRES_CAPTURE: DeskState.HELD,
    PaymentStatus.FAILED: DeskState.REFUSED,
    PaymentStatus.EXPIRED: DeskState.EXPIRED,
    PaymentStatus.CANCELED: DeskState.CANCELED,
    PaymentStatus.REVIEW: DeskState.UNKNOWN,
}


@dataclass(frozen=True)
class Desk:
    """One picture. `action` is what the payer does next for the method that was chosen.

    `refusal` is the code of why the last try brought nothing; `number` the attempt that a choice
    would make; `is_over` that nothing on this page changes any more.
    """

    state: DeskState
    methods: tuple[Method, ...]
    number: int
    chosen: Method | None = None
    action: NextAction | None = None
    refusal: str | None = None
    on_phone: bool = False

    @property
    def is_over(self) -> bool:
        return self.state in _OVER


_SHOWS_FAILURE = (DeskState.CHOOSE, DeskState.REFUSED)
_OVER = frozenset(
    {DeskState.PAID, DeskState.HELD, DeskState.REFUSED, DeskState.EXPIRED, DeskState.CANCELED}
)


def is_gone(checkout: Checkout, now: datetime) -> bool:
    """Whether the address shows nothing any more."""
    return now >= checkout.recorded.order.expires_at + SHOWN_AFTER


def desk_of(
    checkout: Checkout, capabilities: dict[str, Capabilities], *, on_phone: bool, now: datetime
) -> Desk:
    """The picture of a payment at the cash desk."""
    state = state_of(checkout, now)
    attempt = checkout.attempt
    methods: tuple[Method, ...] = ()
    if state in (DeskState.CHOOSE, DeskState.WAITING):
        order = checkout.recorded.order
        found = offers(order, accounts=checkout.accounts, capabilities=capabilities)
        methods = _usable(found, on_phone=on_phone)
    failure = checkout.recorded.state.failure
    return Desk(
        state=state,
        methods=methods,
        number=checkout.next_number,
        on_phone=on_phone,
        chosen=_method(capabilities, attempt.method if attempt else None),
        action=_safe(checkout.recorded.state.next_action) if state is DeskState.WAITING else None,
        refusal=failure.code if failure and state in _SHOWS_FAILURE else None,
    )


def state_of(checkout: Checkout, now: datetime) -> DeskState:
    """Which of its pictures the desk shows."""
    stands = checkout.recorded.state
    if stands.status in _ENDS:
        return _ENDS[stands.status]
    if _is_unknown(stands):
        return DeskState.UNKNOWN
    if not checkout.is_choosing:
        return DeskState.WAITING
    if now >= checkout.recorded.order.expires_at:
        return DeskState.EXPIRED
    return DeskState.CHOOSE


def _safe(action: NextAction | None) -> NextAction | None:
    """An address a channel gave is followed only if it is one of the web."""
    if isinstance(action, Redirect | SubmitForm) and not _WEB.match(action.url):
        return None
    return action


def _is_unknown(stands: PaymentState) -> bool:
    return (
        stands.status is PaymentStatus.PROCESSING and stands.attempt_status is AttemptStatus.UNKNOWN
    )


def _usable(methods: tuple[Method, ...], *, on_phone: bool) -> tuple[Method, ...]:
    """Without what needs the other kind of device, unless nothing else is left."""
    elsewhere = "computer" if on_phone else "phone"
    here = tuple(method for method in methods if method.device != elsewhere)
    return here or methods


def _method(capabilities: dict[str, Capabilities], name: str | None) -> Method | None:
    found = (m for able in capabilities.values() for m in able.methods if m.name == name)
    return next(found, None)
