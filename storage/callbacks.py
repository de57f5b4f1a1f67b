"""The inbox: every callback is on disk before it is acknowledged, and stays until it is handled."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

from pydantic import TypeAdapter
from sqlalchemy import RowMapping, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from models.channel import Approved, CallbackFacts, ChannelEvent, Frozen, Outcome
from models.money import Money
from models.payment import PaymentStatus
from models.tables.callbacks import CALLBACK, REJECTED_CALLBACK
from models.tables.payments import PAYMENT
from models.views import CallbackMatch, KeptCallback

# Of a message that proves nothing we keep so much: enough to see what it was.
REJECTED_BODY_MAX_BYTES = 64 * 1024

_OUTCOME: TypeAdapter[Outcome] = TypeAdapter(Outcome)


class UnhandledCallback(Frozen):
    """A callback that its payment or refund has not answered yet. `kept.match` is how it came in.

    `payment_status` is that of the payment, also when the callback is about a refund of it.
    """

    kept: KeptCallback
    event: ChannelEvent
    payment_status: PaymentStatus
    account_id: str


class ParkedCallback(Frozen):
    """A callback that verified and names a serial we do not know."""

    id: str
    channel: str
    account_id: str
    serial: str
    received_at: datetime


# ---- keeping ----------------------------------------------------------------------------------

# What the serial of a callback may name, by what the callback is about. Of money that was held
# first, less than all may be taken.
_OF_A_PAYMENT = """
    SELECT attempt.id, attempt.app_id, attempt.payment_id, CAST(NULL AS text) AS refund_id,
           attempt.amount_minor, attempt.currency,
           payment.capture_method = 'manual' AND NOT CAST(:held AS boolean) AS may_be_less
    FROM attempt JOIN payment ON payment.id = attempt.payment_id
    WHERE attempt.channel = :channel AND attempt.account_id = :account_id
      AND attempt.serial = :serial
"""
_OF_A_REFUND = """
    SELECT refund.id, refund.app_id, refund.payment_id, refund.id AS refund_id,
           refund.amount_minor, refund.currency, false AS may_be_less
    FROM refund JOIN attempt ON attempt.id = refund.attempt_id
    WHERE refund.refund_serial = :serial
      AND attempt.channel = :channel AND attempt.account_id = :account_id
"""
_KEEP = """
INSERT INTO callback (
    id, channel, account_id, channel_event_id, about, source, serial, outcome, channel_reference,
    match, app_id, payment_id, refund_id, expected_minor, expected_currency, headers, body,
    received_at
)
SELECT
    :id, :channel, :account_id, :channel_event_id, :about, :source, :serial,
    CAST(:outcome AS jsonb), :channel_reference,
    CASE WHEN found.id IS NULL THEN 'parked' WHEN found.disputed THEN 'disputed'
         ELSE 'matched' END,
    found.app_id, found.payment_id, found.refund_id,
    CASE WHEN found.disputed THEN found.amount_minor END,
    CASE WHEN found.disputed THEN found.currency END,
    CAST(:headers AS jsonb), :body, :received_at
FROM (VALUES (1)) AS one
LEFT JOIN LATERAL (
    SELECT *,
           CAST(:paid_minor AS bigint) IS NOT NULL
           AND (amount_minor, currency) <> (CAST(:paid_minor AS bigint), :paid_currency)
           AND NOT (may_be_less AND currency = :paid_currency
                    AND CAST(:paid_minor AS bigint) BETWEEN 1 AND amount_minor)
           AS disputed
    FROM ({named}) AS named
) AS found ON true
ON CONFLICT (channel, account_id, channel_event_id) DO NOTHING
RETURNING id, match, payment_id, refund_id, received_at, expected_minor, expected_currency,
          handled_at
"""
_KEEP_ABOUT = {
    "payment": text(_KEEP.format(named=_OF_A_PAYMENT)),
    "refund": text(_KEEP.format(named=_OF_A_REFUND)),
}


async def keep_callback(  # noqa: PLR0913  # the columns of one row, by name
    connection: AsyncConnection,
    *,
    callback_id: str,
    channel: str,
    account_id: str,
    facts: CallbackFacts,
    headers: Mapping[str, str],
    body: bytes,
    received_at: datetime,
    source: Literal["callback", "statement"] = "callback",
) -> KeptCallback:
    """Keep a verified callback, or a statement's line, and say what payment or refund it is about.

    It is matched by our serial on the account whose key verified it. Sent again, it is a DUPLICATE
    with the id, payment, refund and handled flag of the first; `expected` is filled in if that one
    was disputed.
    """
    paid = facts.outcome.money if isinstance(facts.outcome, Approved) else None
    values = {
        "id": callback_id,
        "channel": channel,
        "account_id": account_id,
        "channel_event_id": facts.channel_event_id,
        "about": facts.about,
        "source": source,
        "held": isinstance(facts.outcome, Approved) and facts.outcome.held,
        "serial": facts.serial,
        "outcome": facts.outcome.model_dump_json(),
        "channel_reference": facts.channel_reference,
        "paid_minor": paid.amount_minor if paid else None,
        "paid_currency": paid.currency if paid else None,
        "headers": json.dumps(dict(headers)),
        "body": body,
        "received_at": received_at,
    }
    row = (await connection.execute(_KEEP_ABOUT[facts.about], values)).mappings().one_or_none()
    if row is not None:
        return _to_kept(row)
    first = await connection.execute(
        select(CALLBACK).where(
            CALLBACK.c.channel == channel,
            CALLBACK.c.account_id == account_id,
            CALLBACK.c.channel_event_id == facts.channel_event_id,
        )
    )
    kept = _to_kept(first.mappings().one())
    return kept.model_copy(update={"match": CallbackMatch.DUPLICATE})


async def keep_rejected_callback(  # noqa: PLR0913  # the columns of one row, by name
    connection: AsyncConnection,
    *,
    callback_id: str,
    channel: str,
    account_id: str,
    reason: str,
    headers: Mapping[str, str],
    body: bytes,
    received_at: datetime,
) -> None:
    """Keep a message that proved nothing, for people to look at; it changes nothing else."""
    await connection.execute(
        insert(REJECTED_CALLBACK).values(
            id=callback_id,
            channel=channel,
            account_id=account_id,
            reason=reason,
            headers=dict(headers),
            body=body[:REJECTED_BODY_MAX_BYTES],
            body_length=len(body),
            received_at=received_at,
        )
    )


# ---- handing on -------------------------------------------------------------------------------

# Each look doubles the wait until the next, from five seconds to an hour by the database's clock:
# one callback that cannot be handed on must not keep others from being looked at, and each look
# costs the history of a payment that is open for weeks four events.
_TAKE_UNHANDLED = text("""
WITH taken AS (
    SELECT id FROM callback
    WHERE handled_at IS NULL AND match <> 'parked'
      AND received_at < :received_before AND retry_after <= clock_timestamp()
    ORDER BY received_at, id
    LIMIT :limit
    FOR UPDATE SKIP LOCKED
), put_off AS (
    UPDATE callback SET
        reads = reads + 1,
        retry_after = clock_timestamp()
            + least(interval '5 seconds' * power(2, least(reads, 10)), interval '1 hour')
    FROM taken WHERE callback.id = taken.id
    RETURNING callback.*
)
SELECT put_off.*, payment.status AS payment_status
FROM put_off JOIN payment ON payment.id = put_off.payment_id
ORDER BY put_off.received_at, put_off.id
""")


async def unhandled_callbacks(
    connection: AsyncConnection, *, received_before: datetime, limit: int
) -> tuple[UnhandledCallback, ...]:
    """Callbacks whose payments have not answered them, oldest first, each put off for a while."""
    rows = await connection.execute(
        _TAKE_UNHANDLED, {"received_before": received_before, "limit": limit}
    )
    return tuple(_to_unhandled(row) for row in rows.mappings())


async def read_callback(connection: AsyncConnection, callback_id: str) -> UnhandledCallback | None:
    """A callback with its payment; None when there is none, or it is parked."""
    found = await connection.execute(
        select(CALLBACK, PAYMENT.c.status.label("payment_status"))
        .join(PAYMENT, PAYMENT.c.id == CALLBACK.c.payment_id)
        .where(CALLBACK.c.id == callback_id)
    )
    row = found.mappings().one_or_none()
    return _to_unhandled(row) if row else None


async def mark_handled(connection: AsyncConnection, callback_id: str, now: datetime) -> None:
    await connection.execute(
        update(CALLBACK)
        .where(CALLBACK.c.id == callback_id, CALLBACK.c.handled_at.is_(None))
        .values(handled_at=now)
    )


# ---- the parking lot --------------------------------------------------------------------------


async def parked_callbacks(
    connection: AsyncConnection, *, limit: int
) -> tuple[ParkedCallback, ...]:
    """Callbacks that fit nothing of ours, oldest first."""
    parked = CALLBACK.c
    rows = await connection.execute(
        select(parked.id, parked.channel, parked.account_id, parked.serial, parked.received_at)
        .where(parked.match == CallbackMatch.PARKED)
        .order_by(parked.received_at, parked.id)
        .limit(limit)
    )
    return tuple(ParkedCallback.model_validate(dict(row)) for row in rows.mappings())


_REMATCH = text("""
WITH found AS (
    SELECT callback.id, named.app_id, named.payment_id, named.refund_id, named.amount_minor,
           named.currency,
           callback.outcome ->> 'kind' = 'approved'
           AND (named.amount_minor, named.currency) <> (
               CAST(callback.outcome #>> '{money,amount_minor}' AS bigint),
               callback.outcome #>> '{money,currency}'
           )
           AND NOT (
               named.may_be_less AND named.currency = callback.outcome #>> '{money,currency}'
               AND CAST(callback.outcome #>> '{money,amount_minor}' AS bigint)
                   BETWEEN 1 AND named.amount_minor
           ) AS disputed
    FROM callback CROSS JOIN LATERAL (
        SELECT attempt.app_id, attempt.payment_id, CAST(NULL AS text) AS refund_id,
               attempt.amount_minor, attempt.currency,
               payment.capture_method = 'manual'
               AND NOT coalesce(CAST(callback.outcome ->> 'held' AS boolean), false) AS may_be_less
        FROM attempt JOIN payment ON payment.id = attempt.payment_id
        WHERE callback.about = 'payment'
          AND (attempt.channel, attempt.account_id, attempt.serial)
            = (callback.channel, callback.account_id, callback.serial)
        UNION ALL
        SELECT refund.app_id, refund.payment_id, refund.id, refund.amount_minor, refund.currency,
               false
        FROM refund JOIN attempt ON attempt.id = refund.attempt_id
        WHERE callback.about = 'refund' AND refund.refund_serial = callback.serial
          AND (attempt.channel, attempt.account_id) = (callback.channel, callback.account_id)
    ) AS named
    WHERE callback.match = 'parked'
    ORDER BY callback.received_at, callback.id
    LIMIT :limit
    FOR UPDATE OF callback SKIP LOCKED
)
UPDATE callback SET
    match = CASE WHEN found.disputed THEN 'disputed' ELSE 'matched' END,
    app_id = found.app_id,
    payment_id = found.payment_id,
    refund_id = found.refund_id,
    expected_minor = CASE WHEN found.disputed THEN found.amount_minor END,
    expected_currency = CASE WHEN found.disputed THEN found.currency END
FROM found WHERE callback.id = found.id
""")


async def rematch_parked(connection: AsyncConnection, *, limit: int) -> int:
    """Take callbacks out of the parking lot whose serial is ours by now. How many."""
    result = await connection.execute(_REMATCH, {"limit": limit})
    return result.rowcount


# ---- rows -------------------------------------------------------------------------------------


def _to_kept(row: RowMapping) -> KeptCallback:
    return KeptCallback(
        id=row["id"],
        match=CallbackMatch(row["match"]),
        payment_id=row["payment_id"],
        refund_id=row["refund_id"],
        received_at=row["received_at"],
        expected=_expected(row),
        handled=row["handled_at"] is not None,
    )


def _to_unhandled(row: RowMapping) -> UnhandledCallback:
    outcome: Mapping[str, Any] = row["outcome"]
    return UnhandledCallback(
        kept=_to_kept(row),
        event=ChannelEvent(
            callback_id=row["id"],
            serial=row["serial"],
            outcome=_OUTCOME.validate_python(outcome),
            received_at=row["received_at"],
            source=row["source"],
        ),
        payment_status=PaymentStatus(row["payment_status"]),
        account_id=row["account_id"],
    )


def _expected(row: RowMapping) -> str:
    if row["expected_minor"] is None:
        return ""
    return str(Money(amount_minor=row["expected_minor"], currency=row["expected_currency"]))
