INSERT INTO login_failures (key, count, last_at, forget_at) VALUES ($1, $2, $3, $4)
ON CONFLICT (key) DO UPDATE SET count = $2, last_at = $3, forget_at = $4
