INSERT INTO observation (source, digest, failure, first_at, last_at) VALUES
    ('universe:staging', 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855', NULL, 1776211200000000, 1776214800000000),
    ('universe:staging', NULL, 'timed out', 1776218400000000, 1776218400000000);
