-- What pipelines tell us of, and the conda builds that came in.
CREATE TABLE notice (
    id INTEGER PRIMARY KEY,
    kind TEXT NOT NULL CHECK (kind IN ('integrate', 'stage', 'pass')),
    distribution TEXT NOT NULL,      -- one row for each distribution that it concerns
    repository TEXT NOT NULL,        -- owner/name in lower case; empty where the notice names none
    run_id INTEGER NOT NULL CHECK (run_id > 0),
    artifact TEXT NOT NULL,
    payload TEXT NOT NULL CHECK (json_valid(payload)),   -- every field but the token
    state TEXT NOT NULL DEFAULT 'waiting'
        CHECK (state IN ('waiting', 'fetched', 'admitted', 'refused', 'expired', 'noted')),
    why TEXT,
    attempts INTEGER NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    not_before INTEGER NOT NULL,
    received_at INTEGER NOT NULL,
    changed_at INTEGER NOT NULL,
    UNIQUE (distribution, kind, repository, run_id, artifact),
    CHECK ((why IS NOT NULL) = (state IN ('refused', 'expired')))
) STRICT;

CREATE INDEX notice_open ON notice (distribution, not_before) WHERE state IN ('waiting', 'fetched');

CREATE TRIGGER notice_final BEFORE UPDATE ON notice
WHEN OLD.state IN ('admitted', 'refused', 'expired', 'noted')
BEGIN SELECT RAISE(ABORT, 'a notice that is settled cannot change'); END;

CREATE TRIGGER notice_kept BEFORE DELETE ON notice
BEGIN SELECT RAISE(ABORT, 'a notice is kept'); END;

-- One archive of one build. What waits or was admitted has its name for itself.
CREATE TABLE arrival (
    id INTEGER PRIMARY KEY,
    distribution TEXT NOT NULL,
    subdir TEXT NOT NULL,
    file_name TEXT NOT NULL,
    name TEXT NOT NULL,
    version TEXT NOT NULL,
    build TEXT NOT NULL,
    build_number INTEGER NOT NULL CHECK (build_number >= 0),
    sha256 TEXT NOT NULL CHECK (length(sha256) = 64),
    size INTEGER NOT NULL CHECK (size > 0),
    state TEXT NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'admitted', 'expired')),
    arrived_at INTEGER NOT NULL,
    changed_at INTEGER NOT NULL
) STRICT;

CREATE UNIQUE INDEX arrival_name ON arrival (distribution, subdir, file_name) WHERE state <> 'expired';
CREATE INDEX arrival_waiting ON arrival (distribution) WHERE state = 'waiting';

CREATE TRIGGER arrival_final BEFORE UPDATE ON arrival WHEN OLD.state <> 'waiting'
BEGIN SELECT RAISE(ABORT, 'a build that was admitted or has expired cannot change'); END;

CREATE TRIGGER arrival_immutable BEFORE UPDATE OF distribution, subdir, file_name, name, version, build,
    build_number, sha256, size ON arrival
BEGIN SELECT RAISE(ABORT, 'the bytes of a build cannot change'); END;

-- Which notices brought which builds; one from the drop folder has none.
CREATE TABLE notice_arrival (
    notice_id INTEGER NOT NULL REFERENCES notice (id),
    arrival_id INTEGER NOT NULL REFERENCES arrival (id),
    PRIMARY KEY (notice_id, arrival_id)
) STRICT, WITHOUT ROWID;
