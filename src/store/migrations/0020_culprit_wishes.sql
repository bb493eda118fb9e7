-- What people asked of rechecks: which change broke a member. A wish is open until a pass answers it.
CREATE TABLE culprit_wish (
    id INTEGER PRIMARY KEY,
    distribution TEXT NOT NULL,
    job TEXT NOT NULL,
    member TEXT NOT NULL,
    platform TEXT,
    most_tests INTEGER NOT NULL CHECK (most_tests > 0),
    at INTEGER NOT NULL,
    by TEXT NOT NULL,
    reason TEXT NOT NULL CHECK (reason <> ''),
    answered_at INTEGER,
    answer TEXT,
    CHECK ((answered_at IS NULL) = (answer IS NULL))
) STRICT;

CREATE UNIQUE INDEX culprit_wish_open ON culprit_wish (job, member, coalesce(platform, ''))
WHERE answered_at IS NULL;

CREATE INDEX culprit_wish_member ON culprit_wish (member, at);

CREATE TRIGGER culprit_wish_kept BEFORE DELETE ON culprit_wish
BEGIN SELECT RAISE(ABORT, 'what people asked is kept'); END;

CREATE TRIGGER culprit_wish_answered_once BEFORE UPDATE ON culprit_wish WHEN OLD.answered_at IS NOT NULL
BEGIN SELECT RAISE(ABORT, 'an answer cannot change'); END;

CREATE TRIGGER culprit_wish_immutable
BEFORE UPDATE OF distribution, job, member, platform, most_tests, at, by, reason ON culprit_wish
BEGIN SELECT RAISE(ABORT, 'what was asked, by whom and why cannot change'); END;
