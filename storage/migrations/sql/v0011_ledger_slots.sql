-- Accounts that are read from a moment on -------------------------------------------------------

-- When it happened, on every entry: an account is read from a moment on, in the order of moments.
ALTER TABLE ledger_entry ADD COLUMN occurred_at timestamptz;
ALTER TABLE ledger_entry DISABLE TRIGGER ledger_entry_kept;
UPDATE ledger_entry SET occurred_at = ledger_transaction.occurred_at
FROM ledger_transaction WHERE ledger_transaction.id = ledger_entry.ledger_transaction_id;
ALTER TABLE ledger_entry ENABLE TRIGGER ledger_entry_kept;
ALTER TABLE ledger_entry ALTER COLUMN occurred_at SET NOT NULL;
DROP INDEX ledger_entry_of_an_account;
CREATE INDEX ledger_entry_of_an_account ON ledger_entry (ledger_account_id, occurred_at, id)
    INCLUDE (amount_minor);

-- As before (v0001), with the moment on each entry.
CREATE OR REPLACE FUNCTION post_ledger_transaction(posting jsonb) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    about_type text := posting ->> 'event_type';
    about_id text := posting ->> 'event_id';
    new_hash bytea := sha256(convert_to(
        jsonb_build_array(posting -> 'app_id', posting -> 'postings')::text, 'UTF8'));
    already bytea;
BEGIN
    INSERT INTO ledger_transaction
        (id, event_type, event_id, app_id, payment_id, content_hash, occurred_at)
    VALUES (
        posting ->> 'id', about_type, about_id, posting ->> 'app_id',
        coalesce(
            posting ->> 'payment_id',
            (SELECT id FROM payment WHERE id = about_id),
            (SELECT payment_id FROM attempt WHERE id = about_id),
            (SELECT payment_id FROM callback WHERE id = about_id)
        ),
        new_hash, (posting ->> 'occurred_at')::timestamptz
    )
    ON CONFLICT (event_type, event_id) DO NOTHING;
    IF NOT found THEN
        SELECT content_hash INTO already FROM ledger_transaction
        WHERE event_type = about_type AND event_id = about_id;
        IF already IS DISTINCT FROM new_hash THEN
            RAISE '% of % was posted before with other content', about_type, about_id
                USING ERRCODE = 'check_violation';
        END IF;
        RETURN false;
    END IF;

    -- Sorted, so that two postings that open the same accounts wait for each other in one order.
    INSERT INTO ledger_account (kind, owner, currency)
    SELECT DISTINCT kind, owner, currency FROM ledger_legs_of(posting) leg
    WHERE NOT EXISTS (
        SELECT FROM ledger_account known
        WHERE (known.kind, known.owner, known.currency) = (leg.kind, leg.owner, leg.currency))
    ORDER BY kind, owner, currency
    ON CONFLICT (kind, owner, currency) DO NOTHING;

    INSERT INTO ledger_entry
        (ledger_transaction_id, ledger_account_id, amount_minor, currency, occurred_at)
    SELECT posting ->> 'id', known.id, leg.amount_minor, leg.currency,
           (posting ->> 'occurred_at')::timestamptz
    FROM ledger_legs_of(posting) leg
    JOIN ledger_account known USING (kind, owner, currency)
    ORDER BY leg.leg_number;
    IF NOT found THEN
        RAISE '% of % has no entries', about_type, about_id USING ERRCODE = 'check_violation';
    END IF;
    RETURN true;
END $$;

-- Everything that was posted before `added_until`, added up by quarters of an hour in which it
-- happened, since every time zone's days begin with one. `channel_account` is the account whose
-- clearing stands in the same ledger transaction. The entries stay what counts.
CREATE TABLE ledger_slot (
    ledger_account_id bigint NOT NULL REFERENCES ledger_account (id),
    slot timestamptz NOT NULL,
    event_type text NOT NULL,
    channel_account text NOT NULL,
    transactions bigint NOT NULL,
    debit_minor bigint NOT NULL,
    credit_minor bigint NOT NULL,
    PRIMARY KEY (ledger_account_id, slot, event_type, channel_account)
);
-- What is kept of all times (v0010) is added up anew together with it.
TRUNCATE ledger_total;
UPDATE ledger_total_mark SET added_until = 'epoch';

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'paycenter_app') THEN
        GRANT SELECT, INSERT, UPDATE ON ledger_slot TO paycenter_app;
    END IF;
END $$;
