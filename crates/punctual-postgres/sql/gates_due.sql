SELECT lane_id, next_fire_at, priority_rank
FROM gates
WHERE kind_id = ANY($1::bigint[]) AND next_fire_at <= $2
ORDER BY next_fire_at, priority_rank
LIMIT $3
