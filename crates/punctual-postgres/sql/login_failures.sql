SELECT key, count, last_at FROM login_failures WHERE key = ANY($1)
