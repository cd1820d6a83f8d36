-- Instants are microseconds since 1970. Bodies are JSON; a column of its own is only what is looked for.

CREATE TABLE facts (
    name  TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
);

-- The numbers handed out, and what is counted instead of counting rows.
CREATE TABLE counters (
    name  TEXT NOT NULL PRIMARY KEY,
    value BIGINT NOT NULL
);

CREATE TABLE authors (
    source TEXT NOT NULL,
    id     TEXT NOT NULL,
    body   TEXT NOT NULL,
    PRIMARY KEY (source, id)
);

CREATE TABLE cases (
    number       BIGINT PRIMARY KEY,
    source       TEXT NOT NULL,
    conversation TEXT NOT NULL,
    author       TEXT NOT NULL,
    status       TEXT NOT NULL,
    owner        TEXT,
    updated_at   BIGINT NOT NULL,
    body         TEXT NOT NULL
);
CREATE UNIQUE INDEX cases_talk ON cases (source, conversation, author);
CREATE INDEX cases_open ON cases (number) WHERE status <> 'resolved';
CREATE INDEX cases_owner ON cases (owner, number) WHERE owner IS NOT NULL;
CREATE INDEX cases_updated ON cases (updated_at);

CREATE TABLE posts (
    id          BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source      TEXT NOT NULL,
    native_id   TEXT NOT NULL,
    case_number BIGINT NOT NULL,
    text        TEXT NOT NULL,
    body        TEXT NOT NULL
);
CREATE UNIQUE INDEX posts_native ON posts (source, native_id);
CREATE INDEX posts_case ON posts (case_number);

CREATE TABLE events (
    id          BIGINT PRIMARY KEY,
    case_number BIGINT NOT NULL,
    at          BIGINT NOT NULL,
    body        TEXT NOT NULL
);
CREATE INDEX events_case ON events (case_number, id);

CREATE TABLE effects (
    id          BIGINT PRIMARY KEY,
    lane        TEXT NOT NULL,
    case_number BIGINT NOT NULL,
    body        TEXT NOT NULL,
    due_at      BIGINT NOT NULL,
    attempts    BIGINT NOT NULL,
    begun_at    BIGINT,
    dead        TEXT
);
CREATE INDEX effects_lane ON effects (lane, id) WHERE dead IS NULL;

CREATE TABLE threads (
    case_number BIGINT NOT NULL,
    chat        TEXT NOT NULL,
    channel     TEXT NOT NULL,
    thread      TEXT NOT NULL,
    card        TEXT NOT NULL,
    PRIMARY KEY (case_number, chat, channel)
);
CREATE INDEX threads_thread ON threads (chat, thread);

CREATE TABLE replies (
    id          BIGINT PRIMARY KEY,
    case_number BIGINT NOT NULL,
    source      TEXT NOT NULL,
    state       TEXT NOT NULL,
    remote_id   TEXT,
    body        TEXT NOT NULL
);
CREATE INDEX replies_case ON replies (case_number);
CREATE UNIQUE INDEX replies_remote ON replies (source, remote_id) WHERE remote_id IS NOT NULL;
CREATE INDEX replies_sending ON replies (id) WHERE state = 'sending';

CREATE TABLE reply_messages (
    reply   BIGINT NOT NULL,
    chat    TEXT NOT NULL,
    channel TEXT NOT NULL,
    message TEXT NOT NULL,
    PRIMARY KEY (reply, chat, channel)
);

CREATE TABLE inbox (
    key    TEXT NOT NULL PRIMARY KEY,
    at     BIGINT NOT NULL,
    answer TEXT NOT NULL
);
CREATE INDEX inbox_at ON inbox (at);

CREATE TABLE cursors (
    source TEXT NOT NULL,
    stream TEXT NOT NULL,
    value  TEXT NOT NULL,
    PRIMARY KEY (source, stream)
);

CREATE TABLE asides (
    id     BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at     BIGINT NOT NULL,
    origin TEXT NOT NULL,
    reason TEXT NOT NULL,
    raw    TEXT NOT NULL
);
