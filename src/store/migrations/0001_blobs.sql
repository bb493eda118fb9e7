-- Observations, plans and their inputs, kept once each by the SHA-256 of their uncompressed bytes.
CREATE TABLE blob (
    digest TEXT PRIMARY KEY CHECK (length(digest) = 64),
    bytes BLOB NOT NULL,           -- gzip
    created_at INTEGER NOT NULL    -- microseconds since 1970, UTC
) STRICT;
