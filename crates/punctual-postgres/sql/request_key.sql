SELECT request, busy_until, expires_at, answer FROM request_keys WHERE key = $1
