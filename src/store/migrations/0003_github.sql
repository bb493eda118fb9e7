-- Answers of GitHub that carry an ETag, so that an unchanged one costs no quota. Bound to the token:
-- GitHub's ETags are.
CREATE TABLE http_cache (
    url TEXT NOT NULL,
    token TEXT NOT NULL,           -- fingerprint, never the token itself
    accept TEXT NOT NULL,
    etag TEXT NOT NULL,
    body BLOB NOT NULL,            -- gzip
    fetched_at INTEGER NOT NULL,   -- microseconds since 1970, UTC
    used_at INTEGER NOT NULL,      -- microseconds since 1970, UTC
    PRIMARY KEY (url, token, accept)
) STRICT;

CREATE INDEX http_cache_used_at ON http_cache (used_at);

-- What GitHub last said about one token's quotas.
CREATE TABLE rate_limit (
    token TEXT NOT NULL,
    bucket TEXT NOT NULL CHECK (bucket IN ('core', 'graphql')),
    allowance INTEGER NOT NULL CHECK (allowance >= 0),
    remaining INTEGER NOT NULL CHECK (remaining >= 0),
    resets_at INTEGER NOT NULL,    -- microseconds since 1970, UTC
    PRIMARY KEY (token, bucket)
) STRICT;

-- A secondary limit that was hit: nothing is sent before `until`.
CREATE TABLE rate_block (
    token TEXT PRIMARY KEY,
    until INTEGER,                 -- microseconds since 1970, UTC; null once it is over
    strikes INTEGER NOT NULL CHECK (strikes >= 0)
) STRICT;

-- When content (pull requests, comments, commits) was created in the last hour: GitHub allows 500.
CREATE TABLE rate_creation (
    id INTEGER PRIMARY KEY,
    token TEXT NOT NULL,
    created_at INTEGER NOT NULL    -- microseconds since 1970, UTC
) STRICT;

CREATE INDEX rate_creation_created_at ON rate_creation (token, created_at);
