-- What people are told of on GitHub: a row for each issue of ours, and for each comment on it. The row says
-- what is wanted, and is written before anything happens on GitHub.
CREATE TABLE report (
    id INTEGER PRIMARY KEY,
    distribution TEXT NOT NULL,
    subject TEXT NOT NULL,           -- what it is about, such as passed/package/q2-types; one present report for each
    episode INTEGER NOT NULL CHECK (episode > 0),
    repository TEXT NOT NULL,        -- owner/name
    title TEXT NOT NULL,
    body TEXT NOT NULL,              -- without the hidden marker
    labels TEXT NOT NULL CHECK (json_valid(labels)),
    text_digest TEXT NOT NULL CHECK (length(text_digest) = 64),
    facts TEXT NOT NULL CHECK (json_valid(facts)),   -- what it tells: the next decision compares with it
    is_over INTEGER NOT NULL DEFAULT 0 CHECK (is_over IN (0, 1)),
    number INTEGER CHECK (number > 0),
    url TEXT,
    standing TEXT NOT NULL DEFAULT 'unopened'
        CHECK (standing IN ('unopened', 'open', 'closed-by-others', 'closed')),
    told_digest TEXT,                -- of the text that the issue has
    refused TEXT,                    -- why GitHub did not take it
    refused_digest TEXT,             -- the text that it did not take
    refused_at INTEGER,
    tried_at INTEGER,                -- when GitHub was last asked to create something
    began_at INTEGER NOT NULL,
    changed_at INTEGER NOT NULL,
    UNIQUE (distribution, subject, episode),
    CHECK ((number IS NULL) = (url IS NULL)),
    CHECK ((refused IS NULL) = (refused_digest IS NULL) AND (refused IS NULL) = (refused_at IS NULL)),
    CHECK (standing <> 'open' OR number IS NOT NULL)
) STRICT;

CREATE UNIQUE INDEX report_present ON report (distribution, subject) WHERE is_over = 0;
CREATE UNIQUE INDEX report_number ON report (repository, number) WHERE number IS NOT NULL;

CREATE TRIGGER report_over BEFORE UPDATE OF title, body, facts, is_over ON report WHEN OLD.is_over = 1
BEGIN SELECT RAISE(ABORT, 'a report that is over cannot change'); END;

CREATE TABLE report_comment (
    id INTEGER PRIMARY KEY,
    report_id INTEGER NOT NULL REFERENCES report (id),
    key TEXT NOT NULL,               -- what it tells: never twice in one report
    body TEXT NOT NULL,              -- without the hidden marker
    state TEXT NOT NULL DEFAULT 'wanted' CHECK (state IN ('wanted', 'written', 'dropped')),
    number INTEGER,                  -- GitHub's number of it
    made_at INTEGER NOT NULL,
    UNIQUE (report_id, key),
    CHECK ((number IS NOT NULL) = (state = 'written'))
) STRICT;

CREATE INDEX report_comment_wanted ON report_comment (report_id) WHERE state = 'wanted';

CREATE TRIGGER report_comment_final BEFORE UPDATE ON report_comment WHEN OLD.state <> 'wanted'
BEGIN SELECT RAISE(ABORT, 'a comment that was written or dropped cannot change'); END;
