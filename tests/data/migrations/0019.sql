INSERT INTO description_finding (repository, commit_sha, path, package, checks, version, problems, at)
VALUES ('owner/name', 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa', 'DESCRIPTION', 'pkg', 1, '1.0.0', '[]', 1);
INSERT INTO removal (distribution, package, channels, at, by, reason)
VALUES ('d', 'pkg', '[]', 1, 'somebody', 'asked for by its maintainer');
INSERT INTO removal (distribution, package, channels, at, by, reason, undone_at, undone_by, undone_reason)
VALUES ('d', 'other', '["staging"]', 1, 'somebody', 'a mistake', 2, 'somebody', 'it was none');
