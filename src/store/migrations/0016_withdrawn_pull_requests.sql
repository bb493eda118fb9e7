-- A pull request may end without anybody having refused it, and what comes after its opening is remembered.

CREATE TABLE pull_request_next (
    id INTEGER PRIMARY KEY,
    repository TEXT NOT NULL,
    branch TEXT NOT NULL,
    number INTEGER,                  -- NULL until GitHub has given one
    key TEXT NOT NULL,
    versions TEXT NOT NULL CHECK (json_valid(versions)),    -- package to version
    commits TEXT NOT NULL CHECK (json_valid(commits)),      -- package to commit
    fingerprint TEXT NOT NULL,       -- what it changes, whatever base it applies to
    text_digest TEXT NOT NULL,       -- the title and body that we gave it last
    state TEXT NOT NULL CHECK (state IN ('open', 'merged', 'closed', 'hands-off', 'withdrawn')),
    head_oid TEXT NOT NULL,          -- the commit that we pushed
    base_oid TEXT NOT NULL,
    title TEXT NOT NULL,
    opened_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    finished_at INTEGER,
    is_dressed INTEGER NOT NULL CHECK (is_dressed IN (0, 1)),   -- labels, reviewers and the like were asked for
    told TEXT NOT NULL CHECK (json_valid(told))             -- package to the newer commit that a comment told of last
) STRICT;

INSERT INTO pull_request_next
    SELECT id, repository, branch, number, key, versions, commits, fingerprint, text_digest, state, head_oid, base_oid,
        title, opened_at, updated_at, finished_at, 1, '{}'
    FROM pull_request;
DROP TABLE pull_request;
ALTER TABLE pull_request_next RENAME TO pull_request;

CREATE UNIQUE INDEX pull_request_number ON pull_request (repository, branch, number) WHERE number IS NOT NULL;
CREATE UNIQUE INDEX pull_request_unnumbered ON pull_request (repository, branch) WHERE number IS NULL;
