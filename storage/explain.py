"""Everything that happened to a payment and its refunds, in the order in which it happened."""

from collections.abc import Sequence

from sqlalchemy import RowMapping, Select, Text, bindparam, case, select, union_all
from sqlalchemy.ext.asyncio import AsyncConnection

from models.ledger import AccountKind, LedgerAccountName
from models.money import Money
from models.tables.callbacks import CALLBACK
from models.tables.ledger import LEDGER_ACCOUNT, LEDGER_ENTRY, LEDGER_TRANSACTION
from models.tables.notifications import NOTIFICATION
from models.tables.payments import ATTEMPT, EXCHANGE, PAYMENT, PAYMENT_TRANSITION, VERDICT
from models.tables.refunds import REFUND, REFUND_TRANSITION
from models.views import AttemptView, TimelineEntry, TimelineKind

# What happened at one instant is told in the order of cause and effect.
_ORDER_AT_ONE_INSTANT = list(TimelineKind)


async def timeline(connection: AsyncConnection, payment_id: str) -> tuple[TimelineEntry, ...]:
    """Order, verdicts, moves, exchanges (masked), callbacks, postings, notifications; by time.

    With the payment's refunds, their moves and what belongs to them.
    Empty when there is no such payment. Who may see it is for the caller to check first.
    """
    entries = [
        *[_order(row) for row in await _rows(connection, _ORDER, payment_id)],
        *[_verdict(row) for row in await _rows(connection, _VERDICTS, payment_id)],
        *[_move(row) for row in await _rows(connection, _MOVES, payment_id)],
        *[_refund(row) for row in await _rows(connection, _REFUNDS, payment_id)],
        *[_refund_move(row) for row in await _rows(connection, _REFUND_MOVES, payment_id)],
        *[_exchange(row) for row in await _rows(connection, _EXCHANGES, payment_id)],
        *[_callback(row) for row in await _rows(connection, _CALLBACKS, payment_id)],
        *_postings(await _rows(connection, _ENTRIES, payment_id)),
        *[_notification(row) for row in await _rows(connection, _NOTIFICATIONS, payment_id)],
    ]
    return tuple(
        sorted(entries, key=lambda entry: (entry.at, _ORDER_AT_ONE_INSTANT.index(entry.kind)))
    )


async def attempts(connection: AsyncConnection, payment_id: str) -> tuple[AttemptView, ...]:
    """Every try of a payment, in their order."""
    return tuple(
        AttemptView(
            number=row["number"],
            method=row["method"],
            channel=row["channel"],
            channel_account_id=row["account_id"],
            serial=row["serial"],
            channel_reference=row["channel_reference"],
            status=row["status"],
            amount=row["amount_minor"],
            currency=row["currency"],
            amount_charged=row["charged_minor"],
            surplus=row["surplus"],
            charged_at=row["charged_at"],
            created_at=row["created_at"],
            updated_at=row["updated_at"],
        )
        for row in await _rows(connection, _ATTEMPTS, payment_id)
    )


_Query = Select[tuple[object, ...]]

_THIS = bindparam("payment_id", type_=Text)

_ORDER: _Query = select(PAYMENT).where(PAYMENT.c.id == _THIS)
_ATTEMPTS: _Query = select(ATTEMPT).where(ATTEMPT.c.payment_id == _THIS).order_by(ATTEMPT.c.number)
_VERDICTS: _Query = (
    select(VERDICT)
    .where(VERDICT.c.payment_id == _THIS)
    .order_by(
        VERDICT.c.attempt_number,
        case({"validation": 1, "risk": 2, "routing": 3}, value=VERDICT.c.step),
    )
)
_MOVES: _Query = (
    select(PAYMENT_TRANSITION)
    .where(PAYMENT_TRANSITION.c.payment_id == _THIS)
    .where(PAYMENT_TRANSITION.c.version > 1)  # the first one is the order
    .order_by(PAYMENT_TRANSITION.c.version)
)
_REFUNDS: _Query = (
    select(REFUND).where(REFUND.c.payment_id == _THIS).order_by(REFUND.c.created_at, REFUND.c.id)
)
_REFUND_MOVES: _Query = (
    select(REFUND_TRANSITION, REFUND.c.refund_no)
    .join(REFUND, REFUND.c.id == REFUND_TRANSITION.c.refund_id)
    .where(REFUND.c.payment_id == _THIS)
    .where(REFUND_TRANSITION.c.version > 1)  # the first one is the order
    .order_by(REFUND_TRANSITION.c.at, REFUND_TRANSITION.c.refund_id, REFUND_TRANSITION.c.version)
)
_EXCHANGES: _Query = select(EXCHANGE).where(EXCHANGE.c.payment_id == _THIS).order_by(EXCHANGE.c.id)
_CALLBACKS: _Query = (
    select(CALLBACK).where(CALLBACK.c.payment_id == _THIS).order_by(CALLBACK.c.received_at)
)
_ENTRIES: _Query = (
    select(
        LEDGER_TRANSACTION.c.id.label("ledger_transaction_id"),
        LEDGER_TRANSACTION.c.event_type,
        LEDGER_TRANSACTION.c.occurred_at,
        LEDGER_ENTRY.c.amount_minor,
        LEDGER_ENTRY.c.currency,
        LEDGER_ACCOUNT.c.kind,
        LEDGER_ACCOUNT.c.owner,
    )
    .join(LEDGER_ENTRY, LEDGER_ENTRY.c.ledger_transaction_id == LEDGER_TRANSACTION.c.id)
    .join(LEDGER_ACCOUNT, LEDGER_ACCOUNT.c.id == LEDGER_ENTRY.c.ledger_account_id)
    .where(LEDGER_TRANSACTION.c.payment_id == _THIS)
    .order_by(LEDGER_ENTRY.c.id)
)
_NOTIFICATIONS: _Query = (
    select(NOTIFICATION)
    .where(
        # One set of ids, by which the index is asked: with OR all notifications would be read.
        NOTIFICATION.c.object_id.in_(
            union_all(select(_THIS), select(REFUND.c.id).where(REFUND.c.payment_id == _THIS))
        )
    )
    .order_by(NOTIFICATION.c.object_id, NOTIFICATION.c.sequence)
)


async def _rows(
    connection: AsyncConnection, query: _Query, payment_id: str
) -> Sequence[RowMapping]:
    return (await connection.execute(query, {"payment_id": payment_id})).mappings().all()


def _order(row: RowMapping) -> TimelineEntry:
    money = Money(amount_minor=row["amount_minor"], currency=row["currency"])
    return TimelineEntry(
        at=row["created_at"],
        kind=TimelineKind.ORDER,
        summary=f"order {row['order_no']}: {money} by {row['method'] or 'what the payer chooses'}",
        detail={
            "order_no": row["order_no"],
            "merchant_id": row["merchant_id"],
            "request_id": row["request_id"],
            "expires_at": row["expires_at"].isoformat(),
        },
    )


def _verdict(row: RowMapping) -> TimelineEntry:
    return TimelineEntry(
        at=row["decided_at"],
        kind=TimelineKind.VERDICT,
        summary=f"{row['step']} says {'yes' if row['accepted'] else 'no'}",
        detail={
            "attempt": row["attempt_number"],
            "accepted": row["accepted"],
            "rule_version": row["rule_version"],
            "reasons": "; ".join(row["reasons"]),
        },
    )


def _move(row: RowMapping) -> TimelineEntry:
    return TimelineEntry(
        at=row["at"],
        kind=TimelineKind.STATUS,
        summary=f"{row['from_status']} -> {row['to_status']} ({row['evidence_kind']})",
        detail={
            "version": row["version"],
            "attempt_status": row["attempt_status"],
            "evidence": row["evidence_reference"],
            "evidence_detail": row["evidence_detail"],
            "failure_code": row["failure_code"],
        },
    )


def _refund(row: RowMapping) -> TimelineEntry:
    money = Money(amount_minor=row["amount_minor"], currency=row["currency"])
    waits = " (needs approval)" if row["needs_approval"] else ""
    return TimelineEntry(
        at=row["created_at"],
        kind=TimelineKind.REFUND,
        summary=f"refund {row['refund_no']}: {money} from {row['funding']}{waits}",
        detail={
            "refund_id": row["id"],
            "refund_no": row["refund_no"],
            "refund_serial": row["refund_serial"],
            "reason": row["reason"],
            "requested_by": row["requested_by"],
            "decided_by": row["decided_by"],
        },
    )


def _refund_move(row: RowMapping) -> TimelineEntry:
    moved = f"{row['from_status']} -> {row['to_status']}"
    return TimelineEntry(
        at=row["at"],
        kind=TimelineKind.STATUS,
        summary=f"refund {row['refund_no']}: {moved} ({row['evidence_kind']})",
        detail={
            "refund_id": row["refund_id"],
            "version": row["version"],
            "evidence": row["evidence_reference"],
            "evidence_detail": row["evidence_detail"],
            "failure_code": row["failure_code"],
        },
    )


def _exchange(row: RowMapping) -> TimelineEntry:
    return TimelineEntry(
        at=row["started_at"],
        kind=TimelineKind.EXCHANGE,
        summary=f"{row['operation']} of {row['serial']}: HTTP {row['http_status'] or 'no answer'}",
        detail={
            "serial": row["serial"],
            "request": row["request"],
            "response": row["response"],
            "http_status": row["http_status"],
            "duration_ms": row["duration_ms"],
        },
    )


def _callback(row: RowMapping) -> TimelineEntry:
    return TimelineEntry(
        at=row["received_at"],
        kind=TimelineKind.CALLBACK,
        summary=f"callback {row['outcome']['kind']} for {row['serial']} ({row['match']})",
        detail={
            "callback_id": row["id"],
            "channel_event_id": row["channel_event_id"],
            "channel_reference": row["channel_reference"],
            "handled_at": row["handled_at"].isoformat() if row["handled_at"] else None,
        },
    )


def _postings(rows: Sequence[RowMapping]) -> list[TimelineEntry]:
    """One entry for each ledger transaction, its lines in `detail`."""
    return [
        _posting([row for row in rows if row["ledger_transaction_id"] == transaction_id])
        for transaction_id in dict.fromkeys(row["ledger_transaction_id"] for row in rows)
    ]


def _posting(rows: Sequence[RowMapping]) -> TimelineEntry:
    lines: dict[str, str | int | bool | None] = {}
    for number, row in enumerate(rows, start=1):
        account = LedgerAccountName(kind=AccountKind(row["kind"]), owner=row["owner"])
        side = "debit" if row["amount_minor"] > 0 else "credit"
        money = Money(amount_minor=abs(row["amount_minor"]), currency=row["currency"])
        lines[f"line_{number}"] = f"{side} {account} {money}"
    return TimelineEntry(
        at=rows[0]["occurred_at"],
        kind=TimelineKind.LEDGER,
        summary=f"{rows[0]['event_type']} booked",
        detail={"ledger_transaction_id": rows[0]["ledger_transaction_id"], **lines},
    )


def _notification(row: RowMapping) -> TimelineEntry:
    return TimelineEntry(
        at=row["created_at"],
        kind=TimelineKind.NOTIFICATION,
        summary=f"{row['type']} {row['status']} after {row['attempts']} tries",
        detail={
            "notification_id": row["id"],
            "object_id": row["object_id"],
            "sequence": row["sequence"],
            "next_attempt_at": row["next_attempt_at"].isoformat()
            if row["next_attempt_at"]
            else None,
            "delivered_at": row["delivered_at"].isoformat() if row["delivered_at"] else None,
            "last_error": row["last_error"],
        },
    )
