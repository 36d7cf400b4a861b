UPDATE due
SET next_fire_at = $2, priority_rank = $3, state = $4, lane_id = $5, lane_limit = $6, overlap = $7, previous_fire_at = $8,
    fired = $9, skipped = $10, version = version + 1
WHERE trigger_id = $1
