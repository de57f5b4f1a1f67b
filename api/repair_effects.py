"""What a repair of a discrepancy would book, said before anybody proposes or approves it."""

from datetime import datetime

from api.reconciliation_answers import EffectAnswer, EffectEntry
from domain.repair_postings import excess_minor, repair_transaction
from models.reconciliation import DiscrepancyView, RepairAction
from models.reconciliation_steps import repairs_of

_WITHOUT_ENTRIES = frozenset({RepairAction.BOOK, RepairAction.DISMISS})


def effects_of(found: DiscrepancyView, *, at: datetime) -> tuple[EffectAnswer, ...]:
    """The entries of each repair that may be proposed now, and of one that was proposed."""
    actions = set(repairs_of(found)) | ({found.action} if found.action else set())
    return tuple(
        EffectAnswer(action=action, currency=found.currency, entries=_entries(found, action, at))
        for action in sorted(actions)
    )


def _entries(found: DiscrepancyView, action: RepairAction, at: datetime) -> tuple[EffectEntry, ...]:
    if action in _WITHOUT_ENTRIES or excess_minor(found) == 0:
        return ()
    transaction = repair_transaction(found, action, at=at)
    return tuple(
        EffectEntry(account=str(account), amount=sign * posting.amount_minor)
        for posting in (transaction.postings if transaction else ())
        for account, sign in ((posting.debit, 1), (posting.credit, -1))
    )
