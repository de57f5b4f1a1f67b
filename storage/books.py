"""Whether the money invariants hold, asked of PostgreSQL alone, without changing anything.

All checks of one call see one snapshot, so that what must hold at every instant is looked at in
one instant, however busy the house is.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from models.channel import Frozen
from models.errors import Unavailable
from storage.books_check import SHOWN_MAX, Check, CheckResult, Holds, Shown
from storage.books_ledger import LEDGER_CHECKS
from storage.books_messages import MESSAGE_CHECKS
from storage.books_payments import PAYMENT_CHECKS
from storage.books_reconciliation import RECONCILIATION_CHECKS

CHECKS: tuple[Check, ...] = tuple(
    sorted(
        (*PAYMENT_CHECKS, *LEDGER_CHECKS, *MESSAGE_CHECKS, *RECONCILIATION_CHECKS),
        key=lambda check: int(check.name.removeprefix("I")),
    )
)

# A check reads whole tables, so it may take long; the house goes on meanwhile.
_READ_ONLY = (
    "-c default_transaction_read_only=on -c default_transaction_isolation=repeatable\\ read"
    " -c statement_timeout=10min -c idle_in_transaction_session_timeout=10min -c timezone=UTC"
)
_CONNECT_TIMEOUT_SECONDS = 5

_COUNT = sql.SQL("SELECT count(*) AS rows FROM {of}")
_OFFENDERS = sql.SQL(
    "SELECT *, count(*) OVER () AS all_broken FROM ({broken}) AS offender LIMIT {limit}"
)

_CHARGES = """
    SELECT attempt.serial, attempt.channel, attempt.status AS attempt_status, attempt.created_at,
           attempt.amount_minor, attempt.currency, payment.id AS payment_id, payment.status,
           coalesce(payment.captured_minor, 0) AS captured_minor
    FROM attempt JOIN payment ON payment.id = attempt.payment_id"""
_GIVEN_BACK = """
    SELECT refund.refund_serial, refund.id AS refund_id, refund.status, refund.amount_minor,
           refund.currency, refund.created_at, attempt.serial, attempt.channel
    FROM refund JOIN attempt ON attempt.id = refund.attempt_id"""
_OPEN_RUNS = """
    SELECT 'pay/' || id AS workflow_id, id, status, created_at FROM payment
    WHERE status NOT IN ('succeeded', 'partially_captured', 'failed', 'canceled', 'expired')
    UNION ALL
    SELECT 'refund/' || id, id, status, created_at FROM refund
    WHERE status NOT IN ('succeeded', 'failed', 'rejected', 'canceled')
    UNION ALL
    SELECT 'recon/' || account_id || '/' || business_day, id, status, created_at
    FROM reconciliation WHERE status = 'running'
    UNION ALL
    SELECT 'repair/' || id, id, status, updated_at FROM discrepancy
    WHERE status IN ('awaiting_approval', 'approved')"""
_CLEARING = """
    SELECT entry.currency, sum(entry.amount_minor)::bigint AS minor
    FROM ledger_entry AS entry
    JOIN ledger_account AS account ON account.id = entry.ledger_account_id
    JOIN ledger_transaction AS ltx ON ltx.id = entry.ledger_transaction_id
    WHERE account.kind = '1101'
      AND (ltx.event_type LIKE 'payment.%' OR ltx.event_type LIKE 'refund.%')
    GROUP BY entry.currency"""


class OurBooks(Frozen):
    """What others' books are compared with: our serials, our refunds, what channels owe us."""

    attempts: tuple[dict[str, Any], ...]
    refunds: tuple[dict[str, Any], ...]
    clearing_minor: dict[str, int]


def check_books(database_url: str, *, quiet: bool) -> tuple[CheckResult, ...]:
    """Make all checks; without `quiet` only those that hold at every instant.

    Raises Unavailable when the database cannot be read.
    """
    with _snapshot(database_url) as connection:
        return tuple(
            _make(connection, check) for check in CHECKS if quiet or check.holds is Holds.ALWAYS
        )


def read_our_books(database_url: str) -> OurBooks:
    """Everything a channel's own books can be compared with."""
    with _snapshot(database_url) as connection:
        clearing = connection.execute(_CLEARING).fetchall()
        return OurBooks(
            attempts=tuple(connection.execute(_CHARGES)),
            refunds=tuple(connection.execute(_GIVEN_BACK)),
            clearing_minor={row["currency"]: int(row["minor"]) for row in clearing},
        )


def read_open_runs(database_url: str) -> tuple[dict[str, Any], ...]:
    """Every row that somebody has to be working on, with the id of the run that does."""
    with _snapshot(database_url) as connection:
        return tuple(connection.execute(_OPEN_RUNS))


@contextmanager
def _snapshot(database_url: str) -> Iterator[psycopg.Connection[dict[str, Any]]]:
    """One read-only transaction that sees one instant."""
    try:
        with psycopg.connect(
            database_url.replace("postgresql+psycopg://", "postgresql://", 1),
            options=_READ_ONLY,
            application_name="paycenter-books",
            connect_timeout=_CONNECT_TIMEOUT_SECONDS,
            row_factory=dict_row,
        ) as connection:
            yield connection
    except psycopg.OperationalError as error:
        raise Unavailable(f"the books cannot be read ({type(error).__name__})") from error


def _make(connection: psycopg.Connection[dict[str, Any]], check: Check) -> CheckResult:
    counted = connection.execute(_COUNT.format(of=_sql(check.of))).fetchone()
    broken = _OFFENDERS.format(broken=_sql(check.broken), limit=SHOWN_MAX)
    offenders = connection.execute(broken).fetchall()
    return CheckResult(
        name=check.name,
        meaning=check.meaning,
        holds=check.holds,
        looked_at=counted["rows"] if counted else 0,
        broken=offenders[0]["all_broken"] if offenders else 0,
        rows=_shown(offenders),
    )


def _sql(text: str) -> sql.SQL:
    return sql.SQL(text)


def _shown(rows: Sequence[dict[str, Any]]) -> tuple[Shown, ...]:
    return tuple(
        {name: _plain(value) for name, value in row.items() if name != "all_broken"} for row in rows
    )


def _plain(value: object) -> str | int | None:
    return value if value is None or isinstance(value, int) else str(value)
