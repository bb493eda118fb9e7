-- Files that people took out of conda channels. A withdrawal is in force until it is lifted; what was taken
-- out in one step has one number, and comes back in one step.
CREATE TABLE withdrawal (
    id INTEGER PRIMARY KEY,
    distribution TEXT NOT NULL,
    at INTEGER NOT NULL,
    by TEXT NOT NULL,
    reason TEXT NOT NULL CHECK (reason <> ''),
    lifted_at INTEGER,
    lifted_by TEXT,
    lifted_reason TEXT,
    CHECK ((lifted_at IS NULL) = (lifted_by IS NULL)),
    CHECK ((lifted_at IS NULL) = (lifted_reason IS NULL))
) STRICT;

CREATE TABLE withdrawn_file (
    withdrawal_id INTEGER NOT NULL REFERENCES withdrawal (id),
    channel TEXT NOT NULL,
    subdir TEXT NOT NULL,
    file_name TEXT NOT NULL,
    sha256 TEXT NOT NULL CHECK (length(sha256) = 64),
    PRIMARY KEY (withdrawal_id, channel, subdir, file_name)
) STRICT, WITHOUT ROWID;

CREATE INDEX withdrawal_in_force ON withdrawal (distribution) WHERE lifted_at IS NULL;

CREATE TRIGGER withdrawal_kept BEFORE DELETE ON withdrawal
BEGIN SELECT RAISE(ABORT, 'a withdrawal is kept'); END;

CREATE TRIGGER withdrawal_lifted_once BEFORE UPDATE ON withdrawal WHEN OLD.lifted_at IS NOT NULL
BEGIN SELECT RAISE(ABORT, 'a withdrawal that was lifted cannot change'); END;

CREATE TRIGGER withdrawal_immutable BEFORE UPDATE OF distribution, at, by, reason ON withdrawal
BEGIN SELECT RAISE(ABORT, 'what was withdrawn, by whom and why cannot change'); END;

CREATE TRIGGER withdrawn_file_kept BEFORE DELETE ON withdrawn_file
BEGIN SELECT RAISE(ABORT, 'a withdrawal is kept'); END;

CREATE TRIGGER withdrawn_file_immutable BEFORE UPDATE ON withdrawn_file
BEGIN SELECT RAISE(ABORT, 'what was withdrawn cannot change'); END;
