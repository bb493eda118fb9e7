-- What each channel holds, as intervals, and upstream's memory of versions.

CREATE TABLE entry (
    id INTEGER PRIMARY KEY,
    distribution TEXT NOT NULL,
    channel TEXT NOT NULL,
    package TEXT NOT NULL,
    version TEXT,                    -- NULL: not known
    commit_sha TEXT NOT NULL,
    origin TEXT NOT NULL CHECK (origin IN ('tidegate', 'person', 'import')),
    since INTEGER NOT NULL,
    until INTEGER,                   -- NULL: still so
    CHECK (until IS NULL OR until >= since)
) STRICT;

CREATE UNIQUE INDEX entry_current ON entry (distribution, channel, package) WHERE until IS NULL;
CREATE INDEX entry_time ON entry (distribution, channel, since);

CREATE TABLE ledger (
    key TEXT NOT NULL,               -- the channel whose versions.json this is
    package TEXT NOT NULL,
    version_current TEXT,
    hash_current TEXT,
    version_highest TEXT,            -- unknown until the second look, as upstream has it
    hash_highest TEXT,
    PRIMARY KEY (key, package)
) STRICT;
