-- What is to lie at the targets beyond this machine's folder: a row for each generation of a snapshot and each
-- target. The row says what is wanted, and is written before anything is sent.
CREATE TABLE publication (
    id INTEGER PRIMARY KEY,
    distribution TEXT NOT NULL,
    date TEXT NOT NULL,              -- of the snapshot
    generation INTEGER NOT NULL CHECK (generation > 0),
    target TEXT NOT NULL,            -- its name in tidegate.toml
    state TEXT NOT NULL DEFAULT 'wanted'
        CHECK (state IN ('wanted', 'in-progress', 'done', 'failed', 'superseded')),
    progress TEXT CHECK (progress IS NULL OR json_valid(progress)),   -- what the target keeps between attempts
    receipt TEXT CHECK (receipt IS NULL OR json_valid(receipt)),
    attempts INTEGER NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    next_try_at INTEGER,             -- not before; absent: at once
    error TEXT,                      -- of the last attempt
    by TEXT NOT NULL,                -- the job or the person that wanted it
    wanted_at INTEGER NOT NULL,
    changed_at INTEGER NOT NULL,
    UNIQUE (distribution, date, generation, target),
    CHECK ((state = 'done') = (receipt IS NOT NULL)),
    CHECK (state <> 'failed' OR error IS NOT NULL)
) STRICT;

CREATE INDEX publication_open ON publication (distribution) WHERE state IN ('wanted', 'in-progress');

-- The generation of a snapshot that `latest` stands for at a target, as we put it there last.
CREATE TABLE publication_latest (
    distribution TEXT NOT NULL,
    target TEXT NOT NULL,
    date TEXT NOT NULL,
    generation INTEGER NOT NULL CHECK (generation > 0),
    at INTEGER NOT NULL,
    PRIMARY KEY (distribution, target)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER publication_kept BEFORE DELETE ON publication
BEGIN SELECT RAISE(ABORT, 'a publication is kept'); END;

CREATE TRIGGER publication_done BEFORE UPDATE ON publication WHEN OLD.state = 'done'
BEGIN SELECT RAISE(ABORT, 'a publication that is done cannot change'); END;

CREATE TRIGGER publication_immutable BEFORE UPDATE OF distribution, date, generation, target ON publication
BEGIN SELECT RAISE(ABORT, 'what was to be published, and where to, cannot change'); END;
