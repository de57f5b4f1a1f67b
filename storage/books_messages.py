"""Invariants of what comes in and goes out: callbacks, notifications, answers, tenants."""

from storage.books_check import Check, Holds

_PAYMENT_ENDS = "('succeeded', 'partially_captured', 'failed', 'canceled', 'expired')"
_REFUND_ENDS = "('succeeded', 'failed', 'rejected', 'canceled')"
_TOLD = """
    SELECT id, app_id, notified, 'payment.' || status AS end_type,
           status IN ('succeeded', 'partially_captured', 'failed', 'canceled', 'expired') AS is_end
    FROM payment
    UNION ALL
    SELECT id, app_id, notified, 'refund.' || status,
           status IN ('succeeded', 'failed', 'rejected', 'canceled')
    FROM refund"""

MESSAGE_CHECKS = (
    Check(
        "I13",
        "a callback of which its payment or refund ended without looking at it",
        of="callback WHERE match <> 'parked'",
        broken=f"""
            SELECT callback.id AS callback_id, callback.payment_id, callback.refund_id,
                   callback.serial, callback.outcome ->> 'kind' AS says, callback.received_at
            FROM callback
            JOIN payment ON payment.id = callback.payment_id
            LEFT JOIN refund ON refund.id = callback.refund_id
            WHERE callback.handled_at IS NULL AND callback.match <> 'parked'
              AND CASE WHEN callback.refund_id IS NULL THEN payment.status IN {_PAYMENT_ENDS}
                       ELSE refund.status IN {_REFUND_ENDS} END""",  # noqa: S608  # our own words
        holds=Holds.WHEN_QUIET,
    ),
    Check(
        "I18",
        "an end of which there is no notification",
        of="notification",
        broken=f"""
            SELECT told.id AS object_id, told.end_type FROM ({_TOLD}) AS told
            WHERE told.is_end AND NOT EXISTS (
                SELECT FROM notification AS note
                WHERE note.object_id = told.id AND note.type = told.end_type
            )""",  # noqa: S608  # our own words
    ),
    Check(
        "I18",
        "a notification that its app did not take",
        of="notification",
        broken="""
            SELECT note.id AS notification_id, note.app_id, note.object_id, note.type,
                   note.attempts, note.last_error
            FROM notification AS note JOIN app ON app.id = note.app_id
            WHERE note.status = 'due' AND app.webhook_url IS NOT NULL
              AND app.webhook_paused_at IS NULL""",
        holds=Holds.WHEN_QUIET,
    ),
    Check(
        "I19",
        "an object whose notifications are not numbered 1, 2, 3 …, or that say another number",
        of="notification",
        broken=f"""
            SELECT told.id AS object_id, told.notified, count(note.id) AS notifications,
                   min(note.sequence) AS lowest, max(note.sequence) AS highest
            FROM ({_TOLD}) AS told
            LEFT JOIN notification AS note ON note.object_id = told.id
            GROUP BY told.id, told.notified
            HAVING count(DISTINCT note.sequence) <> told.notified
                OR count(note.id) <> told.notified
                OR coalesce(max(note.sequence), 0) <> told.notified
                OR bool_or(note.body::jsonb ->> 'id' <> note.id)
                OR bool_or((note.body::jsonb ->> 'sequence')::integer
                    <> note.sequence)""",  # noqa: S608  # our own words
    ),
    Check(
        "I21",
        "a callback with another amount than the order's that was taken for the order's",
        of="callback WHERE outcome ->> 'kind' = 'approved'",
        broken="""
            SELECT callback.id AS callback_id, callback.payment_id, callback.refund_id,
                   callback.serial, callback.outcome #>> '{money,amount_minor}' AS named_minor,
                   callback.outcome #>> '{money,currency}' AS named_currency,
                   coalesce(refund.amount_minor, payment.amount_minor) AS ordered_minor
            FROM callback JOIN payment ON payment.id = callback.payment_id
            LEFT JOIN refund ON refund.id = callback.refund_id
            WHERE callback.outcome ->> 'kind' = 'approved' AND callback.match = 'matched' AND (
                callback.outcome #>> '{money,currency}' <> payment.currency
                OR (callback.outcome #>> '{money,amount_minor}')::bigint
                    > coalesce(refund.amount_minor, payment.amount_minor)
                OR ((payment.capture_method = 'automatic' OR refund.id IS NOT NULL)
                    AND (callback.outcome #>> '{money,amount_minor}')::bigint
                        <> coalesce(refund.amount_minor, payment.amount_minor))
            )""",
    ),
    Check(
        "I21",
        "money booked on the word of a callback that is not there, is another's or says no such",
        of="payment_transition WHERE evidence_kind = 'callback'",
        broken="""
            WITH booked AS (
                SELECT payment_id, CAST(NULL AS text) AS refund_id, version, evidence_reference
                FROM (
                    SELECT *, lag(attempt_status) OVER (PARTITION BY payment_id ORDER BY version)
                        AS was FROM payment_transition
                ) AS moves
                WHERE evidence_kind = 'callback' AND attempt_status = 'charged'
                  AND was IS DISTINCT FROM 'charged'
                UNION ALL
                SELECT refund.payment_id, refund.id, move.version, move.evidence_reference
                FROM refund_transition AS move JOIN refund ON refund.id = move.refund_id
                WHERE move.evidence_kind = 'callback' AND move.to_status = 'succeeded'
            )
            SELECT booked.payment_id, booked.refund_id, booked.version, booked.evidence_reference,
                   callback.match, callback.outcome ->> 'kind' AS says
            FROM booked LEFT JOIN callback ON callback.id = booked.evidence_reference
            WHERE callback.match IS DISTINCT FROM 'matched'
               OR callback.outcome ->> 'kind' <> 'approved'
               OR (callback.payment_id, callback.refund_id)
                  IS DISTINCT FROM (booked.payment_id, booked.refund_id)""",
    ),
    Check(
        "I22",
        "an idempotency key that stands for two things",
        of="idempotency_key",
        broken="""
            SELECT app_id, route, key, count(*) AS times FROM idempotency_key
            GROUP BY app_id, route, key HAVING count(*) > 1""",
    ),
    Check(
        "I24",
        "an answer that was given for something that is not there, or is another's",
        of="idempotency_key WHERE status_code BETWEEN 200 AND 299 AND object_id ~ '^(pay|ref)_'",
        broken="""
            SELECT idem.app_id, idem.route, idem.key, idem.object_id
            FROM idempotency_key AS idem
            LEFT JOIN (
                SELECT id, app_id FROM payment UNION ALL SELECT id, app_id FROM refund
            ) AS object ON object.id = idem.object_id AND object.app_id = idem.app_id
            WHERE idem.status_code BETWEEN 200 AND 299 AND idem.object_id ~ '^(pay|ref)_'
              AND (object.id IS NULL OR
                   convert_from(idem.body, 'UTF8')::jsonb ->> 'id' <> idem.object_id)""",
    ),
    Check(
        "I28",
        "a row of one app that belongs to another's",
        of="payment",
        broken="""
            SELECT what, id, app_id, belongs_to FROM (
                SELECT 'payment of a merchant' AS what, payment.id, payment.app_id,
                       merchant.app_id AS belongs_to
                FROM payment LEFT JOIN merchant ON merchant.id = payment.merchant_id
                UNION ALL
                SELECT 'attempt', attempt.id, attempt.app_id, payment.app_id
                FROM attempt LEFT JOIN payment ON payment.id = attempt.payment_id
                UNION ALL
                SELECT 'attempt on an account', attempt.id, attempt.app_id, account.app_id
                FROM attempt LEFT JOIN channel_account AS account ON account.id = attempt.account_id
                UNION ALL
                SELECT 'refund', refund.id, refund.app_id, payment.app_id
                FROM refund LEFT JOIN payment ON payment.id = refund.payment_id
                UNION ALL
                SELECT 'callback', callback.id, callback.app_id, payment.app_id
                FROM callback JOIN payment ON payment.id = callback.payment_id
                UNION ALL
                SELECT 'callback on an account', callback.id, callback.app_id, account.app_id
                FROM callback JOIN channel_account AS account ON account.id = callback.account_id
                WHERE callback.app_id IS NOT NULL
                UNION ALL
                SELECT 'notification', note.id, note.app_id,
                       coalesce(payment.app_id, refund.app_id)
                FROM notification AS note
                LEFT JOIN payment ON payment.id = note.object_id
                LEFT JOIN refund ON refund.id = note.object_id
                WHERE note.object_id ~ '^(pay|ref)_'
                UNION ALL
                SELECT 'ledger transaction', ltx.id, ltx.app_id, payment.app_id
                FROM ledger_transaction AS ltx JOIN payment ON payment.id = ltx.payment_id
                UNION ALL
                SELECT 'ledger entry', ltx.id, ltx.app_id,
                       coalesce(merchant.app_id, channel_account.app_id)
                FROM ledger_transaction AS ltx
                JOIN ledger_entry AS entry ON entry.ledger_transaction_id = ltx.id
                JOIN ledger_account AS account ON account.id = entry.ledger_account_id
                LEFT JOIN merchant ON merchant.id = account.owner
                LEFT JOIN channel_account ON channel_account.id = account.owner
                WHERE account.owner ~ '^(mer|acc)_'
            ) AS owned
            WHERE app_id IS DISTINCT FROM belongs_to""",
    ),
)
