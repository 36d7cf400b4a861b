INSERT OR REPLACE INTO history_rollups (level, series, bucket, success, failed, unknown, total_ms, durations)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
