INSERT INTO api_tokens (hash, user_id, name, scopes, created_at, expires_at, last_used_at)
VALUES ($1, $2, $3, $4, $5, $6, $7)
RETURNING id
