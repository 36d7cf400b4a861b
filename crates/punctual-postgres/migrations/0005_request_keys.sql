-- Keys of requests, so that a request which is sent again is not carried out again.
CREATE TABLE request_keys (
    key        text PRIMARY KEY,    -- hash of the key and of who sent it
    request    text NOT NULL,       -- hash of the request
    busy_until bigint NOT NULL,
    expires_at bigint NOT NULL,
    answer     text
);
CREATE INDEX request_keys_expires ON request_keys (expires_at);
