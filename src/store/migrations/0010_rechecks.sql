-- Tests of conda builds in exact environments. A row begins before its test does, and ends once.
CREATE TABLE recheck_test (
    id INTEGER PRIMARY KEY,
    job TEXT NOT NULL,               -- the job that wanted it first
    name TEXT NOT NULL,              -- the member
    version TEXT NOT NULL,
    build TEXT NOT NULL,
    sha256 TEXT NOT NULL CHECK (length(sha256) = 64),
    platform TEXT NOT NULL,
    fingerprint TEXT NOT NULL CHECK (length(fingerprint) = 64),
    environment_digest TEXT NOT NULL REFERENCES blob (digest),
    attempt INTEGER NOT NULL CHECK (attempt > 0),
    run_id INTEGER NOT NULL REFERENCES run (id),   -- the run that wanted it last
    ticket TEXT CHECK (ticket IS NULL OR json_valid(ticket)),    -- NULL: not handed to an engine yet
    verdict TEXT CHECK (verdict IS NULL OR json_valid(verdict)),
    log_digest TEXT REFERENCES blob (digest),
    began_at INTEGER NOT NULL,
    ended_at INTEGER,
    UNIQUE (sha256, platform, fingerprint, attempt),
    CHECK ((ended_at IS NULL) = (verdict IS NULL)),
    CHECK (log_digest IS NULL OR ended_at IS NOT NULL)
) STRICT;

CREATE INDEX recheck_test_open ON recheck_test (job) WHERE ended_at IS NULL;
CREATE INDEX recheck_test_run ON recheck_test (run_id);

CREATE TRIGGER recheck_test_final BEFORE UPDATE ON recheck_test WHEN OLD.ended_at IS NOT NULL
BEGIN SELECT RAISE(ABORT, 'a test that has ended cannot change'); END;
