SELECT t.id, t.hash, t.user_id, t.name, t.scopes, t.created_at, t.expires_at, t.last_used_at
FROM api_tokens t WHERE ?1 IS NULL OR t.user_id = ?1 ORDER BY t.id
