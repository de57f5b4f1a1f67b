"""What does not fit between a payment of ours and what its channel says of it."""

from models.channel import Approved, Declined, Outcome, Pending
from models.check import CheckFinding, CheckSubject, FindingKind
from models.payment import CAPTURED, PAYMENT_ENDS


def compare_with_channel(subject: CheckSubject, said: Outcome) -> CheckFinding | None:
    """None when it fits, or when the channel says nothing that counts.

    Money of which all went back is a closed trade at some channels (Source: Alipay trade query,
    TRADE_CLOSED after a full refund, read 2026-11-20).
    """
    if subject.status not in PAYMENT_ENDS:
        return _open(subject, said)
    if isinstance(said, Approved) and not said.held:
        return _amount(subject, said)
    all_went_back = subject.given_back_minor >= subject.captured_minor
    if isinstance(said, Declined | Pending) and not all_went_back:
        word = said.code if isinstance(said, Declined) else said.kind
        return _finding(subject, FindingKind.NOT_PAID_AT_CHANNEL, f"the channel says {word}")
    return None


def _open(subject: CheckSubject, said: Outcome) -> CheckFinding | None:
    if isinstance(said, Approved) and not said.held:
        detail = f"the channel took {said.money}, ours is {subject.status}"
        return _finding(subject, FindingKind.PAID_AT_CHANNEL, detail)
    return None


def _amount(subject: CheckSubject, said: Approved) -> CheckFinding | None:
    ours = subject.captured_minor if subject.status in CAPTURED else said.money.amount_minor
    if (said.money.amount_minor, said.money.currency) == (ours, subject.order.money.currency):
        return None
    detail = f"the channel took {said.money}, our books say {ours} {subject.order.money.currency}"
    return _finding(subject, FindingKind.OTHER_AMOUNT, detail)


def _finding(subject: CheckSubject, kind: FindingKind, detail: str) -> CheckFinding:
    return CheckFinding(kind=kind, object_id=subject.order.payment_id, detail=detail)
