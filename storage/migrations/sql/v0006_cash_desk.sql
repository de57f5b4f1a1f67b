-- Payments whose payer chooses the method, and the address of their cash desk ---------------------

-- Where an app lets payers be sent back to: these addresses, and what lies under them.
ALTER TABLE app ADD COLUMN return_urls text[] NOT NULL DEFAULT '{}';

-- Without a method the payer chooses one at our cash desk; the token is the secret in its address.
ALTER TABLE payment
    ALTER COLUMN method DROP NOT NULL,
    ADD COLUMN checkout_token text,
    ADD CONSTRAINT payment_has_a_method_or_a_desk
        CHECK ((method IS NULL) = (checkout_token IS NOT NULL));
CREATE UNIQUE INDEX payment_checkout_token_once ON payment (checkout_token)
    WHERE checkout_token IS NOT NULL;

-- Each attempt has the method it was made with.
ALTER TABLE attempt ADD COLUMN method text;
ALTER TABLE attempt DISABLE TRIGGER attempt_guarded;
UPDATE attempt SET method = payment.method FROM payment WHERE payment.id = attempt.payment_id;
ALTER TABLE attempt ENABLE TRIGGER attempt_guarded;
ALTER TABLE attempt ALTER COLUMN method SET NOT NULL;

-- Money that came twice ---------------------------------------------------------------------------

-- What a payer paid by an attempt that we had given up, after another one had been paid: it is
-- nobody's sale, waits in suspense, and goes back.
ALTER TABLE attempt
    ADD COLUMN surplus boolean NOT NULL DEFAULT false,
    ADD CONSTRAINT attempt_surplus_is_money CHECK (NOT surplus OR status = 'charged');
DROP INDEX attempt_charged_once;
CREATE UNIQUE INDEX attempt_charged_once ON attempt (payment_id)
    WHERE status = 'charged' AND NOT surplus;

-- As before (v0003), of the attempt that took the money: a surplus one gives back all of its own.
CREATE OR REPLACE FUNCTION check_refundable() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    paid payment%ROWTYPE;
    taken attempt%ROWTYPE;
    refundable bigint;
BEGIN
    SELECT * INTO paid FROM payment WHERE id = new.payment_id FOR NO KEY UPDATE;
    IF new.currency <> paid.currency THEN
        RAISE 'refund % is in %, its payment in %', new.id, new.currency, paid.currency
            USING ERRCODE = 'check_violation', CONSTRAINT = 'refund_in_its_payments_currency';
    END IF;
    SELECT * INTO taken FROM attempt
    WHERE id = new.attempt_id AND payment_id = new.payment_id AND status = 'charged';
    IF taken.id IS NULL
        OR (new.funding = 'merchant')
            <> (paid.status IN ('succeeded', 'partially_captured') AND NOT taken.surplus) THEN
        RAISE 'payment % is % and has no money for refund %', paid.id, paid.status, new.id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'refund_of_captured_money';
    END IF;
    SELECT CASE WHEN taken.surplus THEN taken.charged_minor
                ELSE coalesce(paid.captured_minor, 0) END - coalesce(sum(amount_minor), 0)
    INTO refundable
    FROM refund
    WHERE payment_id = new.payment_id AND attempt_id = new.attempt_id AND id <> new.id
      AND status NOT IN ('failed', 'rejected', 'canceled');
    IF new.amount_minor > refundable THEN
        RAISE 'refund % is more than what is left of payment %', new.id, paid.id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'refund_within_captured',
                  DETAIL = format('refundable %s, requested %s', refundable, new.amount_minor);
    END IF;
    RETURN NULL;
END $$;
