INSERT INTO withdrawal (id, distribution, at, by, reason, lifted_at, lifted_by, lifted_reason) VALUES
    (1, 'qiime2-tiny', 1776211200000000, 'ada', 'its licence does not allow it', NULL, NULL, NULL),
    (2, 'qiime2-tiny', 1776211200000000, 'ada', 'rolled back', 1776297600000000, 'ben', 'it was the network');
INSERT INTO withdrawn_file (withdrawal_id, channel, subdir, file_name, sha256) VALUES
    (1, 'passed', 'linux-64', 'q2-types-2024.10.0-py310_0.conda', 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa');
