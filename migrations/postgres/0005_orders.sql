-- What a command line orders of the process that has the lock. `answer` is NULL until it was carried
-- out; both are written in one transaction, so an order that was withdrawn before did nothing.
CREATE TABLE orders (
    key TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    at BIGINT NOT NULL,
    by_whom TEXT COLLATE "C" NOT NULL,
    body TEXT COLLATE "C" NOT NULL,
    answer TEXT COLLATE "C"
);
CREATE INDEX orders_at ON orders (at);
