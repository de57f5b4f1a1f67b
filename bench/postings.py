"""What the ledger bench posts: a captured payment of one merchant, with the fee.

One hot merchant is the hardest case: every posting names the same app, the same account at the
channel and the same merchant. With many, each of them has its own. Fee income is one account in
both, since a house has one.
"""

from collections.abc import Callable
from datetime import datetime
from enum import StrEnum
from random import Random

from models.ledger import AccountKind, LedgerAccountName, LedgerTransaction, Posting

MERCHANTS = 1_000
MERCHANTS_OF_AN_APP = 10
CURRENCY = "CNY"
NET_MINOR = 19_87
FEE_MINOR = 12

_FEE_INCOME = LedgerAccountName(kind=AccountKind.FEE_INCOME)


class Crowd(StrEnum):
    """Whose payments are posted."""

    HOT = "hot"
    MANY = "many"


def app_of(merchant: int) -> str:
    return f"app_bench_{merchant // MERCHANTS_OF_AN_APP}"


def apps() -> list[str]:
    return [app_of(merchant) for merchant in range(0, MERCHANTS, MERCHANTS_OF_AN_APP)]


def chooser(crowd: Crowd, seed: str) -> Callable[[], int]:
    """Whose payment is next."""
    random = Random(seed)
    return lambda: 0 if crowd is Crowd.HOT else random.randrange(MERCHANTS)


def capture(event_id: str, merchant: int, at: datetime) -> LedgerTransaction:
    """The transaction `domain.postings.capture_transaction` makes for 19.99 CNY at 60 bps."""
    clearing = LedgerAccountName(kind=AccountKind.CHANNEL_CLEARING, owner=f"acc_{merchant}")
    pending = LedgerAccountName(kind=AccountKind.MERCHANT_PENDING, owner=f"mer_{merchant}")
    return LedgerTransaction(
        id=f"ltx_capture_{event_id}",
        event_type="payment.captured",
        event_id=event_id,
        app_id=app_of(merchant),
        postings=(
            Posting(debit=clearing, credit=pending, amount_minor=NET_MINOR, currency=CURRENCY),
            Posting(debit=clearing, credit=_FEE_INCOME, amount_minor=FEE_MINOR, currency=CURRENCY),
        ),
        occurred_at=at,
    )
