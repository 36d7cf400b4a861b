UPDATE triggers
SET description = ?2, schedule = ?3, start_at = ?4, end_at = ?5, priority_rank = ?6, calendar = ?7, misfire = ?8,
    misfire_threshold_ms = ?9, data = ?10, state = ?11, anchor = ?12, rebased = ?13, next_fire_at = ?14,
    previous_fire_at = ?15, fired = ?16, skipped = ?17, accounted_from = ?18, error = ?19, updated_at = ?20,
    lane_id = ?21, lane_limit = ?22, overlap = ?23, event = ?24
WHERE id = ?1
