-- The first trigger of the next pair of limit and kind: one step of a walk over the pairs, however many triggers wait.
SELECT lane_limit, kind_id, next_fire_at, priority_rank, id
FROM triggers
WHERE lane_id = ?1 AND (lane_limit, kind_id) > (?2, ?3) AND state = 0 AND lane_id IS NOT NULL AND next_fire_at IS NOT NULL
ORDER BY lane_limit, kind_id, next_fire_at, priority_rank
LIMIT 1
