DELETE FROM request_keys WHERE key IN (SELECT key FROM request_keys WHERE expires_at <= ?1 ORDER BY expires_at LIMIT ?2)
