-- Each event carries the hash of the one before it and of itself. Events of earlier versions have
-- none: the chain begins at the first that has.
ALTER TABLE events ADD COLUMN hash TEXT COLLATE "C";

-- What is said about a person in events is kept under a key of theirs; without the key it is noise.
CREATE TABLE person_keys (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    source TEXT COLLATE "C" NOT NULL,
    author TEXT COLLATE "C" NOT NULL,
    secret TEXT COLLATE "C" NOT NULL
);
CREATE UNIQUE INDEX person_keys_person ON person_keys (source, author);
