-- Likewise over overlap policies and kinds, for schedules that do something while their lane is full.
SELECT overlap, kind_id, next_fire_at, priority_rank, id
FROM triggers
WHERE lane_id = ?1 AND (overlap, kind_id) > (?2, ?3) AND overlap > 0 AND pending = 0 AND state = 0 AND lane_id IS NOT NULL
  AND next_fire_at IS NOT NULL
ORDER BY overlap, kind_id, next_fire_at, priority_rank
LIMIT 1
