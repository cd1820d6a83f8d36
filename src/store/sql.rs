//! Every statement, once. Sets travel as one JSON parameter: an array of arrays, a row each; only the
//! function that unpacks it differs between the engines.

/// A statement for both engines.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sql {
    pub sqlite: &'static str,
    pub postgres: &'static str,
}

macro_rules! same {
    ($($name:ident = $text:expr;)*) => {$(
        pub(super) const $name: Sql = Sql { sqlite: $text, postgres: $text };
    )*};
}

/// `before ROWS after`, where ROWS unpacks the parameter `$1` into rows of one column, `value`.
macro_rules! set_wise {
    ($($name:ident = $before:literal ROWS $after:literal;)*) => {$(
        pub(super) const $name: Sql = Sql {
            sqlite: concat!($before, " json_each($1) AS given ", $after),
            postgres: concat!($before, " jsonb_array_elements(CAST($1 AS JSONB)) AS given(value) ", $after),
        };
    )*};
}

set_wise! {
    PUT_AUTHORS = "INSERT INTO authors (source, id, body) \
        SELECT value->>0, value->>1, value->>2 FROM" ROWS "WHERE true \
        ON CONFLICT (source, id) DO UPDATE SET body = excluded.body";
    PUT_CASES = "INSERT INTO cases (number, source, conversation, author, status, owner, updated_at, body) \
        SELECT CAST(value->>0 AS BIGINT), value->>1, value->>2, value->>3, value->>4, value->>5, \
        CAST(value->>6 AS BIGINT), value->>7 FROM" ROWS "WHERE true \
        ON CONFLICT (number) DO UPDATE SET status = excluded.status, owner = excluded.owner, \
        updated_at = excluded.updated_at, body = excluded.body";
    PUT_POSTS = "INSERT INTO posts (source, native_id, case_number, text, body) \
        SELECT value->>0, value->>1, CAST(value->>2 AS BIGINT), value->>3, value->>4 FROM" ROWS "WHERE true \
        ON CONFLICT (source, native_id) DO UPDATE SET text = excluded.text, body = excluded.body";
    ADD_EVENTS = "INSERT INTO events (id, case_number, at, body) \
        SELECT CAST(value->>0 AS BIGINT), CAST(value->>1 AS BIGINT), CAST(value->>2 AS BIGINT), value->>3 FROM"
        ROWS "";
    ADD_EFFECTS = "INSERT INTO effects (id, lane, case_number, body, due_at, attempts) \
        SELECT CAST(value->>0 AS BIGINT), value->>1, CAST(value->>2 AS BIGINT), value->>3, \
        CAST(value->>4 AS BIGINT), 0 FROM" ROWS "";
    BEGIN_EFFECTS = "UPDATE effects SET attempts = attempts + 1, begun_at = COALESCE(begun_at, begun.at) FROM \
        (SELECT CAST(value->>0 AS BIGINT) AS id, CAST(value->>1 AS BIGINT) AS at FROM" ROWS ") AS begun \
        WHERE effects.id = begun.id";
    PUT_OFF_EFFECTS = "UPDATE effects SET due_at = late.at FROM \
        (SELECT CAST(value->>0 AS BIGINT) AS id, CAST(value->>1 AS BIGINT) AS at FROM" ROWS ") AS late \
        WHERE effects.id = late.id";
    KILL_EFFECTS = "UPDATE effects SET dead = killed.reason FROM \
        (SELECT CAST(value->>0 AS BIGINT) AS id, value->>1 AS reason FROM" ROWS ") AS killed \
        WHERE effects.id = killed.id";
    DROP_EFFECTS = "DELETE FROM effects WHERE id IN (SELECT CAST(value->>0 AS BIGINT) FROM" ROWS ")";
    PUT_THREADS = "INSERT INTO threads (case_number, chat, channel, thread, card) \
        SELECT CAST(value->>0 AS BIGINT), value->>1, value->>2, value->>3, value->>4 FROM" ROWS "WHERE true \
        ON CONFLICT (case_number, chat, channel) DO UPDATE SET thread = excluded.thread, card = excluded.card";
    PUT_REPLIES = "INSERT INTO replies (id, case_number, source, state, remote_id, body) \
        SELECT CAST(value->>0 AS BIGINT), CAST(value->>1 AS BIGINT), value->>2, value->>3, value->>4, value->>5 FROM"
        ROWS "WHERE true ON CONFLICT (id) DO UPDATE SET state = excluded.state, remote_id = excluded.remote_id, \
        body = excluded.body";
    PUT_REPLY_MESSAGES = "INSERT INTO reply_messages (reply, chat, channel, message) \
        SELECT CAST(value->>0 AS BIGINT), value->>1, value->>2, value->>3 FROM" ROWS "WHERE true \
        ON CONFLICT (reply, chat, channel) DO UPDATE SET message = excluded.message";
    ADD_INBOX = "INSERT INTO inbox (key, at, answer) \
        SELECT value->>0, CAST(value->>1 AS BIGINT), value->>2 FROM" ROWS "WHERE true ON CONFLICT (key) DO NOTHING";
    PUT_CURSORS = "INSERT INTO cursors (source, stream, value) \
        SELECT value->>0, value->>1, value->>2 FROM" ROWS "WHERE true \
        ON CONFLICT (source, stream) DO UPDATE SET value = excluded.value";
    ADD_ASIDES = "INSERT INTO asides (at, origin, reason, raw) \
        SELECT CAST(value->>0 AS BIGINT), value->>1, value->>2, value->>3 FROM" ROWS "";
    PUT_COUNTERS = "INSERT INTO counters (name, value) \
        SELECT value->>0, CAST(value->>1 AS BIGINT) FROM" ROWS "WHERE true \
        ON CONFLICT (name) DO UPDATE SET value = excluded.value";

    CASES = "SELECT body FROM cases WHERE number IN (SELECT CAST(value->>0 AS BIGINT) FROM" ROWS ")";
    CASES_OF = "SELECT cases.body FROM" ROWS "CROSS JOIN cases WHERE cases.source = given.value->>0 \
        AND cases.conversation = given.value->>1 AND cases.author = given.value->>2";
    POSTS = "SELECT posts.case_number, posts.text, posts.body FROM" ROWS "CROSS JOIN posts \
        WHERE posts.source = given.value->>0 AND posts.native_id = given.value->>1";
    OWN_POSTS = "SELECT replies.source, replies.remote_id FROM" ROWS "CROSS JOIN replies \
        WHERE replies.source = given.value->>0 AND replies.remote_id = given.value->>1 \
        AND replies.remote_id IS NOT NULL";
    EVENTS = "SELECT id, case_number, at, body FROM events WHERE id IN (SELECT CAST(value->>0 AS BIGINT) FROM"
        ROWS ") ORDER BY id";
    REPLIES = "SELECT body FROM replies WHERE id IN (SELECT CAST(value->>0 AS BIGINT) FROM" ROWS ")";
    THREADS = "SELECT case_number, chat, channel, thread, card FROM threads \
        WHERE case_number IN (SELECT CAST(value->>0 AS BIGINT) FROM" ROWS ")";
    INBOX = "SELECT key, at, answer FROM inbox WHERE key IN (SELECT value->>0 FROM" ROWS ")";
}

same! {
    PING = "SELECT CAST(1 AS BIGINT)";
    FACT = "SELECT value FROM facts WHERE name = $1";
    PUT_FACT = "INSERT INTO facts (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING";
    COUNTERS = "SELECT name, value FROM counters";
    OPEN_CASES = "SELECT body FROM cases WHERE status <> 'resolved' ORDER BY number LIMIT $1";
    OPEN_CASES_OF = "SELECT body FROM cases WHERE owner = $1 AND status <> 'resolved' ORDER BY number LIMIT $2";
    ALL_CASES = "SELECT body FROM cases ORDER BY number LIMIT $1";
    ALL_CASES_OF = "SELECT body FROM cases WHERE owner = $1 ORDER BY number LIMIT $2";
    LATEST_CASES = "SELECT body FROM cases ORDER BY updated_at DESC, number DESC LIMIT $1";
    LATEST_OPEN_CASES = "SELECT body FROM cases WHERE status <> 'resolved' ORDER BY number DESC LIMIT $1";
    CASES_BETWEEN = "SELECT body FROM cases WHERE number >= $1 AND number < $2 ORDER BY number DESC LIMIT $3";
    SEARCH_POSTS = "SELECT case_number FROM (SELECT case_number, text FROM posts ORDER BY id DESC LIMIT $1) AS newest \
        WHERE LOWER(text) LIKE $2 ESCAPE '!' LIMIT $3";
    POSTS_OF = "SELECT case_number, text, body FROM posts WHERE case_number = $1 ORDER BY id DESC LIMIT $2";
    EVENTS_OF = "SELECT id, case_number, at, body FROM events WHERE case_number = $1 AND id > $2 ORDER BY id LIMIT $3";
    REPLIES_OF = "SELECT body FROM replies WHERE case_number = $1 ORDER BY id";
    REPLIES_SENDING = "SELECT body FROM replies WHERE state = 'sending' ORDER BY id";
    REPLY_MESSAGES = "SELECT reply, chat, channel, message FROM reply_messages WHERE reply = $1";
    CASE_OF_THREAD = "SELECT case_number FROM threads WHERE chat = $1 AND thread = $2 \
        AND (CAST($3 AS TEXT) IS NULL OR channel = $3)";
    FORGET_INBOX = "DELETE FROM inbox WHERE at < $1";
    CURSOR = "SELECT value FROM cursors WHERE source = $1 AND stream = $2";
    LANES = "WITH RECURSIVE found (lane) AS (SELECT MIN(lane) FROM effects WHERE dead IS NULL UNION ALL \
        SELECT (SELECT MIN(effects.lane) FROM effects WHERE dead IS NULL AND effects.lane > found.lane) FROM found \
        WHERE found.lane IS NOT NULL) SELECT lane FROM found WHERE lane IS NOT NULL";
    EFFECTS_OF = "SELECT id, lane, case_number, body, due_at, attempts, begun_at FROM effects \
        WHERE dead IS NULL AND lane = $1 AND id > $2 ORDER BY id LIMIT $3";
    DEAD_EFFECTS = "SELECT COUNT(*) FROM effects WHERE dead IS NOT NULL";
}

/// Every statement with its name, for the test that prepares them all on both engines.
#[must_use]
pub(super) fn all() -> Vec<(&'static str, Sql)> {
    macro_rules! list { ($($name:ident)*) => { vec![$((stringify!($name), $name)),*] } }
    list![
        PUT_AUTHORS PUT_CASES PUT_POSTS ADD_EVENTS ADD_EFFECTS BEGIN_EFFECTS PUT_OFF_EFFECTS KILL_EFFECTS DROP_EFFECTS
        PUT_THREADS PUT_REPLIES PUT_REPLY_MESSAGES ADD_INBOX PUT_CURSORS ADD_ASIDES PUT_COUNTERS CASES CASES_OF POSTS
        OWN_POSTS EVENTS REPLIES THREADS INBOX PING FACT PUT_FACT COUNTERS OPEN_CASES OPEN_CASES_OF ALL_CASES
        ALL_CASES_OF LATEST_CASES LATEST_OPEN_CASES CASES_BETWEEN SEARCH_POSTS POSTS_OF EVENTS_OF REPLIES_OF
        REPLIES_SENDING REPLY_MESSAGES CASE_OF_THREAD FORGET_INBOX CURSOR LANES EFFECTS_OF DEAD_EFFECTS
    ]
}
