-- Money that is held first and captured later ---------------------------------------------------

ALTER TABLE payment
    DROP CONSTRAINT payment_capture_method_known,
    DROP CONSTRAINT payment_success_has_its_time,
    -- What of the money was taken; of an automatic payment all, of a manual one perhaps less.
    ADD COLUMN captured_minor bigint,
    -- How long the app wants a hold to last, and until when it does once there is one.
    ADD COLUMN capture_within integer,
    ADD COLUMN capture_before timestamptz;

ALTER TABLE payment DISABLE TRIGGER payment_guarded;
UPDATE payment SET captured_minor = amount_minor
WHERE status = 'succeeded'
   OR EXISTS (SELECT FROM attempt WHERE payment_id = payment.id AND attempt.status = 'charged');
ALTER TABLE payment ENABLE TRIGGER payment_guarded;

ALTER TABLE payment
    ADD CONSTRAINT payment_capture_method_known CHECK (capture_method IN ('automatic', 'manual')),
    ADD CONSTRAINT payment_success_has_its_time
        CHECK ((status IN ('succeeded', 'partially_captured')) = (succeeded_at IS NOT NULL)),
    ADD CONSTRAINT payment_success_has_its_money
        CHECK (status NOT IN ('succeeded', 'partially_captured') OR captured_minor IS NOT NULL),
    ADD CONSTRAINT payment_captured_within_order CHECK (captured_minor BETWEEN 1 AND amount_minor),
    ADD CONSTRAINT payment_captured_in_part_is_less
        CHECK (status <> 'partially_captured' OR captured_minor < amount_minor),
    ADD CONSTRAINT payment_captured_whole
        CHECK (status <> 'succeeded' OR captured_minor = amount_minor),
    ADD CONSTRAINT payment_capture_within_positive CHECK (capture_within > 0),
    ADD CONSTRAINT payment_holds_only_when_asked_to
        CHECK (capture_method = 'manual' OR (capture_within IS NULL AND capture_before IS NULL));

DROP INDEX payment_open;
CREATE INDEX payment_open ON payment (created_at)
    WHERE status NOT IN ('succeeded', 'partially_captured', 'failed', 'canceled', 'expired');

CREATE OR REPLACE FUNCTION guard_payment() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF new.version <> old.version + 1 THEN
        RAISE 'payment % goes from version % to %', old.id, old.version, new.version
            USING ERRCODE = 'check_violation';
    END IF;
    IF (old.id, old.app_id, old.merchant_id, old.order_no, old.amount_minor, old.currency,
        old.method, old.capture_method, old.fingerprint, old.created_at)
        IS DISTINCT FROM
       (new.id, new.app_id, new.merchant_id, new.order_no, new.amount_minor, new.currency,
        new.method, new.capture_method, new.fingerprint, new.created_at) THEN
        RAISE 'what payment % orders cannot change', old.id USING ERRCODE = 'check_violation';
    END IF;
    IF old.captured_minor IS NOT NULL AND new.captured_minor IS DISTINCT FROM old.captured_minor THEN
        RAISE 'of payment % was captured %, which cannot change', old.id, old.captured_minor
            USING ERRCODE = 'check_violation';
    END IF;
    -- The one way out of an end is money that came late, and out of success there is none.
    IF (old.status IN ('succeeded', 'partially_captured') AND new.status <> old.status)
        OR (old.status IN ('failed', 'canceled', 'expired')
            AND new.status NOT IN (old.status, 'succeeded', 'partially_captured')) THEN
        RAISE 'payment % ended as % and cannot become %', old.id, old.status, new.status
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN new;
END $$;

-- As before (v0002), with what was captured instead of what was ordered.
CREATE OR REPLACE FUNCTION check_refundable() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    paid payment%ROWTYPE;
    refundable bigint;
BEGIN
    SELECT * INTO paid FROM payment WHERE id = new.payment_id FOR NO KEY UPDATE;
    IF new.currency <> paid.currency THEN
        RAISE 'refund % is in %, its payment in %', new.id, new.currency, paid.currency
            USING ERRCODE = 'check_violation', CONSTRAINT = 'refund_in_its_payments_currency';
    END IF;
    IF (new.funding = 'merchant') <> (paid.status IN ('succeeded', 'partially_captured'))
        OR NOT EXISTS (
            SELECT FROM attempt
            WHERE id = new.attempt_id AND payment_id = new.payment_id AND status = 'charged'
        ) THEN
        RAISE 'payment % is % and has no money for refund %', paid.id, paid.status, new.id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'refund_of_captured_money';
    END IF;
    SELECT coalesce(paid.captured_minor, 0) - coalesce(sum(amount_minor), 0) INTO refundable
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

-- News that a statement brought ----------------------------------------------------------------

ALTER TABLE callback ADD COLUMN source text NOT NULL DEFAULT 'callback'
    CONSTRAINT callback_source_known CHECK (source IN ('callback', 'statement'));
