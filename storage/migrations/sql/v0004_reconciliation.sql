-- Reconciliation --------------------------------------------------------------------------------

-- What the channel is agreed to take of a payment; null is not compared.
ALTER TABLE channel_account ADD COLUMN channel_fee_bps integer
    CONSTRAINT channel_account_channel_fee_is_a_share CHECK (channel_fee_bps BETWEEN 0 AND 10000);

-- When an attempt took money and how much, so that an account's day is one range of one index.
ALTER TABLE attempt
    ADD COLUMN charged_at timestamptz,
    ADD COLUMN charged_minor bigint;
UPDATE attempt SET
    charged_at = coalesce(payment.succeeded_at, attempt.updated_at),
    charged_minor = coalesce(payment.captured_minor, attempt.amount_minor)
FROM payment WHERE payment.id = attempt.payment_id AND attempt.status = 'charged';
ALTER TABLE attempt
    ADD CONSTRAINT attempt_charged_whole CHECK (
        (status = 'charged') = (charged_at IS NOT NULL)
        AND (status = 'charged') = (charged_minor IS NOT NULL)
    ),
    ADD CONSTRAINT attempt_charged_within_amount CHECK (charged_minor BETWEEN 1 AND amount_minor);
CREATE INDEX attempt_charged_of_an_account ON attempt (account_id, charged_at)
    WHERE status = 'charged';
CREATE INDEX refund_succeeded ON refund (succeeded_at) WHERE status = 'succeeded';

CREATE TABLE reconciliation (
    id text PRIMARY KEY,
    app_id text NOT NULL,
    account_id text NOT NULL,
    channel text NOT NULL,
    business_day date NOT NULL,
    timezone text NOT NULL,
    status text NOT NULL CONSTRAINT reconciliation_status_known CHECK (status IN (
        'running', 'balanced', 'discrepancies', 'failed', 'signed_off'
    )),
    runs integer NOT NULL CONSTRAINT reconciliation_runs_not_negative CHECK (runs >= 0),
    statement_source text CONSTRAINT reconciliation_source_known
        CHECK (statement_source IN ('fetched', 'uploaded', 'empty')),
    statement_sha256 text,
    statement_bytes bigint,
    result jsonb,
    failure_code text,
    failure_detail text,
    requested_by text NOT NULL,
    created_at timestamptz NOT NULL,
    finished_at timestamptz,
    signed_off_by text,
    signed_off_at timestamptz,
    CONSTRAINT reconciliation_of_its_app UNIQUE (app_id, id),
    CONSTRAINT reconciliation_once_a_day UNIQUE (account_id, business_day),
    CONSTRAINT reconciliation_account_of_the_app
        FOREIGN KEY (app_id, account_id) REFERENCES channel_account (app_id, id),
    CONSTRAINT reconciliation_failure_whole
        CHECK ((status = 'failed') = (failure_code IS NOT NULL)
               AND (failure_code IS NULL) = (failure_detail IS NULL)),
    CONSTRAINT reconciliation_good_run_has_a_result
        CHECK (status NOT IN ('balanced', 'discrepancies', 'signed_off') OR result IS NOT NULL),
    CONSTRAINT reconciliation_signed_off_whole
        CHECK ((status = 'signed_off') = (signed_off_by IS NOT NULL)
               AND (signed_off_by IS NULL) = (signed_off_at IS NULL))
);
CREATE INDEX reconciliation_newest ON reconciliation (business_day DESC, id DESC);
CREATE INDEX reconciliation_newest_of_an_app ON reconciliation (app_id, business_day DESC, id DESC);

-- One row for each line, or row of ours, that does not match; matches are only counted.
CREATE TABLE discrepancy (
    id text PRIMARY KEY,
    reconciliation_id text NOT NULL,
    app_id text NOT NULL,
    account_id text NOT NULL,
    channel text NOT NULL,
    business_day date NOT NULL,
    class text NOT NULL CONSTRAINT discrepancy_class_known CHECK (class IN (
        'channel_only', 'ours_only', 'amount_diff', 'currency_diff', 'status_diff', 'fee_diff',
        'duplicate', 'cutoff'
    )),
    kind text NOT NULL CONSTRAINT discrepancy_kind_known CHECK (kind IN ('payment', 'refund')),
    serial text NOT NULL,
    refund_serial text NOT NULL,
    channel_reference text NOT NULL,
    payment_id text,
    refund_id text REFERENCES refund (id),
    currency text NOT NULL,
    -- What the statement says and what our books of this day say; null: nothing.
    line_minor bigint,
    ours_minor bigint,
    fee_minor bigint,
    occurred_at timestamptz NOT NULL,
    detail text NOT NULL,
    status text NOT NULL CONSTRAINT discrepancy_status_known CHECK (status IN (
        'open', 'carried', 'awaiting_approval', 'approved', 'resolved'
    )),
    version integer NOT NULL CONSTRAINT discrepancy_version_positive CHECK (version > 0),
    resolution text,
    action text CONSTRAINT discrepancy_action_known
        CHECK (action IN ('book', 'suspense', 'write_off', 'dismiss')),
    reason text,
    proposed_by text,
    decided_by text,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    CONSTRAINT discrepancy_of_its_app UNIQUE (app_id, id),
    CONSTRAINT discrepancy_once
        UNIQUE (account_id, business_day, kind, serial, refund_serial, channel_reference),
    CONSTRAINT discrepancy_reconciliation_of_the_app
        FOREIGN KEY (app_id, reconciliation_id) REFERENCES reconciliation (app_id, id),
    CONSTRAINT discrepancy_payment_of_the_app
        FOREIGN KEY (app_id, payment_id) REFERENCES payment (app_id, id),
    CONSTRAINT discrepancy_resolved_says_how
        CHECK ((status = 'resolved') = (resolution IS NOT NULL)),
    CONSTRAINT discrepancy_decided_by_a_second_person CHECK (decided_by <> proposed_by),
    CONSTRAINT discrepancy_waits_for_a_decision_about_something CHECK (
        status NOT IN ('awaiting_approval', 'approved')
        OR (action IS NOT NULL AND proposed_by IS NOT NULL)
    ),
    CONSTRAINT discrepancy_money_moves_when_approved CHECK (
        status <> 'approved' OR action = 'book' OR decided_by IS NOT NULL
    )
);
CREATE INDEX discrepancy_of_a_reconciliation ON discrepancy (reconciliation_id, id);
CREATE INDEX discrepancy_of_a_serial ON discrepancy (account_id, kind, serial, refund_serial);
CREATE INDEX discrepancy_unresolved ON discrepancy (account_id, business_day)
    WHERE status <> 'resolved';
CREATE INDEX discrepancy_newest ON discrepancy (business_day DESC, id DESC);

CREATE TABLE discrepancy_transition (
    discrepancy_id text NOT NULL,
    version integer NOT NULL,
    app_id text NOT NULL,
    from_status text,
    to_status text NOT NULL,
    by text NOT NULL,
    detail text NOT NULL,
    at timestamptz NOT NULL,
    PRIMARY KEY (discrepancy_id, version),
    CONSTRAINT discrepancy_transition_discrepancy_of_the_app
        FOREIGN KEY (app_id, discrepancy_id) REFERENCES discrepancy (app_id, id)
);
CREATE TRIGGER discrepancy_transition_kept BEFORE UPDATE OR DELETE OR TRUNCATE
    ON discrepancy_transition FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER discrepancy_kept BEFORE DELETE OR TRUNCATE ON discrepancy
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE FUNCTION guard_discrepancy() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF new.version <> old.version + 1 THEN
        RAISE 'discrepancy % goes from version % to %', old.id, old.version, new.version
            USING ERRCODE = 'check_violation';
    END IF;
    -- What a later run found in order may be found out of order by a still later one.
    IF old.status = 'resolved' AND old.resolution <> 'found_in_order' THEN
        RAISE 'discrepancy % is resolved', old.id USING ERRCODE = 'check_violation';
    END IF;
    IF (old.id, old.app_id, old.account_id, old.business_day, old.kind, old.serial,
        old.refund_serial, old.channel_reference, old.currency, old.created_at)
        IS DISTINCT FROM
       (new.id, new.app_id, new.account_id, new.business_day, new.kind, new.serial,
        new.refund_serial, new.channel_reference, new.currency, new.created_at) THEN
        RAISE 'what discrepancy % is about cannot change', old.id USING ERRCODE = 'check_violation';
    END IF;
    RETURN new;
END $$;
CREATE TRIGGER discrepancy_guarded BEFORE UPDATE ON discrepancy
    FOR EACH ROW EXECUTE FUNCTION guard_discrepancy();

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'paycenter_app') THEN
        GRANT SELECT, INSERT, UPDATE ON reconciliation, discrepancy TO paycenter_app;
        GRANT SELECT, INSERT ON discrepancy_transition TO paycenter_app;
        EXECUTE format('GRANT TEMPORARY ON DATABASE %I TO paycenter_app', current_database());
    END IF;
END $$;
