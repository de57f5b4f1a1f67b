"""What a refund writes into the books. The fee of the payment is kept."""

from models.ledger import AccountKind, LedgerAccountName, LedgerTransaction, Posting
from models.refund import RefundFunding, RefundMove, RefundOrder, RefundStatus


def refund_transaction(move: RefundMove) -> LedgerTransaction | None:
    """The entries of one move of a refund, or None when no money moves with it.

    Accepted: the money leaves whose it was and is in transit. Succeeded: the channel owes us that
    much less. Failed: it goes back to whose it was.
    """
    order, after = move.order, move.transition.after.status
    transit = LedgerAccountName(
        kind=AccountKind.REFUND_IN_TRANSIT, owner=order.attempt.route.account_id
    )
    clearing = LedgerAccountName(
        kind=AccountKind.CHANNEL_CLEARING, owner=order.attempt.route.account_id
    )
    if _is_acceptance(move):
        return _transaction(move, "refund.accepted", debit=_source(order), credit=transit)
    if after is RefundStatus.SUCCEEDED:
        return _transaction(move, "refund.succeeded", debit=transit, credit=clearing)
    if after is RefundStatus.FAILED:
        return _transaction(move, "refund.failed", debit=transit, credit=_source(order))
    return None


def _is_acceptance(move: RefundMove) -> bool:
    """The first move is the acceptance, unless it is a refusal."""
    return (
        move.transition.before.version == 1 and move.transition.after.status is RefundStatus.PENDING
    )


def _source(order: RefundOrder) -> LedgerAccountName:
    if order.funding is RefundFunding.SUSPENSE:
        owner = order.attempt.route.account_id
        return LedgerAccountName(kind=AccountKind.SUSPENSE_CREDIT, owner=owner)
    return LedgerAccountName(kind=AccountKind.MERCHANT_PENDING, owner=order.merchant_id)


def _transaction(
    move: RefundMove, event_type: str, *, debit: LedgerAccountName, credit: LedgerAccountName
) -> LedgerTransaction:
    order = move.order
    return LedgerTransaction(
        id=f"ltx_{event_type.partition('.')[2]}_{order.refund_serial}",
        event_type=event_type,
        event_id=order.refund_id,
        app_id=order.app_id,
        postings=(
            Posting(
                debit=debit,
                credit=credit,
                amount_minor=order.money.amount_minor,
                currency=order.money.currency,
            ),
        ),
        occurred_at=move.transition.at,
    )
