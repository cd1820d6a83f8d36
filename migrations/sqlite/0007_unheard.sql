-- What sources found and opened no case: `why` is `rules` (no rule caught it; kept for a while, so that a
-- rule can be tried on it), `flood` (set aside until somebody lets it in) or `left` (somebody did not; its
-- body is empty, and it is only known so that it does not come again). `at` is when it came.
CREATE TABLE unheard (
    source TEXT NOT NULL,
    id TEXT NOT NULL,
    author TEXT NOT NULL,
    at INTEGER NOT NULL,
    why TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (source, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX unheard_why ON unheard (why, at);
