-- Instants are microseconds since 1970. Bodies are JSON; a column of its own is only what is looked for.

CREATE TABLE facts (
    name  TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- The numbers handed out, and what is counted instead of counting rows.
CREATE TABLE counters (
    name  TEXT NOT NULL PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE authors (
    source TEXT NOT NULL,
    id     TEXT NOT NULL,
    body   TEXT NOT NULL,
    PRIMARY KEY (source, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE cases (
    number       INTEGER PRIMARY KEY NOT NULL,
    source       TEXT NOT NULL,
    conversation TEXT NOT NULL,
    author       TEXT NOT NULL,
    status       TEXT NOT NULL,
    owner        TEXT,
    updated_at   INTEGER NOT NULL,
    body         TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX cases_talk ON cases (source, conversation, author);
CREATE INDEX cases_open ON cases (number) WHERE status <> 'resolved';
CREATE INDEX cases_owner ON cases (owner, number) WHERE owner IS NOT NULL;
CREATE INDEX cases_updated ON cases (updated_at);

CREATE TABLE posts (
    id          INTEGER PRIMARY KEY NOT NULL,
    source      TEXT NOT NULL,
    native_id   TEXT NOT NULL,
    case_number INTEGER NOT NULL,
    text        TEXT NOT NULL,
    body        TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX posts_native ON posts (source, native_id);
CREATE INDEX posts_case ON posts (case_number);

CREATE TABLE events (
    id          INTEGER PRIMARY KEY NOT NULL,
    case_number INTEGER NOT NULL,
    at          INTEGER NOT NULL,
    body        TEXT NOT NULL
) STRICT;
CREATE INDEX events_case ON events (case_number, id);

CREATE TABLE effects (
    id          INTEGER PRIMARY KEY NOT NULL,
    lane        TEXT NOT NULL,
    case_number INTEGER NOT NULL,
    body        TEXT NOT NULL,
    due_at      INTEGER NOT NULL,
    attempts    INTEGER NOT NULL,
    begun_at    INTEGER,
    dead        TEXT
) STRICT;
CREATE INDEX effects_lane ON effects (lane, id) WHERE dead IS NULL;

CREATE TABLE threads (
    case_number INTEGER NOT NULL,
    chat        TEXT NOT NULL,
    channel     TEXT NOT NULL,
    thread      TEXT NOT NULL,
    card        TEXT NOT NULL,
    PRIMARY KEY (case_number, chat, channel)
) STRICT, WITHOUT ROWID;
CREATE INDEX threads_thread ON threads (chat, thread);

CREATE TABLE replies (
    id          INTEGER PRIMARY KEY NOT NULL,
    case_number INTEGER NOT NULL,
    source      TEXT NOT NULL,
    state       TEXT NOT NULL,
    remote_id   TEXT,
    body        TEXT NOT NULL
) STRICT;
CREATE INDEX replies_case ON replies (case_number);
CREATE UNIQUE INDEX replies_remote ON replies (source, remote_id) WHERE remote_id IS NOT NULL;
CREATE INDEX replies_sending ON replies (id) WHERE state = 'sending';

CREATE TABLE reply_messages (
    reply   INTEGER NOT NULL,
    chat    TEXT NOT NULL,
    channel TEXT NOT NULL,
    message TEXT NOT NULL,
    PRIMARY KEY (reply, chat, channel)
) STRICT, WITHOUT ROWID;

CREATE TABLE inbox (
    key    TEXT NOT NULL PRIMARY KEY,
    at     INTEGER NOT NULL,
    answer TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX inbox_at ON inbox (at);

CREATE TABLE cursors (
    source TEXT NOT NULL,
    stream TEXT NOT NULL,
    value  TEXT NOT NULL,
    PRIMARY KEY (source, stream)
) STRICT, WITHOUT ROWID;

CREATE TABLE asides (
    id     INTEGER PRIMARY KEY NOT NULL,
    at     INTEGER NOT NULL,
    origin TEXT NOT NULL,
    reason TEXT NOT NULL,
    raw    TEXT NOT NULL
) STRICT;
