-- Verdicts as intervals: a row per change of a verdict, not per package per run.
CREATE TABLE verdict (
    id INTEGER PRIMARY KEY,
    distribution TEXT NOT NULL,
    scope TEXT NOT NULL,
    package TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind <> ''),
    body TEXT NOT NULL CHECK (json_valid(body)),
    digest TEXT NOT NULL CHECK (length(digest) = 64),
    since INTEGER NOT NULL,
    until INTEGER,
    run_id INTEGER NOT NULL REFERENCES run (id),
    CHECK (until IS NULL OR until >= since)
) STRICT;

CREATE UNIQUE INDEX verdict_current ON verdict (distribution, scope, package) WHERE until IS NULL;
CREATE INDEX verdict_time ON verdict (distribution, scope, since);
CREATE INDEX verdict_package ON verdict (package, since);
