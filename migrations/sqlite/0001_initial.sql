-- The same tables and columns as on PostgreSQL. Instants are microseconds since 1970, in UTC;
-- `body` is the value as JSON; the columns beside it are what is searched and sorted by.

CREATE TABLE settings (
    key TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE counters (
    key TEXT NOT NULL PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE cases (
    number INTEGER NOT NULL PRIMARY KEY,
    source TEXT NOT NULL,
    conversation TEXT NOT NULL,
    author TEXT NOT NULL,
    status TEXT NOT NULL,
    owner TEXT,
    updated_at INTEGER NOT NULL,
    body TEXT NOT NULL,
    UNIQUE (source, conversation, author)
) STRICT;
CREATE INDEX cases_open ON cases (number) WHERE status <> 'resolved';
CREATE INDEX cases_owned ON cases (owner, number) WHERE owner IS NOT NULL;
CREATE INDEX cases_owned_open ON cases (owner, number) WHERE owner IS NOT NULL AND status <> 'resolved';
CREATE INDEX cases_updated ON cases (updated_at);

CREATE TABLE posts (
    seq INTEGER NOT NULL PRIMARY KEY,
    source TEXT NOT NULL,
    id TEXT NOT NULL,
    case_number INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    body TEXT NOT NULL,
    UNIQUE (source, id)
) STRICT;
CREATE INDEX posts_case ON posts (case_number, created_at);

CREATE TABLE events (
    id INTEGER NOT NULL PRIMARY KEY,
    case_number INTEGER NOT NULL,
    at INTEGER NOT NULL,
    body TEXT NOT NULL
) STRICT;
CREATE INDEX events_case ON events (case_number, id);

CREATE TABLE effects (
    id INTEGER NOT NULL PRIMARY KEY,
    lane TEXT NOT NULL,
    case_number INTEGER NOT NULL,
    due_at INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    begun_at INTEGER,
    state TEXT NOT NULL,
    reason TEXT,
    body TEXT NOT NULL
) STRICT;
CREATE INDEX effects_pending ON effects (lane, id) WHERE state = 'pending';
CREATE INDEX effects_dead ON effects (id) WHERE state = 'dead';

CREATE TABLE threads (
    case_number INTEGER NOT NULL,
    chat TEXT NOT NULL,
    channel TEXT NOT NULL,
    thread TEXT NOT NULL,
    card TEXT NOT NULL,
    PRIMARY KEY (case_number, chat, channel)
) STRICT, WITHOUT ROWID;
CREATE INDEX threads_place ON threads (chat, thread, channel);

CREATE TABLE replies (
    id INTEGER NOT NULL PRIMARY KEY,
    case_number INTEGER NOT NULL,
    source TEXT NOT NULL,
    state TEXT NOT NULL,
    remote_id TEXT,
    body TEXT NOT NULL
) STRICT;
CREATE INDEX replies_case ON replies (case_number, id);
CREATE INDEX replies_remote ON replies (source, remote_id) WHERE remote_id IS NOT NULL;
CREATE INDEX replies_sending ON replies (id) WHERE state = 'sending';

CREATE TABLE reply_messages (
    reply INTEGER NOT NULL,
    chat TEXT NOT NULL,
    channel TEXT NOT NULL,
    message TEXT NOT NULL,
    PRIMARY KEY (reply, chat, channel)
) STRICT, WITHOUT ROWID;

CREATE TABLE inbox (
    key TEXT NOT NULL PRIMARY KEY,
    at INTEGER NOT NULL,
    answer TEXT NOT NULL
) STRICT;
CREATE INDEX inbox_at ON inbox (at);

CREATE TABLE cursors (
    source TEXT NOT NULL,
    stream TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (source, stream)
) STRICT, WITHOUT ROWID;

CREATE TABLE asides (
    id INTEGER NOT NULL PRIMARY KEY,
    at INTEGER NOT NULL,
    origin TEXT NOT NULL,
    reason TEXT NOT NULL,
    raw TEXT NOT NULL
) STRICT;
