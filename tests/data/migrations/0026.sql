INSERT INTO catalogue (distribution, target, edition, sha256, done_at, kept, attempts, changed_at)
VALUES ('d', 'bucket', 2, 'aa', 5, '{}', 1, 5);
INSERT INTO catalogue (distribution, target, edition, sha256, attempts, next_try_at, error, changed_at)
VALUES ('d', 'site', 2, 'aa', 3, 9, 'no answer', 5);
