-- What a command line orders of the process that has the lock. `answer` is NULL until it was carried
-- out; both are written in one transaction, so an order that was withdrawn before did nothing.
CREATE TABLE orders (
    key TEXT NOT NULL PRIMARY KEY,
    at INTEGER NOT NULL,
    by_whom TEXT NOT NULL,
    body TEXT NOT NULL,
    answer TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX orders_at ON orders (at);
