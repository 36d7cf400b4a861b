INSERT INTO due (trigger_id, kind_id, next_fire_at, priority_rank, state, pending, lane_id, lane_limit, overlap,
    previous_fire_at, fired, skipped, version)
SELECT n.*, 1
FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::smallint[], $6::boolean[], $7::bigint[],
    $8::integer[], $9::smallint[], $10::bigint[], $11::bigint[], $12::bigint[]) n
