-- Published sets, and the timeline that people read.

CREATE TABLE snapshot (
    id INTEGER PRIMARY KEY,
    distribution TEXT NOT NULL,
    date TEXT NOT NULL CHECK (date GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]'),
    state TEXT NOT NULL CHECK (state IN ('preparing', 'published', 'held', 'withdrawn')),
    reason TEXT,                     -- why it is held or was withdrawn
    suite_revision_id INTEGER REFERENCES revision (id),
    manifest_digest TEXT,
    packages INTEGER NOT NULL CHECK (packages >= 0),
    published_at INTEGER,
    UNIQUE (distribution, date),
    CHECK (state NOT IN ('published', 'withdrawn') OR (manifest_digest IS NOT NULL AND published_at IS NOT NULL)),
    CHECK (reason IS NOT NULL OR state NOT IN ('held', 'withdrawn'))
) STRICT;

-- What was published stays as it was; only the word may change from published to withdrawn.
CREATE TRIGGER snapshot_fixed BEFORE UPDATE ON snapshot
WHEN OLD.state IN ('published', 'withdrawn') AND NOT (
    OLD.state = 'published' AND NEW.state = 'withdrawn'
    AND NEW.id = OLD.id AND NEW.distribution = OLD.distribution AND NEW.date = OLD.date
    AND NEW.suite_revision_id IS OLD.suite_revision_id AND NEW.manifest_digest = OLD.manifest_digest
    AND NEW.packages = OLD.packages AND NEW.published_at = OLD.published_at)
BEGIN SELECT RAISE(ABORT, 'a published snapshot cannot change'); END;
CREATE TRIGGER snapshot_kept BEFORE DELETE ON snapshot
WHEN OLD.state IN ('published', 'withdrawn')
BEGIN SELECT RAISE(ABORT, 'a published snapshot is never deleted'); END;

CREATE TABLE event (
    id INTEGER PRIMARY KEY AUTOINCREMENT,    -- readers continue after the last id they saw
    at INTEGER NOT NULL,
    kind TEXT NOT NULL CHECK (kind <> ''),
    job TEXT NOT NULL,
    package TEXT,
    body TEXT NOT NULL CHECK (json_valid(body)),
    dedup_key TEXT NOT NULL UNIQUE
) STRICT;
