-- Failed attempts to sign in, counted for the cluster.
CREATE TABLE login_failures (
    key       TEXT PRIMARY KEY,    -- a name (a part of its hash) or an address
    count     INTEGER NOT NULL,
    last_at   INTEGER NOT NULL,
    forget_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX login_failures_forget ON login_failures (forget_at);
