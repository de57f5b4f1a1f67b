"""What a repaired discrepancy, and a day of a channel's fees, write into the books.

Source of the accounts: our chart of accounts. What a channel has and we have not is owed to
somebody (suspense, credit side); what we have and it has not is missing (suspense, debit side).
"""

from collections.abc import Mapping
from datetime import datetime
from typing import assert_never

from models.errors import InvariantBroken
from models.ids import suffix_of
from models.ledger import AccountKind, LedgerAccountName, LedgerTransaction, Posting
from models.reconciliation import (
    DiscrepancyClass,
    DiscrepancyView,
    LineKind,
    RepairAction,
    RunResult,
)
from models.reconciliation_steps import FeesStep


def repair_transaction(
    discrepancy: DiscrepancyView, action: RepairAction, *, at: datetime
) -> LedgerTransaction | None:
    """The entries of a repair, None for one that moves nothing.

    Once for each discrepancy and action, whoever asks: the event is the discrepancy's own id.
    """
    match action:
        case RepairAction.BOOK | RepairAction.DISMISS:
            return None
        case RepairAction.SUSPENSE:
            more = LedgerAccountName(kind=AccountKind.SUSPENSE_CREDIT, owner=discrepancy.account_id)
            less = LedgerAccountName(kind=AccountKind.SUSPENSE_DEBIT, owner=discrepancy.account_id)
        case RepairAction.WRITE_OFF:
            more = LedgerAccountName(kind=AccountKind.ROUNDING)
            less = LedgerAccountName(kind=AccountKind.LOSS)
        case _:
            assert_never(action)
    return LedgerTransaction(
        id=f"ltx_{action}_{suffix_of(discrepancy.id)}",
        event_type=f"repair.{action}",
        event_id=discrepancy.id,
        app_id=discrepancy.app_id,
        postings=(_correction(discrepancy, more=more, less=less),),
        occurred_at=at,
    )


def excess_minor(discrepancy: DiscrepancyView) -> int:
    """How much more the channel owes us by its statement than by our books; below zero, less."""
    if discrepancy.class_ is DiscrepancyClass.CURRENCY_DIFF:
        raise InvariantBroken("amounts in two currencies have no difference")
    difference = (discrepancy.line_minor or 0) - (discrepancy.ours_minor or 0)
    return difference if discrepancy.kind is LineKind.PAYMENT else -difference


def channel_fee_transaction(step: FeesStep, booked: Mapping[str, int]) -> LedgerTransaction | None:
    """What a channel took on a day, less what is `booked` of it already, by currency.

    None when all of it is booked. A statement that was corrected later makes a second transaction
    with the difference, named after its run.
    """
    order = step.order
    taken = fees_of(step.result)
    postings = tuple(
        _fee(order.account_id, currency, taken.get(currency, 0) - booked.get(currency, 0))
        for currency in sorted(taken.keys() | booked.keys())
        if taken.get(currency, 0) != booked.get(currency, 0)
    )
    if not postings:
        return None
    day = order.business_day
    again = f":{step.run}" if booked else ""
    return LedgerTransaction(
        id=f"ltx_fees_{suffix_of(order.account_id)}_{day:%Y%m%d}{again.replace(':', '_')}",
        event_type="channel.fees",
        event_id=f"{order.account_id}:{day}{again}",
        app_id=order.app_id,
        postings=postings,
        occurred_at=step.at,
    )


def fees_of(result: RunResult) -> dict[str, int]:
    """What the statement says the channel took, by currency; what it gave back is below zero."""
    fees: dict[str, int] = {}
    for side in result.totals:
        fees[side.currency] = fees.get(side.currency, 0) + side.fees_minor
    return {currency: minor for currency, minor in fees.items() if minor}


def _correction(
    discrepancy: DiscrepancyView, *, more: LedgerAccountName, less: LedgerAccountName
) -> Posting:
    excess = excess_minor(discrepancy)
    if excess == 0:
        raise InvariantBroken(f"{discrepancy.id} has nothing to book")
    clearing = LedgerAccountName(kind=AccountKind.CHANNEL_CLEARING, owner=discrepancy.account_id)
    debit, credit = (clearing, more) if excess > 0 else (less, clearing)
    return Posting(
        debit=debit, credit=credit, amount_minor=abs(excess), currency=discrepancy.currency
    )


def _fee(account_id: str, currency: str, minor: int) -> Posting:
    cost = LedgerAccountName(kind=AccountKind.CHANNEL_FEE_COST, owner=account_id)
    clearing = LedgerAccountName(kind=AccountKind.CHANNEL_CLEARING, owner=account_id)
    debit, credit = (cost, clearing) if minor > 0 else (clearing, cost)
    return Posting(debit=debit, credit=credit, amount_minor=abs(minor), currency=currency)
