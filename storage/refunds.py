"""Refunds: the order, every move, and what apps see of it.

That no more goes back than came in is seen to by PostgreSQL itself (migration v0002), so it holds
however many ask at once. Each step is one statement, and safe to run twice.
"""

from collections.abc import Mapping
from datetime import datetime

import psycopg
from sqlalchemy import RowMapping, select, text, tuple_
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from models.errors import Conflict, InvalidRequest, InvariantBroken, NotFound, Problem
from models.ids import refund_serial
from models.ledger import LedgerTransaction
from models.money import Money
from models.notification import Notification
from models.refund import (
    RecordedRefund,
    RefundFunding,
    RefundMove,
    RefundOrder,
    RefundStatus,
    RefundTransition,
    RefundView,
)
from models.tables.refunds import REFUND
from storage.ledger import posting_json
from storage.moves import Parameter, exchange_parameters, notification_parameters
from storage.paging import Cursor
from storage.refund_rows import ORDER_QUERY, to_refund_order, to_refund_state, to_refund_view

# ---- the order --------------------------------------------------------------------------------

_RECORD = text("""
WITH target AS (
    SELECT payment.id AS target_id, payment.app_id AS target_app_id, payment.merchant_id,
           attempt.method, payment.status AS payment_status,
           CASE WHEN attempt.surplus THEN attempt.charged_minor
                ELSE coalesce(payment.captured_minor, payment.amount_minor) END AS paid_minor,
           payment.currency AS paid_currency, app.refund_approval_above_minor,
           attempt.id AS charged_id, attempt.number AS attempt_number,
           attempt.method AS attempt_method,
           attempt.serial AS attempt_serial, attempt.channel AS attempt_channel,
           attempt.account_id AS attempt_account_id,
           attempt.account_version AS attempt_account_version,
           attempt.fee_bps AS attempt_fee_bps, attempt.status AS attempt_status,
           attempt.amount_minor AS attempt_amount_minor, attempt.currency AS attempt_currency,
           attempt.channel_reference AS attempt_channel_reference,
           attempt.id IS NOT NULL
           AND (payment.status IN ('succeeded', 'partially_captured') AND NOT attempt.surplus)
             = (CAST(:funding AS text) = 'merchant') AS has_money
    FROM payment
    JOIN app ON app.id = payment.app_id
    LEFT JOIN attempt ON attempt.payment_id = payment.id AND attempt.status = 'charged'
        AND CASE WHEN CAST(:attempt_id AS text) IS NULL THEN NOT attempt.surplus
                 ELSE attempt.id = :attempt_id END
    WHERE payment.id = :payment_id
      AND (CAST(:app_id AS text) IS NULL OR payment.app_id = :app_id)
), recorded AS (
    INSERT INTO refund (
        id, app_id, payment_id, attempt_id, refund_no, refund_serial, amount_minor, currency,
        reason, funding, requested_by, needs_approval, fingerprint,
        status, version, notified, created_at, updated_at
    )
    SELECT :refund_id, target_app_id, target_id, charged_id, :refund_no, :refund_serial,
           CAST(:amount_minor AS bigint), :currency, :reason, :funding, :requested_by,
           needed.approval, :fingerprint,
           CASE WHEN needed.approval THEN 'pending_approval' ELSE 'pending' END,
           1, 0, :now, :now
    FROM target
    CROSS JOIN LATERAL (
        SELECT CAST(:always_approved AS boolean)
               OR coalesce(CAST(:amount_minor AS bigint) > refund_approval_above_minor, false)
    ) AS needed (approval)
    WHERE has_money AND paid_currency = :currency
    ON CONFLICT (app_id, refund_no) DO NOTHING
    RETURNING *
), history AS (
    INSERT INTO refund_transition (
        refund_id, version, app_id, to_status, evidence_kind, evidence_reference, evidence_detail,
        at
    )
    SELECT id, 1, app_id, status, 'order', requested_by, '', created_at FROM recorded
)
SELECT * FROM target LEFT JOIN recorded ON true
""")


async def record_refund(  # noqa: PLR0913  # the columns of one row, by name
    connection: AsyncConnection,
    *,
    refund_id: str,
    app_id: str | None,
    payment_id: str,
    refund_no: str,
    money: Money,
    reason: str,
    requested_by: str,
    fingerprint: str,
    funding: RefundFunding = RefundFunding.MERCHANT,
    attempt_id: str | None = None,
    always_approved: bool = False,
    now: datetime,
) -> RecordedRefund:
    """Write a refund down, or give back what its app asked for before under the same number.

    Whether that is the same refund is for the caller to see (`fingerprint`). `app_id` None takes
    the payment's; `attempt_id` names the attempt of money that came late or twice.
    `always_approved`: it waits for a second person whatever the amount and the app's own limit.
    Raises NotFound `payment-not-found`, Conflict `invalid-state` when the payment has no money of
    this `funding`, InvalidRequest for another currency than the payment's, and InvalidRequest
    `refund-exceeds-captured`.
    """
    values: dict[str, Parameter] = {
        "refund_id": refund_id,
        "app_id": app_id,
        "payment_id": payment_id,
        "refund_no": refund_no,
        "refund_serial": refund_serial(refund_id),
        "reason": reason,
        "requested_by": requested_by,
        "fingerprint": fingerprint,
        "funding": funding.value,
        "attempt_id": attempt_id,
        "always_approved": always_approved,
        "now": now,
        **money.model_dump(),
    }
    row = await _write(connection, values)
    if row["id"] is not None:
        return _recorded(row, is_new=True)
    existing = ORDER_QUERY.where(
        REFUND.c.app_id == row["target_app_id"], REFUND.c.refund_no == refund_no
    )
    before = (await connection.execute(existing)).mappings().one_or_none()
    if before is None:
        raise _cannot_be_refunded(row, money)
    return _recorded(before, is_new=False)


async def _write(connection: AsyncConnection, values: Mapping[str, Parameter]) -> RowMapping:
    """The payment, with the refund as it was written; its columns are null when it was not."""
    try:
        found = await connection.execute(_RECORD, values)
    except IntegrityError as error:
        raise _refused(error) or error from error
    row = found.mappings().one_or_none()
    if row is None:
        raise no_such_payment()
    return row


async def read_refund_order(connection: AsyncConnection, refund_id: str) -> RecordedRefund | None:
    found = await connection.execute(ORDER_QUERY.where(REFUND.c.id == refund_id))
    row = found.mappings().one_or_none()
    return _recorded(row, is_new=False) if row else None


def no_such_payment() -> NotFound:
    """The same for a payment of another app and for one that does not exist."""
    code, detail = "payment-not-found", "there is no such payment"
    problem = Problem(pointer="#/payment_id", code=code, detail=detail)
    return NotFound(detail, code=code, problems=(problem,))


def _recorded(row: RowMapping, *, is_new: bool) -> RecordedRefund:
    return RecordedRefund(order=to_refund_order(row), state=to_refund_state(row), is_new=is_new)


def _refused(error: IntegrityError) -> InvalidRequest | Conflict | None:
    """What the database's own check says, in words for the app; None for a bug."""
    if not isinstance(error.orig, psycopg.errors.CheckViolation):
        return None
    said = error.orig.diag
    if said.constraint_name == "refund_of_captured_money":
        return _no_money()
    if said.constraint_name != "refund_within_captured":
        return None
    code, detail = "refund-exceeds-captured", said.message_detail or ""
    problem = Problem(pointer="#/amount", code=code, detail=detail)
    return InvalidRequest(detail, code=code, problems=(problem,))


def _cannot_be_refunded(row: RowMapping, money: Money) -> InvalidRequest | Conflict:
    if not row["has_money"]:
        return _no_money()
    detail = f"the payment is in {row['paid_currency']}, not in {money.currency}"
    problem = Problem(pointer="#/currency", code="currency-mismatch", detail=detail)
    return InvalidRequest(detail, problems=(problem,))


def _no_money() -> Conflict:
    return Conflict("the payment has no captured money to give back", code="invalid-state")


# ---- its moves --------------------------------------------------------------------------------

_MOVE = text("""
WITH moved AS (
    UPDATE refund SET
        status = :status,
        version = :version,
        notified = :notified,
        failure_code = :failure_code,
        failure_detail = :failure_detail,
        decided_by = coalesce(CAST(:decided_by AS text), decided_by),
        succeeded_at = CASE WHEN CAST(:status AS text) = 'succeeded'
                            THEN coalesce(succeeded_at, CAST(:at AS timestamptz)) END,
        updated_at = :at
    WHERE id = :refund_id AND version = :from_version
    RETURNING id, app_id, payment_id
), history AS (
    INSERT INTO refund_transition (
        refund_id, version, app_id, from_status, to_status,
        evidence_kind, evidence_reference, evidence_detail, failure_code, at
    )
    SELECT id, :version, app_id, :from_status, :status,
           :evidence_kind, :evidence_reference, :evidence_detail, :failure_code, :at
    FROM moved
), shown AS (
    INSERT INTO exchange (
        app_id, payment_id, serial, operation, request, response, http_status,
        started_at, duration_ms
    )
    SELECT app_id, payment_id, :serial, :operation, :request, :response,
           CAST(:http_status AS integer), CAST(:started_at AS timestamptz),
           CAST(:duration_ms AS integer)
    FROM moved WHERE CAST(:operation AS text) IS NOT NULL
    ON CONFLICT (payment_id, serial, operation, started_at) DO NOTHING
), booked AS (
    SELECT post_ledger_transaction(CAST(:posting AS jsonb)) AS now
    FROM moved WHERE CAST(:posting AS jsonb) IS NOT NULL
), told AS (
    INSERT INTO notification (
        id, app_id, object_id, sequence, type, body, created_at, status, attempts, next_attempt_at
    )
    SELECT :notification_id, app_id, id, CAST(:sequence AS integer), :type, :body, :at, 'due', 0,
           CAST(:next_attempt_at AS timestamptz)
    FROM moved WHERE CAST(:notification_id AS text) IS NOT NULL
), answered AS (
    UPDATE callback SET handled_at = :at
    FROM moved
    WHERE callback.id = ANY(CAST(:callback_ids AS text[])) AND callback.handled_at IS NULL
)
SELECT (SELECT count(*) FROM moved) AS moved, (SELECT count(*) FROM booked) AS booked
""")

_RECORDED = text("""
SELECT to_status FROM refund_transition WHERE refund_id = :refund_id AND version = :version
""")

_ANSWERED = text("""
UPDATE callback SET handled_at = :at
WHERE id = ANY(CAST(:callback_ids AS text[])) AND handled_at IS NULL
""")


async def make_refund_move(
    connection: AsyncConnection,
    move: RefundMove,
    *,
    ledger_transaction: LedgerTransaction | None,
    notification: Notification | None,
    decided_by: str | None,
) -> bool:
    """True when the refund moved now, False when this very move is on disk already.

    All that goes with a move stands or falls with it. Raises InvariantBroken when another move has
    that version, or when a constraint refuses (a way out of an end, other postings for the event).
    """
    values = _parameters(move, ledger_transaction, notification)
    try:
        row = (await connection.execute(_MOVE, {**values, "decided_by": decided_by})).one()
    except IntegrityError as error:
        raise InvariantBroken(f"{move.transition.refund_id} cannot move: {error.orig}") from error
    if row.moved:
        return True
    await _expect_the_same_move(connection, move.transition)
    if move.callback_ids:
        at = move.transition.at
        await connection.execute(_ANSWERED, {"callback_ids": list(move.callback_ids), "at": at})
    return False


async def _expect_the_same_move(connection: AsyncConnection, transition: RefundTransition) -> None:
    recorded = await connection.scalar(
        _RECORDED, {"refund_id": transition.refund_id, "version": transition.after.version}
    )
    if recorded != transition.after.status:
        raise InvariantBroken(
            f"{transition.refund_id} cannot become {transition.after.status} in version "
            f"{transition.after.version}: {recorded or 'no such version'} is on disk"
        )


def _parameters(
    move: RefundMove, posting: LedgerTransaction | None, notification: Notification | None
) -> Mapping[str, Parameter]:
    order, transition, after = move.order, move.transition, move.transition.after
    return {
        "refund_id": transition.refund_id,
        "from_version": transition.before.version,
        "from_status": transition.before.status.value,
        "version": after.version,
        "status": after.status.value,
        "notified": after.notified,
        "failure_code": after.failure.code if after.failure else None,
        "failure_detail": after.failure.detail if after.failure else None,
        "evidence_kind": transition.evidence.kind.value,
        "evidence_reference": transition.evidence.reference,
        "evidence_detail": transition.evidence.detail,
        "at": transition.at,
        "posting": posting_json(posting, order.payment_id) if posting else None,
        "callback_ids": list(move.callback_ids),
        **exchange_parameters(move.exchange, order.refund_serial),
        **notification_parameters(notification, transition.at),
    }


# ---- reading ----------------------------------------------------------------------------------


async def read_refund(
    connection: AsyncConnection, refund_id: str, *, app_id: str | None
) -> RefundView | None:
    """One refund; `app_id` None looks in every app."""
    query = select(REFUND).where(REFUND.c.id == refund_id)
    if app_id is not None:
        query = query.where(REFUND.c.app_id == app_id)
    row = (await connection.execute(query)).mappings().one_or_none()
    return to_refund_view(row) if row else None


async def list_refunds(
    connection: AsyncConnection,
    *,
    app_id: str | None,
    payment_id: str | None,
    status: RefundStatus | None,
    limit: int,
    cursor: str | None,
) -> tuple[tuple[RefundView, ...], str | None]:
    """One page, newest first, and the next cursor. Raises InvalidRequest for a bad one."""
    query = select(REFUND).order_by(REFUND.c.created_at.desc(), REFUND.c.id.desc()).limit(limit + 1)
    wanted = {REFUND.c.app_id: app_id, REFUND.c.payment_id: payment_id, REFUND.c.status: status}
    for column, value in wanted.items():
        if value is not None:
            query = query.where(column == value)
    if cursor is not None:
        last = Cursor.parse(cursor)
        query = query.where(tuple_(REFUND.c.created_at, REFUND.c.id) < (last.created_at, last.id))
    rows = (await connection.execute(query)).mappings().all()
    refunds = tuple(to_refund_view(row) for row in rows[:limit])
    if len(rows) <= limit:
        return refunds, None
    end = refunds[-1]
    return refunds, str(Cursor(created_at=end.created_at, id=end.id))


# ---- what a crash may have left ---------------------------------------------------------------

# A refund that waits for approval never moved either, though its run was started long ago. So each
# look doubles the wait until the next: a pile of those must not keep others from being started.
_TAKE_UNSTARTED = text("""
WITH taken AS (
    SELECT id FROM refund
    WHERE version = 1 AND created_at < :created_before AND retry_after <= clock_timestamp()
    ORDER BY created_at, id
    LIMIT :limit
    FOR UPDATE SKIP LOCKED
)
UPDATE refund SET
    reads = reads + 1,
    retry_after = clock_timestamp()
        + least(interval '5 seconds' * power(2, least(reads, 10)), interval '5 minutes')
FROM taken WHERE refund.id = taken.id
RETURNING refund.id
""")


async def unstarted_refunds(
    connection: AsyncConnection, *, created_before: datetime, limit: int
) -> tuple[RefundOrder, ...]:
    """Refunds that never moved, oldest first, each put off for a while: start their runs."""
    taken = await connection.scalars(
        _TAKE_UNSTARTED, {"created_before": created_before, "limit": limit}
    )
    query = ORDER_QUERY.where(REFUND.c.id.in_(list(taken)))
    rows = await connection.execute(query.order_by(REFUND.c.created_at, REFUND.c.id))
    return tuple(to_refund_order(row) for row in rows.mappings())
