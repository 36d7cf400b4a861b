INSERT INTO sessions (hash, user_id, address, created_at, seen_at) VALUES ($1, $2, $3, $4, $5) RETURNING id
