-- The application's role: no DDL, no deletion but of idempotency keys, and into the books only
-- through post_ledger_transaction. Skipped where the migrating role may not make roles and nobody
-- made this one: then the application connects as the owner, and the triggers alone guard.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'paycenter_app')
        AND (SELECT rolcreaterole OR rolsuper FROM pg_roles WHERE rolname = current_user) THEN
        CREATE ROLE paycenter_app NOLOGIN;
    END IF;
    REVOKE ALL ON FUNCTION post_ledger_transaction(jsonb) FROM PUBLIC;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'paycenter_app') THEN
        EXECUTE format('GRANT CONNECT ON DATABASE %I TO paycenter_app', current_database());
        GRANT USAGE ON SCHEMA public TO paycenter_app;
        GRANT SELECT ON ALL TABLES IN SCHEMA public TO paycenter_app;
        GRANT INSERT, UPDATE ON
            app, api_key, merchant, channel_account, payment, attempt, callback, notification,
            idempotency_key
            TO paycenter_app;
        GRANT INSERT ON payment_transition, verdict, exchange, rejected_callback TO paycenter_app;
        GRANT DELETE ON idempotency_key TO paycenter_app;
        GRANT EXECUTE ON FUNCTION post_ledger_transaction(jsonb) TO paycenter_app;
    END IF;
END $$;
