-- An operator's word that what a guard held is real. It counts for the changes that were held then, and once.
CREATE TABLE guard_confirmation (
    id INTEGER PRIMARY KEY,
    distribution TEXT NOT NULL,
    channel TEXT NOT NULL,
    changes TEXT NOT NULL CHECK (json_valid(changes)),
    at INTEGER NOT NULL,
    by TEXT NOT NULL,
    reason TEXT NOT NULL CHECK (reason <> '')
) STRICT;

CREATE INDEX guard_confirmation_newest ON guard_confirmation (distribution, channel, at);

CREATE TRIGGER guard_confirmation_immutable BEFORE UPDATE ON guard_confirmation
BEGIN SELECT RAISE(ABORT, 'a confirmation cannot change'); END;

CREATE TRIGGER guard_confirmation_kept BEFORE DELETE ON guard_confirmation
BEGIN SELECT RAISE(ABORT, 'a confirmation is kept'); END;
