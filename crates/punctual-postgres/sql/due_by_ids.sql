SELECT d.trigger_id, d.kind_id, d.next_fire_at, d.priority_rank, d.state, d.lane_id, d.lane_limit, d.overlap, d.previous_fire_at, d.fired,
       d.skipped, d.version
FROM due d
WHERE d.trigger_id = ANY($1::bigint[])
FOR UPDATE SKIP LOCKED
