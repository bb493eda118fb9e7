INSERT INTO evidence_override
    (id, distribution, channel, package, version, commit_sha, says, until, at, by, reason) VALUES
    (1, 'r-multiverse', 'staging', 'polars', '1.0.0', '1111111111111111111111111111111111111111', 'passing', '2026-06-15',
     1776211200000000, 'ada', 'the runner had no disk left');
INSERT INTO snapshot_release (id, distribution, date, held, at, by, reason) VALUES
    (1, 'r-multiverse', '2026-06-15', '30 of the 73 packages of the snapshot before are missing.', 1781488800000000, 'ada',
     'a family of packages left the distribution');
