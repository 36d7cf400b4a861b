-- The order is the index's, so that the first rows are read and no others; rows that another node has locked are
-- passed over.
SELECT d.trigger_id, d.next_fire_at, d.priority_rank, d.previous_fire_at, d.fired, d.skipped, d.version
FROM due d
WHERE d.kind_id = $1 AND d.state = 0 AND d.lane_id IS NULL AND d.next_fire_at <= $2
ORDER BY d.next_fire_at, d.priority_rank
LIMIT $3
FOR UPDATE SKIP LOCKED
