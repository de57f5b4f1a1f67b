"""One move of a payment with all that goes with it, in one statement.

Nothing of it happens unless the payment stands at the version the move starts from: every part
reads from the row that the compare-and-set moved.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeAlias

from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from models.channel import Exchange
from models.errors import InvariantBroken
from models.ledger import LedgerTransaction
from models.notification import Notification
from models.payment import Attempt, Transition
from storage.ledger import posting_json

# The worker that settles delivers the first time itself; until then nobody else picks it up.
FIRST_DELIVERY_GRACE = timedelta(seconds=20)

Parameter: TypeAlias = str | int | datetime | list[str] | None


@dataclass(frozen=True)
class Move:
    """A transition, and what is written together with it."""

    transition: Transition
    attempt: Attempt | None = None
    exchange: Exchange | None = None
    posting: LedgerTransaction | None = None
    notification: Notification | None = None
    callback_ids: tuple[str, ...] = ()


_MOVE = text("""
WITH named AS (
    SELECT id FROM attempt WHERE id = :attempt_id AND payment_id = :payment_id
), moved AS (
    UPDATE payment SET
        status = :status,
        version = :version,
        notified = :notified,
        attempt_status = :attempt_status,
        failure_code = :failure_code,
        failure_detail = :failure_detail,
        next_action = CAST(:next_action AS jsonb),
        payer_code = CASE WHEN CAST(:status AS text) = 'created' THEN payer_code END,
        succeeded_at = CASE WHEN CAST(:status AS text) IN ('succeeded', 'partially_captured')
                            THEN coalesce(succeeded_at, CAST(:at AS timestamptz)) END,
        captured_minor = CAST(:captured_minor AS bigint),
        capture_before = CAST(:capture_before AS timestamptz),
        updated_at = :at
    WHERE id = :payment_id AND version = :from_version
      AND (CAST(:attempt_id AS text) IS NULL OR EXISTS (SELECT FROM named))
    RETURNING id, app_id
), history AS (
    INSERT INTO payment_transition (
        payment_id, version, app_id, from_status, to_status, attempt_status,
        evidence_kind, evidence_reference, evidence_detail, failure_code, at
    )
    SELECT id, :version, app_id, :from_status, :status, :attempt_status,
           :evidence_kind, :evidence_reference, :evidence_detail, :failure_code, :at
    FROM moved
), tried AS (
    UPDATE attempt SET
        status = coalesce(:attempt_status, attempt.status),
        channel_reference = coalesce(:channel_reference, attempt.channel_reference),
        charged_at = CASE WHEN CAST(:attempt_status AS text) = 'charged'
                          THEN coalesce(attempt.charged_at, CAST(:at AS timestamptz))
                          ELSE attempt.charged_at END,
        charged_minor = CASE WHEN CAST(:attempt_status AS text) <> 'charged'
                             THEN attempt.charged_minor
                             WHEN CAST(:surplus AS boolean) THEN attempt.amount_minor
                             ELSE CAST(:captured_minor AS bigint) END,
        surplus = attempt.surplus OR CAST(:surplus AS boolean),
        updated_at = :at
    FROM moved, named
    WHERE attempt.id = named.id
), shown AS (
    INSERT INTO exchange (
        app_id, payment_id, serial, operation, request, response, http_status,
        started_at, duration_ms
    )
    SELECT app_id, id, :serial, :operation, :request, :response, CAST(:http_status AS integer),
           CAST(:started_at AS timestamptz), CAST(:duration_ms AS integer)
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
SELECT
    (SELECT count(*) FROM moved) AS moved,
    (SELECT count(*) FROM named) AS named,
    (SELECT count(*) FROM booked) AS booked
""")

_RECORDED = text("""
SELECT to_status FROM payment_transition WHERE payment_id = :payment_id AND version = :version
""")

_ANSWERED = text("""
UPDATE callback SET handled_at = :at
WHERE id = ANY(CAST(:callback_ids AS text[])) AND handled_at IS NULL
""")


async def make_move(connection: AsyncConnection, move: Move) -> bool:
    """True when the payment moved now, False when this very move is on disk already.

    Raises InvariantBroken when another move has that version, when the attempt is not on disk, or
    when a constraint refuses (a second charged attempt, other postings for the same event).
    """
    try:
        row = (await connection.execute(_MOVE, _parameters(move))).one()
    except IntegrityError as error:
        raise InvariantBroken(f"{move.transition.payment_id} cannot move: {error.orig}") from error
    if move.attempt is not None and not row.named:
        raise InvariantBroken(f"the attempt {move.attempt.id} is not on disk")
    if row.moved:
        return True
    await _expect_the_same_move(connection, move.transition)
    if move.callback_ids:
        at = move.transition.at
        await connection.execute(_ANSWERED, {"callback_ids": list(move.callback_ids), "at": at})
    return False


async def _expect_the_same_move(connection: AsyncConnection, transition: Transition) -> None:
    recorded = await connection.scalar(
        _RECORDED,
        {"payment_id": transition.payment_id, "version": transition.after.version},
    )
    if recorded != transition.after.status:
        raise InvariantBroken(
            f"{transition.payment_id} cannot become {transition.after.status} in version "
            f"{transition.after.version}: {recorded or 'no such version'} is on disk"
        )


def _parameters(move: Move) -> Mapping[str, Parameter]:
    transition, attempt = move.transition, move.attempt
    after = transition.after
    return {
        "payment_id": transition.payment_id,
        "from_version": transition.before.version,
        "from_status": transition.before.status.value,
        "version": after.version,
        "status": after.status.value,
        "notified": after.notified,
        "attempt_status": after.attempt_status.value if after.attempt_status else None,
        "failure_code": after.failure.code if after.failure else None,
        "failure_detail": after.failure.detail if after.failure else None,
        "next_action": after.next_action.model_dump_json() if after.next_action else None,
        "captured_minor": after.captured_minor,
        "capture_before": after.capture_before,
        "evidence_kind": transition.evidence.kind.value,
        "evidence_reference": transition.evidence.reference,
        "evidence_detail": transition.evidence.detail,
        "at": transition.at,
        "attempt_id": attempt.id if attempt else None,
        "surplus": attempt.surplus if attempt else False,
        "channel_reference": attempt.channel_reference if attempt else None,
        "posting": posting_json(move.posting, transition.payment_id) if move.posting else None,
        "callback_ids": list(move.callback_ids),
        **exchange_parameters(move.exchange, attempt.serial if attempt else ""),
        **notification_parameters(move.notification, transition.at),
    }


def exchange_parameters(exchange: Exchange | None, serial: str) -> Mapping[str, Parameter]:
    return {
        "serial": serial,
        "operation": exchange.operation if exchange else None,
        "request": exchange.request if exchange else None,
        "response": exchange.response if exchange else None,
        "http_status": exchange.http_status if exchange else None,
        "started_at": exchange.started_at if exchange else None,
        "duration_ms": exchange.duration_ms if exchange else None,
    }


def notification_parameters(
    notification: Notification | None, at: datetime
) -> Mapping[str, Parameter]:
    return {
        "notification_id": notification.id if notification else None,
        "sequence": notification.sequence if notification else None,
        "type": notification.type if notification else None,
        "body": notification.body if notification else None,
        "next_attempt_at": at + FIRST_DELIVERY_GRACE,
    }
