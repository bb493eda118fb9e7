INSERT INTO report (id, distribution, subject, episode, repository, title, body, labels, text_digest, facts, is_over, number, url, standing, told_digest, refused, refused_digest, refused_at, began_at, changed_at) VALUES
    (1, 'qiime2-tiny', 'passed/package/q2-types', 1, 'qiime2/q2-types', 'q2-types fails', 'Why', '["recheck"]', 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa', '{}', 1, 7, 'https://github.com/qiime2/q2-types/issues/7', 'closed', 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa', NULL, NULL, NULL, 1776211200000000, 1776211260000000),
    (2, 'qiime2-tiny', 'passed/package/q2-types', 2, 'qiime2/q2-types', 'q2-types fails', 'Why', '[]', 'bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb', '{}', 0, NULL, NULL, 'unopened', NULL, 'issues are switched off', 'bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb', 1776211260000000, 1776211200000000, 1776211260000000);
INSERT INTO report_comment (id, report_id, key, body, state, number, made_at) VALUES
    (1, 1, 'recovered', 'It works again.', 'written', 71, 1776211260000000),
    (2, 2, 'culprit/numpy', 'It is numpy.', 'wanted', NULL, 1776211260000000);
