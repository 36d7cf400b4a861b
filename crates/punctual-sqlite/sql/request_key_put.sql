INSERT OR REPLACE INTO request_keys (key, request, busy_until, expires_at) VALUES (?1, ?2, ?3, ?4)
