-- The files of what a channel holds, kept for the next snapshot whatever becomes of their upstream.
CREATE TABLE kept_file (
    distribution TEXT NOT NULL,
    channel TEXT NOT NULL,
    package TEXT NOT NULL,
    version TEXT NOT NULL,
    commit_sha TEXT NOT NULL,
    path TEXT NOT NULL,              -- where it lies in a CRAN-like repository
    sha256 TEXT NOT NULL CHECK (length(sha256) = 64),
    size INTEGER NOT NULL CHECK (size >= 0),
    kept_at INTEGER NOT NULL,
    left_at INTEGER,                 -- since when the channel does not hold that commit any more
    PRIMARY KEY (distribution, channel, package, commit_sha, path)
) STRICT, WITHOUT ROWID;

-- A universe builds the same commit again, and the file of the same name has other bytes then. Both may be
-- part of published snapshots.
CREATE TABLE rebuilt_artifact (
    id INTEGER PRIMARY KEY,
    revision_id INTEGER NOT NULL REFERENCES revision (id),
    platform TEXT NOT NULL,
    path TEXT NOT NULL,
    size INTEGER NOT NULL CHECK (size >= 0),
    sha256 TEXT NOT NULL CHECK (length(sha256) = 64),
    added_at INTEGER NOT NULL,
    UNIQUE (revision_id, platform, path, sha256)
) STRICT;

INSERT INTO rebuilt_artifact SELECT * FROM artifact;
DROP TABLE artifact;
ALTER TABLE rebuilt_artifact RENAME TO artifact;
CREATE INDEX artifact_content ON artifact (sha256);

CREATE TRIGGER artifact_fixed BEFORE UPDATE ON artifact
BEGIN SELECT RAISE(ABORT, 'an artifact cannot change'); END;
CREATE TRIGGER artifact_kept BEFORE DELETE ON artifact
BEGIN SELECT RAISE(ABORT, 'an artifact is never deleted'); END;
