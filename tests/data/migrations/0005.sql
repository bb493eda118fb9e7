INSERT INTO package VALUES
    (1, 'conda', 'qiime2', 'qiime2-amplicon', 'suite', NULL),
    (2, 'conda', 'qiime2', 'q2cli', 'package', 'https://example.org/q2cli');
INSERT INTO revision VALUES
    (1, 1, '2026.4.0', 'py310_0', '', 1776211200000000),
    (2, 2, '2026.4.0', 'py310_0', '', 1776211200000000),
    (3, 2, '2026.4.1', 'py310_0', '', 1776211200000000);
INSERT INTO artifact VALUES
    (1, 2, 'noarch', 'noarch/q2cli-2026.4.0.conda', 120, 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855', 1776211200000000);
INSERT INTO suite_member VALUES (1, 0, 2, '==2026.4.0');
INSERT INTO suite VALUES (1, 1776211200000000);
INSERT INTO dependency VALUES (2, 'conda', 'click', '>=8');
INSERT INTO replacement VALUES (1, 2, 3, 'repair', 'missing file', 'anna', 1776211200000000);
INSERT INTO state_event VALUES (1, 'revision', 2, 'yank', 'anna', 1776211200000000, 'missing file');
