SELECT g.lane_id, g.kind_id, g.next_fire_at, g.priority_rank, g.trigger_id,
       (SELECT count(*) FROM running r WHERE r.lane_id = g.lane_id)
FROM gates g
WHERE g.lane_id = ANY($1::bigint[]) AND g.kind_id = ANY($2::bigint[]) AND g.next_fire_at <= $3
ORDER BY g.next_fire_at, g.priority_rank
