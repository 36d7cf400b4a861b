SELECT success, failed, unknown, total_ms, durations FROM history_rollups
WHERE level = ?1 AND series = ?2 AND bucket = ?3
