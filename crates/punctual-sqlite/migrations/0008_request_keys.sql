-- Keys of requests, so that a request which is sent again is not carried out again.
CREATE TABLE request_keys (
    key        TEXT PRIMARY KEY,    -- hash of the key and of who sent it
    request    TEXT NOT NULL,       -- hash of the request
    busy_until INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    answer     TEXT
) WITHOUT ROWID;
CREATE INDEX request_keys_expires ON request_keys (expires_at);
