INSERT INTO entry (distribution, channel, package, version, commit_sha, origin, since, until) VALUES
    ('r-multiverse', 'staging', 'nanonext', '1.5.0', 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa', 'import', 1776211200000000, 1776214800000000),
    ('r-multiverse', 'staging', 'nanonext', NULL, 'bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb', 'person', 1776214800000000, NULL);
INSERT INTO ledger VALUES ('r-multiverse/community', 'nanonext', '1.5.0', 'aaaa', '1.6.0', 'bbbb');
