-- Packages, their revisions and artifacts, one model for conda, R-universe and Galaxy.

CREATE TABLE package (
    id INTEGER PRIMARY KEY,
    ecosystem TEXT NOT NULL CHECK (ecosystem IN ('conda', 'galaxy', 'generic', 'runiverse')),
    namespace TEXT NOT NULL,         -- a conda channel, a shed's owner, a universe
    name TEXT NOT NULL CHECK (name <> ''),
    kind TEXT NOT NULL CHECK (kind IN
        ('suite', 'tool', 'data-manager', 'package', 'viz', 'gie', 'workflow', 'r-package')),
    source_url TEXT,
    UNIQUE (ecosystem, namespace, name)
) STRICT;

CREATE TABLE revision (
    id INTEGER PRIMARY KEY,
    package_id INTEGER NOT NULL REFERENCES package (id),
    version TEXT NOT NULL CHECK (version <> ''),
    build TEXT NOT NULL DEFAULT '',
    commit_sha TEXT NOT NULL DEFAULT '',   -- '' where the ecosystem has no commit
    created_at INTEGER NOT NULL,
    UNIQUE (package_id, version, build, commit_sha)
) STRICT;

CREATE TABLE artifact (
    id INTEGER PRIMARY KEY,
    revision_id INTEGER NOT NULL REFERENCES revision (id),
    platform TEXT NOT NULL,
    path TEXT NOT NULL,
    size INTEGER NOT NULL CHECK (size >= 0),
    sha256 TEXT NOT NULL CHECK (length(sha256) = 64),
    added_at INTEGER NOT NULL,
    UNIQUE (revision_id, platform, path)
) STRICT;

-- A suite revision whose member list is complete. Members can only be added before this row.
CREATE TABLE suite (
    revision_id INTEGER PRIMARY KEY REFERENCES revision (id),
    published_at INTEGER NOT NULL
) STRICT;

CREATE TABLE suite_member (
    suite_revision_id INTEGER NOT NULL REFERENCES revision (id),
    position INTEGER NOT NULL,
    member_revision_id INTEGER NOT NULL REFERENCES revision (id),
    constraint_text TEXT NOT NULL DEFAULT '',   -- what was written: '', '==1.4', '>=1.2,<2'
    PRIMARY KEY (suite_revision_id, position),
    UNIQUE (suite_revision_id, member_revision_id),
    CHECK (suite_revision_id <> member_revision_id)
) STRICT;

CREATE TABLE dependency (
    revision_id INTEGER NOT NULL REFERENCES revision (id),
    ecosystem TEXT NOT NULL,
    name TEXT NOT NULL,
    constraint_text TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (revision_id, ecosystem, name)
) STRICT;

CREATE TABLE replacement (
    id INTEGER PRIMARY KEY,
    from_revision_id INTEGER NOT NULL REFERENCES revision (id),
    to_revision_id INTEGER REFERENCES revision (id),
    kind TEXT NOT NULL CHECK (kind IN ('moved', 'repair', 'withdrawn')),
    reason TEXT NOT NULL CHECK (reason <> ''),
    actor TEXT NOT NULL CHECK (actor <> ''),
    at INTEGER NOT NULL,
    CHECK ((to_revision_id IS NULL) = (kind = 'withdrawn')),
    CHECK (from_revision_id IS NOT to_revision_id)
) STRICT;

CREATE TABLE state_event (
    id INTEGER PRIMARY KEY,
    subject_kind TEXT NOT NULL CHECK (subject_kind IN ('package', 'revision', 'artifact', 'snapshot')),
    subject_id INTEGER NOT NULL,
    event TEXT NOT NULL CHECK (event <> ''),
    actor TEXT NOT NULL CHECK (actor <> ''),
    at INTEGER NOT NULL,
    reason TEXT NOT NULL CHECK (reason <> '')
) STRICT;

CREATE INDEX state_event_subject ON state_event (subject_kind, subject_id);
CREATE INDEX suite_member_member ON suite_member (member_revision_id);

CREATE TRIGGER package_identity BEFORE UPDATE OF ecosystem, namespace, name, kind ON package
BEGIN SELECT RAISE(ABORT, 'a package is never renamed'); END;
CREATE TRIGGER package_kept BEFORE DELETE ON package
BEGIN SELECT RAISE(ABORT, 'a package is never deleted'); END;

CREATE TRIGGER revision_fixed BEFORE UPDATE ON revision
BEGIN SELECT RAISE(ABORT, 'a revision cannot change'); END;
CREATE TRIGGER revision_kept BEFORE DELETE ON revision
BEGIN SELECT RAISE(ABORT, 'a revision is never deleted'); END;

CREATE TRIGGER artifact_fixed BEFORE UPDATE ON artifact
BEGIN SELECT RAISE(ABORT, 'an artifact cannot change'); END;
CREATE TRIGGER artifact_kept BEFORE DELETE ON artifact
BEGIN SELECT RAISE(ABORT, 'an artifact is never deleted'); END;

CREATE TRIGGER suite_fixed BEFORE UPDATE ON suite
BEGIN SELECT RAISE(ABORT, 'a published suite cannot change'); END;
CREATE TRIGGER suite_kept BEFORE DELETE ON suite
BEGIN SELECT RAISE(ABORT, 'a published suite is never deleted'); END;

CREATE TRIGGER suite_member_closed BEFORE INSERT ON suite_member
WHEN EXISTS (SELECT 1 FROM suite WHERE revision_id = NEW.suite_revision_id)
BEGIN SELECT RAISE(ABORT, 'a published suite cannot gain members'); END;
CREATE TRIGGER suite_member_fixed BEFORE UPDATE ON suite_member
BEGIN SELECT RAISE(ABORT, 'a suite member cannot change'); END;
CREATE TRIGGER suite_member_kept BEFORE DELETE ON suite_member
BEGIN SELECT RAISE(ABORT, 'a suite member is never deleted'); END;

CREATE TRIGGER replacement_fixed BEFORE UPDATE ON replacement
BEGIN SELECT RAISE(ABORT, 'a replacement cannot change'); END;
CREATE TRIGGER replacement_kept BEFORE DELETE ON replacement
BEGIN SELECT RAISE(ABORT, 'a replacement is never deleted'); END;

CREATE TRIGGER state_event_fixed BEFORE UPDATE ON state_event
BEGIN SELECT RAISE(ABORT, 'an event cannot change'); END;
CREATE TRIGGER state_event_kept BEFORE DELETE ON state_event
BEGIN SELECT RAISE(ABORT, 'an event is never deleted'); END;
