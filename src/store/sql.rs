//! Every statement, once. Where the engines differ (how a batch becomes rows, how a transaction
//! begins), the difference is in the macros here and nowhere else.
//!
//! A batch costs one statement whatever its size (see `batch`). On SQLite `$1` is a JSON array of
//! rows, read by `jsonb_each` (of SQLite 3.51; it hands each row on as it was parsed; `json_each` would
//! print it and have it parsed again for every column, which costs five times as much). On PostgreSQL
//! there is an array a column, read by `UNNEST`.
//! `CROSS JOIN` from the batch keeps SQLite from turning the join around.

/// One statement, as each engine wants it written.
#[derive(Debug, Clone, Copy)]
pub struct Sql {
    /// What it is called.
    pub name: &'static str,
    /// For SQLite.
    pub sqlite: &'static str,
    /// For PostgreSQL.
    pub postgres: &'static str,
}

/// `value ->> 0 AS a, value ->> 1 AS b`: the columns of a row.
macro_rules! columns {
    (($first:literal $($place:literal)*) $column:ident $kind:ident $($more:ident)*) => {
        concat!("value ->> ", $first, " AS ", stringify!($column), columns!(, ($($place)*) $($more)*))
    };
    (, $places:tt) => { "" };
    (, $places:tt $($more:ident)+) => { concat!(", ", columns!($places $($more)+)) };
}

/// `CAST($1 AS TEXT[]), CAST($2 AS BIGINT[])`: the arrays of the columns.
macro_rules! arrays {
    (($first:literal $($place:literal)*) $column:ident $kind:ident $($more:ident)*) => {
        concat!("CAST($", $first, " AS ", stringify!($kind), "[])", arrays!(, ($($place)*) $($more)*))
    };
    (, $places:tt) => { "" };
    (, $places:tt $($more:ident)+) => { concat!(", ", arrays!($places $($more)+)) };
}

/// `a, b`: the names of the columns.
macro_rules! names {
    ($column:ident $kind:ident $($more:ident)*) => { concat!(stringify!($column), names!(, $($more)*)) };
    (,) => { "" };
    (, $($more:ident)+) => { concat!(", ", names!($($more)+)) };
}

/// `name = "text"`: the same text for both engines.
/// `name = "before" [column type, …] "after"`: `before`, the batch as table `r`, `after`.
macro_rules! statements {
    ($($name:ident = $before:literal $([$($column:ident $kind:ident),+] $after:literal)?;)*) => {
        $(#[doc = $before]
        pub const $name: Sql = Sql {
            name: stringify!($name),
            sqlite: concat!($before, $(
                " (SELECT ", columns!((0 1 2 3 4 5 6 7 8 9) $($column $kind)+), " FROM jsonb_each($1)) AS r ", $after
            )?),
            postgres: concat!($before, $(
                " UNNEST(", arrays!((1 2 3 4 5 6 7 8 9) $($column $kind)+), ") AS r(", names!($($column $kind)+), ") ",
                $after
            )?),
        };)*
        /// All of them, for the test that prepares them on both engines.
        pub const ALL: &[Sql] = &[KNOWN, FACTS, $($name),*];
    };
}

/// Begins a transaction that writes. Only here do the engines want different words.
pub const BEGIN: Sql = Sql {
    name: "BEGIN",
    sqlite: "BEGIN IMMEDIATE",
    postgres: "BEGIN",
};
/// Ends it.
pub const COMMIT: Sql = Sql {
    name: "COMMIT",
    sqlite: "COMMIT",
    postgres: "COMMIT",
};
/// Refuses a transaction whose last statement changed other than so many rows (SQLite only: PostgreSQL
/// says how many there were).
pub const EXPECT: &str =
    "INSERT INTO races (ok) SELECT changes() = $1 WHERE true ON CONFLICT (ok) DO NOTHING";
/// What time PostgreSQL says it is, in microseconds since 1970. SQLite's clock is the machine's.
pub const NOW: &str = "SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)";
/// Takes it back.
pub const ROLLBACK: Sql = Sql {
    name: "ROLLBACK",
    sqlite: "ROLLBACK",
    postgres: "ROLLBACK",
};

/// One question instead of four: the posts of these keys (kind 1), those of them
/// that are replies of ours (2), the cases of these conversations (3) and the answers to these inbox
/// keys (4).
macro_rules! known {
    ($posts:expr, $talks:expr, $keys:expr) => {
        concat!(
            "SELECT CAST(1 AS BIGINT), p.case_number, p.body, CAST(NULL AS TEXT) FROM ", $posts,
            " CROSS JOIN posts AS p WHERE p.source = r.source AND p.id = r.id \
             UNION ALL SELECT CAST(2 AS BIGINT), CAST(NULL AS BIGINT), p.source, p.remote_id FROM ", $posts,
            " CROSS JOIN replies AS p WHERE p.remote_id IS NOT NULL AND p.source = r.source AND p.remote_id = r.id \
             UNION ALL SELECT CAST(3 AS BIGINT), c.number, c.body, CAST(NULL AS TEXT) FROM ", $talks,
            " CROSS JOIN cases AS c WHERE c.source = r.source AND c.conversation = r.conversation AND c.author = r.author \
             UNION ALL SELECT CAST(4 AS BIGINT), i.at, i.key, i.answer FROM ", $keys,
            " CROSS JOIN inbox AS i WHERE i.key = r.key"
        )
    };
}

/// What is known of what comes in; its rows are (kind, number, text, text).
pub const KNOWN: Sql = Sql {
    name: "KNOWN",
    sqlite: known!(
        concat!(
            "(SELECT ",
            columns!((0 1) source TEXT id TEXT),
            " FROM jsonb_each($1)) AS r"
        ),
        concat!(
            "(SELECT ",
            columns!((0 1 2) source TEXT conversation TEXT author TEXT),
            " FROM jsonb_each($2)) AS r"
        ),
        concat!("(SELECT ", columns!((0) key TEXT), " FROM jsonb_each($3)) AS r")
    ),
    postgres: known!(
        concat!(
            "UNNEST(",
            arrays!((1 2) source TEXT id TEXT),
            ") AS r(source, id)"
        ),
        concat!(
            "UNNEST(",
            arrays!((3 4 5) source TEXT conversation TEXT author TEXT),
            ") AS r(source, conversation, author)"
        ),
        concat!("UNNEST(", arrays!((6) key TEXT), ") AS r(key)")
    ),
};

/// One question instead of three: the cases of these numbers (kind 1), the posts they began with (2) and
/// their threads (3: chat, channel, thread, card).
macro_rules! facts {
    ($cases:expr, $first_post:literal) => {
        concat!(
            "SELECT CAST(1 AS BIGINT), c.number, c.body, CAST(NULL AS TEXT), CAST(NULL AS TEXT), CAST(NULL AS TEXT) FROM ",
            $cases, " CROSS JOIN cases AS c WHERE c.number = r.id \
             UNION ALL SELECT CAST(2 AS BIGINT), p.case_number, p.body, CAST(NULL AS TEXT), CAST(NULL AS TEXT), CAST(NULL AS TEXT) FROM ",
            $cases, " CROSS JOIN cases AS c CROSS JOIN posts AS p WHERE c.number = r.id AND p.source = c.source AND p.id = ",
            $first_post,
            " UNION ALL SELECT CAST(3 AS BIGINT), t.case_number, t.chat, t.channel, t.thread, t.card FROM ",
            $cases, " CROSS JOIN threads AS t WHERE t.case_number = r.id"
        )
    };
}

/// What a chat is told about cases; its rows are (kind, number, text, text, text, text).
pub const FACTS: Sql = Sql {
    name: "FACTS",
    sqlite: facts!(
        concat!("(SELECT ", columns!((0) id BIGINT), " FROM jsonb_each($1)) AS r"),
        "c.body ->> '$.first_post'"
    ),
    postgres: facts!(
        concat!("UNNEST(", arrays!((1) id BIGINT), ") AS r(id)"),
        "(CAST(c.body AS JSON) ->> 'first_post')"
    ),
};

statements! {
    ADD_POSTS = "INSERT INTO posts (source, id, case_number, created_at, body) \
            SELECT r.source, r.id, r.case_number, r.created_at, r.body FROM"
        [source TEXT, id TEXT, case_number BIGINT, created_at BIGINT, body TEXT] "";
    PUT_POSTS = "INSERT INTO posts (source, id, case_number, created_at, body) \
            SELECT r.source, r.id, r.case_number, r.created_at, r.body FROM"
        [source TEXT, id TEXT, case_number BIGINT, created_at BIGINT, body TEXT]
        "WHERE true ON CONFLICT (source, id) DO UPDATE SET case_number = excluded.case_number, \
            created_at = excluded.created_at, body = excluded.body";
    ADD_CASES = "INSERT INTO cases (number, source, conversation, author, status, owner, updated_at, body) \
            SELECT r.number, r.source, r.conversation, r.author, r.status, r.owner, r.updated_at, r.body FROM"
        [number BIGINT, source TEXT, conversation TEXT, author TEXT, status TEXT, owner TEXT, updated_at BIGINT, body TEXT] "";
    PUT_CASES = "INSERT INTO cases (number, source, conversation, author, status, owner, updated_at, body) \
            SELECT r.number, r.source, r.conversation, r.author, r.status, r.owner, r.updated_at, r.body FROM"
        [number BIGINT, source TEXT, conversation TEXT, author TEXT, status TEXT, owner TEXT, updated_at BIGINT, body TEXT]
        "WHERE true ON CONFLICT (number) DO UPDATE SET source = excluded.source, \
            conversation = excluded.conversation, author = excluded.author, status = excluded.status, \
            owner = excluded.owner, updated_at = excluded.updated_at, body = excluded.body";
    ADD_EVENTS = "INSERT INTO events (id, case_number, at, body, hash) \
            SELECT r.id, r.case_number, r.at, r.body, r.hash FROM"
        [id BIGINT, case_number BIGINT, at BIGINT, body TEXT, hash TEXT] "";
    ADD_KEYS = "INSERT INTO person_keys (id, source, author, secret) SELECT r.id, r.source, r.author, r.secret FROM"
        [id TEXT, source TEXT, author TEXT, secret TEXT] "";
    DROP_KEYS = "DELETE FROM person_keys WHERE id IN (SELECT r.id FROM" [id TEXT] ")";
    BLANK_EVENTS = "UPDATE events SET body = r.body FROM"
        [id BIGINT, body TEXT] "WHERE events.id = r.id AND events.hash IS NULL";
    BLANK_EFFECTS = "UPDATE effects SET reason = r.reason FROM"
        [id BIGINT, reason TEXT] "WHERE effects.id = r.id";
    BLANK_INBOX = "UPDATE inbox SET answer = r.answer FROM"
        [key TEXT, answer TEXT] "WHERE inbox.key = r.key";
    DROP_ASIDES = "DELETE FROM asides WHERE id IN (SELECT r.id FROM" [id BIGINT] ")";
    ADD_EFFECTS = "INSERT INTO effects (id, lane, case_number, due_at, attempts, begun_at, state, body) \
            SELECT r.id, r.lane, r.case_number, r.due_at, r.attempts, r.begun_at, 'pending', r.body FROM"
        [id BIGINT, lane TEXT, case_number BIGINT, due_at BIGINT, attempts BIGINT, begun_at BIGINT, body TEXT] "";
    BEGIN_EFFECTS = "UPDATE effects SET attempts = effects.attempts + 1, begun_at = COALESCE(effects.begun_at, r.at) FROM"
        [id BIGINT, at BIGINT] "WHERE effects.id = r.id";
    PUT_OFF_EFFECTS = "UPDATE effects SET due_at = r.at FROM"
        [id BIGINT, at BIGINT] "WHERE effects.id = r.id";
    BURY_EFFECTS = "UPDATE effects SET state = 'dead', reason = r.reason FROM"
        [id BIGINT, reason TEXT] "WHERE effects.id = r.id";
    END_EFFECTS = "DELETE FROM effects WHERE id IN (SELECT r.id FROM" [id BIGINT] ")";
    PUT_THREADS = "INSERT INTO threads (case_number, chat, channel, thread, card) \
            SELECT r.case_number, r.chat, r.channel, r.thread, r.card FROM"
        [case_number BIGINT, chat TEXT, channel TEXT, thread TEXT, card TEXT]
        "WHERE true ON CONFLICT (case_number, chat, channel) DO UPDATE SET thread = excluded.thread, card = excluded.card";
    PUT_REPLY_MESSAGES = "INSERT INTO reply_messages (reply, chat, channel, message) \
            SELECT r.reply, r.chat, r.channel, r.message FROM"
        [reply BIGINT, chat TEXT, channel TEXT, message TEXT]
        "WHERE true ON CONFLICT (reply, chat, channel) DO UPDATE SET message = excluded.message";
    ADD_REPLIES = "INSERT INTO replies (id, case_number, source, state, fence, step, remote_id, body) \
            SELECT r.id, r.case_number, r.source, r.state, r.fence, r.step, r.remote_id, r.body FROM"
        [id BIGINT, case_number BIGINT, source TEXT, state TEXT, fence BIGINT, step BIGINT, remote_id TEXT, body TEXT] "";
    MOVE_REPLIES = "UPDATE replies SET state = r.state, fence = r.fence, step = r.step, remote_id = r.remote_id, \
            body = r.body FROM"
        [id BIGINT, was_state TEXT, was_fence BIGINT, was_step BIGINT, state TEXT, fence BIGINT, step BIGINT,
            remote_id TEXT, body TEXT]
        "WHERE replies.id = r.id AND replies.state = r.was_state AND replies.fence = r.was_fence \
            AND replies.step = r.was_step";
    ADD_ATTEMPTS = "INSERT INTO attempts (reply, fence, at, what, detail) SELECT r.reply, r.fence, r.at, r.what, r.detail FROM"
        [reply BIGINT, fence BIGINT, at BIGINT, what TEXT, detail TEXT] "";
    PUT_PAUSES = "INSERT INTO pauses (source, paused, at, by_whom, reason, logged) \
            SELECT r.source, r.paused, r.at, r.by_whom, r.reason, r.logged FROM"
        [source TEXT, paused BIGINT, at BIGINT, by_whom TEXT, reason TEXT, logged BIGINT]
        "WHERE true ON CONFLICT (source) DO UPDATE SET paused = excluded.paused, at = excluded.at, \
            by_whom = excluded.by_whom, reason = excluded.reason, logged = excluded.logged";
    LOG_PAUSES = "UPDATE pauses SET logged = 1 FROM" [source TEXT, paused BIGINT, at BIGINT]
        "WHERE pauses.source = r.source AND pauses.paused = r.paused AND pauses.at = r.at";
    ADD_ORDERS = "INSERT INTO orders (key, at, by_whom, body) SELECT r.key, r.at, r.by_whom, r.body FROM"
        [key TEXT, at BIGINT, by_whom TEXT, body TEXT] "";
    ANSWER_ORDERS = "UPDATE orders SET answer = r.answer FROM" [key TEXT, answer TEXT]
        "WHERE orders.key = r.key AND orders.answer IS NULL";
    WITHDRAW_ORDER = "DELETE FROM orders WHERE key = $1 AND answer IS NULL";
    FORGET_ORDERS = "DELETE FROM orders WHERE at < $1";
    ORDERS = "SELECT key, at, by_whom, body FROM orders WHERE at >= $1 AND answer IS NULL ORDER BY at, key";
    ANSWER = "SELECT answer FROM orders WHERE key = $1";
    PUT_TOKENS = "INSERT INTO tokens (source, name, body) SELECT r.source, r.name, r.body FROM"
        [source TEXT, name TEXT, body TEXT]
        "WHERE true ON CONFLICT (source, name) DO UPDATE SET body = excluded.body";
    TOKEN = "SELECT body FROM tokens WHERE source = $1 AND name = $2";
    ADD_INBOX = "INSERT INTO inbox (key, at, answer) SELECT r.key, r.at, r.answer FROM"
        [key TEXT, at BIGINT, answer TEXT] "WHERE true ON CONFLICT (key) DO NOTHING";
    PUT_CURSORS = "INSERT INTO cursors (source, stream, value) SELECT r.source, r.stream, r.value FROM"
        [source TEXT, stream TEXT, value TEXT]
        "WHERE true ON CONFLICT (source, stream) DO UPDATE SET value = excluded.value";
    ADD_ASIDES = "INSERT INTO asides (at, origin, reason, raw) SELECT r.at, r.origin, r.reason, r.raw FROM"
        [at BIGINT, origin TEXT, reason TEXT, raw TEXT] "";
    PUT_UNHEARD = "INSERT INTO unheard (source, id, author, at, why, body) \
            SELECT r.source, r.id, r.author, r.at, r.why, r.body FROM"
        [source TEXT, id TEXT, author TEXT, at BIGINT, why TEXT, body TEXT]
        "WHERE true ON CONFLICT (source, id) DO UPDATE SET author = excluded.author, why = excluded.why, \
            body = excluded.body WHERE unheard.body <> excluded.body OR unheard.why <> excluded.why";
    DROP_UNHEARD = "DELETE FROM unheard WHERE (source, id) IN (SELECT r.source, r.id FROM"
        [source TEXT, id TEXT] ")";
    LEAVE_OUT = "UPDATE unheard SET why = 'left', author = '', body = '' WHERE source = $1 AND why = 'flood'";
    FORGET_UNHEARD = "DELETE FROM unheard WHERE why = 'rules' AND at < $1";
    PUT_COUNTERS = "INSERT INTO counters (key, value) SELECT r.key, r.value FROM"
        [key TEXT, value BIGINT] "WHERE true ON CONFLICT (key) DO UPDATE SET value = excluded.value";

    FORGET_INBOX = "DELETE FROM inbox WHERE at < $1";
    TOUCH = "UPDATE settings SET value = value WHERE key = 'installation'";
    INSTALL = "INSERT INTO settings (key, value) VALUES ('installation', $1) ON CONFLICT (key) DO NOTHING";
    MARK_SEALED = "INSERT INTO settings (key, value) VALUES ('sealed', $1) ON CONFLICT (key) DO NOTHING";
    SEALED = "SELECT value FROM settings WHERE key = 'sealed'";
    INSTALLATION = "SELECT value FROM settings WHERE key = 'installation'";
    MAKE_BUTTON_KEY = "INSERT INTO settings (key, value) VALUES ('button_key', $1) ON CONFLICT (key) DO NOTHING";
    BUTTON_KEY = "SELECT value FROM settings WHERE key = 'button_key'";
    COUNTERS = "SELECT key, value FROM counters";

    CASES = "SELECT c.number, c.body FROM" [id BIGINT] "CROSS JOIN cases AS c WHERE c.number = r.id";
    LIST_ALL = "SELECT number, body FROM cases ORDER BY number LIMIT $1";
    LIST_OPEN = "SELECT number, body FROM cases WHERE status <> 'resolved' ORDER BY number LIMIT $1";
    LIST_OWNED = "SELECT number, body FROM cases WHERE owner IS NOT NULL AND owner = $2 ORDER BY number LIMIT $1";
    LIST_OWNED_OPEN = "SELECT number, body FROM cases WHERE owner IS NOT NULL AND owner = $2 AND status <> 'resolved' \
        ORDER BY number LIMIT $1";
    OPEN_OF_SOURCE = "SELECT number, body FROM cases WHERE status <> 'resolved' AND source = $1 \
        ORDER BY number DESC LIMIT $2";
    LATEST_CASES = "SELECT number, body FROM cases ORDER BY updated_at DESC, number DESC LIMIT $1";
    HIGHEST_CASE = "SELECT MAX(number) FROM cases";
    OPEN_BETWEEN = "SELECT number, body FROM cases WHERE number BETWEEN $1 AND $2 AND status <> 'resolved' \
        ORDER BY number DESC LIMIT $3";
    ANY_BETWEEN = "SELECT number, body FROM cases WHERE number BETWEEN $1 AND $2 ORDER BY number DESC LIMIT $3";
    UNHEARD = "SELECT u.source, u.id, u.why FROM" [source TEXT, id TEXT]
        "CROSS JOIN unheard AS u WHERE u.source = r.source AND u.id = r.id";
    UNHEARD_OF_PERSON = "SELECT source, id FROM unheard WHERE source = $1 AND author = $2 ORDER BY id";
    WAITING = "SELECT body FROM unheard WHERE source = $1 AND why = 'flood' ORDER BY at, id LIMIT $2";
    COUNT_WAITING = "SELECT COUNT(*) FROM unheard WHERE source = $1 AND why = 'flood'";
    ALL_WAITING = "SELECT source, COUNT(*) FROM unheard WHERE why = 'flood' GROUP BY source ORDER BY source";
    UNHEARD_AFTER = "SELECT source, id, why, body FROM unheard \
        WHERE why <> 'left' AND (source, id) > ($1, $2) ORDER BY source, id LIMIT $3";
    COUNT_SOME_POSTS = "SELECT COUNT(*) FROM (SELECT 1 AS one FROM posts WHERE source = $1 LIMIT $2) AS r";
    POSTS_BEFORE = "SELECT seq, case_number, body FROM posts WHERE seq < $1 ORDER BY seq DESC LIMIT $2";

    POSTS = "SELECT p.case_number, p.body FROM" [source TEXT, id TEXT]
        "CROSS JOIN posts AS p WHERE p.source = r.source AND p.id = r.id";
    POSTS_OF_CASES = "SELECT p.case_number, p.body FROM" [id BIGINT]
        "CROSS JOIN posts AS p WHERE p.case_number = r.id";
    POSTS_OF = "SELECT case_number, body FROM posts WHERE case_number = $1 ORDER BY created_at DESC, seq DESC LIMIT $2";

    EVENTS = "SELECT e.id, e.case_number, e.at, e.body FROM" [id BIGINT]
        "CROSS JOIN events AS e WHERE e.id = r.id";
    LAST_EVENTS = "SELECT id, case_number, at, body FROM events WHERE case_number = $1 ORDER BY id DESC LIMIT $2";
    EVENTS_OF = "SELECT id, case_number, at, body FROM events WHERE case_number = $1 AND id > $2 ORDER BY id LIMIT $3";

    LAST_LINE = "SELECT id, case_number, at, body, hash FROM events ORDER BY id DESC LIMIT 1";
    LINES = "SELECT id, case_number, at, body, hash FROM events WHERE id > $1 ORDER BY id LIMIT $2";
    CHAIN_BEGINS = "SELECT id FROM events WHERE hash IS NOT NULL ORDER BY id LIMIT 1";
    LINE_AT = "SELECT id, case_number, at, body, hash FROM events WHERE id = $1";
    KEYS_OF_PERSONS = "SELECT k.source, k.author, k.id, k.secret FROM" [source TEXT, author TEXT]
        "CROSS JOIN person_keys AS k WHERE k.source = r.source AND k.author = r.author";
    KEYS_BY_ID = "SELECT k.source, k.author, k.id, k.secret FROM" [id TEXT]
        "CROSS JOIN person_keys AS k WHERE k.id = r.id";
    CASES_OF_PERSON = "SELECT number, body FROM cases WHERE source = $1 AND author = $2 ORDER BY number";
    UNPROVEN_EVENTS = "SELECT e.id, e.case_number, e.at, e.body FROM" [id BIGINT]
        "CROSS JOIN events AS e WHERE e.case_number = r.id AND e.hash IS NULL";
    REASONS = "SELECT e.id FROM" [id BIGINT]
        "CROSS JOIN effects AS e WHERE e.state = 'dead' AND e.reason IS NOT NULL AND e.case_number = r.id";
    ANSWERS = "SELECT key, answer FROM inbox WHERE key > $1 ORDER BY key LIMIT $2";
    ASIDES = "SELECT id, origin, reason, raw FROM asides WHERE id > $1 ORDER BY id LIMIT $2";

    REPLIES = "SELECT p.id, p.body FROM" [id BIGINT] "CROSS JOIN replies AS p WHERE p.id = r.id";
    REPLIES_OF = "SELECT id, body FROM replies WHERE case_number = $1 ORDER BY id";
    REPLIES_OPEN = "SELECT id, body FROM replies \
        WHERE state NOT IN ('sent', 'failed', 'cancelled', 'abandoned') ORDER BY id";
    REPLIES_UNREAD = "SELECT id, body FROM replies WHERE state = 'abandoned' \
        OR (state = 'sent' AND remote_id LIKE 'seen-by-a-person-%') ORDER BY id DESC LIMIT $1";
    REPLIES_IN = "SELECT id, body FROM replies WHERE ($1 = '' OR state = $1) ORDER BY id DESC LIMIT $2";
    LAST_SENT = "SELECT remote_id FROM replies WHERE source = $1 AND state = 'sent' AND remote_id IS NOT NULL \
        AND remote_id NOT LIKE 'seen-by-a-person-%' ORDER BY id DESC LIMIT 1";
    ATTEMPTS = "SELECT reply, fence, at, what, detail FROM attempts WHERE reply = $1 ORDER BY seq";
    PAUSES = "SELECT source, paused, at, by_whom, reason, logged FROM pauses ORDER BY source";
    REPLY_MESSAGES = "SELECT chat, channel, message FROM reply_messages WHERE reply = $1 ORDER BY chat, channel";

    THREADS = "SELECT t.case_number, t.chat, t.channel, t.thread, t.card FROM" [id BIGINT]
        "CROSS JOIN threads AS t WHERE t.case_number = r.id";
    CASE_OF_THREAD = "SELECT case_number FROM threads WHERE chat = $1 AND thread = $2 AND channel = $3 \
        ORDER BY case_number DESC LIMIT 1";
    CASE_OF_THREAD_ANYWHERE = "SELECT case_number FROM threads WHERE chat = $1 AND thread = $2 \
        ORDER BY case_number DESC LIMIT 1";

    CURSOR = "SELECT value FROM cursors WHERE source = $1 AND stream = $2";

    // One look into the index for each lane, however long the lanes are.
    LANES = "WITH RECURSIVE l(lane) AS (\
            SELECT MIN(lane) FROM effects WHERE state = 'pending' \
            UNION ALL \
            SELECT (SELECT MIN(e.lane) FROM effects AS e WHERE e.state = 'pending' AND e.lane > l.lane) \
            FROM l WHERE l.lane IS NOT NULL) \
        SELECT lane FROM l WHERE lane IS NOT NULL";
    EFFECTS_OF = "SELECT id, lane, case_number, due_at, attempts, begun_at, body FROM effects \
        WHERE state = 'pending' AND lane = $1 AND (due_at, id) > ($2, $3) ORDER BY due_at, id LIMIT $4";
    DEAD_EFFECTS = "SELECT COUNT(*) FROM effects WHERE state = 'dead'";
}
