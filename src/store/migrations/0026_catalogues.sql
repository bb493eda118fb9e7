-- What stands above the snapshots at a target: their list, the page over them and the feed. A row for each target
-- says what is to stand there before it is sent, and since when it does.
CREATE TABLE catalogue (
    distribution TEXT NOT NULL,
    target TEXT NOT NULL,            -- its name in tidegate.toml
    edition INTEGER NOT NULL CHECK (edition > 0),   -- how much had happened to the snapshots there; never falls
    sha256 TEXT NOT NULL,            -- of all of it
    done_at INTEGER,                 -- absent: it is to be sent
    kept TEXT CHECK (kept IS NULL OR json_valid(kept)),     -- what the target keeps of what it has
    attempts INTEGER NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    next_try_at INTEGER,             -- not before; absent: at once
    error TEXT,                      -- of the last attempt
    changed_at INTEGER NOT NULL,
    PRIMARY KEY (distribution, target),
    CHECK (done_at IS NULL OR (error IS NULL AND next_try_at IS NULL))
) STRICT, WITHOUT ROWID;
