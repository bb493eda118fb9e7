INSERT INTO http_cache (url, token, accept, etag, body, fetched_at, used_at) VALUES
    ('https://api.github.com/repos/r/p/releases/latest', 'abc', 'application/vnd.github+json', '"1"', x'1f8b', 1776211200000000, 1776211200000000);
INSERT INTO rate_limit (token, bucket, allowance, remaining, resets_at) VALUES ('abc', 'core', 5000, 4990, 1776214800000000);
INSERT INTO rate_block (token, until, strikes) VALUES ('abc', 1776214800000000, 1);
INSERT INTO rate_creation (token, created_at) VALUES ('abc', 1776211200000000);
