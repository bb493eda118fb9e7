INSERT INTO verdict (distribution, scope, package, kind, body, digest, since, until, run_id) VALUES
    ('r-multiverse', 'staging', 'nanonext', 'hold', '{"why":"pending"}', 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855', 1776211200000000, NULL, 1);
