"""Payments: the order, what was decided and tried, every move, and what apps see of it.

Everything on the path of a payment is one statement, and safe to run twice.
"""

import json
from datetime import datetime

import psycopg
from sqlalchemy import bindparam, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.selectable import LABEL_STYLE_TABLENAME_PLUS_COL

from models.channel import ChannelAccount, ChannelAccountStatus, Exchange, Frozen
from models.errors import InvariantBroken, NotFound, Problem
from models.ledger import LedgerTransaction
from models.merchant import App, Merchant
from models.notification import Notification
from models.payment import (
    PAYMENT_ENDS,
    Attempt,
    PaymentOrder,
    PaymentState,
    PaymentStatus,
    Preparation,
    Settlement,
    Transition,
)
from models.tables.apps import APP
from models.tables.merchants import CHANNEL_ACCOUNT, MERCHANT
from models.tables.payments import ATTEMPT, PAYMENT
from models.views import PaymentView, RecordedOrder
from storage.apps import APP_COLUMNS
from storage.channel_accounts import ACCOUNT_COLUMNS
from storage.moves import Move, exchange_parameters, make_move
from storage.payment_rows import VIEW_QUERY, to_attempt, to_order, to_state, to_view


class OrderFacts(Frozen):
    """What has to be known to decide on an order: `accounts` are active and take its method.

    Without a method they are all the active ones of the merchant.
    """

    app: App
    merchant: Merchant
    accounts: tuple[ChannelAccount, ...]


# ---- the order --------------------------------------------------------------------------------

_RECORD_ORDER = text("""
WITH recorded AS (
    INSERT INTO payment (
        id, app_id, merchant_id, order_no, amount_minor, currency, method, subject,
        capture_method, capture_within, status, version, notified, late_success, fingerprint,
        return_url, payer_code, checkout_token, request_id, created_at, updated_at, expires_at,
        initiate_by
    )
    VALUES (
        :payment_id, :app_id, :merchant_id, :order_no, :amount_minor, :currency, :method, :subject,
        :capture_method, :capture_within, 'created', 1, 0, :late_success, :fingerprint,
        :return_url, :payer_code, :checkout_token, :request_id, :created_at, :created_at,
        :expires_at, :initiate_by
    )
    ON CONFLICT (app_id, order_no) DO NOTHING
    RETURNING id, app_id
)
INSERT INTO payment_transition (
    payment_id, version, app_id, to_status, evidence_kind, evidence_reference, evidence_detail, at
)
SELECT id, 1, app_id, 'created', 'order', :request_id, '', :created_at FROM recorded
""")


async def record_order(
    connection: AsyncConnection, order: PaymentOrder, *, request_id: str
) -> RecordedOrder:
    """Write an order down, or give back what its app ordered before under the same number.

    Whether that is the same order is for the caller to see (`fingerprint`). Raises NotFound when
    the app has no such merchant.
    """
    values = order.model_dump(exclude={"money"}) | order.money.model_dump()
    try:
        result = await connection.execute(_RECORD_ORDER, values | {"request_id": request_id})
    except IntegrityError as error:
        raise _no_such_merchant(error) or error from error
    if result.rowcount == 1:
        state = PaymentState(status=PaymentStatus.CREATED, version=1)
        return RecordedOrder(order=order, state=state, is_new=True)
    found = await connection.execute(
        select(PAYMENT).where(
            PAYMENT.c.app_id == order.app_id, PAYMENT.c.order_no == order.order_no
        )
    )
    row = found.mappings().one()
    return RecordedOrder(order=to_order(row), state=to_state(row), is_new=False)


async def read_order(connection: AsyncConnection, payment_id: str) -> RecordedOrder | None:
    found = await connection.execute(select(PAYMENT).where(PAYMENT.c.id == payment_id))
    row = found.mappings().one_or_none()
    if row is None:
        return None
    return RecordedOrder(order=to_order(row), state=to_state(row), is_new=False)


# Built once: putting it together takes longer than running it.
_ORDER_FACTS = (
    select(*APP_COLUMNS, *MERCHANT.c, *ACCOUNT_COLUMNS)
    .select_from(
        APP.join(MERCHANT, MERCHANT.c.app_id == APP.c.id).outerjoin(
            CHANNEL_ACCOUNT,
            (CHANNEL_ACCOUNT.c.merchant_id == MERCHANT.c.id)
            & (CHANNEL_ACCOUNT.c.status == ChannelAccountStatus.ACTIVE)
            & CHANNEL_ACCOUNT.c.methods.contains(bindparam("methods")),
        )
    )
    .where(APP.c.id == bindparam("app_id"), MERCHANT.c.id == bindparam("merchant_id"))
    .order_by(CHANNEL_ACCOUNT.c.created_at, CHANNEL_ACCOUNT.c.id)
    .set_label_style(LABEL_STYLE_TABLENAME_PLUS_COL)
)


async def read_order_facts(connection: AsyncConnection, order: PaymentOrder) -> OrderFacts:
    """App, merchant and the accounts that could take the order, oldest account first."""
    found = await connection.execute(
        _ORDER_FACTS,
        {
            "app_id": order.app_id,
            "merchant_id": order.merchant_id,
            "methods": [order.method] if order.method else [],
        },
    )
    rows = found.mappings().all()
    if not rows:
        raise InvariantBroken(f"{order.payment_id} has no app and merchant on disk")
    return OrderFacts(
        app=App(**{column.name: rows[0][column] for column in APP_COLUMNS}),
        merchant=Merchant(**{column.name: rows[0][column] for column in MERCHANT.c}),
        accounts=tuple(
            ChannelAccount(**{column.name: row[column] for column in ACCOUNT_COLUMNS})
            for row in rows
            if row[CHANNEL_ACCOUNT.c.id] is not None
        ),
    )


def _no_such_merchant(error: IntegrityError) -> NotFound | None:
    cause = error.orig
    if not isinstance(cause, psycopg.errors.ForeignKeyViolation):
        return None
    problem = Problem(
        pointer="#/merchant_id", code="merchant-not-found", detail="the app has no such merchant"
    )
    return NotFound("no such merchant", code="merchant-not-found", problems=(problem,))


# ---- what was decided -------------------------------------------------------------------------

_RECORD_PREPARATION = text("""
WITH reserved AS (
    INSERT INTO attempt (
        id, app_id, payment_id, number, method, serial, channel, account_id, account_version,
        fee_bps, status, amount_minor, currency, created_at, updated_at
    )
    SELECT new.id, :app_id, :payment_id, new.number, new.method, new.serial, new.channel,
           new.account_id, new.account_version, new.fee_bps, new.status, new.amount_minor,
           new.currency, :now, :now
    FROM jsonb_to_recordset(CAST(:attempts AS jsonb)) AS new (
        id text, number integer, method text, serial text, channel text, account_id text,
        account_version integer, fee_bps integer, status text, amount_minor bigint, currency text
    )
    ON CONFLICT (id) DO NOTHING
    RETURNING id
), judged AS (
    INSERT INTO verdict (
        payment_id, attempt_number, step, app_id, accepted, rule_version, reasons, decided_at
    )
    SELECT :payment_id,
           coalesce(CAST(:number AS integer), 1 + (
               SELECT coalesce(max(number), 0) FROM attempt WHERE payment_id = :payment_id)),
           new.step, :app_id, new.accepted, new.rule_version, new.reasons, :now
    FROM jsonb_to_recordset(CAST(:verdicts AS jsonb)) AS new (
        step text, accepted boolean, rule_version text, reasons text[]
    )
    ON CONFLICT (payment_id, attempt_number, step) DO NOTHING
)
SELECT count(*) FROM reserved
""")


async def record_preparation(
    connection: AsyncConnection, order: PaymentOrder, preparation: Preparation, now: datetime
) -> Attempt | None:
    """Write down the verdicts and reserve the attempt, before its channel hears of it.

    Gives back the attempt as it stands on disk: after a repeat that decided anew (an account was
    turned off meanwhile) it is the first one, and that is the one to go on with.
    """
    attempt = preparation.attempt
    values = {
        "app_id": order.app_id,
        "payment_id": order.payment_id,
        "number": attempt.number if attempt else None,
        "attempts": json.dumps([_attempt_columns(attempt)] if attempt else []),
        "verdicts": json.dumps([v.model_dump(mode="json") for v in preparation.verdicts]),
        "now": now,
    }
    reserved = await connection.scalar(_RECORD_PREPARATION, values)
    if attempt is None or reserved:
        return attempt
    return await read_attempt(connection, attempt.id)


async def read_attempt(connection: AsyncConnection, attempt_id: str) -> Attempt | None:
    found = await connection.execute(select(ATTEMPT).where(ATTEMPT.c.id == attempt_id))
    row = found.mappings().one_or_none()
    return to_attempt(row) if row else None


def _attempt_columns(attempt: Attempt) -> dict[str, object]:
    columns = attempt.model_dump(
        mode="json", include={"id", "number", "method", "serial", "status"}
    )
    return columns | attempt.route.model_dump() | attempt.money.model_dump()


# ---- its moves --------------------------------------------------------------------------------


async def record_transition(
    connection: AsyncConnection,
    transition: Transition,
    *,
    attempt: Attempt | None,
    exchange: Exchange | None,
) -> bool:
    """Move a payment that does not end. See `make_move`."""
    return await make_move(
        connection, Move(transition=transition, attempt=attempt, exchange=exchange)
    )


async def settle(
    connection: AsyncConnection,
    settlement: Settlement,
    *,
    ledger_transaction: LedgerTransaction | None,
    notification: Notification | None,
) -> bool:
    """End a payment: status, books, notification and answered callbacks stand or fall together.

    See `make_move` for what is returned and raised.
    """
    return await make_move(
        connection,
        Move(
            transition=settlement.transition,
            attempt=settlement.attempt,
            exchange=settlement.exchange,
            posting=ledger_transaction,
            notification=notification,
            callback_ids=settlement.callback_ids,
        ),
    )


_RECORD_EXCHANGE = text("""
INSERT INTO exchange (
    app_id, payment_id, serial, operation, request, response, http_status, started_at, duration_ms
)
SELECT app_id, id, :serial, :operation, :request, :response, CAST(:http_status AS integer),
       :started_at, :duration_ms
FROM payment WHERE id = :payment_id
ON CONFLICT (payment_id, serial, operation, started_at) DO NOTHING
""")


async def record_exchange(
    connection: AsyncConnection, *, payment_id: str, serial: str, exchange: Exchange
) -> None:
    """Keep a call that moved nothing, such as a query that found the payment still open."""
    values = {"payment_id": payment_id, **exchange_parameters(exchange, serial)}
    await connection.execute(_RECORD_EXCHANGE, values)


# ---- reading ----------------------------------------------------------------------------------


async def read_payment(
    connection: AsyncConnection, payment_id: str, *, app_id: str | None
) -> PaymentView | None:
    """One payment; `app_id` None looks in every app."""
    query = VIEW_QUERY.where(PAYMENT.c.id == payment_id)
    if app_id is not None:
        query = query.where(PAYMENT.c.app_id == app_id)
    row = (await connection.execute(query)).mappings().one_or_none()
    return to_view(row) if row else None


# ---- what a crash may have left ---------------------------------------------------------------


async def unstarted_orders(
    connection: AsyncConnection, *, created_before: datetime, limit: int
) -> tuple[PaymentOrder, ...]:
    """Orders that never moved, oldest first: their runs may not have been started."""
    rows = await connection.execute(
        select(PAYMENT)
        .where(PAYMENT.c.status == PaymentStatus.CREATED, PAYMENT.c.created_at < created_before)
        .order_by(PAYMENT.c.created_at, PAYMENT.c.id)
        .limit(limit)
    )
    return tuple(to_order(row) for row in rows.mappings())


async def open_payments(
    connection: AsyncConnection, *, created_before: datetime, limit: int
) -> tuple[RecordedOrder, ...]:
    """Payments that have not ended, oldest first: each must have an open run."""
    rows = await connection.execute(
        select(PAYMENT)
        .where(PAYMENT.c.status.not_in(PAYMENT_ENDS), PAYMENT.c.created_at < created_before)
        .order_by(PAYMENT.c.created_at, PAYMENT.c.id)
        .limit(limit)
    )
    return tuple(
        RecordedOrder(order=to_order(row), state=to_state(row), is_new=False)
        for row in rows.mappings()
    )
