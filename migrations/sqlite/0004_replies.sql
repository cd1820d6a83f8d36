-- A reply's step is written only if the reply stands where it stood when the step was decided.
ALTER TABLE replies ADD COLUMN fence INTEGER NOT NULL DEFAULT 0;
ALTER TABLE replies ADD COLUMN step INTEGER NOT NULL DEFAULT 0;
UPDATE replies SET fence = body ->> '$.fence';

-- Replies without an end have more states now.
DROP INDEX replies_open;
CREATE INDEX replies_open ON replies (id) WHERE state NOT IN ('sent', 'failed', 'cancelled', 'abandoned');
-- What the platform published once is one reply.
DROP INDEX replies_remote;
CREATE UNIQUE INDEX replies_remote ON replies (source, remote_id) WHERE remote_id IS NOT NULL;

-- A statement that changed other than as many rows as it had to lost a race: this table refuses the
-- whole transaction then. It keeps one row.
CREATE TABLE races (
    ok INTEGER NOT NULL PRIMARY KEY CHECK (ok = 1)
) STRICT;

-- The history of each send, attempt by attempt. Append-only.
CREATE TABLE attempts (
    seq INTEGER NOT NULL PRIMARY KEY,
    reply INTEGER NOT NULL,
    fence INTEGER NOT NULL,
    at INTEGER NOT NULL,
    what TEXT NOT NULL,
    detail TEXT NOT NULL
) STRICT;
CREATE INDEX attempts_reply ON attempts (reply, seq);

-- Where publishing is stopped: by a source, or, with an empty name, by all. `logged` is 0 while the log
-- does not say it: a command line wrote it.
CREATE TABLE pauses (
    source TEXT NOT NULL PRIMARY KEY,
    paused INTEGER NOT NULL,
    at INTEGER NOT NULL,
    by_whom TEXT NOT NULL,
    reason TEXT NOT NULL,
    logged INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
