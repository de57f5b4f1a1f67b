"""The books, written through one SQL function alone: it sees that nothing is posted twice."""

import json

from sqlalchemy import case, func, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from models.channel import Frozen
from models.errors import InvariantBroken
from models.ledger import AccountKind, LedgerAccountName, LedgerTransaction
from models.money import CurrencyCode
from models.tables.ledger import LEDGER_ACCOUNT, LEDGER_ENTRY, LEDGER_TRANSACTION
from models.views import JournalLine


class TrialBalanceLine(Frozen):
    """Everything on the accounts of one kind. Over all lines of a currency both sides are equal."""

    kind: AccountKind
    currency: CurrencyCode
    debit_minor: int
    credit_minor: int


_POST = text("SELECT post_ledger_transaction(CAST(:posting AS jsonb))")


async def post(connection: AsyncConnection, transaction: LedgerTransaction) -> bool:
    """True when posted now, False when the same was posted before for this event.

    Raises InvariantBroken when something else was posted for it.
    """
    try:
        posted = await connection.scalar(_POST, {"posting": posting_json(transaction, None)})
    except IntegrityError as error:
        raise InvariantBroken(f"{transaction.id} cannot be posted: {error.orig}") from error
    return bool(posted)


async def payment_entries(connection: AsyncConnection, payment_id: str) -> tuple[JournalLine, ...]:
    """Every ledger entry of a payment, in the order in which they were written."""
    rows = await connection.execute(
        select(
            LEDGER_ENTRY.c.ledger_transaction_id,
            LEDGER_TRANSACTION.c.event_type,
            LEDGER_TRANSACTION.c.occurred_at,
            LEDGER_ENTRY.c.amount_minor,
            LEDGER_ENTRY.c.currency,
            LEDGER_ACCOUNT.c.kind,
            LEDGER_ACCOUNT.c.owner,
        )
        .join(LEDGER_TRANSACTION, LEDGER_TRANSACTION.c.id == LEDGER_ENTRY.c.ledger_transaction_id)
        .join(LEDGER_ACCOUNT, LEDGER_ACCOUNT.c.id == LEDGER_ENTRY.c.ledger_account_id)
        .where(LEDGER_TRANSACTION.c.payment_id == payment_id)
        .order_by(LEDGER_ENTRY.c.id)
    )
    return tuple(
        JournalLine(
            ledger_transaction_id=row.ledger_transaction_id,
            event_type=row.event_type,
            occurred_at=row.occurred_at,
            account=str(LedgerAccountName(kind=AccountKind(row.kind), owner=row.owner)),
            amount_minor=row.amount_minor,
            currency=row.currency,
        )
        for row in rows
    )


async def balance(connection: AsyncConnection, account: LedgerAccountName, currency: str) -> int:
    """Debits less credits of one account, in minor units; 0 for one that was never used."""
    total = await connection.scalar(
        select(func.coalesce(func.sum(LEDGER_ENTRY.c.amount_minor), 0))
        .join(LEDGER_ACCOUNT, LEDGER_ACCOUNT.c.id == LEDGER_ENTRY.c.ledger_account_id)
        .where(
            LEDGER_ACCOUNT.c.kind == account.kind,
            LEDGER_ACCOUNT.c.owner == account.owner,
            LEDGER_ACCOUNT.c.currency == currency,
        )
    )
    return int(total or 0)


async def trial_balance(connection: AsyncConnection) -> tuple[TrialBalanceLine, ...]:
    """The whole house by kind of account and currency."""
    amount = LEDGER_ENTRY.c.amount_minor
    rows = await connection.execute(
        select(
            LEDGER_ACCOUNT.c.kind,
            LEDGER_ENTRY.c.currency,
            func.sum(case((amount > 0, amount), else_=0)).label("debit_minor"),
            func.sum(case((amount < 0, -amount), else_=0)).label("credit_minor"),
        )
        .join(LEDGER_ACCOUNT, LEDGER_ACCOUNT.c.id == LEDGER_ENTRY.c.ledger_account_id)
        .group_by(LEDGER_ACCOUNT.c.kind, LEDGER_ENTRY.c.currency)
        .order_by(LEDGER_ACCOUNT.c.kind, LEDGER_ENTRY.c.currency)
    )
    return tuple(
        TrialBalanceLine(
            kind=AccountKind(row.kind),
            currency=row.currency,
            debit_minor=int(row.debit_minor),
            credit_minor=int(row.credit_minor),
        )
        for row in rows
    )


def posting_json(transaction: LedgerTransaction, payment_id: str | None) -> str:
    """The argument of `post_ledger_transaction`. Without `payment_id` it is found by the event."""
    posting = transaction.model_dump(mode="json")
    return json.dumps(posting if payment_id is None else posting | {"payment_id": payment_id})
