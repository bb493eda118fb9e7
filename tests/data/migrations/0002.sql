INSERT INTO job (name, known_since, cursor, schedule_digest, paused_at, paused_by, pause_reason) VALUES
    ('staging', 1776211200000000, 1776214800000000, 'd1', NULL, NULL, NULL),
    ('snapshot', 1776211200000000, 1776211200000000, NULL, 1776212000000000, 'anna', 'waiting for R 4.6');
INSERT INTO occurrence (id, job, scheduled_for, covers_until, trigger, state, reason, attempts, not_before, created_at, finished_at) VALUES
    (1, 'staging', 1776211200000000, NULL, 'schedule', 'done', NULL, 1, 1776211200000000, 1776211200000000, 1776211260000000),
    (2, 'staging', 1776214800000000, NULL, 'schedule', 'running', NULL, 2, 1776214800000000, 1776214800000000, NULL),
    (3, 'snapshot', 1776211200000000, 1776290000000000, 'schedule', 'skipped', 'paused', 0, 1776211200000000, 1776211200000000, 1776211200000000),
    (4, 'snapshot', 1776211200000001, NULL, 'manual', 'waiting', 'asked for', 0, 1776211200000000, 1776211200000000, NULL);
INSERT INTO run (id, occurrence_id, attempt, state, started_at, finished_at, boot_id, summary, error) VALUES
    (1, 1, 1, 'done', 1776211200000000, 1776211260000000, '1-a', 'promoted 2', NULL),
    (2, 2, 1, 'lost', 1776214800000000, 1776214900000000, '1-a', NULL, 'the process ended under it'),
    (3, 2, 2, 'running', 1776214900000000, NULL, '2-b', NULL, NULL);
INSERT INTO daemon VALUES (1, '2-b', 812, 1776214900000000, NULL, 1776214900000000, 1776215000000000, 'jobs/x.toml:3:1: unknown key');
