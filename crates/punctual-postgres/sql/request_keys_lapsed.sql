DELETE FROM request_keys WHERE key = ANY(ARRAY(
    SELECT key FROM request_keys WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED
))
