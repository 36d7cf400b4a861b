-- A heartbeat rewrites its node's row in place. Without this, every two minutes of an idle node would be a vacuum.
ALTER TABLE nodes SET (fillfactor = 20, autovacuum_vacuum_threshold = 5000, autovacuum_analyze_threshold = 5000);
