"""What a business event writes into the books. Source of the accounts: our chart of accounts."""

from models.errors import InvariantBroken
from models.ledger import AccountKind, LedgerAccountName, LedgerTransaction, Posting
from models.money import Money
from models.payment import Attempt, LateSuccess, PaymentOrder, Transition


def capture_transaction(
    order: PaymentOrder, attempt: Attempt, transition: Transition
) -> LedgerTransaction:
    """A captured payment: the channel owes us all, we owe the merchant all less our fee.

    The fee is rounded half-even to a minor unit, and is the one agreed when the route was chosen.
    Money that was only held is in no books: what counts is what was captured of it.
    """
    taken = Money(amount_minor=transition.after.captured_minor or 0, currency=order.money.currency)
    fee = taken.share_bps(attempt.route.fee_bps)
    clearing = LedgerAccountName(kind=AccountKind.CHANNEL_CLEARING, owner=attempt.route.account_id)
    merchant = LedgerAccountName(kind=AccountKind.MERCHANT_PENDING, owner=order.merchant_id)
    fee_income = LedgerAccountName(kind=AccountKind.FEE_INCOME)
    postings = (
        _posting(clearing, merchant, taken.minus(fee)),
        _posting(clearing, fee_income, fee),
    )
    return LedgerTransaction(
        id=f"ltx_capture_{attempt.serial}",
        event_type="payment.captured",
        event_id=attempt.id,
        app_id=order.app_id,
        postings=_not_empty(postings),
        occurred_at=transition.at,
    )


def late_suspense_transaction(
    order: PaymentOrder, attempt: Attempt, late: LateSuccess, transition: Transition
) -> LedgerTransaction:
    """Money for a closed payment that is not accepted: the channel owes it, suspense holds it."""
    clearing = LedgerAccountName(kind=AccountKind.CHANNEL_CLEARING, owner=attempt.route.account_id)
    suspense = LedgerAccountName(kind=AccountKind.SUSPENSE_CREDIT, owner=attempt.route.account_id)
    return LedgerTransaction(
        id=f"ltx_late_{attempt.serial}",
        event_type="payment.late_success",
        event_id=attempt.id,
        app_id=order.app_id,
        postings=(_posting(clearing, suspense, late.money),),
        occurred_at=transition.at,
    )


def _posting(debit: LedgerAccountName, credit: LedgerAccountName, money: Money) -> Posting:
    return Posting(
        debit=debit, credit=credit, amount_minor=money.amount_minor, currency=money.currency
    )


def _not_empty(postings: tuple[Posting, ...]) -> tuple[Posting, ...]:
    kept = tuple(posting for posting in postings if posting.amount_minor > 0)
    if not kept:
        raise InvariantBroken("a captured payment of nothing has no postings")
    return kept
