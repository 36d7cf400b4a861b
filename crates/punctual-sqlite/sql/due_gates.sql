SELECT trigger_id, next_fire_at, priority_rank
FROM gates
WHERE kind_id = ?1 AND next_fire_at <= ?2
ORDER BY next_fire_at, priority_rank
LIMIT ?3
