"""Invariants of the ledger: it balances, nothing is booked twice, accounts drain."""

from storage.books_check import Check

_CAPTURED = "('succeeded', 'partially_captured')"
_UNPAID_ENDS = "('failed', 'canceled', 'expired')"
# What an attempt took: all of it goes back where another one had taken the money.
_TAKEN = """CASE WHEN attempt.surplus THEN attempt.charged_minor
                ELSE coalesce(payment.captured_minor, payment.amount_minor) END"""
# Entries that payments and refunds made; a reconciliation's own are counted with it.
_OUR_EVENTS = "(ltx.event_type LIKE 'payment.%' OR ltx.event_type LIKE 'refund.%')"

# Tables that are added to and never edited, and the triggers that see to it.
_KEPT = ("ledger_account", "ledger_transaction", "ledger_entry", "payment_transition",
         "refund_transition", "verdict", "discrepancy_transition")  # fmt: skip
_GUARDS = (
    *((table, f"{table}_kept") for table in _KEPT),
    ("ledger_entry", "ledger_entries_balance"),
    ("payment", "payment_guarded"),
    ("attempt", "attempt_guarded"),
    ("notification", "notification_guarded"),
    ("refund", "refund_guarded"),
    ("refund", "refund_within_captured"),
    ("refund", "refund_kept"),
    ("discrepancy", "discrepancy_guarded"),
    ("discrepancy", "discrepancy_kept"),
)
_GUARD_VALUES = ", ".join(f"('{table}', '{trigger}')" for table, trigger in _GUARDS)
_KEPT_VALUES = ", ".join(f"('{table}')" for table in _KEPT)

_POSTED = """
    SELECT ltx.event_type, ltx.event_id, ltx.payment_id, count(DISTINCT ltx.id) AS times,
           coalesce(sum(entry.amount_minor) FILTER (WHERE entry.amount_minor > 0), 0) AS minor
    FROM ledger_transaction AS ltx
    LEFT JOIN ledger_entry AS entry ON entry.ledger_transaction_id = ltx.id
    GROUP BY ltx.event_type, ltx.event_id, ltx.payment_id"""

LEDGER_CHECKS = (
    Check(
        "I8",
        "a ledger transaction that does not balance, or has no entries",
        of="ledger_transaction",
        broken="""
            SELECT ltx.id AS ledger_transaction_id, entry.currency,
                   sum(entry.amount_minor) AS sum_minor, count(entry.id) AS entries
            FROM ledger_transaction AS ltx
            LEFT JOIN ledger_entry AS entry ON entry.ledger_transaction_id = ltx.id
            GROUP BY ltx.id, entry.currency
            HAVING coalesce(sum(entry.amount_minor), 1) <> 0""",
    ),
    Check(
        "I9",
        "a guard of the books that is missing or off, or a right to edit them",
        of=f"(VALUES {_GUARD_VALUES}) AS guard (name, trigger)",
        broken=f"""
            SELECT guard.name AS table_name, guard.trigger AS what, 'off or missing' AS problem
            FROM (VALUES {_GUARD_VALUES}) AS guard (name, trigger)
            LEFT JOIN pg_trigger ON tgname = guard.trigger
                AND tgrelid = to_regclass(guard.name) AND tgenabled <> 'D'
            WHERE pg_trigger.oid IS NULL
            UNION ALL
            SELECT kept.name, right_to, 'granted to paycenter_app'
            FROM (VALUES {_KEPT_VALUES}) AS kept (name)
            CROSS JOIN (VALUES ('UPDATE'), ('DELETE'), ('TRUNCATE')) AS rights (right_to)
            JOIN pg_roles ON rolname = 'paycenter_app'
            WHERE has_table_privilege(pg_roles.oid, to_regclass(kept.name),
                                      right_to)""",  # noqa: S608  # our own words
    ),
    Check(
        "I11",
        "an account that may not be overdrawn, and is: more went out than came in",
        of="ledger_account WHERE kind IN ('2301', '2401')",
        broken="""
            SELECT account.kind, account.owner, account.currency,
                   sum(entry.amount_minor) AS overdrawn_minor
            FROM ledger_account AS account
            JOIN ledger_entry AS entry ON entry.ledger_account_id = account.id
            WHERE account.kind IN ('2301', '2401')
            GROUP BY account.id HAVING sum(entry.amount_minor) > 0""",
    ),
    Check(
        "I12",
        "money of a payment that is not in the books exactly once, or books without the money",
        of="ledger_transaction WHERE event_type IN ('payment.captured', 'payment.late_success')",
        broken=f"""
            WITH expected AS (
                SELECT CASE WHEN payment.status IN {_CAPTURED} AND NOT attempt.surplus
                            THEN 'payment.captured' ELSE 'payment.late_success' END AS event_type,
                       attempt.id AS event_id, payment.id AS payment_id, {_TAKEN} AS minor
                FROM payment JOIN attempt ON attempt.payment_id = payment.id
                WHERE attempt.status = 'charged'
            ), posted AS (
                SELECT * FROM ({_POSTED}) AS all_posted
                WHERE event_type IN ('payment.captured', 'payment.late_success')
            )
            SELECT coalesce(expected.payment_id, posted.payment_id) AS payment_id, event_type,
                   event_id, expected.minor AS expected_minor, posted.minor AS posted_minor,
                   coalesce(posted.times, 0) AS times
            FROM expected FULL JOIN posted USING (event_type, event_id)
            WHERE expected.minor IS DISTINCT FROM posted.minor
               OR posted.times <> 1""",  # noqa: S608  # our own words
    ),
    Check(
        "I12",
        "a step of a refund that is not in the books exactly once, or books without the step",
        of="ledger_transaction WHERE event_type LIKE 'refund.%'",
        broken=f"""
            WITH expected AS (
                SELECT 'refund.accepted' AS event_type, refund.id AS event_id, amount_minor AS minor
                FROM refund JOIN refund_transition AS move ON move.refund_id = refund.id
                WHERE move.version = 2 AND move.to_status = 'pending'
                UNION ALL
                SELECT 'refund.' || status, id, amount_minor FROM refund
                WHERE status = 'succeeded' OR (status = 'failed' AND version > 2)
            ), posted AS (
                SELECT * FROM ({_POSTED}) AS all_posted WHERE event_type LIKE 'refund.%'
            )
            SELECT event_id AS refund_id, event_type, expected.minor AS expected_minor,
                   posted.minor AS posted_minor, coalesce(posted.times, 0) AS times
            FROM expected FULL JOIN posted USING (event_type, event_id)
            WHERE expected.minor IS DISTINCT FROM posted.minor
               OR posted.times <> 1""",  # noqa: S608  # our own words
    ),
    Check(
        "I12",
        "a payment for which the channel owes us, by our books, another sum than it took",
        of="payment",
        broken=f"""
            WITH owed AS (
                SELECT ltx.payment_id, sum(entry.amount_minor) AS minor
                FROM ledger_transaction AS ltx
                JOIN ledger_entry AS entry ON entry.ledger_transaction_id = ltx.id
                JOIN ledger_account AS account ON account.id = entry.ledger_account_id
                WHERE account.kind = '1101' AND {_OUR_EVENTS}
                GROUP BY ltx.payment_id
            ), returned AS (
                SELECT payment_id, sum(amount_minor) AS minor FROM refund
                WHERE status = 'succeeded' GROUP BY payment_id
            ), twice AS (
                SELECT payment_id, sum(charged_minor) AS minor FROM attempt
                WHERE surplus GROUP BY payment_id
            )
            SELECT coalesce(payment.id, owed.payment_id) AS payment_id, payment.status,
                   payment.captured_minor, returned.minor AS refunded_minor,
                   owed.minor AS owed_minor
            FROM payment
            FULL JOIN owed ON owed.payment_id = payment.id
            LEFT JOIN returned ON returned.payment_id = payment.id
            LEFT JOIN twice ON twice.payment_id = payment.id
            WHERE coalesce(owed.minor, 0) <> coalesce(payment.captured_minor, 0)
                + coalesce(twice.minor, 0) - coalesce(returned.minor, 0)""",  # noqa: S608  # our own words
    ),
    Check(
        "I25",
        "refunds in transit that are not what is under way on that account",
        of="ledger_account WHERE kind = '2301'",
        broken="""
            WITH transit AS (
                SELECT account.owner, account.currency, -sum(entry.amount_minor) AS minor
                FROM ledger_account AS account
                JOIN ledger_entry AS entry ON entry.ledger_account_id = account.id
                WHERE account.kind = '2301' GROUP BY account.owner, account.currency
            ), under_way AS (
                SELECT attempt.account_id AS owner, refund.currency,
                       sum(refund.amount_minor) AS minor
                FROM refund JOIN attempt ON attempt.id = refund.attempt_id
                WHERE refund.status IN ('pending', 'unknown', 'manual_review')
                  AND refund.version > 1
                GROUP BY attempt.account_id, refund.currency
            )
            SELECT owner AS account_id, currency, transit.minor AS in_transit_minor,
                   under_way.minor AS under_way_minor
            FROM transit FULL JOIN under_way USING (owner, currency)
            WHERE coalesce(transit.minor, 0) <> coalesce(under_way.minor, 0)""",
    ),
    Check(
        "I25",
        "what a channel owes us that is not what it took less what it gave back",
        of="ledger_account WHERE kind = '1101'",
        broken=f"""
            WITH owed AS (
                SELECT account.owner, account.currency, sum(entry.amount_minor) AS minor
                FROM ledger_account AS account
                JOIN ledger_entry AS entry ON entry.ledger_account_id = account.id
                JOIN ledger_transaction AS ltx ON ltx.id = entry.ledger_transaction_id
                WHERE account.kind = '1101' AND {_OUR_EVENTS}
                GROUP BY account.owner, account.currency
            ), moved AS (
                SELECT attempt.account_id AS owner, payment.currency, {_TAKEN} AS minor
                FROM attempt JOIN payment ON payment.id = attempt.payment_id
                WHERE attempt.status = 'charged'
                UNION ALL
                SELECT attempt.account_id, refund.currency, -refund.amount_minor
                FROM refund JOIN attempt ON attempt.id = refund.attempt_id
                WHERE refund.status = 'succeeded'
            ), net AS (
                SELECT owner, currency, sum(minor) AS minor FROM moved GROUP BY owner, currency
            )
            SELECT owner AS account_id, currency, owed.minor AS owed_minor, net.minor AS moved_minor
            FROM owed FULL JOIN net USING (owner, currency)
            WHERE coalesce(owed.minor, 0) <> coalesce(net.minor, 0)""",  # noqa: S608  # ours
    ),
    Check(
        "I25",
        "late money in suspense that is not what came late less what is given back",
        of="ledger_account WHERE kind = '2401'",
        broken=f"""
            WITH held AS (
                SELECT account.owner, account.currency, -sum(entry.amount_minor) AS minor
                FROM ledger_account AS account
                JOIN ledger_entry AS entry ON entry.ledger_account_id = account.id
                JOIN ledger_transaction AS ltx ON ltx.id = entry.ledger_transaction_id
                WHERE account.kind = '2401' AND {_OUR_EVENTS}
                GROUP BY account.owner, account.currency
            ), moved AS (
                SELECT attempt.account_id AS owner, payment.currency, {_TAKEN} AS minor
                FROM attempt JOIN payment ON payment.id = attempt.payment_id
                WHERE attempt.status = 'charged'
                  AND (payment.status IN {_UNPAID_ENDS} OR attempt.surplus)
                UNION ALL
                SELECT attempt.account_id, refund.currency, -refund.amount_minor
                FROM refund JOIN attempt ON attempt.id = refund.attempt_id
                WHERE refund.funding = 'suspense' AND refund.version > 1
                  AND refund.status NOT IN ('failed', 'rejected', 'canceled', 'pending_approval')
            ), net AS (
                SELECT owner, currency, sum(minor) AS minor FROM moved GROUP BY owner, currency
            )
            SELECT owner AS account_id, currency, held.minor AS held_minor, net.minor AS open_minor
            FROM held FULL JOIN net USING (owner, currency)
            WHERE coalesce(held.minor, 0) <> coalesce(net.minor, 0)""",  # noqa: S608  # ours
    ),
    Check(
        "I29",
        "a currency in which what we have is not what we owe",
        of="(SELECT DISTINCT currency FROM ledger_entry) AS currencies",
        broken="""
            SELECT currency, sum(amount_minor) AS difference_minor FROM ledger_entry
            GROUP BY currency HAVING sum(amount_minor) <> 0""",
    ),
    Check(
        "I30",
        "a captured payment whose fee is not the agreed share, rounded half to even",
        of="ledger_transaction WHERE event_type = 'payment.captured'",
        broken="""
            WITH legs AS (
                SELECT ltx.id, ltx.event_id,
                       coalesce(sum(entry.amount_minor) FILTER (WHERE account.kind = '1101'), 0)
                           AS taken_minor,
                       -coalesce(sum(entry.amount_minor) FILTER (WHERE account.kind = '4101'), 0)
                           AS fee_minor
                FROM ledger_transaction AS ltx
                JOIN ledger_entry AS entry ON entry.ledger_transaction_id = ltx.id
                JOIN ledger_account AS account ON account.id = entry.ledger_account_id
                WHERE ltx.event_type = 'payment.captured' GROUP BY ltx.id
            ), shares AS (
                SELECT legs.*, div(taken_minor * attempt.fee_bps, 10000) AS whole,
                       mod(taken_minor * attempt.fee_bps, 10000) AS rest
                FROM legs JOIN attempt ON attempt.id = legs.event_id
            )
            SELECT id AS ledger_transaction_id, taken_minor, fee_minor, whole, rest FROM shares
            WHERE fee_minor <> whole + CASE
                WHEN rest > 5000 OR (rest = 5000 AND mod(whole, 2) = 1) THEN 1 ELSE 0 END""",
    ),
    Check(
        "I31",
        "a column of money that does not hold whole minor units",
        of="information_schema.columns WHERE table_schema = 'public'"
        " AND column_name LIKE '%\\_minor'",
        broken="""
            SELECT table_name, column_name, data_type FROM information_schema.columns
            WHERE table_schema = 'public' AND column_name LIKE '%\\_minor'
              AND data_type <> 'bigint'""",
    ),
)
