"""Rows that break one invariant each, in the books of the house."""

from dataclasses import dataclass

# Money on the accounts of the other app's channel account that no payment explains.
_BOOKED_BY_NOBODY = """
    SELECT post_ledger_transaction(jsonb_build_object('id', 'ltx_x', 'event_type', 'payment.x',
        'event_id', 'x', 'app_id', app_id, 'occurred_at', now(), 'postings', jsonb_build_array(
        jsonb_build_object('debit', jsonb_build_object('kind', '{debit}', 'owner', id),
            'credit', jsonb_build_object('kind', '{credit}', 'owner', id),
            'amount_minor', 1, 'currency', 'CNY'))))
    FROM channel_account WHERE app_id = (SELECT app_id FROM payment WHERE id = '{{other}}')"""


@dataclass(frozen=True)
class Wrong:
    """A wrong row: how it comes about, who must say so (and who else may), and what must be shown.

    In `how` and `shown`, `{paid}` and the like are names of `House`.
    """

    name: str
    how: str
    shown: str
    also: frozenset[str] = frozenset()


def wrong(name: str, how: str, shown: str, *also: str) -> Wrong:
    return Wrong(name=name, how=how, shown=shown, also=frozenset(also))


WRONGS = {
    "two attempts took money": wrong(
        "I1",
        """DROP INDEX attempt_charged_once;
        INSERT INTO attempt SELECT (jsonb_populate_record(attempt, jsonb_build_object(
            'id', 'att_' || substr(payment_id, 5) || '02', 'number', 2,
            'serial', substr(payment_id, 5) || '02'))).*
        FROM attempt WHERE payment_id = '{paid}'""",
        "{paid}",
        "I12",
        "I25",
    ),
    "more was taken than ordered": wrong(
        "I2",
        """ALTER TABLE payment DROP CONSTRAINT payment_captured_within_order,
               DROP CONSTRAINT payment_captured_whole;
        UPDATE payment SET captured_minor = 5001 WHERE id = '{paid}'""",
        "{paid}",
        "I12",
        "I25",
    ),
    "an attempt is for another amount": wrong(
        "I2", "UPDATE attempt SET amount_minor = 4999 WHERE payment_id = '{open}'", "{open}"
    ),
    "an attempt took another amount than its payment": wrong(
        "I2", "UPDATE attempt SET charged_minor = 4999 WHERE payment_id = '{paid}'", "{paid}"
    ),
    "a retry made a new serial": wrong(
        "I3", "UPDATE attempt SET serial = serial || 'A' WHERE payment_id = '{open}'", "{open}"
    ),
    "the channel heard of a number we do not have": wrong(
        "I4", "UPDATE exchange SET serial = 'A1' WHERE payment_id = '{paid}'", "A1"
    ),
    "the channel heard of it before it was on disk": wrong(
        "I4",
        "UPDATE exchange SET started_at = started_at - interval '1 minute'",
        "{paid}",
    ),
    "more is given back than came in": wrong(
        "I5",
        "UPDATE refund SET amount_minor = 4600 WHERE id = '{going}'",
        "{paid}",
        "I12",
        "I25",
    ),
    "a refund of an attempt without money": wrong(
        "I6",
        """UPDATE refund SET attempt_id = (SELECT id FROM attempt WHERE payment_id = '{open}')
        WHERE id = '{going}'""",
        "{going}",
    ),
    "a refund number changed": wrong(
        "I7", "UPDATE refund SET refund_serial = 'R1' WHERE id = '{going}'", "R1"
    ),
    "a ledger transaction does not balance": wrong(
        "I8",
        """UPDATE ledger_entry SET amount_minor = amount_minor + 1 WHERE id = (
            SELECT min(entry.id) FROM ledger_entry AS entry
            JOIN ledger_transaction AS ltx ON ltx.id = ledger_transaction_id
            WHERE ltx.payment_id = '{open}' OR ltx.event_id = '{going}')""",
        "ltx_accepted_",
        "I12",
        "I29",
    ),
    "a ledger transaction without entries": wrong(
        "I8",
        """INSERT INTO ledger_transaction (id, event_type, event_id, app_id, content_hash,
            occurred_at)
        SELECT 'ltx_empty', 'something', 'else', id, '', now() FROM app LIMIT 1""",
        "ltx_empty",
    ),
    "a guard is off": wrong(
        "I9", "ALTER TABLE ledger_entry DISABLE TRIGGER ledger_entry_kept", "ledger_entry_kept"
    ),
    "the application may edit the books": wrong(
        "I9", "GRANT DELETE ON ledger_entry TO paycenter_app", "DELETE"
    ),
    "more left suspense than came in": wrong(
        "I11",
        """SELECT post_ledger_transaction(jsonb_build_object('id', 'ltx_x', 'event_type', 'x.y',
            'event_id', 'z', 'app_id', app_id, 'occurred_at', now(), 'postings', jsonb_build_array(
            jsonb_build_object('debit', jsonb_build_object('kind', '2401', 'owner', id),
                'credit', jsonb_build_object('kind', '5102', 'owner', ''),
                'amount_minor', 1, 'currency', 'CNY'))))
        FROM channel_account WHERE app_id = (SELECT app_id FROM payment WHERE id = '{other}')""",
        "2401",
    ),
    "a payment was booked twice": wrong(
        "I12",
        """INSERT INTO ledger_transaction
        SELECT id || '_2', 'payment.captured_again', event_id, app_id, payment_id, content_hash,
               occurred_at, posted_at
        FROM ledger_transaction WHERE event_type = 'payment.captured' AND payment_id = '{paid}';
        INSERT INTO ledger_entry
            (ledger_transaction_id, ledger_account_id, amount_minor, currency, occurred_at)
        SELECT ledger_transaction_id || '_2', ledger_account_id, entry.amount_minor, currency,
               ltx.occurred_at
        FROM ledger_entry AS entry JOIN ledger_transaction AS ltx ON ltx.id = ledger_transaction_id
        WHERE ltx.event_type = 'payment.captured' AND ltx.payment_id = '{paid}'""",
        "{paid}",
        "I25",
    ),
    "an event was booked twice": wrong(
        "I12",
        """ALTER TABLE ledger_transaction DROP CONSTRAINT ledger_transaction_event_once;
        INSERT INTO ledger_transaction
        SELECT id || '_2', event_type, event_id, app_id, payment_id, content_hash, occurred_at,
               posted_at
        FROM ledger_transaction WHERE event_type = 'payment.captured' AND payment_id = '{paid}';
        INSERT INTO ledger_entry
            (ledger_transaction_id, ledger_account_id, amount_minor, currency, occurred_at)
        SELECT ledger_transaction_id || '_2', ledger_account_id, entry.amount_minor, currency,
               ltx.occurred_at
        FROM ledger_entry AS entry JOIN ledger_transaction AS ltx ON ltx.id = ledger_transaction_id
        WHERE ltx.event_type = 'payment.captured' AND ltx.payment_id = '{paid}'""",
        "{paid}",
        "I25",
    ),
    "a refund was booked as failed and succeeded": wrong(
        "I12",
        """INSERT INTO ledger_transaction
        SELECT id || '_2', 'refund.failed', event_id, app_id, payment_id, content_hash,
               occurred_at, posted_at
        FROM ledger_transaction WHERE event_type = 'refund.accepted' AND event_id = '{going}';
        INSERT INTO ledger_entry
            (ledger_transaction_id, ledger_account_id, amount_minor, currency, occurred_at)
        SELECT ltx.id || '_2', ledger_account_id, -entry.amount_minor, currency, ltx.occurred_at
        FROM ledger_entry AS entry JOIN ledger_transaction AS ltx ON ltx.id = ledger_transaction_id
        WHERE ltx.event_type = 'refund.accepted' AND ltx.event_id = '{going}'""",
        "{going}",
        "I25",
    ),
    "a callback was never looked at": wrong(
        "I13",
        "UPDATE callback SET handled_at = NULL WHERE id = '{paid_callback}'",
        "{paid_callback}",
    ),
    "a success without an attempt that took money": wrong(
        "I14",
        """UPDATE attempt SET status = 'unknown', charged_at = NULL, charged_minor = NULL
        WHERE payment_id = '{other}' AND NOT surplus""",
        "{other}",
        "I12",
        "I25",
    ),
    "money that came twice is kept": wrong(
        "I15",
        """INSERT INTO attempt SELECT (jsonb_populate_record(attempt, jsonb_build_object(
            'id', 'att_' || substr(payment_id, 5) || '02', 'number', 2, 'surplus', true,
            'serial', substr(payment_id, 5) || '02'))).*
        FROM attempt WHERE payment_id = '{paid}'""",
        "{paid}",
        "I12",
        "I25",
    ),
    "a timer made a payment succeed": wrong(
        "I14",
        """UPDATE payment_transition SET evidence_kind = 'timer'
        WHERE payment_id = '{paid}' AND to_status = 'succeeded'""",
        "{paid}",
    ),
    "a command made a refund succeed": wrong(
        "I14",
        """UPDATE refund_transition SET evidence_kind = 'command'
        WHERE refund_id = '{refunded}' AND to_status = 'succeeded'""",
        "{refunded}",
    ),
    "late money that nobody gives back": wrong(
        "I15", "DELETE FROM refund WHERE id = '{late_refund}'", "{late}", "I12", "I16", "I25", "I28"
    ),
    "late money of which the app was not told": wrong(
        "I15",
        "DELETE FROM notification WHERE object_id = '{late}' AND sequence = 2",
        "{late}",
        "I19",
    ),
    "a payment skipped a step of its history": wrong(
        "I16", "UPDATE payment SET version = 3 WHERE id = '{paid}'", "{paid}"
    ),
    "a payment left its end": wrong(
        "I16",
        """INSERT INTO payment_transition SELECT payment_id, 3, app_id, 'succeeded', 'canceled',
            attempt_status, evidence_kind, evidence_reference, evidence_detail, failure_code, at
        FROM payment_transition WHERE payment_id = '{paid}' AND version = 2""",
        "{paid}",
    ),
    "a refund left its end": wrong(
        "I16",
        """INSERT INTO refund_transition SELECT refund_id, 4, app_id, 'succeeded', 'pending',
            evidence_kind, evidence_reference, evidence_detail, failure_code, at
        FROM refund_transition WHERE refund_id = '{refunded}' AND version = 3;
        UPDATE refund SET version = 4 WHERE id = '{refunded}'""",
        "{refunded}",
    ),
    "a payment that nobody ended": wrong(
        "I17",
        "UPDATE payment SET expires_at = now() - interval '2 hours' WHERE id = '{open}'",
        "{open}",
    ),
    "a refund that nobody began": wrong(
        "I17",
        """UPDATE refund SET version = 1 WHERE id = '{going}';
        DELETE FROM refund_transition WHERE refund_id = '{going}' AND version = 2;
        DELETE FROM ledger_entry WHERE ledger_transaction_id IN (
            SELECT id FROM ledger_transaction WHERE event_id = '{going}');
        DELETE FROM ledger_transaction WHERE event_id = '{going}'""",
        "{going}",
    ),
    "an end that nobody was told of": wrong(
        "I18", "DELETE FROM notification WHERE object_id = '{paid}'", "{paid}", "I19"
    ),
    "a notification that was not taken": wrong(
        "I18",
        "UPDATE app SET webhook_url = 'https://x' WHERE id = (SELECT app_id FROM payment"
        " WHERE id = '{other}')",
        "{other}",
    ),
    "notifications with a gap": wrong(
        "I19", "UPDATE notification SET sequence = 3 WHERE object_id = '{paid}'", "{paid}"
    ),
    "a notification that says another number": wrong(
        "I19",
        """UPDATE notification SET body = replace(body, '"sequence":1', '"sequence":2')
        WHERE object_id = '{paid}'""",
        "{paid}",
    ),
    "a callback's amount was not compared": wrong(
        "I21",
        """UPDATE callback SET outcome = jsonb_set(outcome, '{{money,amount_minor}}', '4900')
        WHERE id = '{paid_callback}'""",
        "{paid_callback}",
    ),
    "money on the word of a disputed callback": wrong(
        "I21",
        """UPDATE callback SET match = 'disputed', expected_minor = 1, expected_currency = 'CNY'
        WHERE id = '{paid_callback}'""",
        "{paid_callback}",
    ),
    "a key that stands for two things": wrong(
        "I22",
        """ALTER TABLE idempotency_key DROP CONSTRAINT idempotency_key_pkey;
        INSERT INTO idempotency_key SELECT * FROM idempotency_key""",
        "key-1",
    ),
    "an order number with two payments": wrong(
        "I23",
        """ALTER TABLE payment DROP CONSTRAINT payment_order_no_once;
        UPDATE payment SET order_no = 'twice' WHERE id IN ('{paid}', '{open}')""",
        "twice",
    ),
    "an answer about something that is not there": wrong(
        "I24", "UPDATE idempotency_key SET object_id = 'pay_nothing'", "pay_nothing"
    ),
    "an answer about another app's payment": wrong(
        "I24", "UPDATE idempotency_key SET object_id = '{other}'", "{other}"
    ),
    "refunds in transit do not add up": wrong(
        "I25",
        "UPDATE refund SET status = 'canceled' WHERE id = '{going}'",
        "in_transit_minor",
        "I16",
        "I18",
    ),
    "what a channel owes does not add up": wrong(
        "I25",
        _BOOKED_BY_NOBODY.format(debit="1101", credit="5102"),
        "owed_minor",
        "I12",
    ),
    "late money in suspense does not add up": wrong(
        "I25", _BOOKED_BY_NOBODY.format(debit="5102", credit="2401"), "held_minor"
    ),
    "a row of one app that is another's": wrong(
        "I28",
        "UPDATE notification SET app_id = (SELECT app_id FROM payment WHERE id = '{other}')"
        " WHERE object_id = '{paid}'",
        "notification",
    ),
    "the accounts of a currency do not add up": wrong(
        "I29",
        """DELETE FROM ledger_entry WHERE id = (SELECT min(entry.id) FROM ledger_entry AS entry
            JOIN ledger_transaction AS ltx ON ltx.id = ledger_transaction_id
            WHERE ltx.event_id = '{going}')""",
        "CNY",
        "I8",
        "I12",
    ),
    "another fee than agreed": wrong(
        "I30", "UPDATE attempt SET fee_bps = 70 WHERE payment_id = '{paid}'", "ltx_capture_"
    ),
    "money in a column for fractions": wrong(
        "I31", "ALTER TABLE payment ADD COLUMN tip_minor double precision", "tip_minor"
    ),
    "a repair that was not booked": wrong(
        "I12",
        """DELETE FROM ledger_entry WHERE ledger_transaction_id IN (
            SELECT id FROM ledger_transaction WHERE event_id = '{discrepancy}');
        DELETE FROM ledger_transaction WHERE event_id = '{discrepancy}'""",
        "{discrepancy}",
    ),
    "a day that does not add up": wrong(
        "I26",
        """UPDATE reconciliation SET result =
            jsonb_set(result, '{{totals,0,difference_minor}}', '1')""",
        "rec_",
    ),
    "a day that was signed off too early": wrong(
        "I26",
        """UPDATE reconciliation SET status = 'signed_off', signed_off_by = 'key_1',
            signed_off_at = now();
        UPDATE discrepancy SET status = 'open', resolution = NULL WHERE id = '{discrepancy}'""",
        "rec_",
        "I12",
    ),
    "a discrepancy of one app on another's account": wrong(
        "I28",
        "UPDATE discrepancy SET app_id = (SELECT app_id FROM payment WHERE id = '{other}')"
        " WHERE id = '{discrepancy}'",
        "{discrepancy}",
    ),
    "a repair without a second person": wrong(
        "I33",
        "UPDATE discrepancy SET decided_by = NULL WHERE id = '{discrepancy}'",
        "{discrepancy}",
    ),
    "nobody decided": wrong(
        "I33",
        """ALTER TABLE refund DROP CONSTRAINT refund_goes_on_when_decided;
        UPDATE refund SET decided_by = NULL WHERE id = '{approved}'""",
        "{approved}",
    ),
}
