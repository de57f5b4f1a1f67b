"""Steps of refunds: given at once, or pending first, or taken back because the bank refused."""

from dataclasses import dataclass

from sandbox.stripe.desk import NotWaiting, Tools
from sandbox.stripe.models import NOBODY, Charge, Kind, Origin, Refund, RefundStatus
from sandbox.stripe.views import charge_view, refund_view
from sandbox.stripe.words import CARDS, Problem, RefundConduct


@dataclass(frozen=True, slots=True)
class RefundOrder:
    """What is to be given back; `amount` None is all that is left."""

    amount: int | None
    reason: str | None
    metadata: dict[str, str]


class RefundDesk:
    """Called inside one transaction of the books, as the desk of intents is."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self._books = tools.books

    def create(self, charge: Charge, order: RefundOrder, origin: Origin = NOBODY) -> Refund:
        """Never more than was captured, over all refunds that stand."""
        amount = _refundable(charge, order.amount)
        conduct = CARDS[charge.card].refunds
        now = self._tools.now()
        settles = conduct is not RefundConduct.SUCCEEDS
        pends = conduct is RefundConduct.PENDS
        refund = Refund(
            id=self._tools.ids.new("re"),
            account_id=charge.account_id,
            order_no=charge.order_no,
            created_at=now,
            intent=charge.intent,
            charge=charge.id,
            amount=amount,
            currency=charge.currency,
            status=RefundStatus.PENDING if pends else RefundStatus.SUCCEEDED,
            reason=order.reason,
            metadata=order.metadata,
            settles_at=self._tools.settles_at() if settles else None,
            ends_as=_END[conduct],
        )
        posting = self._tools.post("refund", refund, amount=-amount)
        refund = refund.model_copy(update={"posting": posting.id})
        self._books.save(refund, Kind.CREATED, now, amount)
        self._move(charge, amount, Kind.REFUNDED, origin)
        return refund

    def repeated(self, refund: Refund) -> Refund:
        """The merchant sent it again, which changed nothing."""
        again = refund.model_copy(update={"requests": refund.requests + 1})
        self._books.save(again, Kind.REPEATED, self._tools.now())
        return again

    def settle(self, refund: Refund, status: RefundStatus | None = None) -> Refund:
        """What time brings: a pending one succeeds, one that will fail fails. Raises NotWaiting."""
        end = status or refund.ends_as
        if refund.settles_at is None or end is None:
            raise NotWaiting(refund.status)
        if end is RefundStatus.FAILED:
            return self._fail(refund)
        settled = refund.model_copy(
            update={"status": RefundStatus.SUCCEEDED, "settles_at": None, "ends_as": None}
        )
        self._books.save(settled, Kind.SUCCEEDED, self._tools.now())
        if refund.status is not settled.status:
            self._tools.events.record("refund.updated", settled, refund_view(settled))
        return settled

    def _fail(self, refund: Refund) -> Refund:
        charge = self._books.find(Charge, refund.charge)
        if charge is None:
            raise LookupError(f"refund {refund.id} has no charge")
        posting = self._tools.post("refund_failure", refund, amount=refund.amount)
        failed = refund.model_copy(
            update={
                "status": RefundStatus.FAILED,
                "settles_at": None,
                "ends_as": None,
                "failure_posting": posting.id,
                "failure_reason": "unknown",
            }
        )
        self._books.save(failed, Kind.FAILED, self._tools.now(), refund.amount)
        left = charge.amount_refunded - refund.amount
        restored = charge.model_copy(update={"amount_refunded": left})
        self._books.save(restored, Kind.REFUND_FAILED, self._tools.now(), refund.amount)
        for kind in ("refund.failed", "refund.updated"):
            self._tools.events.record(kind, failed, refund_view(failed))
        return failed

    def _move(self, charge: Charge, amount: int, kind: Kind, origin: Origin) -> None:
        moved = charge.model_copy(update={"amount_refunded": charge.amount_refunded + amount})
        self._books.save(moved, kind, self._tools.now(), amount)
        self._tools.events.record("charge.refunded", moved, charge_view(moved), origin)


_END = {
    RefundConduct.SUCCEEDS: None,
    RefundConduct.PENDS: RefundStatus.SUCCEEDED,
    RefundConduct.FAILS_LATER: RefundStatus.FAILED,
}


def _refundable(charge: Charge, wanted: int | None) -> int:
    left = charge.amount_captured - charge.amount_refunded
    if not charge.captured:
        message = f"Charge {charge.id} was not captured, so there is nothing to refund."
        raise Problem(400, message)
    if left == 0:
        message = f"Charge {charge.id} has already been refunded."
        raise Problem(400, message, code="charge_already_refunded")
    if wanted is not None and wanted > left:
        message = f"Refund amount ({wanted}) is greater than unrefunded amount on charge ({left})"
        raise Problem(400, message, param="amount")
    return left if wanted is None else wanted
