INSERT INTO culprit_wish (distribution, job, member, platform, most_tests, at, by, reason)
VALUES ('qiime2-tiny', 'qiime2-tiny-recheck', 'q2-types', NULL, 20, 1776211200000000, 'ada', 'it is red');
INSERT INTO culprit_wish
    (distribution, job, member, platform, most_tests, at, by, reason, answered_at, answer) VALUES
    ('qiime2-tiny', 'qiime2-tiny-recheck', 'q2-types', 'linux-64', 5, 1776211200000000, 'ada', 'it was red',
     1776297600000000, 'on linux-64 (latest): at fault is numpy 1.26.4 → 2.0.0');
