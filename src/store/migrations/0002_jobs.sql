-- Jobs as the planner sees them, the nominal times of their schedules, and the attempts at those.
-- Times are microseconds since 1970, UTC, in this and in every later migration.

CREATE TABLE job (
    name TEXT PRIMARY KEY CHECK (name <> ''),
    known_since INTEGER NOT NULL,
    cursor INTEGER NOT NULL,         -- every nominal time up to here has its row
    schedule_digest TEXT,            -- NULL: the job is not configured at present
    paused_at INTEGER,
    paused_by TEXT,
    pause_reason TEXT,
    resumed_at INTEGER,              -- set until the planner has accounted for the pause
    resumed_by TEXT,
    skip_next_at INTEGER,            -- set until the planner has skipped one occurrence
    skip_next_by TEXT,
    skip_next_reason TEXT,
    CHECK ((paused_at IS NULL) = (paused_by IS NULL)),
    CHECK ((paused_at IS NULL) = (pause_reason IS NULL)),
    CHECK (resumed_at IS NULL OR paused_at IS NOT NULL)
) STRICT;

CREATE TABLE occurrence (
    id INTEGER PRIMARY KEY,
    job TEXT NOT NULL REFERENCES job (name),
    scheduled_for INTEGER NOT NULL,
    covers_until INTEGER,            -- a skipped row may stand for all nominal times in [scheduled_for, covers_until)
    trigger TEXT NOT NULL CHECK (trigger IN ('schedule', 'manual')),
    state TEXT NOT NULL CHECK (state IN ('waiting', 'running', 'done', 'failed', 'held', 'skipped', 'late')),
    reason TEXT,
    attempts INTEGER NOT NULL DEFAULT 0,
    not_before INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    finished_at INTEGER,
    UNIQUE (job, scheduled_for, trigger),
    CHECK (covers_until IS NULL OR (covers_until > scheduled_for AND state = 'skipped')),
    CHECK ((finished_at IS NULL) = (state IN ('waiting', 'running'))),
    CHECK (reason IS NOT NULL OR state NOT IN ('failed', 'held', 'skipped', 'late'))
) STRICT;

-- The overlap lock is part of the schema: one running occurrence per job, whatever the code does.
CREATE UNIQUE INDEX occurrence_running ON occurrence (job) WHERE state = 'running';
-- What has not ended is little among much, and looked for at every heartbeat.
CREATE INDEX occurrence_open ON occurrence (job, scheduled_for) WHERE finished_at IS NULL;
CREATE INDEX occurrence_time ON occurrence (scheduled_for);

CREATE TABLE run (
    id INTEGER PRIMARY KEY,
    occurrence_id INTEGER NOT NULL REFERENCES occurrence (id),
    attempt INTEGER NOT NULL CHECK (attempt > 0),
    state TEXT NOT NULL CHECK (state IN
        ('running', 'done', 'unchanged', 'failed', 'held', 'skipped', 'lost', 'timed-out', 'stopped')),
    started_at INTEGER NOT NULL,
    finished_at INTEGER,
    boot_id TEXT NOT NULL,
    summary TEXT,
    error TEXT,
    input_digest TEXT,
    plan_digest TEXT,
    CHECK ((finished_at IS NULL) = (state = 'running'))
) STRICT;

CREATE UNIQUE INDEX run_running ON run (occurrence_id) WHERE state = 'running';
CREATE INDEX run_occurrence ON run (occurrence_id);

-- Only a person may ask for the same time again; the runs of the first time stay.
CREATE TRIGGER occurrence_final BEFORE UPDATE ON occurrence
WHEN OLD.state NOT IN ('waiting', 'running') AND NOT (OLD.trigger = 'manual' AND NEW.state = 'waiting')
BEGIN
    SELECT RAISE(ABORT, 'an occurrence that has ended cannot change');
END;

CREATE TRIGGER run_final BEFORE UPDATE ON run
WHEN OLD.state <> 'running'
BEGIN
    SELECT RAISE(ABORT, 'a run that has ended cannot change');
END;

-- One row: what the daemon last said of itself, for commands that read without asking it.
CREATE TABLE daemon (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    boot_id TEXT NOT NULL,
    pid INTEGER NOT NULL,
    started_at INTEGER NOT NULL,
    stopped_at INTEGER,
    config_loaded_at INTEGER NOT NULL,
    config_stale_since INTEGER,      -- set while the files on disk are refused and an older set runs
    config_error TEXT,
    CHECK ((config_stale_since IS NULL) = (config_error IS NULL))
) STRICT;
