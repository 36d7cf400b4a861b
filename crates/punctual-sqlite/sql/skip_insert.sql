INSERT INTO skipped_ranges (id, trigger_group, trigger_name, job_group, job_name, first_at, last_at, count, reason,
    recorded_at, fire_id)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
