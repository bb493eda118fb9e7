-- What the light checks found in the DESCRIPTION of a package at a commit, which never changes. `checks` tells
-- the version of the checks: what others found is read again.
CREATE TABLE description_finding (
    repository TEXT NOT NULL,
    commit_sha TEXT NOT NULL,
    path TEXT NOT NULL,
    package TEXT NOT NULL,
    checks INTEGER NOT NULL,
    version TEXT NOT NULL,
    problems TEXT NOT NULL CHECK (json_valid(problems)),
    at INTEGER NOT NULL,
    PRIMARY KEY (repository, commit_sha, path, package)
) STRICT, WITHOUT ROWID;

-- Packages that people asked to be taken out of channels. A removal is in force until it is undone.
CREATE TABLE removal (
    id INTEGER PRIMARY KEY,
    distribution TEXT NOT NULL,
    package TEXT NOT NULL,
    channels TEXT NOT NULL CHECK (json_valid(channels)),
    at INTEGER NOT NULL,
    by TEXT NOT NULL,
    reason TEXT NOT NULL CHECK (reason <> ''),
    undone_at INTEGER,
    undone_by TEXT,
    undone_reason TEXT,
    CHECK ((undone_at IS NULL) = (undone_by IS NULL)),
    CHECK ((undone_at IS NULL) = (undone_reason IS NULL))
) STRICT;

CREATE UNIQUE INDEX removal_in_force ON removal (distribution, package) WHERE undone_at IS NULL;

CREATE TRIGGER removal_kept BEFORE DELETE ON removal
BEGIN SELECT RAISE(ABORT, 'a removal is kept'); END;

CREATE TRIGGER removal_undone_once BEFORE UPDATE ON removal WHEN OLD.undone_at IS NOT NULL
BEGIN SELECT RAISE(ABORT, 'a removal that was undone cannot change'); END;

CREATE TRIGGER removal_immutable BEFORE UPDATE OF distribution, package, channels, at, by, reason ON removal
BEGIN SELECT RAISE(ABORT, 'what was removed, by whom and why cannot change'); END;
