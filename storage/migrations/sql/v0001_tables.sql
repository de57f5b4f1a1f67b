-- Who we work for -------------------------------------------------------------------------------

CREATE TABLE app (
    id text PRIMARY KEY,
    name text NOT NULL,
    status text NOT NULL CONSTRAINT app_status_known CHECK (status IN ('active', 'disabled')),
    webhook_url text,
    webhook_secret bytea NOT NULL,
    webhook_paused_at timestamptz,
    late_success text NOT NULL
        CONSTRAINT app_late_success_known CHECK (late_success IN ('accept', 'refund', 'ask')),
    payment_limit_minor bigint CONSTRAINT app_limit_positive CHECK (payment_limit_minor > 0),
    created_at timestamptz NOT NULL
);

CREATE TABLE api_key (
    id text PRIMARY KEY,
    secret_hash bytea NOT NULL CONSTRAINT api_key_hash_is_sha256 CHECK (length(secret_hash) = 32),
    role text NOT NULL
        CONSTRAINT api_key_role_known CHECK (role IN ('app', 'admin', 'ops', 'finance')),
    app_id text REFERENCES app (id),
    name text NOT NULL,
    created_at timestamptz NOT NULL,
    disabled_at timestamptz,
    CONSTRAINT api_key_of_an_app_names_it CHECK ((role = 'app') = (app_id IS NOT NULL))
);

CREATE TABLE merchant (
    id text PRIMARY KEY,
    app_id text NOT NULL REFERENCES app (id),
    name text NOT NULL,
    status text NOT NULL CONSTRAINT merchant_status_known CHECK (status IN ('active', 'disabled')),
    created_at timestamptz NOT NULL,
    CONSTRAINT merchant_of_its_app UNIQUE (app_id, id)
);

CREATE TABLE channel_account (
    id text PRIMARY KEY,
    app_id text NOT NULL,
    merchant_id text NOT NULL,
    channel text NOT NULL,
    version integer NOT NULL CONSTRAINT channel_account_version_positive CHECK (version > 0),
    status text NOT NULL
        CONSTRAINT channel_account_status_known CHECK (status IN ('active', 'disabled')),
    methods text[] NOT NULL,
    fee_bps integer NOT NULL
        CONSTRAINT channel_account_fee_is_a_share CHECK (fee_bps BETWEEN 0 AND 10000),
    parameters jsonb NOT NULL,
    secrets bytea NOT NULL,
    created_at timestamptz NOT NULL,
    CONSTRAINT channel_account_of_its_app UNIQUE (app_id, id),
    CONSTRAINT channel_account_merchant_of_the_app
        FOREIGN KEY (app_id, merchant_id) REFERENCES merchant (app_id, id)
);
CREATE INDEX channel_account_by_merchant ON channel_account (merchant_id, created_at);

-- Payments --------------------------------------------------------------------------------------

CREATE TABLE payment (
    id text PRIMARY KEY,
    app_id text NOT NULL,
    merchant_id text NOT NULL,
    order_no text NOT NULL,
    amount_minor bigint NOT NULL CONSTRAINT payment_amount_positive CHECK (amount_minor > 0),
    currency text NOT NULL CONSTRAINT payment_currency_code CHECK (currency ~ '^[A-Z0-9]{3,8}$'),
    method text NOT NULL,
    subject text NOT NULL,
    capture_method text NOT NULL
        CONSTRAINT payment_capture_method_known CHECK (capture_method IN ('automatic')),
    status text NOT NULL CONSTRAINT payment_status_known CHECK (status IN (
        'created', 'requires_action', 'processing', 'requires_capture', 'partially_captured',
        'succeeded', 'failed', 'canceled', 'expired', 'review'
    )),
    version integer NOT NULL CONSTRAINT payment_version_positive CHECK (version > 0),
    notified integer NOT NULL CONSTRAINT payment_notified_not_negative CHECK (notified >= 0),
    attempt_status text CONSTRAINT payment_attempt_status_known CHECK (attempt_status IN (
        'started', 'pending', 'authorized', 'charged', 'failed', 'voided', 'expired', 'unknown',
        'not_sent'
    )),
    failure_code text,
    failure_detail text,
    next_action jsonb,
    late_success text NOT NULL
        CONSTRAINT payment_late_success_known CHECK (late_success IN ('accept', 'refund', 'ask')),
    fingerprint text NOT NULL,
    return_url text,
    payer_code text,
    request_id text NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    initiate_by timestamptz NOT NULL,
    succeeded_at timestamptz,
    CONSTRAINT payment_of_its_app UNIQUE (app_id, id),
    CONSTRAINT payment_order_no_once UNIQUE (app_id, order_no),
    CONSTRAINT payment_merchant_of_the_app
        FOREIGN KEY (app_id, merchant_id) REFERENCES merchant (app_id, id),
    CONSTRAINT payment_failure_whole CHECK ((failure_code IS NULL) = (failure_detail IS NULL)),
    CONSTRAINT payment_success_has_its_time
        CHECK ((status = 'succeeded') = (succeeded_at IS NOT NULL)),
    CONSTRAINT payment_payer_code_only_until_sent
        CHECK (payer_code IS NULL OR status = 'created')
);
CREATE INDEX payment_newest ON payment (created_at DESC, id DESC);
CREATE INDEX payment_newest_of_an_app ON payment (app_id, created_at DESC, id DESC);
CREATE INDEX payment_open ON payment (created_at)
    WHERE status NOT IN ('succeeded', 'failed', 'canceled', 'expired');

CREATE FUNCTION guard_payment() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF new.version <> old.version + 1 THEN
        RAISE 'payment % goes from version % to %', old.id, old.version, new.version
            USING ERRCODE = 'check_violation';
    END IF;
    IF (old.id, old.app_id, old.merchant_id, old.order_no, old.amount_minor, old.currency,
        old.method, old.fingerprint, old.created_at)
        IS DISTINCT FROM
       (new.id, new.app_id, new.merchant_id, new.order_no, new.amount_minor, new.currency,
        new.method, new.fingerprint, new.created_at) THEN
        RAISE 'what payment % orders cannot change', old.id USING ERRCODE = 'check_violation';
    END IF;
    -- The one way out of an end is money that came late, and out of success there is none.
    IF old.status IN ('succeeded', 'failed', 'canceled', 'expired')
        AND new.status NOT IN (old.status, 'succeeded') THEN
        RAISE 'payment % ended as % and cannot become %', old.id, old.status, new.status
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN new;
END $$;
CREATE TRIGGER payment_guarded BEFORE UPDATE ON payment
    FOR EACH ROW EXECUTE FUNCTION guard_payment();

CREATE TABLE payment_transition (
    payment_id text NOT NULL,
    version integer NOT NULL CONSTRAINT payment_transition_version_positive CHECK (version > 0),
    app_id text NOT NULL,
    from_status text,
    to_status text NOT NULL,
    attempt_status text,
    evidence_kind text NOT NULL CONSTRAINT payment_transition_evidence_known CHECK (evidence_kind IN (
        'order', 'verdict', 'answer', 'callback', 'query', 'statement', 'command', 'timer'
    )),
    evidence_reference text NOT NULL,
    evidence_detail text NOT NULL,
    failure_code text,
    at timestamptz NOT NULL,
    PRIMARY KEY (payment_id, version),
    CONSTRAINT payment_transition_payment_of_the_app
        FOREIGN KEY (app_id, payment_id) REFERENCES payment (app_id, id)
);

CREATE TABLE verdict (
    payment_id text NOT NULL,
    attempt_number integer NOT NULL
        CONSTRAINT verdict_attempt_number_in_range CHECK (attempt_number BETWEEN 1 AND 99),
    step text NOT NULL
        CONSTRAINT verdict_step_known CHECK (step IN ('validation', 'risk', 'routing')),
    app_id text NOT NULL,
    accepted boolean NOT NULL,
    rule_version text NOT NULL,
    reasons text[] NOT NULL,
    decided_at timestamptz NOT NULL,
    PRIMARY KEY (payment_id, attempt_number, step),
    CONSTRAINT verdict_payment_of_the_app
        FOREIGN KEY (app_id, payment_id) REFERENCES payment (app_id, id)
);

CREATE TABLE attempt (
    id text PRIMARY KEY,
    app_id text NOT NULL,
    payment_id text NOT NULL,
    number integer NOT NULL
        CONSTRAINT attempt_number_in_range CHECK (number BETWEEN 1 AND 99),
    serial text NOT NULL,
    channel text NOT NULL,
    account_id text NOT NULL,
    account_version integer NOT NULL,
    fee_bps integer NOT NULL CONSTRAINT attempt_fee_is_a_share CHECK (fee_bps BETWEEN 0 AND 10000),
    status text NOT NULL CONSTRAINT attempt_status_known CHECK (status IN (
        'started', 'pending', 'authorized', 'charged', 'failed', 'voided', 'expired', 'unknown',
        'not_sent'
    )),
    amount_minor bigint NOT NULL CONSTRAINT attempt_amount_positive CHECK (amount_minor > 0),
    currency text NOT NULL,
    channel_reference text,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    CONSTRAINT attempt_number_once UNIQUE (payment_id, number),
    CONSTRAINT attempt_serial_once UNIQUE (channel, account_id, serial),
    CONSTRAINT attempt_payment_of_the_app
        FOREIGN KEY (app_id, payment_id) REFERENCES payment (app_id, id),
    CONSTRAINT attempt_account_of_the_app
        FOREIGN KEY (app_id, account_id) REFERENCES channel_account (app_id, id)
);
CREATE UNIQUE INDEX attempt_charged_once ON attempt (payment_id) WHERE status = 'charged';

CREATE FUNCTION guard_attempt() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (old.id, old.app_id, old.payment_id, old.number, old.serial, old.channel, old.account_id,
        old.account_version, old.fee_bps, old.amount_minor, old.currency, old.created_at)
        IS DISTINCT FROM
       (new.id, new.app_id, new.payment_id, new.number, new.serial, new.channel, new.account_id,
        new.account_version, new.fee_bps, new.amount_minor, new.currency, new.created_at) THEN
        RAISE 'what attempt % asks for cannot change', old.id USING ERRCODE = 'check_violation';
    END IF;
    IF old.status = 'charged' AND new.status <> 'charged' THEN
        RAISE 'attempt % was charged and cannot become %', old.id, new.status
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN new;
END $$;
CREATE TRIGGER attempt_guarded BEFORE UPDATE ON attempt
    FOR EACH ROW EXECUTE FUNCTION guard_attempt();

CREATE TABLE exchange (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    app_id text NOT NULL,
    payment_id text NOT NULL,
    serial text NOT NULL,
    operation text NOT NULL,
    request text NOT NULL,
    response text,
    http_status integer,
    started_at timestamptz NOT NULL,
    duration_ms integer NOT NULL CONSTRAINT exchange_duration_not_negative CHECK (duration_ms >= 0),
    CONSTRAINT exchange_once UNIQUE (payment_id, serial, operation, started_at),
    CONSTRAINT exchange_payment_of_the_app
        FOREIGN KEY (app_id, payment_id) REFERENCES payment (app_id, id)
);

-- The inbox -------------------------------------------------------------------------------------

CREATE TABLE callback (
    id text PRIMARY KEY,
    channel text NOT NULL,
    account_id text NOT NULL REFERENCES channel_account (id),
    channel_event_id text NOT NULL,
    serial text NOT NULL,
    outcome jsonb NOT NULL,
    channel_reference text,
    match text NOT NULL
        CONSTRAINT callback_match_known CHECK (match IN ('matched', 'parked', 'disputed')),
    app_id text,
    payment_id text,
    expected_minor bigint,
    expected_currency text,
    headers jsonb NOT NULL,
    body bytea NOT NULL,
    received_at timestamptz NOT NULL,
    handled_at timestamptz,
    retry_after timestamptz NOT NULL DEFAULT 'epoch',
    reads integer NOT NULL DEFAULT 0,
    CONSTRAINT callback_event_once UNIQUE (channel, account_id, channel_event_id),
    CONSTRAINT callback_payment_of_the_app
        FOREIGN KEY (app_id, payment_id) REFERENCES payment (app_id, id),
    CONSTRAINT callback_dispute_says_what_was_expected CHECK (
        (match = 'disputed') = (expected_minor IS NOT NULL)
        AND (match = 'disputed') = (expected_currency IS NOT NULL)
    ),
    CONSTRAINT callback_parked_without_payment CHECK ((match = 'parked') = (payment_id IS NULL)),
    CONSTRAINT callback_payment_names_its_app CHECK ((payment_id IS NULL) = (app_id IS NULL))
);
CREATE INDEX callback_of_a_payment ON callback (payment_id, received_at);
CREATE INDEX callback_unhandled ON callback (received_at)
    WHERE handled_at IS NULL AND match <> 'parked';
CREATE INDEX callback_parked ON callback (received_at) WHERE match = 'parked';

CREATE TABLE rejected_callback (
    id text PRIMARY KEY,
    channel text NOT NULL,
    account_id text NOT NULL,
    reason text NOT NULL,
    headers jsonb NOT NULL,
    body bytea NOT NULL,
    body_length integer NOT NULL,
    received_at timestamptz NOT NULL
);

-- The outbox ------------------------------------------------------------------------------------

CREATE TABLE notification (
    id text PRIMARY KEY,
    app_id text NOT NULL REFERENCES app (id),
    object_id text NOT NULL,
    sequence integer NOT NULL CONSTRAINT notification_sequence_positive CHECK (sequence > 0),
    type text NOT NULL,
    body text NOT NULL,
    created_at timestamptz NOT NULL,
    status text NOT NULL
        CONSTRAINT notification_status_known CHECK (status IN ('due', 'delivered')),
    attempts integer NOT NULL CONSTRAINT notification_attempts_not_negative CHECK (attempts >= 0),
    next_attempt_at timestamptz,
    delivered_at timestamptz,
    last_error text,
    CONSTRAINT notification_sequence_once UNIQUE (object_id, sequence),
    CONSTRAINT notification_due_has_a_time
        CHECK (status <> 'due' OR next_attempt_at IS NOT NULL)
);
CREATE INDEX notification_due ON notification (app_id, next_attempt_at) WHERE status = 'due';
CREATE INDEX notification_due_of_an_object ON notification (object_id, sequence)
    WHERE status = 'due';
CREATE INDEX notification_newest_of_an_app ON notification (app_id, created_at DESC, id DESC);

CREATE FUNCTION guard_notification() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (old.id, old.app_id, old.object_id, old.sequence, old.type, old.body, old.created_at)
        IS DISTINCT FROM
       (new.id, new.app_id, new.object_id, new.sequence, new.type, new.body, new.created_at) THEN
        RAISE 'what notification % says cannot change', old.id USING ERRCODE = 'check_violation';
    END IF;
    RETURN new;
END $$;
CREATE TRIGGER notification_guarded BEFORE UPDATE ON notification
    FOR EACH ROW EXECUTE FUNCTION guard_notification();

-- Idempotency keys ------------------------------------------------------------------------------

CREATE TABLE idempotency_key (
    app_id text NOT NULL,
    route text NOT NULL,
    key text NOT NULL CONSTRAINT idempotency_key_length CHECK (length(key) BETWEEN 1 AND 255),
    fingerprint text NOT NULL,
    owner text NOT NULL,
    lease_until timestamptz NOT NULL,
    status_code integer,
    body bytea,
    object_id text,
    created_at timestamptz NOT NULL,
    finished_at timestamptz,
    PRIMARY KEY (app_id, route, key),
    CONSTRAINT idempotency_key_finished_whole
        CHECK ((finished_at IS NULL) = (status_code IS NULL) AND (finished_at IS NULL) = (body IS NULL))
);
