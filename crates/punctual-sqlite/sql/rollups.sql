SELECT success, failed, unknown, total_ms, durations, bucket FROM history_rollups
WHERE level = ?1 AND series = ?2 AND bucket >= ?3 AND bucket < ?4
