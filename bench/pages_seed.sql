-- A business of ninety days, for `bench.pages`: :payments payments of 51 merchants and 5 apps, with
-- everything that lies beside them. In which state a payment is follows from its number alone; what
-- is still open, or waits for somebody, is among the newest and does not grow with the business.
-- Half of all payments belong to one merchant, and few to another.

SET synchronous_commit = off;
SET work_mem = '256MB';

CREATE FUNCTION bench_base32(value bigint, digits integer) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT string_agg(
        substr('0123456789ABCDEFGHJKMNPQRSTVWXYZ', ((value >> (5 * place)) & 31)::integer + 1, 1),
        '' ORDER BY place DESC)
    FROM generate_series(0, digits - 1) AS place
$$;

-- Who we work for ----------------------------------------------------------------------------------

INSERT INTO app (id, name, status, webhook_url, webhook_secret, late_success, return_urls, created_at)
SELECT 'app_01BENCH' || lpad(n::text, 19, '0'), 'App ' || n, 'active', 'https://hooks.example/' || n,
       '', 'ask', '{}', now() - interval '91 days'
FROM generate_series(1, 5) AS n;
INSERT INTO merchant (id, app_id, name, status, created_at)
SELECT 'mer_01BENCH' || lpad(n::text, 19, '0'), 'app_01BENCH' || lpad((1 + n % 5)::text, 19, '0'),
       'Merchant ' || n, 'active', now() - interval '91 days'
FROM generate_series(1, 51) AS n;
INSERT INTO channel_account (
    id, app_id, merchant_id, channel, version, status, methods, fee_bps, parameters, secrets, created_at
)
SELECT 'acc_01BENCH' || lpad((2 * n + side)::text, 19, '0'),
       'app_01BENCH' || lpad((1 + n % 5)::text, 19, '0'), 'mer_01BENCH' || lpad(n::text, 19, '0'),
       channel, 1, 'active', methods, 60, '{}', '', now() - interval '91 days'
FROM generate_series(1, 51) AS n,
     (VALUES (0, 'alipay', '{alipay_qr,alipay_page}'::text[]),
             (1, 'stripe', '{stripe_checkout}')) AS sides (side, channel, methods);
INSERT INTO api_key (id, secret_hash, role, app_id, name, created_at)
SELECT '01BENCH' || lpad(n::text, 19, '0'), sha256(n::text::bytea), 'app',
       'app_01BENCH' || lpad((1 + n % 5)::text, 19, '0'), 'key ' || n, now() - interval '91 days'
FROM generate_series(1, 50) AS n;

-- What each payment is -----------------------------------------------------------------------------

CREATE UNLOGGED TABLE bench_seed AS
SELECT numbered.*, last_of.*,
       status = 'succeeded' AND r % 10 = 3 AS is_second,
       'app_01BENCH' || lpad((1 + m % 5)::text, 19, '0') AS app,
       'mer_01BENCH' || lpad(m::text, 19, '0') AS merchant,
       'acc_01BENCH' || lpad((2 * m + (i % 3 = 0)::integer)::text, 19, '0') AS account,
       CASE WHEN i % 3 = 0 THEN 'stripe' ELSE 'alipay' END AS channel,
       CASE WHEN i % 3 = 0 THEN 'USD' ELSE 'CNY' END AS currency,
       CASE WHEN i % 3 = 0 THEN 'stripe_checkout' ELSE 'alipay_qr' END AS method,
       CASE WHEN r = 993 AND status = 'requires_action' OR i % 4 = 0
            THEN md5(i::text) || left(md5('desk' || i), 11) END AS token,
       CASE WHEN status IN ('succeeded', 'partially_captured') OR is_late
            THEN minor - (status = 'partially_captured')::integer END AS taken,
       CASE WHEN status IN ('succeeded', 'partially_captured') OR is_late THEN 'charged'
            WHEN status IN ('failed', 'expired') THEN status WHEN status = 'canceled' THEN 'voided'
            WHEN status IN ('processing', 'review') THEN 'unknown'
            WHEN status = 'requires_capture' THEN 'authorized'
            WHEN r = 994 THEN 'pending' END AS attempt_status
FROM (
    SELECT i, (i * 7919) % 1000 AS r, at,
           CASE WHEN i % 50000 = 7 THEN 51 WHEN i % 2 = 0 THEN 1 ELSE 1 + (i / 2) % 50 END AS m,
           bench_base32((extract(epoch FROM at) * 1000)::bigint, 10) || lpad(i::text, 16, '0') AS u,
           100 + (i * 37) % 99900 AS minor,
           (2 + (i * 7919) % 90) * interval '1 second' AS took
    FROM (
        SELECT n::bigint AS i, now() - n * (interval '90 days' / :payments) AS at
        FROM generate_series(1, :payments) AS n
    ) AS placed
) AS numbered, LATERAL (
    SELECT CASE
        WHEN r BETWEEN 860 AND 929 THEN 'failed' WHEN r BETWEEN 930 AND 984 THEN 'expired'
        WHEN r BETWEEN 985 AND 991 THEN 'canceled' WHEN r = 992 THEN 'partially_captured'
        WHEN i > greatest(1000, :payments / 50) THEN 'succeeded'
        WHEN r IN (993, 994) THEN 'requires_action' WHEN r = 995 THEN 'processing'
        WHEN r = 996 THEN 'review' WHEN r = 997 THEN 'expired' WHEN r = 999 THEN 'requires_capture'
        ELSE 'succeeded' END AS status,
        r = 997 AND i <= greatest(1000, :payments / 50) AS is_late
) AS last_of;
ANALYZE bench_seed;

INSERT INTO payment (
    id, app_id, merchant_id, order_no, amount_minor, currency, method, subject, capture_method,
    status, version, notified, late_success, fingerprint, request_id, created_at, updated_at,
    expires_at, initiate_by, succeeded_at, captured_minor, attempt_status, checkout_token,
    failure_code, failure_detail, next_action
)
SELECT 'pay_' || u, app, merchant, 'order-' || i, minor, currency,
       CASE WHEN token IS NULL THEN method END, 'Two tickets',
       CASE WHEN status IN ('partially_captured', 'requires_capture') THEN 'manual' ELSE 'automatic' END,
       status, 3, 1, 'ask', md5(u), 'req_' || u, at, at + took,
       CASE WHEN status = 'requires_action' THEN now() + interval '7 days' ELSE at + interval '15 minutes' END,
       at + interval '1 minute',
       CASE WHEN status IN ('succeeded', 'partially_captured') THEN at + took END, taken,
       attempt_status, token,
       CASE WHEN status = 'failed' THEN 'insufficient_funds' END,
       CASE WHEN status = 'failed' THEN 'the payer has too little' END,
       CASE WHEN status = 'requires_action' AND token IS NOT NULL
            THEN jsonb_build_object('type', 'redirect', 'url', ':public_url/checkout/' || token) END
FROM bench_seed;

INSERT INTO attempt (
    id, app_id, payment_id, number, method, serial, channel, account_id, account_version, fee_bps,
    status, amount_minor, currency, channel_reference, created_at, updated_at, charged_at,
    charged_minor, surplus
)
SELECT 'att_' || u || '0' || number, app, 'pay_' || u, number, method, u || '0' || number, channel,
       account, 1, 60, attempt.status, minor, currency,
       CASE WHEN attempt.status NOT IN ('failed', 'unknown') THEN 'ref' || i || '-' || number END,
       at, at + took,
       CASE WHEN attempt.status = 'charged' THEN at + took END,
       CASE WHEN attempt.status = 'charged' THEN taken END, is_surplus
FROM bench_seed, LATERAL (
    SELECT 1 AS number, CASE WHEN is_second THEN 'failed' ELSE attempt_status END AS status,
           false AS is_surplus
    WHERE attempt_status IS NOT NULL
    UNION ALL
    SELECT 2, 'charged', r = 998 WHERE is_second OR r = 998 AND i <= greatest(1000, :payments / 50)
) AS attempt;

INSERT INTO payment_transition (
    payment_id, version, app_id, from_status, to_status, attempt_status, evidence_kind,
    evidence_reference, evidence_detail, at
)
SELECT 'pay_' || u, version, app, from_status, to_status, attempt, evidence, u || '01', '', moved_at
FROM bench_seed, LATERAL (VALUES
    (1, NULL, 'created', NULL, 'order', at),
    (2, 'created', 'requires_action', 'pending', 'answer', at + interval '1 second'),
    (3, 'requires_action', status, attempt_status, 'callback', at + took)
) AS moves (version, from_status, to_status, attempt, evidence, moved_at);
INSERT INTO verdict
SELECT 'pay_' || u, 1, 'routing', app, true, 'rules-1', '{}', at FROM bench_seed;
INSERT INTO exchange (
    app_id, payment_id, serial, operation, request, response, http_status, started_at, duration_ms
)
SELECT app, 'pay_' || u, u || '01', 'pay', repeat('what was asked ', 20), repeat('what was said ', 20),
       200, at, 120
FROM bench_seed;

-- The inbox and the outbox -------------------------------------------------------------------------

INSERT INTO callback (
    id, channel, account_id, channel_event_id, serial, outcome, channel_reference, match, app_id,
    payment_id, expected_minor, expected_currency, headers, body, received_at, handled_at
)
SELECT 'cb_' || u, channel, account, 'event-' || i, u || '01',
       jsonb_build_object('kind', 'approved', 'channel_reference', 'ref' || i, 'money',
                          jsonb_build_object('amount_minor', minor, 'currency', currency)),
       'ref' || i, match, CASE WHEN match <> 'parked' THEN app END,
       CASE WHEN match <> 'parked' THEN 'pay_' || u END,
       CASE WHEN match = 'disputed' THEN minor + 1 END,
       CASE WHEN match = 'disputed' THEN currency END,
       '{"content-type": "application/x-www-form-urlencoded"}', repeat('body ', 60)::bytea, at + took,
       CASE WHEN match = 'matched' AND (r <> 500 OR (i / 1000) % 10 > 0) THEN at + took END
FROM bench_seed, LATERAL (
    SELECT CASE WHEN r = 501 THEN 'parked' WHEN r = 502 AND (i / 1000) % 2 = 0 THEN 'disputed'
                ELSE 'matched' END AS match
) AS matched
WHERE status = 'succeeded';
INSERT INTO rejected_callback (id, channel, account_id, reason, headers, body, body_length, received_at)
SELECT 'cb_' || left(u, 25) || 'Z', channel, account, 'the signature is not right', '{}',
       repeat('body ', 60)::bytea, 300, at
FROM bench_seed WHERE i % 200 = 3;
INSERT INTO notification (
    id, app_id, object_id, sequence, type, body, created_at, status, attempts, next_attempt_at,
    delivered_at, last_error
)
SELECT 'ntf_' || u || '01', app, 'pay_' || u, 1, 'payment.' || status,
       json_build_object('type', 'payment.' || status, 'timestamp', at + took,
                         'data', json_build_object('id', 'pay_' || u, 'status', status))::text,
       at + took, CASE WHEN is_due THEN 'due' ELSE 'delivered' END, CASE WHEN is_due THEN 4 ELSE 1 END,
       CASE WHEN is_due THEN now() + interval '1 hour' END, CASE WHEN NOT is_due THEN at + took END,
       CASE WHEN is_due THEN 'HTTP 503' END
FROM bench_seed, LATERAL (SELECT i <= 1000 AND i % 20 = 1 AS is_due) AS due
WHERE status IN ('succeeded', 'partially_captured', 'failed', 'expired', 'canceled');

-- The books ----------------------------------------------------------------------------------------

INSERT INTO ledger_account (kind, owner, currency)
SELECT DISTINCT '1101', account, currency FROM bench_seed
UNION ALL SELECT DISTINCT '2101', merchant, currency FROM bench_seed
UNION ALL SELECT '4101', '', unnest(ARRAY['CNY', 'USD']);
INSERT INTO ledger_transaction (
    id, event_type, event_id, app_id, payment_id, content_hash, occurred_at, posted_at
)
SELECT 'ltx_capture_' || u, 'payment.captured', 'att_' || u || CASE WHEN is_second THEN '02' ELSE '01' END,
       app, 'pay_' || u, sha256(u::bytea), at + took, at + took
FROM bench_seed WHERE taken IS NOT NULL AND NOT is_late;
INSERT INTO ledger_entry (ledger_transaction_id, ledger_account_id, amount_minor, currency, occurred_at)
SELECT 'ltx_capture_' || u, ledger_account.id, leg.minor, leg.currency, at + took
FROM (SELECT *, greatest(1, taken * 60 / 10000) AS fee FROM bench_seed
      WHERE taken IS NOT NULL AND NOT is_late) AS paid, LATERAL (VALUES
    ('1101', account, taken - fee, paid.currency), ('2101', merchant, fee - taken, paid.currency),
    ('1101', account, fee, paid.currency), ('4101', '', -fee, paid.currency)
) AS leg (kind, owner, minor, currency)
JOIN ledger_account ON (ledger_account.kind, ledger_account.owner, ledger_account.currency)
    = (leg.kind, leg.owner, leg.currency);

-- Refunds ------------------------------------------------------------------------------------------

INSERT INTO refund (
    id, app_id, payment_id, attempt_id, refund_no, refund_serial, amount_minor, currency, reason,
    funding, requested_by, needs_approval, fingerprint, status, version, notified, created_at,
    updated_at, succeeded_at
)
SELECT 'ref_' || u, app, 'pay_' || u, 'att_' || u || CASE WHEN is_second THEN '02' ELSE '01' END,
       'refund-' || i, u, minor / 2, currency, 'sent back', 'merchant', '01BENCH0000000000000000001',
       is_waiting, md5(u), CASE WHEN is_waiting THEN 'pending_approval' ELSE 'succeeded' END,
       CASE WHEN is_waiting THEN 1 ELSE 2 END, 1, at + interval '1 hour', at + interval '2 hours',
       CASE WHEN NOT is_waiting THEN at + interval '2 hours' END
FROM bench_seed, LATERAL (SELECT r NOT BETWEEN 10 AND 29 AND i % 50 = 9 AND i <= 1500 AS is_waiting)
    AS waits
WHERE status = 'succeeded' AND (r BETWEEN 10 AND 29 OR is_waiting);
INSERT INTO refund_transition (
    refund_id, version, app_id, from_status, to_status, evidence_kind, evidence_reference,
    evidence_detail, at
)
SELECT refund.id, move.version, app_id, from_status, to_status, evidence, '', '', created_at
FROM refund, (VALUES (1, NULL, 'pending', 'order'), (2, 'pending', 'succeeded', 'callback'))
    AS move (version, from_status, to_status, evidence)
WHERE move.version <= refund.version;

-- Reconciliation -----------------------------------------------------------------------------------

CREATE UNLOGGED TABLE bench_wrong AS
SELECT *, (at + took)::date AS day, row_number() OVER (ORDER BY i) AS wrong_number FROM bench_seed
WHERE status = 'succeeded' AND i % least(500, greatest(20, :payments / 50)) = 11 AND at < now() - interval '2 days';
INSERT INTO reconciliation (
    id, app_id, account_id, channel, business_day, timezone, status, runs, statement_source, result,
    requested_by, created_at, finished_at
)
SELECT 'rec_01BENCH' || lpad(row_number() OVER (ORDER BY day, account.id)::text, 19, '0'),
       account.app_id, account.id, account.channel, day, 'Asia/Shanghai',
       CASE WHEN EXISTS (SELECT FROM bench_wrong WHERE bench_wrong.account = account.id
                         AND bench_wrong.day = days.day) THEN 'discrepancies' ELSE 'balanced' END,
       1, 'fetched', json_build_object(
           'lines', 100, 'matched', 99, 'totals', '[]'::json, 'classes', '{}'::json, 'seconds', 1,
           'rules', '{}'::json),
       'schedule', day + interval '33 hours', day + interval '33 hours'
FROM channel_account AS account,
     LATERAL (SELECT (now() - n * interval '1 day')::date AS day FROM generate_series(1, 90) AS n) AS days;
INSERT INTO discrepancy (
    id, reconciliation_id, app_id, account_id, channel, business_day, class, kind, serial,
    refund_serial, channel_reference, payment_id, currency, line_minor, ours_minor, fee_minor,
    occurred_at, detail, status, version, resolution, action, reason, proposed_by, created_at, updated_at
)
SELECT 'dis_' || u, reconciliation.id, app, account, bench_wrong.channel, day, 'amount_diff', 'payment',
       u || '01', '', 'ref' || i, 'pay_' || u, currency, minor + 1, minor, 0, at + took,
       'the amounts differ', stands.status, 1,
       CASE WHEN stands.status = 'resolved' THEN 'found_in_order' END,
       CASE WHEN stands.status = 'awaiting_approval' THEN 'suspense' END,
       CASE WHEN stands.status = 'awaiting_approval' THEN 'to be looked into' END,
       CASE WHEN stands.status = 'awaiting_approval' THEN '01BENCH0000000000000000001' END,
       reconciliation.created_at, reconciliation.created_at
FROM bench_wrong
JOIN reconciliation ON reconciliation.account_id = account AND business_day = day,
LATERAL (SELECT CASE WHEN wrong_number <= 25 THEN 'awaiting_approval'
                     WHEN wrong_number % 10 = 2 THEN 'open' ELSE 'resolved' END AS status) AS stands;
INSERT INTO discrepancy_transition (discrepancy_id, version, app_id, to_status, by, detail, at)
SELECT id, 1, app_id, status, reconciliation_id, detail, created_at FROM discrepancy;

DROP TABLE bench_seed, bench_wrong;
DROP FUNCTION bench_base32;
