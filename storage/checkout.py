"""What the cash desk shows of a payment, found by the secret in its address."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from models.channel import ChannelAccount, Frozen, Redirect
from models.merchant import App, Merchant
from models.payment import Attempt, PaymentStatus
from models.tables.payments import ATTEMPT, PAYMENT
from models.views import RecordedOrder
from storage.payment_rows import to_attempt, to_order, to_state
from storage.payments import read_order_facts

_ATTEMPTS = select(ATTEMPT).order_by(ATTEMPT.c.number)


class Checkout(Frozen):
    """A payment at the cash desk: `attempts` are the tries so far, the last one last.

    `accounts` are the merchant's active ones.
    """

    recorded: RecordedOrder
    app: App
    merchant: Merchant
    attempts: tuple[Attempt, ...]
    accounts: tuple[ChannelAccount, ...]

    @property
    def attempt(self) -> Attempt | None:
        """The last try."""
        return self.attempts[-1] if self.attempts else None

    @property
    def next_number(self) -> int:
        """The number of the attempt that a choice would make."""
        return len(self.attempts) + 1

    @property
    def is_choosing(self) -> bool:
        """Whether the payer is to choose: nothing is under way, and nothing is unknown."""
        action = self.recorded.state.next_action
        token = self.recorded.order.checkout_token
        return (
            self.recorded.state.status is PaymentStatus.REQUIRES_ACTION
            and isinstance(action, Redirect)
            and action.url.endswith(f"/checkout/{token}")
        )


async def read_checkout(connection: AsyncConnection, token: str) -> Checkout | None:
    """The payment whose cash desk has this token. None when there is none."""
    found = await connection.execute(select(PAYMENT).where(PAYMENT.c.checkout_token == token))
    row = found.mappings().one_or_none()
    if row is None:
        return None
    recorded = RecordedOrder(order=to_order(row), state=to_state(row), is_new=False)
    facts = await read_order_facts(connection, recorded.order)
    attempts = await connection.execute(
        _ATTEMPTS.where(ATTEMPT.c.payment_id == recorded.order.payment_id)
    )
    return Checkout(
        recorded=recorded,
        app=facts.app,
        merchant=facts.merchant,
        attempts=tuple(to_attempt(attempt) for attempt in attempts.mappings()),
        accounts=facts.accounts,
    )


async def read_versions(
    connection: AsyncConnection, payment_ids: tuple[str, ...]
) -> dict[str, int]:
    """How often each of these payments has moved."""
    found = await connection.execute(
        select(PAYMENT.c.id, PAYMENT.c.version).where(PAYMENT.c.id.in_(payment_ids))
    )
    return {row.id: row.version for row in found}
