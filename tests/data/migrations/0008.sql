INSERT INTO action (key, run_id, kind, intent, state, receipt, message, intended_at, finished_at) VALUES
    ('pr:nanonext', 1, 'pull-request', '{}', 'done', '{"number":7}', NULL, 1776211200000000, 1776211210000000),
    ('pr:mirai', 3, 'pull-request', '{}', 'intended', NULL, NULL, 1776211200000000, NULL);
INSERT INTO pull_request (repository, branch, number, key, versions, commits, fingerprint, text_digest, state, head_oid, base_oid, title, opened_at, updated_at) VALUES
    ('r-multiverse/staging', 'tidegate/nanonext', 7, 'pr:nanonext', '{"nanonext":"1.6.0"}', '{"nanonext":"cccc"}', 'ffff', 'dddd', 'open', 'bbbb', 'aaaa', 'Promote nanonext 1.6.0', 1776211200000000, 1776211200000000);
