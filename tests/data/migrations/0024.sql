INSERT INTO publication (distribution, date, generation, target, state, receipt, attempts, by, wanted_at, changed_at)
VALUES ('d', '2026-06-15', 1, 'archive', 'done', '{}', 1, 'd-snapshot', 1, 2);
INSERT INTO publication (distribution, date, generation, target, attempts, next_try_at, error, by, wanted_at, changed_at)
VALUES ('d', '2026-06-15', 1, 'bucket', 3, 9, 'no answer', 'd-snapshot', 1, 2);
INSERT INTO publication_latest (distribution, target, date, generation, at) VALUES ('d', 'archive', '2026-06-15', 1, 2);
