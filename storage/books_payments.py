"""Invariants of payments, attempts and refunds: one serial, one success, never more than paid."""

from storage.books_check import Check, Holds

_CAPTURED = "('succeeded', 'partially_captured')"
_UNPAID_ENDS = "('failed', 'canceled', 'expired')"
_REFUND_ENDS = "('succeeded', 'failed', 'rejected', 'canceled')"
# What may prove that money moved: the channel's own word, by whatever road it came.
_PROOF = "('answer', 'callback', 'query', 'statement')"
# How far the clocks of two of our own machines may be apart.
_CLOCKS = "interval '5 seconds'"
# Longer than any close with all its pauses: what is open after that has nobody who looks at it.
_OVERDUE = "interval '1 hour'"

PAYMENT_CHECKS = (
    Check(
        "I1",
        "a payment of which two attempts took money",
        of="attempt WHERE status = 'charged'",
        broken="""
            SELECT payment_id, count(*) AS charged, string_agg(serial, ' ') AS serials
            FROM attempt WHERE status = 'charged' AND NOT surplus
            GROUP BY payment_id HAVING count(*) > 1""",
    ),
    Check(
        "I2",
        "a payment that took more than was ordered, or an attempt for another amount",
        of="payment",
        broken="""
            SELECT payment.id AS payment_id, payment.amount_minor, payment.captured_minor,
                   attempt.serial, attempt.amount_minor AS attempt_minor, attempt.charged_minor,
                   attempt.currency
            FROM payment LEFT JOIN attempt ON attempt.payment_id = payment.id
            WHERE payment.captured_minor > payment.amount_minor
               OR attempt.charged_minor <> payment.captured_minor AND NOT attempt.surplus
               OR (attempt.amount_minor, attempt.currency)
                  IS DISTINCT FROM (payment.amount_minor, payment.currency)
                  AND attempt.id IS NOT NULL""",
    ),
    Check(
        "I3",
        "a serial of two attempts, or one that is not the one its attempt is named after",
        of="attempt",
        broken="""
            SELECT id AS attempt_id, payment_id, serial FROM (
                SELECT *, count(*) OVER (PARTITION BY serial) AS uses FROM attempt
            ) AS used
            WHERE uses > 1 OR id <> 'att_' || serial
               OR serial <> substr(payment_id, 5) || lpad(number::text, 2, '0')""",
    ),
    Check(
        "I4",
        "a call to a channel under a number that was not on disk before it",
        of="exchange",
        broken=f"""
            SELECT exchange.payment_id, exchange.serial, exchange.operation, exchange.started_at,
                   coalesce(attempt.created_at, refund.created_at) AS on_disk_at
            FROM exchange
            LEFT JOIN attempt ON attempt.serial = exchange.serial
                AND attempt.payment_id = exchange.payment_id
            LEFT JOIN refund ON refund.refund_serial = exchange.serial
                AND refund.payment_id = exchange.payment_id
            WHERE coalesce(attempt.created_at, refund.created_at) IS NULL
               OR coalesce(attempt.created_at, refund.created_at)
                  > exchange.started_at + {_CLOCKS}""",  # noqa: S608  # our own words
    ),
    Check(
        "I5",
        "refunds that are more than what was taken",
        of="refund",
        broken="""
            SELECT payment.id AS payment_id, payment.captured_minor, attempt.serial,
                   sum(refund.amount_minor) AS refunds_minor
            FROM refund
            JOIN payment ON payment.id = refund.payment_id
            LEFT JOIN attempt ON attempt.id = refund.attempt_id
            WHERE refund.status NOT IN ('failed', 'rejected', 'canceled')
            GROUP BY payment.id, payment.captured_minor, attempt.id
            HAVING sum(refund.amount_minor) > coalesce(
                CASE WHEN attempt.surplus THEN attempt.charged_minor
                     ELSE payment.captured_minor END, 0)""",
    ),
    Check(
        "I6",
        "a refund of an attempt that is another payment's or took no money, or in other money",
        of="refund",
        broken="""
            SELECT refund.id AS refund_id, refund.payment_id, attempt.id AS attempt_id,
                   attempt.status AS attempt_status, refund.currency
            FROM refund LEFT JOIN attempt ON attempt.id = refund.attempt_id
            WHERE attempt.status IS DISTINCT FROM 'charged'
               OR (attempt.payment_id, attempt.currency)
                  IS DISTINCT FROM (refund.payment_id, refund.currency)""",
    ),
    Check(
        "I7",
        "a refund number of two refunds, or one that is not its refund's own",
        of="refund",
        broken="""
            SELECT id AS refund_id, refund_serial FROM (
                SELECT *, count(*) OVER (PARTITION BY refund_serial) AS uses FROM refund
            ) AS used
            WHERE uses > 1 OR id <> 'ref_' || refund_serial""",
    ),
    Check(
        "I14",
        "a payment that succeeded without an attempt that took money, or money without a payment",
        of=f"payment WHERE captured_minor IS NOT NULL OR status IN {_CAPTURED}",
        broken=f"""
            SELECT payment.id AS payment_id, payment.status, payment.captured_minor, attempt.serial
            FROM payment
            LEFT JOIN attempt ON attempt.payment_id = payment.id
                AND attempt.status = 'charged' AND NOT attempt.surplus
            WHERE (payment.status IN {_CAPTURED} AND attempt.id IS NULL)
               OR (payment.captured_minor IS NULL) <> (attempt.id IS NULL)
               OR (attempt.id IS NOT NULL
                   AND payment.status NOT IN {_CAPTURED}
                   AND payment.status NOT IN {_UNPAID_ENDS})""",  # noqa: S608  # our own words
    ),
    Check(
        "I14",
        "a payment that took money without the channel's word for it",
        of="payment_transition WHERE attempt_status = 'charged'",
        broken=f"""
            SELECT payment_id, version, to_status, evidence_kind, evidence_reference FROM (
                SELECT *, lag(attempt_status) OVER (PARTITION BY payment_id ORDER BY version)
                    AS was FROM payment_transition
            ) AS moves
            WHERE attempt_status = 'charged' AND was IS DISTINCT FROM 'charged'
              AND evidence_kind NOT IN {_PROOF}""",  # noqa: S608  # our own words
    ),
    Check(
        "I14",
        "a refund that succeeded without the channel's word for it",
        of="refund_transition WHERE to_status = 'succeeded'",
        broken=f"""
            SELECT refund_id, version, evidence_kind, evidence_reference FROM refund_transition
            WHERE to_status = 'succeeded'
              AND evidence_kind NOT IN {_PROOF}""",  # noqa: S608  # our own words
    ),
    Check(
        "I15",
        "money that came twice and that nobody gives back",
        of="attempt WHERE surplus",
        broken="""
            SELECT attempt.payment_id, attempt.serial FROM attempt
            LEFT JOIN refund ON refund.attempt_id = attempt.id AND refund.funding = 'suspense'
            WHERE attempt.surplus AND refund.id IS NULL""",
        holds=Holds.WHEN_QUIET,
    ),
    Check(
        "I15",
        "money for a payment that stays closed, of which its app was not told, or which nobody "
        "gives back though the app wants that",
        of=f"payment WHERE status IN {_UNPAID_ENDS} AND captured_minor IS NOT NULL",
        broken=f"""
            SELECT payment.id AS payment_id, payment.status, payment.late_success,
                   payment.captured_minor, refund.id AS refund_id
            FROM payment
            LEFT JOIN refund ON refund.payment_id = payment.id AND refund.funding = 'suspense'
            WHERE payment.status IN {_UNPAID_ENDS} AND payment.captured_minor IS NOT NULL
              AND ((payment.late_success = 'refund' AND refund.id IS NULL) OR NOT EXISTS (
                  SELECT FROM notification
                  WHERE object_id = payment.id AND type = 'payment.late_success'
              ))""",  # noqa: S608  # our own words
        holds=Holds.WHEN_QUIET,
    ),
    Check(
        "I16",
        "a payment whose history does not lead, step by step, to where it stands",
        of="payment_transition",
        broken=f"""
            SELECT payment.id AS payment_id, payment.status, payment.version,
                   count(move.version) AS moves, string_agg(move.to_status, ' ' ORDER BY
                   move.version) AS history
            FROM payment LEFT JOIN (
                SELECT *, row_number() OVER w AS number, lag(to_status) OVER w AS was,
                       lead(version) OVER w IS NULL AS is_last
                FROM payment_transition
                WINDOW w AS (PARTITION BY payment_id ORDER BY version)
            ) AS move ON move.payment_id = payment.id
            GROUP BY payment.id
            HAVING count(move.version) <> payment.version OR bool_or(
                move.version <> move.number
                OR move.from_status IS DISTINCT FROM move.was
                OR (move.is_last AND move.to_status <> payment.status)
                OR (move.was IN {_CAPTURED} AND move.to_status <> move.was)
                OR (move.was IN {_UNPAID_ENDS}
                    AND move.to_status NOT IN ('succeeded', 'partially_captured', move.was))
            )""",  # noqa: S608  # our own words
    ),
    Check(
        "I16",
        "a refund whose history does not lead, step by step, to where it stands",
        of="refund_transition",
        broken=f"""
            SELECT refund.id AS refund_id, refund.status, refund.version,
                   count(move.version) AS moves, string_agg(move.to_status, ' ' ORDER BY
                   move.version) AS history
            FROM refund LEFT JOIN (
                SELECT *, row_number() OVER w AS number, lag(to_status) OVER w AS was,
                       lead(version) OVER w IS NULL AS is_last
                FROM refund_transition
                WINDOW w AS (PARTITION BY refund_id ORDER BY version)
            ) AS move ON move.refund_id = refund.id
            GROUP BY refund.id
            HAVING count(move.version) <> refund.version OR bool_or(
                move.version <> move.number
                OR move.from_status IS DISTINCT FROM move.was
                OR (move.is_last AND move.to_status <> refund.status)
                OR (move.was IN {_REFUND_ENDS} AND move.to_status <> move.was)
            )""",  # noqa: S608  # our own words
    ),
    Check(
        "I17",
        "a payment that is open long after its time was up",
        of=f"payment WHERE status NOT IN {_CAPTURED} AND status NOT IN {_UNPAID_ENDS}",
        broken=f"""
            SELECT id AS payment_id, status, expires_at, capture_before FROM payment
            WHERE status NOT IN {_CAPTURED} AND status NOT IN {_UNPAID_ENDS}
              AND status <> 'review'
              AND coalesce(capture_before, expires_at)
                  < clock_timestamp() - {_OVERDUE}""",  # noqa: S608  # our own words
        holds=Holds.WHEN_QUIET,
    ),
    Check(
        "I17",
        "a refund that nobody began",
        of=f"refund WHERE status NOT IN {_REFUND_ENDS}",
        broken=f"""
            SELECT id AS refund_id, payment_id, status, created_at FROM refund
            WHERE status = 'pending' AND version = 1
              AND created_at < clock_timestamp() - {_OVERDUE}""",  # noqa: S608  # our own words
        holds=Holds.WHEN_QUIET,
    ),
    Check(
        "I23",
        "an order number with two payments, or a refund number with two refunds",
        of="payment",
        broken="""
            SELECT app_id, order_no AS number, count(*) AS times FROM payment
            GROUP BY app_id, order_no HAVING count(*) > 1
            UNION ALL
            SELECT app_id, refund_no, count(*) FROM refund
            GROUP BY app_id, refund_no HAVING count(*) > 1""",
    ),
    Check(
        "I33",
        "a refund above the app's limit that went on without a second person",
        of="refund WHERE needs_approval",
        broken="""
            SELECT id AS refund_id, status, requested_by, decided_by FROM refund
            WHERE needs_approval AND (
                (decided_by IS NULL AND status NOT IN ('pending_approval', 'canceled'))
                OR decided_by = requested_by
            )""",
    ),
)
