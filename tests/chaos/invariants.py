"""What must hold once everything is quiet, checked in our books and in the channel's.

Each check names what offends; an empty list is what we want. The numbers are those of the money
invariants: I1 one success per serial, I2 same amount, I4 on our disk before the channel heard,
I8 entries sum to nothing, I12 booked exactly once, I13 and I14 both books agree, I17 nothing
stuck, I18 every end was told, I23 one payment per order.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import psycopg
from psycopg.rows import dict_row

_CHECKS: Mapping[str, str] = {
    "I8 ledger transactions that do not sum to nothing": """
        SELECT ledger_transaction_id FROM ledger_entry
        GROUP BY ledger_transaction_id, currency HAVING sum(amount_minor) <> 0""",
    "I12 succeeded payments without exactly one capture": """
        SELECT payment.id FROM payment
        LEFT JOIN attempt ON attempt.payment_id = payment.id
        LEFT JOIN ledger_transaction ON event_type = 'payment.captured' AND event_id = attempt.id
        WHERE payment.status = 'succeeded'
        GROUP BY payment.id HAVING count(ledger_transaction.id) <> 1""",
    "I12 captures of payments that did not succeed": """
        SELECT ledger_transaction.id FROM ledger_transaction
        JOIN attempt ON attempt.id = event_id JOIN payment ON payment.id = attempt.payment_id
        WHERE event_type = 'payment.captured' AND payment.status <> 'succeeded'""",
    "I16 payments whose moves do not count up to their version": """
        SELECT payment.id FROM payment JOIN payment_transition ON payment_id = payment.id
        GROUP BY payment.id, payment.version
        HAVING count(*) <> payment.version
            OR max(payment_transition.version) <> payment.version""",
    "I17 payments that have not ended": """
        SELECT id, status FROM payment
        WHERE status NOT IN ('succeeded', 'failed', 'canceled', 'expired')""",
    "I18 ends that were not told": """
        SELECT payment.id FROM payment
        LEFT JOIN notification ON object_id = payment.id AND notification.status = 'delivered'
        GROUP BY payment.id, payment.notified HAVING count(notification.id) <> payment.notified""",
    "I23 orders with more than one payment": """
        SELECT order_no FROM payment GROUP BY app_id, order_no HAVING count(*) <> 1""",
    "callbacks that nobody handled": """
        SELECT id FROM callback WHERE handled_at IS NULL AND match <> 'parked'""",
}

# True as soon as the last thing under way is done; until then they only say that it is not.
_SETTLING = frozenset({"I18 ends that were not told", "callbacks that nobody handled"})

_ATTEMPTS = """
    SELECT serial, attempt.status, attempt.amount_minor, payment.status AS payment FROM attempt
    JOIN payment ON payment.id = attempt.payment_id"""

_CLEARING = """
    SELECT coalesce(sum(amount_minor), 0) AS total FROM ledger_entry
    JOIN ledger_account ON ledger_account.id = ledger_entry.ledger_account_id
    WHERE ledger_account.kind = '1101'"""


def violations(database_url: str, trades: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Everything that does not hold, by check. `trades` are the channel's own books."""
    found: dict[str, list[Any]] = {}
    with psycopg.connect(database_url, row_factory=dict_row) as connection:
        for name, sql in _CHECKS.items():
            found[name] = connection.execute(sql).fetchall()
        attempts = {row["serial"]: row for row in connection.execute(_ATTEMPTS)}
        clearing = connection.execute(_CLEARING).fetchone()
    found |= _against_the_channel(attempts, trades)
    paid = sum(int(trade["amount_minor"]) for trade in trades if trade["status"] == "paid")
    if clearing is None or int(clearing["total"]) != paid:
        found["I25 the channel's debt is not what it took"] = [clearing, paid]
    return {name: rows for name, rows in found.items() if rows}


def unbalanced(database_url: str) -> list[Any]:
    """Ledger transactions that do not sum to nothing."""
    with psycopg.connect(database_url) as connection:
        return connection.execute(
            _CHECKS["I8 ledger transactions that do not sum to nothing"]
        ).fetchall()


def is_settling(found: Mapping[str, object]) -> bool:
    """Whether all that is wrong is that something has not been finished yet."""
    return bool(found) and found.keys() <= _SETTLING


def _against_the_channel(
    attempts: Mapping[str, Mapping[str, Any]], trades: Sequence[Mapping[str, Any]]
) -> dict[str, list[Any]]:
    ours = [(trade, attempts.get(str(trade["out_trade_no"]))) for trade in trades]
    known = [(trade, attempt) for trade, attempt in ours if attempt is not None]
    paid = {str(trade["out_trade_no"]) for trade in trades if trade["status"] == "paid"}
    return {
        "I1 serials the channel took money for more than once": [
            trade for trade in trades if int(trade["executions"]) > 1
        ],
        "I2 amounts that differ": [
            trade
            for trade, attempt in known
            if int(trade["amount_minor"]) != int(attempt["amount_minor"])
        ],
        "I4 trades we know nothing of": [trade for trade, attempt in ours if attempt is None],
        "I13 money the channel took and we did not book": [
            trade
            for trade, attempt in known
            if trade["status"] == "paid" and attempt["payment"] != "succeeded"
        ],
        "I14 successes the channel knows nothing of": [
            attempt
            for serial, attempt in attempts.items()
            if attempt["status"] == "charged" and serial not in paid
        ],
    }
