-- An operator's word that stands for the evidence on one package, at one version and commit. The newest one of a
-- package counts, up to its last day.
CREATE TABLE evidence_override (
    id INTEGER PRIMARY KEY,
    distribution TEXT NOT NULL,
    channel TEXT NOT NULL,
    package TEXT NOT NULL,
    version TEXT NOT NULL,
    commit_sha TEXT NOT NULL,
    says TEXT NOT NULL CHECK (says IN ('passing', 'failing')),
    until TEXT NOT NULL CHECK (until GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]'),
    at INTEGER NOT NULL,
    by TEXT NOT NULL,
    reason TEXT NOT NULL CHECK (reason <> '')
) STRICT;

CREATE INDEX evidence_override_newest ON evidence_override (distribution, channel, package, at);

CREATE TRIGGER evidence_override_immutable BEFORE UPDATE ON evidence_override
BEGIN SELECT RAISE(ABORT, 'an override cannot change'); END;

CREATE TRIGGER evidence_override_kept BEFORE DELETE ON evidence_override
BEGIN SELECT RAISE(ABORT, 'an override is kept'); END;

-- An operator's word that a snapshot which was held is meant. It counts for what was held then, word for word.
CREATE TABLE snapshot_release (
    id INTEGER PRIMARY KEY,
    distribution TEXT NOT NULL,
    date TEXT NOT NULL CHECK (date GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]'),
    held TEXT NOT NULL CHECK (held <> ''),
    at INTEGER NOT NULL,
    by TEXT NOT NULL,
    reason TEXT NOT NULL CHECK (reason <> '')
) STRICT;

CREATE INDEX snapshot_release_newest ON snapshot_release (distribution, date, at);

CREATE TRIGGER snapshot_release_immutable BEFORE UPDATE ON snapshot_release
BEGIN SELECT RAISE(ABORT, 'a release of a snapshot cannot change'); END;

CREATE TRIGGER snapshot_release_kept BEFORE DELETE ON snapshot_release
BEGIN SELECT RAISE(ABORT, 'a release of a snapshot is kept'); END;
