INSERT INTO pull_request (repository, branch, number, key, versions, commits, fingerprint, text_digest, state, head_oid,
    base_oid, title, opened_at, updated_at, finished_at, is_dressed, told) VALUES
    ('r-multiverse/staging', 'tidegate/staging/mirai', 21, 'staging/mirai', '{"mirai":"2.7.1"}', '{"mirai":"cccc"}', 'f', 't',
     'withdrawn', 'dddd', 'eeee', 'Promote mirai 2.7.1 to staging', 1776211200000000, 1776214800000000, 1776214800000000, 1,
     '{"mirai":"ffff"}');
