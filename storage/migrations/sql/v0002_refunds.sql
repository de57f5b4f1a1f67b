-- Refunds ---------------------------------------------------------------------------------------

-- Above this an app's refunds wait for a second person; null means never.
ALTER TABLE app ADD COLUMN refund_approval_above_minor bigint
    CONSTRAINT app_refund_approval_not_negative CHECK (refund_approval_above_minor >= 0);

CREATE TABLE refund (
    id text PRIMARY KEY,
    app_id text NOT NULL,
    payment_id text NOT NULL,
    attempt_id text NOT NULL REFERENCES attempt (id),
    refund_no text NOT NULL,
    refund_serial text NOT NULL CONSTRAINT refund_serial_once UNIQUE,
    amount_minor bigint NOT NULL CONSTRAINT refund_amount_positive CHECK (amount_minor > 0),
    currency text NOT NULL,
    reason text NOT NULL,
    funding text NOT NULL
        CONSTRAINT refund_funding_known CHECK (funding IN ('merchant', 'suspense')),
    requested_by text NOT NULL,
    needs_approval boolean NOT NULL,
    decided_by text,
    fingerprint text NOT NULL,
    status text NOT NULL CONSTRAINT refund_status_known CHECK (status IN (
        'pending_approval', 'rejected', 'pending', 'unknown', 'succeeded', 'failed', 'canceled',
        'manual_review'
    )),
    version integer NOT NULL CONSTRAINT refund_version_positive CHECK (version > 0),
    notified integer NOT NULL CONSTRAINT refund_notified_not_negative CHECK (notified >= 0),
    failure_code text,
    failure_detail text,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    succeeded_at timestamptz,
    -- For the sweeper alone: when to look again whether its run was started.
    retry_after timestamptz NOT NULL DEFAULT 'epoch',
    reads integer NOT NULL DEFAULT 0,
    CONSTRAINT refund_of_its_app UNIQUE (app_id, id),
    CONSTRAINT refund_no_once UNIQUE (app_id, refund_no),
    CONSTRAINT refund_payment_of_the_app
        FOREIGN KEY (app_id, payment_id) REFERENCES payment (app_id, id),
    CONSTRAINT refund_failure_whole CHECK ((failure_code IS NULL) = (failure_detail IS NULL)),
    CONSTRAINT refund_success_has_its_time
        CHECK ((status = 'succeeded') = (succeeded_at IS NOT NULL)),
    CONSTRAINT refund_waits_for_a_decision_only_where_one_is_needed
        CHECK (needs_approval OR status NOT IN ('pending_approval', 'rejected')),
    CONSTRAINT refund_decided_by_a_second_person CHECK (decided_by <> requested_by),
    CONSTRAINT refund_waits_until_decided
        CHECK (status <> 'pending_approval' OR decided_by IS NULL),
    CONSTRAINT refund_goes_on_when_decided CHECK (
        NOT needs_approval OR decided_by IS NOT NULL OR status IN ('pending_approval', 'canceled')
    )
);
CREATE INDEX refund_of_a_payment ON refund (payment_id, created_at);
CREATE INDEX refund_newest ON refund (created_at DESC, id DESC);
CREATE INDEX refund_newest_of_an_app ON refund (app_id, created_at DESC, id DESC);
CREATE INDEX refund_never_moved ON refund (created_at) WHERE version = 1;

-- What was asked back, less what certainly will not go back, is never more than what came in.
--
-- Looked at after the row is in: a refund that is asked for twice conflicts on its number first and
-- does not count against itself. The payment's row is locked so that of many at once each sees
-- those before it. NO KEY: the foreign key holds a key share of it already, and two that wanted
-- more than that would wait for each other.
CREATE FUNCTION check_refundable() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    paid payment%ROWTYPE;
    refundable bigint;
BEGIN
    SELECT * INTO paid FROM payment WHERE id = new.payment_id FOR NO KEY UPDATE;
    IF new.currency <> paid.currency THEN
        RAISE 'refund % is in %, its payment in %', new.id, new.currency, paid.currency
            USING ERRCODE = 'check_violation', CONSTRAINT = 'refund_in_its_payments_currency';
    END IF;
    IF (new.funding = 'merchant') <> (paid.status = 'succeeded') OR NOT EXISTS (
        SELECT FROM attempt
        WHERE id = new.attempt_id AND payment_id = new.payment_id AND status = 'charged'
    ) THEN
        RAISE 'payment % is % and has no money for refund %', paid.id, paid.status, new.id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'refund_of_captured_money';
    END IF;
    SELECT paid.amount_minor - coalesce(sum(amount_minor), 0) INTO refundable
    FROM refund
    WHERE payment_id = new.payment_id AND id <> new.id
      AND status NOT IN ('failed', 'rejected', 'canceled');
    IF new.amount_minor > refundable THEN
        RAISE 'refund % is more than what is left of payment %', new.id, paid.id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'refund_within_captured',
                  DETAIL = format('refundable %s, requested %s', refundable, new.amount_minor);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER refund_within_captured AFTER INSERT ON refund
    FOR EACH ROW EXECUTE FUNCTION check_refundable();

CREATE FUNCTION guard_refund() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- The sweeper's own two columns move by themselves, and nothing else does.
    IF to_jsonb(new) - 'retry_after' - 'reads' = to_jsonb(old) - 'retry_after' - 'reads' THEN
        RETURN new;
    END IF;
    IF new.version <> old.version + 1 THEN
        RAISE 'refund % goes from version % to %', old.id, old.version, new.version
            USING ERRCODE = 'check_violation';
    END IF;
    IF (old.id, old.app_id, old.payment_id, old.attempt_id, old.refund_no, old.refund_serial,
        old.amount_minor, old.currency, old.reason, old.funding, old.requested_by,
        old.needs_approval, old.fingerprint, old.created_at)
        IS DISTINCT FROM
       (new.id, new.app_id, new.payment_id, new.attempt_id, new.refund_no, new.refund_serial,
        new.amount_minor, new.currency, new.reason, new.funding, new.requested_by,
        new.needs_approval, new.fingerprint, new.created_at) THEN
        RAISE 'what refund % orders cannot change', old.id USING ERRCODE = 'check_violation';
    END IF;
    IF old.decided_by IS NOT NULL AND new.decided_by IS DISTINCT FROM old.decided_by THEN
        RAISE 'who decided on refund % cannot change', old.id USING ERRCODE = 'check_violation';
    END IF;
    -- Out of an end there is no way: what it set free may have been refunded otherwise since.
    IF old.status IN ('rejected', 'succeeded', 'failed', 'canceled')
        AND new.status <> old.status THEN
        RAISE 'refund % ended as % and cannot become %', old.id, old.status, new.status
            USING ERRCODE = 'check_violation';
    END IF;
    IF new.status = 'pending_approval' AND old.status <> 'pending_approval' THEN
        RAISE 'refund % was decided on and cannot wait for that again', old.id
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN new;
END $$;
CREATE TRIGGER refund_guarded BEFORE UPDATE ON refund
    FOR EACH ROW EXECUTE FUNCTION guard_refund();
CREATE TRIGGER refund_kept BEFORE DELETE OR TRUNCATE ON refund
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE TABLE refund_transition (
    refund_id text NOT NULL,
    version integer NOT NULL CONSTRAINT refund_transition_version_positive CHECK (version > 0),
    app_id text NOT NULL,
    from_status text,
    to_status text NOT NULL,
    evidence_kind text NOT NULL CONSTRAINT refund_transition_evidence_known CHECK (evidence_kind IN (
        'order', 'verdict', 'answer', 'callback', 'query', 'statement', 'command', 'timer'
    )),
    evidence_reference text NOT NULL,
    evidence_detail text NOT NULL,
    failure_code text,
    at timestamptz NOT NULL,
    PRIMARY KEY (refund_id, version),
    CONSTRAINT refund_transition_refund_of_the_app
        FOREIGN KEY (app_id, refund_id) REFERENCES refund (app_id, id)
);
CREATE TRIGGER refund_transition_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON refund_transition
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Callbacks about refunds -----------------------------------------------------------------------

ALTER TABLE callback
    ADD COLUMN about text NOT NULL DEFAULT 'payment'
        CONSTRAINT callback_about_known CHECK (about IN ('payment', 'refund')),
    ADD COLUMN refund_id text REFERENCES refund (id),
    ADD CONSTRAINT callback_about_a_refund_names_it
        CHECK ((refund_id IS NOT NULL) = (about = 'refund' AND match <> 'parked'));

-- The application's role, where there is one ----------------------------------------------------

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'paycenter_app') THEN
        GRANT SELECT, INSERT, UPDATE ON refund TO paycenter_app;
        GRANT SELECT, INSERT ON refund_transition TO paycenter_app;
    END IF;
END $$;
