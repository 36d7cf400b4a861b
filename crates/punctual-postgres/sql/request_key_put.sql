INSERT INTO request_keys (key, request, busy_until, expires_at) VALUES ($1, $2, $3, $4)
ON CONFLICT (key) DO UPDATE SET request = $2, busy_until = $3, expires_at = $4, answer = NULL
