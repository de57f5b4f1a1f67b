-- The books: added to, never edited. Entries are signed, debit above zero and credit below.

CREATE TABLE ledger_account (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind text NOT NULL CONSTRAINT ledger_account_kind_is_a_code CHECK (kind ~ '^[0-9]{4}$'),
    owner text NOT NULL,
    currency text NOT NULL,
    CONSTRAINT ledger_account_once UNIQUE (kind, owner, currency),
    CONSTRAINT ledger_account_of_its_currency UNIQUE (id, currency)
);

CREATE TABLE ledger_transaction (
    id text PRIMARY KEY,
    event_type text NOT NULL,
    event_id text NOT NULL,
    app_id text NOT NULL REFERENCES app (id),
    payment_id text,
    content_hash bytea NOT NULL,
    occurred_at timestamptz NOT NULL,
    posted_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT ledger_transaction_event_once UNIQUE (event_type, event_id),
    CONSTRAINT ledger_transaction_payment_of_the_app
        FOREIGN KEY (app_id, payment_id) REFERENCES payment (app_id, id)
);
CREATE INDEX ledger_transaction_of_a_payment ON ledger_transaction (payment_id);

CREATE TABLE ledger_entry (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    ledger_transaction_id text NOT NULL REFERENCES ledger_transaction (id),
    ledger_account_id bigint NOT NULL,
    amount_minor bigint NOT NULL CONSTRAINT ledger_entry_amount_not_zero CHECK (amount_minor <> 0),
    currency text NOT NULL,
    CONSTRAINT ledger_entry_in_its_accounts_currency
        FOREIGN KEY (ledger_account_id, currency) REFERENCES ledger_account (id, currency)
);
CREATE INDEX ledger_entry_of_a_transaction ON ledger_entry (ledger_transaction_id);
CREATE INDEX ledger_entry_of_an_account ON ledger_entry (ledger_account_id);

-- Looked at when the transaction commits, so the order in which entries are written is free.
CREATE FUNCTION check_ledger_balance() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT FROM ledger_entry
        WHERE ledger_transaction_id = new.ledger_transaction_id
        GROUP BY currency
        HAVING sum(amount_minor) <> 0
    ) THEN
        RAISE 'ledger transaction % does not balance', new.ledger_transaction_id
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER ledger_entries_balance AFTER INSERT ON ledger_entry
    DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION check_ledger_balance();

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE '% is added to, never edited: no % here', tg_table_name, tg_op
        USING ERRCODE = 'check_violation';
END $$;

CREATE TRIGGER ledger_account_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_account
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER ledger_transaction_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_transaction
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER ledger_entry_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_entry
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER payment_transition_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON payment_transition
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER verdict_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON verdict
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Both sides of each posting of a ledger transaction; a posting of nothing has none.
CREATE FUNCTION ledger_legs_of(posting jsonb)
RETURNS TABLE (leg_number bigint, kind text, owner text, currency text, amount_minor bigint)
LANGUAGE sql IMMUTABLE AS $$
    SELECT 2 * number + side, account ->> 'kind', account ->> 'owner',
           line ->> 'currency', sign * (line ->> 'amount_minor')::bigint
    FROM jsonb_array_elements(posting -> 'postings') WITH ORDINALITY AS lines (line, number)
    CROSS JOIN LATERAL (
        VALUES (0, line -> 'debit', 1), (1, line -> 'credit', -1)
    ) AS sides (side, account, sign)
    WHERE (line ->> 'amount_minor')::bigint <> 0
$$;

-- The only way into the books. True when posted now, false when the same content was posted for
-- this event before; other content for the same event is an error.
--
-- posting: {id, event_type, event_id, app_id, payment_id, occurred_at,
--           postings: [{debit: {kind, owner}, credit: {kind, owner}, amount_minor, currency}]}
CREATE FUNCTION post_ledger_transaction(posting jsonb) RETURNS boolean
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

    INSERT INTO ledger_entry (ledger_transaction_id, ledger_account_id, amount_minor, currency)
    SELECT posting ->> 'id', known.id, leg.amount_minor, leg.currency
    FROM ledger_legs_of(posting) leg
    JOIN ledger_account known USING (kind, owner, currency)
    ORDER BY leg.leg_number;
    IF NOT found THEN
        RAISE '% of % has no entries', about_type, about_id USING ERRCODE = 'check_violation';
    END IF;
    RETURN true;
END $$;
