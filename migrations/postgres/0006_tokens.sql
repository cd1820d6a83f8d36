-- Secrets that a platform gave us: locked, under a key that is outside of the database.
CREATE TABLE tokens (
    source TEXT COLLATE "C" NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    body TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (source, name)
);
