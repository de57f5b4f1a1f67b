-- Keys, secrets and parameters that are rotated with an overlap ------------------------------------

ALTER TABLE api_key
    ADD COLUMN expires_at timestamptz,
    ADD COLUMN last_used_at timestamptz,
    ADD COLUMN disabled_reason text;
CREATE INDEX api_key_of_an_app ON api_key (app_id, id);
CREATE INDEX api_key_that_ends ON api_key (expires_at)
    WHERE expires_at IS NOT NULL AND disabled_at IS NULL;

-- Two webhook secrets at a time: the former signs too, until then.
ALTER TABLE app
    ADD COLUMN version integer NOT NULL DEFAULT 1,
    ADD COLUMN former_webhook_secret bytea,
    ADD COLUMN former_webhook_secret_until timestamptz,
    ADD CONSTRAINT app_former_secret_ends
        CHECK ((former_webhook_secret IS NULL) = (former_webhook_secret_until IS NULL));

ALTER TABLE merchant ADD COLUMN version integer NOT NULL DEFAULT 1;

-- When the certificates among the parameters run out, as read when they were entered.
ALTER TABLE channel_account ADD COLUMN certificates jsonb NOT NULL DEFAULT '[]';

-- Parameters that were replaced. Callbacks may be signed for them until `valid_until`.
CREATE TABLE channel_account_version (
    account_id text NOT NULL REFERENCES channel_account (id),
    version integer NOT NULL,
    parameters jsonb NOT NULL,
    secrets bytea NOT NULL,
    replaced_at timestamptz NOT NULL,
    valid_until timestamptz NOT NULL,
    PRIMARY KEY (account_id, version)
);

-- Who changed what of all this. Added to, never edited; holds no secret.
CREATE TABLE change_log (
    id text PRIMARY KEY,
    at timestamptz NOT NULL,
    actor text NOT NULL,
    object_kind text NOT NULL,
    object_id text NOT NULL,
    action text NOT NULL,
    reason text,
    before jsonb NOT NULL,
    after jsonb NOT NULL
);
CREATE INDEX change_log_of_an_object ON change_log (object_id, id);

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'paycenter_app') THEN
        GRANT SELECT, INSERT ON channel_account_version, change_log TO paycenter_app;
    END IF;
END $$;
