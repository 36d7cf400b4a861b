UPDATE lanes l SET ended_at = d.ended_at
FROM unnest($1::bigint[], $2::bigint[]) AS d(lane_id, ended_at)
WHERE l.lane_id = d.lane_id AND l.ended_at < d.ended_at
