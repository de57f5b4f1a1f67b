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
