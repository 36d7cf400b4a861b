SELECT s.id, s.hash, s.user_id, s.address, s.created_at, s.seen_at
FROM sessions s WHERE s.user_id = ?1 ORDER BY s.id
