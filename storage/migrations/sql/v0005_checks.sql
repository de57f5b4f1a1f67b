-- What each look around saw. Rounds are news, not books: old ones go.
CREATE TABLE check_round (
    id text PRIMARY KEY,
    started_at timestamptz NOT NULL,
    finished_at timestamptz NOT NULL,
    result jsonb NOT NULL
);
CREATE INDEX check_round_newest ON check_round (started_at DESC, id DESC);

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'paycenter_app') THEN
        GRANT SELECT, INSERT, DELETE ON check_round TO paycenter_app;
    END IF;
END $$;
