UPDATE triggers
SET description = $2, schedule = $3, start_at = $4, end_at = $5, calendar = $6, misfire = $7, misfire_threshold_ms = $8, data = $9,
    anchor = $10, rebased = $11, accounted_from = $12, error = $13, updated_at = $14, event = $15
WHERE id = $1
