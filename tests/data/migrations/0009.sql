INSERT INTO snapshot (distribution, date, state, reason, suite_revision_id, manifest_digest, packages, published_at) VALUES
    ('qiime2-amplicon', '2026-04-15', 'published', NULL, 1, 'dddd', 1, 1776211200000000);
INSERT INTO event (at, kind, job, package, body, dedup_key) VALUES
    (1776211200000000, 'snapshot-published', 'snapshot', NULL, '{}', 'snapshot:2026-04-15');
