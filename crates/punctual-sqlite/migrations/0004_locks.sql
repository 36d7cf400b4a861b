-- Named locks with leases: one row for each lock of a grant. The token is the grant's, and its rows share one lease.

CREATE TABLE locks (
    name        TEXT NOT NULL,
    token       INTEGER NOT NULL, -- fencing token, larger than every earlier one
    mode        INTEGER NOT NULL, -- 0 shared, 1 exclusive
    node        TEXT NOT NULL,
    term        INTEGER,
    purpose     TEXT NOT NULL,
    acquired_at INTEGER NOT NULL,
    lease_until INTEGER NOT NULL,
    PRIMARY KEY (name, token)
) WITHOUT ROWID;
CREATE INDEX locks_token ON locks (token);
CREATE INDEX locks_lease ON locks (lease_until);
