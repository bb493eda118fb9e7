-- The journal of outside effects, and what is known of our pull requests.

CREATE TABLE action (
    key TEXT PRIMARY KEY CHECK (key <> ''),
    run_id INTEGER NOT NULL REFERENCES run (id),
    kind TEXT NOT NULL CHECK (kind <> ''),
    intent TEXT NOT NULL CHECK (json_valid(intent)),
    state TEXT NOT NULL CHECK (state IN ('intended', 'done', 'failed', 'abandoned')),
    receipt TEXT CHECK (receipt IS NULL OR json_valid(receipt)),
    message TEXT,                    -- why it failed or was abandoned
    intended_at INTEGER NOT NULL,
    finished_at INTEGER,
    attempts INTEGER NOT NULL DEFAULT 1 CHECK (attempts > 0),
    CHECK ((finished_at IS NULL) = (state = 'intended')),
    CHECK ((receipt IS NULL) = (state <> 'done')),
    CHECK (message IS NOT NULL OR state NOT IN ('failed', 'abandoned'))
) STRICT;

CREATE INDEX action_open ON action (intended_at) WHERE state = 'intended';

CREATE TRIGGER action_done BEFORE UPDATE ON action WHEN OLD.state = 'done'
BEGIN SELECT RAISE(ABORT, 'an action that is done cannot change'); END;
CREATE TRIGGER action_kept BEFORE DELETE ON action WHEN OLD.state = 'done'
BEGIN SELECT RAISE(ABORT, 'an action that is done is never deleted'); END;

CREATE TABLE pull_request (
    id INTEGER PRIMARY KEY,
    repository TEXT NOT NULL,
    branch TEXT NOT NULL,
    number INTEGER,                  -- NULL until GitHub has given one
    key TEXT NOT NULL,
    versions TEXT NOT NULL CHECK (json_valid(versions)),    -- package to version
    commits TEXT NOT NULL CHECK (json_valid(commits)),      -- package to commit
    fingerprint TEXT NOT NULL,       -- what it changes, whatever base it applies to
    text_digest TEXT NOT NULL,       -- the title and body that we gave it last
    state TEXT NOT NULL CHECK (state IN ('open', 'merged', 'closed', 'hands-off')),
    head_oid TEXT NOT NULL,          -- the commit that we pushed
    base_oid TEXT NOT NULL,
    title TEXT NOT NULL,
    opened_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    finished_at INTEGER
) STRICT;

CREATE UNIQUE INDEX pull_request_number ON pull_request (repository, branch, number) WHERE number IS NOT NULL;
CREATE UNIQUE INDEX pull_request_unnumbered ON pull_request (repository, branch) WHERE number IS NULL;
