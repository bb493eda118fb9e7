INSERT INTO snapshot_withdrawal (distribution, date, generation, package, bytes, at, by, reason, manifest_digest, packages, settled_at) VALUES
    ('qiime2-amplicon', '2026-04-15', 2, 'pkg', 'keep', 1776211200000000, 'somebody', 'asked for by its author', 'eeee', 0, 1776211200000001);
INSERT INTO latest_choice (distribution, date, newest, at, by, reason) VALUES
    ('qiime2-amplicon', '2026-04-15', '2026-04-15', 1776211200000000, 'somebody', 'the newer one is broken');
