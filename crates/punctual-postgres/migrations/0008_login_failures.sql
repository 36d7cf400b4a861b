-- Failed attempts to sign in, counted for the cluster.
CREATE TABLE login_failures (
    key       text PRIMARY KEY,    -- a name (a part of its hash) or an address
    count     bigint NOT NULL,
    last_at   bigint NOT NULL,
    forget_at bigint NOT NULL
);
CREATE INDEX login_failures_forget ON login_failures (forget_at);
