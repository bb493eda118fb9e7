INSERT INTO notice (id, kind, distribution, repository, run_id, artifact, payload, state, why, attempts, not_before, received_at, changed_at) VALUES
    (1, 'integrate', 'qiime2-tiny', 'qiime2/q2-types', 4711, 'linux-64', '{"package_name":"q2-types","version":"2024.10.0"}', 'fetched', NULL, 1, 1776211200000000, 1776211200000000, 1776211260000000),
    (2, 'integrate', 'qiime2-tiny', 'qiime2/q2-types', 4712, 'linux-64', '{"package_name":"q2-types","version":"2024.10.1"}', 'refused', 'the artifact never appeared', 12, 1776211200000000, 1776211200000000, 1776211260000000),
    (3, 'stage', 'qiime2-tiny', '', 4713, 'tiny-linux', '{"version":"2024.10.15"}', 'waiting', NULL, 0, 1776211200000000, 1776211200000000, 1776211200000000);
INSERT INTO arrival (id, distribution, subdir, file_name, name, version, build, build_number, sha256, size, state, arrived_at, changed_at) VALUES
    (1, 'qiime2-tiny', 'linux-64', 'q2-types-2024.10.0-py310_0.conda', 'q2-types', '2024.10.0', 'py310_0', 0, 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa', 4711, 'waiting', 1776211260000000, 1776211260000000);
INSERT INTO notice_arrival (notice_id, arrival_id) VALUES (1, 1);
