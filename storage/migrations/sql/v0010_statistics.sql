-- What happened, in slots of ten minutes -----------------------------------------------------------

-- An attempt ended when it took money, or when it moved for the last time.
CREATE INDEX attempt_ended ON attempt (coalesce(charged_at, updated_at))
    WHERE status IN ('charged', 'failed', 'voided', 'expired', 'not_sent');

-- Filled from attempts that ended, again and again: nothing in here is more than arithmetic.
CREATE TABLE statistics_slot (
    slot timestamptz NOT NULL,
    channel text NOT NULL,
    currency text NOT NULL,
    succeeded bigint NOT NULL,
    succeeded_minor bigint NOT NULL,
    ended bigint NOT NULL,
    not_sent bigint NOT NULL,
    -- How many succeeded within each of the durations that the code knows, and beyond the last.
    durations bigint[] NOT NULL,
    PRIMARY KEY (slot, channel, currency)
);

-- One row: slots before `counted_until` are there, and were looked through again at `reviewed_at`.
CREATE TABLE statistics_mark (
    is_the_one boolean PRIMARY KEY DEFAULT true
        CONSTRAINT statistics_mark_is_the_one CHECK (is_the_one),
    counted_until timestamptz NOT NULL,
    reviewed_at timestamptz NOT NULL
);
INSERT INTO statistics_mark (counted_until, reviewed_at) VALUES ('epoch', 'epoch');

-- What waits for somebody ------------------------------------------------------------------------

CREATE INDEX refund_waiting ON refund (created_at) WHERE status = 'pending_approval';

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'paycenter_app') THEN
        GRANT SELECT, INSERT, DELETE ON statistics_slot TO paycenter_app;
        GRANT SELECT, UPDATE ON statistics_mark TO paycenter_app;
    END IF;
END $$;

-- What every ledger account adds up to -----------------------------------------------------------

CREATE INDEX ledger_transaction_posted ON ledger_transaction (posted_at);

-- Everything that was posted before `added_until`, added up. The entries stay what counts.
CREATE TABLE ledger_total (
    ledger_account_id bigint PRIMARY KEY REFERENCES ledger_account (id),
    debit_minor bigint NOT NULL,
    credit_minor bigint NOT NULL
);
CREATE TABLE ledger_total_mark (
    is_the_one boolean PRIMARY KEY DEFAULT true
        CONSTRAINT ledger_total_mark_is_the_one CHECK (is_the_one),
    added_until timestamptz NOT NULL
);
INSERT INTO ledger_total_mark (added_until) VALUES ('epoch');

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'paycenter_app') THEN
        GRANT SELECT, INSERT, UPDATE ON ledger_total TO paycenter_app;
        GRANT SELECT, UPDATE ON ledger_total_mark TO paycenter_app;
    END IF;
END $$;
