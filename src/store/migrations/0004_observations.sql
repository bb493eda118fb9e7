-- What each source said, as intervals: a row per change, not per look.
CREATE TABLE observation (
    id INTEGER PRIMARY KEY,
    source TEXT NOT NULL CHECK (source <> ''),
    digest TEXT REFERENCES blob (digest),
    failure TEXT,
    first_at INTEGER NOT NULL,
    last_at INTEGER NOT NULL,
    CHECK ((digest IS NULL) <> (failure IS NULL)),
    CHECK (last_at >= first_at)
) STRICT;

CREATE INDEX observation_source ON observation (source, id);
