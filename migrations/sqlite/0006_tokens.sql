-- Secrets that a platform gave us: locked, under a key that is outside of the database.
CREATE TABLE tokens (
    source TEXT NOT NULL,
    name TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (source, name)
) STRICT, WITHOUT ROWID;
