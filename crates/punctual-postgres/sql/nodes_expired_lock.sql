-- The nodes that a recovery takes for lost. Waits for a renewal that is under way, and passes the node over when that was
-- committed: from here on none of them can renew its lease. No other lock on the table is taken, since nodes that register
-- exclude those who write it.
SELECT name, term, lease_until FROM nodes WHERE lease_until <= $1 ORDER BY term FOR UPDATE
