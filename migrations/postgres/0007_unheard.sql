-- What sources found and opened no case: `why` is `rules` (no rule caught it; kept for a while, so that a
-- rule can be tried on it), `flood` (set aside until somebody lets it in) or `left` (somebody did not; its
-- body is empty, and it is only known so that it does not come again). `at` is when it came.
CREATE TABLE unheard (
    source TEXT COLLATE "C" NOT NULL,
    id TEXT COLLATE "C" NOT NULL,
    author TEXT COLLATE "C" NOT NULL,
    at BIGINT NOT NULL,
    why TEXT COLLATE "C" NOT NULL,
    body TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (source, id)
);
CREATE INDEX unheard_why ON unheard (why, at);
