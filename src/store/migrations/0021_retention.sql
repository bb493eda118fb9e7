-- History that is older than it is to be kept goes: rows that nothing needs, and blobs that no row names any more.
-- To find these without reading all of it:
CREATE INDEX run_input ON run (input_digest) WHERE input_digest IS NOT NULL;
CREATE INDEX run_plan ON run (plan_digest) WHERE plan_digest IS NOT NULL;
CREATE INDEX run_finished ON run (finished_at);
CREATE INDEX observation_digest ON observation (digest) WHERE digest IS NOT NULL;
CREATE INDEX verdict_run ON verdict (run_id);
CREATE INDEX action_run ON action (run_id);
CREATE INDEX recheck_test_environment ON recheck_test (environment_digest);
CREATE INDEX recheck_test_log ON recheck_test (log_digest) WHERE log_digest IS NOT NULL;

-- A test that has ended may lose its log, and nothing else.
DROP TRIGGER recheck_test_final;
CREATE TRIGGER recheck_test_final BEFORE UPDATE ON recheck_test
WHEN OLD.ended_at IS NOT NULL AND NOT (
    NEW.log_digest IS NULL
    AND NEW.id = OLD.id AND NEW.job = OLD.job AND NEW.name = OLD.name AND NEW.version = OLD.version
    AND NEW.build = OLD.build AND NEW.sha256 = OLD.sha256 AND NEW.platform = OLD.platform
    AND NEW.fingerprint = OLD.fingerprint AND NEW.environment_digest = OLD.environment_digest
    AND NEW.attempt = OLD.attempt AND NEW.run_id = OLD.run_id AND NEW.ticket IS OLD.ticket
    AND NEW.verdict IS OLD.verdict AND NEW.began_at = OLD.began_at AND NEW.ended_at IS OLD.ended_at)
BEGIN SELECT RAISE(ABORT, 'a test that has ended cannot change'); END;

-- Blobs that stored facts name in their text, such as the solutions of metapackages, are kept for good. Which of
-- those that are there are such is not known, so all that no column names count as such.
ALTER TABLE blob ADD COLUMN for_good INTEGER NOT NULL DEFAULT 0 CHECK (for_good IN (0, 1));
UPDATE blob SET for_good = 1
WHERE NOT EXISTS (SELECT 1 FROM observation WHERE observation.digest = blob.digest)
    AND NOT EXISTS (SELECT 1 FROM run WHERE input_digest = blob.digest)
    AND NOT EXISTS (SELECT 1 FROM run WHERE plan_digest = blob.digest)
    AND NOT EXISTS (SELECT 1 FROM recheck_test WHERE environment_digest = blob.digest)
    AND NOT EXISTS (SELECT 1 FROM recheck_test WHERE log_digest = blob.digest);
CREATE INDEX blob_age ON blob (created_at, digest) WHERE for_good = 0;
