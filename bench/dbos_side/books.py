"""The DBOS side's own rows: the order with its serial, and the end with its ledger entries.

Leaner than ours, which is in its favour: one table without a history, no inbox, no outbox.
"""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Self

from psycopg import AsyncConnection
from psycopg.rows import DictRow, dict_row
from psycopg_pool import AsyncConnectionPool
from pydantic import BaseModel

from models.ledger import AccountKind, LedgerAccountName, LedgerTransaction, Posting
from models.money import Money

TABLE = """
CREATE TABLE IF NOT EXISTS dbos_payment (
    id text PRIMARY KEY,
    serial text NOT NULL UNIQUE,
    app_id text NOT NULL REFERENCES app (id),
    order_no text NOT NULL,
    fingerprint text NOT NULL,
    merchant_id text NOT NULL,
    amount bigint NOT NULL CHECK (amount > 0),
    currency text NOT NULL,
    method text NOT NULL,
    subject text NOT NULL,
    status text NOT NULL DEFAULT 'created',
    expires_at timestamptz NOT NULL,
    ended_at timestamptz,
    UNIQUE (app_id, order_no)
)
"""

_FEE_BPS = 60

_KEEP = """
WITH kept AS (
    INSERT INTO dbos_payment (id, serial, app_id, order_no, fingerprint, merchant_id, amount,
                              currency, method, subject, expires_at)
    VALUES (%(id)s, %(serial)s, %(app_id)s, %(order_no)s, %(fingerprint)s, %(merchant_id)s,
            %(amount)s, %(currency)s, %(method)s, %(subject)s, %(expires_at)s)
    ON CONFLICT (app_id, order_no) DO NOTHING
    RETURNING id
)
SELECT count(*) AS kept FROM kept
"""

_FIND = "SELECT * FROM dbos_payment WHERE app_id = %s AND order_no = %s"

_SETTLE = """
WITH moved AS (
    UPDATE dbos_payment SET status = %(status)s, ended_at = %(at)s
    WHERE id = %(id)s AND ended_at IS NULL
    RETURNING id
)
SELECT post_ledger_transaction(CAST(%(posting)s AS jsonb)) FROM moved
WHERE CAST(%(posting)s AS jsonb) IS NOT NULL
"""


class Payment(BaseModel):
    """The order, and the serial under which the channel knows it."""

    id: str
    serial: str
    app_id: str
    order_no: str
    fingerprint: str
    merchant_id: str
    amount: int
    currency: str
    method: str
    subject: str
    expires_at: datetime

    @property
    def money(self) -> Money:
        return Money(amount_minor=self.amount, currency=self.currency)


class Books:
    """One statement each, without a transaction around it."""

    def __init__(self, pool: AsyncConnectionPool[AsyncConnection[DictRow]]) -> None:
        self._pool = pool

    @classmethod
    @asynccontextmanager
    async def opened(cls, url: str, pool_size: int) -> AsyncIterator[Self]:
        pool = AsyncConnectionPool(
            url,
            connection_class=AsyncConnection[DictRow],
            kwargs={"autocommit": True, "row_factory": dict_row},
            min_size=1,
            max_size=pool_size,
            open=False,
        )
        async with pool:
            yield cls(pool)

    async def keep(self, offered: Payment) -> Payment:
        """The order on disk: this one, or the one that had its number before."""
        async with self._pool.connection() as connection:
            kept = await (await connection.execute(_KEEP, offered.model_dump())).fetchone()
            if kept is not None and kept["kept"]:
                return offered
            found = await connection.execute(_FIND, (offered.app_id, offered.order_no))
            return Payment.model_validate(await found.fetchone())

    async def settle(self, order: Payment, *, status: str, at: datetime) -> None:
        posting = None
        if status == "succeeded":
            posting = json.dumps(_capture(order, at).model_dump(mode="json"))
        parameters = {"id": order.id, "status": status, "at": at, "posting": posting}
        async with self._pool.connection() as connection:
            await connection.execute(_SETTLE, parameters)


def _capture(order: Payment, at: datetime) -> LedgerTransaction:
    """The entries our own side books: the channel owes us, we owe the merchant less the fee."""
    fee = order.money.share_bps(_FEE_BPS)
    clearing = LedgerAccountName(kind=AccountKind.CHANNEL_CLEARING, owner=order.app_id)
    merchant = LedgerAccountName(kind=AccountKind.MERCHANT_PENDING, owner=order.merchant_id)
    income = LedgerAccountName(kind=AccountKind.FEE_INCOME)
    parts = ((merchant, order.money.minus(fee)), (income, fee))
    return LedgerTransaction(
        id=f"ltx_capture_{order.serial}",
        event_type="payment.captured",
        event_id=order.serial,
        app_id=order.app_id,
        postings=tuple(
            Posting(
                debit=clearing,
                credit=credit,
                amount_minor=money.amount_minor,
                currency=money.currency,
            )
            for credit, money in parts
        ),
        occurred_at=at,
    )
