"""What is booked of a channel's own fees, by account and day."""

from datetime import date

from sqlalchemy import func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from models.ledger import AccountKind
from models.tables.ledger import LEDGER_ACCOUNT, LEDGER_ENTRY, LEDGER_TRANSACTION


async def booked_channel_fees(
    connection: AsyncConnection, account_id: str, day: date
) -> dict[str, int]:
    """What was booked for one day so far, in minor units by currency; empty when nothing ever was.

    A currency whose corrections cancel each other out is there with 0.
    """
    event = LEDGER_TRANSACTION.c.event_id
    rows = await connection.execute(
        select(LEDGER_ENTRY.c.currency, func.sum(LEDGER_ENTRY.c.amount_minor).label("minor"))
        .join(LEDGER_TRANSACTION, LEDGER_TRANSACTION.c.id == LEDGER_ENTRY.c.ledger_transaction_id)
        .join(LEDGER_ACCOUNT, LEDGER_ACCOUNT.c.id == LEDGER_ENTRY.c.ledger_account_id)
        .where(
            LEDGER_TRANSACTION.c.event_type == "channel.fees",
            or_(
                event == f"{account_id}:{day}",
                event.startswith(f"{account_id}:{day}:", autoescape=True),
            ),
            LEDGER_ACCOUNT.c.kind == AccountKind.CHANNEL_FEE_COST,
            LEDGER_ACCOUNT.c.owner == account_id,
        )
        .group_by(LEDGER_ENTRY.c.currency)
    )
    return {row.currency: int(row.minor) for row in rows}
