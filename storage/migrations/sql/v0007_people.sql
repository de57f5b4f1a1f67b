-- People who work in the console -----------------------------------------------------------------

CREATE TABLE operator (
    id text PRIMARY KEY,
    login text NOT NULL CONSTRAINT operator_login_once UNIQUE
        CONSTRAINT operator_login_is_lower_case CHECK (login = lower(login)),
    name text NOT NULL,
    role text NOT NULL CONSTRAINT operator_role_known CHECK (role IN ('admin', 'ops', 'finance')),
    password_hash text NOT NULL,
    must_change boolean NOT NULL,
    created_at timestamptz NOT NULL,
    disabled_at timestamptz
);

-- The token itself is in the browser alone.
CREATE TABLE operator_session (
    token_hash bytea PRIMARY KEY
        CONSTRAINT operator_session_hash_is_sha256 CHECK (length(token_hash) = 32),
    operator_id text NOT NULL REFERENCES operator (id),
    csrf_token text NOT NULL,
    flash jsonb,
    created_at timestamptz NOT NULL,
    last_seen_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL
);
CREATE INDEX operator_session_of_an_operator ON operator_session (operator_id, created_at);

-- Who has to wait before the next try: a login, or an address.
CREATE TABLE login_failure (
    subject text PRIMARY KEY,
    failures integer NOT NULL CONSTRAINT login_failure_counted CHECK (failures > 0),
    wait_until timestamptz NOT NULL,
    last_at timestamptz NOT NULL
);

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'paycenter_app') THEN
        GRANT SELECT, INSERT, UPDATE ON operator TO paycenter_app;
        GRANT SELECT, INSERT, UPDATE, DELETE ON operator_session, login_failure TO paycenter_app;
    END IF;
END $$;
