-- What people withdrew from published snapshots: a package, or the whole. Each row is a generation of its snapshot,
-- intended first, published once its tree is in place, and settled once everything that follows is done.
CREATE TABLE snapshot_withdrawal (
    id INTEGER PRIMARY KEY,
    distribution TEXT NOT NULL,
    date TEXT NOT NULL,
    generation INTEGER NOT NULL CHECK (generation >= 2),
    package TEXT,                    -- none: the whole snapshot
    bytes TEXT NOT NULL CHECK (bytes IN ('keep', 'drop')),
    at INTEGER NOT NULL,
    by TEXT NOT NULL,
    reason TEXT NOT NULL CHECK (reason <> ''),
    manifest_digest TEXT,            -- of the new generation, once that is published
    packages INTEGER CHECK (packages >= 0),
    settled_at INTEGER,
    UNIQUE (distribution, date, generation),
    FOREIGN KEY (distribution, date) REFERENCES snapshot (distribution, date),
    CHECK ((manifest_digest IS NULL) = (packages IS NULL)),
    CHECK (settled_at IS NULL OR manifest_digest IS NOT NULL)
) STRICT;

CREATE UNIQUE INDEX snapshot_withdrawn_once
    ON snapshot_withdrawal (distribution, date, coalesce(package, ''), bytes);

CREATE TRIGGER snapshot_withdrawal_kept BEFORE DELETE ON snapshot_withdrawal
BEGIN SELECT RAISE(ABORT, 'a withdrawal is kept'); END;

CREATE TRIGGER snapshot_withdrawal_immutable
BEFORE UPDATE OF distribution, date, generation, package, bytes, at, by, reason ON snapshot_withdrawal
BEGIN SELECT RAISE(ABORT, 'what was withdrawn, by whom and why cannot change'); END;

CREATE TRIGGER snapshot_generation_fixed BEFORE UPDATE OF manifest_digest, packages ON snapshot_withdrawal
WHEN OLD.manifest_digest IS NOT NULL
BEGIN SELECT RAISE(ABORT, 'a published generation cannot change'); END;

-- Which snapshot people let `latest` show; the newest row counts.
CREATE TABLE latest_choice (
    id INTEGER PRIMARY KEY,
    distribution TEXT NOT NULL,
    date TEXT NOT NULL,
    newest TEXT NOT NULL,            -- the newest snapshot at that time: a newer one ends the choice
    at INTEGER NOT NULL,
    by TEXT NOT NULL,
    reason TEXT NOT NULL CHECK (reason <> ''),
    FOREIGN KEY (distribution, date) REFERENCES snapshot (distribution, date)
) STRICT;

CREATE TRIGGER latest_choice_kept BEFORE DELETE ON latest_choice
BEGIN SELECT RAISE(ABORT, 'a choice is kept'); END;

CREATE TRIGGER latest_choice_immutable BEFORE UPDATE ON latest_choice
BEGIN SELECT RAISE(ABORT, 'what was chosen, by whom and why cannot change'); END;
