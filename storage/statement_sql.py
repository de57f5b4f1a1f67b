"""The SQL of one reconciliation run, in the order in which it is run.

One transaction: lines are staged in a temporary table, compared with our rows in one pass, and only
what does not match is written down. Parameters: see `storage.statement_run`.
"""

STAGE = """
CREATE TEMPORARY TABLE staged (
    number integer NOT NULL,
    kind text NOT NULL,
    key text NOT NULL,
    serial text NOT NULL,
    refund_serial text NOT NULL,
    channel_reference text NOT NULL,
    amount_minor bigint NOT NULL,
    fee_minor bigint NOT NULL,
    currency text NOT NULL,
    occurred_at timestamptz NOT NULL
) ON COMMIT DROP
"""

# `key` is what a line and a row of ours are matched by: our number of the payment or refund, and
# for a refund the channel made by itself, which has none, its own.
COPY = """
COPY staged (
    number, kind, key, serial, refund_serial, channel_reference, amount_minor, fee_minor, currency,
    occurred_at
) FROM STDIN
"""

# Ours of the day, and of the days around it, since a line may be on the other side of midnight.
OURS = """
CREATE TEMPORARY TABLE ours ON COMMIT DROP AS
SELECT 'payment' AS kind, serial AS key, serial, '' AS refund_serial,
       coalesce(channel_reference, '') AS channel_reference, payment_id,
       CAST(NULL AS text) AS refund_id, charged_minor AS amount_minor, currency,
       charged_at AS booked_at,
       charged_at >= %(starts_at)s AND charged_at < %(ends_at)s AS in_day
FROM attempt
WHERE account_id = %(account_id)s AND status = 'charged'
  AND charged_at >= %(starts_at)s - interval '1 day' AND charged_at < %(ends_at)s + interval '1 day'
UNION ALL
SELECT 'refund', refund.refund_serial, attempt.serial, refund.refund_serial, '',
       refund.payment_id, refund.id, refund.amount_minor, refund.currency, refund.succeeded_at,
       refund.succeeded_at >= %(starts_at)s AND refund.succeeded_at < %(ends_at)s
FROM refund JOIN attempt ON attempt.id = refund.attempt_id
WHERE attempt.account_id = %(account_id)s AND refund.status = 'succeeded'
  AND refund.succeeded_at >= %(starts_at)s - interval '1 day'
  AND refund.succeeded_at < %(ends_at)s + interval '1 day'
"""

FINDINGS = """
CREATE TEMPORARY TABLE finding (
    class text NOT NULL,
    kind text NOT NULL,
    serial text NOT NULL,
    refund_serial text NOT NULL,
    channel_reference text NOT NULL,
    payment_id text,
    refund_id text,
    currency text NOT NULL,
    line_minor bigint,
    ours_minor bigint,
    fee_minor bigint,
    occurred_at timestamptz NOT NULL,
    detail text NOT NULL,
    status text NOT NULL,
    resolution text
) ON COMMIT DROP
"""

# More than one line for the same thing: the one with the reference we know stays, else the first.
DUPLICATES = """
WITH repeated AS (
    SELECT kind, key FROM staged JOIN (
        SELECT hashtextextended(key, 0) AS hash FROM staged GROUP BY hash HAVING count(*) > 1
    ) AS likely ON hashtextextended(staged.key, 0) = likely.hash
    GROUP BY kind, key HAVING count(*) > 1
), ranked AS (
    SELECT staged.number, ours.payment_id, ours.refund_id, row_number() OVER (
        PARTITION BY staged.kind, staged.key
        ORDER BY (ours.channel_reference = staged.channel_reference) DESC NULLS LAST, staged.number
    ) AS place, count(*) OVER (
        PARTITION BY staged.kind, staged.key, staged.channel_reference
    ) AS copies
    FROM staged JOIN repeated USING (kind, key) LEFT JOIN ours USING (kind, key)
), taken_out AS (
    DELETE FROM staged USING ranked
    WHERE staged.number = ranked.number AND ranked.place > 1
    RETURNING staged.*, ranked.payment_id, ranked.refund_id, ranked.place, ranked.copies
)
INSERT INTO finding
SELECT 'duplicate', kind, serial, refund_serial,
       -- Of the same reference too, only its place tells one copy from the next.
       channel_reference || CASE WHEN copies > 1 THEN '#' || place ELSE '' END,
       payment_id, refund_id, currency, amount_minor, NULL, fee_minor, occurred_at,
       'the statement has it more than once', 'open', NULL
FROM taken_out
"""

# Everything but what matches: a line and a row of this day that agree in all we compare.
COMPARE = """
INSERT INTO finding
SELECT
    CASE
        WHEN l.key IS NULL THEN 'ours_only'
        WHEN o.key IS NULL THEN 'channel_only'
        WHEN l.currency <> o.currency THEN 'currency_diff'
        WHEN l.amount_minor <> o.amount_minor THEN 'amount_diff'
        WHEN NOT o.in_day THEN 'cutoff'
        ELSE 'fee_diff'
    END,
    coalesce(l.kind, o.kind), coalesce(l.serial, o.serial),
    coalesce(l.refund_serial, o.refund_serial),
    coalesce(l.channel_reference, o.channel_reference),
    o.payment_id, o.refund_id, coalesce(l.currency, o.currency),
    l.amount_minor, CASE WHEN o.in_day THEN o.amount_minor END, l.fee_minor,
    coalesce(l.occurred_at, o.booked_at),
    CASE
        WHEN l.key IS NULL THEN 'our books have it and the statement has not'
        WHEN o.key IS NULL THEN 'the statement has it and our books have not'
        WHEN l.currency <> o.currency THEN format('ours is in %%s', o.currency)
        WHEN l.amount_minor <> o.amount_minor THEN 'the amounts differ'
        WHEN NOT o.in_day THEN format('in our books at %%s', to_char(
            o.booked_at AT TIME ZONE %(timezone)s, 'YYYY-MM-DD HH24:MI:SS'))
        ELSE format('agreed are %%s minor units', round(
            l.amount_minor * CAST(%(fee_bps)s AS numeric) / 10000))
    END,
    CASE WHEN o.key IS NOT NULL AND l.key IS NOT NULL
              AND (l.currency, l.amount_minor) = (o.currency, o.amount_minor) THEN 'resolved'
         ELSE 'open' END,
    CASE WHEN o.key IS NULL OR l.key IS NULL
              OR (l.currency, l.amount_minor) <> (o.currency, o.amount_minor) THEN NULL
         WHEN NOT o.in_day THEN 'on_the_neighbouring_day'
         ELSE 'fee_booked' END
FROM staged l FULL JOIN ours o ON o.kind = l.kind AND o.key = l.key
WHERE (l.key IS NOT NULL OR o.in_day)
  AND (
    l.key IS NULL OR o.key IS NULL OR NOT o.in_day
    OR l.amount_minor <> o.amount_minor OR l.currency <> o.currency
    OR (l.kind = 'payment'
        AND abs(l.fee_minor * 10000 - l.amount_minor * CAST(%(fee_bps)s AS bigint))
            > %(fee_tolerance)s * 10000 + 5000)
  )
"""

# A line without a row of these days may still be about something of ours: booked long ago, or
# ordered and, as far as we know, not paid.
_KNOWN = """
UPDATE finding SET
    class = CASE WHEN known.booked_at IS NULL THEN 'status_diff'
                 WHEN agrees THEN 'cutoff' ELSE 'amount_diff' END,
    payment_id = known.payment_id,
    refund_id = known.refund_id,
    detail = CASE WHEN known.booked_at IS NULL THEN format('ours is %%s', known.status)
                  ELSE format('in our books at %%s', to_char(
                      known.booked_at AT TIME ZONE %(timezone)s, 'YYYY-MM-DD HH24:MI:SS')) END,
    status = CASE WHEN known.booked_at IS NOT NULL AND agrees THEN 'resolved' ELSE 'open' END,
    resolution = CASE WHEN known.booked_at IS NOT NULL AND agrees THEN 'on_another_day' END
FROM finding AS same
JOIN {known}
CROSS JOIN LATERAL (SELECT
    (same.currency, same.line_minor) = (known.currency, known.amount_minor) AS agrees
) AS compared
WHERE finding.ctid = same.ctid AND same.class = 'channel_only' AND same.kind = '{kind}'
"""
KNOWN_PAYMENTS = _KNOWN.format(
    kind="payment",
    known="""LATERAL (
    SELECT payment_id, CAST(NULL AS text) AS refund_id, status, charged_at AS booked_at,
           currency, coalesce(charged_minor, amount_minor) AS amount_minor
    FROM attempt
    WHERE (channel, account_id, serial) = (%(channel)s, %(account_id)s, same.serial)
) AS known ON true""",
)
KNOWN_REFUNDS = _KNOWN.format(
    kind="refund",
    known="""LATERAL (
    SELECT refund.payment_id, refund.id AS refund_id, refund.status,
           refund.succeeded_at AS booked_at, refund.currency, refund.amount_minor
    FROM refund JOIN attempt ON attempt.id = refund.attempt_id
    WHERE refund.refund_serial = same.refund_serial AND attempt.account_id = %(account_id)s
) AS known ON true""",
)

# Ours without a line: on an earlier day's statement, or to be looked for in the next one's.
SETTLE_OURS = """
UPDATE finding SET
    class = CASE WHEN early.id IS NOT NULL OR near.midnight THEN 'cutoff' ELSE 'ours_only' END,
    status = CASE WHEN early.id IS NOT NULL THEN 'resolved' ELSE 'carried' END,
    resolution = CASE WHEN early.id IS NOT NULL THEN 'on_the_neighbouring_day' END,
    detail = CASE WHEN early.id IS NOT NULL
                  THEN format('on the statement of %%s', early.business_day)
                  ELSE finding.detail END
FROM finding AS same
CROSS JOIN LATERAL (SELECT
    same.occurred_at < %(starts_at)s + CAST(%(cutoff)s AS interval)
    OR same.occurred_at >= %(ends_at)s - CAST(%(cutoff)s AS interval) AS midnight
) AS near
LEFT JOIN LATERAL (
    SELECT id, business_day FROM discrepancy
    WHERE (account_id, kind, serial, refund_serial)
        = (%(account_id)s, same.kind, same.serial, same.refund_serial)
      AND line_minor IS NOT NULL AND class <> 'duplicate' AND business_day <> %(day)s
    ORDER BY business_day LIMIT 1
) AS early ON true
WHERE finding.class = 'ours_only' AND same.ctid = finding.ctid
"""

# What was carried to today from the days before is resolved by a line of today, or stays open.
CARRIED = """
WITH moved AS (
    UPDATE discrepancy SET
        class = CASE WHEN found.yes THEN same.class ELSE 'ours_only' END,
        status = CASE WHEN found.yes THEN 'resolved' ELSE 'open' END,
        resolution = CASE WHEN found.yes THEN 'matched_next_day' END,
        version = same.version + 1,
        updated_at = %(now)s
    FROM discrepancy AS same
    CROSS JOIN LATERAL (SELECT EXISTS (
        SELECT FROM finding
        WHERE (finding.kind, finding.serial, finding.refund_serial)
            = (same.kind, same.serial, same.refund_serial) AND finding.line_minor IS NOT NULL
    ) AS yes) AS found
    WHERE same.id = discrepancy.id AND same.account_id = %(account_id)s
      AND same.ours_minor IS NOT NULL AND same.line_minor IS NULL
      AND same.business_day < %(day)s
      AND CASE WHEN found.yes THEN same.status IN ('carried', 'open')
               ELSE same.status = 'carried' AND same.business_day = %(day)s - 1 END
    RETURNING discrepancy.id, discrepancy.version, discrepancy.app_id, discrepancy.status,
              same.status AS before
)
INSERT INTO discrepancy_transition (
    discrepancy_id, version, app_id, from_status, to_status, by, detail, at
)
SELECT id, version, app_id, before, status, %(reconciliation_id)s,
       'looked for on the statement of ' || %(day)s, %(now)s
FROM moved
"""

# What an earlier run of this day found and this one does not was mended, here or there.
MENDED = """
WITH moved AS (
    UPDATE discrepancy SET
        status = 'resolved', resolution = 'found_in_order', version = same.version + 1,
        updated_at = %(now)s
    FROM discrepancy AS same
    WHERE same.id = discrepancy.id AND same.reconciliation_id = %(reconciliation_id)s
      AND same.status IN ('open', 'carried')
      AND NOT EXISTS (
          SELECT FROM finding
          WHERE (finding.kind, finding.serial, finding.refund_serial, finding.channel_reference)
              = (same.kind, same.serial, same.refund_serial, same.channel_reference)
            AND finding.status <> 'resolved'
      )
    RETURNING discrepancy.id, discrepancy.version, discrepancy.app_id, same.status AS before
)
INSERT INTO discrepancy_transition (
    discrepancy_id, version, app_id, from_status, to_status, by, detail, at
)
SELECT id, version, app_id, before, 'resolved', %(reconciliation_id)s,
       'not found again by a later run', %(now)s
FROM moved
"""

# The id is made from what the discrepancy is about, so a second run writes nothing twice. Hex
# digits are digits of a ULID too.
KEEP = """
WITH kept AS (
    INSERT INTO discrepancy (
        id, reconciliation_id, app_id, account_id, channel, business_day, class, kind, serial,
        refund_serial, channel_reference, payment_id, refund_id, currency, line_minor, ours_minor,
        fee_minor, occurred_at, detail, status, version, resolution, created_at, updated_at
    )
    SELECT 'dis_0' || substr(upper(md5(concat_ws('|', CAST(%(account_id)s AS text),
               CAST(%(day)s AS text), kind, serial, refund_serial, channel_reference))), 1, 25),
           %(reconciliation_id)s, %(app_id)s, %(account_id)s, %(channel)s, %(day)s, class, kind,
           serial, refund_serial, channel_reference, payment_id, refund_id, currency, line_minor,
           ours_minor, fee_minor, occurred_at, detail, status, 1, resolution, %(now)s, %(now)s
    FROM finding
    ON CONFLICT (account_id, business_day, kind, serial, refund_serial, channel_reference)
    DO UPDATE SET
        class = excluded.class, status = excluded.status, resolution = excluded.resolution,
        detail = excluded.detail, line_minor = excluded.line_minor,
        ours_minor = excluded.ours_minor, version = discrepancy.version + 1,
        updated_at = excluded.updated_at
    -- Only what was in order meanwhile is found anew; all else stays as people and runs left it.
    WHERE discrepancy.resolution = 'found_in_order' AND excluded.status <> 'resolved'
    RETURNING id, version, app_id, status
)
INSERT INTO discrepancy_transition (
    discrepancy_id, version, app_id, to_status, by, detail, at
)
SELECT id, version, app_id, status, %(reconciliation_id)s, 'found', %(now)s FROM kept
"""

TOTALS = """
SELECT kind, currency,
       sum(statement_count), sum(statement_minor), sum(fees_minor),
       sum(ours_count), sum(ours_minor), sum(difference_minor)
FROM (
    SELECT kind, currency, count(*) AS statement_count, sum(amount_minor) AS statement_minor,
           sum(fee_minor) AS fees_minor, 0 AS ours_count, 0 AS ours_minor, 0 AS difference_minor
    FROM staged GROUP BY kind, currency
    UNION ALL
    SELECT kind, currency, count(*), sum(line_minor), sum(fee_minor), 0, 0, 0
    FROM finding WHERE class = 'duplicate' GROUP BY kind, currency
    UNION ALL
    SELECT kind, currency, 0, 0, 0, count(*), sum(amount_minor), 0
    FROM ours WHERE in_day GROUP BY kind, currency
    UNION ALL
    SELECT kind, currency, 0, 0, 0, 0, 0, coalesce(line_minor, 0)
           - CASE WHEN class = 'currency_diff' THEN 0 ELSE coalesce(ours_minor, 0) END
    FROM finding
    UNION ALL
    SELECT finding.kind, ours.currency, 0, 0, 0, 0, 0, -finding.ours_minor
    FROM finding JOIN ours
      ON (ours.kind, ours.serial, ours.refund_serial)
       = (finding.kind, finding.serial, finding.refund_serial)
    WHERE finding.class = 'currency_diff' AND ours.in_day
) AS parts
GROUP BY kind, currency
ORDER BY kind, currency
"""

CLASSES = "SELECT class, count(*) FROM finding GROUP BY class"
MATCHED = """
SELECT (SELECT count(*) FROM staged)
     - (SELECT count(*) FROM finding WHERE line_minor IS NOT NULL AND class <> 'duplicate')
"""
UNRESOLVED = """
SELECT count(*) FROM discrepancy
WHERE reconciliation_id = %(reconciliation_id)s AND status <> 'resolved'
"""

FINISH = """
UPDATE reconciliation SET
    status = CASE WHEN %(unresolved)s = 0 THEN 'balanced' ELSE 'discrepancies' END,
    statement_source = %(source)s, statement_sha256 = %(sha256)s, statement_bytes = %(bytes)s,
    result = %(result)s, failure_code = NULL, failure_detail = NULL, finished_at = %(now)s
WHERE id = %(reconciliation_id)s AND status <> 'signed_off'
"""
